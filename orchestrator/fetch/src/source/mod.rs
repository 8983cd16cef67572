//! The kinds of sources beside Debian packages.
//!
//! | module | what is fetched | named by |
//! |---|---|---|
//! | [`crates`] | crates from registries, local registries and vendored folders | the checksums in `Cargo.lock` |
//! | [`git`] | whole commits with their submodules | the commits in `Cargo.lock` |
//! | [`wheel`] | wheels from a Python package index | a file name and a SHA-256 |
//! | [`address`] | files at plain addresses | a SHA-256 |
//!
//! [`lock`] reads `Cargo.lock`, [`cargo_config`] what cargo's own configuration says of sources.

pub mod address;
pub mod cargo_config;
pub mod crates;
mod credentials;
pub mod git;
pub mod lock;
mod merge;
mod registry;
mod vendored;
pub mod wheel;
