//! What can go wrong where nothing is compared.

/// Why a case could not be compared.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A fixture's file is wrong.
    #[error("the fixture `{name}`: {problem}")]
    Fixture {
        /// Its name.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// A program could not be run.
    #[error("could not run {program}: {source}")]
    Start {
        /// Its command.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// A program failed.
    #[error("{program} failed:\n{output}")]
    Failed {
        /// Its command.
        program: String,
        /// What it wrote to standard error.
        output: String,
    },
    /// The recorder did not do its work.
    #[error("recording: {0}")]
    Recording(String),
    /// The list of exceptions is wrong.
    #[error("exceptions.toml: {0}")]
    Exceptions(String),
    /// A file could not be read or written; the message names it.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A `--set` is wrong.
    #[error("{0}")]
    Describe(#[from] xbuild_describe::Problems),
    /// Toolchain or sources can't be had, or xbuild can't build it.
    #[error(transparent)]
    Ground(#[from] xtask_ground::Error),
    /// It can't be planned or run.
    #[error(transparent)]
    Realise(#[from] xbuild_realise::RealiseError),
    /// The store has lost something.
    #[error(transparent)]
    Content(#[from] xbuild_action::StoreError),
    /// Sources can't be put together.
    #[error(transparent)]
    Tree(#[from] xbuild_action::TreeError),
    /// There are differences.
    #[error("{0} differ from what is expected")]
    Differences(String),
}
