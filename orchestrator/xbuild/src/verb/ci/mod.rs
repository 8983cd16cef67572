//! `xbuild ci`: what a continuous integration runs, here and there.

mod github;
mod matrix;
mod run;
mod summary;

use std::process::ExitCode;

use crate::cli::{Ci, Global};
use crate::error::XbuildError;
use crate::ui::Ui;

pub(crate) fn run(global: &Global, ci: &Ci, ui: &Ui) -> Result<ExitCode, XbuildError> {
    match ci {
        Ci::Run(gate) => run::run(global, gate, ui),
        Ci::Github(wanted) => github::run(global, wanted, ui),
    }
}
