//! An OCI layout in a folder: what leads to what in it.

use std::path::Path;

use serde_json::Value;

use crate::error::Error;

/// What is in a layout, by digests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    /// What its `index.json` leads to: an index, or the only image's manifest.
    pub(crate) top: String,
    pub(crate) images: Vec<Image>,
}

/// The image of one platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Image {
    pub(crate) manifest: String,
    pub(crate) configuration: String,
    /// The lowest first. The last one is the application.
    pub(crate) layers: Vec<Layer>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layer {
    pub(crate) digest: String,
    /// In bytes, as it is stored.
    pub(crate) size: u64,
}

impl Layout {
    /// Reads the layout in a folder.
    pub(crate) fn read(folder: &Path) -> Result<Self, Error> {
        let read = |path: &Path| -> Result<Value, Error> {
            let value = serde_json::from_slice(&fs_err::read(path)?);
            value.map_err(|error| Error::Unexpected { path: path.to_owned(), problem: error.to_string() })
        };
        let blob = |digest: &str| read(&folder.join("blobs").join(digest.replace(':', "/")));
        let digest = |value: &Value| -> Result<String, Error> {
            let problem = || "something in this layout has no digest".to_owned();
            let missing = || Error::Unexpected { path: folder.to_owned(), problem: problem() };
            value["digest"].as_str().map(str::to_owned).ok_or_else(missing)
        };
        let image = |manifest: String| -> Result<Image, Error> {
            let value = blob(&manifest)?;
            let mut layers = Vec::new();
            for layer in value["layers"].as_array().into_iter().flatten() {
                let size = layer["size"].as_u64().unwrap_or_default();
                layers.push(Layer { digest: digest(layer)?, size });
            }
            Ok(Image { configuration: digest(&value["config"])?, layers, manifest })
        };

        let top = digest(&read(&folder.join("index.json"))?["manifests"][0])?;
        let value = blob(&top)?;
        let manifests = match value["manifests"].as_array() {
            Some(manifests) => manifests.iter().map(digest).collect::<Result<Vec<_>, _>>()?,
            None => vec![top.clone()],
        };
        let images = manifests.into_iter().map(image).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { top, images })
    }

    /// The bytes of the largest layer.
    pub(crate) fn largest(&self) -> u64 {
        self.images.iter().flat_map(|image| &image.layers).map(|layer| layer.size).max().unwrap_or(0)
    }

    /// The application's layer of its only image.
    pub(crate) fn application(&self) -> Option<&Layer> {
        self.images.first()?.layers.last()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Two images over one base, with digests that are words.
    pub(crate) fn layout(edition: &str) -> Layout {
        let image = |platform: &str| {
            let digest = |what: &str| format!("sha256:{what}-{platform}-{edition}");
            let base = Layer { digest: "sha256:base".to_owned(), size: 7 };
            let application = Layer { digest: digest("application"), size: 9 };
            Image {
                manifest: digest("manifest"),
                configuration: digest("config"),
                layers: vec![base, application],
            }
        };
        Layout { top: format!("sha256:index-{edition}"), images: vec![image("amd64"), image("arm64")] }
    }

    #[test]
    fn a_layout_is_read_with_its_index_or_without() {
        let place = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            crate::project::write(&place.path().join(path), text.as_bytes()).unwrap();
        };
        write("blobs/sha256/i", r#"{"manifests": [{"digest": "sha256:m"}]}"#);
        write(
            "blobs/sha256/m",
            r#"{"config": {"digest": "sha256:c"}, "layers": [{"digest": "sha256:a", "size": 5}]}"#,
        );
        let read = |top: &str| {
            write("index.json", &format!("{{\"manifests\": [{{\"digest\": \"{top}\"}}]}}"));
            Layout::read(place.path()).unwrap()
        };
        let layout = read("sha256:i");
        assert_eq!(layout.application(), Some(&Layer { digest: "sha256:a".to_owned(), size: 5 }));
        assert_eq!(read("sha256:m"), Layout { top: "sha256:m".to_owned(), ..layout });
        write("blobs/sha256/m", "{}");
        assert!(Layout::read(place.path()).unwrap_err().to_string().contains("no digest"));
    }
}
