//! Registries of images, by the OCI distribution specification, version 1.1.
//!
//! | module | what it holds |
//! |---|---|
//! | `push` | [`push()`]: an image and its index to a repository, its tags last |
//! | `pull` | [`resolve()`], [`created()`] and [`pull()`]: an image of one platform, into the store |
//! | `repository` | a repository that one is logged in to, and its requests |
//! | `credentials` | who one is to a registry, as Docker's configuration says |
//! | `retry` | what is tried again, and when |
//! | `error` | [`RegistryError`] |
//!
//! Nothing that a registry says is believed: what it gives is hashed, and what it has taken is asked for again before
//! a tag leads to it.

mod credentials;
mod error;
mod pull;
mod push;
mod repository;
mod retry;

pub use error::RegistryError;
pub use pull::{Image, Sources, created, digest_of, is_digest, pull, resolve};
pub use push::{Push, Pushed, check, push};
