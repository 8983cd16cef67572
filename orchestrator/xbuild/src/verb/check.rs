//! `xbuild check` and `xbuild clippy`: every target and variant at once, each unit an action like any other, so that what
//! was checked is not checked again, and what was said of it is said again.

use std::process::ExitCode;

use xbuild_describe::{Task, TaskKind};

use super::build::{Wanted, Work, request};
use crate::cli::{Build, Check, Clippy, Global};
use crate::description::Described;
use crate::error::XbuildError;
use crate::session::Session;
use crate::timings::Recorder;
use crate::ui::Ui;

pub(crate) fn run(global: &Global, check: &Check, ui: &Ui) -> Result<ExitCode, XbuildError> {
    run_task(global, check, Task::new(TaskKind::Check), ui)
}

pub(crate) fn run_clippy(global: &Global, clippy: &Clippy, ui: &Ui) -> Result<ExitCode, XbuildError> {
    let arguments = clippy.arguments.clone();
    run_task(global, &clippy.check, Task { arguments, ..Task::new(TaskKind::Clippy) }, ui)
}

fn run_task(global: &Global, check: &Check, task: Task, ui: &Ui) -> Result<ExitCode, XbuildError> {
    let described = Described::read(global)?;
    let build = Build { execution: check.execution, keep_going: check.keep_going, ..check.of.clone().into() };
    let wanted = Wanted::Task(Task { options: check.parts.options(), ..task });
    described.toolchains_for(&request(&build, &wanted))?;
    let session = Session::open(ui)?;
    let work = Work::new(global, &build, wanted, &described, &session, ui)?;
    let mut recorder = Recorder::default();
    let mut planned = work.plan(&Default::default(), &mut recorder)?;
    work.build(&mut planned, &mut recorder)?;
    Ok(ExitCode::SUCCESS)
}
