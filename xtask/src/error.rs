//! What can go wrong in a task.

use std::process::ExitStatus;

/// Why a task failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A program could not be started.
    #[error("could not start `{program}`: {source}")]
    Start {
        /// Which.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// A program failed.
    #[error("`{command}` failed: {status}")]
    Failed {
        /// Its command line.
        command: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// A file could not be read or written; the message names it.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// Cargo's metadata is not what it used to be.
    #[error("could not read cargo's metadata: {0}")]
    Metadata(#[from] serde_json::Error),
    /// The table of crates can't be read.
    #[error("could not read the table of crates in {path}: {problem}")]
    Table {
        /// The file.
        path: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// Crates use what they may not.
    #[error("the crates and their table disagree:{}", lines(.0))]
    Edges(Vec<String>),
    /// A part of a file has no place to stand in.
    #[error("{path} has no lines `{start}` and `{end}` to write between")]
    Markers {
        /// The file.
        path: &'static str,
        /// The line before.
        start: String,
        /// The line after.
        end: &'static str,
    },
    /// Generated files are not what would be generated.
    #[error("not up to date:{}", lines(.0))]
    Stale(Vec<String>),
    /// Some stages of the tests failed.
    #[error("failed: {}", .0.join(", "))]
    Stages(Vec<&'static str>),
}

impl Error {
    /// What to do about it, when there is something.
    pub(crate) fn help(&self) -> Option<&'static str> {
        match self {
            Self::Edges(_) => {
                Some("move the code, or change the table in docs/architecture.md and say why in docs/adr/")
            }
            Self::Stale(_) => Some("run `cargo xtask generate`"),
            Self::Start { .. }
            | Self::Failed { .. }
            | Self::Io(_)
            | Self::Metadata(_)
            | Self::Table { .. }
            | Self::Markers { .. }
            | Self::Stages(_) => None,
        }
    }
}

fn lines(problems: &[String]) -> String {
    problems.iter().map(|problem| format!("\n  {problem}")).collect()
}
