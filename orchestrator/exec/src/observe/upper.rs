//! Whether a program left the observed folders alone.
//!
//! A file that was renamed, linked to or written has another name or content than the inputs say, and what was seen of
//! it can't be told by its path. None of this goes without a trace in the overlay's upper folder: the file is copied
//! up before anything is done to it, and where it goes a white-out stays.

use std::collections::BTreeSet;
use std::path::Path;

use xbuild_base::RelPath;

use crate::stage::Staged;

/// Whether the upper folders of all overlays at or below `observe` hold nothing but the folders that were made there
/// before the program began. What can't be looked at was changed.
pub(crate) fn is_untouched(staged: &Staged, observe: &BTreeSet<RelPath>) -> bool {
    let layout = &staged.layout;
    layout.overlays.iter().enumerate().all(|(index, overlay)| {
        let is_observed = observe.iter().any(|folder| overlay.at.strip_prefix(folder).is_some());
        let made = layout.directories.iter().filter(|(of, _)| *of == index).map(|(_, path)| path);
        !is_observed || holds_only(&staged.upper(index), &made.collect::<Vec<_>>())
    })
}

/// Whether there is nothing in `folder` but `made` and the folders above each.
fn holds_only(folder: &Path, made: &[&RelPath]) -> bool {
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
        assert!(holds_only(folder.path(), &[&made]));
        assert!(!holds_only(folder.path(), &[]));
        for change in ["a/b/c", "a/c", "c"] {
            fs_err::create_dir(folder.path().join(change)).unwrap();
            assert!(!holds_only(folder.path(), &[&made]), "{change}");
            fs_err::remove_dir(folder.path().join(change)).unwrap();
        }
        fs_err::write(folder.path().join("a/file"), "").unwrap();
        assert!(!holds_only(folder.path(), &[&made]));
        assert!(!holds_only(&folder.path().join("nowhere"), &[]));
    }
}
