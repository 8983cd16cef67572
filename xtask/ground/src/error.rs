//! What can go wrong below the benchmark and the corpus.

use std::path::PathBuf;

/// Why there is nothing to stand on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program could not be run.
    #[error("could not run `{program}`: {source}")]
    Start {
        /// Which.
        program: String,
        /// Why.
        source: std::io::Error,
    },
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
    /// The descriptions can't be read.
    #[error("{0}")]
    Describe(#[from] xbuild_describe::Problems),
    /// Something is missing and can't be fetched.
    #[error(transparent)]
    Fetch(#[from] xbuild_fetch::FetchError),
    /// A unit could not be built.
    #[error("xbuild failed: {0}")]
    Build(String),
    /// A project can't be planned.
    #[error(transparent)]
    Realise(Box<xbuild_realise::RealiseError>),
    /// The store can't be used.
    #[error(transparent)]
    Store(#[from] xbuild_store::Error),
    /// The store has lost something.
    #[error(transparent)]
    Content(#[from] xbuild_action::StoreError),
    /// Trees that can't lie in one root.
    #[error(transparent)]
    Tree(#[from] xbuild_action::TreeError),
}

impl From<xbuild_realise::RealiseError> for Error {
    fn from(error: xbuild_realise::RealiseError) -> Self {
        Self::Realise(Box::new(error))
    }
}
