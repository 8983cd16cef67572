//! What bad input gets: an error that says what failed, on what, why, and what to do; the right exit code; and
//! nothing lost and nothing half-written, which here means that earlier results stand as they were and that the
//! same project builds once the input is mended.

#[path = "bad_input/additions.rs"]
mod additions;
mod common;
#[path = "bad_input/descriptions.rs"]
mod descriptions;
#[path = "bad_input/machine.rs"]
mod machine;
#[path = "bad_input/registry.rs"]
mod registry;
#[allow(dead_code, reason = "another crate's tests use the rest")]
#[path = "../../fetch/tests/fetching/server.rs"]
mod server;
#[path = "bad_input/units.rs"]
mod units;

use common::{Project, Ran};
use fs_err as fs;

/// What everything here is built for: its std is a component, and nothing must be built first.
const TARGET: &str = "x86_64-unknown-linux-musl";

/// Standard error as it is on every machine and in every run: with `[project]` for the project's folder, no
/// digests, and not what was fetched, built or cached on the way: that depends on what ran before.
fn shown(project: &Project, ran: &Ran) -> String {
    let root = fs::canonicalize(&project.root).unwrap().display().to_string();
    let verbs = ["Building ", "Fetched ", "Finished ", "Waiting "];
    let way = |line: &&str| !verbs.iter().any(|verb| line.trim_start().starts_with(verb));
    let text = ran.stderr.replace(&root, "[project]").lines().filter(way).collect::<Vec<_>>().join("\n");
    let mut shown = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find("sha256:") {
        let (before, digest) = rest.split_at(at);
        let end = digest["sha256:".len()..].find(|c: char| !c.is_ascii_hexdigit() && c != '/');
        shown.push_str(before);
        shown.push_str("[digest]");
        rest = end.map_or("", |end| &digest["sha256:".len() + end..]);
    }
    shown + rest
}

/// A comment that no other run has: what it stands in is in no store yet.
fn unique() -> String {
    format!("// {}\n", tempfile::tempdir().unwrap().path().display())
}

/// Everything below `result`: each path with the link's target or the file's text.
fn results(project: &Project) -> Vec<(String, String)> {
    let mut results = Vec::new();
    let mut folders = vec![project.root.join("result")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            let content = match fs::read_link(&path) {
                Ok(target) => target.display().to_string(),
                Err(_) if path.is_dir() => {
                    folders.push(path);
                    continue;
                }
                Err(_) => fs::read_to_string(&path).unwrap(),
            };
            results.push((path.strip_prefix(&project.root).unwrap().display().to_string(), content));
        }
    }
    results.sort();
    results
}

/// A project with one program, built once.
fn built() -> Project {
    let project = Project::program("hello", "fn main() {\n    println!(\"hello\");\n}\n");
    project.xbuild(&["build", "--target", TARGET]).ok();
    assert!(
        results(&project).iter().any(|(path, _)| path.ends_with("SHA256SUMS")),
        "{:?}",
        results(&project)
    );
    project
}

/// Builds what can't be built; what was there before must be there as it was.
#[track_caller]
fn refused(project: &Project, code: i32, more: &[&str]) -> Ran {
    let before = results(project);
    let ran = project.xbuild(&[&["build", "--target", TARGET], more].concat()).fails(code);
    assert_eq!(ran.stdout, "", "an error has no results");
    assert_eq!(results(project), before, "earlier results must stand as they were");
    ran
}
