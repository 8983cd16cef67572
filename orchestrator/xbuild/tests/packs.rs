//! `xbuild store export` and `import`: one machine's toolchain and results in another's store.

mod common;

use std::process::Stdio;

use common::printed::printed;
use common::{Project, Xbuild};
use fs_err as fs;
use insta::assert_snapshot;

const GNU: &str = "x86_64-unknown-linux-gnu";

/// A project with a library of which the compiler has something to say, whose units no other test has.
fn project() -> Project {
    let project = Project::program("packed", "fn main() {\n    println!(\"{}\", packed::word());\n}\n");
    let unique = project.folder.path().display().to_string();
    let library = format!("pub fn word() -> &'static str {{\n    {unique:?}\n}}\n\nfn unused() {{}}\n");
    project.write("src/lib.rs", &library);
    project
}

#[test]
fn a_pack_is_all_that_a_build_elsewhere_needs() {
    let project = project();
    let target = ["--target", GNU];
    let pack = project.folder.path().join("pack");
    let path = pack.to_str().unwrap();
    let export = |more: &[&str]| project.xbuild(&[&["store", "export"], more, &target[..]].concat());
    export(&[path]).fails(1).says("2 units are not built").says("xbuild all");
    assert!(!pack.exists());
    project.xbuild(&[&["build"], &target[..]].concat()).ok();
    assert_snapshot!(printed(&project, &export(&[path]).ok()), @r"
    stderr:
          Packed [files], [size]
    ");

    let store = tempfile::tempdir().unwrap();
    let there = Xbuild::new().store(&store.path().join("store")).folder(&project.root);
    let taken = there.run(&["store", "import", path]).ok();
    assert_snapshot!(printed(&project, &taken), @r"
    stderr:
         Took in [files], [size]
    ");
    println!("{} MB, taken in in {:?}", fs::metadata(&pack).unwrap().len() / 1_000_000, taken.time);
    // What was printed where it was built is told here, too.
    there.run(&[&["build", "--offline"], &target[..]].concat()).ok().says("`unused` is never used");
    there.run(&["log", "packed 0.1.0"]).ok().says("--- standard error").says("`unused` is never used");
    let build = [&["build", "--offline", "--verbose"], &target[..]].concat();
    assert_eq!(there.run(&build).ok().finished(), (0, 2), "no compiler runs");
    there.run(&["store", "verify"]).ok().says("all of it whole");

    // With the toolchain in it what has changed can be built, too; and a delta is small.
    project.append("src/main.rs", "// more\n");
    let record = project.folder.path().join("record");
    let record = ["--record", record.to_str().unwrap()];
    assert_eq!(there.run(&[&build[..], &record].concat()).ok().finished(), (1, 1));
    // Held against the run there, whose sources this store has never seen.
    let explained = project.xbuild(&["explain", "packed 0.1.0 (bin packed)", "--against", record[1]]).ok();
    explained.says("is another action:").says("/build/ws/src/main.rs has changed");
    project.xbuild(&[&["build"], &target[..]].concat()).ok();
    let delta = project.folder.path().join("delta");
    export(&[delta.to_str().unwrap(), "--without", path]).ok();
    let size = |path: &std::path::Path| fs::metadata(path).unwrap().len();
    assert!(size(&delta) * 10 < size(&pack), "{} of {}", size(&delta), size(&pack));

    // By pipes.
    let mut writer =
        Xbuild::new().folder(&project.root).command(&[&["store", "export", "-"], &target[..]].concat());
    let mut writer = writer.stdout(Stdio::piped()).spawn().unwrap();
    let mut reader = there.command(&["store", "import", "-"]);
    let read = reader.stdin(writer.stdout.take().unwrap()).output().unwrap();
    assert!(writer.wait().unwrap().success() && read.status.success(), "{read:?}");
    assert_eq!(there.run(&build).ok().finished().0, 0);
}

#[test]
fn what_is_no_pack_is_refused() {
    let store = tempfile::tempdir().unwrap();
    let there = Xbuild::new().store(&store.path().join("store"));
    let file = store.path().join("file");
    fs::write(&file, "something").unwrap();
    there
        .run(&["store", "import", file.to_str().unwrap()])
        .fails(3)
        .says("the pack can't be used")
        .says("export");
    there.run(&["store", "import", "/nonexistent"]).fails(1).says("/nonexistent");
    let project = Project::program("plain", "fn main() {}\n");
    let without = ["store", "export", "/tmp/never", "--without", file.to_str().unwrap(), "--target", GNU];
    project.xbuild(&without).fails(3).says("the pack can't be used");
}
