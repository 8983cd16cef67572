//! Folders, all alike.

use std::collections::BTreeSet;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps};
use xbuild_action::{ExecutionError, StoreError};
use xbuild_base::RelPath;

/// The time of all folders that are made here, as of all files of a store: 1980-01-01T00:00:00Z in seconds
/// since 1970.
const FOLDER_TIME: Timespec = Timespec { tv_sec: 315_532_800, tv_nsec: 0 };

/// Makes folders of mode 0755 whatever the umask, with one owner and one time.
pub(crate) struct Maker {
    owner: Option<(u32, u32)>,
    made: BTreeSet<PathBuf>,
}

impl Maker {
    pub(crate) fn new(owner: Option<(u32, u32)>) -> Self {
        Self { owner, made: BTreeSet::new() }
    }

    pub(crate) fn make(&mut self, path: &Path) -> Result<(), ExecutionError> {
        std::fs::DirBuilder::new()
            .mode(0o755)
            .create(path)
            .map_err(StoreError::io("make the folder", path))?;
        set_mode(path, 0o755)?;
        if let Some((uid, gid)) = self.owner {
            std::os::unix::fs::chown(path, Some(uid), Some(gid))
                .map_err(StoreError::io("set the owner of", path))?;
        }
        self.made.insert(path.to_owned());
        Ok(())
    }

    /// One that was made before; its time may have changed.
    pub(crate) fn takes_over(&mut self, path: PathBuf) {
        self.made.insert(path);
    }

    pub(crate) fn make_below(&mut self, top: &Path, path: &RelPath) -> Result<(), ExecutionError> {
        let mut folder = top.to_owned();
        for part in path.components() {
            folder.push(part);
            if !self.has_made(&folder) {
                self.make(&folder)?;
            }
        }
        Ok(())
    }

    pub(crate) fn has_made(&self, path: &Path) -> bool {
        self.made.contains(path)
    }

    pub(crate) fn finish(self) -> Result<(), ExecutionError> {
        let times = Timestamps { last_access: FOLDER_TIME, last_modification: FOLDER_TIME };
        for path in &self.made {
            rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)
                .map_err(|error| StoreError::io("set the time of", path)(error.into()))?;
        }
        Ok(())
    }
}

pub(crate) fn set_mode(path: &Path, mode: u32) -> Result<(), ExecutionError> {
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode))
        .map_err(|source| StoreError::io("set the mode of", path)(source).into())
}
