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

    // What failed isn't remembered; what passed is.
    let ran = project.xbuild(&[&["test", "--no-fail-fast"][..], &target].concat()).fails(1);
    assert_eq!(ran.stderr.matches("(cached)").count(), 5, "{}", ran.stderr);
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
            "// {unique}\n#[test]\nfn always() {{}}\n\n#[cfg(feature = \"loud\")]\n#[test]\nfn loud() {{}}\n"
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
