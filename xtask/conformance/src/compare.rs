//! Whether both sides do the same: every unit, its arguments in their order, its whole environment, its working
//! directory, with nothing missing and nothing more.

use std::collections::{BTreeMap, BTreeSet};

use crate::call::Call;
use crate::exceptions::Exceptions;
use crate::normal::{Folders, Hashes};
use crate::ours::{Built, Unit};
use crate::target::without_additions;

/// What became of a comparison.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Compared {
    /// How many units cargo has.
    pub(crate) units: usize,
    pub(crate) differences: Vec<Difference>,
}

/// A unit that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Which.
    pub(crate) unit: String,
    /// What, a line each: `cargo: …` for what only cargo does, `xbuild: …` for what only xbuild does.
    pub(crate) lines: Vec<String>,
}

/// Compares what xbuild has built with what cargo ran.
pub(crate) fn compare(
    built: &Built,
    theirs: &[Call],
    folders: &Folders,
    exceptions: &Exceptions,
) -> Compared {
    let mut differences = Vec::new();
    let mut open: Vec<Call> = theirs.iter().map(|call| exceptions.apply(folders.translate(call))).collect();
    let ours: Vec<(&Unit, Call)> = built
        .units
        .iter()
        .map(|unit| {
            let (call, missing) = without_additions(unit, &built.toolchain);
            if !missing.is_empty() {
                differences.push(Difference { unit: unit.title.clone(), lines: missing });
            }
            (unit, exceptions.apply(call))
        })
        .collect();
    let (mut our_hashes, mut their_hashes) = (Hashes::default(), Hashes::default());
    // Dependencies come first: their hashes have names by the time that a dependent is looked for.
    for (number, (unit, call)) in ours.iter().enumerate() {
        let our = our_hashes.apply(call);
        let distances = open.iter().enumerate().filter(|(_, their)| their.identity() == call.identity());
        let nearest = distances
            .map(|(at, their)| (differing(&their_hashes.apply(their), &our), at))
            .min_by_key(|(lines, at)| (lines.len(), *at));
        let Some((lines, at)) = nearest else {
            let lines = vec!["cargo does not run it".to_owned()];
            differences.push(Difference { unit: unit.title.clone(), lines });
            continue;
        };
        let their = open.remove(at);
        our_hashes.learn(call, number);
        their_hashes.learn(&their, number);
        if !lines.is_empty() {
            differences.push(Difference { unit: unit.title.clone(), lines });
        }
    }
    for call in open {
        let lines = vec!["xbuild does not run it".to_owned(), format!("cargo: {}", call.argv.join(" "))];
        differences.push(Difference { unit: call.title(), lines });
    }
    Compared { units: theirs.len(), differences }
}

/// All that differs between two calls, nothing when they are equal.
fn differing(their: &Call, our: &Call) -> Vec<String> {
    let mut lines = Vec::new();
    if their.argv != our.argv {
        let (theirs, ours) = (counted(&their.argv), counted(&our.argv));
        lines.extend(missing("cargo", &theirs, &ours));
        lines.extend(missing("xbuild", &ours, &theirs));
        if lines.is_empty() {
            lines.push(format!("cargo's order: {}", their.argv.join(" ")));
            lines.push(format!("xbuild's order: {}", our.argv.join(" ")));
        }
    }
    let names: BTreeSet<&String> = their.environment.keys().chain(our.environment.keys()).collect();
    for name in names {
        let (theirs, ours) = (their.environment.get(name), our.environment.get(name));
        if theirs != ours {
            lines.extend(theirs.map(|value| format!("cargo: {name}={value}")));
            lines.extend(ours.map(|value| format!("xbuild: {name}={value}")));
        }
    }
    if their.working_directory != our.working_directory {
        lines.push(format!("cargo: in {}", their.working_directory));
        lines.push(format!("xbuild: in {}", our.working_directory));
    }
    lines
}

/// How often each argument is there; one that only has meaning after a flag comes with it.
fn counted(argv: &[String]) -> BTreeMap<String, usize> {
    const FLAGS: [&str; 10] = [
        "-C",
        "-L",
        "-l",
        "-Z",
        "--cfg",
        "--check-cfg",
        "--extern",
        "--crate-type",
        "--target",
        "--cap-lints",
    ];
    let mut counts = BTreeMap::new();
    let mut words = argv.iter();
    while let Some(word) = words.next() {
        let value = FLAGS.contains(&word.as_str()).then(|| words.next()).flatten();
        let text = value.map_or_else(|| word.clone(), |value| format!("{word} {value}"));
        *counts.entry(text).or_default() += 1;
    }
    counts
}

fn missing(side: &str, of: &BTreeMap<String, usize>, than: &BTreeMap<String, usize>) -> Vec<String> {
    let more = of.iter().filter(|(word, count)| than.get(*word).unwrap_or(&0) < *count);
    more.map(|(word, _)| format!("{side}: {word}")).collect()
}
