//! What files of a project folder looked like when they were last read.
//!
//! On disk, all numbers little-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 32 | SHA-256 of all that follows |
//! | 4 | version, [`VERSION`] |
//! | 2 + n | boot id under which it was written |
//! | 4 | number of entries |
//! | each: 4 + n | path |
//! | 8 × 8 + 4 | device, inode, size, mtime (s, ns), ctime (s, ns), digest's size, mode |
//! | 32 | digest's SHA-256 |

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use xbuild_action::StoreError;
use xbuild_base::{Blob, Digest, RelPath, Sha256};

use crate::disk::Disk;
use crate::files::{self, io};

const VERSION: u32 = 1;

/// A file that changed so recently (in nanoseconds) could change again without its times showing it: some file
/// systems count whole or even seconds.
const RACY: i128 = 2_000_000_000;

/// What `lstat` says of a file, as far as a change of its content shows there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, u64),
    changed: (i64, u64),
    mode: u32,
}

impl Stamp {
    #[allow(clippy::unnecessary_cast, clippy::useless_conversion, reason = "types differ between platforms")]
    pub(crate) fn of(stat: &rustix::fs::Stat) -> Self {
        Self {
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
            size: stat.st_size as u64,
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as u64),
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as u64),
            mode: stat.st_mode as u32,
        }
    }

    /// The later of its two times, in nanoseconds since 1970.
    fn latest(&self) -> i128 {
        nanoseconds(self.modified).max(nanoseconds(self.changed))
    }
}

fn nanoseconds((seconds, rest): (i64, u64)) -> i128 {
    i128::from(seconds) * 1_000_000_000 + i128::from(rest)
}

/// A file's content as of a stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cached {
    pub(crate) stamp: Stamp,
    pub(crate) digest: Digest<Blob>,
}

/// The cache of one folder: what was loaded, and what will be saved.
#[derive(Debug)]
pub(crate) struct StatCache {
    path: PathBuf,
    this_boot: bool,
    old: BTreeMap<RelPath, Cached>,
    new: BTreeMap<RelPath, Cached>,
    added: bool,
}

impl Disk {
    /// The file system's clock, in nanoseconds since 1970: the one that stamps are made by.
    pub(crate) fn clock(&self) -> Result<i128, StoreError> {
        let file = self.temporary()?;
        let stat = rustix::fs::fstat(file.file()).map_err(io("look at", file.path()))?;
        Ok(nanoseconds(Stamp::of(&stat).changed))
    }
}

impl StatCache {
    /// The cache of `folder`; empty when there is none or it can't be read.
    pub(crate) fn load(store: &Disk, folder: &Path) -> Result<Self, StoreError> {
        let name = Sha256::of(folder.as_os_str().as_bytes()).to_hex();
        let path = store.layout().part("imports").join(name);
        let bytes = files::read(&path)?.unwrap_or_default();
        let (boot, old) = decode(&bytes).unwrap_or_default();
        let this_boot = store.is_this_boot(&boot);
        Ok(Self { path, this_boot, old, new: BTreeMap::new(), added: false })
    }

    pub(crate) const fn is_of_this_boot(&self) -> bool {
        self.this_boot
    }

    /// What the file holds, when it looks as it did when it was read.
    pub(crate) fn unchanged(&self, path: &RelPath, stamp: &Stamp) -> Option<Digest<Blob>> {
        self.old.get(path).filter(|cached| cached.stamp == *stamp).map(|cached| cached.digest)
    }

    /// Keeps what is known of a file.
    pub(crate) fn retain(&mut self, path: &RelPath) {
        if let Some((path, cached)) = self.old.remove_entry(path) {
            self.new.insert(path, cached);
        }
    }

    /// Adds a file that was read after `now`, unless it could have changed unseen since.
    pub(crate) fn add(&mut self, path: RelPath, cached: Cached, now: i128) {
        if cached.stamp.latest() + RACY <= now {
            self.new.insert(path, cached);
            self.added = true;
        }
    }

    /// Writes the cache where it has changed.
    pub(crate) fn save(self, store: &Disk) -> Result<(), StoreError> {
        if !self.added && self.old.is_empty() && (self.this_boot || self.new.is_empty()) {
            return Ok(());
        }
        store.write_record(&self.path, &encode(store.boot(), &self.new))
    }
}

fn encode(boot: &str, entries: &BTreeMap<RelPath, Cached>) -> Vec<u8> {
    let mut bytes = vec![0; 32];
    let length = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend(u16::try_from(boot.len()).unwrap_or(u16::MAX).to_le_bytes());
    bytes.extend(boot.as_bytes());
    bytes.extend(length(entries.len()));
    for (path, Cached { stamp, digest }) in entries {
        let Stamp { device, inode, size, modified, changed, mode } = *stamp;
        bytes.extend(length(path.as_str().len()));
        bytes.extend(path.as_str().as_bytes());
        let times = [modified.0.cast_unsigned(), modified.1, changed.0.cast_unsigned(), changed.1];
        for number in [device, inode, size].into_iter().chain(times).chain([digest.size()]) {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(mode.to_le_bytes());
        bytes.extend(digest.sha256().as_bytes());
    }
    let checksum = Sha256::of(&bytes[32..]);
    bytes[..32].copy_from_slice(checksum.as_bytes());
    bytes
}

/// Takes bytes from the front.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    fn text(&mut self, length: usize) -> Option<String> {
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        String::from_utf8(text.to_vec()).ok()
    }
}

fn decode(bytes: &[u8]) -> Option<(String, BTreeMap<RelPath, Cached>)> {
    let mut reader = Reader(bytes);
    let checksum = reader.array()?;
    if Sha256::of(reader.0).as_bytes() != &checksum || reader.u32()? != VERSION {
        return None;
    }
    let length = u16::from_le_bytes(reader.array()?);
    let boot = reader.text(length.into())?;
    let count = reader.u32()?;
    let mut entries = BTreeMap::new();
    for _ in 0..count {
        let length = usize::try_from(reader.u32()?).ok()?;
        let path = RelPath::new(reader.text(length)?).ok()?;
        let (device, inode, size) = (reader.u64()?, reader.u64()?, reader.u64()?);
        let modified = (reader.i64()?, reader.u64()?);
        let changed = (reader.i64()?, reader.u64()?);
        let content_size = reader.u64()?;
        let mode = reader.u32()?;
        let digest = Digest::new(Sha256::from_bytes(reader.array()?), content_size);
        let stamp = Stamp { device, inode, size, modified, changed, mode };
        entries.insert(path, Cached { stamp, digest });
    }
    Some((boot, entries))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> BTreeMap<RelPath, Cached> {
        let stamp =
            Stamp { device: 1, inode: 2, size: 3, modified: (-4, 5), changed: (6, 7), mode: 0o100_755 };
        let cached = Cached { stamp, digest: Digest::of(b"abc") };
        [(RelPath::new("a/ü").unwrap(), cached), (RelPath::new("b").unwrap(), cached)].into()
    }

    #[test]
    fn what_is_written_is_read_and_what_is_torn_is_nothing() {
        let bytes = encode("boot", &sample());
        assert_eq!(decode(&bytes), Some(("boot".to_owned(), sample())));
        for torn in 0..bytes.len() {
            assert_eq!(decode(&bytes[..torn]), None, "{torn}");
        }
        let mut flipped = bytes;
        *flipped.last_mut().unwrap() ^= 1;
        assert_eq!(decode(&flipped), None);
    }

    #[test]
    fn what_changed_just_now_is_not_remembered() {
        let cached = sample().into_values().next().unwrap();
        let path = RelPath::new("a").unwrap();
        let mut cache = StatCache {
            path: PathBuf::new(),
            this_boot: true,
            old: BTreeMap::new(),
            new: BTreeMap::new(),
            added: false,
        };
        let changed = 6_000_000_007;
        cache.add(path.clone(), cached, changed);
        cache.add(path.clone(), cached, changed + RACY - 1);
        cache.add(path.clone(), cached, changed - 10 * RACY);
        assert!(cache.new.is_empty());
        cache.add(path.clone(), cached, changed + RACY);
        assert_eq!(cache.new.get(&path), Some(&cached));
    }
}
