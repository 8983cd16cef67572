//! `xbuild ci run`: the gate. Each stage is a verb that a person can call alone; all are run, also after a failure.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::summary::{Outcome, Summary};
use crate::cli::{CiRun, Global, Stage};
use crate::error::{XbuildError, counted};
use crate::settings;
use crate::ui::{END_OF_GROUP, Ui, group};

/// The stages in their order: what is told soonest comes first.
const STAGES: [(Stage, &[&str]); 6] = [
    (Stage::Show, &["show"]),
    (Stage::Fmt, &["fmt", "--check"]),
    (Stage::Clippy, &["clippy", "--all-targets", "--keep-going", "--", "-D", "warnings"]),
    (Stage::Doc, &["doc", "--no-deps", "--keep-going"]),
    (Stage::Test, &["test", "--no-fail-fast"]),
    (Stage::All, &["all", "--keep-going"]),
];

pub(crate) fn run(global: &Global, gate: &CiRun, ui: &Ui) -> Result<ExitCode, XbuildError> {
    let xbuild = std::env::current_exe().map_err(|error| failed(&error))?;
    let mut summary = Summary::default();
    let mut worst = 0;
    for (stage, words) in STAGES.iter().filter(|(stage, _)| !gate.skip.contains(stage)) {
        let call = format!("xbuild {}", words.join(" "));
        if settings::is_on_github() {
            ui.error_line(&group(&call));
        } else {
            ui.status("Running", &call);
        }
        let begin = Instant::now();
        let mut command = Command::new(&xbuild);
        command.args(options(global, *stage == Stage::All)).args(*words).stdin(Stdio::null());
        let code = match stage {
            Stage::All => outputs(&mut command, ui, &mut summary)?,
            _ => code_of(command.status().map_err(|error| failed(&error))?),
        };
        if settings::is_on_github() {
            ui.error_line(END_OF_GROUP);
        }
        summary.stages.push(Outcome { call, code, time: begin.elapsed() });
        // What is wrong with the machine is told before what is wrong with the project.
        worst = worst.max(code);
        if code >= STOPPED {
            break;
        }
    }
    for Outcome { call, code, time } in &summary.stages {
        let state = if *code == 0 { "ok" } else { "FAILED" };
        ui.error_line(&format!("{:>8}  {state:6}  {call}", seconds(*time)));
    }
    if let Some(file) = &gate.against {
        summary.compare(file, ui)?;
    }
    if let Some(file) = gate.summary.clone().or_else(settings::step_summary) {
        summary.append(&file)?;
    }
    if let (Some(file), 0) = (&gate.record, worst) {
        summary.record(file)?;
    }
    let failed = summary.stages.iter().filter(|stage| stage.code != 0).count();
    if failed > 0 {
        ui.error(format!("{} of {} failed", failed, counted(summary.stages.len(), "stage")));
    }
    Ok(ExitCode::from(worst))
}

/// The code of what Ctrl-C has stopped, and of what signals end.
const STOPPED: u8 = 128;

/// The options that each stage gets.
fn options(global: &Global, is_read: bool) -> Vec<OsString> {
    let Global {
        project,
        overrides,
        override_inputs,
        offline,
        locked,
        verbose,
        quiet,
        message_format: _,
        color,
        commit: _,
    } = global;
    let mut options: Vec<OsString> = vec!["--project".into(), project.into()];
    options.extend(overrides.iter().flat_map(|value| ["--set".into(), value.into()]));
    options.extend(override_inputs.iter().flat_map(|value| ["--override-input".into(), value.into()]));
    options.extend(offline.then(|| "--offline".into()));
    options.extend(locked.then(|| "--locked".into()));
    options.extend((0..*verbose).map(|_| "-v".into()));
    options.extend(quiet.then(|| "--quiet".into()));
    options.extend(["--color".into(), color.name().into()]);
    if is_read {
        options.extend(["--message-format".into(), "json".into()]);
    }
    options
}

/// Runs what makes all outputs, and notes them.
fn outputs(command: &mut Command, ui: &Ui, summary: &mut Summary) -> Result<u8, XbuildError> {
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| failed(&error))?;
    let lines = child.stdout.take().map(BufReader::new).into_iter().flat_map(BufReader::lines);
    for line in lines {
        let line = line.map_err(|error| failed(&error))?;
        let Ok(value) = serde_json::from_str::<Value>(&line) else { continue };
        match value["reason"].as_str() {
            Some("compiler-message") => {
                ui.error_line(value["message"]["rendered"].as_str().unwrap_or_default().trim_end());
            }
            Some("xbuild-output") => summary.output(&value),
            Some("xbuild-image") => summary.image(&value),
            _ => {}
        }
        if ui.json {
            ui.output_line(&line);
        }
    }
    if !ui.json && !ui.quiet {
        summary.lines().iter().for_each(|line| ui.output_line(line));
    }
    Ok(code_of(child.wait().map_err(|error| failed(&error))?))
}

/// An exit code as a shell has it.
fn code_of(status: std::process::ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt as _;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}

/// A time for people.
pub(super) fn seconds(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds < 60 {
        format!("{:.1} s", time.as_secs_f64())
    } else {
        format!("{} min {} s", seconds / 60, seconds % 60)
    }
}

fn failed(error: &std::io::Error) -> XbuildError {
    XbuildError::Environment { what: format!("a stage could not be run: {error}"), help: None }
}
