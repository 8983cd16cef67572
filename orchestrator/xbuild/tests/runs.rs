//! `xbuild all` on the example: its programs run on all three targets, and the outputs are where people find them.

mod common;

use std::process::Command;

use common::{Project, TARGETS, Xbuild, runs};
use fs_err as fs;

/// The file of a program on a target.
fn file(program: &str, target: &str) -> String {
    if target.contains("windows") { format!("{program}.exe") } else { program.to_owned() }
}

#[test]
fn the_example_is_built_and_runs_on_all_three_targets() {
    let project = Project::example();
    let ran = project.xbuild(&["all"]).ok();

    // A table: headings and a line an output.
    let lines: Vec<Vec<&str>> = ran.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["variant", "target", "file", "size", "sha-256", "status"], "{}", ran.stdout);
    assert_eq!(lines.len(), 7, "{}", ran.stdout);
    for target in TARGETS {
        let folder = project.result(&format!("default/{target}"));
        let sums = fs::read_to_string(folder.join("SHA256SUMS")).unwrap();
        let checked = Command::new("sha256sum")
            .args(["--check", "--strict", "SHA256SUMS"])
            .current_dir(&folder)
            .output()
            .unwrap();
        assert!(checked.status.success(), "{checked:?}");
        assert_eq!(checked.stdout.split(|&byte| byte == b'\n').count(), 3, "two files: {checked:?}");
        for program in ["foo", "bar"] {
            let file = file(program, target);
            let line = lines.iter().find(|line| line[1] == target && line[2] == format!("bin/{file}"));
            let line = line.unwrap_or_else(|| panic!("no line for {target} {file}:\n{}", ran.stdout));
            // "1.9 MiB" are two words.
            let [variant, .., sum, status] = line.as_slice() else { panic!("{line:?}") };
            assert_eq!((*variant, line.len()), ("default", 7));
            assert!(["built", "cached"].contains(status), "{line:?}");
            let link = folder.join("bin").join(&file);
            assert!(fs::symlink_metadata(&link).unwrap().is_symlink(), "{} is no link", link.display());
            assert!(
                sums.lines().any(|line| line.starts_with(sum) && line.ends_with(&file)),
                "{file}:\n{sums}"
            );

            let said = runs(target, &link, &["check"]);
            let end = match program {
                "foo" => "conflict-checker on: 1 conflict",
                _ => "conflict-checker off: 0 conflicts",
            };
            assert_eq!(said.lines().last(), Some(end), "{target} {program}:\n{said}");
            assert!(said.lines().count() > 5, "a line for each part:\n{said}");
            println!("{target} {program}: {}", said.replace('\n', "; "));
        }
    }

    // Once more: nothing is built, and nothing changes.
    let again = project.xbuild(&["all"]).ok();
    assert!(!again.stderr.contains("Building"), "{}", again.stderr);
    let lines: Vec<&str> = again.stdout.lines().skip(1).collect();
    assert!(lines.len() == 6 && lines.iter().all(|line| line.ends_with("cached")), "{}", again.stdout);
}

#[test]
fn outputs_go_where_they_are_wanted() {
    let project = Project::example();
    let output = "x86_64-unknown-linux-musl/foo";
    let path = "default/x86_64-unknown-linux-musl/bin/foo";

    // Paths in the store, and nothing else; no links.
    let ran = project.xbuild(&["build", output, "--no-link", "--print-out-paths"]).ok();
    let stored = ran.stdout.strip_suffix('\n').unwrap();
    assert_eq!(stored.lines().count(), 1, "{}", ran.stdout);
    let said = Command::new(stored).arg("check").output().unwrap();
    assert!(said.status.success(), "{said:?}");
    assert!(!project.root.join("result").exists(), "--no-link made a link");

    // Real files in a folder, which are still there when the store is not.
    let folder = project.folder.path().join("out");
    project.xbuild(&["build", output, "--out-dir", folder.to_str().unwrap()]).ok();
    let copied = folder.join(path);
    assert!(fs::symlink_metadata(&copied).unwrap().is_file(), "{} is no file", copied.display());
    assert_eq!(fs::read(&copied).unwrap(), fs::read(stored).unwrap());
    assert!(!project.root.join("result").exists(), "--out-dir made a link");

    // From elsewhere, by --project.
    let elsewhere = Xbuild::new().folder(project.folder.path());
    elsewhere.run(&["--project", "project", "build", output]).ok();
    assert_eq!(fs::read(project.result(path)).unwrap(), fs::read(stored).unwrap());

    // A JSON object a line, for programs.
    let ran = project.xbuild(&["build", output, "--message-format", "json"]).ok();
    let lines = ran.json();
    assert!(lines.iter().all(|line| line["reason"].is_string()), "{}", ran.stdout);
    let line = lines.iter().find(|line| line["output"] == path).unwrap_or_else(|| panic!("{}", ran.stdout));
    assert_eq!(line["size"], fs::metadata(stored).unwrap().len());
    assert_eq!((&line["kind"], &line["status"]), (&"bin".into(), &"cached".into()));

    // An output that was deleted is there again.
    fs::remove_file(project.result(path)).unwrap();
    project.xbuild(&["build", output]).ok();
    assert!(project.result(path).is_file(), "the deleted output did not come back");

    // An output that is not there, with what is.
    project.xbuild(&["build", "x86_64-unknown-linux-musl/fo"]).fails(1).says("foo");
}
