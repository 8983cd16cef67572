//! Small file operations, each error naming its path.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, RenameFlags, Timespec, Timestamps, Uid};
use rustix::io::Errno;
use xbuild_action::StoreError;
use xbuild_base::{Blob, Digest, Hasher};

/// The one time that all stored files have: 1980-01-01T00:00:00Z, in seconds since 1970.
pub const FILE_TIME: i64 = 315_532_800;

const STAMP: Timespec = Timespec { tv_sec: FILE_TIME, tv_nsec: 0 };
const STAMPS: Timestamps = Timestamps { last_access: STAMP, last_modification: STAMP };

/// Who owns what is stored: `None` is the user who runs this.
pub(crate) type Owner = Option<(u32, u32)>;

/// For `map_err`, as [`StoreError::io`] but for rustix errors too.
pub(crate) fn io<E: Into<std::io::Error>>(doing: &'static str, path: &Path) -> impl FnOnce(E) -> StoreError {
    let path = path.to_owned();
    move |error| StoreError::Io { doing, path, source: error.into() }
}

/// Turns "it isn't there" into `None`.
pub(crate) fn if_there<T>(result: Result<T, Errno>) -> Result<Option<T>, Errno> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The size in bytes of the regular file at `path`, if there is one.
pub(crate) fn size_of(path: &Path) -> Result<Option<u64>, StoreError> {
    let stat = if_there(rustix::fs::lstat(path)).map_err(io("look at", path))?;
    Ok(stat
        .filter(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
        .map(|stat| stat.st_size.cast_unsigned()))
}

/// Opens a file for reading, following no link at its end and never waiting on a pipe.
pub(crate) fn open(path: &Path) -> Result<File, Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).map(File::from)
}

/// A whole small file, if it is there.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    let Some(mut file) = if_there(open(path)).map_err(io("open", path))? else { return Ok(None) };
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(io("read", path))?;
    Ok(Some(bytes))
}

/// Gives an open file its final mode, owner and time.
pub(crate) fn seal(file: &File, path: &Path, mode: u32, owner: Owner) -> Result<(), StoreError> {
    rustix::fs::fchmod(file, Mode::from_raw_mode(mode)).map_err(io("set the mode of", path))?;
    if let Some((uid, gid)) = owner {
        rustix::fs::fchown(file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
            .map_err(io("set the owner of", path))?;
    }
    rustix::fs::futimens(file, &STAMPS).map_err(io("set the time of", path))
}

/// Gives a directory or link the one time that everything has.
pub(crate) fn set_time(path: &Path) -> Result<(), StoreError> {
    rustix::fs::utimensat(CWD, path, &STAMPS, AtFlags::SYMLINK_NOFOLLOW).map_err(io("set the time of", path))
}

/// Marks a file as used just now. That it can't be is no reason to stop.
pub(crate) fn touch(path: &Path) {
    let now = Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
    let now = Timestamps { last_access: now, last_modification: now };
    let _ = rustix::fs::utimensat(CWD, path, &now, AtFlags::SYMLINK_NOFOLLOW);
}

/// Gives what is at `path` (a link itself, not what it leads to) to the owner.
pub(crate) fn give(path: &Path, owner: Owner) -> Result<(), StoreError> {
    let Some((uid, gid)) = owner else { return Ok(()) };
    let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
    rustix::fs::chownat(CWD, path, uid, gid, AtFlags::SYMLINK_NOFOLLOW).map_err(io("set the owner of", path))
}

/// Makes a directory of mode 0755, whatever the umask, with the store's owner. Whether it is new.
pub(crate) fn make_directory(path: &Path, owner: Owner) -> Result<bool, StoreError> {
    match rustix::fs::mkdir(path, Mode::from_raw_mode(0o755)) {
        Ok(()) => {}
        Err(Errno::EXIST) => return Ok(false),
        Err(error) => return Err(io("make the folder", path)(error)),
    }
    rustix::fs::chmod(path, Mode::from_raw_mode(0o755)).map_err(io("set the mode of", path))?;
    give(path, owner)?;
    Ok(true)
}

/// Renames over whatever is at `to`, making its parent folder where it is missing.
fn move_to(from: &Path, to: &Path, owner: Owner) -> Result<(), StoreError> {
    with_parent(to, owner, || rustix::fs::rename(from, to))?.map_err(io("write", to))
}

/// Renames a file of `size` bytes to the name of its digest.
///
/// What is there already stays (and `from` is removed) unless its size is wrong: another process may be about to
/// link to it, and linking to a file whose last name has just been taken over fails.
pub(crate) fn move_content(from: &Path, to: &Path, size: u64, owner: Owner) -> Result<(), StoreError> {
    let keep = RenameFlags::NOREPLACE;
    match with_parent(to, owner, || rustix::fs::renameat_with(CWD, from, CWD, to, keep))? {
        Ok(()) => Ok(()),
        Err(Errno::EXIST) if size_of(to)? == Some(size) => {
            if_there(rustix::fs::unlink(from)).map(drop).map_err(io("remove", from))
        }
        // The file system doesn't know the flag, or what is there is no good.
        Err(Errno::EXIST | Errno::INVAL | Errno::NOSYS) => move_to(from, to, owner),
        Err(error) => Err(io("write", to)(error)),
    }
}

/// Tries again when the parent folder of `to` was missing.
fn with_parent(
    to: &Path,
    owner: Owner,
    rename: impl Fn() -> Result<(), Errno>,
) -> Result<Result<(), Errno>, StoreError> {
    match (rename(), to.parent()) {
        (Err(Errno::NOENT), Some(parent)) => {
            make_directories(parent, owner)?;
            Ok(rename())
        }
        (result, _) => Ok(result),
    }
}

/// Makes a directory and its missing parents.
pub(crate) fn make_directories(path: &Path, owner: Owner) -> Result<(), StoreError> {
    match make_directory(path, owner) {
        Err(StoreError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            if let Some(parent) = path.parent() {
                make_directories(parent, owner)?;
            }
            make_directory(path, owner).map(drop)
        }
        other => other.map(drop),
    }
}

/// The names in a directory and what they are, sorted. A directory that isn't there has none.
pub(crate) fn list(path: &Path) -> Result<Vec<(String, FileType)>, StoreError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Some(folder) =
        if_there(rustix::fs::open(path, flags, Mode::empty())).map_err(io("read the folder", path))?
    else {
        return Ok(Vec::new());
    };
    let mut names = Vec::new();
    for (name, kind) in entries(&folder).map_err(io("read the folder", path))? {
        // The store makes no name that is not text: such a one is a stranger's, and no business of ours.
        if let Ok(name) = name.into_string() {
            names.push((name, kind));
        }
    }
    names.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    Ok(names)
}

fn entries(folder: &OwnedFd) -> Result<Vec<(std::ffi::CString, FileType)>, Errno> {
    let mut found = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::Unknown => {
                let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
                FileType::from_raw_mode(stat.st_mode)
            }
            known => known,
        };
        found.push((name.to_owned(), kind));
    }
    Ok(found)
}

/// Removes a file, or a folder with everything in it, whatever modes lie there and however deep it is: each
/// subfolder is first moved up to the top, so that neither the stack nor the number of open files depends on
/// what a sandboxed program made.
pub(crate) fn remove_all(path: &Path) -> Result<(), StoreError> {
    remove_tree(path).map_err(io("remove", path))
}

fn remove_tree(path: &Path) -> Result<(), Errno> {
    let writable = Mode::from_raw_mode(0o700);
    let folder_flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Some(stat) = if_there(rustix::fs::lstat(path))? else { return Ok(()) };
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        return if_there(rustix::fs::unlink(path)).map(drop);
    }
    let _ = rustix::fs::chmod(path, writable);
    let Some(top) = if_there(rustix::fs::open(path, folder_flags, Mode::empty()))? else { return Ok(()) };

    let mut pending = Vec::new();
    for (name, kind) in entries(&top)? {
        if kind == FileType::Directory {
            let _ = rustix::fs::chmodat(&top, &name, writable, AtFlags::empty());
            pending.push(name);
        } else {
            if_there(rustix::fs::unlinkat(&top, &name, AtFlags::empty()))?;
        }
    }
    let mut moved = 0u64;
    while let Some(name) = pending.pop() {
        let Some(folder) = if_there(rustix::fs::openat(&top, &name, folder_flags, Mode::empty()))? else {
            continue;
        };
        for (below, kind) in entries(&folder)? {
            if kind != FileType::Directory {
                if_there(rustix::fs::unlinkat(&folder, &below, AtFlags::empty()))?;
                continue;
            }
            let _ = rustix::fs::chmodat(&folder, &below, writable, AtFlags::empty());
            // Most folders are empty by now or hold only files: one call less than moving them.
            if rustix::fs::unlinkat(&folder, &below, AtFlags::REMOVEDIR).is_ok() {
                continue;
            }
            loop {
                moved += 1;
                let up = format!(".removed-{moved}");
                match rustix::fs::renameat(&folder, &below, &top, &up) {
                    Ok(()) => {
                        pending.push(std::ffi::CString::new(up).map_err(|_| Errno::INVAL)?);
                        break;
                    }
                    Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => {}
                    Err(Errno::NOENT) => break,
                    Err(error) => return Err(error),
                }
            }
        }
        if_there(rustix::fs::unlinkat(&top, &name, AtFlags::REMOVEDIR))?;
    }
    if_there(rustix::fs::rmdir(path)).map(drop)
}

/// Reads to the end through one buffer, hashing, and writing to `to` where it is given.
pub(crate) fn pump(
    from: &mut dyn Read,
    from_path: &Path,
    mut to: Option<&mut Temporary>,
    mut hasher: Hasher,
) -> Result<Digest<Blob>, StoreError> {
    let mut buffer = vec![0; 128 << 10];
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => return Ok(hasher.digest()),
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(io("read", from_path)(error)),
        };
        hasher.update(&buffer[..count]);
        if let Some(to) = &mut to {
            to.write(&buffer[..count])?;
        }
    }
}

/// A file below `tmp/` that goes away unless it is moved into place.
#[derive(Debug)]
pub(crate) struct Temporary {
    path: PathBuf,
    file: File,
    moved: bool,
}

impl Temporary {
    /// Makes the file; nothing is there yet.
    pub(crate) fn create(path: PathBuf) -> Result<Self, StoreError> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = rustix::fs::open(&path, flags, Mode::from_raw_mode(0o600)).map_err(io("create", &path))?;
        Ok(Self { path, file: file.into(), moved: false })
    }

    /// The open file.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.file.write_all(bytes).map_err(io("write", &self.path))
    }

    /// Makes it share the bytes of `from` without copying them. Whether the file system could.
    pub(crate) fn clone_from(&self, from: impl AsFd) -> bool {
        rustix::fs::ioctl_ficlone(&self.file, from).is_ok()
    }

    /// Seals it and moves it to its place, over whatever is there.
    pub(crate) fn place(mut self, to: &Path, mode: u32, owner: Owner) -> Result<(), StoreError> {
        seal(&self.file, &self.path, mode, owner)?;
        move_to(&self.path, to, owner)?;
        self.moved = true;
        Ok(())
    }

    /// Seals it and moves it to the name of its digest, unless the same content is there by now.
    pub(crate) fn place_content(
        mut self,
        to: &Path,
        size: u64,
        mode: u32,
        owner: Owner,
    ) -> Result<(), StoreError> {
        seal(&self.file, &self.path, mode, owner)?;
        move_content(&self.path, to, size, owner)?;
        self.moved = true;
        Ok(())
    }

    /// Moves it to its place with the time that it has.
    pub(crate) fn place_record(mut self, to: &Path, owner: Owner) -> Result<(), StoreError> {
        if let Some((uid, gid)) = owner {
            rustix::fs::fchown(&self.file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
                .map_err(io("set the owner of", &self.path))?;
        }
        move_to(&self.path, to, owner)?;
        self.moved = true;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.moved {
            let _ = rustix::fs::unlink(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removing_copes_with_modes_depth_and_links() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().join("top");
        let outside = folder.path().join("outside");
        fs_err::create_dir_all(top.join("a/.removed-1")).unwrap();
        fs_err::create_dir(&outside).unwrap();
        fs_err::write(outside.join("kept"), "x").unwrap();
        fs_err::os::unix::fs::symlink(&outside, top.join("a/link")).unwrap();
        fs_err::write(top.join("a/.removed-1/file"), "x").unwrap();
        rustix::fs::chmod(top.join("a/.removed-1"), Mode::empty()).unwrap();
        rustix::fs::chmod(top.join("a"), Mode::from_raw_mode(0o500)).unwrap();

        // Deeper than a path may be long, and than a process may have files open.
        let flags = OFlags::DIRECTORY | OFlags::RDONLY;
        let mut here = rustix::fs::open(&top, flags, Mode::empty()).unwrap();
        for _ in 0..3000 {
            rustix::fs::mkdirat(&here, "deep", Mode::from_raw_mode(0o755)).unwrap();
            here = rustix::fs::openat(&here, "deep", flags, Mode::empty()).unwrap();
        }

        remove_all(&top).unwrap();
        assert!(!top.exists());
        assert!(outside.join("kept").exists());
        remove_all(&top).unwrap();
    }

    #[test]
    fn a_temporary_file_goes_away_unless_it_is_placed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t");
        drop(Temporary::create(path.clone()).unwrap());
        assert!(!path.exists());
        let placed = folder.path().join("a/b/placed");
        Temporary::create(path.clone()).unwrap().place(&placed, 0o444, None).unwrap();
        assert!(!path.exists());
        let stat = rustix::fs::stat(&placed).unwrap();
        assert_eq!((stat.st_mode & 0o7777, stat.st_mtime), (0o444, FILE_TIME));
    }
}
