//! Tar archives.

use std::io::{self, BufRead, Read};

use tar::EntryType;
use xbuild_action::{Content, File};
use xbuild_base::{Digest, RelPath, Tree};

use super::limits::{Gate, Meter};
use super::{ArchiveError, Assembler, Limits, Part, UnpackError, checked_path, damaged};

/// Where an archive's entries lie in the tree.
pub(super) trait Layout {
    /// Where a path of the archive lies; `None` when it is left out.
    fn place(&mut self, path: &RelPath) -> Result<Option<RelPath>, ArchiveError>;

    /// What a symbolic link says in the tree, by its path in the archive and in the tree; `None` when the link
    /// is left out.
    fn target(
        &self,
        _archive: &RelPath,
        _tree: &RelPath,
        target: String,
    ) -> Result<Option<String>, ArchiveError> {
        Ok(Some(target))
    }

    /// Whether a tree with nothing in it is fine.
    fn may_be_empty(&self) -> bool {
        false
    }
}

impl Layout for Part<'_> {
    fn place(&mut self, path: &RelPath) -> Result<Option<RelPath>, ArchiveError> {
        Ok(Self::place(self, path))
    }
}

/// A `.crate` file's layout: one folder at the top, which is stripped.
#[derive(Debug, Default)]
pub(super) struct TopFolder {
    name: Option<RelPath>,
}

impl Layout for TopFolder {
    fn place(&mut self, path: &RelPath) -> Result<Option<RelPath>, ArchiveError> {
        let Some(first) = path.components().next() else { return Ok(None) };
        if self.name.is_none() {
            self.name = RelPath::new(first).ok();
        }
        match self.name.as_ref().and_then(|name| path.strip_prefix(name)) {
            Some(rest) => Ok(Some(rest)),
            None => {
                let top = self.name.as_ref().map_or("", RelPath::as_str);
                Err(ArchiveError::Damaged {
                    problem: format!("`{path}` does not lie in its one folder `{top}`"),
                })
            }
        }
    }
}

/// Decompresses what the first bytes show to be compressed: gzip, xz or zstd.
pub(super) fn decompressed(mut reader: impl BufRead + Send + 'static) -> Result<Box<dyn Read>, UnpackError> {
    let start = reader.fill_buf().map_err(UnpackError::Io)?;
    if start.starts_with(&[0x1f, 0x8b]) {
        Ok(Box::new(flate2::bufread::MultiGzDecoder::new(reader)))
    } else if start.starts_with(b"\xfd7zXZ\0") {
        Ok(Box::new(xz(reader)?))
    } else if start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        Ok(Box::new(zstd::Decoder::with_buffer(reader).map_err(damaged)?))
    } else {
        Ok(Box::new(reader))
    }
}

/// An xz decoder that takes no more memory than the strongest preset needs, with room.
pub(super) fn xz<R: BufRead>(reader: R) -> Result<liblzma::bufread::XzDecoder<R>, UnpackError> {
    const MEMORY: u64 = 256 << 20;
    let stream = liblzma::stream::Stream::new_stream_decoder(MEMORY, liblzma::stream::CONCATENATED)
        .map_err(damaged)?;
    Ok(liblzma::bufread::XzDecoder::new_stream(reader, stream))
}

/// Unpacks a tar archive that is no longer compressed.
pub(super) fn unpack(
    content: &dyn Content,
    reader: impl Read,
    limits: Limits,
    layout: &mut dyn Layout,
) -> Result<Digest<Tree>, UnpackError> {
    let (gate, allowance) = Gate::new(reader);
    let mut archive = tar::Archive::new(gate);
    let mut entries = archive.entries().map_err(damaged)?;
    let mut meter = Meter::new(limits);
    let mut tree = Assembler::default();
    loop {
        allowance.set(limits.header);
        let Some(entry) = entries.next() else { break };
        let mut entry = entry.map_err(damaged)?;
        meter.entry()?;
        allowance.set(u64::MAX);
        let kind = entry.header().entry_type();
        if kind == EntryType::XGlobalHeader {
            io::copy(&mut entry, &mut io::sink()).map_err(damaged)?;
            continue;
        }
        let bytes = entry.path_bytes().into_owned();
        let path = checked_path(&bytes)?;
        let place = layout.place(&path)?;
        match kind {
            EntryType::Directory => {
                if let Some(place) = place {
                    tree.directory(&place)?;
                }
            }
            // Before POSIX a directory was a file whose name ends in a slash.
            EntryType::Regular if bytes.ends_with(b"/") => {
                if let Some(place) = place {
                    tree.directory(&place)?;
                }
            }
            EntryType::Regular | EntryType::Continuous => {
                let size = entry.size();
                if size > meter.left() {
                    meter.bytes(size)?;
                }
                let executable = entry.header().mode().map_err(damaged)? & 0o100 != 0;
                match place {
                    Some(place) => {
                        tree.file(&place, store_exactly(content, &mut entry, size, executable)?)?;
                    }
                    None => {
                        io::copy(&mut entry, &mut io::sink()).map_err(damaged)?;
                    }
                }
                meter.bytes(size)?;
            }
            EntryType::Symlink => {
                let target = link_name(&entry, &path)?;
                let target = String::from_utf8(target).map_err(|error| ArchiveError::Name {
                    path: String::from_utf8_lossy(error.as_bytes()).into_owned(),
                    problem: "is not UTF-8",
                })?;
                if let Some(place) = place
                    && let Some(target) = layout.target(&path, &place, target)?
                {
                    tree.link(&place, target)?;
                }
            }
            EntryType::Link => {
                let target = checked_path(&link_name(&entry, &path)?)?;
                if let Some(place) = place {
                    let Some(target_place) = layout.place(&target)? else {
                        let (path, target) = (path.to_string(), target.to_string());
                        return Err(ArchiveError::HardLink { path, target }.into());
                    };
                    tree.hard_link(&place, &target_place)?;
                }
            }
            other => {
                let kind = match other {
                    EntryType::Char => "a character device",
                    EntryType::Block => "a block device",
                    EntryType::Fifo => "a named pipe",
                    EntryType::GNUSparse => "a sparse file",
                    _ => "of a kind that no archive should hold",
                };
                return Err(ArchiveError::Special { path: path.to_string(), kind }.into());
            }
        }
    }
    if tree.is_empty() && !layout.may_be_empty() {
        return Err(damaged("there is nothing in it that was asked for"));
    }
    tree.build(content)
}

fn link_name<R: Read>(entry: &tar::Entry<'_, R>, path: &RelPath) -> Result<Vec<u8>, UnpackError> {
    let name = entry.link_name_bytes().ok_or_else(|| damaged(format!("the link `{path}` has no target")))?;
    Ok(name.into_owned())
}

/// Stores an entry that has `size` bytes; a shorter one means that the archive was cut.
pub(super) fn store_exactly(
    content: &dyn Content,
    entry: &mut dyn Read,
    size: u64,
    executable: bool,
) -> Result<File, UnpackError> {
    let mut source = Source { inner: entry, error: None };
    let stored = match executable {
        true => content.put_executable(&mut source),
        false => content.put_reader(&mut source),
    };
    let digest = match stored {
        Ok(digest) => digest,
        // What could not be read is the archive's fault, not the store's.
        Err(error) => return Err(source.error.map_or_else(|| error.into(), damaged)),
    };
    if digest.size() == size {
        Ok(File { digest, executable })
    } else {
        Err(damaged("it ends in the middle of a file"))
    }
}

/// Remembers whether reading failed.
struct Source<'r> {
    inner: &'r mut dyn Read,
    error: Option<String>,
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer).inspect_err(|error| {
            if error.kind() != io::ErrorKind::Interrupted {
                self.error = Some(error.to_string());
            }
        })
    }
}
