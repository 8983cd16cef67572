//! `xbuild toolchain add VERSION`: the pins of an official release, or of what a channel was on a day.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use semver::Version;
use xbuild_base::{Sha256, Triple};
use xbuild_describe::{ArchivePin, Component, ComponentName, Distribution, Toolchains};

use super::manifest::Manifest;
use super::release::Release;
use super::server::Server;
use crate::error::FetchError;
use crate::fetcher::Fetcher;
use crate::toolchain::ToolchainError;

/// The largest manifest that is read, in bytes.
const LARGEST: u64 = 16 << 20;

/// What is to be added.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'w> {
    /// The release.
    pub release: &'w Release,
    /// Versions of cargo that plan: one that is no release is not among them, and gets another's.
    pub cargos: &'w BTreeSet<Version>,
    /// Its manifest, where the user names one.
    pub manifest: Option<&'w Path>,
    /// The hosts that it shall run on.
    pub hosts: &'w [Triple],
    /// The targets that std is wanted for.
    pub targets: &'w [Triple],
}

/// A release's pins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Added {
    /// Its version.
    pub version: Version,
    /// The release whose cargo it gets, where that is another's.
    pub cargo: Option<Version>,
    /// The components that host work needs beside it: those of the default toolchain, without its Rust.
    pub rust: Vec<ComponentName>,
    /// The archives, by package and target.
    pub archives: BTreeMap<String, BTreeMap<String, ArchivePin>>,
}

/// Finds a release's manifest (the one named, that of an installed toolchain, or the server's) and takes the pins
/// from it. [`with_official`](crate::toolchain::with_official) writes them down.
///
/// # Errors
/// When there is no manifest, or it can't be used or is not of that version.
pub fn add(
    wanted: &Wanted<'_>,
    server: &Server,
    fetcher: &Fetcher<'_>,
    toolchains: &Toolchains,
) -> Result<Added, FetchError> {
    let manifest = match wanted.manifest {
        Some(path) => Manifest::parse(&path.display().to_string(), &fs_err::read_to_string(path)?)?,
        None => match server.installed(wanted.release)? {
            Some(manifest) => manifest,
            None => from_server(wanted.release, server, fetcher)?,
        },
    };
    let version = manifest.version()?;
    if !wanted.release.is(&version) {
        let place = wanted.manifest.map(|path| path.display().to_string()).unwrap_or_default();
        let problem = format!("it is the manifest of {version}, not of {}", wanted.release);
        return Err(ToolchainError::Manifest { place, problem }.into());
    }
    let mut archives = manifest.pins(wanted.hosts, wanted.targets)?;
    let mut cargo = None;
    if !version.pre.is_empty() {
        let (planner, of_planner) = planner(wanted, toolchains).ok_or(ToolchainError::NoCargo)?;
        archives.insert("cargo".to_owned(), of_planner);
        cargo = Some(planner);
    }
    Ok(Added { version, cargo, rust: beside_rust(toolchains), archives })
}

/// The newest release that is pinned and whose cargo plans, with the pins of that cargo for the hosts.
fn planner(wanted: &Wanted<'_>, toolchains: &Toolchains) -> Option<(Version, BTreeMap<String, ArchivePin>)> {
    toolchains.toolchains.iter().rev().find_map(|(version, toolchain)| {
        let cargo = toolchain.archives.get("cargo").filter(|_| wanted.cargos.contains(version))?;
        let is_for_host = wanted.hosts.first().is_some_and(|host| cargo.contains_key(host.as_str()));
        is_for_host.then(|| (version.clone(), cargo.clone()))
    })
}

/// The release's manifest from the server, checked against the checksum beside it.
fn from_server(release: &Release, server: &Server, fetcher: &Fetcher<'_>) -> Result<Manifest, FetchError> {
    let path = release.manifest();
    let read = |path: &str| {
        let place = server.place(path)?.ok_or(ToolchainError::NoServer)?;
        let problem = "the server has no such file".to_owned();
        let bytes = fetcher.read(path, &place, LARGEST)?;
        bytes.ok_or_else(|| FetchError::from(ToolchainError::Manifest { place: place.to_string(), problem }))
    };
    let (bytes, checksum) = (read(&path)?, read(&format!("{path}.sha256"))?);
    let checksum = String::from_utf8_lossy(&checksum);
    let expected = checksum.split_whitespace().next().unwrap_or_default();
    let manifest = |problem: String| ToolchainError::Manifest { place: path.clone(), problem };
    let expected = Sha256::from_hex(expected).map_err(|error| manifest(error.to_string()))?;
    let computed = Sha256::of(&bytes);
    if computed != expected {
        let place = server.address().unwrap_or_default();
        return Err(FetchError::Mismatch { name: path, place, expected, computed });
    }
    let text = String::from_utf8(bytes).map_err(|_| manifest("it is not UTF-8".to_owned()))?;
    Ok(Manifest::parse(&path, &text)?)
}

/// The default toolchain's components, without those that hold its rustc and cargo.
fn beside_rust(toolchains: &Toolchains) -> Vec<ComponentName> {
    let holds_rust =
        |component: &Component| component.roots.iter().any(|root| matches!(root.as_str(), "rustc" | "cargo"));
    let debian = |version: &Version| {
        toolchains.toolchains.get(version).filter(|toolchain| toolchain.distribution == Distribution::Debian)
    };
    let default = debian(&toolchains.default).or_else(|| toolchains.toolchains.keys().rev().find_map(debian));
    let names = default.map(|toolchain| toolchain.rust.clone()).unwrap_or_default();
    let mut names = names;
    names.retain(|name| !toolchains.components.get(name).is_some_and(holds_rust));
    names
}
