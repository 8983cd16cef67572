//! Crates in a folder as `cargo vendor` writes it: unpacked, each with the checksums of its files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use xbuild_action::{Content, Entry, File, TreeBuilder};
use xbuild_base::{Digest, Hasher, RelPath, Sha256, Tree};

use crate::error::FetchError;
use crate::fetcher::Fetcher;

/// The memo namespace: a crate's checksums → tree.
const TREES: &str = "vendored-tree";
/// The file with the checksums.
const CHECKSUMS: &str = ".cargo-checksum.json";

/// A crate that a folder should have.
pub(super) struct Vendored<'v> {
    pub(super) name: &'v str,
    pub(super) version: &'v str,
    pub(super) folder: &'v Path,
}

#[derive(Deserialize)]
struct Checksums {
    package: Option<String>,
    files: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Manifest {
    package: Package,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: Option<toml::Value>,
}

impl Vendored<'_> {
    /// Takes the crate over: just the files that its checksums list. `checksum` is what a lock says of the
    /// package that it was unpacked from.
    pub(super) fn tree(
        &self,
        fetcher: &Fetcher<'_>,
        checksum: Option<Sha256>,
    ) -> Result<Digest<Tree>, FetchError> {
        let called = format!("{} {}", self.name, self.version);
        let Some((folder, text)) = self.find()? else {
            let tried = vec![format!("{}: no folder in it has that crate", self.folder.display())];
            return Err(FetchError::Gone { name: called, tried });
        };
        let error = |problem: String| FetchError::Configuration { path: folder.join(CHECKSUMS), problem };
        let checksums: Checksums = serde_json::from_slice(&text).map_err(|e| error(e.to_string()))?;
        if let Some(expected) = checksum {
            let said = checksums.package.as_deref();
            let said = said.ok_or_else(|| error("it does not say what it was unpacked from".to_owned()))?;
            let computed = Sha256::from_hex(said).map_err(|e| error(e.to_string()))?;
            if computed != expected {
                let place = folder.display().to_string();
                return Err(FetchError::Mismatch { name: called, place, expected, computed });
            }
        }
        let key = Sha256::of(&text);
        if let Some(tree) = fetcher.remembered_tree(TREES, key)? {
            return Ok(tree);
        }
        let store: &dyn Content = fetcher.store();
        let mut tree = TreeBuilder::default();
        for (path, checksum) in &checksums.files {
            let path = RelPath::new(path.as_str()).map_err(|e| error(e.to_string()))?;
            let expected = Sha256::from_hex(checksum).map_err(|e| error(e.to_string()))?;
            let on_disk = folder.join(path.as_str());
            let metadata = fs_err::symlink_metadata(&on_disk)?;
            if !metadata.is_file() {
                return Err(error(format!("`{path}` is no regular file")));
            }
            let mismatch = |computed| {
                let (name, place) = (format!("{called}, {path}"), on_disk.display().to_string());
                FetchError::Mismatch { name, place, expected, computed }
            };
            // Hashed first, so that nothing wrong is kept; and again by the store, should it change meanwhile.
            let mut hasher = Hasher::default();
            std::io::copy(&mut fs_err::File::open(&on_disk)?, &mut hasher)?;
            let computed = hasher.sha256();
            if computed != expected {
                return Err(mismatch(computed));
            }
            let digest = store.put_file(&on_disk)?;
            if digest.sha256() != expected {
                return Err(mismatch(digest.sha256()));
            }
            let executable = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o100 != 0;
            tree.insert(store, &path, Entry::File(File { digest, executable }))?;
        }
        let tree = tree.build(store)?;
        fetcher.remember_tree(TREES, key, tree)?;
        Ok(tree)
    }

    /// The crate's folder and the text of its checksums. Cargo calls the folder `name` or `name-version`, but
    /// any name will do.
    fn find(&self) -> Result<Option<(PathBuf, Vec<u8>)>, FetchError> {
        let usual = [format!("{}-{}", self.name, self.version), self.name.to_owned()];
        let mut candidates: Vec<PathBuf> = usual.iter().map(|name| self.folder.join(name)).collect();
        if !candidates.iter().any(|candidate| self.is_in(candidate)) {
            let entries = match fs_err::read_dir(self.folder) {
                Ok(entries) => entries,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            candidates = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
            candidates.sort();
        }
        match candidates.into_iter().find(|candidate| self.is_in(candidate)) {
            Some(found) => {
                let text = fs_err::read(found.join(CHECKSUMS))?;
                Ok(Some((found, text)))
            }
            None => Ok(None),
        }
    }

    /// Whether the manifest in this folder is the crate's. A folder without one isn't; nor is a broken one.
    fn is_in(&self, folder: &Path) -> bool {
        let manifest = fs_err::read_to_string(folder.join("Cargo.toml")).ok();
        let manifest: Option<Manifest> = manifest.and_then(|text| toml::from_str(&text).ok());
        manifest.is_some_and(|Manifest { package: Package { name, version } }| {
            let version = version.as_ref().map_or(Some("0.0.0"), |version| version.as_str());
            name == self.name && version == Some(self.version)
        })
    }
}
