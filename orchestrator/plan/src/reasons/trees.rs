//! What differs between trees: the files, and of what has only come or gone the folder that holds all of it.

use std::collections::BTreeSet;

use xbuild_action::{Content, Entry, TreeError};
use xbuild_base::{Digest, RelPath, Tree};

use super::{Difference, There};

/// The files that differ between two sets of trees that lie over each other at a place. Where a tree is no longer known,
/// the place.
pub(super) fn between(
    store: &dyn Content,
    place: &RelPath,
    old: &[Digest<Tree>],
    new: &[Digest<Tree>],
) -> Vec<Difference> {
    let mut found = Vec::new();
    if old == new {
        return found;
    }
    if compare(store, place, old, new, &mut found).is_err() {
        let folder = |trees: &[Digest<Tree>]| trees.first().copied().map(There::Folder);
        found = Difference::of(place.clone(), folder(old), folder(new)).into_iter().collect();
    }
    found
}

/// Folders that are the same are not looked into.
fn compare(
    store: &dyn Content,
    place: &RelPath,
    old: &[Digest<Tree>],
    new: &[Digest<Tree>],
    found: &mut Vec<Difference>,
) -> Result<(), TreeError> {
    if old == new {
        return Ok(());
    }
    let whole = |trees: &[Digest<Tree>]| {
        trees.iter().map(|&tree| holder(store, place.clone(), tree)).collect::<Vec<_>>()
    };
    if old.is_empty() {
        let come = whole(new).into_iter();
        found.extend(come.map(|(place, there)| Difference::new(place, None, Some(there))));
        return Ok(());
    }
    if new.is_empty() {
        let gone = whole(old).into_iter();
        found.extend(gone.map(|(place, there)| Difference::new(place, Some(there), None)));
        return Ok(());
    }
    let levels = |trees: &[Digest<Tree>]| {
        trees.iter().map(|&tree| store.directory(tree)).collect::<Result<Vec<_>, _>>()
    };
    let (was, is) = (levels(old)?, levels(new)?);
    let names: BTreeSet<&String> = was.iter().chain(&is).flat_map(|level| level.entries.keys()).collect();
    for name in names {
        let Ok(below) = RelPath::new(name.as_str()) else { continue };
        let path = place.join(&below);
        // What two layers have is the same, or a folder.
        let [was, is] = [&was, &is]
            .map(|levels| levels.iter().filter_map(|level| level.entries.get(name)).collect::<Vec<&Entry>>());
        let folders = |entries: &[&Entry]| {
            let folder = |entry: &&Entry| match entry {
                Entry::Directory(tree) => Some(*tree),
                Entry::File(_) | Entry::Symlink(_) => None,
            };
            entries.iter().map(folder).collect::<Option<Vec<Digest<Tree>>>>()
        };
        match (folders(&was), folders(&is)) {
            (Some(old), Some(new)) => compare(store, &path, &old, &new, found)?,
            _ => {
                let there = |entries: &[&Entry]| entries.first().map(|&entry| There::from(entry));
                found.extend(Difference::of(path, there(&was), there(&is)));
            }
        }
    }
    Ok(())
}

/// The one file or folder of a tree that holds all of it, and its place.
fn holder(store: &dyn Content, place: RelPath, tree: Digest<Tree>) -> (RelPath, There) {
    let Ok(level) = store.directory(tree) else { return (place, There::Folder(tree)) };
    let mut entries = level.entries.iter();
    if let (Some((name, entry)), None) = (entries.next(), entries.next())
        && let Ok(below) = RelPath::new(name.as_str())
    {
        return match entry {
            Entry::Directory(tree) => holder(store, place.join(&below), *tree),
            entry => (place.join(&below), There::from(entry)),
        };
    }
    (place, There::Folder(tree))
}

#[cfg(test)]
mod tests {
    use xbuild_action::Memory;

    use super::*;
    use crate::trees::tree;

    fn told(store: &Memory, old: &[Digest<Tree>], new: &[Digest<Tree>]) -> Vec<String> {
        between(store, &RelPath::root(), old, new).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn layers_are_compared_as_they_lie_over_each_other() {
        let store = Memory::default();
        let compiler = tree(&store, &[("usr/bin/rustc", "1"), ("usr/lib/std", "1")]);
        let newer = tree(&store, &[("usr/bin/rustc", "2"), ("usr/lib/std", "1")]);
        let made = tree(&store, &[("build/inputs/site/a", "1"), ("build/inputs/site/b", "1")]);
        let again = tree(&store, &[("build/inputs/site/a", "2"), ("build/inputs/site/b", "1")]);
        let changed = ["/build/inputs/site/a has changed", "/usr/bin/rustc has changed"];
        assert_eq!(told(&store, &[compiler, made], &[newer, again]), changed);
        // One has it in two layers, the other in one.
        let parts = [tree(&store, &[("usr/bin/rustc", "1")]), tree(&store, &[("usr/lib/std", "1")])];
        assert_eq!(told(&store, &parts, &[compiler]), [] as [&str; 0]);
        assert_eq!(told(&store, &parts, &[newer]), ["/usr/bin/rustc has changed"]);
    }

    #[test]
    fn of_what_has_come_or_gone_the_folder_is_told_that_holds_it() {
        let store = Memory::default();
        let tool = tree(&store, &[("usr/bin/jq", "1")]);
        let made = tree(&store, &[("build/inputs/site/a", "1"), ("build/inputs/site/b", "1")]);
        assert_eq!(told(&store, &[], &[tool]), ["/usr/bin/jq is new"]);
        assert_eq!(told(&store, &[made], &[]), ["/build/inputs/site has gone"]);
        let both = tree(&store, &[("usr/bin/jq", "1"), ("usr/share/jq/a", "1"), ("usr/share/jq/b", "1")]);
        assert_eq!(told(&store, &[tool], &[both]), ["/usr/share/jq is new"]);
    }
}
