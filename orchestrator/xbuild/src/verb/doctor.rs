//! `xbuild doctor`: what this machine allows.

use std::process::ExitCode;

use xbuild_exec::State;

use crate::error::XbuildError;
use crate::session::Session;
use crate::ui::Ui;

pub(crate) fn run(ui: &Ui) -> Result<ExitCode, XbuildError> {
    let session = Session::open()?;
    let mut broken = 0;
    for check in session.sandbox.probe() {
        let (mark, color) = match check.state {
            State::Holds => ("ok", anstyle::AnsiColor::Green),
            State::NotNeeded => ("--", anstyle::AnsiColor::Yellow),
            State::DoesNotHold => ("NO", anstyle::AnsiColor::Red),
        };
        broken += usize::from(check.state == State::DoesNotHold);
        ui.output_line(&format!("{:>4}  {:32} {}", ui.paint(color, mark), check.name, check.detail));
        if let (State::DoesNotHold, Some(remedy)) = (check.state, &check.remedy) {
            ui.output_line(&format!("      {} {remedy}", ui.paint(anstyle::AnsiColor::Cyan, "help:")));
        }
    }
    if broken == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    Err(XbuildError::Environment {
        what: format!("{broken} things that the sandbox needs don't hold on this machine"),
        help: Some("run what stands beside each of them, then xbuild doctor again".to_owned()),
    })
}
