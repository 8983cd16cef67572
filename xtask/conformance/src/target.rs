//! What xbuild adds to cargo's commands because a target's file says so. The suite takes it from the same file,
//! checks that each unit has all of it, and compares the rest.
//!
//! Cargo is not told of it: whatever way there is (`rustflags`, variables) would show in the commands of others. The
//! recorder hands it to the real rustc.

use std::collections::BTreeMap;

use xbuild_cargo::{Platform, Toolchain};

use crate::call::{Call, Kind};
use crate::ours::Unit;

/// A unit's call without what its target's file adds, and what of that it lacks.
pub(crate) fn without_additions(unit: &Unit, toolchain: &Toolchain) -> (Call, Vec<String>) {
    let mut call = unit.call.clone();
    let mut missing = Vec::new();
    // One graph is for one target.
    let target = toolchain.targets.values().next().filter(|_| !unit.is_host);
    match call.kind {
        Kind::Rustc => {
            let words = target.map(|target| arguments(target, &call)).unwrap_or_default();
            for words in words {
                match call.argv.windows(words.len()).position(|window| window == words) {
                    Some(at) => drop(call.argv.drain(at..at + words.len())),
                    None => missing.push(lacks(&words.join(" "))),
                }
            }
        }
        Kind::Script => {
            let platforms = std::iter::once(&toolchain.host).chain(target);
            // The target's come later, and count where both have one.
            let variables: BTreeMap<&String, &String> =
                platforms.flat_map(|platform| &platform.script_environment).collect();
            for (name, value) in variables {
                if call.environment.get(name) == Some(value) {
                    call.environment.remove(name);
                } else {
                    missing.push(lacks(&format!("{name}={value}")));
                }
            }
        }
    }
    (call, missing)
}

fn lacks(what: &str) -> String {
    format!("xbuild lacks what the target's file adds: {what}")
}

/// Link arguments only where something is linked.
fn arguments(target: &Platform, call: &Call) -> Vec<Vec<String>> {
    let links = !call.argv.iter().any(|argument| argument.starts_with("--emit=dep-info,metadata"));
    let link = target.link_arguments.iter().filter(|_| links);
    let link = link.map(|argument| vec!["-C".to_owned(), format!("link-arg={argument}")]);
    let always = target.rustc_arguments.iter().map(|argument| vec![argument.clone()]);
    always.chain(link).collect()
}
