//! Merkle trees of many levels, composed by digest: no file is read, and a subtree that nothing is put into is
//! never looked at.

use std::collections::BTreeMap;

use xbuild_base::{Digest, RelPath, Tree};

use crate::content::{Content, StoreError};
use crate::directory::{Directory, Entry};

/// Why trees could not be composed.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// Two different things at one path.
    #[error("two different things want the path `{0}`")]
    Conflict(RelPath),
    /// A path that was asked for isn't in the tree.
    #[error("there is no `{0}` in the tree")]
    Missing(RelPath),
    /// The store could not give or take a directory.
    #[error(transparent)]
    Store(#[from] StoreError),
}

type Level = BTreeMap<String, Node>;

#[derive(Debug, Clone)]
enum Node {
    /// A level that is being changed.
    Open(Level),
    /// A subtree, file or link as it stands in the store.
    Closed(Entry),
}

/// A tree under construction.
///
/// Inserting a tree where a directory is merges the two; the same file twice is no conflict.
#[derive(Debug, Clone)]
pub struct TreeBuilder {
    root: Node,
}

impl Default for TreeBuilder {
    fn default() -> Self {
        Self { root: Node::Open(Level::new()) }
    }
}

impl TreeBuilder {
    /// Starts from a tree.
    #[must_use]
    pub const fn from_tree(tree: Digest<Tree>) -> Self {
        Self { root: Node::Closed(Entry::Directory(tree)) }
    }

    /// Puts `entry` at `path`, making its parents; directories merge.
    ///
    /// # Errors
    /// [`TreeError::Conflict`] when something different is there.
    pub fn insert(&mut self, store: &dyn Content, path: &RelPath, entry: Entry) -> Result<(), TreeError> {
        let new = Node::Closed(entry);
        match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) => {
                let level = self.level(store, &parent)?;
                match level.get_mut(name) {
                    Some(there) => merge(store, there, new, path),
                    None => {
                        level.insert(name.to_owned(), new);
                        Ok(())
                    }
                }
            }
            _ => merge(store, &mut self.root, new, path),
        }
    }

    /// Puts `entry` at `path`, whatever was there before.
    ///
    /// # Errors
    /// When a parent of `path` is not a directory.
    pub fn replace(&mut self, store: &dyn Content, path: &RelPath, entry: Entry) -> Result<(), TreeError> {
        match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) => {
                self.level(store, &parent)?.insert(name.to_owned(), Node::Closed(entry));
            }
            _ => self.root = Node::Closed(entry),
        }
        Ok(())
    }

    /// Takes away what is at `path`, if anything is.
    ///
    /// # Errors
    /// When a parent of `path` is not a directory.
    pub fn remove(&mut self, store: &dyn Content, path: &RelPath) -> Result<(), TreeError> {
        match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) => {
                self.level(store, &parent)?.remove(name);
            }
            _ => self.root = Node::Open(Level::new()),
        }
        Ok(())
    }

    /// Makes sure that a directory is at `path`.
    ///
    /// # Errors
    /// [`TreeError::Conflict`] when a file or link is there.
    pub fn make_directory(&mut self, store: &dyn Content, path: &RelPath) -> Result<(), TreeError> {
        self.level(store, path).map(drop)
    }

    /// What is at `path`, with levels that are still open written first.
    ///
    /// # Errors
    /// When a parent of `path` is not a directory.
    pub fn get(&mut self, store: &dyn Content, path: &RelPath) -> Result<Option<Entry>, TreeError> {
        let node = match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) => self.level(store, &parent)?.get(name).cloned(),
            _ => Some(self.root.clone()),
        };
        node.map(|node| close(store, node)).transpose()
    }

    /// Writes every level to the store.
    ///
    /// # Errors
    /// When the store can't take a level.
    pub fn build(self, store: &dyn Content) -> Result<Digest<Tree>, TreeError> {
        match close(store, self.root)? {
            Entry::Directory(digest) => Ok(digest),
            Entry::File(_) | Entry::Symlink(_) => Err(TreeError::Conflict(RelPath::root())),
        }
    }

    /// The directory at `path`, open for changes, made where it is missing.
    fn level(&mut self, store: &dyn Content, path: &RelPath) -> Result<&mut Level, TreeError> {
        let mut level = open(store, &mut self.root, path)?;
        for part in path.components() {
            let node = level.entry(part.to_owned()).or_insert_with(|| Node::Open(Level::new()));
            level = open(store, node, path)?;
        }
        Ok(level)
    }
}

/// Opens a directory node for changes.
fn open<'n>(store: &dyn Content, node: &'n mut Node, path: &RelPath) -> Result<&'n mut Level, TreeError> {
    if let Node::Closed(Entry::Directory(digest)) = node {
        let directory = store.directory(*digest)?;
        let level = directory.entries.iter().map(|(name, entry)| (name.clone(), Node::Closed(entry.clone())));
        *node = Node::Open(level.collect());
    }
    match node {
        Node::Open(level) => Ok(level),
        Node::Closed(_) => Err(TreeError::Conflict(path.clone())),
    }
}

fn merge(store: &dyn Content, there: &mut Node, new: Node, path: &RelPath) -> Result<(), TreeError> {
    match (&*there, &new) {
        (Node::Closed(a), Node::Closed(b)) if a == b => Ok(()),
        (
            Node::Open(_) | Node::Closed(Entry::Directory(_)),
            Node::Open(_) | Node::Closed(Entry::Directory(_)),
        ) => {
            let mut new = new;
            let level = open(store, there, path)?;
            for (name, node) in std::mem::take(open(store, &mut new, path)?) {
                match level.get_mut(&name) {
                    Some(there) => {
                        let below = RelPath::new(name).map_err(|_| TreeError::Conflict(path.clone()))?;
                        merge(store, there, node, &path.join(&below))?;
                    }
                    None => {
                        level.insert(name, node);
                    }
                }
            }
            Ok(())
        }
        _ => Err(TreeError::Conflict(path.clone())),
    }
}

fn close(store: &dyn Content, node: Node) -> Result<Entry, TreeError> {
    let level = match node {
        Node::Closed(entry) => return Ok(entry),
        Node::Open(level) => level,
    };
    let mut directory = Directory::default();
    for (name, node) in level {
        directory.entries.insert(name, close(store, node)?);
    }
    Ok(Entry::Directory(store.put_directory(&directory)?))
}

/// Calls `visit` for every file, link and directory of a tree (the root left out), parents first, in order.
///
/// # Errors
/// When a level is missing from the store, or `visit` fails.
pub fn walk<E: From<TreeError>>(
    store: &dyn Content,
    tree: Digest<Tree>,
    visit: &mut dyn FnMut(&RelPath, &Entry) -> Result<(), E>,
) -> Result<(), E> {
    walk_below(store, tree, &RelPath::root(), visit)
}

fn walk_below<E: From<TreeError>>(
    store: &dyn Content,
    tree: Digest<Tree>,
    path: &RelPath,
    visit: &mut dyn FnMut(&RelPath, &Entry) -> Result<(), E>,
) -> Result<(), E> {
    let directory = store.directory(tree).map_err(TreeError::from)?;
    for (name, entry) in &directory.entries {
        let below = RelPath::new(name.as_str()).map_err(|_| TreeError::Conflict(path.clone()))?;
        let path = path.join(&below);
        visit(&path, entry)?;
        if let Entry::Directory(tree) = entry {
            walk_below(store, *tree, &path, visit)?;
        }
    }
    Ok(())
}

/// What is at a path of a tree; nothing where what is above it is no directory.
///
/// # Errors
/// When a level is missing from the store.
pub fn lookup(store: &dyn Content, tree: Digest<Tree>, path: &RelPath) -> Result<Option<Entry>, StoreError> {
    let mut here = Entry::Directory(tree);
    for part in path.components() {
        let Entry::Directory(tree) = here else { return Ok(None) };
        match store.directory(tree)?.entries.get(part) {
            Some(entry) => here = entry.clone(),
            None => return Ok(None),
        }
    }
    Ok(Some(here))
}

/// So many links on the way to one path are followed, as Linux does.
const LINKS: usize = 40;

/// Where a path leads in a tree when the links on its way are followed, its last part among them. What isn't there is taken
/// as it is; `None` where a link leads out of the tree or in a circle.
///
/// # Errors
/// When a level is missing from the store.
pub fn follow(store: &dyn Content, tree: Digest<Tree>, path: &RelPath) -> Result<Option<RelPath>, TreeError> {
    let mut open: Vec<String> = path.components().rev().map(str::to_owned).collect();
    let (mut real, mut links) = (RelPath::root(), 0);
    while let Some(part) = open.pop() {
        let Ok(next) = real.resolve(&part) else { return Ok(None) };
        // Below what is no folder there is nothing to follow.
        let Some(Entry::Symlink(target)) = lookup(store, tree, &next)? else {
            real = next;
            continue;
        };
        links += 1;
        if links > LINKS || target.starts_with('/') {
            return Ok(None);
        }
        open.extend(target.split('/').filter(|part| !part.is_empty()).rev().map(str::to_owned));
    }
    Ok(Some(real))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::{ContentExt as _, Memory};
    use crate::directory::File;

    fn path(text: &str) -> RelPath {
        RelPath::new(text).unwrap()
    }

    fn file(store: &Memory, text: &str) -> Entry {
        Entry::File(File { digest: store.put(text.as_bytes()).unwrap(), executable: false })
    }

    fn tree(store: &Memory, files: &[(&str, &str)]) -> Digest<Tree> {
        let mut builder = TreeBuilder::default();
        for (at, text) in files {
            builder.insert(store, &path(at), file(store, text)).unwrap();
        }
        builder.build(store).unwrap()
    }

    #[test]
    fn merging_trees_is_the_tree_of_all_files() {
        let store = Memory::default();
        let (a, b) =
            (tree(&store, &[("usr/bin/a", "1")]), tree(&store, &[("usr/bin/b", "2"), ("etc/c", "3")]));
        let mut merged = TreeBuilder::from_tree(a);
        merged.insert(&store, &RelPath::root(), Entry::Directory(b)).unwrap();
        let all = tree(&store, &[("usr/bin/a", "1"), ("usr/bin/b", "2"), ("etc/c", "3")]);
        assert_eq!(merged.build(&store).unwrap(), all);
    }

    #[test]
    fn two_files_at_one_path_are_a_conflict_and_the_same_file_twice_is_none() {
        let store = Memory::default();
        let mut builder = TreeBuilder::from_tree(tree(&store, &[("a/b", "1")]));
        builder.insert(&store, &path("a/b"), file(&store, "1")).unwrap();
        let error = builder.insert(&store, &path("a/b"), file(&store, "2")).unwrap_err();
        assert!(matches!(error, TreeError::Conflict(at) if at == path("a/b")));
        let error = builder.insert(&store, &path("a/b/c"), file(&store, "2")).unwrap_err();
        assert!(matches!(error, TreeError::Conflict(_)));
    }

    #[test]
    fn removing_and_replacing_reach_below_closed_trees() {
        let store = Memory::default();
        let mut builder = TreeBuilder::from_tree(tree(&store, &[("a/b", "1"), ("a/c", "1")]));
        builder.remove(&store, &path("a/b")).unwrap();
        builder.replace(&store, &path("a/c"), file(&store, "2")).unwrap();
        assert_eq!(builder.build(&store).unwrap(), tree(&store, &[("a/c", "2")]));
    }

    #[test]
    fn walking_visits_parents_first_and_in_order() {
        let store = Memory::default();
        let root = tree(&store, &[("b", "1"), ("a/x", "2")]);
        let mut seen = Vec::new();
        walk::<TreeError>(&store, root, &mut |path, _| {
            seen.push(path.as_str().to_owned());
            Ok(())
        })
        .unwrap();
        assert_eq!(seen, ["a", "a/x", "b"]);
    }

    #[test]
    fn links_are_followed_wherever_they_are_on_the_way() {
        let store = Memory::default();
        let mut builder = TreeBuilder::default();
        let link = |target: &str| Entry::Symlink(target.to_owned());
        for (name, entry) in [
            ("a/real/file", file(&store, "x")),
            ("a/link", link("real")),
            ("a/up", link("../a/./link")),
            ("last", link("a/link/file")),
            ("circle", link("circle")),
            ("out", link("../x")),
            ("absolute", link("/a")),
        ] {
            builder.insert(&store, &path(name), entry).unwrap();
        }
        let tree = builder.build(&store).unwrap();
        let leads = |name: &str| follow(&store, tree, &path(name)).unwrap();
        assert_eq!(leads("a/link/file"), Some(path("a/real/file")));
        assert_eq!(leads("a/up/file"), Some(path("a/real/file")));
        assert_eq!(leads("last"), Some(path("a/real/file")));
        assert_eq!(leads("a/nothing/b"), Some(path("a/nothing/b")));
        assert_eq!(leads("last/below"), Some(path("a/real/file/below")));
        for lost in ["circle", "out", "absolute/x"] {
            assert_eq!(leads(lost), None, "{lost}");
        }
    }
}
