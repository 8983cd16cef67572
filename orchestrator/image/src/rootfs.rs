//! What stands at each path of an image.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use xbuild_action::{Content, ContentExt as _};
use xbuild_base::{Blob, Digest, RelPath};

use crate::error::ImageError;

/// Who owns something: numbers, as an image has no other machine's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Owner {
    /// The user.
    pub uid: u64,
    /// The group.
    pub gid: u64,
}

/// The layer that something belongs in. What changes least comes first, so that images share their lower layers
/// and an edit sends the last one only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// What an image that this one is based on has: it comes with layers of its own.
    Pulled,
    /// Users, certificates, time zones.
    Base,
    /// The loader and shared libraries.
    Libraries,
    /// Files that the description adds.
    Assets,
    /// The project's own programs.
    Application,
}

/// The roles whose layers are made here, in their order.
pub(crate) const ROLES: [Role; 4] = [Role::Base, Role::Libraries, Role::Assets, Role::Application];

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Pulled => "pulled base",
            Self::Base => "base",
            Self::Libraries => "libraries",
            Self::Assets => "assets",
            Self::Application => "application",
        })
    }
}

/// What kind of thing stands at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A regular file.
    File(Digest<Blob>),
    /// A folder.
    Directory,
    /// A symbolic link and its target.
    Symlink(String),
}

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Permissions, as of `chmod`.
    pub mode: u32,
    /// Who owns it.
    pub owner: Owner,
    /// Its layer.
    pub role: Role,
    /// Why it is there, in words that follow "because".
    pub why: String,
}

impl Node {
    /// A file of root's.
    #[must_use]
    pub fn file(digest: Digest<Blob>, mode: u32, role: Role, why: impl Into<String>) -> Self {
        Self { kind: Kind::File(digest), mode, owner: Owner::default(), role, why: why.into() }
    }

    /// A folder of root's, with mode 0755.
    #[must_use]
    pub fn directory(role: Role, why: impl Into<String>) -> Self {
        Self { kind: Kind::Directory, mode: 0o755, owner: Owner::default(), role, why: why.into() }
    }

    /// A symbolic link.
    #[must_use]
    pub fn symlink(target: impl Into<String>, role: Role, why: impl Into<String>) -> Self {
        let kind = Kind::Symlink(target.into());
        Self { kind, mode: 0o777, owner: Owner::default(), role, why: why.into() }
    }

    /// A file's content.
    #[must_use]
    pub fn blob(&self) -> Option<Digest<Blob>> {
        match &self.kind {
            Kind::File(digest) => Some(*digest),
            Kind::Directory | Kind::Symlink(_) => None,
        }
    }

    /// The bytes that it holds.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.blob().map_or(0, |digest| digest.size())
    }
}

/// An image's files: what is named, without the folders above it, which come of themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RootFs {
    nodes: BTreeMap<RelPath, Node>,
}

/// How many links are followed on one way.
const LINKS: usize = 40;

/// What is done about a link that a path ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ends {
    Followed,
    Kept,
}

impl RootFs {
    /// Puts something at a path (from the image's root). A folder may be put twice: the first one stays, but for a
    /// base's, of which a described one takes the place. What a pulled base has gives way, as a file does in a higher
    /// layer, and its links to folders are followed.
    ///
    /// # Errors
    /// [`ImageError::Conflict`] when something else is there, or a file is in the way to it.
    pub fn add(&mut self, path: RelPath, node: Node) -> Result<(), ImageError> {
        let path = self.real(&path, Ends::Kept, |link| link.role == Role::Pulled).unwrap_or(path);
        if path.is_root() {
            return Err(ImageError::Root(node.why));
        }
        let conflict = |there: &Node| {
            let (first, second) = (there.why.clone(), node.why.clone());
            Err(ImageError::Conflict { path: path.clone(), first, second })
        };
        for above in std::iter::successors(path.parent(), RelPath::parent) {
            if let Some(there) = self.nodes.get(&above)
                && there.kind != Kind::Directory
            {
                return conflict(there);
            }
        }
        let is_folder = node.kind == Kind::Directory;
        match self.nodes.get(&path) {
            // What is described counts more than what a base has.
            Some(there)
                if there.kind == Kind::Directory
                    && is_folder
                    && node.role == Role::Assets
                    && matches!(there.role, Role::Base | Role::Pulled) => {}
            Some(there) if there.kind == Kind::Directory && is_folder => return Ok(()),
            Some(there) if there.role == Role::Pulled && there.kind != Kind::Directory && !is_folder => {}
            Some(there) => return conflict(there),
            None if !is_folder => {
                if let Some((_, below)) = self.below(&path).next() {
                    return conflict(below);
                }
            }
            None => {}
        }
        self.nodes.insert(path, node);
        Ok(())
    }

    /// Whether something stands at a path, or below it.
    #[must_use]
    pub fn has(&self, path: &RelPath) -> bool {
        self.nodes.contains_key(path) || self.below(path).next().is_some()
    }

    /// Puts something of a pulled base's next layer at a path, instead of whatever is there. Links on the way to it are
    /// followed, as by what unpacks a layer.
    pub(crate) fn put(&mut self, path: RelPath, node: Node) {
        let path = self.real(&path, Ends::Kept, |_| true).unwrap_or(path);
        if node.kind != Kind::Directory {
            self.clear(&path);
        }
        self.nodes.insert(path, node);
    }

    /// Takes a path away, and all that is below it.
    pub(crate) fn remove(&mut self, path: &RelPath) {
        self.nodes.remove(path);
        self.clear(path);
    }

    /// Takes away all that is below a path.
    pub(crate) fn clear(&mut self, path: &RelPath) {
        self.clear_but(path, |_| false);
    }

    /// Takes away all that is below a path, but for what is to be kept.
    pub(crate) fn clear_but(&mut self, path: &RelPath, is_kept: impl Fn(&RelPath) -> bool) {
        let below = self.below(path).map(|(path, _)| path).filter(|path| !is_kept(path)).cloned();
        for path in below.collect::<Vec<RelPath>>() {
            self.nodes.remove(&path);
        }
    }

    /// The path without the links on the way to it that are to be followed; `None` in a circle.
    fn real(&self, path: &RelPath, ends: Ends, follows: impl Fn(&Node) -> bool) -> Option<RelPath> {
        let mut links = 0;
        let mut real = RelPath::root();
        let mut rest: Vec<String> = path.components().rev().map(str::to_owned).collect();
        while let Some(part) = rest.pop() {
            let at = real.join(&RelPath::new(part).ok()?);
            match self.nodes.get(&at) {
                Some(node @ Node { kind: Kind::Symlink(target), .. })
                    if follows(node) && (!rest.is_empty() || ends == Ends::Followed) =>
                {
                    links += 1;
                    if links > LINKS {
                        return None;
                    }
                    let to = match target.strip_prefix('/') {
                        Some(target) => RelPath::root().resolve(target).ok()?,
                        None => real.resolve(target).ok()?,
                    };
                    rest.extend(to.components().rev().map(str::to_owned));
                    real = RelPath::root();
                }
                _ => real = at,
            }
        }
        Some(real)
    }

    /// What stands at a path.
    #[must_use]
    pub fn get(&self, path: &RelPath) -> Option<&Node> {
        self.nodes.get(path)
    }

    /// Everything, by path.
    pub fn nodes(&self) -> impl Iterator<Item = (&RelPath, &Node)> {
        self.nodes.iter()
    }

    /// Everything below a folder.
    fn below(&self, folder: &RelPath) -> impl Iterator<Item = (&RelPath, &Node)> {
        let prefix = if folder.is_root() { String::new() } else { format!("{folder}/") };
        self.nodes
            .range(folder.clone()..)
            .skip_while({
                let folder = folder.clone();
                move |(path, _)| **path == folder
            })
            // Names such as `a-b` sort between `a` and `a/b`.
            .filter(move |(path, _)| path.as_str().starts_with(&prefix))
    }

    /// The file that a path leads to, through links.
    pub(crate) fn file(&self, path: &RelPath) -> Option<(RelPath, &Node)> {
        let path = self.real(path, Ends::Followed, |_| true)?;
        let node = self.nodes.get(&path).filter(|node| matches!(node.kind, Kind::File(_)))?;
        Some((path, node))
    }

    /// Who `user`, `uid`, `user:group` or `uid:gid` is, names by `/etc/passwd` and `/etc/group` of the image. Without a
    /// group it is the user's own: of a number the same one.
    ///
    /// # Errors
    /// [`ImageError::NoUser`]; when the store fails.
    pub fn owner(&self, store: &dyn Content, text: &str) -> Result<Owner, ImageError> {
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (text, None),
        };
        let mut owner = match user.parse() {
            Ok(uid) => Owner { uid, gid: uid },
            Err(_) => {
                let fields = self.entry(store, "etc/passwd", user)?;
                Owner { uid: fields[0], gid: fields[1] }
            }
        };
        if let Some(group) = group {
            owner.gid = match group.parse() {
                Ok(gid) => gid,
                Err(_) => self.entry(store, "etc/group", group)?[0],
            };
        }
        Ok(owner)
    }

    /// The numbers of a name's line in a file such as `/etc/passwd` (passwd(5)).
    fn entry(&self, store: &dyn Content, file: &str, name: &str) -> Result<[u64; 2], ImageError> {
        let text = match self.file(&RelPath::new(file)?).and_then(|(_, node)| node.blob()) {
            Some(blob) => store.get(blob)?,
            None => Vec::new(),
        };
        let text = String::from_utf8_lossy(&text).into_owned();
        let lines = || text.lines().map(|line| line.split(':').collect::<Vec<_>>());
        let line = lines().find(|line| line.first() == Some(&name));
        let number = |line: &[&str], at: usize| line.get(at).and_then(|number| number.parse().ok());
        line.and_then(|line| {
            let first = number(&line, 2)?;
            Some([first, number(&line, 3).unwrap_or(first)])
        })
        .ok_or_else(|| ImageError::NoUser {
            kind: if file == "etc/group" { "group" } else { "user" },
            user: name.to_owned(),
            users: lines().filter_map(|line| line.first().map(|&name| name.to_owned())).collect(),
        })
    }

    /// A layer: everything of one role, and the folders above it. Sorted by path.
    pub(crate) fn layer(&self, role: Role) -> BTreeMap<RelPath, Node> {
        let mut layer = BTreeMap::new();
        for (path, node) in self.nodes.iter().filter(|(_, node)| node.role == role) {
            layer.insert(path.clone(), node.clone());
            for above in std::iter::successors(path.parent(), RelPath::parent).filter(|path| !path.is_root())
            {
                // A folder that is named has the owner and mode that were named, in each layer.
                let folder = self.nodes.get(&above).cloned();
                layer.entry(above).or_insert_with(|| folder.unwrap_or_else(|| Node::directory(role, "")));
            }
        }
        layer
    }

    /// The files with the most bytes.
    pub(crate) fn largest(&self, count: usize) -> Vec<(RelPath, u64)> {
        let mut files: Vec<(RelPath, u64)> =
            self.nodes.iter().map(|(path, node)| (path.clone(), node.size())).collect();
        files.retain(|(_, size)| *size > 0);
        files.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        files.truncate(count);
        files
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn path(text: &str) -> RelPath {
        RelPath::new(text).unwrap()
    }

    fn file(role: Role, why: &str) -> Node {
        Node::file(Digest::of(why.as_bytes()), 0o644, role, why)
    }

    #[test]
    fn two_things_at_one_path_are_refused() {
        let mut root = RootFs::default();
        root.add(path("etc/passwd"), file(Role::Base, "the base has it")).unwrap();
        root.add(path("etc-old"), file(Role::Base, "old")).unwrap();
        for (at, node) in [
            ("etc/passwd", file(Role::Assets, "a file")),
            ("etc/passwd/x", file(Role::Assets, "a file below a file")),
            ("etc", file(Role::Assets, "a file over a folder")),
            ("etc/passwd", Node::directory(Role::Assets, "a folder")),
        ] {
            let error = root.add(path(at), node).unwrap_err().to_string();
            assert!(error.contains("the base has it"), "{error}");
        }
        root.add(path("etc"), Node::directory(Role::Base, "a folder that is there")).unwrap();
        root.add(path("etc"), Node::directory(Role::Assets, "once more")).unwrap();
    }

    #[test]
    fn a_layer_has_the_folders_above_its_files() {
        let mut root = RootFs::default();
        let mut home = Node::directory(Role::Base, "home");
        home.owner = Owner { uid: 7, gid: 8 };
        root.add(path("home/me"), home.clone()).unwrap();
        root.add(path("home/me/file"), file(Role::Assets, "mine")).unwrap();
        root.add(path("bin/foo"), file(Role::Application, "foo")).unwrap();
        let layer = root.layer(Role::Assets);
        let paths: Vec<&str> = layer.keys().map(RelPath::as_str).collect();
        assert_eq!(paths, ["home", "home/me", "home/me/file"]);
        assert_eq!(layer[&path("home/me")].owner, home.owner);
    }

    #[test]
    fn a_pulled_base_gives_way_and_its_links_lead_on() {
        let mut root = RootFs::default();
        let pulled =
            |kind| Node { role: Role::Pulled, ..Node { kind, ..Node::directory(Role::Pulled, "the base") } };
        root.put(path("usr/lib/libc.so.6"), pulled(Kind::File(Digest::of(b"c"))));
        root.put(path("lib"), pulled(Kind::Symlink("usr/lib".to_owned())));
        root.put(path("etc/motd"), pulled(Kind::File(Digest::of(b"hi"))));
        root.add(path("lib/libfoo.so"), file(Role::Libraries, "foo")).unwrap();
        root.add(path("etc/motd"), file(Role::Assets, "mine")).unwrap();
        assert!(root.get(&path("usr/lib/libfoo.so")).is_some());
        assert_eq!(root.get(&path("etc/motd")).unwrap().why, "mine");
        assert_eq!(root.file(&path("lib/libc.so.6")).unwrap().0, path("usr/lib/libc.so.6"));
        root.add(path("etc/motd"), file(Role::Assets, "another")).unwrap_err();
        root.add(path("usr/lib"), file(Role::Assets, "a file over a folder")).unwrap_err();
        root.remove(&path("usr"));
        assert_eq!(root.file(&path("lib/libc.so.6")), None);
    }

    #[test]
    fn owners_are_numbers_or_names_that_the_image_has() {
        let store = xbuild_action::Memory::default();
        let mut root = RootFs::default();
        for (at, text) in [("etc/passwd", "root:x:0:0::/:\nme:x:7:8::/:\n"), ("etc/group", "us:x:9:\n")] {
            let digest = store.put(text.as_bytes()).unwrap();
            root.add(path(at), Node::file(digest, 0o644, Role::Base, "")).unwrap();
        }
        let owner = |text: &str| root.owner(&store, text).map(|owner| (owner.uid, owner.gid));
        assert_eq!(owner("5").unwrap(), (5, 5));
        assert_eq!(owner("5:6").unwrap(), (5, 6));
        assert_eq!(owner("me").unwrap(), (7, 8));
        assert_eq!(owner("me:us").unwrap(), (7, 9));
        let error = owner("you").unwrap_err();
        assert!(matches!(&error, ImageError::NoUser { users, .. } if users == &["root", "me"]), "{error}");
        owner("me:them").unwrap_err();
        RootFs::default().owner(&store, "me").unwrap_err();
    }

    #[test]
    fn links_are_followed_and_circles_are_left() {
        let mut root = RootFs::default();
        root.add(path("lib/libfoo.so.1"), file(Role::Libraries, "foo")).unwrap();
        root.add(path("usr/lib/libfoo.so"), Node::symlink("../../lib/libfoo.so.1", Role::Libraries, ""))
            .unwrap();
        root.add(path("a"), Node::symlink("/b", Role::Assets, "")).unwrap();
        root.add(path("b"), Node::symlink("a", Role::Assets, "")).unwrap();
        assert_eq!(root.file(&path("usr/lib/libfoo.so")).unwrap().0, path("lib/libfoo.so.1"));
        assert_eq!(root.file(&path("a")), None);
    }
}
