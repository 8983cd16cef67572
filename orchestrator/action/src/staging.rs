//! What a local executor needs of a store: its content as files.

use std::path::{Path, PathBuf};

use xbuild_base::{Digest, RelPath, Tree};

use crate::content::{Content, StoreError};
use crate::directory::File;

/// A store whose content can be laid out as files on the same file system.
pub trait Staging: Content {
    /// The store's folder. Everything below is on one file system, and readable by the user whom sandboxed
    /// programs run as on the host, even where the folders above aren't.
    fn folder(&self) -> &Path;

    /// The user and group on the host whom sandboxed programs run as and whom the store's files belong to:
    /// `None` is the user who runs xbuild; root names an unprivileged one.
    fn owner(&self) -> Option<(u32, u32)>;

    /// Lays out a tree, once for all, and returns a folder, relative to [`Self::folder`], that has it at `at` and has
    /// nothing else. Files are 0644 or 0755, as the tools that made them would have left them; all times are one
    /// constant. Nobody may change it: a sandbox lays a layer of its own over it.
    ///
    /// # Errors
    /// When content is missing or can't be written.
    fn materialise_at(&self, tree: Digest<Tree>, at: &RelPath) -> Result<PathBuf, StoreError>;

    /// As [`Self::materialise_at`], with the tree in the folder itself.
    ///
    /// # Errors
    /// As there.
    fn materialise(&self, tree: Digest<Tree>) -> Result<PathBuf, StoreError> {
        self.materialise_at(tree, &RelPath::root())
    }

    /// Puts the file at `path` (below [`Self::folder`]): a hard link where that is possible, else a copy.
    ///
    /// # Errors
    /// When content is missing or can't be written.
    fn link(&self, file: File, path: &Path) -> Result<(), StoreError>;

    /// Takes a file over into the store: its name goes away where it is on the store's file system, and nobody
    /// may have it open for writing.
    ///
    /// # Errors
    /// When it can't be read or moved.
    fn adopt(&self, path: &Path) -> Result<File, StoreError>;

    /// As [`Self::adopt`] for a file that stays where it is and may still be linked to: its bytes are stored.
    ///
    /// # Errors
    /// When it can't be read.
    fn keep(&self, path: &Path) -> Result<File, StoreError>;

    /// A new empty folder below [`Self::folder`], owned by [`Self::owner`], that goes away when dropped.
    ///
    /// # Errors
    /// When it can't be made.
    fn scratch(&self) -> Result<Scratch, StoreError>;
}

/// A folder that is removed when this is dropped, whatever modes lie in it.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    remove: fn(&Path),
}

impl Scratch {
    /// Wraps a folder and how to remove it.
    #[must_use]
    pub fn new(path: PathBuf, remove: fn(&Path)) -> Self {
        Self { path, remove }
    }

    /// Removes something in it, whatever modes lie there, as far as that can be done.
    pub fn remove(&self, name: &str) {
        (self.remove)(&self.path.join(name));
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        (self.remove)(&self.path);
    }
}
