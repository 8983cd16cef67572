//! What units see of the sources of packages.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use xbuild_action::{Content, TreeError};
use xbuild_base::{RelPath, Sha256};
use xbuild_cargo::Package;

use super::{Graph, Part, UnitOf};
use crate::sources::{PackageFolders, PackageSources, Scope};
use crate::work::PlanError;

/// The sources of one project's packages that were asked for.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Where the packages lie, once one was asked for.
    folders: Mutex<Option<Arc<PackageFolders>>>,
    /// By the packages' folders.
    packages: Mutex<HashMap<RelPath, Arc<OfPackage>>>,
}

/// The sources of a package.
#[derive(Debug)]
pub(super) struct OfPackage {
    pub(super) sources: PackageSources,
    /// A checksum of them.
    pub(super) fingerprint: Sha256,
}

/// What is known of each part's packages: the same of those that have the same.
pub(super) fn known(parts: &[Part]) -> Vec<Arc<Known>> {
    let mut known: Vec<Arc<Known>> = Vec::new();
    for part in parts {
        let is_same = |other: &Part| {
            Arc::ptr_eq(&part.sources, &other.sources)
                && part.include == other.include
                && std::ptr::eq(part.context.packages(), other.context.packages())
        };
        let same = parts[..known.len()].iter().position(is_same);
        known.push(same.map(|same| Arc::clone(&known[same])).unwrap_or_default());
    }
    known
}

impl Known {
    /// The sources of a package of a part.
    fn of_package(
        &self,
        store: &dyn Content,
        part: &Part,
        package: &Package,
    ) -> Result<Arc<OfPackage>, PlanError> {
        if let Some(known) = locked(&self.packages).get(&package.root) {
            return Ok(Arc::clone(known));
        }
        let missing =
            |path: &str| PlanError::MissingInclude { package: package.name.clone(), path: path.to_owned() };
        let mut include = Vec::new();
        for path in part.include.get(&package.name).into_iter().flatten() {
            include.push(package.root.resolve(path.trim_end_matches('/')).map_err(|_| missing(path))?);
        }
        let folders = self.folders(store, part)?;
        let sources = part.sources.of_package(store, &package.root, &folders, &include);
        let sources = sources.map_err(|error| match error {
            TreeError::Missing(path) if path != package.root => missing(path.as_str()),
            error => error.into(),
        })?;
        let fingerprint = Sha256::of(format!("{sources:?}").as_bytes());
        let of_package = Arc::new(OfPackage { sources, fingerprint });
        locked(&self.packages).insert(package.root.clone(), Arc::clone(&of_package));
        Ok(of_package)
    }

    fn folders(&self, store: &dyn Content, part: &Part) -> Result<Arc<PackageFolders>, TreeError> {
        let mut known = locked(&self.folders);
        if let Some(folders) = &*known {
            return Ok(Arc::clone(folders));
        }
        let locals = part.context.packages().iter().filter(|package| package.is_local());
        let folders = Arc::new(part.sources.folders(store, locals.map(|package| package.root.clone()))?);
        *known = Some(Arc::clone(&folders));
        Ok(folders)
    }
}

impl Graph<'_> {
    /// The sources of a package.
    pub(super) fn package_sources(&self, part: usize, id: &str) -> Result<Arc<OfPackage>, PlanError> {
        let package = self.parts[part].context.packages().get(id)?;
        self.known[part].of_package(self.store, &self.parts[part], package)
    }

    /// What a unit sees of local sources outside of its package's folder that no other unit of the package need see.
    pub(super) fn sources_beside(&self, of: UnitOf) -> Result<PackageSources, PlanError> {
        let part = &self.parts[of.part];
        let (unit, package) = (part.context.unit(of.unit), part.context.package(of.unit));
        let mut beside = PackageSources::default();
        if let Some(wrapper) = part.context.wrapper(of.unit) {
            beside.files = part.sources.above(self.store, &package.root, &wrapper.configuration)?;
        }
        let folder = part.sources.beside(self.store, &package.root, &unit.target.src_path)?;
        if let Some((folder, tree)) = folder {
            if part.sources.scope == Scope::Package {
                beside.edited.insert(folder.clone());
            }
            beside.mounts.insert(folder, tree);
        }
        Ok(beside)
    }
}

/// What was found out is true, whatever became of who was to keep it.
fn locked<T>(known: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}
