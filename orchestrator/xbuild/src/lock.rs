//! `xbuild.lock`: what the project uses and names without a hash, pinned.
//!
//! It is written when something in it is missing, left alone with `--locked`, and moved by `xbuild update`.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::XbuildError;

const FILE: &str = "xbuild.lock";

/// The version of the format.
const VERSION: u32 = 1;

const HEADER: &str =
    "# Written by xbuild: what the description names without a hash. To move the pins: xbuild update\n";

/// The pins of a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lock {
    version: u32,
    /// Images that others are based on, by their references.
    #[serde(default, rename = "image", skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) images: BTreeMap<String, ImagePin>,
}

/// What an image's reference leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImagePin {
    /// `sha256:…`, of an index or a manifest.
    pub(crate) digest: String,
}

impl Default for Lock {
    fn default() -> Self {
        Self { version: VERSION, images: BTreeMap::new() }
    }
}

impl Lock {
    /// Reads the lock of the workspace in a folder; an empty one where there is none.
    pub(crate) fn read(root: &Path) -> Result<Self, XbuildError> {
        let path = path(root);
        let text = match fs_err::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(XbuildError::Environment { what: error.to_string(), help: None }),
        };
        let help = "restore it from version control, or remove it and run the same command again: it is written anew";
        // The version first: a newer file may have what this version can't read.
        let version = text.parse::<toml::Table>().ok().and_then(|table| table.get("version")?.as_integer());
        if let Some(newer) = version.filter(|version| *version > VERSION.into()) {
            let what = format!("{FILE} has version {newer}, and this xbuild knows {VERSION}");
            return Err(XbuildError::user(what, "use a newer xbuild"));
        }
        let lock: Self = toml::from_str(&text).map_err(|error| {
            XbuildError::user(format!("{FILE} can't be read: {}", error.to_string().trim_end()), help)
        })?;
        if let Some((name, _)) = lock.images.iter().find(|(_, pin)| !xbuild_registry::is_digest(&pin.digest))
        {
            return Err(XbuildError::user(format!("{FILE} has no SHA-256 for {name}"), help));
        }
        Ok(lock)
    }

    /// Writes it, whole or not at all.
    pub(crate) fn write(&self, root: &Path) -> Result<(), XbuildError> {
        let text = toml::to_string_pretty(self)
            .map_err(|error| XbuildError::Environment { what: error.to_string(), help: None })?;
        let written = (|| {
            let mut file = tempfile::Builder::new()
                .prefix(".xbuild-lock")
                .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
                .tempfile_in(root)?;
            file.write_all(format!("{HEADER}{text}").as_bytes())?;
            file.persist(path(root)).map(drop).map_err(|error| error.error)
        })();
        written.map_err(|error| XbuildError::Environment {
            what: format!("could not write {}: {error}", path(root).display()),
            help: None,
        })
    }
}

fn path(root: &Path) -> PathBuf {
    root.join(FILE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Lock::read(folder.path()).unwrap(), Lock::default());
        let mut lock = Lock::default();
        let digest = format!("sha256:{}", "0a".repeat(32));
        lock.images.insert("registry.example/base:1".to_owned(), ImagePin { digest });
        lock.write(folder.path()).unwrap();
        assert_eq!(Lock::read(folder.path()).unwrap(), lock);
        for (text, says) in [
            ("version = 2\nfuture = true\n", "version 2"),
            ("version = 1\n[image.x]\ndigest = \"sha256:abc\"\n", "no SHA-256 for x"),
            ("version = 1\nstray = 1\n", "can't be read"),
            ("<<<<<<< HEAD\n", "can't be read"),
        ] {
            fs_err::write(path(folder.path()), text).unwrap();
            let error = Lock::read(folder.path()).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
