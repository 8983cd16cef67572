//! Links into a real store, and copies out of it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;
use xbuild_action::{ContentExt as _, File};
use xbuild_output::{Artefact, Extent, OutputError, Place, export, install, installed};
use xbuild_store::{Disk, Policy, Sweeping};

const MUSL: &str = "x86_64-unknown-linux-musl";
const WINDOWS: &str = "x86_64-pc-windows-gnu";

/// A store and a project in a folder of their own.
struct Site {
    folder: TempDir,
    store: Disk,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs_err::create_dir(folder.path().join("project")).unwrap();
        let store = Disk::open(&folder.path().join("store"), None).unwrap();
        Self { folder, store }
    }

    fn project(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    fn artefact(&self, target: &str, place: Place, name: &str, text: &str) -> Artefact {
        let executable = place == Place::Bin;
        let file = File { digest: self.store.put(text.as_bytes()).unwrap(), executable };
        Artefact {
            variant: "default".to_owned(),
            target: target.parse().unwrap(),
            place,
            name: name.to_owned(),
            file,
        }
    }

    fn program(&self, name: &str, text: &str) -> Artefact {
        self.artefact(MUSL, Place::Bin, name, text)
    }

    fn install(&self, artefacts: &[Artefact], extent: Extent) -> Result<Vec<PathBuf>, OutputError> {
        install(&self.store, &self.project(), artefacts, extent)
    }

    fn is_installed(&self, artefacts: &[Artefact]) -> bool {
        installed(&self.store, &self.project(), artefacts).is_some()
    }
}

/// What `sha256sum --check` says of a folder's `SHA256SUMS`, and how many lines it has.
fn check(folder: &Path) -> (bool, usize) {
    let mut command = Command::new("sha256sum");
    command.args(["--check", "--strict", "--status", "SHA256SUMS"]).current_dir(folder);
    let lines = fs_err::read_to_string(folder.join("SHA256SUMS")).unwrap().lines().count();
    (command.status().unwrap().success(), lines)
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs_err::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn outputs_are_links_into_the_store_with_their_sums() {
    let place = Site::new();
    let artefacts = [
        place.program("foo", "#!/bin/sh\nexit 3\n"),
        place.artefact(MUSL, Place::Lib, "libfoo.a", "archive"),
        place.artefact(WINDOWS, Place::Bin, "foo.exe", "exe"),
    ];
    assert!(!place.is_installed(&artefacts));
    let paths = place.install(&artefacts, Extent::Whole).unwrap();
    assert_eq!(installed(&place.store, &place.project(), &artefacts).as_ref(), Some(&paths));

    let result = place.project().join("result/default");
    assert_eq!(paths[1], result.join(MUSL).join("lib/libfoo.a"));
    assert_eq!(Command::new(&paths[0]).status().unwrap().code(), Some(3));
    let to = fs_err::read_link(&paths[0]).unwrap();
    assert!(to.starts_with(place.folder.path().join("store/results")) && to.ends_with("bin/foo"), "{to:?}");
    assert_eq!(check(&result.join(MUSL)), (true, 2));
    assert_eq!(check(&result.join(WINDOWS)), (true, 1));
    assert_eq!(names(&result.join(MUSL)), ["SHA256SUMS", "bin", "lib"]);
}

#[test]
fn the_next_build_replaces_what_has_changed() {
    let place = Site::new();
    let (old, new) = (place.program("foo", "old"), place.program("foo", "new"));
    place.install(&[old], Extent::Whole).unwrap();
    assert!(!place.is_installed(std::slice::from_ref(&new)));
    let paths = place.install(std::slice::from_ref(&new), Extent::Whole).unwrap();
    assert_eq!(fs_err::read_to_string(&paths[0]).unwrap(), "new");
    assert!(place.is_installed(&[new]));
    assert_eq!(names(paths[0].parent().unwrap()), ["foo"]);
}

#[test]
fn a_part_leaves_the_rest_and_a_whole_replaces_it() {
    let place = Site::new();
    let (foo, bar) = (place.program("foo", "foo"), place.program("bar", "bar"));
    let windows = place.artefact(WINDOWS, Place::Bin, "foo.exe", "exe");
    place.install(&[foo.clone(), windows.clone()], Extent::Whole).unwrap();
    place.install(std::slice::from_ref(&bar), Extent::Part).unwrap();
    assert!(place.is_installed(&[foo, bar.clone(), windows.clone()]));
    let folder = place.project().join("result/default").join(MUSL);
    assert_eq!(check(&folder), (true, 2));

    place.install(std::slice::from_ref(&bar), Extent::Whole).unwrap();
    assert_eq!(names(&folder.join("bin")), ["bar"]);
    assert_eq!(check(&folder), (true, 1));
    assert!(place.is_installed(&[bar, windows]), "another target is left alone");
}

#[test]
fn deleted_and_changed_things_are_noticed() {
    let place = Site::new();
    let artefacts = [place.program("foo", "foo")];
    let paths = place.install(&artefacts, Extent::Whole).unwrap();
    let sums = place.project().join("result/default").join(MUSL).join("SHA256SUMS");
    let damages: [&dyn Fn(); 3] =
        [&|| fs_err::remove_file(&paths[0]).unwrap(), &|| fs_err::remove_file(&sums).unwrap(), &|| {
            fs_err::write(&sums, "nonsense").unwrap()
        }];
    for damage in damages {
        assert!(place.is_installed(&artefacts));
        damage();
        assert!(!place.is_installed(&artefacts));
        place.install(&artefacts, Extent::Part).unwrap();
    }
    assert!(place.is_installed(&artefacts));
}

#[test]
fn dangling_links_go_and_strangers_stay() {
    let place = Site::new();
    place.install(&[place.program("foo", "foo")], Extent::Part).unwrap();
    let bin = place.project().join("result/default").join(MUSL).join("bin");
    let gone = format!("/nowhere/results/{}/bin/gone", "0".repeat(64));
    fs_err::os::unix::fs::symlink(gone, bin.join("gone")).unwrap();
    fs_err::os::unix::fs::symlink("/nowhere/else", bin.join("stranger")).unwrap();
    fs_err::write(bin.join("notes"), "mine").unwrap();
    for extent in [Extent::Part, Extent::Whole] {
        place.install(&[place.program("foo", "foo")], extent).unwrap();
        assert_eq!(names(&bin), ["foo", "notes", "stranger"]);
    }
    assert_eq!(check(bin.parent().unwrap()), (true, 1));
}

#[test]
fn nothing_of_the_users_is_overwritten() {
    let place = Site::new();
    let artefacts = [place.program("foo", "foo")];
    let bin = place.project().join("result/default").join(MUSL).join("bin");
    fs_err::create_dir_all(&bin).unwrap();
    fs_err::write(bin.join("foo"), "mine").unwrap();
    let error = place.install(&artefacts, Extent::Whole).unwrap_err();
    assert!(matches!(error, OutputError::InTheWay { .. }), "{error}");
    assert!(error.help().unwrap().contains("--no-link"));
    assert_eq!(fs_err::read_to_string(bin.join("foo")).unwrap(), "mine");

    fs_err::remove_dir_all(place.project().join("result")).unwrap();
    fs_err::write(place.project().join("result"), "mine").unwrap();
    assert!(matches!(place.install(&artefacts, Extent::Whole), Err(OutputError::InTheWay { .. })));
    assert!(!place.is_installed(&artefacts));
}

#[test]
fn two_files_for_one_place_are_refused_before_anything_is_written() {
    let place = Site::new();
    let both = [place.program("foo", "one"), place.program("foo", "two")];
    let error = place.install(&both, Extent::Whole).unwrap_err();
    assert!(matches!(error, OutputError::Conflict { .. }), "{error}");
    assert_eq!(names(&place.project()), [""; 0]);
    let same = [place.program("foo", "one"), place.program("foo", "one")];
    assert_eq!(place.install(&same, Extent::Whole).unwrap().len(), 2);
}

#[test]
fn links_keep_what_they_lead_to_and_nothing_else_does() {
    let mut place = Site::new();
    let (foo, bar) = (place.program("foo", "foo"), place.program("bar", "bar"));
    let paths = place.install(&[foo.clone(), bar.clone()], Extent::Whole).unwrap();
    fs_err::remove_file(&paths[1]).unwrap();

    // Collection wants the store for itself.
    let folder = place.folder.path().join("store");
    drop(place.store);
    place.store = Disk::open(&folder, None).unwrap();
    let far_future = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 33);
    let policy = Policy {
        now: far_future,
        max_age: Duration::from_secs(60),
        max_size: None,
        sweeping: Sweeping::Remove,
    };
    place.store.gc(&policy).unwrap();
    assert_eq!(fs_err::read_to_string(&paths[0]).unwrap(), "foo");
    assert!(place.is_installed(&[foo]));
    assert!(!place.is_installed(std::slice::from_ref(&bar)));
    assert!(place.install(&[bar], Extent::Part).is_err(), "its bytes are gone");
}

#[test]
fn copies_are_real_files_with_sums() {
    let place = Site::new();
    let out = place.folder.path().join("out");
    let artefacts = [
        place.program("foo", "#!/bin/sh\nexit 3\n"),
        place.artefact(MUSL, Place::Lib, "libfoo.a", "archive"),
    ];
    let paths = export(&place.store, &out, &artefacts).unwrap();
    let mode = |path: &Path| {
        let there = fs_err::symlink_metadata(path).unwrap();
        (there.is_file(), there.permissions().mode() & 0o7777)
    };
    assert_eq!((mode(&paths[0]), mode(&paths[1])), ((true, 0o755), (true, 0o644)));
    assert_eq!(Command::new(&paths[0]).status().unwrap().code(), Some(3));
    let folder = out.join("default").join(MUSL);
    assert_eq!(check(&folder), (true, 2));

    // Another output joins them, and one that has gone loses its line.
    fs_err::remove_file(&paths[1]).unwrap();
    export(&place.store, &out, &[place.program("bar", "bar")]).unwrap();
    assert_eq!(check(&folder), (true, 2));
    assert_eq!(names(&folder.join("bin")), ["bar", "foo"]);
}

#[test]
fn a_damaged_store_leaves_earlier_copies_as_they_were() {
    let place = Site::new();
    let out = place.folder.path().join("out");
    let paths = export(&place.store, &out, &[place.program("foo", "old")]).unwrap();
    let folder = out.join("default").join(MUSL);

    let (good, bad) = (place.program("foo", "new"), place.program("gone", "to be damaged"));
    let blob = place.store.path_of(bad.file).unwrap();
    fs_err::set_permissions(&blob, std::fs::Permissions::from_mode(0o644)).unwrap();
    fs_err::write(&blob, "to be DAMAGED").unwrap();
    let error = export(&place.store, &out, &[good, bad]).unwrap_err();
    assert!(matches!(error, OutputError::Store(_)), "{error}");
    assert_eq!(fs_err::read_to_string(&paths[0]).unwrap(), "old");
    assert_eq!(check(&folder), (true, 1));
    assert_eq!(names(&folder.join("bin")), ["foo"]);
}
