//! What can go wrong with images.

use std::path::PathBuf;

use xbuild_action::{StoreError, TreeError};
use xbuild_base::{PathError, RelPath};

/// Why an image could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// Two things want one path.
    #[error("two things want /{path} in the image: {first}, and {second}")]
    Conflict {
        /// The path.
        path: RelPath,
        /// Why the one is there.
        first: String,
        /// Why the other is.
        second: String,
    },
    /// Something wants to be the image's root.
    #[error("the image's root is to be something: {0}")]
    Root(String),
    /// Where a layout is to be written there is something else.
    #[error("{path} can't become a layout: it holds something else")]
    Occupied {
        /// The folder.
        path: PathBuf,
    },
    /// What the image is to run isn't in it.
    #[error("the entrypoint {program} is not in the image")]
    NoEntrypoint {
        /// Its path, as it was given.
        program: String,
        /// The programs that are.
        programs: Vec<String>,
    },
    /// The user has a name that `/etc/passwd` of the image doesn't have.
    #[error("the image has no {kind} `{user}`")]
    NoUser {
        /// `user` or `group`.
        kind: &'static str,
        /// The name.
        user: String,
        /// Those that it has.
        users: Vec<String>,
    },
    /// A library that a program needs is in no pinned package of its target.
    #[error(
        "{needer} needs the library {library}, which is neither in the image nor in the pinned runtime of its target"
    )]
    NoLibrary {
        /// The program or library that needs it.
        needer: String,
        /// Its name.
        library: String,
    },
    /// A library is older than what a program was linked against.
    #[error("{needer} needs {version} of {library}, which {at} does not have")]
    NoVersion {
        /// The program or library that needs it.
        needer: String,
        /// The library's name.
        library: String,
        /// Where it is in the image.
        at: String,
        /// The version's name.
        version: String,
    },
    /// A program of the image can't be read.
    #[error("{path} can't be read as ELF: {problem}")]
    Unreadable {
        /// Where it is to lie in the image.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The base's tree isn't what it should be.
    #[error("the pinned base has nothing at {0}")]
    NoBase(&'static str),
    /// An image that this one is based on is not what it should be.
    #[error("the base {reference} can't be used: {problem}")]
    Pulled {
        /// Its reference.
        reference: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Something secret is in a file of the image.
    #[error("the image {name} would hold secrets:{}", .found.iter().map(|(path, what)| format!("\n  {path}: {what}")).collect::<String>())]
    Secrets {
        /// The image's name.
        name: String,
        /// The files, and what is in them.
        found: Vec<(String, String)>,
    },
    /// The image is larger than it may be.
    #[error("the image {name} is {size} bytes large, and may be {limit}. The largest files:{}", .largest.iter().map(|(path, size)| format!("\n  {size:>12}  /{path}")).collect::<String>())]
    TooLarge {
        /// Its name.
        name: String,
        /// The sum of its layers, uncompressed, in bytes.
        size: u64,
        /// What it may be.
        limit: u64,
        /// Its largest files with their sizes.
        largest: Vec<(RelPath, u64)>,
    },
    /// A part of the specification could not be filled in.
    #[error("the image can't be described: {0}")]
    Specification(String),
    /// A path that can't lie in an image.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A tree in the store failed.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A file could not be read or written.
    #[error("could not {doing} {path}: {source}")]
    Io {
        /// A verb, as in "could not write …".
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl ImageError {
    /// For `map_err`: names the file that an I/O error is about.
    pub(crate) fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { doing, path, source }
    }

    /// What to do about it, when there is something: the text after `help:`.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Conflict { .. } => Some("give one of them another path".to_owned()),
            Self::NoEntrypoint { programs, .. } if programs.is_empty() => {
                Some("name a program that is built: `bins = [\"…\"]` in [image]".to_owned())
            }
            Self::NoUser { users, .. } if users.is_empty() => {
                Some("write the user's number, or use the base `static`, which has `nonroot`".to_owned())
            }
            Self::NoVersion { .. } => Some(
                "build against an older glibc, `glibc = \"2.31\"` in [build], or take a newer base"
                    .to_owned(),
            ),
            Self::Root(_) => Some("write the path of something in it".to_owned()),
            Self::Occupied { .. } => Some(
                "name a folder that is new or empty, or holds a layout with nothing else in it".to_owned(),
            ),
            Self::TooLarge { .. } => {
                Some("raise `max-size`, or strip the program: `strip = true` in its profile".to_owned())
            }
            Self::Io { source, .. } if is_full(source) => {
                Some("make room, then run the same command again: nothing that was there is lost".to_owned())
            }
            Self::NoLibrary { .. } => Some(
                "link it statically: the runtime has what the target's glibc and compiler bring".to_owned(),
            ),
            Self::NoBase(_) => Some(
                "the pins of the component image-static are the built-in ones: xbuild toolchain show"
                    .to_owned(),
            ),
            Self::Pulled { .. } => {
                Some("pin another: xbuild update, or name another base in [image]".to_owned())
            }
            Self::Secrets { .. } => Some(
                "take them out; where a file may hold one, name it: allow-secrets = [\"/path\"] in [image]"
                    .to_owned(),
            ),
            // Which of the names that there are is meant, is told by whoever shows the error.
            Self::NoEntrypoint { .. }
            | Self::NoUser { .. }
            | Self::Unreadable { .. }
            | Self::Specification(_)
            | Self::Path(_)
            | Self::Store(_)
            | Self::Tree(_)
            | Self::Io { .. } => None,
        }
    }
}

fn is_full(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
}
