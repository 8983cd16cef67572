//! Crates of registries, by the checksums in `Cargo.lock`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use xbuild_base::{Digest, Sha256, Tree};

use super::cargo_config::{CargoConfig, CrateOrigin, is_crates_io};
use super::lock::{Lock, LockedPackage, LockedSource};
use super::registry::{CrateAt, Registry};
use super::vendored::Vendored;
use crate::error::FetchError;
use crate::fetcher::Fetcher;
use crate::output::{FixedOutput, Place, Unpack};

/// A crate of a registry that a lock names.
#[derive(Debug, Clone)]
pub struct RegistryCrate {
    /// Its index in the lock.
    pub index: usize,
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
    for (index, package) in lock.packages.iter().enumerate() {
        let Some(LockedSource::Registry(locked)) = &package.source else { continue };
        let LockedPackage { name, version, .. } = package;
        let checksum = package.checksum.ok_or_else(|| FetchError::Lock {
            problem: format!("{package} comes from a registry but has no checksum"),
        })?;
        let origin = config.origin(locked)?;
        let place = match &origin {
            CrateOrigin::Directory(folder) => {
                let from = From::Vendored(folder.clone());
                crates.push(crate_of((index, package), locked, checksum, from));
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
        crates.push(crate_of((index, package), locked, checksum, From::Output(Arc::new(output))));
    }
    Ok(crates)
}

fn crate_of(
    (index, package): (usize, &LockedPackage),
    registry: &str,
    checksum: Sha256,
    from: From,
) -> RegistryCrate {
    let LockedPackage { name, version, source: _, checksum: _ } = package;
    RegistryCrate {
        index,
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
            From::Vendored(folder) => Vendored { name: &one.name, version: &one.version, folder }
                .tree(fetcher, Some(one.checksum))?,
            From::Output(_) => fetched.next().ok_or_else(|| FetchError::Gone {
                name: one.to_string(),
                tried: vec!["it was asked for and not answered".to_owned()],
            })?,
        });
    }
    Ok(trees)
}

/// The tree of a package of a git source that is replaced with `folder`
/// ([`CargoConfig::git_replacement`]): a lock has no checksum for it.
///
/// # Errors
/// As [`fetch()`] for vendored crates.
pub fn vendored_from_git(
    fetcher: &Fetcher<'_>,
    name: &str,
    version: &str,
    folder: &Path,
) -> Result<Digest<Tree>, FetchError> {
    Vendored { name, version, folder }.tree(fetcher, None)
}
