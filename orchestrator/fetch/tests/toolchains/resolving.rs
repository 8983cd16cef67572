//! Closures: apt's own answer, and the rules one by one.

use std::collections::BTreeSet;

use xbuild_fetch::FetchError;
use xbuild_fetch::debian::{DebianError, Query, resolve};

use crate::support::{Texts, fixture, stanza};

fn solve(
    indexes: Vec<(&'static str, String)>,
    roots: &[&str],
    without: &[&str],
) -> Result<Vec<String>, FetchError> {
    let suites: Vec<String> = indexes.iter().map(|(name, _)| (*name).to_owned()).collect();
    let roots: Vec<String> = roots.iter().map(|root| (*root).to_owned()).collect();
    let without: BTreeSet<String> = without.iter().map(|name| (*name).to_owned()).collect();
    let query = Query {
        component: "test",
        suites: &suites,
        arch: "amd64",
        roots: &roots,
        without: &without,
        except: &BTreeSet::new(),
    };
    let packages = resolve(&query, &Texts(indexes))?;
    Ok(packages.iter().map(|package| format!("{} {}", package.name, package.version)).collect())
}

fn one(text: &[String], roots: &[&str], without: &[&str]) -> Result<Vec<String>, FetchError> {
    solve(vec![("sid", text.concat())], roots, without)
}

fn part_of_debian() -> Vec<(&'static str, String)> {
    ["trixie-backports", "trixie"]
        .into_iter()
        .map(|suite| {
            let path = fixture(&format!("archive/dists/{suite}/main/binary-amd64/Packages.xz"));
            let mut text = String::new();
            let mut reader = liblzma::read::XzDecoder::new(fs_err::File::open(path).unwrap());
            std::io::Read::read_to_string(&mut reader, &mut text).unwrap();
            (suite, text)
        })
        .collect()
}

#[test]
fn the_closure_is_apts() {
    let oracle = fs_err::read_to_string(fixture("oracle.txt")).unwrap();
    let ours = solve(part_of_debian(), &["cargo", "pkgconf", "perl"], &[]).unwrap();
    assert_eq!(ours, oracle.lines().collect::<Vec<_>>());
}

#[test]
fn the_order_of_roots_does_not_matter_and_without_cuts_what_only_it_needs() {
    let all = solve(part_of_debian(), &["cargo", "perl"], &[]).unwrap();
    assert_eq!(solve(part_of_debian(), &["perl", "cargo"], &[]).unwrap(), all);
    let less = solve(part_of_debian(), &["cargo", "perl"], &["rustc", "gcc", "binutils"]).unwrap();
    assert!(less.len() < all.len());
    assert!(less.iter().all(|package| all.contains(package)));
    for gone in ["rustc ", "gcc-14 ", "libllvm", "binutils"] {
        assert!(!less.iter().any(|package| package.starts_with(gone)), "{gone}");
    }
    assert!(less.iter().any(|package| package.starts_with("libcurl")), "{less:?}");
}

#[test]
fn of_alternatives_the_first_that_can_be_had_unless_another_is_there_already() {
    let text = [
        stanza("a", "1", "Depends: gone | b | c"),
        stanza("b", "1", ""),
        stanza("c", "1", ""),
        stanza("d", "1", "Depends: c"),
    ];
    assert_eq!(one(&text, &["a"], &[]).unwrap(), ["a 1", "b 1"]);
    assert_eq!(one(&text, &["c", "a"], &[]).unwrap(), ["a 1", "c 1"]);
    assert_eq!(one(&text, &["a"], &["c"]).unwrap(), ["a 1"], "what is left out meets what needs it");
}

#[test]
fn virtual_packages_are_met_by_what_provides_them_in_a_fitting_version() {
    let text = [
        stanza("a", "1", "Depends: v (>= 2)"),
        stanza("b", "1", "Depends: v"),
        stanza("p1", "1", "Provides: v (= 1)"),
        stanza("p2", "1", "Provides: v (= 2), w"),
        stanza("c", "1", "Depends: w (>= 1)"),
    ];
    assert_eq!(one(&text, &["a"], &[]).unwrap(), ["a 1", "p2 1"]);
    assert_eq!(one(&text, &["b"], &[]).unwrap(), ["b 1", "p1 1"]);
    assert_eq!(one(&text, &["a", "b"], &[]).unwrap(), ["a 1", "b 1", "p2 1"]);
    assert_eq!(one(&text, &["p2", "b"], &[]).unwrap(), ["b 1", "p2 1"]);
    assert_eq!(one(&text, &["b"], &["p1"]).unwrap(), ["b 1"]);
    assert!(one(&text, &["c"], &[]).is_err(), "a provision without a version meets no constraint");
}

#[test]
fn the_first_suite_wins_unless_a_constraint_needs_another_ones() {
    let suites = |more: &str| {
        vec![
            ("old", [stanza("a", "1", ""), stanza("lib", "1", "")].concat()),
            ("new", [stanza("a", "2", ""), stanza("lib", "2", ""), stanza("b", "2", more)].concat()),
        ]
    };
    assert_eq!(solve(suites(""), &["a", "b"], &[]).unwrap(), ["a 1", "b 2"]);
    assert_eq!(solve(suites("Depends: lib (>= 2)"), &["b"], &[]).unwrap(), ["b 2", "lib 2"]);
    assert_eq!(
        solve(suites("Depends: lib (>= 2)"), &["lib", "b"], &[]).unwrap(),
        ["b 2", "lib 2"],
        "a choice is taken back when a constraint comes later"
    );
    assert!(solve(suites("Depends: lib (= 3)"), &["b"], &[]).is_err());
}

#[test]
fn circles_end_and_constraints_that_exclude_each_other_are_an_error() {
    let circle = [stanza("a", "1", "Depends: b"), stanza("b", "1", "Pre-Depends: a")];
    assert_eq!(one(&circle, &["a"], &[]).unwrap(), ["a 1", "b 1"]);
    let suites = vec![
        ("one", [stanza("x", "1", ""), stanza("a", "1", "Depends: x (= 1)")].concat()),
        ("two", [stanza("x", "2", ""), stanza("b", "1", "Depends: x (= 2)")].concat()),
    ];
    let error = solve(suites, &["a", "b"], &[]).unwrap_err();
    assert!(matches!(&error, FetchError::Debian(DebianError::Unsatisfied { .. })), "{error}");
}

#[test]
fn qualifiers_name_architectures() {
    let text = [
        stanza("a", "1", "Depends: b:any, c:native"),
        stanza("b", "1", ""),
        stanza("c", "1", ""),
        stanza("d", "1", "").replace("amd64", "arm64"),
    ];
    assert_eq!(one(&text, &["a"], &[]).unwrap(), ["a 1", "b 1", "c 1"]);
    assert_eq!(one(&text, &["d:arm64", "b"], &[]).unwrap(), ["b 1", "d 1"]);
    assert!(one(&text, &["d"], &[]).is_err());
}

#[test]
fn errors_name_the_component_the_package_and_where_it_was_looked_for() {
    let text = [stanza("a", "1", "Depends: b (>= 2) | c")];
    let error = one(&text, &["a"], &[]).unwrap_err();
    assert_eq!(error.to_string(), "component test: a 1 needs b (>= 2) | c, which is not for amd64 in sid");
    let error = one(&text, &["z"], &[]).unwrap_err();
    assert_eq!(error.to_string(), "component test: there is no package z for amd64 in sid");
    assert!(error.help().unwrap().starts_with("correct `suites`"));
    let error = one(&[stanza("libssl-dev", "1", "")], &["libsl-dev"], &[]).unwrap_err();
    assert!(error.help().unwrap().starts_with("did you mean `libssl-dev`?"), "{:?}", error.help());
}
