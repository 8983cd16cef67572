//! The request changes no bits, and a program's features are those of its unification.

mod common;

use std::collections::BTreeMap;

use common::{Project, runs};

const TARGET: &str = "x86_64-unknown-linux-musl";
const FOO: &str = "default/x86_64-unknown-linux-musl/bin/foo";
const BAR: &str = "default/x86_64-unknown-linux-musl/bin/bar";

#[test]
fn an_output_is_the_same_whatever_is_asked_for_beside_it() {
    let project = Project::example();
    let digests = |arguments: &[&str]| -> BTreeMap<String, String> {
        project
            .xbuild(&[&["build", "--no-link", "--message-format", "json"], arguments].concat())
            .ok()
            .digests()
    };
    // The rule holds for either unification, each with bits of its own.
    let mut alone = Vec::new();
    for unify in ["build.unify=package", "build.unify=workspace"] {
        let of = |arguments: &[&str]| digests(&[&["--set", unify], arguments].concat());
        let foo = of(&["x86_64-unknown-linux-musl/foo"]);
        assert_eq!(foo.keys().collect::<Vec<_>>(), [FOO]);
        let both = of(&["--target", TARGET]);
        assert_eq!(both.keys().collect::<Vec<_>>(), [BAR, FOO]);
        assert_eq!(foo[FOO], both[FOO], "{unify}: foo alone, and foo with bar");
        assert_eq!(of(&["--bin", "bar", "--target", TARGET])[BAR], both[BAR], "{unify}: bar alone");
        println!("{unify}: foo {}, bar {}", both[FOO], both[BAR]);
        alone.push(both);
    }
    let all = project.xbuild(&["all", "--no-link", "--message-format", "json"]).ok().digests();
    assert_eq!(all.len(), 6, "{all:?}");
    assert_eq!(all[FOO], alone[0][FOO], "with other targets");
    assert_eq!(all[BAR], alone[0][BAR], "with other targets");
}

#[test]
fn programs_share_features_only_where_they_are_unified() {
    let project = Project::example();
    let check = |unify: &str| {
        project.xbuild(&["build", "--target", TARGET, "--set", unify]).ok();
        [FOO, BAR].map(|path| {
            let said = runs(TARGET, &project.result(path), &["check"]);
            said.lines().last().unwrap_or_default().to_owned()
        })
    };
    let [on, off] = ["conflict-checker on: 1 conflict", "conflict-checker off: 0 conflicts"];
    assert_eq!(check("build.unify=package"), [on, off]);
    assert_eq!(check("build.unify=workspace"), [on, on]);
}
