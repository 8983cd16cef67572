//! `xbuild why`, `plan` and `fetch`: what outputs would be made of and by, with nothing built; `xbuild reproduce`: whether
//! they are the same bits when they are built again.

mod common;

use common::{Project, TARGETS, Xbuild};
use insta::assert_snapshot;
use serde_json::Value;

const MUSL: &str = TARGETS[0];

#[test]
fn the_ways_of_a_crate_into_an_output_are_told_with_features_and_for_whom() {
    let project = Project::example();
    assert_snapshot!(project.xbuild(&["why", "foo", "quote", "--target", MUSL]).ok().stdout);
    assert_snapshot!(project.xbuild(&["why", "bar", "cc", "--target", MUSL]).ok().stdout);
    assert!(!project.root.join("result").exists());

    // One of two versions, and what only one target's output has.
    let versions = project.xbuild(&["why", "*", "bitflags@1.3.2", "--target", MUSL]).ok();
    assert!(
        versions.stdout.contains("bitflags 1.3.2") && !versions.stdout.contains("bitflags 2."),
        "{}",
        versions.stdout
    );
    let there = project.xbuild(&["why", "foo", "windows-sys"]).ok();
    assert!(there.stdout.starts_with("default/x86_64-pc-windows-gnu/foo\n"), "{}", there.stdout);
    there.says("default/x86_64-unknown-linux-musl/foo has it not");

    project
        .xbuild(&["why", "foo", "quot"])
        .fails(1)
        .says("has no crate `quot` in it")
        .says("did you mean `quote`?");
    project
        .xbuild(&["why", "foo", "quote@0.0.1"])
        .fails(1)
        .says("has no crate `quote@0.0.1` in it")
        .says("did you mean `quote@1.");
    project.xbuild(&["why", "foo", "quote@one"]).fails(1).says("names no crate").says("NAME@1.2.3");
    project.xbuild(&["why", "fooo", "quote"]).fails(1).says("did you mean `foo`?");

    let lines =
        project.xbuild(&["why", "foo", "quote", "--target", MUSL, "--message-format", "json"]).ok().json();
    let [line] = &lines[..] else { panic!("{lines:#?}") };
    assert_eq!(line["output"], format!("default/{MUSL}/foo"));
    let units = line["units"].as_array().unwrap();
    assert_eq!(units[0]["unit"], "foo 0.1.0 (bin foo)");
    let ends = units.iter().filter(|unit| unit["needs"].as_array().unwrap().is_empty());
    let ends: Vec<&str> = ends.map(|unit| unit["unit"].as_str().unwrap()).collect();
    assert!(!ends.is_empty() && ends.iter().all(|end| end.starts_with("quote ")), "{ends:?}");
}

#[test]
fn a_plan_is_written_for_programs_and_for_people() {
    let project = Project::example();
    let plan = |options: &[&str]| project.xbuild(&[&["plan", "foo"], options].concat()).ok().stdout;
    let text = plan(&["--target", MUSL]);
    let json: Value = serde_json::from_str(&text).unwrap();
    let actions = json["actions"].as_array().unwrap();
    let names: Vec<&str> = actions.iter().map(|action| action["unit"].as_str().unwrap()).collect();
    assert_eq!(names.last(), Some(&"foo 0.1.0 (bin foo)"));
    let mut until = std::collections::BTreeSet::new();
    for (id, action) in actions.iter().enumerate() {
        assert_eq!(action["action"], id);
        for need in action["needs"].as_array().unwrap() {
            assert!(need["action"].as_u64().unwrap() < id as u64, "{action:#}");
            until.insert(need["until"].as_str().unwrap());
        }
    }
    assert_eq!(until.into_iter().collect::<Vec<_>>(), ["end", "metadata"]);

    // What two targets share is one action: host units.
    let both: Value = serde_json::from_str(&plan(&["--target", MUSL, "--target", TARGETS[1]])).unwrap();
    let count = both["actions"].as_array().unwrap().len();
    assert!(count > actions.len() && count < 2 * actions.len(), "{count} of twice {}", actions.len());

    let dot = plan(&["--target", MUSL, "--format", "dot"]);
    assert!(dot.starts_with("digraph plan {") && dot.contains("[style=dashed]"), "{dot}");
    assert_eq!(dot.matches("[label=").count(), actions.len());
    let file = project.folder.path().join("plan.svg");
    plan(&["--target", MUSL, "--format", "svg", "-O", file.to_str().unwrap()]);
    let svg = fs_err::read_to_string(file).unwrap();
    assert!(svg.contains("<svg") && svg.contains("muffin 0.1.0"), "{svg}");
    assert!(!project.root.join("result").exists());
    project.xbuild(&["plan", "-O", "/nonexistent/plan.json"]).fails(3).says("/nonexistent/plan.json");
}

#[test]
fn what_is_not_the_same_when_it_is_built_again_is_named_with_the_unit_that_it_came_from() {
    const GNU: &str = "x86_64-unknown-linux-gnu";
    let clocked = |name: &str, script: &str| {
        let project = Project::program(
            name,
            "fn main() {\n    println!(\"{}\", include_str!(concat!(env!(\"OUT_DIR\"), \"/built\")));\n}\n",
        );
        project.write("build.rs", script);
        project
    };
    let fixed = "fn main() {\n    std::fs::write(std::env::var(\"OUT_DIR\").unwrap() + \"/built\", \"once\").unwrap();\n}\n";
    let same = clocked("same", fixed).xbuild(&["reproduce", "--target", GNU]).ok();
    same.says("Reproduced 3 units, all the same bits");

    let now = fixed.replace("\"once\"", "format!(\"{:?}\", std::time::SystemTime::now())");
    let project = clocked("clocked", &now);
    let ran = project.xbuild(&["reproduce", "--target", GNU]).fails(1);
    ran.clone().says("1 of 3 units made something else").says("clocked 0.1.0 (build script run)");
    assert!(ran.stdout.contains("/built: byte "), "{}", ran.stdout);
    // The program was given the same file both times.
    assert!(!ran.stdout.contains("(bin clocked)"), "{}", ran.stdout);
    // What was there is still what is built.
    assert_eq!(project.xbuild(&["build", "--target", GNU, "--verbose"]).ok().finished(), (0, 3));

    let lines = project.xbuild(&["reproduce", "--target", GNU, "--message-format", "json"]).fails(1).json();
    let line = lines.iter().find(|line| line["reason"] == "xbuild-not-reproducible").unwrap();
    assert_eq!(line["unit"], "clocked 0.1.0 (build script run)");
    assert!(line["files"][0]["path"].as_str().unwrap().ends_with("/built"), "{line:#}");
}

/// A macro that expands to the time: the crate that calls it is another program each time.
#[test]
fn a_program_that_is_another_each_time_is_named_with_the_section_that_differs() {
    let project = Project::workspace(&[
        ("dated", None, "\n[lib]\nproc-macro = true\n"),
        ("telling-time", Some("dated"), ""),
    ]);
    project.write(
        "dated/src/lib.rs",
        "use proc_macro::TokenStream;\nuse std::time::{SystemTime, UNIX_EPOCH};\n\n\
         #[proc_macro]\npub fn now(_: TokenStream) -> TokenStream {\n    \
         let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();\n    \
         format!(\"\\\"{now:032}\\\"\").parse().unwrap()\n}\n",
    );
    project.write(
        "telling-time/src/main.rs",
        "fn main() {\n    println!(\"{}\", std::hint::black_box(dated::now!()));\n}\n",
    );
    let ran = project.xbuild(&["reproduce", "--target", "x86_64-unknown-linux-gnu"]).fails(1);
    let ran = ran.says("1 of 2 units made something else when executed again");
    let mut lines = ran.stdout.lines();
    let first = "telling-time 0.1.0 (bin telling-time) [x86_64-unknown-linux-gnu] made something else:";
    assert_eq!(lines.next(), Some(first), "{}", ran.stdout);
    assert!(lines.any(|line| line.contains(": section .rodata: ")), "{}", ran.stdout);
}

/// An empty store: what is fetched is counted, and enough to build with.
#[test]
fn what_a_request_needs_is_fetched_and_nothing_else() {
    let project = Project::program("alone", "fn main() {}\n");
    let store = tempfile::tempdir().unwrap();
    let xbuild = Xbuild::new().store(&store.path().join("store")).folder(&project.root);
    let target = ["--target", "x86_64-unknown-linux-gnu"];
    let fetched = xbuild.run(&[&["fetch", "-v"], &target[..]].concat()).ok().says("Fetched");
    let names: Vec<&str> =
        fetched.stderr.lines().filter_map(|line| line.trim().strip_prefix("Fetching ")).collect();
    assert!(names.iter().any(|name| name.starts_with("rustc ")), "{names:#?}");
    let others = ["mingw", "musl", "arm64", "armhf", "qemu", "wine", "clippy", "rustfmt", "rust-src"];
    let strange = names.iter().filter(|name| others.iter().any(|other| name.contains(other)));
    assert_eq!(strange.collect::<Vec<_>>(), [] as [&&str; 0]);
    xbuild.run(&[&["build", "--offline"], &target[..]].concat()).ok();
    let more = xbuild.run(&["build", "--offline", "--target", MUSL]).fails(1);
    more.says("--offline");
}
