//! Mirrors laid out by hash: a folder, or any server of static files.
//!
//! A file with the checksum `abcd…` (64 lower-case hexadecimal digits) lies at `MIRROR/ab/abcd…`.

use xbuild_base::Sha256;

use crate::output::Place;

/// Where the mirrors have the file with this checksum, if they have it.
pub(crate) fn places(mirrors: &[String], sha256: Sha256) -> Vec<Place> {
    let hex = sha256.to_hex();
    let at = |mirror: &String| format!("{}/{}/{hex}", mirror.trim_end_matches('/'), &hex[..2]);
    mirrors.iter().filter_map(|mirror| Place::from_url(&at(mirror)).ok()).collect()
}
