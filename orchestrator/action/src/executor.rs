//! The executor's trait: runs a command over an input root.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{PipeReader, PipeWriter, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, OnceLock};
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
pub struct Cancel(Arc<Switch>);

#[derive(Debug, Default)]
struct Switch {
    is_on: AtomicBool,
    /// A pipe that nobody reads, and who writes to it; made for the first who waits.
    bell: OnceLock<Option<(PipeReader, PipeWriter)>>,
    has_rung: AtomicBool,
}

impl Cancel {
    /// Asks everything to stop.
    pub fn cancel(&self) {
        self.0.is_on.store(true, Ordering::SeqCst);
        // Either this sees the bell, or whoever makes one sees that it was asked.
        fence(Ordering::SeqCst);
        self.0.ring();
    }

    /// Whether it was asked to.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.is_on.load(Ordering::SeqCst)
    }

    /// What can be read (poll(2)) as soon as it was asked to, and from then on. `None` when there is no descriptor
    /// left: whoever waits has to look from time to time.
    #[must_use]
    pub fn bell(&self) -> Option<BorrowedFd<'_>> {
        let bell = self.0.bell.get_or_init(|| std::io::pipe().ok());
        fence(Ordering::SeqCst);
        // Whoever asked before there was a bell could not ring it.
        if self.is_cancelled() {
            self.0.ring();
        }
        bell.as_ref().map(|(read, _)| read.as_fd())
    }
}

impl Switch {
    fn ring(&self) {
        if let Some(Some((_, write))) = self.bell.get()
            && !self.has_rung.swap(true, Ordering::SeqCst)
        {
            // A pipe that is empty has room.
            let _ = (&mut &*write).write_all(b"!");
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// One byte was written, whoever was first and however often it was asked.
    #[test]
    fn a_bell_rings_once_for_whoever_waits_before_and_for_whoever_comes_after() {
        for has_bell_before in [true, false] {
            let cancel = Cancel::default();
            if has_bell_before {
                assert!(cancel.bell().is_some());
            }
            cancel.cancel();
            cancel.clone().cancel();
            assert!(cancel.is_cancelled() && cancel.bell().is_some());
            let Some(Some((read, _))) = cancel.0.bell.get() else { panic!("no bell") };
            let mut bytes = [0; 8];
            assert_eq!(std::io::Read::read(&mut &*read, &mut bytes).unwrap(), 1);
        }
    }
}
