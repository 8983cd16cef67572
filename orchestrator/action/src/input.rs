//! The root file system of an action.

use std::collections::{BTreeMap, BTreeSet};

use xbuild_base::{Digest, RelPath, Tree};

use crate::content::Content;
use crate::directory::{Entry, File};
use crate::tree::{TreeBuilder, TreeError};

/// The declared inputs of an action, as a whole root file system.
///
/// The parts say how a local executor lays it out cheaply (large trees are materialised once and shared); the
/// Merkle tree of all of it together, [`InputRoot::tree`], is what the key covers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InputRoot {
    /// Trees that each begin at the root (`usr/…`), merged: toolchains.
    pub layers: Vec<Digest<Tree>>,
    /// Trees at a path of their own: sources. No layer has anything at or below such a path.
    pub mounts: BTreeMap<RelPath, Digest<Tree>>,
    /// Single files: artefacts of dependencies. None lies at or below a mount.
    pub files: BTreeMap<RelPath, File>,
    /// Empty directories that the command expects.
    pub directories: BTreeSet<RelPath>,
}

impl InputRoot {
    /// The Merkle tree of everything together.
    ///
    /// `base` gives the merged tree of the layers where the caller knows it already: it is the same for
    /// thousands of actions.
    ///
    /// # Errors
    /// When two parts want one path, or the store fails.
    pub fn tree(&self, store: &dyn Content, base: Option<Digest<Tree>>) -> Result<Digest<Tree>, TreeError> {
        let Self { layers, mounts, files, directories } = self;
        let base = base.map_or_else(|| merge_layers(store, layers), Ok)?;
        let mut builder = TreeBuilder::from_tree(base);
        for (path, tree) in mounts {
            builder.insert(store, path, Entry::Directory(*tree))?;
        }
        for (path, file) in files {
            builder.insert(store, path, Entry::File(*file))?;
        }
        for path in directories {
            builder.make_directory(store, path)?;
        }
        builder.build(store)
    }
}

/// The tree of all `layers` together.
///
/// # Errors
/// When two of them have different files at one path, or the store fails.
pub fn merge_layers(store: &dyn Content, layers: &[Digest<Tree>]) -> Result<Digest<Tree>, TreeError> {
    let mut builder = TreeBuilder::default();
    for layer in layers {
        builder.insert(store, &RelPath::root(), Entry::Directory(*layer))?;
    }
    builder.build(store)
}
