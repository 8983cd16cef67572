//! What tests said: read from what their programs print, told as JUnit's XML.

mod junit;
mod libtest;

use std::time::Duration;

pub use junit::junit;
pub use libtest::read;

/// What a test program, or rustdoc, said of its tests.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// The tests, in the order in which they ended.
    pub cases: Vec<Case>,
    /// What it counts itself; `None` where it says nothing that can be read: a harness of its own.
    pub totals: Option<Totals>,
}

/// A test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Its path in the crate; for documentation the file, what is documented, and the line.
    pub name: String,
    /// How it ended.
    pub verdict: Verdict,
}

/// How a test ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It passed.
    Passed,
    /// It failed, and this is what it printed.
    Failed(String),
    /// It was not run, perhaps for a reason that is told.
    Ignored(Option<String>),
}

/// How many tests ended how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Totals {
    /// Those that passed.
    pub passed: usize,
    /// Those that failed.
    pub failed: usize,
    /// Those that were not run.
    pub ignored: usize,
}

impl std::ops::AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }
}

/// A run of a test program, or of rustdoc.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suite {
    /// What was run: `foo 0.1.0 (test it)`.
    pub name: String,
    /// What it was compiled for.
    pub platform: String,
    /// Why it failed, apart from its tests: an exit code, a limit.
    pub failure: Option<String>,
    /// What it said.
    pub report: Report,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
    /// How long it took, in this run or in the one whose result was kept.
    pub time: Duration,
}
