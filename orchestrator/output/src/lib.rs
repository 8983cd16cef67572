//! What comes out of a build.
//!
//! | module | what it holds |
//! |---|---|
//! | `artefact` | [`Artefact`]: a file that somebody asked for, and its place in a folder of results |
//! | `proof` | [`prove`]: what a linked file asks of the machine it runs on, and whether that is allowed |
//! | `install` | [`install`]: links below `result/`, which keep what they lead to from being collected |
//! | `export` | [`export`]: real files in a folder of the caller's choice |
//! | `sums` | the `SHA256SUMS` that both write |
//! | `overrides` | [`Overrides`]: what a call has otherwise than the description, as a part of names |
//! | `table` | [`table`]: the outputs for people, and [`json_lines`] for programs |
//! | `testing` | [`read`](testing::read): what tests said; [`junit`](testing::junit): the same for CI services |
//! | `timings` | [`timings_page`]: where a build's time went, as a page |
//! | `debuginfo` | [`has_debuginfo`]: whether a program has some |
//! | `dist` | [`write_archives`]: archives for people |
//! | [`debian`] | Debian packages: names, versions and places as Debian has them |
//! | `difference` | [`differing_places`]: where two files differ that should be the same |
//! | `error` | [`OutputError`] |

mod artefact;
pub mod debian;
mod debuginfo;
mod difference;
mod dist;
mod error;
mod export;
mod install;
mod overrides;
mod proof;
mod sums;
mod table;
pub mod testing;
mod timings;

pub use artefact::{Artefact, Place};
pub use debuginfo::has_debuginfo;
pub use difference::{differing_places, section_sizes};
pub use dist::{Archive, Archived, Packing, write_archives};
pub use error::OutputError;
pub use export::export;
pub use install::{Extent, install, install_folder, installed, store_path};
pub use overrides::Overrides;
pub use proof::{Expectation, Form, Format, GlibcNeed, Linking, Proof, Violation, prove, prove_stored};
pub use table::{Colour, Row, Status, json_lines, size, table};
pub use timings::{Ending, Fate, PageFile, Stage, Timings, Unit, Until, timings_page};
