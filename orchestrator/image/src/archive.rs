//! Images as files outside the store: a layout as a folder or in one tar, and Docker's older format.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use serde_json::json;
use tempfile::NamedTempFile;
use xbuild_action::{Content, Entry, walk};
use xbuild_base::{Digest, RelPath, Tree};

use crate::error::ImageError;
use crate::layer::{append_bytes, append_reader, write_tar};
use crate::layout::Layout;
use crate::manifest::{Image, canonical};
use crate::rootfs::{Node, Role};

/// Writes a layout as one tar (`oci-archive:` in the words of skopeo).
///
/// # Errors
/// When the store fails or the file can't be written; then what was there is there still.
pub fn oci_archive(store: &dyn Content, layout: &Layout, to: &Path) -> Result<(), ImageError> {
    let nodes = nodes(store, layout.tree)?;
    written(to, |file| write_tar(store, &nodes, file).map(drop))
}

/// Writes a layout as a folder (`oci:`), which must be empty, or a layout that is then replaced as a whole.
///
/// # Errors
/// When something else is there; when the store fails or the folder can't be written.
pub fn write_layout(store: &dyn Content, layout: &Layout, to: &Path) -> Result<(), ImageError> {
    let is_free = match fs_err::read_dir(to) {
        Ok(entries) => {
            let names: Vec<_> = entries
                .map(|entry| entry.map(|entry| entry.file_name()))
                .collect::<Result<_, _>>()
                .map_err(ImageError::io("list", to))?;
            names.is_empty() || is_plain_layout(to, &names)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
        Err(error) => return Err(ImageError::io("list", to)(error)),
    };
    if !is_free {
        return Err(ImageError::Occupied { path: to.to_owned() });
    }
    let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs_err::create_dir_all(parent).map_err(ImageError::io("make the folder", parent))?;
    // Made beside it, and put in its place when it is whole.
    let place = tempfile::Builder::new()
        .prefix(".xbuild-")
        .tempdir_in(parent)
        .map_err(ImageError::io("make a folder in", parent))?;
    let made = place.path().join("layout");
    fs_err::create_dir(&made).map_err(ImageError::io("make the folder", &made))?;
    for (path, node) in nodes(store, layout.tree)? {
        let at = made.join(path.as_str());
        match node.kind {
            crate::rootfs::Kind::File(digest) => {
                let mut file = fs_err::File::create(&at).map_err(ImageError::io("write", &at))?;
                std::io::copy(&mut store.open_blob(digest)?, &mut file)
                    .map_err(ImageError::io("write", &at))?;
            }
            _ => fs_err::create_dir(&at).map_err(ImageError::io("make the folder", &at))?,
        }
    }
    let before = place.path().join("before");
    if to.exists() {
        fs_err::rename(to, &before).map_err(ImageError::io("replace", to))?;
    }
    fs_err::rename(&made, to).map_err(|error| {
        if before.exists() && fs_err::rename(&before, to).is_err() {
            // What was there must not go with the folder that it is in now.
            let _ = place.keep();
        }
        ImageError::io("write", to)(error)
    })
}

/// Whether a folder holds a layout of one image and nothing else: what can be replaced by another one.
fn is_plain_layout(folder: &Path, names: &[std::ffi::OsString]) -> bool {
    let known = ["blobs", "index.json", "oci-layout"];
    let index = fs_err::read(folder.join("index.json")).unwrap_or_default();
    let index: serde_json::Value = serde_json::from_slice(&index).unwrap_or_default();
    let images = index["manifests"].as_array().map_or(0, Vec::len);
    names.len() == known.len()
        && names.iter().all(|name| known.iter().any(|known| name == known))
        && images <= 1
}

/// Writes an image of one platform as `docker save` does (`docker-archive:`), for `docker load`. `tags` are full
/// names such as `foo:latest`.
///
/// # Errors
/// As [`oci_archive`].
pub fn docker_archive(
    store: &dyn Content,
    image: &Image,
    tags: &[String],
    to: &Path,
) -> Result<(), ImageError> {
    let config = format!("{}.json", image.config.to_hex());
    let layers: Vec<String> =
        image.layers.iter().map(|(_, layer)| format!("{}.tar", layer.diff.to_hex())).collect();
    let manifest = json!([{ "Config": config, "RepoTags": tags, "Layers": layers }]);
    let manifest = canonical(&manifest)?;
    written(to, |file| {
        let failed = || ImageError::io("write", to);
        let mut tar = tar::Builder::new(file);
        append_reader(&mut tar, &config, image.config.size(), store.open_blob(image.config)?)
            .map_err(failed())?;
        for ((_, layer), name) in image.layers.iter().zip(&layers) {
            let blob = store.open_blob(layer.blob)?;
            // Old versions of Docker know no zstd here.
            let plain = layer.compression.decoder(blob).map_err(failed())?;
            append_reader(&mut tar, name, layer.diff.size(), plain).map_err(failed())?;
        }
        append_bytes(&mut tar, "manifest.json", &manifest).map_err(failed())?;
        tar.into_inner().map(drop).map_err(failed())
    })
}

/// A layout's tree as what a tar is made of.
fn nodes(store: &dyn Content, tree: Digest<Tree>) -> Result<BTreeMap<RelPath, Node>, ImageError> {
    let mut nodes = BTreeMap::new();
    walk::<ImageError>(store, tree, &mut |path, entry| {
        let node = match entry {
            Entry::File(file) => Node::file(file.digest, 0o644, Role::Application, ""),
            Entry::Directory(_) => Node::directory(Role::Application, ""),
            Entry::Symlink(target) => Node::symlink(target.clone(), Role::Application, ""),
        };
        nodes.insert(path.clone(), node);
        Ok(())
    })?;
    Ok(nodes)
}

/// Writes a file as a whole or not at all.
fn written(
    to: &Path,
    write: impl FnOnce(&mut BufWriter<&mut NamedTempFile>) -> Result<(), ImageError>,
) -> Result<(), ImageError> {
    let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs_err::create_dir_all(parent).map_err(ImageError::io("make the folder", parent))?;
    let mut file = tempfile::Builder::new()
        .prefix(".xbuild-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(parent)
        .map_err(ImageError::io("make a file in", parent))?;
    let mut buffered = BufWriter::with_capacity(1 << 18, &mut file);
    write(&mut buffered)?;
    buffered.flush().map_err(ImageError::io("write", to))?;
    drop(buffered);
    file.persist(to).map_err(|error| ImageError::io("write", to)(error.error))?;
    Ok(())
}
