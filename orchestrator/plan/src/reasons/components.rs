//! What the trees that an action runs over are made of: components, by the versions that are pinned for them.
//!
//! A tree's digest doesn't tell what it is. Where the record of a run does, a moved pin is told by its versions, and not by
//! all the files that came with it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use xbuild_action::Content;
use xbuild_base::{Digest, RelPath, Tree};

use super::trees::between;
use super::{BUILD, Change, Difference, Reason};

/// What a tree is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Component {
    /// What people call it: `component clang`, `std for x86_64-unknown-linux-musl`, a repository's address. Of two trees of
    /// one name the later has taken the place of the earlier.
    pub name: String,
    /// What is pinned for it and for what it is made with, each with its version: packages, a commit.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub versions: BTreeMap<String, String>,
    /// Whether the tree stands for one that is still to be made: its files say nothing.
    #[serde(skip)]
    pub is_pending: bool,
}

/// Components by their trees.
pub type Components = BTreeMap<Digest<Tree>, Component>;

impl Component {
    /// Which of the versions are others than they were.
    pub(super) fn moved_from(&self, old: &Self) -> Vec<Reason> {
        let mut moved = Vec::new();
        for (name, new) in &self.versions {
            let old = old.versions.get(name);
            if old != Some(new) {
                moved.push(Reason::Pin { name: name.clone(), old: old.cloned(), new: Some(new.clone()) });
            }
        }
        for (name, old) in old.versions.iter().filter(|(name, _)| !self.versions.contains_key(*name)) {
            moved.push(Reason::Pin { name: name.clone(), old: Some(old.clone()), new: None });
        }
        moved
    }

    /// Whether its name is enough where all of it has come or gone. Of what nothing is pinned for, the place says more: it was
    /// made.
    fn says_all(&self) -> bool {
        self.is_pending || !self.versions.is_empty()
    }

    fn is(&self, change: Change) -> Reason {
        Reason::Component { name: self.name.clone(), change }
    }
}

/// What differs between the trees that only an earlier action ran over, and those that only a later one does: pins where
/// it is known what the trees are, else files.
pub(super) fn differences(
    store: &dyn Content,
    components: &Components,
    mut gone: Vec<Digest<Tree>>,
    come: Vec<Digest<Tree>>,
) -> Vec<Reason> {
    // Older records don't say what trees are: one of these may be the same component.
    let was_told = gone.iter().all(|tree| components.contains_key(tree));
    let (mut found, mut unknown): (Vec<Reason>, Vec<Digest<Tree>>) = Default::default();
    for tree in come {
        let new = components.get(&tree);
        let is_same = |old: &Digest<Tree>| {
            new.is_some_and(|new| components.get(old).is_some_and(|old| old.name == new.name))
        };
        let of_one = match (new, gone.iter().position(is_same)) {
            (Some(new), Some(at)) => {
                let old = gone.remove(at);
                let moved = new.moved_from(&components[&old]);
                match moved.is_empty() {
                    false => moved,
                    true if new.is_pending => vec![new.is(Change::Changed)],
                    true => files(store, &[old], &[tree]),
                }
            }
            (Some(new), None) if was_told && new.says_all() => vec![new.is(Change::Added)],
            (Some(_), None) if was_told => files(store, &[], &[tree]),
            (_, None | Some(_)) => {
                unknown.push(tree);
                continue;
            }
        };
        // What is pinned for one may be pinned for what is made with it, too.
        found.extend(of_one.into_iter().filter(|reason| !found.contains(reason)).collect::<Vec<_>>());
    }
    if unknown.is_empty() {
        let says_all = |tree: &Digest<Tree>| components.get(tree).is_some_and(Component::says_all);
        for tree in gone.extract_if(.., |tree| says_all(tree)) {
            found.push(components[&tree].is(Change::Removed));
        }
    }
    found.extend(files(store, &gone, &unknown));
    found
}

/// The files that differ between trees that lie at the sandbox's root.
fn files(store: &dyn Content, gone: &[Digest<Tree>], come: &[Digest<Tree>]) -> Vec<Reason> {
    let of_one = |difference: Difference| match difference.path.as_str().starts_with(BUILD) {
        true => Reason::Source(difference),
        false => Reason::Toolchain(difference),
    };
    between(store, &RelPath::root(), gone, come).into_iter().map(of_one).collect()
}

#[cfg(test)]
mod tests {
    use xbuild_action::{ContentExt as _, Entry, File, Memory, TreeBuilder};

    use super::*;
    use crate::trees::tree;

    fn component(name: &str, versions: &[(&str, &str)]) -> Component {
        let versions =
            versions.iter().map(|(name, version)| ((*name).to_owned(), (*version).to_owned())).collect();
        Component { name: name.to_owned(), versions, is_pending: false }
    }

    fn told(
        store: &Memory,
        components: &Components,
        gone: &[Digest<Tree>],
        come: &[Digest<Tree>],
    ) -> Vec<String> {
        let found = differences(store, components, gone.to_vec(), come.to_vec());
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn moved_pins_are_told_once_with_both_versions() {
        let store = Memory::default();
        let trees = ["rust 1", "std 1", "rust 2", "std 2"].map(|text| tree(&store, &[("f", text)]));
        let old = [("rustc", "1.96.0"), ("libstd-rust-1.96", "1.96.0")];
        let new = [("rustc", "1.97.0"), ("libstd-rust-1.97", "1.97.0")];
        let names = ["component rust", "std for x", "component rust", "std for x"];
        let versions = [&old[..], &old[..1], &new[..], &new[..1]];
        let made = names.iter().zip(versions).map(|(name, versions)| component(name, versions));
        let components: Components = trees.into_iter().zip(made).collect();
        let expected =
            ["libstd-rust-1.97 1.97.0 is new", "rustc 1.96.0 → 1.97.0", "libstd-rust-1.96 1.96.0 has gone"];
        assert_eq!(told(&store, &components, &trees[..2], &trees[2..]), expected);
    }

    #[test]
    fn components_come_and_go_and_of_the_same_pins_the_files_are_told() {
        let store = Memory::default();
        let [old, new, cmake] = ["1", "2", "3"].map(|text| tree(&store, &[("f", text)]));
        let clang = component("component clang", &[("clang-22", "1:22")]);
        let mut components: Components = [
            (old, clang.clone()),
            (new, clang.clone()),
            (cmake, component("component cmake", &[("cmake", "3.31")])),
        ]
        .into();
        let told = |components: &Components, gone: &[_], come: &[_]| told(&store, components, gone, come);
        // The recipe is another.
        assert_eq!(told(&components, &[old], &[new]), ["the toolchain's /f has changed"]);
        assert_eq!(told(&components, &[], &[cmake]), ["component cmake is new"]);
        assert_eq!(told(&components, &[cmake], &[]), ["component cmake has gone"]);
        // It is not made yet.
        components.insert(new, Component { is_pending: true, ..clang });
        assert_eq!(told(&components, &[old], &[new]), ["component clang has changed"]);
    }

    #[test]
    fn what_an_older_record_does_not_name_is_told_by_its_files() {
        let store = Memory::default();
        let [old, new, other] = ["1", "2", "3"].map(|text| tree(&store, &[("f", text)]));
        let components: Components = [(new, component("component clang", &[("clang-22", "1:22")]))].into();
        assert_eq!(told(&store, &components, &[old], &[new]), ["the toolchain's /f has changed"]);
        assert_eq!(told(&store, &components, &[old, other], &[new]), ["the toolchain's /f has changed"]);
        assert_eq!(told(&store, &Components::new(), &[old], &[]), ["the toolchain's /f has gone"]);
    }

    #[test]
    fn what_is_made_is_told_by_its_files_beside_what_is_pinned() {
        let store = Memory::default();
        let at = |path: &str, text: &str| {
            let file = File { digest: store.put(text.as_bytes()).unwrap(), executable: false };
            let mut tree = TreeBuilder::default();
            tree.insert(&store, &RelPath::new(path).unwrap(), Entry::File(file)).unwrap();
            tree.build(&store).unwrap()
        };
        let [old, new] = ["1", "2"].map(|text| at("build/inputs/site/a", text));
        let (clang, cmake, tool) =
            (at("usr/bin/clang", "1"), at("usr/bin/cmake", "1"), at("usr/bin/tool", "1"));
        let components: Components = [
            (old, component("step site", &[])),
            (new, component("step site", &[])),
            (clang, component("component clang", &[("clang-22", "1:22")])),
            (cmake, component("component cmake", &[("cmake", "3.31")])),
            (tool, component("input other/tool", &[])),
        ]
        .into();
        let told = |gone: &[_], come: &[_]| told(&store, &components, gone, come);
        let expected =
            ["/build/inputs/site/a has changed", "component cmake is new", "component clang has gone"];
        assert_eq!(told(&[clang, old], &[new, cmake]), expected);
        let expected = ["component cmake is new", "/build/inputs/site/a has gone"];
        assert_eq!(told(&[old], &[cmake]), expected);
        assert_eq!(
            told(&[clang], &[tool]),
            ["the toolchain's /usr/bin/tool is new", "component clang has gone"]
        );
    }
}
