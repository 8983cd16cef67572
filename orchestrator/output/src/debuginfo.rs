//! Debugging information in programs.

use object::read::ReadCache;
use object::{Object as _, ObjectSection as _};
use xbuild_action::File;
use xbuild_store::Disk;

use crate::error::OutputError;

/// Whether a stored program has debugging information: a section `.debug_info` that is not empty (DWARF 5, 7.5).
///
/// # Errors
/// When the file is missing, or is none of a format that can be read.
pub fn has_debuginfo(store: &Disk, file: File) -> Result<bool, OutputError> {
    let path = store.path_of(file)?;
    let open = fs_err::File::open(&path).map_err(OutputError::io("open", &path))?;
    let cache = ReadCache::new(open);
    let unreadable = |error: object::Error| OutputError::Unreadable { problem: error.to_string() };
    let parsed = object::File::parse(&cache).map_err(unreadable)?;
    let has = parsed.section_by_name(".debug_info").is_some_and(|section| section.size() > 0);
    Ok(has)
}
