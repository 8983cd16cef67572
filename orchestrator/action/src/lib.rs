//! What an action is, as the Remote Execution API v2 describes it, and the traits that realise one.
//!
//! | module | what it holds |
//! |---|---|
//! | `message` | the API's wire messages, the few that make a key |
//! | `command` | [`Command`] and [`ActionKey`]: what is run, and its digest |
//! | `directory` | [`Directory`]: one level of a Merkle tree |
//! | `tree` | [`TreeBuilder`]: many levels, composed without reading a file |
//! | `input` | [`InputRoot`]: the root file system of an action, as layers, mounts and files |
//! | `outcome` | [`Outcome`] and [`ActionResult`] |
//! | `content` | [`Content`] and [`ActionCache`]: the store's traits; [`Memory`]: both, for tests |
//! | `staging` | [`Staging`]: what a local executor needs of a store beside content |
//! | `executor` | [`Executor`]: runs a command over an input root |

mod command;
mod content;
mod directory;
mod executor;
mod input;
mod message;
mod outcome;
mod staging;
mod tree;

pub use command::{ActionKey, Command, salt};
pub use content::{ActionCache, Content, ContentExt, Memory, ReadSeek, StoreError, Unstored};
pub use directory::{Directory, Entry, File};
pub use executor::{Cancel, Executor, Limits, Observer, Request, Running, Silent, Stream, Unkeyed};
pub use input::{InputRoot, merge_layers};
pub use outcome::{ActionResult, ExecutionError, Isolation, Missed, Observed, Outcome, Output, Times};
pub use staging::{Scratch, Staging};
pub use tree::{TreeBuilder, TreeError, follow, lookup, walk};
