//! Laying out an action's folders on disk, before the sandbox.

use std::path::{Path, PathBuf};

use xbuild_action::{
    ContentExt as _, Directory, Entry, ExecutionError, File, InputRoot, Isolation, Request, Staging,
    StoreError,
};
use xbuild_base::{Digest, RelPath, Tree};

use crate::inputs::{Inputs, Spare};
use crate::layout::{Folders, HostEntry, HostKind, Layout};
use crate::maker::{Maker, set_mode};
use crate::root;

/// Folders at the root's top that each sandbox has of its own.
pub(crate) const OWN_FOLDERS: [&str; 3] = ["dev", "proc", "tmp"];

/// So many trees at places of their own are layers of the root; more are mounts of their own. A layer costs each look
/// at a folder that it has, a mount some ten files that are made and removed.
const MOST_PLACED: usize = 8;

/// What `/etc` holds where the inputs have nothing else there.
const ETC: [(&str, &str); 4] = [
    ("passwd", "build:x:1000:1000:build:/build:/bin/sh\n"),
    ("group", "build:x:1000:\n"),
    ("hosts", "127.0.0.1 localhost xbuild\n::1 localhost\n"),
    ("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n"),
];

/// The tree below all layers: what C libraries look for in `/etc`, and the mount points.
pub(crate) fn defaults(store: &dyn Staging) -> Result<Digest<Tree>, StoreError> {
    let mut etc = Directory::default();
    for (name, text) in ETC {
        let file = File { digest: store.put(text.as_bytes())?, executable: false };
        etc.entries.insert(name.to_owned(), Entry::File(file));
    }
    let empty = store.put_directory(&Directory::default())?;
    let mut root = Directory::default();
    root.entries.insert("etc".to_owned(), Entry::Directory(store.put_directory(&etc)?));
    for name in OWN_FOLDERS {
        root.entries.insert(name.to_owned(), Entry::Directory(empty));
    }
    store.put_directory(&root)
}

/// An action's folders.
#[derive(Debug)]
pub(crate) struct Staged {
    inputs: Inputs,
    /// What is mounted where.
    pub(crate) layout: Layout,
}

impl Staged {
    /// Links the input files, and makes the folders that the program and the mounts need. `defaults` is the
    /// lowest layer, see [`defaults`].
    pub(crate) fn new(
        store: &dyn Staging,
        spare: &Spare,
        request: &Request<'_>,
        defaults: Option<Digest<Tree>>,
    ) -> Result<Self, ExecutionError> {
        let InputRoot { layers, mounts, files, directories: _ } = request.inputs;
        let mut inputs = spare.take(store)?;
        let to_store = way_up(store.folder(), inputs.scratch.path())?;
        let top = RelPath::root();
        let materialise = |tree, at: &RelPath| -> Result<String, ExecutionError> {
            let folder = store.materialise_at(tree, at)?;
            let folder = folder.to_str().ok_or_else(|| not_text(&folder))?;
            Ok(format!("{to_store}{folder}"))
        };
        let defaults = defaults.map(|tree| materialise(tree, &top)).transpose()?;
        let layers = layers.iter().map(|tree| materialise(*tree, &top)).collect::<Result<Vec<_>, _>>()?;
        // Where the host's own root is below, each keeps to its place.
        let are_layers = mounts.len() <= MOST_PLACED && request.isolation != Isolation::None;
        let (mut placed, mut mounted) = (Vec::new(), Vec::new());
        for (at, tree) in mounts {
            if are_layers {
                placed.push(materialise(*tree, at)?);
            } else {
                mounted.push((at.clone(), materialise(*tree, &top)?));
            }
        }
        // What lies below another one comes over it.
        placed.reverse();

        let mut maker = Maker::new(store.owner());
        inputs.hold(files, store, &mut maker)?;
        let scratch = &inputs.scratch;

        let folders = Folders {
            placed,
            layers,
            defaults,
            mounts: mounted,
            is_directory: &|folder| {
                scratch.path().join(folder).symlink_metadata().is_ok_and(|it| it.is_dir())
            },
            exists: &|path| scratch.path().join(path).symlink_metadata().is_ok(),
            host: if request.isolation == Isolation::None { host_root()? } else { Vec::new() },
        };
        let layout =
            Layout::new(request.inputs, request.command, request.isolation, &folders).map_err(|problem| {
                ExecutionError::Sandbox {
                    step: "stack the inputs' layers".to_owned(),
                    source: std::io::Error::other(problem),
                }
            })?;
        for index in 0..layout.overlays.len() {
            maker.make(&upper(scratch.path(), index))?;
        }
        for (index, path) in &layout.directories {
            maker.make_below(&upper(scratch.path(), *index), path)?;
        }
        let root = upper(scratch.path(), 0);
        for (name, target) in &layout.links {
            let path = root.join(name);
            fs_err::os::unix::fs::symlink(target, &path).map_err(StoreError::io("link", path))?;
        }
        let tmp = root.join("tmp");
        if !layout.private_tmp && maker.has_made(&tmp) {
            set_mode(&tmp, 0o1777)?;
        }
        maker.finish()?;
        Ok(Self { inputs, layout })
    }

    /// Leaves the input files to another action: what was seen and made has been taken, and no process of the sandbox lives
    /// any more. With no isolation the program could have got at them by the host's own names.
    pub(crate) fn leave(self, spare: &Spare, isolation: Isolation) {
        if isolation != Isolation::None {
            for index in 0..self.layout.overlays.len() {
                self.inputs.scratch.remove(&root::upper_name(index));
                self.inputs.scratch.remove(&root::work_name(index));
            }
            spare.give(self.inputs);
        }
    }

    /// The scratch folder.
    pub(crate) fn folder(&self) -> &Path {
        self.inputs.scratch.path()
    }

    /// The upper folder of an overlay.
    pub(crate) fn upper(&self, index: usize) -> PathBuf {
        upper(self.folder(), index)
    }
}

fn upper(scratch: &Path, index: usize) -> PathBuf {
    scratch.join(root::upper_name(index))
}

/// How to get from the scratch folder up to the store's: lower folders are linked to by it, since the folders
/// above the store may be closed to the user in the sandbox.
fn way_up(store: &Path, scratch: &Path) -> Result<String, ExecutionError> {
    scratch.strip_prefix(store).map(|below| "../".repeat(below.components().count())).map_err(|_| {
        ExecutionError::Io {
            doing: format!("find {} in the store {}", scratch.display(), store.display()),
            source: std::io::ErrorKind::InvalidInput.into(),
        }
    })
}

fn not_text(path: &Path) -> ExecutionError {
    ExecutionError::Io {
        doing: format!("use the path {}", path.display()),
        source: std::io::Error::other("it is not UTF-8"),
    }
}

/// The folders and links in the host's root, sorted by name.
fn host_root() -> Result<Vec<HostEntry>, ExecutionError> {
    let read = || -> std::io::Result<Vec<HostEntry>> {
        let mut found = Vec::new();
        for entry in fs_err::read_dir("/")? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let kind = entry.file_type()?;
            if kind.is_dir() {
                found.push(HostEntry { name, kind: HostKind::Directory });
            } else if kind.is_symlink()
                && let Ok(target) = fs_err::read_link(entry.path())?.into_os_string().into_string()
            {
                found.push(HostEntry { name, kind: HostKind::Link(target) });
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    };
    read().map_err(|source| ExecutionError::Io { doing: "list the host's root".to_owned(), source })
}
