//! What is planned, built and proved.

use std::collections::BTreeMap;

use xbuild_base::Triple;
use xbuild_describe::{Asked, Unify};
use xbuild_plan::graph::{Graph, Part};
use xbuild_plan::reasons::{Component, Components};
use xbuild_realise::engine::Engine;
use xbuild_realise::{RealiseError, in_threads};

use super::{Finished, Laid, Planned, Realised, Work};
use crate::affected::Changes;
use crate::composed::{Ground, spec};
use crate::error::{XbuildError, counted};
use crate::history::{Echo, History};
use crate::native::{self, Supplied};
use crate::outputs;
use crate::steps::{self, Making};
use crate::timings::Recorder;
use crate::ui::{BuildDisplay, LocalPackages, Traced, Ui};

impl Work<'_> {
    /// Builds what is planned.
    pub(crate) fn build(
        &self,
        planned: &mut Planned<'_>,
        recorder: &mut Recorder,
    ) -> Result<Finished<'_>, XbuildError> {
        let Self { build, ui, engine, .. } = self;
        let of_std = self.history_of_std(planned);
        planned.composed.build_std(engine, (ui, &of_std), recorder)?;
        self.history.know(self.components(planned));
        recorder.stage("plan");
        let Laid { mut graph, supplied, .. } = self.look(planned, Making::Run)?;
        recorder.stage("build");
        let names = self.graph_names(planned);
        let (trace, echo) = run_graph(engine, &mut graph, (ui, &self.history, &names), recorder)?;
        if let Some(path) = &build.trace {
            let text = serde_json::to_string_pretty(&trace).unwrap_or_default();
            fs_err::write(path, text).map_err(|error| XbuildError::machine(&error))?;
        }
        Ok(Finished { graph, supplied, trace, echo })
    }

    /// Builds what is planned, and proves it.
    pub(crate) fn realise(
        &self,
        planned: &mut Planned<'_>,
        recorder: &mut Recorder,
    ) -> Result<Realised, XbuildError> {
        let Self { build, described, session, ui, .. } = self;
        let Finished { graph, supplied, trace, echo } = self.build(planned, recorder)?;
        recorder.stage("prove");
        let rows = outputs::rows(&graph, &planned.asked, &trace);
        let mut libraries: BTreeMap<(String, Triple), Supplied> = BTreeMap::new();
        for (one, supplied) in planned.asked.iter().zip(supplied) {
            libraries.entry((one.variant.to_string(), one.target.clone())).or_default().join(supplied);
        }
        outputs::prove(session, described, (&planned.asked, &libraries), &rows, build, ui)?;
        let cfg = |(part, one): (usize, &Asked)| {
            let context = &graph.parts()[part].context;
            (one.target.clone(), context.cfg(&one.target).unwrap_or_default().to_vec())
        };
        let cfgs = planned.asked.iter().enumerate().map(cfg).collect();
        Ok(Realised { rows, echo, units: graph.len(), cfgs, libraries })
    }

    /// Leaves of what is asked for the outputs that a change since a commit can touch.
    pub(super) fn keep_affected(&self, planned: &mut Planned<'_>, commit: &str) -> Result<(), XbuildError> {
        let changes = Changes::since(self.described, &self.local, commit)?;
        let count = |planned: &Planned<'_>| planned.asked.iter().map(|one| one.selected.len()).sum::<usize>();
        let all = count(planned);
        if !changes.is_global {
            let Laid { graph, .. } = self.look(planned, Making::Skip)?;
            for (one, part) in planned.asked.iter_mut().zip(graph.parts()) {
                changes.keep(self.described, &self.local, part, one);
            }
            planned.asked.retain(|one| !one.selected.is_empty());
        }
        self.ui.status("Affected", format!("{} of {}", count(planned), counted(all, "output")));
        Ok(())
    }

    /// What the trees are that units run over, but for what is composed for some of them besides.
    pub(super) fn components(&self, planned: &Planned<'_>) -> Components {
        let mut components = planned.composed.components.clone();
        components.extend(planned.project.sources.git.iter().map(|git| {
            let (name, versions) = (git.url.clone(), BTreeMap::from([(git.url.clone(), git.commit.clone())]));
            (git.tree, Component { name, versions, is_pending: false })
        }));
        components
    }

    /// The graph of what is planned, and not built: std may be missing in it.
    pub(crate) fn look(&self, planned: &Planned<'_>, making: Making) -> Result<Laid<'_>, XbuildError> {
        self.graph(planned, &planned.asked, making)
    }

    /// What people call the graphs, by part.
    pub(crate) fn graph_names(&self, planned: &Planned<'_>) -> Vec<String> {
        planned.asked.iter().map(|one| self.graph_name(one)).collect()
    }

    /// What people call the graph of a variant and target, and of a package where each is planned alone.
    pub(super) fn graph_name(&self, one: &Asked) -> String {
        let variants = &self.described.description.variants;
        let is_alone = variants.get(&one.variant).is_some_and(|build| build.unify == Unify::Package);
        let packages: Vec<&str> = one.plan.packages.iter().filter(|_| is_alone).map(String::as_str).collect();
        let packages = if packages.is_empty() { String::new() } else { format!(", {}", packages.join(", ")) };
        format!("{}/{}{packages}", one.variant, one.target)
    }

    /// One graph over what is asked for.
    fn graph(&self, planned: &Planned<'_>, asked: &[Asked], making: Making) -> Result<Laid<'_>, XbuildError> {
        let (described, engine) = (self.described, &self.engine);
        let include = described.description.includes();
        let Planned { project, composed, metadata, .. } = planned;
        let part = |one: &Asked| -> Result<Part, XbuildError> {
            let layers = composed.layers_of(one)?;
            let metadata = &metadata[&Ground::of(described, one)?.rust];
            let spec = spec(described, &one.target)?;
            Ok(project.part(engine, one, spec, layers, metadata, include.clone())?)
        };
        let parts = in_threads(engine.jobs, asked, part);
        let mut parts: Vec<Part> = parts.into_iter().collect::<Result<_, _>>()?;
        let supplied = native::provide(self, self.described, asked, &mut parts)?;
        let steps = steps::provide(self, &planned.packages, &mut parts, making)?;
        let variants = &self.described.description.variants;
        for (part, one) in parts.iter_mut().zip(asked) {
            let stamp = self.stamp.as_ref();
            let stamp = stamp.filter(|_| variants.get(&one.variant).is_some_and(|build| build.stamp));
            stamp.inspect(|stamp| stamp.tell(self.described, one, part));
        }
        let graph = Graph::new(self.engine.store, parts).map_err(RealiseError::from)?;
        Ok(Laid { graph, supplied, steps })
    }
}

/// Runs a graph on the display, its parts called so. Tells what happened to each node, and what there is to be told again.
pub(crate) fn run_graph(
    engine: &Engine<'_>,
    graph: &mut Graph<'_>,
    (ui, history, names): (&Ui, &History, &[String]),
    recorder: &mut Recorder,
) -> Result<(Vec<Traced>, Echo), XbuildError> {
    let labels = graph.labels().to_vec();
    let mut display = BuildDisplay::new(ui, &labels, engine.store, LocalPackages::of(engine.store, graph));
    let summary = engine.run(graph, &mut display);
    display.finish();
    recorder.ran(graph, &display);
    let summary = summary?;
    let name = |node| names.get(graph.unit(node).part).cloned().unwrap_or_default();
    let run = history.add(engine.store, display.gathered.take(name))?;
    if summary.failed > 0 {
        return Err(XbuildError::Failed {
            failed: summary.failed,
            skipped: summary.skipped,
            broken: display.broken,
            total: labels.len(),
        });
    }
    let (executed, cached) = (summary.executed, summary.cached);
    ui.status("Finished", format!("{}: {executed} built, {cached} cached", counted(labels.len(), "unit")));
    Ok((std::mem::take(&mut display.trace), Echo { said: display.take_said(), run }))
}
