//! Graph, keys, reasons and the ready queue. Pure: what it must know of the machine comes in as a value, and the
//! only outside world is a store of content.
//!
//! | module | what it holds |
//! |---|---|
//! | `label` | what a node is called |
//! | `places` | where things lie in the sandbox |
//! | `skeleton` | what cargo must see of a source tree to plan |
//! | `sources` | all sources of a project at their places |
//! | `patch` | a patch applied to a package of a tree |
//! | `planning` | the steps that ask the pinned cargo and rustc |
//! | `graph` | units of all targets as one graph of actions |
//! | `work` | a graph as the scheduler sees it |
//! | `reasons` | why an action is not the one that it was |
//! | `queue` | which action may start next |

pub mod graph;
pub mod label;
pub mod patch;
pub mod places;
pub mod planning;
pub mod queue;
pub mod reasons;
mod skeleton;
pub mod sources;
#[cfg(test)]
mod trees;
mod work;

pub use skeleton::skeleton;
pub use work::{Bound, Files, Independent, PlanError, Work};
