//! `xbuild toolchain`: what is pinned, and moving the pins.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use indicatif::HumanBytes;
use xbuild_base::Triple;
use xbuild_describe::{Channel, ComponentName, PinHost, Toolchains, suggest};
use xbuild_fetch::official::{NoRelease, Release, Server, Wanted, add};
use xbuild_fetch::toolchain::{
    Fetched, HOSTS, Presence, find_wheel, host_name, update, verify, with_official, with_pins,
};

use crate::cli::{Global, Toolchain};
use crate::error::{XbuildError, counted};
use crate::session::{Fetching, Session};
use crate::ui::Ui;
use crate::{description, settings};

/// What a project's own file starts as.
const EMPTY: &str = "# The project's own toolchains, laid over those that are built in.\nformat = 1\n";

pub(crate) fn run(global: &Global, verb: &Toolchain, ui: &Ui) -> Result<ExitCode, XbuildError> {
    // From wherever in a project it is asked; pins can be looked at and moved outside of one too.
    let root = description::find_workspace(&global.project, None)
        .map_or_else(|_| global.project.clone(), |found| found.root);
    let global = &Global { project: root, ..global.clone() };
    let (toolchains, targets) = description::read_data(&global.project)?;
    match verb {
        Toolchain::List => list(&toolchains, ui),
        Toolchain::Show { version } => return show(&toolchains, version.as_deref(), ui),
        Toolchain::Add { version, manifest, file } => {
            let triples: Vec<Triple> = targets.iter().map(|spec| spec.triple.clone()).collect();
            return add_official(
                global,
                &toolchains,
                &triples,
                version,
                manifest.as_deref(),
                file.as_deref(),
                ui,
            );
        }
        Toolchain::Update { file } => return update_pins(global, &toolchains, file.as_deref(), ui),
        Toolchain::Verify => return verify_pins(global, &toolchains, ui),
    }
    Ok(ExitCode::SUCCESS)
}

fn list(toolchains: &Toolchains, ui: &Ui) {
    for (version, toolchain) in &toolchains.toolchains {
        let mark = if *version == toolchains.default { "*" } else { " " };
        ui.output_line(&format!("{mark} {:10} {}", toolchain.channel(), toolchain.distribution));
    }
}

fn show(toolchains: &Toolchains, version: Option<&str>, ui: &Ui) -> Result<ExitCode, XbuildError> {
    let wanted = version.map_or_else(|| toolchains.default.to_string(), str::to_owned);
    let found = toolchains.toolchains.iter().find(|(_, toolchain)| toolchain.channel() == wanted);
    let Some((_, toolchain)) = found else {
        let pinned: Vec<String> =
            toolchains.toolchains.values().map(xbuild_describe::Toolchain::channel).collect();
        let pinned: Vec<&str> = pinned.iter().map(String::as_str).collect();
        let help = format!(
            "{}\npin another: xbuild toolchain add {wanted}",
            suggest(&wanted, "toolchains", &pinned)
        );
        return Err(XbuildError::user(format!("no toolchain {wanted} is pinned"), help));
    };
    ui.output_line(&format!("{wanted}, {}", toolchain.distribution));
    let named: Vec<&ComponentName> = toolchain.rust.iter().chain(&toolchain.source).collect();
    for (host, components) in &toolchains.pins {
        for (component, pins) in components {
            let part = if named.contains(&component) { "" } else { "  (for targets)" };
            let size: u64 =
                pins.packages.iter().map(|pin| pin.size).chain(pins.wheels.iter().map(|w| w.size)).sum();
            let host = host_name(host);
            ui.output_line(&format!("{host}  {component}  {}{part}", HumanBytes(size)));
            for pin in &pins.packages {
                ui.output_line(&format!(
                    "    {} {} ({}, {})",
                    pin.name, pin.version, pin.architecture, pin.suite
                ));
            }
            for pin in &pins.wheels {
                ui.output_line(&format!("    {} {} (wheel)", pin.name, pin.version));
            }
        }
    }
    for (package, archives) in &toolchain.archives {
        for (target, pin) in archives {
            ui.output_line(&format!("{package}  {target}  {}", pin.path));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The file that is changed, and its text.
fn file(global: &Global, file: Option<&Path>) -> Result<(PathBuf, String), XbuildError> {
    let path = file.map_or_else(|| global.project.join(".xbuild/toolchains.toml"), Path::to_owned);
    match fs_err::read_to_string(&path) {
        Ok(text) => Ok((path, text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok((path, EMPTY.to_owned())),
        Err(error) => Err(XbuildError::machine(&error)),
    }
}

/// Replaces a file at once or not at all.
fn write(path: &Path, text: &str) -> Result<(), XbuildError> {
    if let Some(folder) = path.parent() {
        fs_err::create_dir_all(folder).map_err(|error| XbuildError::machine(&error))?;
    }
    let beside = path.with_extension("toml.new");
    fs_err::write(&beside, text).map_err(|error| XbuildError::machine(&error))?;
    fs_err::rename(&beside, path).map_err(|error| XbuildError::machine(&error))
}

fn add_official(
    global: &Global,
    toolchains: &Toolchains,
    targets: &[Triple],
    version: &str,
    manifest: Option<&Path>,
    path: Option<&Path>,
    ui: &Ui,
) -> Result<ExitCode, XbuildError> {
    let release: Release = version.parse().map_err(|error: NoRelease| {
        let help = "write all three numbers, or a day: xbuild toolchain add 1.95.0, or nightly-2026-01-31";
        XbuildError::user(error.to_string(), Channel::help(version, help))
    })?;
    let cargos = xbuild_cargo::releases().filter_map(|version| version.parse().ok()).collect();
    let (path, text) = file(global, path)?;
    let session = Session::open(ui)?;
    let fetching = Fetching::new(&session, global, ui)?;
    let fetcher = fetching.fetcher();
    // This machine's own is needed, the others are taken along.
    let mut hosts: Vec<Triple> = HOSTS.iter().filter_map(|host| host.parse().ok()).collect();
    let own = crate::work::host()?;
    hosts.sort_by_key(|host| *host != own);
    let wanted = Wanted { release: &release, cargos: &cargos, manifest, hosts: &hosts, targets };
    let added = add(&wanted, &Server::from_environment(&settings::variable), &fetcher, toolchains)?;
    let name = path.display().to_string();
    let text = with_official(&name, &text, &added.version, &added.rust, &added.archives)
        .map_err(xbuild_fetch::FetchError::from)?;
    write(&path, &text)?;
    ui.status("Pinned", format!("the official Rust {release} in {name}"));
    if let Some(cargo) = added.cargo {
        ui.note(format!(
            "cargo {cargo} plans for it, the newest here that the conformance suite has passed on"
        ));
    }
    ui.note(format!("use it by --set toolchain.version={release}"));
    Ok(ExitCode::SUCCESS)
}

fn update_pins(
    global: &Global,
    toolchains: &Toolchains,
    path: Option<&Path>,
    ui: &Ui,
) -> Result<ExitCode, XbuildError> {
    let (path, text) = file(global, path)?;
    let session = Session::open(ui)?;
    let fetching = Fetching::new(&session, global, ui)?;
    let fetcher = fetching.fetcher();
    let indexes = fetching.indexes(&fetcher, toolchains)?;
    let update = update(toolchains, &indexes, &|wheel| find_wheel(&fetcher, &fetching.wheels, wheel))?;
    fetching.display.finish();
    for change in &update.changes {
        ui.output_line(&change.to_string());
    }
    for failure in &update.failures {
        ui.note(format!(
            "{} {} keeps its pins: {}",
            host_name(&failure.host),
            failure.component,
            failure.error
        ));
    }
    if update.changes.is_empty() {
        ui.output_line("every pin is what the mirrors have");
    } else {
        let name = path.display().to_string();
        let text = with_pins(&name, &text, &update.pins).map_err(xbuild_fetch::FetchError::from)?;
        write(&path, &text)?;
        ui.status("Moved", format!("{} in {name}", counted(update.changes.len(), "pin")));
    }
    if update.failures.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    Err(XbuildError::environment(
        format!("{} components could not be resolved anew and keep their pins", update.failures.len()),
        "try again later, or with another mirror: XBUILD_DEBIAN_MIRRORS=… xbuild toolchain update",
    ))
}

fn verify_pins(global: &Global, toolchains: &Toolchains, ui: &Ui) -> Result<ExitCode, XbuildError> {
    let session = Session::open(ui)?;
    let fetching = Fetching::new(&session, global, ui)?;
    let fetcher = fetching.fetcher();
    let indexes =
        if fetching.settings.offline { None } else { Some(fetching.indexes(&fetcher, toolchains)?) };
    let asked = indexes.as_ref().map(|indexes| indexes as &dyn xbuild_fetch::debian::IndexSource);
    let verdicts = verify(toolchains, &*session.store, asked)?;
    fetching.display.finish();
    let (mut bad, mut moved) = (0, 0);
    for verdict in &verdicts {
        let place = match &verdict.host {
            PinHost::Any => "any".to_owned(),
            PinHost::Host(triple) => triple.to_string(),
        };
        let tell = |what: String| {
            ui.output_line(&format!(
                "{place} {}: {} {}: {what}",
                verdict.component, verdict.package, verdict.version
            ));
        };
        match &verdict.presence {
            Presence::Current | Presence::Unknown => {}
            Presence::Superseded { by } => {
                moved += 1;
                tell(format!("its suite has {by} by now"));
            }
            Presence::Gone => tell("its suite has no such package any more".to_owned()),
            Presence::Unclear { problem } => tell(format!("nobody knows: {problem}")),
        }
        if verdict.fetched == Fetched::Damaged {
            tell("what was fetched is damaged: xbuild store verify --repair".to_owned());
        }
        bad += usize::from(!verdict.is_good());
    }
    ui.output_line(&format!("{}: {bad} bad, {moved} superseded", counted(verdicts.len(), "pin")));
    if bad == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    let what = format!("{} can't be relied on", counted(bad, "pin"));
    Err(XbuildError::environment(what, "xbuild toolchain update"))
}
