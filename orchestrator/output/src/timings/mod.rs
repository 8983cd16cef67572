//! Where a build's time went (`--timings`): one HTML page that needs nothing beside itself.
//!
//! | module | what it holds |
//! |---|---|
//! | here | [`Timings`]: what happened in a build |
//! | `analysis` | what follows from it: actions, what each waited for, the critical path, sums |
//! | `page`, `tables`, `words` | [`timings_page`]: the page's text |
//! | `data` | what the page's script gets |
//! | `file` | [`PageFile`]: where a page is written |

mod analysis;
mod data;
mod file;
mod page;
mod tables;
mod words;

use std::time::Duration;

use xbuild_action::Times;
use xbuild_base::{Action, Digest};

pub use file::PageFile;
pub use page::timings_page;

/// What happened in a build. Times are since its beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timings {
    /// What was built, for the heading.
    pub project: String,
    /// How it was asked for, such as `release`.
    pub request: String,
    /// Which program built it, with its version.
    pub program: String,
    /// When it began, in seconds since 1970; no date is shown without.
    pub began: Option<u64>,
    /// How long it took.
    pub wall: Duration,
    /// How many actions were allowed to run at once.
    pub jobs: usize,
    /// How it ended.
    pub ending: Ending,
    /// What was done one after the other, in that order.
    pub stages: Vec<Stage>,
    /// All units, dependencies first.
    pub units: Vec<Unit>,
}

/// How a build ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Everything is there.
    Succeeded,
    /// Something could not be built.
    Failed,
    /// Somebody stopped it.
    Stopped,
}

/// A part of a build's time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// What was done, in a word or two.
    pub name: String,
    /// When it began.
    pub from: Duration,
    /// When it ended.
    pub to: Duration,
}

/// A unit of the build and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Its name for people. It comes from packages of others: nothing is assumed of it.
    pub name: String,
    /// What it is made for.
    pub target: String,
    /// Its key, where it came that far. Units of one key share one execution.
    pub action: Option<Digest<Action>>,
    /// Since when it would have been started, had it needed nothing.
    pub queued: Duration,
    /// When its process was started, if it was.
    pub started: Option<Duration>,
    /// When its metadata was given out, if it was before its end.
    pub metadata: Option<Duration>,
    /// When its result was there, or it failed.
    pub ended: Option<Duration>,
    /// What became of it.
    pub fate: Fate,
    /// What its execution took, now or when it was recorded.
    pub times: Option<Times>,
    /// The units that it waits for, by their places in the list.
    pub needs: Vec<(usize, Until)>,
}

/// What became of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It was executed.
    Executed,
    /// Its result was there, or another unit's or another process's execution gave it.
    Cached,
    /// It could not be built.
    Failed,
    /// It was not tried, or stopped on its way.
    Unfinished,
}

/// What of a dependency is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Its metadata.
    Metadata,
    /// Its end.
    End,
}

#[cfg(test)]
mod tests;
