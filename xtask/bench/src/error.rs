//! What can go wrong in a benchmark.

use std::path::PathBuf;

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A program could not be run.
    #[error("could not run `{program}`: {source}")]
    Start {
        /// Which.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// A program failed.
    #[error("`{command}` failed: {problem}\n{output}")]
    Failed {
        /// Its command line.
        command: String,
        /// How it ended.
        problem: String,
        /// What it wrote to standard error.
        output: String,
    },
    /// The two sides did not do what is compared.
    #[error("{project}: {problem}")]
    NotComparable {
        /// What was built.
        project: &'static str,
        /// What was seen instead.
        problem: String,
    },
    /// Some parts could not be measured; why was told.
    #[error("not measured: {}", .0.join(", "))]
    Parts(Vec<&'static str>),
    /// Something that the repository or the machine should have is not there.
    #[error("{}: {problem}", path.display())]
    Unexpected {
        /// Where.
        path: PathBuf,
        /// What.
        problem: String,
    },
    /// A file could not be read or written; the message names it.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// What both sides build on isn't there.
    #[error(transparent)]
    Ground(Box<xtask_ground::Error>),
    /// A side was stopped.
    #[error(transparent)]
    Realise(#[from] xbuild_realise::RealiseError),
    /// The store can't be used.
    #[error(transparent)]
    Store(#[from] xbuild_store::Error),
    /// The store has lost something.
    #[error(transparent)]
    Content(#[from] xbuild_action::StoreError),
    /// The sandbox failed.
    #[error(transparent)]
    Execution(#[from] xbuild_action::ExecutionError),
}

impl From<xtask_ground::Error> for Error {
    fn from(error: xtask_ground::Error) -> Self {
        Self::Ground(Box::new(error))
    }
}
