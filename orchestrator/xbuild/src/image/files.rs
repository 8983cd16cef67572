//! `[image.files]`: what the description adds to an image, from the project, its outputs and the net.

use std::collections::BTreeMap;

use xbuild_action::{Entry, TreeBuilder, walk};
use xbuild_base::{Blob, Digest, RelPath, Triple};
use xbuild_describe::{FileSource, ImageFile, suggest};
use xbuild_image::{ImageError, Kind, Node, Owner, Role, RootFs};
use xbuild_output::Row;
use xbuild_realise::LocalSources;
use xbuild_store::Disk;

use crate::error::XbuildError;
use crate::steps::Steps;
use crate::work::Work;

/// Where files come from.
pub(super) struct Files<'f> {
    pub(super) store: &'f Disk,
    pub(super) sources: &'f LocalSources,
    /// What was fetched.
    pub(super) fetched: &'f [Digest<Blob>],
    /// All outputs of the variant and target.
    pub(super) outputs: &'f [&'f Row],
    /// What has outputs of other projects, and the image's target.
    pub(super) of_inputs: (&'f Work<'f>, &'f Triple),
    /// What steps make; none where no image wants it.
    pub(super) steps: Option<&'f Steps<'f>>,
}

impl Files<'_> {
    /// Adds them to an image.
    pub(super) fn add(
        &self,
        root: &mut RootFs,
        files: &BTreeMap<String, ImageFile>,
    ) -> Result<(), XbuildError> {
        // The file that says who has a name may be among them.
        let has_name = |owner: &Option<String>| {
            owner.as_ref().is_some_and(|owner| !owner.chars().all(|c| c.is_ascii_digit() || c == ':'))
        };
        let (named, plain): (Vec<_>, Vec<_>) = files.iter().partition(|(_, file)| has_name(&file.owner));
        for (path, file) in plain.into_iter().chain(named) {
            let at = RelPath::root().resolve(path.trim_start_matches('/')).map_err(ImageError::from)?;
            let owner = match &file.owner {
                Some(owner) => root.owner(self.store, owner)?,
                None => Owner::default(),
            };
            match &file.from {
                FileSource::Folder => {
                    let mut node = Node::directory(Role::Assets, "the description names it");
                    node.mode = file.mode.unwrap_or(node.mode);
                    root.add(at, Node { owner, ..node })?;
                }
                FileSource::Link(target) => {
                    let node = Node::symlink(target, Role::Assets, "the description names it");
                    root.add(at, Node { owner, ..node })?;
                }
                FileSource::Url { url, sha256 } => {
                    let fetched = self.fetched.iter().find(|blob| blob.to_hex() == *sha256);
                    let blob = fetched.ok_or_else(|| gone(path, url, "run the same command again"))?;
                    let mode = file.mode.unwrap_or(0o644);
                    root.add(
                        at,
                        Node { owner, ..Node::file(*blob, mode, Role::Assets, format!("it is {url}")) },
                    )?;
                }
                FileSource::Output(name) => {
                    let found = self.outputs.iter().find(|row| row.artefact.name == *name);
                    let row = found.ok_or_else(|| {
                        let there: Vec<&str> =
                            self.outputs.iter().map(|row| row.artefact.name.as_str()).collect();
                        gone(path, &format!("the output `{name}`"), &suggest(name, "outputs", &there))
                    })?;
                    let file_of = row.artefact.file;
                    let mode = file.mode.unwrap_or(if file_of.executable { 0o755 } else { 0o644 });
                    let why = format!("it is the output {name} of the project");
                    root.add(at, Node { owner, ..Node::file(file_of.digest, mode, Role::Application, why) })?;
                }
                FileSource::Project(source) => {
                    let entry = self.source(&at, source)?;
                    let path = source.trim_end_matches('/');
                    self.add_entry(root, (&at, entry), (path, " of the project"), file.mode, owner)?;
                }
                FileSource::Input(output) => {
                    let (work, target) = self.of_inputs;
                    let file_of = work.input(output, target)?;
                    let mode = file.mode.unwrap_or(if file_of.executable { 0o755 } else { 0o644 });
                    let why = format!("it is {} of the input {}", output.output, output.input);
                    root.add(at, Node { owner, ..Node::file(file_of.digest, mode, Role::Application, why) })?;
                }
                FileSource::Step(part) => {
                    let steps = self.steps.ok_or_else(|| gone(path, "made by a step", "run it again"))?;
                    let entry = steps.part(part, self.outputs)?;
                    let what = part.to_string();
                    self.add_entry(root, (&at, entry), (&what, ", which a step makes"), file.mode, owner)?;
                }
            }
        }
        Ok(())
    }

    /// A file or folder of the project.
    fn source(&self, at: &RelPath, source: &str) -> Result<Entry, XbuildError> {
        let place = self.sources.workspace.resolve(source).map_err(ImageError::from)?;
        let mut tree = TreeBuilder::from_tree(self.sources.tree);
        // What lies below a file is not there either.
        tree.get(self.store, &place).ok().flatten().ok_or_else(|| {
            let help = "it must be there, and what git ignores is no source of the project";
            gone(&format!("/{at}"), &format!("`{source}` in the project"), help)
        })
    }

    /// Adds a file, or a folder with all that is in it.
    fn add_entry(
        &self,
        root: &mut RootFs,
        (at, entry): (&RelPath, Entry),
        (path, of): (&str, &str),
        mode: Option<u32>,
        owner: Owner,
    ) -> Result<(), XbuildError> {
        let node = |entry: &Entry, path: &str| -> Node {
            let why = format!("it is {path}{of}");
            let mut node = match entry {
                Entry::File(file) => {
                    let mode = mode.unwrap_or(if file.executable { 0o755 } else { 0o644 });
                    Node::file(file.digest, mode, Role::Assets, why)
                }
                Entry::Directory(_) => Node::directory(Role::Assets, why),
                Entry::Symlink(target) => Node::symlink(target.clone(), Role::Assets, why),
            };
            node.owner = owner;
            node
        };
        // The image's root is there already.
        if !(at.is_root() && matches!(entry, Entry::Directory(_))) {
            root.add(at.clone(), node(&entry, path))?;
        }
        let Entry::Directory(folder) = entry else { return Ok(()) };
        walk::<ImageError>(self.store, folder, &mut |below, entry| {
            let node = node(entry, &format!("{path}/{below}"));
            let there = root.get(&at.join(below)).map(|there| &there.kind);
            // A folder that a base has keeps its owner, where the description does not name it.
            let is_there = node.kind == Kind::Directory && there == Some(&Kind::Directory);
            if is_there { Ok(()) } else { root.add(at.join(below), node) }
        })?;
        Ok(())
    }
}

fn gone(path: &str, what: &str, help: &str) -> XbuildError {
    XbuildError::user(format!("{path} is to be {what}, which is not there"), help)
}
