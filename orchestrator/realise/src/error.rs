//! What can go wrong while a plan is realised.

use xbuild_action::{ExecutionError, StoreError, TreeError};

/// Why a plan, or a step of it, could not be realised.
#[derive(Debug, thiserror::Error)]
pub enum RealiseError {
    /// Ctrl-C, or another failure ended the run.
    #[error("stopped")]
    Cancelled,
    /// A planning step's program failed.
    #[error("{what} failed: {problem}\n{output}")]
    Step {
        /// Which step, in words.
        what: String,
        /// How it ended.
        problem: String,
        /// What it printed.
        output: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Inputs could not be put together.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The executor failed.
    #[error(transparent)]
    Execution(#[from] ExecutionError),
    /// A file of the project can't be a source.
    #[error("the project's sources can't be read: {problem}")]
    Source {
        /// Which, and why.
        problem: String,
    },
    /// The operating system refused.
    #[error("could not {doing}: {source}")]
    Io {
        /// What was being done.
        doing: String,
        /// Why it failed.
        source: std::io::Error,
    },
}

impl RealiseError {
    /// For `map_err`: says what was being done.
    pub fn io(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }
}
