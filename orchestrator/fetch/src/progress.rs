//! What a display is told while things are fetched.

use std::time::Duration;

/// Something that happened to one fetched thing, called by the name that people know it by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<'e> {
    /// A download began; or began anew, at another place.
    Started {
        /// Its size in bytes, where it is known.
        size: Option<u64>,
    },
    /// So many bytes are there by now.
    Advanced {
        /// In bytes, from the beginning.
        done: u64,
    },
    /// Something went wrong and will be tried again.
    Retrying {
        /// How often it has failed by now.
        attempt: u32,
        /// How long the pause is.
        pause: Duration,
        /// What went wrong.
        problem: &'e str,
    },
    /// It was fetched and checked, and is being unpacked.
    Unpacking,
    /// It is no download but a library of a sysroot, compiled from what was fetched.
    Building {
        /// Sources compiled by now.
        done: usize,
        /// All of its sources. It is complete when as many are done.
        total: usize,
    },
    /// It is in the store.
    Finished,
    /// It could not be had.
    Failed,
}

/// A display. Called from several threads at once.
pub trait Progress: Send + Sync {
    /// Something happened to the thing that people call `name`.
    fn event(&self, name: &str, event: Event<'_>);
}

/// Shows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl Progress for Quiet {
    fn event(&self, _name: &str, _event: Event<'_>) {}
}
