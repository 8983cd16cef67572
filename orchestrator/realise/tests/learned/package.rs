//! Made-up packages, and edits of them.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::Index;
use xbuild_action::{Content, ContentExt as _, Entry, File, InputRoot, TreeBuilder};
use xbuild_base::RelPath;

/// Where files may lie; what is below `n` is a mount of its own.
pub(crate) const FILES: [&str; 13] =
    ["a", "b", "x", "p/a", "p/b", "p/x", "p/q/a", "p/q/b", "n/a", "n/b", "n/x", "n/p/a", "n/p/b"];
/// Where links may lie.
pub(crate) const LINKS: [&str; 4] = ["l", "p/l", "n/l", "p/q/l"];

const TARGETS: [&str; 10] = ["a", "../a", "p", "q", "..", "nowhere", "l", "n", "../n/b", "p/q/b"];

/// Some of one size, some that name other files, some to be executed.
const TEXTS: [&str; 10] = [
    "one",
    "two",
    "longer",
    "",
    "p/a",
    "a",
    "/build/ws/n/b",
    "#!/usr/bin/tool __print\n1",
    "#!/usr/bin/tool __print\n2",
    "#!/build/ws/x\n",
];

/// What lies at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    File { text: &'static str, executable: bool },
    Link(&'static str),
}

/// A package, and a file beside it that is not observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) nodes: BTreeMap<&'static str, Node>,
    pub(crate) beside: &'static str,
}

/// A change that somebody makes.
#[derive(Debug, Clone)]
pub(crate) enum Edit {
    /// Another text in a file that is there.
    Text(Index, &'static str),
    Add(&'static str, Node),
    Remove(Index),
    Rename(Index, &'static str),
    Mode(Index),
    Retarget(Index, &'static str),
    Beside(&'static str),
}

pub(crate) fn packages() -> impl Strategy<Value = Package> {
    let files = prop::collection::btree_map(prop::sample::select(&FILES[..]), files(), 3..10);
    let links = prop::collection::btree_map(prop::sample::select(&LINKS[..]), links(), 0..3);
    (files, links, texts()).prop_map(|(mut nodes, links, beside)| {
        nodes.extend(links);
        Package { nodes, beside }
    })
}

fn texts() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&TEXTS[..])
}

fn files() -> impl Strategy<Value = Node> {
    (texts(), any::<bool>()).prop_map(|(text, executable)| Node::File { text, executable })
}

fn links() -> impl Strategy<Value = Node> {
    prop::sample::select(&TARGETS[..]).prop_map(Node::Link)
}

pub(crate) fn edits() -> impl Strategy<Value = Edit> {
    let index = any::<Index>;
    let file = || prop::sample::select(&FILES[..]);
    prop_oneof![
        12 => (index(), texts()).prop_map(|(at, text)| Edit::Text(at, text)),
        1 => (file(), files()).prop_map(|(at, node)| Edit::Add(at, node)),
        1 => index().prop_map(Edit::Remove),
        1 => (index(), file()).prop_map(|(from, to)| Edit::Rename(from, to)),
        1 => index().prop_map(Edit::Mode),
        1 => (index(), prop::sample::select(&TARGETS[..])).prop_map(|(at, target)| Edit::Retarget(at, target)),
        1 => texts().prop_map(Edit::Beside),
    ]
}

impl Package {
    /// The package after an edit.
    pub(crate) fn edited(&self, edit: &Edit) -> Self {
        let mut edited = self.clone();
        let is_file = |node: &Node| matches!(node, Node::File { .. });
        let some = |at: &Index, of_files: bool| {
            let all: Vec<&'static str> = self
                .nodes
                .iter()
                .filter(|(_, node)| is_file(node) == of_files)
                .map(|(path, _)| *path)
                .collect();
            (!all.is_empty()).then(|| *at.get(&all))
        };
        match edit {
            Edit::Text(at, new) => {
                if let Some(Node::File { text, .. }) = some(at, true).and_then(|at| edited.nodes.get_mut(at))
                {
                    *text = new;
                }
            }
            Edit::Add(at, node) => drop(edited.nodes.insert(at, node.clone())),
            Edit::Remove(at) => drop(some(at, true).and_then(|at| edited.nodes.remove(at))),
            Edit::Rename(from, to) => {
                if let Some(node) = some(from, true).and_then(|from| edited.nodes.remove(from)) {
                    edited.nodes.insert(to, node);
                }
            }
            Edit::Mode(at) => {
                if let Some(Node::File { executable, .. }) =
                    some(at, true).and_then(|at| edited.nodes.get_mut(at))
                {
                    *executable ^= true;
                }
            }
            Edit::Retarget(at, new) => {
                if let Some(Node::Link(target)) = some(at, false).and_then(|at| edited.nodes.get_mut(at)) {
                    *target = new;
                }
            }
            Edit::Beside(text) => edited.beside = text,
        }
        edited
    }

    /// It, mounted.
    pub(crate) fn mount(&self, store: &dyn Content, inputs: &mut InputRoot) {
        let file = |text: &str, executable| {
            Entry::File(File { digest: store.put(text.as_bytes()).unwrap(), executable })
        };
        let (mut own, mut nested) = (TreeBuilder::default(), TreeBuilder::default());
        for (path, node) in &self.nodes {
            let entry = match node {
                Node::File { text, executable } => file(text, *executable),
                Node::Link(target) => Entry::Symlink((*target).to_owned()),
            };
            let (builder, path) = match path.strip_prefix("n/") {
                Some(below) => (&mut nested, below),
                None => (&mut own, *path),
            };
            builder.insert(store, &RelPath::new(path).unwrap(), entry).unwrap();
        }
        let mut beside = TreeBuilder::default();
        beside.insert(store, &RelPath::new("a").unwrap(), file(self.beside, false)).unwrap();
        for (at, builder) in [("build/ws", own), ("build/ws/n", nested), ("build/other", beside)] {
            inputs.mounts.insert(RelPath::new(at).unwrap(), builder.build(store).unwrap());
        }
    }
}
