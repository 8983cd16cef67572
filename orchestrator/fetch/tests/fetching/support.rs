//! What several tests need.

use std::io::{Read, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use xbuild_action::{Content, ContentExt as _, Directory, Entry, ReadSeek, StoreError, walk};
use xbuild_base::{Blob, Digest, Sha256, Tree};
use xbuild_fetch::{Event, FixedOutput, InMemory, Place, Progress, Settings, Store, Unpack};

/// A store in memory that counts what is put in.
pub(crate) struct Counting {
    inner: InMemory,
    pub(crate) directories: AtomicUsize,
    pub(crate) memos: AtomicUsize,
}

impl Counting {
    pub(crate) fn new() -> Self {
        let inner = InMemory::new().unwrap();
        Self { inner, directories: AtomicUsize::new(0), memos: AtomicUsize::new(0) }
    }

    /// How many levels of trees were put in.
    pub(crate) fn directories(&self) -> usize {
        self.directories.load(Ordering::Relaxed)
    }

    /// How many memos were written.
    pub(crate) fn memos(&self) -> usize {
        self.memos.load(Ordering::Relaxed)
    }

    /// Every file and link of a tree, as `path` → text, `path*` for executables, `path@` for links.
    pub(crate) fn listing(&self, tree: Digest<Tree>) -> Vec<(String, String)> {
        let mut listing = Vec::new();
        walk::<xbuild_action::TreeError>(self, tree, &mut |path, entry| {
            match entry {
                Entry::File(file) => {
                    let text = String::from_utf8_lossy(&self.get(file.digest)?).into_owned();
                    listing.push((format!("{path}{}", if file.executable { "*" } else { "" }), text));
                }
                Entry::Symlink(target) => listing.push((format!("{path}@"), target.clone())),
                Entry::Directory(below) if self.directory(*below)?.entries.is_empty() => {
                    listing.push((format!("{path}/"), String::new()));
                }
                Entry::Directory(_) => {}
            }
            Ok(())
        })
        .unwrap();
        listing
    }
}

impl Content for Counting {
    fn has_blob(&self, digest: Digest<Blob>) -> Result<bool, StoreError> {
        self.inner.has_blob(digest)
    }
    fn open_blob(&self, digest: Digest<Blob>) -> Result<Box<dyn ReadSeek>, StoreError> {
        self.inner.open_blob(digest)
    }
    fn put_reader(&self, reader: &mut dyn Read) -> Result<Digest<Blob>, StoreError> {
        self.inner.put_reader(reader)
    }
    fn put_file(&self, path: &Path) -> Result<Digest<Blob>, StoreError> {
        self.inner.put_file(path)
    }
    fn directory(&self, digest: Digest<Tree>) -> Result<Arc<Directory>, StoreError> {
        self.inner.directory(digest)
    }
    fn put_directory(&self, directory: &Directory) -> Result<Digest<Tree>, StoreError> {
        self.directories.fetch_add(1, Ordering::Relaxed);
        self.inner.put_directory(directory)
    }
}

impl Store for Counting {
    fn memo(&self, namespace: &'static str, key: Sha256) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.memo(namespace, key)
    }
    fn put_memo(&self, namespace: &'static str, key: Sha256, value: &[u8]) -> Result<(), StoreError> {
        self.memos.fetch_add(1, Ordering::Relaxed);
        self.inner.put_memo(namespace, key, value)
    }
    fn scratch(&self) -> &Path {
        self.inner.scratch()
    }
}

/// Settings for servers on loopback: no long pauses.
pub(crate) fn quick() -> Settings {
    Settings { pause: Duration::from_millis(1), timeout: Duration::from_secs(5), ..Settings::default() }
}

/// Settings with no network.
pub(crate) fn offline() -> Settings {
    Settings { offline: true, ..quick() }
}

/// A plain file that is wanted.
pub(crate) fn file(name: &str, body: &[u8], places: &[impl AsRef<str>]) -> FixedOutput {
    let kind = Unpack::Blob { file_name: "file".to_owned(), executable: false };
    wanted(name, body, places, kind)
}

/// Something that is wanted.
pub(crate) fn wanted(name: &str, body: &[u8], places: &[impl AsRef<str>], kind: Unpack) -> FixedOutput {
    FixedOutput {
        name: name.to_owned(),
        sha256: Sha256::of(body),
        size: Some(body.len() as u64),
        places: places.iter().map(|url| Place::from_url(url.as_ref()).unwrap()).collect(),
        kind,
    }
}

/// Bytes that repeat nowhere near.
pub(crate) fn noise(size: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(size + 32);
    let mut block = Sha256::of(b"noise");
    while bytes.len() < size {
        bytes.extend_from_slice(block.as_bytes());
        block = Sha256::of(block.as_bytes());
    }
    bytes.truncate(size);
    bytes
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Takes down all events as text.
#[derive(Default)]
pub(crate) struct Journal(Mutex<Vec<String>>);

impl Journal {
    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Progress for Journal {
    fn event(&self, name: &str, event: Event<'_>) {
        let text = match event {
            Event::Started { size } => format!("{name} started {}", size.unwrap_or(0)),
            Event::Advanced { done } => format!("{name} advanced {done}"),
            Event::Retrying { attempt, problem, .. } => format!("{name} retrying {attempt} {problem}"),
            Event::Unpacking => format!("{name} unpacking"),
            Event::Building { done, total } => format!("{name} building {done} of {total}"),
            Event::Finished => format!("{name} finished"),
            Event::Failed => format!("{name} failed"),
        };
        self.0.lock().unwrap().push(text);
    }
}

/// A `.crate` file with a manifest and one source file.
pub(crate) fn crate_file(name: &str, version: &str) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let manifest = format!("[package]\nname = \"{name}\"\nversion = \"{version}\"\n");
    for (path, text) in [("Cargo.toml", manifest.as_str()), ("src/lib.rs", "pub fn f() {}\n")] {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, format!("{name}-{version}/{path}"), text.as_bytes()).unwrap();
    }
    gzip(&archive.into_inner().unwrap())
}

/// Runs a program that must succeed.
pub(crate) fn run(folder: &Path, program: &str, arguments: &[&str]) -> String {
    let output = std::process::Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .env("GIT_AUTHOR_NAME", "a")
        .env("GIT_AUTHOR_EMAIL", "a@localhost")
        .env("GIT_COMMITTER_NAME", "a")
        .env("GIT_COMMITTER_EMAIL", "a@localhost")
        .output()
        .unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
