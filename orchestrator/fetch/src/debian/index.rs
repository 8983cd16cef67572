//! `Packages` indexes: what a suite has for an architecture.
//!
//! An index is some 50 MB of text, and resolving looks at a few dozen packages of it. So only names, versions
//! and places are kept in memory, and the text in an unnamed temporary file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::os::unix::fs::FileExt as _;

use xbuild_base::Sha256;

use super::control::{Stanza, Stanzas, parse_stanzas};
use super::relation::{Relation, parse_relations};
use super::version::Version;

/// A package as an index describes it.
#[derive(Debug, Clone)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: Version,
    /// Its architecture, `all` among them.
    pub arch: String,
    /// The suite whose index it is from.
    pub suite: String,
    /// Where it is, from the archive's root: `pool/…`.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its checksum.
    pub sha256: Sha256,
    /// `Pre-Depends` and `Depends`: each group needs one of its alternatives.
    pub depends: Vec<Vec<Relation>>,
    /// The virtual packages that it stands for.
    pub provides: Vec<Relation>,
}

#[derive(Debug)]
struct Slot {
    version: Version,
    offset: u64,
    length: u64,
}

/// The packages of one suite and architecture; of each the newest.
#[derive(Debug)]
pub struct Index {
    suite: String,
    text: File,
    packages: BTreeMap<Box<str>, Slot>,
    providers: BTreeMap<Box<str>, BTreeSet<Box<str>>>,
}

impl Index {
    /// Reads a (decompressed) index. Packages of architectures other than `arch` and `all` are left out.
    ///
    /// # Errors
    /// When it can't be read or its text is no index (`InvalidData`).
    pub fn read(suite: &str, arch: &str, reader: impl Read) -> std::io::Result<Self> {
        let mut index = Self {
            suite: suite.to_owned(),
            text: tempfile::tempfile()?,
            packages: BTreeMap::new(),
            providers: BTreeMap::new(),
        };
        let mut writer = std::io::BufWriter::new(index.text.try_clone()?);
        let mut stanzas =
            Stanzas::new(BufReader::with_capacity(1 << 16, Tee { reader, writer: &mut writer }));
        while let Some(stanza) = stanzas.read()? {
            index.add(&stanza, arch)?;
        }
        drop(stanzas);
        writer.flush()?;
        Ok(index)
    }

    fn add(&mut self, stanza: &Stanza, arch: &str) -> std::io::Result<()> {
        let (Some(name), Some(version)) = (stanza.get("Package"), stanza.get("Version")) else {
            return Err(invalid(format!("the stanza at byte {} is no package", stanza.offset)));
        };
        if !matches!(stanza.get("Architecture"), Some(own) if own == arch || own == "all") {
            return Ok(());
        }
        let version: Version = version.parse().map_err(|error| invalid(format!("{name}: {error}")))?;
        for relation in relations(stanza, "Provides")?.into_iter().flatten() {
            self.providers.entry(relation.name.into()).or_default().insert(name.into());
        }
        let slot = Slot { version, offset: stanza.offset, length: stanza.length };
        match self.packages.get_mut(name) {
            Some(there) if there.version >= slot.version => {}
            Some(there) => *there = slot,
            None => {
                self.packages.insert(name.into(), slot);
            }
        }
        Ok(())
    }

    /// How many packages it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.packages.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.packages.is_empty()
    }

    /// The package of this name; `None` when there is none.
    ///
    /// # Errors
    /// When its stanza can't be read (`InvalidData`).
    pub fn package(&self, name: &str) -> std::io::Result<Option<Package>> {
        let Some(slot) = self.packages.get(name) else { return Ok(None) };
        let length = usize::try_from(slot.length).map_err(|_| invalid(format!("{name}: too long")))?;
        let mut text = vec![0; length];
        self.text.read_exact_at(&mut text, slot.offset)?;
        let text = String::from_utf8(text).map_err(|_| invalid(format!("{name}: not UTF-8")))?;
        let stanzas = parse_stanzas(&text)?;
        let stanza = stanzas.first().ok_or_else(|| invalid(format!("{name}: no stanza")))?;
        let field = |field: &str| {
            stanza.get(field).map(str::to_owned).ok_or_else(|| invalid(format!("{name}: no field {field}")))
        };
        let mut depends = relations(stanza, "Pre-Depends")?;
        depends.extend(relations(stanza, "Depends")?);
        Ok(Some(Package {
            name: name.to_owned(),
            version: slot.version.clone(),
            arch: field("Architecture")?,
            suite: self.suite.clone(),
            path: field("Filename")?,
            size: field("Size")?.parse().map_err(|_| invalid(format!("{name}: the size is no number")))?,
            sha256: Sha256::from_hex(&field("SHA256")?)
                .map_err(|error| invalid(format!("{name}: {error}")))?,
            depends,
            provides: relations(stanza, "Provides")?.into_iter().flatten().collect(),
        }))
    }

    /// The names of all packages, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.packages.keys().map(AsRef::as_ref)
    }

    /// The names of the packages that provide `name`, in order.
    pub fn providers(&self, name: &str) -> impl Iterator<Item = &str> {
        self.providers.get(name).into_iter().flatten().map(AsRef::as_ref)
    }
}

fn relations(stanza: &Stanza, field: &str) -> std::io::Result<Vec<Vec<Relation>>> {
    let Some(text) = stanza.get(field) else { return Ok(Vec::new()) };
    parse_relations(text).map_err(|piece| {
        let package = stanza.get("Package").unwrap_or_default();
        invalid(format!("{package}: `{piece}` in {field} is no relation"))
    })
}

fn invalid(problem: String) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, problem)
}

/// Writes what is read through it.
struct Tee<R, W> {
    reader: R,
    writer: W,
}

impl<R: Read, W: std::io::Write> Read for Tee<R, W> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.writer.write_all(&buffer[..read])?;
        Ok(read)
    }
}

/// A reader that decompresses what the path's end says (`.xz`, `.gz` or neither).
pub(crate) fn decompressed<'r>(path: &str, reader: Box<dyn Read + Send + 'r>) -> Box<dyn BufRead + 'r> {
    match path.rsplit_once('.') {
        Some((_, "xz")) => Box::new(BufReader::new(liblzma::read::XzDecoder::new(reader))),
        Some((_, "gz")) => Box::new(BufReader::new(flate2::read::MultiGzDecoder::new(reader))),
        _ => Box::new(BufReader::new(reader)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stanza(name: &str, version: &str, more: &str) -> String {
        format!(
            "Package: {name}\nVersion: {version}\nArchitecture: amd64\nFilename: pool/{name}_{version}.deb\nSize: 7\nSHA256: {}\n{more}\n",
            "0".repeat(64)
        )
    }

    #[test]
    fn the_newest_of_a_name_counts_and_other_architectures_do_not() {
        let text = [
            stanza("a", "1.9", "Depends: b (>= 2), c | d\nPre-Depends: e\n"),
            stanza("a", "1.10", "Provides: v (= 3), w\n"),
            stanza("x", "1", "").replace("amd64", "arm64"),
            stanza("y", "1", "").replace("amd64", "all"),
        ]
        .concat();
        let index = Index::read("sid", "amd64", text.as_bytes()).unwrap();
        assert_eq!(index.len(), 2);
        let a = index.package("a").unwrap().unwrap();
        assert_eq!((a.version.as_str(), a.suite.as_str(), a.size), ("1.10", "sid", 7));
        assert_eq!(a.provides.len(), 2);
        assert_eq!(index.providers("v").collect::<Vec<_>>(), ["a"]);
        assert!(index.package("x").unwrap().is_none());
        assert_eq!(index.package("y").unwrap().unwrap().arch, "all");
    }

    #[test]
    fn damaged_indexes_are_refused() {
        for text in ["Nonsense\n", "Package: a\n\n", "Package: a\nVersion: :\nArchitecture: all\n"] {
            assert!(Index::read("sid", "amd64", text.as_bytes()).is_err(), "{text:?}");
        }
        let text = stanza("a", "1", "Depends: b [amd64]\n");
        let index = Index::read("sid", "amd64", text.as_bytes()).unwrap();
        assert!(index.package("a").unwrap_err().to_string().contains("b [amd64]"));
        let index =
            Index::read("sid", "amd64", stanza("a", "1", "").replace("Size: 7", "Size: x").as_bytes());
        assert!(index.unwrap().package("a").is_err());
    }
}
