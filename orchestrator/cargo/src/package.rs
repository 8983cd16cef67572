//! The packages, as `cargo metadata --format-version 1` prints them inside the sandbox.

use std::collections::{BTreeMap, BTreeSet};

use semver::Version;
use serde::Deserialize;
use xbuild_base::{RelPath, Sha256};

use crate::error::Error;
use crate::unit_graph::{Target, TargetKind};

#[derive(Deserialize)]
struct RawMetadata {
    packages: Vec<RawPackage>,
    workspace_members: BTreeSet<String>,
    #[serde(default)]
    workspace_default_members: BTreeSet<String>,
    workspace_root: String,
}

#[derive(Deserialize)]
struct RawPackage {
    name: String,
    version: Version,
    id: String,
    source: Option<String>,
    targets: Vec<Target>,
    features: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    dependencies: Vec<RawDependency>,
    manifest_path: String,
    #[serde(default)]
    authors: Vec<String>,
    description: Option<String>,
    license: Option<String>,
    license_file: Option<String>,
    readme: Option<String>,
    repository: Option<String>,
    homepage: Option<String>,
    links: Option<String>,
    rust_version: Option<String>,
}

#[derive(Deserialize)]
struct RawDependency {
    name: String,
    rename: Option<String>,
}

/// All packages of a workspace and of its lock file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packages {
    packages: BTreeMap<String, Package>,
    members: BTreeSet<String>,
    default_members: BTreeSet<String>,
    workspace_root: RelPath,
    fingerprint: Sha256,
}

/// A package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// The id as cargo prints it.
    pub id: String,
    /// The name.
    pub name: String,
    /// The version.
    pub version: Version,
    /// Where it comes from: `None` is a path.
    pub source: Option<String>,
    /// Its targets.
    pub targets: Vec<Target>,
    /// All features that it declares, sorted, those of optional dependencies among them.
    pub features: BTreeSet<String>,
    /// Its dependencies, as its manifest calls them.
    pub dependencies: BTreeSet<String>,
    /// Its folder in the sandbox.
    pub root: RelPath,
    /// Its manifest in the sandbox.
    pub manifest: RelPath,
    /// The native library that its build script stands for.
    pub links: Option<String>,
    /// The oldest Rust that it says it works with, as written.
    pub rust_version: Option<String>,
    /// Who wrote it.
    pub authors: Vec<String>,
    /// What it is.
    pub description: Option<String>,
    /// Its license as an SPDX expression.
    pub license: Option<String>,
    /// Its license as a file.
    pub license_file: Option<String>,
    /// Its readme file.
    pub readme: Option<String>,
    /// Where its source is.
    pub repository: Option<String>,
    /// Its home page.
    pub homepage: Option<String>,
}

impl Package {
    /// What chooses it on cargo's command line: its id, which no other package has. Cargo takes no id that ends in a
    /// folder with escapes in its name (blanks, letters beyond ASCII): such a package goes by name and version.
    #[must_use]
    pub fn spec(&self) -> String {
        let folder = self.id.split('#').next().and_then(|url| url.rsplit('/').next()).unwrap_or_default();
        if folder.contains('%') { format!("{}@{}", self.name, self.version) } else { self.id.clone() }
    }

    /// Whether it is a path dependency or a member of the workspace: one whose warnings are shown.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.source.is_none()
    }

    /// Whether it has a build script.
    #[must_use]
    pub fn has_build_script(&self) -> bool {
        self.targets.iter().any(Target::is_build_script)
    }

    /// Whether it has a library, proc macros among them.
    #[must_use]
    pub fn has_library(&self) -> bool {
        self.targets.iter().any(Target::is_library)
    }

    /// Its programs.
    pub fn binaries(&self) -> impl Iterator<Item = &Target> {
        self.targets.iter().filter(|target| target.target_kind() == TargetKind::Binary)
    }

    /// The source without the commit that a git dependency was locked to.
    pub(crate) fn source_without_commit(&self) -> Option<&str> {
        self.source.as_deref().map(|source| source.split('#').next().unwrap_or(source))
    }
}

impl Packages {
    /// Reads what `cargo metadata` printed.
    ///
    /// # Errors
    /// When it is no JSON of that shape, or a path in it is not absolute.
    pub fn parse(json: &str) -> Result<Self, Error> {
        let raw: RawMetadata = serde_json::from_str(json).map_err(|error| Error::Json {
            what: "what `cargo metadata` printed",
            problem: error.to_string(),
        })?;
        let RawMetadata { packages, workspace_members, workspace_default_members, workspace_root } = raw;
        let packages = packages.into_iter().map(|raw| Package::from_raw(raw).map(|p| (p.id.clone(), p)));
        Ok(Self {
            packages: packages.collect::<Result<_, _>>()?,
            members: workspace_members,
            default_members: workspace_default_members,
            workspace_root: sandbox_path(&workspace_root, "the workspace's root")?,
            fingerprint: Sha256::of(json.as_bytes()),
        })
    }

    /// The package with that id.
    ///
    /// # Errors
    /// When there is none.
    pub fn get(&self, id: &str) -> Result<&Package, Error> {
        self.packages.get(id).ok_or_else(|| Error::UnknownPackage(id.to_owned()))
    }

    /// A checksum of what they were read from.
    pub(crate) const fn fingerprint(&self) -> Sha256 {
        self.fingerprint
    }

    /// All packages, by id; those too that no unit needs.
    pub fn iter(&self) -> impl Iterator<Item = &Package> {
        self.packages.values()
    }

    /// Whether it is a member of the workspace.
    #[must_use]
    pub fn is_member(&self, id: &str) -> bool {
        self.members.contains(id)
    }

    /// The ids of the workspace's members.
    #[must_use]
    pub fn members(&self) -> &BTreeSet<String> {
        &self.members
    }

    /// The ids of the members that cargo builds when none is named.
    #[must_use]
    pub fn default_members(&self) -> &BTreeSet<String> {
        &self.default_members
    }

    /// The workspace's folder in the sandbox.
    #[must_use]
    pub fn workspace_root(&self) -> &RelPath {
        &self.workspace_root
    }
}

impl Package {
    fn from_raw(raw: RawPackage) -> Result<Self, Error> {
        let RawPackage {
            name,
            version,
            id,
            source,
            targets,
            features,
            dependencies,
            manifest_path,
            authors,
            description,
            license,
            license_file,
            readme,
            repository,
            homepage,
            links,
            rust_version,
        } = raw;
        let manifest = sandbox_path(&manifest_path, "a manifest")?;
        Ok(Self {
            id,
            name,
            version,
            source,
            targets,
            features: features.into_keys().collect(),
            dependencies: dependencies.into_iter().map(|one| one.rename.unwrap_or(one.name)).collect(),
            root: manifest.parent().unwrap_or_default(),
            manifest,
            links,
            rust_version,
            authors,
            description,
            license,
            license_file,
            readme,
            repository,
            homepage,
        })
    }
}

/// Takes an absolute path of the sandbox apart.
pub(crate) fn sandbox_path(path: &str, what: &'static str) -> Result<RelPath, Error> {
    let error = |problem: String| Error::Path { path: path.to_owned(), what, problem };
    let below = path.strip_prefix('/').ok_or_else(|| error("it is relative".to_owned()))?;
    RelPath::new(below).map_err(|problem| error(problem.to_string()))
}
