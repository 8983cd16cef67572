//! Whether pins can still be had, and whether what was fetched for them is still right.

use std::io::Read as _;

use xbuild_action::{Content, StoreError};
use xbuild_base::{Blob, Digest, Hasher, Sha256};
use xbuild_describe::{ComponentName, PackagePin, PinHost, Pins, Toolchains};

use crate::debian::IndexSource;
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
    /// No index tells (wheels).
    Unknown,
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
/// When an index can't be had, or the store can't be read.
pub fn verify(
    toolchains: &Toolchains,
    store: &dyn Content,
    indexes: Option<&dyn IndexSource>,
) -> Result<Vec<Verdict>, FetchError> {
    let mut verdicts = Vec::new();
    for (host, components) in &toolchains.pins {
        for (component, Pins { packages, wheels }) in components {
            for pin in packages {
                verdicts.push(Verdict {
                    host: host.clone(),
                    component: component.clone(),
                    package: format!("{}:{}", pin.name, pin.architecture),
                    version: pin.version.clone(),
                    presence: indexes.map_or(Ok(Presence::Unknown), |source| presence(pin, host, source))?,
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

fn presence(pin: &PackagePin, host: &PinHost, source: &dyn IndexSource) -> Result<Presence, FetchError> {
    // Every index has the packages of architecture `all`; that of the host's own is needed anyway.
    let architecture = match (pin.architecture.as_str(), host) {
        ("all", PinHost::Host(triple)) => super::update::debian_architecture(triple).unwrap_or("amd64"),
        ("all", PinHost::Any) => "amd64",
        (architecture, _) => architecture,
    };
    let index = source.index(&pin.suite, architecture)?;
    let package = index.package(&pin.name).map_err(|error| crate::debian::DebianError::Index {
        suite: pin.suite.clone(),
        problem: error.to_string(),
    })?;
    Ok(match package {
        None => Presence::Gone,
        Some(package) if package.sha256 == pin.sha256 => Presence::Current,
        Some(package) => Presence::Superseded { by: package.version.to_string() },
    })
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
