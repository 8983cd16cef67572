//! What can go wrong beside [`StoreError`].

use std::path::PathBuf;

use xbuild_action::{StoreError, TreeError};
use xbuild_base::RelPath;

/// Why the store could not do what it was asked for. [`Error::help`] says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Reading or writing the store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No variable says where the store may be.
    #[error("there is no place for the store: none of $XBUILD_STORE, $XDG_CACHE_HOME and $HOME is set")]
    NoFolder,
    /// `$XBUILD_STORE` is relative.
    #[error("$XBUILD_STORE is `{0}`: the store's folder must be an absolute path")]
    RelativeFolder(PathBuf),
    /// The folder holds something else.
    #[error("{path} is not a store: it has no `format` file, and holds `{stranger}`")]
    NotAStore {
        /// The folder.
        path: PathBuf,
        /// A name in it that no store has.
        stranger: String,
    },
    /// The store belongs to somebody else.
    #[error("the store at {path} belongs to user {found}; this run would keep it as user {expected}")]
    ForeignOwner {
        /// The store's folder.
        path: PathBuf,
        /// The user id that its content belongs to.
        found: u32,
        /// The user id that it would have to belong to.
        expected: u32,
    },
    /// Something that is neither file, link nor directory.
    #[error("could not import {folder}: `{path}` is a {kind}, and only files, links and directories can be")]
    Special {
        /// The folder that was imported.
        folder: PathBuf,
        /// Which.
        path: RelPath,
        /// `socket`, `device` or `named pipe`.
        kind: &'static str,
    },
    /// A link that leads to a place of this machine.
    #[error("could not import {folder}: `{path}` is a link to the absolute path `{target}`")]
    AbsoluteLink {
        /// The folder that was imported.
        folder: PathBuf,
        /// Which.
        path: RelPath,
        /// Where it leads.
        target: String,
    },
    /// A name or link target that is not text.
    #[error("{0:?} is not valid UTF-8, which all names in a tree must be")]
    NotUtf8(PathBuf),
    /// A folder that must be absolute isn't.
    #[error("{0} is not an absolute path")]
    NotAbsolute(PathBuf),
    /// The paths of a tree contradict each other.
    #[error("could not import {folder}: {source}")]
    Tree {
        /// The folder that was imported.
        folder: PathBuf,
        /// How.
        source: TreeError,
    },
    /// The run was stopped while it waited.
    #[error("stopped while waiting for another xbuild")]
    Cancelled,
    /// A pack can't be taken in.
    #[error("the pack can't be used: {0}")]
    Pack(String),
    /// A pack can't be written to where it shall go.
    #[error("could not write the pack: {0}")]
    PackNotWritten(std::io::Error),
    /// Collection found another process.
    #[error("the store at {0} is in use by another xbuild")]
    InUse(PathBuf),
}

impl Error {
    /// What to do about it: a sentence or a command, where there is one.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            Self::NoFolder | Self::RelativeFolder(_) => {
                Some("export XBUILD_STORE=/absolute/path/of/a/folder".to_owned())
            }
            Self::NotAStore { .. } => Some("export XBUILD_STORE=/path/of/an/empty/folder".to_owned()),
            Self::ForeignOwner { path, expected, .. } => Some(format!(
                "give it to that user (chown -R {expected} '{}'), or use another: export XBUILD_STORE=…",
                path.display()
            )),
            Self::Special { path, .. } => {
                Some(format!("remove it, or have git ignore it: echo '/{path}' >> .gitignore"))
            }
            Self::AbsoluteLink { path, .. } => {
                Some(format!("make `{path}` a relative link, or have git ignore it"))
            }
            Self::Store(StoreError::Newer { .. }) => {
                Some("use the newer xbuild, or another store: export XBUILD_STORE=…".to_owned())
            }
            Self::Store(StoreError::Damaged { .. } | StoreError::Missing { .. }) => {
                Some("xbuild store verify --repair".to_owned())
            }
            Self::Store(error) if error.is_disk_full() => Some("xbuild gc".to_owned()),
            Self::Pack(_) => Some("make it anew: xbuild store export FILE".to_owned()),
            Self::InUse(_) => Some("try again when it is done".to_owned()),
            Self::Store(_)
            | Self::NotUtf8(_)
            | Self::NotAbsolute(_)
            | Self::PackNotWritten(_)
            | Self::Tree { .. }
            | Self::Cancelled => None,
        }
    }
}
