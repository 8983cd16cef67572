//! `xbuild check` and `xbuild clippy`: every target and variant at once, each unit an action like any other, so that what
//! was checked is not checked again, and what was said of it is said again.

use std::process::ExitCode;

use xbuild_describe::{Task, TaskKind};

use crate::cli::{Build, Check, Clippy, Global};
use crate::error::XbuildError;
use crate::timings::Recorder;
use crate::ui::Ui;
use crate::work::{Wanted, planned};

pub(crate) fn run(global: &Global, check: &Check, ui: &Ui) -> Result<ExitCode, XbuildError> {
    run_task(global, check, Task::new(TaskKind::Check), ui)
}

pub(crate) fn run_clippy(global: &Global, clippy: &Clippy, ui: &Ui) -> Result<ExitCode, XbuildError> {
    let arguments = clippy.arguments.clone();
    run_task(global, &clippy.check, Task { arguments, ..Task::new(TaskKind::Clippy) }, ui)
}

fn run_task(global: &Global, check: &Check, task: Task, ui: &Ui) -> Result<ExitCode, XbuildError> {
    let build = Build { execution: check.execution, keep_going: check.keep_going, ..check.of.clone().into() };
    let wanted = Wanted::Task(Task { options: check.parts.options(), ..task });
    planned(global, &build, wanted, ui, |work, planned| {
        work.build(planned, &mut Recorder::default())?;
        Ok(ExitCode::SUCCESS)
    })
}
