//! Content as files: trees laid out, files linked, adopted and kept.

mod common;

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::{Duration, SystemTime};

use common::{Temporary, path, temporary, tree};
use proptest::prelude::*;
use xbuild_action::{Cancel, Content as _, ContentExt as _, Entry, File, Staging as _, TreeBuilder};
use xbuild_base::{Digest, RelPath, Tree};
use xbuild_store::{Disk, FILE_TIME, Policy, Repair, Sweeping};

fn set_mode(path: &Path, mode: u32) {
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs_err::symlink_metadata(path).unwrap().mode() & 0o7777
}

/// Everything below a folder, as `import` wants to be told.
fn listing(folder: &Path) -> Vec<RelPath> {
    fn walk(folder: &Path, at: &RelPath, found: &mut Vec<RelPath>) {
        for entry in fs_err::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let path = at.join(&RelPath::new(entry.file_name().to_str().unwrap()).unwrap());
            found.push(path.clone());
            if entry.file_type().unwrap().is_dir() {
                walk(&entry.path(), &path, found);
            }
        }
    }
    let mut found = Vec::new();
    walk(folder, &RelPath::root(), &mut found);
    found
}

#[test]
fn a_laid_out_tree_has_its_modes_links_and_times() {
    let Temporary { store, folder, host: _host } = temporary();
    let digest = store.put(b"#!/bin/sh\n").unwrap();
    let mut builder = TreeBuilder::default();
    for (name, executable) in [("bin/run", true), ("share/run", false)] {
        builder.insert(&store, &path(name), Entry::File(File { digest, executable })).unwrap();
    }
    builder.insert(&store, &path("bin/link"), Entry::Symlink("../share/run".to_owned())).unwrap();
    builder.make_directory(&store, &path("empty")).unwrap();
    let tree = builder.build(&store).unwrap();

    let relative = store.materialise(tree).unwrap();
    assert!(relative.is_relative());
    let at = folder.join(relative);
    assert_eq!((mode(&at.join("bin/run")), mode(&at.join("share/run"))), (0o755, 0o644));
    assert_eq!(fs_err::read_link(at.join("bin/link")).unwrap(), Path::new("../share/run"));
    for name in ["", "bin", "bin/run", "bin/link", "share", "share/run", "empty"] {
        let stat = fs_err::symlink_metadata(at.join(name)).unwrap();
        assert_eq!((stat.mtime(), stat.mtime_nsec()), (FILE_TIME, 0), "{name}");
        if stat.is_dir() {
            assert_eq!(mode(&at.join(name)), 0o755, "{name}");
        }
    }
    let blob = store.path_of(File { digest, executable: true }).unwrap();
    let inode = |path: &Path| fs_err::metadata(path).unwrap().ino();
    assert_eq!(inode(&blob), inode(&at.join("bin/run")), "a hard link, not a copy");
    assert_ne!(inode(&blob), inode(&at.join("share/run")), "links share a mode");
    assert_eq!(store.materialise(tree).unwrap(), store.materialise(tree).unwrap());
    assert!(store.has_tree(tree).unwrap());
}

#[test]
fn a_result_is_laid_out_in_files_of_its_own_that_cannot_be_written() {
    let Temporary { store, host: _host, .. } = temporary();
    let digest = store.put(b"#!/bin/sh\n").unwrap();
    let mut builder = TreeBuilder::default();
    for (name, executable) in [("bin/run", true), ("lib/run", false)] {
        builder.insert(&store, &path(name), Entry::File(File { digest, executable })).unwrap();
    }
    let tree = builder.build(&store).unwrap();
    let at = store.lay_out_result(tree).unwrap();
    assert_eq!((mode(&at.join("bin/run")), mode(&at.join("lib/run"))), (0o555, 0o444));

    // Whoever changes it by force has changed no blob, and it comes back.
    set_mode(&at.join("bin/run"), 0o755);
    fs_err::write(at.join("bin/run"), "changed").unwrap();
    assert_eq!(store.get(digest).unwrap(), b"#!/bin/sh\n");
    assert_eq!(store.lay_out_result(tree).unwrap(), at);
    assert_eq!(fs_err::read(at.join("bin/run")).unwrap(), b"#!/bin/sh\n");
}

#[test]
fn a_tree_is_laid_out_at_a_place_kept_checked_and_collected() {
    let Temporary { store, folder, host: _host } = temporary();
    let tree = tree(&store, &[("src/lib.rs", "code"), ("Cargo.toml", "manifest")]);
    let [one, other] = ["build/ws", "build/other"].map(|at| store.materialise_at(tree, &path(at)).unwrap());
    assert_ne!(one, other);
    assert_ne!(one, store.materialise(tree).unwrap());
    assert_eq!(one, store.materialise_at(tree, &path("build/ws")).unwrap());
    for (folder, at) in [(folder.join(&one), "build/ws"), (folder.join(&other), "build/other")] {
        let mut expected = vec![path("build"), path(at)];
        expected.extend(["src", "src/lib.rs", "Cargo.toml"].map(|below| path(at).join(&path(below))));
        let mut found = listing(&folder);
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
        for name in ["", "build", at] {
            let stat = fs_err::symlink_metadata(folder.join(name)).unwrap();
            assert_eq!((stat.mtime(), mode(&folder.join(name))), (FILE_TIME, 0o755), "{name}");
        }
    }
    let verify = || store.verify(Repair::Report, &Cancel::default()).unwrap();
    assert_eq!((verify().damaged, verify().checked["trees"]), (vec![], 3));
    fs_err::write(folder.join(&other).join("build/stranger"), "").unwrap();
    fs_err::remove_file(folder.join(&one).join("build/ws/Cargo.toml")).unwrap();
    let damaged: Vec<_> = verify().damaged.into_iter().map(|damage| damage.path).collect();
    assert_eq!(damaged, {
        let mut both = [folder.join(&one), folder.join(&other)];
        both.sort();
        both
    });

    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 33);
    store.gc(&Policy { now, max_age: Duration::ZERO, max_size: None, sweeping: Sweeping::Remove }).unwrap();
    assert_eq!(
        fs_err::read_dir(folder.join("trees"))
            .unwrap()
            .filter(|it| it.as_ref().unwrap().path().is_dir())
            .count(),
        0
    );
}

#[test]
fn what_will_be_executable_lies_in_the_store_once() {
    let Temporary { store, folder, host: _host } = temporary();
    let digest = store.put_executable(&mut b"#!/bin/sh\n".as_slice()).unwrap();
    let blobs = || common::files_below(&folder.join("blobs"));
    let executable = File { digest, executable: true };
    assert_eq!(blobs(), [store.path_of(executable).unwrap()]);
    assert_eq!(store.get(digest).unwrap(), b"#!/bin/sh\n");
    assert_eq!(store.put(b"#!/bin/sh\n").unwrap(), digest);
    assert_eq!(blobs().len(), 1);
    store.path_of(File { digest, executable: false }).unwrap();
    assert_eq!(blobs().len(), 2, "a link has the mode of the file");
}

#[test]
fn a_tree_that_lacks_a_blob_is_not_laid_out_at_all() {
    let Temporary { store, folder, host: _host } = temporary();
    let mut builder = TreeBuilder::default();
    let lost = File { digest: Digest::of(b"never stored"), executable: false };
    builder.insert(&store, &path("a/b"), Entry::File(lost)).unwrap();
    let tree = builder.build(&store).unwrap();
    let error = store.materialise(tree).unwrap_err();
    assert!(error.to_string().contains(&lost.digest.to_string()), "{error}");
    assert!(!store.has_tree(tree).unwrap());
    assert_eq!(fs_err::read_dir(folder.join("trees")).unwrap().count(), 0);
    store.put(b"never stored").unwrap();
    assert!(store.has_tree(tree).unwrap());
    store.materialise(tree).unwrap();
}

#[test]
fn adopting_takes_the_file_and_its_mode() {
    let Temporary { store, folder, host: _host } = temporary();
    let scratch = store.scratch().unwrap();
    for (bytes, permissions) in [(&b"one"[..], 0o755), (b"two", 0o600), (b"three", 0o100), (b"four", 0)] {
        let made = scratch.path().join("made");
        fs_err::write(&made, bytes).unwrap();
        set_mode(&made, permissions);
        let inode = fs_err::metadata(&made).unwrap().ino();
        let file = store.adopt(&made).unwrap();
        assert_eq!(file, File { digest: Digest::of(bytes), executable: permissions & 0o100 != 0 });
        assert!(!made.exists());
        let stored = store.path_of(file).unwrap();
        assert_eq!(fs_err::metadata(&stored).unwrap().ino(), inode, "moved, not copied");
        assert_eq!(mode(&stored), if file.executable { 0o755 } else { 0o644 });

        fs_err::write(&made, bytes).unwrap();
        store.adopt(&made).unwrap();
        assert!(!made.exists());
        assert_eq!(fs_err::metadata(&stored).unwrap().ino(), inode, "what is there stays");
    }
    drop(scratch);
    assert_eq!(common::files_below(&folder.join("tmp")), [] as [std::path::PathBuf; 0]);
}

#[test]
fn what_another_name_can_still_change_is_copied() {
    let Temporary { store, host: _host, .. } = temporary();
    let scratch = store.scratch().unwrap();
    let (made, other) = (scratch.path().join("made"), scratch.path().join("other"));
    fs_err::write(&made, "good").unwrap();
    fs_err::hard_link(&made, &other).unwrap();
    let adopted = store.adopt(&made).unwrap();
    assert!(!made.exists());
    fs_err::write(&other, "evil").unwrap();
    assert_eq!(store.get(adopted.digest).unwrap(), b"good");

    let big = vec![1; 3 << 20];
    fs_err::write(&made, &big).unwrap();
    let kept = store.keep(&made).unwrap();
    fs_err::write(&made, "evil").unwrap();
    assert_eq!(store.get(kept.digest).unwrap(), big);
    assert!(made.exists());
}

#[test]
fn only_regular_files_are_adopted() {
    let Temporary { store, host: _host, .. } = temporary();
    let scratch = store.scratch().unwrap();
    let link = scratch.path().join("link");
    fs_err::os::unix::fs::symlink("/etc/passwd", &link).unwrap();
    assert!(store.adopt(&link).is_err());
    assert!(store.keep(scratch.path()).unwrap_err().to_string().contains("not a regular file"));
}

#[test]
fn linking_makes_the_variant_that_is_wanted() {
    let Temporary { store, host: _host, .. } = temporary();
    let scratch = store.scratch().unwrap();
    let digest = store.put(b"program").unwrap();
    for executable in [false, true] {
        let to = scratch.path().join(if executable { "x" } else { "plain" });
        store.link(File { digest, executable }, &to).unwrap();
        assert_eq!(fs_err::read(&to).unwrap(), b"program");
        assert_eq!(mode(&to), if executable { 0o755 } else { 0o644 });
        assert!(store.link(File { digest, executable }, &to).is_err(), "something is there");
    }
}

#[test]
fn where_no_link_can_be_made_there_is_a_copy() {
    // /dev/shm is a file system of its own wherever it is.
    let Ok(other) = tempfile::tempdir_in("/dev/shm") else { return };
    let Temporary { store, host: _host, .. } = temporary();
    let digest = store.put(b"program").unwrap();
    let to = other.path().join("copy");
    store.link(File { digest, executable: true }, &to).unwrap();
    assert_eq!((fs_err::read(&to).unwrap(), mode(&to)), (b"program".to_vec(), 0o755));
    let adopted = store.adopt(&to).unwrap();
    assert_eq!(adopted, File { digest, executable: true });
    fs_err::write(&to, "from elsewhere").unwrap();
    let adopted = store.adopt(&to).unwrap();
    assert_eq!(store.get(adopted.digest).unwrap(), b"from elsewhere");
    assert!(!to.exists());
}

#[test]
fn scratch_folders_go_away_with_what_nobody_may_write() {
    let Temporary { store, host: _host, .. } = temporary();
    let scratch = store.scratch().unwrap();
    let at = scratch.path().to_owned();
    fs_err::create_dir_all(at.join("work/work")).unwrap();
    fs_err::write(at.join("work/work/x"), "").unwrap();
    set_mode(&at.join("work/work"), 0);
    set_mode(&at.join("work"), 0o500);
    drop(scratch);
    assert!(!at.exists());
}

#[test]
fn root_gives_everything_to_the_owner() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let host = tempfile::tempdir().unwrap();
    let folder = host.path().join("store");
    let store = Disk::open(&folder, Some((4321, 4322))).unwrap();
    let mut builder = TreeBuilder::from_tree(tree(&store, &[("a/b", "1")]));
    builder.insert(&store, &path("a/link"), Entry::Symlink("b".to_owned())).unwrap();
    let tree = builder.build(&store).unwrap();
    let at = folder.join(store.materialise(tree).unwrap());
    let scratch = store.scratch().unwrap();
    let made = scratch.path().join("made");
    fs_err::write(&made, "2").unwrap();
    let adopted = store.path_of(store.adopt(&made).unwrap()).unwrap();
    for path in [at.clone(), at.join("a"), at.join("a/b"), at.join("a/link"), adopted, scratch.path().into()]
    {
        let stat = fs_err::symlink_metadata(&path).unwrap();
        assert_eq!((stat.uid(), stat.gid()), (4321, 4322), "{}", path.display());
    }
    drop((scratch, store));

    let error = Disk::open(&folder, None).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("the store at {} belongs to user 4321; this run would keep it as user 0", folder.display())
    );
    assert!(error.help().unwrap().contains("chown -R 0 "));
    Disk::open(&folder, Some((4321, 4322))).unwrap();
}

/// What a name of a generated tree stands for.
#[derive(Debug, Clone)]
enum Thing {
    File(Vec<u8>, bool),
    Link(String),
    Folder(BTreeMap<String, Thing>),
}

fn things() -> impl Strategy<Value = BTreeMap<String, Thing>> {
    let name = || {
        prop_oneof!["[a-c.-]{1,3}", "[ äß\u{1F980}\n*\\\\]{1,2}"]
            .prop_filter("a name", |name| name != "." && name != "..")
    };
    let leaf = prop_oneof![
        (proptest::collection::vec(any::<u8>(), 0..20), any::<bool>())
            .prop_map(|(bytes, executable)| Thing::File(bytes, executable)),
        "(\\.\\./)?[a-z]{1,3}".prop_map(Thing::Link),
    ];
    let thing = leaf.prop_recursive(3, 24, 5, move |inner| {
        proptest::collection::btree_map(name(), inner, 0..5).prop_map(Thing::Folder)
    });
    proptest::collection::btree_map(
        "[a-d.-]{1,3}".prop_filter("a name", |n| n != "." && n != ".."),
        thing,
        0..6,
    )
}

fn write(folder: &Path, things: &BTreeMap<String, Thing>) {
    fs_err::create_dir_all(folder).unwrap();
    for (name, thing) in things {
        let at = folder.join(name);
        match thing {
            Thing::File(bytes, executable) => {
                fs_err::write(&at, bytes).unwrap();
                set_mode(&at, if *executable { 0o755 } else { 0o640 });
            }
            Thing::Link(target) => fs_err::os::unix::fs::symlink(target, &at).unwrap(),
            Thing::Folder(below) => write(&at, below),
        }
    }
}

fn import(store: &Disk, folder: &Path) -> Digest<Tree> {
    store.import(folder, listing(folder)).unwrap().tree
}

#[test]
fn importing_what_was_laid_out_gives_the_same_tree() {
    let Temporary { store, folder, host } = temporary();
    let runs = std::cell::Cell::new(0);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    runner
        .run(&things(), |things| {
            runs.set(runs.get() + 1);
            let project = host.path().join(format!("project-{}", runs.get()));
            write(&project, &things);
            let first = import(&store, &project);
            let laid_out = folder.join(store.materialise(first).unwrap());
            prop_assert_eq!(import(&store, &laid_out), first);
            let mut shuffled = listing(&project);
            shuffled.sort();
            shuffled.reverse();
            prop_assert_eq!(store.import(&project, shuffled).unwrap().tree, first);
            Ok(())
        })
        .unwrap();
}
