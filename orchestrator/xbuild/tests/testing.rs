//! `xbuild test`: tests of every kind, for all targets, in the sandbox.

mod common;

use std::collections::BTreeMap;

use common::{Project, Ran, TARGETS};
use fs_err as fs;

/// A project whose packages have names that no other test has, so that nothing is known of them from an earlier run.
fn tested() -> Project {
    let project = Project::fixture("tested");
    let unique = project.folder.path().file_name().unwrap().to_str().unwrap().to_owned();
    for package in ["app", "twice"] {
        project.write(&format!("{package}/{unique}.md"), "");
    }
    project
}

/// A run of a test program, as JSON tells it.
#[derive(Debug, PartialEq, Eq)]
struct Run {
    passed: u64,
    failed: u64,
    ignored: u64,
    cached: bool,
}

/// The runs by name and platform.
fn runs(ran: &Ran) -> BTreeMap<(String, String), Run> {
    let lines = ran.json().into_iter().filter(|line| line["reason"] == "xbuild-test");
    lines
        .map(|line| {
            let text = |key: &str| line[key].as_str().unwrap().to_owned();
            let count = |key: &str| line["totals"][key].as_u64().unwrap_or_default();
            let run = Run {
                passed: count("passed"),
                failed: count("failed"),
                ignored: count("ignored"),
                cached: line["cached"].as_bool().unwrap(),
            };
            ((text("run"), text("platform")), run)
        })
        .collect()
}

#[test]
fn tests_of_every_kind_run_for_all_targets_and_run_again_when_what_they_read_has_changed() {
    let project = tested();
    let test = || runs(&project.xbuild(&["test", "--message-format", "json"]).ok());
    let first = test();
    let counts: Vec<(&str, (u64, u64))> = vec![
        ("app 0.1.0 (bin app)", (1, 0)),
        ("app 0.1.0 (doc)", (1, 0)),
        ("app 0.1.0 (lib)", (2, 1)),
        ("app 0.1.0 (test it)", (4, 0)),
        ("app 0.1.0 (test own)", (0, 0)),
    ];
    for target in TARGETS {
        for (name, (passed, ignored)) in &counts {
            let run = &first[&((*name).to_owned(), target.to_owned())];
            // One of them is for Windows alone.
            let more = u64::from(*name == "app 0.1.0 (test it)" && target.contains("windows"));
            let expected = Run { passed: *passed + more, failed: 0, ignored: *ignored, cached: false };
            assert_eq!(*run, expected, "{name} {target}");
        }
    }
    let of_the_host = &first[&("twice 0.1.0 (lib)".to_owned(), "host".to_owned())];
    assert_eq!(of_the_host.passed, 1);

    let again = test();
    assert_eq!(again.keys().collect::<Vec<_>>(), first.keys().collect::<Vec<_>>());
    assert!(again.values().all(|run| run.cached), "{again:#?}");

    // Nobody reads the one; the integration test reads the other, and the programs stay as they are.
    project.append("README.md", "More.\n");
    assert!(test().values().all(|run| run.cached));
    project.append("shared.txt", "and more\n");
    for ((name, target), run) in test() {
        assert_eq!(run.cached, name != "app 0.1.0 (test it)", "{name} {target}");
    }
}

#[test]
fn a_failure_is_shown_with_all_that_was_printed_and_the_rest_goes_on_when_asked() {
    let project = tested();
    project.write(
        "app/tests/own.rs",
        "fn main() {\n    eprintln!(\"on purpose\");\n    std::process::exit(3);\n}\n",
    );
    project
        .append("app/src/main.rs", "\n#[test]\nfn fails() {\n    assert_eq!(1, 2, \"one is not two\");\n}\n");
    let target = ["--target", TARGETS[0]];
    let junit = project.folder.path().join("junit.xml");
    let all = ["test", "--no-fail-fast", "--junit", junit.to_str().unwrap()];
    let ran = project.xbuild(&[&all[..], &target].concat()).fails(1);
    for text in [
        "one is not two",
        "(bin app) [x86_64-unknown-linux-musl] failed: 1 passed, 1 failed",
        "on purpose",
        "(test own) [x86_64-unknown-linux-musl] failed: it ended with exit code 3",
        "Passed app 0.1.0 (test it) [x86_64-unknown-linux-musl]: 4 passed",
        "the tests of 2 of 7 programs failed",
    ] {
        assert!(ran.stderr.contains(text), "{text}\n{}", ran.stderr);
    }
    let xml = fs::read_to_string(junit).unwrap();
    let cases = xml.matches("<testcase ").count();
    assert!(xml.contains(r#"failures="1" errors="1""#) && cases == 12, "{cases} {xml}");

    project.xbuild(&["log", "app 0.1.0 (test own)"]).ok().says("--- standard error\non purpose");

    // What failed isn't remembered; what passed is.
    let ran = project.xbuild(&[&["test", "--no-fail-fast"][..], &target].concat()).fails(1);
    assert_eq!(ran.stderr.matches("(cached)").count(), 5, "{}", ran.stderr);
}

#[test]
fn a_run_is_explained_by_what_it_had_looked_at_and_its_words_are_told_from_the_cache_too() {
    let project = tested();
    let target = ["--target", TARGETS[0]];
    let record = project.folder.path().join("record");
    let record = record.to_str().unwrap();
    let test = |more: &[&str]| project.xbuild(&[&["test"][..], &target, more].concat()).ok();
    let explain = |name: &str| project.xbuild(&["explain", name]).ok();
    // The unit that it is the run of is called so too.
    const IT: &str = "run of app 0.1.0 (test it)";
    const LIBRARY: &str = "app 0.1.0 (lib)";
    test(&["--record", record]);
    let first = explain("app 0.1.0 (test it)");
    first
        .says("\nrun of app 0.1.0 (test it) [x86_64-unknown-linux-musl] of default/x86_64-unknown-linux-musl was run for the first time")
        .says("app 0.1.0 (test it) [x86_64-unknown-linux-musl] of default/x86_64-unknown-linux-musl was built for the first time");
    project.xbuild(&["log", LIBRARY]).ok().says("test tests::two_and_two ... ok");

    // One of two files that have changed the test had read; the others had read neither.
    project.append("README.md", "More.\n");
    project.append("shared.txt", "and more\n");
    test(&[]);
    let of_file = explain(IT);
    of_file.clone().says("- /build/ws/shared.txt has changed").says("and 1 file that it had not looked at");
    assert!(!of_file.stdout.contains("README.md"), "{}", of_file.stdout);
    explain(LIBRARY).says("looks at nothing that has changed").says("- /build/ws/README.md has changed");

    project.append("app/src/lib.rs", "\n#[test]\nfn one_less() {\n    assert_eq!(four() - 1, 3);\n}\n");
    test(&[]);
    let of_program = explain(LIBRARY);
    of_program
        .says("- /build/bin/deps/app-")
        .says("has changed (made by app 0.1.0 (lib test))")
        .says("  app 0.1.0 (lib test) [x86_64-unknown-linux-musl] is another action:")
        .says("    - /build/ws/app/src/lib.rs has changed");
    test(&["--test", "it", "--", "--test-threads=1"]);
    explain(IT).says("argument `--test-threads=1` is new");
    let lines = project.xbuild(&["explain", IT, "--against", record, "--message-format", "json"]).ok().json();
    let differences = lines[0]["differences"].as_array().unwrap();
    let changed = differences.iter().find(|one| one["path"] == "build/ws/shared.txt").unwrap();
    assert_eq!(changed["change"], "changed");
    let digests = [&changed["old"]["file"], &changed["new"]["file"]].map(|digest| digest.as_str().unwrap());
    assert!(digests[0].starts_with("sha256:") && digests[0] != digests[1], "{changed:#}");

    // In another folder everything is there, and known is what a run of that folder's project has used.
    let other = Project::empty();
    common::copy(&project.root, &other.root);
    other.xbuild(&[&["test", "--test", "it", "--no-run"][..], &target].concat()).ok();
    other.xbuild(&["log", IT]).fails(1).says("nothing that was built or run is called");
    let ran =
        other.xbuild(&[&["test", "--test", "it"][..], &target, &["--", "--test-threads=1"]].concat()).ok();
    ran.says("(cached)");
    other.xbuild(&["log", IT]).ok().says("test starts_the_program ... ok");
    other.xbuild(&["explain", IT]).ok().says("was in the store; no other run of it is known");
}

#[test]
fn tests_are_chosen_as_cargo_chooses_them() {
    let project = tested();
    let test = |arguments: &[&str]| {
        let all = [&["test", "--target", TARGETS[0], "--message-format", "json"], arguments].concat();
        let runs = runs(&project.xbuild(&all).ok());
        let counted = |((name, _), run): ((String, String), Run)| (name, run.passed);
        runs.into_iter().map(counted).collect::<Vec<_>>()
    };
    let expect = |counts: &[(&str, u64)]| {
        counts.iter().map(|(name, passed)| ((*name).to_owned(), *passed)).collect::<Vec<_>>()
    };
    let only_it = [("app 0.1.0 (test it)", 4)];
    assert_eq!(test(&["--test", "it"]), expect(&only_it));
    assert_eq!(test(&["--test", "it", "program"]), expect(&[("app 0.1.0 (test it)", 1)]));
    assert_eq!(test(&["--doc"]), expect(&[("app 0.1.0 (doc)", 1), ("twice 0.1.0 (doc)", 0)]));
    let of_library = [("app 0.1.0 (lib)", 2), ("twice 0.1.0 (lib)", 1)];
    assert_eq!(test(&["--lib"]), expect(&of_library));
    assert_eq!(test(&["--lib", "-p", "app"]), expect(&of_library[..1]));
    assert_eq!(test(&["--lib", "-p", "app", "--", "--skip", "two"]), expect(&[("app 0.1.0 (lib)", 1)]));
    let named = project.xbuild(&["test", "--target", TARGETS[0], "--no-run", "--lib"]).ok();
    named.says("app 0.1.0 (lib test) [x86_64-unknown-linux-musl]");
}

#[test]
fn tests_run_for_each_variant() {
    let project = Project::program("varied", "fn main() {}\n");
    project.append("Cargo.toml", "\n[features]\nloud = []\n");
    let unique = project.folder.path().display();
    project.write(
        "src/lib.rs",
        &format!(
            "#[test]\nfn always() {{\n    assert_ne!(std::hint::black_box(\"{unique}\"), \"\");\n}}\n\n\
             #[cfg(feature = \"loud\")]\n#[test]\nfn loud() {{}}\n"
        ),
    );
    project.write("xbuild.toml", "[variant.loud]\nfeatures = [\"loud\"]\n");
    // The variant, how many passed, and whether they were run in an earlier call.
    let test = |options: &[&str]| -> BTreeMap<String, (u64, bool)> {
        let words = ["test", "--lib", "--target", TARGETS[0], "--message-format", "json"];
        let lines = project.xbuild(&[&words[..], options].concat()).ok().json();
        let run = |line: &serde_json::Value| {
            let variant = line["variant"].as_str().unwrap().to_owned();
            let passed = line["totals"]["passed"].as_u64().unwrap();
            (variant, (passed, line["cached"].as_bool().unwrap()))
        };
        lines.iter().filter(|line| line["reason"] == "xbuild-test").map(run).collect()
    };
    let expect = |runs: &[(&str, u64, bool)]| -> BTreeMap<String, (u64, bool)> {
        runs.iter().map(|&(variant, passed, cached)| (variant.to_owned(), (passed, cached))).collect()
    };
    assert_eq!(test(&["--variant", "default"]), expect(&[("default", 1, false)]));
    assert_eq!(test(&[]), expect(&[("default", 1, true), ("loud", 2, false)]));
    assert_eq!(test(&["--variant", "loud"]), expect(&[("loud", 2, true)]));
}

#[test]
fn a_test_that_there_is_not_is_told_with_those_that_there_are() {
    let project = tested();
    let ran = project.xbuild(&["test", "--test", "its"]).fails(1);
    ran.says("error: the packages have no test named `its`")
        .says("a target with a similar name exists: `it`");
    project.xbuild(&["test", "-p", "ap"]).fails(1).says("did you mean `app`?");
    project.xbuild(&["test", "--doc", "--lib"]).fails(2).says("--doc");
}
