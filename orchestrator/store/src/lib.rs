//! The store on disk: blobs, trees, action results, memos, roots and their collection.
//!
//! [`Disk`] implements [`Content`](xbuild_action::Content), [`ActionCache`](xbuild_action::ActionCache) and
//! [`Staging`](xbuild_action::Staging). Many processes may use one store at once.
//!
//! # Layout (format 2)
//!
//! | path | what it holds | how it is written | after a crash |
//! |---|---|---|---|
//! | `format` | the text `2` | renamed into place, last of all when a store is made | the store is made again |
//! | `blobs/ab/<hex>` | a blob, mode 0644 | temporary file, renamed | a wrong size counts as missing, and is replaced |
//! | `blobs/ab/<hex>.x` | the same bytes, mode 0755: an inode of its own, since hard links share a mode | as above; made when it is asked for | as above |
//! | `directories/ab/<hex>` | an encoded `Directory` message | temporary file, renamed | as above; its checksum is checked at each first read |
//! | `trees/<hex>/`, `trees/<hex>-<place>/` | a tree laid out, there or at a place below: hard links to blobs | built below `tmp/`, renamed | sizes are checked once after each boot; a wrong one is laid out again |
//! | `trees/<name>.checked` | the boot id under which that tree was last checked; its mtime is the last use | renamed | checked again |
//! | `results/<hex>/`, `results/<hex>.checked` | a tree laid out for people, where links lead from outside: files of their own, 0444 and 0555 | as above | each file is looked at each time |
//! | `actions/ab/<hex>.json` | an action's result, with a format number; its mtime is the last use | after its blobs; renamed | what can't be read is a miss |
//! | `memo/<namespace>/ab/<hex>` | a checksum and a small record; its mtime is the last use | renamed | a wrong checksum is a miss |
//! | `imports/<hex>` | the stat cache of one project folder | renamed | a wrong checksum is an empty cache |
//! | `roots/<hex>` | a root of collection: a link's absolute path and the digests that it keeps | renamed, with fsync | – |
//! | `locks/use` | held shared by each process, exclusively by collection | never removed | freed by the kernel |
//! | `locks/actions`, `locks/trees` | a byte of it, by the digest, is held while an action runs, or a tree is laid out | never removed | freed by the kernel |
//! | `tmp/<pid>.<n>/` | temporary files and scratch folders of one process, locked by it | | swept by the next open |
//!
//! All times of blobs and laid-out trees are 1980-01-01T00:00:00Z ([`FILE_TIME`]), the earliest that zip archives
//! can hold.
//!
//! # What is synced, and why the rest is not
//!
//! A process that is killed loses nothing that it renamed into place. Only when the machine itself goes down can
//! data be missing behind a name; then a file is shorter than its digest says, and each use of a blob compares
//! the two. Linkers write through memory, and such a file may then have its size and not its bytes: programs say in an
//! attribute under which boot of the machine they were written (`written`), and are read once under another. What is
//! trusted without looking (that all files of a tree are there) is trusted for one boot only. So no blob, tree or
//! result is synced, and a cold build doesn't wait for the disk. A lost root would let collection take away what a
//! `result` link still needs: roots are synced.
//!
//! # What collection keeps
//!
//! See [`Policy`]. Whatever was made or used within an age limit is kept, with all that it needs, and so is what
//! the living roots name. A memo keeps the blobs and trees that its bytes name in text form (`sha256:…/size`).

mod actions;
mod blobs;
mod directories;
mod disk;
mod error;
mod files;
mod gc;
mod import;
mod layout;
mod lock;
mod memo;
mod pack;
mod roots;
mod session;
mod statcache;
mod trees;
mod usage;
mod verify;
mod written;

pub use disk::Disk;
pub use error::Error;
pub use files::FILE_TIME;
pub use gc::{GcReport, Policy, Sweeping, Swept};
pub use import::Imported;
pub use layout::{FORMAT, default_folder};
pub use lock::ActionLock;
pub use memo::Namespace;
pub use pack::names_in_pack;
pub use roots::Keeps;
pub use usage::{Held, Usage};
pub use verify::{Damage, Repair, VerifyReport};
