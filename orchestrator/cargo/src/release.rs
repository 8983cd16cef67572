//! Which releases of cargo are known.
//!
//! The unit graph's own version number says nothing of changes in cargo's logic, so a release is refused until the
//! conformance suite has passed on it.

use crate::error::Error;

/// The list, as data: the suite checks it.
const RELEASES: &str = include_str!("../releases.txt");

/// The releases of cargo that the conformance suite has passed on, oldest first.
pub fn releases() -> impl Iterator<Item = &'static str> {
    RELEASES.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Checks that what cargo calls its version is one of [`releases`].
///
/// # Errors
/// [`Error::UnknownCargo`] when it isn't.
pub fn check_cargo_version(version: &str) -> Result<(), Error> {
    if releases().any(|known| known == version) {
        return Ok(());
    }
    let version = version.to_owned();
    Err(Error::UnknownCargo { version, known: releases().collect::<Vec<_>>().join(", ") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_known_to_its_last_number() {
        for known in releases() {
            check_cargo_version(known).unwrap();
        }
        let error = check_cargo_version("1.96.99").unwrap_err().to_string();
        assert!(error.contains("1.96.99") && error.contains(releases().next().unwrap()), "{error}");
        assert!(check_cargo_version("1.96.1-nightly").is_err() && check_cargo_version("").is_err());
    }
}
