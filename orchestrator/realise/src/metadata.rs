//! What cargo and the manifests say of a project's packages: read once, for all of its graphs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use xbuild_action::{ContentExt as _, Entry, File, follow, lookup};
use xbuild_base::{Digest, RelPath, Tree};
use xbuild_cargo::{Context, Manifest, Manifests, Package, Packages, Toolchain, UnitGraph, manifest_in};
use xbuild_plan::planning::{self, Ground};

use crate::engine::Engine;
use crate::error::RealiseError;
use crate::threads::in_threads;

/// What cargo and the manifests say of a project's packages.
#[derive(Debug, Clone)]
pub struct Metadata {
    packages: Arc<Packages>,
    manifests: Arc<Manifests>,
}

impl Metadata {
    /// Asks cargo.
    ///
    /// # Errors
    /// When cargo can't read the manifests.
    pub fn ask(engine: &Engine<'_>, ground: &Ground<'_>) -> Result<Self, RealiseError> {
        let (command, inputs) = planning::metadata(ground);
        let result =
            engine.run_one("reading the manifests with cargo", &command, &inputs).map_err(stale_lock)?;
        Self::read(engine, &String::from_utf8_lossy(&engine.store.get(result.stdout)?), ground.skeleton)
    }

    /// Reads what `cargo metadata` printed, and the manifests that it was printed of.
    pub(crate) fn read(
        engine: &Engine<'_>,
        printed: &str,
        skeleton: Digest<Tree>,
    ) -> Result<Self, RealiseError> {
        let packages = Packages::parse(printed)?;
        let manifests = manifests(engine, &packages, skeleton)?;
        Ok(Self { packages: Arc::new(packages), manifests: Arc::new(manifests) })
    }

    /// The packages.
    #[must_use]
    pub fn packages(&self) -> &Packages {
        &self.packages
    }

    /// All that is known of a graph's units before anything runs.
    pub(crate) fn context(&self, graph: UnitGraph, toolchain: Toolchain) -> Result<Context, RealiseError> {
        Ok(Context::new(graph, Arc::clone(&self.packages), &self.manifests, toolchain)?)
    }
}

/// Cargo is asked with `--locked` and sees just the packages that the lock names: whatever it misses, the lock does.
fn stale_lock(error: RealiseError) -> RealiseError {
    let RealiseError::Step { output, .. } = &error else { return error };
    if output.contains("--locked") {
        return RealiseError::StaleLock { problem: "cargo would have to change it".to_owned() };
    }
    if !output.contains("no matching package") && !output.contains("failed to select a version") {
        return error;
    }
    // Where cargo searched and that it was offline is our doing, and would mislead.
    let ours = ["location searched:", "note: offline", "help:", "As a reminder"];
    let lines: Vec<&str> =
        output.lines().filter(|line| !ours.iter().any(|start| line.starts_with(start))).collect();
    // Where a package lies in the sandbox says nothing to people.
    let lines = lines.iter().map(|line| match line.split_once(" (/") {
        Some((start, _)) => format!("{start}`"),
        None => (*line).to_owned(),
    });
    let problem = lines.collect::<Vec<_>>().join("\n  ");
    RealiseError::StaleLock { problem: problem.trim().trim_start_matches("error: ").to_owned() }
}

/// The manifests of packages, and those that they may inherit from.
fn manifests(
    engine: &Engine<'_>,
    packages: &Packages,
    skeleton: Digest<Tree>,
) -> Result<Manifests, RealiseError> {
    let store = engine.store;
    let mut found: BTreeMap<RelPath, File> = BTreeMap::new();
    for package in packages.iter() {
        let Some(real) = follow(store, skeleton, &package.manifest)? else { continue };
        if let Some(Entry::File(file)) = lookup(store, skeleton, &real)? {
            found.insert(package.manifest.clone(), file);
        }
    }
    // The workspace's has profiles. Those of local packages and of repositories may inherit from one above them.
    let inherits =
        |package: &&Package| package.source.as_deref().is_none_or(|source| source.starts_with("git+"));
    let mut folders = BTreeSet::from([packages.workspace_root().clone()]);
    for package in packages.iter().filter(inherits) {
        folders.extend(std::iter::successors(package.root.parent(), RelPath::parent));
    }
    for folder in folders {
        let path = manifest_in(&folder);
        if !found.contains_key(&path)
            && let Some(Entry::File(file)) = lookup(store, skeleton, &path)?
        {
            found.insert(path, file);
        }
    }
    let found: Vec<_> = found.into_iter().collect();
    let read = |(path, file): &(RelPath, File)| -> Result<Manifest, RealiseError> {
        let text = store.get(file.digest)?;
        Ok(Manifest::parse(path.clone(), &String::from_utf8_lossy(&text))?)
    };
    in_threads(engine.jobs, &found, read).into_iter().collect()
}
