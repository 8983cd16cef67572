//! Packages that a project names by itself: resolved, and composed into a tree that goes beside those of the toolchain.
//!
//! They become a component like any other, whose recipe is made here, so that they are fetched, remembered and merged
//! as components are.

use std::collections::{BTreeMap, BTreeSet};

use xbuild_action::{Content, Directory, Entry, TreeBuilder, TreeError};
use xbuild_base::{Digest, RelPath, Tree};
use xbuild_describe::{
    Architecture, Component, ComponentName, NameError, PackagePin, PinHost, Pins, Toolchains,
};

use super::shape::find;
use super::update::package_pin;
use crate::debian::{IndexSource, Query, resolve};
use crate::error::FetchError;

/// Files that a build can link or compile with.
const LIBRARIES: [&str; 5] = [
    "usr/include/**",
    "usr/lib/*-linux-*/**",
    "usr/lib/*.{a,so,so.*}",
    "usr/lib/pkgconfig/**",
    "usr/share/pkgconfig/**",
];
/// Files that no program reads.
const FOR_PEOPLE: [&str; 2] = ["usr/share/{bug,doc,info,lintian,locale,man}/**", "var/**"];

/// What is taken of packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Taken {
    /// Headers, libraries, and what pkg-config reads.
    Libraries,
    /// Everything but documentation: programs, with all that they need.
    Programs,
}

/// The pins of packages with all that they need, sorted by name and architecture.
///
/// # Errors
/// As [`resolve()`].
pub fn pins(query: &Query<'_>, source: &dyn IndexSource) -> Result<Vec<PackagePin>, FetchError> {
    let packages = resolve(query, source)?.into_iter().map(package_pin);
    let mut pins: Vec<PackagePin> = packages.collect::<Result<_, _>>()?;
    pins.sort_by(|a, b| (&a.name, &a.architecture).cmp(&(&b.name, &b.architecture)));
    Ok(pins)
}

/// Adds pinned packages to toolchains, as a component of this name; one of the same name gives way.
///
/// # Errors
/// When no component can have such a name.
pub fn add_packages(
    toolchains: &mut Toolchains,
    name: &str,
    taken: Taken,
    pins: Vec<PackagePin>,
) -> Result<ComponentName, NameError> {
    let name: ComponentName = name.parse()?;
    let texts = |patterns: &[&str]| patterns.iter().map(|&pattern| pattern.to_owned()).collect();
    let (keep, drop) = match taken {
        Taken::Libraries => (texts(&LIBRARIES), Vec::new()),
        Taken::Programs => (Vec::new(), texts(&FOR_PEOPLE)),
    };
    let component = Component {
        name: name.clone(),
        suites: Vec::new(),
        // The pins say which; any host can have them.
        architecture: Architecture::Named("all".to_owned()),
        roots: pins.iter().map(|pin| pin.name.clone()).collect(),
        without: Vec::new(),
        keep,
        drop,
        uses: Vec::new(),
        copies: BTreeMap::new(),
        links: BTreeMap::new(),
        aliases: BTreeMap::new(),
        files: BTreeMap::new(),
        archives: Vec::new(),
        wheel: None,
    };
    toolchains.components.insert(name.clone(), component);
    let pins = Pins { packages: pins, wheels: Vec::new() };
    toolchains.pins.entry(PinHost::Any).or_default().insert(name.clone(), pins);
    Ok(name)
}

/// A tree of packages with their `/usr` at another place, and nothing else of them.
///
/// # Errors
/// When the store fails.
pub fn with_usr_at(
    store: &dyn Content,
    tree: Digest<Tree>,
    place: &RelPath,
) -> Result<Digest<Tree>, TreeError> {
    let usr = RelPath::new("usr").map_err(|_| TreeError::Missing(RelPath::root()))?;
    let mut builder = TreeBuilder::default();
    if let Some(entry @ Entry::Directory(_)) = find(store, tree, &usr)? {
        builder.insert(store, place, entry)?;
    }
    builder.build(store)
}

/// What of a tree has no place in the others yet: they come first.
///
/// # Errors
/// When the store fails.
pub fn beside(
    store: &dyn Content,
    tree: Digest<Tree>,
    others: &[Digest<Tree>],
) -> Result<Digest<Tree>, TreeError> {
    let rest = rest(store, tree, others)?;
    rest.map_or_else(|| Ok(store.put_directory(&Directory::default())?), Ok)
}

fn rest(
    store: &dyn Content,
    tree: Digest<Tree>,
    others: &[Digest<Tree>],
) -> Result<Option<Digest<Tree>>, TreeError> {
    if others.contains(&tree) {
        return Ok(None);
    }
    let directory = store.directory(tree)?;
    let others = others.iter().map(|&other| store.directory(other)).collect::<Result<Vec<_>, _>>()?;
    let mut rest_of_it = Directory::default();
    for (name, entry) in &directory.entries {
        let there: Vec<&Entry> = others.iter().filter_map(|other| other.entries.get(name)).collect();
        let folders: BTreeSet<Digest<Tree>> = there
            .iter()
            .filter_map(|entry| match entry {
                Entry::Directory(tree) => Some(*tree),
                Entry::File(_) | Entry::Symlink(_) => None,
            })
            .collect();
        let entry = match entry {
            _ if there.is_empty() => Some(entry.clone()),
            Entry::Directory(tree) if folders.len() == there.len() => {
                let folders: Vec<Digest<Tree>> = folders.into_iter().collect();
                rest(store, *tree, &folders)?.map(Entry::Directory)
            }
            _ => None,
        };
        if let Some(entry) = entry {
            rest_of_it.entries.insert(name.clone(), entry);
        }
    }
    Ok(match rest_of_it.entries.is_empty() {
        true => None,
        false if rest_of_it == *directory => Some(tree),
        false => Some(store.put_directory(&rest_of_it)?),
    })
}

#[cfg(test)]
mod tests {
    use xbuild_action::Memory;

    use super::*;
    use crate::toolchain::trees::{files, tree};

    #[test]
    fn what_other_trees_have_is_left_to_them() {
        let store = Memory::default();
        let own =
            tree(&store, &[("usr/a", "own"), ("usr/lib/b", "own"), ("usr/lib/c", "own"), ("x/y/z", "own")]);
        let others = [
            tree(&store, &[("usr/a", "other"), ("usr/lib/b", "other"), ("usr/d", "other")]),
            tree(&store, &[("usr/lib/e", "other"), ("x/y", "-> ../usr")]),
        ];
        let left = beside(&store, own, &others).unwrap();
        assert_eq!(files(&store, left), ["usr/lib/c"]);
        assert_eq!(beside(&store, own, &[]).unwrap(), own);
        assert_eq!(files(&store, beside(&store, own, &[own]).unwrap()), [""; 0]);
    }

    #[test]
    fn packages_are_laid_below_a_folder() {
        let store = Memory::default();
        let all = tree(
            &store,
            &[
                ("usr/lib/aarch64-linux-gnu/libz.so", "-> libz.so.1"),
                ("usr/include/z.h", "1"),
                ("etc/z", "2"),
            ],
        );
        let laid = with_usr_at(&store, all, &RelPath::new("usr/aarch64-linux-gnu").unwrap()).unwrap();
        let expected =
            ["usr/aarch64-linux-gnu/include/z.h", "usr/aarch64-linux-gnu/lib/aarch64-linux-gnu/libz.so"];
        assert_eq!(files(&store, laid), expected);
        let nothing = tree(&store, &[("etc/z", "2")]);
        let laid = with_usr_at(&store, nothing, &RelPath::new("usr/x").unwrap()).unwrap();
        assert_eq!(files(&store, laid), [""; 0]);
    }
}
