//! What a store holds after a build: its actions, and how much room it takes.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use xbuild_action::ActionResult;

use crate::error::Error;

/// Where a store has copies of programs for people.
const RESULTS: &str = "results";

/// The folders of a store whose files are named by what they hold. A name goes up to the first dot.
const CONTENT: [&str; 2] = ["blobs", "directories"];

/// The actions that a store has results of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Actions {
    pub(crate) count: usize,
    /// User and system time of their own processes.
    pub(crate) cpu: Duration,
}

/// What files take, each counted once however many names it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Room {
    /// What they hold, in bytes; without the copies for people.
    pub(crate) bytes: u64,
    /// What those copies hold, in bytes.
    pub(crate) results: u64,
    /// What is allocated for them and for their folders, in bytes.
    pub(crate) allocated: u64,
    /// The different contents among them, in bytes.
    pub(crate) unique: u64,
}

impl Actions {
    /// Looks at all results of a store. One that is recorded twice, under two keys, counts once.
    pub(crate) fn of(store: &Path) -> Result<Self, Error> {
        let mut seen = BTreeSet::new();
        let mut actions = Self::default();
        each_file(&store.join("actions"), &mut |path, _| {
            let wrong = |error: serde_json::Error| Error::Unexpected {
                path: path.to_owned(),
                problem: error.to_string(),
            };
            let mut record: Value = serde_json::from_slice(&fs_err::read(path)?).map_err(wrong)?;
            let result = record["result"].take();
            // Times in nanoseconds stand in it: two actions are never alike.
            if seen.insert(result.to_string()) {
                let result: ActionResult = serde_json::from_value(result).map_err(wrong)?;
                actions.count += 1;
                actions.cpu += result.times.cpu;
            }
            Ok(())
        })?;
        Ok(actions)
    }
}

impl Room {
    /// Looks at a whole store, but for what another has too (its files are linked).
    pub(crate) fn of(store: &Path, without: Option<&Path>) -> Result<Self, Error> {
        let mut files = BTreeSet::new();
        let mut contents: BTreeMap<String, u64> = BTreeMap::new();
        if let Some(without) = without {
            each_entry(without, &mut |_, metadata| {
                files.insert(metadata.ino());
                Ok(())
            })?;
        }
        let known = files.clone();
        let mut room = Self::default();
        each_entry(store, &mut |path, metadata| {
            if files.insert(metadata.ino()) {
                room.allocated += metadata.blocks() * 512;
                let is_copy = path.strip_prefix(store).is_ok_and(|below| below.starts_with(RESULTS));
                let bytes = if is_copy { &mut room.results } else { &mut room.bytes };
                *bytes += if metadata.is_dir() { 0 } else { metadata.len() };
            }
            if metadata.is_file()
                && !known.contains(&metadata.ino())
                && let Some(name) = content(store, path)
            {
                contents.insert(name, metadata.len());
            }
            Ok(())
        })?;
        room.unique = contents.values().sum();
        Ok(room)
    }
}

/// By what a file of a store is called, if it is called by what it holds.
fn content(store: &Path, path: &Path) -> Option<String> {
    let below = path.strip_prefix(store).ok()?;
    let folder = below.components().next()?.as_os_str().to_str()?;
    let name = below.file_name()?.to_str()?.split('.').next()?;
    CONTENT.contains(&folder).then(|| name.to_owned())
}

type Look<'l> = dyn FnMut(&Path, &std::fs::Metadata) -> Result<(), Error> + 'l;

fn each_file(folder: &Path, look: &mut Look<'_>) -> Result<(), Error> {
    each_entry(folder, &mut |path, metadata| if metadata.is_file() { look(path, metadata) } else { Ok(()) })
}

/// Everything below a folder; links are not followed.
fn each_entry(folder: &Path, look: &mut Look<'_>) -> Result<(), Error> {
    for entry in fs_err::read_dir(folder)? {
        let entry = entry?;
        let (path, metadata) = (entry.path(), entry.metadata()?);
        look(&path, &metadata)?;
        if metadata.is_dir() {
            each_entry(&path, look)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use xbuild_action::{ActionCache as _, ContentExt as _, Isolation, Times};
    use xbuild_base::Digest;
    use xbuild_store::Disk;
    use xtask_ground::owner;

    use super::*;
    use crate::project::write;

    #[test]
    fn actions_are_counted_with_their_processor_time() {
        let place = tempfile::tempdir().unwrap();
        let store = Disk::open(place.path(), owner()).unwrap();
        let nothing = store.put(b"").unwrap();
        for (key, milliseconds) in [(&b"a"[..], 300), (&b"b"[..], 50), (&b"c"[..], 50)] {
            let times = Times { cpu: Duration::from_millis(milliseconds), ..Times::default() };
            let result = ActionResult {
                outputs: BTreeMap::new(),
                exit_code: 0,
                stdout: nothing,
                stderr: nothing,
                isolation: Isolation::Full,
                times,
            };
            store.record(Digest::of(key), &result).unwrap();
        }
        let actions = Actions::of(place.path()).unwrap();
        assert_eq!(actions, Actions { count: 2, cpu: Duration::from_millis(350) });
    }

    #[test]
    fn a_linked_file_takes_room_once_and_a_copy_twice() {
        let place = tempfile::tempdir().unwrap();
        let (base, store) = (place.path().join("base"), place.path().join("store"));
        write(&base.join("blobs/aa/aa1"), &[0; 10]).unwrap();
        write(&store.join("blobs/bb/bb1"), &[0; 100]).unwrap();
        write(&store.join("blobs/bb/bb1.x"), &[0; 100]).unwrap();
        write(&store.join("memo/x"), &[0; 7]).unwrap();
        write(&store.join("results/r/bin/x"), &[0; 50]).unwrap();
        fs_err::create_dir_all(store.join("trees/t")).unwrap();
        fs_err::create_dir_all(store.join("blobs/aa")).unwrap();
        fs_err::hard_link(store.join("blobs/bb/bb1"), store.join("trees/t/file")).unwrap();
        fs_err::hard_link(base.join("blobs/aa/aa1"), store.join("blobs/aa/aa1")).unwrap();
        let whole = Room::of(&store, None).unwrap();
        assert_eq!([whole.bytes, whole.unique, whole.results], [217, 110, 50]);
        let added = Room::of(&store, Some(&base)).unwrap();
        assert_eq!([added.bytes, added.unique], [207, 100]);
        assert!(added.allocated >= added.bytes + added.results);
    }
}
