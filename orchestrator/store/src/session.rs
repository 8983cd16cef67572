//! One process's folder below `tmp/`.
//!
//! The folder is locked for as long as the process lives: that tells the living from the dead across process id
//! namespaces too, where an id says nothing.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{FlockOperation, IFlags, Mode, OFlags};
use rustix::io::Errno;
use xbuild_action::StoreError;

use crate::files::{self, Owner, io};

/// The folder, locked. It goes away with all that is in it when this is dropped.
#[derive(Debug)]
pub(crate) struct Session {
    path: PathBuf,
    next: AtomicU64,
    _lock: OwnedFd,
}

fn open_folder(path: &Path) -> Result<OwnedFd, Errno> {
    rustix::fs::open(
        path,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )
}

impl Session {
    /// Makes and locks a new folder below `tmp`.
    pub(crate) fn start(tmp: &Path, owner: Owner) -> Result<Self, StoreError> {
        let process = std::process::id();
        let mut number = 0u64;
        loop {
            let path = tmp.join(format!("{process}.{number}"));
            number += 1;
            // A sweep may come between making and locking: then the folder is gone, or is another one.
            match files::make_directory(&path, owner) {
                Ok(true) => {}
                Ok(false) => continue,
                Err(error) if is_gone(&error) && tmp.exists() => continue,
                Err(error) => return Err(error),
            }
            let Some(lock) = files::if_there(open_folder(&path)).map_err(io("open", &path))? else {
                continue;
            };
            // Who has it instead sweeps it away, or made it anew after a sweep and keeps it: not to be waited for.
            match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) if same(&lock, &path) => {
                    spread(&lock);
                    return Ok(Self { path, next: AtomicU64::new(0), _lock: lock });
                }
                Ok(()) | Err(Errno::AGAIN | Errno::INTR) => {}
                Err(error) => return Err(io("lock", &path)(error)),
            }
        }
    }

    /// A path below the folder that nothing has yet.
    pub(crate) fn fresh(&self) -> PathBuf {
        self.path.join(self.next().to_string())
    }

    /// As [`Self::fresh`], for what is made again and again: its parent may not be there yet.
    pub(crate) fn fresh_apart(&self) -> PathBuf {
        let number = self.next();
        self.path.join(format!("{}-{}", std::process::id(), number % LANES)).join(number.to_string())
    }

    fn next(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }
}

/// What is made again and again lies in so many folders, and these are kept apart on the disk.
const LANES: u64 = 16;

/// Has ext4 put each folder in this one into another block group, by its name (`chattr +T`). An ext4 without a journal
/// gives no inode away again for minutes after it was freed, and looks at all these of the group, one after the other,
/// for each file that is made: thousands, where all sandboxes lie in one group. Other file systems know of no such flag.
fn spread(folder: &OwnedFd) {
    if let Ok(flags) = rustix::fs::ioctl_getflags(folder) {
        let _ = rustix::fs::ioctl_setflags(folder, flags | IFlags::TOPDIR);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = files::remove_all(&self.path);
    }
}

fn is_gone(error: &StoreError) -> bool {
    matches!(error, StoreError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
}

/// Whether `path` still is the file or folder that is open.
fn same(open: &OwnedFd, path: &Path) -> bool {
    match (rustix::fs::fstat(open), rustix::fs::lstat(path)) {
        (Ok(a), Ok(b)) => (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino),
        _ => false,
    }
}

/// Removes what dead processes left below `tmp`. What can't be removed now is left to the next sweep.
pub(crate) fn sweep(tmp: &Path) -> Result<(), StoreError> {
    for (name, _) in files::list(tmp)? {
        let path = tmp.join(name);
        match open_folder(&path) {
            Ok(folder) => {
                let locked = rustix::fs::flock(&folder, FlockOperation::NonBlockingLockExclusive).is_ok();
                if locked && same(&folder, &path) {
                    let _ = files::remove_all(&path);
                }
            }
            Err(Errno::NOTDIR | Errno::LOOP | Errno::ACCESS) => {
                let _ = files::remove_all(&path);
            }
            Err(_) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starting_and_sweeping_at_once_loses_nobody_s_folder() {
        let tmp = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        sweep(tmp.path()).unwrap();
                        let session = Session::start(tmp.path(), None).unwrap();
                        assert!(session.path.exists());
                    }
                });
            }
        });
        assert_eq!(files::list(tmp.path()).unwrap(), []);
    }

    #[test]
    fn sessions_that_start_in_each_other_s_sweeps_do_not_wait_for_each_other_s_end() {
        for _ in 0..50 {
            let tmp = tempfile::tempdir().unwrap();
            let all = std::thread::scope(|scope| {
                let start = || {
                    sweep(tmp.path()).unwrap();
                    Session::start(tmp.path(), None).unwrap()
                };
                let started: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
                started.into_iter().map(|session| session.join().unwrap()).collect::<Vec<_>>()
            });
            assert!(all.iter().all(|session| session.path.exists()));
        }
    }

    #[test]
    fn a_sweep_takes_what_nobody_holds() {
        let tmp = tempfile::tempdir().unwrap();
        let living = Session::start(tmp.path(), None).unwrap();
        fs_err::write(living.fresh(), "x").unwrap();
        let dead = tmp.path().join("1.0");
        fs_err::create_dir_all(dead.join("scratch")).unwrap();
        fs_err::write(tmp.path().join("stray"), "x").unwrap();
        sweep(tmp.path()).unwrap();
        assert!(!dead.exists() && !tmp.path().join("stray").exists());
        assert!(living.path.join("0").exists());
        let path = living.path.clone();
        drop(living);
        assert!(!path.exists());
    }
}
