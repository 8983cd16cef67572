//! What the tests share.

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use xbuild_action::{Content, Directory, Entry, TreeError, walk};
use xbuild_base::{Digest, Tree};
use xbuild_describe::{Source, Toolchains};
use xbuild_fetch::debian::{Index, IndexSource};
use xbuild_fetch::{FetchError, Settings};

/// Noon on 2026-11-22, when the fixtures were made: in seconds since 1970.
pub(crate) const NOW: u64 = 1_795_348_800;

pub(crate) fn fixture(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/toolchains/fixtures").join(path)
}

/// No retries, and no long waits.
pub(crate) fn settings() -> Settings {
    Settings {
        retries: 0,
        pause: Duration::from_millis(1),
        timeout: Duration::from_secs(5),
        ..Settings::default()
    }
}

pub(crate) fn toolchains(text: &str) -> Toolchains {
    Toolchains::read(Source::new("toolchains.toml", text)).unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// Indexes from texts, by suite; the same for every architecture.
pub(crate) struct Texts(pub(crate) Vec<(&'static str, String)>);

impl IndexSource for Texts {
    fn index(&self, suite: &str, arch: &str) -> Result<Rc<Index>, FetchError> {
        let text = self.0.iter().find(|(name, _)| *name == suite).map_or("", |(_, text)| text);
        Ok(Rc::new(Index::read(suite, arch, text.as_bytes()).unwrap()))
    }
}

/// A stanza of an index; `more` are further fields.
pub(crate) fn stanza(name: &str, version: &str, more: &str) -> String {
    let sha256 = xbuild_base::Sha256::of(format!("{name} {version}").as_bytes()).to_hex();
    let file = version.replace(':', "%3a");
    format!(
        "Package: {name}\nVersion: {version}\nArchitecture: amd64\nFilename: pool/main/{name}_{file}_amd64.deb\n\
         Size: 100\nSHA256: {sha256}\n{more}\n\n"
    )
}

/// The files and links of a tree: `path text`, `path* text` for an executable, `path -> target`, `path/` for an
/// empty directory.
pub(crate) fn listing(store: &dyn Content, tree: Digest<Tree>) -> Vec<String> {
    use xbuild_action::ContentExt as _;
    let mut lines = Vec::new();
    walk::<TreeError>(store, tree, &mut |path, entry| {
        match entry {
            Entry::File(file) => {
                let text = String::from_utf8_lossy(&store.get(file.digest)?).into_owned();
                let star = if file.executable { "*" } else { "" };
                lines.push(format!("{path}{star} {text}").trim_end().to_owned());
            }
            Entry::Symlink(target) => lines.push(format!("{path} -> {target}")),
            Entry::Directory(below) if *store.directory(*below)? == Directory::default() => {
                lines.push(format!("{path}/"));
            }
            Entry::Directory(_) => {}
        }
        Ok(())
    })
    .unwrap();
    lines
}

/// A Debian package with these files; a text `-> target` makes a link, one that begins with `#!` an executable.
pub(crate) fn deb(files: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = ar::Builder::new(Vec::new());
    let mut add = |name: &str, bytes: &[u8]| {
        archive.append(&ar::Header::new(name.as_bytes().to_vec(), bytes.len() as u64), bytes).unwrap();
    };
    add("debian-binary", b"2.0\n");
    add("control.tar", &tar_of(&[("./control", "Package: x\n")]));
    add("data.tar", &tar_of(files));
    archive.into_inner().unwrap()
}

/// A tar archive, as [`deb`] has it.
pub(crate) fn tar_of(files: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, text) in files {
        let mut header = tar::Header::new_gnu();
        match text.strip_prefix("-> ") {
            Some(target) => {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_size(0);
                archive.append_link(&mut header, path, target).unwrap();
            }
            None => {
                header.set_size(text.len() as u64);
                header.set_mode(if text.starts_with("#!") { 0o755 } else { 0o644 });
                archive.append_data(&mut header, path, text.as_bytes()).unwrap();
            }
        }
    }
    archive.into_inner().unwrap()
}
