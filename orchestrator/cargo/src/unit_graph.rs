//! Cargo's unit graph: the JSON that `cargo build --unit-graph -Zunstable-options` prints.
//!
//! Source: `src/cargo/core/compiler/unit_graph.rs` and the `Serialize` implementations of `Target`, `Profile`,
//! `CompileMode` in cargo 1.95 and 1.96. Unknown fields are errors: a new one might change what must be run.

use std::fmt;

use serde::Deserialize;
use xbuild_base::{Hasher, Sha256, Triple};

use crate::error::Error;

/// A unit's number in its graph. It means nothing in another graph: what names a unit across graphs is
/// [`crate::Context::hash`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(transparent)]
pub struct UnitIndex(pub(crate) usize);

impl UnitIndex {
    /// The number, counted from 0.
    #[must_use]
    pub const fn number(self) -> usize {
        self.0
    }
}

impl fmt::Display for UnitIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// All units of one call of cargo, and which of them were asked for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnitGraph {
    #[allow(dead_code, reason = "checked before, and there so that it is no unknown field")]
    version: u64,
    units: Vec<Unit>,
    roots: Vec<UnitIndex>,
    #[serde(skip, default = "of_nothing")]
    fingerprint: Sha256,
}

fn of_nothing() -> Sha256 {
    Sha256::of(b"")
}

/// One thing to do: compile a crate, or run a build script.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unit {
    /// The package's id as cargo prints it; the same text stands in `cargo metadata`.
    #[serde(rename = "pkg_id")]
    pub package: String,
    /// What is compiled.
    pub target: Target,
    /// How it is compiled.
    pub profile: Profile,
    /// What it is compiled for: `None` is the host.
    pub platform: Option<Triple>,
    /// What is done.
    pub mode: Mode,
    /// The features that are on, sorted.
    pub features: Vec<String>,
    /// Whether it is part of `-Zbuild-std`'s std.
    #[serde(default)]
    pub is_std: bool,
    /// What it depends on, in cargo's order, which is the order of `--extern`.
    pub dependencies: Vec<Dependency>,
}

/// An edge of the graph.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dependency {
    /// The unit that is depended on.
    pub index: UnitIndex,
    /// The name in the dependent's code.
    pub extern_crate_name: String,
    /// Whether it is a public dependency (an unstable feature).
    #[serde(default)]
    pub public: bool,
    /// Whether it stays out of the prelude (`-Zbuild-std`).
    #[serde(default)]
    pub noprelude: bool,
    /// Whether rustc shall not call it unused (`-Zbuild-std`, since 1.96).
    #[serde(default)]
    pub nounused: bool,
}

/// A target of a package: a library, a program, a test, a build script.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// `lib`, `rlib`, `bin`, `custom-build` …: for a library its crate types, else one word.
    pub kind: Vec<String>,
    /// What rustc makes of it.
    pub crate_types: Vec<CrateType>,
    /// The name, with hyphens.
    pub name: String,
    /// The crate's root file: an absolute path in the sandbox, since the graph was made there.
    pub src_path: String,
    /// The edition.
    pub edition: String,
    /// The features that it can't do without.
    #[serde(rename = "required-features", default)]
    pub required_features: Vec<String>,
    /// Whether it is documented.
    #[serde(default)]
    pub doc: bool,
    /// Whether its documentation is tested.
    #[serde(default)]
    pub doctest: bool,
    /// Whether it is tested.
    #[serde(default)]
    pub test: bool,
}

/// What kind of target it is; cargo's `TargetKind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TargetKind {
    /// A library of whatever crate types, proc macros among them.
    Library,
    /// A program.
    Binary,
    /// An integration test.
    Test,
    /// A benchmark.
    Benchmark,
    /// An example, program or library.
    Example,
    /// A build script.
    BuildScript,
}

impl Target {
    /// What kind of target it is.
    #[must_use]
    pub fn target_kind(&self) -> TargetKind {
        match self.kind.first().map(String::as_str) {
            Some("bin") => TargetKind::Binary,
            Some("test") => TargetKind::Test,
            Some("bench") => TargetKind::Benchmark,
            Some("example") => TargetKind::Example,
            Some("custom-build") => TargetKind::BuildScript,
            _ => TargetKind::Library,
        }
    }

    /// The name as rustc has it: with underscores.
    #[must_use]
    pub fn crate_name(&self) -> String {
        self.name.replace('-', "_")
    }

    /// Whether it is a library, proc macros among them.
    #[must_use]
    pub fn is_library(&self) -> bool {
        self.target_kind() == TargetKind::Library
    }

    /// Whether it is a build script.
    #[must_use]
    pub fn is_build_script(&self) -> bool {
        self.target_kind() == TargetKind::BuildScript
    }

    /// Whether it is a proc macro.
    #[must_use]
    pub fn is_proc_macro(&self) -> bool {
        self.is_library() && self.crate_types.contains(&CrateType::ProcMacro)
    }

    /// Whether it is a program or an example that is one.
    #[must_use]
    pub fn is_executable(&self) -> bool {
        match self.target_kind() {
            TargetKind::Binary => true,
            TargetKind::Example => self.crate_types == [CrateType::Binary],
            _ => false,
        }
    }

    /// Whether it always runs on the host: proc macros and build scripts.
    #[must_use]
    pub fn for_host(&self) -> bool {
        self.is_build_script() || self.is_proc_macro()
    }

    /// Whether other crates can name it with `--extern`.
    #[must_use]
    pub fn is_linkable(&self) -> bool {
        self.is_library() && self.crate_types.iter().any(CrateType::is_linkable)
    }

    /// Whether it is a library with that crate type.
    pub(crate) fn makes(&self, crate_type: &CrateType) -> bool {
        self.is_library() && self.crate_types.contains(crate_type)
    }
}

/// A `--crate-type` of rustc's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(from = "String")]
pub enum CrateType {
    /// A program.
    Binary,
    /// A library of rustc's choice: an rlib.
    Library,
    /// A Rust library.
    Rlib,
    /// A Rust dynamic library.
    Dylib,
    /// A C dynamic library.
    Cdylib,
    /// A C static library.
    Staticlib,
    /// A proc macro.
    ProcMacro,
    /// One that cargo doesn't know.
    Other(String),
}

impl From<String> for CrateType {
    fn from(text: String) -> Self {
        match text.as_str() {
            "bin" => Self::Binary,
            "lib" => Self::Library,
            "rlib" => Self::Rlib,
            "dylib" => Self::Dylib,
            "cdylib" => Self::Cdylib,
            "staticlib" => Self::Staticlib,
            "proc-macro" => Self::ProcMacro,
            _ => Self::Other(text),
        }
    }
}

impl CrateType {
    /// The word on rustc's command line.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Binary => "bin",
            Self::Library => "lib",
            Self::Rlib => "rlib",
            Self::Dylib => "dylib",
            Self::Cdylib => "cdylib",
            Self::Staticlib => "staticlib",
            Self::ProcMacro => "proc-macro",
            Self::Other(text) => text,
        }
    }

    /// Whether rustc can run LTO for it.
    pub(crate) fn can_lto(&self) -> bool {
        matches!(self, Self::Binary | Self::Staticlib | Self::Cdylib)
    }

    /// Whether other crates can link to it.
    pub(crate) fn is_linkable(&self) -> bool {
        matches!(self, Self::Library | Self::Rlib | Self::Dylib | Self::ProcMacro)
    }

    /// Whether it is a dynamic library.
    pub(crate) fn is_dynamic(&self) -> bool {
        matches!(self, Self::Dylib | Self::Cdylib | Self::ProcMacro)
    }

    /// Whether making it needs the object code of what it depends on.
    pub(crate) fn requires_upstream_objects(&self) -> bool {
        !matches!(self, Self::Library | Self::Rlib)
    }
}

/// What is done with a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// rustc compiles it.
    Build,
    /// rustc compiles it as a test.
    Test,
    /// rustc checks it.
    Check,
    /// rustc checks it as a test. Cargo prints it as [`Self::Check`]: see [`UnitGraph::mark_tests`].
    #[serde(skip)]
    CheckTest,
    /// rustdoc tests its documentation: nothing is left behind.
    Doctest,
    /// rustdoc makes its documentation.
    Doc,
    /// The compiled build script is run.
    RunCustomBuild,
}

/// How a unit is compiled: cargo's resolved profile.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The profile's name. It does not matter but for `PROFILE`.
    pub name: String,
    /// `0` to `3`, `s`, `z`.
    pub opt_level: String,
    /// `false`, `true`, `off`, `thin`, `fat`.
    pub lto: String,
    /// An unstable choice of code generator.
    pub codegen_backend: Option<String>,
    /// Into how many parts a crate is cut.
    pub codegen_units: Option<u32>,
    /// How much debug information.
    pub debuginfo: DebugInfo,
    /// Where it goes: `off`, `packed`, `unpacked`.
    pub split_debuginfo: Option<String>,
    /// Whether `debug_assert!` does something.
    pub debug_assertions: bool,
    /// Whether arithmetic panics on overflow.
    pub overflow_checks: bool,
    /// Whether dynamic libraries are found beside the program.
    pub rpath: bool,
    /// Whether cargo would compile incrementally. It is never done here.
    pub incremental: bool,
    /// `unwind`, `abort`, `immediate-abort`.
    pub panic: String,
    /// What is stripped.
    pub strip: Strip,
    /// Flags for rustc from the profile (an unstable feature).
    #[serde(default)]
    pub rustflags: Vec<String>,
    /// An unstable feature; paths are the sandbox's anyway.
    #[serde(default)]
    pub trim_paths: Option<serde_json::Value>,
    /// An unstable hint; it is not passed on.
    #[serde(default)]
    pub hint_mostly_unused: Option<bool>,
}

/// How much debug information.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum DebugInfo {
    /// 0, 1 or 2.
    Level(u8),
    /// `line-tables-only`, `line-directives-only`.
    Named(String),
}

impl DebugInfo {
    /// Whether there is any.
    #[must_use]
    pub fn is_on(&self) -> bool {
        *self != Self::Level(0)
    }
}

impl fmt::Display for DebugInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Level(level) => level.fmt(f),
            Self::Named(name) => name.fmt(f),
        }
    }
}

/// What is stripped; cargo tells whether it decided that itself, which does not matter.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strip {
    /// As the manifest says.
    Resolved(StripChoice),
    /// As cargo chose.
    Deferred(StripChoice),
}

/// The value of `-C strip=`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub enum StripChoice {
    /// Nothing.
    None,
    /// `debuginfo` or `symbols`.
    Named(String),
}

impl Strip {
    /// The value of `-C strip=`, if the flag is passed at all.
    #[must_use]
    pub fn flag(&self) -> Option<&str> {
        match self {
            Self::Resolved(StripChoice::Named(name)) | Self::Deferred(StripChoice::Named(name)) => Some(name),
            Self::Resolved(StripChoice::None) | Self::Deferred(StripChoice::None) => None,
        }
    }
}

impl Unit {
    /// Whether it runs a build script.
    #[must_use]
    pub fn is_script_run(&self) -> bool {
        self.mode == Mode::RunCustomBuild
    }

    /// Whether it is a test, of code or of documentation, compiled or only checked: cargo's `is_any_test`.
    #[must_use]
    pub const fn is_test(&self) -> bool {
        self.is_rustc_test() || matches!(self.mode, Mode::Doctest)
    }

    /// Whether rustc compiles or checks it as a test: cargo's `is_rustc_test`.
    #[must_use]
    pub const fn is_rustc_test(&self) -> bool {
        matches!(self.mode, Mode::Test | Mode::CheckTest)
    }

    /// Whether rustc only checks it: cargo's `is_check`.
    #[must_use]
    pub const fn is_check(&self) -> bool {
        matches!(self.mode, Mode::Check | Mode::CheckTest)
    }

    /// Whether it makes a crate that others can name with `--extern`.
    #[must_use]
    pub fn is_linkable(&self) -> bool {
        self.target.is_linkable() && self.mode != Mode::Doc
    }

    /// Whether compiling it needs all object code of its dependencies: cargo's synchronisation points.
    #[must_use]
    pub fn requires_upstream_objects(&self) -> bool {
        self.is_test() || self.target.crate_types.iter().any(CrateType::requires_upstream_objects)
    }

    /// Whether it gets by with the `.rmeta` of `dependency`: cargo's `only_requires_rmeta`, and checks.
    #[must_use]
    pub fn needs_only_metadata_of(&self, dependency: &Self) -> bool {
        let pipelined = |unit: &Self| !unit.requires_upstream_objects() && unit.mode == Mode::Build;
        dependency.is_check() || (pipelined(self) && pipelined(dependency))
    }
}

impl UnitGraph {
    /// Reads what cargo printed, and checks that it is a graph without cycles.
    ///
    /// # Errors
    /// When it is no JSON of version 1's shape, an index leads nowhere, or units depend on each other.
    pub fn parse(json: &str) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct Version {
            version: u64,
        }
        let error = |error: serde_json::Error| Error::Json {
            what: "the unit graph that cargo printed",
            problem: error.to_string(),
        };
        let Version { version } = serde_json::from_str(json).map_err(error)?;
        if version != 1 {
            return Err(Error::GraphVersion(version));
        }
        let mut graph: Self = serde_json::from_str(json).map_err(error)?;
        graph.fingerprint = Sha256::of(json.as_bytes());
        let indices = graph.units.iter().flat_map(|unit| unit.dependencies.iter().map(|edge| edge.index));
        if let Some(index) =
            indices.chain(graph.roots.iter().copied()).find(|index| index.0 >= graph.units.len())
        {
            return Err(Error::Graph(format!("there is no unit {index}")));
        }
        graph.dependencies_first()?;
        Ok(graph)
    }

    /// Tells which of the roots of a graph of `cargo check` are checked as tests, which cargo doesn't print: for `built`,
    /// the graph of `cargo build` for the same selection, it does. There a target is a root as often as here, and where
    /// it is one both as a test and not as a test, the test comes last here: so cargo orders units.
    pub fn mark_tests(&mut self, built: &Self) {
        let mut both = Hasher::default();
        [self.fingerprint, built.fingerprint].iter().for_each(|one| both.update(one.as_bytes()));
        self.fingerprint = both.sha256();
        let tests = built.roots.iter().map(|&root| built.unit(root)).filter(|root| root.mode == Mode::Test);
        let mut tests: Vec<&Unit> = tests.collect();
        let mut roots = self.roots.clone();
        roots.sort_unstable();
        for root in roots.into_iter().rev() {
            let unit = &mut self.units[root.0];
            let is_same = |test: &&Unit| {
                (&test.package, &test.target, &test.profile, &test.features)
                    == (&unit.package, &unit.target, &unit.profile, &unit.features)
            };
            if let Some(at) = tests.iter().position(is_same) {
                tests.swap_remove(at);
                unit.mode = Mode::CheckTest;
            }
        }
    }

    /// A checksum of what it was read from.
    pub(crate) const fn fingerprint(&self) -> Sha256 {
        self.fingerprint
    }

    /// A unit of this graph.
    ///
    /// # Panics
    /// When the index is another graph's.
    #[must_use]
    pub fn unit(&self, index: UnitIndex) -> &Unit {
        &self.units[index.0]
    }

    /// All units, in cargo's order.
    pub fn units(&self) -> impl ExactSizeIterator<Item = (UnitIndex, &Unit)> {
        self.units.iter().enumerate().map(|(number, unit)| (UnitIndex(number), unit))
    }

    /// The units that were asked for, in cargo's order.
    #[must_use]
    pub fn roots(&self) -> &[UnitIndex] {
        &self.roots
    }

    /// How many units there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.units.len()
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    /// All units, each after what it depends on; the order is the same for the same graph.
    ///
    /// # Errors
    /// When units depend on each other.
    pub fn dependencies_first(&self) -> Result<Vec<UnitIndex>, Error> {
        #[derive(Clone, Copy, PartialEq)]
        enum Mark {
            New,
            Open,
            Done,
        }
        let mut marks = vec![Mark::New; self.units.len()];
        let mut order = Vec::with_capacity(self.units.len());
        for (start, _) in self.units() {
            let mut stack = vec![(start, 0)];
            while let Some((index, edge)) = stack.pop() {
                if marks[index.0] == Mark::Done {
                    continue;
                }
                marks[index.0] = Mark::Open;
                match self.unit(index).dependencies.get(edge) {
                    Some(dependency) => {
                        stack.push((index, edge + 1));
                        match marks[dependency.index.0] {
                            Mark::New => stack.push((dependency.index, 0)),
                            Mark::Open => {
                                let name = &self.unit(dependency.index).package;
                                return Err(Error::Graph(format!("a unit of `{name}` depends on itself")));
                            }
                            Mark::Done => {}
                        }
                    }
                    None => {
                        marks[index.0] = Mark::Done;
                        order.push(index);
                    }
                }
            }
        }
        Ok(order)
    }

    /// Std's own crates come without their dynamic library, as with cargo's `-Zbuild-std`
    /// (`UnitInterner::intern`).
    pub(crate) fn drop_dylibs(&mut self) {
        for unit in &mut self.units {
            if unit.target.makes(&CrateType::Dylib) {
                unit.target.kind = vec!["rlib".to_owned()];
                unit.target.crate_types = vec![CrateType::Rlib];
            }
        }
    }
}
