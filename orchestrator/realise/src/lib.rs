//! Drives actions through cache and executor.
//!
//! | module | what it holds |
//! |---|---|
//! | `local` | the project's own sources: which files, and where they lie in the sandbox |
//! | `gather` | all sources of a project, and which of its lock are needed |
//! | `fetching` | what the fetching side needs: room in the store, a builder for sysroots |
//! | `patches` | the description's patches, applied to sources |
//! | `platform` | the toolchain of one target, and what its rustc says of itself |
//! | `std_library` | std as a graph of its own |
//! | `metadata` | what cargo says of packages |
//! | `native` | what crates need beside Rust |
//! | `program` | which xbuild this is |
//! | `project` | from a project's sources to a graph |
//! | `engine` | one run over a graph: keys, lookups, locks, pipelining |
//! | `run` | a finished program, run by its target's emulator |
//! | `threads` | [`in_threads`]: what can be done side by side |
//! | `tokens` | the jobserver |
//! | `tracked` | which files git tracks |
//! | `workspace` | what is known of a workspace before anything is planned |

pub mod engine;
mod error;
pub mod fetching;
pub mod gather;
mod local;
mod metadata;
pub mod native;
mod patches;
pub mod platform;
mod program;
pub mod project;
pub mod run;
pub mod std_library;
mod threads;
mod tokens;
mod tracked;
pub mod workspace;

pub use error::RealiseError;
pub use local::{Listing, LocalSources};
pub use metadata::Metadata;
pub use patches::Patches;
pub use program::this_program;
pub use threads::in_threads;
