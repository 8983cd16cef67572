//! `result/`: links from the project into the store.
//!
//! An output's link leads to a tree of its own that holds `bin/<name>` or `lib/<name>` and nothing else, so that a
//! program finds its own name where it was started from, and collection keeps a tree for each link. The
//! `SHA256SUMS` beside the links is a real file.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use xbuild_action::Content as _;
use xbuild_base::{Digest, Hasher, RelPath, Sha256, Tree};
use xbuild_store::{Disk, Keeps};

use crate::artefact::{Artefact, Place};
use crate::error::OutputError;
use crate::export::by_path;
use crate::sums::{FILE_NAME, Sums, TEMPORARY};

/// The folder of links in a project.
pub(crate) const RESULT: &str = "result";

/// Whether the outputs are all that their variants and targets have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All: links of other outputs of the same variant and target are taken away.
    Whole,
    /// Some: other links stay, unless they dangle.
    Part,
}

/// Makes the links `<project>/result/<variant>/<target>/{bin,lib}/<name>`, writes `SHA256SUMS` for each target that
/// has any, makes the links roots of collection, and returns their paths in the order of the outputs. Each link and
/// file is replaced at once or not at all.
///
/// Other variants and targets are left alone, and so is everything that is no link into a store.
///
/// # Errors
/// [`OutputError::InTheWay`] when something else has an output's place; when content is missing; when the folder
/// can't be written.
pub fn install(
    store: &Disk,
    project: &Path,
    artefacts: &[Artefact],
    extent: Extent,
) -> Result<Vec<PathBuf>, OutputError> {
    // A root names its link by a path that holds from any folder.
    let project = std::path::absolute(project).map_err(OutputError::io("find", project))?;
    let result = project.join(RESULT);
    let wanted = by_path(artefacts)?;
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    make_folder(&result)?;
    // Two builds of one project at once: the sums are those of the links that are there in the end.
    let lock = fs_err::File::open(&result).map_err(OutputError::io("open", &result))?;
    lock.file().lock().map_err(OutputError::io("lock", &result))?;

    for (path, artefact) in &wanted {
        let (tree, file) = lay_out(store, artefact)?;
        let link = result.join(path);
        for parent in parents(path) {
            make_folder(&result.join(parent))?;
        }
        // First: a link without a root would dangle one day, a root without a link is nothing.
        store.add_root(&link, &Keeps { trees: [tree].into(), ..Keeps::default() })?;
        make_link(&file, &link)?;
    }
    let targets: BTreeSet<RelPath> =
        wanted.values().map(|artefact| artefact.folder()).collect::<Result<_, _>>()?;
    for target in targets {
        sweep_and_sum(&result, &target, &|path| wanted.get(path).copied(), extent)?;
    }
    artefacts.iter().map(|artefact| Ok(result.join(artefact.path()?))).collect()
}

/// Makes the link `<project>/result/<path>` to a whole tree of the store, makes it a root of collection, and returns
/// its path. What is there already is left as it is, when it is the same.
///
/// # Errors
/// As [`install`].
pub fn install_folder(
    store: &Disk,
    project: &Path,
    path: &RelPath,
    tree: Digest<Tree>,
) -> Result<PathBuf, OutputError> {
    let project = std::path::absolute(project).map_err(OutputError::io("find", project))?;
    let result = project.join(RESULT);
    make_folder(&result)?;
    for parent in parents(path) {
        make_folder(&result.join(parent))?;
    }
    let link = result.join(path);
    let folder = store.lay_out_result(tree)?;
    store.add_root(&link, &Keeps { trees: [tree].into(), ..Keeps::default() })?;
    make_link(&folder, &link)?;
    Ok(link)
}

/// The output's own file in the store, under its own name: what a link in `result` leads to.
///
/// # Errors
/// When content is missing or can't be laid out.
pub fn store_path(store: &Disk, artefact: &Artefact) -> Result<PathBuf, OutputError> {
    Ok(lay_out(store, artefact)?.1)
}

/// Lays out the tree that holds an output alone.
fn lay_out(store: &Disk, artefact: &Artefact) -> Result<(Digest<Tree>, PathBuf), OutputError> {
    let [lower, root] = artefact.tree();
    store.put_directory(&lower)?;
    let tree = store.put_directory(&root)?;
    Ok((tree, store.lay_out_result(tree)?.join(artefact.path_in_folder()?)))
}

/// The links that [`install`] would make, in the order of the outputs, if it would change nothing: a few system
/// calls for each output, and no content is read.
#[must_use]
pub fn installed(store: &Disk, project: &Path, artefacts: &[Artefact]) -> Option<Vec<PathBuf>> {
    let result = std::path::absolute(project).ok()?.join(RESULT);
    let mut sums_of = (RelPath::root(), Sums::default());
    let mut link = |artefact: &Artefact| {
        let (folder, path) = (artefact.folder().ok()?, artefact.path_in_folder().ok()?);
        let link = result.join(&folder).join(&path);
        let [_, root] = artefact.tree();
        let file = store.result_folder(root.digest()).join(&path);
        if sums_of.0 != folder {
            sums_of = (folder.clone(), Sums::read(&result.join(&folder)).ok()?);
        }
        let is_installed = fs_err::read_link(&link).is_ok_and(|to| to == file)
            && fs_err::metadata(&file).is_ok_and(|file| file.len() == artefact.file.digest.size())
            && sums_of.1.0.get(&path) == Some(&artefact.file.digest.sha256());
        is_installed.then_some(link)
    };
    artefacts.iter().map(&mut link).collect()
}

/// Takes dead links of a target away, and writes the sums of those that live.
fn sweep_and_sum<'a>(
    result: &Path,
    target: &RelPath,
    wanted: &dyn Fn(&RelPath) -> Option<&'a Artefact>,
    extent: Extent,
) -> Result<(), OutputError> {
    let folder = result.join(target);
    let mut sums = Sums::default();
    for place in [Place::Bin, Place::Lib] {
        let below = folder.join(place.folder());
        let entries = match fs_err::read_dir(&below) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(OutputError::io("list", &below)(error)),
        };
        for entry in entries {
            let path = entry.map_err(OutputError::io("list", &below))?.path();
            if !leads_into_a_store(&path) {
                continue;
            }
            let name = path.file_name().and_then(|name| name.to_str());
            let Some(Ok(below)) = name.map(|name| RelPath::new(format!("{}/{name}", place.folder()))) else {
                continue;
            };
            match wanted(&target.join(&below)) {
                Some(artefact) => {
                    sums.0.insert(below, artefact.file.digest.sha256());
                }
                None if extent == Extent::Whole || name.is_some_and(|name| name.starts_with(TEMPORARY)) => {
                    remove(&path)?;
                }
                None => match sum(&path)? {
                    Some(sum) => {
                        sums.0.insert(below, sum);
                    }
                    None => remove(&path)?,
                },
            }
        }
    }
    if fs_err::symlink_metadata(folder.join(FILE_NAME)).is_ok_and(|there| !there.is_file()) {
        return Err(OutputError::InTheWay { path: folder.join(FILE_NAME), found: "a folder or a link" });
    }
    sums.write(&folder)
}

fn remove(link: &Path) -> Result<(), OutputError> {
    match fs_err::remove_file(link) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(OutputError::io("remove", link)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The checksum of what a link leads to; `None` when it dangles.
fn sum(link: &Path) -> Result<Option<Sha256>, OutputError> {
    let mut file = match fs_err::File::open(link) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(OutputError::io("open", link)(error)),
    };
    let mut hasher = Hasher::default();
    std::io::copy(&mut file, &mut hasher).map_err(OutputError::io("read", link))?;
    Ok(Some(hasher.sha256()))
}

/// Whether something is a link as this module makes them, into whatever store: to `…/results/<hex>`, or to
/// `{bin,lib}/<name>` below it (`trees` in stores of format 1).
fn leads_into_a_store(path: &Path) -> bool {
    let Ok(to) = fs_err::read_link(path) else { return false };
    let parts: Vec<_> = to.components().rev().map(|part| part.as_os_str().to_string_lossy()).collect();
    let is_tree = |parts: &[std::borrow::Cow<'_, str>]| match parts {
        [tree, part, ..] => Sha256::from_hex(tree).is_ok() && matches!(&**part, "results" | "trees"),
        _ => false,
    };
    let is_file = match parts.as_slice() {
        [_, place, tree @ ..] => matches!(&**place, "bin" | "lib") && is_tree(tree),
        _ => false,
    };
    to.is_absolute() && (is_file || is_tree(&parts))
}

/// The folders above a path, the uppermost first.
fn parents(path: &RelPath) -> Vec<RelPath> {
    let mut parents: Vec<_> = std::iter::successors(path.parent(), RelPath::parent).collect();
    parents.reverse();
    parents
}

pub(crate) fn make_folder(path: &Path) -> Result<(), OutputError> {
    match fs_err::create_dir(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(OutputError::io("make the folder", path)(error))
        }
        Err(_) if !path.is_dir() => {
            Err(OutputError::InTheWay { path: path.to_owned(), found: "a file or a dangling link" })
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Makes `link` lead to `to`, in place of a link that was there.
fn make_link(to: &Path, link: &Path) -> Result<(), OutputError> {
    let in_the_way = |found| Err(OutputError::InTheWay { path: link.to_owned(), found });
    match fs_err::symlink_metadata(link) {
        Ok(there) if there.is_dir() => return in_the_way("a folder"),
        Ok(there) if !there.is_symlink() => return in_the_way("a file"),
        Ok(_) if fs_err::read_link(link).is_ok_and(|there| there == to) => return Ok(()),
        Ok(_) if !leads_into_a_store(link) => return in_the_way("a link"),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(OutputError::io("look at", link)(error)),
    }
    let folder = link.parent().unwrap_or(link);
    tempfile::Builder::new()
        .prefix(TEMPORARY)
        .make_in(folder, |path| fs_err::os::unix::fs::symlink(to, path))
        .map_err(OutputError::io("make a link in", folder))?
        .persist(link)
        .map_err(|error| OutputError::io("write", link)(error.error))?;
    Ok(())
}
