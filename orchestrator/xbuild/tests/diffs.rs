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
fn what_is_needed_beside_rust_is_told() {
    let project = Project::program("equipped", "fn main() {}\n");
    project.write("build.rs", "fn main() {}\n");
    project.write(
        "xbuild.toml",
        "[build]\ntargets = [\"x86_64-unknown-linux-gnu\"]\nprofile = \"dev\"\n\n\
         [variant.full.native.equipped]\ntools = [\"hello\"]\npackages = [\"zlib1g-dev\"]\n",
    );
    let diff = |one: &str, other: &str, more: &[&str]| {
        let [one, other] = [one, other].map(|variant| format!("{variant}/*/equipped"));
        project.xbuild(&[&["diff", &one, &other], more].concat()).ok()
    };
    diff("default", "full", &[]).says("package  zlib1g-dev  new\n").says("tool     hello  new\n");
    diff("full", "default", &[]).says("package  zlib1g-dev  gone\n").says("tool     hello  gone\n");
    let lines = diff("default", "full", &["--message-format", "json"]).json();
    let package = lines.iter().find(|line| line["of"] == "package").unwrap();
    let expected = (&"zlib1g-dev".into(), &serde_json::Value::Null, &"".into());
    assert_eq!((&package["name"], &package["one"], &package["other"]), expected);
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
    project.xbuild(&["diff", "mian:", ""]).fails(1).says("did you mean `main`?");
    project
        .xbuild(&["diff", "main:lost/Cargo.lock", "Cargo.lock"])
        .fails(1)
        .says("name a lock that is there");
}

#[test]
fn locks_of_xbuild_s_are_compared_pin_by_pin() {
    let project = Project::program("tool", "fn main() {}\n");
    let lock = |image: &str, version: &str, commit: &str| {
        format!(
            "version = 1\n\n[image.\"r.example/base:1\"]\ndigest = \"sha256:{image}\"\n\n[input.web]\n\
             git = \"https://r.example/web\"\nreference = \"HEAD\"\ncommit = \"{commit}\"\n\n[[packages]]\n\
             for = \"libraries\"\narchitecture = \"arm64\"\nsuites = [\"bullseye\"]\nroots = [\"zlib1g-dev\"]\npins = [\n    \
             {{ name = \"zlib1g\", version = \"{version}\", arch = \"arm64\", suite = \"bullseye\", path = \"pool/z.deb\", \
             size = 1, sha256 = \"{}\" }},\n]\n",
            "0".repeat(64)
        )
    };
    project.write("old/xbuild.lock", &lock(&"1".repeat(64), "1.2.11", &"a".repeat(40)));
    project.write("new/xbuild.lock", &lock(&"2".repeat(64), "1.2.13", &"b".repeat(40)));
    let told = project.xbuild(&["diff", "old/xbuild.lock", "new/xbuild.lock"]).ok().stdout;
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 3, "{told}");
    for (start, change) in [
        ("image", "2222"),
        ("input", &*format!("{} → {}", "a".repeat(40), "b".repeat(40))),
        ("package", "1.2.11 → 1.2.13"),
    ] {
        assert!(lines.iter().any(|line| line.starts_with(start) && line.contains(change)), "{told}");
    }
    project.write("new/xbuild.lock", "version = 1\nstrange = 1\n");
    project.xbuild(&["diff", "old/xbuild.lock", "new/xbuild.lock"]).fails(1).says("strange");
}
