//! How an input root becomes overlay mounts: computed here, without touching the disk.

use std::collections::BTreeSet;

use xbuild_action::{Command, InputRoot, Isolation};
use xbuild_base::RelPath;

use crate::specification::Overlay;

/// The folder with the links to `InputRoot::files`, in the scratch folder.
pub(crate) const STAGE: &str = "stage";

/// The kernel's limit is 500 layers (`OVL_MAX_STACK`); the options must fit a page.
const MOST_LAYERS: usize = 400;

/// Top-level folders that are the host's own, whatever the inputs hold, when there is no isolation.
const HOSTS_OWN: [&str; 5] = ["dev", "proc", "run", "sys", "tmp"];

/// What the layout is computed from, beside the request. All folders are from the scratch folder, or absolute.
pub(crate) struct Folders<'a> {
    /// The materialised mounts that are layers of the root, each with its tree at its place; what lies below another one
    /// first.
    pub(crate) placed: Vec<String>,
    /// The materialised layers, in the inputs' order.
    pub(crate) layers: Vec<String>,
    /// The lowest layer: `/etc` and mount points. None when there is no isolation.
    pub(crate) defaults: Option<String>,
    /// The other materialised mounts, in the order of their paths.
    pub(crate) mounts: Vec<(RelPath, String)>,
    /// Whether something is a folder, with links in its last part not followed.
    pub(crate) is_directory: &'a dyn Fn(&str) -> bool,
    /// Whether something is there at all, even a dangling link.
    pub(crate) exists: &'a dyn Fn(&str) -> bool,
    /// The names in the host's root, when there is no isolation.
    pub(crate) host: Vec<HostEntry>,
}

/// A name in the host's root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostEntry {
    /// The name.
    pub(crate) name: String,
    /// What it is.
    pub(crate) kind: HostKind,
}

/// What a name in the host's root is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HostKind {
    /// A folder.
    Directory,
    /// A link and its target.
    Link(String),
}

/// The mounts of a sandbox and what must be there before them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Layout {
    /// In the order in which they are mounted: the root, then by path.
    pub(crate) overlays: Vec<Overlay>,
    /// Folders to make in the upper folder of an overlay, parents left out.
    pub(crate) directories: BTreeSet<(usize, RelPath)>,
    /// Links to make in the root's upper folder.
    pub(crate) links: Vec<(String, String)>,
    /// Folders of the host that are bound.
    pub(crate) binds: Vec<String>,
    /// Whether `/tmp` is a file system of its own.
    pub(crate) private_tmp: bool,
}

impl Layout {
    /// Computes the layout.
    ///
    /// # Errors
    /// When there are more layers than the kernel can stack.
    pub(crate) fn new(
        inputs: &InputRoot,
        command: &Command,
        isolation: Isolation,
        folders: &Folders<'_>,
    ) -> Result<Self, String> {
        let mut layout = Self::default();
        let mut lower = vec![STAGE.to_owned()];
        lower.extend(folders.placed.iter().chain(&folders.layers).cloned());
        lower.extend(folders.defaults.clone());
        let mut places: Vec<(RelPath, Vec<String>)> = Vec::new();
        for (at, tree) in &folders.mounts {
            if at.is_root() {
                lower.insert(1, tree.clone());
            } else {
                places.push((at.clone(), vec![tree.clone()]));
            }
        }
        layout.overlays.push(Overlay { at: RelPath::root(), lower: unique(lower) });
        if isolation == Isolation::None {
            layout.add_host(inputs, command, folders, &mut places);
        }
        places.sort();
        for (at, own) in places {
            layout.add_overlay(at, own, folders.is_directory);
        }
        let most = layout.overlays.iter().map(|overlay| overlay.lower.len()).max().unwrap_or(0);
        if most > MOST_LAYERS {
            return Err(format!("{most} layers are more than the {MOST_LAYERS} that can be stacked"));
        }
        layout.add_directories(inputs, command, isolation);
        // What is there needn't be made.
        let Self { overlays, directories, .. } = &mut layout;
        directories.retain(|(index, path)| {
            let lower = overlays.get(*index).map_or(&[][..], |overlay| &overlay.lower);
            let is_there = || lower.iter().any(|folder| (folders.is_directory)(&format!("{folder}/{path}")));
            // Its mode is another one.
            path.as_str() == "tmp" || path.is_root() || !is_there()
        });
        Ok(layout)
    }

    /// The overlay that a path lies in, and the path from there.
    pub(crate) fn home(&self, path: &RelPath) -> (usize, RelPath) {
        self.overlays
            .iter()
            .enumerate()
            .filter_map(|(index, overlay)| Some((index, path.strip_prefix(&overlay.at)?)))
            .min_by_key(|(_, rest)| rest.as_str().len())
            .unwrap_or((0, path.clone()))
    }

    /// Adds an overlay; where what encloses it has a folder at its place, the two merge, as they do in the key.
    fn add_overlay(&mut self, at: RelPath, mut lower: Vec<String>, is_directory: &dyn Fn(&str) -> bool) {
        let (enclosing, rest) = self.home(&at);
        self.directories.insert((enclosing, rest.clone()));
        let below = self.overlays[enclosing].lower.iter().map(|folder| format!("{folder}/{rest}"));
        let below: Vec<String> = below.filter(|folder| is_directory(folder)).collect();
        // The host's own folder stays lowest.
        let at_end = usize::from(lower.first().is_some_and(|folder| folder.starts_with('/')));
        if at_end == 1 {
            lower.splice(0..0, below)
        } else {
            lower.splice(1..1, below)
        };
        self.overlays.push(Overlay { at, lower: unique(lower) });
    }

    /// With no isolation: each top-level folder of the host is bound at its place, writable. Where the inputs have
    /// a folder of that name it is an overlay of both, the inputs' on top.
    fn add_host(
        &mut self,
        inputs: &InputRoot,
        command: &Command,
        folders: &Folders<'_>,
        places: &mut Vec<(RelPath, Vec<String>)>,
    ) {
        let InputRoot { layers: _, mounts, files, directories } = inputs;
        let named: BTreeSet<&str> = mounts
            .keys()
            .chain(files.keys())
            .chain(directories)
            .chain(&command.outputs)
            .chain([&command.working_directory])
            .filter_map(|path| path.components().next())
            .collect();
        for HostEntry { name, kind } in &folders.host {
            let in_layers = |is: &dyn Fn(&str) -> bool| {
                self.overlays[0].lower.iter().any(|folder| is(&format!("{folder}/{name}")))
            };
            let Ok(at) = RelPath::new(name.as_str()) else { continue };
            let inputs_have_it = named.contains(name.as_str()) || in_layers(folders.exists);
            match kind {
                HostKind::Link(target) if !inputs_have_it => {
                    self.links.push((name.clone(), target.clone()));
                }
                HostKind::Directory if !inputs_have_it || HOSTS_OWN.contains(&name.as_str()) => {
                    self.directories.insert((0, at));
                    self.binds.push(name.clone());
                }
                HostKind::Directory if named.contains(name.as_str()) || in_layers(folders.is_directory) => {
                    places.push((at, vec![format!("/{name}")]));
                }
                HostKind::Directory | HostKind::Link(_) => {}
            }
        }
    }

    fn add_directories(&mut self, inputs: &InputRoot, command: &Command, isolation: Isolation) {
        let tmp = "tmp";
        let below_tmp = |path: &RelPath| path.components().next() == Some(tmp);
        let mut wanted: BTreeSet<RelPath> = inputs.directories.clone();
        wanted.extend(command.outputs.iter().filter_map(RelPath::parent));
        wanted.insert(command.working_directory.clone());
        self.private_tmp = isolation != Isolation::None
            && !command.outputs.iter().chain(&wanted).chain(inputs.files.keys()).any(below_tmp)
            && !inputs.mounts.keys().any(below_tmp);
        if isolation != Isolation::None && !self.private_tmp {
            wanted.extend(RelPath::new(tmp));
        }
        for path in wanted {
            let home = self.home(&path);
            self.directories.insert(home);
        }
    }
}

fn unique(folders: Vec<String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    folders.into_iter().filter(|folder| seen.insert(folder.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RelPath {
        RelPath::new(text).unwrap()
    }

    fn command(outputs: &[&str]) -> Command {
        Command {
            argv: vec!["/usr/bin/true".to_owned()],
            environment: Default::default(),
            working_directory: path("build/ws"),
            outputs: outputs.iter().map(|text| path(text)).collect(),
        }
    }

    fn layout(mounts: &[(&str, &str)], outputs: &[&str], isolation: Isolation, there: &[&str]) -> Layout {
        let is_there = |folder: &str| there.contains(&folder);
        let host =
            ["home", "usr", "tmp"].map(|name| HostEntry { name: name.to_owned(), kind: HostKind::Directory });
        let folders = Folders {
            placed: Vec::new(),
            layers: vec!["L1".to_owned(), "L2".to_owned(), "L1".to_owned()],
            defaults: (isolation != Isolation::None).then(|| "D".to_owned()),
            mounts: mounts.iter().map(|(at, tree)| (path(at), (*tree).to_owned())).collect(),
            is_directory: &is_there,
            exists: &is_there,
            host: host.to_vec(),
        };
        Layout::new(&InputRoot::default(), &command(outputs), isolation, &folders).unwrap()
    }

    #[test]
    fn the_root_is_the_links_over_the_layers_over_the_defaults() {
        let layout = layout(&[], &["build/out/x"], Isolation::Full, &[]);
        assert_eq!(layout.overlays.len(), 1);
        assert_eq!(layout.overlays[0].lower, ["stage", "L1", "L2", "D"]);
        let directories: Vec<_> = layout.directories.iter().map(|(_, path)| path.as_str()).collect();
        assert_eq!(directories, ["build/out", "build/ws"]);
        assert!(layout.private_tmp);
    }

    #[test]
    fn a_mount_below_another_comes_later_and_merges_with_it() {
        let mounts = [("build/ws", "A"), ("build/ws/x", "B"), ("build/ws/x/y", "C")];
        let layout = layout(&mounts, &["build/ws/x/out", "build/ws-2/o"], Isolation::Full, &["A/x", "A/x/y"]);
        let at: Vec<_> = layout.overlays.iter().map(|overlay| overlay.at.as_str()).collect();
        assert_eq!(at, ["", "build/ws", "build/ws/x", "build/ws/x/y"]);
        assert_eq!(layout.overlays[2].lower, ["B", "A/x"]);
        assert_eq!(layout.overlays[3].lower, ["C", "A/x/y"]);
        assert_eq!(layout.home(&path("build/ws/x/out")), (2, path("out")));
        assert_eq!(layout.home(&path("build/ws-2/o")), (0, path("build/ws-2/o")));
        let is_made = |index, at: &str| layout.directories.contains(&(index, path(at)));
        assert!(!is_made(1, "x") && !is_made(2, "y"), "mount points that are there are not made: {layout:?}");
    }

    #[test]
    fn a_placed_tree_is_a_layer_below_the_links_and_its_folders_are_not_made() {
        let inputs = InputRoot { directories: [path("build/ws")].into(), ..InputRoot::default() };
        let folders = Folders {
            placed: vec!["P2".to_owned(), "P1".to_owned()],
            layers: vec!["L".to_owned()],
            defaults: Some("D".to_owned()),
            mounts: Vec::new(),
            is_directory: &|folder| ["P1/build/ws", "D/tmp"].contains(&folder),
            exists: &|_| false,
            host: Vec::new(),
        };
        let command = command(&["build/out/x", "tmp/y"]);
        let layout = Layout::new(&inputs, &command, Isolation::Full, &folders).unwrap();
        assert_eq!(layout.overlays.len(), 1);
        assert_eq!(layout.overlays[0].lower, ["stage", "P2", "P1", "L", "D"]);
        let made: Vec<&str> = layout.directories.iter().map(|(_, path)| path.as_str()).collect();
        assert_eq!(made, ["build/out", "tmp"], "`/tmp` has a mode of its own");
    }

    #[test]
    fn tmp_is_the_roots_own_when_an_output_lies_below_it() {
        let shared = layout(&[], &["tmp/out"], Isolation::Full, &[]);
        assert!(!shared.private_tmp && shared.directories.contains(&(0, path("tmp"))));
        assert!(layout(&[], &["tmpx/out"], Isolation::Full, &[]).private_tmp);
    }

    #[test]
    fn with_no_isolation_the_hosts_folders_are_there_below_the_inputs() {
        let layout = layout(&[], &["build/o"], Isolation::None, &["L2/usr", "L1/tmp"]);
        assert_eq!(layout.binds, ["home", "tmp"]);
        assert_eq!(layout.overlays[1].at.as_str(), "usr");
        assert_eq!(layout.overlays[1].lower, ["L2/usr", "/usr"]);
        assert!(!layout.private_tmp);
    }

    #[test]
    fn too_many_layers_are_an_error() {
        let folders = Folders {
            placed: Vec::new(),
            layers: (0..500).map(|number| format!("L{number}")).collect(),
            defaults: None,
            mounts: Vec::new(),
            is_directory: &|_| false,
            exists: &|_| false,
            host: Vec::new(),
        };
        let error = Layout::new(&InputRoot::default(), &command(&[]), Isolation::Full, &folders).unwrap_err();
        assert!(error.contains("501 layers"), "{error}");
    }
}
