//! The executor's trait: runs a command over an input root.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use xbuild_base::RelPath;

use crate::command::Command;
use crate::directory::File;
use crate::input::InputRoot;
use crate::outcome::{ExecutionError, Isolation, Outcome};

/// What an action may use. Not in its key: a limit decides whether there is a result, never what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Wall-clock time.
    pub time: Duration,
    /// Resident memory of all its processes together, in bytes.
    pub memory: u64,
    /// Processes and threads at once.
    pub processes: u64,
    /// The largest file that it may write, in bytes.
    pub file_size: u64,
}

impl Default for Limits {
    /// An hour, 16 GiB, 4096 processes, files of 16 GiB.
    fn default() -> Self {
        Self { time: Duration::from_secs(3600), memory: 16 << 30, processes: 4096, file_size: 16 << 30 }
    }
}

/// What a process is given beside its key: the jobserver.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unkeyed {
    /// Environment variables, set over the command's.
    pub environment: BTreeMap<String, String>,
    /// File descriptors that stay open under the same numbers.
    pub descriptors: Vec<RawFd>,
}

/// A switch that stops every action it was given to.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Asks everything to stop.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether it was asked to.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// One execution.
#[derive(Debug)]
pub struct Request<'a> {
    /// What to run.
    pub command: &'a Command,
    /// Over which files.
    pub inputs: &'a InputRoot,
    /// How strong a sandbox to run it in.
    pub isolation: Isolation,
    /// What it may use.
    pub limits: Limits,
    /// What it is given beside its key.
    pub unkeyed: &'a Unkeyed,
    /// Mounts of the inputs below which it is to be told which files were looked at; where there are none, nobody
    /// watches. It changes nothing of what the program sees or makes.
    pub observe: &'a BTreeSet<RelPath>,
    /// Stops it.
    pub cancel: &'a Cancel,
}

/// One of a program's two output streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// An action that is being run, seen from its [`Observer`].
pub trait Running {
    /// Stores the declared output `path` (or a file below a declared directory) while the program goes on. The
    /// program must have finished writing it.
    ///
    /// # Errors
    /// When it isn't there or can't be kept.
    fn collect(&self, path: &RelPath) -> Result<File, ExecutionError>;
}

/// Hears what a program prints while it runs.
pub trait Observer: Send {
    /// A line, without its end; called in order within each stream.
    fn line(&mut self, stream: Stream, line: &[u8], running: &dyn Running);
}

/// An observer that doesn't listen.
#[derive(Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn line(&mut self, _: Stream, _: &[u8], _: &dyn Running) {}
}

/// Runs commands. Not the cache's business: an executor always executes.
pub trait Executor: Send + Sync {
    /// Runs one command to its end. Its outputs are in the store when this returns.
    fn execute(&self, request: &Request<'_>, observer: &mut dyn Observer) -> Outcome;
}
