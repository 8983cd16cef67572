//! Debian's indexes, toolchain pins and composition, and the official distribution, from servers on loopback.

mod compose;
mod indexes;
mod layers;
mod official;
mod resolving;
#[path = "../fetching/server.rs"]
#[allow(dead_code, reason = "shared with other tests, which use the rest")]
mod server;
mod signatures;
mod support;
mod updating;
