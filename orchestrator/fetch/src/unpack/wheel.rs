//! Wheels: zip archives (PEP 427).

use std::io::{BufReader, Read, Seek as _};
use std::path::Path;

use xbuild_action::Content;
use xbuild_base::{Digest, Tree};

use super::limits::Meter;
use super::{ArchiveError, Assembler, Limits, Part, UnpackError, checked_path, damaged, tar};

/// The file type bits of a Unix mode, and the two types that a wheel may hold beside directories.
const KIND: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;
const DIRECTORY: u32 = 0o040_000;
const SYMLINK: u32 = 0o120_000;

pub(super) fn unpack(
    content: &dyn Content,
    scratch: &Path,
    mut reader: impl Read,
    limits: Limits,
    part: &Part<'_>,
) -> Result<Digest<Tree>, UnpackError> {
    // The list of a zip's files is at its end.
    let mut file = tempfile::tempfile_in(scratch).map_err(UnpackError::Io)?;
    std::io::copy(&mut reader, &mut file).map_err(UnpackError::Io)?;
    file.rewind().map_err(UnpackError::Io)?;
    let mut archive = zip::ZipArchive::new(BufReader::new(file)).map_err(damaged)?;
    if archive.has_overlapping_files().map_err(damaged)? {
        return Err(ArchiveError::Absurd { problem: "its files overlap".to_owned() }.into());
    }
    if archive.has_duplicate_names() {
        return Err(damaged("two files in it have the same name"));
    }
    let mut meter = Meter::new(limits);
    let mut tree = Assembler::default();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(damaged)?;
        meter.entry()?;
        let path = checked_path(entry.name_raw())?;
        let place = part.place(&path);
        let mode = entry.unix_mode().unwrap_or(0);
        let kind = mode & KIND;
        if entry.is_dir() || kind == DIRECTORY {
            if let Some(place) = place {
                tree.directory(&place)?;
            }
            continue;
        }
        if !matches!(kind, 0 | REGULAR | SYMLINK) {
            let kind = "a device, a pipe or a socket";
            return Err(ArchiveError::Special { path: path.to_string(), kind }.into());
        }
        let Some(place) = place else { continue };
        if kind == SYMLINK {
            let mut target = String::new();
            (&mut entry).take(4097).read_to_string(&mut target).map_err(damaged)?;
            tree.link(&place, target)?;
            continue;
        }
        let size = entry.size();
        if size > meter.left() {
            meter.bytes(size)?;
        }
        // One byte more than the header says shows that the header is wrong, and is enough to see it.
        let mut bytes = (&mut entry).take(size.saturating_add(1));
        let file = tar::store_exactly(content, &mut bytes, size, mode & 0o100 != 0)?;
        meter.bytes(size)?;
        tree.file(&place, file)?;
    }
    if tree.is_empty() {
        return Err(damaged(format!("there is nothing at `{}` in it", part.keep)));
    }
    tree.build(content)
}
