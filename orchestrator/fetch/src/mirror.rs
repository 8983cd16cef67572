//! Mirrors laid out by hash: a folder, or any server of static files.
//!
//! A file with the checksum `abcd…` (64 lower-case hexadecimal digits) lies at `MIRROR/ab/abcd…`; in a folder, a git
//! commit lies at `MIRROR/git/<commit>.git`, a bare repository that has it.

use std::path::PathBuf;

use xbuild_base::Sha256;

use crate::output::Place;

/// Where a file lies in a mirror.
#[must_use]
pub fn path_of(sha256: Sha256) -> String {
    let hex = sha256.to_hex();
    format!("{}/{hex}", &hex[..2])
}

/// Where a commit's repository lies in a mirror.
#[must_use]
pub fn path_of_commit(commit: &str) -> String {
    format!("git/{commit}.git")
}

/// The repository of a mirror that has a commit. Only folders are looked into.
pub(crate) fn repository(mirrors: &[String], commit: &str) -> Option<PathBuf> {
    let place = |mirror: &String| match Place::from_url(mirror).ok()? {
        Place::File(folder) => Some(folder.join(path_of_commit(commit))),
        Place::Http { .. } | Place::Lookup(_) => None,
    };
    mirrors.iter().filter_map(place).find(|path| path.is_dir())
}

/// Where the mirrors have the file with this checksum, if they have it.
pub(crate) fn places(mirrors: &[String], sha256: Sha256) -> Vec<Place> {
    let at = |mirror: &String| format!("{}/{}", mirror.trim_end_matches('/'), path_of(sha256));
    mirrors.iter().filter_map(|mirror| Place::from_url(&at(mirror)).ok()).collect()
}
