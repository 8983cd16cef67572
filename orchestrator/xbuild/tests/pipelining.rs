//! A dependent starts as soon as its dependency's metadata is there, while that one goes on.

mod common;

use std::fmt::Write as _;

use common::Project;
use common::trace::trace;

const TARGET: &str = "aarch64-unknown-linux-gnu";

#[test]
fn a_dependent_starts_before_its_dependency_has_ended() {
    // Only what isn't linked can go ahead: `middle` can, `app` must wait for both.
    let project = Project::program("app", "fn main() { println!(\"{}\", middle::f()); }\n");
    project.append("Cargo.toml", "[dependencies]\nmiddle = { path = \"middle\" }\n[workspace]\n");
    let mut lock = "version = 4\n".to_owned();
    for (name, dependency) in [("app", "middle"), ("middle", "slow"), ("slow", "")] {
        let dependencies = if dependency.is_empty() {
            String::new()
        } else {
            format!("dependencies = [\n \"{dependency}\",\n]\n")
        };
        let _ = write!(lock, "\n[[package]]\nname = \"{name}\"\nversion = \"0.1.0\"\n{dependencies}");
        if name != "app" {
            let manifest = format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
            project.write(&format!("{name}/Cargo.toml"), &manifest);
        }
    }
    project.write("Cargo.lock", &lock);
    project.append("middle/Cargo.toml", "[dependencies]\nslow = { path = \"../slow\" }\n");
    project.write("middle/src/lib.rs", "pub fn f() -> String { slow::f0(1) }\n");
    // Long in generating code, short in checking it. The process and the time make it new to the store.
    let mut source =
        format!("pub const NEW: &str = \"{} {:?}\";\n", std::process::id(), std::time::Instant::now());
    for n in 0..8 {
        let _ = writeln!(
            source,
            "pub fn f{n}(x: u64) -> String {{ let mut v: Vec<String> = (0..x).map(|i| format!(\"{{i:x}}-{n}\")).collect(); \
             v.sort_by(|a, b| b.len().cmp(&a.len()).then(a.cmp(b))); v.dedup(); v.join(\", \") }}"
        );
    }
    project.write("slow/src/lib.rs", &source);
    let path = project.folder.path().join("trace");
    // More jobs than the compiler's threads take for themselves.
    project
        .xbuild(&[
            "build",
            "--release",
            "--target",
            TARGET,
            "--no-link",
            "-j",
            "8",
            "--trace",
            path.to_str().unwrap(),
        ])
        .ok();

    let trace = trace(&path);
    let find = |name: &str| trace.iter().find(|unit| unit.unit.starts_with(name)).unwrap();
    let [slow, middle, app] = ["slow", "middle", "app"].map(find);
    println!("{slow:?}\n{middle:?}\n{app:?}");
    assert!(trace.iter().all(|unit| !unit.cached));
    let (metadata, ended) = (slow.metadata.unwrap(), slow.ended.unwrap());
    let started = middle.started.unwrap();
    assert!(metadata <= started, "the dependent started at {started:?}, before the metadata at {metadata:?}");
    assert!(started < ended, "the dependent started at {started:?}, after the end at {ended:?}");
    assert!(app.started.unwrap() >= ended.max(middle.ended.unwrap()), "a program links what has ended");
}
