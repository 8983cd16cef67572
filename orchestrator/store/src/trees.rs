//! [`Content`] and [`Staging`]: blobs and directories by digest, and trees laid out as files.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::FileType;
use rustix::io::Errno;
use xbuild_action::{Content, Directory, Entry, File, ReadSeek, Scratch, Staging, StoreError};
use xbuild_base::{Blob, Digest, RelPath, Tree};

use crate::blobs::is_executable;
use crate::disk::Disk;
use crate::files::{self, if_there, io};
use crate::layout::{LaidOut, Variant, mark_of};

impl Content for Disk {
    fn has_blob(&self, digest: Digest<Blob>) -> Result<bool, StoreError> {
        self.blob_is_there(digest)
    }

    fn open_blob(&self, digest: Digest<Blob>) -> Result<Box<dyn ReadSeek>, StoreError> {
        Ok(Box::new(self.read_blob(digest)?))
    }

    fn put_reader(&self, reader: &mut dyn Read) -> Result<Digest<Blob>, StoreError> {
        self.put_stream(reader, Path::new("a stream"), Variant::Plain)
    }

    fn put_executable(&self, reader: &mut dyn Read) -> Result<Digest<Blob>, StoreError> {
        self.put_stream(reader, Path::new("a stream"), Variant::Executable)
    }

    fn put_file(&self, path: &Path) -> Result<Digest<Blob>, StoreError> {
        let (mut file, stat) = Self::open_regular(path)?;
        self.put_open(&mut file, path, stat.st_size.cast_unsigned(), Variant::Plain)
    }

    fn directory(&self, digest: Digest<Tree>) -> Result<Arc<Directory>, StoreError> {
        self.read_directory(digest)
    }

    fn put_directory(&self, directory: &Directory) -> Result<Digest<Tree>, StoreError> {
        self.write_directory(directory)
    }
}

fn remove_scratch(path: &Path) {
    // What is left here is swept when the process has ended.
    let _ = files::remove_all(path);
}

impl Staging for Disk {
    fn folder(&self) -> &Path {
        self.layout().folder()
    }

    fn owner(&self) -> Option<(u32, u32)> {
        self.owner_ids()
    }

    fn materialise_at(&self, tree: Digest<Tree>, at: &RelPath) -> Result<PathBuf, StoreError> {
        let key = (tree, at.clone());
        if !self.laid_out().contains(&key) {
            self.ensure_laid_out(tree, at)?;
            self.laid_out().insert(key);
        }
        let path = self.layout().tree(LaidOut::Inputs, tree, at);
        Ok(path.strip_prefix(self.layout().folder()).map_or_else(|_| path.clone(), Path::to_owned))
    }

    fn link(&self, file: File, path: &Path) -> Result<(), StoreError> {
        self.link_file(file, &self.layout().folder().join(path))
    }

    fn adopt(&self, path: &Path) -> Result<File, StoreError> {
        self.adopt_file(path)
    }

    fn keep(&self, path: &Path) -> Result<File, StoreError> {
        self.keep_file(path)
    }

    fn scratch(&self) -> Result<Scratch, StoreError> {
        let path = self.fresh_apart();
        files::make_directories(&path, self.owner_ids())?;
        Ok(Scratch::new(path, remove_scratch))
    }
}

impl Disk {
    /// Lays a small tree out for people, where links lead from outside: files of their own, 0444 and 0555. Each
    /// file is looked at each time, and what was deleted since is restored. Returns the folder.
    ///
    /// # Errors
    /// When content is missing, or the folder can't be written.
    pub fn lay_out_result(&self, tree: Digest<Tree>) -> Result<PathBuf, StoreError> {
        let (path, top) = (self.result_folder(tree), RelPath::root());
        let is_good =
            || Ok::<_, StoreError>(self.is_laid_out(&path, tree, &top)? && self.is_whole(tree, &path)?);
        if is_good()? {
            return Ok(path);
        }
        let _lock = self.lock_tree(tree)?;
        if !is_good()? {
            self.take_away(&path)?;
            self.lay_out(LaidOut::Results, &path, tree, &top)?;
        }
        Ok(path)
    }

    /// Where [`Self::lay_out_result`] lays a tree out.
    #[must_use]
    pub fn result_folder(&self, tree: Digest<Tree>) -> PathBuf {
        self.layout().tree(LaidOut::Results, tree, &RelPath::root())
    }

    fn ensure_laid_out(&self, tree: Digest<Tree>, at: &RelPath) -> Result<(), StoreError> {
        let path = self.layout().tree(LaidOut::Inputs, tree, at);
        if self.is_laid_out(&path, tree, at)? {
            return Ok(());
        }
        // One process lays it out, the others wait: a toolchain is wanted by many at the same moment.
        let _lock = self.lock_tree(tree)?;
        if self.is_laid_out(&path, tree, at)? {
            return Ok(());
        }
        self.take_away(&path)?;
        self.lay_out(LaidOut::Inputs, &path, tree, at)
    }

    /// Whether a tree is laid out at a place of a folder, and whole. After a boot of the machine it is looked at once,
    /// since what was linked to may have been lost.
    fn is_laid_out(&self, path: &Path, tree: Digest<Tree>, at: &RelPath) -> Result<bool, StoreError> {
        let mark = mark_of(path);
        if if_there(rustix::fs::lstat(path)).map_err(io("look at", path))?.is_none() {
            return Ok(false);
        }
        let boot = files::read(&mark)?.unwrap_or_default();
        if self.is_this_boot(&String::from_utf8_lossy(&boot)) {
            files::touch(&mark);
            return Ok(true);
        }
        let is_whole = self.is_whole(tree, &path.join(at))?;
        if is_whole {
            self.write_record(&mark, self.boot().as_bytes())?;
        }
        Ok(is_whole)
    }

    /// Whether all that a tree names is below `path`, by kind, size and mode.
    fn is_whole(&self, tree: Digest<Tree>, path: &Path) -> Result<bool, StoreError> {
        let directory = self.read_directory(tree)?;
        for (name, entry) in &directory.entries {
            let path = path.join(name);
            let Some(stat) = if_there(rustix::fs::lstat(&path)).map_err(io("look at", &path))? else {
                return Ok(false);
            };
            let whole = match (entry, FileType::from_raw_mode(stat.st_mode)) {
                (Entry::File(file), FileType::RegularFile) => {
                    stat.st_size.cast_unsigned() == file.digest.size()
                        && is_executable(&stat) == file.executable
                        && (!file.executable || self.has_its_bytes(&path, file.digest)?)
                }
                (Entry::Directory(below), FileType::Directory) => self.is_whole(*below, &path)?,
                (Entry::Symlink(target), FileType::Symlink) => {
                    stat.st_size.cast_unsigned() == target.len() as u64
                }
                _ => false,
            };
            if !whole {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Takes something away at one stroke, then removes it.
    pub(crate) fn take_away(&self, path: &Path) -> Result<(), StoreError> {
        let away = self.fresh();
        if if_there(rustix::fs::rename(path, &away)).map_err(io("remove", path))?.is_some() {
            files::remove_all(&away)?;
        }
        Ok(())
    }

    fn lay_out(
        &self,
        for_whom: LaidOut,
        path: &Path,
        tree: Digest<Tree>,
        at: &RelPath,
    ) -> Result<(), StoreError> {
        let building = Scratch::new(self.fresh(), remove_scratch);
        if let Some(parent) = building.path().parent() {
            files::make_directories(parent, self.owner_ids())?;
        }
        let mut above = vec![building.path().to_owned()];
        for part in at.components() {
            above.push(above[above.len() - 1].join(part));
        }
        let place = above.pop().unwrap_or_default();
        for folder in &above {
            files::make_directory(folder, self.owner_ids())?;
        }
        self.lay_out_at(for_whom, tree, &place)?;
        above.iter().rev().try_for_each(|folder| files::set_time(folder))?;
        match rustix::fs::rename(building.path(), path) {
            // Somebody else's, without the lock: the same files.
            Ok(()) | Err(Errno::EXIST | Errno::NOTEMPTY) => {}
            Err(error) => return Err(io("write", path)(error)),
        }
        self.write_record(&mark_of(path), self.boot().as_bytes())
    }

    fn lay_out_at(&self, for_whom: LaidOut, tree: Digest<Tree>, path: &Path) -> Result<(), StoreError> {
        let directory = self.read_directory(tree)?;
        files::make_directory(path, self.owner_ids())?;
        let mut below = Vec::new();
        for (name, entry) in &directory.entries {
            let path = path.join(name);
            match entry {
                Entry::File(file) => match for_whom {
                    LaidOut::Inputs => self.link_file(*file, &path)?,
                    LaidOut::Results => self.copy_protected(*file, &path)?,
                },
                Entry::Directory(digest) => below.push((*digest, path)),
                Entry::Symlink(target) => {
                    rustix::fs::symlink(target.as_str(), &path).map_err(io("make the link", &path))?;
                    files::give(&path, self.owner_ids())?;
                    files::set_time(&path)?;
                }
            }
        }
        // Not in parallel by rayon: a caller on one of its threads could be given other work while it holds the
        // tree's lock, and wait for that very lock. A link takes some 10 µs.
        for (digest, path) in below {
            self.lay_out_at(for_whom, digest, &path)?;
        }
        // Last: each name that was made in it has changed its time.
        files::set_time(path)
    }
}
