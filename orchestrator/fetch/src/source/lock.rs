//! `Cargo.lock`, formats 1 to 4: the packages and where they come from.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use xbuild_base::Sha256;

use crate::error::FetchError;
use crate::output::percent_decoded;

/// The newest lock format that is known. Cargo raises it when an older cargo would misread the file.
const NEWEST: u32 = 4;

/// A lock file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lock {
    /// All packages, in the file's order: name, then version, then source.
    pub packages: Vec<LockedPackage>,
    /// For each package those that it depends on, of whichever kind and target, by their index; none for all of them
    /// where the file doesn't say it so that it could be followed.
    pub dependencies: Option<Vec<Vec<usize>>>,
}

/// One package of a lock file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedPackage {
    /// Its name.
    pub name: String,
    /// Its version, as the lock writes it.
    pub version: String,
    /// Where it comes from; `None` for workspace members and path dependencies.
    pub source: Option<LockedSource>,
    /// The checksum of its `.crate` file, for registry packages.
    pub checksum: Option<Sha256>,
}

/// Where a locked package comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LockedSource {
    /// A registry, by its index as the lock writes it: `registry+URL` or `sparse+URL`.
    Registry(String),
    /// A commit of a git repository.
    Git(GitSource),
}

/// A commit of a git repository, as a lock names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GitSource {
    /// The repository's address.
    pub url: String,
    /// What the manifest asks for, as `(branch | tag | rev, value)`; `None` is the default branch.
    pub reference: Option<(String, String)>,
    /// The commit: 40 or 64 hexadecimal digits.
    pub commit: String,
}

#[derive(Deserialize)]
struct RawLock {
    version: Option<u32>,
    #[serde(default)]
    package: Vec<RawPackage>,
    root: Option<RawPackage>,
    #[serde(default)]
    metadata: toml::Table,
}

#[derive(Deserialize)]
struct RawPackage {
    name: String,
    version: String,
    source: Option<String>,
    checksum: Option<String>,
    #[serde(default)]
    dependencies: Vec<String>,
    /// The package that stands in its place: a form of `[patch]` that is seldom used.
    replace: Option<String>,
}

impl RawPackage {
    /// Whether an entry of `dependencies` means it: `name`, `name version` or `name version (source)`, of which the last
    /// leaves out the commit.
    fn is_meant(&self, dependency: &str) -> bool {
        let mut parts = dependency.splitn(3, ' ');
        let source = |text: &str| {
            let said = self.source.as_deref().unwrap_or_default();
            said.split('#').next() == text.trim_start_matches('(').trim_end_matches(')').split('#').next()
        };
        parts.next() == Some(&self.name)
            && parts.next().is_none_or(|version| version == self.version)
            && parts.next().is_none_or(source)
    }
}

impl Lock {
    /// Reads the text of a `Cargo.lock`.
    ///
    /// # Errors
    /// [`FetchError::Lock`] when it is no lock file, of a newer format, or holds a source or checksum that makes
    /// no sense.
    pub fn parse(text: &str) -> Result<Self, FetchError> {
        let error = |problem: String| FetchError::Lock { problem };
        let raw: RawLock = toml::from_str(text).map_err(|e| error(e.to_string()))?;
        if let Some(version) = raw.version.filter(|version| *version > NEWEST) {
            return Err(error(format!("it has format {version}; this xbuild knows formats up to {NEWEST}")));
        }
        let all: Vec<RawPackage> = raw.root.into_iter().chain(raw.package).collect();
        let dependencies = connected(&all);
        let mut packages = Vec::with_capacity(all.len());
        for package in all {
            let RawPackage { name, version, source, checksum, dependencies: _, replace: _ } = package;
            // Format 1 has the checksums in a table of their own.
            let checksum = checksum.or_else(|| {
                let key = format!("checksum {name} {version} ({})", source.as_deref().unwrap_or(""));
                raw.metadata.get(&key).and_then(|value| value.as_str()).map(ToOwned::to_owned)
            });
            let checksum = checksum.filter(|text| text != "<none>").map(|text| Sha256::from_hex(&text));
            let checksum =
                checksum.transpose().map_err(|e| error(format!("the checksum of {name} {version}: {e}")))?;
            let source = source.map(|source| LockedSource::parse(&source)).transpose();
            let source =
                source.map_err(|problem| error(format!("the source of {name} {version}: {problem}")))?;
            packages.push(LockedPackage { name, version, source, checksum });
        }
        Ok(Self { packages, dependencies })
    }
}

/// The indices that each package's dependencies mean.
fn connected(all: &[RawPackage]) -> Option<Vec<Vec<usize>>> {
    let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, package) in all.iter().enumerate() {
        by_name.entry(&package.name).or_default().push(index);
    }
    let meant = |dependency: &String| {
        let name = dependency.split(' ').next().unwrap_or_default();
        let mut found = by_name.get(name)?.iter().filter(|&&index| all[index].is_meant(dependency));
        let only = *found.next()?;
        found.next().is_none().then_some(only)
    };
    let of = |package: &RawPackage| match package.replace {
        Some(_) => None,
        None => package.dependencies.iter().map(meant).collect(),
    };
    all.iter().map(of).collect()
}

impl LockedSource {
    fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with("registry+") || text.starts_with("sparse+") {
            return Ok(Self::Registry(text.to_owned()));
        }
        let git =
            text.strip_prefix("git+").ok_or_else(|| format!("`{text}` is of a kind that is not known"))?;
        GitSource::parse(git).map(Self::Git)
    }
}

impl GitSource {
    /// `URL?branch=…#commit`.
    fn parse(text: &str) -> Result<Self, String> {
        let (rest, commit) = text.rsplit_once('#').ok_or_else(|| format!("`{text}` names no commit"))?;
        if !matches!(commit.len(), 40 | 64) || !commit.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(format!("`{commit}` is no full commit"));
        }
        let (url, query) = rest.split_once('?').map_or((rest, None), |(url, query)| (url, Some(query)));
        let mut reference = None;
        let mut kept = Vec::new();
        for pair in query.into_iter().flat_map(|query| query.split('&')) {
            match pair.split_once('=') {
                // Format 4 encodes the value; in the older ones a `%` can't be told from an encoded one.
                Some((kind @ ("branch" | "tag" | "rev"), value)) => {
                    reference = Some((kind.to_owned(), percent_decoded(value)));
                }
                _ => kept.push(pair),
            }
        }
        let url = if kept.is_empty() { url.to_owned() } else { format!("{url}?{}", kept.join("&")) };
        Ok(Self { url, reference, commit: commit.to_ascii_lowercase() })
    }
}

impl fmt::Display for LockedPackage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUM: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    #[test]
    fn formats_1_and_4_say_the_same() {
        let one = format!(
            "[root]\nname = \"app\"\nversion = \"0.1.0\"\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n\
             source = \"registry+https://r.example/i\"\n\
             [metadata]\n\"checksum a 1.0.0 (registry+https://r.example/i)\" = \"{SUM}\"\n"
        );
        let four = format!(
            "version = 4\n[[package]]\nname = \"app\"\nversion = \"0.1.0\"\n[[package]]\nname = \"a\"\n\
             version = \"1.0.0\"\nsource = \"registry+https://r.example/i\"\nchecksum = \"{SUM}\"\n"
        );
        let lock = Lock::parse(&four).unwrap();
        assert_eq!(Lock::parse(&one).unwrap(), lock);
        assert_eq!(lock.packages[1].checksum.unwrap().to_hex(), SUM);
        assert_eq!(lock.packages[0].source, None);
    }

    #[test]
    fn git_sources_are_taken_apart() {
        let text = format!(
            "version = 4\n[[package]]\nname = \"g\"\nversion = \"1.0.0\"\n\
             source = \"git+ssh://git@h.example/a/b.git?branch=a%2Fb#{COMMIT}\"\n"
        );
        let lock = Lock::parse(&text).unwrap();
        let expected = GitSource {
            url: "ssh://git@h.example/a/b.git".to_owned(),
            reference: Some(("branch".to_owned(), "a/b".to_owned())),
            commit: COMMIT.to_owned(),
        };
        assert_eq!(lock.packages[0].source, Some(LockedSource::Git(expected)));
    }

    #[test]
    fn dependencies_are_followed_by_as_much_as_is_said_of_them() {
        let package = |name: &str, version: &str, source: &str, dependencies: &str| {
            format!(
                "[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n{source}dependencies = [{dependencies}]\n"
            )
        };
        let registry = "source = \"registry+https://r.example/i\"\n";
        let git = format!("source = \"git+https://h.example/b?branch=x#{COMMIT}\"\n");
        let others = [
            package("b", "1.0.0", registry, ""),
            package("b", "2.0.0", registry, ""),
            package("b", "2.0.0", &git, "\"c\""),
            package("c", "1.0.0", registry, ""),
        ];
        let of = |dependencies: &str| {
            let app = package("app", "0.1.0", "", dependencies);
            Lock::parse(&format!("version = 4\n{app}{}", others.concat())).unwrap().dependencies
        };
        let said = "\"b 1.0.0\", \"b 2.0.0 (git+https://h.example/b?branch=x)\", \"c\"";
        assert_eq!(of(said).unwrap(), [vec![1, 3, 4], vec![], vec![], vec![4], vec![]]);
        assert_eq!(of("\"b 2.0.0\""), None, "there are two");
        assert_eq!(of("\"d\""), None, "there is none");
    }

    #[test]
    fn what_makes_no_sense_is_an_error_that_names_the_package() {
        let package = |source: &str, checksum: &str| {
            format!(
                "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"{source}\"\nchecksum = \"{checksum}\"\n"
            )
        };
        for (text, word) in [
            ("version = 5\n".to_owned(), "format 5"),
            ("not toml".to_owned(), "line 1"),
            (package("registry+https://r.example", "123"), "a 1.0.0"),
            (package("svn+https://r.example", SUM), "svn+"),
            (package("git+https://r.example", SUM), "no commit"),
            (package("git+https://r.example#abc", SUM), "`abc`"),
        ] {
            let error = Lock::parse(&text).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
