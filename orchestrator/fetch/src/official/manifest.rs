//! Channel manifests (`multirust-channel-manifest.toml`, `channel-rust-<version>.toml`), version 2.
//!
//! Of its tables only `date`, `pkg.<name>.version` and `pkg.<name>.target.<triple>` are read.

use std::collections::{BTreeMap, BTreeSet};

use semver::Version;
use serde::Deserialize;
use xbuild_base::{RelPath, Sha256, Triple};
use xbuild_describe::ArchivePin;

use super::release::dated;
use crate::toolchain::ToolchainError;

/// A channel manifest.
#[derive(Debug, Clone)]
pub struct Manifest {
    place: String,
    raw: Raw,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Raw {
    manifest_version: String,
    date: Option<String>,
    pkg: BTreeMap<String, RawPackage>,
}

#[derive(Debug, Clone, Deserialize)]
struct RawPackage {
    version: String,
    #[serde(default)]
    target: BTreeMap<String, RawTarget>,
}

#[derive(Debug, Clone, Deserialize)]
struct RawTarget {
    available: bool,
    url: Option<String>,
    hash: Option<String>,
    xz_url: Option<String>,
    xz_hash: Option<String>,
}

impl Manifest {
    /// Reads a manifest; `place` is its path or address, for messages.
    ///
    /// # Errors
    /// [`ToolchainError::Manifest`] when the text is none, or of another version.
    pub fn parse(place: &str, text: &str) -> Result<Self, ToolchainError> {
        let problem = |problem: String| ToolchainError::Manifest { place: place.to_owned(), problem };
        let raw: Raw = toml::from_str(text).map_err(|error| problem(error.message().to_owned()))?;
        if raw.manifest_version != "2" {
            return Err(problem(format!("version {} is not known, only version 2 is", raw.manifest_version)));
        }
        Ok(Self { place: place.to_owned(), raw })
    }

    /// The Rust version that it describes: that of its rustc. One that is no release has the manifest's day in it:
    /// `1.98.0-nightly.2026-01-31`.
    ///
    /// # Errors
    /// [`ToolchainError::Manifest`] when it has no rustc or no day, or its version can't be read.
    pub fn version(&self) -> Result<Version, ToolchainError> {
        let text = self.raw.pkg.get("rustc").map(|package| package.version.as_str()).unwrap_or_default();
        let number = text.split_whitespace().next().unwrap_or_default();
        let version: Version =
            number.parse().map_err(|_| self.problem(format!("`{text}` is no version of rustc")))?;
        if version.pre.is_empty() {
            return Ok(version);
        }
        let dated = self.raw.date.as_deref().and_then(|date| dated(&version, date));
        dated.ok_or_else(|| self.problem("it does not say of which day it is".to_owned()))
    }

    /// The address that the distribution is served at, as the manifest's own addresses tell.
    #[must_use]
    pub fn server(&self) -> Option<&str> {
        let mut targets = self.raw.pkg.values().flat_map(|package| package.target.values());
        targets.find_map(|target| {
            split(target.xz_url.as_deref().or(target.url.as_deref())?).map(|(server, _)| server)
        })
    }

    /// Pins of rustc and cargo for `hosts`, of std for `hosts` and `targets`, of std's source, and of clippy and
    /// rustfmt for the hosts that have them. The first host is this machine's; another that the manifest has no rustc for is left out, and so is a target that has no
    /// std in the distribution: its std is built from source.
    ///
    /// # Errors
    /// [`ToolchainError::Manifest`] when something for the first host is missing, a host has rustc alone, or an
    /// entry can't be read.
    pub fn pins(
        &self,
        hosts: &[Triple],
        targets: &[Triple],
    ) -> Result<BTreeMap<String, BTreeMap<String, ArchivePin>>, ToolchainError> {
        let mut pins: BTreeMap<String, BTreeMap<String, ArchivePin>> = BTreeMap::new();
        let mut add = |package: &str, target: &str, needed: bool| -> Result<(), ToolchainError> {
            let found = match package {
                // Their names in manifests, to this day.
                "clippy" | "rustfmt" => self.pin(&format!("{package}-preview"), target)?,
                package => self.pin(package, target)?,
            };
            match found {
                Some(pin) => {
                    pins.entry(package.to_owned()).or_default().insert(target.to_owned(), pin);
                    Ok(())
                }
                None if needed => Err(self.problem(format!("it has no {package} for {target}"))),
                None => Ok(()),
            }
        };
        for (index, host) in hosts.iter().enumerate() {
            if index > 0 && self.pin("rustc", host.as_str())?.is_none() {
                continue;
            }
            add("rustc", host.as_str(), true)?;
            add("cargo", host.as_str(), true)?;
            add("rust-std", host.as_str(), true)?;
            add("clippy", host.as_str(), false)?;
            add("rustfmt", host.as_str(), false)?;
        }
        for target in targets.iter().collect::<BTreeSet<_>>() {
            add("rust-std", target.as_str(), false)?;
        }
        add("rust-src", "*", true)?;
        Ok(pins)
    }

    fn pin(&self, package: &str, target: &str) -> Result<Option<ArchivePin>, ToolchainError> {
        let found = self.raw.pkg.get(package).and_then(|package| package.target.get(target));
        let Some(RawTarget { available: true, url, hash, xz_url, xz_hash }) = found else { return Ok(None) };
        // xz is smaller, and every recent release has it.
        let archive = xz_url.as_ref().zip(xz_hash.as_ref()).or_else(|| url.as_ref().zip(hash.as_ref()));
        let pin = archive.and_then(|(url, hash)| {
            let path = RelPath::new(split(url)?.1).ok()?;
            Some(ArchivePin { path, size: None, sha256: Sha256::from_hex(hash).ok()? })
        });
        pin.map(Some).ok_or_else(|| {
            self.problem(format!("the address or hash of {package} for {target} can't be read"))
        })
    }

    fn problem(&self, problem: String) -> ToolchainError {
        ToolchainError::Manifest { place: self.place.clone(), problem }
    }
}

/// Server and path: `https://server/dist/2026-04-16/x.tar.xz` → `https://server`, `dist/2026-04-16/x.tar.xz`.
pub(super) fn split(url: &str) -> Option<(&str, &str)> {
    let at = url.find("/dist/")?;
    (url.find("://").is_some_and(|scheme| scheme + 3 < at)).then(|| (&url[..at], &url[at + 1..]))
}
