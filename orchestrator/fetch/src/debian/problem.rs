//! What goes wrong with Debian's archives.

use xbuild_describe::suggest_or;

use crate::error::Tier;

/// What to do about a component that wants what is not there.
const COMPONENT: &str = "correct `suites`, `roots` or `without` of that component in toolchains.toml";

/// Why Debian's packages could not be found, resolved or trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DebianError {
    /// Nothing tells where an archive is.
    #[error("nothing tells where the archive `{archive}` is: apt has no source for it, and no mirror is set")]
    NoMirror {
        /// `debian` or `debian-security`.
        archive: String,
    },
    /// There is no key to check signatures with.
    #[error("Debian's indexes can't be checked, for want of its keys: {problem}")]
    Keyring {
        /// What was looked for, and what came of it.
        problem: String,
    },
    /// No mirror has the suite.
    #[error("no mirror has the suite {suite}: {}", tried.join(", "))]
    NoSuite {
        /// Which.
        suite: String,
        /// Where it was looked for.
        tried: Vec<String>,
    },
    /// A suite's signed index can't be trusted. Nothing of it was used.
    #[error("the index of {suite} at {place} can't be trusted: {problem}")]
    Untrusted {
        /// Which.
        suite: String,
        /// Where from.
        place: String,
        /// Why.
        problem: String,
    },
    /// An index that is what its checksum says makes no sense.
    #[error("the index of {suite} can't be read: {problem}")]
    Index {
        /// The suite.
        suite: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A wanted package isn't there.
    #[error("component {component}: there is no package {package} for {arch} in {suites}")]
    NoPackage {
        /// The component that wants it.
        component: String,
        /// The package.
        package: String,
        /// For which architecture.
        arch: String,
        /// Where it was looked for.
        suites: String,
        /// The package there whose name is nearest to it, if one's is near.
        near: Option<Box<str>>,
    },
    /// A dependency can't be met.
    #[error("component {component}: {package} needs {needs}, which is not for {arch} in {suites}")]
    Unsatisfied {
        /// The component.
        component: String,
        /// The package with the dependency, and its version.
        package: String,
        /// The dependency.
        needs: String,
        /// For which architecture.
        arch: String,
        /// Where it was looked for.
        suites: String,
    },
}

impl DebianError {
    /// Who can do something about it.
    pub(crate) const fn tier(&self) -> Tier {
        match self {
            Self::NoMirror { .. } | Self::NoPackage { .. } | Self::Unsatisfied { .. } => Tier::User,
            Self::Keyring { .. } | Self::NoSuite { .. } | Self::Untrusted { .. } | Self::Index { .. } => {
                Tier::Environment
            }
        }
    }

    /// What to do about it.
    pub(crate) fn help(&self) -> Option<String> {
        let text = match self {
            Self::NoMirror { .. } => "name a mirror: export XBUILD_DEBIAN_MIRRORS=http://MIRROR/debian",
            Self::Keyring { .. } => {
                "apt-get install debian-archive-keyring, or export XBUILD_DEBIAN_KEYRING=FILE.gpg"
            }
            Self::NoSuite { .. } => {
                "add a mirror that has it: export XBUILD_DEBIAN_MIRRORS='http://MIRROR/debian http://OTHER/debian'"
            }
            Self::Untrusted { .. } | Self::Index { .. } => {
                "try another mirror: export XBUILD_DEBIAN_MIRRORS=http://MIRROR/debian"
            }
            Self::NoPackage { package, near, .. } => {
                return Some(suggest_or(package, near.as_deref(), COMPONENT));
            }
            Self::Unsatisfied { .. } => COMPONENT,
        };
        Some(text.to_owned())
    }
}
