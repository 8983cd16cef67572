//! `SHA256SUMS`, as `sha256sum -c` reads it, and how files are replaced at once or not at all.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::NamedTempFile;
use xbuild_base::{RelPath, Sha256};

use crate::error::OutputError;

/// The file's name.
pub(crate) const FILE_NAME: &str = "SHA256SUMS";

/// How the names of temporary files begin. No output's name begins with a dot.
pub(crate) const TEMPORARY: &str = ".xbuild-";

/// Checksums by path below the folder that the file stands in, sorted by path.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums(pub(crate) BTreeMap<RelPath, Sha256>);

impl Sums {
    /// One line a file: 64 digits, two spaces, the path.
    pub(crate) fn render(&self) -> String {
        self.0.iter().map(|(path, sum)| format!("{}  {path}\n", sum.to_hex())).collect()
    }

    /// Takes what can be read of a file; lines that are anything else are as if they weren't there.
    pub(crate) fn parse(text: &str) -> Self {
        let lines = text.lines().filter_map(|line| {
            let (sum, path) = line.split_once("  ")?;
            Some((RelPath::new(path).ok()?, Sha256::from_hex(sum).ok()?))
        });
        Self(lines.collect())
    }

    /// The sums of a folder, none when it has no such file.
    pub(crate) fn read(folder: &Path) -> Result<Self, OutputError> {
        let path = folder.join(FILE_NAME);
        match fs_err::read_to_string(&path) {
            Ok(text) => Ok(Self::parse(&text)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(OutputError::io("read", path)(error)),
        }
    }

    /// Writes the file into `folder`, or takes it away when there is nothing to say.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), OutputError> {
        let path = folder.join(FILE_NAME);
        if self.0.is_empty() {
            return match fs_err::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    Err(OutputError::io("remove", path)(error))
                }
                Ok(()) | Err(_) => Ok(()),
            };
        }
        if Self::read(folder).is_ok_and(|there| there == *self) {
            return Ok(());
        }
        let mut file = temporary(folder)?;
        file.write_all(self.render().as_bytes()).map_err(OutputError::io("write", &path))?;
        place(file, &path, 0o644)
    }
}

/// A new file in `folder`, which goes away unless it is placed.
pub(crate) fn temporary(folder: &Path) -> Result<NamedTempFile, OutputError> {
    tempfile::Builder::new()
        .prefix(TEMPORARY)
        .tempfile_in(folder)
        .map_err(OutputError::io("make a file in", folder))
}

/// Puts a finished file at `path`, in place of what was there.
pub(crate) fn place(file: NamedTempFile, path: &Path, mode: u32) -> Result<(), OutputError> {
    file.as_file()
        .set_permissions(std::fs::Permissions::from_mode(mode))
        .and_then(|()| file.as_file().sync_all())
        .map_err(OutputError::io("write", path))?;
    file.persist(path).map_err(|error| OutputError::io("write", path)(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_what_sha256sum_reads() {
        let folder = tempfile::tempdir().unwrap();
        fs_err::create_dir(folder.path().join("bin")).unwrap();
        let mut sums = Sums::default();
        for name in ["bin/b", "bin/a b"] {
            fs_err::write(folder.path().join(name), name).unwrap();
            sums.0.insert(RelPath::new(name).unwrap(), Sha256::of(name.as_bytes()));
        }
        sums.write(folder.path()).unwrap();
        assert_eq!(Sums::read(folder.path()).unwrap(), sums);

        let check = || {
            let mut command = std::process::Command::new("sha256sum");
            command.args(["--check", "--strict", "--status", FILE_NAME]).current_dir(folder.path());
            command.status().unwrap().success()
        };
        assert!(check());
        fs_err::write(folder.path().join("bin/b"), "changed").unwrap();
        assert!(!check());
    }

    #[test]
    fn a_file_that_could_not_be_finished_leaves_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("foo");
        fs_err::write(&path, "old").unwrap();
        let mut file = temporary(folder.path()).unwrap();
        file.write_all(b"half").unwrap();
        drop(file);
        assert_eq!(fs_err::read_to_string(&path).unwrap(), "old");
        assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 1);
    }
}
