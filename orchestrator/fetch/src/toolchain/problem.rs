//! What goes wrong with toolchains.

use xbuild_base::RelPath;
use xbuild_describe::Problem;

use super::BuildError;
use crate::error::Tier;

/// Why a toolchain could not be described, composed or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ToolchainError {
    /// The description says something that can't be: an unknown component, one that isn't pinned.
    #[error("{message}")]
    Described {
        /// What is wrong.
        message: String,
        /// What to do about it.
        help: Option<String>,
    },
    /// Components use each other in a circle.
    #[error("component {component} uses itself: {}", circle.join(" → "))]
    Circle {
        /// Which.
        component: String,
        /// The way round.
        circle: Vec<String>,
    },
    /// A pattern that is none.
    #[error("component {component}: `{pattern}` is no pattern: {problem}")]
    Pattern {
        /// Whose.
        component: String,
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Two packages of a component have different things at one path.
    #[error("component {component}: the packages {first} and {second} have different things at {path}")]
    Conflict {
        /// The component.
        component: String,
        /// The first package.
        first: String,
        /// The second package.
        second: String,
        /// Where.
        path: RelPath,
    },
    /// A copy, link or archive needs something that isn't there.
    #[error(
        "component {component}: there is no `{path}` in its packages, nor in the components that it uses"
    )]
    NothingAt {
        /// The component.
        component: String,
        /// A path, or a pattern that matches nothing.
        path: String,
    },
    /// A source could not be compiled, or a library not be archived.
    #[error("component {component}: could not build {what}: {problem}")]
    Build {
        /// The component.
        component: String,
        /// The source or library.
        what: String,
        /// Why.
        #[source]
        problem: BuildError,
    },
    /// No official archive is pinned for a target.
    #[error("the official toolchain {version} has no {package} for {target}")]
    NoArchive {
        /// The Rust version.
        version: String,
        /// `rustc`, `cargo`, `rust-std` …
        package: String,
        /// The target.
        target: String,
    },
    /// A toolchain has no clippy, or no rustfmt.
    #[error("Rust {version} has no {tool} in toolchains.toml")]
    NoTool {
        /// The Rust version.
        version: String,
        /// Which.
        tool: &'static str,
    },
    /// An official archive isn't laid out as one.
    #[error("{archive} is not laid out as an archive of the Rust distribution: {problem}")]
    Layout {
        /// Which.
        archive: String,
        /// What is wrong.
        problem: String,
    },
    /// A channel manifest can't be used.
    #[error("the channel manifest {place}: {problem}")]
    Manifest {
        /// Its path or address.
        place: String,
        /// What is wrong.
        problem: String,
    },
    /// The package index has no wheel of a version.
    #[error("the package index has no wheel of {name} {version}")]
    NoWheel {
        /// The project.
        name: String,
        /// The version.
        version: String,
    },
    /// Nothing tells where the official distribution's server is.
    #[error("nothing tells where the official Rust distribution is served")]
    NoServer,
    /// No toolchain is pinned whose cargo could plan for one that is no release.
    #[error("no official release is pinned whose cargo could plan for it")]
    NoCargo,
    /// `toolchains.toml` can't be changed in place.
    #[error("{file} can't be changed: {problem}")]
    Document {
        /// The file's name.
        file: String,
        /// What is wrong.
        problem: String,
    },
}

impl ToolchainError {
    /// Who can do something about it.
    pub(crate) const fn tier(&self) -> Tier {
        match self {
            Self::Layout { .. } | Self::Build { .. } => Tier::Environment,
            _ => Tier::User,
        }
    }

    /// What to do about it.
    pub(crate) fn help(&self) -> Option<String> {
        let text = match self {
            Self::Described { help, .. } => return help.clone(),
            Self::Conflict { second, .. } => {
                return Some(format!(
                    "add `{second}` to `without`, or take one of them into a component of its own"
                ));
            }
            Self::NoArchive { version, .. } => return Some(format!("xbuild toolchain add {version}")),
            Self::NoTool { version, tool } => {
                return Some(format!(
                    "pin an official one's anew: xbuild toolchain add {version}; for one of packages: `{tool} = \
                     \"COMPONENT\"` in [toolchain.\"{version}\"]"
                ));
            }
            Self::Manifest { .. } => {
                "give the manifest of an installed toolchain: xbuild toolchain add VERSION --manifest \
                 \"$(rustc +VERSION --print sysroot)/lib/rustlib/multirust-channel-manifest.toml\""
            }
            Self::NoServer => "export RUSTUP_DIST_SERVER=https://SERVER (or XBUILD_RUST_DIST_SERVER)",
            Self::NoCargo => "pin one first: xbuild toolchain add 1.95.0",
            Self::Circle { .. } | Self::Pattern { .. } | Self::NothingAt { .. } | Self::NoWheel { .. } => {
                "correct the component in toolchains.toml"
            }
            Self::Build { .. } | Self::Layout { .. } | Self::Document { .. } => return None,
        };
        Some(text.to_owned())
    }
}

impl From<Problem> for ToolchainError {
    fn from(problem: Problem) -> Self {
        Self::Described {
            message: problem.message().to_owned(),
            help: problem.help_text().map(str::to_owned),
        }
    }
}
