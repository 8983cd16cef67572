//! `xbuild.toml`: what is to be built.

mod environment;
mod image;
mod native;
mod package;
mod read;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use cargo_platform::Cfg;
use xbuild_base::Triple;

use crate::document::{At, Document};
use crate::names::{Distribution, Glibc, VariantName};
use crate::overrides::Override;
use crate::problem::{Problem, Source};
use crate::rust_toolchain::Channel;

pub use environment::{Environment, Variables};
pub use image::{Base, FileSource, ImageFile, ImageSettings, ImageTable, Images, LayerCompression};
pub use native::{Native, Natives, is_debian_name};
pub(crate) use package::unknown as unknown_package;
pub use package::{IncludePath, PackageSelector, PackageSettings, PackageVersion};
pub(crate) use read::{feature_problem, profile_problem};

/// The targets of a project that names none: those that are tested most.
pub const FIRST_CLASS_TARGETS: [&str; 3] =
    ["x86_64-unknown-linux-musl", "aarch64-unknown-linux-gnu", "x86_64-pc-windows-gnu"];

/// A validated `xbuild.toml` with the overrides of one call, or the defaults where there is no file.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// Which toolchain is wanted.
    pub toolchain: ToolchainWish,
    /// The builds, by variant; the unnamed one is `default`.
    pub variants: BTreeMap<VariantName, Build>,
    /// Settings by target; only of targets that it says something about.
    pub targets: BTreeMap<Triple, TargetSettings>,
    /// Settings by package; only of packages that it says something about. [`Description::packages_of`] finds
    /// the packages of a graph that are meant.
    pub packages: BTreeMap<PackageSelector, PackageSettings>,
    /// Environment variables of rustc and build scripts.
    pub environment: Environment,
    /// What packages need beside Rust.
    pub natives: Natives,
    /// What goes into images, and how they are run.
    pub images: Images,
    /// What an action may use.
    pub limits: Limits,
    /// The `--set` flags that are in it, in their order: for the provenance.
    pub overrides: Vec<Override>,
    /// Where the names stand that only evaluation can check.
    pub(crate) origins: Origins,
}

/// Which toolchain is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToolchainWish {
    /// The Rust version.
    pub version: Option<Channel>,
    /// Where it comes from.
    pub distribution: Option<Distribution>,
    /// Whether `version` came from a `--set` flag, which then rules over `rust-toolchain.toml`.
    pub version_is_override: bool,
}

/// One variant of the build: what it is made from, before a request selects from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// The packages, which are planned together; `None`: the workspace's default members.
    pub packages: Option<BTreeSet<String>>,
    /// The programs that are its outputs; `None`: all programs and C libraries of the packages.
    pub bins: Option<BTreeSet<String>>,
    /// The targets, in the order of the file.
    pub targets: Vec<Triple>,
    /// Cargo's profile.
    pub profile: String,
    /// Cargo features, as `--features` has them: `name`, `package/name`.
    pub features: BTreeSet<String>,
    /// Whether all features of the packages are on.
    pub all_features: bool,
    /// Whether the packages' default features are on.
    pub default_features: bool,
    /// What a graph is planned for.
    pub unify: Unify,
    /// The glibc floor, for the targets that have glibc.
    pub glibc: Option<Glibc>,
}

impl Default for Build {
    fn default() -> Self {
        Self {
            packages: None,
            bins: None,
            targets: FIRST_CLASS_TARGETS.iter().filter_map(|triple| triple.parse().ok()).collect(),
            profile: "release".to_owned(),
            features: BTreeSet::new(),
            all_features: false,
            default_features: true,
            unify: Unify::default(),
            glibc: None,
        }
    }
}

/// Over which packages cargo unifies features.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unify {
    /// Over all packages of the build, as one call of cargo with all of them does.
    #[default]
    Workspace,
    /// Each package is planned alone, as one call of cargo for each does.
    Package,
}

/// `[target.<triple>]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TargetSettings {
    /// The glibc floor.
    pub glibc: Option<Glibc>,
}

/// `[limits]`: what an action may use; `None` is the executor's default. Not part of any key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// Wall-clock time.
    pub time: Option<Duration>,
    /// Memory of all its processes together, in bytes.
    pub memory: Option<u64>,
    /// Processes and threads at once.
    pub processes: Option<u64>,
    /// The largest file that it may write, in bytes.
    pub file_size: Option<u64>,
}

/// Where names stand that can be checked only with the facts of the workspace: by a key such as
/// `default.packages.foo`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Origins(BTreeMap<String, (Arc<Source>, Range<usize>)>);

impl Origins {
    /// Notes where a name stands for the first time.
    fn remember(&mut self, document: &Document, key: &str, at: At) {
        let place = || (Arc::clone(&document.sources[at.source]), at.span());
        self.0.entry(key.to_owned()).or_insert_with(place);
    }

    /// A problem placed where `name` stands in the list `list` of `variant`, or of the unnamed one, which each starts
    /// from; if it stands in a text at all, and has no place yet.
    pub(crate) fn place(&self, problem: Problem, variant: &VariantName, list: &str, name: &str) -> Problem {
        let of = |variant: &VariantName| self.0.get(&format!("{variant}.{list}.{name}"));
        match of(variant).or_else(|| of(&VariantName::default())) {
            Some((source, span)) if problem.place().is_none() => problem.at(source, span.clone()),
            _ => problem,
        }
    }
}

impl Description {
    /// The glibc floor that the description wants for a target of a build.
    #[must_use]
    pub fn glibc(&self, build: &Build, target: &Triple) -> Option<Glibc> {
        self.targets.get(target).and_then(|settings| settings.glibc).or(build.glibc)
    }

    /// What each package needs beside Rust when it is built for a target: `[native.NAME]`, with each
    /// `[target.….native.NAME]` that holds for the target laid over it.
    #[must_use]
    pub fn native_for(&self, triple: &Triple, cfg: &[Cfg]) -> BTreeMap<String, Native> {
        self.natives.for_target(triple, cfg)
    }
}
