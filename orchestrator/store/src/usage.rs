//! Where a store's bytes are, and what keeps them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::AddAssign;
use std::path::PathBuf;
use std::time::SystemTime;

use xbuild_action::StoreError;
use xbuild_base::Sha256;

use crate::disk::Disk;
use crate::gc::{Clock, Collection, Marked};
use crate::roots::{Standing, link_of};

/// What a store holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Usage {
    /// By what needs it, in the order in which it is asked: `memo/<namespace>` for each namespace of memos, `actions`,
    /// `roots`; `nothing` is what is left. What several need counts for the first.
    pub needs: BTreeMap<String, Held>,
    /// The links that keep something, each with all that it keeps, others or not; and those that are gone.
    pub roots: Vec<(PathBuf, Option<Held>)>,
}

/// Files and their sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Held {
    /// How many.
    pub files: u64,
    /// Their sizes together, in bytes.
    pub bytes: u64,
}

impl Held {
    /// Counts one more file.
    pub(crate) const fn add(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
    }
}

impl AddAssign for Held {
    fn add_assign(&mut self, other: Self) {
        self.files += other.files;
        self.bytes += other.bytes;
    }
}

/// All blobs and directories that there are, by their names, and which of them were counted.
struct Sizes {
    blobs: HashMap<Sha256, u64>,
    directories: HashMap<Sha256, u64>,
    counted: HashSet<Sha256>,
}

impl Sizes {
    /// What is marked, all of it.
    fn of(&self, marked: &Marked) -> Held {
        let mut held = Held::default();
        marked.blobs.iter().filter_map(|name| self.blobs.get(name)).for_each(|size| held.add(*size));
        marked.trees.iter().filter_map(|name| self.directories.get(name)).for_each(|size| held.add(*size));
        held
    }

    /// What is marked and was not counted yet.
    fn count(&mut self, marked: &Marked) -> Held {
        let mut held = Held::default();
        for (names, sizes) in [(&marked.blobs, &self.blobs), (&marked.trees, &self.directories)] {
            for name in names {
                if let Some(size) = sizes.get(name)
                    && self.counted.insert(*name)
                {
                    held.add(*size);
                }
            }
        }
        held
    }

    fn rest(&self) -> Held {
        let mut held = Held::default();
        for (name, size) in self.blobs.iter().chain(&self.directories) {
            if !self.counted.contains(name) {
                held.add(*size);
            }
        }
        held
    }
}

impl Disk {
    /// Looks at everything.
    ///
    /// # Errors
    /// When something can't be read, or a root can't be understood.
    pub fn usage(&self) -> Result<Usage, StoreError> {
        let part = |name| self.layout().part(name);
        let all = |name, clock| self.sharded(&part(name), clock, 0);
        let sizes = |name| -> Result<HashMap<Sha256, u64>, StoreError> {
            let files = all(name, Clock::Changed)?;
            Ok(files.into_iter().filter_map(|seen| Some((seen.name?, seen.size))).collect())
        };
        let mut sizes =
            Sizes { blobs: sizes("blobs")?, directories: sizes("directories")?, counted: HashSet::new() };
        let mut usage = Usage::default();

        let mut collection = Collection::since(self, SystemTime::UNIX_EPOCH);
        let mut by_namespace: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
        for memo in collection.memos()? {
            let folders = memo.path.ancestors().nth(2).and_then(|folder| folder.file_name());
            let name = format!("memo/{}", folders.unwrap_or_default().to_string_lossy());
            usage.needs.entry(name.clone()).or_default().add(memo.size);
            by_namespace.entry(name).or_default().push(memo.path);
        }
        for (name, memos) in by_namespace {
            for memo in memos {
                collection.mark_memo(&memo)?;
            }
            *usage.needs.entry(name).or_default() += sizes.count(&collection.take_marked());
        }
        let mut actions = Held::default();
        for action in all("actions", Clock::Modified)? {
            actions.add(action.size);
            collection.mark_action(&action)?;
        }
        actions += sizes.count(&collection.take_marked());
        usage.needs.insert("actions".to_owned(), actions);

        let mut of_roots = Held::default();
        for (path, standing) in self.roots()? {
            let link = link_of(&path)?;
            match standing {
                Standing::Living(keeps) => {
                    collection.mark_keeps(&keeps)?;
                    let marked = collection.take_marked();
                    usage.roots.push((link, Some(sizes.of(&marked))));
                    of_roots += sizes.count(&marked);
                }
                Standing::Dead => usage.roots.push((link, None)),
                Standing::Unreadable(problem) => return Err(StoreError::Damaged { path, problem }),
            }
        }
        usage.roots.sort_by(|one, other| one.0.cmp(&other.0));
        usage.needs.insert("roots".to_owned(), of_roots);
        usage.needs.insert("nothing".to_owned(), sizes.rest());
        Ok(usage)
    }
}
