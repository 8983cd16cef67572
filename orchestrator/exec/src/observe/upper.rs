//! Whether a program left the observed folders alone.
//!
//! A file that was renamed, linked to or written has another name or content than the inputs say, and what was seen of
//! it can't be told by its path. None of this goes without a trace in the overlay's upper folder: the file is copied
//! up before anything is done to it, and where it goes a white-out stays.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use xbuild_base::RelPath;

use crate::outputs::is_opaque;
use crate::stage::Staged;

/// Whether the upper folders hold nothing at or below `observe` but the folders that were made there before the program
/// began, and nothing of what is `settled`. What can't be looked at was changed.
pub(crate) fn is_untouched(staged: &Staged, observe: &BTreeSet<RelPath>, settled: &BTreeSet<String>) -> bool {
    let layout = &staged.layout;
    let is_missing = |folder: &String| {
        RelPath::new(folder.as_str())
            .is_ok_and(|folder| matches!(reach(&staged.upper(0), &folder), Reached::Nothing))
    };
    if !settled.iter().all(is_missing) {
        return false;
    }
    let holds_only_made = |index: usize, below: &RelPath| {
        let made = layout.directories.iter().filter(|(of, _)| *of == index);
        let made: Vec<RelPath> = made.filter_map(|(_, path)| path.strip_prefix(below)).collect();
        match reach(&staged.upper(index), below) {
            Reached::Nothing => true,
            Reached::Folder(folder) => holds_only(&folder, &made),
            Reached::Changed => false,
        }
    };
    let in_enclosing = observe.iter().all(|folder| {
        let (index, below) = layout.home(folder);
        holds_only_made(index, &below)
    });
    in_enclosing
        && layout.overlays.iter().enumerate().all(|(index, overlay)| {
            let is_observed = observe.iter().any(|folder| overlay.at.strip_prefix(folder).is_some());
            !is_observed || holds_only_made(index, &RelPath::root())
        })
}

/// What an upper folder has at a path.
enum Reached {
    /// Nothing: all is as it is below.
    Nothing,
    /// A folder that lies over the one below.
    Folder(PathBuf),
    /// Something by which the one below can't be seen any more.
    Changed,
}

fn reach(upper: &Path, path: &RelPath) -> Reached {
    let mut at = upper.to_owned();
    for part in path.components() {
        at.push(part);
        match at.symlink_metadata() {
            Ok(metadata) if metadata.is_dir() && !is_opaque(&at) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Reached::Nothing,
            _ => return Reached::Changed,
        }
    }
    Reached::Folder(at)
}

/// Whether there is nothing in `folder` but `made` and the folders above each.
fn holds_only(folder: &Path, made: &[RelPath]) -> bool {
    let mut open = vec![RelPath::root()];
    while let Some(at) = open.pop() {
        let Ok(entries) = fs_err::read_dir(folder.join(&at)) else { return false };
        for entry in entries {
            let Ok(entry) = entry else { return false };
            let name = entry.file_name().into_string().ok().and_then(|name| RelPath::new(name).ok());
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let Some(path) = name.filter(|_| is_folder).map(|name| at.join(&name)) else { return false };
            if !made.iter().any(|made| made.strip_prefix(&path).is_some()) {
                return false;
            }
            open.push(path);
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_folders_that_were_made_before_may_be_there() {
        let folder = tempfile::tempdir().unwrap();
        let made = RelPath::new("a/b").unwrap();
        assert!(holds_only(folder.path(), &[]));
        fs_err::create_dir_all(folder.path().join("a/b")).unwrap();
        assert!(holds_only(folder.path(), std::slice::from_ref(&made)));
        assert!(!holds_only(folder.path(), &[]));
        for change in ["a/b/c", "a/c", "c"] {
            fs_err::create_dir(folder.path().join(change)).unwrap();
            assert!(!holds_only(folder.path(), std::slice::from_ref(&made)), "{change}");
            fs_err::remove_dir(folder.path().join(change)).unwrap();
        }
        fs_err::write(folder.path().join("a/file"), "").unwrap();
        assert!(!holds_only(folder.path(), std::slice::from_ref(&made)));
        assert!(!holds_only(&folder.path().join("nowhere"), &[]));
    }

    #[test]
    fn a_folder_that_hides_what_is_below_was_changed_and_one_that_is_not_there_was_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = RelPath::new("a/b").unwrap();
        assert!(matches!(reach(folder.path(), &path), Reached::Nothing));
        fs_err::create_dir_all(folder.path().join("a/b")).unwrap();
        assert!(
            matches!(reach(folder.path(), &path), Reached::Folder(at) if at == folder.path().join("a/b"))
        );
        fs_err::remove_dir(folder.path().join("a/b")).unwrap();
        fs_err::write(folder.path().join("a/b"), "").unwrap();
        assert!(matches!(reach(folder.path(), &path), Reached::Changed));
    }
}
