//! Collection: marks what is needed, and sweeps the rest.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;
use std::time::{Duration, SystemTime};

use xbuild_action::{ActionResult, Directory, Entry, Output, StoreError};
use xbuild_base::{Blob, Digest, Sha256, Tree};

use crate::actions::parse_named;
use crate::directories::COMPLETE;
use crate::disk::Disk;
use crate::error::Error;
use crate::files::{self, if_there, io};
use crate::layout::{LaidOut, laid_out_tree};
use crate::roots::{Keeps, Standing};

/// How exactly the age is looked for with which a store is small enough.
const PRECISION: Duration = Duration::from_secs(60);

/// Whether collection really removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sweeping {
    /// It does.
    Remove,
    /// It only says what it would remove.
    DryRun,
}

/// What to keep.
///
/// Kept are: what the living roots name; action results, memos and laid-out trees that were made or used since
/// `now - max_age`; blobs and directories that were made or linked since then; and all that any of these needs.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// The time, which the caller knows.
    pub now: SystemTime,
    /// How long ago something may have been used last to be kept without a root.
    pub max_age: Duration,
    /// How large the store may be, in bytes: where more is kept, what was used longest ago goes too, as far as no root
    /// keeps it. `None`: any size.
    pub max_size: Option<u64>,
    /// Whether to remove.
    pub sweeping: Sweeping,
}

/// How much of one kind was swept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// How many were removed.
    pub removed: u64,
    /// How many are left.
    pub kept: u64,
    /// The sizes of the removed files together, in bytes. A laid-out tree counts nothing: its files are blobs, or
    /// copies of blobs.
    pub bytes: u64,
    /// The sizes of those that are left, likewise.
    pub kept_bytes: u64,
}

/// What collection did, or would do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GcReport {
    /// By kind: `actions`, `blobs`, `directories`, `memo`, `results`, `roots`, `trees`.
    pub kinds: BTreeMap<&'static str, Swept>,
}

impl GcReport {
    /// The sizes of all removed files, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.kinds.values().map(|swept| swept.bytes).sum()
    }

    /// The sizes of all files that are left, in bytes.
    #[must_use]
    pub fn kept_bytes(&self) -> u64 {
        self.kinds.values().map(|swept| swept.kept_bytes).sum()
    }

    /// How many things were removed.
    #[must_use]
    pub fn removed(&self) -> u64 {
        self.kinds.values().map(|swept| swept.removed).sum()
    }
}

/// Everything that is needed. By checksum alone: the names on disk have no sizes.
#[derive(Default)]
pub(crate) struct Marked {
    pub(crate) blobs: HashSet<Sha256>,
    pub(crate) trees: HashSet<Sha256>,
    actions: HashSet<Sha256>,
}

/// What was used since a moment.
pub(crate) struct Used {
    /// Results of actions, by their files.
    pub(crate) actions: Vec<std::path::PathBuf>,
    /// Memos, by their files.
    pub(crate) memos: Vec<std::path::PathBuf>,
    /// The levels of trees that these name.
    pub(crate) trees: BTreeSet<Sha256>,
    /// The blobs that these name, as far as there are such.
    pub(crate) blobs: BTreeSet<Sha256>,
}

/// One file of the store, seen while listing.
pub(crate) struct Seen {
    pub(crate) path: std::path::PathBuf,
    /// Its name up to the first dot.
    pub(crate) name: Option<Sha256>,
    pub(crate) size: u64,
    /// Whether it was made or used since the age limit.
    young: bool,
}

/// A tree that is laid out.
struct Seated {
    /// The folder of the store that it lies in.
    kind: &'static str,
    path: std::path::PathBuf,
    tree: Option<Sha256>,
    is_kept: bool,
}

/// Which of a file's times tells when it was used last.
#[derive(Clone, Copy)]
pub(crate) enum Clock {
    /// The modification time: records are touched when used.
    Modified,
    /// The time of the last change of the inode, linking included: the modification time is a constant.
    Changed,
}

impl Disk {
    /// Removes what nothing keeps.
    ///
    /// # Errors
    /// [`Error::InUse`] when another process uses the store; when a root can't be understood; when something
    /// can't be read or removed.
    pub fn gc(&self, policy: &Policy) -> Result<GcReport, Error> {
        let _alone = match policy.sweeping {
            Sweeping::Remove => Some(
                self.in_use().exclusive()?.ok_or_else(|| Error::InUse(self.layout().folder().to_owned()))?,
            ),
            Sweeping::DryRun => None,
        };
        let result = self
            .age_for_size(policy)
            .and_then(|max_age| Collection::new(self, &Policy { max_age, ..*policy }).run());
        self.forget();
        Ok(result?)
    }

    /// The greatest age, up to the policy's, with which no more is kept than its size; nothing but what roots keep, where
    /// even that is more.
    fn age_for_size(&self, policy: &Policy) -> Result<Duration, StoreError> {
        let Some(max_size) = policy.max_size else { return Ok(policy.max_age) };
        let kept = |max_age: Duration| {
            let looked = Policy { max_age, sweeping: Sweeping::DryRun, ..*policy };
            Ok::<u64, StoreError>(Collection::new(self, &looked).run()?.kept_bytes())
        };
        if kept(policy.max_age)? <= max_size {
            return Ok(policy.max_age);
        }
        // Less is kept with a smaller age. A minute is exact enough.
        let (mut fits, mut too_much) = (Duration::ZERO, policy.max_age);
        while too_much - fits > PRECISION {
            let middle = fits + (too_much - fits) / 2;
            if kept(middle)? <= max_size { fits = middle } else { too_much = middle }
        }
        Ok(fits)
    }

    /// What was used since a moment, by its records, and all that it needs.
    pub(crate) fn used_since(&self, since: SystemTime) -> Result<Used, StoreError> {
        let mut collection = Collection::since(self, since);
        let mut actions = self.sharded(&self.layout().part("actions"), Clock::Modified, collection.limit)?;
        actions.retain(|seen| seen.young);
        for action in &actions {
            collection.mark_action(action)?;
        }
        let mut memos = collection.memos()?;
        memos.retain(|seen| seen.young);
        for memo in &memos {
            collection.mark_memo(&memo.path)?;
        }
        let paths = |seen: Vec<Seen>| seen.into_iter().map(|seen| seen.path).collect();
        let Marked { blobs, trees, actions: _ } = collection.marked;
        Ok(Used {
            actions: paths(actions),
            memos: paths(memos),
            trees: trees.into_iter().collect(),
            blobs: blobs.into_iter().collect(),
        })
    }

    /// The files two levels below `folder`, as `ab/<hex>…`.
    pub(crate) fn sharded(&self, folder: &Path, clock: Clock, limit: i128) -> Result<Vec<Seen>, StoreError> {
        let mut seen = Vec::new();
        for (shard, _) in files::list(folder)? {
            let shard = folder.join(shard);
            for (name, _) in files::list(&shard)? {
                seen.extend(look(&shard, &name, clock, limit)?);
            }
        }
        Ok(seen)
    }
}

fn look(folder: &Path, name: &str, clock: Clock, limit: i128) -> Result<Option<Seen>, StoreError> {
    let path = folder.join(name);
    let Some(stat) = if_there(rustix::fs::lstat(&path)).map_err(io("look at", &path))? else {
        return Ok(None);
    };
    let (seconds, rest) = match clock {
        Clock::Modified => (stat.st_mtime, stat.st_mtime_nsec),
        Clock::Changed => (stat.st_ctime, stat.st_ctime_nsec),
    };
    let used = i128::from(seconds) * 1_000_000_000 + i128::from(rest);
    let hex = name.split('.').next().unwrap_or(name);
    let size = stat.st_size.cast_unsigned();
    Ok(Some(Seen { path, name: Sha256::from_hex(hex).ok(), size, young: used > limit }))
}

pub(crate) struct Collection<'a> {
    store: &'a Disk,
    sweeping: Sweeping,
    /// What was used after this moment (in nanoseconds since 1970) is kept.
    limit: i128,
    marked: Marked,
    report: GcReport,
}

impl<'a> Collection<'a> {
    /// One that removes nothing, for which what was used since a moment is young.
    pub(crate) fn since(store: &'a Disk, since: SystemTime) -> Self {
        let (now, max_age) = (since, Duration::ZERO);
        Self::new(store, &Policy { now, max_age, max_size: None, sweeping: Sweeping::DryRun })
    }

    fn new(store: &'a Disk, policy: &Policy) -> Self {
        let now = policy.now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let nanoseconds = |time: Duration| i128::try_from(time.as_nanos()).unwrap_or(i128::MAX);
        let limit = nanoseconds(now) - nanoseconds(policy.max_age);
        let (marked, report) = (Marked::default(), GcReport::default());
        Self { store, sweeping: policy.sweeping, limit, marked, report }
    }

    fn run(mut self) -> Result<GcReport, StoreError> {
        let part = |name| self.store.layout().part(name);
        let (blobs, directories, actions) = (part("blobs"), part("directories"), part("actions"));
        let blobs = self.store.sharded(&blobs, Clock::Changed, self.limit)?;
        let directories = self.store.sharded(&directories, Clock::Changed, self.limit)?;
        let actions = self.store.sharded(&actions, Clock::Modified, self.limit)?;
        let memos = self.memos()?;

        let dead = self.mark_roots()?;
        for action in &actions {
            self.mark_action(action)?;
        }
        for memo in memos.iter().filter(|memo| memo.young) {
            self.mark_memo(&memo.path)?;
        }
        let laid_out = self.mark_laid_out()?;
        for seen in directories.iter().filter(|seen| seen.young) {
            if let Some(tree) = seen.name {
                self.mark_tree(tree)?;
            }
        }
        self.marked.blobs.extend(blobs.iter().filter(|seen| seen.young).filter_map(|seen| seen.name));

        // What names goes before what it names: a stop between leaves nothing that leads nowhere.
        for path in dead {
            self.sweep("roots", &path, 0)?;
        }
        let kept = |set: &HashSet<Sha256>, seen: &Seen| seen.name.is_some_and(|name| set.contains(&name));
        let is_kept: Vec<bool> = actions.iter().map(|seen| kept(&self.marked.actions, seen)).collect();
        self.sweep_all("actions", &actions, &is_kept)?;
        let is_kept: Vec<bool> = memos.iter().map(|seen| seen.young).collect();
        self.sweep_all("memo", &memos, &is_kept)?;
        // What these remember of the store's content is no longer so.
        if self.sweeping == Sweeping::Remove {
            self.store.forget_marks()?;
        }
        for Seated { kind, path, tree: _, is_kept } in laid_out {
            if is_kept {
                self.report.kinds.entry(kind).or_default().kept += 1;
                continue;
            }
            self.sweep(kind, &path, 0)?;
            if self.sweeping == Sweeping::Remove {
                files::remove_all(&path.with_extension("checked"))?;
            }
        }
        let is_kept: Vec<bool> = directories.iter().map(|seen| kept(&self.marked.trees, seen)).collect();
        self.sweep_all("directories", &directories, &is_kept)?;
        let is_kept: Vec<bool> = blobs.iter().map(|seen| kept(&self.marked.blobs, seen)).collect();
        self.sweep_all("blobs", &blobs, &is_kept)?;
        Ok(self.report)
    }

    pub(crate) fn memos(&self) -> Result<Vec<Seen>, StoreError> {
        let folder = self.store.layout().part("memo");
        let mut memos = Vec::new();
        for (namespace, _) in files::list(&folder)? {
            if namespace != COMPLETE.as_str() {
                memos.extend(self.store.sharded(&folder.join(namespace), Clock::Modified, self.limit)?);
            }
        }
        Ok(memos)
    }

    /// Marks what a root keeps. What its actions name is marked with them.
    pub(crate) fn mark_keeps(&mut self, keeps: &Keeps) -> Result<(), StoreError> {
        self.marked.blobs.extend(keeps.blobs.iter().map(Digest::sha256));
        self.marked.actions.extend(keeps.actions.iter().map(Digest::sha256));
        keeps.trees.iter().try_for_each(|tree| self.mark_tree(tree.sha256()))
    }

    /// What was marked; from now on nothing is.
    pub(crate) fn take_marked(&mut self) -> Marked {
        std::mem::take(&mut self.marked)
    }

    /// Marks what living roots keep; the files of the dead ones.
    fn mark_roots(&mut self) -> Result<Vec<std::path::PathBuf>, StoreError> {
        let mut dead = Vec::new();
        for (path, standing) in self.store.roots()? {
            match standing {
                Standing::Living(keeps) => {
                    self.report.kinds.entry("roots").or_default().kept += 1;
                    self.mark_keeps(&keeps)?;
                }
                Standing::Dead => dead.push(path),
                Standing::Unreadable(problem) => {
                    let problem = format!("{problem}, so what this root keeps can't be told");
                    return Err(StoreError::Damaged { path, problem });
                }
            }
        }
        Ok(dead)
    }

    pub(crate) fn mark_action(&mut self, seen: &Seen) -> Result<(), StoreError> {
        let Some(name) = seen.name else { return Ok(()) };
        if !seen.young && !self.marked.actions.contains(&name) {
            return Ok(());
        }
        let bytes = files::read(&seen.path)?.unwrap_or_default();
        let Ok(result) = parse_named(&name.to_hex(), &bytes) else { return Ok(()) };
        self.marked.actions.insert(name);
        // Where the action's own message was stored, it is a blob of this name.
        self.marked.blobs.insert(name);
        let ActionResult { outputs, exit_code: _, stdout, stderr, isolation: _, times: _ } = result;
        self.marked.blobs.extend([stdout.sha256(), stderr.sha256()]);
        for output in outputs.values() {
            match output {
                Output::File(file) => {
                    self.marked.blobs.insert(file.digest.sha256());
                }
                Output::Tree(tree) => self.mark_tree(tree.sha256())?,
            }
        }
        Ok(())
    }

    /// Marks what a memo's value names in text form: whether as a blob or a tree, its bytes don't say.
    pub(crate) fn mark_memo(&mut self, path: &Path) -> Result<(), StoreError> {
        let bytes = files::read(path)?.unwrap_or_default();
        for sha256 in named_digests(&bytes) {
            self.marked.blobs.insert(sha256);
            self.mark_tree(sha256)?;
        }
        Ok(())
    }

    /// All laid-out trees, and whether each is kept; what the young ones hold is marked.
    fn mark_laid_out(&mut self) -> Result<Vec<Seated>, StoreError> {
        let mut trees = Vec::new();
        for kind in LaidOut::ALL.map(LaidOut::folder) {
            let folder = self.store.layout().part(kind);
            for (name, file_type) in files::list(&folder)? {
                if file_type != rustix::fs::FileType::Directory {
                    continue;
                }
                let mark = look(&folder, &format!("{name}.checked"), Clock::Modified, self.limit)?;
                let tree = laid_out_tree(&name);
                let is_kept = mark.is_some_and(|mark| mark.young);
                if let (true, Some(tree)) = (is_kept, tree) {
                    self.mark_tree(tree)?;
                }
                trees.push(Seated { kind, path: folder.join(name), tree, is_kept });
            }
        }
        // Only now: what was marked later than a tree was seen can be that tree.
        for seated in &mut trees {
            seated.is_kept |= seated.tree.is_some_and(|tree| self.marked.trees.contains(&tree));
        }
        Ok(trees)
    }

    /// Marks a tree with all that is in it, as far as it is there.
    fn mark_tree(&mut self, tree: Sha256) -> Result<(), StoreError> {
        let mut pending = vec![tree];
        while let Some(tree) = pending.pop() {
            if self.marked.trees.contains(&tree) {
                continue;
            }
            let bytes = files::read(&self.store.layout().directory(tree))?;
            let Some(directory) = bytes.as_deref().and_then(Directory::decode) else { continue };
            self.marked.trees.insert(tree);
            for entry in directory.entries.values() {
                match entry {
                    Entry::File(file) => {
                        self.marked.blobs.insert(file.digest.sha256());
                    }
                    Entry::Directory(below) => pending.push(below.sha256()),
                    Entry::Symlink(_) => {}
                }
            }
        }
        Ok(())
    }

    fn sweep_all(&mut self, kind: &'static str, all: &[Seen], is_kept: &[bool]) -> Result<(), StoreError> {
        for (seen, is_kept) in all.iter().zip(is_kept) {
            if *is_kept {
                let kept = self.report.kinds.entry(kind).or_default();
                kept.kept += 1;
                kept.kept_bytes += seen.size;
            } else {
                self.sweep(kind, &seen.path, seen.size)?;
            }
        }
        Ok(())
    }

    fn sweep(&mut self, kind: &'static str, path: &Path, size: u64) -> Result<(), StoreError> {
        let swept = self.report.kinds.entry(kind).or_default();
        swept.removed += 1;
        swept.bytes += size;
        match (self.sweeping, kind) {
            (Sweeping::DryRun, _) => Ok(()),
            (Sweeping::Remove, "trees" | "results") => self.store.take_away(path),
            (Sweeping::Remove, _) => files::remove_all(path),
        }
    }
}

impl Disk {
    /// Removes what remembers that content is there: trees that were seen whole, and stat caches.
    pub(crate) fn forget_marks(&self) -> Result<(), StoreError> {
        self.take_away(&self.layout().part("memo").join(COMPLETE.as_str()))?;
        let imports = self.layout().part("imports");
        for (name, _) in files::list(&imports)? {
            files::remove_all(&imports.join(name))?;
        }
        self.forget();
        Ok(())
    }
}

/// The checksums of all `sha256:<64 digits>/<size>` in some bytes.
fn named_digests(bytes: &[u8]) -> Vec<Sha256> {
    const PREFIX: &[u8] = b"sha256:";
    const DIGITS: usize = 64;
    let text = |at: usize| {
        let digits = bytes.get(at + PREFIX.len()..at + PREFIX.len() + DIGITS)?;
        (bytes.get(at + PREFIX.len() + DIGITS) == Some(&b'/')).then_some(())?;
        Sha256::from_hex(std::str::from_utf8(digits).ok()?).ok()
    };
    let starts = bytes.windows(PREFIX.len()).enumerate().filter(|(_, window)| *window == PREFIX);
    starts.filter_map(|(at, _)| text(at)).collect()
}

// Both kinds of digest have one text form: what `named_digests` relies on.
const _: fn(&Digest<Blob>, &Digest<Tree>) -> [String; 2] = |blob, tree| [blob.to_string(), tree.to_string()];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_found_in_any_bytes() {
        let (a, b) = (Digest::<Blob>::of(b"a"), Digest::<Tree>::of(b"b"));
        let bytes = format!("\u{0}{{\"x\":\"{a}\"}}sha256:{b} {}", a.sha256());
        assert_eq!(named_digests(bytes.as_bytes()), [a.sha256(), b.sha256()]);
        assert_eq!(named_digests(b"sha256:"), []);
    }
}
