//! Importing a project's files: a host folder and a list of paths become a tree.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rayon::prelude::*;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use xbuild_action::{Directory, Entry, File, TreeBuilder};
use xbuild_base::{Digest, RelPath, Tree};

use crate::blobs::is_executable;
use crate::disk::Disk;
use crate::error::Error;
use crate::files::io;
use crate::layout::Variant;
use crate::statcache::{Cached, Stamp, StatCache};

/// What came of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Imported {
    /// The tree of all listed paths.
    pub tree: Digest<Tree>,
    /// How many files it has.
    pub files: usize,
    /// How many of them had to be read: the others had not changed since the last import of the folder.
    pub read: usize,
}

/// What one listed path is.
enum Found {
    Done(Entry),
    /// A file whose content isn't known.
    Unread,
}

impl Disk {
    /// Imports the listed paths of `folder` (absolute): files with their content, links as they are, and
    /// directories, which stand for themselves where nothing listed lies below. Order doesn't matter to the
    /// result; sorted is fastest. Links are not followed.
    ///
    /// An unchanged file costs one `lstat`: the store remembers, for each folder, device, inode, size, both
    /// times (in nanoseconds) and mode of each file as it was when it was read. Changing a file without
    /// changing its size and mtime changes its ctime, which nobody can set. What changed within two seconds
    /// before an import is read again by the next one, since it could change again within one tick of the
    /// clock. The memory is that of the last import: import a folder with one list, and take parts of the tree
    /// from the store.
    ///
    /// # Errors
    /// When a path is a socket, device or pipe, a link is absolute or not text, a listed path is not there or
    /// can't be read, or the store can't be written.
    pub fn import(&self, folder: &Path, paths: impl IntoIterator<Item = RelPath>) -> Result<Imported, Error> {
        if !folder.is_absolute() {
            return Err(Error::NotAbsolute(folder.to_owned()));
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let top = rustix::fs::open(folder, flags, Mode::empty()).map_err(io("open", folder))?;
        let mut cache = StatCache::load(self, folder)?;
        let now = self.clock()?;

        let mut found = Vec::new();
        for path in paths {
            let what = self.look(folder, &top, &path, &mut cache)?;
            found.push((path, what));
        }

        let unread: Vec<usize> =
            (0..found.len()).filter(|index| matches!(found[*index].1, Found::Unread)).collect();
        let fresh: Vec<(usize, File, Stamp)> = unread
            .into_par_iter()
            .map(|index| {
                let (file, stamp) = self.read_in(folder, &found[index].0)?;
                Ok((index, file, stamp))
            })
            .collect::<Result<_, Error>>()?;
        let read = fresh.len();
        for (index, file, stamp) in fresh {
            let (path, what) = &mut found[index];
            *what = Found::Done(Entry::File(file));
            cache.add(path.clone(), Cached { stamp, digest: file.digest }, now);
        }
        cache.save(self)?;

        let failed = |source| Error::Tree { folder: folder.to_owned(), source };
        let mut files = 0;
        let mut builder = TreeBuilder::default();
        for (path, what) in found {
            let Found::Done(entry) = what else { continue };
            files += usize::from(matches!(entry, Entry::File(_)));
            builder.insert(self, &path, entry).map_err(failed)?;
        }
        Ok(Imported { tree: builder.build(self).map_err(failed)?, files, read })
    }

    /// What a listed path is, and its content where that is known.
    fn look(
        &self,
        folder: &Path,
        top: &OwnedFd,
        path: &RelPath,
        cache: &mut StatCache,
    ) -> Result<Found, Error> {
        let host = || folder.join(path);
        let stat = if path.is_root() {
            rustix::fs::fstat(top)
        } else {
            rustix::fs::statat(top, path.as_str(), AtFlags::SYMLINK_NOFOLLOW)
        };
        let stat = stat.map_err(|error| io("import", &host())(error))?;
        let special = |kind| Error::Special { folder: folder.to_owned(), path: path.clone(), kind };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {
                let Some(digest) = cache.unchanged(path, &Stamp::of(&stat)) else { return Ok(Found::Unread) };
                // What was stored under an earlier boot may have been lost with it.
                if !cache.is_of_this_boot() && !self.blob_is_there(digest)? {
                    return Ok(Found::Unread);
                }
                cache.retain(path);
                Ok(Found::Done(Entry::File(File { digest, executable: is_executable(&stat) })))
            }
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(top.as_fd(), path.as_str(), Vec::new())
                    .map_err(|error| io("read the link", &host())(error))?;
                let target = target.into_string().map_err(|_| Error::NotUtf8(host()))?;
                if target.starts_with('/') {
                    return Err(Error::AbsoluteLink {
                        folder: folder.to_owned(),
                        path: path.clone(),
                        target,
                    });
                }
                Ok(Found::Done(Entry::Symlink(target)))
            }
            FileType::Directory => {
                let empty = self.write_directory(&Directory::default())?;
                Ok(Found::Done(Entry::Directory(empty)))
            }
            FileType::Socket => Err(special("socket")),
            FileType::Fifo => Err(special("named pipe")),
            FileType::CharacterDevice | FileType::BlockDevice | FileType::Unknown => Err(special("device")),
        }
    }

    /// Stores a file, and says what it looked like before the first byte was read.
    fn read_in(&self, folder: &Path, path: &RelPath) -> Result<(File, Stamp), Error> {
        let host = folder.join(path);
        let (mut file, stat) = Self::open_regular(&host)?;
        let executable = is_executable(&stat);
        let size = stat.st_size.cast_unsigned();
        let digest = self.put_open(&mut file, &host, size, Variant::of(executable))?;
        Ok((File { digest, executable }, Stamp::of(&stat)))
    }
}
