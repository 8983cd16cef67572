//! Packs: what was used of a store since a moment, with all that it needs, as one stream for another store.
//!
//! A pack is a tar archive compressed by zstd. Its first file is `xbuild-pack`, which holds the format's number. Then come,
//! named as in the store but for the folders in between, `directories/<hex>`, `blobs/<hex>` (those of mode 0755 were
//! executable), `memo/<namespace>/<hex>` and `actions/<hex>`: what names comes after what it names, so that of a pack that
//! is cut off nothing leads nowhere. Everything is checked when it is taken in: content by its digest, records by what they
//! say of themselves.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use xbuild_action::Directory;
use xbuild_base::Sha256;

use crate::actions::parse_named;
use crate::disk::Disk;
use crate::error::Error;
use crate::files::{self, FILE_TIME, io};
use crate::layout::Variant;
use crate::memo;
use crate::usage::Held;

/// The format that is written, and the only one that is read.
const FORMAT: &str = "1\n";

/// The first file of each pack.
const HEAD: &str = "xbuild-pack";

/// How hard zstd tries: what is packed is mostly programs, and a restored cache must be there soon.
const LEVEL: i32 = 3;

/// Larger blobs are not held in memory.
const LARGE: u64 = 8 << 20;

/// So many threads check and write what one reads.
const WRITERS: usize = 2;

/// The names of what a pack holds: for another one that shall not hold it again.
///
/// # Errors
/// [`Error::Pack`] when it is none.
pub fn names_in_pack(from: &mut dyn Read) -> Result<BTreeSet<String>, Error> {
    let mut names = BTreeSet::new();
    each_file(from, &mut |name, _| {
        names.insert(name.to_owned());
        Ok(())
    })?;
    Ok(names)
}

impl Disk {
    /// Writes a pack of what was used since a moment, without what `without` names ([`names_in_pack`]); gives what is in
    /// it, uncompressed.
    ///
    /// # Errors
    /// When the store can't be read, or the pack not be written.
    pub fn export_pack(
        &self,
        since: SystemTime,
        without: &BTreeSet<String>,
        to: &mut dyn Write,
    ) -> Result<Held, Error> {
        let used = self.used_since(since)?;
        let encoder = zstd::Encoder::new(to, LEVEL).map_err(Error::PackNotWritten)?;
        let mut pack = Pack { archive: tar::Builder::new(encoder), without, packed: Held::default() };
        pack.bytes(HEAD, FORMAT.as_bytes())?;
        for tree in &used.trees {
            let bytes = files::read(&self.layout().directory(*tree))?;
            pack.bytes(&format!("directories/{}", tree.to_hex()), &bytes.unwrap_or_default())?;
        }
        for blob in &used.blobs {
            self.export_blob(*blob, &mut pack)?;
        }
        // Only these are replaced now and then, and what is there now is what counts.
        for (folder, paths) in [("memo", &used.memos), ("actions", &used.actions)] {
            for path in paths {
                let Some(bytes) = files::read(path)? else { continue };
                pack.bytes(&record_name(&self.layout().part(folder), folder, path), &bytes)?;
            }
        }
        let written = pack.archive.into_inner().and_then(zstd::Encoder::finish);
        written.and_then(|to| to.flush()).map_err(Error::PackNotWritten)?;
        Ok(pack.packed)
    }

    /// What a memo names may be a tree or a blob: there needn't be a blob of each.
    fn export_blob(&self, blob: Sha256, pack: &mut Pack<'_, '_>) -> Result<(), Error> {
        for variant in [Variant::Plain, Variant::Executable] {
            let path = self.layout().blob(blob, variant);
            if files::size_of(&path)?.is_none() {
                continue;
            }
            let mut file = files::open(&path).map_err(io("open", &path))?;
            let size = rustix::fs::fstat(&file).map_err(io("look at", &path))?.st_size.cast_unsigned();
            return pack.file(&format!("blobs/{}", blob.to_hex()), variant.mode(), size, &mut file);
        }
        Ok(())
    }

    /// Takes a pack in. What is there already stays.
    ///
    /// # Errors
    /// [`Error::Pack`] when it is none, is cut off, or holds what isn't what it is called; whatever was whole until then
    /// is in the store. When the store can't be written.
    pub fn import_pack(&self, from: &mut dyn Read) -> Result<Held, Error> {
        let mut packed = Held::default();
        let mut records: Vec<(String, Vec<u8>)> = Vec::new();
        let failed: Mutex<Option<Error>> = Mutex::new(None);
        let fail = |error: Error| {
            failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        };
        let (sender, receiver) = sync_channel::<(String, bool, Vec<u8>)>(4 * WRITERS);
        let receiver = Mutex::new(receiver);
        let read = std::thread::scope(|scope| {
            for _ in 0..WRITERS {
                scope.spawn(|| {
                    while let Some((name, executable, bytes)) = next(&receiver) {
                        if let Err(error) = self.take_content(&name, executable, &mut bytes.as_slice()) {
                            fail(error);
                        }
                    }
                });
            }
            let read = each_file(from, &mut |name, file| {
                if let Some(error) = failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
                    return Err(error);
                }
                let (size, mode) = (file.size(), file.header().mode().unwrap_or_default());
                packed.add(size);
                let executable = mode & 0o100 != 0;
                if name.starts_with("blobs/") && size > LARGE {
                    return self.take_content(name, executable, file);
                }
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes).map_err(damaged)?;
                if name.starts_with("blobs/") || name.starts_with("directories/") {
                    // Nobody has hung up: the receiver lives as long as the threads.
                    let _ = sender.send((name.to_owned(), executable, bytes));
                } else {
                    records.push((name.to_owned(), bytes));
                }
                Ok(())
            });
            drop(sender);
            read
        });
        if let Some(error) = failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(error);
        }
        read?;
        // All that they name is there now.
        for (name, bytes) in records {
            self.take_record(&name, &bytes)?;
        }
        Ok(packed)
    }

    fn take_content(&self, name: &str, executable: bool, from: &mut dyn Read) -> Result<(), Error> {
        let wrong = || Error::Pack(format!("its {name} holds something else"));
        let (folder, hex) = name.split_once('/').ok_or_else(wrong)?;
        let expected = Sha256::from_hex(hex).map_err(|_| wrong())?;
        let found = if folder == "directories" {
            let mut bytes = Vec::new();
            from.read_to_end(&mut bytes).map_err(damaged)?;
            // It must be the very message: what is written is encoded anew.
            let directory = Directory::decode(&bytes).filter(|it| it.encode() == bytes).ok_or_else(wrong)?;
            if directory.digest().sha256() != expected {
                return Err(wrong());
            }
            self.write_directory(&directory)?.sha256()
        } else {
            let mut checked = Counted { from, problem: None };
            let put = self.put_stream(&mut checked, Path::new(name), Variant::of(executable));
            match (put, checked.problem) {
                (_, Some(problem)) => return Err(damaged(problem)),
                (put, None) => put?.sha256(),
            }
        };
        if found == expected { Ok(()) } else { Err(wrong()) }
    }

    fn take_record(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let wrong = |problem: &str| Error::Pack(format!("its {name} {problem}"));
        let parts: Vec<&str> = name.split('/').collect();
        let key = parts.last().and_then(|hex| Sha256::from_hex(hex).ok());
        match (&parts[..], key) {
            (["actions", hex], Some(key)) => {
                parse_named(hex, bytes).map_err(|problem| wrong(&problem))?;
                Ok(self.write_record(&self.layout().action_named(key), bytes)?)
            }
            (["memo", namespace, _], Some(key)) => {
                let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
                if !namespace.chars().all(is_name) || !memo::is_whole(namespace, key, bytes) {
                    return Err(wrong("is no whole memo"));
                }
                Ok(self.write_record(&self.layout().memo(namespace, key), bytes)?)
            }
            _ => Err(wrong("is nothing that a store has")),
        }
    }
}

/// A pack that is written.
struct Pack<'p, 'w> {
    archive: tar::Builder<zstd::Encoder<'p, &'w mut dyn Write>>,
    without: &'p BTreeSet<String>,
    packed: Held,
}

impl Pack<'_, '_> {
    fn bytes(&mut self, name: &str, mut bytes: &[u8]) -> Result<(), Error> {
        let size = bytes.len() as u64;
        self.file(name, 0o644, size, &mut bytes)
    }

    fn file(&mut self, name: &str, mode: u32, size: u64, from: &mut dyn Read) -> Result<(), Error> {
        // Each has its head, and records may have changed.
        if self.without.contains(name) && !name.starts_with("memo/") && name != HEAD {
            return Ok(());
        }
        let mut header = tar::Header::new_ustar();
        header.set_size(size);
        header.set_mode(mode);
        header.set_mtime(FILE_TIME.cast_unsigned());
        self.archive.append_data(&mut header, name, from).map_err(Error::PackNotWritten)?;
        if name != HEAD {
            self.packed.add(size);
        }
        Ok(())
    }
}

/// What can't be read of a pack is told from what can't be written of a store.
struct Counted<'r> {
    from: &'r mut dyn Read,
    problem: Option<std::io::Error>,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.from.read(buffer).map_err(|error| {
            let kind = error.kind();
            self.problem = Some(error);
            kind.into()
        })
    }
}

fn next<T>(receiver: &Mutex<Receiver<T>>) -> Option<T> {
    receiver.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

fn damaged(error: std::io::Error) -> Error {
    Error::Pack(format!("it is damaged or cut off: {error}"))
}

type Archived<'a, 'r> = tar::Entry<'a, zstd::Decoder<'static, std::io::BufReader<&'r mut dyn Read>>>;

/// Reads a pack from its head to its end.
fn each_file<'r>(
    from: &'r mut dyn Read,
    take: &mut dyn FnMut(&str, &mut Archived<'_, 'r>) -> Result<(), Error>,
) -> Result<(), Error> {
    let decoder = zstd::Decoder::new(from).map_err(damaged)?;
    let mut archive = tar::Archive::new(decoder);
    let mut is_first = true;
    for file in archive.entries().map_err(damaged)? {
        let mut file = file.map_err(damaged)?;
        let name = file.path().map_err(damaged)?.to_string_lossy().into_owned();
        if std::mem::take(&mut is_first) {
            let mut format = String::new();
            if name == HEAD {
                (&mut file).take(64).read_to_string(&mut format).map_err(damaged)?;
            }
            match format.as_str() {
                FORMAT => continue,
                "" => return Err(Error::Pack("it is no pack of xbuild's".to_owned())),
                newer => {
                    return Err(Error::Pack(format!(
                        "its format is {}; this xbuild knows {}",
                        newer.trim(),
                        FORMAT.trim()
                    )));
                }
            }
        }
        take(&name, &mut file)?;
    }
    if is_first {
        return Err(Error::Pack("it is empty".to_owned()));
    }
    Ok(())
}

/// A record's name in a pack, from its file `<folder>/…/ab/<hex>[.json]`.
fn record_name(part: &Path, folder: &str, path: &Path) -> String {
    let below: PathBuf = path.strip_prefix(part).unwrap_or(path).to_owned();
    let hex = path.file_stem().unwrap_or_default().to_string_lossy();
    match (folder, below.components().next()) {
        ("memo", Some(namespace)) => format!("memo/{}/{hex}", namespace.as_os_str().to_string_lossy()),
        _ => format!("{folder}/{hex}"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use xbuild_action::{
        ActionCache as _, ActionResult, Content as _, ContentExt as _, Entry, File, Isolation, Output, Times,
    };
    use xbuild_base::{Action, Digest, RelPath};

    use super::*;
    use crate::memo::Namespace;

    const KNOWN: Namespace = Namespace::new("known-1");

    struct Place(tempfile::TempDir);

    impl Place {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn open(&self) -> Disk {
            Disk::open(&self.0.path().join("store"), None).unwrap()
        }
    }

    /// Records an action that made a folder with a program in it, and a memo that names the folder.
    fn fill(store: &Disk, word: &str) -> (Digest<Action>, Digest<xbuild_base::Tree>) {
        let program = store.put_executable(&mut format!("#!{word}").as_bytes()).unwrap();
        let text = store.put(word.repeat(100).as_bytes()).unwrap();
        let mut directory = Directory::default();
        directory.entries.insert("run".to_owned(), Entry::File(File { digest: program, executable: true }));
        directory.entries.insert("text".to_owned(), Entry::File(File { digest: text, executable: false }));
        let tree = store.put_directory(&directory).unwrap();
        let nothing = store.put(b"").unwrap();
        let result = ActionResult {
            outputs: BTreeMap::from([(RelPath::new("out").unwrap(), Output::Tree(tree))]),
            exit_code: 0,
            stdout: nothing,
            stderr: nothing,
            isolation: Isolation::Full,
            times: Times::default(),
        };
        let action = Digest::of(word.as_bytes());
        store.record(action, &result).unwrap();
        store.put_memo(KNOWN, Sha256::of(word.as_bytes()), tree.to_string().as_bytes()).unwrap();
        (action, tree)
    }

    #[expect(clippy::disallowed_methods, reason = "what was used since a moment is about the clock")]
    fn now() -> SystemTime {
        // The kernel's clock for files goes by ticks.
        std::thread::sleep(Duration::from_millis(30));
        let now = SystemTime::now();
        std::thread::sleep(Duration::from_millis(30));
        now
    }

    fn pack(store: &Disk, since: SystemTime, without: &BTreeSet<String>) -> (Vec<u8>, Held) {
        let mut bytes = Vec::new();
        let packed = store.export_pack(since, without, &mut bytes).unwrap();
        (bytes, packed)
    }

    #[test]
    fn what_was_used_comes_back_in_another_store_and_nothing_else() {
        let (place, other) = (Place::new(), Place::new());
        let store = place.open();
        let (old, _) = fill(&store, "old");
        let (used, _) = fill(&store, "used");
        let since = now();
        assert!(store.result(used).unwrap().is_some());
        let (new, tree) = fill(&store, "new");
        let (bytes, packed) = pack(&store, since, &BTreeSet::new());
        // Two results, one memo, two levels, two programs, two texts, and what nothing was printed to.
        assert_eq!(packed.files, 2 + 1 + 2 + 4 + 1);

        let there = other.open();
        assert_eq!(there.import_pack(&mut bytes.as_slice()).unwrap(), packed);
        assert!(there.result(used).unwrap().is_some() && there.result(new).unwrap().is_some());
        assert!(there.result(old).unwrap().is_none());
        assert!(there.has_tree(tree).unwrap());
        assert_eq!(there.memo(KNOWN, Sha256::of(b"new")), Some(tree.to_string().into_bytes()));
        assert!(there.verify(crate::Repair::Report, &Default::default()).unwrap().damaged.is_empty());
        assert_eq!(there.import_pack(&mut bytes.as_slice()).unwrap(), packed, "once more");

        // A delta holds what the other hasn't.
        let known = names_in_pack(&mut bytes.as_slice()).unwrap();
        let (more, _) = fill(&store, "more");
        let (delta, packed) = pack(&store, since, &known);
        assert_eq!(packed.files, 1 + 2 + 1 + 2, "a result, two memos, a level, a program and a text");
        there.import_pack(&mut delta.as_slice()).unwrap();
        assert!(there.result(more).unwrap().is_some());
    }

    #[test]
    fn a_damaged_pack_is_refused_and_leaves_nothing_wrong_behind() {
        let place = Place::new();
        let store = place.open();
        let since = now();
        let (action, _) = fill(&store, "it");
        let (bytes, _) = pack(&store, since, &BTreeSet::new());
        let refused = |bytes: &[u8]| {
            let other = Place::new();
            let there = other.open();
            let error = there.import_pack(&mut &*bytes).unwrap_err();
            assert!(there.result(action).unwrap().is_none());
            assert!(there.verify(crate::Repair::Report, &Default::default()).unwrap().damaged.is_empty());
            error.to_string()
        };
        for cut in [0, 10, bytes.len() / 2, bytes.len() - 20] {
            refused(&bytes[..cut]);
        }
        assert!(refused(b"no pack at all").contains("the pack can't be used"), "{}", refused(b"no pack"));

        // Archives that are whole, and hold something else than they say.
        let archive = |files: &[(&str, &[u8])]| {
            let mut archive = tar::Builder::new(zstd::Encoder::new(Vec::new(), 1).unwrap());
            for (name, bytes) in files {
                let mut header = tar::Header::new_ustar();
                header.set_size(bytes.len() as u64);
                header.set_mode(0o644);
                archive.append_data(&mut header, name, *bytes).unwrap();
            }
            archive.into_inner().unwrap().finish().unwrap()
        };
        let hex = Sha256::of(b"right").to_hex();
        let head = (HEAD, FORMAT.as_bytes());
        let wrong = |name: &str| refused(&archive(&[head, (name, b"wrong")]));
        assert!(wrong(&format!("blobs/{hex}")).contains("holds something else"));
        assert!(wrong(&format!("directories/{hex}")).contains("holds something else"));
        assert!(wrong(&format!("memo/known-1/{hex}")).contains("is no whole memo"));
        assert!(wrong(&format!("memo/KNOWN/{hex}")).contains("is no whole memo"));
        assert!(wrong(&format!("actions/{hex}")).contains("can't be used"));
        assert!(wrong("elsewhere").contains("is nothing that a store has"));
        assert!(refused(&archive(&[(HEAD, b"2\n")])).contains("its format is 2; this xbuild knows 1"));
        assert!(refused(&archive(&[("other", b"")])).contains("it is no pack of xbuild's"));
        assert!(refused(&archive(&[])).contains("it is empty"));
    }
}
