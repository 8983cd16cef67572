//! Locks between processes.
//!
//! Of actions and of trees there are many, and each is locked for a moment: a file for each would be made and removed
//! as often. So one file stands for all of a kind, and a digest's lock is the lock of one byte of it, which no file
//! need have (`F_OFD_SETLK`, fcntl(2)). Two digests that share their first 63 bits would wait for each other, and no
//! more.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno as NixErrno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use xbuild_action::{Cancel, StoreError};
use xbuild_base::{Action, Digest, Sha256, Tree};

use crate::disk::Disk;
use crate::error::Error;
use crate::files::{give, io};

/// The right to run one action, until it is dropped.
#[derive(Debug)]
#[must_use = "the lock is given back when this is dropped"]
pub struct ActionLock {
    _lock: ByteLock,
}

/// The files whose bytes are locked.
const ACTIONS: &str = "actions";
const TREES: &str = "trees";

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
        let mut told = false;
        let mut pause = Duration::from_millis(2);
        loop {
            if let Some(lock) = self.try_lock(action)? {
                return Ok(lock);
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
        let lock = ByteLock::new(self.locks(ACTIONS), self.owner_ids(), action.sha256())?.attempt()?;
        Ok(lock.map(|lock| ActionLock { _lock: lock }))
    }

    /// Waits until nobody else lays a tree out, and keeps others from doing so.
    pub(crate) fn lock_tree(&self, tree: Digest<Tree>) -> Result<ByteLock, StoreError> {
        ByteLock::new(self.locks(TREES), self.owner_ids(), tree.sha256())?.wait()
    }

    fn locks(&self, name: &str) -> PathBuf {
        self.layout().part("locks").join(name)
    }
}

fn open(path: &Path, owner: crate::files::Owner) -> Result<OwnedFd, StoreError> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = rustix::fs::open(path, flags, Mode::from_raw_mode(0o644)).map_err(io("open", path))?;
    give(path, owner)?;
    Ok(file)
}

/// A byte of a file, to be locked, and unlocked when this is dropped. The lock belongs to the open file, and not to the
/// process: two threads keep each other out, too.
#[derive(Debug)]
pub(crate) struct ByteLock {
    path: PathBuf,
    file: OwnedFd,
    byte: libc::off_t,
}

impl ByteLock {
    fn new(path: PathBuf, owner: crate::files::Owner, name: Sha256) -> Result<Self, StoreError> {
        let file = open(&path, owner)?;
        Ok(Self { path, file, byte: byte_of(name) })
    }

    /// Takes the lock if nobody has it.
    fn attempt(self) -> Result<Option<Self>, StoreError> {
        match fcntl(&self.file, FcntlArg::F_OFD_SETLK(&self.byte(libc::F_WRLCK))) {
            Ok(_) => Ok(Some(self)),
            Err(NixErrno::EAGAIN | NixErrno::EACCES | NixErrno::EINTR) => Ok(None),
            Err(error) => Err(StoreError::io("lock", &self.path)(error.into())),
        }
    }

    /// Waits for the lock.
    fn wait(self) -> Result<Self, StoreError> {
        loop {
            match fcntl(&self.file, FcntlArg::F_OFD_SETLKW(&self.byte(libc::F_WRLCK))) {
                Ok(_) => return Ok(self),
                Err(NixErrno::EINTR) => {}
                Err(error) => return Err(StoreError::io("lock", &self.path)(error.into())),
            }
        }
    }

    /// The byte, as fcntl(2) has it.
    fn byte(&self, kind: libc::c_int) -> libc::flock {
        libc::flock {
            l_type: i16::try_from(kind).unwrap_or_default(),
            l_whence: 0,
            l_start: self.byte,
            l_len: 1,
            // Must be so for a lock of the open file.
            l_pid: 0,
        }
    }
}

impl Drop for ByteLock {
    fn drop(&mut self) {
        // A process that was forked meanwhile has a copy of the descriptor, so closing ours is not enough.
        let _ = fcntl(&self.file, FcntlArg::F_OFD_SETLK(&self.byte(libc::F_UNLCK)));
    }
}

/// The byte that stands for a digest.
fn byte_of(name: Sha256) -> libc::off_t {
    let mut first = [0; 8];
    first.copy_from_slice(&name.as_bytes()[..8]);
    // The last byte that a file may have is no byte to be locked with a length.
    (i64::from_be_bytes(first) & i64::MAX).min(i64::MAX - 1)
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
