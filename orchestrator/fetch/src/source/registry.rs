//! A registry's own description, and where it has a crate.
//!
//! See the Cargo book, "Registry Index": `config.json`.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;
use xbuild_base::Sha256;

use super::cargo_config::CargoConfig;
use super::{credentials, git};
use crate::error::FetchError;
use crate::fetcher::Fetcher;
use crate::output::{Locate, Place, Secret, without_credentials};

/// No description of a registry is larger, in bytes.
const LARGEST: u64 = 1 << 20;

/// A registry with an index, sparse or in a git repository.
pub(super) struct Registry {
    index: String,
    name: Option<String>,
    config: Arc<CargoConfig>,
    /// Read when the first crate is looked for.
    known: Mutex<Option<Arc<Description>>>,
}

/// What `config.json` says, and the token where one is needed.
struct Description {
    download: String,
    authorization: Option<Secret>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Raw {
    dl: String,
    #[serde(default)]
    auth_required: bool,
}

impl Registry {
    pub(super) fn new(index: String, name: Option<String>, config: Arc<CargoConfig>) -> Self {
        Self { index, name, config, known: Mutex::new(None) }
    }

    fn description(&self, fetcher: &Fetcher<'_>) -> Result<Arc<Description>, FetchError> {
        // The lock is held while it is read, so that many threads don't ask at once.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = &*known {
            return Ok(Arc::clone(known));
        }
        let (text, mut authorization) = match self.index.strip_prefix("sparse+") {
            Some(url) => self.read_sparse(fetcher, url)?,
            None => (git::file_of_head(fetcher, &self.index, "config.json")?, None),
        };
        let raw: Raw = serde_json::from_slice(&text)
            .map_err(|error| self.error(format!("its `config.json` makes no sense: {error}")))?;
        if raw.auth_required && authorization.is_none() {
            authorization = Some(self.token()?);
        }
        let authorization = authorization.filter(|_| raw.auth_required);
        let description = Arc::new(Description { download: raw.dl, authorization });
        *known = Some(Arc::clone(&description));
        Ok(description)
    }

    /// As cargo: without a token first, and with one if the registry asks for it.
    fn read_sparse(&self, fetcher: &Fetcher<'_>, url: &str) -> Result<(Vec<u8>, Option<Secret>), FetchError> {
        let url = format!("{}/config.json", url.trim_end_matches('/'));
        let name = format!("the description of {self}");
        let absent = || self.error(format!("{} has no such file", without_credentials(&url)));
        match fetcher.read(&name, &Place::from_url(&url)?, LARGEST) {
            Err(FetchError::Refused { status: 401, .. }) => {
                let token = self.token()?;
                let place = Place::Http { url: url.clone(), authorization: Some(token.clone()) };
                Ok((fetcher.read(&name, &place, LARGEST)?.ok_or_else(absent)?, Some(token)))
            }
            found => Ok((found?.ok_or_else(absent)?, None)),
        }
    }

    fn token(&self) -> Result<Secret, FetchError> {
        credentials::token(&self.config, &self.index, self.name.as_deref())
    }

    fn error(&self, problem: String) -> FetchError {
        FetchError::Registry { registry: self.to_string(), problem }
    }
}

impl fmt::Display for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => f.write_str(name),
            None => f.write_str(&without_credentials(&self.index)),
        }
    }
}

/// Where a registry has a crate.
pub(super) struct CrateAt {
    pub(super) registry: Arc<Registry>,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) sha256: Sha256,
}

impl fmt::Debug for CrateAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the registry {}", self.registry)
    }
}

impl Locate for CrateAt {
    fn locate(&self, fetcher: &Fetcher<'_>) -> Result<Vec<Place>, FetchError> {
        let description = self.registry.description(fetcher)?;
        let url = download_url(&description.download, &self.name, &self.version, self.sha256);
        Ok(vec![match Place::from_url(&url)? {
            Place::Http { url, .. } => Place::Http { url, authorization: description.authorization.clone() },
            place => place,
        }])
    }

    fn is_local(&self) -> bool {
        let index = &self.registry.index;
        index.strip_prefix("sparse+").unwrap_or(index).starts_with("file:")
    }
}

/// Fills in the `dl` template.
fn download_url(template: &str, name: &str, version: &str, sha256: Sha256) -> String {
    const MARKERS: [&str; 5] = ["{crate}", "{version}", "{prefix}", "{lowerprefix}", "{sha256-checksum}"];
    if !MARKERS.iter().any(|marker| template.contains(marker)) {
        return format!("{}/{name}/{version}/download", template.trim_end_matches('/'));
    }
    template
        .replace("{crate}", name)
        // A `+` of build metadata means itself in a path.
        .replace("{version}", version)
        .replace("{prefix}", &prefix(name))
        .replace("{lowerprefix}", &prefix(&name.to_lowercase()))
        .replace("{sha256-checksum}", &sha256.to_hex())
}

/// The folders that an index lays a crate's file in.
fn prefix(name: &str) -> String {
    let part = |from: usize, to: usize| name.chars().skip(from).take(to - from).collect::<String>();
    match name.chars().count() {
        1 => "1".to_owned(),
        2 => "2".to_owned(),
        3 => format!("3/{}", part(0, 1)),
        _ => format!("{}/{}", part(0, 2), part(2, 4)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_filled_in_and_a_plain_address_is_one() {
        let sum = Sha256::of(b"");
        let url = |template, name| download_url(template, name, "1.0.0", sum);
        assert_eq!(url("https://r.example/dl/", "serde"), "https://r.example/dl/serde/1.0.0/download");
        assert_eq!(url("h/{prefix}/{crate}-{version}", "Ser_de"), "h/Se/r_/Ser_de-1.0.0");
        assert_eq!(url("h/{lowerprefix}/{crate}", "Abc"), "h/3/a/Abc");
        assert_eq!(url("h/{prefix}/{sha256-checksum}", "a"), format!("h/1/{}", sum.to_hex()));
    }
}
