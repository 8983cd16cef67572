//! Toolchains and sysroots: pinned components, fetched and composed into trees.
//!
//! A component's tree is a function of its recipe and its pins alone. It is computed on Merkle trees, without
//! reading a file, and remembered by a key over all that it depends on, so that a warm run fetches and computes
//! nothing.
//!
//! | step | what happens | in the recipe |
//! |---|---|---|
//! | 1 | packages and wheel are merged; different things at one path are an error | pins |
//! | 2 | text files are written (executable when they begin with `#!`), then parts copied over, then links made | `files`, `copies`, `links`, `aliases` |
//! | 3 | static libraries are compiled from what is there and from `uses` | `archive` |
//! | 4 | files are chosen by patterns | `keep`, `drop` |
//! | 5 | what the recipe itself writes, links or compiles is put back if step 4 dropped it | all but `copies` |
//!
//! | module | what it holds |
//! |---|---|
//! | `composer` | [`Composer`]: component names in, trees out |
//! | `layers` | [`Layers`]: a toolchain for host work and some targets |
//! | `key` | the key of a component's tree |
//! | `shape` | tree operations: choose, copy over, follow links |
//! | `archive` | [`Builder`]: the C and C++ of step 3 as commands |
//! | `pins` | pins as fixed outputs |
//! | `packages` | packages that a project names: [`package_pins`], [`add_packages`], and where their trees go |
//! | `update` | [`update()`]: new pins, and what changed |
//! | `document` | [`with_pins`], [`with_official`]: the new text of `toolchains.toml` |
//! | `verify` | [`verify()`]: whether pins can still be had, and what was fetched is still right |
//! | `wheels` | [`find_wheel`]: a wheel's pin from the package index |
//! | `problem` | [`ToolchainError`] |

mod archive;
mod composer;
mod document;
mod key;
mod layers;
mod packages;
mod pins;
mod problem;
pub(crate) mod shape;
#[cfg(test)]
mod trees;
mod update;
mod verify;
mod wheels;

pub use archive::{BuildError, Builder};
pub use composer::Composer;
pub use document::{official_section, with_official, with_pins};
pub use layers::{Layers, TargetLayers, WantedTarget};
pub use packages::{Taken, add_packages, beside, pins as package_pins, with_usr_at};
pub use pins::{package_dates, package_output, wheel_outputs};
pub use problem::ToolchainError;
pub use update::{
    AllPins, Change, Failure, FindWheel, HOSTS, Update, debian_architecture, host_name, update,
};
pub use verify::{Fetched, Presence, Verdict, verify};
pub use wheels::find_wheel;
