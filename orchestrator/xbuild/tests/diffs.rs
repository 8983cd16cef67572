//! `xbuild diff`: what outputs, revisions and locks have otherwise.

mod common;

use std::process::Command;

use common::{Project, TARGETS, said};

const MUSL: &str = TARGETS[0];

#[test]
fn two_outputs_differ_in_crates_features_and_sections() {
    let project = Project::example();
    let [foo, bar] = ["foo", "bar"].map(|name| format!("{MUSL}/{name}"));
    let told = project.xbuild(&["diff", &bar, &foo]).ok().stdout;
    let has =
        |line: &str| told.lines().any(|told| told.split_whitespace().collect::<Vec<_>>().join(" ") == line);
    assert!(has("crate foo 0.1.0 new") && has("crate bar 0.1.0 gone"), "{told}");
    assert!(has("features muffin conflict-checker new"), "{told}");
    assert!(told.lines().any(|line| line.starts_with("size     .text  ")), "{told}");
    assert!(!told.contains("serde  "), "what both have is not told: {told}");
    assert_eq!(project.xbuild(&["diff", &foo, &foo]).ok().stdout, "no difference\n");
    let lines = project.xbuild(&["diff", &bar, &foo, "--message-format", "json"]).ok().json();
    let features = lines.iter().find(|line| line["of"] == "features").unwrap();
    assert_eq!(
        (&features["name"], &features["one"], &features["other"]),
        (&"muffin".into(), &serde_json::Value::Null, &"conflict-checker".into())
    );

    project.xbuild(&["diff", &foo, "Cargo.lock"]).fails(1).says("an output and a lock can't be compared");
    project.xbuild(&["diff", "fooo", &foo]).fails(1).says("did you mean `foo`?");
}

#[test]
fn two_revisions_are_compared_by_outputs_and_by_locks() {
    let project = Project::program("tool", "fn main() {\n    println!(\"one\");\n}\n");
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=x", "-c", "user.email=x@example.invalid"]).args(arguments);
        said(git.current_dir(project.folder.path()).env("GIT_CONFIG_GLOBAL", "/dev/null"));
    };
    git(&["init", "--quiet", "--initial-branch", "main"]);
    git(&["add", "."]);
    git(&["commit", "--quiet", "-m", "one"]);
    project.append("Cargo.toml", "\n[features]\ndefault = [\"loud\"]\nloud = []\n");
    let lock = project.read("Cargo.lock").replace("0.1.0", "0.2.0");
    project.write("Cargo.lock", &lock);
    project.write("Cargo.toml", &project.read("Cargo.toml").replace("0.1.0", "0.2.0"));

    let locks = project.xbuild(&["diff", "main:Cargo.lock", "Cargo.lock"]).ok();
    assert_eq!(locks.stdout, "crate    tool  0.1.0 → 0.2.0\n");
    let outputs = project.xbuild(&["diff", "main:", "", "--target", MUSL]).ok().stdout;
    assert!(outputs.contains("crate    tool  0.1.0 → 0.2.0\n"), "{outputs}");
    assert!(outputs.contains("features tool default,loud  new\n"), "{outputs}");
    assert!(!project.root.join("result").exists());
    project.xbuild(&["diff", "no-such:", ""]).fails(1).says("git has no revision `no-such`");
    project
        .xbuild(&["diff", "main:lost/Cargo.lock", "Cargo.lock"])
        .fails(1)
        .says("name a lock that is there");
}
