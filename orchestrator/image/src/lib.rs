//! OCI images: what lies in one, packed and described so that equal inputs give equal bytes on every machine.
//!
//! | module | what it holds |
//! |---|---|
//! | `rootfs` | [`RootFs`]: what stands at each path of an image, and why |
//! | `base` | [`add_base`]: users, CA certificates, `/tmp`, time zones, out of a tree of pinned packages |
//! | `closure` | [`add_libraries`]: the loader and the shared libraries that dynamic programs need, and nothing else |
//! | `elf` | what a program says that it needs |
//! | `pulled` | [`Pulled`]: another image, to base one on |
//! | `scan` | keys, tokens and paths that must not be in an image |
//! | `leaks` | [`check_leaks`]: an image against the scan |
//! | `layer` | [`pack`]: files → a layer in the store |
//! | `compress` | gzip and zstd, the same bytes whatever the machine |
//! | `manifest` | [`describe`]: layers and [`Settings`] → configuration and manifest |
//! | `layout` | [`layout()`]: images of several platforms → an OCI layout, as a tree in the store |
//! | `archive` | the layout as one file, for those who want one |
//! | `error` | [`ImageError`] |
//!
//! The formats are the OCI image specification's, version 1.1.

mod archive;
mod base;
mod closure;
mod compress;
mod elf;
mod error;
mod layer;
mod layout;
mod leaks;
mod manifest;
mod pulled;
mod rootfs;
mod scan;

pub use archive::{docker_archive, oci_archive, write_layout};
pub use base::{BaseOptions, NONROOT, add_base};
pub use closure::{Libraries, add_libraries};
pub use compress::Compression;
pub use error::ImageError;
pub use layer::{Layer, pack};
pub use layout::{Layout, layout};
pub use leaks::check_leaks;
pub use manifest::{Image, Platform, Settings, describe};
pub use pulled::Pulled;
pub use rootfs::{Kind, Node, Owner, Role, RootFs};
