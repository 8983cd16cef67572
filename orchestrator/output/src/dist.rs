//! Archives for people: programs and what lies beside them, in one folder, the same bytes whenever they are packed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Write as _};
use std::path::Path;

use flate2::{Compression, GzBuilder};
use xbuild_action::ContentExt as _;
use xbuild_action::File;
use xbuild_base::{RelPath, Sha256};
use xbuild_store::{Disk, FILE_TIME};
use zip::write::SimpleFileOptions;

use crate::debian::Control;
use crate::error::OutputError;
use crate::install::make_folder;
use crate::sums::{self, Sums};

/// An archive that is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archive {
    /// Its name without the ending; also that of the folder in it.
    pub name: String,
    /// Which kind.
    pub packing: Packing,
    /// What is in it, by path from that folder.
    pub files: BTreeMap<RelPath, File>,
}

/// A kind of archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packing {
    /// `.tar.gz` (POSIX ustar in RFC 1952).
    TarGz,
    /// `.zip` (PKWARE's APPNOTE).
    Zip,
    /// `.deb` (deb(5)): the files lie in it by their paths from the root of the system.
    Deb(Box<Control>),
}

/// An archive that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archived {
    /// Its file's name.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its checksum.
    pub sha256: Sha256,
}

impl Archive {
    /// Its file's name.
    #[must_use]
    pub fn file_name(&self) -> String {
        let ending = match self.packing {
            Packing::TarGz => "tar.gz",
            Packing::Zip => "zip",
            Packing::Deb(_) => "deb",
        };
        format!("{}.{ending}", self.name)
    }

    fn pack(&self, store: &Disk) -> Result<Vec<u8>, OutputError> {
        let failed = |error: std::io::Error| OutputError::io("pack", self.file_name())(error);
        match &self.packing {
            Packing::TarGz => self.tar(store)?.map_err(failed),
            Packing::Zip => self.zip(store)?.map_err(failed),
            Packing::Deb(control) => self.deb(store, control)?.map_err(failed),
        }
    }

    /// Paths in the archive, each with its file; folders come before what is in them, and have none.
    fn entries(&self) -> BTreeMap<String, Option<File>> {
        let (mut entries, root) = match self.packing {
            Packing::TarGz | Packing::Zip => {
                let root = format!("{}/", self.name);
                (BTreeMap::from([(root.clone(), None)]), root)
            }
            Packing::Deb(_) => (BTreeMap::new(), String::new()),
        };
        for (path, file) in &self.files {
            let above =
                std::iter::successors(path.parent(), RelPath::parent).filter(|above| !above.is_root());
            entries.extend(above.map(|above| (format!("{root}{above}/"), None)));
            entries.insert(format!("{root}{path}"), Some(*file));
        }
        entries
    }

    fn tar(&self, store: &Disk) -> Result<std::io::Result<Vec<u8>>, OutputError> {
        let mut files = Vec::new();
        for (path, file) in self.entries() {
            files.push((path, mode(file), file.map(|file| store.get(file.digest)).transpose()?));
        }
        Ok(tar_gz(&files))
    }

    fn deb(&self, store: &Disk, control: &Control) -> Result<std::io::Result<Vec<u8>>, OutputError> {
        let data = match self.tar(store)? {
            Ok(data) => data,
            Err(error) => return Ok(Err(error)),
        };
        let text = control.text(self.files.values().map(|file| file.digest.size()).sum());
        let files = [("control".to_owned(), 0o644, Some(text.into_bytes()))];
        Ok(tar_gz(&files).and_then(|control| {
            let mut archive = ar::Builder::new(Vec::new());
            let members =
                [("debian-binary", &b"2.0\n"[..]), ("control.tar.gz", &control), ("data.tar.gz", &data)];
            for (name, bytes) in members {
                let mut header = ar::Header::new(name.as_bytes().to_vec(), bytes.len() as u64);
                header.set_mode(0o100_644);
                header.set_mtime(FILE_TIME.cast_unsigned());
                archive.append(&header, bytes)?;
            }
            archive.into_inner()
        }))
    }

    fn zip(&self, store: &Disk) -> Result<std::io::Result<Vec<u8>>, OutputError> {
        let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (path, file) in self.entries() {
            // Its own default time is the constant.
            let options = SimpleFileOptions::default()
                .compression_method(zip::CompressionMethod::Deflated)
                .last_modified_time(zip::DateTime::default())
                .unix_permissions(mode(file));
            let added = match file {
                None => archive.add_directory(path.trim_end_matches('/'), options),
                Some(_) => archive.start_file(path, options),
            };
            let bytes = file.map(|file| store.get(file.digest)).transpose()?.unwrap_or_default();
            if let Err(error) = added.map_err(std::io::Error::from).and_then(|()| archive.write_all(&bytes)) {
                return Ok(Err(error));
            }
        }
        Ok(archive.finish().map(Cursor::into_inner).map_err(std::io::Error::from))
    }
}

/// A tar archive of paths, modes and bytes, where folders have none.
fn tar_gz(files: &[(String, u32, Option<Vec<u8>>)]) -> std::io::Result<Vec<u8>> {
    // No name and no time in its head.
    let encoder = GzBuilder::new().write(Vec::new(), Compression::best());
    let mut archive = tar::Builder::new(encoder);
    for (path, mode, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_mtime(FILE_TIME.cast_unsigned());
        header.set_mode(*mode);
        let kind = if bytes.is_some() { tar::EntryType::Regular } else { tar::EntryType::Directory };
        header.set_entry_type(kind);
        header.set_size(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64));
        archive.append_data(&mut header, path, bytes.as_deref().unwrap_or_default())?;
    }
    archive.into_inner().and_then(flate2::write::GzEncoder::finish)
}

fn mode(file: Option<File>) -> u32 {
    if file.is_none_or(|file| file.executable) { 0o755 } else { 0o644 }
}

/// Packs archives into a folder, with their `SHA256SUMS`; each file is replaced at once or not at all. What else is there
/// stays, and so do its sums.
///
/// # Errors
/// [`OutputError::Conflict`] when two have one name; when content is missing; when the folder can't be written.
pub fn write_archives(
    store: &Disk,
    folder: &Path,
    archives: &[Archive],
) -> Result<Vec<Archived>, OutputError> {
    let mut names = BTreeSet::new();
    for archive in archives {
        let name = archive.file_name();
        RelPath::new(&name)
            .map_err(|error| OutputError::Name { name: name.clone(), problem: error.to_string() })?;
        if !names.insert(name.clone()) {
            return Err(OutputError::Conflict { path: name });
        }
    }
    let mut above: Vec<&Path> = folder.ancestors().skip(1).filter(|above| !above.exists()).collect();
    above.reverse();
    for missing in above.into_iter().filter(|above| !above.as_os_str().is_empty()).chain([folder]) {
        make_folder(missing)?;
    }
    let mut all = Sums::read(folder)?;
    all.0.retain(|path, _| folder.join(path.as_str()).is_file());
    let mut written = Vec::new();
    for archive in archives {
        let (name, bytes) = (archive.file_name(), archive.pack(store)?);
        let path = folder.join(&name);
        let mut file = sums::temporary(folder)?;
        file.write_all(&bytes).map_err(OutputError::io("write", &path))?;
        sums::place(file, &path, 0o644)?;
        let sha256 = Sha256::of(&bytes);
        if let Ok(path) = RelPath::new(&name) {
            all.0.insert(path, sha256);
        }
        written.push(Archived { name, size: bytes.len() as u64, sha256 });
    }
    all.write(folder)?;
    Ok(written)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn path(text: &str) -> RelPath {
        RelPath::new(text).unwrap()
    }

    #[test]
    fn archives_hold_one_folder_and_are_the_same_bytes_each_time() {
        let place = tempfile::tempdir().unwrap();
        let store = Disk::open(&place.path().join("store"), None).unwrap();
        let file = |text: &str, executable| File { digest: store.put(text.as_bytes()).unwrap(), executable };
        let files = BTreeMap::from([
            (path("foo"), file("#!foo", true)),
            (path("README.md"), file("Read.\n", false)),
            (path("man/man1/foo.1"), file(".TH foo 1\n", false)),
        ]);
        let archive = |packing| Archive { name: "foo-1.0".to_owned(), packing, files: files.clone() };
        let archives = [archive(Packing::TarGz), archive(Packing::Zip)];
        let folder = place.path().join("result/dist");
        let written = write_archives(&store, &folder, &archives).unwrap();
        assert_eq!(write_archives(&store, &folder, &archives).unwrap(), written);
        let names: Vec<&str> = written.iter().map(|archived| archived.name.as_str()).collect();
        assert_eq!(names, ["foo-1.0.tar.gz", "foo-1.0.zip"]);

        let expected = [
            ("foo-1.0/", 0o755, ""),
            ("foo-1.0/README.md", 0o644, "Read.\n"),
            ("foo-1.0/foo", 0o755, "#!foo"),
            ("foo-1.0/man/", 0o755, ""),
            ("foo-1.0/man/man1/", 0o755, ""),
            ("foo-1.0/man/man1/foo.1", 0o644, ".TH foo 1\n"),
        ];
        let expected = expected.map(|(path, mode, text)| (path.to_owned(), mode, text.to_owned()));
        let bytes = fs_err::read(folder.join("foo-1.0.tar.gz")).unwrap();
        let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(bytes.as_slice()));
        let entries = tar.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            assert_eq!(entry.header().mtime().unwrap(), FILE_TIME.cast_unsigned());
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            let path = entry.path().unwrap().to_string_lossy().into_owned();
            (path, entry.header().mode().unwrap(), text)
        });
        assert_eq!(entries.collect::<Vec<_>>(), expected);
        let mut zip = zip::ZipArchive::new(fs_err::File::open(folder.join("foo-1.0.zip")).unwrap()).unwrap();
        let entries = (0..zip.len()).map(|index| {
            let mut entry = zip.by_index(index).unwrap();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            (entry.name().unwrap().into_owned(), entry.unix_mode().unwrap() & 0o777, text)
        });
        assert_eq!(entries.collect::<Vec<_>>(), expected);

        let sums = fs_err::read_to_string(folder.join("SHA256SUMS")).unwrap();
        assert_eq!(sums.lines().count(), 2, "{sums}");
        let twice = [archive(Packing::Zip), archive(Packing::Zip)];
        assert!(matches!(write_archives(&store, &folder, &twice), Err(OutputError::Conflict { .. })));
    }
}
