//! Taking a program's outputs into the store, from the upper folders of the overlays.
//!
//! The program may have put links anywhere: while it runs, files are opened by the kernel's own rule of following
//! none; afterwards, when nothing can change any more, each part of a path is looked at.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use xbuild_action::{
    Command, Directory, Entry, ExecutionError, File, Output, Running, Staging, StoreError, lookup,
};
use xbuild_base::{Digest, RelPath, Tree};

use crate::links;
use crate::stage::Staged;

/// Collects the outputs of one action.
pub(crate) struct Collector<'a> {
    store: &'a dyn Staging,
    staged: &'a Staged,
    command: &'a Command,
    early: RefCell<BTreeMap<RelPath, Early>>,
}

/// What was stored while the program ran.
#[derive(Debug, Clone, Copy)]
struct Early {
    file: File,
    seen: Seen,
}

/// What a file looked like. One that still does was not written to: nobody can set its time of change (inode(7)). Two
/// things don't show: a change within the same tick where a file system's times are so coarse (all of them before Linux
/// 6.13), and one through a mapping that was written to before. What was stored is the output then, which is what
/// dependents were given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    device: u64,
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl Seen {
    fn of(metadata: &std::fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.len(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl<'a> Collector<'a> {
    pub(crate) fn new(store: &'a dyn Staging, staged: &'a Staged, command: &'a Command) -> Self {
        Self { store, staged, command, early: RefCell::default() }
    }

    /// All declared outputs that are there, once no process of the sandbox lives any more.
    pub(crate) fn all(&self) -> Result<BTreeMap<RelPath, Output>, ExecutionError> {
        let mut outputs = BTreeMap::new();
        for path in &self.command.outputs {
            if let Some(output) = self.one(path)? {
                outputs.insert(path.clone(), output);
            }
        }
        for (path, early) in &*self.early.borrow() {
            self.check_unchanged(&outputs, path, early.file)?;
        }
        Ok(outputs)
    }

    fn one(&self, path: &RelPath) -> Result<Option<Output>, ExecutionError> {
        let (index, below) = self.staged.layout.home(path);
        let Some(found) = self.find(path, index, &below)? else { return Ok(None) };
        let Found::Written(place, metadata) = found else {
            let Found::Input(place) = found else { return Ok(None) };
            return Ok(Some(Output::File(self.store.keep(&place)?)));
        };
        if metadata.is_dir() {
            self.refuse_merged(path, index, &below)?;
            // Everything is looked at before any file moves away: what is refused leaves nothing half done.
            let listing = list(path, &place)?;
            return self.tree(path, &place, listing).map(|tree| Some(Output::Tree(tree)));
        }
        if metadata.is_symlink() {
            return Err(problem(path, "it is a symbolic link: make it a file, or declare its folder"));
        }
        self.file(path, &place, &metadata).map(|file| Some(Output::File(file)))
    }

    /// Looks a declared path up as the program would have seen it: in the upper folder, else below it.
    fn find(&self, path: &RelPath, index: usize, below: &RelPath) -> Result<Option<Found>, ExecutionError> {
        let mut place = self.staged.upper(index);
        let last = below.components().count();
        let mut hidden = false;
        for (depth, part) in below.components().enumerate() {
            place.push(part);
            match place.symlink_metadata() {
                Ok(metadata) if is_whiteout(&metadata) => return Ok(None),
                Ok(metadata) if depth + 1 == last => return Ok(Some(Found::Written(place, metadata))),
                Ok(metadata) if metadata.is_dir() => {
                    open_up(&place, &metadata)?;
                    hidden |= is_opaque(&place);
                }
                Ok(_) => return Err(problem(path, "a folder on its way is not one")),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    return Ok(if hidden { None } else { self.find_below(index, below) });
                }
                Err(error) => return Err(StoreError::io("look at", place)(error).into()),
            }
        }
        let metadata = place.symlink_metadata().map_err(StoreError::io("look at", &place))?;
        Ok(Some(Found::Written(place, metadata)))
    }

    /// An input file at a declared output's path that the program left alone is an output too, as it is for
    /// remote workers.
    fn find_below(&self, index: usize, below: &RelPath) -> Option<Found> {
        self.lower(index)
            .map(|folder| folder.join(below))
            .find_map(|place| place.symlink_metadata().ok()?.is_file().then_some(Found::Input(place)))
    }

    fn lower(&self, index: usize) -> impl Iterator<Item = PathBuf> + '_ {
        let overlays = self.staged.layout.overlays.get(index).into_iter();
        overlays.flat_map(|overlay| &overlay.lower).map(|folder| self.staged.folder().join(folder))
    }

    /// A folder that inputs lie in too would have to be merged from both, and its files belong to someone else.
    fn refuse_merged(&self, path: &RelPath, index: usize, below: &RelPath) -> Result<(), ExecutionError> {
        let is_input = self
            .lower(index)
            .any(|folder| folder.join(below).symlink_metadata().is_ok_and(|metadata| metadata.is_dir()));
        let mut overlays = self.staged.layout.overlays.iter().skip(1);
        if is_input || overlays.any(|overlay| overlay.at.strip_prefix(path).is_some()) {
            return Err(problem(path, "it is a folder that inputs lie in: declare one of its own"));
        }
        Ok(())
    }

    fn file(
        &self,
        path: &RelPath,
        place: &Path,
        metadata: &std::fs::Metadata,
    ) -> Result<File, ExecutionError> {
        refuse_special(path, metadata)?;
        if let Some(early) = self.early.borrow().get(path)
            && early.seen == Seen::of(metadata)
        {
            return Ok(early.file);
        }
        // Of its mode only the owner's execute bit is content.
        if metadata.mode() & 0o400 == 0 {
            set_mode(place, 0o600 | (metadata.mode() & 0o100))?;
        }
        strip_attributes(place).map_err(StoreError::io("take the attributes off", place))?;
        Ok(self.store.adopt(place)?)
    }

    fn tree(&self, path: &RelPath, place: &Path, listed: Listing) -> Result<Digest<Tree>, ExecutionError> {
        let mut directory = Directory::default();
        for (name, listed) in listed {
            let path = &below(path, &name);
            let place = place.join(&name);
            let entry = match listed {
                Listed::Directory(listing) => Entry::Directory(self.tree(path, &place, listing)?),
                Listed::Link(target) => Entry::Symlink(target),
                Listed::File(metadata) => Entry::File(self.file(path, &place, &metadata)?),
            };
            directory.entries.insert(name, entry);
        }
        Ok(self.store.put_directory(&directory)?)
    }

    /// What dependents were given while the program ran must be what it ended with.
    fn check_unchanged(
        &self,
        outputs: &BTreeMap<RelPath, Output>,
        path: &RelPath,
        early: File,
    ) -> Result<(), ExecutionError> {
        let now = outputs.iter().find_map(|(declared, output)| {
            let below = path.strip_prefix(declared)?;
            match output {
                Output::File(file) => below.is_root().then_some(Ok(Some(Entry::File(*file)))),
                Output::Tree(tree) => Some(lookup(self.store, *tree, &below)),
            }
        });
        if now.transpose()?.flatten() == Some(Entry::File(early)) {
            return Ok(());
        }
        Err(problem(path, "it was changed or removed after the program had said that it was ready"))
    }
}

/// While the program runs a file is copied into the store, not moved or linked: the program may still hold it
/// open, link to it or look for it, and a second name of the store's own file would let it write there.
impl Running for Collector<'_> {
    fn collect(&self, path: &RelPath) -> Result<File, ExecutionError> {
        if !self.command.outputs.iter().any(|declared| path.strip_prefix(declared).is_some()) {
            return Err(problem(path, "it is not a declared output"));
        }
        let (index, below) = self.staged.layout.home(path);
        let top = self.staged.upper(index);
        let opened = rustix::fs::openat2(
            CWD,
            &top,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
            ResolveFlags::empty(),
        )
        .and_then(|top| {
            rustix::fs::openat2(
                top,
                below.as_str(),
                OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC,
                Mode::empty(),
                ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS,
            )
        });
        let opened = opened.map_err(|error| problem(path, &std::io::Error::from(error).to_string()))?;
        let mut reader = std::fs::File::from(opened);
        // Before it is read: what changes meanwhile is seen later.
        let metadata = reader.metadata().map_err(StoreError::io("look at", top.join(&below)))?;
        if !metadata.is_file() {
            return Err(problem(path, "it is not a file"));
        }
        let digest = self.store.put_reader(&mut reader as &mut dyn Read)?;
        let file = File { digest, executable: metadata.mode() & 0o100 != 0 };
        self.early.borrow_mut().insert(path.clone(), Early { file, seen: Seen::of(&metadata) });
        Ok(file)
    }
}

/// Where something declared is.
enum Found {
    /// The program wrote it.
    Written(PathBuf, std::fs::Metadata),
    /// It is an input file, unchanged.
    Input(PathBuf),
}

/// A folder's content, before anything is taken.
type Listing = BTreeMap<String, Listed>;

enum Listed {
    Directory(Listing),
    Link(String),
    File(std::fs::Metadata),
}

/// Lists the folder at `place` on the host, which is `path` in the sandbox.
fn list(path: &RelPath, place: &Path) -> Result<Listing, ExecutionError> {
    let metadata = place.symlink_metadata().map_err(StoreError::io("look at", place))?;
    open_up(place, &metadata)?;
    let mut listing = Listing::new();
    for entry in fs_err::read_dir(place).map_err(StoreError::io("read", place))? {
        let entry = entry.map_err(StoreError::io("read", place))?;
        let name = entry
            .file_name()
            .into_string()
            .map_err(|name| problem(path, &format!("the name {name:?} in it is not UTF-8")))?;
        let (at, place) = (below(path, &name), place.join(&name));
        let metadata = place.symlink_metadata().map_err(StoreError::io("look at", &place))?;
        let listed = if is_whiteout(&metadata) {
            None
        } else if metadata.is_dir() {
            Some(Listed::Directory(list(&at, &place)?))
        } else if metadata.is_symlink() {
            Some(Listed::Link(links::relative(&place, &at).map_err(|why| problem(&at, &why))?))
        } else {
            refuse_special(&at, &metadata)?;
            Some(Listed::File(metadata))
        };
        if let Some(listed) = listed {
            listing.insert(name, listed);
        }
    }
    Ok(listing)
}

fn refuse_special(path: &RelPath, metadata: &std::fs::Metadata) -> Result<(), ExecutionError> {
    let kind = metadata.file_type();
    let refused = [
        (kind.is_socket(), "it is a socket"),
        (kind.is_fifo(), "it is a named pipe"),
        (kind.is_block_device() || kind.is_char_device(), "it is a device"),
        (!kind.is_file(), "it is neither file nor folder"),
    ];
    match refused.into_iter().find(|(is, _)| *is) {
        Some((_, why)) => Err(problem(path, why)),
        None => Ok(()),
    }
}

fn problem(path: &RelPath, problem: &str) -> ExecutionError {
    ExecutionError::Output { path: path.clone(), problem: problem.to_owned() }
}

/// A name that a folder's listing gave is a component.
fn below(path: &RelPath, name: &str) -> RelPath {
    RelPath::new(name).map_or_else(|_| path.clone(), |name| path.join(&name))
}

/// How an overlay remembers that something is gone: a device with the numbers 0, 0.
fn is_whiteout(metadata: &std::fs::Metadata) -> bool {
    metadata.file_type().is_char_device() && metadata.rdev() == 0
}

/// Whether an overlay's folder hides what is below it.
pub(crate) fn is_opaque(folder: &Path) -> bool {
    let mut value = [0_u8; 4];
    rustix::fs::lgetxattr(folder, c"user.overlay.opaque", &mut value[..])
        .is_ok_and(|length| value.get(..length) == Some(b"y"))
}

/// The program may have closed a folder of its own.
fn open_up(folder: &Path, metadata: &std::fs::Metadata) -> Result<(), ExecutionError> {
    if metadata.mode() & 0o700 == 0o700 { Ok(()) } else { set_mode(folder, 0o755) }
}

fn set_mode(path: &Path, mode: u32) -> Result<(), ExecutionError> {
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode))
        .map_err(|source| StoreError::io("set the mode of", path)(source).into())
}

/// Removes the user attributes that overlays and programs leave: they are not content.
fn strip_attributes(path: &Path) -> std::io::Result<()> {
    let length = match rustix::fs::llistxattr(path, &mut [0_u8; 0][..]) {
        Ok(0) | Err(rustix::io::Errno::NOTSUP) => return Ok(()),
        Ok(length) => length,
        Err(error) => return Err(error.into()),
    };
    let mut names = vec![0; length];
    let length = rustix::fs::llistxattr(path, names.as_mut_slice())?;
    for name in names.get(..length).unwrap_or_default().split(|byte| *byte == 0) {
        if name.starts_with(b"user.") {
            rustix::fs::lremovexattr(path, name)?;
        }
    }
    Ok(())
}
