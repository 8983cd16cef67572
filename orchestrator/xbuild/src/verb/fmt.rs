//! `xbuild fmt --check`: whether sources are formatted as the pinned rustfmt has it, as `cargo fmt --all --check` tells it.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use xbuild_action::{Command, InputRoot};
use xbuild_plan::planning::environment;
use xbuild_realise::RealiseError;

use crate::cli::{Build, Fmt, Global};
use crate::error::{XbuildError, counted};
use crate::ui::{Level, Ui};
use crate::work::{Planned, Wanted, Work, planned};

const PROGRAM: &str = "/usr/bin/rustfmt";
/// How rustfmt begins the line that tells where a difference is: `Diff in /build/ws/src/main.rs:3:`.
const DIFFERENCE: &str = "Diff in ";

pub(crate) fn run(global: &Global, fmt: &Fmt, ui: &Ui) -> Result<ExitCode, XbuildError> {
    if !fmt.check {
        return Err(XbuildError::user(
            "a sandbox changes no sources: xbuild tells what isn't formatted, and formats nothing",
            "xbuild fmt --check, or cargo fmt --all",
        ));
    }
    let build = Build { execution: fmt.execution, ..Build::default() };
    planned(global, &build, Wanted::Everything, ui, |work, planned| check(work, planned, ui))
}

fn check(work: &Work<'_>, planned: &Planned<'_>, ui: &Ui) -> Result<ExitCode, XbuildError> {
    let mut unformatted: BTreeSet<String> = BTreeSet::new();
    let inputs = InputRoot { layers: work.rustfmt_layers()?, ..InputRoot::default() };
    let in_sandbox = format!("{DIFFERENCE}{}/", work.local.workspace.in_sandbox());
    for (edition, files) in crates(planned) {
        let options = [PROGRAM, "--check", "--edition", &edition].map(str::to_owned);
        let command = Command {
            argv: options.into_iter().chain(files).collect(),
            environment: environment(&[]),
            working_directory: work.local.workspace.clone(),
            outputs: BTreeSet::new(),
        };
        let output = match work.engine().run_one("rustfmt", &command, &inputs) {
            Ok(_) => continue,
            Err(RealiseError::Step { output, .. }) if output.contains(DIFFERENCE) => output,
            Err(error) => return Err(error.into()),
        };
        ui.error_line(output.replace(&in_sandbox, DIFFERENCE).trim_end());
        for (file, line) in output.lines().filter_map(difference) {
            ui.annotate(Level::Error, file, line, "it is formatted otherwise than rustfmt does it");
            unformatted.insert(file.to_owned());
        }
    }
    if unformatted.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    Err(XbuildError::user(
        format!("{} not formatted as rustfmt does it", are(unformatted.len())),
        "cargo fmt --all; the pinned one is in `xbuild develop` with [develop] tools = [\"rustfmt\"]",
    ))
}

fn are(count: usize) -> String {
    format!("{} {}", counted(count, "file"), if count == 1 { "is" } else { "are" })
}

/// The file and line of a difference.
fn difference(line: &str) -> Option<(&str, usize)> {
    let (file, line) = line.strip_prefix(DIFFERENCE)?.trim_end_matches(':').rsplit_once(':')?;
    Some((file, line.parse().ok()?))
}

/// The root files of all crates of local packages, by edition.
fn crates(planned: &Planned<'_>) -> BTreeMap<String, BTreeSet<String>> {
    let mut crates: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    // What lies where is the same for all of them.
    if let Some(metadata) = planned.metadata.values().next() {
        let local = metadata.packages().iter().filter(|package| package.is_local());
        for target in local.flat_map(|one| &one.targets) {
            crates.entry(target.edition.clone()).or_default().insert(target.src_path.clone());
        }
    }
    crates
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_has_its_file_and_line() {
        assert_eq!(difference("Diff in /build/ws/src/main.rs:3:"), Some(("/build/ws/src/main.rs", 3)));
        assert_eq!(difference("-    x"), None);
    }
}
