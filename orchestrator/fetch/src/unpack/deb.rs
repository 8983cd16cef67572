//! Debian packages (deb(5)): an `ar` archive with the files in `data.tar.{xz,zst,gz}` or `data.tar`.
//!
//! The tree is laid out for a merged `/usr`: what lies in `/bin`, `/lib` … is moved below `/usr`, and every link
//! is relative (Remote Execution servers refuse absolute ones). Owners and setuid bits are no content of a tree.

use std::io::{BufReader, Read};

use xbuild_action::Content;
use xbuild_base::{Digest, RelPath, Tree};

use super::tar::Layout;
use super::{ArchiveError, Limits, UnpackError, damaged, tar};

/// The folders that a merged `/usr` turns into links (usrmerge, and the dynamic linkers' folders).
const MOVED: [&str; 6] = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"];

/// When a package was made, in seconds since 1970: what its first member says (deb(5), ar(5)).
pub(crate) fn date(reader: impl Read) -> Result<u64, UnpackError> {
    let mut archive = ar::Archive::new(reader);
    let member = archive.next_entry().ok_or_else(|| damaged("it has no members"))?.map_err(damaged)?;
    Ok(member.header().mtime())
}

pub(super) fn unpack(
    content: &dyn Content,
    reader: impl Read,
    limits: Limits,
) -> Result<Digest<Tree>, UnpackError> {
    let mut archive = ar::Archive::new(reader);
    let mut first = true;
    while let Some(member) = archive.next_entry() {
        let member = member.map_err(damaged)?;
        let name = String::from_utf8_lossy(member.header().identifier()).trim_end_matches('/').to_owned();
        if std::mem::take(&mut first) && name != "debian-binary" {
            return Err(damaged("its first member is not `debian-binary`"));
        }
        let Some(compression) = name.strip_prefix("data.tar") else { continue };
        let member = BufReader::with_capacity(1 << 16, member);
        let data: Box<dyn Read + '_> = match compression {
            "" => Box::new(member),
            ".gz" => Box::new(flate2::bufread::MultiGzDecoder::new(member)),
            ".xz" => Box::new(tar::xz(member)?),
            ".zst" => Box::new(zstd::Decoder::with_buffer(member).map_err(damaged)?),
            other => return Err(damaged(format!("`data.tar{other}` has a compression that is not known"))),
        };
        return tar::unpack(content, data, limits, &mut MergedUsr);
    }
    Err(damaged("it has no `data.tar` member"))
}

/// A package's layout.
struct MergedUsr;

impl Layout for MergedUsr {
    fn place(&mut self, path: &RelPath) -> Result<Option<RelPath>, ArchiveError> {
        Ok((!path.is_root()).then(|| merged(path)))
    }

    fn target(
        &self,
        archive: &RelPath,
        tree: &RelPath,
        target: String,
    ) -> Result<Option<String>, ArchiveError> {
        let outside = || ArchiveError::LinkOutside { path: archive.to_string(), target: target.clone() };
        let root = RelPath::root();
        let resolved = match target.strip_prefix('/') {
            Some(target) => root.resolve(target.trim_start_matches('/')),
            None => archive.parent().unwrap_or(root).resolve(&target),
        };
        let resolved = merged(&resolved.map_err(|_| outside())?);
        // `base-files` has the links of the merged /usr themselves: after the move they lead to where they are.
        if resolved == *tree && is_moved(archive) {
            return Ok(None);
        }
        Ok(Some(tree.parent().unwrap_or_default().relative_to(&resolved)))
    }

    fn may_be_empty(&self) -> bool {
        true
    }
}

/// Whether this is one of the folders at the root that are moved.
fn is_moved(path: &RelPath) -> bool {
    MOVED.contains(&path.as_str())
}

/// Where a path lies once /usr is merged.
fn merged(path: &RelPath) -> RelPath {
    let moved = path.components().next().is_some_and(|first| MOVED.contains(&first));
    if moved { RelPath::new(format!("usr/{path}")).unwrap_or_else(|_| path.clone()) } else { path.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(path: &str, target: &str) -> Result<Option<String>, ArchiveError> {
        let path = RelPath::new(path).unwrap();
        MergedUsr.target(&path, &merged(&path), target.to_owned())
    }

    #[test]
    fn links_are_relative_and_follow_the_move() {
        for (path, to, expected) in [
            ("lib64/ld-linux-x86-64.so.2", "/lib/x86_64-linux-gnu/ld.so", "../lib/x86_64-linux-gnu/ld.so"),
            ("lib/x86_64-linux-gnu/libz.so", "../../usr/lib/libz.so", "../libz.so"),
            ("usr/lib/libm.so", "/lib/libm.so.6", "libm.so.6"),
            ("usr/bin/cc", "/etc/alternatives/cc", "../../etc/alternatives/cc"),
            ("usr/bin/a", "b", "b"),
            ("usr/share/x", "../lib", "../lib"),
        ] {
            assert_eq!(target(path, to).unwrap().as_deref(), Some(expected), "{path}");
        }
    }

    #[test]
    fn the_links_of_the_merged_usr_vanish() {
        assert_eq!(target("bin", "usr/bin").unwrap(), None);
        assert_eq!(target("lib64", "/usr/lib64").unwrap(), None);
    }

    #[test]
    fn a_link_above_the_root_is_refused() {
        assert!(matches!(target("usr/x", "../../../etc"), Err(ArchiveError::LinkOutside { .. })));
    }
}
