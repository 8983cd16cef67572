//! Compression of layers.
//!
//! The bytes must not depend on the machine. Gzip is made of blocks, each a member of its own (RFC 1952, 2.2),
//! compressed side by side: neither where they end nor their order depends on the processors.
//! libdeflate and zstd choose instructions by the processor for speed alone; implementations of zlib that choose
//! their hash by it do not give the same bytes everywhere.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::num::NonZero;
use std::sync::mpsc::{Receiver, Sender, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};

use libdeflater::{CompressionLvl, Compressor};
use serde::{Deserialize, Serialize};

/// How a layer is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// As it is.
    None,
    /// What everything understands.
    #[default]
    Gzip,
    /// Smaller and faster; Docker knows it since 23.0, containerd since 1.5.
    Zstd,
}

impl Compression {
    /// Reads what was compressed this way.
    pub(crate) fn decoder<'r>(
        self,
        from: impl Read + Send + 'r,
    ) -> std::io::Result<Box<dyn Read + Send + 'r>> {
        Ok(match self {
            Self::None => Box::new(from),
            Self::Gzip => Box::new(flate2::read::MultiGzDecoder::new(from)),
            Self::Zstd => Box::new(zstd::Decoder::new(from)?),
        })
    }
}

/// Bytes of a block.
const BLOCK: usize = 1 << 20;

/// So many blocks are compressed at once at most, and twice as many held.
const WORKERS: usize = 8;

/// How much time compressing may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// Little, for what changes with each edit. Programs become about as small as by others' tools for images.
    Quick,
    /// More, for what stays.
    Thorough,
}

impl Effort {
    /// libdeflate's levels go from 1 to 12; zlib's default is 6.
    const fn gzip_level(self) -> i32 {
        match self {
            Self::Quick => 2,
            Self::Thorough => 6,
        }
    }
}

/// zstd's own default.
const ZSTD_LEVEL: i32 = 3;

/// A writer that compresses what is written, to another.
pub(crate) enum Encoder<W: Write> {
    None(W),
    Gzip(Blocks<W>),
    Zstd(zstd::Encoder<'static, W>),
}

impl<W: Write> Encoder<W> {
    pub(crate) fn new(compression: Compression, effort: Effort, to: W) -> std::io::Result<Self> {
        Ok(match compression {
            Compression::None => Self::None(to),
            Compression::Gzip => Self::Gzip(Blocks::new(effort, to)?),
            Compression::Zstd => Self::Zstd(zstd::Encoder::new(to, ZSTD_LEVEL)?),
        })
    }

    /// Writes what is held, and gives the inner writer back.
    pub(crate) fn finish(self) -> std::io::Result<W> {
        match self {
            Self::None(to) => Ok(to),
            Self::Gzip(blocks) => blocks.finish(),
            Self::Zstd(encoder) => encoder.finish(),
        }
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::None(to) => to.write(bytes),
            Self::Gzip(blocks) => blocks.write(bytes),
            Self::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::None(to) => to.flush(),
            // Where blocks end must not depend on who flushes.
            Self::Gzip(blocks) => blocks.to.flush(),
            Self::Zstd(encoder) => encoder.get_mut().flush(),
        }
    }
}

/// Gzip, block by block: while workers compress some, the next ones are filled.
pub(crate) struct Blocks<W> {
    to: W,
    block: Vec<u8>,
    /// The members of the blocks that workers have, in their order.
    pending: VecDeque<Receiver<std::io::Result<Vec<u8>>>>,
    workers: Workers,
}

/// A block, and where its member goes.
type Job = (Vec<u8>, SyncSender<std::io::Result<Vec<u8>>>);

/// Threads that compress. They end when this is dropped.
struct Workers {
    count: usize,
    jobs: Sender<Job>,
}

impl Workers {
    fn start(effort: Effort) -> std::io::Result<Self> {
        let count = std::thread::available_parallelism().map_or(1, NonZero::get).min(WORKERS);
        let (jobs, queue) = std::sync::mpsc::channel::<Job>();
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..count {
            let queue = Arc::clone(&queue);
            std::thread::Builder::new().name("gzip".to_owned()).spawn(move || work(&queue, effort))?;
        }
        Ok(Self { count, jobs })
    }
}

/// Compresses blocks until there are no more.
fn work(queue: &Mutex<Receiver<Job>>, effort: Effort) {
    let mut compressor = CompressionLvl::new(effort.gzip_level()).map(Compressor::new);
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((block, to)) = job else { return };
        let member = match &mut compressor {
            Ok(compressor) => member(compressor, &block),
            Err(_) => Err(std::io::Error::other("no such level")),
        };
        // Who does not want it any more has an error of its own.
        let _ = to.send(member);
    }
}

impl<W: Write> Blocks<W> {
    fn new(effort: Effort, to: W) -> std::io::Result<Self> {
        let (block, pending) = (Vec::with_capacity(BLOCK), VecDeque::new());
        Ok(Self { to, block, pending, workers: Workers::start(effort)? })
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let taken = &bytes[..bytes.len().min(BLOCK - self.block.len())];
        self.block.extend_from_slice(taken);
        if self.block.len() == BLOCK {
            self.hand_over()?;
        }
        Ok(taken.len())
    }

    /// Gives the block to the workers, when these have not enough already.
    fn hand_over(&mut self) -> std::io::Result<()> {
        if self.pending.len() >= 2 * self.workers.count {
            self.take()?;
        }
        let block = std::mem::replace(&mut self.block, Vec::with_capacity(BLOCK));
        let (to, member) = std::sync::mpsc::sync_channel(1);
        self.workers.jobs.send((block, to)).map_err(|_| gone())?;
        self.pending.push_back(member);
        Ok(())
    }

    /// Waits for the first member, and writes it.
    fn take(&mut self) -> std::io::Result<()> {
        let Some(member) = self.pending.pop_front() else { return Ok(()) };
        self.to.write_all(&member.recv().map_err(|_| gone())??)
    }

    fn finish(mut self) -> std::io::Result<W> {
        if !self.block.is_empty() {
            self.hand_over()?;
        }
        while !self.pending.is_empty() {
            self.take()?;
        }
        Ok(self.to)
    }
}

fn gone() -> std::io::Error {
    std::io::Error::other("a thread that compresses has ended")
}

/// A gzip member: no name, no time.
fn member(compressor: &mut Compressor, block: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut member = vec![0; compressor.gzip_compress_bound(block.len())];
    let size = compressor
        .gzip_compress(block, &mut member)
        .map_err(|error| std::io::Error::other(error.to_string()))?;
    member.truncate(size);
    Ok(member)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that compress, and not to nothing.
    fn bytes(count: usize) -> Vec<u8> {
        let mut state = 1_u32;
        std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 28) as u8
        })
        .take(count)
        .collect()
    }

    fn compressed(compression: Compression, bytes: &[u8], piece: usize) -> Vec<u8> {
        let mut encoder = Encoder::new(compression, Effort::Quick, Vec::new()).unwrap();
        for piece in bytes.chunks(piece) {
            encoder.write_all(piece).unwrap();
            encoder.flush().unwrap();
        }
        encoder.finish().unwrap()
    }

    #[test]
    fn what_is_compressed_comes_back() {
        let bytes = bytes(BLOCK * (2 * WORKERS + 2) + 17);
        let mut back = Vec::new();
        let gzip = compressed(Compression::Gzip, &bytes, 99_999);
        flate2::read::MultiGzDecoder::new(gzip.as_slice()).read_to_end(&mut back).unwrap();
        assert!(back == bytes && gzip.len() < bytes.len() * 3 / 4);
        back.clear();
        let zstd = compressed(Compression::Zstd, &bytes, 99_999);
        zstd::Decoder::new(zstd.as_slice()).unwrap().read_to_end(&mut back).unwrap();
        assert!(back == bytes && zstd.len() < bytes.len() * 3 / 4);
        assert!(compressed(Compression::None, &bytes, 4096) == bytes);
    }

    #[test]
    fn neither_pieces_nor_threads_change_a_byte() {
        let bytes = bytes(BLOCK * 3 + 5);
        for compression in [Compression::Gzip, Compression::Zstd] {
            let of = |piece| compressed(compression, &bytes, piece);
            assert!(of(1 << 16) == of(12_345));
        }
        // What one thread makes of it, block by block.
        let mut compressor = Compressor::new(CompressionLvl::new(Effort::Quick.gzip_level()).unwrap());
        let alone: Vec<u8> =
            bytes.chunks(BLOCK).flat_map(|block| member(&mut compressor, block).unwrap()).collect();
        assert!(alone == compressed(Compression::Gzip, &bytes, 1 << 20));
    }

    #[test]
    fn a_writer_that_fails_ends_it() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::StorageFull.into())
            }

            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let mut encoder = Encoder::new(Compression::Gzip, Effort::Thorough, Full).unwrap();
        let written = encoder.write_all(&bytes(BLOCK * (4 * WORKERS)));
        assert_eq!(written.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    }
}
