//! What is built: where a project comes from, and how a copy of it is made.

use std::path::{Path, PathBuf};

use xbuild_base::{Digest, Tree};
use xbuild_store::Disk;
use xtask_ground::write_tree;

use crate::error::Error;
use crate::synthetic;

/// A project to build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Project {
    /// What the report calls it.
    pub(crate) name: &'static str,
    /// Its workspace's folder in a copy.
    pub(crate) folder: &'static str,
    /// A file of a crate that no other depends on, from the workspace's folder.
    pub(crate) leaf: &'static str,
    pub(crate) origin: Origin,
    /// Whether cargo builds its program anew each time, though nothing has changed: its build script tells cargo to look
    /// at a file that isn't there (`.git/HEAD`, where there is no repository).
    pub(crate) is_restless: bool,
    /// Other releases of crates that it depends on, which its manifests allow.
    pub(crate) bumps: &'static [Bump],
}

/// Where a project's files come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Folders of this repository, at the same places in a copy.
    Repository(&'static [&'static str]),
    /// A crate of the default registry.
    Crate(Release),
    /// Files that stand here: path and text.
    Files(&'static [(&'static str, &'static str)]),
    /// A workspace that is made, of so many units for each target.
    Synthetic(usize),
}

/// A crate as it was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Release {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    /// Of its archive, as locks have it.
    pub(crate) checksum: &'static str,
}

/// Two releases of one crate: the one that a lock names, and one that takes its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bump {
    pub(crate) from: Release,
    pub(crate) to: Release,
}

impl Release {
    /// A lock that names it alone.
    pub(crate) fn lock(&self) -> String {
        format!("version = 4\n[[package]]\n{}", self.locked())
    }

    /// Its lines in a lock, but for its dependencies.
    fn locked(&self) -> String {
        let Self { name, version, checksum } = self;
        format!(
            "name = \"{name}\"\nversion = \"{version}\"\n\
             source = \"registry+https://github.com/rust-lang/crates.io-index\"\nchecksum = \"{checksum}\"\n"
        )
    }
}

impl Bump {
    /// A lock with the other release. Both must have the same dependencies.
    pub(crate) fn apply(&self, lock: &str) -> Result<String, Error> {
        let (from, to) = (self.from.locked(), self.to.locked());
        if !lock.contains(&from) {
            let problem = format!("it has no {} {} to move", self.from.name, self.from.version);
            return Err(Error::Unexpected { path: "Cargo.lock".into(), problem });
        }
        Ok(lock.replace(&from, &to))
    }
}

/// In a workspace's folder: what was built, and never sources.
const RESULTS: [&str; 3] = ["target", "result", ".git"];

impl Project {
    /// Its workspace's folder in a copy below `place`.
    pub(crate) fn workspace(&self, place: &Path) -> PathBuf {
        place.join(self.folder)
    }

    /// The locks of a copy after one bump, after two, and so on.
    pub(crate) fn bumped_locks(&self, workspace: &Path) -> Result<Vec<String>, Error> {
        let mut lock = fs_err::read_to_string(workspace.join("Cargo.lock"))?;
        let mut locks = Vec::new();
        for bump in self.bumps {
            lock = bump.apply(&lock)?;
            locks.push(lock.clone());
        }
        Ok(locks)
    }

    /// Makes a copy below `place` of what lies below the repository's root, or of the tree that was fetched;
    /// returns the workspace's folder.
    pub(crate) fn copy(
        &self,
        root: &Path,
        fetched: Option<(&Disk, Digest<Tree>)>,
        place: &Path,
    ) -> Result<PathBuf, Error> {
        let workspace = self.workspace(place);
        match self.origin {
            Origin::Repository(folders) => {
                for folder in folders {
                    copy_folder(&root.join(folder), &place.join(folder), &RESULTS)?;
                }
            }
            Origin::Files(files) => {
                for (path, text) in files {
                    write(&workspace.join(path), text.as_bytes())?;
                }
            }
            Origin::Crate(_) => {
                if let Some((store, tree)) = fetched {
                    write_tree(store, tree, &workspace)?;
                }
            }
            Origin::Synthetic(units) => synthetic::generate(&workspace, units)?,
        }
        let leaf = workspace.join(self.leaf);
        if leaf.is_file() {
            return Ok(workspace);
        }
        Err(Error::Unexpected { path: leaf, problem: "the file to edit is not there".to_owned() })
    }
}

/// Copies a folder, but for entries of these names in the folder itself.
fn copy_folder(from: &Path, to: &Path, without: &[&str]) -> Result<(), Error> {
    fs_err::create_dir_all(to)?;
    for entry in fs_err::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if without.iter().any(|without| name == *without) {
            continue;
        }
        let to = to.join(&name);
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &to, &[])?;
        } else {
            fs_err::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

/// Writes a file, and makes the folders above it.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    if let Some(folder) = path.parent() {
        fs_err::create_dir_all(folder)?;
    }
    Ok(fs_err::write(path, bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{EXAMPLE, RIPGREP};

    #[test]
    fn a_copy_of_a_repository_s_folder_has_no_results() {
        let (root, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for path in ["crates/foo/src/main.rs", "crates/foo/target/kept", "target/junk", "result/junk"] {
            write(&root.path().join("examples/rust-app").join(path), b"").unwrap();
        }
        write(&root.path().join("examples/glaze/Cargo.toml"), b"").unwrap();
        let copy = EXAMPLE.copy(root.path(), None, place.path()).unwrap();
        assert_eq!(copy, place.path().join("examples/rust-app"));
        assert!(copy.join("crates/foo/target/kept").is_file());
        assert!(!copy.join("target").exists() && !copy.join("result").exists());
    }

    #[test]
    fn a_lock_is_moved_to_another_release_or_the_missing_one_is_told() {
        let bump = RIPGREP.bumps.iter().find(|bump| bump.from.name == "globset").unwrap();
        let rest = "dependencies = [\n \"bstr\",\n]\n";
        let lock = |release: &Release| format!("{}{rest}", release.lock());
        assert_eq!(bump.apply(&lock(&bump.from)).unwrap(), lock(&bump.to));
        let error = bump.apply(&lock(&bump.to)).unwrap_err().to_string();
        assert!(error.contains("no globset 0.4.15 to move"), "{error}");
    }

    #[test]
    fn a_copy_without_its_leaf_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let error = RIPGREP.copy(place.path(), None, place.path()).unwrap_err();
        assert!(error.to_string().contains("crates/core/main.rs"), "{error}");
    }
}
