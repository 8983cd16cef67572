//! Real files in a folder of the caller's choice (`--out-dir`).

use std::collections::BTreeMap;
use std::io::Seek as _;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;
use xbuild_action::StoreError;
use xbuild_base::{Blob, Digest, Hasher, RelPath};
use xbuild_store::Disk;

use crate::artefact::Artefact;
use crate::error::OutputError;
use crate::sums::{self, Sums};

/// Copies outputs to `<folder>/<variant>/<target>/{bin,lib}/<name>`, modes 0755 and 0644, with a `SHA256SUMS` for
/// each target, and returns their paths in the order of the outputs. Blocks are shared where the file system can.
///
/// All copies are complete, checked and on disk before the first one takes its place: a full disk or a damaged
/// store leaves everything as it was.
///
/// # Errors
/// When the folder can't be written, or content is missing or damaged.
pub fn export(store: &Disk, folder: &Path, artefacts: &[Artefact]) -> Result<Vec<PathBuf>, OutputError> {
    let mut copies = Vec::with_capacity(artefacts.len());
    let mut all_sums = BTreeMap::<PathBuf, Sums>::new();
    let wanted = by_path(artefacts)?;
    for artefact in wanted.values() {
        let target = folder.join(artefact.folder()?);
        let path = target.join(artefact.path_in_folder()?);
        let parent = target.join(artefact.place.folder());
        fs_err::create_dir_all(&parent).map_err(OutputError::io("make the folder", &parent))?;
        if !all_sums.contains_key(&target) {
            // What an earlier run put there keeps its line while it is there.
            let mut sums = Sums::read(&target)?;
            sums.0.retain(|path, _| target.join(path).exists());
            all_sums.insert(target.clone(), sums);
        }
        if let Some(sums) = all_sums.get_mut(&target) {
            sums.0.insert(artefact.path_in_folder()?, artefact.file.digest.sha256());
        }
        let mode = if artefact.file.executable { 0o755 } else { 0o644 };
        copies.push((copy(store, artefact, &parent)?, path, mode));
    }
    for (copy, path, mode) in copies {
        sums::place(copy, &path, mode)?;
    }
    for (target, sums) in all_sums {
        sums.write(&target)?;
    }
    artefacts.iter().map(|artefact| Ok(folder.join(artefact.path()?))).collect()
}

/// The outputs by their paths; the same file twice is no conflict.
pub(crate) fn by_path(artefacts: &[Artefact]) -> Result<BTreeMap<RelPath, &Artefact>, OutputError> {
    let mut by_path = BTreeMap::<RelPath, &Artefact>::new();
    for artefact in artefacts {
        let path = artefact.path()?;
        if let Some(there) = by_path.insert(path.clone(), artefact)
            && there.file != artefact.file
        {
            return Err(OutputError::Conflict { path: path.to_string() });
        }
    }
    Ok(by_path)
}

/// A complete and checked copy in `folder`, still under a temporary name.
fn copy(store: &Disk, artefact: &Artefact, folder: &Path) -> Result<NamedTempFile, OutputError> {
    let from = store.path_of(artefact.file)?;
    let mut source = fs_err::File::open(&from).map_err(OutputError::io("open", &from))?;
    let mut copy = sums::temporary(folder)?;
    // Between two plain files this is copy_file_range(2), which shares blocks where the file system can.
    std::io::copy(source.file_mut(), copy.as_file_mut())
        .and_then(|_| copy.as_file_mut().rewind())
        .map_err(OutputError::io("copy", &from))?;
    let mut hasher = Hasher::default();
    std::io::copy(copy.as_file_mut(), &mut hasher).map_err(OutputError::io("read", copy.path()))?;
    let digest: Digest<Blob> = hasher.digest();
    if digest != artefact.file.digest {
        let problem = format!("its bytes have the digest {digest}");
        return Err(StoreError::Damaged { path: from, problem }.into());
    }
    Ok(copy)
}
