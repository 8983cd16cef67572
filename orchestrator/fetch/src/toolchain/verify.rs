//! Whether pins can still be had, and whether what was fetched for them is still right.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::rc::Rc;

use xbuild_action::{Content, StoreError};
use xbuild_base::{Blob, Digest, Hasher, Sha256};
use xbuild_describe::{ComponentName, PackagePin, PinHost, Pins, Toolchains};

use super::update::{ANY_ARCHITECTURE, debian_architecture};
use crate::debian::{Index, IndexSource};
use crate::error::FetchError;

/// Whether a pinned package is still what its suite has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// The suite's index has exactly this file.
    Current,
    /// The suite has another version by now: this one may leave the mirror at any time.
    Superseded {
        /// That version.
        by: String,
    },
    /// The suite has no such package any more.
    Gone,
    /// No index tells: it is a wheel, or no index was asked.
    Unknown,
    /// The suite's index can't be had.
    Unclear {
        /// Why not.
        problem: String,
    },
}

/// Whether what was fetched is what was pinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fetched {
    /// It was not fetched yet, or collected since.
    No,
    /// It is in the store, and right.
    Right,
    /// It is in the store, and damaged.
    Damaged,
}

/// What was found out about one pin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// For which host.
    pub host: PinHost,
    /// In which component.
    pub component: ComponentName,
    /// The package as `name:architecture`, or the wheel.
    pub package: String,
    /// Its pinned version.
    pub version: String,
    /// Whether it can still be had.
    pub presence: Presence,
    /// Whether what was fetched is right.
    pub fetched: Fetched,
}

impl Verdict {
    /// Whether nothing is wrong: a superseded package is not wrong yet.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.presence != Presence::Gone && self.fetched != Fetched::Damaged
    }
}

/// Looks at every pin of every component. `indexes` is asked for each suite's index; without it (offline) only
/// what was fetched is looked at.
///
/// # Errors
/// When the store can't be read.
pub fn verify(
    toolchains: &Toolchains,
    store: &dyn Content,
    indexes: Option<&dyn IndexSource>,
) -> Result<Vec<Verdict>, FetchError> {
    let mut verdicts = Vec::new();
    let mut suites = Suites { indexes, known: BTreeMap::new() };
    for (host, components) in &toolchains.pins {
        for (component, Pins { packages, wheels }) in components {
            for pin in packages {
                verdicts.push(Verdict {
                    host: host.clone(),
                    component: component.clone(),
                    package: format!("{}:{}", pin.name, pin.architecture),
                    version: pin.version.clone(),
                    presence: suites.presence(pin, host),
                    fetched: fetched(store, pin.sha256, pin.size)?,
                });
            }
            for pin in wheels {
                verdicts.push(Verdict {
                    host: host.clone(),
                    component: component.clone(),
                    package: pin.name.clone(),
                    version: pin.version.clone(),
                    presence: Presence::Unknown,
                    fetched: fetched(store, pin.sha256, pin.size)?,
                });
            }
        }
    }
    Ok(verdicts)
}

/// The indexes by suite and architecture; one that can't be had is asked for once.
struct Suites<'i> {
    indexes: Option<&'i dyn IndexSource>,
    known: BTreeMap<(String, String), Result<Rc<Index>, String>>,
}

impl Suites<'_> {
    fn presence(&mut self, pin: &PackagePin, host: &PinHost) -> Presence {
        let Some(source) = self.indexes else { return Presence::Unknown };
        // Every index has the packages of architecture `all`; that of the host's own is needed anyway.
        let architecture = match (pin.architecture.as_str(), host) {
            ("all", PinHost::Host(triple)) => debian_architecture(triple).unwrap_or(ANY_ARCHITECTURE),
            ("all", PinHost::Any) => ANY_ARCHITECTURE,
            (architecture, _) => architecture,
        };
        let index = self
            .known
            .entry((pin.suite.clone(), architecture.to_owned()))
            .or_insert_with(|| source.index(&pin.suite, architecture).map_err(|error| error.to_string()));
        let package = match index {
            Ok(index) => index.package(&pin.name).map_err(|error| error.to_string()),
            Err(problem) => Err(problem.clone()),
        };
        match package {
            Err(problem) => Presence::Unclear { problem },
            Ok(None) => Presence::Gone,
            Ok(Some(package)) if package.sha256 == pin.sha256 => Presence::Current,
            Ok(Some(package)) => Presence::Superseded { by: package.version.to_string() },
        }
    }
}

fn fetched(store: &dyn Content, sha256: Sha256, size: u64) -> Result<Fetched, FetchError> {
    let digest = Digest::<Blob>::new(sha256, size);
    if !store.has_blob(digest)? {
        return Ok(Fetched::No);
    }
    let mut reader = match store.open_blob(digest) {
        Ok(reader) => reader,
        Err(StoreError::Damaged { .. }) => return Ok(Fetched::Damaged),
        Err(error) => return Err(error.into()),
    };
    let (mut hasher, mut buffer) = (Hasher::default(), vec![0; 1 << 16]);
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => hasher.update(&buffer[..read]),
            Err(error) => return Err(StoreError::io("read", digest.to_hex())(error).into()),
        }
    }
    Ok(if hasher.digest::<Blob>() == digest { Fetched::Right } else { Fetched::Damaged })
}
