//! Releases and indexes of a run: fetched from the mirrors, checked, and kept for the next question.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::index::{Index, decompressed};
use super::mirrors::Mirrors;
use super::problem::DebianError;
use super::release::{Keyring, Release};
use super::resolve::IndexSource;
use crate::error::FetchError;
use crate::fetcher::Fetcher;
use crate::output::{FixedOutput, Place, Unpack};

/// The largest `InRelease` that is read, in bytes.
const LARGEST_RELEASE: u64 = 16 << 20;
/// The area of the archive: only what is free software.
const AREA: &str = "main";

/// The indexes that a run has asked for.
pub struct Indexes<'f> {
    fetcher: &'f Fetcher<'f>,
    mirrors: &'f Mirrors,
    keyring: Keyring,
    /// The archive of each suite.
    archives: BTreeMap<String, String>,
    /// Seconds since 1970.
    now: u64,
    releases: RefCell<BTreeMap<String, Rc<Release>>>,
    indexes: RefCell<BTreeMap<(String, String), Rc<Index>>>,
}

impl<'f> Indexes<'f> {
    /// `archives` tells each suite's archive, and `now` is in seconds since 1970. Keys are those of the mirrors'
    /// keyrings.
    ///
    /// # Errors
    /// [`DebianError::Keyring`].
    pub fn new(
        fetcher: &'f Fetcher<'f>,
        mirrors: &'f Mirrors,
        archives: BTreeMap<String, String>,
        now: u64,
    ) -> Result<Self, FetchError> {
        let keyring = Keyring::read(mirrors.keyrings())?;
        let (releases, indexes) = (RefCell::default(), RefCell::default());
        Ok(Self { fetcher, mirrors, keyring, archives, now, releases, indexes })
    }

    fn archive(&self, suite: &str) -> &str {
        self.archives.get(suite).map_or("debian", String::as_str)
    }

    /// The signed and checked list of a suite's indexes.
    ///
    /// # Errors
    /// [`DebianError::NoSuite`], [`DebianError::Untrusted`], or when no mirror can be reached.
    pub fn release(&self, suite: &str) -> Result<Rc<Release>, FetchError> {
        if let Some(release) = self.releases.borrow().get(suite) {
            return Ok(Rc::clone(release));
        }
        let name = format!("index of {suite}");
        let urls = self.mirrors.urls(self.archive(suite), &format!("dists/{suite}/InRelease"))?;
        let mut problem: Option<FetchError> = None;
        for url in &urls {
            let place = Place::from_url(url)?;
            let bytes = match self.fetcher.read(&name, &place, LARGEST_RELEASE) {
                Ok(Some(bytes)) => bytes,
                Ok(None) => continue,
                Err(error @ FetchError::Offline { .. }) => return Err(error),
                Err(error) => {
                    problem.get_or_insert(error);
                    continue;
                }
            };
            let now = (!is_snapshot(url)).then_some(self.now);
            let release = self.keyring.verify(&bytes, self.now).and_then(|text| {
                let release = Release::parse(&text)?;
                release.check(suite, now).map(|()| release)
            });
            match release {
                Ok(release) => {
                    let release = Rc::new(release);
                    self.releases.borrow_mut().insert(suite.to_owned(), Rc::clone(&release));
                    return Ok(release);
                }
                Err(untrusted) => {
                    problem.get_or_insert(
                        DebianError::Untrusted {
                            suite: suite.to_owned(),
                            place: place.to_string(),
                            problem: untrusted,
                        }
                        .into(),
                    );
                }
            }
        }
        Err(problem.unwrap_or_else(|| DebianError::NoSuite { suite: suite.to_owned(), tried: urls }.into()))
    }

    /// The index itself as a fixed output: its hash is in the signed release.
    fn output(&self, suite: &str, arch: &str) -> Result<Option<(String, FixedOutput)>, FetchError> {
        let release = self.release(suite)?;
        for extension in [".xz", ".gz", ""] {
            let path = format!("{AREA}/binary-{arch}/Packages{extension}");
            let Some((sha256, size)) = release.files.get(&path) else { continue };
            let mut places = Vec::new();
            let by_hash = format!("{AREA}/binary-{arch}/by-hash/SHA256/{}", sha256.to_hex());
            // By its hash first: the name may lead to a newer file already.
            for below in release.by_hash.then_some(&by_hash).into_iter().chain([&path]) {
                for url in self.mirrors.urls(self.archive(suite), &format!("dists/{suite}/{below}"))? {
                    places.push(Place::from_url(&url)?);
                }
            }
            let kind = Unpack::Blob { file_name: format!("Packages{extension}"), executable: false };
            let name = format!("packages of {suite} for {arch}");
            return Ok(Some((path, FixedOutput { name, sha256: *sha256, size: Some(*size), places, kind })));
        }
        Ok(None)
    }
}

impl IndexSource for Indexes<'_> {
    fn index(&self, suite: &str, arch: &str) -> Result<Rc<Index>, FetchError> {
        let key = (suite.to_owned(), arch.to_owned());
        if let Some(index) = self.indexes.borrow().get(&key) {
            return Ok(Rc::clone(index));
        }
        let problem = |problem| DebianError::Index { suite: suite.to_owned(), problem };
        let index = match self.output(suite, arch)? {
            // A suite need not have every architecture.
            None => Index::read(suite, arch, std::io::empty()),
            Some((path, output)) => {
                let blobs = self.fetcher.blobs(std::slice::from_ref(&output))?;
                let blob = *blobs.first().ok_or_else(|| problem("it was not fetched".to_owned()))?;
                let reader = self.fetcher.store().open_blob(blob)?;
                Index::read(suite, arch, decompressed(&path, reader))
            }
        };
        let index = Rc::new(index.map_err(|error| problem(error.to_string()))?);
        self.indexes.borrow_mut().insert(key, Rc::clone(&index));
        Ok(index)
    }

    fn forget(&self) {
        self.indexes.borrow_mut().clear();
    }
}

/// Whether an address holds a time stamp as snapshot archives have it, `20260501T000000Z`.
fn is_snapshot(url: &str) -> bool {
    url.split('/').any(|part| {
        part.len() == 16
            && part.bytes().enumerate().all(|(at, byte)| match at {
                8 => byte == b'T',
                15 => byte == b'Z',
                _ => byte.is_ascii_digit(),
            })
    })
}
