//! Git commits: the whole tree with its submodules, as git has it, with no filter or line-end conversion.
//!
//! The host's `git` does the talking, with the user's own configuration, since the credentials are there. A
//! commit names its content, but by SHA-1: the tree's digest is what should be pinned.

mod reference;
mod repository;

use std::io::Read;
use std::path::Path;

use xbuild_action::File;
use xbuild_base::{Digest, RelPath, Sha256, Tree};

use super::lock::GitSource;
use crate::error::FetchError;
use crate::fetcher::Fetcher;
use crate::mirror;
use crate::output::without_credentials;
use crate::progress::Event;
use crate::unpack::{ArchiveError, Assembler, checked_path};
use repository::{Listed, Repository};

pub(super) use reference::file_of_head;
pub use reference::{resolve, resolve_before};

/// The memo namespace: repository and commit → tree.
const TREES: &str = "git-tree";
/// The memo namespace: commit → the commit object's own bytes.
const OBJECTS: &str = "git-commit";
/// Counts up whenever a commit would become another tree.
const VERSION: u32 = 2;
/// How deep submodules may lie in submodules.
const DEEPEST: usize = 16;

/// A commit that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitCommit {
    /// Which one.
    pub source: GitSource,
    /// The digest that its tree was pinned to, where it was.
    pub tree: Option<Digest<Tree>>,
}

/// The trees of `commits`, in their order.
///
/// # Errors
/// [`FetchError::Offline`] with all that is missing, [`FetchError::Git`] when a commit can't be had,
/// [`FetchError::Mismatch`] when its tree is not the pinned one, [`FetchError::Archive`] when it holds links that
/// lead outside.
pub fn fetch(fetcher: &Fetcher<'_>, commits: &[GitCommit]) -> Result<Vec<Digest<Tree>>, FetchError> {
    let mut missing = Vec::new();
    let mut known = Vec::with_capacity(commits.len());
    for commit in commits {
        fetcher.note_commit(&commit.source);
        let tree = fetcher.remembered_tree(TREES, key(&commit.source))?;
        if tree.is_none() && fetcher.settings().offline && !is_there(fetcher, &commit.source) {
            missing.push(name(&commit.source));
        }
        known.push(tree);
    }
    if !missing.is_empty() {
        missing.sort();
        missing.dedup();
        return Err(FetchError::Offline { missing });
    }
    let mut trees = Vec::with_capacity(commits.len());
    for (GitCommit { source, tree: pinned }, known) in commits.iter().zip(known) {
        // The same commit may have come in by an earlier round of this loop.
        let tree = match known.map_or_else(|| fetcher.remembered_tree(TREES, key(source)), |t| Ok(Some(t)))? {
            Some(tree) => tree,
            None => one(fetcher, source)?,
        };
        if let Some(pinned) = pinned.filter(|pinned| *pinned != tree) {
            let (name, place) = (name(source), without_credentials(&source.url));
            let (expected, computed) = (pinned.sha256(), tree.sha256());
            return Err(FetchError::Mismatch { name, place, expected, computed });
        }
        trees.push(tree);
    }
    Ok(trees)
}

/// Whether [`fetch`] would find a commit in the store.
///
/// # Errors
/// When the store can't be read.
pub fn is_fetched(fetcher: &Fetcher<'_>, source: &GitSource) -> Result<bool, FetchError> {
    Ok(fetcher.remembered_tree(TREES, key(source))?.is_some())
}

/// The bytes of a commit object (`git cat-file commit`) that [`fetch`] has brought.
///
/// # Errors
/// [`FetchError::Git`] when it isn't there.
pub fn commit_object(fetcher: &Fetcher<'_>, source: &GitSource) -> Result<Vec<u8>, FetchError> {
    fetcher.store().memo(OBJECTS, key(source))?.ok_or_else(|| FetchError::Git {
        repository: without_credentials(&source.url),
        commit: source.commit.clone(),
        problem: "its commit object is not in the store".to_owned(),
    })
}

/// What is wrong with a commit of a repository.
fn of(url: &str, commit: &str) -> impl Fn(String) -> FetchError + use<> {
    let (repository, commit) = (without_credentials(url), commit.to_owned());
    move |problem| FetchError::Git { repository: repository.clone(), commit: commit.clone(), problem }
}

fn name(source: &GitSource) -> String {
    format!("{}#{}", without_credentials(&source.url), &source.commit[..source.commit.len().min(12)])
}

/// Submodules may have addresses relative to the repository's, so that counts too.
fn key(source: &GitSource) -> Sha256 {
    let GitSource { url, reference: _, commit } = source;
    let url = without_credentials(url.trim_end_matches('/'));
    Sha256::of(format!("{VERSION}\0{}\0{commit}", url.strip_suffix(".git").unwrap_or(&url)).as_bytes())
}

/// Whether a commit can be had without a network.
fn is_there(fetcher: &Fetcher<'_>, source: &GitSource) -> bool {
    is_local(&source.url) || mirror::repository(&fetcher.settings().mirrors, &source.commit).is_some()
}

/// Lays commits, and those of their submodules, out as a mirror has them.
///
/// # Errors
/// When a commit can't be had, or `folder` can't be written.
pub fn mirror_commits(fetcher: &Fetcher<'_>, sources: &[GitSource], folder: &Path) -> Result<(), FetchError> {
    let mut open: Vec<(GitSource, usize)> = sources.iter().map(|source| (source.clone(), 0)).collect();
    while let Some((source, depth)) = open.pop() {
        let place = folder.join(mirror::path_of_commit(&source.commit));
        let error = of(&source.url, &source.commit);
        let repository = Repository::at_depth(fetcher, &source, depth)?;
        let submodules = repository.submodules(&source).map_err(&error)?;
        for Listed { mode, id, path } in repository.entries(&source.commit).map_err(&error)? {
            let url = submodules.get(String::from_utf8_lossy(&path).as_ref());
            if let Some(url) = url.filter(|_| mode == "160000") {
                open.push((GitSource { url: url.clone(), reference: None, commit: id }, depth + 1));
            }
        }
        if place.is_dir() {
            continue;
        }
        // A branch that has it: what no name leads to is not given out.
        repository.output(&["update-ref", "refs/heads/mirrored", &source.commit]).map_err(&error)?;
        let beside = place.with_extension("new");
        copy(repository.folder.path(), &beside)?;
        fs_err::rename(&beside, &place)?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<(), FetchError> {
    fs_err::create_dir_all(to)?;
    for entry in fs_err::read_dir(from)? {
        let entry = entry?;
        let place = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &place)?;
        } else {
            fs_err::copy(entry.path(), place)?;
        }
    }
    Ok(())
}

fn is_local(url: &str) -> bool {
    url.starts_with("file:") || url.starts_with('/')
}

fn one(fetcher: &Fetcher<'_>, source: &GitSource) -> Result<Digest<Tree>, FetchError> {
    let name = name(source);
    fetcher.progress().event(&name, Event::Started { size: None });
    let answer = read_commit(fetcher, source, &name);
    fetcher.progress().event(&name, if answer.is_ok() { Event::Finished } else { Event::Failed });
    answer
}

fn read_commit(fetcher: &Fetcher<'_>, source: &GitSource, name: &str) -> Result<Digest<Tree>, FetchError> {
    let mut tree = Assembler::default();
    add(fetcher, source, &RelPath::root(), 0, &mut tree)?;
    let tree = tree.build(fetcher.store()).map_err(|error| error.named(name))?;
    fetcher.remember_tree(TREES, key(source), tree)?;
    Ok(tree)
}

/// Puts a commit's files, and those of its submodules, at `prefix`.
fn add(
    fetcher: &Fetcher<'_>,
    source: &GitSource,
    prefix: &RelPath,
    depth: usize,
    tree: &mut Assembler,
) -> Result<(), FetchError> {
    let error = of(&source.url, &source.commit);
    let repository = Repository::at_depth(fetcher, source, depth)?;
    if depth == 0 {
        let object = repository.output(&["cat-file", "commit", &source.commit]).map_err(&error)?;
        fetcher.store().put_memo(OBJECTS, key(source), &object)?;
    }
    let entries = repository.entries(&source.commit).map_err(&error)?;
    let submodules = repository.submodules(source).map_err(&error)?;
    let mut blobs = repository.blobs().map_err(&error)?;
    let shown = name(source);
    let refused = |problem: ArchiveError| FetchError::Archive { name: shown.clone(), problem };
    for Listed { mode, id, path } in entries {
        let path = checked_path(&path).map_err(refused)?;
        let place = prefix.join(&path);
        match mode.as_str() {
            "100644" | "100755" | "100664" => {
                let (store, executable) = (fetcher.store(), mode == "100755");
                let put = |blob: &mut dyn Read| match executable {
                    true => store.put_executable(blob),
                    false => store.put_reader(blob),
                };
                let digest = blobs.read(&id, &mut |blob| Ok(put(blob)?))?.map_err(&error)?;
                tree.file(&place, File { digest, executable }).map_err(refused)?;
            }
            "120000" => {
                let target = blobs.read(&id, &mut |blob| {
                    let mut target = String::new();
                    blob.take(4097).read_to_string(&mut target).map(|_| target).map_err(FetchError::Io)
                })?;
                tree.link(&place, target.map_err(&error)?).map_err(refused)?;
            }
            "160000" => {
                tree.directory(&place).map_err(refused)?;
                // A commit that `.gitmodules` doesn't speak of is an empty folder for git as well.
                let Some(url) = submodules.get(path.as_str()) else { continue };
                let below = GitSource { url: url.clone(), reference: None, commit: id };
                if fetcher.settings().offline && !is_there(fetcher, &below) {
                    let missing =
                        vec![format!("{} (submodule {path} of {shown})", without_credentials(&below.url))];
                    return Err(FetchError::Offline { missing });
                }
                add(fetcher, &below, &place, depth + 1, tree)?;
            }
            other => return Err(error(format!("`{path}` has the mode {other}, which is not known"))),
        }
    }
    Ok(())
}
