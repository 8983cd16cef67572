//! xbuild builds itself, and what it has built builds the same.
//!
//! A release is made in the profile for releases and for arm64 too (`xbuild dist` in this repository); here it is the
//! program for this machine, quickly.

mod common;

use std::process::Command;

use common::{Project, TARGETS, XBUILD, Xbuild, repository, said};
use fs_err as fs;

#[test]
fn what_it_has_built_of_itself_builds_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let dist = ["dist", "--target", TARGETS[0], "--profile", "dev", "--out-dir", out];
    Xbuild::new().folder(&repository()).run(&dist).ok();
    let name = format!("xbuild-{}-{}-default+profile=dev", env!("CARGO_PKG_VERSION"), TARGETS[0]);
    said(Command::new("tar").arg("-xzf").arg(format!("{name}.tar.gz")).current_dir(folder.path()));
    let inside = folder.path().join(&name);
    let own = inside.join("xbuild");
    let version = |program: &std::path::Path| said(Command::new(program).arg("--version"));
    assert_eq!(version(&own), version(XBUILD.as_ref()));
    assert!(fs::read_to_string(inside.join("completions/xbuild.bash")).unwrap().contains("_xbuild"));

    // It finds what this one has made, so that all of its keys are the same; and makes it again, to the same bytes.
    let example = Project::example();
    let ours = example.xbuild(&["all", "--no-link", "--message-format", "json"]).ok();
    let own = Xbuild::new().program(&own).folder(&example.root);
    let theirs = own.run(&["all", "--no-link", "--message-format", "json"]).ok();
    assert_eq!(theirs.digests(), ours.digests());
    assert!(!theirs.stderr.contains("Building"), "{}", theirs.stderr);
    own.run(&["reproduce", "--target", TARGETS[0]]).ok();
}
