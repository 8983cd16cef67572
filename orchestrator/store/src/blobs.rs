//! Blobs: files by the digest of their bytes.

use std::fs::File as HostFile;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode};
use rustix::io::Errno;
use xbuild_action::{File, StoreError};
use xbuild_base::{Blob, Digest, Hasher};

use crate::disk::Disk;
use crate::files::{self, Temporary, if_there, io, pump};
use crate::layout::Variant;

/// Up to this size (in bytes) a file is read whole and hashed before anything is written: most are there already.
const SMALL: u64 = 1 << 20;

impl Disk {
    /// The host path of a stored file, with the mode that it should have: what links from outside may name.
    ///
    /// # Errors
    /// When the blob is missing, or its executable variant can't be made.
    pub fn path_of(&self, file: File) -> Result<PathBuf, StoreError> {
        let wanted = Variant::of(file.executable);
        if let Some(path) = self.find_variant(file.digest, wanted)? {
            return Ok(path);
        }
        let from = self.find_variant(file.digest, wanted.other())?.ok_or_else(|| missing(file.digest))?;
        let path = self.layout().blob(file.digest.sha256(), wanted);
        let mut source = files::open(&from).map_err(io("open", &from))?;
        let temporary = self.copy_checked(&mut source, &from, file.digest)?;
        temporary.place_content(&path, file.digest.size(), wanted.mode(), self.owner_ids())?;
        Ok(path)
    }

    /// A copy of an open blob, which must still be what its name says.
    fn copy_checked(
        &self,
        source: &mut HostFile,
        from: &Path,
        digest: Digest<Blob>,
    ) -> Result<Temporary, StoreError> {
        let (temporary, copied) = self.copy(source, from)?;
        if copied.size() != digest.size() {
            return Err(missing(digest));
        }
        if copied != digest {
            return Err(StoreError::Damaged {
                path: from.to_owned(),
                problem: format!("its bytes have the digest {copied}"),
            });
        }
        Ok(temporary)
    }

    /// Copies a file, sharing its bytes where the file system can; the digest is that of the copy.
    fn copy(&self, source: &mut HostFile, from: &Path) -> Result<(Temporary, Digest<Blob>), StoreError> {
        let mut temporary = self.temporary()?;
        let digest = if temporary.clone_from(&*source) {
            let path = temporary.path().to_owned();
            let mut cloned: &HostFile = temporary.file();
            pump(&mut cloned, &path, None, Hasher::default())?
        } else {
            pump(source, from, Some(&mut temporary), Hasher::default())?
        };
        Ok((temporary, digest))
    }

    /// Where a blob is, in either variant.
    fn find_blob(&self, digest: Digest<Blob>) -> Result<Option<PathBuf>, StoreError> {
        match self.find_variant(digest, Variant::Plain)? {
            None => self.find_variant(digest, Variant::Executable),
            found => Ok(found),
        }
    }

    /// Where one variant of a blob is, when its size is right, and its bytes where that says too little.
    fn find_variant(&self, digest: Digest<Blob>, variant: Variant) -> Result<Option<PathBuf>, StoreError> {
        let path = self.layout().blob(digest.sha256(), variant);
        let is_there = files::size_of(&path)? == Some(digest.size())
            && (variant == Variant::Plain || self.has_its_bytes(&path, digest)?);
        Ok(is_there.then_some(path))
    }

    pub(crate) fn blob_is_there(&self, digest: Digest<Blob>) -> Result<bool, StoreError> {
        Ok(self.find_blob(digest)?.is_some())
    }

    pub(crate) fn read_blob(&self, digest: Digest<Blob>) -> Result<HostFile, StoreError> {
        let path = self.find_blob(digest)?.ok_or_else(|| missing(digest))?;
        files::open(&path).map_err(io("open", &path))
    }

    fn place_blob(
        &self,
        temporary: Temporary,
        digest: Digest<Blob>,
        variant: Variant,
    ) -> Result<(), StoreError> {
        if self.blob_is_there(digest)? {
            return Ok(());
        }
        let path = self.layout().blob(digest.sha256(), variant);
        temporary.place_content(&path, digest.size(), variant.mode(), self.owner_ids())
    }

    fn put_bytes(&self, bytes: &[u8], variant: Variant) -> Result<Digest<Blob>, StoreError> {
        let digest = Digest::of(bytes);
        if !self.blob_is_there(digest)? {
            let mut temporary = self.temporary()?;
            temporary.write(bytes)?;
            let path = self.layout().blob(digest.sha256(), variant);
            temporary.place_content(&path, digest.size(), variant.mode(), self.owner_ids())?;
        }
        Ok(digest)
    }

    /// Stores what `reader` gives; `from` names it in errors.
    pub(crate) fn put_stream(
        &self,
        reader: &mut dyn Read,
        from: &Path,
        variant: Variant,
    ) -> Result<Digest<Blob>, StoreError> {
        let mut start = Vec::new();
        (&mut *reader).take(SMALL).read_to_end(&mut start).map_err(io("read", from))?;
        if (start.len() as u64) < SMALL {
            return self.put_bytes(&start, variant);
        }
        let mut temporary = self.temporary()?;
        let mut hasher = Hasher::default();
        hasher.update(&start);
        temporary.write(&start)?;
        drop(start);
        let digest = pump(reader, from, Some(&mut temporary), hasher)?;
        self.place_blob(temporary, digest, variant)?;
        Ok(digest)
    }

    /// Stores a copy of an open host file of about `size` bytes.
    pub(crate) fn put_open(
        &self,
        file: &mut HostFile,
        path: &Path,
        size: u64,
        variant: Variant,
    ) -> Result<Digest<Blob>, StoreError> {
        if size < SMALL {
            return self.put_stream(file, path, variant);
        }
        let (temporary, digest) = self.copy(file, path)?;
        self.place_blob(temporary, digest, variant)?;
        Ok(digest)
    }

    /// Opens a host file and looks at it: its size and mode, when it is a regular one.
    pub(crate) fn open_regular(path: &Path) -> Result<(HostFile, rustix::fs::Stat), StoreError> {
        let file = files::open(path).map_err(io("open", path))?;
        let stat = rustix::fs::fstat(&file).map_err(io("look at", path))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            let error = std::io::Error::new(std::io::ErrorKind::InvalidInput, "it is not a regular file");
            return Err(io("store", path)(error));
        }
        Ok((file, stat))
    }

    /// As [`Self::open_regular`], for a file that may be changed: one that its owner can't read becomes readable.
    fn open_unreadable(path: &Path) -> Result<(HostFile, rustix::fs::Stat), StoreError> {
        match Self::open_regular(path) {
            Err(StoreError::Io { source, .. }) if source.kind() == std::io::ErrorKind::PermissionDenied => {
                let stat = rustix::fs::lstat(path).map_err(io("look at", path))?;
                if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
                    let mode = Mode::from_raw_mode(stat.st_mode) | Mode::RUSR;
                    rustix::fs::chmod(path, mode).map_err(io("set the mode of", path))?;
                }
                Self::open_regular(path)
            }
            other => other,
        }
    }

    pub(crate) fn keep_file(&self, path: &Path) -> Result<File, StoreError> {
        let (mut file, stat) = Self::open_regular(path)?;
        let executable = is_executable(&stat);
        let size = stat.st_size.cast_unsigned();
        let digest = self.put_open(&mut file, path, size, Variant::of(executable))?;
        Ok(File { digest, executable })
    }

    pub(crate) fn adopt_file(&self, path: &Path) -> Result<File, StoreError> {
        let (mut file, stat) = Self::open_unreadable(path)?;
        let executable = is_executable(&stat);
        let variant = Variant::of(executable);
        let remove = || if_there(rustix::fs::unlink(path)).map(drop).map_err(io("remove", path));
        // A file of another name that shares the inode could still be written to; and what a linker wrote must be known
        // as that.
        if stat.st_nlink > 1 || (executable && !self.note_boot(&file)) {
            let digest = self.put_open(&mut file, path, stat.st_size.cast_unsigned(), variant)?;
            remove()?;
            return Ok(File { digest, executable });
        }
        let digest = pump(&mut file, path, None, Hasher::default())?;
        if self.blob_is_there(digest)? {
            remove()?;
            return Ok(File { digest, executable });
        }
        files::seal(&file, path, variant.mode(), self.owner_ids())?;
        let to = self.layout().blob(digest.sha256(), variant);
        match files::move_content(path, &to, digest.size(), self.owner_ids()) {
            Err(StoreError::Io { source, .. })
                if source.raw_os_error() == Some(Errno::XDEV.raw_os_error()) =>
            {
                file.rewind().map_err(io("read", path))?;
                let (temporary, digest) = self.copy(&mut file, path)?;
                self.place_blob(temporary, digest, variant)?;
                remove()?;
                Ok(File { digest, executable })
            }
            other => other.map(|()| File { digest, executable }),
        }
    }

    /// Puts a stored file at `to`, where nothing is: by a hard link where that is possible.
    pub(crate) fn link_file(&self, file: File, to: &Path) -> Result<(), StoreError> {
        let path = self.path_of(file)?;
        let link = || rustix::fs::linkat(CWD, &path, CWD, to, AtFlags::empty());
        match link() {
            // Where a file system can't rename without replacing, the blob may have been replaced by its like
            // between looking up its name and linking: the name is good.
            Err(Errno::NOENT) => link().map_err(io("link", to)),
            Ok(()) => Ok(()),
            // Too many links, another file system, or a file system without links.
            Err(Errno::MLINK | Errno::XDEV | Errno::PERM | Errno::OPNOTSUPP) => {
                let mut source = files::open(&path).map_err(io("open", &path))?;
                let temporary = self.copy_checked(&mut source, &path, file.digest)?;
                let mode = Variant::of(file.executable).mode();
                self.place_copy(temporary, to, mode)
            }
            Err(error) => Err(io("link", to)(error)),
        }
    }

    /// Puts a stored file at `to`, where nothing is, as a file of its own that nobody may write to.
    pub(crate) fn copy_protected(&self, file: File, to: &Path) -> Result<(), StoreError> {
        let path = self.path_of(file)?;
        let mut source = files::open(&path).map_err(io("open", &path))?;
        let temporary = self.copy_checked(&mut source, &path, file.digest)?;
        self.place_copy(temporary, to, Variant::of(file.executable).mode() & !0o222)
    }

    /// Moves a copy to its place; where that is on another file system its bytes go there.
    fn place_copy(&self, temporary: Temporary, to: &Path, mode: u32) -> Result<(), StoreError> {
        files::seal(temporary.file(), temporary.path(), mode, self.owner_ids())?;
        match rustix::fs::renameat_with(CWD, temporary.path(), CWD, to, rustix::fs::RenameFlags::NOREPLACE) {
            Ok(()) => Ok(()),
            Err(Errno::XDEV | Errno::INVAL) => {
                let mut there = Temporary::create(to.to_owned())?;
                let mut source = files::open(temporary.path()).map_err(io("open", temporary.path()))?;
                pump(&mut source, temporary.path(), Some(&mut there), Hasher::default())?;
                there.place(to, mode, self.owner_ids())
            }
            Err(error) => Err(io("write", to)(error)),
        }
    }
}

/// Whether the owner may execute it.
pub(crate) const fn is_executable(stat: &rustix::fs::Stat) -> bool {
    stat.st_mode & 0o100 != 0
}

pub(crate) fn missing(digest: Digest<Blob>) -> StoreError {
    StoreError::Missing { kind: "blob", digest: digest.to_string() }
}
