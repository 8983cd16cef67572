//! Stores for cold runs: the toolchain, std and the crates are there, and nothing that came of a project.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use xbuild_store::{Disk, Policy, Sweeping};
use xtask_ground::owner;

use crate::error::Error;

/// Memos that say what was fetched and composed. The others are about projects, or are made again by a look.
const READY: [&str; 8] = [
    "component",
    "fetched-blob",
    "git-commit",
    "git-tree",
    "official",
    "std",
    "unpacked-tree",
    "vendored-tree",
];

/// Later than any time in a store, and later still: what is of now is old at the first of them.
const COLLECTED: Duration = Duration::from_secs(4_000_000_000);
const KEPT: Duration = Duration::from_secs(4_100_000_000);
/// And earlier: of what nobody has used yet. A pack is of what was used.
const UNUSED: Duration = Duration::ZERO;

/// Makes `to` a store with what of `from` is ready for any project.
pub(crate) fn ready(from: &Path, to: &Path) -> Result<(), Error> {
    copy(from, to)?;
    fs_err::create_dir_all(to.join("memo"))?;
    for namespace in READY {
        let memos = from.join("memo").join(namespace);
        if memos.is_dir() {
            // Files of their own: their times are changed below.
            run(Command::new("cp").arg("--archive").arg(memos).arg(to.join("memo")))?;
            date(&to.join("memo").join(namespace), KEPT)?;
        }
    }
    own(from, &to.join("memo"))?;
    let store = Disk::open(to, owner())?;
    let now = SystemTime::UNIX_EPOCH + COLLECTED;
    store.gc(&Policy { now, max_age: Duration::ZERO, max_size: None, sweeping: Sweeping::Remove })?;
    date(&to.join("memo"), UNUSED)
}

/// Makes `to` a copy of a store that [`ready`] made.
pub(crate) fn fresh(ready: &Path, to: &Path) -> Result<(), Error> {
    copy(ready, to)?;
    link(&ready.join("memo"), to)
}

/// Links the content: what a store never changes in place.
fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    fs_err::create_dir_all(to)?;
    own(from, to)?;
    ["format", "blobs", "directories", "trees"].iter().try_for_each(|part| link(&from.join(part), to))
}

fn link(from: &Path, to: &Path) -> Result<(), Error> {
    let copy = |how: &str| run(Command::new("cp").args(["--archive", how]).arg(from).arg(to));
    // A file can have so many links and no more: what has them already is copied.
    copy("--link").or_else(|_| copy("--no-clobber"))
}

/// Gives a folder to whom the store belongs.
fn own(store: &Path, folder: &Path) -> Result<(), Error> {
    let of = fs_err::metadata(store.join("blobs"))?;
    Ok(std::os::unix::fs::chown(folder, Some(of.uid()), Some(of.gid()))?)
}

/// Has all records below a folder used last at a time since 1970.
fn date(folder: &Path, time: Duration) -> Result<(), Error> {
    for entry in fs_err::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            date(&entry.path(), time)?;
        } else {
            let record = fs_err::OpenOptions::new().write(true).open(entry.path())?;
            record.file().set_modified(SystemTime::UNIX_EPOCH + time)?;
        }
    }
    Ok(())
}

fn run(command: &mut Command) -> Result<(), Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|source| Error::Start { program: program.clone(), source })?;
    if output.status.success() {
        return Ok(());
    }
    let output_text = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(Error::Failed { command: program, problem: output.status.to_string(), output: output_text })
}

#[cfg(test)]
mod tests {
    use xbuild_action::{Content as _, ContentExt as _};
    use xbuild_base::Sha256;
    use xbuild_store::Namespace;

    use super::*;

    #[test]
    fn what_memos_of_the_toolchain_name_is_kept_and_nothing_else() {
        let place = tempfile::tempdir().unwrap();
        let folder = |name: &str| place.path().join(name);
        let store = Disk::open(&folder("base"), owner()).unwrap();
        let (tool, made) = (store.put(b"tool").unwrap(), store.put(b"made").unwrap());
        let key = Sha256::of(b"key");
        let remember = |namespace, blob: xbuild_base::Digest<xbuild_base::Blob>| {
            store.put_memo(namespace, key, blob.to_string().as_bytes()).unwrap();
        };
        remember(Namespace::new("component"), tool);
        remember(Namespace::new("request-1"), made);

        ready(&folder("base"), &folder("ready")).unwrap();
        fresh(&folder("ready"), &folder("fresh")).unwrap();
        let fresh = Disk::open(&folder("fresh"), owner()).unwrap();
        let mut pack = Vec::new();
        let packed = fresh.export_pack(SystemTime::UNIX_EPOCH + COLLECTED, &[].into(), &mut pack).unwrap();
        assert_eq!(packed.files, 0, "nobody has used anything");
        assert_eq!(fresh.get(tool).unwrap(), b"tool");
        assert!(fresh.memo(Namespace::new("component"), key).is_some());
        assert!(!fresh.has_blob(made).unwrap());
        assert_eq!(fresh.memo(Namespace::new("request-1"), key), None);
        assert!(store.has_blob(made).unwrap(), "the base store has lost nothing");
    }
}
