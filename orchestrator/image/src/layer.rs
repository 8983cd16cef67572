//! A layer: some files as a tar, compressed, in the store.
//!
//! Entries are sorted by path and carry numbers for owners and one constant time; there is no name of a user, a
//! host or a folder of the machine in it. It is written as it is read: memory does not grow with what is in it.

use std::collections::BTreeMap;
use std::io::{BufReader, BufWriter, Read, Write};
use std::sync::mpsc::{Receiver, SyncSender};

use serde::{Deserialize, Serialize};
use xbuild_action::{Content, StoreError};
use xbuild_base::{Blob, Digest, Hasher, RelPath, Sha256};
use xbuild_store::{Disk, Namespace};

use crate::compress::{Compression, Effort, Encoder};
use crate::error::ImageError;
use crate::rootfs::{Kind, Node, Owner, Role};

/// The time of everything in a layer: 1980-01-01T00:00:00Z in seconds since 1970, as of all that xbuild makes.
pub(crate) const TIME: u64 = 315_532_800;

/// The memo namespace: what a layer is made of → its digests. A change of its bytes takes a new name.
const LAYERS: Namespace = Namespace::new("image-layer-1");

/// A layer in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// The tar's digest: what the configuration names.
    pub diff: Digest<Blob>,
    /// The compressed tar's digest: what the manifest names.
    pub blob: Digest<Blob>,
    /// How it is compressed.
    pub compression: Compression,
}

/// Packs files into a layer, sorted by path. A layer that was packed before is not packed again.
///
/// # Errors
/// When a file is missing in the store, or the layer can't be written.
pub fn pack(
    store: &Disk,
    nodes: &BTreeMap<RelPath, Node>,
    role: Role,
    compression: Compression,
) -> Result<Layer, ImageError> {
    let effort = match role {
        Role::Application => Effort::Quick,
        Role::Pulled | Role::Base | Role::Libraries | Role::Assets => Effort::Thorough,
    };
    let key = key(nodes, compression, effort);
    if let Some(layer) = recall(store, key)? {
        return Ok(layer);
    }
    let (sender, receiver) = std::sync::mpsc::sync_channel(QUEUE);
    let (blob, diff) = std::thread::scope(|scope| {
        let writer = BufWriter::with_capacity(PIECE, Pieces(sender));
        let packer = scope.spawn(move || write_compressed(store, nodes, (compression, effort), writer));
        let mut reader = Packed { receiver, piece: Vec::new(), read: 0 };
        let blob = store.put_reader(&mut reader);
        // The packer would wait for ever for a reader that has gone.
        drop(reader);
        let diff = packer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        match (blob, diff) {
            // A store that failed is why there was nobody to write to.
            (Err(error), _) => Err(error.into()),
            (Ok(_), Err(error)) => Err(error),
            (Ok(blob), Ok(diff)) => Ok::<_, ImageError>((blob, diff)),
        }
    })?;
    let layer = Layer { diff, blob, compression };
    let record = serde_json::to_vec(&layer).map_err(|error| ImageError::Specification(error.to_string()))?;
    store.put_memo(LAYERS, key, &record)?;
    Ok(layer)
}

/// Bytes that go from the packer to the store at once.
const PIECE: usize = 1 << 18;

/// So many pieces wait for the store.
const QUEUE: usize = 8;

/// The packer's side: sends what is written.
struct Pieces(SyncSender<Vec<u8>>);

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.send(bytes.to_vec()).map_err(|_| std::io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The store's side.
struct Packed {
    receiver: Receiver<Vec<u8>>,
    piece: Vec<u8>,
    read: usize,
}

impl Read for Packed {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.read == self.piece.len() {
            match self.receiver.recv() {
                Ok(piece) => (self.piece, self.read) = (piece, 0),
                // The packer has finished, or has failed: it says so itself.
                Err(_) => return Ok(0),
            }
        }
        let count = buffer.len().min(self.piece.len() - self.read);
        buffer[..count].copy_from_slice(&self.piece[self.read..self.read + count]);
        self.read += count;
        Ok(count)
    }
}

/// What a layer's bytes depend on.
fn key(nodes: &BTreeMap<RelPath, Node>, compression: Compression, effort: Effort) -> Sha256 {
    let mut key = Hasher::default();
    // Another version of xbuild may have another version of a library, and that other bytes.
    key.update_framed(&format!("{compression:?} {effort:?} {}", env!("CARGO_PKG_VERSION")));
    for (path, Node { kind, mode, owner, role: _, why: _ }) in nodes {
        key.update_framed(path.as_str());
        key.update_framed(&format!("{kind:?} {mode:o} {} {}", owner.uid, owner.gid));
    }
    key.sha256()
}

fn recall(store: &Disk, key: Sha256) -> Result<Option<Layer>, StoreError> {
    let layer: Option<Layer> =
        store.memo(LAYERS, key).and_then(|record| serde_json::from_slice(&record).ok());
    Ok(match layer {
        Some(layer) if store.has_blob(layer.blob)? => Some(layer),
        _ => None,
    })
}

/// Writes the compressed tar; the digest of the tar itself.
fn write_compressed(
    store: &dyn Content,
    nodes: &BTreeMap<RelPath, Node>,
    (compression, effort): (Compression, Effort),
    to: impl Write,
) -> Result<Digest<Blob>, ImageError> {
    let failed = || ImageError::io("write", "a layer");
    let encoder = Encoder::new(compression, effort, to).map_err(failed())?;
    let hashed = write_tar(store, nodes, Hashed { hasher: Hasher::default(), to: encoder })?;
    hashed.to.finish().and_then(|mut to| to.flush()).map_err(failed())?;
    Ok(hashed.hasher.digest())
}

/// Writes files as a tar, and gives the writer back.
pub(crate) fn write_tar<W: Write>(
    store: &dyn Content,
    nodes: &BTreeMap<RelPath, Node>,
    to: W,
) -> Result<W, ImageError> {
    let mut tar = tar::Builder::new(to);
    for (path, node) in nodes {
        append(store, &mut tar, path, node)?;
    }
    tar.into_inner().map_err(ImageError::io("write", "a layer"))
}

fn append<W: Write>(
    store: &dyn Content,
    tar: &mut tar::Builder<W>,
    path: &RelPath,
    node: &Node,
) -> Result<(), ImageError> {
    let mut header = header(node.mode, node.owner, node.size());
    let written = match &node.kind {
        Kind::File(digest) => {
            let blob = BufReader::with_capacity(PIECE, store.open_blob(*digest)?);
            tar.append_data(&mut header, path.as_str(), &mut Exactly { inner: blob, left: digest.size() })
        }
        Kind::Directory => {
            header.set_entry_type(tar::EntryType::Directory);
            tar.append_data(&mut header, format!("{path}/"), std::io::empty())
        }
        Kind::Symlink(target) => {
            header.set_entry_type(tar::EntryType::Symlink);
            tar.append_link(&mut header, path.as_str(), target)
        }
    };
    written.map_err(ImageError::io("pack", path.as_str()))
}

fn header(mode: u32, owner: Owner, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_mtime(TIME);
    header.set_mode(mode);
    header.set_uid(owner.uid);
    header.set_gid(owner.gid);
    header.set_size(size);
    header
}

/// Adds a file that stands in memory.
pub(crate) fn append_bytes<W: Write>(
    tar: &mut tar::Builder<W>,
    path: &str,
    bytes: &[u8],
) -> std::io::Result<()> {
    append_reader(tar, path, bytes.len() as u64, bytes)
}

/// Adds a file of `size` bytes.
pub(crate) fn append_reader<W: Write>(
    tar: &mut tar::Builder<W>,
    path: &str,
    size: u64,
    reader: impl Read,
) -> std::io::Result<()> {
    let mut header = header(0o644, Owner::default(), size);
    tar.append_data(&mut header, path, &mut Exactly { inner: reader, left: size })
}

/// A reader that must give so many bytes: a tar says before a file how long it is.
struct Exactly<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Exactly<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let wrong = |problem| Err(std::io::Error::new(std::io::ErrorKind::InvalidData, problem));
        match self.left.checked_sub(count as u64) {
            None => wrong("it is longer than its digest says"),
            Some(1..) if count == 0 && !buffer.is_empty() => wrong("it is shorter than its digest says"),
            Some(left) => {
                self.left = left;
                Ok(count)
            }
        }
    }
}

/// A writer or reader that hashes what goes through it.
pub(crate) struct Hashed<W> {
    pub(crate) hasher: Hasher,
    pub(crate) to: W,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.to.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let count = self.to.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.to.flush()
    }
}

/// The layers of an image's files, in their order: one for each role that has any.
pub(crate) fn pack_all(
    store: &Disk,
    root: &crate::rootfs::RootFs,
    compression: Compression,
) -> Result<Vec<(Role, Layer)>, ImageError> {
    let mut layers = Vec::new();
    for role in crate::rootfs::ROLES {
        let nodes = root.layer(role);
        if !nodes.is_empty() {
            layers.push((role, pack(store, &nodes, role, compression)?));
        }
    }
    Ok(layers)
}

#[cfg(test)]
mod tests {
    use xbuild_action::ContentExt as _;

    use super::*;
    use crate::rootfs::tests::path;

    fn nodes(store: &dyn Content, text: &str) -> BTreeMap<RelPath, Node> {
        let file = store.put(text.as_bytes()).unwrap();
        let mut tmp = Node::directory(Role::Base, "");
        (tmp.mode, tmp.owner) = (0o1777, Owner { uid: 65_532, gid: 65_532 });
        [
            (path("bin"), Node::directory(Role::Application, "")),
            (path("bin/foo"), Node::file(file, 0o755, Role::Application, "")),
            (path("bin/link"), Node::symlink("foo", Role::Application, "")),
            (path("tmp"), tmp),
        ]
        .into()
    }

    fn store(place: &std::path::Path) -> Disk {
        Disk::open(&place.join("store"), None).unwrap()
    }

    #[test]
    fn a_layer_is_a_sorted_tar_with_numbers_and_one_time() {
        let place = tempfile::tempdir().unwrap();
        let store = store(place.path());
        let layer = pack(&store, &nodes(&store, "text"), Role::Application, Compression::Gzip).unwrap();
        let blob = store.open_blob(layer.blob).unwrap();
        let mut tar = tar::Archive::new(flate2::read::MultiGzDecoder::new(blob));
        let mut seen = Vec::new();
        for entry in tar.entries().unwrap() {
            let entry = entry.unwrap();
            let header = entry.header();
            assert_eq!(header.mtime().unwrap(), TIME);
            assert_eq!((header.username().unwrap(), header.groupname().unwrap()), (Some(""), Some("")));
            seen.push(format!(
                "{} {:o} {} {:?}",
                entry.path().unwrap().display(),
                header.mode().unwrap(),
                header.uid().unwrap(),
                entry.link_name().unwrap().map(|link| link.display().to_string()),
            ));
        }
        assert_eq!(
            seen,
            ["bin/ 755 0 None", "bin/foo 755 0 None", "bin/link 777 0 Some(\"foo\")", "tmp/ 1777 65532 None"]
        );
    }

    #[test]
    fn the_tar_s_digest_is_that_of_the_uncompressed_bytes() {
        let place = tempfile::tempdir().unwrap();
        let store = store(place.path());
        let nodes = nodes(&store, "text");
        let layers = [Compression::None, Compression::Gzip, Compression::Zstd]
            .map(|compression| pack(&store, &nodes, Role::Application, compression).unwrap());
        assert_eq!(layers[0].diff, layers[0].blob);
        assert!(layers.iter().all(|layer| layer.diff == layers[0].diff));
        let other =
            pack(&store, &self::nodes(&store, "other"), Role::Application, Compression::None).unwrap();
        assert_ne!(other.diff, layers[0].diff);
    }

    /// The bytes are part of what users compare: whoever runs this has them, on whatever machine. Where a new version of
    /// a library changes them on purpose, the changelog must say so.
    #[test]
    fn the_bytes_are_these_on_every_machine() {
        let place = tempfile::tempdir().unwrap();
        let store = store(place.path());
        let text: String = (0..200_000).map(|number| format!("{number:x} ")).collect();
        let nodes = nodes(&store, &text);
        let of = |role, compression| pack(&store, &nodes, role, compression).unwrap().blob.to_string();
        let digests = [
            of(Role::Application, Compression::None),
            of(Role::Application, Compression::Gzip),
            of(Role::Assets, Compression::Gzip),
            of(Role::Assets, Compression::Zstd),
        ];
        assert_eq!(
            digests,
            [
                "sha256:24e06edf782ca71d270097829a824436560f70cd8e25c6a1dcc3476eda829d27/1133568",
                "sha256:163cde03c4de9047b32dc09e5877923a10557fa71e2e461be2a033320112161d/432084",
                "sha256:b1566b0263433c04b861956ee800869e16e809e9a9e9ce5817e1647c63a69968/312797",
                "sha256:75859ab1a65b85925e4929c279048254cc87993aaaba2a23c367c623070a301f/218173",
            ]
        );
    }

    #[test]
    fn two_stores_give_the_same_layer() {
        let layers = [(); 2].map(|()| {
            let place = tempfile::tempdir().unwrap();
            let store = store(place.path());
            pack(&store, &nodes(&store, "text"), Role::Application, Compression::Gzip).unwrap()
        });
        assert_eq!(layers[0], layers[1]);
    }

    #[test]
    fn a_file_that_is_not_in_the_store_is_named_and_nothing_is_remembered() {
        let place = tempfile::tempdir().unwrap();
        let store = store(place.path());
        let mut nodes = nodes(&store, "text");
        let gone = Digest::of(b"gone");
        nodes.insert(path("bin/gone"), Node::file(gone, 0o644, Role::Application, ""));
        let error = pack(&store, &nodes, Role::Application, Compression::Gzip).unwrap_err();
        assert!(matches!(error, ImageError::Store(StoreError::Missing { .. })), "{error}");
        store.put(b"gone").unwrap();
        let layer = pack(&store, &nodes, Role::Application, Compression::None).unwrap();
        let sizes: Vec<u64> = tar::Archive::new(store.open_blob(layer.blob).unwrap())
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().size())
            .collect();
        assert_eq!(sizes, [0, 4, 4, 0, 0]);
    }
}
