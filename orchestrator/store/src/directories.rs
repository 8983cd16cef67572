//! Directory messages, on disk and (a bounded number of them) in memory.

use std::collections::HashMap;
use std::sync::Arc;

use xbuild_action::{Directory, Entry, StoreError};
use xbuild_base::{Digest, Tree};

use crate::disk::Disk;
use crate::files;
use crate::memo::Namespace;

/// How many entries of directories are kept in memory, at most twice this: about 150 bytes each.
const ENTRIES: usize = 60_000;

/// Trees whose content was all there: the value is the boot id under which that was seen.
pub(crate) const COMPLETE: Namespace = Namespace::new("complete");

/// Directories that were used lately. When the young half is full it becomes the old half, and what the old half
/// held and nobody asked for again is forgotten.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    young: HashMap<Digest<Tree>, Arc<Directory>>,
    young_entries: usize,
    old: HashMap<Digest<Tree>, Arc<Directory>>,
}

impl Cache {
    fn get(&mut self, digest: Digest<Tree>) -> Option<Arc<Directory>> {
        if let Some(found) = self.young.get(&digest) {
            return Some(Arc::clone(found));
        }
        let found = self.old.remove(&digest)?;
        self.insert(digest, Arc::clone(&found));
        Some(found)
    }

    fn insert(&mut self, digest: Digest<Tree>, directory: Arc<Directory>) {
        if self.young_entries >= ENTRIES {
            self.old = std::mem::take(&mut self.young);
            self.young_entries = 0;
        }
        self.young_entries += 1 + directory.entries.len();
        self.young.insert(digest, directory);
    }
}

fn missing(digest: Digest<Tree>) -> StoreError {
    StoreError::Missing { kind: "tree", digest: digest.to_string() }
}

impl Disk {
    pub(crate) fn read_directory(&self, digest: Digest<Tree>) -> Result<Arc<Directory>, StoreError> {
        if let Some(found) = self.directories().get(digest) {
            return Ok(found);
        }
        let path = self.layout().directory(digest.sha256());
        let bytes = files::read(&path)?.ok_or_else(|| missing(digest))?;
        // What a crash has cut short is not there; what has the right size and other bytes is worth a word.
        if bytes.len() as u64 != digest.size() {
            return Err(missing(digest));
        }
        if Digest::of(&bytes) != digest {
            let problem = "its bytes don't have the digest that it is named by".to_owned();
            return Err(StoreError::Damaged { path, problem });
        }
        let directory = Directory::decode(&bytes).ok_or_else(|| StoreError::Damaged {
            path,
            problem: "it is not a Directory message".to_owned(),
        })?;
        let directory = Arc::new(directory);
        self.directories().insert(digest, Arc::clone(&directory));
        Ok(directory)
    }

    pub(crate) fn write_directory(&self, directory: &Directory) -> Result<Digest<Tree>, StoreError> {
        let bytes = directory.encode();
        let digest = Digest::of(&bytes);
        if self.directories().get(digest).is_some() {
            return Ok(digest);
        }
        let path = self.layout().directory(digest.sha256());
        if files::size_of(&path)? != Some(digest.size()) {
            let mut temporary = self.temporary()?;
            temporary.write(&bytes)?;
            temporary.place_content(&path, digest.size(), 0o444, self.owner_ids())?;
        }
        self.directories().insert(digest, Arc::new(directory.clone()));
        Ok(digest)
    }

    /// Whether a tree is there with all its directories and files. Looked at in full once for each boot of the
    /// machine; nothing but collection takes content away, and that waits until nobody uses the store.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn has_tree(&self, tree: Digest<Tree>) -> Result<bool, StoreError> {
        if self.complete().contains(&tree) {
            return Ok(true);
        }
        let known = self.memo(COMPLETE, tree.sha256());
        if known.is_none_or(|boot| !self.is_this_boot(&String::from_utf8_lossy(&boot))) {
            if !self.is_complete(tree)? {
                return Ok(false);
            }
            self.put_memo(COMPLETE, tree.sha256(), self.boot().as_bytes())?;
        }
        self.complete().insert(tree);
        Ok(true)
    }

    /// As [`Self::has_tree`], trusting only what this process has seen.
    pub(crate) fn is_complete(&self, tree: Digest<Tree>) -> Result<bool, StoreError> {
        if self.complete().contains(&tree) {
            return Ok(true);
        }
        let directory = match self.read_directory(tree) {
            Ok(directory) => directory,
            Err(StoreError::Missing { .. } | StoreError::Damaged { .. }) => return Ok(false),
            Err(error) => return Err(error),
        };
        for entry in directory.entries.values() {
            let there = match entry {
                Entry::File(file) => self.blob_is_there(file.digest)?,
                Entry::Directory(below) => self.is_complete(*below)?,
                Entry::Symlink(_) => true,
            };
            if !there {
                return Ok(false);
            }
        }
        self.complete().insert(tree);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_bounded_and_keeps_what_is_used() {
        let mut cache = Cache::default();
        let directory = |n: usize| {
            let entry = |m: usize| (format!("{n}-{m}"), Entry::Symlink("x".to_owned()));
            Arc::new(Directory { entries: (0..999).map(entry).collect() })
        };
        let used = directory(0);
        let used_digest = used.digest();
        cache.insert(used_digest, used);
        for n in 1..300 {
            let directory = directory(n);
            cache.insert(directory.digest(), directory);
            assert!(cache.get(used_digest).is_some(), "{n}");
            assert!(cache.young.len() + cache.old.len() <= 2 * ENTRIES / 1000 + 2);
        }
        assert!(cache.get(directory(1).digest()).is_none());
    }
}
