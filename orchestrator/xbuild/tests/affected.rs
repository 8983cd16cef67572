//! `--affected-since`: a change builds the outputs that see it, and no others.

mod common;

use std::process::Command;

use common::{Project, TARGETS, said};

const MUSL: &str = TARGETS[0];

fn git(project: &Project, arguments: &[&str]) {
    let mut git = Command::new("git");
    git.args(["-c", "user.name=x", "-c", "user.email=x@example.invalid"]).args(arguments);
    said(git.current_dir(project.folder.path()).env("GIT_CONFIG_GLOBAL", "/dev/null"));
}

#[test]
fn a_change_builds_the_outputs_that_see_it() {
    let project = Project::example();
    git(&project, &["init", "--quiet"]);
    git(&project, &["add", "."]);
    git(&project, &["commit", "--quiet", "-m", "all of it"]);
    let names = |more: &[&str]| {
        let arguments =
            ["build", "--target", MUSL, "--affected-since", "HEAD", "--message-format", "json", "--no-link"];
        let ran = project.xbuild(&[&arguments[..], more].concat()).ok();
        let names = ran.digests().into_keys().map(|name| name.rsplit('/').next().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    let none: [&str; 0] = [];
    assert_eq!(names(&[]), none, "nothing has changed");

    project.append("crates/foo/src/main.rs", "// edited\n");
    assert_eq!(names(&[]), ["foo"]);
    assert_eq!(names(&["bar"]), none, "and of what is asked for");
    git(&project, &["commit", "--quiet", "--all", "-m", "foo"]);

    // A crate that both need; one that lies outside of the workspace's folder; a new file; what nobody sees.
    project.append("crates/muffin/src/lib.rs", "// edited\n");
    assert_eq!(names(&[]), ["bar", "foo"]);
    git(&project, &["checkout", "--quiet", "."]);
    project.write("../glaze/src/new.rs", "");
    assert_eq!(names(&[]), ["bar", "foo"]);
    git(&project, &["clean", "--quiet", "-fd"]);
    project.append("README.md", "More.\n");
    assert_eq!(names(&[]), none);
    project.append("Cargo.toml", "# edited\n");
    assert_eq!(names(&[]), ["bar", "foo"], "all go by it");
    git(&project, &["checkout", "--quiet", "."]);

    // What the description extends, beside the workspace.
    project.write("../base.toml", "[build]\nprofile = \"release\"\n");
    project.write("xbuild.toml", &format!("extends = \"../base.toml\"\n{}", project.read("xbuild.toml")));
    git(&project, &["add", "."]);
    git(&project, &["commit", "--quiet", "--all", "-m", "base"]);
    assert_eq!(names(&[]), none);
    project.append("../base.toml", "# edited\n");
    assert_eq!(names(&[]), ["bar", "foo"], "all go by that, too");
    git(&project, &["reset", "--quiet", "--hard", "HEAD~1"]);

    let build =
        |since: &str| project.xbuild(&["all", "--target", MUSL, "--affected-since", since, "--dry-run"]);
    build("HEAD~1").ok().says("Affected 1 of 2 outputs");
    build("--output=x").fails(2);
    build("no-such-branch").fails(1).says("git can't tell what has changed since `no-such-branch`");
    git(&project, &["tag", "release-1"]);
    build("relase-1").fails(1).says("did you mean `release-1`?");
}

#[test]
fn what_programs_of_other_projects_make_is_affected_unless_they_are_pinned() {
    let project = Project::example();
    let tool = Project::program("tool", "fn main() {}\n");
    let text = project.read("xbuild.toml");
    let place = tool.root.display().to_string();
    let input = format!("\n[inputs.tool]\npath = \"{place}\"\n\n");
    let step = "[step.made]\nargv = [\"sh\", \"-c\", \"tool > made.txt\"]\ntools = [\"tool/tool\"]\noutputs = [\"made.txt\"]\n";
    project.write("xbuild.toml", &format!("{text}{input}{step}\n[package.foo]\ninputs = [\"made\"]\n"));
    git(&project, &["init", "--quiet"]);
    git(&project, &["add", "."]);
    git(&project, &["commit", "--quiet", "-m", "all of it"]);
    let build = |more: &[&str]| {
        let arguments = ["all", "--target", MUSL, "--affected-since", "HEAD", "--dry-run"];
        project.xbuild(&[&arguments[..], more].concat()).ok()
    };
    build(&[]).says("Affected 1 of 2 outputs");

    // A commit stays what it is for as long as its pin does.
    let of_tool = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=x", "-c", "user.email=x@example.invalid"]).args(arguments);
        said(git.current_dir(&tool.root).env("GIT_CONFIG_GLOBAL", "/dev/null"));
    };
    of_tool(&["init", "--quiet"]);
    of_tool(&["add", "."]);
    of_tool(&["commit", "--quiet", "-m", "all of it"]);
    let text = project.read("xbuild.toml");
    project.write(
        "xbuild.toml",
        &text.replace(&input, &format!("\n[inputs.tool]\ngit = \"file://{place}\"\n\n")),
    );
    project.xbuild(&["all", "--target", MUSL]).ok();
    git(&project, &["add", "."]);
    git(&project, &["commit", "--quiet", "-m", "pinned"]);
    build(&[]).says("Affected 0 of 2 outputs");
    build(&["--override-input", &format!("tool={place}")]).says("Affected 1 of 2 outputs");
    of_tool(&["commit", "--quiet", "--allow-empty", "-m", "newer"]);
    project.xbuild(&["update", "tool"]).ok();
    build(&[]).says("Affected 2 of 2 outputs");
}
