//! Images that others are based on, made by hand.

use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use fs_err as fs;
use serde_json::json;
use xbuild_base::{Blob, Digest};

use super::machine::oci_tools;
use super::registry::{PASSWORD, Registry, USER};

/// A tar of these entries: a path that ends with `/` is a folder, `a -> b` a symbolic link, `a => b` a hard link, and
/// all else a file with its text.
pub(crate) fn tar_of(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, text) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(text.len() as u64);
        if let Some((name, target)) = name.split_once(" -> ") {
            header.set_mode(0o777);
            header.set_entry_type(tar::EntryType::Symlink);
            tar.append_link(&mut header, name, target).unwrap();
        } else if let Some((name, target)) = name.split_once(" => ") {
            header.set_mode(0o644);
            header.set_entry_type(tar::EntryType::Link);
            tar.append_link(&mut header, name, target).unwrap();
        } else if name.ends_with('/') {
            header.set_mode(0o755);
            header.set_entry_type(tar::EntryType::Directory);
            tar.append_data(&mut header, name, std::io::empty()).unwrap();
        } else {
            header.set_mode(0o644);
            tar.append_data(&mut header, name, text.as_bytes()).unwrap();
        }
    }
    tar.into_inner().unwrap()
}

/// Makes an image of one layer by hand and has skopeo put it into a registry. Gives the layer's digest.
///
/// What xbuild itself has made is in the store that the tests share: of such a base nothing would be fetched. For the
/// same reason each run needs files of its own.
pub(crate) fn put_base(registry: &Registry, name: &str, entries: &[(&str, &str)]) -> String {
    put_base_of(registry, name, entries, None)
}

/// As [`put_base`], with a date.
pub(crate) fn put_base_of(
    registry: &Registry,
    name: &str,
    entries: &[(&str, &str)],
    created: Option<&str>,
) -> String {
    let folder = tempfile::tempdir().unwrap();
    let blobs = folder.path().join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let put = |kind: &str, bytes: &[u8]| {
        let blob = Digest::<Blob>::of(bytes);
        fs::write(blobs.join(blob.to_hex()), bytes).unwrap();
        let media_type = format!("application/vnd.oci.image.{kind}");
        json!({"mediaType": media_type, "size": blob.size(), "digest": blob.sha256().to_string()})
    };
    let tar = tar_of(entries);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(&tar).unwrap();
    let layer = put("layer.v1.tar+gzip", &gzip.finish().unwrap());
    let diff = Digest::<Blob>::of(&tar).sha256().to_string();
    let mut config = json!({
        // So long that half of the answer ends within the body.
        "author": "x".repeat(4096),
        "architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [diff]},
    });
    if let Some(created) = created {
        config["created"] = json!(created);
    }
    let config = put("config.v1+json", config.to_string().as_bytes());
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config, "layers": [layer],
    });
    let manifest = put("manifest.v1+json", manifest.to_string().as_bytes());
    let index = json!({"schemaVersion": 2, "manifests": [manifest]});
    fs::write(folder.path().join("index.json"), index.to_string()).unwrap();
    fs::write(folder.path().join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    copy(folder.path(), registry, name, &[]);
    layer["digest"].as_str().unwrap().to_owned()
}

/// Has skopeo copy a layout into a registry.
pub(crate) fn copy(layout: &Path, registry: &Registry, name: &str, options: &[&str]) {
    let (from, to) = (format!("oci:{}", layout.display()), format!("docker://{}/{name}", registry.address()));
    let creds = format!("{USER}:{PASSWORD}");
    let copy = ["--insecure-policy", "copy", "--dest-tls-verify=false", "--dest-creds", creds.as_str()];
    oci_tools().run("skopeo", &[&copy[..], options, &[from.as_str(), to.as_str()]].concat());
}
