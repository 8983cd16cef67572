//! xbuild's side: the real graph, built by the real engine, with each command kept as it is bound.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use xbuild_action::{ActionResult, Command, File};
use xbuild_cargo::{Context, Toolchain};
use xbuild_describe::{Asked, TargetSpec};
use xbuild_plan::graph::{Graph, Part};
use xbuild_plan::queue::{Node, Wait};
use xbuild_plan::{Bound, PlanError, Work};
use xbuild_realise::Metadata;
use xbuild_realise::platform::Layers;
use xbuild_realise::project::Project;
use xtask_ground::Kit;

use crate::call::{Call, Kind};
use crate::error::Error;

/// A unit that xbuild has built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unit {
    /// What people call it.
    pub(crate) title: String,
    pub(crate) call: Call,
    /// Whether it is for the host.
    pub(crate) is_host: bool,
}

/// What xbuild ran, each unit after those that it depends on, and what it ran them with.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) units: Vec<Unit>,
    pub(crate) toolchain: Toolchain,
}

/// Options of `cargo build` that a fixture may name.
const OPTIONS: [&str; 5] = ["--lib", "--bins", "--examples", "--tests", "--benches"];

/// Plans what is asked for.
pub(crate) fn plan(
    kit: &Kit<'_>,
    (project, metadata): &(Project, Metadata),
    asked: &Asked,
    (spec, layers): (&TargetSpec, &Layers),
    options: &[String],
) -> Result<Context, Error> {
    if !options.iter().all(|option| OPTIONS.contains(&option.as_str())) {
        return Err(Error::Recording(format!("the options are {OPTIONS:?}")));
    }
    Ok(project.context(kit.engine, asked, spec, layers, metadata, options)?)
}

/// Builds a plan, all of it.
pub(crate) fn build(
    kit: &Kit<'_>,
    project: &Project,
    context: Context,
    layers: &Layers,
    include: BTreeMap<String, Vec<String>>,
) -> Result<Built, Error> {
    let toolchain = context.toolchain().clone();
    let part = Part {
        wanted: context.graph().roots().iter().copied().collect(),
        name: "target".to_owned(),
        host_layers: layers.host.clone(),
        target_layers: layers.target(),
        sources: project.sources.clone(),
        include,
        wrapper: Vec::new(),
        native: BTreeMap::new(),
        private_docs: false,
        stamps: BTreeMap::new(),
        context,
    };
    let graph = Graph::new(kit.engine.store, vec![part]).map_err(xbuild_realise::RealiseError::from)?;
    let mut work = Kept { graph, commands: Mutex::default() };
    xtask_ground::build(kit, &mut work)?;
    let unit = |(node, command): (Node, Command)| {
        let label = &work.graph.labels()[node];
        let of = work.graph.unit(node);
        let unit = work.graph.parts()[of.part].context.unit(of.unit);
        let Command { argv, environment, working_directory, outputs: _ } = command;
        Unit {
            title: format!("{label} [{}]", label.platform),
            is_host: unit.platform.is_none(),
            call: Call {
                kind: if unit.is_script_run() { Kind::Script } else { Kind::Rustc },
                argv,
                environment,
                working_directory: working_directory.in_sandbox(),
            },
        }
    };
    // Nodes are numbered in the order of the graph: dependencies first.
    let commands = work.commands.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(Built { units: commands.into_iter().map(unit).collect(), toolchain })
}

/// A graph that keeps what it is asked for.
struct Kept<'s> {
    graph: Graph<'s>,
    commands: Mutex<BTreeMap<Node, Command>>,
}

impl Work for Kept<'_> {
    fn nodes(&self) -> Vec<(u64, Vec<(Node, Wait)>)> {
        self.graph.nodes()
    }

    fn bind(&self, node: Node) -> Result<Bound, PlanError> {
        let bound = self.graph.bind(node)?;
        let mut commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        commands.insert(node, bound.command.clone());
        Ok(bound)
    }

    fn early(&mut self, node: Node, file: File) {
        self.graph.early(node, file);
    }

    fn succeeded(&mut self, node: Node, result: &ActionResult) -> Result<(), PlanError> {
        self.graph.succeeded(node, result)
    }

    fn warnings(&self, node: Node) -> &[String] {
        self.graph.warnings(node)
    }
}
