//! Fetching, end to end, from servers on loopback and folders.
#![expect(clippy::disallowed_methods, reason = "tests may fail with a panic that names no path")]

mod archives;
mod crates;
mod downloads;
mod git;
mod server;
mod support;
mod wheels;
