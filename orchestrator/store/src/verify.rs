//! Verification: whether everything is what its name says.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use rustix::fs::FileType;
use xbuild_action::{Cancel, Directory, Entry, File, Output, StoreError};
use xbuild_base::{Blob, Digest, Hasher, Sha256, Tree};

use crate::actions::parse_named;
use crate::blobs::is_executable;
use crate::disk::Disk;
use crate::error::Error;
use crate::files::{self, if_there, io, pump};
use crate::layout::{LaidOut, Variant, laid_out_tree};

/// What to do with damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repair {
    /// Only report it.
    Report,
    /// Remove what is damaged: whatever needs it is fetched or built again.
    Remove,
}

/// One thing that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Where.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: String,
}

/// What verification found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VerifyReport {
    /// How many things of each kind were looked at: `actions`, `blobs`, `directories`, `results`,
    /// `trees`.
    pub checked: BTreeMap<&'static str, u64>,
    /// How many bytes were read.
    pub bytes: u64,
    /// What is damaged, by path.
    pub damaged: Vec<Damage>,
}

impl VerifyReport {
    fn looked_at(&mut self, kind: &'static str, count: usize) {
        *self.checked.entry(kind).or_default() += count as u64;
    }

    fn damage(&mut self, path: PathBuf, problem: impl Into<String>) {
        self.damaged.push(Damage { path, problem: problem.into() });
    }
}

impl Disk {
    /// Reads everything: blobs and directories must have the digest that they are named by, what action results
    /// and trees name must be there, and laid-out trees must be as they were made.
    ///
    /// # Errors
    /// [`Error::InUse`] when something may be removed and another process uses the store; [`Error::Cancelled`], or
    /// when something can't be read or removed. Damage is no error.
    pub fn verify(&self, repair: Repair, cancel: &Cancel) -> Result<VerifyReport, Error> {
        let _alone = match repair {
            Repair::Remove => Some(
                self.in_use().exclusive()?.ok_or_else(|| Error::InUse(self.layout().folder().to_owned()))?,
            ),
            Repair::Report => None,
        };
        let mut report = VerifyReport::default();
        // What is known in memory comes from files that may have been damaged since.
        self.forget();
        self.verify_blobs(&mut report, cancel)?;
        self.verify_directories(&mut report)?;
        for laid_out in LaidOut::ALL {
            self.verify_laid_out(laid_out.folder(), &mut report, cancel)?;
        }
        if repair == Repair::Remove {
            self.remove_damaged(&report)?;
        }
        // After that: a result that named what was damaged now names what is missing.
        let before = report.damaged.len();
        self.verify_actions(&mut report, cancel)?;
        if repair == Repair::Remove {
            for damage in &report.damaged[before..] {
                files::remove_all(&damage.path)?;
            }
        }
        report.damaged.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(report)
    }

    fn remove_damaged(&self, report: &VerifyReport) -> Result<(), StoreError> {
        for damage in &report.damaged {
            self.take_away(&damage.path)?;
        }
        if !report.damaged.is_empty() {
            self.forget_marks()?;
        }
        Ok(())
    }

    /// The paths of all files of one sharded folder, with the checksum that each is named by.
    fn named(&self, part: &str) -> Result<Vec<(PathBuf, Option<Sha256>)>, StoreError> {
        let folder = self.layout().part(part);
        let mut named = Vec::new();
        for (shard, _) in files::list(&folder)? {
            let shard = folder.join(shard);
            for (name, _) in files::list(&shard)? {
                let hex = name.split('.').next().unwrap_or(&name);
                named.push((shard.join(&name), Sha256::from_hex(hex).ok()));
            }
        }
        Ok(named)
    }

    fn verify_blobs(&self, report: &mut VerifyReport, cancel: &Cancel) -> Result<(), Error> {
        let blobs = self.named("blobs")?;
        report.looked_at("blobs", blobs.len());
        let checked: Vec<(u64, Option<Damage>)> = blobs
            .into_par_iter()
            .map(|(path, name)| {
                if cancel.is_cancelled() {
                    return Err(Error::Cancelled);
                }
                let Some(digest) = hash(&path)? else { return Ok((0, None)) };
                let problem = (Some(digest.sha256()) != name).then(|| wrong_bytes(digest));
                Ok((digest.size(), problem.map(|problem| Damage { path, problem })))
            })
            .collect::<Result<_, Error>>()?;
        for (size, damage) in checked {
            report.bytes += size;
            report.damaged.extend(damage);
        }
        Ok(())
    }

    fn verify_directories(&self, report: &mut VerifyReport) -> Result<(), StoreError> {
        let directories = self.named("directories")?;
        report.looked_at("directories", directories.len());
        for (path, name) in directories {
            let Some(bytes) = files::read(&path)? else { continue };
            report.bytes += bytes.len() as u64;
            let digest = Digest::<Tree>::of(&bytes);
            if Some(digest.sha256()) != name {
                report.damage(path, wrong_bytes(digest));
            } else if Directory::decode(&bytes).is_none() {
                report.damage(path, "it is not a Directory message");
            }
        }
        Ok(())
    }

    fn verify_laid_out(
        &self,
        part: &'static str,
        report: &mut VerifyReport,
        cancel: &Cancel,
    ) -> Result<(), Error> {
        let folder = self.layout().part(part);
        let bad: HashSet<PathBuf> = report.damaged.iter().map(|damage| damage.path.clone()).collect();
        for (name, kind) in files::list(&folder)? {
            if kind != FileType::Directory {
                continue;
            }
            if cancel.is_cancelled() {
                return Err(Error::Cancelled);
            }
            report.looked_at(part, 1);
            let path = folder.join(&name);
            let problem = match laid_out_tree(&name) {
                Some(tree) => self.laid_out_problem(tree, &path, &bad)?,
                None => Some("its name is not a digest".to_owned()),
            };
            if let Some(problem) = problem {
                report.damage(path, problem);
            }
        }
        Ok(())
    }

    /// What is wrong with a folder that has a tree at a place of it, if anything is. Above the place there is nothing
    /// but the folders that lead there.
    fn laid_out_problem(
        &self,
        tree: Sha256,
        path: &Path,
        bad: &HashSet<PathBuf>,
    ) -> Result<Option<String>, StoreError> {
        let mut place = path.to_owned();
        let mut problem = self.tree_problem(tree, &place, bad)?;
        let first = problem.clone();
        while problem.is_some() {
            let there = files::list(&place)?;
            let [(name, FileType::Directory)] = there.as_slice() else { return Ok(first) };
            place.push(name);
            problem = self.tree_problem(tree, &place, bad)?;
        }
        Ok(problem)
    }

    /// What is wrong with a laid-out tree, if anything is.
    fn tree_problem(
        &self,
        tree: Sha256,
        path: &Path,
        bad: &HashSet<PathBuf>,
    ) -> Result<Option<String>, StoreError> {
        let bytes = files::read(&self.layout().directory(tree))?;
        let Some(directory) =
            bytes.filter(|bytes| Sha256::of(bytes) == tree).and_then(|bytes| Directory::decode(&bytes))
        else {
            return Ok(Some(format!("the store has no directory {tree}, which it is laid out from")));
        };
        let there = files::list(path)?;
        if let Some((stranger, _)) = there.iter().find(|(name, _)| !directory.entries.contains_key(name)) {
            return Ok(Some(format!("`{stranger}` is not part of it")));
        }
        for (name, entry) in &directory.entries {
            let path = path.join(name);
            let problem = match entry {
                Entry::File(file) => self.file_problem(*file, &path, bad)?,
                Entry::Directory(below) => {
                    if let Some(problem) = self.tree_problem(below.sha256(), &path, bad)? {
                        return Ok(Some(problem));
                    }
                    None
                }
                Entry::Symlink(target) => {
                    let found = rustix::fs::readlink(&path, Vec::new());
                    let same = found.is_ok_and(|found| found.as_bytes() == target.as_bytes());
                    (!same).then_some("is not the link that it should be")
                }
            };
            if let Some(problem) = problem {
                return Ok(Some(format!("{} {problem}", path.display())));
            }
        }
        Ok(None)
    }

    fn file_problem(
        &self,
        file: File,
        path: &Path,
        bad: &HashSet<PathBuf>,
    ) -> Result<Option<&'static str>, StoreError> {
        let Some(stat) = if_there(rustix::fs::lstat(path)).map_err(io("look at", path))? else {
            return Ok(Some("is missing"));
        };
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile
            || stat.st_size.cast_unsigned() != file.digest.size()
        {
            return Ok(Some("has the wrong size or kind"));
        }
        if is_executable(&stat) != file.executable {
            return Ok(Some("has the wrong mode"));
        }
        // A link to a blob that is good is good; a copy, or a link to what was a blob once, is read.
        let blob = self.layout().blob(file.digest.sha256(), Variant::of(file.executable));
        let same = rustix::fs::lstat(&blob)
            .is_ok_and(|blob| (blob.st_dev, blob.st_ino) == (stat.st_dev, stat.st_ino));
        let good = (same && !bad.contains(&blob)) || hash(path)? == Some(file.digest);
        Ok((!good).then_some("has the wrong bytes"))
    }

    fn verify_actions(&self, report: &mut VerifyReport, cancel: &Cancel) -> Result<(), Error> {
        let actions = self.named("actions")?;
        report.looked_at("actions", actions.len());
        for (path, name) in actions {
            if cancel.is_cancelled() {
                return Err(Error::Cancelled);
            }
            let Some(bytes) = files::read(&path)? else { continue };
            let hex = name.map(|name| name.to_hex()).unwrap_or_default();
            let result = match parse_named(&hex, &bytes) {
                Ok(result) => result,
                Err(problem) => {
                    report.damage(path, problem);
                    continue;
                }
            };
            let blobs = [("standard output", result.stdout), ("standard error", result.stderr)];
            let logs = blobs.into_iter().map(|(name, digest)| (name.to_owned(), digest));
            let mut lost = Vec::new();
            for (name, digest) in logs {
                if !self.blob_is_there(digest)? {
                    lost.push(name);
                }
            }
            for (path, output) in &result.outputs {
                let there = match output {
                    Output::File(file) => self.blob_is_there(file.digest)?,
                    Output::Tree(tree) => self.is_complete(*tree)?,
                };
                if !there {
                    lost.push(format!("`{path}`"));
                }
            }
            if !lost.is_empty() {
                report.damage(path, format!("the store no longer has its {}", lost.join(", ")));
            }
        }
        Ok(())
    }
}

fn wrong_bytes<K: xbuild_base::Kind>(found: Digest<K>) -> String {
    format!("its bytes have the digest {found}")
}

/// The digest of a file's bytes, if it is there.
fn hash(path: &Path) -> Result<Option<Digest<Blob>>, StoreError> {
    let Some(mut file) = if_there(files::open(path)).map_err(io("open", path))? else { return Ok(None) };
    pump(&mut file, path, None, Hasher::default()).map(Some)
}
