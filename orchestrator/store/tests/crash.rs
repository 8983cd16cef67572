//! What a crash, a newer version or a full disk leaves behind.

mod common;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::{Temporary, as_child, blob_path, child, file, files_below, path, success, temporary, tree};
use rustix::fs::XattrFlags;
use xbuild_action::{
    ActionCache as _, Cancel, Content as _, ContentExt as _, Entry, Output, Staging as _, StoreError,
    TreeBuilder,
};
use xbuild_base::{Action, Digest};
use xbuild_store::{Disk, Error, Repair};

const KEY: &[u8] = b"action";

fn overwrite(path: &Path, bytes: &[u8]) {
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
    fs_err::write(path, bytes).unwrap();
}

#[test]
fn a_truncated_blob_is_missing_and_is_stored_again() {
    let Temporary { store, folder, host: _host } = temporary();
    let digest = store.put(b"whole").unwrap();
    let path = blob_path(&folder, &digest.to_hex());
    overwrite(&path, b"who");
    assert!(!store.has_blob(digest).unwrap());
    assert!(matches!(store.get(digest), Err(StoreError::Missing { .. })));
    assert_eq!(store.put(b"whole").unwrap(), digest);
    assert_eq!(store.get(digest).unwrap(), b"whole");
    assert_eq!(fs_err::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
}

#[test]
fn a_truncated_executable_is_made_from_the_plain_one() {
    let Temporary { store, host: _host, .. } = temporary();
    let digest = store.put(b"whole").unwrap();
    let file = xbuild_action::File { digest, executable: true };
    overwrite(&store.path_of(file).unwrap(), b"");
    assert_eq!(fs_err::read(store.path_of(file).unwrap()).unwrap(), b"whole");
}

#[test]
fn a_torn_or_newer_action_is_a_miss() {
    let Temporary { store, folder, host: _host } = temporary();
    let key: Digest<Action> = Digest::of(KEY);
    let result = success(&store, &[("a", file(&store, "a"))]);
    store.record(key, &result).unwrap();
    let path = &files_below(&folder.join("actions"))[0];
    let whole = fs_err::read_to_string(path).unwrap();
    for torn in 0..whole.trim_end().len() {
        fs_err::write(path, &whole[..torn]).unwrap();
        assert_eq!(store.result(key).unwrap(), None, "{}", &whole[..torn]);
    }
    for other in [
        whole.replace("\"format\":1", "\"format\":2"),
        whole.replace("\"exit_code\":0", "\"exit_code\":1"),
        whole.replace(&key.to_hex(), &Digest::<Action>::of(b"another").to_hex()),
        "{\"format\":2,\"shape\":\"unknown\"}".to_owned(),
    ] {
        assert_ne!(other, whole);
        fs_err::write(path, &other).unwrap();
        assert_eq!(store.result(key).unwrap(), None, "{other}");
    }
    store.record(key, &result).unwrap();
    assert_eq!(store.result(key).unwrap(), Some(result));
}

#[test]
fn an_action_whose_output_is_gone_is_a_miss() {
    let Temporary { store, folder, host: _host } = temporary();
    let key: Digest<Action> = Digest::of(KEY);
    let tree = tree(&store, &[("d/x", "in a tree")]);
    let result = success(&store, &[("a", file(&store, "a")), ("t", Output::Tree(tree))]);
    store.record(key, &result).unwrap();
    let blob = blob_path(&folder, &Digest::<xbuild_base::Blob>::of(b"a").to_hex());
    fs_err::remove_file(&blob).unwrap();
    assert_eq!(store.result(key).unwrap(), None);
    store.put(b"a").unwrap();
    assert_eq!(store.result(key).unwrap().as_ref(), Some(&result));

    // In a tree, by a process that has not seen the tree whole.
    let lost = Digest::<xbuild_base::Blob>::of(b"in a tree");
    fs_err::remove_file(blob_path(&folder, &lost.to_hex())).unwrap();
    let another = Disk::open(&folder, None).unwrap();
    assert_eq!(another.result(key).unwrap(), None);
    another.put(b"in a tree").unwrap();
    assert_eq!(another.result(key).unwrap(), Some(result));
}

/// As if it had been written under an earlier boot of the machine.
fn age(path: &Path) {
    rustix::fs::setxattr(path, c"user.xbuild.written", b"an earlier one", XattrFlags::REPLACE).unwrap();
}

fn is_marked(path: &Path) -> bool {
    rustix::fs::getxattr(path, c"user.xbuild.written", &mut [0_u8; 64][..]).is_ok()
}

#[test]
fn a_program_that_a_linker_wrote_is_read_before_it_is_believed_after_the_machine_went_down() {
    let Temporary { store, folder, host: _host } = temporary();
    let scratch = store.scratch().unwrap();
    let inode = |path: &Path| std::os::unix::fs::MetadataExt::ino(&fs_err::metadata(path).unwrap());
    let adopt = |mode| {
        let made = scratch.path().join("made");
        fs_err::write(&made, format!("{mode:o}").repeat(400_000)).unwrap();
        fs_err::set_permissions(&made, std::fs::Permissions::from_mode(mode)).unwrap();
        let before = inode(&made);
        let file = store.adopt(&made).unwrap();
        assert!(!made.exists());
        let path = store.path_of(file).unwrap();
        let is_moved = inode(&path) == before;
        (file, path, is_moved)
    };
    let (_, library, is_moved) = adopt(0o644);
    assert!(is_moved && !is_marked(&library));
    let (file, program, is_moved) = adopt(0o755);
    assert!(is_moved && is_marked(&program), "nothing is written twice");
    let mut builder = TreeBuilder::default();
    builder.insert(&store, &path("bin/made"), Entry::File(file)).unwrap();
    let tree = builder.build(&store).unwrap();
    let laid_out = folder.join(store.materialise(tree).unwrap());

    // Its bytes are there: it is believed, and needn't be read again.
    age(&program);
    let later = Disk::open(&folder, None).unwrap();
    assert!(later.has_blob(file.digest).unwrap() && !is_marked(&program));

    // They are not.
    let (_, program, is_moved) = adopt(0o755);
    assert!(!is_moved && !is_marked(&program), "it was there already");
    rustix::fs::setxattr(&program, c"user.xbuild.written", b"an earlier one", XattrFlags::CREATE).unwrap();
    let bytes = fs_err::read(&program).unwrap();
    fs_err::write(&program, vec![0; bytes.len()]).unwrap();
    fs_err::write(laid_out.with_extension("checked"), "an earlier one").unwrap();
    let later = Disk::open(&folder, None).unwrap();
    assert!(later.materialise(tree).is_err());
    assert!(!later.has_blob(file.digest).unwrap() && !program.exists());
    adopt(0o755);
    later.materialise(tree).unwrap();
    assert_eq!(fs_err::read(laid_out.join("bin/made")).unwrap(), bytes);
}

#[test]
fn a_store_of_format_1_becomes_one_of_this_format_when_nobody_else_uses_it() {
    let Temporary { store, folder, host: _host } = temporary();
    let file = |executable| xbuild_action::File { digest: Digest::of(b"whole"), executable };
    store.put(b"whole").unwrap();
    let paths = [false, true].map(|executable| store.path_of(file(executable)).unwrap());
    for (path, mode) in paths.iter().zip([0o444, 0o555]) {
        fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    fs_err::write(folder.join("format"), "1\n").unwrap();
    fs_err::remove_dir(folder.join("results")).unwrap();
    // Whoever comes waits until nobody uses it, and says so; of many, one does the work.
    let waits = std::sync::atomic::AtomicBool::new(false);
    let mut told = || waits.store(true, std::sync::atomic::Ordering::SeqCst);
    let store = std::thread::scope(|scope| {
        let opened =
            scope.spawn(|| Disk::open_waiting(&folder, None, &Cancel::default(), &mut told).unwrap());
        while !waits.load(std::sync::atomic::Ordering::SeqCst) {
            std::thread::yield_now();
        }
        drop(store);
        let others: Vec<_> = (0..4).map(|_| scope.spawn(|| Disk::open(&folder, None).unwrap())).collect();
        others.into_iter().for_each(|other| drop(other.join().unwrap()));
        opened.join().unwrap()
    });
    let modes = paths.map(|path| fs_err::metadata(path).unwrap().permissions().mode() & 0o777);
    assert_eq!(modes, [0o644, 0o755]);
    assert_eq!(fs_err::read_to_string(folder.join("format")).unwrap(), "2\n");
    assert_eq!(store.get(Digest::of(b"whole")).unwrap(), b"whole");
}

#[test]
fn a_tree_that_lost_data_with_the_machine_is_laid_out_again() {
    let Temporary { store, folder, host: _host } = temporary();
    let tree = tree(&store, &[("d/x", "whole")]);
    let at = folder.join(store.materialise(tree).unwrap());
    drop(store);
    overwrite(&at.join("d/x"), b"");
    fs_err::write(at.with_extension("checked"), "another-boot").unwrap();
    let store = Disk::open(&folder, None).unwrap();
    assert!(
        matches!(store.materialise(tree), Err(StoreError::Missing { kind: "blob", .. })),
        "the same inode"
    );
    store.put(b"whole").unwrap();
    store.materialise(tree).unwrap();
    assert_eq!(fs_err::read(at.join("d/x")).unwrap(), b"whole");
}

#[test]
fn what_dead_processes_left_is_swept() {
    let Temporary { store, folder, host: _host } = temporary();
    let dead = folder.join("tmp/1.0");
    fs_err::create_dir_all(dead.join("scratch/deep")).unwrap();
    fs_err::write(dead.join("17"), "half a blob").unwrap();
    let living = store.scratch().unwrap();
    let second = Disk::open(&folder, None).unwrap();
    assert!(!dead.exists());
    assert!(living.path().exists());
    drop(second);
    assert!(living.path().exists());
}

#[test]
fn a_store_that_was_just_being_made_is_made_again() {
    let host = tempfile::tempdir().unwrap();
    let folder = host.path().join("a/b/store");
    fs_err::create_dir_all(folder.join("blobs")).unwrap();
    fs_err::write(folder.join("format"), "").unwrap();
    drop(Disk::open(&folder, None).unwrap());
    assert_eq!(fs_err::read_to_string(folder.join("format")).unwrap(), "2\n");
}

#[test]
fn a_newer_format_and_a_stranger_s_folder_are_refused_untouched() {
    let host = tempfile::tempdir().unwrap();
    let open = |name: &str| Disk::open(&host.path().join(name), None).unwrap_err();
    let refused = |name: &str, file: &str, text: &str| {
        let folder = host.path().join(name);
        fs_err::create_dir_all(&folder).unwrap();
        fs_err::write(folder.join(file), text).unwrap();
        let error = open(name);
        assert_eq!(fs_err::read_dir(&folder).unwrap().count(), 1);
        (error.to_string().replace(&host.path().display().to_string(), "HOST"), error.help().unwrap())
    };
    let (text, help) = refused("newer", "format", "3\n");
    assert_eq!(text, "the store at HOST/newer has format 3; this xbuild knows formats up to 2");
    assert_eq!(help, "use the newer xbuild, or another store: export XBUILD_STORE=…");
    let (text, _) = refused("strange", "thesis.tex", "");
    assert_eq!(text, "HOST/strange is not a store: it has no `format` file, and holds `thesis.tex`");
    let (text, _) = refused("odd", "format", "one");
    assert!(text.contains("`one` is not the number of a format"), "{text}");
    assert!(matches!(Disk::open(Path::new("store"), None), Err(Error::NotAbsolute(_))));
}

/// Writes without end into the store that it was given.
#[test]
#[ignore = "run by `a_killed_writer_leaves_nothing_that_is_wrong`"]
fn writer() {
    let Some(folder) = as_child() else { return };
    let store = Disk::open(&folder, None).unwrap();
    for n in 0u64.. {
        let text = n.to_string().repeat(if n % 7 == 0 { 200_000 } else { 10 });
        let output = file(&store, &text);
        let tree = tree(&store, &[("a", &text), ("b/c", "x")]);
        store.materialise(tree).unwrap();
        let key = Digest::of(&n.to_le_bytes());
        store.record(key, &success(&store, &[("a", output), ("t", Output::Tree(tree))])).unwrap();
    }
}

#[test]
fn a_killed_writer_leaves_nothing_that_is_wrong() {
    let host = tempfile::tempdir().unwrap();
    let folder = host.path().join("store");
    drop(Disk::open(&folder, None).unwrap());
    for round in 0..5 {
        let mut writer = child("writer", &folder).stdout(Stdio::null()).spawn().unwrap();
        let enough = |folder: &Path| files_below(&folder.join("actions")).len() > round * 20;
        while !enough(&folder) {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        writer.kill().unwrap();
        writer.wait().unwrap();
        let store = Disk::open(&folder, None).unwrap();
        let report = store.verify(Repair::Report, &Cancel::default()).unwrap();
        assert_eq!(report.damaged, []);
        assert!(report.checked["actions"] > 0);
        assert_eq!(files_below(&folder.join("tmp")), [] as [PathBuf; 0]);
    }
}

/// Fills the tiny file system that it was given.
#[test]
#[ignore = "run by `a_full_disk_leaves_nothing_half_written`"]
fn filler() {
    let Some(folder) = as_child() else { return };
    let at = folder.join("store");
    let store = Disk::open(&at, None).unwrap();
    let kept = store.put(b"kept").unwrap();
    let tree = tree(&store, &[("a/b", "kept")]);
    let result = success(&store, &[]);

    let check = |error: StoreError| {
        assert!(error.is_disk_full(), "{error}");
        assert!(error.to_string().contains(&*at.to_string_lossy()), "{error}");
        assert_eq!(Error::from(error).help().as_deref(), Some("xbuild gc"));
        assert_eq!(files_below(&at.join("tmp")), [] as [PathBuf; 0]);
    };
    let big = vec![1; 8 << 20];
    check(store.put(&big).unwrap_err());
    let elsewhere = tempfile::NamedTempFile::new().unwrap();
    fs_err::write(elsewhere.path(), &big).unwrap();
    check(store.put_file(elsewhere.path()).unwrap_err());
    check(store.keep(elsewhere.path()).unwrap_err());
    assert!(!store.has_blob(Digest::of(&big)).unwrap());

    // To the last page: then nothing more goes in.
    let stuffing = folder.join("stuffing");
    let mut filling = fs_err::File::create(&stuffing).unwrap();
    while std::io::Write::write(&mut filling, &[0; 4096]).is_ok() {}
    check(store.put(b"small").unwrap_err());
    check(store.record(Digest::of(KEY), &result).unwrap_err());
    assert_eq!(store.result(Digest::of(KEY)).unwrap(), None);
    check(store.put_memo(xbuild_store::Namespace::new("test"), kept.sha256(), b"x").unwrap_err());
    let report = store.verify(Repair::Report, &Cancel::default()).unwrap();
    assert_eq!(report.damaged, []);
    assert_eq!(store.get(kept).unwrap(), b"kept");

    drop(filling);
    fs_err::remove_file(&stuffing).unwrap();
    store.put(b"small").unwrap();
    store.record(Digest::of(KEY), &result).unwrap();
    store.materialise(tree).unwrap();
    println!("all checks of a full disk passed");
}

#[test]
fn a_full_disk_leaves_nothing_half_written() {
    let mount = tempfile::tempdir().unwrap();
    let unshare = |script: &str| {
        let mut command = Command::new("unshare");
        if !rustix::process::geteuid().is_root() {
            command.arg("--map-root-user");
        }
        let script = format!("mount -t tmpfs -o size=4m none \"$XBUILD_TEST_CHILD\" && {script}");
        command.args(["--mount", "sh", "-c", &script]).env("XBUILD_TEST_CHILD", mount.path());
        command
    };
    if !unshare("true").output().is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: this machine gives no mount namespace, so there is no small file system to fill");
        return;
    }
    let test = std::env::current_exe().unwrap();
    let output = unshare(&format!("exec '{}' filler --exact --ignored --nocapture", test.display()));
    let output = { output }.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("all checks of a full disk passed"), "{text}");
}
