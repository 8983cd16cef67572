//! Digests, paths, triples and names: the words that every other crate speaks. No I/O.

mod digest;
mod path;
mod triple;

pub use digest::{Action, Blob, Digest, DigestError, Hasher, Kind, Sha256, Tree};
pub use path::{PathError, RelPath};
pub use triple::{Triple, TripleError};
