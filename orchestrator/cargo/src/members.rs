//! The members of a workspace, from its manifests alone: what can be built is known before anything is fetched.
//!
//! `cargo metadata` says the same and more, but needs the toolchain and the sources of all packages. The rules are
//! those of cargo's `Workspace::find_members` and of its discovery of targets; a test compares the two.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};

use cargo_toml::{AbstractFilesystem, Dependency, Edition, Manifest, Value};
use globset::GlobBuilder;
use xbuild_base::RelPath;
use xbuild_describe::{Member, Output, OutputKind};

use crate::error::Error;
use crate::manifest::manifest_in;

/// The manifests of local sources, and the names of all their files.
#[derive(Debug, Clone, Default)]
pub struct LocalFiles {
    /// The text of each `Cargo.toml`, by its path from the sandbox's root.
    pub manifests: BTreeMap<RelPath, String>,
    /// Every file, by its path from the sandbox's root.
    pub files: BTreeSet<RelPath>,
}

/// A workspace's members.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Members {
    /// All of them, by package name.
    pub members: BTreeMap<String, Member>,
    /// The names of those that cargo builds when none is named.
    pub default_members: BTreeSet<String>,
}

impl LocalFiles {
    /// The members of the workspace whose root manifest lies in `root`.
    ///
    /// # Errors
    /// When a manifest of a member is missing or is none.
    pub fn members(&self, root: &RelPath) -> Result<Members, Error> {
        let manifest = self.manifest(root)?;
        let mut search = Search { files: self, root, manifest: &manifest, found: BTreeSet::new() };
        let Some(workspace) = &manifest.workspace else {
            search.found.insert(root.clone());
            return search.finish(std::slice::from_ref(root));
        };
        for member in &workspace.members {
            for (folder, by_glob) in search.expand(member)? {
                // A glob may find folders that are no packages.
                if !by_glob || self.manifests.contains_key(&manifest_in(&folder)) {
                    search.take(&folder, false)?;
                }
            }
        }
        search.take(root, false)?;
        let defaults: Vec<RelPath> = if !workspace.default_members.is_empty() {
            let expanded = workspace.default_members.iter().map(|member| search.expand(member));
            let expanded: Vec<_> = expanded.collect::<Result<_, _>>()?;
            expanded.into_iter().flatten().map(|(folder, _)| folder).collect()
        } else if manifest.package.is_some() {
            vec![root.clone()]
        } else {
            search.found.iter().cloned().collect()
        };
        search.finish(&defaults)
    }

    fn manifest(&self, folder: &RelPath) -> Result<Manifest, Error> {
        let path = manifest_in(folder);
        let problem = |problem: String| Error::Manifest { path: path.in_sandbox(), problem };
        let text = self.manifests.get(&path).ok_or_else(|| problem("it is not there".to_owned()))?;
        let mut table: toml::Table =
            text.parse().map_err(|error: toml::de::Error| problem(error.to_string()))?;
        respell(&mut table);
        table.try_into().map_err(|error| problem(error.to_string()))
    }

    /// The names in a folder.
    fn names_in(&self, folder: &RelPath) -> HashSet<Box<str>> {
        let prefix = if folder.is_root() { String::new() } else { format!("{folder}/") };
        let from = self.files.range::<str, _>((Bound::Included(prefix.as_str()), Bound::Unbounded));
        let below = from.map_while(|file| file.as_str().strip_prefix(&prefix));
        below.filter_map(|file| file.split('/').next().map(Box::from)).collect()
    }
}

/// Spells the keys of a manifest as they are spelt now: of those that matter here, cargo takes older ones too.
pub(crate) fn respell(table: &mut toml::Table) {
    const OLDER: [(&str, &str); 4] = [
        ("dev_dependencies", "dev-dependencies"),
        ("build_dependencies", "build-dependencies"),
        ("crate_type", "crate-type"),
        ("proc_macro", "proc-macro"),
    ];
    for (older, newer) in OLDER {
        if let Some(value) = table.remove(older) {
            table.entry(newer).or_insert(value);
        }
    }
    for name in ["lib", "target"] {
        let Some(below) = table.get_mut(name).and_then(toml::Value::as_table_mut) else { continue };
        if name == "lib" {
            respell(below);
        } else {
            below.iter_mut().filter_map(|(_, value)| value.as_table_mut()).for_each(respell);
        }
    }
}

/// On the way to all members.
struct Search<'s> {
    files: &'s LocalFiles,
    root: &'s RelPath,
    manifest: &'s Manifest,
    /// The folders of the members.
    found: BTreeSet<RelPath>,
}

impl Search<'_> {
    /// The folders that an entry of `members` means, and whether each was found by a glob.
    fn expand(&self, entry: &str) -> Result<Vec<(RelPath, bool)>, Error> {
        let problem =
            |problem: String| Error::Manifest { path: manifest_in(self.root).in_sandbox(), problem };
        if !entry.contains(['*', '?', '[']) {
            let folder = self.root.resolve(entry).map_err(|error| problem(error.to_string()))?;
            return Ok(vec![(folder, false)]);
        }
        let glob = GlobBuilder::new(entry.trim_start_matches("./")).literal_separator(true).build();
        let glob = glob.map_err(|error| problem(error.to_string()))?.compile_matcher();
        let folders = self.files.manifests.keys().filter_map(RelPath::parent);
        let fits = |folder: &RelPath| glob.is_match(self.root.relative_to(folder));
        Ok(folders.filter(fits).map(|folder| (folder, true)).collect())
    }

    /// Takes the package in a folder for a member, and those in the workspace's folder that it depends on by path.
    fn take(&mut self, folder: &RelPath, by_path: bool) -> Result<(), Error> {
        if self.found.contains(folder) || (by_path && folder.strip_prefix(self.root).is_none()) {
            return Ok(());
        }
        if folder != self.root && self.is_excluded(folder) {
            return Ok(());
        }
        let mut manifest = self.files.manifest(folder)?;
        // A dependency that is the root of another workspace is a member of that one.
        if by_path && folder != self.root && manifest.workspace.is_some() {
            return Ok(());
        }
        if manifest.package.is_some() {
            self.found.insert(folder.clone());
        }
        self.complete(&mut manifest, folder)?;
        let paths =
            dependencies(&manifest).filter_map(|(_, dependency)| dependency.detail()?.path.as_deref());
        for path in paths {
            let Some(dependency) = below(folder, path) else { continue };
            if self.files.manifests.contains_key(&manifest_in(&dependency)) {
                self.take(&dependency, true)?;
            }
        }
        Ok(())
    }

    /// Cargo's `WorkspaceRootConfig::is_excluded`.
    fn is_excluded(&self, folder: &RelPath) -> bool {
        let Some(workspace) = &self.manifest.workspace else { return false };
        let is_below = |entry: &String| {
            self.root.resolve(entry).is_ok_and(|prefix| folder.strip_prefix(&prefix).is_some())
        };
        workspace.exclude.iter().any(is_below) && !workspace.members.iter().any(is_below)
    }

    /// Adds what the manifest inherits, and what is found in its folder.
    fn complete(&self, manifest: &mut Manifest, folder: &RelPath) -> Result<(), Error> {
        let problem = |problem: String| Error::Manifest { path: manifest_in(folder).in_sandbox(), problem };
        let is_declared = !manifest.bin.is_empty();
        if let Some(package) = &mut manifest.package
            && is_declared
            && matches!(package.edition.get(), Ok(Edition::E2015))
            && !self.says_autobins(folder)
        {
            // Cargo's `inferred`: of the first edition only what is declared, once anything is.
            package.autobins = false;
        }
        let place = PathBuf::from(self.root.in_sandbox());
        let inherited = self.manifest.workspace.is_some().then_some((self.manifest, place.as_path()));
        let folder = Folder { files: self.files, folder };
        manifest
            .complete_from_abstract_filesystem(folder, inherited)
            .map_err(|error| problem(error.to_string()))
    }

    fn says_autobins(&self, folder: &RelPath) -> bool {
        let text = self.files.manifests.get(&manifest_in(folder)).map(String::as_str).unwrap_or_default();
        let table = text.parse::<toml::Table>().unwrap_or_default();
        table.get("package").and_then(|package| package.get("autobins")).is_some()
    }

    fn finish(self, defaults: &[RelPath]) -> Result<Members, Error> {
        let mut members = Members::default();
        for folder in &self.found {
            let mut manifest = self.files.manifest(folder)?;
            self.complete(&mut manifest, folder)?;
            let Some(package) = &manifest.package else { continue };
            if defaults.contains(folder) {
                members.default_members.insert(package.name.clone());
            }
            members.members.insert(package.name.clone(), member(&package.name, &manifest));
        }
        Ok(members)
    }
}

fn member(package: &str, manifest: &Manifest) -> Member {
    let output = |name: &str, kind, required: &[String]| Output {
        package: package.to_owned(),
        name: name.to_owned(),
        kind,
        required_features: required.iter().cloned().collect(),
    };
    let programs = manifest.bin.iter().filter_map(|product| {
        Some(output(product.name.as_deref()?, OutputKind::Bin, &product.required_features))
    });
    let mut outputs: BTreeSet<Output> = programs.collect();
    if let Some(library) = &manifest.lib
        && let Some(name) = library.name.as_deref()
        && !library.proc_macro
    {
        for (kind, crate_type) in [(OutputKind::Cdylib, "cdylib"), (OutputKind::Staticlib, "staticlib")] {
            if library.crate_type.iter().any(|one| one == crate_type) {
                outputs.insert(output(name, kind, &[]));
            }
        }
    }
    let dependencies = dependencies(manifest).map(|(name, _)| name.clone()).collect();
    Member { outputs, features: features(manifest), dependencies }
}

/// Every dependency, of whichever kind and target, by the name that the manifest has for it.
fn dependencies(manifest: &Manifest) -> impl Iterator<Item = (&String, &Dependency)> {
    let of_targets = manifest
        .target
        .values()
        .flat_map(|target| [&target.dependencies, &target.dev_dependencies, &target.build_dependencies]);
    let all = [&manifest.dependencies, &manifest.dev_dependencies, &manifest.build_dependencies];
    all.into_iter().chain(of_targets).flatten()
}

/// The features, with those that optional dependencies imply: where no feature names one with `dep:`.
fn features(manifest: &Manifest) -> BTreeSet<String> {
    let named: BTreeSet<&str> =
        manifest.features.values().flatten().filter_map(|value| value.strip_prefix("dep:")).collect();
    let optional = dependencies(manifest).filter(|(_, dependency)| dependency.optional());
    let implied = optional.map(|(name, _)| name).filter(|name| !named.contains(name.as_str()));
    manifest.features.keys().chain(implied).cloned().collect()
}

/// The folder that `path` leads to from `folder`; none for an absolute path, or one out of the sandbox.
fn below(folder: &RelPath, path: &str) -> Option<RelPath> {
    match path.strip_prefix('/') {
        // What is inherited is relative to the workspace's folder, and was made absolute by it.
        Some(absolute) => RelPath::root().resolve(absolute).ok(),
        None => folder.resolve(path).ok(),
    }
}

/// A package's folder, as the library that discovers targets wants to see it.
struct Folder<'f> {
    files: &'f LocalFiles,
    folder: &'f RelPath,
}

impl AbstractFilesystem for Folder<'_> {
    fn file_names_in(&self, path: &str) -> io::Result<HashSet<Box<str>>> {
        let folder = self.folder.resolve(path).map_err(io::Error::other)?;
        let names = self.files.names_in(&folder);
        if names.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(names) }
    }

    fn parse_root_workspace(
        &self,
        _: Option<&Path>,
    ) -> Result<(Manifest<Value>, PathBuf), cargo_toml::Error> {
        // It is given where there is one.
        Err(io::Error::from(io::ErrorKind::NotFound).into())
    }
}
