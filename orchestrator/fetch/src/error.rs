//! Why something could not be fetched.

use std::path::PathBuf;

use xbuild_action::{StoreError, TreeError};
use xbuild_base::Sha256;

use crate::debian::DebianError;
use crate::toolchain::ToolchainError;
use crate::unpack::ArchiveError;

/// Who can do something about an error; the exit code follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// The project, its lock or its settings are wrong.
    User,
    /// The network, a server, the disk or a missing program.
    Environment,
    /// xbuild is wrong.
    Bug,
}

/// Why something could not be fetched. The texts say what failed, on what and why; [`FetchError::help`] says
/// what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The bytes are not the ones that were pinned. Nothing of them was kept.
    #[error("{name} from {place} is not what was pinned\n  expected {expected}\n  computed {computed}")]
    Mismatch {
        /// What was fetched.
        name: String,
        /// Where from.
        place: String,
        /// The pinned checksum.
        expected: Sha256,
        /// The checksum of what came.
        computed: Sha256,
    },
    /// The file has another size than the pinned one. Nothing of it was kept.
    #[error(
        "{name} from {place} is not what was pinned\n  expected {expected} bytes\n  found    {found} bytes"
    )]
    WrongSize {
        /// What was fetched.
        name: String,
        /// Where from.
        place: String,
        /// The pinned size in bytes.
        expected: u64,
        /// The size of what is served, in bytes.
        found: u64,
    },
    /// Every place was reached, and none has it.
    #[error("{name} is gone: none of the places that should have it does\n{}", list(tried))]
    Gone {
        /// What was wanted.
        name: String,
        /// The places that were asked, with their answers.
        tried: Vec<String>,
    },
    /// No place could be reached, after all retries.
    #[error("could not fetch {name}\n{}", list(tried))]
    Unreachable {
        /// What was wanted.
        name: String,
        /// The places that were asked, with what went wrong.
        tried: Vec<String>,
    },
    /// A server wants credentials, or other ones.
    #[error("could not fetch {name}: {place} answers {status}: {problem}")]
    Refused {
        /// What was wanted.
        name: String,
        /// Where from.
        place: String,
        /// The HTTP status.
        status: u16,
        /// What is missing or wrong.
        problem: String,
    },
    /// Things are missing from the store and the network may not be used.
    #[error("the network may not be used (offline), and {} missing from the store:\n{}", things(missing.len()), list(missing))]
    Offline {
        /// All that is missing.
        missing: Vec<String>,
    },
    /// An archive holds what it may not. Nothing of it can be reached by a name.
    #[error("{name} was fetched as pinned but can't be unpacked: {problem}")]
    Archive {
        /// What was unpacked.
        name: String,
        /// What is wrong with it.
        #[source]
        problem: ArchiveError,
    },
    /// It was asked to stop.
    #[error("stopped")]
    Cancelled,
    /// Several things went wrong.
    #[error("{}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n"))]
    Several {
        /// Each of them, in the order in which the things were asked for.
        errors: Vec<FetchError>,
    },
    /// An address that can't be used.
    #[error("`{url}` can't be fetched: {problem}")]
    Address {
        /// The address.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A setting has a value that means nothing.
    #[error("{name} is set to `{value}`: expected {expected}")]
    Setting {
        /// The variable or key.
        name: String,
        /// Its value.
        value: String,
        /// What it may be.
        expected: String,
    },
    /// `Cargo.lock` can't be used.
    #[error("Cargo.lock: {problem}")]
    Lock {
        /// What is wrong with it.
        problem: String,
    },
    /// A configuration file of cargo's or pip's can't be used.
    #[error("{}: {problem}", path.display())]
    Configuration {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A source or registry is named but nothing says where it is, or its description makes no sense.
    #[error("the registry {registry}: {problem}")]
    Registry {
        /// Its name or address.
        registry: String,
        /// What is wrong.
        problem: String,
    },
    /// A credential could not be had.
    #[error("no credentials for the registry {registry}: {problem}")]
    Credentials {
        /// Its name or address.
        registry: String,
        /// Why not.
        problem: String,
    },
    /// A git commit could not be had.
    #[error("could not fetch commit {commit} of {repository}: {problem}")]
    Git {
        /// The repository's address, without credentials.
        repository: String,
        /// The commit.
        commit: String,
        /// What git says.
        problem: String,
    },
    /// Where a branch or tag leads could not be found out.
    #[error("could not find {reference} of {repository}: {problem}")]
    Reference {
        /// The repository's address, without credentials.
        repository: String,
        /// The branch or tag.
        reference: String,
        /// What git says.
        problem: String,
        /// The branch or tag of the repository whose name is nearest to it, if one's is near.
        near: Option<String>,
    },
    /// There is no index to look for a wheel in.
    #[error("no package index is known to look for {name} in: {problem}")]
    NoIndex {
        /// The wheel's file name.
        name: String,
        /// What was tried.
        problem: String,
    },
    /// A program of the host's could not be run.
    #[error("could not run {program}: {problem}")]
    Program {
        /// The program.
        program: String,
        /// Why, or what it says.
        problem: String,
    },
    /// The host's file system refused.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Trees could not be composed.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// Debian's archives: packages, indexes, mirrors.
    #[error(transparent)]
    Debian(#[from] DebianError),
    /// Toolchains: recipes, pins, composition.
    #[error(transparent)]
    Toolchain(#[from] ToolchainError),
}

impl FetchError {
    /// Who can do something about it.
    #[must_use]
    pub fn tier(&self) -> Tier {
        match self {
            Self::Address { .. }
            | Self::Setting { .. }
            | Self::Lock { .. }
            | Self::Configuration { .. }
            | Self::Registry { .. }
            | Self::Credentials { .. }
            | Self::NoIndex { .. }
            | Self::Offline { .. } => Tier::User,
            Self::Mismatch { .. }
            | Self::WrongSize { .. }
            | Self::Gone { .. }
            | Self::Unreachable { .. }
            | Self::Refused { .. }
            | Self::Archive { .. }
            | Self::Git { .. }
            | Self::Reference { .. }
            | Self::Program { .. }
            | Self::Io(_)
            | Self::Store(_)
            | Self::Cancelled => Tier::Environment,
            Self::Tree(_) => Tier::Bug,
            Self::Debian(error) => error.tier(),
            Self::Toolchain(error) => error.tier(),
            Self::Several { errors } => {
                match errors.iter().map(Self::tier).find(|tier| *tier != Tier::User) {
                    Some(tier) => tier,
                    None => Tier::User,
                }
            }
        }
    }

    /// What to do about it, as a line that can follow `help:`.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        let text = match self {
            Self::Mismatch { .. } | Self::WrongSize { .. } => {
                "the server or a proxy serves another file than the one that was pinned; \
                 name a mirror that has the right one: XBUILD_MIRRORS=https://… (laid out <aa>/<sha256>)"
            }
            Self::Gone { .. } => {
                "if it is a toolchain package, `xbuild toolchain update` moves its pin, if one of xbuild.lock, \
                 `xbuild update`; to build with the old one name a mirror that keeps it: \
                 XBUILD_MIRRORS=https://… (laid out <aa>/<sha256>)"
            }
            Self::Unreachable { .. } => {
                "check the network and the proxy variables, then run the command again"
            }
            Self::Offline { .. } => "run the same command once with a network, without --offline",
            Self::Refused { .. } | Self::Credentials { .. } => {
                "log in with `cargo login --registry NAME`, or set CARGO_REGISTRIES_<NAME>_TOKEN"
            }
            Self::NoIndex { .. } => "set XBUILD_PYPI_INDEX to the address of a simple index",
            Self::Reference { near, .. } => {
                return near.as_ref().map(|near| format!("did you mean `{near}`?"));
            }
            Self::Lock { .. } => "run `cargo generate-lockfile`, or `cargo update` when the file is damaged",
            Self::Several { errors } => return errors.iter().find_map(Self::help),
            Self::Debian(error) => return error.help(),
            Self::Toolchain(error) => return error.help(),
            _ => return None,
        };
        Some(text.to_owned())
    }

    /// Whether the disk is full, whatever was being done.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Store(error) | Self::Tree(TreeError::Store(error)) => error.is_disk_full(),
            Self::Io(error) => {
                matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
            }
            Self::Several { errors } => errors.iter().any(Self::is_disk_full),
            _ => false,
        }
    }

    /// One error out of several, in the order given.
    pub(crate) fn join(mut errors: Vec<Self>) -> Self {
        match errors.len() {
            1 => errors.remove(0),
            _ => Self::Several { errors },
        }
    }
}

fn list(lines: &[String]) -> String {
    lines.iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

fn things(count: usize) -> String {
    if count == 1 { "1 thing is".to_owned() } else { format!("{count} things are") }
}
