//! Drives actions through cache and executor.
//!
//! | module | what it holds |
//! |---|---|
//! | `local` | the project's own sources: which files, and where they lie in the sandbox |
//! | `engine` | one run over a graph: keys, lookups, locks, pipelining |
//! | `tokens` | the jobserver |

pub mod engine;
mod error;
mod local;
mod tokens;

pub use error::RealiseError;
pub use local::LocalSources;
