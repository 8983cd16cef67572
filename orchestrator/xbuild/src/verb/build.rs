//! `xbuild build` and `xbuild all`: from a project's folder to its outputs.

use std::collections::BTreeMap;
use std::process::ExitCode;

use xbuild_base::{Digest, Tree, Triple};
use xbuild_describe::{Asked, Glibc, OutputKind, Request, Std, TargetSpec, Toolchain, evaluate};
use xbuild_fetch::source::cargo_config::CargoConfig;
use xbuild_fetch::toolchain::Composer;
use xbuild_fetch::Fetcher;
use xbuild_output::{Artefact, Extent, Place, Row, Status, install, is_installed, json_lines, table};
use xbuild_plan::graph::{Graph, UnitOf};
use xbuild_realise::engine::Engine;
use xbuild_realise::fetching::ComponentBuilder;
use xbuild_realise::platform::Layers;
use xbuild_realise::std_library::StdRequest;
use xbuild_realise::{LocalSources, project};

use crate::cli::{Build, Global};
use crate::description::Described;
use crate::error::XbuildError;
use crate::proof;
use crate::session::{Fetching, Session};
use crate::ui::{BuildDisplay, Traced, Ui};

/// A target with the glibc that was chosen for it.
type Ground = (Triple, Option<Glibc>);

pub(crate) fn run(global: &Global, build: &Build, ui: &Ui) -> Result<ExitCode, XbuildError> {
    let described = Described::read(global)?;
    let toolchain = described.toolchain()?;
    let session = Session::open()?;
    let mut engine = session.engine(build.jobs, build.isolation);
    engine.keep_going = build.keep_going;
    let limits = &described.description.limits;
    engine.limits.time = limits.time.unwrap_or(engine.limits.time);
    engine.limits.memory = limits.memory.unwrap_or(engine.limits.memory);
    engine.limits.processes = limits.processes.unwrap_or(engine.limits.processes);
    engine.limits.file_size = limits.file_size.unwrap_or(engine.limits.file_size);

    let fetching = Fetching::new(&session, global, ui)?;
    let fetcher = Fetcher::new(&fetching.store, fetching.settings.clone(), &fetching.display);
    let host = host()?;
    let builder = ComponentBuilder { engine: &engine };
    let composer = Composer {
        fetcher: &fetcher,
        mirrors: &fetching.mirrors,
        wheels: &fetching.wheels,
        toolchains: &described.toolchains,
        host: &host,
        builder: &builder,
    };

    let lock = project::read_lock(&described.root)?;
    let local = LocalSources::import(&session.store, &described.root)?;
    let cargo = CargoConfig::load(&described.root, &fetching.variables)?;
    let host_layers = in_order(&composer, toolchain)?;
    let project = project::gather(&fetcher, &*session.store, &local, &lock, &cargo)?;
    fetching.display.finish();
    for notice in project.configuration.notices() {
        ui.note(format!("{}: {}: {}", notice.file, notice.key, notice.message));
    }

    let metadata = project::metadata(&engine, &project.ground(&host_layers))?;
    let workspace = project::workspace(&metadata)?;
    let asked = evaluate(&described.description, &workspace, &described.targets, &request(build))?;

    let layers = layers(&described, toolchain, &composer, &host_layers, &asked)?;
    fetching.display.finish();
    let layers = with_std(&described, toolchain, &composer, &engine, ui, layers)?;

    let include: BTreeMap<String, Vec<String>> = described
        .description
        .packages
        .iter()
        .map(|(name, settings)| (name.clone(), settings.include.iter().map(|p| p.as_str().to_owned()).collect()))
        .collect();
    let mut parts = Vec::new();
    for one in &asked {
        let (spec, layers) = (spec(&described, &one.target)?, &layers[&(one.target.clone(), one.glibc)]);
        parts.push(project.part(&engine, one, spec, layers, &metadata, include.clone())?);
    }
    let mut graph = Graph::new(&*session.store, parts).map_err(xbuild_realise::RealiseError::from)?;
    let built = execute(&engine, &mut graph, ui, build)?;
    let rows = rows(&graph, &asked, &built)?;

    prove(&session, &described, &asked, &rows, build, ui)?;
    deliver(&session, &described, build, ui, rows)?;
    Ok(ExitCode::SUCCESS)
}

/// The triple of this machine.
fn host() -> Result<Triple, XbuildError> {
    let text = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    text.parse().map_err(|error: xbuild_base::TripleError| XbuildError::environment(error.to_string(), "use a Linux machine"))
}

/// The trees of the toolchain's host components, in the order of its list.
fn in_order(composer: &Composer<'_>, toolchain: &Toolchain) -> Result<Vec<Digest<Tree>>, XbuildError> {
    let trees = composer.trees(&toolchain.rust)?;
    Ok(toolchain.rust.iter().filter_map(|name| trees.get(name).copied()).collect())
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

fn spec<'d>(described: &'d Described, target: &Triple) -> Result<&'d TargetSpec, XbuildError> {
    // Evaluation has looked it up already.
    let missing = || XbuildError::user(format!("there is no target {target}"), "xbuild build --target …");
    described.targets.get(target).ok_or_else(missing)
}

/// Fetches and composes what each target needs beside the host's trees.
fn layers(
    described: &Described,
    toolchain: &Toolchain,
    composer: &Composer<'_>,
    host: &[Digest<Tree>],
    asked: &[Asked],
) -> Result<BTreeMap<Ground, Layers>, XbuildError> {
    let mut layers = BTreeMap::new();
    for one in asked {
        let ground = (one.target.clone(), one.glibc);
        if layers.contains_key(&ground) {
            continue;
        }
        let spec = spec(described, &one.target)?;
        let names = spec.sysroot(one.glibc);
        let trees = composer.trees(names.iter().copied())?;
        let sysroot = names.iter().filter_map(|&name| trees.get(name).copied()).collect();
        let std = match &spec.std {
            Std::Prebuilt(component) if !toolchain.rust.contains(component) => Some(composer.tree(component)?),
            Std::Prebuilt(_) | Std::Source => None,
        };
        layers.insert(ground, Layers { host: host.to_vec(), sysroot, std });
    }
    Ok(layers)
}

/// Builds each std that is missing, all targets' in one go.
fn with_std(
    described: &Described,
    toolchain: &Toolchain,
    composer: &Composer<'_>,
    engine: &Engine<'_>,
    ui: &Ui,
    mut layers: BTreeMap<Ground, Layers>,
) -> Result<BTreeMap<Ground, Layers>, XbuildError> {
    let mut missing = Vec::new();
    for (ground, of_ground) in &mut layers {
        let spec = spec(described, &ground.0)?;
        if spec.std != Std::Source || of_ground.std.is_some() {
            continue;
        }
        let component = toolchain.source.as_ref().ok_or_else(|| {
            XbuildError::user(
                format!("the toolchain {} has neither a std for {} nor the source to build it", toolchain.version, ground.0),
                "use a toolchain that has: xbuild toolchain list",
            )
        })?;
        let source = composer.tree(component)?;
        match (StdRequest { layers: of_ground, spec, source }).known(engine) {
            Some(tree) => of_ground.std = Some(tree),
            None => missing.push((ground.clone(), source)),
        }
    }
    if missing.is_empty() {
        return Ok(layers);
    }
    let mut parts = Vec::new();
    for (ground, source) in &missing {
        let request = StdRequest { layers: &layers[ground], spec: spec(described, &ground.0)?, source: *source };
        parts.push(request.part(engine)?);
    }
    let mut graph = Graph::new(engine.store, parts).map_err(xbuild_realise::RealiseError::from)?;
    run_graph(engine, &mut graph, ui)?;
    for (part, (ground, source)) in missing.iter().enumerate() {
        let request = StdRequest { layers: &layers[ground], spec: spec(described, &ground.0)?, source: *source };
        let tree = request.finish(engine, &graph, part)?;
        if let Some(of_ground) = layers.get_mut(ground) {
            of_ground.std = Some(tree);
        }
    }
    Ok(layers)
}

/// Which nodes were executed, and what happened when.
type Trace = Vec<Traced>;

fn run_graph(engine: &Engine<'_>, graph: &mut Graph<'_>, ui: &Ui) -> Result<Trace, XbuildError> {
    let labels = graph.labels().to_vec();
    let mut display = BuildDisplay::new(ui, &labels);
    let summary = engine.run(graph, &mut display);
    display.finish();
    let summary = summary?;
    if summary.failed > 0 {
        return Err(XbuildError::Failed {
            failed: summary.failed,
            skipped: summary.skipped,
            total: labels.len(),
        });
    }
    ui.status("Finished", format!("{} units: {} built, {} cached", labels.len(), summary.executed, summary.cached));
    Ok(std::mem::take(&mut display.trace))
}

fn execute(
    engine: &Engine<'_>,
    graph: &mut Graph<'_>,
    ui: &Ui,
    build: &Build,
) -> Result<Trace, XbuildError> {
    let trace = run_graph(engine, graph, ui)?;
    if let Some(path) = &build.trace {
        let text = serde_json::to_string_pretty(&trace).unwrap_or_default();
        fs_err::write(path, text)
            .map_err(|error| XbuildError::Environment { what: error.to_string(), help: None })?;
    }
    Ok(trace)
}

/// The outputs that were asked for, from the units that made them.
fn rows(graph: &Graph<'_>, asked: &[Asked], trace: &Trace) -> Result<Vec<Row>, XbuildError> {
    let mut rows = Vec::new();
    for (part, one) in asked.iter().enumerate() {
        let context = &graph.parts()[part].context;
        for &unit in &graph.parts()[part].wanted {
            let Some(node) = graph.node(UnitOf { part, unit }) else { continue };
            for artefact in context.artefacts(unit) {
                use xbuild_cargo::ArtefactKind as Kind;
                let wanted = |kind| {
                    let name = &context.unit(unit).target.name;
                    one.selected.iter().any(|s| s.output.kind == kind && s.output.name == *name)
                };
                let place = match artefact.kind {
                    Kind::Program if wanted(OutputKind::Bin) => Place::Bin,
                    Kind::DynamicLibrary if wanted(OutputKind::Cdylib) => Place::Lib,
                    Kind::ImportLibrary if wanted(OutputKind::Cdylib) => Place::Lib,
                    Kind::StaticLibrary if wanted(OutputKind::Staticlib) => Place::Lib,
                    _ => continue,
                };
                let Some(&file) = graph.files(node).get(&artefact.file) else { continue };
                rows.push(Row {
                    artefact: Artefact {
                        variant: one.variant.to_string(),
                        target: one.target.clone(),
                        place,
                        name: artefact.installed,
                        file,
                    },
                    status: if trace[node].cached { Status::Cached } else { Status::Built },
                    path: None,
                });
            }
        }
    }
    Ok(rows)
}

/// Checks each output against what its target promises.
fn prove(
    session: &Session,
    described: &Described,
    asked: &[Asked],
    rows: &[Row],
    build: &Build,
    ui: &Ui,
) -> Result<(), XbuildError> {
    for row in rows {
        let target = &row.artefact.target;
        let glibc = asked.iter().find(|one| one.target == *target).and_then(|one| one.glibc);
        let expectation = proof::expectation(spec(described, target)?, glibc);
        let proof = xbuild_output::prove_stored(&session.store, row.artefact.file, &expectation)?;
        let name = row.artefact.path()?.to_string();
        if build.proof {
            ui.output_line(&format!("{name}\n{proof}"));
        }
        proof.accept(&name)?;
    }
    Ok(())
}

/// Puts the outputs where people find them, and tells of them.
fn deliver(
    session: &Session,
    described: &Described,
    build: &Build,
    ui: &Ui,
    mut rows: Vec<Row>,
) -> Result<(), XbuildError> {
    let artefacts: Vec<Artefact> = rows.iter().map(|row| row.artefact.clone()).collect();
    let paths = if let Some(folder) = &build.out_dir {
        Some(xbuild_output::export(&session.store, folder, &artefacts)?)
    } else if build.no_link || is_installed(&session.store, &described.root, &artefacts) {
        None
    } else {
        Some(install(&session.store, &described.root, &artefacts, Extent::Part)?)
    };
    for (row, path) in rows.iter_mut().zip(paths.into_iter().flatten()) {
        row.path = Some(path);
    }
    if build.print_out_paths {
        for artefact in &artefacts {
            ui.output_line(&session.store.path_of(artefact.file)?.display().to_string());
        }
    } else if ui.json {
        ui.output_line(json_lines(&rows)?.trim_end());
    } else if !ui.quiet {
        let width = columns();
        let colour =
            if ui.color { xbuild_output::Colour::Always } else { xbuild_output::Colour::Never };
        ui.output_line(table(&rows, width, colour).trim_end());
    }
    Ok(())
}

/// Columns of the terminal; many where there is none.
fn columns() -> usize {
    rustix::termios::tcgetwinsize(std::io::stdout()).map_or(200, |size| usize::from(size.ws_col).max(40))
}
