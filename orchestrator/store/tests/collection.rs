//! Collection keeps what is needed and removes the rest; verification finds what is wrong.

mod common;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use common::{Temporary, blob_path, file, files_below, path, success, temporary, tree};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps};
use xbuild_action::{ActionCache as _, Cancel, Content as _, ContentExt as _, File, Output, Staging as _};
use xbuild_base::{Action, Blob, Digest};
use xbuild_store::{Disk, Error, Keeps, Namespace, Policy, Repair, Sweeping};

const MEMO: Namespace = Namespace::new("test");

/// Keeps only what has a root: seen from the far future everything is old.
fn roots_only(sweeping: Sweeping) -> Policy {
    let now = later(1_000);
    Policy { now, max_age: Duration::from_secs(1), max_size: None, sweeping }
}

/// So many days after everything in these tests was made.
fn later(days: u64) -> SystemTime {
    let made = fs_err::metadata(std::env::temp_dir()).unwrap().modified().unwrap();
    made + Duration::from_secs(days * 24 * 3600)
}

fn contents(folder: &Path) -> Vec<PathBuf> {
    ["actions", "blobs", "directories", "memo", "results", "roots", "trees"]
        .iter()
        .flat_map(|part| files_below(&folder.join(part)))
        .collect()
}

/// Makes a record look as if it had been used then.
fn touch(path: &Path, used: SystemTime) {
    let seconds = used.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let time = Timespec { tv_sec: seconds.cast_signed(), tv_nsec: 0 };
    let times = Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::empty()).unwrap();
}

#[test]
fn what_was_used_longest_ago_goes_until_the_store_is_small_enough() {
    let Temporary { store, folder, host } = temporary();
    let (old, new): (Digest<Action>, Digest<Action>) = (Digest::of(b"old"), Digest::of(b"new"));
    let large = |text: &str| text.repeat(10_000);
    for (key, text) in [(old, "o"), (new, "n")] {
        store.record(key, &success(&store, &[("f", file(&store, &large(text)))])).unwrap();
    }
    let rooted = store.put(large("r").as_bytes()).unwrap();
    let link = host.path().join("result");
    fs_err::os::unix::fs::symlink("anywhere", &link).unwrap();
    store.add_root(&link, &Keeps { blobs: [rooted].into(), ..Keeps::default() }).unwrap();
    let record = |key: Digest<Action>| {
        let named = |path: &PathBuf| path.to_string_lossy().contains(&key.sha256().to_hex());
        files_below(&folder.join("actions")).into_iter().find(named).unwrap()
    };
    touch(&record(old), later(80));
    touch(&record(new), later(90));

    let usage = store.usage().unwrap();
    assert_eq!(usage.roots, [(link, Some(xbuild_store::Held { files: 1, bytes: 10_000 }))]);
    assert_eq!(usage.needs["roots"].bytes, 10_000);
    assert!(usage.needs["actions"].bytes > 20_000 && usage.needs["nothing"].bytes == 0, "{usage:?}");

    let policy = |max_size| Policy {
        now: later(100),
        max_age: Duration::from_secs(200 * 86_400),
        max_size,
        sweeping: Sweeping::Remove,
    };
    let has = |key| store.result(key).unwrap().is_some();
    for (max_size, kept) in [
        (None, [true, true]),
        (Some(1 << 20), [true, true]),
        (Some(25_000), [false, true]),
        (Some(1), [false, false]),
    ] {
        let report = store.gc(&policy(max_size)).unwrap();
        // A result that is asked for counts as used: records are looked at by their files.
        let there = [old, new].map(|key| {
            files_below(&folder.join("actions"))
                .iter()
                .any(|path| path.to_string_lossy().contains(&key.sha256().to_hex()))
        });
        assert_eq!(there, kept, "{max_size:?}");
        assert!(max_size.is_none_or(|size| size == 1 || report.kept_bytes() <= size), "{report:?}");
    }
    assert!(!has(old) && !has(new));
    assert_eq!(store.get(rooted).unwrap().len(), 10_000, "what a root keeps stays, whatever the size");
    assert_eq!(store.verify(Repair::Report, &Cancel::default()).unwrap().damaged, []);
}

#[test]
fn what_roots_need_stays_and_the_rest_goes() {
    let Temporary { store, folder, host } = temporary();
    let link = host.path().join("result");
    fs_err::os::unix::fs::symlink("anywhere", &link).unwrap();
    let gone = host.path().join("gone");

    let kept_tree = tree(&store, &[("a/b", "in the kept tree")]);
    let output = tree(&store, &[("x", "in an output")]);
    let (key, other): (Digest<Action>, Digest<Action>) = (Digest::of(b"kept"), Digest::of(b"other"));
    store.record(key, &success(&store, &[("f", file(&store, "kept")), ("t", Output::Tree(output))])).unwrap();
    store.record(other, &success(&store, &[("f", file(&store, "not kept"))])).unwrap();
    let alone = store.put(b"kept alone").unwrap();
    store.path_of(File { digest: alone, executable: true }).unwrap();
    let unkept_tree = tree(&store, &[("a/b", "in the other tree")]);
    for tree in [kept_tree, unkept_tree] {
        store.materialise(tree).unwrap();
        store.lay_out_result(tree).unwrap();
        store.has_tree(tree).unwrap();
    }
    store.put_memo(MEMO, key.sha256(), b"x").unwrap();
    let keeps = Keeps { blobs: [alone].into(), trees: [kept_tree].into(), actions: [key].into() };
    store.add_root(&link, &keeps).unwrap();
    store.add_root(&gone, &Keeps { trees: [unkept_tree].into(), ..Keeps::default() }).unwrap();

    let before = contents(&folder);
    let would = store.gc(&roots_only(Sweeping::DryRun)).unwrap();
    assert_eq!(contents(&folder), before);
    let did = store.gc(&roots_only(Sweeping::Remove)).unwrap();
    assert_eq!(did, would);
    assert_eq!((did.kinds["roots"].kept, did.kinds["roots"].removed), (1, 1));
    assert_eq!((did.kinds["actions"].kept, did.kinds["actions"].removed), (1, 1));
    for kind in ["trees", "results"] {
        assert_eq!((did.kinds[kind].kept, did.kinds[kind].removed), (1, 1), "{kind}");
    }
    assert_eq!((did.kinds["memo"].kept, did.kinds["memo"].removed), (0, 1));
    assert!(did.bytes() > 0);

    assert!(store.result(key).unwrap().is_some());
    assert!(store.result(other).unwrap().is_none());
    assert!(store.has_tree(kept_tree).unwrap());
    assert!(!store.has_tree(unkept_tree).unwrap());
    assert!(store.has_tree(output).unwrap());
    assert_eq!(store.get(alone).unwrap(), b"kept alone");
    assert!(!store.has_blob(Digest::of(b"not kept")).unwrap());
    assert!(store.materialise(unkept_tree).is_err());
    let report = store.verify(Repair::Report, &Cancel::default()).unwrap();
    assert_eq!(report.damaged, []);

    // The link goes, and with it the rest.
    fs_err::remove_file(&link).unwrap();
    store.gc(&roots_only(Sweeping::Remove)).unwrap();
    assert_eq!(contents(&folder), [] as [PathBuf; 0]);
}

#[test]
fn what_was_used_within_the_age_limit_stays_with_all_that_it_needs() {
    let Temporary { store, folder, host: _host } = temporary();
    let output = tree(&store, &[("d/x", "in an output")]);
    let key: Digest<Action> = Digest::of(b"action");
    store.record(key, &success(&store, &[("f", file(&store, "f")), ("t", Output::Tree(output))])).unwrap();
    let named = tree(&store, &[("y/z", "named by a memo")]);
    store.put_memo(MEMO, key.sha256(), format!("tree {named}").as_bytes()).unwrap();
    let laid_out = tree(&store, &[("l", "laid out")]);
    store.materialise(laid_out).unwrap();
    let before = contents(&folder);

    let policy = |days| Policy {
        now: later(days),
        max_age: Duration::from_secs(30 * 86_400),
        max_size: None,
        sweeping: Sweeping::Remove,
    };
    assert_eq!(store.gc(&policy(29)).unwrap().removed(), 0);
    assert_eq!(contents(&folder), before);

    // Blobs and directories look old; what was used lately names them.
    let old = |path: &PathBuf| {
        path.starts_with(folder.join("blobs")) || path.starts_with(folder.join("directories"))
    };
    before.iter().filter(|path| !old(path)).for_each(|path| touch(path, later(40)));
    assert_eq!(store.gc(&policy(41)).unwrap().removed(), 0);
    assert_eq!(contents(&folder), before);
    store.gc(&policy(100)).unwrap();
    assert_eq!(contents(&folder), [] as [PathBuf; 0]);
}

#[test]
fn an_import_after_collection_stores_its_files_again() {
    let Temporary { store, host, .. } = temporary();
    let project = host.path().join("project");
    fs_err::create_dir(&project).unwrap();
    fs_err::write(project.join("a"), "source").unwrap();
    std::thread::sleep(Duration::from_millis(2_100));
    let names = || [path("a")];
    store.import(&project, names()).unwrap();
    assert_eq!(store.import(&project, names()).unwrap().read, 0);
    store.gc(&roots_only(Sweeping::Remove)).unwrap();
    let imported = store.import(&project, names()).unwrap();
    assert_eq!(imported.read, 1);
    assert!(store.has_tree(imported.tree).unwrap());
}

#[test]
fn collection_waits_until_nobody_else_is_there_and_others_wait_for_it() {
    let Temporary { store, folder, host: _host } = temporary();
    let second = Disk::open(&folder, None).unwrap();
    let error = store.gc(&roots_only(Sweeping::Remove)).unwrap_err();
    assert!(matches!(error, Error::InUse(_)), "{error}");
    assert!(matches!(second.gc(&roots_only(Sweeping::Remove)), Err(Error::InUse(_))), "still held by both");
    store.gc(&roots_only(Sweeping::DryRun)).unwrap();
    drop(second);
    store.gc(&roots_only(Sweeping::Remove)).unwrap();

    let lock = std::fs::OpenOptions::new().write(true).open(folder.join("locks/use")).unwrap();
    drop(store);
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let cancel = Cancel::default();
    let mut told = 0;
    let result = Disk::open_waiting(&folder, None, &cancel, &mut || {
        told += 1;
        cancel.cancel();
    });
    assert!(matches!(result, Err(Error::Cancelled)));
    assert_eq!(told, 1);
}

#[test]
fn a_root_that_cannot_be_read_stops_collection() {
    let Temporary { store, folder, host } = temporary();
    store.add_root(host.path(), &Keeps::default()).unwrap();
    let root = &files_below(&folder.join("roots"))[0];
    fs_err::write(root, "{\"format\":2}").unwrap();
    store.put(b"x").unwrap();
    let error = store.gc(&roots_only(Sweeping::Remove)).unwrap_err();
    assert!(error.to_string().contains("what this root keeps can't be told"), "{error}");
    assert!(store.has_blob(Digest::of(b"x")).unwrap());
    assert!(matches!(store.add_root(Path::new("result"), &Keeps::default()), Err(Error::NotAbsolute(_))));
}

/// Changes one byte of a file, and nothing else.
fn flip(path: &Path) {
    let mut bytes = fs_err::read(path).unwrap();
    let mode = fs_err::metadata(path).unwrap().permissions();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
    fs_err::write(path, bytes).unwrap();
    fs_err::set_permissions(path, mode).unwrap();
}

#[test]
fn verification_finds_a_flipped_byte_wherever_it_is_and_repairs() {
    let Temporary { store, folder, host: _host } = temporary();
    let tree_ = tree(&store, &[("d/x", "laid out"), ("y", "other")]);
    let key: Digest<Action> = Digest::of(b"action");
    let result = success(&store, &[("f", file(&store, "output")), ("t", Output::Tree(tree_))]);
    store.record(key, &result).unwrap();
    let laid_out = folder.join(store.materialise(tree_).unwrap());
    let verify = |repair| store.verify(repair, &Cancel::default()).unwrap();
    let clean = verify(Repair::Report);
    assert_eq!(clean.damaged, []);
    assert!(["actions", "blobs", "directories", "trees"].iter().all(|kind| clean.checked[kind] > 0));

    let damage = |repair| {
        let damaged = verify(repair).damaged;
        damaged.into_iter().map(|damage| damage.path).collect::<Vec<_>>()
    };
    // An output: the blob, then (when it is gone) the result that needs it.
    let blob = blob_path(&folder, &Digest::<Blob>::of(b"output").to_hex());
    flip(&blob);
    assert_eq!(damage(Repair::Report), std::slice::from_ref(&blob));
    let action = files_below(&folder.join("actions"))[0].clone();
    assert_eq!(damage(Repair::Remove), [action, blob]);
    assert_eq!(verify(Repair::Report).damaged, []);
    assert_eq!(store.result(key).unwrap(), None);
    store.put(b"output").unwrap();
    store.record(key, &result).unwrap();

    // A file of a laid-out tree is the blob itself.
    flip(&laid_out.join("d/x"));
    let found = damage(Repair::Report);
    assert!(found.contains(&laid_out) && found.len() == 2, "{found:?}");
    damage(Repair::Remove);
    assert_eq!(verify(Repair::Report).damaged, []);
    assert!(!store.has_tree(tree_).unwrap());
    store.put(b"laid out").unwrap();
    store.materialise(tree_).unwrap();

    // A file of a result is its own.
    let result = store.lay_out_result(tree_).unwrap();
    flip(&result.join("y"));
    assert_eq!(damage(Repair::Remove), std::slice::from_ref(&result));
    assert_eq!(verify(Repair::Report).damaged, []);

    // A file too many, and a directory message.
    fs_err::write(laid_out.join("d/stranger"), "").unwrap();
    assert_eq!(damage(Repair::Remove), std::slice::from_ref(&laid_out));
    let message = folder.join(format!("directories/{}/{}", &tree_.to_hex()[..2], tree_.to_hex()));
    flip(&message);
    assert_eq!(damage(Repair::Remove), [message]);
    assert_eq!(verify(Repair::Report).damaged, []);
    assert!(store.directory(tree_).is_err());
}

#[test]
fn verification_can_be_stopped() {
    let Temporary { store, host: _host, .. } = temporary();
    store.put(b"x").unwrap();
    let cancel = Cancel::default();
    cancel.cancel();
    assert!(matches!(store.verify(Repair::Report, &cancel), Err(Error::Cancelled)));
}
