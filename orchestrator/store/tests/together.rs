//! Many threads and processes at one store.

mod common;

use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use common::{Temporary, as_child, child, files_below, temporary, tree};
use xbuild_action::{Cancel, ContentExt as _, Staging as _};
use xbuild_base::{Action, Digest};
use xbuild_store::{Disk, Error, Repair};

fn work(store: &Disk) {
    for n in 0..40 {
        let text = format!("content {n} ").repeat(1 + n * 200);
        let digest = store.put(text.as_bytes()).unwrap();
        let tree = tree(store, &[("a", &text), ("d/e", "same"), (&format!("f{n}"), "same")]);
        let at = store.folder().join(store.materialise(tree).unwrap());
        assert_eq!(fs_err::read_to_string(at.join("a")).unwrap(), text);
        let scratch = store.scratch().unwrap();
        let made = scratch.path().join("made");
        fs_err::write(&made, &text).unwrap();
        assert_eq!(store.adopt(&made).unwrap().digest, digest);
        let file = xbuild_action::File { digest, executable: n % 2 == 0 };
        store.link(file, &scratch.path().join("linked")).unwrap();
    }
}

#[test]
#[ignore = "run by `processes_and_threads_agree`"]
fn worker() {
    let Some(folder) = as_child() else { return };
    work(&Disk::open(&folder, None).unwrap());
}

#[test]
fn processes_and_threads_agree() {
    let host = tempfile::tempdir().unwrap();
    let folder = host.path().join("store");
    // The store is made by whoever comes first.
    let children: Vec<_> =
        (0..3).map(|_| child("worker", &folder).stdout(Stdio::null()).spawn().unwrap()).collect();
    let store = Disk::open(&folder, None).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| work(&store));
        }
    });
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let report = store.verify(Repair::Report, &Cancel::default()).unwrap();
    assert_eq!(report.damaged, []);
    assert_eq!(report.checked["trees"], 40);
    let locks: Vec<_> = files_below(&folder.join("locks"));
    let those_of =
        |names: &[&str]| names.iter().map(|name| folder.join("locks").join(name)).collect::<Vec<_>>();
    assert_eq!(locks, those_of(&["trees", "use"]), "locks don't pile up");
}

/// Takes the lock many times; the file's text tells whether somebody else is inside.
fn count(store: &Disk, counter: &std::path::Path) {
    let key: Digest<Action> = Digest::of(b"counted");
    for _ in 0..25 {
        let lock = store.lock(key, &Cancel::default(), &mut || {}).unwrap();
        let number: u32 = fs_err::read_to_string(counter).unwrap().parse().unwrap();
        fs_err::write(counter, "inside").unwrap();
        std::thread::yield_now();
        fs_err::write(counter, (number + 1).to_string()).unwrap();
        drop(lock);
    }
}

#[test]
#[ignore = "run by `only_one_at_a_time_holds_a_lock`"]
fn counter() {
    let Some(folder) = as_child() else { return };
    count(&Disk::open(&folder.join("store"), None).unwrap(), &folder.join("counter"));
}

#[test]
fn only_one_at_a_time_holds_a_lock() {
    let Temporary { store, host, .. } = temporary();
    let file = host.path().join("counter");
    fs_err::write(&file, "0").unwrap();
    let children: Vec<_> =
        (0..2).map(|_| child("counter", host.path()).stdout(Stdio::null()).spawn().unwrap()).collect();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| count(&store, &file));
        }
    });
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(fs_err::read_to_string(&file).unwrap(), "100");
}

#[test]
fn waiting_for_a_lock_is_told_once_and_can_be_stopped() {
    let Temporary { store, host: _host, .. } = temporary();
    let key: Digest<Action> = Digest::of(b"a");
    let lock = store.lock(key, &Cancel::default(), &mut || panic!("nobody has it")).unwrap();
    assert!(store.try_lock(key).unwrap().is_none());
    assert!(store.try_lock(Digest::of(b"b")).unwrap().is_some(), "another action's");

    let (cancel, told) = (Cancel::default(), AtomicU32::new(0));
    let stopped = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let waiting = &mut || {
                told.fetch_add(1, Ordering::SeqCst);
            };
            let result = store.lock(key, &cancel, waiting);
            assert!(matches!(result, Err(Error::Cancelled)));
            stopped.store(true, Ordering::SeqCst);
        });
        while told.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        std::thread::sleep(std::time::Duration::from_millis(30));
        assert!(!stopped.load(Ordering::SeqCst));
        cancel.cancel();
    });
    assert_eq!(told.load(Ordering::SeqCst), 1);
    drop(lock);
    assert!(store.try_lock(key).unwrap().is_some());
}
