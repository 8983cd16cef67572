//! Fixed-output sources and toolchains: the only network, but for remote execution and image push.
//!
//! Whatever comes from outside is named by its hash before it is fetched ([`FixedOutput`]), checked after, and
//! unpacked to a tree whose digest the store remembers (DESIGN, rule 5). With everything present nothing needs
//! the network.
//!
//! | module | what it holds |
//! |---|---|
//! | `output` | [`FixedOutput`], [`Place`], [`Unpack`]: what is wanted, from where, and as what |
//! | `fetcher` | [`Fetcher`]: present, or fetched, checked, unpacked and remembered |
//! | `settings` | [`Settings`] and how the environment gives them |
//! | `store` | [`Store`]: what a fetcher needs of a store; [`InMemory`]: one for tests |
//! | `deferred` | [`Deferred`]: what would be fetched, and what stands in its place |
//! | `progress` | [`Progress`]: what a display is told |
//! | `mirror` | places by hash, asked before all others |
//! | `download` | HTTP: retries, resumption, checks |
//! | `unpack` | archives to trees, with all that they may not hold |
//! | [`source`] | crates, git commits, wheels and plain addresses |
//! | [`debian`] | Debian's indexes and packages |
//! | [`toolchain`] | pinned components, composed |
//! | [`official`] | the channel manifest of the official Rust distribution |

pub mod debian;
mod deferred;
mod download;
mod error;
mod fetcher;
pub mod mirror;
pub mod official;
mod output;
mod progress;
mod relative_url;
mod settings;
pub mod source;
mod store;
pub mod toolchain;
mod unpack;

pub use deferred::{Deferred, DeferredFile, is_stand_in, stand_in};
pub use error::{FetchError, Tier};
pub use fetcher::{Fetcher, Noted};
pub use output::{FixedOutput, Locate, Place, Secret, Unpack};
pub use progress::{Event, Progress, Quiet};
pub use settings::Settings;
pub use store::{InMemory, Store};
pub use unpack::ArchiveError;
