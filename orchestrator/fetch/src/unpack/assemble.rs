//! A tree under construction from the entries of an archive, in whatever order they come.

use std::collections::BTreeMap;

use xbuild_action::{Content, Directory, Entry, File};
use xbuild_base::{Digest, RelPath, Tree};

use super::{ArchiveError, UnpackError};

/// As in Linux: a chain of more links than this is a loop.
const LONGEST_CHAIN: usize = 40;

#[derive(Debug)]
enum Node {
    Directory(Level),
    File(File),
    Link(String),
}

type Level = BTreeMap<String, Node>;

/// A tree under construction. Links are checked at the end, when all of them are known.
#[derive(Debug, Default)]
pub(crate) struct Assembler {
    root: Level,
}

impl Assembler {
    /// A directory is at `path`; it may be named many times.
    pub(crate) fn directory(&mut self, path: &RelPath) -> Result<(), ArchiveError> {
        self.level(path, path).map(drop)
    }

    /// A file is at `path`; a later one takes its place, as in tar.
    pub(crate) fn file(&mut self, path: &RelPath, file: File) -> Result<(), ArchiveError> {
        self.put(path, Node::File(file))
    }

    /// A symbolic link is at `path`.
    pub(crate) fn link(&mut self, path: &RelPath, target: String) -> Result<(), ArchiveError> {
        self.put(path, Node::Link(target))
    }

    /// What is at `target` is at `path` too.
    pub(crate) fn hard_link(&mut self, path: &RelPath, target: &RelPath) -> Result<(), ArchiveError> {
        let node = match self.get(target) {
            Some(Node::File(file)) => Node::File(*file),
            Some(Node::Link(target)) => Node::Link(target.clone()),
            _ => {
                return Err(ArchiveError::HardLink { path: path.to_string(), target: target.to_string() });
            }
        };
        self.put(path, node)
    }

    /// Whether nothing was put in.
    pub(crate) fn is_empty(&self) -> bool {
        self.root.is_empty()
    }

    /// Checks all links and writes the tree.
    pub(crate) fn build(self, content: &dyn Content) -> Result<Digest<Tree>, UnpackError> {
        self.check_links(&self.root, &RelPath::root())?;
        write(content, self.root)
    }

    fn put(&mut self, path: &RelPath, node: Node) -> Result<(), ArchiveError> {
        let duplicate = || ArchiveError::Duplicate { path: path.to_string() };
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Err(duplicate()) };
        let level = self.level(&parent, path)?;
        match (level.get_mut(name), node) {
            (None, node) => {
                level.insert(name.to_owned(), node);
                Ok(())
            }
            (Some(Node::File(there)), Node::File(file)) => {
                *there = file;
                Ok(())
            }
            (Some(Node::Link(there)), Node::Link(target)) if *there == target => Ok(()),
            _ => Err(duplicate()),
        }
    }

    /// The directory at `path`, made where it is missing, on the way to `wanted`.
    fn level(&mut self, path: &RelPath, wanted: &RelPath) -> Result<&mut Level, ArchiveError> {
        let mut level = &mut self.root;
        let mut through = Vec::new();
        for part in path.components() {
            through.push(part);
            match level.entry(part.to_owned()).or_insert_with(|| Node::Directory(Level::new())) {
                Node::Directory(below) => level = below,
                Node::File(_) | Node::Link(_)
                    if path == wanted && through.len() == path.components().count() =>
                {
                    return Err(ArchiveError::Duplicate { path: wanted.to_string() });
                }
                Node::File(_) | Node::Link(_) => {
                    return Err(ArchiveError::Through {
                        path: wanted.to_string(),
                        through: through.join("/"),
                    });
                }
            }
        }
        Ok(level)
    }

    fn get(&self, path: &RelPath) -> Option<&Node> {
        let parent = path.parent()?;
        let mut level = &self.root;
        for part in parent.components() {
            match level.get(part)? {
                Node::Directory(below) => level = below,
                Node::File(_) | Node::Link(_) => return None,
            }
        }
        level.get(path.file_name()?)
    }

    fn check_links(&self, level: &Level, path: &RelPath) -> Result<(), ArchiveError> {
        for (name, node) in level {
            let Ok(name) = RelPath::new(name.as_str()) else { continue };
            match node {
                Node::Directory(below) => self.check_links(below, &path.join(&name))?,
                Node::Link(target) if !self.stays_inside(path, target) => {
                    return Err(ArchiveError::LinkOutside {
                        path: path.join(&name).to_string(),
                        target: target.clone(),
                    });
                }
                Node::Link(_) | Node::File(_) => {}
            }
        }
        Ok(())
    }

    /// Follows a link's target as the kernel would, other links on the way included: words alone don't do,
    /// since `a/..` isn't here where `a` is a link. What doesn't exist is taken for a directory.
    fn stays_inside(&self, from: &RelPath, target: &str) -> bool {
        if target.starts_with('/') || target.contains('\0') || target.is_empty() {
            return false;
        }
        let mut at: Vec<String> = from.components().map(ToOwned::to_owned).collect();
        let mut todo: Vec<String> = target.split('/').rev().map(ToOwned::to_owned).collect();
        let mut followed = 0;
        while let Some(part) = todo.pop() {
            match part.as_str() {
                "" | "." => {}
                ".." => {
                    if at.pop().is_none() {
                        return false;
                    }
                }
                _ => {
                    at.push(part);
                    let here = RelPath::new(at.join("/")).ok();
                    if let Some(Node::Link(next)) = here.and_then(|here| self.get(&here)) {
                        followed += 1;
                        // A loop leads nowhere, so not outside either.
                        if followed > LONGEST_CHAIN {
                            return true;
                        }
                        if next.starts_with('/') {
                            return false;
                        }
                        at.pop();
                        todo.extend(next.split('/').rev().map(ToOwned::to_owned));
                    }
                }
            }
        }
        true
    }
}

fn write(content: &dyn Content, level: Level) -> Result<Digest<Tree>, UnpackError> {
    let mut directory = Directory::default();
    for (name, node) in level {
        let entry = match node {
            Node::Directory(below) => Entry::Directory(write(content, below)?),
            Node::File(file) => Entry::File(file),
            Node::Link(target) => Entry::Symlink(target),
        };
        directory.entries.insert(name, entry);
    }
    Ok(content.put_directory(&directory)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use xbuild_action::Memory;

    fn links(links: &[(&str, &str)]) -> Result<Digest<Tree>, UnpackError> {
        let mut tree = Assembler::default();
        for (path, target) in links {
            tree.link(&RelPath::new(*path).unwrap(), (*target).to_owned())?;
        }
        tree.build(&Memory::default())
    }

    #[test]
    fn links_that_stay_inside_are_kept() {
        links(&[("a/b/c", "../../d"), ("d", "a/missing/../x"), ("loop", "loop"), ("e", ".")]).unwrap();
    }

    #[test]
    fn links_that_leave_by_way_of_another_link_are_refused() {
        for bad in [
            &[("a", "..")][..],
            &[("a", "/etc/passwd")],
            &[("a/b", "../../etc")],
            // In words `deep/up/../..` is the root; through the link it is outside.
            &[("deep/up", ".."), ("z", "deep/up/../..")],
            &[("l", "x/y"), ("x/y", ".."), ("m", "l/..")],
        ] {
            let error = links(bad).unwrap_err();
            assert!(
                matches!(error, UnpackError::Archive(ArchiveError::LinkOutside { .. })),
                "{bad:?}: {error:?}"
            );
        }
    }
}
