//! `xbuild doctor`: what this machine allows.

use std::process::ExitCode;

use xbuild_exec::State;

use crate::error::{XbuildError, counted};
use crate::session::Session;
use crate::ui::Ui;

pub(crate) fn run(ui: &Ui) -> Result<ExitCode, XbuildError> {
    let session = Session::open(ui)?;
    let checks = session.sandbox.probe();
    let width = checks.iter().map(|check| check.name.chars().count()).max().unwrap_or(0);
    let mut broken = 0;
    for check in &checks {
        let (mark, color) = match check.state {
            State::Holds => ("ok", anstyle::AnsiColor::Green),
            State::NotNeeded => ("--", anstyle::AnsiColor::Yellow),
            State::DoesNotHold => ("NO", anstyle::AnsiColor::Red),
        };
        broken += usize::from(check.state == State::DoesNotHold);
        ui.output_line(&format!("{}  {:width$}  {}", ui.paint(color, mark), check.name, check.detail));
        if let (State::DoesNotHold, Some(remedy)) = (check.state, &check.remedy) {
            ui.output_line(&format!("    {} {remedy}", ui.paint(anstyle::AnsiColor::Cyan, "help:")));
        }
    }
    if broken == 0 {
        ui.status("Finished", "this machine can run the sandbox");
        return Ok(ExitCode::SUCCESS);
    }
    Err(XbuildError::Environment {
        what: format!("this machine lacks {} that the sandbox needs", counted(broken, "thing")),
        help: Some("run what stands below each of them, then xbuild doctor again".to_owned()),
    })
}
