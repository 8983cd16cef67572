//! An image that others are based on, out of the blobs that a registry gave: its files are read once, layer by layer,
//! so that programs can be held against them; its layers stay as they came.

use std::collections::BTreeSet;
use std::io::Read;

use oci_spec::image::{ImageConfiguration, ImageManifest, MediaType};
use serde::{Deserialize, Serialize};
use xbuild_action::{Content, ContentExt as _};
use xbuild_base::{Blob, Digest, Hasher, RelPath};

use crate::compress::Compression;
use crate::error::ImageError;
use crate::layer::{Hashed, Layer};
use crate::manifest::specification;
use crate::rootfs::{Kind, Node, Owner, Role, RootFs};

/// An image to base others on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pulled {
    /// Its layers, the lowest first.
    pub layers: Vec<Layer>,
    /// Its configuration.
    pub config: ImageConfiguration,
    /// Its files.
    pub root: RootFs,
}

impl Pulled {
    /// Reads an image whose manifest this is, and whose blobs are in the store. `reference` is for messages.
    ///
    /// # Errors
    /// [`ImageError::Pulled`] when a part is missing, is of a kind that isn't known, or is not what it should be.
    pub fn read(store: &dyn Content, reference: &str, manifest: &[u8]) -> Result<Self, ImageError> {
        let wrong = |problem: String| ImageError::Pulled { reference: reference.to_owned(), problem };
        let manifest: ImageManifest =
            serde_json::from_slice(manifest).map_err(|error| wrong(error.to_string()))?;
        let config = store.get(blob(manifest.config().digest().as_ref(), manifest.config().size())?)?;
        let config: ImageConfiguration =
            serde_json::from_slice(&config).map_err(|error| wrong(error.to_string()))?;
        let diffs = config.rootfs().diff_ids();
        if diffs.len() != manifest.layers().len() {
            return Err(wrong("its configuration and its manifest do not have the same layers".to_owned()));
        }
        let mut root = RootFs::default();
        let mut layers = Vec::new();
        let why = format!("the base {reference} has it");
        for (layer, expected) in manifest.layers().iter().zip(diffs) {
            let compression = compression(layer.media_type())
                .ok_or_else(|| wrong(format!("a layer is {}, which is not known", layer.media_type())))?;
            let blob = blob(layer.digest().as_ref(), layer.size())?;
            let failed = |error: std::io::Error| wrong(format!("a layer can't be read: {error}"));
            let reader = compression.decoder(store.open_blob(blob)?).map_err(failed)?;
            let mut archive = tar::Archive::new(Hashed { hasher: Hasher::default(), to: reader });
            let mut laid = BTreeSet::new();
            for entry in archive.entries().map_err(failed)? {
                lay(store, &mut root, &mut laid, entry.map_err(failed)?, &why).map_err(
                    |error| match error {
                        Unlaid::Read(error) => failed(error),
                        Unlaid::Image(error) => error,
                    },
                )?;
            }
            // What comes after the end of a tar is hashed too.
            let mut rest = archive.into_inner();
            std::io::copy(&mut rest, &mut std::io::sink()).map_err(failed)?;
            let diff: Digest<Blob> = rest.hasher.digest();
            if diff.sha256().to_string() != *expected {
                return Err(wrong(format!("a layer holds {}, where {expected} should be", diff.sha256())));
            }
            layers.push(Layer { diff, blob, compression });
        }
        Ok(Self { layers, config, root })
    }
}

impl Pulled {
    /// Who runs it, as its configuration says.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.config.config().as_ref()?.user().as_deref().filter(|user| !user.is_empty())
    }
}

/// A blob by the words of a descriptor.
fn blob(digest: &str, size: u64) -> Result<Digest<Blob>, ImageError> {
    Ok(Digest::new(digest.parse().map_err(specification)?, size))
}

/// How a layer of a type is compressed; Docker's older names are the same formats.
fn compression(media_type: &MediaType) -> Option<Compression> {
    match media_type {
        MediaType::ImageLayer => Some(Compression::None),
        MediaType::ImageLayerGzip => Some(Compression::Gzip),
        MediaType::ImageLayerZstd => Some(Compression::Zstd),
        MediaType::Other(other) => match other.as_str() {
            "application/vnd.docker.image.rootfs.diff.tar" => Some(Compression::None),
            "application/vnd.docker.image.rootfs.diff.tar.gzip" => Some(Compression::Gzip),
            "application/vnd.docker.image.rootfs.diff.tar.zstd" => Some(Compression::Zstd),
            _ => None,
        },
        _ => None,
    }
}

enum Unlaid {
    Read(std::io::Error),
    Image(ImageError),
}

impl From<std::io::Error> for Unlaid {
    fn from(error: std::io::Error) -> Self {
        Self::Read(error)
    }
}

/// Lays an entry of a layer over what lower layers have. Devices and the like are left to the layer itself.
fn lay(
    store: &dyn Content,
    root: &mut RootFs,
    laid: &mut BTreeSet<RelPath>,
    mut entry: tar::Entry<'_, impl Read>,
    why: &str,
) -> Result<(), Unlaid> {
    let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
    let inside = |text: &str| RelPath::root().resolve(text.trim_start_matches('/')).ok();
    let Some(path) = inside(&name).filter(|path| !path.is_root()) else { return Ok(()) };
    let (folder, last) = (path.parent().unwrap_or_default(), path.file_name().unwrap_or_default());
    // Whiteouts (image specification, layer.md): what lower layers had is gone, and nothing of this one.
    if last == ".wh..wh..opq" {
        root.clear_but(&folder, |path| laid.contains(path));
        return Ok(());
    }
    if let Some(gone) = last.strip_prefix(".wh.") {
        if let Ok(gone) = RelPath::new(gone) {
            root.remove(&folder.join(&gone));
        }
        return Ok(());
    }
    laid.insert(path.clone());
    let header = entry.header();
    let (mode, uid, gid) = (header.mode()? & 0o7777, header.uid()?, header.gid()?);
    let kind = match header.entry_type() {
        tar::EntryType::Directory => Kind::Directory,
        tar::EntryType::Regular | tar::EntryType::Continuous | tar::EntryType::GNUSparse => {
            Kind::File(store.put_reader(&mut entry).map_err(|error| Unlaid::Image(error.into()))?)
        }
        tar::EntryType::Symlink => {
            let target = entry.link_name_bytes().unwrap_or_default();
            Kind::Symlink(String::from_utf8_lossy(&target).into_owned())
        }
        tar::EntryType::Link => {
            let target = entry.link_name_bytes().unwrap_or_default();
            let Some(target) = inside(&String::from_utf8_lossy(&target)) else { return Ok(()) };
            let Some(node) = root.file(&target).map(|(_, node)| node.clone()) else { return Ok(()) };
            root.put(path, node);
            return Ok(());
        }
        _ => return Ok(()),
    };
    let owner = Owner { uid, gid };
    root.put(path, Node { kind, mode, owner, role: Role::Pulled, why: why.to_owned() });
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use xbuild_action::Memory;

    use super::*;
    use crate::rootfs::tests::path;

    /// A layer of these entries: a path that ends with `/` is a folder, `a -> b` a link.
    fn layer(entries: &[(&str, &str)]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, text) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o644);
            header.set_uid(5);
            header.set_gid(6);
            if let Some((name, target)) = name.split_once(" -> ") {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_size(0);
                tar.append_link(&mut header, name, target).unwrap();
            } else if name.ends_with('/') {
                header.set_entry_type(tar::EntryType::Directory);
                header.set_size(0);
                tar.append_data(&mut header, name, std::io::empty()).unwrap();
            } else {
                header.set_size(text.len() as u64);
                tar.append_data(&mut header, name, text.as_bytes()).unwrap();
            }
        }
        tar.into_inner().unwrap()
    }

    fn manifest(store: &Memory, layers: &[Vec<u8>], diffs: &[String]) -> Vec<u8> {
        let descriptor = |media_type: &str, bytes: &[u8]| {
            let blob = store.put(bytes).unwrap();
            json!({ "mediaType": media_type, "size": blob.size(), "digest": blob.sha256().to_string() })
        };
        let config = json!({
            "architecture": "amd64", "os": "linux", "config": { "Env": ["PATH=/bin"] },
            "rootfs": { "type": "layers", "diff_ids": diffs },
        });
        let layers: Vec<Value> =
            layers.iter().map(|layer| descriptor("application/vnd.oci.image.layer.v1.tar", layer)).collect();
        let config = descriptor("application/vnd.oci.image.config.v1+json", config.to_string().as_bytes());
        json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": config, "layers": layers,
        })
        .to_string()
        .into_bytes()
    }

    fn diffs(layers: &[Vec<u8>]) -> Vec<String> {
        layers.iter().map(|layer| Digest::<Blob>::of(layer).sha256().to_string()).collect()
    }

    #[test]
    fn layers_are_laid_over_each_other() {
        let store = Memory::default();
        let layers = [
            layer(&[
                ("./etc/", ""),
                ("./etc/a", "1"),
                ("./etc/b", "1"),
                ("opt/x/y", "1"),
                ("lib -> usr/lib", ""),
            ]),
            layer(&[
                ("etc/a", "2"),
                ("etc/.wh.b", ""),
                ("opt/x/!", "2"),
                ("opt/x/.wh..wh..opq", ""),
                ("opt/x/z", "2"),
                ("lib/c", "2"),
            ]),
        ];
        let manifest = manifest(&store, &layers, &diffs(&layers));
        let pulled = Pulled::read(&store, "example/base", &manifest).unwrap();
        let paths: Vec<&str> = pulled.root.nodes().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["etc", "etc/a", "lib", "opt/x/!", "opt/x/z", "usr/lib/c"]);
        let a = pulled.root.get(&path("etc/a")).unwrap();
        assert_eq!(a.kind, Kind::File(Digest::of(b"2")));
        assert_eq!(a.owner, Owner { uid: 5, gid: 6 });
        assert!(a.why.contains("example/base"));
        let again: Pulled = serde_json::from_slice(&serde_json::to_vec(&pulled).unwrap()).unwrap();
        assert_eq!(again, pulled);
    }

    #[test]
    fn a_layer_that_is_another_one_is_refused() {
        let store = Memory::default();
        let layers = [layer(&[("a", "1")])];
        let other = diffs(&[layer(&[("a", "2")])]);
        let error = Pulled::read(&store, "example/base", &manifest(&store, &layers, &other)).unwrap_err();
        assert!(error.to_string().contains(&other[0]), "{error}");
        let error = Pulled::read(&store, "example/base", &manifest(&store, &layers, &[])).unwrap_err();
        assert!(error.to_string().contains("same layers"), "{error}");
        let error = Pulled::read(&store, "example/base", b"<html>").unwrap_err();
        assert!(error.to_string().contains("example/base"), "{error}");
    }
}
