//! What an edit of a file costs that no action reads: nothing.

mod common;

use common::{Project, Ran};
use fs_err as fs;

const TARGET: &str = "x86_64-unknown-linux-musl";

/// The example, with more files that only people read. One of them has a name of its own, so that nothing is known
/// of these very packages from an earlier run.
fn example() -> Project {
    let project = Project::example();
    let unique = project.folder.path().file_name().unwrap().to_str().unwrap().to_owned();
    for package in ["bar", "foo", "muffin", "oven", "oven-sys"].map(|name| format!("crates/{name}")) {
        project.write(&format!("{package}/{unique}.md"), "");
        project.write(&format!("{package}/README.md"), "# Of this package\n");
    }
    project.write(&format!("../glaze/{unique}.md"), "");
    project.write("../glaze/README.md", "# Glaze\n");
    project.write("crates/muffin/benches/day.rs", "fn main() {}\n");
    project.write("crates/muffin/examples/bake.rs", "fn main() {}\n");
    project.write("crates/muffin/recipes.md", "# How to write recipes\n");
    project.write("crates/oven-sys/cpp/README", "Compiled by the build script.\n");
    project
}

/// Builds, unit by unit: not from what is remembered of an equal request.
#[track_caller]
fn build(project: &Project) -> Ran {
    project.xbuild(&["build", "--target", TARGET, "-v"]).ok()
}

/// The units that were executed, in order.
fn executed(ran: &Ran) -> Vec<&str> {
    let mut units: Vec<&str> =
        ran.stderr.lines().filter_map(|line| Some(line.split_once("Building ")?.1)).collect();
    units.sort_unstable();
    assert_eq!(units.len(), ran.finished().0, "{}", ran.stderr);
    units
}

#[test]
fn only_what_an_action_reads_runs_it_again() {
    let project = example();
    let first = build(&project);
    assert!(executed(&first).iter().any(|unit| unit.starts_with("muffin")), "{}", first.stderr);
    what_no_action_reads_executes_none(&project);
    what_an_action_reads_executes_it(&project);
}

fn what_no_action_reads_executes_none(project: &Project) {
    let sums = format!("result/default/{TARGET}/SHA256SUMS");
    let outputs = project.read(&sums);

    for path in [
        "README.md",
        "crates/muffin/README.md",
        "../glaze/README.md",
        "crates/foo/tests/foo.rs",
        "crates/muffin/benches/day.rs",
        "crates/muffin/examples/bake.rs",
        // Beside what the build scripts read.
        "crates/muffin/recipes.md",
        "crates/oven-sys/cpp/README",
    ] {
        project.append(path, "\n// More.\n");
        let ran = build(project);
        assert_eq!(executed(&ran), [""; 0], "{path}");
    }
    assert_eq!(project.read(&sums), outputs);

    // All at once, and what there is to be built is known beforehand too.
    for path in ["crates/bar/README.md", "crates/oven/README.md", "crates/muffin/benches/day.rs"] {
        project.append(path, "\n// And more.\n");
    }
    project.xbuild(&["build", "--target", TARGET, "--dry-run"]).ok().says("0 units would be built");
    let trace = project.folder.path().join("trace.json");
    project.xbuild(&["build", "--target", TARGET, "--trace", trace.to_str().unwrap()]).ok();
    let units = common::trace::trace(&trace);
    assert!(units.iter().all(|unit| unit.cached), "{units:#?}");
    let learned = |name: &str| units.iter().any(|unit| unit.unit.starts_with(name) && unit.learned);
    assert!(learned("muffin ") && learned("oven ") && !learned("glaze ") && !learned("serde "), "{units:#?}");
    fs::remove_file(trace).unwrap();
}

fn what_an_action_reads_executes_it(project: &Project) {
    // Each program has a muffin of its own. What the scripts make is the same as before: nothing else follows.
    project.append("crates/muffin/recipes.toml", "\n# Nothing new.\n");
    let ran = build(project);
    let units = executed(&ran);
    assert_eq!(units.len(), 2, "{units:?}");
    assert!(units.iter().all(|unit| unit.starts_with("muffin 0.1.0 (build script run)")), "{units:?}");

    // Read by a C compiler that a build script starts.
    project.append("crates/oven/c/control.c", "\n/* Nothing new. */\n");
    let ran = build(project);
    let units = executed(&ran);
    assert_eq!(units.len(), 1, "{units:?}");
    assert!(units[0].starts_with("oven 0.1.0 (build script run)"), "{units:?}");

    project.append("crates/bar/src/main.rs", "\n// Nothing new.\n");
    let ran = build(project);
    let units = executed(&ran);
    assert_eq!(units.len(), 1, "{units:?}");
    assert!(units[0].starts_with("bar 0.1.0"), "{units:?}");
}
