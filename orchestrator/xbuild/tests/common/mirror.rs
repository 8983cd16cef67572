//! A mirror by hash with files made up for a test, and Debian packages among them.

use std::path::Path;

use fs_err as fs;
use xbuild_base::Sha256;
use xbuild_fetch::mirror::path_of;

/// A folder of files by their hashes.
#[derive(Debug)]
pub(crate) struct Mirror {
    folder: tempfile::TempDir,
}

impl Mirror {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// Its folder, for `XBUILD_MIRRORS`.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn add(&self, bytes: &[u8]) {
        let path = self.path().join(path_of(Sha256::of(bytes)));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

/// A Debian package with one file, `/usr/bin/NAME`, which has this text.
pub(crate) fn package(name: &str, text: &str) -> Vec<u8> {
    let mut data = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(text.len() as u64);
    header.set_mode(0o755);
    data.append_data(&mut header, format!("./usr/bin/{name}"), text.as_bytes()).unwrap();
    let control = tar::Builder::new(Vec::new()).into_inner().unwrap();
    let mut archive = b"!<arch>\n".to_vec();
    for (name, bytes) in [
        ("debian-binary", b"2.0\n".to_vec()),
        ("control.tar", control),
        ("data.tar", data.into_inner().unwrap()),
    ] {
        let (time, owner, mode) = (0, 0, 100_644);
        let size = bytes.len();
        archive.extend(format!("{name:<16}{time:<12}{owner:<6}{owner:<6}{mode:<8}{size:<10}`\n").bytes());
        archive.extend(&bytes);
        // Members begin at even places.
        archive.extend(std::iter::repeat_n(b'\n', size % 2));
    }
    archive
}

/// An `xbuild.lock` that pins a package as the only one that is wanted as a tool.
pub(crate) fn lock(name: &str, version: &str, package: &[u8]) -> String {
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    format!(
        "version = 2\n\n[[packages]]\nfor = \"tools\"\narchitecture = \"{architecture}\"\nsuites = [\"trixie\"]\n\
         roots = [\"{name}\"]\n\n[[packages.pins]]\nname = \"{name}\"\nversion = \"{version}\"\n\
         arch = \"{architecture}\"\nsuite = \"trixie\"\npath = \"pool/{name}.deb\"\nsize = {}\nsha256 = \"{}\"\n",
        package.len(),
        Sha256::of(package).to_hex()
    )
}
