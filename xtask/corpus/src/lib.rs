//! Other people's programs, as they were published: which they are, and a real job for each.
//!
//! | module | what it holds |
//! |---|---|
//! | `app` | [`App`]: the pinned list, `apps.toml` |
//! | `job` | [`Machine`]: runs a program's job in a sandbox, by its target's emulator, and judges what came of it |
//! | `terminal` | a terminal for programs that want one |
//!
//! The binary of this package, which `cargo xtask corpus` runs, builds them and reports.

mod app;
mod job;
mod terminal;

pub use app::{App, AppError, Job, List, OwnTests, Screen, list};
pub use job::{Machine, Verdict};
