//! Features on the command line and in the description, by cargo's rules: `name` is one of a selected package,
//! `package/name` one of that package or of a dependency of a selected package
//! (cargo's `Workspace::collect_matching_features`).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use super::Member;
use crate::description::feature_problem;
use crate::problem::{Kind, Problem, Source};
use crate::suggest;

/// Features and where each stands.
pub(super) type Placed = BTreeMap<String, (Arc<Source>, Range<usize>)>;

/// Splits the values of `--features` at commas and blanks, as cargo does, and checks each one's form.
pub(super) fn split(values: &[String], problems: &mut Vec<Problem>) -> Placed {
    let mut features = Placed::new();
    for value in values {
        let source = Arc::new(Source::new("--features", value.as_str()));
        for feature in words(value) {
            let start = feature.as_ptr() as usize - value.as_ptr() as usize;
            let span = start..start + feature.len();
            match feature_problem(feature) {
                Some((why, help)) => {
                    problems.push(Problem::new(Kind::Invalid, why).at(&source, span).help(help));
                }
                None => {
                    features.insert(feature.to_owned(), (Arc::clone(&source), span));
                }
            }
        }
    }
    features
}

/// The features in a value of `--features`.
pub(super) fn words(value: &str) -> impl Iterator<Item = &str> {
    value.split([',', ' ', '\t', '\n']).filter(|feature| !feature.is_empty())
}

/// Whether cargo takes a feature for a package.
pub(super) fn applies(feature: &str, package: &str, member: &Member) -> bool {
    match feature.split_once('/') {
        None => member.features.contains(feature),
        Some((name, of_package)) if name == package => member.features.contains(of_package),
        Some((name, _)) => member.dependencies.contains(name.strip_suffix('?').unwrap_or(name)),
    }
}

/// The features that none of the packages has, each with its problem.
pub(super) fn unknown<'a>(
    features: impl Iterator<Item = &'a String>,
    members: &BTreeMap<&str, &Member>,
) -> Vec<(&'a str, Problem)> {
    let mut found = Vec::new();
    for feature in features {
        if members.iter().any(|(name, member)| applies(feature, name, member)) {
            continue;
        }
        let plain = members.values().flat_map(|member| &member.features).cloned();
        let qualified = members.iter().flat_map(|(package, member)| {
            member.features.iter().map(move |feature| format!("{package}/{feature}"))
        });
        let known: BTreeSet<String> = match feature.split_once('/') {
            None => plain.collect(),
            Some((package, _)) if members.contains_key(package) => qualified.collect(),
            Some((package, of_package)) => {
                // Which features a dependency has is cargo's to say.
                let dependencies = members.values().flat_map(|member| &member.dependencies);
                let near = suggest::nearest(package, dependencies.map(String::as_str));
                qualified.chain(near.map(|near| format!("{near}/{of_package}"))).collect()
            }
        };
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let packages: Vec<&str> = members.keys().copied().collect();
        let message =
            format!("no package of the build ({}) has a feature `{feature}`", suggest::list(&packages));
        let problem = Problem::new(Kind::UnknownName, message)
            .label("no such feature")
            .help(suggest::help(feature, "features", &known));
        found.push((feature.as_str(), problem));
    }
    found
}
