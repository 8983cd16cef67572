//! `xbuild.lock`: what the project uses and names without a hash, pinned.
//!
//! It is written when something in it is missing, left alone with `--locked`, and moved by `xbuild update`.

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use xbuild_base::{RelPath, Sha256};
use xbuild_describe::{GitReference, PackagePin, is_commit};

use crate::error::XbuildError;

const FILE: &str = "xbuild.lock";

/// The version of the format. 1 has images alone, 2 packages too, 3 inputs too: each is written where it is enough, so that
/// older versions of xbuild can read it.
const VERSION: u32 = 3;

const HEADER: &str =
    "# Written by xbuild: what the description names without a hash. To move the pins: xbuild update\n";

/// The pins of a project.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Lock {
    /// Images that others are based on, by their references.
    pub(crate) images: BTreeMap<String, ImagePin>,
    /// Debian packages, by what was asked for.
    pub(crate) packages: PackageSets,
    /// Commits of other projects, by the inputs' names: `web`, `web/shared`.
    pub(crate) inputs: BTreeMap<String, InputPin>,
}

/// Which commit of a repository another project is taken from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct InputPin {
    /// The repository's address.
    git: String,
    /// What led to the commit: `HEAD`, `branch main`, `tag v1`.
    reference: String,
    /// Its hash.
    pub(crate) commit: String,
}

impl InputPin {
    pub(crate) fn new(url: &str, reference: &GitReference, commit: &str) -> Self {
        Self { git: url.to_owned(), reference: reference.to_string(), commit: commit.to_owned() }
    }

    /// Whether it is for what the description has.
    pub(crate) fn is_of(&self, url: &str, reference: &GitReference) -> bool {
        self.git == url && self.reference == reference.to_string()
    }
}

/// What an image's reference leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct ImagePin {
    /// `sha256:…`, of an index or a manifest.
    pub(crate) digest: String,
}

/// Packages that are asked for together → they and all that they need.
pub(crate) type PackageSets = BTreeMap<PackageSet, Vec<PackagePin>>;

/// Debian packages that are asked for together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PackageSet {
    /// What for.
    pub(crate) purpose: Purpose,
    /// Debian's word for the machine.
    pub(crate) architecture: String,
    /// Where they are looked for, the preferred suite first.
    pub(crate) suites: Vec<String>,
    /// The packages.
    pub(crate) roots: BTreeSet<String>,
}

/// What packages are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(crate) enum Purpose {
    /// To link with.
    Libraries,
    /// To run.
    Tools,
}

impl PackageSet {
    /// Whether both may lie in one sandbox: then a package of both must be the same in both.
    pub(crate) fn is_beside(&self, other: &Self) -> bool {
        (&self.architecture, &self.suites) == (&other.architecture, &other.suites)
    }
}

impl fmt::Display for PackageSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let roots: Vec<&str> = self.roots.iter().map(String::as_str).collect();
        write!(f, "{} ({}, {})", roots.join(", "), self.architecture, self.suites.join(", "))
    }
}

impl Lock {
    /// Reads the lock of the workspace in a folder; an empty one where there is none.
    pub(crate) fn read(root: &Path) -> Result<Self, XbuildError> {
        let path = path(root);
        let text = match fs_err::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(XbuildError::machine(&error)),
        };
        let help = "restore it from version control, or remove it and run the same command again: it is written anew";
        // The version first: a newer file may have what this version can't read.
        let version = text.parse::<toml::Table>().ok().and_then(|table| table.get("version")?.as_integer());
        if let Some(newer) = version.filter(|version| *version > VERSION.into()) {
            let what = format!("{FILE} has version {newer}, and this xbuild knows {VERSION}");
            return Err(XbuildError::user(what, "use a newer xbuild"));
        }
        let Written { version: _, images, packages, inputs } = toml::from_str(&text).map_err(|error| {
            XbuildError::user(format!("{FILE} can't be read: {}", error.to_string().trim_end()), help)
        })?;
        if let Some((name, _)) = images.iter().find(|(_, pin)| !xbuild_registry::is_digest(&pin.digest)) {
            return Err(XbuildError::user(format!("{FILE} has no SHA-256 for {name}"), help));
        }
        if let Some((name, _)) = inputs.iter().find(|(_, pin)| !is_commit(&pin.commit)) {
            return Err(XbuildError::user(format!("{FILE} has no commit for the input {name}"), help));
        }
        let mut sets = PackageSets::new();
        for (set, pins) in packages.into_iter().map(WrittenSet::read) {
            let what = || format!("{FILE} has {set} twice");
            match sets.entry(set.clone()) {
                Entry::Vacant(free) => drop(free.insert(pins)),
                Entry::Occupied(_) => return Err(XbuildError::user(what(), help)),
            }
        }
        Ok(Self { images, packages: sets, inputs })
    }

    /// Writes what it has become since it was read: just the pins that differ, for another command may have written its
    /// own meanwhile.
    pub(crate) fn write_changes(&self, before: &Self, root: &Path) -> Result<(), XbuildError> {
        if self == before {
            return Ok(());
        }
        // One command at a time reads and writes. Where a file system has no locks, the moment between the two is short.
        let folder = fs_err::File::open(root).map_err(|error| XbuildError::machine(&error))?;
        let _ = folder.file().lock();
        let mut written = Self::read(root)?;
        carry_over(&before.images, &self.images, &mut written.images);
        carry_over(&before.packages, &self.packages, &mut written.packages);
        carry_over(&before.inputs, &self.inputs, &mut written.inputs);
        written.write(root)
    }

    /// Writes it, whole or not at all.
    fn write(&self, root: &Path) -> Result<(), XbuildError> {
        let written = (|| {
            let mut file = tempfile::Builder::new()
                .prefix(".xbuild-lock")
                .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
                .tempfile_in(root)?;
            file.write_all(self.text()?.as_bytes())?;
            // After a loss of power there is one of both, not an empty file.
            file.as_file().sync_all()?;
            file.persist(path(root)).map(drop).map_err(|error| error.error)
        })();
        written.map_err(|error| XbuildError::Environment {
            what: format!("could not write {}: {error}", path(root).display()),
            help: None,
        })
    }

    fn text(&self) -> std::io::Result<String> {
        let Self { images, packages, inputs } = self;
        let version = match (packages.is_empty(), inputs.is_empty()) {
            (true, true) => 1,
            (false, true) => 2,
            (_, false) => VERSION,
        };
        let written = Written {
            version,
            inputs: inputs.clone(),
            images: images.clone(),
            packages: packages.iter().map(|(set, pins)| WrittenSet::of(set, pins)).collect(),
        };
        let text = toml::to_string_pretty(&written).map_err(std::io::Error::other)?;
        Ok(format!("{HEADER}{text}"))
    }
}

/// Does to a map what was done to another between before and after.
fn carry_over<K: Ord + Clone, V: Clone + PartialEq>(
    before: &BTreeMap<K, V>,
    after: &BTreeMap<K, V>,
    to: &mut BTreeMap<K, V>,
) {
    to.retain(|key, _| after.contains_key(key) || !before.contains_key(key));
    let changed = after.iter().filter(|(key, value)| before.get(key) != Some(value));
    to.extend(changed.map(|(key, value)| (key.clone(), value.clone())));
}

/// The file.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct Written {
    version: u32,
    #[serde(default, rename = "image", skip_serializing_if = "BTreeMap::is_empty")]
    images: BTreeMap<String, ImagePin>,
    #[serde(default, rename = "input", skip_serializing_if = "BTreeMap::is_empty")]
    inputs: BTreeMap<String, InputPin>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    packages: Vec<WrittenSet>,
}

/// `[[packages]]`.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct WrittenSet {
    #[serde(rename = "for")]
    purpose: Purpose,
    architecture: String,
    suites: Vec<String>,
    roots: BTreeSet<String>,
    pins: Vec<WrittenPin>,
}

/// A package, with the keys that `toolchains.toml` has for one.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
struct WrittenPin {
    name: String,
    version: String,
    arch: String,
    suite: String,
    #[cfg_attr(test, schemars(with = "String"))]
    path: RelPath,
    size: u64,
    #[cfg_attr(test, schemars(with = "String"))]
    sha256: Sha256,
}

impl WrittenSet {
    fn of(set: &PackageSet, pins: &[PackagePin]) -> Self {
        let PackageSet { purpose, architecture, suites, roots } = set.clone();
        let pins = pins.iter().cloned().map(|pin| {
            let PackagePin { name, version, architecture: arch, suite, path, size, sha256 } = pin;
            WrittenPin { name, version, arch, suite, path, size, sha256 }
        });
        Self { purpose, architecture, suites, roots, pins: pins.collect() }
    }

    fn read(self) -> (PackageSet, Vec<PackagePin>) {
        let Self { purpose, architecture, suites, roots, pins } = self;
        let pins = pins.into_iter().map(|pin| {
            let WrittenPin { name, version, arch: architecture, suite, path, size, sha256 } = pin;
            PackagePin { name, version, architecture, suite, path, size, sha256 }
        });
        (PackageSet { purpose, architecture, suites, roots }, pins.collect())
    }
}

fn path(root: &Path) -> PathBuf {
    root.join(FILE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images() -> BTreeMap<String, ImagePin> {
        let digest = format!("sha256:{}", "0a".repeat(32));
        [("registry.example/base:1".to_owned(), ImagePin { digest })].into()
    }

    /// `XBUILD_WRITE_SCHEMA=1` writes it anew.
    #[test]
    fn the_schema_is_that_of_the_code() {
        let mut schema = schemars::schema_for!(Written);
        schema.insert("title".to_owned(), FILE.into());
        let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schema/lock.json");
        if std::env::var_os("XBUILD_WRITE_SCHEMA").is_some() {
            fs_err::write(&file, &text).unwrap();
        }
        assert_eq!(fs_err::read_to_string(&file).unwrap(), text);

        // A lock with all that there may be in one holds against it.
        let folder = tempfile::tempdir().unwrap();
        let set = PackageSet {
            purpose: Purpose::Tools,
            architecture: "amd64".to_owned(),
            suites: vec!["bookworm".to_owned()],
            roots: ["jq".to_owned()].into(),
        };
        let mut lock = Lock { images: images(), ..Lock::default() };
        lock.packages.insert(set, Vec::new());
        let pin = InputPin::new("https://git.example/a", &GitReference::Head, &"0a".repeat(20));
        lock.inputs.insert("a/b".to_owned(), pin);
        lock.write(folder.path()).unwrap();
        assert_eq!(Lock::read(folder.path()).unwrap(), lock);
        let written: serde_json::Value =
            toml::from_str(&fs_err::read_to_string(path(folder.path())).unwrap()).unwrap();
        jsonschema::validate(&serde_json::to_value(&schema).unwrap(), &written).unwrap();
    }

    #[test]
    fn what_is_written_is_read_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Lock::read(folder.path()).unwrap(), Lock::default());
        let lock = Lock { images: images(), ..Lock::default() };
        lock.write(folder.path()).unwrap();
        assert_eq!(Lock::read(folder.path()).unwrap(), lock);
        for (text, says) in [
            ("version = 4\nfuture = true\n", "version 4"),
            ("version = 1\n[image.x]\ndigest = \"sha256:abc\"\n", "no SHA-256 for x"),
            ("version = 1\nstray = 1\n", "can't be read"),
            ("version = 2\n[[packages]]\nfor = \"fun\"\narchitecture = \"arm64\"\n", "can't be read"),
            ("<<<<<<< HEAD\n", "can't be read"),
        ] {
            fs_err::write(path(folder.path()), text).unwrap();
            let error = Lock::read(folder.path()).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn commands_that_pin_at_once_keep_each_other_s_pins() {
        let folder = tempfile::tempdir().unwrap();
        let with = |mut lock: Lock, names: &[&str]| {
            for name in names {
                let digest = format!("sha256:{}", "0b".repeat(32));
                lock.images.insert((*name).to_owned(), ImagePin { digest });
            }
            lock
        };
        with(Lock::default(), &["old", "older"]).write(folder.path()).unwrap();
        let before = Lock::read(folder.path()).unwrap();
        std::thread::scope(|scope| {
            for number in 0..8 {
                let (before, folder) = (&before, folder.path());
                scope.spawn(move || {
                    let mut mine = with(before.clone(), &[&format!("new-{number}")]);
                    mine.images.remove("older");
                    mine.write_changes(before, folder).unwrap();
                });
            }
        });
        let names: Vec<String> = Lock::read(folder.path()).unwrap().images.into_keys().collect();
        let expected: Vec<String> =
            (0..8).map(|number| format!("new-{number}")).chain(["old".to_owned()]).collect();
        assert_eq!(names, expected);
    }

    #[test]
    fn packages_are_written_in_order_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let set = |purpose, architecture: &str, roots: &[&str]| PackageSet {
            purpose,
            architecture: architecture.to_owned(),
            suites: vec!["bullseye".to_owned()],
            roots: roots.iter().map(|&root| root.to_owned()).collect(),
        };
        let pin = |name: &str| PackagePin {
            name: name.to_owned(),
            version: "1:1.2.11.dfsg-2+deb11u2".to_owned(),
            architecture: "arm64".to_owned(),
            suite: "bullseye".to_owned(),
            path: format!("pool/main/z/{name}.deb").parse().unwrap(),
            size: 91_076,
            sha256: Sha256::of(name.as_bytes()),
        };
        let mut lock = Lock { images: images(), ..Lock::default() };
        lock.packages.insert(set(Purpose::Tools, "amd64", &["hello"]), vec![pin("hello")]);
        let zlib = vec![pin("zlib1g"), pin("zlib1g-dev")];
        lock.packages.insert(set(Purpose::Libraries, "arm64", &["zlib1g-dev", "libbz2-dev"]), zlib);
        lock.write(folder.path()).unwrap();
        assert_eq!(Lock::read(folder.path()).unwrap(), lock);

        let text = fs_err::read_to_string(path(folder.path())).unwrap();
        let at = |part: &str| text.find(part).unwrap_or_else(|| panic!("{part:?} is not in\n{text}"));
        assert!(
            at("version = 2") < at("for = \"libraries\"") && at("\"libraries\"") < at("\"tools\""),
            "{text}"
        );
        assert!(at("\"libbz2-dev\"") < at("\"zlib1g-dev\""), "{text}");
        // A change of one package is a change of its lines.
        let stray = text.replacen("size = 91076", "size = 91076\nstray = 1", 1);
        fs_err::write(path(folder.path()), stray).unwrap();
        assert!(Lock::read(folder.path()).unwrap_err().to_string().contains("stray"));
        // Two branches have pinned the same, and both were kept.
        let tools = text.find("[[packages]]\nfor = \"tools\"").unwrap();
        fs_err::write(path(folder.path()), format!("{text}\n{}", &text[tools..])).unwrap();
        assert!(Lock::read(folder.path()).unwrap_err().to_string().contains("hello (amd64, bullseye) twice"));

        lock.packages.clear();
        assert!(lock.text().unwrap().contains("version = 1"), "older ones of us can read it");
    }
}
