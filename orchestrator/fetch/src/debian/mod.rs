//! Debian's indexes and packages: where the archives are, what the signed indexes say, and what a component
//! needs of them.
//!
//! | module | what it holds |
//! |---|---|
//! | `mirrors` | [`Mirrors`]: the archives' addresses, from apt's configuration or one setting |
//! | `version`, `relation`, `control` | the text forms: versions and their order, dependencies, stanzas |
//! | `release` | [`Release`], [`Keyring`]: `InRelease` and its signature |
//! | `index` | [`Index`]: what a suite has |
//! | `indexes` | [`Indexes`]: releases and indexes, fetched and checked |
//! | `resolve` | [`resolve()`]: the closure of a few packages |
//! | `problem` | [`DebianError`] |

mod control;
mod index;
mod indexes;
mod mirrors;
mod problem;
mod relation;
mod release;
mod resolve;
mod version;

pub use index::{Index, Package};
pub use indexes::Indexes;
pub use mirrors::{KEYRING_SETTING, MIRRORS_SETTING, MirrorSettings, Mirrors};
pub use problem::DebianError;
pub use relation::{Constraint, Operator, Relation, parse_relation, parse_relations};
pub use release::{Keyring, Release};
pub use resolve::{IndexSource, Query, resolve};
pub use version::{Version, VersionError};
