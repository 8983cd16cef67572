//! What a fetcher needs of a store beside content.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use xbuild_action::{Content, Directory, Memory, ReadSeek, StoreError};
use xbuild_base::{Blob, Digest, Sha256, Tree};

/// A store that remembers, and that has room for files on their way in.
pub trait Store: Content {
    /// What was remembered under this key.
    ///
    /// # Errors
    /// When the store can't be read.
    fn memo(&self, namespace: &'static str, key: Sha256) -> Result<Option<Vec<u8>>, StoreError>;

    /// Remembers a small value, whatever was there before.
    ///
    /// # Errors
    /// When the store can't be written.
    fn put_memo(&self, namespace: &'static str, key: Sha256, value: &[u8]) -> Result<(), StoreError>;

    /// A folder for temporary files and folders, on the store's file system. What a crash leaves in it may be
    /// removed by anybody once it is a day old.
    fn scratch(&self) -> &Path;
}

/// A store in memory with a temporary folder, for tests.
#[derive(Debug)]
pub struct InMemory {
    content: Memory,
    memos: Mutex<HashMap<(String, Sha256), Vec<u8>>>,
    scratch: tempfile::TempDir,
}

impl InMemory {
    /// An empty store.
    ///
    /// # Errors
    /// When no temporary folder can be made.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self { content: Memory::default(), memos: Mutex::default(), scratch: tempfile::tempdir()? })
    }
}

impl Store for InMemory {
    fn memo(&self, namespace: &'static str, key: Sha256) -> Result<Option<Vec<u8>>, StoreError> {
        let memos = self.memos.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(memos.get(&(namespace.to_owned(), key)).cloned())
    }

    fn put_memo(&self, namespace: &'static str, key: Sha256, value: &[u8]) -> Result<(), StoreError> {
        let mut memos = self.memos.lock().unwrap_or_else(PoisonError::into_inner);
        memos.insert((namespace.to_owned(), key), value.to_owned());
        Ok(())
    }

    fn scratch(&self) -> &Path {
        self.scratch.path()
    }
}

impl Content for InMemory {
    fn has_blob(&self, digest: Digest<Blob>) -> Result<bool, StoreError> {
        self.content.has_blob(digest)
    }

    fn open_blob(&self, digest: Digest<Blob>) -> Result<Box<dyn ReadSeek>, StoreError> {
        self.content.open_blob(digest)
    }

    fn put_reader(&self, reader: &mut dyn Read) -> Result<Digest<Blob>, StoreError> {
        self.content.put_reader(reader)
    }

    fn put_executable(&self, reader: &mut dyn Read) -> Result<Digest<Blob>, StoreError> {
        self.content.put_executable(reader)
    }

    fn put_file(&self, path: &Path) -> Result<Digest<Blob>, StoreError> {
        self.content.put_file(path)
    }

    fn directory(&self, digest: Digest<Tree>) -> Result<Arc<Directory>, StoreError> {
        self.content.directory(digest)
    }

    fn put_directory(&self, directory: &Directory) -> Result<Digest<Tree>, StoreError> {
        self.content.put_directory(directory)
    }
}
