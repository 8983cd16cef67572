//! What can go wrong while a plan is realised.

use xbuild_action::{ExecutionError, StoreError, TreeError};
use xbuild_fetch::FetchError;
use xbuild_plan::PlanError;

/// Why a plan, or a step of it, could not be realised.
#[derive(Debug, thiserror::Error)]
pub enum RealiseError {
    /// Ctrl-C, or another failure ended the run.
    #[error("stopped")]
    Cancelled,
    /// Nothing failed, and not everything was built.
    #[error("{0} units were never built, though nothing failed: this is a mistake of xbuild's")]
    Unfinished(usize),
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
    Content(#[from] StoreError),
    /// The store could not take a source, or a lock.
    #[error(transparent)]
    Store(xbuild_store::Error),
    /// An action, or what came of it, could not be worked out.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Something could not be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The executor failed.
    #[error(transparent)]
    Execution(#[from] ExecutionError),
    /// A file of the project can't be a source.
    #[error("the project's sources can't be read: {problem}")]
    Source {
        /// Which, and why.
        problem: String,
    },
    /// The project has no lock.
    #[error("{} has no Cargo.lock", folder.display())]
    NoLock {
        /// The workspace's folder.
        folder: std::path::PathBuf,
    },
    /// Cargo would have to change the lock.
    #[error("Cargo.lock does not fit the manifests: {problem}")]
    StaleLock {
        /// What cargo says.
        problem: String,
    },
    /// Cargo's configuration holds what can't be honoured.
    #[error("{0}")]
    Cargo(Configurations),
    /// A target was named that the packages don't have.
    #[error("{problem}")]
    NoTarget {
        /// What cargo says.
        problem: String,
        /// What cargo says there is.
        help: String,
    },
    /// An output that was named needs features that are off.
    #[error("{0}")]
    LeftOut(Box<xbuild_describe::Problem>),
    /// The description doesn't fit the project.
    #[error(transparent)]
    Description(Box<xbuild_describe::Problems>),
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

impl From<xbuild_store::Error> for RealiseError {
    fn from(error: xbuild_store::Error) -> Self {
        match error {
            xbuild_store::Error::Cancelled => Self::Cancelled,
            error => Self::Store(error),
        }
    }
}

impl From<TreeError> for RealiseError {
    fn from(error: TreeError) -> Self {
        Self::Plan(error.into())
    }
}

impl From<xbuild_cargo::Error> for RealiseError {
    fn from(error: xbuild_cargo::Error) -> Self {
        Self::Plan(error.into())
    }
}

/// All that is wrong with cargo's configuration.
#[derive(Debug)]
pub struct Configurations(Vec<xbuild_cargo::Error>);

impl FromIterator<xbuild_cargo::Error> for Configurations {
    fn from_iter<I: IntoIterator<Item = xbuild_cargo::Error>>(errors: I) -> Self {
        Self(errors.into_iter().collect())
    }
}

impl std::fmt::Display for Configurations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let lines: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}
