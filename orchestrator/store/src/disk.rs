//! [`Disk`] itself: opening it, and what its parts share.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use xbuild_action::{Cancel, StoreError};
use xbuild_base::{Digest, RelPath, Tree};

use crate::directories::Cache;
use crate::error::Error;
use crate::files::{self, Owner, Temporary};
use crate::layout::{Layout, Made};
use crate::lock::UseLock;
use crate::session::{self, Session};

/// A store in a folder.
///
/// It is in use from [`Disk::open`] until it is dropped: collection waits for that.
#[derive(Debug)]
pub struct Disk {
    layout: Layout,
    owner: Owner,
    boot: String,
    directories: Mutex<Cache>,
    laid_out: Mutex<HashSet<(Digest<Tree>, RelPath)>>,
    complete: Mutex<HashSet<Digest<Tree>>>,
    // Dropped in this order: the folder goes while the store is still in use.
    session: Session,
    in_use: UseLock,
}

impl Disk {
    /// Opens the store in `folder` (an absolute path), making it where there is none.
    ///
    /// `owner` is for root alone: the unprivileged user and group ids that everything is given to, so that a
    /// sandbox of that user can read it and lay a writable layer over it. Everybody else passes `None`.
    ///
    /// # Errors
    /// When the folder is no store, has a newer format, belongs to somebody else or can't be written.
    pub fn open(folder: &Path, owner: Option<(u32, u32)>) -> Result<Self, Error> {
        Self::open_waiting(folder, owner, &Cancel::default(), &mut || {})
    }

    /// As [`Self::open`], telling by `waiting` (once) that another process is collecting, and giving up waiting
    /// for it when `cancel` says so.
    ///
    /// # Errors
    /// As [`Self::open`], and [`Error::Cancelled`].
    pub fn open_waiting(
        folder: &Path,
        owner: Option<(u32, u32)>,
        cancel: &Cancel,
        waiting: &mut dyn FnMut(),
    ) -> Result<Self, Error> {
        if !folder.is_absolute() {
            return Err(Error::NotAbsolute(folder.to_owned()));
        }
        let layout = Layout::new(folder.to_owned());
        let made = layout.prepare(owner)?;
        let tmp = layout.part("tmp");
        let lock = layout.part("locks").join("use");
        let mut in_use = UseLock::shared(lock.clone(), owner, cancel, waiting)?;
        // Whoever has the store to himself brings it to this format; the others find it so.
        while made == Made::Older && !layout.is_current()? {
            if let Some(_alone) = in_use.exclusive()? {
                layout.migrate()?;
                layout.write_format(&Session::start(&tmp, owner)?, owner)?;
                continue;
            }
            drop(in_use);
            waiting();
            if cancel.is_cancelled() {
                return Err(Error::Cancelled);
            }
            std::thread::sleep(Duration::from_millis(50));
            in_use = UseLock::shared(lock.clone(), owner, cancel, waiting)?;
        }
        session::sweep(&tmp)?;
        let session = Session::start(&tmp, owner)?;
        if made == Made::Now {
            layout.write_format(&session, owner)?;
        }
        let boot = fs_err::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Ok(Self {
            layout,
            owner,
            boot: boot.trim().to_owned(),
            directories: Mutex::default(),
            laid_out: Mutex::default(),
            complete: Mutex::default(),
            session,
            in_use,
        })
    }

    /// The folder that it is in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.layout.folder()
    }

    pub(crate) const fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(crate) const fn owner_ids(&self) -> Owner {
        self.owner
    }

    /// What tells one boot of the machine from another; empty when the machine doesn't say.
    pub(crate) fn boot(&self) -> &str {
        &self.boot
    }

    /// Whether `mark` was written since the machine started.
    pub(crate) fn is_this_boot(&self, mark: &str) -> bool {
        !mark.is_empty() && mark == self.boot
    }

    pub(crate) const fn in_use(&self) -> &UseLock {
        &self.in_use
    }

    pub(crate) fn directories(&self) -> MutexGuard<'_, Cache> {
        self.directories.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Trees that this process knows to be laid out, and at which places.
    pub(crate) fn laid_out(&self) -> MutexGuard<'_, HashSet<(Digest<Tree>, RelPath)>> {
        self.laid_out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Trees whose content this process knows to be all there.
    pub(crate) fn complete(&self) -> MutexGuard<'_, HashSet<Digest<Tree>>> {
        self.complete.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what is known in memory of what is on disk.
    pub(crate) fn forget(&self) {
        *self.directories() = Cache::default();
        self.laid_out().clear();
        self.complete().clear();
    }

    /// A path below `tmp/` that nothing has yet.
    pub(crate) fn fresh(&self) -> PathBuf {
        self.session.fresh()
    }

    /// As [`Self::fresh`], for what is made again and again: its parent may not be there yet.
    pub(crate) fn fresh_apart(&self) -> PathBuf {
        self.session.fresh_apart()
    }

    /// A new temporary file.
    pub(crate) fn temporary(&self) -> Result<Temporary, StoreError> {
        let path = self.session.fresh_apart();
        match Temporary::create(path) {
            // The first one in its lane, or somebody cleared `tmp/` by hand.
            Err(StoreError::Io { source, path, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                if let Some(parent) = path.parent() {
                    files::make_directories(parent, self.owner)?;
                }
                Temporary::create(path)
            }
            other => other,
        }
    }

    /// Writes a small file of our own in one go.
    pub(crate) fn write_record(&self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        let mut file = self.temporary()?;
        file.write(bytes)?;
        file.place_record(path, self.owner)
    }
}
