//! Trees of a store as files.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use xbuild_action::{ContentExt as _, Entry, TreeError, walk};
use xbuild_base::{Digest, Tree};
use xbuild_store::Disk;

use crate::error::Error;

/// Writes a tree below a folder, which may be there already: files that a user may change.
///
/// # Errors
/// When something of it can't be read or written.
pub fn write_tree(store: &Disk, tree: Digest<Tree>, to: &Path) -> Result<(), Error> {
    let mut entries = Vec::new();
    walk::<TreeError>(store, tree, &mut |path, entry| {
        entries.push((to.join(path.as_str()), entry.clone()));
        Ok(())
    })?;
    fs_err::create_dir_all(to)?;
    for (path, entry) in entries {
        match entry {
            Entry::Directory(_) => fs_err::create_dir_all(&path)?,
            Entry::File(file) => {
                fs_err::write(&path, store.get(file.digest)?)?;
                if file.executable {
                    fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
                }
            }
            Entry::Symlink(target) => fs_err::os::unix::fs::symlink(target, &path)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use xbuild_action::{File, TreeBuilder};

    use super::*;

    #[test]
    fn a_tree_is_written_with_what_may_be_run() {
        let place = tempfile::tempdir().unwrap();
        let store = Disk::open(&place.path().join("store"), crate::owner()).unwrap();
        let digest = store.put(b"text").unwrap();
        let mut tree = TreeBuilder::default();
        for (path, executable) in [("a/run", true), ("read", false)] {
            let file = Entry::File(File { digest, executable });
            tree.insert(&store, &path.parse().unwrap(), file).unwrap();
        }
        let link = Entry::Symlink("a/run".to_owned());
        tree.insert(&store, &"link".parse().unwrap(), link).unwrap();
        let to = place.path().join("to");
        write_tree(&store, tree.build(&store).unwrap(), &to).unwrap();
        let runs = |path: &str| fs_err::metadata(to.join(path)).unwrap().permissions().mode() & 0o111 != 0;
        assert_eq!([runs("a/run"), runs("read"), runs("link")], [true, false, true]);
        assert_eq!(fs_err::read_to_string(to.join("link")).unwrap(), "text");
    }
}
