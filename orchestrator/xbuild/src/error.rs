//! Errors as people see them, and exit codes.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | everything that was asked for is there |
//! | 1 | the project or the request is wrong: it doesn't compile, a description has problems |
//! | 2 | the command line is wrong |
//! | 3 | the machine is in the way: network, disk, sandbox, a pin that has gone |
//! | 70 | xbuild is wrong |
//! | 130 | stopped by Ctrl-C |

use std::process::ExitCode;

use miette::{GraphicalReportHandler, GraphicalTheme};
use xbuild_action::{ExecutionError, StoreError};
use xbuild_describe::Problems;
use xbuild_fetch::{FetchError, Tier};
use xbuild_realise::RealiseError;

use crate::ui::Ui;

/// Why a verb could not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum XbuildError {
    /// A description or a request has problems.
    #[error(transparent)]
    Problems(#[from] Box<Problems>),
    /// Something could not be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A plan could not be realised.
    #[error(transparent)]
    Realise(#[from] RealiseError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] xbuild_store::Error),
    /// Outputs could not be installed.
    #[error(transparent)]
    Output(#[from] xbuild_output::OutputError),
    /// Something of the project is wrong, and one can say what to do.
    #[error("{what}")]
    User {
        /// What failed, on what, why.
        what: String,
        /// What to do.
        help: Option<String>,
    },
    /// The machine is in the way.
    #[error("{what}")]
    Environment {
        /// What failed, on what, why.
        what: String,
        /// What to do.
        help: Option<String>,
    },
    /// Units could not be built; each was reported when it failed.
    #[error("{failed} of {total} units could not be built, {skipped} were not tried")]
    Failed {
        /// How many failed.
        failed: usize,
        /// How many were not tried because of it.
        skipped: usize,
        /// How many there are.
        total: usize,
    },
}

impl From<StoreError> for XbuildError {
    fn from(error: StoreError) -> Self {
        Self::Store(error.into())
    }
}

impl From<Problems> for XbuildError {
    fn from(problems: Problems) -> Self {
        Self::Problems(Box::new(problems))
    }
}

impl XbuildError {
    /// A mistake in the project or the request.
    pub(crate) fn user(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self::User { what: what.into(), help: Some(help.into()) }
    }

    /// The machine is in the way.
    pub(crate) fn environment(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Environment { what: what.into(), help: Some(help.into()) }
    }

    fn code(&self) -> u8 {
        match self {
            Self::Problems(_) | Self::User { .. } | Self::Failed { .. } => 1,
            Self::Fetch(error) => tier(error),
            Self::Realise(RealiseError::Fetch(error)) => tier(error),
            Self::Realise(RealiseError::Cancelled) => 130,
            Self::Realise(RealiseError::Source { .. } | RealiseError::Step { .. } | RealiseError::Cargo(_)) => 1,
            Self::Realise(RealiseError::NoLock { .. } | RealiseError::LeftOut(_)) => 1,
            Self::Realise(_) | Self::Store(_) | Self::Output(_) | Self::Environment { .. } => 3,
        }
    }

    fn help(&self) -> Option<String> {
        match self {
            Self::User { help, .. } | Self::Environment { help, .. } => help.clone(),
            Self::Fetch(error) => error.help(),
            Self::Store(error) => error.help(),
            Self::Realise(RealiseError::Store(error)) => error.help(),
            Self::Realise(RealiseError::Fetch(error)) => error.help(),
            Self::Realise(RealiseError::NoLock { .. }) => Some("cargo generate-lockfile".to_owned()),
            Self::Realise(RealiseError::Content(error) | RealiseError::Execution(ExecutionError::Store(error)))
                if error.is_disk_full() =>
            {
                Some("free some space, or remove what no result needs: xbuild gc".to_owned())
            }
            Self::Realise(RealiseError::Execution(ExecutionError::Sandbox { .. })) => {
                Some("see what this machine allows: xbuild doctor".to_owned())
            }
            _ => None,
        }
    }

    /// Shows the error and gives the exit code.
    pub(crate) fn report(&self, ui: &Ui) -> ExitCode {
        if let Self::Problems(problems) = self {
            let theme = if ui.color { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
            let mut text = String::new();
            let handler = GraphicalReportHandler::new_themed(theme).with_links(false);
            if handler.render_report(&mut text, problems.as_ref()).is_ok() {
                ui.error_line(text.trim_end());
            } else {
                ui.error_line(&problems.to_string());
            }
        } else {
            ui.error_line(&format!("{}: {self}", ui.paint(anstyle::AnsiColor::Red, "error")));
        }
        if let Some(help) = self.help() {
            ui.error_line(&format!("{}: {help}", ui.paint(anstyle::AnsiColor::Cyan, "help")));
        }
        ExitCode::from(self.code())
    }
}

fn tier(error: &FetchError) -> u8 {
    match error.tier() {
        Tier::User => 1,
        Tier::Environment => 3,
        Tier::Bug => 70,
    }
}
