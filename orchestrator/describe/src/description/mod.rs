//! `xbuild.toml`: what is to be built.

mod develop;
mod dist;
mod environment;
mod image;
mod input;
mod native;
mod package;
mod read;
mod source;
mod stamp;
mod step;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use cargo_platform::Platform;
use xbuild_base::Triple;

use crate::document::{At, Document};
use crate::names::{Distribution, Glibc, VariantName};
use crate::overrides::Override;
use crate::problem::{Problem, Source};
use crate::rust_toolchain::Channel;
use crate::target::TargetSpec;

pub use develop::{Develop, DevelopShell};
pub use dist::{Deb, Dist, DistSource, Printed, SHELL_WORD, Shell};
pub use environment::{Environment, Variables, may_be_set};
pub use image::{Base, FileSource, ImageFile, ImageSettings, ImageTable, Images, LayerCompression};
pub use input::{GitReference, Input, InputOutput, InputPlace, Inputs, is_commit};
pub use native::{Native, Natives, is_debian_name};
pub(crate) use package::unknown as unknown_package;
pub use package::{IncludePath, PackageSelector, PackageSettings, PackageVersion};
pub(crate) use read::{feature_problem, profile_problem, read};
pub use stamp::Stamp;
pub use step::{Fetch, Step, StepPart, StepSource, Steps};

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
    /// What it says of targets, in the order of the file. [`Description::for_target`] lays it over a build.
    pub targets: Vec<(Platform, TargetSettings)>,
    /// Settings by package; only of packages that it says something about. [`Description::packages_of`] finds
    /// the packages of a graph that are meant.
    pub packages: BTreeMap<PackageSelector, PackageSettings>,
    /// Environment variables of rustc and build scripts.
    pub environment: Environment,
    /// What packages need beside Rust.
    pub natives: Natives,
    /// What goes into images, and how they are run.
    pub images: Images,
    /// How programs are packed for people.
    pub dist: Dist,
    /// What shells for people have beside the toolchain.
    pub develop: Develop,
    /// Files of the net, and programs that make files of others.
    pub steps: Steps,
    /// Other projects, whose outputs this one uses.
    pub inputs: Inputs,
    /// Whether programs are told of the commit that they are made from, and what isn't asked of git.
    pub stamp: Option<Stamp>,
    /// What an action may use.
    pub limits: Limits,
    /// The `--set` flags that are in it, in their order: see [`Request::overrides`](crate::Request::overrides).
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
    /// Whether `version` rules over `rust-toolchain.toml`: a `--set` flag's does, and a variant's own.
    pub version_rules: bool,
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
    /// Arguments of rustc for the units of its targets, after those of cargo's configuration.
    pub rustflags: Vec<String>,
    /// Which toolchain it wants, where that isn't [`Description::toolchain`]'s.
    pub toolchain: ToolchainWish,
    /// Variables of its units, over those that [`Description::environment`] has for all variants.
    pub env: Variables,
    /// What packages need beside Rust, over what [`Description::natives`] has for all variants.
    pub natives: Natives,
    /// Whether its programs are told of the commit, where [`Description::stamp`] has it so.
    pub stamp: bool,
    /// The keys of [`TargetSettings`] that a variant says by itself: there a target's values don't count.
    pub(crate) own: BTreeSet<&'static str>,
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
            rustflags: Vec::new(),
            toolchain: ToolchainWish::default(),
            env: Variables::new(),
            natives: Natives::default(),
            stamp: true,
            own: BTreeSet::new(),
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

/// `[target.<triple or cfg>]`: values of builds for the targets that it holds for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TargetSettings {
    /// The packages, in the place of the build's.
    pub packages: Option<BTreeSet<String>>,
    /// The programs that are outputs, in the place of the build's.
    pub bins: Option<BTreeSet<String>>,
    /// Cargo's profile, in the place of the build's.
    pub profile: Option<String>,
    /// Cargo features beside the build's.
    pub features: BTreeSet<String>,
    /// Arguments of rustc after the build's.
    pub rustflags: Vec<String>,
    /// The glibc floor, in the place of the build's.
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

    /// What a variant inherits stands where the other one says it.
    fn inherit(&mut self, variant: &VariantName, from: &VariantName) {
        let (own, others) = (format!("{variant}."), format!("{from}."));
        let inherited = self.0.iter().filter_map(|(key, place)| Some((key.strip_prefix(&others)?, place)));
        let inherited: Vec<_> =
            inherited.map(|(key, place)| (format!("{own}{key}"), place.clone())).collect();
        for (key, place) in inherited {
            self.0.entry(key).or_insert(place);
        }
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
    /// A build's values for one target: each `[target.…]` that holds for it, in the order of the file, is laid over
    /// what the build has from `[build]`. What a variant says by itself counts more than a target; features and
    /// arguments of rustc are joined.
    ///
    /// # Errors
    /// When there is a `cfg(…)` to be decided for a target of which nothing but its triple is known.
    pub fn for_target(&self, build: &Build, spec: &TargetSpec) -> Result<Build, Problem> {
        let mut build = build.clone();
        for (platform, settings) in &self.targets {
            if !spec.fits(platform)? {
                continue;
            }
            let TargetSettings { packages, bins, profile, features, rustflags, glibc } = settings.clone();
            let counts = |key| !build.own.contains(key);
            // Which programs there are is a question of the packages: what is said of the one is said of the other.
            let choice_counts = counts("packages") && counts("bins");
            build.packages = packages.filter(|_| choice_counts).or(build.packages);
            build.bins = bins.filter(|_| choice_counts).or(build.bins);
            build.profile = profile.filter(|_| counts("profile")).unwrap_or(build.profile);
            build.glibc = glibc.filter(|_| counts("glibc")).or(build.glibc);
            build.features.extend(features);
            build.rustflags.extend(rustflags);
        }
        Ok(build)
    }

    /// Which toolchain a variant wants.
    #[must_use]
    pub fn toolchain(&self, variant: &VariantName) -> ToolchainWish {
        let ToolchainWish { version, distribution, version_rules } = self.toolchain.clone();
        let own = self.variants.get(variant).map(|build| build.toolchain.clone()).unwrap_or_default();
        ToolchainWish {
            version_rules: own.version.is_some() || version_rules,
            version: own.version.or(version),
            distribution: own.distribution.or(distribution),
        }
    }
}
