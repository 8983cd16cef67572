//! What the helper is told: a value, computed by the parent and applied by the helper.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::RawFd;

use serde::{Deserialize, Serialize};
use xbuild_action::{Isolation, Missed, Observed};
use xbuild_base::RelPath;

/// What the helper is asked to do.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Job {
    /// Run a program.
    Run(Box<Specification>),
    /// Try one feature of the machine and report how it went.
    Probe {
        /// Which.
        feature: Feature,
        /// As [`Specification::owner`].
        owner: Option<(u32, u32)>,
    },
}

/// A feature of the machine that the sandbox stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Feature {
    /// A user namespace with full capabilities in it.
    UserNamespace,
    /// An overlay mounted in it, below the current folder.
    Overlay,
    /// `/proc` of a process namespace of its own.
    Proc,
    /// A network namespace whose loopback interface works.
    Network,
    /// All other namespaces.
    Others,
    /// Seeing which files a program looks at.
    Observing,
}

/// A sandbox and the program in it. All relative paths start at the action's scratch folder, which the helper is
/// started in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Specification {
    /// How strong the sandbox is.
    pub(crate) isolation: Isolation,
    /// The host's user and group that root becomes first; nobody else changes.
    pub(crate) owner: Option<(u32, u32)>,
    /// The root and what is mounted below it, in the order in which it is mounted. The first one's place is the
    /// root. Overlay `i` has `u<i>` as its upper and `w<i>` as its work folder.
    pub(crate) overlays: Vec<Overlay>,
    /// The host's top-level folders that are bound at their own places: with no isolation only.
    pub(crate) binds: Vec<String>,
    /// The size of `/tmp` in bytes; `None` leaves what the root has there.
    pub(crate) tmp_size: Option<u64>,
    /// The size of `/dev`, and so of `/dev/shm`, in bytes.
    pub(crate) shm_size: u64,
    /// The program and its arguments.
    pub(crate) argv: Vec<String>,
    /// The whole environment.
    pub(crate) environment: BTreeMap<String, String>,
    /// Where it starts.
    pub(crate) working_directory: RelPath,
    /// The numbers at which the descriptors that travel along stay open.
    pub(crate) descriptors: Vec<RawFd>,
    /// Kernel limits; `None` with no isolation.
    pub(crate) limits: Option<KernelLimits>,
    /// Below which folders it is observed which files are looked at; nothing is observed where there are none.
    pub(crate) observe: BTreeSet<RelPath>,
    /// Folders and links of the inputs, as paths from the root, below which nothing leads to what is observed.
    pub(crate) settled: BTreeSet<String>,
}

/// The part of the limits that the kernel keeps by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KernelLimits {
    /// Processes and threads.
    pub(crate) processes: u64,
    /// The largest file, in bytes.
    pub(crate) file_size: u64,
}

/// One overlay mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Overlay {
    /// Where it is mounted.
    pub(crate) at: RelPath,
    /// Its lower folders, topmost first, from the scratch folder or absolute.
    pub(crate) lower: Vec<String>,
}

impl Specification {
    /// Whether the sandbox has namespaces of its own beside user and mount.
    pub(crate) fn is_isolated(&self) -> bool {
        self.isolation != Isolation::None
    }

    /// A number above every one that the program wants a descriptor at.
    pub(crate) fn free_descriptor(&self) -> RawFd {
        self.descriptors.iter().copied().fold(2, RawFd::max) + 1
    }
}

/// What the helper and its children tell the parent, a line of JSON each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Report {
    /// The sandbox's first process is about to start the program; with it comes the sandbox's `/proc`.
    Started,
    /// A step failed; nothing was run.
    Failed(Failure),
    /// What was probed works.
    Works,
    /// The program ended.
    Ended {
        /// As `wait` gives it.
        status: i32,
        /// User and system time of all that ended, in microseconds.
        cpu: u64,
        /// The largest resident set of one process, in bytes.
        peak_memory: u64,
    },
    /// What was looked at until the last process ended, and what was looked for last and is not there.
    Observed(Observed, Missed),
}

/// A step that failed, and the kernel's error number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    /// What was being done.
    pub(crate) step: String,
    /// Why it failed.
    pub(crate) errno: i32,
}

impl From<&Failure> for std::io::Error {
    fn from(failure: &Failure) -> Self {
        Self::from_raw_os_error(failure.errno)
    }
}

/// Names the step that a system call is part of.
pub(crate) trait Step<T> {
    /// `step` is what was being done: `"mount /proc"`.
    fn step(self, step: impl Into<String>) -> Result<T, Failure>;
}

impl<T> Step<T> for rustix::io::Result<T> {
    fn step(self, step: impl Into<String>) -> Result<T, Failure> {
        self.map_err(|errno| Failure { step: step.into(), errno: errno.raw_os_error() })
    }
}

impl<T> Step<T> for nix::Result<T> {
    fn step(self, step: impl Into<String>) -> Result<T, Failure> {
        self.map_err(|errno| Failure { step: step.into(), errno: errno as i32 })
    }
}

impl<T> Step<T> for std::io::Result<T> {
    fn step(self, step: impl Into<String>) -> Result<T, Failure> {
        self.map_err(|error| Failure {
            step: step.into(),
            errno: error.raw_os_error().unwrap_or(nix::libc::EIO),
        })
    }
}
