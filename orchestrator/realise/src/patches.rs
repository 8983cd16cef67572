//! `[package.NAME] patches`: applied to sources before anything else sees them, cargo's planning too.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use xbuild_action::{Content, ContentExt as _, Entry, TreeError, walk};
use xbuild_base::{Digest, RelPath, Tree};
use xbuild_describe::{Description, PackageVersion};
use xbuild_fetch::source::lock::{Lock, LockedPackage, LockedSource};
use xbuild_plan::patch::{PatchError, patched};

use crate::error::RealiseError;
use crate::local::LocalSources;
use crate::project::Project;
use crate::workspace::locked_packages;

/// The patches of a description, by the packages that they are of.
#[derive(Debug)]
pub struct Patches<'d> {
    description: &'d Description,
    packages: BTreeMap<PackageVersion, Vec<Patch<'d>>>,
}

#[derive(Debug, Clone, Copy)]
struct Patch<'d> {
    path: &'d RelPath,
    bytes: &'d [u8],
}

impl<'d> Patches<'d> {
    /// Finds the packages of a lock that a description has patches for. `texts` are the patches' bytes.
    ///
    /// # Errors
    /// When the description names packages that the lock hasn't, or that it has in several versions.
    pub fn new(
        description: &'d Description,
        texts: &'d BTreeMap<RelPath, Vec<u8>>,
        lock: &Lock,
    ) -> Result<Self, RealiseError> {
        let mut packages = BTreeMap::new();
        if !texts.is_empty() {
            let known = locked_packages(lock)?;
            let described = description.packages_of(&known);
            for (package, settings) in
                described.map_err(|error| RealiseError::Description(Box::new(error)))?
            {
                let read = settings.patches.iter().filter_map(|path| texts.get_key_value(path));
                let patches: Vec<Patch<'d>> = read.map(|(path, bytes)| Patch { path, bytes }).collect();
                if !patches.is_empty() {
                    packages.insert(package, patches);
                }
            }
        }
        Ok(Self { description, packages })
    }

    /// Local sources with the patches of local packages applied.
    ///
    /// # Errors
    /// When a patch doesn't apply, or a package can't be found.
    pub fn apply_to_local(
        &self,
        store: &dyn Content,
        lock: &Lock,
        mut local: LocalSources,
    ) -> Result<LocalSources, RealiseError> {
        for package in lock.packages.iter().filter(|package| package.source.is_none()) {
            for patch in self.of(&package.name, &package.version) {
                let folder = self.folder(store, local.tree, package, patch)?;
                local.tree = self.apply(store, local.tree, &folder, package, patch)?;
            }
        }
        Ok(local)
    }

    /// A project with the patches of fetched packages applied.
    ///
    /// # Errors
    /// When a patch doesn't apply, or a package can't be found.
    pub fn apply_to_fetched(
        &self,
        store: &dyn Content,
        lock: &Lock,
        mut project: Project,
    ) -> Result<Project, RealiseError> {
        if self.packages.is_empty() {
            return Ok(project);
        }
        let sources = Arc::make_mut(&mut project.sources);
        let vendored = sources.registries.iter_mut().flat_map(|registry| &mut registry.packages);
        for vendored in vendored.filter(|package| !package.is_stand_in) {
            let locked = |package: &&LockedPackage| {
                (&package.name, &package.version) == (&vendored.name, &vendored.version)
            };
            for patch in self.of(&vendored.name, &vendored.version) {
                let Some(package) = lock.packages.iter().find(locked) else { continue };
                vendored.tree = self.apply(store, vendored.tree, &RelPath::root(), package, patch)?;
            }
        }
        for package in &lock.packages {
            let Some(LockedSource::Git(source)) = &package.source else { continue };
            let tree =
                sources.git.iter_mut().find(|git| (&git.url, &git.commit) == (&source.url, &source.commit));
            // There is none where the configuration replaces it with a folder.
            let Some(git) = tree else { continue };
            for patch in self.of(&package.name, &package.version) {
                let folder = self.folder(store, git.tree, package, patch)?;
                git.tree = self.apply(store, git.tree, &folder, package, patch)?;
            }
        }
        project.skeleton = sources.skeleton(store)?;
        Ok(project)
    }

    /// The packages of a lock that have patches, by their index.
    #[must_use]
    pub fn of_lock(&self, lock: &Lock) -> BTreeSet<usize> {
        let packages = lock.packages.iter().enumerate();
        let patched = packages.filter(|(_, one)| self.of(&one.name, &one.version).next().is_some());
        patched.map(|(index, _)| index).collect()
    }

    /// The patches of a package of the lock.
    fn of(&self, name: &str, version: &str) -> impl Iterator<Item = Patch<'d>> {
        let package = version.parse().ok().map(|version| (name.to_owned(), version));
        package.and_then(|package| self.packages.get(&package)).into_iter().flatten().copied()
    }

    fn apply(
        &self,
        store: &dyn Content,
        tree: Digest<Tree>,
        folder: &RelPath,
        package: &LockedPackage,
        patch: Patch<'_>,
    ) -> Result<Digest<Tree>, RealiseError> {
        patched(store, tree, folder, patch.bytes).map_err(|error| match error {
            PatchError::Tree(error) => error.into(),
            error => self.problem(package, patch, &error.to_string()),
        })
    }

    fn problem(&self, package: &LockedPackage, patch: Patch<'_>, why: &str) -> RealiseError {
        let LockedPackage { name, version, .. } = package;
        let message = format!("`{}` can't be applied to {name} {version}: {why}", patch.path);
        let problem = self.description.patch_problem(patch.path, message).label("this patch");
        RealiseError::Description(Box::new(problem.into()))
    }

    /// The folder of a package in a tree that may hold several.
    fn folder(
        &self,
        store: &dyn Content,
        tree: Digest<Tree>,
        package: &LockedPackage,
        patch: Patch<'_>,
    ) -> Result<RelPath, RealiseError> {
        let mut found: BTreeSet<(Fit, usize, RelPath)> = BTreeSet::new();
        walk::<RealiseError>(store, tree, &mut |path, entry| {
            if let (Entry::File(file), Some("Cargo.toml")) = (entry, path.file_name()) {
                let text = store.get(file.digest).map_err(TreeError::from)?;
                if let Some(fit) = Fit::of(&String::from_utf8_lossy(&text), package) {
                    let folder = path.parent().unwrap_or_default();
                    found.insert((fit, folder.components().count(), folder));
                }
            }
            Ok(())
        })?;
        let mut found = found.into_iter();
        match (found.next(), found.next()) {
            (None, _) => Err(self.problem(package, patch, "none of the manifests is that package's")),
            (Some((fit, depth, folder)), Some((other_fit, other_depth, other)))
                if (fit, depth) == (other_fit, other_depth) =>
            {
                let why = format!("it lies both in `{folder}` and in `{other}`");
                Err(self.problem(package, patch, &why))
            }
            (Some((.., folder)), _) => Ok(folder),
        }
    }
}

/// How well a manifest fits a package of the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// It says its name and version.
    Exact,
    /// It says its name, and inherits its version.
    Name,
}

impl Fit {
    fn of(manifest: &str, package: &LockedPackage) -> Option<Self> {
        let table = manifest.parse::<toml::Table>().ok()?;
        let described = table.get("package")?;
        if described.get("name")?.as_str()? != package.name {
            return None;
        }
        match described.get("version").map(toml::Value::as_str) {
            Some(Some(version)) => (version == package.version).then_some(Self::Exact),
            // Cargo takes 0.0.0 for one that isn't there.
            None => (package.version == "0.0.0").then_some(Self::Exact),
            Some(None) => Some(Self::Name),
        }
    }
}
