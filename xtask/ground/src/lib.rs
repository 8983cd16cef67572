//! What the benchmark, the corpus and the conformance suite stand on.
//!
//! | module | what it holds |
//! |---|---|
//! | `ground` | [`Ground`]: a store, the toolchain composed in it, a project's sources and what cargo is asked for them |
//! | `shape` | [`Shape`]: what of a project is planned |
//! | `script` | [`Script`]: a shell script in a sandbox |
//! | `cargo` | the pinned cargo's calls in such a script |
//! | `files` | trees of a store as files |
//! | `machine` | [`Machine`]: where figures come from |
//! | `process` | processor time |

pub mod cargo;
mod error;
mod files;
mod ground;
mod machine;
mod native;
mod process;
mod script;
mod shape;

pub use error::Error;
pub use files::write_tree;
pub use ground::{Ground, Kit, Plan, PlannedGraph, Ready, build, limits};
pub use machine::Machine;
pub use process::processor_time;
pub use script::{Script, quoted};
pub use shape::{Shape, Variants};

/// The targets that everything is built for.
pub const TARGETS: [&str; 3] =
    ["x86_64-unknown-linux-musl", "aarch64-unknown-linux-gnu", "x86_64-pc-windows-gnu"];

/// A target that is the host's triple. Only what names it is built for it.
pub const HOST: &str = "x86_64-unknown-linux-gnu";

/// The unprivileged user and group that a store belongs to when root uses it: as xbuild has it.
#[must_use]
pub fn owner() -> Option<(u32, u32)> {
    const NOBODY: u32 = 65534;
    let user = std::env::var("XBUILD_SANDBOX_USER").ok().and_then(|text| text.parse().ok()).unwrap_or(NOBODY);
    rustix::process::geteuid().is_root().then_some((user, user))
}
