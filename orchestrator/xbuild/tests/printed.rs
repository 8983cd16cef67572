//! What the verbs print for people, of one small program: all of it, but for what differs from run to run. What `show`, `why`,
//! `image inspect` and `ci github` print stands in snapshots of their own tests.

mod common;

use std::process::Command;

use common::printed::printed;
use common::{Project, Xbuild, said};
use insta::assert_snapshot;

const MUSL: &str = "x86_64-unknown-linux-musl";

/// A program with a test, whose units no other run has.
fn hello() -> Project {
    let project = Project::program("hello", "");
    let unique = project.folder.path().display();
    let test = format!(
        "#[test]\nfn it() {{\n    assert_ne!(std::hint::black_box({:?}), \"\");\n}}\n",
        unique.to_string()
    );
    project.write("src/main.rs", &format!("fn main() {{\n    println!(\"hello\");\n}}\n\n{test}"));
    project
}

/// What a call prints that must succeed.
fn prints(project: &Project, words: &[&str]) -> String {
    printed(project, &project.xbuild(words).ok())
}

#[test]
fn a_build_and_what_is_told_of_it() {
    let project = hello();
    let of = |words: &[&str]| prints(&project, &[words, &["--target", MUSL]].concat());
    assert_snapshot!(of(&["build"]), @r"
    stdout:
    variant  target  file  size  sha-256  status
    default  x86_64-unknown-linux-musl  bin/hello  [size]  [sum]  built
    stderr:
        Building hello 0.1.0 (bin hello) [x86_64-unknown-linux-musl]
        Finished 1 unit: 1 built, 0 cached
    ");
    assert_snapshot!(of(&["all"]), @r"
    stdout:
    variant  target  file  size  sha-256  status
    default  x86_64-unknown-linux-musl  bin/hello  [size]  [sum]  cached
    ");
    assert_snapshot!(of(&["build", "-vv"]), @r"
    stdout:
    variant  target  file  size  sha-256  status
    default  x86_64-unknown-linux-musl  bin/hello  [size]  [sum]  cached
    stderr:
          Cached hello 0.1.0 (bin hello) [x86_64-unknown-linux-musl]
        Finished 1 unit: 0 built, 1 cached
    ");
    assert_snapshot!(of(&["build", "--dry-run"]), @r"
    stdout:
    0 units would be built, 1 cached
    ");
    assert_snapshot!(of(&["run"]), @r"
    stdout:
    hello
    stderr:
        Finished 1 unit: 0 built, 1 cached
    ");
    let shell = Xbuild::new().folder(&project.root).env("SHELL", "/bin/sh");
    let shell = shell.run(&["shell", "-c", "hello", "--target", MUSL]).ok();
    assert_snapshot!(printed(&project, &shell), @r"
    stdout:
    hello
    ");
    assert_snapshot!(prints(&project, &["log", "hello"]), @r"
    stdout:
    hello 0.1.0 (bin hello) [x86_64-unknown-linux-musl]
    it printed nothing
    ");
    assert_snapshot!(prints(&project, &["develop", "--unit", "hello", "-c", "true"]), @r"
    stderr:
        Entering hello 0.1.0 (bin hello) [x86_64-unknown-linux-musl]; its command line: /build/unit
    ");
    assert_snapshot!(prints(&project, &["explain", "hello"]), @r"
    stdout:
    hello 0.1.0 (bin hello) [x86_64-unknown-linux-musl] of default/x86_64-unknown-linux-musl was built for the first time over this store
    ");
    for verb in ["log", "explain", "develop"] {
        let unit = if verb == "develop" {
            &["develop", "-c", "true", "--unit", "helo"][..]
        } else {
            &[verb, "helo"]
        };
        project.xbuild(unit).fails(1).says("nothing that was built or run is called `helo`").says("`hello`");
    }
    project.append("src/main.rs", "// more\n");
    of(&["build"]);
    assert_snapshot!(prints(&project, &["explain", "hello"]), @r"
    stdout:
    hello 0.1.0 (bin hello) [x86_64-unknown-linux-musl] of default/x86_64-unknown-linux-musl is another action:
      - /build/ws/src/main.rs has changed
    ");
    assert_snapshot!(of(&["reproduce"]), @r"
    stderr:
        Finished 1 unit: 0 built, 1 cached
           Again each unit and step is executed once more
        Building hello 0.1.0 (bin hello) [x86_64-unknown-linux-musl]
      Reproduced 1 unit, all the same bits
    ");
    assert_snapshot!(of(&["plan", "--format", "dot"]), @r#"
    stdout:
    digraph plan {
      rankdir=LR;
      node [shape=box];
      a0 [label="hello 0.1.0 (bin hello)\nx86_64-unknown-linux-musl"];
    }
    "#);
    assert_snapshot!(of(&["fetch"]), @r"
    stderr:
         Fetched all that 1 unit needs
    ");
    assert_snapshot!(of(&["diff", "hello", "hello"]), @r"
    stdout:
    no difference
    stderr:
        Finished 1 unit: 0 built, 1 cached
        Finished 1 unit: 0 built, 1 cached
    ");
    assert_snapshot!(of(&["dist"]), @r"
    stdout:
    [project]/result/dist/hello-0.1.0-x86_64-unknown-linux-musl.tar.gz  [size]  [sum]
    ");
    assert_snapshot!(of(&["image"]), @r"
    stdout:
    hello  linux/amd64  [size], [size] compressed  [digest]
    stderr:
        Finished 1 unit: 0 built, 1 cached
    ");
}

#[test]
fn checks_tests_and_documentation() {
    let project = hello();
    let of = |words: &[&str]| prints(&project, &[words, &["--target", MUSL]].concat());
    assert_snapshot!(of(&["check"]), @r"
    stderr:
        Building hello 0.1.0 check (bin hello) [x86_64-unknown-linux-musl]
        Finished 1 unit: 1 built, 0 cached
    ");
    assert_snapshot!(of(&["clippy"]), @r"
    stderr:
        Building hello 0.1.0 clippy (bin hello) [x86_64-unknown-linux-musl]
        Finished 1 unit: 1 built, 0 cached
    ");
    assert_snapshot!(of(&["test"]), @r"
    stdout:
    1 passed in 1 run
    stderr:
        Building hello 0.1.0 (bin hello test) [x86_64-unknown-linux-musl]
        Finished 1 unit: 1 built, 0 cached
          Passed hello 0.1.0 (bin hello) [x86_64-unknown-linux-musl]: 1 passed ([time])
    ");
    assert_snapshot!(of(&["test"]), @r"
    stdout:
    1 passed in 1 run
    stderr:
        Finished 1 unit: 0 built, 1 cached
          Passed hello 0.1.0 (bin hello) [x86_64-unknown-linux-musl]: 1 passed (cached)
    ");
    assert_snapshot!(of(&["doc", "--no-deps"]), @r"
    stdout:
    [project]/result/default/x86_64-unknown-linux-musl/doc/hello/index.html
    stderr:
        Building hello 0.1.0 (docs of bin hello) [x86_64-unknown-linux-musl]
        Finished 1 unit: 1 built, 0 cached
    ");
    assert_eq!(prints(&project, &["fmt", "--check"]), "");
    assert_snapshot!(prints(&project, &["ci", "run", "--skip", "show,clippy,doc,test,all"]), @r"
    stderr:
         Running xbuild fmt --check
    [time]  ok  xbuild fmt --check
    ");
    project.append("src/main.rs", "fn  badly() {}\n");
    let badly = printed(&project, &project.xbuild(&["fmt", "--check"]).fails(1));
    let (_, said) = badly.split_once("error: ").unwrap();
    assert_snapshot!(said, @r#"
    1 file is not formatted as rustfmt does it
    help: cargo fmt --all; the pinned one is in `xbuild develop` with [develop] tools = ["rustfmt"]
    "#);
}

#[test]
fn a_new_description_a_new_project_and_pins() {
    let project = hello();
    assert_snapshot!(prints(&project, &["init"]), @r"
    stderr:
           Wrote [project]/xbuild.toml
    note: see what there is: xbuild show
    ");
    let new = project.folder.path().join("greeter");
    let new = ["init", "--template", "application", "--project", new.to_str().unwrap()];
    assert_snapshot!(prints(&project, &new), @r"
    stderr:
         Created greeter in [folder]/greeter
    note: build it: xbuild all --project [folder]/greeter
    ");

    let words = Project::program("words", "fn main() {}\n");
    let commit = |message: &str| {
        let script = format!(
            "git init --quiet && git add . && git -c user.name=x -c user.email=x@example.invalid commit --quiet --allow-empty -m {message}"
        );
        said(
            Command::new("sh")
                .args(["-c", &script])
                .current_dir(&words.root)
                .env("GIT_CONFIG_GLOBAL", "/dev/null"),
        );
    };
    commit("first");
    project.write("xbuild.toml", &format!("[inputs.words]\ngit = \"file://{}\"\n", words.root.display()));
    assert_snapshot!(prints(&project, &["update"]), @r"
    stderr:
          Pinned words (HEAD) to [commit]
    ");
    assert_snapshot!(prints(&project, &["update"]), @r"
    stderr:
       Unchanged words
    ");
    commit("second");
    assert_snapshot!(prints(&project, &["update", "words"]), @r"
    stderr:
          Pinned words (HEAD) to [commit]
    ");
    assert_snapshot!(printed(&project, &project.xbuild(&["update", "--offline"]).fails(1)), @r"
    stderr:
    error: --offline: no pin can be moved
    help: leave it away
    ");
}

#[test]
fn a_wrong_name_is_told_by_every_verb_with_the_right_one() {
    let project = hello();
    let file = project.folder.path().join("file");
    let file = file.to_str().unwrap();
    let outputs: [&[&str]; 14] = [
        &["build", "helo"],
        &["all", "helo"],
        &["run", "helo"],
        &["shell", "helo"],
        &["dist", "helo"],
        &["plan", "helo"],
        &["reproduce", "helo"],
        &["fetch", "helo"],
        &["bundle", file, "helo"],
        &["store", "export", file, "helo"],
        &["why", "helo", "hello"],
        &["diff", "helo", "hello"],
        &["image", "helo"],
        &["image", "inspect", "helo"],
    ];
    let packages: [&[&str]; 5] = [
        &["check", "-p", "helo"],
        &["clippy", "-p", "helo"],
        &["doc", "-p", "helo"],
        &["test", "-p", "helo"],
        &["develop", "-c", "true", "-p", "helo"],
    ];
    for words in outputs.iter().chain(&packages) {
        let target = if ["run", "shell"].contains(&words[0]) { &[][..] } else { &["--target", MUSL] };
        project.xbuild(&[*words, target].concat()).fails(1).says("`helo`").says("did you mean `hello`?");
    }
    assert!(!fs_err::exists(file).unwrap() && !project.root.join("result").exists());
}
