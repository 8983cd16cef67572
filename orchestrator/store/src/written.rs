//! Programs that a linker wrote, until the machine has been started anew.
//!
//! Linkers write through memory: should the machine go down, such a file may have its size and not its bytes, which one
//! that is written from its beginning to its end has not. To write it anew would take as long as all else that is done
//! with it. So the file says under which boot it was written, and under another one it is read before it is believed.

use std::ffi::CStr;
use std::fs::File as HostFile;
use std::path::Path;

use rustix::fs::XattrFlags;
use rustix::io::Errno;
use xbuild_action::StoreError;
use xbuild_base::{Blob, Digest, Hasher, Sha256};

use crate::disk::Disk;
use crate::files::{self, if_there, io, pump};

/// The attribute that says it.
const WRITTEN: &CStr = c"user.xbuild.written";

/// So much of the boot id's checksum is in it: what is seen in a sandbox must not name the machine's boot.
const DIGITS: usize = 16;

impl Disk {
    /// Has a file say that its bytes may not be on the disk yet. Whether it could be noted.
    pub(crate) fn note_boot(&self, file: &HostFile) -> bool {
        let mark = self.mark();
        mark.is_some_and(|mark| {
            rustix::fs::fsetxattr(file, WRITTEN, mark.as_bytes(), XattrFlags::empty()).is_ok()
        })
    }

    /// Whether a file, whose size is right, has the bytes of a blob. One that has not is removed.
    pub(crate) fn has_its_bytes(&self, path: &Path, digest: Digest<Blob>) -> Result<bool, StoreError> {
        let mut space = [0_u8; DIGITS + 1];
        let found = match rustix::fs::lgetxattr(path, WRITTEN, &mut space[..]) {
            Ok(length) => space.get(..length).unwrap_or_default(),
            // Longer than any of ours.
            Err(Errno::RANGE) => &[],
            Err(_) => return Ok(true),
        };
        if self.mark().is_some_and(|mark| mark.as_bytes() == found) {
            return Ok(true);
        }
        let Some(mut file) = if_there(files::open(path)).map_err(io("open", path))? else { return Ok(false) };
        if pump(&mut file, path, None, Hasher::default())? == digest {
            // That it stays costs another look, and no more.
            let _ = rustix::fs::fremovexattr(&file, WRITTEN);
            return Ok(true);
        }
        if_there(rustix::fs::unlink(path)).map_err(io("remove", path))?;
        Ok(false)
    }

    /// What stands for this boot of the machine, if it says which one it is.
    fn mark(&self) -> Option<String> {
        let boot = self.boot();
        (!boot.is_empty()).then(|| Sha256::of(boot.as_bytes()).to_hex()[..DIGITS].to_owned())
    }
}
