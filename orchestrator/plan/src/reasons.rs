//! Why an action is not the one that it was: what of it differs. Pure, over a store of content.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use xbuild_action::{Content, Entry, TreeError};
use xbuild_base::{Blob, Digest, RelPath, Tree};

use crate::work::Bound;

/// What an action is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ingredients {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// The whole environment.
    pub environment: BTreeMap<String, String>,
    /// The toolchain's trees.
    pub layers: Vec<Digest<Tree>>,
    /// Sources, by their places.
    pub mounts: BTreeMap<RelPath, Digest<Tree>>,
    /// Artefacts of dependencies and other single files, by their places.
    pub files: BTreeMap<RelPath, Digest<Blob>>,
    /// Those of these files that are programs.
    #[serde(default)]
    pub programs: BTreeSet<RelPath>,
    /// Empty folders that it finds.
    #[serde(default)]
    pub directories: BTreeSet<RelPath>,
    /// Where it runs; unknown in older records.
    #[serde(default)]
    pub working_directory: Option<RelPath>,
}

impl From<&Bound> for Ingredients {
    fn from(bound: &Bound) -> Self {
        let Bound { command, inputs, observe: _, early: _, is_fingerprinted: _ } = bound;
        Self {
            argv: command.argv.clone(),
            environment: command.environment.clone(),
            layers: inputs.layers.clone(),
            mounts: inputs.mounts.clone(),
            files: inputs.files.iter().map(|(path, file)| (path.clone(), file.digest)).collect(),
            programs: inputs
                .files
                .iter()
                .filter(|(_, file)| file.executable)
                .map(|(path, _)| path.clone())
                .collect(),
            directories: inputs.directories.clone(),
            working_directory: Some(command.working_directory.clone()),
        }
    }
}

/// How something differs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// It is new.
    Added,
    /// It has gone.
    Removed,
    /// It was something else.
    Changed,
}

/// One difference between two actions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum Reason {
    /// A cargo feature of the package went on or off.
    Feature {
        /// Its name.
        name: String,
        /// Whether it is on now.
        on: bool,
    },
    /// An argument: one that was there, one that is, or both.
    Argument {
        /// As it was.
        old: Option<String>,
        /// As it is.
        new: Option<String>,
    },
    /// An environment variable.
    Variable {
        /// Its name.
        name: String,
        /// Its value before.
        old: Option<String>,
        /// Its value now.
        new: Option<String>,
    },
    /// A file of the toolchain, by its path in the sandbox; `path` is the root where only the whole is known to differ.
    Toolchain {
        /// Which.
        path: RelPath,
        /// How.
        change: Change,
    },
    /// A file of the sources, by its path in the sandbox; a folder where only the whole of it is known to differ.
    Source {
        /// Which.
        path: RelPath,
        /// How.
        change: Change,
    },
    /// What another unit made, by its path in the sandbox.
    Artefact {
        /// Which file.
        path: RelPath,
        /// How.
        change: Change,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let changed = |change: &Change| match change {
            Change::Added => "is new",
            Change::Removed => "has gone",
            Change::Changed => "has changed",
        };
        let from_to = |old: &Option<String>, new: &Option<String>| match (old, new) {
            (Some(old), Some(new)) => format!("`{old}` → `{new}`"),
            (Some(old), None) => format!("`{old}` has gone"),
            (None, Some(new)) => format!("`{new}` is new"),
            (None, None) => "is the same".to_owned(),
        };
        match self {
            Self::Feature { name, on } => write!(f, "feature `{name}` is {}", if *on { "on" } else { "off" }),
            Self::Argument { old, new } => write!(f, "argument {}", from_to(old, new)),
            Self::Variable { name, old, new } => write!(f, "variable {name}: {}", from_to(old, new)),
            Self::Toolchain { path, change } if path.is_root() => {
                write!(f, "the toolchain {}", changed(change))
            }
            Self::Toolchain { path, change } => write!(f, "the toolchain's /{path} {}", changed(change)),
            Self::Source { path, change } | Self::Artefact { path, change } => {
                write!(f, "/{path} {}", changed(change))
            }
        }
    }
}

/// What differs between an action and an earlier one of the same unit; nothing where only the sandbox does.
///
/// Cargo names a unit's files by a hash of what it is made of. What differs by that hash alone is no reason but what
/// follows from one, and left out; an artefact of another hash has changed.
#[must_use]
pub fn reasons(store: &dyn Content, old: &Ingredients, new: &Ingredients) -> Vec<Reason> {
    let mut found = arguments(&old.argv, &new.argv);
    for name in old.environment.keys().chain(new.environment.keys()).collect::<BTreeSet<_>>() {
        let (was, is) = (old.environment.get(name), new.environment.get(name));
        if was.map(|text| without_hashes(text)) != is.map(|text| without_hashes(text)) {
            let (old, new) = (was.cloned(), is.cloned());
            found.push(Reason::Variable { name: name.clone(), old, new });
        }
    }
    let was: BTreeSet<Digest<Tree>> = old.layers.iter().copied().collect();
    let is: BTreeSet<Digest<Tree>> = new.layers.iter().copied().collect();
    let gone: Vec<Digest<Tree>> = was.difference(&is).copied().collect();
    let come: Vec<Digest<Tree>> = is.difference(&was).copied().collect();
    for (path, change) in between(store, &RelPath::root(), &gone, &come) {
        found.push(Reason::Toolchain { path, change });
    }
    let (was, is) = (named(&old.mounts), named(&new.mounts));
    for name in was.keys().chain(is.keys()).collect::<BTreeSet<_>>() {
        let tree = |side: Option<&(&RelPath, &Digest<Tree>)>| {
            side.map(|(_, tree)| **tree).into_iter().collect::<Vec<_>>()
        };
        let (before, now) = (was.get(name), is.get(name));
        let Some((place, _)) = now.or(before) else { continue };
        for (path, change) in between(store, place, &tree(before), &tree(now)) {
            found.push(Reason::Source { path, change });
        }
    }
    let (was, is) = (named(&old.files), named(&new.files));
    for name in was.keys().chain(is.keys()).collect::<BTreeSet<_>>() {
        let (before, now) = (was.get(name), is.get(name));
        let Some((path, _)) = now.or(before) else { continue };
        if let Some(change) = change(before.map(|(_, file)| file), now.map(|(_, file)| file)) {
            found.push(Reason::Artefact { path: (*path).clone(), change });
        }
    }
    found
}

/// Things by their places without cargo's hashes; where two then have one name, with them.
fn named<T>(things: &BTreeMap<RelPath, T>) -> BTreeMap<String, (&RelPath, &T)> {
    let mut named = BTreeMap::new();
    for (path, thing) in things {
        let name = without_hashes(path.as_str());
        if named.contains_key(&name) {
            named.insert(path.as_str().to_owned(), (path, thing));
        } else {
            named.insert(name, (path, thing));
        }
    }
    named
}

/// A text without the hashes that cargo puts into names: a hyphen and sixteen hexadecimal digits.
fn without_hashes(text: &str) -> String {
    const DIGITS: usize = 16;
    let mut short = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('-') {
        let (before, from) = rest.split_at(at);
        short.push_str(before);
        let digits = from[1..].chars().take_while(|c| c.is_ascii_digit() || matches!(c, 'a'..='f')).count();
        let is_ended = from[1 + digits..].chars().next().is_none_or(|next| !next.is_ascii_alphanumeric());
        let length = if digits == DIGITS && is_ended { 1 + DIGITS } else { 1 };
        if length == 1 {
            short.push('-');
        }
        rest = &from[length..];
    }
    short + rest
}

fn change<T: PartialEq>(old: Option<&T>, new: Option<&T>) -> Option<Change> {
    match (old, new) {
        (None, None) => None,
        (None, Some(_)) => Some(Change::Added),
        (Some(_), None) => Some(Change::Removed),
        (Some(old), Some(new)) => (old != new).then_some(Change::Changed),
    }
}

/// Arguments that only one of two command lines has. Where one stands in the place of another of the same kind
/// (`-C opt-level=…`), it is one change.
fn arguments(old: &[String], new: &[String]) -> Vec<Reason> {
    let (old, new) = (joined(old), joined(new));
    let is_hash = |word: &String| word.starts_with("-C metadata=") || word.starts_with("-C extra-filename=");
    let [old, new] = [old, new].map(|words| {
        words.iter().filter(|word| !is_hash(word)).map(|word| without_hashes(word)).collect::<Vec<_>>()
    });
    let count = |words: &[String]| {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        words.iter().for_each(|word| *counts.entry(word.clone()).or_default() += 1);
        counts
    };
    let (was, is) = (count(&old), count(&new));
    let only = |words: &[String], others: &BTreeMap<String, usize>| -> Vec<String> {
        words.iter().filter(|word| !others.contains_key(*word)).cloned().collect()
    };
    let (mut gone, come) = (only(&old, &is), only(&new, &was));
    let mut found = Vec::new();
    for new in come {
        let twin = gone.iter().position(|old| kind(old) == kind(&new) && feature(&new).is_none());
        let old = twin.map(|at| gone.remove(at));
        found.push(match feature(&new) {
            Some(name) => Reason::Feature { name: name.to_owned(), on: true },
            None => Reason::Argument { old, new: Some(new) },
        });
    }
    found.extend(gone.into_iter().map(|old| match feature(&old) {
        Some(name) => Reason::Feature { name: name.to_owned(), on: false },
        None => Reason::Argument { old: Some(old), new: None },
    }));
    found
}

/// The words of a command line, each flag with its value.
fn joined(argv: &[String]) -> Vec<String> {
    const WITH_VALUE: [&str; 8] =
        ["--cfg", "--check-cfg", "-C", "-L", "-l", "--extern", "--target", "--crate-name"];
    let mut words: Vec<String> = Vec::new();
    let mut waits = false;
    for word in argv {
        match words.last_mut().filter(|_| waits) {
            Some(flag) => {
                flag.push(' ');
                flag.push_str(word);
                waits = false;
            }
            None => {
                words.push(word.clone());
                waits = WITH_VALUE.contains(&word.as_str());
            }
        }
    }
    words
}

/// What an argument is about: its text up to the value.
fn kind(argument: &str) -> &str {
    argument.split_once('=').map_or(argument, |(kind, _)| kind)
}

fn feature(argument: &str) -> Option<&str> {
    argument.strip_prefix("--cfg feature=\"")?.strip_suffix('"')
}

/// The files that differ between two sets of trees that lie at a place. Where a tree is no longer known, the place.
fn between(
    store: &dyn Content,
    place: &RelPath,
    old: &[Digest<Tree>],
    new: &[Digest<Tree>],
) -> Vec<(RelPath, Change)> {
    if old == new {
        return Vec::new();
    }
    let mut found = Vec::new();
    let is_known = match (old, new) {
        ([old], [new]) => compare(store, place, *old, *new, &mut found).is_ok(),
        _ => false,
    };
    if !is_known {
        found = change(old.first(), new.first()).map(|change| (place.clone(), change)).into_iter().collect();
    }
    found
}

/// The files that differ between two trees. Folders that are the same are not looked into.
fn compare(
    store: &dyn Content,
    place: &RelPath,
    old: Digest<Tree>,
    new: Digest<Tree>,
    found: &mut Vec<(RelPath, Change)>,
) -> Result<(), TreeError> {
    if old == new {
        return Ok(());
    }
    let (was, is) = (store.directory(old)?, store.directory(new)?);
    for name in was.entries.keys().chain(is.entries.keys()).collect::<BTreeSet<_>>() {
        let Ok(below) = RelPath::new(name.as_str()) else { continue };
        let path = place.join(&below);
        match (was.entries.get(name), is.entries.get(name)) {
            (Some(Entry::Directory(old)), Some(Entry::Directory(new))) => {
                compare(store, &path, *old, *new, found)?;
            }
            (old, new) => found.extend(change(old, new).map(|change| (path, change))),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use xbuild_action::{ContentExt as _, Directory, File, Memory};

    use super::*;

    fn ingredients(argv: &[&str]) -> Ingredients {
        Ingredients {
            argv: argv.iter().map(|&word| word.to_owned()).collect(),
            environment: BTreeMap::new(),
            layers: Vec::new(),
            mounts: BTreeMap::new(),
            files: BTreeMap::new(),
            programs: BTreeSet::new(),
            directories: BTreeSet::new(),
            working_directory: None,
        }
    }

    fn told(store: &Memory, old: &Ingredients, new: &Ingredients) -> Vec<String> {
        reasons(store, old, new).iter().map(ToString::to_string).collect()
    }

    fn path(text: &str) -> RelPath {
        RelPath::new(text).unwrap()
    }

    #[test]
    fn features_and_arguments_are_told_apart_and_hashes_are_none() {
        let store = Memory::default();
        let old = ingredients(&[
            "rustc",
            "--cfg",
            "feature=\"a\"",
            "-C",
            "opt-level=3",
            "-C",
            "metadata=0123456789abcdef",
            "-C",
            "strip=debuginfo",
            "--extern",
            "x=/build/deps/libx-0123456789abcdef.rmeta",
        ]);
        let new = ingredients(&[
            "rustc",
            "--cfg",
            "feature=\"b\"",
            "-C",
            "opt-level=0",
            "-C",
            "metadata=ffffffffffffffff",
            "--extern",
            "x=/build/deps/libx-ffffffffffffffff.rmeta",
        ]);
        let expected = [
            "feature `b` is on",
            "argument `-C opt-level=3` → `-C opt-level=0`",
            "feature `a` is off",
            "argument `-C strip=debuginfo` has gone",
        ];
        assert_eq!(told(&store, &old, &new), expected);
        assert!(told(&store, &new, &new).is_empty());
    }

    #[test]
    fn of_two_trees_the_files_are_told_and_of_a_lost_one_its_place() {
        let store = Memory::default();
        let file =
            |text: &str| Entry::File(File { digest: store.put(text.as_bytes()).unwrap(), executable: false });
        let tree = |entries: &[(&str, Entry)]| {
            let entries = entries.iter().map(|(name, entry)| ((*name).to_owned(), entry.clone())).collect();
            store.put_directory(&Directory { entries }).unwrap()
        };
        let same = Entry::Directory(tree(&[("s", file("same"))]));
        let old = tree(&[("a", file("1")), ("b", file("1")), ("d", same.clone())]);
        let new = tree(&[("a", file("2")), ("c", file("1")), ("d", same)]);
        let with = |tree| Ingredients { mounts: [(path("build/ws"), tree)].into(), ..ingredients(&[]) };
        let expected = ["/build/ws/a has changed", "/build/ws/b has gone", "/build/ws/c is new"];
        assert_eq!(told(&store, &with(old), &with(new)), expected);
        let lost = Directory { entries: [("x".to_owned(), file("lost"))].into() }.digest();
        assert_eq!(told(&store, &with(lost), &with(new)), ["/build/ws has changed"]);
    }

    #[test]
    fn an_artefact_of_another_hash_is_the_same_one_changed() {
        let store = Memory::default();
        let digest = |text: &str| store.put(text.as_bytes()).unwrap();
        let with = |files: &[(&str, &str)]| {
            let files = files.iter().map(|(place, text)| (path(place), digest(text))).collect();
            Ingredients { files, ..ingredients(&[]) }
        };
        let old = with(&[
            ("build/deps/libx-0123456789abcdef.rlib", "1"),
            ("build/deps/liby-0123456789abcdef.rlib", "1"),
        ]);
        let new = with(&[
            ("build/deps/libx-ffffffffffffffff.rlib", "2"),
            ("build/deps/liby-ffffffffffffffff.rlib", "1"),
        ]);
        assert_eq!(told(&store, &old, &new), ["/build/deps/libx-ffffffffffffffff.rlib has changed"]);
    }

    #[test]
    fn hashes_are_taken_out_of_names_and_nothing_else_is() {
        for (text, short) in [
            ("libx-0123456789abcdef.rmeta", "libx.rmeta"),
            ("/build/script/a-b-0123456789abcdef/out", "/build/script/a-b/out"),
            ("a-0123456789abcde.rs", "a-0123456789abcde.rs"),
            ("a-0123456789abcdef0", "a-0123456789abcdef0"),
            ("a-0123456789abcdeg", "a-0123456789abcdeg"),
            ("gemüse-0123456789abcdef-", "gemüse-"),
            ("--", "--"),
        ] {
            assert_eq!(without_hashes(text), short);
        }
    }
}
