//! `xbuild build` and `xbuild all`: from a project's folder to its outputs.

use std::collections::BTreeMap;
use std::process::ExitCode;

use serde_json::json;
use xbuild_base::Triple;
use xbuild_describe::{Asked, Request, evaluate};
use xbuild_fetch::official::Server;
use xbuild_fetch::source::cargo_config::CargoConfig;
use xbuild_fetch::toolchain::Composer;
use xbuild_plan::graph::Graph;
use xbuild_realise::engine::Engine;
use xbuild_realise::fetching::ComponentBuilder;
use xbuild_realise::project::Project;
use xbuild_realise::{LocalSources, RealiseError, project};

use crate::cli::{Build, Global};
use crate::composed::{Composed, spec};
use crate::description::Described;
use crate::error::{XbuildError, counted};
use crate::session::{Fetching, Session};
use crate::ui::{BuildDisplay, Diagnostics, Said, Traced, Ui};
use crate::{outputs, record, settings};

pub(crate) fn run(global: &Global, build: &Build, ui: &Ui) -> Result<ExitCode, XbuildError> {
    let described = Described::read(global)?;
    let toolchain = described.toolchain()?;
    let session = Session::open(ui)?;
    let engine = engine(&session, &described, build);
    let host = host()?;

    let lock = project::read_lock(&described.root)?;
    let local = LocalSources::import(&session.store, &described.root)?;
    let key = record::key(&described, &local, build, &host);
    // Whoever wants to see how it came about is shown all of it.
    let terse = build.trace.is_none() && !build.proof && !build.dry_run && ui.verbose == 0;
    let configuration = project::configuration(&*session.store, &local)?;
    for notice in configuration.notices() {
        ui.note(format!("{}: {}: {}", notice.file, notice.key, notice.message));
    }
    if terse && let Some((rows, said)) = record::recall(&session.store, key) {
        Diagnostics::repeat(ui, &said);
        outputs::deliver(&session, &described, build, ui, rows)?;
        return Ok(ExitCode::SUCCESS);
    }

    let fetching = Fetching::new(&session, global, ui)?;
    let fetcher = fetching.fetcher();
    let server = Server::from_environment(&settings::variable);
    let builder = ComponentBuilder { engine: &engine };
    let composer = Composer {
        fetcher: &fetcher,
        mirrors: &fetching.mirrors,
        wheels: &fetching.wheels,
        toolchains: &described.toolchains,
        host: &host,
        builder: &builder,
    };
    let cargo = CargoConfig::load(&described.root, &fetching.variables)?;
    let host_layers = composer.layers(toolchain, &[], &server)?.host;
    let project = project::gather(&fetcher, &*session.store, &local, configuration, &lock, &cargo)?;
    fetching.display.finish();

    let metadata = project::metadata(&engine, &project.ground(&host_layers))?;
    let workspace = project::workspace(&metadata)?;
    let asked = evaluate(&described.description, &workspace, &described.targets, &request(build))?;
    let mut composed = Composed::new(&described, toolchain, &composer, &server, &asked)?;
    fetching.display.finish();

    if build.dry_run {
        return dry_run(&engine, &described, &project, &mut composed, &asked, &metadata, ui);
    }
    composed.build_std(&engine, ui)?;
    let mut graph = graph(&engine, &described, &project, &composed, &asked, &metadata)?;
    let (trace, said) = run_graph(&engine, &mut graph, ui)?;
    if let Some(path) = &build.trace {
        let text = serde_json::to_string_pretty(&trace).unwrap_or_default();
        fs_err::write(path, text)
            .map_err(|error| XbuildError::Environment { what: error.to_string(), help: None })?;
    }
    let rows = outputs::rows(&graph, &asked, &trace);
    outputs::prove(&session, &described, &asked, &rows, build, ui)?;
    record::remember(&session.store, key, &rows, said);
    outputs::deliver(&session, &described, build, ui, rows)?;
    Ok(ExitCode::SUCCESS)
}

fn engine<'s>(session: &'s Session, described: &Described, build: &Build) -> Engine<'s> {
    let mut engine = session.engine(build.jobs, build.isolation);
    engine.keep_going = build.keep_going;
    let limits = &described.description.limits;
    engine.limits.time = limits.time.unwrap_or(engine.limits.time);
    engine.limits.memory = limits.memory.unwrap_or(engine.limits.memory);
    engine.limits.processes = limits.processes.unwrap_or(engine.limits.processes);
    engine.limits.file_size = limits.file_size.unwrap_or(engine.limits.file_size);
    engine
}

/// One graph over all that is asked for.
fn graph<'s>(
    engine: &Engine<'s>,
    described: &Described,
    project: &Project,
    composed: &Composed<'_>,
    asked: &[Asked],
    metadata: &str,
) -> Result<Graph<'s>, XbuildError> {
    let include: BTreeMap<String, Vec<String>> = described
        .description
        .packages
        .iter()
        .map(|(name, settings)| {
            (name.clone(), settings.include.iter().map(|path| path.as_str().to_owned()).collect())
        })
        .collect();
    let mut parts = Vec::new();
    for one in asked {
        let layers = &composed.layers[&(one.target.clone(), one.glibc)];
        let spec = spec(described, &one.target)?;
        parts.push(project.part(engine, one, spec, layers, metadata, include.clone())?);
    }
    Ok(Graph::new(engine.store, parts).map_err(RealiseError::from)?)
}

/// Says what would be built. Toolchain and sources are there by now: without them nothing can be planned.
fn dry_run(
    engine: &Engine<'_>,
    described: &Described,
    project: &Project,
    composed: &mut Composed<'_>,
    asked: &[Asked],
    metadata: &str,
    ui: &Ui,
) -> Result<ExitCode, XbuildError> {
    let said = |json: serde_json::Value, text: String| {
        ui.output_line(&if ui.json { json.to_string() } else { text });
    };
    let missing = composed.without_std(engine)?;
    for (target, _) in &missing {
        let what = json!({ "reason": "xbuild-would-build-std", "target": target });
        said(what, format!("would build std for {target}, and all units for it"));
    }
    let known: Vec<Asked> =
        asked.iter().filter(|one| !missing.contains(&(one.target.clone(), one.glibc))).cloned().collect();
    let mut graph = graph(engine, described, project, composed, &known, metadata)?;
    let nodes = engine.missing(&mut graph)?;
    for &node in &nodes {
        let label = &graph.labels()[node];
        let what =
            json!({ "reason": "xbuild-would-build", "unit": label.to_string(), "platform": label.platform });
        said(what, format!("would build {label} [{}]", label.platform));
    }
    let cached = graph.len() - nodes.len();
    let what = json!({ "reason": "xbuild-dry-run", "would-build": nodes.len(), "cached": cached });
    said(what, format!("{} would be built, {cached} cached", counted(nodes.len(), "unit")));
    Ok(ExitCode::SUCCESS)
}

/// Runs a graph on the display. Tells what happened to each node, and what was said that must be said again.
pub(crate) fn run_graph(
    engine: &Engine<'_>,
    graph: &mut Graph<'_>,
    ui: &Ui,
) -> Result<(Vec<Traced>, Vec<Said>), XbuildError> {
    let labels = graph.labels().to_vec();
    let mut display = BuildDisplay::new(ui, &labels);
    let summary = engine.run(graph, &mut display);
    display.finish();
    let summary = summary?;
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
    Ok((std::mem::take(&mut display.trace), display.take_said()))
}

/// The triple of this machine.
pub(crate) fn host() -> Result<Triple, XbuildError> {
    let text = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    text.parse().map_err(|error: xbuild_base::TripleError| {
        XbuildError::environment(error.to_string(), "use a Linux machine")
    })
}

fn request(build: &Build) -> Request {
    Request {
        outputs: build.outputs.clone(),
        packages: build.packages.clone(),
        bins: build.bins.clone(),
        all_bins: false,
        targets: build.targets.clone(),
        variants: build.variants.clone(),
        features: build.features.clone(),
        all_features: build.all_features,
        no_default_features: build.no_default_features,
        profile: if build.release { Some("release".to_owned()) } else { build.profile.clone() },
        glibc: None,
    }
}
