//! What would be fetched, for whoever only wants to know.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use xbuild_action::{Content, Directory, Entry, TreeError, lookup};
use xbuild_base::{Digest, RelPath, Sha256, Tree};

use crate::output::FixedOutput;

/// Where a stand-in has its name: below `usr`, of which packages are laid elsewhere.
const FOLDER: [&str; 2] = ["usr", ".not-there"];

/// What a build would fetch for components, and a dry run has not: trees that nothing is made of stand in their places.
#[derive(Debug, Default)]
pub struct Deferred {
    files: Mutex<BTreeMap<Sha256, DeferredFile>>,
    compiled: Mutex<BTreeSet<String>>,
}

/// A file that would be fetched.
#[derive(Debug, Clone)]
pub struct DeferredFile {
    /// For what: a component, an archive of the official distribution, a `[fetch]` entry.
    pub needed_for: String,
    /// The file.
    pub output: FixedOutput,
}

impl Deferred {
    /// Takes note of files that something needs.
    pub fn add(&self, needed_for: &str, outputs: impl IntoIterator<Item = FixedOutput>) {
        let mut files = locked(&self.files);
        for output in outputs {
            let file = DeferredFile { needed_for: needed_for.to_owned(), output };
            files.entry(file.output.sha256).or_insert(file);
        }
    }

    /// The files until now, each once, sorted by what needs them.
    #[must_use]
    pub fn files(&self) -> Vec<DeferredFile> {
        let mut files: Vec<DeferredFile> = locked(&self.files).values().cloned().collect();
        files.sort_by(|a, b| (&a.needed_for, &a.output.name).cmp(&(&b.needed_for, &b.output.name)));
        files
    }

    /// Takes note of a component of which libraries would be compiled.
    pub(crate) fn add_compiled(&self, component: &str) {
        locked(&self.compiled).insert(component.to_owned());
    }

    /// These, each once.
    #[must_use]
    pub fn compiled(&self) -> Vec<String> {
        locked(&self.compiled).iter().cloned().collect()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A tree in the place of one that isn't there, another for each name: an action over it has no result.
///
/// # Errors
/// When the store can't be written.
pub fn stand_in(store: &dyn Content, name: &str) -> Result<Digest<Tree>, TreeError> {
    let mark = (Sha256::of(name.as_bytes()).to_hex(), Entry::Symlink("nowhere".to_owned()));
    let mut tree = store.put_directory(&Directory { entries: [mark].into() })?;
    for folder in FOLDER.iter().rev() {
        let entries = [((*folder).to_owned(), Entry::Directory(tree))].into();
        tree = store.put_directory(&Directory { entries })?;
    }
    Ok(tree)
}

/// Whether a tree is one of [`stand_in`]'s.
#[must_use]
pub fn is_stand_in(store: &dyn Content, tree: Digest<Tree>) -> bool {
    let Ok(place) = RelPath::new(FOLDER.join("/")) else { return false };
    matches!(lookup(store, tree, &place), Ok(Some(_)))
}
