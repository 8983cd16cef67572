//! `toolchains.toml`: what toolchains and sysroots are composed of, and the pins of every part.

mod merge;
mod read;

use std::collections::BTreeMap;

use semver::Version;
use xbuild_base::{RelPath, Sha256, Triple};

use crate::names::{ComponentName, Distribution};
use crate::problem::{Kind, Problem};
use crate::suggest;

pub(crate) use read::read_document;

/// A validated `toolchains.toml`, the built-in one or that with a project's laid over it. Every component named
/// anywhere in it exists; whether one is pinned for a host is asked with [`Toolchains::pins`] when it is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toolchains {
    /// The version that is used where nothing else is asked for.
    pub default: Version,
    /// The suites that packages come from, by name.
    pub suites: BTreeMap<String, Suite>,
    /// The recipes, by name.
    pub components: BTreeMap<ComponentName, Component>,
    /// The pins: by host, then by component.
    pub pins: BTreeMap<PinHost, BTreeMap<ComponentName, Pins>>,
    /// The toolchains, by Rust version.
    pub toolchains: BTreeMap<Version, Toolchain>,
}

/// A suite of packages on a mirror.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suite {
    /// The archive's path below the mirror's root: `debian`, `debian-security`.
    pub archive: RelPath,
}

/// A recipe: which packages, what is taken of them, and how it is laid out. Its result is one tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// Its own name.
    pub name: ComponentName,
    /// Where packages are looked for: the first suite that has the package wins.
    pub suites: Vec<String>,
    /// Whose packages.
    pub architecture: Architecture,
    /// The packages wanted; what they depend on comes along.
    pub roots: Vec<String>,
    /// Packages, and what only they need, that are left out.
    pub without: Vec<String>,
    /// Globs of files to keep; empty: all.
    pub keep: Vec<String>,
    /// Globs of files to drop of those.
    pub drop: Vec<String>,
    /// Components whose trees `copies` and `archives` can reach.
    pub uses: Vec<ComponentName>,
    /// Copies inside the merged tree: to ← from, parents before what lies below them.
    pub copies: BTreeMap<RelPath, RelPath>,
    /// Symbolic links: path → target, as it is to be written.
    pub links: BTreeMap<RelPath, String>,
    /// Links beside a file that point to it: file → names.
    pub aliases: BTreeMap<RelPath, Vec<String>>,
    /// Text files: path → contents.
    pub files: BTreeMap<RelPath, String>,
    /// Static libraries compiled from source, in this order.
    pub archives: Vec<Archive>,
    /// A Python wheel that is unpacked beside the packages.
    pub wheel: Option<Wheel>,
}

impl Component {
    /// Whether its packages, and so its pins, differ by host.
    #[must_use]
    pub fn depends_on_host(&self) -> bool {
        self.architecture == Architecture::Host
    }
}

/// Whose packages a component takes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Architecture {
    /// Those of the host that builds.
    Host,
    /// Those of one Debian architecture (`arm64`, or `all`), on every host.
    Named(String),
}

/// A static library: one compiler action for each source, then one archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archive {
    /// The library.
    pub output: RelPath,
    /// Globs of sources in the component's tree; none when it only joins other libraries.
    pub sources: Vec<String>,
    /// Globs of sources to leave out.
    pub without: Vec<String>,
    /// The compiler's program name; there is one where there are sources.
    pub compiler: Option<String>,
    /// Its arguments before `-c`.
    pub flags: Vec<String>,
    /// Static libraries whose members are added.
    pub merge: Vec<RelPath>,
}

/// What is taken of a Python wheel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wheel {
    /// The distribution's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Globs of files to keep; empty: all.
    pub keep: Vec<String>,
    /// Where its files are put.
    pub prefix: RelPath,
}

/// For whom something is pinned.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PinHost {
    /// The same packages on every host.
    Any,
    /// A host of this triple.
    Host(Triple),
}

/// The pins of a component.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pins {
    /// Debian packages.
    pub packages: Vec<PackagePin>,
    /// Python wheels.
    pub wheels: Vec<WheelPin>,
}

/// A Debian package, fixed by its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackagePin {
    /// The package's name.
    pub name: String,
    /// Its version, with epoch.
    pub version: String,
    /// Its architecture: `amd64`, `arm64`, `all`.
    pub architecture: String,
    /// The suite that it was found in: a key of [`Toolchains::suites`].
    pub suite: String,
    /// The file's path below the suite's archive: `pool/main/…`.
    pub path: RelPath,
    /// The file's size in bytes.
    pub size: u64,
    /// The file's checksum.
    pub sha256: Sha256,
}

/// A Python wheel, fixed by its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WheelPin {
    /// The distribution's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The wheel's file name.
    pub file: String,
    /// The file's size in bytes.
    pub size: u64,
    /// The file's checksum.
    pub sha256: Sha256,
}

/// A Rust toolchain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toolchain {
    /// Its Rust version.
    pub version: Version,
    /// Where its Rust comes from.
    pub distribution: Distribution,
    /// The components that host work is composed of.
    pub rust: Vec<ComponentName>,
    /// The component with std's source, when it is one; the official distribution's is the archive `rust-src`.
    pub source: Option<ComponentName>,
    /// The component with `clippy-driver`, when it is one; the official distribution's is the archive `clippy`.
    pub clippy: Option<ComponentName>,
    /// The component with `rustfmt`, likewise.
    pub rustfmt: Option<ComponentName>,
    /// Official archives: by package (`rustc`, `rust-std`, `cargo`, `rust-src`, `clippy`, `rustfmt`), then by target
    /// triple, or `*` for one that is the same for all. Empty for other distributions.
    pub archives: BTreeMap<String, BTreeMap<String, ArchivePin>>,
}

impl Toolchain {
    /// What descriptions and toolchain files call it: `1.96.1`, or `nightly-2026-01-31`.
    #[must_use]
    pub fn channel(&self) -> String {
        match self.version.pre.as_str().split_once('.') {
            Some((channel, date)) => format!("{channel}-{date}"),
            None => self.version.to_string(),
        }
    }

    /// The official archive of a package for a target, or that for all targets.
    #[must_use]
    pub fn archive(&self, package: &str, target: &Triple) -> Option<&ArchivePin> {
        let targets = self.archives.get(package)?;
        targets.get(target.as_str()).or_else(|| targets.get("*"))
    }
}

/// An archive of the official distribution, fixed by its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchivePin {
    /// The path below the distribution server's root: `dist/2026-04-16/rustc-….tar.xz`.
    pub path: RelPath,
    /// The file's size in bytes; channel manifests do not tell it.
    pub size: Option<u64>,
    /// The file's checksum.
    pub sha256: Sha256,
}

impl Toolchains {
    /// A component's recipe.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn component(&self, name: &str) -> Result<&Component, Problem> {
        self.components.get(name).ok_or_else(|| {
            let names: Vec<&str> = self.components.keys().map(ComponentName::as_str).collect();
            Problem::new(Kind::UnknownName, format!("there is no component `{name}`")).help(suggest::help(
                name,
                "components",
                &names,
            ))
        })
    }

    /// A component's pins for a host.
    ///
    /// # Errors
    /// When it is not pinned for that host.
    pub fn pins(&self, component: &ComponentName, host: &Triple) -> Result<&Pins, Problem> {
        let by_host = self.pins.get(&PinHost::Host(host.clone())).and_then(|pins| pins.get(component));
        let any = || self.pins.get(&PinHost::Any).and_then(|pins| pins.get(component));
        by_host.or_else(any).ok_or_else(|| {
            Problem::new(Kind::NotPinned, format!("component `{component}` is not pinned for {host} hosts"))
                .help("pin it: xbuild toolchain update")
        })
    }
}
