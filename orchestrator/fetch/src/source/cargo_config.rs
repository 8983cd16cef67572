//! What cargo's own configuration says of sources: registries, replacements and credentials.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Table;
use xbuild_describe::nearest;

use super::lock::GitSource;
use super::merge;
use crate::error::FetchError;
use crate::output::Secret;

/// The name under which cargo knows the default registry.
pub(super) const CRATES_IO: &str = "crates-io";

/// Cargo's configuration, as far as sources go.
#[derive(Debug, Clone, Default)]
pub struct CargoConfig {
    sources: BTreeMap<String, RawSource>,
    pub(super) registries: BTreeMap<String, RawRegistry>,
    pub(super) aliases: BTreeMap<String, Words>,
    pub(super) global_providers: Vec<String>,
    /// Variables that credential providers see beside their own.
    pub(super) cargo_home: Option<PathBuf>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct RawSource {
    replace_with: Option<String>,
    registry: Option<String>,
    local_registry: Option<PathBuf>,
    directory: Option<PathBuf>,
    git: Option<String>,
    branch: Option<String>,
    tag: Option<String>,
    rev: Option<String>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct RawRegistry {
    pub(super) index: Option<String>,
    #[serde(default, deserialize_with = "secret")]
    pub(super) token: Option<Secret>,
    pub(super) credential_provider: Option<Words>,
    protocol: Option<String>,
}

impl std::fmt::Debug for RawRegistry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").field("index", &self.index).finish_non_exhaustive()
    }
}

fn secret<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(Secret::new))
}

/// A program and its arguments: a list, or a text that is split at spaces.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Words {
    Text(String),
    List(Vec<String>),
}

impl Words {
    pub(super) fn list(&self) -> Vec<String> {
        match self {
            Self::Text(text) => text.split_whitespace().map(ToOwned::to_owned).collect(),
            Self::List(list) => list.clone(),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct RawRegistryTable {
    #[serde(default, deserialize_with = "secret")]
    token: Option<Secret>,
    credential_provider: Option<Words>,
    global_credential_providers: Option<Words>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct RawConfig {
    #[serde(default)]
    source: BTreeMap<String, RawSource>,
    #[serde(default)]
    registries: BTreeMap<String, RawRegistry>,
    #[serde(default)]
    registry: RawRegistryTable,
    #[serde(default)]
    credential_alias: BTreeMap<String, Words>,
}

/// Where a registry's crates really come from, all replacements followed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum CrateOrigin {
    /// A registry with an index.
    Registry {
        /// `sparse+https://…` or the address of a git repository.
        index: String,
        /// Its name in the configuration, where it has one: credentials go by it.
        name: Option<String>,
    },
    /// A folder with `.crate` files.
    Local(PathBuf),
    /// A folder with an unpacked folder for each crate, as `cargo vendor` writes it.
    Directory(PathBuf),
}

/// A folder in place of a git repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitReplacement {
    /// The name under which `[source]` speaks of the repository.
    pub name: String,
    /// The folder, with an unpacked folder for each package.
    pub folder: PathBuf,
}

impl CargoConfig {
    /// Reads the configuration that applies in `project`: `.cargo/config.toml` there and in the folders above,
    /// `$CARGO_HOME/config.toml`, `$CARGO_HOME/credentials.toml`, and `CARGO_REGISTRIES_*`, `CARGO_REGISTRY_*`
    /// among the environment's `variables`.
    ///
    /// # Errors
    /// [`FetchError::Configuration`] when a file can't be read or has a wrong value.
    pub fn load(project: &Path, variables: &BTreeMap<String, String>) -> Result<Self, FetchError> {
        let set = |name: &str| variables.get(name).filter(|value| !value.is_empty());
        let cargo_home = set("CARGO_HOME")
            .map(|home| project.join(home))
            .or_else(|| set("HOME").map(|home| Path::new(home).join(".cargo")));
        let mut table = merge::files(project, cargo_home.as_deref())?;
        // A token in the file that `cargo login` writes wins over one in a configuration file.
        let credentials = merge::credentials(cargo_home.as_deref())?;
        overlay(&mut table, credentials);
        merge::environment(&mut table, variables);
        Self::from_table(table, cargo_home)
    }

    fn from_table(table: Table, cargo_home: Option<PathBuf>) -> Result<Self, FetchError> {
        let wanted = ["source", "registries", "registry", "credential-alias"];
        let table: Table = table.into_iter().filter(|(key, _)| wanted.contains(&key.as_str())).collect();
        let raw: RawConfig =
            table.try_into().map_err(|error: toml::de::Error| FetchError::Configuration {
                path: PathBuf::from("cargo's configuration"),
                problem: error.message().to_owned(),
            })?;
        let RawConfig { source, mut registries, registry, credential_alias } = raw;
        let RawRegistryTable { token, credential_provider, global_credential_providers } = registry;
        let crates_io = registries.entry(CRATES_IO.to_owned()).or_default();
        crates_io.token = token.or(crates_io.token.take());
        crates_io.credential_provider = credential_provider.or(crates_io.credential_provider.take());
        let global_providers = match global_credential_providers {
            Some(Words::Text(text)) => text.split_whitespace().map(ToOwned::to_owned).collect(),
            Some(Words::List(list)) => list,
            None => vec!["cargo:token".to_owned()],
        };
        Ok(Self { sources: source, registries, aliases: credential_alias, global_providers, cargo_home })
    }

    /// Where the crates of the registry that a lock calls `locked` come from.
    ///
    /// # Errors
    /// [`FetchError::Registry`] when a replacement leads nowhere or in a circle.
    pub fn origin(&self, locked: &str) -> Result<CrateOrigin, FetchError> {
        let error = |problem: String| FetchError::Registry { registry: locked.to_owned(), problem };
        let mut origin = self.unreplaced(locked);
        let mut name = self.source_name(locked);
        let mut seen = Vec::new();
        while let Some(next) = name.as_ref().and_then(|name| self.sources.get(name)?.replace_with.clone()) {
            if seen.contains(&next) {
                seen.push(next);
                return Err(error(format!("its replacements go in a circle: {}", seen.join(" → "))));
            }
            origin = self.named(&next).ok_or_else(|| {
                error(format!("it is replaced with `{next}`, but neither [source.{next}] nor [registries.{next}] says where that is{}", self.near(&next)))
            })?;
            seen.push(next.clone());
            name = Some(next);
        }
        Ok(origin)
    }

    /// What a git source is replaced with, as `cargo vendor` does it, if it is.
    ///
    /// # Errors
    /// [`FetchError::Registry`] when the replacement leads nowhere or is no folder.
    pub fn git_replacement(&self, git: &GitSource) -> Result<Option<GitReplacement>, FetchError> {
        let found = self.sources.iter().find(|(_, source)| {
            let reference = |kind: &str| {
                git.reference.as_ref().filter(|(of, _)| of == kind).map(|(_, value)| value.as_str())
            };
            source.git.as_deref().is_some_and(|url| canonical(url) == canonical(&git.url))
                && source.branch.as_deref() == reference("branch")
                && source.tag.as_deref() == reference("tag")
                && source.rev.as_deref() == reference("rev")
        });
        let Some((own_name, Some(next))) = found.map(|(name, source)| (name, source.replace_with.as_ref()))
        else {
            return Ok(None);
        };
        let mut name = next;
        for _ in 0..self.sources.len() {
            match self.sources.get(name).and_then(|source| source.replace_with.as_ref()) {
                Some(next) => name = next,
                None => break,
            }
        }
        match self.named(name) {
            Some(CrateOrigin::Directory(folder)) => {
                Ok(Some(GitReplacement { name: own_name.clone(), folder }))
            }
            _ => Err(FetchError::Registry {
                registry: git.url.clone(),
                problem: format!(
                    "it is replaced with `{name}`, which is no folder of vendored crates{}",
                    self.near(name)
                ),
            }),
        }
    }

    /// The source or registry that is meant by a name that none has, as the end of a sentence; nothing where there is none.
    fn near(&self, name: &str) -> String {
        let known = self.sources.keys().chain(self.registries.keys()).map(String::as_str);
        nearest(name, known).map(|near| format!(": did you mean `{near}`?")).unwrap_or_default()
    }

    /// What a lock's source is when nothing replaces it.
    fn unreplaced(&self, locked: &str) -> CrateOrigin {
        if is_crates_io(locked) {
            return self.crates_io();
        }
        let index = locked.strip_prefix("registry+").unwrap_or(locked);
        CrateOrigin::Registry { index: index.to_owned(), name: self.registry_name(index) }
    }

    fn crates_io(&self) -> CrateOrigin {
        let registry = self.registries.get(CRATES_IO);
        let index = match registry.and_then(|registry| registry.protocol.as_deref()) {
            Some("git") => tame_index::CRATES_IO_INDEX,
            _ => tame_index::CRATES_IO_HTTP_INDEX,
        };
        CrateOrigin::Registry { index: index.to_owned(), name: Some(CRATES_IO.to_owned()) }
    }

    /// The name under which `[source]` speaks of a lock's registry.
    #[must_use]
    pub fn source_name(&self, locked: &str) -> Option<String> {
        if is_crates_io(locked) {
            return Some(CRATES_IO.to_owned());
        }
        let index = locked.strip_prefix("registry+").unwrap_or(locked);
        let same =
            |url: &Option<String>| url.as_deref().is_some_and(|url| canonical(url) == canonical(index));
        let by_source =
            self.sources.iter().find(|(_, source)| same(&source.registry)).map(|(name, _)| name.clone());
        by_source.or_else(|| self.registry_name(index))
    }

    fn registry_name(&self, index: &str) -> Option<String> {
        let same = |registry: &RawRegistry| {
            registry.index.as_deref().is_some_and(|url| canonical(url) == canonical(index))
        };
        self.registries.iter().find(|(_, registry)| same(registry)).map(|(name, _)| name.clone())
    }

    /// What a replacement's name means.
    fn named(&self, name: &str) -> Option<CrateOrigin> {
        if let Some(source) = self.sources.get(name) {
            if let Some(folder) = &source.directory {
                return Some(CrateOrigin::Directory(folder.clone()));
            }
            if let Some(folder) = &source.local_registry {
                return Some(CrateOrigin::Local(folder.clone()));
            }
            if let Some(index) = &source.registry {
                let name = self.registry_name(index).or_else(|| Some(name.to_owned()));
                return Some(CrateOrigin::Registry { index: index.clone(), name });
            }
        }
        if name == CRATES_IO {
            return Some(self.crates_io());
        }
        let index = self.registries.get(name)?.index.clone()?;
        Some(CrateOrigin::Registry { index, name: Some(name.to_owned()) })
    }
}

/// Whether a lock's source is the default registry, under either of its addresses.
pub(super) fn is_crates_io(locked: &str) -> bool {
    let index = locked.strip_prefix("registry+").unwrap_or(locked);
    [tame_index::CRATES_IO_INDEX, tame_index::CRATES_IO_HTTP_INDEX]
        .iter()
        .any(|known| canonical(known) == canonical(index))
}

/// Addresses that cargo takes for the same: a slash and `.git` at the end don't count.
fn canonical(url: &str) -> &str {
    let url = url.strip_prefix("registry+").unwrap_or(url).trim_end_matches('/');
    url.strip_suffix(".git").unwrap_or(url)
}

/// Puts `nearer` over `there`.
fn overlay(there: &mut Table, nearer: Table) {
    for (key, value) in nearer {
        match (there.get_mut(&key), value) {
            (Some(toml::Value::Table(below)), toml::Value::Table(value)) => overlay(below, value),
            (_, value) => {
                there.insert(key, value);
            }
        }
    }
}
