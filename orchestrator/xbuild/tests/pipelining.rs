//! A dependent starts as soon as its dependency's metadata is there, while that one goes on.

mod common;

use std::fmt::Write as _;

use common::Project;
use common::trace::{Traced, trace};

const TARGET: &str = "aarch64-unknown-linux-gnu";

#[test]
fn a_dependent_starts_before_its_dependency_has_ended() {
    let project = Project::program("app", "fn main() { println!(\"{}\", slow::f0(1)); }\n");
    project.append("Cargo.toml", "[dependencies]\nslow = { path = \"slow\" }\n[workspace]\n");
    project.append(
        "Cargo.lock",
        "dependencies = [\n \"slow\",\n]\n\n[[package]]\nname = \"slow\"\nversion = \"0.1.0\"\n",
    );
    project.write("slow/Cargo.toml", "[package]\nname = \"slow\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
    // Long in generating code, short in checking it. The process id makes it new to the store.
    let mut source =
        format!("pub const NEW: &str = \"{} {:?}\";\n", std::process::id(), std::time::Instant::now());
    for n in 0..300 {
        let _ = writeln!(
            source,
            "pub fn f{n}(x: u64) -> String {{ let mut v: Vec<String> = (0..x).map(|i| format!(\"{{i:x}}-{{{n}}}\")).collect(); \
             v.sort_by(|a, b| b.len().cmp(&a.len()).then(a.cmp(b))); v.dedup(); v.join(\", \") }}"
        );
    }
    project.write("slow/src/lib.rs", &source);
    let path = project.folder.path().join("trace");
    project
        .xbuild(&[
            "build",
            "--release",
            "--target",
            TARGET,
            "--no-link",
            "-j",
            "2",
            "--trace",
            path.to_str().unwrap(),
        ])
        .ok();

    let trace = trace(&path);
    let find = |name: &str| trace.iter().find(|unit| unit.unit.starts_with(name)).unwrap();
    let (slow, app): (&Traced, &Traced) = (find("slow 0.1.0"), find("app 0.1.0"));
    println!("slow: {slow:?}\napp:  {app:?}");
    assert!(!slow.cached && !app.cached);
    let (metadata, ended, started) = (slow.metadata.unwrap(), slow.ended.unwrap(), app.started.unwrap());
    assert!(metadata <= started, "the dependent started at {started:?}, before the metadata at {metadata:?}");
    assert!(started < ended, "the dependent started at {started:?}, after the end at {ended:?}");
}
