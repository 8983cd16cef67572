//! How much an archive may hold, and a reader that holds it to that.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use super::ArchiveError;

/// How much may come out of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Bytes of all files together.
    pub(crate) total: u64,
    /// Files, links and directories.
    pub(crate) entries: u64,
    /// Bytes of headers between two files.
    pub(crate) header: u64,
}

impl Limits {
    /// For an archive of `packed` bytes: 16 GiB and a million entries at most, and no more than 200 bytes for
    /// each packed one once there are 256 MiB (real packages reach 30).
    pub(crate) fn for_archive(packed: u64) -> Self {
        let total = packed.saturating_mul(200).clamp(256 << 20, 16 << 30);
        Self { total, entries: 1_000_000, header: 4 << 20 }
    }
}

/// What has come out of an archive so far.
#[derive(Debug)]
pub(crate) struct Meter {
    limits: Limits,
    bytes: u64,
    entries: u64,
}

impl Meter {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, bytes: 0, entries: 0 }
    }

    /// Counts an entry.
    pub(crate) fn entry(&mut self) -> Result<(), ArchiveError> {
        self.entries += 1;
        if self.entries > self.limits.entries {
            let problem = format!("more than {} entries", self.limits.entries);
            return Err(ArchiveError::Absurd { problem });
        }
        Ok(())
    }

    /// How many bytes may still come.
    pub(crate) fn left(&self) -> u64 {
        self.limits.total - self.bytes
    }

    /// Counts bytes.
    pub(crate) fn bytes(&mut self, count: u64) -> Result<(), ArchiveError> {
        match self.bytes.checked_add(count).filter(|sum| *sum <= self.limits.total) {
            Some(sum) => {
                self.bytes = sum;
                Ok(())
            }
            None => Err(self.too_large()),
        }
    }

    fn too_large(&self) -> ArchiveError {
        ArchiveError::Absurd { problem: format!("more than {} bytes for its size", self.limits.total) }
    }
}

/// A reader that gives only so much until it is allowed more: an endless name in a tar header must not end up
/// in memory.
pub(super) struct Gate<R> {
    inner: R,
    allowance: Rc<Cell<u64>>,
}

impl<R> Gate<R> {
    /// The reader, and what it may still give.
    pub(super) fn new(inner: R) -> (Self, Rc<Cell<u64>>) {
        let allowance = Rc::new(Cell::new(0));
        (Self { inner, allowance: Rc::clone(&allowance) }, allowance)
    }
}

impl<R: Read> Read for Gate<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let allowed = self.allowance.get();
        if allowed == 0 && !buffer.is_empty() {
            return Err(io::Error::other("a header is larger than makes sense"));
        }
        let most = usize::try_from(allowed).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.inner.read(&mut buffer[..most])?;
        self.allowance.set(allowed - read as u64);
        Ok(read)
    }
}
