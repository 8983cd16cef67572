//! What an edit costs, and what is found although nothing seems to have changed: deleted outputs, edits behind
//! the back of size and time stamp.

mod common;

use std::path::Path;

use common::{Project, Ran, Xbuild, copy, shared_store};
use fs_err as fs;

const TARGET: &str = "x86_64-unknown-linux-musl";

/// `app` needs `middle` needs `leaf`; `other` needs nothing. No other run has the same sources or makes the same
/// files, so that what is counted as built or cached, and what is damaged, is this run's own.
fn workspace() -> Project {
    let project = Project::workspace(&[
        ("app", Some("middle"), ""),
        ("leaf", None, ""),
        ("middle", Some("leaf"), ""),
        ("other", None, ""),
    ]);
    let unique = format!("#[used]\nstatic UNIQUE: &str = \"{}\";\n", project.folder.path().display());
    for (path, code) in [
        ("app/src/main.rs", "fn main() {\n    println!(\"{}\", middle::twice());\n}\n"),
        ("leaf/src/lib.rs", "pub fn number() -> u32 {\n    21\n}\n"),
        ("middle/src/lib.rs", "pub fn twice() -> u32 {\n    2 * leaf::number()\n}\n"),
        ("other/src/main.rs", "fn main() {\n    println!(\"other\");\n}\n"),
    ] {
        project.write(path, &format!("{unique}{code}"));
    }
    project
}

/// Builds, unit by unit: not from what is remembered of an equal request.
#[track_caller]
fn build(project: &Project) -> Ran {
    project.xbuild(&["build", "--target", TARGET, "-v"]).ok()
}

/// Builds as people do.
#[track_caller]
fn build_quickly(project: &Project) -> Ran {
    project.xbuild(&["build", "--target", TARGET]).ok()
}

fn output(project: &Project, name: &str) -> std::path::PathBuf {
    project.result(&format!("default/{TARGET}/bin/{name}"))
}

fn sums_file() -> String {
    format!("result/default/{TARGET}/SHA256SUMS")
}

#[track_caller]
fn prints(project: &Project, name: &str, text: &str) {
    let ran = std::process::Command::new(output(project, name)).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&ran.stdout), text);
}

#[test]
fn an_edit_rebuilds_what_it_changes_and_no_more() {
    let project = workspace();
    assert_eq!(build(&project).finished(), (4, 0));
    prints(&project, "app", "42\n");
    assert_eq!(build(&project).finished(), (0, 4), "nothing has changed");

    // The same project elsewhere, of another name, with other time stamps.
    let other = Project::empty();
    fs::remove_dir(&other.root).unwrap();
    copy(&project.root, &other.root);
    let ran = build(&other);
    assert_eq!(ran.finished(), (0, 4), "a project's folder is no part of a key");
    prints(&other, "app", "42\n");

    // A leaf: its dependents follow, what doesn't need it stays.
    let leaf = project.read("leaf/src/lib.rs");
    project.write("leaf/src/lib.rs", &leaf.replace("21", "22"));
    let ran = build(&project);
    assert_eq!(ran.finished(), (3, 1), "{}", ran.stderr);
    assert!(!ran.stderr.contains("Building other"), "{}", ran.stderr);
    prints(&project, "app", "44\n");

    // Back again: everything is still known.
    project.write("leaf/src/lib.rs", &leaf);
    assert_eq!(build(&project).finished(), (0, 4));
    prints(&project, "app", "42\n");

    // What no compiler reads changes no output and builds nothing, though it lies in a unit's folder.
    let before = fs::read_link(output(&project, "app")).unwrap();
    project.append("leaf/README.md", "And now it says more.\n");
    assert_eq!(build(&project).finished(), (0, 4));
    assert_eq!(fs::read_link(output(&project, "app")).unwrap(), before);

    // What lies beside the packages, and what git ignores, is no unit's.
    project.write("NOTES.md", "notes\n");
    project.write("target/debug/junk", "junk\n");
    assert_eq!(build(&project).finished().0, 0);
}

#[test]
fn a_deleted_output_is_restored() {
    let project = workspace();
    build(&project);
    let sums = project.read(&sums_file());
    let app = output(&project, "app");
    let stored = fs::canonicalize(&app).unwrap();

    fs::remove_file(&app).unwrap();
    build_quickly(&project);
    prints(&project, "app", "42\n");

    fs::remove_dir_all(project.root.join("result")).unwrap();
    build_quickly(&project);
    prints(&project, "app", "42\n");
    assert_eq!(project.read(&sums_file()), sums);

    // Deleted in the store itself: what is missing there is made again, and is the same.
    fs::remove_file(&stored).unwrap();
    build_quickly(&project);
    prints(&project, "app", "42\n");
    assert_eq!(project.read(&sums_file()), sums);
    assert_eq!(fs::canonicalize(&app).unwrap(), stored);
    let digest = sums.lines().find_map(|line| line.strip_suffix("  bin/app")).unwrap();
    let blobs = shared_store().join("blobs").join(&digest[..2]);
    let is_app = |path: &Path| path.file_name().unwrap().to_str().unwrap().starts_with(digest);
    let all: Vec<_> = fs::read_dir(blobs).unwrap().map(|entry| entry.unwrap().path()).collect();
    let blob = all.iter().find(|path| is_app(path)).unwrap();
    fs::remove_file(blob).unwrap();
    fs::remove_file(&stored).unwrap();
    let ran = build(&project);
    assert_eq!(ran.finished(), (1, 3), "{}", ran.stderr);
    assert!(ran.stderr.contains("Building app 0.1.0 (bin app)"), "{}", ran.stderr);
    prints(&project, "app", "42\n");
    assert_eq!(project.read(&sums_file()), sums);

    // What xbuild did not make is left alone, and named.
    fs::remove_file(&app).unwrap();
    fs::write(&app, "mine").unwrap();
    project
        .xbuild(&["build", "--target", TARGET])
        .fails(3)
        .says("bin/app: there is a file in its place")
        .says("help: ");
    assert_eq!(fs::read_to_string(&app).unwrap(), "mine");
}

#[test]
fn an_edit_that_leaves_size_and_time_stamp_alone_is_seen() {
    let project = workspace();
    build(&project);
    let path = project.root.join("leaf/src/lib.rs");
    let before = fs::metadata(&path).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    edit_unseen(&path, &text.replace("21", "33"));
    let after = fs::metadata(&path).unwrap();
    assert_eq!((before.len(), before.modified().unwrap()), (after.len(), after.modified().unwrap()));
    build_quickly(&project);
    prints(&project, "app", "66\n");
}

#[test]
fn a_file_that_is_touched_and_not_changed_costs_nothing() {
    let project = workspace();
    build(&project);
    let path = project.root.join("leaf/src/lib.rs");
    let text = fs::read_to_string(&path).unwrap();
    fs::remove_file(&path).unwrap();
    fs::write(&path, text).unwrap();
    assert_eq!(build(&project).finished(), (0, 4));
}

#[test]
fn outputs_that_are_asked_for_one_by_one_are_the_same_and_stay() {
    let project = workspace();
    build(&project);
    let sums = project.read(&sums_file());
    let other = workspace();
    assert_ne!(other.root, project.root);
    fs::remove_dir_all(project.root.join("result")).unwrap();
    project.xbuild(&["build", "--target", TARGET, "app"]).ok();
    assert!(!output(&project, "other").exists());
    project.xbuild(&["build", "--target", TARGET, "other"]).ok();
    assert_eq!(project.read(&sums_file()), sums, "the request changes no bits, and takes nothing away");
    drop(other);

    // `--out-dir` has real files and leaves `result` alone; `--no-link` and `--print-out-paths` name the store's.
    let folder = project.folder.path().join("out");
    let arguments = ["build", "--target", TARGET, "app", "--out-dir", folder.to_str().unwrap()];
    project.xbuild(&arguments).ok();
    let copy = folder.join(format!("default/{TARGET}/bin/app"));
    assert!(fs::symlink_metadata(&copy).unwrap().is_file());
    assert_eq!(fs::read(copy).unwrap(), fs::read(output(&project, "app")).unwrap());
    fs::remove_dir_all(project.root.join("result")).unwrap();
    let ran = project.xbuild(&["build", "--target", TARGET, "app", "--no-link", "--print-out-paths"]).ok();
    assert_eq!(ran.stdout.lines().count(), 1);
    assert!(Path::new(ran.stdout.trim_end()).is_file() && !project.root.join("result").exists());
    let dry = Xbuild::new().folder(&project.root).run(&["build", "--target", TARGET, "--dry-run"]).ok();
    assert!(dry.says("0 units would be built").stderr.is_empty());
    let dry = ["build", "--target", TARGET, "--dry-run", "--message-format", "json"];
    let lines = Xbuild::new().folder(&project.root).run(&dry).ok().json();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!((&lines[0]["reason"], &lines[0]["would-build"]), (&"xbuild-dry-run".into(), &0.into()));
}

/// Changes a file and gives it its old time stamp back.
fn edit_unseen(path: &Path, text: &str) {
    let modified = fs::metadata(path).unwrap().modified().unwrap();
    fs::write(path, text).unwrap();
    fs::OpenOptions::new().write(true).open(path).unwrap().file().set_modified(modified).unwrap();
}
