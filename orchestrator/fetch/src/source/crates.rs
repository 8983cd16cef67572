//! Crates of registries, by the checksums in `Cargo.lock`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use xbuild_action::{Content, Entry, File, TreeBuilder};
use xbuild_base::{Digest, RelPath, Sha256, Tree};

use super::cargo_config::{CargoConfig, CrateOrigin, is_crates_io};
use super::lock::{Lock, LockedPackage, LockedSource};
use super::registry::{CrateAt, Registry};
use crate::error::FetchError;
use crate::fetcher::Fetcher;
use crate::output::{FixedOutput, Place, Unpack};

/// The memo namespace: checksums of a vendored folder → tree.
const VENDORED: &str = "vendored-tree";
/// What `cargo vendor` lays beside a crate's files.
const CHECKSUMS: &str = ".cargo-checksum.json";

/// A crate of a registry that a lock names.
#[derive(Debug, Clone)]
pub struct RegistryCrate {
    /// Its name.
    pub name: String,
    /// Its version, as the lock writes it.
    pub version: String,
    /// The registry as the lock writes it: `registry+URL` or `sparse+URL`.
    pub registry: String,
    /// The checksum of its `.crate` file.
    pub checksum: Sha256,
    from: From,
}

#[derive(Debug, Clone)]
enum From {
    Output(Arc<FixedOutput>),
    Vendored(PathBuf),
}

impl RegistryCrate {
    /// Whether it comes from crates.io, or what replaces that.
    #[must_use]
    pub fn is_default_registry(&self) -> bool {
        is_crates_io(&self.registry)
    }
}

impl fmt::Display for RegistryCrate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

/// All crates of registries that a lock names, in its order, with where cargo's configuration says that they
/// come from. Nothing is read or fetched.
///
/// # Errors
/// [`FetchError::Lock`] when a crate has no checksum, [`FetchError::Registry`] when a replacement leads nowhere.
pub fn from_lock(lock: &Lock, config: &CargoConfig) -> Result<Vec<RegistryCrate>, FetchError> {
    let config = Arc::new(config.clone());
    let mut registries: BTreeMap<CrateOrigin, Arc<Registry>> = BTreeMap::new();
    let mut crates = Vec::new();
    for package in &lock.packages {
        let Some(LockedSource::Registry(locked)) = &package.source else { continue };
        let LockedPackage { name, version, .. } = package;
        let checksum = package.checksum.ok_or_else(|| FetchError::Lock {
            problem: format!("{package} comes from a registry but has no checksum"),
        })?;
        let origin = config.origin(locked)?;
        let place = match &origin {
            CrateOrigin::Directory(folder) => {
                let from = From::Vendored(folder.clone());
                crates.push(crate_of(package, locked, checksum, from));
                continue;
            }
            CrateOrigin::Local(folder) => Place::File(folder.join(format!("{name}-{version}.crate"))),
            CrateOrigin::Registry { index, name: registry_name } => {
                let registry = registries.entry(origin.clone()).or_insert_with(|| {
                    Arc::new(Registry::new(index.clone(), registry_name.clone(), Arc::clone(&config)))
                });
                let (name, version) = (name.clone(), version.clone());
                Place::Lookup(Arc::new(CrateAt {
                    registry: Arc::clone(registry),
                    name,
                    version,
                    sha256: checksum,
                }))
            }
        };
        let output = FixedOutput {
            name: package.to_string(),
            sha256: checksum,
            size: None,
            places: vec![place],
            kind: Unpack::Crate,
        };
        crates.push(crate_of(package, locked, checksum, From::Output(Arc::new(output))));
    }
    Ok(crates)
}

fn crate_of(package: &LockedPackage, registry: &str, checksum: Sha256, from: From) -> RegistryCrate {
    let LockedPackage { name, version, source: _, checksum: _ } = package;
    RegistryCrate {
        name: name.clone(),
        version: version.clone(),
        registry: registry.to_owned(),
        checksum,
        from,
    }
}

/// The trees of `crates`, in their order: a crate's files with no folder around them.
///
/// # Errors
/// As [`Fetcher::trees`]; for vendored crates when a file is missing or differs from its recorded checksum.
pub fn fetch(fetcher: &Fetcher<'_>, crates: &[RegistryCrate]) -> Result<Vec<Digest<Tree>>, FetchError> {
    let mut wanted = Vec::new();
    for one in crates {
        if let From::Output(output) = &one.from {
            wanted.push(FixedOutput::clone(output));
        }
    }
    let mut fetched = fetcher.trees(&wanted)?.into_iter();
    let mut trees = Vec::with_capacity(crates.len());
    for one in crates {
        trees.push(match &one.from {
            From::Vendored(folder) => vendored(fetcher, one, folder)?,
            From::Output(_) => fetched.next().ok_or_else(|| FetchError::Gone {
                name: one.to_string(),
                tried: vec!["it was asked for and not answered".to_owned()],
            })?,
        });
    }
    Ok(trees)
}

#[derive(Deserialize)]
struct Checksums {
    package: Option<String>,
    files: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Manifest {
    package: ManifestPackage,
}

#[derive(Deserialize)]
struct ManifestPackage {
    name: String,
    version: Option<toml::Value>,
}

/// Takes a crate over from a vendored folder: just the files that its checksums list.
fn vendored(fetcher: &Fetcher<'_>, one: &RegistryCrate, folder: &Path) -> Result<Digest<Tree>, FetchError> {
    let Some((folder, text)) = find_vendored(one, folder)? else {
        let tried = vec![format!("{}: no folder in it has that crate", folder.display())];
        return Err(FetchError::Gone { name: one.to_string(), tried });
    };
    let error = |problem: String| FetchError::Configuration { path: folder.join(CHECKSUMS), problem };
    let checksums: Checksums = serde_json::from_slice(&text).map_err(|e| error(e.to_string()))?;
    let package =
        checksums.package.ok_or_else(|| error("it does not say what it was unpacked from".to_owned()))?;
    let computed = Sha256::from_hex(&package).map_err(|e| error(e.to_string()))?;
    if computed != one.checksum {
        let (name, place) = (one.to_string(), folder.display().to_string());
        return Err(FetchError::Mismatch { name, place, expected: one.checksum, computed });
    }
    let key = Sha256::of(&text);
    if let Some(tree) = fetcher.remembered_tree(VENDORED, key)? {
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
        let digest = store.put_file(&on_disk)?;
        if digest.sha256() != expected {
            let (name, place) = (format!("{one}, {path}"), on_disk.display().to_string());
            return Err(FetchError::Mismatch { name, place, expected, computed: digest.sha256() });
        }
        let executable = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o100 != 0;
        tree.insert(store, &path, Entry::File(File { digest, executable }))?;
    }
    let tree = tree.build(store)?;
    fetcher.remember_tree(VENDORED, key, tree)?;
    Ok(tree)
}

/// The folder of a crate and its checksums. Cargo calls it `name` or `name-version`, but any name will do.
fn find_vendored(one: &RegistryCrate, folder: &Path) -> Result<Option<(PathBuf, Vec<u8>)>, FetchError> {
    let mut candidates = vec![folder.join(format!("{}-{}", one.name, one.version)), folder.join(&one.name)];
    if !candidates.iter().any(|candidate| is_crate(one, candidate)) {
        let entries = match fs_err::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        candidates = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
        candidates.sort();
    }
    for candidate in candidates {
        if is_crate(one, &candidate) {
            let text = fs_err::read(candidate.join(CHECKSUMS))?;
            return Ok(Some((candidate, text)));
        }
    }
    Ok(None)
}

/// Whether the manifest in this folder is the crate's. A folder without one isn't; nor is a broken one.
fn is_crate(one: &RegistryCrate, folder: &Path) -> bool {
    let manifest = fs_err::read_to_string(folder.join("Cargo.toml")).ok();
    let manifest: Option<Manifest> = manifest.and_then(|text| toml::from_str(&text).ok());
    manifest.is_some_and(|Manifest { package: ManifestPackage { name, version } }| {
        let version = version.as_ref().map_or(Some("0.0.0"), |version| version.as_str());
        name == one.name && version == Some(one.version.as_str())
    })
}
