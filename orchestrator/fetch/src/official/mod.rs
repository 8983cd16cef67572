//! The official Rust distribution: channel manifests, pins taken from them, and archives repacked into trees.
//!
//! The server's name is written down nowhere: the environment tells it, or the channel manifest that every
//! toolchain installed by rustup carries. Pins hold paths below the server's root.
//!
//! | module | what it holds |
//! |---|---|
//! | `manifest` | [`Manifest`]: `channel-rust-*.toml`, version 2 |
//! | `release` | [`Release`]: what can be pinned |
//! | `server` | [`Server`]: where the distribution is served, and manifests on this machine |
//! | `add` | [`add()`]: a release's pins, from an installed toolchain or from the server |
//! | `repack` | [`Official`]: pinned archives, fetched and laid out under `usr/` |

mod add;
mod manifest;
mod release;
mod repack;
mod server;

pub use add::{Added, Wanted, add};
pub use manifest::Manifest;
pub use release::{NoRelease, Release};
pub use repack::Official;
pub use server::{SERVER_SETTING, Server};
