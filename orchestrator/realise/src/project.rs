//! A project's way from its sources to a graph: cargo asked, parts made.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use xbuild_action::{Content, ContentExt as _, Entry, lookup};
use xbuild_base::{Digest, RelPath, Tree, Triple};
use xbuild_cargo::{
    Configuration, ConfigurationFile, Context, CrateType, Flavour, Mode, Package, Packages, Platform,
    UnitGraph, UnitIndex, UnitVariables, Wrapper,
};
use xbuild_describe::{
    Asked, Environment, Output, OutputKind, PackageVersion, TargetSpec, Task, TaskKind, Variables,
    VariantName,
};
use xbuild_fetch::source::lock::Lock;
use xbuild_plan::graph::Part;
use xbuild_plan::planning::{self, Goal, Ground, Selection};
use xbuild_plan::sources::Sources;

use crate::engine::Engine;
use crate::error::RealiseError;
use crate::local::{CONFIGURATION, LocalSources};
use crate::metadata::Metadata;
use crate::platform::{self, Layers};

/// Cargo's option that documents private items too. What it plans is the same.
const PRIVATE: &str = "--document-private-items";

/// Everything that a project's own files and its lock say, in the store.
#[derive(Debug, Clone)]
pub struct Project {
    /// All sources.
    pub sources: Arc<Sources>,
    /// What planning steps see of them.
    pub skeleton: Digest<Tree>,
    /// What cargo's configuration in the project means.
    pub configuration: Configuration,
    /// The environment variables that the description sets.
    pub variables: DescribedVariables,
}

/// The environment variables that the description sets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DescribedVariables {
    /// Those of all packages.
    pub common: Environment,
    /// Those of a variant, over them.
    pub variants: BTreeMap<VariantName, Variables>,
    /// Those of single packages.
    pub packages: BTreeMap<PackageVersion, Variables>,
}

impl DescribedVariables {
    /// What is set for the units of a variant's graph, and for what runs on the host.
    fn of(&self, variant: &VariantName, target: &Platform) -> UnitVariables {
        let own = || self.variants.get(variant).cloned().unwrap_or_default();
        let with_own = |mut variables: Variables| {
            variables.extend(own());
            variables
        };
        UnitVariables {
            host: with_own(self.common.common.clone()),
            target: with_own(self.common.for_target(&target.triple, &target.cfg)),
            packages: self.packages.clone(),
        }
    }
}

/// Reads `Cargo.lock`.
///
/// # Errors
/// When there is none, or it can't be used.
pub fn read_lock(root: &Path) -> Result<Lock, RealiseError> {
    let path = root.join("Cargo.lock");
    let text = match fs_err::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(RealiseError::NoLock { folder: root.to_owned() });
        }
        Err(error) => return Err(RealiseError::io("read Cargo.lock")(error)),
    };
    Ok(Lock::parse(&text)?)
}

/// What cargo's configuration among the sources means: the workspace's, and those above it in its repository.
///
/// # Errors
/// When it holds what can't be honoured, all of it at once.
pub fn configuration(store: &dyn Content, local: &LocalSources) -> Result<Configuration, RealiseError> {
    let texts = configuration_texts(store, local)?;
    let files: Vec<ConfigurationFile<'_>> =
        texts.iter().map(|(name, folder, text)| ConfigurationFile { name, folder, text }).collect();
    Configuration::parse(&files).map_err(|errors| RealiseError::Cargo(errors.into_iter().collect()))
}

/// The files of cargo's configuration: of each its path from the workspace, the folder that it holds for, and its text.
pub(crate) fn configuration_texts(
    store: &dyn Content,
    local: &LocalSources,
) -> Result<Vec<(String, RelPath, String)>, RealiseError> {
    let workspace = local.workspace.clone();
    let mut texts = Vec::new();
    for folder in std::iter::successors(Some(workspace), RelPath::parent) {
        // The name without an ending is the older one, and wins.
        for name in CONFIGURATION {
            let path =
                folder.resolve(name).map_err(|error| RealiseError::Source { problem: error.to_string() })?;
            if let Some(Entry::File(file)) = lookup(store, local.tree, &path)? {
                let text = String::from_utf8_lossy(&store.get(file.digest)?).into_owned();
                texts.push((local.workspace.relative_to(&path), folder.clone(), text));
                break;
            }
        }
    }
    Ok(texts)
}

impl Project {
    /// What planning steps run over.
    #[must_use]
    pub fn ground<'a>(&'a self, layers: &'a [Digest<Tree>]) -> Ground<'a> {
        Ground { layers, skeleton: self.skeleton, workspace: &self.sources.workspace }
    }

    /// Plans one graph: all units of a variant for one target, of which only the wanted ones are kept.
    ///
    /// # Errors
    /// When cargo can't plan it.
    pub fn part(
        &self,
        engine: &Engine<'_>,
        asked: &Asked,
        spec: &TargetSpec,
        layers: &Layers,
        metadata: &Metadata,
        include: BTreeMap<String, Vec<String>>,
    ) -> Result<Part, RealiseError> {
        let context = self.context(engine, asked, spec, layers, metadata, &[])?;
        let wanted = wanted(&context, asked)?;
        Ok(Part {
            context,
            host_layers: layers.host.clone(),
            target_layers: layers.target(),
            sources: Arc::clone(&self.sources),
            include,
            wrapper: layers.clippy.into_iter().collect(),
            native: BTreeMap::new(),
            private_docs: asked
                .task
                .as_ref()
                .is_some_and(|asked| asked.task.options.iter().any(|option| option == PRIVATE)),
            stamps: BTreeMap::new(),
            wanted,
            name: spec.triple.to_string(),
        })
    }

    /// All units of a variant for one target, or those of a task, and those that further options of cargo's ask for,
    /// such as `--examples`.
    ///
    /// # Errors
    /// When cargo can't plan them.
    pub fn context(
        &self,
        engine: &Engine<'_>,
        asked: &Asked,
        spec: &TargetSpec,
        layers: &Layers,
        metadata: &Metadata,
        options: &[String],
    ) -> Result<Context, RealiseError> {
        let settings = &asked.plan;
        let configuration = self.configuration.clone().with_rustflags(&settings.rustflags);
        let mut toolchain = platform::toolchain(engine, layers, spec, Flavour::Project, configuration)?;
        let target = toolchain.targets.get(&spec.triple);
        toolchain.variables =
            target.map(|target| self.variables.of(&asked.variant, target)).unwrap_or_default();
        let task = asked.task.as_ref().map(|asked| &asked.task);
        if let Some(Task { kind: TaskKind::Clippy, arguments, .. }) = task {
            toolchain.workspace_wrapper = Some(clippy(arguments));
        }
        let mut selection = Selection {
            packages: specs(metadata.packages(), &settings.packages),
            features: settings.features.iter().cloned().collect(),
            all_features: settings.all_features,
            no_default_features: !settings.default_features,
            profile: settings.profile.clone(),
            goal: match task.map(|task| task.kind) {
                None => Goal::Build,
                Some(TaskKind::Test) => Goal::Test,
                Some(TaskKind::Check | TaskKind::Clippy) => Goal::Check,
                Some(TaskKind::Doc) => Goal::Doc,
            },
            options: task.iter().flat_map(|task| &task.options).chain(options).cloned().collect(),
            rustflags: target.map(|target| toolchain.configuration.rustflags(target)).unwrap_or_default(),
        };
        let ground = self.ground(&layers.host);
        let mut graph = UnitGraph::parse(&plan(engine, &ground, &selection, &spec.triple)?)?;
        if selection.goal == Goal::Check {
            selection.goal = Goal::Build;
            graph.mark_tests(&UnitGraph::parse(&plan(engine, &ground, &selection, &spec.triple)?)?);
        }
        metadata.context(graph, toolchain)
    }
}

/// What chooses members by their names: a name alone may be a dependency's too.
fn specs(packages: &Packages, names: &BTreeSet<String>) -> Vec<String> {
    let of_name = |name: &String| {
        let member = packages.iter().find(|one| one.name == *name && packages.is_member(&one.id));
        member.map_or_else(|| name.clone(), Package::spec)
    };
    names.iter().map(of_name).collect()
}

/// What takes rustc's place in a run of clippy: what `cargo clippy` sets, `cargo-clippy`'s `ClippyCmd`.
fn clippy(arguments: &[String]) -> Wrapper {
    let arguments = arguments.iter().map(|argument| format!("{argument}__CLIPPY_HACKERY__")).collect();
    Wrapper {
        program: "/usr/bin/clippy-driver".to_owned(),
        environment: BTreeMap::from([("CLIPPY_ARGS".to_owned(), arguments)]),
        configuration: ["clippy.toml", ".clippy.toml"].map(str::to_owned).into(),
    }
}

/// The tests that were asked for: compiled ones, and those of documentation.
#[must_use]
pub fn tests(context: &Context, asked: &Asked) -> Vec<UnitIndex> {
    roots_of_task(context, asked).filter(|&root| context.unit(root).is_test()).collect()
}

/// What cargo would build or run for the task that was asked for.
fn roots_of_task<'c>(context: &'c Context, asked: &'c Asked) -> impl Iterator<Item = UnitIndex> + 'c {
    let packages = asked.task.iter().map(|task| &task.packages);
    packages.flat_map(|packages| {
        let roots = context.graph().roots().iter().copied();
        roots.filter(|&root| packages.contains(&context.package(root).name))
    })
}

/// The unit that makes an output, unless cargo has left it out for want of a feature.
#[must_use]
pub fn unit_of(context: &Context, output: &Output) -> Option<UnitIndex> {
    let kind = match output.kind {
        OutputKind::Bin => CrateType::Binary,
        OutputKind::Cdylib => CrateType::Cdylib,
        OutputKind::Staticlib => CrateType::Staticlib,
    };
    context.graph().roots().iter().copied().find(|&root| {
        let target = &context.unit(root).target;
        context.package(root).name == output.package
            && target.name == output.name
            && target.crate_types.contains(&kind)
    })
}

/// What must be built of the outputs, or for the task, that were asked for.
fn wanted(context: &Context, asked: &Asked) -> Result<BTreeSet<UnitIndex>, RealiseError> {
    let mut wanted = BTreeSet::new();
    for root in roots_of_task(context, asked) {
        // rustdoc runs when all that it needs is there.
        match context.unit(root).mode {
            Mode::Doctest => wanted.extend(context.unit(root).dependencies.iter().map(|edge| edge.index)),
            _ => drop(wanted.insert(root)),
        }
    }
    for selected in &asked.selected {
        match unit_of(context, &selected.output) {
            Some(root) => drop(wanted.insert(root)),
            None if selected.named => return Err(RealiseError::LeftOut(Box::new(selected.left_out()))),
            None => {}
        }
    }
    Ok(wanted)
}

/// Asks cargo for the unit graph, as JSON.
pub(crate) fn plan(
    engine: &Engine<'_>,
    ground: &Ground<'_>,
    selection: &Selection,
    target: &Triple,
) -> Result<String, RealiseError> {
    let (command, inputs) = planning::unit_graph(ground, selection, target);
    let result = engine.run_one("planning with cargo", &command, &inputs).map_err(no_target)?;
    Ok(String::from_utf8_lossy(&engine.store.get(result.stdout)?).into_owned())
}

/// Cargo knows best which names of tests and examples there are.
fn no_target(error: RealiseError) -> RealiseError {
    let RealiseError::Step { output, .. } = &error else { return error };
    let mut lines = output.lines().filter(|line| !line.trim().is_empty());
    let said = lines.next().and_then(|line| line.strip_prefix("error: no ")?.split_once(" target named "));
    let Some((kind, name)) = said else { return error };
    // Which package it was looked for in, by its path in the sandbox, says nothing to people.
    let name = name.split(" in ").next().unwrap_or(name);
    let help = lines.map(|line| line.trim_start_matches("help: ").trim_end()).collect::<Vec<_>>().join("\n");
    RealiseError::NoTarget { problem: format!("the packages have no {kind} named {name}"), help }
}
