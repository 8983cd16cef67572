//! An OCI layout: a folder that holds an image for each platform, and an index over them.

use std::collections::BTreeMap;

use oci_spec::image::{
    ANNOTATION_REF_NAME, Descriptor, ImageIndexBuilder, MediaType, OciLayoutBuilder, SCHEMA_VERSION,
};
use serde::{Deserialize, Serialize};
use xbuild_action::{Content as _, ContentExt as _, Directory, Entry, File};
use xbuild_base::{Blob, Digest, Tree};
use xbuild_store::Disk;

use crate::error::ImageError;
use crate::manifest::{Image, canonical, descriptor, hash_map, specification};

/// The version of the layout's own format.
const LAYOUT_VERSION: &str = "1.0.0";

/// What the one thing in a layout is called in it.
const TAG: &str = "latest";

/// A layout in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// The folder: `oci-layout`, `index.json`, `blobs/sha256/…`.
    pub tree: Digest<Tree>,
    /// What its `index.json` leads to: the manifest of a single platform's image, or the index over several.
    pub top: Digest<Blob>,
    /// The blobs, each once: an index comes after what it names.
    pub blobs: Vec<Digest<Blob>>,
}

/// Lays out images of different platforms, at least one, as one image.
///
/// # Errors
/// When the store fails.
pub fn layout(store: &Disk, images: &[Image]) -> Result<Layout, ImageError> {
    if images.is_empty() {
        return Err(specification("there is no image"));
    }
    let mut blobs: Vec<Digest<Blob>> = Vec::new();
    let mut add = |blob: Digest<Blob>| {
        if !blobs.contains(&blob) {
            blobs.push(blob);
        }
    };
    let mut manifests = Vec::new();
    for image in images {
        image.layers.iter().for_each(|(_, layer)| add(layer.blob));
        add(image.config);
        add(image.manifest);
        let mut manifest = descriptor(MediaType::ImageManifest, image.manifest)?;
        manifest.set_platform(Some(image.platform.descriptor()?));
        manifests.push(manifest);
    }
    let mut top = match manifests.as_slice() {
        [one] => one.clone(),
        _ => {
            // What all of them say is said of all of them.
            let mut annotations = images.first().map(|image| image.annotations.clone()).unwrap_or_default();
            annotations
                .retain(|key, value| images.iter().all(|image| image.annotations.get(key) == Some(value)));
            let index = store.put(&index(manifests, &annotations)?)?;
            add(index);
            descriptor(MediaType::ImageIndex, index)?
        }
    };
    let top_blob = blobs.last().copied().ok_or_else(|| specification("there is no image"))?;
    top.set_annotations(Some(hash_map(&BTreeMap::from([(ANNOTATION_REF_NAME.to_owned(), TAG.to_owned())]))));
    let tree = tree(store, top, &blobs)?;
    Ok(Layout { tree, top: top_blob, blobs })
}

impl Layout {
    /// The layout with another name for what is in it.
    ///
    /// # Errors
    /// When the store fails.
    pub fn tagged(&self, store: &Disk, tag: &str) -> Result<Self, ImageError> {
        let mut root = store.directory(self.tree)?.as_ref().clone();
        let Some(Entry::File(index)) = root.entries.get("index.json") else {
            return Err(specification("the layout has no index"));
        };
        let mut index: serde_json::Value =
            serde_json::from_slice(&store.get(index.digest)?).map_err(specification)?;
        index["manifests"][0]["annotations"][ANNOTATION_REF_NAME] = tag.into();
        let digest = store.put(&canonical(&index)?)?;
        root.entries.insert("index.json".to_owned(), Entry::File(File { digest, executable: false }));
        Ok(Self { tree: store.put_directory(&root)?, ..self.clone() })
    }
}

fn index(manifests: Vec<Descriptor>, annotations: &BTreeMap<String, String>) -> Result<Vec<u8>, ImageError> {
    let mut index = ImageIndexBuilder::default()
        .schema_version(SCHEMA_VERSION)
        .media_type(MediaType::ImageIndex)
        .manifests(manifests);
    if !annotations.is_empty() {
        index = index.annotations(hash_map(annotations));
    }
    canonical(&index.build().map_err(specification)?)
}

fn tree(store: &Disk, top: Descriptor, blobs: &[Digest<Blob>]) -> Result<Digest<Tree>, ImageError> {
    let file = |digest| Entry::File(File { digest, executable: false });
    let entries = blobs.iter().map(|blob| (blob.to_hex(), file(*blob))).collect();
    let sha256 = store.put_directory(&Directory { entries })?;
    let entries = [("sha256".to_owned(), Entry::Directory(sha256))].into();
    let folder = store.put_directory(&Directory { entries })?;

    let version =
        OciLayoutBuilder::default().image_layout_version(LAYOUT_VERSION).build().map_err(specification)?;
    let version = store.put(&canonical(&version)?)?;
    let index = store.put(&index(vec![top], &BTreeMap::new())?)?;
    let entries = [
        ("blobs".to_owned(), Entry::Directory(folder)),
        ("index.json".to_owned(), file(index)),
        ("oci-layout".to_owned(), file(version)),
    ];
    Ok(store.put_directory(&Directory { entries: entries.into() })?)
}
