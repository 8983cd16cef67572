//! `xbuild toolchain add VERSION`: the pins of an official release.

use std::collections::BTreeMap;
use std::path::Path;

use semver::Version;
use xbuild_base::{Sha256, Triple};
use xbuild_describe::{ArchivePin, Component, ComponentName, Distribution, Toolchains};

use super::manifest::Manifest;
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
    pub version: &'w Version,
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
    /// The release.
    pub version: Version,
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
        None => match server.installed(wanted.version)? {
            Some(manifest) => manifest,
            None => from_server(wanted.version, server, fetcher)?,
        },
    };
    let found = manifest.version()?;
    if found != *wanted.version {
        let place = wanted.manifest.map(|path| path.display().to_string()).unwrap_or_default();
        let problem = format!("it is the manifest of {found}, not of {}", wanted.version);
        return Err(ToolchainError::Manifest { place, problem }.into());
    }
    Ok(Added {
        version: found,
        rust: beside_rust(toolchains),
        archives: manifest.pins(wanted.hosts, wanted.targets)?,
    })
}

/// The release's manifest from the server, checked against the checksum beside it.
fn from_server(version: &Version, server: &Server, fetcher: &Fetcher<'_>) -> Result<Manifest, FetchError> {
    let path = format!("dist/channel-rust-{version}.toml");
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
