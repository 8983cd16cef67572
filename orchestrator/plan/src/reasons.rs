//! Why an action is not the one that it was: what of it differs. Pure, over a store of content.

mod components;
#[cfg(test)]
mod tests;
mod trees;
mod versions;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use xbuild_action::{Content, Entry};
use xbuild_base::{Blob, Digest, RelPath, Tree};

use self::trees::between;
use crate::label::Label;
use crate::work::Bound;

pub use components::{Component, Components};
pub use versions::predecessor;

/// Where all lies that is no toolchain's.
const BUILD: &str = "build/";
/// Where single files lie that units have made. What else is a single file is a source.
const ARTEFACTS: [&str; 5] =
    ["build/deps/", "build/host-deps/", "build/script/", "build/bin/", "build/emulated/"];

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
    /// Those of these places that people edit: of their files it is seen which are looked at.
    #[serde(default)]
    pub observed: BTreeSet<RelPath>,
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
    /// The files and folders that it makes; none in older records.
    #[serde(default)]
    pub outputs: BTreeSet<RelPath>,
}

impl From<&Bound> for Ingredients {
    fn from(bound: &Bound) -> Self {
        let Bound { command, inputs, observe, early: _, is_fingerprinted: _ } = bound;
        Self {
            argv: command.argv.clone(),
            environment: command.environment.clone(),
            layers: inputs.layers.clone(),
            mounts: inputs.mounts.clone(),
            observed: observe.clone(),
            files: inputs.files.iter().map(|(path, file)| (path.clone(), file.digest)).collect(),
            programs: inputs
                .files
                .iter()
                .filter(|(_, file)| file.executable)
                .map(|(path, _)| path.clone())
                .collect(),
            directories: inputs.directories.clone(),
            working_directory: Some(command.working_directory.clone()),
            outputs: command.outputs.clone(),
        }
    }
}

impl Ingredients {
    /// The single file at a place.
    fn file(&self, path: &RelPath) -> Option<There> {
        let digest = *self.files.get(path)?;
        Some(if self.programs.contains(path) { There::Program(digest) } else { There::File(digest) })
    }

    /// Whether an action of other ingredients, which has looked at just these files of what people edit, has not seen what
    /// differs: the content of a file that both have.
    #[must_use]
    pub fn is_unseen(&self, reason: &Reason, seen: &BTreeSet<RelPath>) -> bool {
        let Reason::Source(difference) = reason else { return false };
        let Difference { path, old, new, .. } = difference;
        let has_content = matches!(
            (old, new),
            (Some(There::File(_)), Some(There::File(_))) | (Some(There::Program(_)), Some(There::Program(_)))
        );
        // Places may lie in each other.
        let above = self.mounts.keys().filter(|mount| path.strip_prefix(mount).is_some());
        let place = above.max_by_key(|mount| mount.as_str().len());
        has_content && place.is_some_and(|place| self.observed.contains(place)) && !seen.contains(path)
    }
}

/// A unit's action, as it was or as it is.
#[derive(Debug, Clone, Copy)]
pub struct Side<'s> {
    /// What the unit is called.
    pub label: &'s Label,
    /// What the action is made of.
    pub ingredients: &'s Ingredients,
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

/// What lies at a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum There {
    /// A file.
    File(Digest<Blob>),
    /// A file that can be executed.
    Program(Digest<Blob>),
    /// A folder.
    Folder(Digest<Tree>),
    /// A link to this path.
    Link(String),
}

impl From<&Entry> for There {
    fn from(entry: &Entry) -> Self {
        match entry {
            Entry::File(file) if file.executable => Self::Program(file.digest),
            Entry::File(file) => Self::File(file.digest),
            Entry::Directory(tree) => Self::Folder(*tree),
            Entry::Symlink(target) => Self::Link(target.clone()),
        }
    }
}

impl fmt::Display for There {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(digest) => write!(f, "file {digest}"),
            Self::Program(digest) => write!(f, "program {digest}"),
            Self::Folder(digest) => write!(f, "folder {digest}"),
            Self::Link(target) => write!(f, "link to {target}"),
        }
    }
}

/// What differs at a path of the sandbox. Its alternate form says what was there, and what is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Difference {
    /// Which; a folder where only the whole of it has come, has gone, or is known to differ.
    pub path: RelPath,
    /// How.
    pub change: Change,
    /// What was there.
    pub old: Option<There>,
    /// What is there.
    pub new: Option<There>,
}

impl Difference {
    fn new(path: RelPath, old: Option<There>, new: Option<There>) -> Self {
        let change = match (&old, &new) {
            (None, _) => Change::Added,
            (_, None) => Change::Removed,
            _ => Change::Changed,
        };
        Self { path, change, old, new }
    }

    /// Nothing where the two are the same.
    fn of(path: RelPath, old: Option<There>, new: Option<There>) -> Option<Self> {
        (old != new).then(|| Self::new(path, old, new))
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, change, old, new } = self;
        write!(f, "/{path} {change}")?;
        match (old, new) {
            (Some(old), Some(new)) if f.alternate() => write!(f, ": {old} → {new}"),
            (Some(one), None) | (None, Some(one)) if f.alternate() => write!(f, ": {one}"),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Added => "is new",
            Self::Removed => "has gone",
            Self::Changed => "has changed",
        })
    }
}

/// One difference between two actions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum Reason {
    /// The package is of another version.
    Version {
        /// As it was.
        old: String,
        /// As it is.
        new: String,
    },
    /// The package comes from somewhere else.
    Package {
        /// Cargo's id of it before.
        old: String,
        /// Cargo's id of it now.
        new: String,
    },
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
    /// What is pinned for the toolchain, for what crates need beside it, or of a repository.
    Pin {
        /// A package's name, or a repository's address.
        name: String,
        /// The version before, or the commit.
        old: Option<String>,
        /// The one now.
        new: Option<String>,
    },
    /// A component of the toolchain, or what crates need beside it; what is pinned for it is the same.
    Component {
        /// What it is called.
        name: String,
        /// How.
        change: Change,
    },
    /// A file or folder that it makes.
    Output {
        /// Which, by its path in the sandbox.
        path: RelPath,
        /// How.
        change: Change,
    },
    /// A file of the toolchain or of tools; the root where only the whole is known to differ.
    Toolchain(Difference),
    /// A file of the sources, or of what else lies beside them: what a build script or a step has made.
    Source(Difference),
    /// A file that another unit made.
    Artefact(Difference),
}

impl Reason {
    /// The path in the sandbox, where what differs has one.
    #[must_use]
    pub const fn path(&self) -> Option<&RelPath> {
        match self {
            Self::Version { .. }
            | Self::Package { .. }
            | Self::Feature { .. }
            | Self::Argument { .. }
            | Self::Variable { .. }
            | Self::Pin { .. }
            | Self::Component { .. } => None,
            Self::Output { path, .. } => Some(path),
            Self::Toolchain(difference) | Self::Source(difference) | Self::Artefact(difference) => {
                Some(&difference.path)
            }
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let from_to = |old: &Option<String>, new: &Option<String>| match (old, new) {
            (Some(old), Some(new)) => format!("`{old}` → `{new}`"),
            (Some(old), None) => format!("`{old}` has gone"),
            (None, Some(new)) => format!("`{new}` is new"),
            (None, None) => "is the same".to_owned(),
        };
        match self {
            Self::Version { old, new } => write!(f, "version {old} → {new}"),
            Self::Package { old, new } => write!(f, "package `{old}` → `{new}`"),
            Self::Pin { name, old, new } => match (old, new) {
                (Some(old), Some(new)) => write!(f, "{name} {old} → {new}"),
                (Some(old), None) => write!(f, "{name} {old} has gone"),
                (None, new) => write!(f, "{name} {} is new", new.as_deref().unwrap_or_default()),
            },
            Self::Component { name, change } => write!(f, "{name} {change}"),
            Self::Feature { name, on } => write!(f, "feature `{name}` is {}", if *on { "on" } else { "off" }),
            Self::Argument { old, new } => write!(f, "argument {}", from_to(old, new)),
            Self::Variable { name, old, new } => write!(f, "variable {name}: {}", from_to(old, new)),
            Self::Output { path, change } => write!(f, "output /{path} {change}"),
            Self::Toolchain(Difference { path, change, .. }) if path.is_root() => {
                write!(f, "the toolchain {change}")
            }
            Self::Toolchain(difference) => {
                f.write_str("the toolchain's ")?;
                difference.fmt(f)
            }
            Self::Source(difference) | Self::Artefact(difference) => difference.fmt(f),
        }
    }
}

/// What differs between an action and an earlier one of the same unit; nothing where only the sandbox does.
///
/// Cargo names a unit's files by a hash of what it is made of. What differs by that hash alone is no reason but what
/// follows from one, and left out; an artefact of another hash has changed. So is what another version of a package says
/// of itself, and the files of a moved pin.
#[must_use]
pub fn reasons(store: &dyn Content, components: &Components, old: Side<'_>, new: Side<'_>) -> Vec<Reason> {
    let renames = versions::renames(components, old, new);
    let renamed = versions::renamed(old.ingredients, &renames);
    let mut found = differences(store, components, &renamed, new.ingredients);
    if old.label.version != new.label.version {
        found.retain(|reason| !versions::is_of_version(reason, new.label));
    }
    versions::of_package(old.label, new.label).into_iter().chain(found).collect()
}

/// What differs between what two actions are made of.
fn differences(
    store: &dyn Content,
    components: &Components,
    old: &Ingredients,
    new: &Ingredients,
) -> Vec<Reason> {
    let mut found = arguments(&old.argv, &new.argv);
    for name in old.environment.keys().chain(new.environment.keys()).collect::<BTreeSet<_>>() {
        let (was, is) = (old.environment.get(name), new.environment.get(name));
        if was.map(|text| without_hashes(text)) != is.map(|text| without_hashes(text)) {
            let (old, new) = (was.cloned(), is.cloned());
            found.push(Reason::Variable { name: name.clone(), old, new });
        }
    }
    // In older records there are none.
    for path in old.outputs.symmetric_difference(&new.outputs).filter(|_| !old.outputs.is_empty()) {
        let change = if new.outputs.contains(path) { Change::Added } else { Change::Removed };
        found.push(Reason::Output { path: path.clone(), change });
    }
    let only = |of: &Ingredients, other: &Ingredients| -> Vec<Digest<Tree>> {
        of.layers.iter().copied().filter(|layer| !other.layers.contains(layer)).collect()
    };
    found.extend(components::differences(store, components, only(old, new), only(new, old)));
    let (was, is) = (named(&old.mounts), named(&new.mounts));
    for name in was.keys().chain(is.keys()).collect::<BTreeSet<_>>() {
        let tree = |side: Option<&(&RelPath, &Digest<Tree>)>| {
            side.map(|(_, tree)| **tree).into_iter().collect::<Vec<_>>()
        };
        let (before, now) = (was.get(name), is.get(name));
        let Some((place, _)) = now.or(before) else { continue };
        let component = |side: Option<&(&RelPath, &Digest<Tree>)>| components.get(side?.1);
        if let (Some(old), Some(new)) = (component(before), component(now)) {
            let moved = new.moved_from(old);
            if !moved.is_empty() {
                found.extend(moved);
                continue;
            }
        }
        found.extend(between(store, place, &tree(before), &tree(now)).into_iter().map(Reason::Source));
    }
    let (was, is) = (named(&old.files), named(&new.files));
    for name in was.keys().chain(is.keys()).collect::<BTreeSet<_>>() {
        let (before, now) = (was.get(name), is.get(name));
        let Some((path, _)) = now.or(before) else { continue };
        if before.map(|(_, file)| file) != now.map(|(_, file)| file) {
            let old = before.and_then(|(path, _)| old.file(path));
            let new = now.and_then(|(path, _)| new.file(path));
            let difference = Difference::new((*path).clone(), old, new);
            found.push(match ARTEFACTS.iter().any(|folder| path.as_str().starts_with(folder)) {
                true => Reason::Artefact(difference),
                false => Reason::Source(difference),
            });
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

/// Arguments that only one of two command lines has. Where one stands in the place of another of the same kind
/// (`-C opt-level=…`), it is one change. Where all are the same in another order, it is the whole of them.
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
    if found.is_empty() && old != new {
        found.push(Reason::Argument { old: Some(old.join(" ")), new: Some(new.join(" ")) });
    }
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
