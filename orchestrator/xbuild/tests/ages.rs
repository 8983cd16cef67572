//! `xbuild update --min-age`: pins of inputs, images and packages move to what is old enough, or stay.

mod common;

use std::path::Path;
use std::process::Command;

use common::base::put_base_of;
use common::registry::Registry;
use common::{Project, said};

const DAY: i64 = 24 * 3600;

/// A date so many days ago, as git and RFC 3339 take it.
fn days_ago(days: i64) -> String {
    said(
        Command::new("date")
            .args(["--utc", "+%Y-%m-%dT%H:%M:%SZ"])
            .arg(format!("--date=-{} seconds", days * DAY)),
    )
    .trim()
    .to_owned()
}

fn git(folder: &Path, date: &str, arguments: &[&str]) -> String {
    let mut git = Command::new("git");
    git.args(["-c", "user.name=x", "-c", "user.email=x@example.invalid"]).args(arguments);
    git.env("GIT_COMMITTER_DATE", date).env("GIT_CONFIG_GLOBAL", "/dev/null");
    said(git.current_dir(folder)).trim().to_owned()
}

/// Commits all that there is, so many days ago.
fn commit(project: &Project, days: i64) -> String {
    let date = days_ago(days);
    if !project.root.join(".git").exists() {
        git(&project.root, &date, &["init", "--quiet", "--initial-branch=main"]);
    }
    git(&project.root, &date, &["add", "."]);
    git(&project.root, &date, &["commit", "--quiet", "--allow-empty", "-m", "all of it"]);
    git(&project.root, &date, &["rev-parse", "HEAD"])
}

#[test]
fn inputs_move_to_commits_that_are_old_enough() {
    let other = Project::program("other", "fn main() {}\n");
    let first = commit(&other, 30);
    let project = Project::program("aged", "fn main() {}\n");
    let url = format!("file://{}", other.root.display());
    project.write("xbuild.toml", &format!("[inputs.other]\ngit = \"{url}\"\nbranch = \"main\"\n"));
    let update = |age: &str| project.xbuild(&["update", "--min-age", age]);
    let is_at = |commit: &str| assert!(project.read("xbuild.lock").contains(commit), "{commit}");

    update("40d").fails(1).says("the input `other` (branch main) has no commit that is old enough");
    assert!(!project.root.join("xbuild.lock").exists(), "nothing is pinned");
    update("7d").ok();
    is_at(&first);
    let second = commit(&other, 10);
    let young = commit(&other, 2);
    update("7d").ok().says("Pinned other (branch main)");
    is_at(&second);
    update("7d").ok().says("Unchanged other");
    // What is pinned is younger by now than what is asked for, and does not go back.
    update("20d").ok().says("Kept other (branch main): what is newer is too young");
    is_at(&second);
    project.xbuild(&["update"]).ok();
    is_at(&young);
    update("7d").ok().says("Kept other");
    is_at(&young);

    // Of a tag there is one commit.
    git(&other.root, &days_ago(30), &["tag", "v1", &young]);
    project.write("xbuild.toml", &format!("[inputs.other]\ngit = \"{url}\"\ntag = \"v1\"\n"));
    update("7d").fails(1).says("tag v1");
    update("1d").ok();
    update("soon").fails(2).says("an age is written as 7d, 36h or 2w");
}

#[test]
fn images_move_to_those_that_are_old_enough() {
    let registry = Registry::new();
    let reference = format!("{}/team/aged:1", registry.address());
    let put = |text: &str, created: Option<&str>| {
        put_base_of(&registry, "team/aged:1", &[("etc/motd", &format!("{text} {reference}"))], created);
    };
    let project = Project::program("aged", "fn main() {}\n");
    project.write("xbuild.toml", &format!("[image]\nbase = \"{reference}\"\n"));
    let update = |age: &str| project.xbuild(&["update", "--min-age", age]);
    let lock = || project.read("xbuild.lock");

    put("first", Some(&days_ago(3)));
    update("7d").fails(1).says("is 3 days old").says("pin it once without --min-age");
    update("2d").ok().says("Pinned");
    let first = lock();
    put("second", Some(&days_ago(1)));
    update("2d").ok().says("is 24 hours old").says("Kept");
    assert_eq!(lock(), first);
    // What leaves its date out may be of today.
    put("third", None);
    update("2d").ok().says("doesn't say when it was made");
    put("fourth", Some("1970-01-01T00:00:00Z"));
    update("2d").ok().says("doesn't say when it was made");
    assert_eq!(lock(), first);
    put("fifth", Some(&days_ago(5)));
    update("2d").ok().says("Pinned");
    assert_ne!(lock(), first);
}

#[test]
fn packages_move_to_those_that_are_old_enough() {
    let project = Project::program("aged", "fn main() {}\n");
    let recipe = "[native.aged]\npackages = [\"zlib1g-dev\"]\n";
    project.write("xbuild.toml", &format!("{recipe}\n[build]\ntargets = [\"aarch64-unknown-linux-gnu\"]\n"));
    project.write("build.rs", "fn main() {}\n");
    project.xbuild(&["fetch"]).ok();
    let pinned = project.read("xbuild.lock");

    // As if it had been pinned when there was another version.
    let version = pinned.lines().find(|line| line.starts_with("version = \"1:1.")).unwrap();
    let old = pinned.replace(version, "version = \"1:1.0\"");
    let sha256s = old.lines().filter(|line| line.trim_start().starts_with("sha256 = "));
    let old = sha256s
        .fold(old.clone(), |text, line| text.replace(line, &format!("sha256 = \"{}\"", "0".repeat(64))));
    project.write("xbuild.lock", &old);
    project.xbuild(&["update", "--min-age", "20000d"]).ok().says("Kept zlib1g-dev (arm64)").says("days old");
    assert_eq!(project.read("xbuild.lock"), old);
    project.xbuild(&["update", "--min-age", "1d"]).ok().says("zlib1g-dev 1:1.0 →");
    assert_eq!(project.read("xbuild.lock"), pinned);
}
