//! Importing sources: what changes is seen, what doesn't isn't read, what can't be is refused.

mod common;

use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use common::{Temporary, path, temporary};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps};
use xbuild_action::{Content as _, Staging as _};
use xbuild_base::{Blob, Digest, RelPath};
use xbuild_store::{Disk, Error};

fn names(count: usize) -> Vec<RelPath> {
    (0..count).map(|n| path(&format!("d{:02}/f{n}", n % 40))).collect()
}

fn project(at: &Path, names: &[RelPath]) {
    for name in names {
        let file = at.join(name);
        fs_err::create_dir_all(file.parent().unwrap()).unwrap();
        fs_err::write(file, format!("text of {name}")).unwrap();
    }
}

/// Waits until what was written is old enough to be remembered.
fn settle() {
    std::thread::sleep(std::time::Duration::from_millis(2_100));
}

#[test]
fn an_unchanged_project_is_not_read_and_an_edit_is_seen_whatever_it_leaves_alone() {
    let Temporary { store, host, .. } = temporary();
    let (at, names) = (host.path().join("project"), names(2_000));
    project(&at, &names);
    let first = store.import(&at, names.iter().cloned()).unwrap();
    assert_eq!((first.files, first.read), (2_000, 2_000));
    settle();
    store.import(&at, names.iter().cloned()).unwrap();

    let again = store.import(&at, names.iter().cloned()).unwrap();
    assert_eq!((again.tree, again.read), (first.tree, 0));

    // Same size, same mtime.
    let edited = at.join(&names[7]);
    let before = rustix::fs::stat(&edited).unwrap();
    let text = fs_err::read_to_string(&edited).unwrap().replace("text", "TEXT");
    fs_err::write(&edited, &text).unwrap();
    let time = Timespec { tv_sec: before.st_mtime, tv_nsec: before.st_mtime_nsec.try_into().unwrap() };
    let times = Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(CWD, &edited, &times, AtFlags::empty()).unwrap();
    let after = rustix::fs::stat(&edited).unwrap();
    assert_eq!(
        (before.st_size, before.st_mtime, before.st_mtime_nsec),
        (after.st_size, after.st_mtime, after.st_mtime_nsec)
    );
    let changed = store.import(&at, names.iter().cloned()).unwrap();
    assert_ne!(changed.tree, first.tree);
    assert_eq!(changed.read, 1);
    assert!(store.has_blob(Digest::<Blob>::of(text.as_bytes())).unwrap());

    // A mode is content, a removed file is gone, and another process knows what this one knew.
    fs_err::set_permissions(at.join(&names[8]), std::fs::Permissions::from_mode(0o755)).unwrap();
    let shorter = &names[..1_999];
    let last = store.import(&at, shorter.iter().cloned()).unwrap();
    assert_eq!(last.files, 1_999);
    // The edit before is read again while it is fresh.
    assert!((1..=2).contains(&last.read), "{}", last.read);
    assert_ne!(last.tree, changed.tree);
    let folder = store.folder().to_owned();
    drop(store);
    let opened = Disk::open(&folder, None).unwrap();
    let third = opened.import(&at, shorter.iter().cloned()).unwrap();
    assert_eq!(third.tree, last.tree);
    assert!(third.read <= 2, "{}", third.read);
}

#[test]
fn what_could_still_change_unseen_is_read_each_time() {
    let Temporary { store, host, .. } = temporary();
    let (at, names) = (host.path().join("project"), names(2));
    project(&at, &names);
    // Written within this tick of the clock, or later than now: a file system's clock may be another's.
    let later = Timespec { tv_sec: 4_000_000_000, tv_nsec: 0 };
    let times = Timestamps { last_access: later, last_modification: later };
    rustix::fs::utimensat(CWD, at.join(&names[0]), &times, AtFlags::empty()).unwrap();
    settle();
    store.import(&at, names.iter().cloned()).unwrap();
    assert_eq!(store.import(&at, names.iter().cloned()).unwrap().read, 1);
}

#[test]
fn after_a_crash_lost_content_is_stored_again() {
    let Temporary { store, folder, host } = temporary();
    let (at, names) = (host.path().join("project"), names(3));
    project(&at, &names);
    settle();
    let first = store.import(&at, names.iter().cloned()).unwrap();
    assert_eq!(store.import(&at, names.iter().cloned()).unwrap().read, 0);
    // As after a power cut: the cache is from another boot, and a blob has lost its end.
    let cache = &common::files_below(&folder.join("imports"))[0];
    let boot = fs_err::read("/proc/sys/kernel/random/boot_id").unwrap();
    let mut bytes = fs_err::read(cache).unwrap();
    bytes[38..38 + boot.len() - 1].fill(b'0');
    let checksum = xbuild_base::Sha256::of(&bytes[32..]);
    bytes[..32].copy_from_slice(checksum.as_bytes());
    fs_err::write(cache, bytes).unwrap();
    let lost = Digest::<Blob>::of(format!("text of {}", names[1]).as_bytes());
    let blob = common::blob_path(&folder, &lost.to_hex());
    fs_err::remove_file(&blob).unwrap();
    fs_err::write(&blob, "").unwrap();

    let again = store.import(&at, names.iter().cloned()).unwrap();
    assert_eq!((again.tree, again.read), (first.tree, 1));
    assert!(store.has_blob(lost).unwrap());
}

#[test]
fn what_cannot_be_imported_is_named() {
    let Temporary { store, host, .. } = temporary();
    let at = host.path();
    let message = |name: &str| {
        let error = store.import(at, [path(name)]).unwrap_err();
        (error.to_string().replace(&at.display().to_string(), "PROJECT"), error.help())
    };

    let _socket = std::os::unix::net::UnixListener::bind(at.join("socket")).unwrap();
    let (text, help) = message("socket");
    assert_eq!(
        text,
        "could not import PROJECT: `socket` is a socket, and only files, links and directories can be"
    );
    assert_eq!(help.unwrap(), "remove it, or have git ignore it: echo '/socket' >> .gitignore");

    rustix::fs::mknodat(
        CWD,
        at.join("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    assert!(message("pipe").0.contains("`pipe` is a named pipe"));

    fs_err::os::unix::fs::symlink("/etc/passwd", at.join("link")).unwrap();
    assert_eq!(
        message("link").0,
        "could not import PROJECT: `link` is a link to the absolute path `/etc/passwd`"
    );

    let target = std::ffi::OsStr::from_bytes(b"\xff");
    fs_err::os::unix::fs::symlink(target, at.join("odd")).unwrap();
    assert!(message("odd").0.contains("is not valid UTF-8"));

    assert!(message("gone").0.starts_with("could not import PROJECT/gone: No such file"));
    assert!(matches!(store.import(Path::new("relative"), []), Err(Error::NotAbsolute(_))));
}

#[test]
fn an_empty_list_is_the_empty_tree_and_listed_folders_are_empty_ones() {
    let Temporary { store, host, .. } = temporary();
    let at = host.path().join("project");
    fs_err::create_dir_all(at.join("a/b")).unwrap();
    fs_err::write(at.join("a/x"), "1").unwrap();
    let tree = store.import(&at, []).unwrap().tree;
    assert_eq!(tree, xbuild_action::Directory::default().digest());
    let tree = store.import(&at, ["a", "a/b", "a/x"].map(path)).unwrap().tree;
    let laid_out = store.folder().join(store.materialise(tree).unwrap());
    assert!(laid_out.join("a/b").is_dir() && laid_out.join("a/x").is_file());
}
