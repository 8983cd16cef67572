//! Where the distribution is served, and the manifests that rustup has left on this machine.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use super::manifest::{Manifest, split};
use super::release::Release;
use crate::error::FetchError;
use crate::output::Place;
use crate::toolchain::ToolchainError;

/// The environment variable that names the server, over rustup's own `RUSTUP_DIST_SERVER`.
pub const SERVER_SETTING: &str = "XBUILD_RUST_DIST_SERVER";

/// The manifest's path inside an installed toolchain.
const MANIFEST: &str = "lib/rustlib/multirust-channel-manifest.toml";

/// Where the distribution is served, as far as the machine tells.
#[derive(Debug, Clone, Default)]
pub struct Server {
    configured: Option<String>,
    rustup_home: Option<PathBuf>,
}

impl Server {
    /// What the environment says, through a function that gives a variable's value: [`SERVER_SETTING`],
    /// `RUSTUP_DIST_SERVER`, and where rustup's toolchains are.
    #[must_use]
    pub fn from_environment(vars: &dyn Fn(&str) -> Option<String>) -> Self {
        let var = |name| vars(name).filter(|value| !value.trim().is_empty());
        let configured = var(SERVER_SETTING).or_else(|| var("RUSTUP_DIST_SERVER"));
        let home = var("RUSTUP_HOME").map(PathBuf::from);
        Self {
            configured: configured.map(|url| url.trim().trim_end_matches('/').to_owned()),
            rustup_home: home.or_else(|| var("HOME").map(|home| Path::new(&home).join(".rustup"))),
        }
    }

    /// A known server, such as a test's.
    #[must_use]
    pub fn at(url: &str) -> Self {
        Self { configured: Some(url.trim_end_matches('/').to_owned()), rustup_home: None }
    }

    /// The server's address: configured, or as an installed toolchain's manifest tells it.
    #[must_use]
    pub fn address(&self) -> Option<String> {
        self.configured.clone().or_else(|| self.manifests().iter().find_map(|path| server_in(path)))
    }

    /// The place of a path below the server's root; none when nothing tells where the server is.
    ///
    /// # Errors
    /// When the address can't be used.
    pub fn place(&self, path: &str) -> Result<Option<Place>, FetchError> {
        self.address().map(|server| Place::from_url(&format!("{server}/{path}"))).transpose()
    }

    /// The manifest of an installed toolchain of this release, if there is one.
    ///
    /// # Errors
    /// When one that should be read can't be.
    pub fn installed(&self, release: &Release) -> Result<Option<Manifest>, FetchError> {
        let number = release.to_string();
        // `1.95.0-x86_64-…` first; `stable-…` may be the same version.
        let mut paths = self.manifests();
        paths.sort_by_key(|path| !path.to_string_lossy().contains(&format!("/{number}-")));
        for path in paths {
            let manifest = Manifest::parse(&path.display().to_string(), &fs_err::read_to_string(&path)?);
            match manifest.and_then(|manifest| Ok((manifest.version()?, manifest))) {
                Ok((found, manifest)) if release.is(&found) => return Ok(Some(manifest)),
                // Another toolchain's damage is not this question's.
                Ok(_) | Err(ToolchainError::Manifest { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// The manifests of all installed toolchains, in order.
    fn manifests(&self) -> Vec<PathBuf> {
        let Some(home) = &self.rustup_home else { return Vec::new() };
        let Ok(toolchains) = fs_err::read_dir(home.join("toolchains")) else { return Vec::new() };
        let mut paths: Vec<PathBuf> = toolchains
            .flatten()
            .map(|entry| entry.path().join(MANIFEST))
            .filter(|path| path.is_file())
            .collect();
        paths.sort();
        paths
    }
}

/// The server in the first address of a manifest, without reading the megabyte that it is.
fn server_in(path: &Path) -> Option<String> {
    let file = fs_err::File::open(path).ok()?;
    for line in BufReader::new(file).lines().take(1000) {
        let line = line.ok()?;
        if let Some(url) = line.strip_prefix("url = \"").or_else(|| line.strip_prefix("xz_url = \"")) {
            return split(url.trim_end_matches('"')).map(|(server, _)| server.to_owned());
        }
    }
    None
}
