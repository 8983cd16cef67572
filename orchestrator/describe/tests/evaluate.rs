//! What holds for every request: the selection never changes what is planned.

mod support;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use xbuild_describe::{Asked, Description, Override, Request, Source, Targets, Workspace, evaluate};

static TARGETS: LazyLock<Targets> = LazyLock::new(|| support::data().1);
static WORKSPACE: LazyLock<Workspace> = LazyLock::new(support::workspace);

fn description(unify: &str) -> Description {
    let text = format!(
        "[build]\npackages = [\"foo\", \"bar\", \"ffi\"]\nunify = \"{unify}\"\nfeatures = [\"admin\"]\n\
         targets = [\"x86_64-unknown-linux-musl\", \"aarch64-unknown-linux-gnu\", \"x86_64-pc-windows-gnu\"]\n"
    );
    Description::read([Source::new("xbuild.toml", text)], &[], &TARGETS).unwrap()
}

fn words(all: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    subsequence(all, 0..=all.len()).prop_map(|words| words.into_iter().map(str::to_owned).collect())
}

fn requests() -> impl Strategy<Value = Request> {
    (
        words(&[
            "foo",
            "*",
            "*-musl/bar",
            "x86_64-*/foo*",
            "default/*/muffin_c",
            "x86_64-pc-windows-gnu/foo",
        ]),
        words(&["foo", "b*", "ffi"]),
        words(&["foo", "bar", "foo-*"]),
        words(&["x86_64-unknown-linux-musl", "*-gnu", "aarch64-unknown-linux-musl"]),
        any::<bool>(),
    )
        .prop_map(|(outputs, packages, bins, targets, all_bins)| Request {
            outputs,
            packages,
            bins,
            targets,
            all_bins,
            ..Request::default()
        })
}

/// The places of all outputs.
fn places(asked: &[Asked]) -> BTreeSet<String> {
    asked
        .iter()
        .flat_map(|asked| {
            asked.selected.iter().map(move |selected| {
                format!(
                    "{}/{}/{:?} {}",
                    asked.variant, asked.target, selected.output.kind, selected.output.name
                )
            })
        })
        .collect()
}

proptest! {
    #[test]
    fn a_selection_changes_no_plan(request in requests(), unify in select(&["workspace", "package"][..])) {
        let description = description(unify);
        let all = evaluate(&description, &WORKSPACE, &TARGETS, &Request::default()).unwrap();
        // Flags may exclude each other: then it says so, and there is nothing to compare.
        if let Ok(asked) = evaluate(&description, &WORKSPACE, &TARGETS, &request) {
            prop_assert!(!asked.is_empty());
            for one in &asked {
                prop_assert!(!one.selected.is_empty());
                let plans: Vec<_> = all.iter().filter(|other| other.plan == one.plan).collect();
                prop_assert!(!plans.is_empty(), "a plan that the whole build does not have: {:?}", one.plan);
                if let Some(same) = plans.iter().find(|other| other.target == one.target) {
                    prop_assert_eq!(same.glibc, one.glibc);
                    prop_assert!(places(std::slice::from_ref(one)).is_subset(&places(std::slice::from_ref(same))));
                } else {
                    // Only a target that was named in full may be one that the description does not list.
                    prop_assert_eq!(one.target.as_str(), "aarch64-unknown-linux-musl");
                    prop_assert!(request.targets.iter().any(|target| target == one.target.as_str()));
                }
            }
        }
    }

    #[test]
    fn the_order_of_words_does_not_matter(request in requests()) {
        let description = description("workspace");
        let mut reversed = request.clone();
        reversed.outputs.reverse();
        reversed.packages.reverse();
        reversed.bins.reverse();
        let evaluate = |request| evaluate(&description, &WORKSPACE, &TARGETS, request).ok();
        prop_assert_eq!(evaluate(&request), evaluate(&reversed));
    }
}

#[test]
fn each_output_asked_for_alone_is_all_outputs_together() {
    for unify in ["workspace", "package"] {
        let description = description(unify);
        let all = evaluate(&description, &WORKSPACE, &TARGETS, &Request::default()).unwrap();
        let mut found = BTreeSet::new();
        for asked in &all {
            for selected in &asked.selected {
                let name = format!("{}/{}/{}", asked.variant, asked.target, selected.output.name);
                let request = Request { outputs: vec![name], ..Request::default() };
                found.extend(places(&evaluate(&description, &WORKSPACE, &TARGETS, &request).unwrap()));
            }
        }
        assert_eq!(found, places(&all));
    }
}

#[test]
fn unify_package_plans_each_package_alone() {
    let plans = |unify: &str| -> BTreeSet<Vec<String>> {
        let asked = evaluate(&description(unify), &WORKSPACE, &TARGETS, &Request::default()).unwrap();
        asked.iter().map(|asked| asked.plan.packages.iter().cloned().collect()).collect()
    };
    assert_eq!(plans("workspace").len(), 1);
    assert_eq!(
        plans("package"),
        [["foo"], ["bar"], ["ffi"]].map(|one| one.map(str::to_owned).to_vec()).into()
    );
}

#[test]
fn what_a_request_has_otherwise_is_the_same_in_any_order() {
    let overrides = |flags: &[&str], line: &str| {
        let flags: Vec<Override> = flags.iter().map(|flag| Override::parse(flag).unwrap()).collect();
        let description = Description::read([Source::new("xbuild.toml", "")], &flags, &TARGETS).unwrap();
        support::request(line).overrides(&description)
    };
    // What only selects is none.
    assert_eq!(overrides(&[], "-p foo --target *-musl --variant default foo"), [""; 0]);
    let expected = [
        "profile=dev",
        "features=bar/color,color",
        "all-features=true",
        "default-features=false",
        "glibc=2.36",
        "build.unify=package",
        "limits.time=1m",
    ];
    let flags = ["limits.time=1m", "build.unify=workspace", "build.unify=package"];
    let line = "--no-default-features --features color,bar/color --glibc 2.36 --all-features --profile dev";
    assert_eq!(overrides(&flags, line), expected);
    let flags = ["build.unify=package", "limits.time=1m"];
    let line = "--profile dev --glibc 2.36 --all-features --features bar/color --features color,color \
                --no-default-features";
    assert_eq!(overrides(&flags, line), expected);
}
