//! What can go wrong beside the programs themselves.

/// Why the corpus could not go on.
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
    /// There is no such program in the list.
    #[error("`{0}` is not in xtask/corpus/apps.toml")]
    Unknown(String),
    /// What should be proved isn't so.
    #[error("{app} for {target}: cargo can build it, so nothing is proved")]
    Possible {
        /// Which program.
        app: String,
        /// For which target.
        target: String,
    },
    /// Cargo's proof broke off.
    #[error("{app} for {target}: cargo was stopped: {problem}")]
    NoProof {
        /// Which program.
        app: String,
        /// For which target.
        target: String,
        /// What stopped it.
        problem: String,
    },
    /// The state of another version of this program.
    #[error("{path} has format {found}, this is for {known}: remove it, and everything is done again")]
    Format {
        /// The file.
        path: String,
        /// Its format.
        found: u32,
        /// What is understood.
        known: u32,
    },
    /// Somebody stopped it.
    #[error("stopped")]
    Stopped,
    /// The list is wrong.
    #[error(transparent)]
    List(#[from] xtask_corpus::AppError),
    /// There is nothing to build or run on.
    #[error(transparent)]
    Ground(Box<xtask_ground::Error>),
    /// A sandbox failed.
    #[error(transparent)]
    Execution(#[from] xbuild_action::ExecutionError),
    /// The store has lost something.
    #[error(transparent)]
    Content(#[from] xbuild_action::StoreError),
    /// A file could not be read or written; the message names it.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The state can't be read or written.
    #[error("the state in the target folder: {0}")]
    State(#[from] serde_json::Error),
}

impl From<xtask_ground::Error> for Error {
    fn from(error: xtask_ground::Error) -> Self {
        Self::Ground(Box::new(error))
    }
}
