//! Locks between processes.
//!
//! A lock's file is removed while it is held. Whoever gets the lock of a file that no longer has its name starts
//! again: so nobody holds a lock that another process can't see, and the folder doesn't grow.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use xbuild_action::{Cancel, StoreError};
use xbuild_base::{Action, Digest};

use crate::disk::Disk;
use crate::error::Error;
use crate::files::{give, io};
use crate::session::same;

/// The right to run one action, until it is dropped.
#[derive(Debug)]
#[must_use = "the lock is given back when this is dropped"]
pub struct ActionLock {
    _lock: FileLock,
}

impl Disk {
    /// Waits until no other process or thread runs this action, and keeps others from running it.
    ///
    /// `waiting` is called once, when somebody else has the lock. Look into the cache again afterwards: what
    /// one has waited for is most likely there.
    ///
    /// # Errors
    /// [`Error::Cancelled`], or when the lock's file can't be made.
    pub fn lock(
        &self,
        action: Digest<Action>,
        cancel: &Cancel,
        waiting: &mut dyn FnMut(),
    ) -> Result<ActionLock, Error> {
        let path = self.layout().part("locks").join(action.to_hex());
        let mut told = false;
        let mut pause = Duration::from_millis(2);
        loop {
            if let Some(lock) = FileLock::attempt(&path, self.owner_ids())? {
                return Ok(ActionLock { _lock: lock });
            }
            if !std::mem::replace(&mut told, true) {
                waiting();
            }
            if cancel.is_cancelled() {
                return Err(Error::Cancelled);
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }

    /// As [`Self::lock`], but `None` instead of waiting.
    ///
    /// # Errors
    /// When the lock's file can't be made.
    pub fn try_lock(&self, action: Digest<Action>) -> Result<Option<ActionLock>, Error> {
        let path = self.layout().part("locks").join(action.to_hex());
        Ok(FileLock::attempt(&path, self.owner_ids())?.map(|lock| ActionLock { _lock: lock }))
    }
}

fn open(path: &Path, owner: crate::files::Owner) -> Result<OwnedFd, StoreError> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = rustix::fs::open(path, flags, Mode::from_raw_mode(0o644)).map_err(io("open", path))?;
    // Gone already: then `same` will see it.
    match give(path, owner) {
        Err(StoreError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {}
        other => other?,
    }
    Ok(file)
}

/// A file that is locked exclusively, and removed when this is dropped.
#[derive(Debug)]
pub(crate) struct FileLock {
    path: PathBuf,
    file: OwnedFd,
}

impl FileLock {
    /// Takes the lock if nobody has it.
    fn attempt(path: &Path, owner: crate::files::Owner) -> Result<Option<Self>, StoreError> {
        loop {
            let file = open(path, owner)?;
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) if same(&file, path) => return Ok(Some(Self { path: path.to_owned(), file })),
                Ok(()) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(None),
                Err(error) => return Err(io("lock", path)(error)),
            }
        }
    }

    /// Waits for the lock.
    pub(crate) fn wait(path: &Path, owner: crate::files::Owner) -> Result<Self, StoreError> {
        loop {
            let file = open(path, owner)?;
            match rustix::fs::flock(&file, FlockOperation::LockExclusive) {
                Ok(()) if same(&file, path) => return Ok(Self { path: path.to_owned(), file }),
                Ok(()) | Err(Errno::INTR) => {}
                Err(error) => return Err(io("lock", path)(error)),
            }
        }
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        let _ = rustix::fs::unlink(&self.path);
        // A sandbox that was forked meanwhile has a copy of the descriptor, so closing ours is not enough.
        let _ = rustix::fs::flock(&self.file, FlockOperation::Unlock);
    }
}

/// The lock that every process holds on the store that it uses.
#[derive(Debug)]
pub(crate) struct UseLock {
    path: PathBuf,
    file: OwnedFd,
}

impl UseLock {
    /// Waits until nobody collects.
    pub(crate) fn shared(
        path: PathBuf,
        owner: crate::files::Owner,
        cancel: &Cancel,
        waiting: &mut dyn FnMut(),
    ) -> Result<Self, Error> {
        let file = open(&path, owner)?;
        let mut told = false;
        loop {
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) {
                Ok(()) => return Ok(Self { path, file }),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    if !std::mem::replace(&mut told, true) {
                        waiting();
                    }
                    if cancel.is_cancelled() {
                        return Err(Error::Cancelled);
                    }
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(error) => return Err(io("lock", &path)(error).into()),
            }
        }
    }

    /// Takes the lock for this process alone. Whether nobody else has it.
    pub(crate) fn exclusive(&self) -> Result<Option<Exclusive<'_>>, StoreError> {
        match rustix::fs::flock(&self.file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Exclusive { lock: self })),
            Err(Errno::AGAIN) => {
                // The attempt itself gave the shared lock up (flock(2)).
                rustix::fs::flock(&self.file, FlockOperation::LockShared).map_err(io("lock", &self.path))?;
                Ok(None)
            }
            Err(error) => Err(io("lock", &self.path)(error)),
        }
    }
}

/// The store for this process alone, until it is dropped.
#[derive(Debug)]
pub(crate) struct Exclusive<'a> {
    lock: &'a UseLock,
}

impl Drop for Exclusive<'_> {
    fn drop(&mut self) {
        let _ = rustix::fs::flock(&self.lock.file, FlockOperation::LockShared);
    }
}
