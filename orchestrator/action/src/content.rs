//! The store's traits, and an implementation in memory.

use std::collections::HashMap;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use xbuild_base::{Action, Blob, Digest, Hasher, Tree};

use crate::directory::Directory;
use crate::outcome::ActionResult;

/// Why a store could not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Something that should be there isn't.
    #[error("the store has no {kind} {digest}")]
    Missing {
        /// `blob`, `tree` or `action`.
        kind: &'static str,
        /// Its digest as text.
        digest: String,
    },
    /// What is there is not what its name says.
    #[error("{path} in the store is damaged: {problem}")]
    Damaged {
        /// Where.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The store has a format that this version doesn't know.
    #[error("the store at {path} has format {found}; this xbuild knows formats up to {known}")]
    Newer {
        /// The store's folder.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that this version knows.
        known: u32,
    },
    /// The file system refused.
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

impl StoreError {
    /// For `map_err`: names the file that an I/O error is about.
    pub fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { doing, path, source }
    }

    /// Whether the disk is full.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::Io { source, .. }
            if matches!(source.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded))
    }
}

/// What a blob is read by.
pub trait ReadSeek: Read + Seek + Send {}

impl<R: Read + Seek + Send> ReadSeek for R {}

/// Blobs and Merkle trees by digest.
///
/// What is put is there for good as far as a run is concerned; putting the same content twice is no error.
pub trait Content: Send + Sync {
    /// Whether the blob is there.
    ///
    /// # Errors
    /// When the store can't be asked.
    fn has_blob(&self, digest: Digest<Blob>) -> Result<bool, StoreError>;

    /// A reader over the blob's bytes.
    ///
    /// # Errors
    /// [`StoreError::Missing`], or when it can't be read.
    fn open_blob(&self, digest: Digest<Blob>) -> Result<Box<dyn ReadSeek>, StoreError>;

    /// Stores all that `reader` gives.
    ///
    /// # Errors
    /// When reading or writing fails.
    fn put_reader(&self, reader: &mut dyn Read) -> Result<Digest<Blob>, StoreError>;

    /// As [`Self::put_reader`], of what will be an executable file: where such files lie apart, it needn't lie twice.
    ///
    /// # Errors
    /// When reading or writing fails.
    fn put_executable(&self, reader: &mut dyn Read) -> Result<Digest<Blob>, StoreError> {
        self.put_reader(reader)
    }

    /// Stores a copy of the host's file at `path`.
    ///
    /// # Errors
    /// When reading or writing fails.
    fn put_file(&self, path: &Path) -> Result<Digest<Blob>, StoreError>;

    /// The level of a tree that `digest` names.
    ///
    /// # Errors
    /// [`StoreError::Missing`], or when it can't be read.
    fn directory(&self, digest: Digest<Tree>) -> Result<Arc<Directory>, StoreError>;

    /// Stores one level of a tree.
    ///
    /// # Errors
    /// When it can't be written.
    fn put_directory(&self, directory: &Directory) -> Result<Digest<Tree>, StoreError>;
}

/// What every [`Content`] can do besides.
pub trait ContentExt: Content {
    /// The blob's bytes, for small ones.
    ///
    /// # Errors
    /// As [`Content::open_blob`].
    fn get(&self, digest: Digest<Blob>) -> Result<Vec<u8>, StoreError> {
        let mut bytes = Vec::with_capacity(usize::try_from(digest.size()).unwrap_or(0).min(1 << 20));
        self.open_blob(digest)?.read_to_end(&mut bytes).map_err(StoreError::io("read", digest.to_hex()))?;
        Ok(bytes)
    }

    /// Stores bytes that are in memory.
    ///
    /// # Errors
    /// As [`Content::put_reader`].
    fn put(&self, mut bytes: &[u8]) -> Result<Digest<Blob>, StoreError> {
        self.put_reader(&mut bytes)
    }
}

impl<C: Content + ?Sized> ContentExt for C {}

/// A store that is read and not written: what is put has its digest, and is not kept. For keys.
pub struct Unstored<'s>(pub &'s dyn Content);

impl std::fmt::Debug for Unstored<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Unstored").finish_non_exhaustive()
    }
}

impl Content for Unstored<'_> {
    fn has_blob(&self, digest: Digest<Blob>) -> Result<bool, StoreError> {
        self.0.has_blob(digest)
    }

    fn open_blob(&self, digest: Digest<Blob>) -> Result<Box<dyn ReadSeek>, StoreError> {
        self.0.open_blob(digest)
    }

    fn put_reader(&self, reader: &mut dyn Read) -> Result<Digest<Blob>, StoreError> {
        let mut hasher = Hasher::default();
        std::io::copy(reader, &mut hasher).map_err(StoreError::io("read", "a stream"))?;
        Ok(hasher.digest())
    }

    #[expect(clippy::disallowed_methods, reason = "the error names the path")]
    fn put_file(&self, path: &Path) -> Result<Digest<Blob>, StoreError> {
        let mut file = std::fs::File::open(path).map_err(StoreError::io("open", path))?;
        self.put_reader(&mut file)
    }

    fn directory(&self, digest: Digest<Tree>) -> Result<Arc<Directory>, StoreError> {
        self.0.directory(digest)
    }

    fn put_directory(&self, directory: &Directory) -> Result<Digest<Tree>, StoreError> {
        Ok(directory.digest())
    }
}

/// Results of actions by their keys.
pub trait ActionCache: Send + Sync {
    /// The result that was recorded for this key, if one was and its content is still there.
    ///
    /// # Errors
    /// When the cache can't be read.
    fn result(&self, action: Digest<Action>) -> Result<Option<ActionResult>, StoreError>;

    /// Records a result. Only a success may be recorded.
    ///
    /// # Errors
    /// When it can't be written.
    fn record(&self, action: Digest<Action>, result: &ActionResult) -> Result<(), StoreError>;
}

/// A store in memory, for tests of what only computes with trees.
#[derive(Debug, Default)]
pub struct Memory {
    blobs: Mutex<HashMap<Digest<Blob>, Arc<[u8]>>>,
    directories: Mutex<HashMap<Digest<Tree>, Arc<Directory>>>,
    results: Mutex<HashMap<Digest<Action>, ActionResult>>,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Content for Memory {
    fn has_blob(&self, digest: Digest<Blob>) -> Result<bool, StoreError> {
        Ok(locked(&self.blobs).contains_key(&digest))
    }

    fn open_blob(&self, digest: Digest<Blob>) -> Result<Box<dyn ReadSeek>, StoreError> {
        let bytes = locked(&self.blobs).get(&digest).cloned();
        let bytes = bytes.ok_or_else(|| StoreError::Missing { kind: "blob", digest: digest.to_string() })?;
        Ok(Box::new(std::io::Cursor::new(bytes)))
    }

    fn put_reader(&self, reader: &mut dyn Read) -> Result<Digest<Blob>, StoreError> {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).map_err(StoreError::io("read", "a stream"))?;
        let digest = Digest::of(&bytes);
        locked(&self.blobs).insert(digest, bytes.into());
        Ok(digest)
    }

    #[expect(clippy::disallowed_methods, reason = "a test's store; the error names the path")]
    fn put_file(&self, path: &Path) -> Result<Digest<Blob>, StoreError> {
        let mut file = std::fs::File::open(path).map_err(StoreError::io("open", path))?;
        self.put_reader(&mut file)
    }

    fn directory(&self, digest: Digest<Tree>) -> Result<Arc<Directory>, StoreError> {
        locked(&self.directories)
            .get(&digest)
            .cloned()
            .ok_or_else(|| StoreError::Missing { kind: "tree", digest: digest.to_string() })
    }

    fn put_directory(&self, directory: &Directory) -> Result<Digest<Tree>, StoreError> {
        let digest = directory.digest();
        locked(&self.directories).entry(digest).or_insert_with(|| Arc::new(directory.clone()));
        Ok(digest)
    }
}

impl ActionCache for Memory {
    fn result(&self, action: Digest<Action>) -> Result<Option<ActionResult>, StoreError> {
        Ok(locked(&self.results).get(&action).cloned())
    }

    fn record(&self, action: Digest<Action>, result: &ActionResult) -> Result<(), StoreError> {
        locked(&self.results).insert(action, result.clone());
        Ok(())
    }
}
