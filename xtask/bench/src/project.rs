//! What is built: where a project comes from, and how a copy of it is made.

use std::path::{Path, PathBuf};

use xbuild_base::{Digest, Tree};
use xbuild_store::Disk;
use xtask_ground::write_tree;

use crate::error::Error;

/// A project to build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Project {
    /// What the report calls it.
    pub(crate) name: &'static str,
    /// Its workspace's folder in a copy.
    folder: &'static str,
    /// A file of a crate that no other depends on, from the workspace's folder.
    leaf: &'static str,
    pub(crate) origin: Origin,
}

/// Where a project's files come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Folders of this repository, at the same places in a copy.
    Repository(&'static [&'static str]),
    /// A crate of the default registry, by a lock that names it.
    Crate(&'static str),
    /// Files that stand here: path and text.
    Files(&'static [(&'static str, &'static str)]),
}

/// The repository's example.
pub(crate) const EXAMPLE: Project = Project {
    name: "examples/rust-app",
    folder: "examples/rust-app",
    leaf: "crates/foo/src/main.rs",
    origin: Origin::Repository(&["examples/rust-app", "examples/glaze"]),
};

/// A program that people know, unmodified.
pub(crate) const RIPGREP: Project = Project {
    name: "ripgrep 14.1.1",
    folder: "ripgrep",
    leaf: "crates/core/main.rs",
    origin: Origin::Crate(
        "version = 4\n[[package]]\nname = \"ripgrep\"\nversion = \"14.1.1\"\n\
         source = \"registry+https://github.com/rust-lang/crates.io-index\"\n\
         checksum = \"f77b8032dc584527975f34aa5a897d0ef5a785573fda778771a614ff9da501d9\"\n",
    ),
};

/// As little as can be built: it shows that the benchmark works.
pub(crate) const SAMPLE: Project = Project {
    name: "a sample of debug builds, whose figures say nothing",
    folder: "sample",
    leaf: "src/main.rs",
    origin: Origin::Files(&[
        (
            "Cargo.toml",
            "[package]\nname = \"sample\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[workspace]\n",
        ),
        ("Cargo.lock", "version = 4\n\n[[package]]\nname = \"sample\"\nversion = \"0.1.0\"\n"),
        ("src/main.rs", "fn main() {\n    println!(\"sample\");\n}\n"),
    ]),
};

/// In a workspace's folder: what was built, and never sources.
const RESULTS: [&str; 3] = ["target", "result", ".git"];

impl Project {
    /// Its workspace's folder in a copy below `place`.
    pub(crate) fn workspace(&self, place: &Path) -> PathBuf {
        place.join(self.folder)
    }

    /// The leaf crate's file in the workspace's folder.
    pub(crate) const fn leaf(&self) -> &'static str {
        self.leaf
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
    fn a_copy_without_its_leaf_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let error = RIPGREP.copy(place.path(), None, place.path()).unwrap_err();
        assert!(error.to_string().contains("crates/core/main.rs"), "{error}");
    }
}
