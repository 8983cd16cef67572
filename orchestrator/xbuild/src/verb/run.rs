//! `xbuild run`: a program, built and run among the host's files as whoever asks; by its target's emulator where this
//! machine can't. `xbuild shell`: a shell that finds programs.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use xbuild_action::Staging as _;
use xbuild_describe::Request;
use xbuild_exec::{Entry, Ground, enter};
use xbuild_output::store_path;

use crate::choose::{Program, programs};
use crate::cli::{Build, Global, Run, Shell};
use crate::composed::spec;
use crate::description::Described;
use crate::error::XbuildError;
use crate::session::Session;
use crate::settings;
use crate::ui::Ui;
use crate::work::{Wanted, Work, make};

pub(crate) fn run(global: &Global, wanted: &Run, ui: &Ui) -> Result<ExitCode, XbuildError> {
    let described = Described::read(global)?;
    let request = Request {
        outputs: wanted.output.iter().cloned().collect(),
        packages: wanted.package.iter().cloned().collect(),
        targets: wanted.target.iter().cloned().collect(),
        variants: wanted.variant.iter().cloned().collect(),
        ..Request::default()
    };
    let session = Session::open(ui)?;
    let chosen = one(programs(&described, &session, &request)?)?;
    described.toolchain(&chosen.variant)?;
    let build = Build {
        outputs: vec![chosen.output()],
        packages: request.packages,
        features: wanted.features.clone(),
        profile: wanted.profile.clone(),
        execution: wanted.execution,
        no_link: true,
        ..Build::default()
    };
    let paths = paths(global, &build, &described, &session, ui)?;
    let program = paths.first().ok_or_else(|| {
        XbuildError::user(format!("{} was not built", chosen.output()), "see what there is: xbuild show")
    })?;
    let entry = match chosen.is_native {
        true => None,
        false => Some(emulated(global, &build, &chosen, &described, &session, ui)?),
    };
    // Nobody comes back: what is to be cleared up is cleared up now.
    drop(session);
    let error = match entry {
        None => Command::new(program).args(&wanted.arguments).exec(),
        Some(mut entry) => {
            entry.argv.push(program.display().to_string());
            entry.argv.extend(wanted.arguments.iter().cloned());
            enter(&entry)
        }
    };
    Err(not_run(&program.display().to_string(), &error))
}

pub(crate) fn shell(global: &Global, wanted: &Shell, ui: &Ui) -> Result<ExitCode, XbuildError> {
    let described = Described::read(global)?;
    let request = Request {
        outputs: wanted.outputs.clone(),
        targets: wanted.target.iter().cloned().collect(),
        variants: wanted.variant.iter().cloned().collect(),
        ..Request::default()
    };
    let session = Session::open(ui)?;
    let chosen = programs(&described, &session, &request)?;
    chosen.iter().try_for_each(|program| described.toolchain(&program.variant).map(drop))?;
    if let Some(foreign) = chosen.iter().find(|program| !program.is_native) {
        return Err(XbuildError::user(
            format!("{} needs an emulator, and a shell starts programs without", foreign.output()),
            format!("run it by itself: xbuild run {}", foreign.output()),
        ));
    }
    let build = Build {
        outputs: chosen.iter().map(Program::output).collect(),
        features: wanted.features.clone(),
        profile: wanted.profile.clone(),
        execution: wanted.execution,
        no_link: true,
        ..Build::default()
    };
    let paths = paths(global, &build, &described, &session, ui)?;
    drop(session);
    let mut folders: Vec<PathBuf> =
        paths.iter().filter_map(|path| path.parent().map(PathBuf::from)).collect();
    folders.dedup();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(folders.into_iter().chain(std::env::split_paths(&path)));
    let path = path.map_err(|error| XbuildError::environment(error.to_string(), "set PATH anew"))?;
    let shell = settings::variable("SHELL").unwrap_or_else(|| "/bin/sh".to_owned());
    let mut command = Command::new(&shell);
    command.env("PATH", path);
    if let Some(line) = &wanted.command {
        command.args(["-c", line]);
    }
    Err(not_run(&shell, &command.exec()))
}

/// The programs that are asked for, built, in the store.
fn paths(
    global: &Global,
    build: &Build,
    described: &Described,
    session: &Session,
    ui: &Ui,
) -> Result<Vec<PathBuf>, XbuildError> {
    let rows = make(global, build, described, session, ui)?.unwrap_or_default();
    rows.iter().map(|row| Ok(store_path(&session.store, &row.artefact)?)).collect()
}

/// How a program runs that this machine can't run by itself; the program is still to be added.
fn emulated(
    global: &Global,
    build: &Build,
    program: &Program,
    described: &Described,
    session: &Session,
    ui: &Ui,
) -> Result<Entry, XbuildError> {
    let spec = spec(described, &program.target)?;
    let work = Work::new(global, build, Wanted::Programs, described, session, ui)?;
    // A foreign program has its libraries where the sysroot has them.
    let names: Vec<_> = spec.run.components.iter().chain(spec.sysroot(program.glibc)).cloned().collect();
    let trees = work.trees(&described.toolchains, &names)?;
    let mut layers: Vec<PathBuf> = Vec::new();
    for tree in names.iter().filter_map(|name| trees.get(name)) {
        let folder = session.store.folder().join(session.store.materialise(*tree)?);
        if !layers.contains(&folder) {
            layers.push(folder);
        }
    }
    let argv = spec.run.command();
    Ok(Entry { layers, ground: Ground::Host, argv, environment: Default::default() })
}

/// The one program that is meant.
fn one(programs: Vec<Program>) -> Result<Program, XbuildError> {
    match <[Program; 1]>::try_from(programs) {
        Ok([program]) => Ok(program),
        Err(several) => {
            let names: Vec<String> = several.iter().map(Program::output).collect();
            let first = names.first().map_or("NAME", String::as_str);
            Err(XbuildError::user(
                format!("{} programs fit, and one is run: {}", names.len(), names.join(", ")),
                format!("say which: xbuild run {first}"),
            ))
        }
    }
}

fn not_run(what: &str, error: &std::io::Error) -> XbuildError {
    XbuildError::environment(
        format!("could not run {what}: {error}"),
        "see what this machine allows: xbuild doctor",
    )
}
