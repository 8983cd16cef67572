//! `xbuild diff A B`: what two outputs, two revisions or two locks have otherwise: crates and their versions and features,
//! what they need beside Rust, sizes by section.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::path::Path;
use std::process::ExitCode;

use indicatif::HumanBytes;
use serde_json::json;
use xbuild_action::ContentExt as _;
use xbuild_base::Triple;
use xbuild_describe::{Asked, Output, VariantName};
use xbuild_fetch::source::lock::Lock;
use xbuild_output::section_sizes;
use xbuild_plan::graph::Part;
use xbuild_realise::{native, project};

use crate::cli::{Build, Diff, Global};
use crate::description::Described;
use crate::error::XbuildError;
use crate::lock;
use crate::native::recipes_of;
use crate::revision;
use crate::steps::Making;
use crate::timings::Recorder;
use crate::ui::Ui;
use crate::work::{Planned, Wanted, Work, planned};

/// The locks that can be compared.
const LOCKS: [&str; 2] = ["Cargo.lock", "xbuild.lock"];

pub(crate) fn run(global: &Global, diff: &Diff, ui: &Ui) -> Result<ExitCode, XbuildError> {
    let sides = [&diff.one, &diff.other].map(|text| Side::parse(text));
    let [one, other] = match &sides {
        [Side { what: What::Lock(_), .. }, Side { what: What::Lock(_), .. }] => {
            let [one, other] = sides.each_ref().map(|side| side.of_lock(global));
            [one?, other?]
        }
        [Side { what: What::Output(_), .. }, Side { what: What::Output(_), .. }] => {
            let [one, other] = sides.each_ref().map(|side| side.of_outputs(global, diff, ui));
            [one?, other?]
        }
        _ => {
            return Err(XbuildError::user(
                "an output and a lock can't be compared",
                "name two outputs, two revisions (`main:`), or two locks",
            ));
        }
    };
    let differences = one.differences(&other);
    for (kind, name, before, after) in &differences {
        if ui.json {
            let line = json!({
                "reason": "xbuild-difference", "of": kind, "name": name, "one": before, "other": after
            });
            ui.output_line(&line.to_string());
        } else {
            ui.output_line(&in_words(kind, name, before.as_deref(), after.as_deref()));
        }
    }
    if differences.is_empty() && !ui.json {
        ui.output_line("no difference");
    }
    Ok(ExitCode::SUCCESS)
}

fn in_words(kind: &str, name: &str, before: Option<&str>, after: Option<&str>) -> String {
    let size =
        |text: &str| text.parse().map_or_else(|_| text.to_owned(), |bytes| HumanBytes(bytes).to_string());
    let shown = |text: &str| if kind == SIZE { size(text) } else { text.to_owned() };
    let space = |text: String| if text.is_empty() { text } else { format!(" {text}") };
    match (before.map(shown), after.map(shown)) {
        (Some(before), Some(after)) => format!("{kind:8} {name}  {before} → {after}"),
        (Some(before), None) => format!("{kind:8} {name}{}  gone", space(before)),
        (None, Some(after)) => format!("{kind:8} {name}{}  new", space(after)),
        (None, None) => format!("{kind:8} {name}"),
    }
}

const SIZE: &str = "size";

/// One of the two.
struct Side {
    /// The commit, branch or tag; none: the project as it is.
    revision: Option<String>,
    what: What,
}

enum What {
    /// An output's name; empty: all.
    Output(String),
    /// A lock's file.
    Lock(String),
}

impl Side {
    /// `OUTPUT`, `LOCK`, `REVISION:`, `REVISION:OUTPUT`, `REVISION:LOCK`.
    fn parse(text: &str) -> Self {
        let (revision, name) = match text.split_once(':') {
            Some((revision, name)) => (Some(revision.to_owned()), name),
            None => (None, text),
        };
        let is_lock = Path::new(name).file_name().is_some_and(|file| LOCKS.iter().any(|lock| file == *lock));
        let what = if is_lock { What::Lock(name.to_owned()) } else { What::Output(name.to_owned()) };
        Self { revision, what }
    }

    /// Does something with the folder of the project as it was.
    fn within<T>(
        &self,
        global: &Global,
        then: impl FnOnce(&Global) -> Result<T, XbuildError>,
    ) -> Result<T, XbuildError> {
        let Some(revision) = &self.revision else { return then(global) };
        let folder = tempfile::tempdir().map_err(|error| XbuildError::machine(&error))?;
        let project = check_out(&global.project, revision, folder.path())?;
        then(&Global { project, ..global.clone() })
    }

    /// What a lock names.
    fn of_lock(&self, global: &Global) -> Result<Facts, XbuildError> {
        let What::Lock(name) = &self.what else { return Ok(Facts::default()) };
        self.within(global, |global| {
            let path = match self.revision {
                Some(_) => global.project.join(name),
                None => Path::new(name).to_owned(),
            };
            let mut facts = Facts::default();
            if path.ends_with("xbuild.lock") {
                let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
                let pins = lock::Lock::read(folder.unwrap_or(Path::new(".")))?;
                for (name, pin) in &pins.images {
                    facts.add("image", name, &pin.digest);
                }
                for (name, pin) in &pins.inputs {
                    facts.add("input", name, &pin.commit);
                }
                for (set, packages) in &pins.packages {
                    for pin in packages {
                        facts.add("package", &format!("{set}: {}", pin.name), &pin.version);
                    }
                }
                return Ok(facts);
            }
            let text = fs_err::read_to_string(&path)
                .map_err(|error| XbuildError::user(error.to_string(), "name a lock that is there"))?;
            for package in Lock::parse(&text)?.packages {
                facts.add("crate", &package.name, &package.version);
            }
            Ok(facts)
        })
    }

    /// What outputs are made of, once they are built.
    fn of_outputs(&self, global: &Global, diff: &Diff, ui: &Ui) -> Result<Facts, XbuildError> {
        let What::Output(name) = &self.what else { return Ok(Facts::default()) };
        self.within(global, |global| {
            let outputs = if name.is_empty() { Vec::new() } else { vec![name.clone()] };
            let (of, execution) = (diff.of.clone(), diff.execution);
            let build: Build = crate::cli::Outputs { outputs, of, execution }.into();
            planned(global, &build, Wanted::Everything, ui, of_planned)
        })
    }
}

/// What is planned is made of, once it is built.
fn of_planned(work: &Work<'_>, planned: &mut Planned<'_>) -> Result<Facts, XbuildError> {
    let mut facts = Facts::default();
    // Where each side is one output, its name is no difference.
    let is_one = planned.asked.iter().map(|one| one.selected.len()).sum::<usize>() == 1;
    let prefix = |variant: &VariantName, target: &Triple, name: &str| {
        if is_one { String::new() } else { format!("{variant}/{target}/{name}: ") }
    };
    let graph = work.look(planned, Making::Skip)?.graph;
    for (part, one) in graph.parts().iter().zip(&planned.asked) {
        for selected in &one.selected {
            let at = prefix(&one.variant, &one.target, &selected.output.name);
            facts.add_output(work.described(), part, one, &selected.output, &at);
        }
    }
    drop(graph);
    for row in work.realise(planned, &mut Recorder::default())?.rows {
        let artefact = &row.artefact;
        let variant = artefact.variant.parse().unwrap_or_default();
        let at = prefix(&variant, &artefact.target, artefact.stem());
        let bytes = work.store().get(artefact.file.digest)?;
        facts.add(SIZE, &format!("{at}all"), &bytes.len());
        for (section, size) in section_sizes(&bytes) {
            facts.add(SIZE, &format!("{at}{section}"), &size);
        }
    }
    Ok(facts)
}

/// What is told of a side: by kind and name, all values that there are.
#[derive(Debug, Default)]
struct Facts(BTreeMap<(&'static str, String), BTreeSet<String>>);

/// Kind, name, and the values of both sides.
type Difference = (&'static str, String, Option<String>, Option<String>);

impl Facts {
    fn add(&mut self, kind: &'static str, name: &str, value: &impl Display) {
        self.0.entry((kind, name.to_owned())).or_default().insert(value.to_string());
    }

    fn add_output(&mut self, described: &Described, part: &Part, one: &Asked, output: &Output, at: &str) {
        let context = &part.context;
        let seen = context.reachable(project::unit_of(context, output));
        self.add("profile", &format!("{at}profile"), &one.plan.profile);
        for &unit in &seen {
            let (package, of) = (context.package(unit), context.unit(unit));
            if of.is_script_run() {
                continue;
            }
            let whom = if of.platform.is_some() { "" } else { " (host)" };
            self.add("crate", &format!("{at}{}{whom}", package.name), &package.version);
            let features: Vec<&str> = of.features.iter().map(String::as_str).collect();
            if !of.target.is_build_script() && !features.is_empty() {
                self.add("features", &format!("{at}{}{whom}", package.name), &features.join(","));
            }
        }
        for (_, needed) in native::recipes(context, seen, &recipes_of(described, &one.variant)) {
            for (kind, names) in [("tool", needed.tools), ("package", needed.packages)] {
                names.into_iter().flatten().for_each(|name| self.add(kind, &format!("{at}{name}"), &""));
            }
        }
    }

    fn differences(&self, other: &Self) -> Vec<Difference> {
        let keys: BTreeSet<_> = self.0.keys().chain(other.0.keys()).collect();
        let values = |facts: &Self, key| {
            let values: Option<&BTreeSet<String>> = facts.0.get(key);
            values.map(|values| values.iter().cloned().collect::<Vec<_>>().join(", "))
        };
        let told = keys.into_iter().map(|key| (key.0, key.1.clone(), values(self, key), values(other, key)));
        told.filter(|(_, _, one, other)| one != other).collect()
    }
}

/// Lays a revision of a project's repository out in a folder; the project's folder there.
fn check_out(project: &Path, revision: &str, folder: &Path) -> Result<std::path::PathBuf, XbuildError> {
    let unknown = || {
        let help = "name a commit, branch or tag of the repository that the project lies in, with `:` after it: main:";
        XbuildError::user(
            format!("git has no revision `{revision}` of {}", project.display()),
            revision::help(project, revision, help),
        )
    };
    let prefix = revision::check_out(project, revision, folder).map_err(|error| {
        XbuildError::environment(
            format!("revision `{revision}` could not be laid out in {}: {error}", folder.display()),
            "`git archive` and `tar` are needed for it",
        )
    })?;
    let prefix = prefix.ok_or_else(unknown)?;
    Ok(folder.join(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_differ_are_told_of_both_sides() {
        let (mut one, mut other) = (Facts::default(), Facts::default());
        for (facts, version) in [(&mut one, "1.0"), (&mut other, "1.1")] {
            facts.add("crate", "a", &version);
            facts.add("crate", "b", &"2.0");
        }
        other.add("crate", "a", &"2.0");
        one.add("tool", "cmake", &"");
        let differences = one.differences(&other);
        let words: Vec<String> = differences
            .iter()
            .map(|(kind, name, one, other)| in_words(kind, name, one.as_deref(), other.as_deref()))
            .collect();
        assert_eq!(words, ["crate    a  1.0 → 1.1, 2.0", "tool     cmake  gone"]);
        assert_eq!(
            in_words(SIZE, ".text", Some("1024"), Some("2048")),
            "size     .text  1.00 KiB → 2.00 KiB"
        );
    }
}
