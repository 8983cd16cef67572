//! What came of an action.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use xbuild_base::{Blob, Digest, RelPath, Tree};

use crate::content::StoreError;
use crate::directory::File;

/// How strong the sandbox was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// All of it: namespaces, a root of declared inputs only, no network, limits.
    Full,
    /// As full, but with the host's network.
    NoNetworkNamespace,
    /// None: the command runs in a staged folder, with the host's files in reach.
    None,
}

impl Isolation {
    /// The word that flags, records and keys use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::NoNetworkNamespace => "no-network-namespace",
            Self::None => "none",
        }
    }
}

/// One thing that an action made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Output {
    /// A file.
    File(File),
    /// A directory.
    Tree(Digest<Tree>),
}

/// Where an action's time and memory went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Times {
    /// From start to end.
    pub wall: Duration,
    /// User and system time of all its processes.
    pub cpu: Duration,
    /// The largest resident set of one of its processes, in bytes.
    pub peak_memory: u64,
}

/// What an action that ran to its end left behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionResult {
    /// What was declared and was there, by path from the input root.
    pub outputs: BTreeMap<RelPath, Output>,
    /// The program's exit code: 0 in everything that is cached. Death by signal N is 128 + N.
    pub exit_code: i32,
    /// What it wrote to standard output.
    pub stdout: Digest<Blob>,
    /// What it wrote to standard error.
    pub stderr: Digest<Blob>,
    /// How strong the sandbox was.
    pub isolation: Isolation,
    /// How long it took.
    pub times: Times,
}

/// Why an action could not be run at all, or its results not be kept: never the program's own fault.
#[derive(Debug, thiserror::Error)]
pub enum ExecutionError {
    /// The machine doesn't allow a part of the sandbox.
    #[error("the sandbox could not be set up: {step}: {source}")]
    Sandbox {
        /// Which step.
        step: String,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An output can't be kept.
    #[error("the output `{path}` can't be kept: {problem}")]
    Output {
        /// Which.
        path: RelPath,
        /// A socket, a device, a link that leads outside …
        problem: String,
    },
    /// The file system refused.
    #[error("could not {doing}: {source}")]
    Io {
        /// What was being done.
        doing: String,
        /// Why it failed.
        source: std::io::Error,
    },
}

/// The files below [`crate::Request::observe`] whose content or metadata an action may have seen, by path from the
/// input root. `None` when that is not known: then nothing may be concluded from what is missing.
pub type Observed = Option<BTreeSet<RelPath>>;

/// The last paths from the input root that an action looked for, in this order, and at which there was nothing; only of
/// actions that are observed, and for people alone: what can't be told is left out.
pub type Missed = Vec<RelPath>;

/// How an action ended.
#[derive(Debug)]
pub enum Outcome {
    /// Exit code 0, and what it looked at.
    Succeeded(ActionResult, Observed),
    /// Another exit code, or death by a signal of its own, and what it looked for before.
    Failed(ActionResult, Missed),
    /// Stopped because it went over a limit.
    OverLimit {
        /// Which limit, and its value, in words.
        limit: String,
        /// What it printed until then.
        result: ActionResult,
    },
    /// Stopped because the run was.
    Cancelled,
    /// It could not be run, or its outputs could not be kept.
    Broken(ExecutionError),
}
