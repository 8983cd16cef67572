//! `[stamp]`: programs know the commit that they are made from, and a new commit builds just their last units.

mod common;

use std::path::Path;
use std::process::Command;

use common::{Project, TARGETS, said};

const MUSL: &str = TARGETS[0];

const MAIN: &str = r#"fn main() {
    println!("{} {}", env!("XBUILD_REVISION"), env!("XBUILD_DIRTY"));
    println!("{} {}", env!("XBUILD_DESCRIBE"), env!("XBUILD_VERSION"));
    println!("{}", env!("XBUILD_COMMIT_TIME"));
}
"#;

fn git(folder: &Path, arguments: &[&str]) -> String {
    let mut git = Command::new("git");
    git.args(["-c", "user.name=x", "-c", "user.email=x@example.invalid"]).args(arguments).current_dir(folder);
    git.env("GIT_COMMITTER_DATE", "2024-02-03T04:05:06+02:00").env("GIT_CONFIG_GLOBAL", "/dev/null");
    git.env("GIT_AUTHOR_DATE", "2024-02-03T04:05:06+02:00");
    said(&mut git).trim().to_owned()
}

/// Commits all that there is, in a new repository where there is none; the commit's hash.
fn commit(project: &Project, message: &str) -> String {
    if !project.root.join(".git").exists() {
        git(&project.root, &["init", "--quiet"]);
        project.write(".gitignore", "/result\n");
    }
    git(&project.root, &["add", "."]);
    // The store has what earlier runs made: the commit is this run's.
    let message = format!("{message} of {}", std::process::id());
    git(&project.root, &["commit", "--quiet", "--allow-empty", "-m", &message]);
    git(&project.root, &["rev-parse", "HEAD"])
}

fn prints(project: &Project, program: &str) -> Vec<String> {
    let program = project.result(&format!("default/{MUSL}/bin/{program}"));
    said(&mut Command::new(program)).lines().map(str::to_owned).collect()
}

#[test]
fn a_new_commit_builds_the_last_unit_of_each_program_and_checks_nothing_again() {
    let package = "name = \"stamped-tool\"\nversion = \"0.3.0\"\n";
    let project = Project::of(&[
        ("Cargo.toml", &format!("[package]\n{package}edition = \"2024\"\n")),
        ("Cargo.lock", &format!("version = 4\n\n[[package]]\n{package}")),
        ("src/lib.rs", "pub const STAMP: Option<&str> = option_env!(\"XBUILD_REVISION\");\n"),
        ("src/main.rs", MAIN),
        ("xbuild.toml", "[stamp]\n"),
    ]);
    let build = || project.xbuild(&["build", "--target", MUSL]);
    build().fails(1).says("in no git repository").says("--set stamp.revision=");

    let first = commit(&project, "first");
    build().ok();
    let short = &first[..9];
    assert_eq!(
        prints(&project, "stamped-tool"),
        [format!("{first} false"), format!("{short} 0.3.0+g{short}"), "2024-02-03T02:05:06Z".to_owned()]
    );
    let check = || project.xbuild(&["check", "--target", MUSL]).ok();
    check();

    let second = commit(&project, "second");
    git(&project.root, &["tag", "v1.0.0"]);
    assert_eq!(build().ok().finished(), (1, 1), "the program's last unit, and not its library");
    assert_eq!(prints(&project, "stamped-tool")[..2], [format!("{second} false"), "v1.0.0 1.0.0".to_owned()]);
    assert_eq!(check().finished().0, 0, "what is only checked is told of no commit");

    project.append("src/main.rs", "// edited\n");
    build().ok();
    assert_eq!(
        prints(&project, "stamped-tool")[..2],
        [format!("{second} true"), "v1.0.0-dirty 1.0.0+dirty".to_owned()]
    );

    // What is said counts more than git; a variant may do without.
    let said = ["--set", "stamp.describe=nightly", "--set", "stamp.dirty=false"];
    project.xbuild(&[&["build", "--target", MUSL], &said[..]].concat()).ok();
    assert_eq!(prints(&project, "stamped-tool")[1], "nightly 1.0.0");
    project.append("xbuild.toml", "\n[variant.plain]\nstamp = false\n");
    project
        .xbuild(&["build", "--target", MUSL, "--variant", "plain"])
        .fails(1)
        .says("environment variable `XBUILD_REVISION` not defined");
    project.xbuild(&["build", "--set", "stamp.revision=main"]).fails(1).says("`main` is no commit");
}

#[test]
fn without_a_stamp_a_new_commit_changes_no_bit_and_builds_nothing() {
    let main = "fn main() {\n    println!(\"{:?}\", option_env!(\"XBUILD_REVISION\"));\n}\n";
    let project = Project::program("unstamped", main);
    let built = |message: &str| {
        commit(&project, message);
        let ran = project.xbuild(&["build", "--target", MUSL, "-v", "--message-format", "json"]).ok();
        (ran.digests(), ran.finished().0)
    };
    let [(first, _), (second, executed)] = ["first", "second"].map(built);
    assert_eq!((first.len(), &first, executed), (1, &second, 0));
    assert_eq!(prints(&project, "unstamped"), ["None"]);
    // With it, they are two.
    project.write("xbuild.toml", "[stamp]\n");
    let [(third, _), (fourth, _)] = ["third", "fourth"].map(built);
    assert_ne!(third, fourth);
}

#[test]
fn crates_that_tell_of_a_commit_find_what_they_look_for() {
    let project = Project::fixture("stamped");
    let first = commit(&project, "first");
    git(&project.root, &["tag", "v2.0.0"]);
    project.xbuild(&["build"]).ok();
    assert_eq!(prints(&project, "by-built"), [first.clone(), "v2.0.0 Some(false)".to_owned()]);
    assert_eq!(prints(&project, "by-shadow"), [first.as_str(), "2024-02-03T04:05:06+02:00"]);
    assert_eq!(prints(&project, "by-vergen"), [first.as_str(), "v2.0.0 false", "2024-02-03T02:05:06Z"]);

    // Of a hundred units those are built again that must be: three scripts are run, and three programs compiled.
    let second = commit(&project, "second");
    let (built, cached) = project.xbuild(&["build"]).ok().finished();
    assert!(built == 6 && cached > 50, "{built} built, {cached} cached");
    for program in ["by-built", "by-shadow", "by-vergen"] {
        assert_eq!(prints(&project, program)[0], second, "{program}");
    }
}
