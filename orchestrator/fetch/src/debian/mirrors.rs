//! Where Debian's archives are: told by the machine, never written down here.
//!
//! | source | what is taken |
//! |---|---|
//! | `XBUILD_DEBIAN_MIRRORS` | base URLs, tried in order; when it is set, nothing else is looked at |
//! | `/etc/apt/sources.list`, `sources.list.d/*.list` | `deb` lines, options in brackets |
//! | `/etc/apt/sources.list.d/*.sources` | deb822 stanzas of type `deb` that aren't disabled |
//!
//! A base URL leads up to and including an archive's root, so that `<base>/dists/…` and `<base>/pool/…` are
//! there. A snapshot archive is just such a URL, with the time stamp as its last part
//! (`…/archive/debian/20260501T000000Z`): put it after the usual mirror, and packages that have left the pool
//! are still found.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::control::{Stanza, parse_stanzas};
use super::problem::DebianError;
use crate::error::FetchError;

/// The environment variable that names mirrors, separated by white space or commas. Each is a base URL, or
/// `ARCHIVE=URL` for an archive whose name does not stand in its URL.
pub const MIRRORS_SETTING: &str = "XBUILD_DEBIAN_MIRRORS";
/// The environment variable that names the keyrings that indexes must be signed with, separated by `:`.
pub const KEYRING_SETTING: &str = "XBUILD_DEBIAN_KEYRING";

/// Debian's own archives: the names that `[suites]` uses.
const ARCHIVES: [&str; 2] = ["debian", "debian-security"];
/// Where Debian's package `debian-archive-keyring` puts its keys.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// What the user has set, as opposed to what the machine says.
#[derive(Debug, Clone, Default)]
pub struct MirrorSettings {
    /// [`MIRRORS_SETTING`].
    pub mirrors: Option<String>,
    /// [`KEYRING_SETTING`].
    pub keyring: Option<String>,
}

impl MirrorSettings {
    /// From environment variables, through a function that gives a variable's value; an empty one counts as
    /// unset.
    #[must_use]
    pub fn from_environment(vars: &dyn Fn(&str) -> Option<String>) -> Self {
        let setting = |name| vars(name).filter(|value| !value.trim().is_empty());
        Self { mirrors: setting(MIRRORS_SETTING), keyring: setting(KEYRING_SETTING) }
    }
}

/// The mirrors of each archive, in the order in which they are tried, and the keyrings that sign them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mirrors {
    archives: BTreeMap<String, Vec<String>>,
    keyrings: BTreeSet<PathBuf>,
}

impl Mirrors {
    /// What the settings and the apt configuration below `apt` (usually `/etc/apt`) say. No mirror at all is no
    /// error yet: everything may be in the store already.
    ///
    /// # Errors
    /// When a setting or a configuration file can't be read.
    pub fn find(settings: &MirrorSettings, apt: &Path) -> Result<Self, FetchError> {
        let mut mirrors = Self::default();
        match &settings.mirrors {
            Some(text) => mirrors.add_setting(text)?,
            None => mirrors.add_apt(apt)?,
        }
        if let Some(keyrings) = &settings.keyring {
            mirrors.keyrings = keyrings.split(':').map(PathBuf::from).collect();
        } else if Path::new(KEYRING).exists() {
            mirrors.keyrings.insert(PathBuf::from(KEYRING));
        }
        Ok(mirrors)
    }

    /// Mirrors of one archive, for tests and callers that know them.
    #[must_use]
    pub fn of(archive: &str, urls: &[&str], keyrings: &[&Path]) -> Self {
        let urls = urls.iter().map(|url| url.trim_end_matches('/').to_owned()).collect();
        Self {
            archives: [(archive.to_owned(), urls)].into(),
            keyrings: keyrings.iter().map(|path| path.to_path_buf()).collect(),
        }
    }

    /// The URLs under which `path` (from the archive's root) may be found, in order.
    ///
    /// # Errors
    /// [`DebianError::NoMirror`] when nothing tells where the archive is.
    pub fn urls(&self, archive: &str, path: &str) -> Result<Vec<String>, FetchError> {
        match self.archives.get(archive) {
            Some(bases) if !bases.is_empty() => {
                Ok(bases.iter().map(|base| format!("{base}/{path}")).collect())
            }
            _ => Err(DebianError::NoMirror { archive: archive.to_owned() }.into()),
        }
    }

    /// The base URLs of an archive, in order; none when nothing tells where it is.
    #[must_use]
    pub fn bases(&self, archive: &str) -> &[String] {
        self.archives.get(archive).map_or(&[], Vec::as_slice)
    }

    /// The keyring files whose keys may sign an index.
    pub fn keyrings(&self) -> impl Iterator<Item = &Path> {
        self.keyrings.iter().map(PathBuf::as_path)
    }

    fn add(&mut self, archive: &str, url: &str) {
        let url = url.trim_end_matches('/').to_owned();
        let urls = self.archives.entry(archive.to_owned()).or_default();
        if !urls.contains(&url) {
            urls.push(url);
        }
    }

    fn add_setting(&mut self, text: &str) -> Result<(), FetchError> {
        for word in text.split([' ', '\t', '\n', ',']).filter(|word| !word.is_empty()) {
            let (archive, url) = match word.split_once('=') {
                Some((archive, url)) if !archive.contains(':') => (archive, url),
                _ => (archive_in(word).unwrap_or(ARCHIVES[0]), word),
            };
            if !is_reachable(url) {
                return Err(FetchError::Setting {
                    name: MIRRORS_SETTING.to_owned(),
                    value: word.to_owned(),
                    expected: "base URLs such as `http://mirror.example/debian`".to_owned(),
                });
            }
            self.add(archive, url);
        }
        Ok(())
    }

    fn add_apt(&mut self, apt: &Path) -> Result<(), FetchError> {
        let mut files = vec![apt.join("sources.list")];
        match fs_err::read_dir(apt.join("sources.list.d")) {
            Ok(entries) => {
                let mut parts = Vec::new();
                for entry in entries {
                    parts.push(entry.map_err(FetchError::Io)?.path());
                }
                parts.sort();
                files.extend(parts);
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(FetchError::Io(error)),
        }
        for file in files {
            let one_line = match file.extension().and_then(|extension| extension.to_str()) {
                Some("list") => true,
                Some("sources") => false,
                _ => continue,
            };
            let text = match fs_err::read_to_string(&file) {
                Ok(text) => text,
                // A file that only root may read (it can hold credentials) says nothing to others.
                Err(error)
                    if matches!(
                        error.kind(),
                        std::io::ErrorKind::NotFound | std::io::ErrorKind::PermissionDenied
                    ) =>
                {
                    continue;
                }
                Err(error) => return Err(FetchError::Io(error)),
            };
            if one_line {
                text.lines().filter_map(parse_line).for_each(|source| self.add_source(&source));
            } else {
                let stanzas = parse_stanzas(&text).map_err(|error| FetchError::Configuration {
                    path: file.clone(),
                    problem: error.to_string(),
                })?;
                stanzas.iter().filter_map(parse_stanza).for_each(|source| self.add_source(&source));
            }
        }
        Ok(())
    }

    /// Takes a source over when it is Debian's: by its URL or by the key that signs it.
    fn add_source(&mut self, source: &Source) {
        let signed_by_debian = source.signed_by.iter().any(|path| path.contains("debian-archive"));
        for url in source.urls.iter().filter(|url| is_reachable(url)) {
            let security = source.suites.iter().any(|suite| suite.contains("-security"));
            let archive = match archive_in(url) {
                Some(archive) => archive,
                None if signed_by_debian && security => ARCHIVES[1],
                None if signed_by_debian => ARCHIVES[0],
                None => continue,
            };
            self.add(archive, url);
            let keyrings = source.signed_by.iter().filter(|path| path.starts_with('/'));
            self.keyrings.extend(keyrings.map(PathBuf::from));
        }
    }
}

/// The archive whose name is a part of the URL's path.
fn archive_in(url: &str) -> Option<&'static str> {
    let path = url.split_once("://").map_or(url, |(_, rest)| rest);
    path.split('/').skip(1).find_map(|part| ARCHIVES.into_iter().find(|archive| *archive == part))
}

/// Schemes that are fetched from; apt knows more (`cdrom:`, `mirror+…:`).
fn is_reachable(url: &str) -> bool {
    ["http://", "https://", "file:/"].iter().any(|scheme| url.starts_with(scheme))
}

/// An entry of apt's configuration.
#[derive(Debug, Default)]
struct Source {
    urls: Vec<String>,
    suites: Vec<String>,
    signed_by: Vec<String>,
}

/// `deb [option=value …] URL suite component…`, as sources.list(5) has it.
fn parse_line(line: &str) -> Option<Source> {
    let line = line.split('#').next()?.trim();
    let mut rest = line.strip_prefix("deb")?.strip_prefix([' ', '\t'])?.trim_start();
    let mut signed_by = Vec::new();
    if let Some(options) = rest.strip_prefix('[') {
        let (options, after) = options.split_once(']')?;
        rest = after.trim_start();
        let keys = options.split_whitespace().filter_map(|option| option.strip_prefix("signed-by="));
        signed_by = keys.flat_map(|paths| paths.split(',')).map(str::to_owned).collect();
    }
    let mut words = rest.split_whitespace();
    Some(Source { urls: vec![words.next()?.to_owned()], suites: vec![words.next()?.to_owned()], signed_by })
}

/// A deb822 stanza. `Signed-By` may hold a whole key instead of paths: then it names no file.
fn parse_stanza(stanza: &Stanza) -> Option<Source> {
    let enabled = !matches!(stanza.get("Enabled"), Some("no" | "false" | "0" | "off"));
    let words = |name| stanza.words(name).map(str::to_owned).collect::<Vec<_>>();
    let signed_by = words("Signed-By").into_iter().filter(|word| word.starts_with('/')).collect();
    (enabled && stanza.words("Types").any(|kind| kind == "deb")).then(|| Source {
        urls: words("URIs"),
        suites: words("Suites"),
        signed_by,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(files: &[(&str, &str)], setting: Option<&str>) -> Result<Mirrors, FetchError> {
        let apt = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = apt.path().join(name);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, text).unwrap();
        }
        let settings = MirrorSettings {
            mirrors: setting.map(str::to_owned),
            keyring: Some("/keys/a.gpg:/keys/b.gpg".into()),
        };
        Mirrors::find(&settings, apt.path())
    }

    #[test]
    fn one_line_sources_are_read() {
        let list = "# deb http://old.example/debian bookworm main\n\
            deb http://one.example/debian/ bookworm main # contrib\n\
            deb-src http://src.example/debian bookworm main\n\
            deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://two.example/mirror trixie main\n\
            deb http://one.example/debian-security bookworm-security main\n\
            deb http://other.example/node nodistro main\n";
        let mirrors = find(&[("sources.list", list)], None).unwrap();
        assert_eq!(mirrors.bases("debian"), ["http://one.example/debian", "http://two.example/mirror"]);
        assert_eq!(mirrors.bases("debian-security"), ["http://one.example/debian-security"]);
        assert_eq!(
            mirrors.urls("debian", "pool/x.deb").unwrap(),
            ["http://one.example/debian/pool/x.deb", "http://two.example/mirror/pool/x.deb"]
        );
    }

    #[test]
    fn deb822_sources_are_read() {
        let sources = "Types: deb deb-src\n# http://snapshot.example/archive/debian/2025\nURIs: http://one.example/debian https://b.example/debian\n\
            Suites: bookworm bookworm-updates\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n\
            Types: deb\nURIs: http://off.example/debian\nSuites: sid\nEnabled: no\n\n\
            Types: deb\nURIs: http://node.example/x\nSuites: nodistro\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n";
        let mirrors =
            find(&[("sources.list.d/debian.sources", sources), ("sources.list.d/x.save", "junk")], None)
                .unwrap();
        assert_eq!(mirrors.bases("debian"), ["http://one.example/debian", "https://b.example/debian"]);
        assert_eq!(mirrors.bases("debian-security"), [] as [String; 0]);
        assert!(matches!(
            mirrors.urls("debian-security", "x"),
            Err(FetchError::Debian(DebianError::NoMirror { .. }))
        ));
    }

    #[test]
    fn the_setting_replaces_what_apt_says() {
        let apt = [("sources.list", "deb http://apt.example/debian bookworm main\n")];
        let setting = "http://a.example/debian, http://s.example/archive/debian/20260501T000000Z\n\
            http://a.example/debian-security debian=http://cache.example/x?y=1";
        let mirrors = find(&apt, Some(setting)).unwrap();
        assert_eq!(
            mirrors.bases("debian"),
            [
                "http://a.example/debian",
                "http://s.example/archive/debian/20260501T000000Z",
                "http://cache.example/x?y=1"
            ]
        );
        assert_eq!(mirrors.bases("debian-security"), ["http://a.example/debian-security"]);
        assert_eq!(mirrors.keyrings().count(), 2);
        let error = find(&apt, Some("mirror.example")).unwrap_err().to_string();
        assert!(error.contains(MIRRORS_SETTING) && error.contains("mirror.example"), "{error}");
    }

    #[test]
    fn a_broken_sources_file_is_named() {
        let error = find(&[("sources.list.d/x.sources", "nonsense\n")], None).unwrap_err().to_string();
        assert!(error.contains("x.sources") && error.contains("nonsense"), "{error}");
    }
}
