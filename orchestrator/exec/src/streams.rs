//! What a program prints: cut into lines for the observer, and kept for the store.

use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::path::PathBuf;

use xbuild_action::{Content, ContentExt as _, ExecutionError, StoreError};
use xbuild_base::{Blob, Digest};

/// Up to here a stream is kept in memory, in bytes; beyond, in a file.
const IN_MEMORY: usize = 4 << 20;

/// A line that is longer is cut, in bytes.
const LONGEST_LINE: usize = 32 << 20;

/// One output stream of a program.
#[derive(Debug)]
pub(crate) struct Capture {
    line: Vec<u8>,
    memory: Vec<u8>,
    spilled: Option<File>,
    spill_to: PathBuf,
    total: u64,
}

impl Capture {
    /// `spill_to` is a file that isn't there yet.
    pub(crate) fn new(spill_to: PathBuf) -> Self {
        Self { line: Vec::new(), memory: Vec::new(), spilled: None, spill_to, total: 0 }
    }

    /// Bytes until now.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// Takes what was read, and calls `on_line` for each line that it ends.
    pub(crate) fn push(
        &mut self,
        bytes: &[u8],
        on_line: &mut dyn FnMut(&[u8]),
    ) -> Result<(), ExecutionError> {
        self.total += bytes.len() as u64;
        self.keep(bytes)?;
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            if self.line.is_empty() {
                on_line(&rest[..end]);
            } else {
                self.line.extend_from_slice(&rest[..end]);
                on_line(&std::mem::take(&mut self.line));
            }
            rest = &rest[end + 1..];
        }
        self.line.extend_from_slice(rest);
        if self.line.len() > LONGEST_LINE {
            on_line(&std::mem::take(&mut self.line));
        }
        Ok(())
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), ExecutionError> {
        if self.spilled.is_none() && self.memory.len() + bytes.len() > IN_MEMORY {
            self.spilled = Some(self.spill().map_err(self.cannot_keep())?);
            self.memory = Vec::new();
        }
        match &mut self.spilled {
            Some(file) => {
                let written = file.write_all(bytes);
                written.map_err(self.cannot_keep())
            }
            None => {
                self.memory.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    fn spill(&self) -> std::io::Result<File> {
        let mut options = fs_err::OpenOptions::new();
        let (mut file, _) =
            options.read(true).write(true).create_new(true).open(&self.spill_to)?.into_parts();
        file.write_all(&self.memory)?;
        Ok(file)
    }

    fn cannot_keep(&self) -> impl FnOnce(std::io::Error) -> ExecutionError + use<> {
        let path = self.spill_to.clone();
        move |source| StoreError::io("write", path)(source).into()
    }

    /// Hears the last line if it had no end, and stores the whole.
    pub(crate) fn finish(
        mut self,
        store: &dyn Content,
        on_line: &mut dyn FnMut(&[u8]),
    ) -> Result<Digest<Blob>, ExecutionError> {
        if !self.line.is_empty() {
            on_line(&std::mem::take(&mut self.line));
        }
        match &mut self.spilled {
            Some(file) => {
                let rewound = file.rewind();
                if let Err(error) = rewound {
                    return Err(self.cannot_keep()(error));
                }
                Ok(store.put_reader(file)?)
            }
            None => Ok(store.put(&self.memory)?),
        }
    }
}

#[cfg(test)]
mod tests {
    use xbuild_action::Memory;

    use super::*;

    fn lines(chunks: &[&[u8]]) -> (Vec<Vec<u8>>, Digest<Blob>) {
        let folder = tempfile::tempdir().unwrap();
        let mut capture = Capture::new(folder.path().join("spill"));
        let mut heard = Vec::new();
        for chunk in chunks {
            capture.push(chunk, &mut |line| heard.push(line.to_vec())).unwrap();
        }
        let digest = capture.finish(&Memory::default(), &mut |line| heard.push(line.to_vec())).unwrap();
        (heard, digest)
    }

    #[test]
    fn lines_are_put_together_however_the_bytes_come() {
        let (heard, digest) = lines(&[b"a\nb", b"c", b"\n\n\xff", b"d\r\ne"]);
        assert_eq!(heard, [&b"a"[..], b"bc", b"", b"\xffd\r", b"e"]);
        assert_eq!(digest, Digest::of(b"a\nbc\n\n\xffd\r\ne"));
        assert_eq!(lines(&[]).0, Vec::<Vec<u8>>::new());
    }

    #[test]
    fn what_does_not_fit_in_memory_is_kept_in_a_file() {
        let chunk = [vec![b'x'; 1 << 20], vec![b'\n']].concat();
        let (heard, digest) = lines(&[chunk.as_slice(); 6]);
        assert_eq!(heard.len(), 6);
        assert_eq!(digest, Digest::of(&chunk.repeat(6)));
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let chunk = vec![b'x'; LONGEST_LINE / 2];
        let (heard, _) = lines(&[&chunk, &chunk, b"y", b"z"]);
        assert_eq!(heard.iter().map(Vec::len).collect::<Vec<_>>(), [LONGEST_LINE + 1, 1]);
    }
}
