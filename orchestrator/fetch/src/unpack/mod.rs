//! Archives to trees: entries are streamed straight into the store, nothing is extracted on disk.
//!
//! An archive is data from outside, even when its hash is the pinned one: it may not hold a path or a link that
//! leads outside its root, a device, a name that isn't UTF-8, two things at one path, or more than makes sense.
//! What was streamed in before an archive is refused has no name in the store, and is collected.

mod assemble;
pub(crate) mod deb;
mod limits;
mod tar;
mod wheel;

use std::io::{BufReader, Read};
use std::path::Path;

use xbuild_action::{Content, StoreError};
use xbuild_base::{Digest, RelPath, Tree};

use crate::error::FetchError;
use crate::output::Unpack;
pub(crate) use assemble::Assembler;
pub(crate) use limits::Limits;

/// What is wrong with an archive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// An entry's path is absolute.
    #[error("the path `{path}` in it is absolute")]
    Absolute {
        /// The path.
        path: String,
    },
    /// An entry's path has a `..`.
    #[error("the path `{path}` in it leads outside by `..`")]
    Parent {
        /// The path.
        path: String,
    },
    /// A name isn't UTF-8, is too long, or holds a NUL.
    #[error("a name in it can't be used: `{path}` {problem}")]
    Name {
        /// The name, as far as it can be shown.
        path: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A symbolic link leads outside the root.
    #[error("the link `{path}` in it leads outside: `{target}`")]
    LinkOutside {
        /// The link.
        path: String,
        /// Its target.
        target: String,
    },
    /// A hard link to something that isn't there.
    #[error("the hard link `{path}` in it leads to `{target}`, which is no file that came before it")]
    HardLink {
        /// The link.
        path: String,
        /// Its target.
        target: String,
    },
    /// An entry lies below something that is no directory, a symbolic link above all.
    #[error("the path `{path}` in it leads through `{through}`, which is no directory")]
    Through {
        /// The path.
        path: String,
        /// The link or file on the way.
        through: String,
    },
    /// Two different things at one path.
    #[error("two different things in it want the path `{path}`")]
    Duplicate {
        /// The path.
        path: String,
    },
    /// A device, pipe, socket or sparse file.
    #[error("`{path}` in it is {kind}")]
    Special {
        /// The path.
        path: String,
        /// What it is.
        kind: &'static str,
    },
    /// More than makes sense.
    #[error("it is absurdly large: {problem}")]
    Absurd {
        /// Which limit it goes over.
        problem: String,
    },
    /// The archive isn't what it should be.
    #[error("it is damaged or no such archive: {problem}")]
    Damaged {
        /// What is wrong.
        problem: String,
    },
}

/// Why unpacking stopped.
#[derive(Debug)]
pub(crate) enum UnpackError {
    /// Because of the archive.
    Archive(ArchiveError),
    /// Because of the store.
    Store(StoreError),
    /// Because of the host's file system.
    Io(std::io::Error),
}

impl From<ArchiveError> for UnpackError {
    fn from(error: ArchiveError) -> Self {
        Self::Archive(error)
    }
}

impl From<StoreError> for UnpackError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl UnpackError {
    /// With the name of what was unpacked.
    pub(crate) fn named(self, name: &str) -> FetchError {
        match self {
            Self::Archive(problem) => FetchError::Archive { name: name.to_owned(), problem },
            Self::Store(error) => error.into(),
            Self::Io(error) => error.into(),
        }
    }
}

fn damaged(problem: impl ToString) -> UnpackError {
    ArchiveError::Damaged { problem: problem.to_string() }.into()
}

/// Unpacks an archive and returns the tree.
pub(crate) fn unpack(
    content: &dyn Content,
    scratch: &Path,
    kind: &Unpack,
    reader: Box<dyn Read + Send>,
    limits: Limits,
) -> Result<Digest<Tree>, UnpackError> {
    let reader = BufReader::with_capacity(1 << 16, reader);
    match kind {
        Unpack::Blob { .. } => Err(damaged("a plain file is no archive")),
        Unpack::Crate => {
            let gzip = flate2::bufread::MultiGzDecoder::new(reader);
            tar::unpack(content, gzip, limits, &mut tar::TopFolder::default())
        }
        Unpack::Deb => deb::unpack(content, reader, limits),
        Unpack::Wheel { keep, prefix } => {
            wheel::unpack(content, scratch, reader, limits, &Part { strip: 0, keep, prefix })
        }
        Unpack::Tar { strip, keep, prefix } => {
            let mut part = Part { strip: *strip, keep, prefix };
            tar::unpack(content, tar::decompressed(reader)?, limits, &mut part)
        }
    }
}

/// Which part of an archive is kept, and where it lies then.
pub(crate) struct Part<'p> {
    strip: usize,
    keep: &'p RelPath,
    prefix: &'p RelPath,
}

impl Part<'_> {
    /// Where an archive's path lies in the tree; `None` when it is left out.
    fn place(&self, path: &RelPath) -> Option<RelPath> {
        let mut rest = path.clone();
        for _ in 0..self.strip {
            let first = rest.components().next()?.to_owned();
            rest = rest.strip_prefix(&RelPath::new(first).ok()?)?;
        }
        // What was stripped away whole is gone; the folder around everything needs no entry of its own.
        if rest.is_root() {
            return None;
        }
        Some(self.prefix.join(&rest.strip_prefix(self.keep)?))
    }
}

/// Checks an archive's path and takes `.` components and a slash at the end away.
pub(crate) fn checked_path(bytes: &[u8]) -> Result<RelPath, ArchiveError> {
    let shown = || {
        let text = String::from_utf8_lossy(bytes);
        text.chars().take(200).collect::<String>()
    };
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Err(ArchiveError::Name { path: shown(), problem: "is not UTF-8" });
    };
    if text.starts_with('/') {
        return Err(ArchiveError::Absolute { path: shown() });
    }
    if text.len() > 4096 || text.split('/').any(|part| part.len() > 255) {
        return Err(ArchiveError::Name { path: shown(), problem: "is too long" });
    }
    let parts: Vec<&str> = text.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    if parts.contains(&"..") {
        return Err(ArchiveError::Parent { path: shown() });
    }
    if parts.len() > 128 {
        return Err(ArchiveError::Name { path: shown(), problem: "is too deep" });
    }
    RelPath::new(parts.join("/")).map_err(|_| ArchiveError::Name { path: shown(), problem: "holds a NUL" })
}
