//! New pins for all components, and what changed.

use std::collections::{BTreeMap, BTreeSet};

use xbuild_base::{RelPath, Triple};
use xbuild_describe::{
    Architecture, Component, ComponentName, PackagePin, PinHost, Pins, Toolchains, Wheel, WheelPin,
};

use super::problem::ToolchainError;
use crate::debian::{IndexSource, Package, Query, resolve};
use crate::error::FetchError;

/// Whose indexes packages of architecture `all` are looked for in: every index has them.
pub(super) const ANY_ARCHITECTURE: &str = "amd64";

/// The hosts that pins are resolved for, whatever the file had before.
pub const HOSTS: [&str; 2] = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"];

/// Looks up the pin of a wheel of this name and version.
pub type FindWheel<'f> = dyn Fn(&Wheel) -> Result<WheelPin, FetchError> + 'f;

/// Pins by host and component, as [`Toolchains::pins`] has them.
pub type AllPins = BTreeMap<PinHost, BTreeMap<ComponentName, Pins>>;

/// What an update found.
#[derive(Debug)]
pub struct Update {
    /// All pins, the new with the unchanged.
    pub pins: AllPins,
    /// What is different, by host, component and package.
    pub changes: Vec<Change>,
    /// What could not be resolved, and why: its pins are the old ones.
    pub failures: Vec<Failure>,
}

/// A component that could not be resolved for a host.
#[derive(Debug)]
pub struct Failure {
    /// For which host.
    pub host: PinHost,
    /// Which.
    pub component: ComponentName,
    /// Why.
    pub error: FetchError,
}

/// One package or wheel whose pin is new, gone or another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// For which host.
    pub host: PinHost,
    /// In which component.
    pub component: ComponentName,
    /// The package, as `name:architecture`, or the wheel's name.
    pub package: String,
    /// The version before; `None` when it was not there.
    pub old: Option<String>,
    /// The version now; `None` when it is not there any more.
    pub new: Option<String>,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}: {} ", host_name(&self.host), self.component, self.package)?;
        match (&self.old, &self.new) {
            (Some(old), Some(new)) if old == new => write!(f, "{new} (same version, other file)"),
            (Some(old), Some(new)) => write!(f, "{old} → {new}"),
            (None, Some(new)) => write!(f, "{new} (new)"),
            (Some(old), None) => write!(f, "{old} (not needed any more)"),
            (None, None) => Ok(()),
        }
    }
}

/// The word for a host in `[pins.<host>]`.
#[must_use]
pub fn host_name(host: &PinHost) -> &str {
    match host {
        PinHost::Any => "any",
        PinHost::Host(triple) => triple.as_str(),
    }
}

/// Debian's word for a triple's architecture.
#[must_use]
pub fn debian_architecture(triple: &Triple) -> Option<&'static str> {
    let (machine, rest) = triple.as_str().split_once('-')?;
    Some(match machine {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "armv7" if rest.ends_with("hf") => "armhf",
        "i686" => "i386",
        "riscv64gc" => "riscv64",
        "powerpc64le" => "ppc64el",
        "s390x" => "s390x",
        _ => return None,
    })
}

/// Resolves every component anew, for the hosts in `toolchains` and [`HOSTS`]. A wheel's pin is kept where its
/// name and version are still the recipe's. A component that can't be resolved keeps its pins, and is told of.
///
/// # Errors
/// When the network may not be used, or Debian has no packages for a host.
pub fn update(
    toolchains: &Toolchains,
    source: &dyn IndexSource,
    find_wheel: &FindWheel<'_>,
) -> Result<Update, FetchError> {
    let mut hosts: BTreeSet<Triple> = HOSTS.iter().filter_map(|host| host.parse().ok()).collect();
    hosts.extend(toolchains.pins.keys().filter_map(|host| match host {
        PinHost::Any => None,
        PinHost::Host(triple) => Some(triple.clone()),
    }));
    // One architecture after the other: their indexes need not be in memory together.
    let mut work: BTreeMap<String, Vec<(PinHost, &Component)>> = BTreeMap::new();
    for component in toolchains.components.values() {
        if component.roots.is_empty() && component.wheel.is_none() {
            continue;
        }
        let (named, hosts) = match &component.architecture {
            Architecture::Named(name) => (Some(name.as_str()), vec![PinHost::Any]),
            Architecture::Host => (None, hosts.iter().cloned().map(PinHost::Host).collect()),
        };
        for host in hosts {
            let architecture = match (&host, named) {
                (_, Some("all")) => ANY_ARCHITECTURE.to_owned(),
                (_, Some(name)) => name.to_owned(),
                (PinHost::Host(triple), None) => debian_of(triple)?.to_owned(),
                (PinHost::Any, None) => continue,
            };
            work.entry(architecture).or_default().push((host, component));
        }
    }
    let (mut pins, mut failures) = (AllPins::new(), Vec::new());
    for (architecture, components) in work {
        for (host, component) in components {
            let old = toolchains.pins.get(&host).and_then(|pins| pins.get(&component.name));
            let new = match pin(component, &architecture, old, source, find_wheel) {
                Ok(pins) => Some(pins),
                Err(error @ FetchError::Offline { .. }) => return Err(error),
                Err(error) => {
                    failures.push(Failure { host: host.clone(), component: component.name.clone(), error });
                    old.cloned()
                }
            };
            if let Some(new) = new {
                pins.entry(host).or_default().insert(component.name.clone(), new);
            }
        }
        source.forget();
    }
    let changes = changes(&toolchains.pins, &pins);
    Ok(Update { pins, changes, failures })
}

fn debian_of(triple: &Triple) -> Result<&'static str, ToolchainError> {
    debian_architecture(triple).ok_or_else(|| ToolchainError::Described {
        message: format!("Debian has no architecture for {triple} hosts"),
        help: Some("take its pins away from toolchains.toml".to_owned()),
    })
}

fn pin(
    component: &Component,
    architecture: &str,
    old: Option<&Pins>,
    source: &dyn IndexSource,
    find_wheel: &FindWheel<'_>,
) -> Result<Pins, FetchError> {
    let without = component.without.iter().cloned().collect();
    let query = Query {
        component: component.name.as_str(),
        suites: &component.suites,
        arch: architecture,
        roots: &component.roots,
        without: &without,
        except: &BTreeSet::new(),
    };
    let packages = resolve(&query, source)?.into_iter().map(package_pin).collect::<Result<_, _>>()?;
    let mut wheels = Vec::new();
    if let Some(wheel) = &component.wheel {
        let mut known = old.into_iter().flat_map(|pins| &pins.wheels);
        let kept = known.find(|pin| pin.name == wheel.name && pin.version == wheel.version);
        wheels.push(kept.cloned().map_or_else(|| find_wheel(wheel), Ok)?);
    }
    Ok(Pins { packages, wheels })
}

pub(super) fn package_pin(package: Package) -> Result<PackagePin, FetchError> {
    let Package { name, version, arch, suite, path, size, sha256, depends: _, provides: _ } = package;
    let path = RelPath::new(path).map_err(|error| crate::debian::DebianError::Index {
        suite: suite.clone(),
        problem: format!("{name}: {error}"),
    })?;
    Ok(PackagePin { name, version: version.to_string(), architecture: arch, suite, path, size, sha256 })
}

/// What is different between two sets of pins.
fn changes(old: &AllPins, new: &AllPins) -> Vec<Change> {
    let (old, new) = (flat(old), flat(new));
    let keys: BTreeSet<&Place> = old.keys().chain(new.keys()).collect();
    keys.into_iter()
        .filter(|key| old.get(*key) != new.get(*key))
        .map(|key| Change {
            host: key.0.clone(),
            component: key.1.clone(),
            package: key.2.clone(),
            old: old.get(key).map(|(version, _)| (*version).to_owned()),
            new: new.get(key).map(|(version, _)| (*version).to_owned()),
        })
        .collect()
}

type Place = (PinHost, ComponentName, String);

/// Every pin by its place: its version and checksum.
fn flat(pins: &AllPins) -> BTreeMap<Place, (&str, xbuild_base::Sha256)> {
    let mut all = BTreeMap::new();
    for (host, components) in pins {
        for (component, Pins { packages, wheels }) in components {
            for pin in packages {
                let name = format!("{}:{}", pin.name, pin.architecture);
                all.insert((host.clone(), component.clone(), name), (pin.version.as_str(), pin.sha256));
            }
            for pin in wheels {
                all.insert(
                    (host.clone(), component.clone(), pin.name.clone()),
                    (pin.version.as_str(), pin.sha256),
                );
            }
        }
    }
    all
}
