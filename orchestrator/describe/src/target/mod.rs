//! `targets/<triple>.toml`: a target as data.

mod cfg;
mod read;

use std::collections::{BTreeMap, BTreeSet};

use xbuild_base::{RelPath, Triple};

use crate::names::{ComponentName, Glibc};
use crate::problem::{Kind, Problem, Problems};
use crate::suggest;
use crate::toolchains::Toolchains;

pub(crate) use read::read;

/// A target: its std, sysroot, compiler, linker, and what its programs may need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetSpec {
    /// The triple: the file's name.
    pub triple: Triple,
    /// Where its std comes from.
    pub std: Std,
    /// The components of its sysroot, whatever the glibc.
    pub components: Vec<ComponentName>,
    /// The choice of glibc, for targets that have it.
    pub glibc: Option<GlibcChoice>,
    /// C and C++.
    pub c: CTools,
    /// Linking.
    pub link: Link,
    /// What a finished program must be.
    pub check: Check,
    /// How a program is run on the host.
    pub run: Run,
    /// Debian's packages for it; none where there are no such packages.
    pub packages: Option<PackageGround>,
    /// How its programs are packed for people.
    pub archive: ArchiveFormat,
    /// Its OCI images; none where there are no images.
    pub image: Option<ImageGround>,
}

/// Where std comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Std {
    /// From this component when the toolchain is Debian's; from the archive `rust-std` when it is official.
    Prebuilt(ComponentName),
    /// Built from the toolchain's source.
    Source,
}

/// The sysroots of a target, by the glibc they carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GlibcChoice {
    /// The one that is used where nothing else is asked for.
    pub default: Glibc,
    /// The components of each.
    pub sysroots: BTreeMap<Glibc, Vec<ComponentName>>,
}

/// The C toolchain of a target: program names in the composed tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CTools {
    /// The C compiler.
    pub cc: String,
    /// The C++ compiler.
    pub cxx: String,
    /// The archiver.
    pub ar: String,
    /// The archive indexer.
    pub ranlib: String,
    /// Variables that build scripts and C builds for this target get beside the usual ones.
    pub environment: BTreeMap<String, String>,
}

/// Linking for a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The linker's program name in the composed tree.
    pub linker: String,
    /// Arguments to it, each passed as `-C link-arg`.
    pub args: Vec<String>,
    /// Further arguments of rustc for every unit of this target.
    pub rustflags: Vec<String>,
}

/// What a finished program must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The file format.
    pub format: ObjectFormat,
    /// The machine: `x86_64`, `aarch64`, `arm`, `riscv64` …
    pub machine: String,
    /// Whether it must be linked statically.
    pub linking: Linking,
    /// Globs of the libraries (sonames, DLLs in lower case) that it may need of the system.
    pub libraries: Vec<String>,
}

/// A program's file format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ObjectFormat {
    /// ELF.
    Elf,
    /// PE, Windows'.
    Pe,
}

/// Whether programs need libraries of the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Linking {
    /// None, nor a loader.
    Static,
    /// Those that [`Check::libraries`] allows.
    Dynamic,
}

/// How a program is run on the host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Run {
    /// The emulator and its arguments, before the program; empty: it runs by itself.
    pub emulator: Vec<String>,
    /// The components that hold the emulator.
    pub components: Vec<ComponentName>,
}

impl Run {
    /// The beginning of a command line in the sandbox: the emulator by its path, and its arguments.
    #[must_use]
    pub fn command(&self) -> Vec<String> {
        let mut command = self.emulator.clone();
        if let Some(program) = command.first_mut().filter(|program| !program.starts_with('/')) {
            *program = format!("/usr/bin/{program}");
        }
        command
    }
}

/// Debian's packages for a target: headers and libraries of its system. Their suites are those of the sysroot, so that
/// none needs a newer glibc.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageGround {
    /// Debian's word for the target's machine: `arm64`.
    pub architecture: String,
    /// Where packages are laid: what they have in `/usr`, this folder of the sysroot has.
    pub root: RelPath,
    /// Packages, and what only they need, that are left out: the sysroot has them, or no build needs them.
    pub without: BTreeSet<String>,
}

/// How programs are packed for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ArchiveFormat {
    /// `.tar.gz`.
    TarGz,
    /// `.zip`.
    Zip,
}

/// What a target's images run on, and what they are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageGround {
    /// The platform.
    pub platform: Platform,
    /// The folder of the sysroot that has the loader and the shared libraries; none where programs are static.
    pub libraries: Option<RelPath>,
}

/// An OCI platform: `linux/arm/v7`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Platform {
    /// The operating system, as Go names it.
    pub os: String,
    /// The architecture, as Go names it.
    pub architecture: String,
    /// The architecture's variant.
    pub variant: Option<String>,
}

impl TargetSpec {
    /// The components of its sysroot for a choice of glibc, which must be one that it has.
    #[must_use]
    pub fn sysroot(&self, glibc: Option<Glibc>) -> Vec<&ComponentName> {
        let chosen =
            self.glibc.as_ref().and_then(|choice| choice.sysroots.get(&glibc.unwrap_or(choice.default)));
        self.components.iter().chain(chosen.into_iter().flatten()).collect()
    }

    /// The suites of the sysroot for a choice of glibc: where packages for it come from.
    #[must_use]
    pub fn suites(&self, glibc: Option<Glibc>, toolchains: &Toolchains) -> Vec<String> {
        let mut suites: Vec<String> = Vec::new();
        for component in self.sysroot(glibc) {
            for suite in toolchains.components.get(component).map(|one| &one.suites).into_iter().flatten() {
                if !suites.contains(suite) {
                    suites.push(suite.clone());
                }
            }
        }
        suites
    }

    /// Checks that it has a sysroot for a glibc.
    pub(crate) fn check_glibc(&self, glibc: Glibc) -> Result<(), Problem> {
        let Some(choice) = &self.glibc else {
            let message = format!("{} has no glibc to choose", self.triple);
            return Err(Problem::new(Kind::Contradiction, message).help("take it away for this target"));
        };
        if choice.sysroots.contains_key(&glibc) {
            return Ok(());
        }
        let versions: Vec<String> = choice.sysroots.keys().map(ToString::to_string).collect();
        let versions: Vec<&str> = versions.iter().map(String::as_str).collect();
        let message = format!("there is no sysroot with glibc {glibc} for {}", self.triple);
        Err(Problem::new(Kind::UnknownName, message)
            .help(format!("the choices are {}", suggest::list(&versions))))
    }
}

/// All targets that can be built, by triple.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Targets {
    specs: BTreeMap<Triple, TargetSpec>,
    /// Those whose file has problems: whoever needs none of them isn't held up.
    broken: BTreeMap<Triple, Problems>,
}

impl Targets {
    /// Adds one, in the place of one with the same triple: so a project's own files come after the built-in ones.
    pub fn insert(&mut self, spec: TargetSpec) {
        self.broken.remove(&spec.triple);
        self.specs.insert(spec.triple.clone(), spec);
    }

    /// Notes that the file of a target has problems: nothing can be built for it, and what can is left alone.
    pub fn insert_broken(&mut self, triple: Triple, problems: Problems) {
        self.specs.remove(&triple);
        self.broken.insert(triple, problems);
    }

    /// The target of a triple.
    #[must_use]
    pub fn get(&self, triple: &Triple) -> Option<&TargetSpec> {
        self.specs.get(triple)
    }

    /// All of them, by triple.
    pub fn iter(&self) -> impl Iterator<Item = &TargetSpec> {
        self.specs.values()
    }

    /// Their triples.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.specs.keys().map(Triple::as_str).collect()
    }

    /// Whether a triple's file has problems.
    pub(crate) fn is_broken(&self, triple: &str) -> bool {
        triple.parse().is_ok_and(|triple: Triple| self.broken.contains_key(&triple))
    }

    /// Why a triple can't be built for; nothing where it can.
    pub(crate) fn missing(&self, triple: &str) -> Vec<Problem> {
        let parsed: Option<Triple> = triple.parse().ok();
        match parsed.as_ref().and_then(|triple| self.broken.get(triple)) {
            Some(problems) => problems.as_slice().to_vec(),
            None if parsed.is_some_and(|triple| self.specs.contains_key(&triple)) => Vec::new(),
            None => vec![self.unknown(triple)],
        }
    }

    /// The problem that a triple is none of them.
    pub(crate) fn unknown(&self, triple: &str) -> Problem {
        Problem::new(Kind::UnknownTarget, format!("there is no target `{triple}`"))
            .label("unknown target")
            .help(format!(
                "{}; a new one is a file, .xbuild/targets/<triple>.toml",
                suggest::help(triple, "targets", &self.names())
            ))
    }
}

impl FromIterator<TargetSpec> for Targets {
    fn from_iter<I: IntoIterator<Item = TargetSpec>>(specs: I) -> Self {
        let mut targets = Self::default();
        specs.into_iter().for_each(|spec| targets.insert(spec));
        targets
    }
}
