//! The second level of lookup: the result of another action that saw the same.
//!
//! The first key covers every byte of an action's inputs, and most of a package's files are never looked at by the
//! compiler that works in its folder. So when an action has run, it is noted which files of the project's own sources
//! it looked at, with their content. Another action of the same *shape* — the same command over the same inputs, of
//! the observed sources only the listing: names, kinds, execute bits, targets of links — that has the same content in
//! just these files would see the same at every step, and so make the same.
//!
//! | part of an action | in the shape | in the note |
//! |---|---|---|
//! | command, isolation, inputs that nobody edits | whole, as in the first key | – |
//! | edited sources: what a listing says | yes | – |
//! | content of files that were looked at | no | path and digest |
//! | content of all other files | no | no |
//!
//! A note is of use for as long as the result that it leads to is there and whole. It keeps neither the result nor
//! the files alive in the store.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use xbuild_action::{
    ActionCache as _, Content, Directory, Entry, File, InputRoot, Isolation, Observed, ReadSeek, StoreError,
    TreeError, Unstored, lookup,
};
use xbuild_base::{Action, Blob, Digest, Hasher, Kind, RelPath, Sha256, Tree};
use xbuild_plan::{Bound, PlanError};
use xbuild_store::{Disk, Namespace};

use super::{Engine, Known, Source};
use crate::error::RealiseError;

/// The memo namespace: shape → notes. A change of what is observed, or of what a shape covers, takes a new name.
const LEARNED: Namespace = Namespace::new("learned-1");

/// So many notes of one shape are kept.
const MOST: usize = 8;

/// The notes of a shape, the newest first.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Notes(Vec<Note>);

/// What an action looked at.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    /// The action whose result it was.
    action: String,
    /// What it looked at, by path from the input root.
    seen: BTreeMap<RelPath, String>,
}

/// A digest in a note. Not in its text form, by which collection would keep what it names.
fn in_note<K: Kind>(digest: Digest<K>) -> String {
    format!("{}/{}", digest.to_hex(), digest.size())
}

/// The listings of trees: the same trees, and every file empty.
#[derive(Debug, Default)]
pub(super) struct Listings {
    of: Mutex<HashMap<Digest<Tree>, Digest<Tree>>>,
    levels: Mutex<HashMap<Digest<Tree>, Arc<Directory>>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Listings {
    /// The listing of a tree.
    fn of(&self, store: &dyn Content, tree: Digest<Tree>) -> Result<Digest<Tree>, StoreError> {
        if let Some(listing) = locked(&self.of).get(&tree) {
            return Ok(*listing);
        }
        let mut level = Directory::clone(&*store.directory(tree)?);
        for entry in level.entries.values_mut() {
            match entry {
                Entry::File(file) => file.digest = Digest::of(b""),
                Entry::Directory(below) => *below = self.of(store, *below)?,
                Entry::Symlink(_) => {}
            }
        }
        let listing = level.digest();
        locked(&self.levels).insert(listing, Arc::new(level));
        locked(&self.of).insert(tree, listing);
        Ok(listing)
    }
}

/// A store that has the listings besides, and that nothing is written to.
struct WithListings<'a> {
    store: Unstored<'a>,
    listings: &'a Listings,
}

impl Content for WithListings<'_> {
    fn has_blob(&self, digest: Digest<Blob>) -> Result<bool, StoreError> {
        self.store.has_blob(digest)
    }

    fn open_blob(&self, digest: Digest<Blob>) -> Result<Box<dyn ReadSeek>, StoreError> {
        self.store.open_blob(digest)
    }

    fn put_reader(&self, reader: &mut dyn Read) -> Result<Digest<Blob>, StoreError> {
        self.store.put_reader(reader)
    }

    fn put_file(&self, path: &Path) -> Result<Digest<Blob>, StoreError> {
        self.store.put_file(path)
    }

    fn directory(&self, digest: Digest<Tree>) -> Result<Arc<Directory>, StoreError> {
        let level = locked(&self.listings.levels).get(&digest).cloned();
        level.map_or_else(|| self.store.directory(digest), Ok)
    }

    fn put_directory(&self, directory: &Directory) -> Result<Digest<Tree>, StoreError> {
        self.store.put_directory(directory)
    }
}

impl Engine<'_> {
    /// The result of an action that saw what this one would see.
    pub(super) fn learned(&self, bound: &Bound) -> Result<Option<Known>, RealiseError> {
        let Some(shape) = self.shape(bound)? else { return Ok(None) };
        for note in notes(self.store, shape).0 {
            let Ok(action) = note.action.parse() else { continue };
            if is_seen_here(self.store, &bound.inputs, &note)?
                && let Some(result) = self.store.result(action)?
            {
                let seen = Some(note.seen.into_keys().collect());
                return Ok(Some(Known { result, source: Source::Learned(action), seen }));
            }
        }
        Ok(None)
    }

    /// Notes what an action looked at that has run and whose result is recorded.
    pub(super) fn learn(
        &self,
        action: Digest<Action>,
        bound: &Bound,
        observed: &Observed,
    ) -> Result<(), RealiseError> {
        let Some(observed) = observed else { return Ok(()) };
        let Some(shape) = self.shape(bound)? else { return Ok(()) };
        let mut seen = BTreeMap::new();
        for path in observed {
            // What is no input has another content each time, for all that is known here.
            let Some(file) = file_at(self.store, &bound.inputs, path)? else { return Ok(()) };
            seen.insert(path.clone(), in_note(file.digest));
        }
        let mut notes = notes(self.store, shape);
        notes.0.retain(|note| note.seen != seen);
        notes.0.insert(0, Note { action: in_note(action), seen });
        notes.0.truncate(MOST);
        let bytes = serde_json::to_vec(&notes).map_err(std::io::Error::from);
        let bytes = bytes.map_err(RealiseError::io("write down what an action looked at"))?;
        Ok(self.store.put_memo(LEARNED, shape, &bytes)?)
    }

    /// The shape of an action; `None` when nothing of it is observed.
    fn shape(&self, bound: &Bound) -> Result<Option<Sha256>, RealiseError> {
        let Bound { command, inputs, observe, early: _, is_fingerprinted: _ } = bound;
        if observe.is_empty() || self.isolation == Isolation::None {
            return Ok(None);
        }
        let mut mounts = inputs.mounts.clone();
        for path in observe {
            if let Some(tree) = mounts.get_mut(path) {
                *tree = self.merged.listings.of(self.store, *tree)?;
            }
        }
        let store = WithListings { store: Unstored(self.store), listings: &self.merged.listings };
        let listed = match self.action(&store, command, &InputRoot { mounts, ..inputs.clone() }) {
            Ok(key) => key.digest(),
            // A file that lies in two mounts of which one is observed.
            Err(RealiseError::Plan(PlanError::Tree(TreeError::Conflict(_)))) => return Ok(None),
            Err(error) => return Err(error),
        };
        // Files that are empty and not observed have the digest of a listing's.
        let mut shape = Hasher::default();
        shape.update(listed.to_string().as_bytes());
        for path in observe {
            shape.update(format!("\n{path}").as_bytes());
        }
        Ok(Some(shape.sha256()))
    }
}

fn notes(store: &Disk, shape: Sha256) -> Notes {
    let bytes = store.memo(LEARNED, shape);
    bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

/// Whether each file of a note has its content here.
fn is_seen_here(store: &dyn Content, inputs: &InputRoot, note: &Note) -> Result<bool, StoreError> {
    for (path, digest) in &note.seen {
        if file_at(store, inputs, path)?.is_none_or(|file| in_note(file.digest) != *digest) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The file at a path of the mounts. Where they lie within each other they merge.
fn file_at(store: &dyn Content, inputs: &InputRoot, path: &RelPath) -> Result<Option<File>, StoreError> {
    for (mount, tree) in &inputs.mounts {
        let Some(below) = path.strip_prefix(mount) else { continue };
        if let Some(Entry::File(file)) = lookup(store, *tree, &below)? {
            return Ok(Some(file));
        }
    }
    Ok(None)
}
