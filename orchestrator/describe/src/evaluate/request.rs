//! What evaluation takes and gives: the workspace's facts, the request, and the graphs that are asked for.

use std::collections::{BTreeMap, BTreeSet};

use semver::Version;
use xbuild_base::Triple;

use super::features;
use crate::description::Description;
use crate::names::{Glibc, VariantName};
use crate::overrides::in_force;
use crate::problem::{Kind, Problem};
use crate::suggest;

/// What is known of the cargo workspace, from `cargo metadata`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Workspace {
    /// The members, by package name.
    pub members: BTreeMap<String, Member>,
    /// The names of the default members.
    pub default_members: BTreeSet<String>,
    /// The profiles that its manifest and cargo's configuration name, beside those that cargo has in any case.
    pub profiles: BTreeSet<String>,
    /// The names of all packages that `Cargo.lock` holds, members or not, and their versions.
    pub packages: BTreeMap<String, BTreeSet<Version>>,
}

/// A member of the workspace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Member {
    /// Its programs and C libraries.
    pub outputs: BTreeSet<Output>,
    /// The names of its features, those that stand for optional dependencies among them.
    pub features: BTreeSet<String>,
    /// The names of its dependencies, as its manifest calls them.
    pub dependencies: BTreeSet<String>,
}

/// Something that a package can yield.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Output {
    /// The package that it is of.
    pub package: String,
    /// Its name: the cargo target's.
    pub name: String,
    /// What it is.
    pub kind: OutputKind,
    /// The features of its package without which cargo leaves it out.
    pub required_features: BTreeSet<String>,
}

/// What an output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OutputKind {
    /// A program.
    Bin,
    /// A dynamic library for C.
    Cdylib,
    /// A static library for C.
    Staticlib,
}

/// What the user asks for: the words of the command line. The default asks for everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// Output names, `[[<variant>/]<target>/]<name>` with globs.
    pub outputs: Vec<String>,
    /// `-p`: packages, with globs.
    pub packages: Vec<String>,
    /// `--bin`: programs, with globs.
    pub bins: Vec<String>,
    /// `--bins`: all programs, and no libraries.
    pub all_bins: bool,
    /// `--target`: triples, with globs. A known triple that the description does not list may be named in full.
    pub targets: Vec<String>,
    /// `--variant`: names, with globs.
    pub variants: Vec<String>,
    /// `--features`: as cargo takes them, with commas or blanks between.
    pub features: Vec<String>,
    /// `--all-features`.
    pub all_features: bool,
    /// `--no-default-features`.
    pub no_default_features: bool,
    /// `--profile`.
    pub profile: Option<String>,
    /// `--glibc`: the floor for all targets that have it.
    pub glibc: Option<String>,
    /// Whether a shell is asked for: then its name may stand among `outputs`, and selects nothing.
    pub shell: bool,
    /// What is done with packages, where no outputs are asked for.
    pub task: Option<Task>,
}

impl Request {
    /// What is built otherwise than the description says, each as `KEY=VALUE`: the request's own part, then the `--set`
    /// flags that the description was read with. The same whatever order they were given in.
    #[must_use]
    pub fn overrides(&self, description: &Description) -> Vec<String> {
        let Self {
            features,
            all_features,
            no_default_features,
            profile,
            glibc,
            // These select.
            outputs: _,
            packages: _,
            bins: _,
            all_bins: _,
            targets: _,
            variants: _,
            shell: _,
            task: _,
        } = self;
        let features: BTreeSet<&str> = features.iter().flat_map(|value| features::words(value)).collect();
        let features: Vec<&str> = features.into_iter().collect();
        let own = [
            profile.as_ref().map(|name| format!("profile={name}")),
            (!features.is_empty()).then(|| format!("features={}", features.join(","))),
            all_features.then(|| "all-features=true".to_owned()),
            no_default_features.then(|| "default-features=false".to_owned()),
            glibc.as_ref().map(|version| format!("glibc={version}")),
        ];
        let set = in_force(&description.overrides).into_iter().map(|flag| flag.text().to_owned());
        own.into_iter().flatten().chain(set).collect()
    }
}

/// One of cargo's commands that are about packages rather than their outputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Which command.
    pub kind: TaskKind,
    /// Options of that command's that choose among a package's targets, such as `--lib`: graphs are planned with them.
    pub options: Vec<String>,
    /// What clippy is told besides, such as `-Dwarnings`.
    pub arguments: Vec<String>,
}

impl Task {
    /// A command with no options.
    #[must_use]
    pub const fn new(kind: TaskKind) -> Self {
        Self { kind, options: Vec::new(), arguments: Vec::new() }
    }
}

/// Which of cargo's commands a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TaskKind {
    /// `cargo test`.
    Test,
    /// `cargo check`.
    Check,
    /// `cargo doc`.
    Doc,
    /// `cargo clippy`: a check in which clippy compiles the workspace's own packages.
    Clippy,
}

impl TaskKind {
    /// The profile where none is asked for, as with cargo. The description's is about outputs.
    #[must_use]
    pub const fn profile(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Check | Self::Clippy | Self::Doc => "dev",
        }
    }
}

/// One graph to plan, and what is wanted of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The variant.
    pub variant: VariantName,
    /// The target.
    pub target: Triple,
    /// The glibc to build against, for a target that has glibc.
    pub glibc: Option<Glibc>,
    /// What the graph is planned for: it does not depend on what is selected.
    pub plan: PlanSettings,
    /// The outputs that are wanted: at least one, unless it is a task.
    pub selected: Vec<Selected>,
    /// What is done with packages instead.
    pub task: Option<AskedTask>,
}

/// What is done with packages of a graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedTask {
    /// With which: at least one.
    pub packages: BTreeSet<String>,
    /// What.
    pub task: Task,
}

/// What cargo is told when a graph is planned (beside the target).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlanSettings {
    /// The packages, each with `-p`.
    pub packages: BTreeSet<String>,
    /// `--features`; only such as one of the packages has.
    pub features: BTreeSet<String>,
    /// `--all-features`.
    pub all_features: bool,
    /// Without it `--no-default-features`.
    pub default_features: bool,
    /// `--profile`.
    pub profile: String,
    /// Arguments of rustc for the target's units, after those of cargo's configuration.
    pub rustflags: Vec<String>,
}

/// A wanted output.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Selected {
    /// The output.
    pub output: Output,
    /// Whether it was named in full. If cargo leaves it out for want of a required feature, that is an error for
    /// one that was named ([`Selected::left_out`]), and else it is passed over, as cargo does.
    pub named: bool,
}

impl Selected {
    /// The error that cargo left it out.
    #[must_use]
    pub fn left_out(&self) -> Problem {
        let Output { package, name, required_features, .. } = &self.output;
        let features: Vec<&str> = required_features.iter().map(String::as_str).collect();
        let message =
            format!("`{name}` of package `{package}` needs the features {}", suggest::list(&features));
        let flags: Vec<String> = features.iter().map(|feature| format!("{package}/{feature}")).collect();
        Problem::new(Kind::NothingSelected, message).help(format!("add --features {}", flags.join(",")))
    }
}
