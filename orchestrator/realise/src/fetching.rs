//! What the fetching side needs of this one: room in the store, and a builder for what is compiled into sysroots.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use xbuild_action::{
    ActionResult, Command, Content, Directory, InputRoot, Isolation, ReadSeek, Staging as _, StoreError,
};
use xbuild_base::{Blob, Digest, Sha256, Tree};
use xbuild_fetch::toolchain::{BuildError, Builder};
use xbuild_store::{Disk, Namespace};

use crate::engine::Engine;

/// The store as a fetcher sees it.
#[derive(Debug)]
pub struct FetchStore<'s> {
    store: &'s Disk,
    scratch: xbuild_action::Scratch,
}

impl<'s> FetchStore<'s> {
    /// Wraps a store.
    ///
    /// # Errors
    /// When the folder for temporary files can't be made.
    pub fn new(store: &'s Disk) -> Result<Self, StoreError> {
        Ok(Self { store, scratch: store.scratch()? })
    }
}

impl Content for FetchStore<'_> {
    fn has_blob(&self, digest: Digest<Blob>) -> Result<bool, StoreError> {
        self.store.has_blob(digest)
    }

    fn open_blob(&self, digest: Digest<Blob>) -> Result<Box<dyn ReadSeek>, StoreError> {
        self.store.open_blob(digest)
    }

    fn put_reader(&self, reader: &mut dyn Read) -> Result<Digest<Blob>, StoreError> {
        self.store.put_reader(reader)
    }

    fn put_executable(&self, reader: &mut dyn Read) -> Result<Digest<Blob>, StoreError> {
        self.store.put_executable(reader)
    }

    fn put_file(&self, path: &Path) -> Result<Digest<Blob>, StoreError> {
        self.store.put_file(path)
    }

    fn directory(&self, digest: Digest<Tree>) -> Result<Arc<Directory>, StoreError> {
        self.store.directory(digest)
    }

    fn put_directory(&self, directory: &Directory) -> Result<Digest<Tree>, StoreError> {
        self.store.put_directory(directory)
    }
}

impl xbuild_fetch::Store for FetchStore<'_> {
    fn memo(&self, namespace: &'static str, key: Sha256) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.store.memo(Namespace::new(namespace), key))
    }

    fn put_memo(&self, namespace: &'static str, key: Sha256, value: &[u8]) -> Result<(), StoreError> {
        self.store.put_memo(Namespace::new(namespace), key, value)
    }

    fn scratch(&self) -> &Path {
        self.scratch.path()
    }
}

/// Compiles parts of sysroots as actions.
#[derive(Debug)]
pub struct ComponentBuilder<'e> {
    /// Runs them.
    pub engine: &'e Engine<'e>,
}

impl Builder for ComponentBuilder<'_> {
    fn run(&self, what: &str, command: &Command, inputs: &InputRoot) -> Result<ActionResult, BuildError> {
        Ok(self.engine.run_one(what, command, inputs)?)
    }

    fn jobs(&self) -> usize {
        self.engine.jobs
    }

    fn isolation(&self) -> Isolation {
        self.engine.isolation
    }
}
