//! `xbuild log` and `xbuild explain`: what a unit, a test or a step printed, and why it was built or run again.

use std::collections::BTreeSet;
use std::process::ExitCode;

use serde_json::{Value, json};
use xbuild_action::ContentExt as _;
use xbuild_plan::label::{Label, What};
use xbuild_plan::reasons::{Components, Reason};
use xbuild_store::Disk;

use crate::cli::{Explain, Global, Log};
use crate::description::find_workspace;
use crate::error::{XbuildError, counted};
use crate::history::{Differences, Fate, History, RunRecord, Taken, UnitRecord, earlier};
use crate::session::Session;
use crate::ui::{Ui, rendered};

/// So many differences are told of a unit.
const MOST: usize = 20;

pub(crate) fn log(global: &Global, log: &Log, ui: &Ui) -> Result<ExitCode, XbuildError> {
    let session = Session::open(ui)?;
    let runs = runs(global, &session)?;
    for unit in latest(&runs, &log.unit)? {
        let read = |digest| session.store.get(digest).unwrap_or_default();
        let [stdout, stderr] = [unit.stdout, unit.stderr].map(|digest| digest.map(read).unwrap_or_default());
        let (stdout, stderr) = (String::from_utf8_lossy(&stdout).into_owned(), rendered(&stderr, ui));
        if ui.json {
            let line = json!({
                "reason": "xbuild-log",
                "package_id": unit.label.of_package(),
                "unit": unit.label.to_string(),
                "kind": kind(&unit.label),
                "platform": unit.label.platform,
                "action": unit.action,
                "stdout": stdout,
                "stderr": stderr,
            });
            ui.output_line(&line.to_string());
            continue;
        }
        ui.output_line(&format!("{} [{}]", unit.label.in_full(), unit.label.platform));
        for (what, text) in [("output", &stdout), ("error", &stderr)] {
            if !text.trim().is_empty() {
                ui.output_line(&format!("--- standard {what}\n{}", text.trim_end()));
            }
        }
        if stdout.trim().is_empty() && stderr.trim().is_empty() {
            ui.output_line("it printed nothing");
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn explain(global: &Global, explain: &Explain, ui: &Ui) -> Result<ExitCode, XbuildError> {
    let session = Session::open(ui)?;
    let runs = runs(global, &session)?;
    let against = explain.against.as_ref().map(|path| RunRecord::read(&session.store, path)).transpose()?;
    let wanted = latest(&runs, &explain.unit)?;
    // A tree is the same in all of them.
    let components = runs.iter().chain(&against).flat_map(|run| run.components.clone()).collect();
    let store = &session.store;
    let mut explainer = Explainer { store, ui, runs: &runs, against, components, told: BTreeSet::new() };
    for unit in wanted {
        explainer.tell(unit, 0);
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn runs(global: &Global, session: &Session) -> Result<Vec<RunRecord>, XbuildError> {
    let top = global.commit.as_ref().map(|commit| commit.top.as_path());
    let root = find_workspace(&global.project, top)?.root;
    let runs = History::new(&root, None).runs(&session.store);
    if runs.is_empty() {
        return Err(XbuildError::user(
            format!("nothing is known of {}: it was not built over this store", root.display()),
            "build it: xbuild build",
        ));
    }
    Ok(runs)
}

/// The latest units that words mean: a package's or a step's name, a unit's or a test's whole name, with or without its
/// platform.
pub(crate) fn latest<'r>(runs: &'r [RunRecord], words: &str) -> Result<Vec<&'r UnitRecord>, XbuildError> {
    let is_meant = |label: &Label| {
        let names = [label.to_string(), label.in_full()];
        let with_platform = |name: &String| format!("{name} [{}]", label.platform);
        label.package == words || names.iter().any(|name| name == words || with_platform(name) == words)
    };
    let mut seen: BTreeSet<(&str, &Label)> = BTreeSet::new();
    let mut found: Vec<&UnitRecord> = Vec::new();
    for unit in runs.iter().flat_map(|run| &run.units).filter(|unit| is_meant(&unit.label)) {
        // Graphs share actions.
        if seen.insert(unit.identity()) && found.iter().all(|other| other.action != unit.action) {
            found.push(as_executed(runs, unit));
        }
    }
    if found.is_empty() {
        let (what, name): (&str, fn(&Label) -> String) = match words.contains(' ') {
            true => ("units, tests and steps", ToString::to_string),
            false => ("packages and steps", |label| label.package.clone()),
        };
        let names: BTreeSet<String> =
            runs.iter().flat_map(|run| &run.units).map(|unit| name(&unit.label)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        return Err(XbuildError::user(
            format!("nothing that was built or run is called `{words}`"),
            format!(
                "{}; a unit or a test is named by its package, or in full: \"foo 0.1.0 (bin foo)\"",
                xbuild_describe::suggest(words, what, &names)
            ),
        ));
    }
    Ok(found)
}

/// The unit as the run knows it that executed it, or that knows most of it: later ones found its result.
fn as_executed<'r>(runs: &'r [RunRecord], unit: &'r UnitRecord) -> &'r UnitRecord {
    let same = |other: &&UnitRecord| other.action == unit.action && other.identity() == unit.identity();
    let knows = |other: &&UnitRecord| other.fate != Fate::Cached || other.seen.is_some();
    runs.iter().flat_map(|run| &run.units).filter(same).find(knows).unwrap_or(unit)
}

struct Explainer<'e> {
    store: &'e Disk,
    ui: &'e Ui,
    runs: &'e [RunRecord],
    /// What is compared with; else each unit's own run before.
    against: Option<RunRecord>,
    components: Components,
    told: BTreeSet<(String, Label)>,
}

impl Explainer<'_> {
    /// Tells why a unit is not the one that it was, and why what it needs isn't.
    fn tell(&mut self, unit: &UnitRecord, depth: usize) {
        if !self.told.insert((unit.graph.clone(), unit.label.clone())) {
            return;
        }
        let indent = "  ".repeat(depth);
        let is_named = depth == 0 && !unit.graph.is_empty();
        let graph = if is_named { format!(" of {}", unit.graph) } else { String::new() };
        let name = format!("{indent}{} [{}]{graph}", unit.label.in_full(), unit.label.platform);
        let Some(before) = self.before(unit) else {
            let (built, build) = if unit.label.is_run() { ("run", "run") } else { ("built", "build") };
            let words = match (&self.against, unit.fate) {
                (Some(_), _) => "the other run does not have it".to_owned(),
                (None, Fate::Cached) => format!("was in the store; no other {build} of it is known"),
                (None, _) => format!("was {built} for the first time over this store"),
            };
            self.line(&name, unit, &words, &Differences::default());
            return;
        };
        if before.action == unit.action {
            self.line(&name, unit, "is the same action", &Differences::default());
            return;
        }
        let found = Differences::between(self.store, &self.components, before, unit);
        let is_counting = found.counting().next().is_some();
        let words = match (is_counting, &found.unseen[..], unit.fate) {
            (false, [], _) => "the sandbox is another one, and nothing else",
            (false, ..) => "is another action, and looks at nothing that has changed:",
            (true, _, Fate::Cached) => "is another action, and its result was in the store:",
            (true, ..) => "is another action:",
        };
        self.line(&name, unit, words, &found);
        // A reason of its own is enough: what it needs usually has the same.
        if !found.own.is_empty() {
            return;
        }
        let makers: Vec<UnitRecord> =
            found.made.iter().filter_map(|reason| self.maker(unit, reason)).cloned().collect();
        for maker in makers {
            self.tell(as_executed(self.runs, &maker), depth + 1);
        }
    }

    fn line(&self, name: &str, unit: &UnitRecord, words: &str, found: &Differences) {
        let Differences { own, made, unseen } = found;
        if self.ui.json {
            let line = json!({
                "reason": "xbuild-explain",
                "package_id": unit.label.of_package(),
                "unit": unit.label.to_string(),
                "kind": kind(&unit.label),
                "platform": unit.label.platform,
                "graph": unit.graph,
                "action": unit.action,
                "fate": unit.fate,
                "differences": found.counting().map(|reason| self.in_json(unit, reason)).collect::<Vec<_>>(),
                "unseen": unseen,
            });
            self.ui.output_line(&line.to_string());
            return;
        }
        let indent = name.len() - name.trim_start().len() + 2;
        self.ui.output_line(&format!("{name} {words}"));
        let shown = found.shown();
        for reason in shown.iter().take(MOST) {
            let origin = self.origin(unit, reason).map(|origin| format!(" ({origin})")).unwrap_or_default();
            let reason = if self.ui.verbose > 0 { format!("{reason:#}") } else { reason.to_string() };
            self.ui.output_line(&format!("{:indent$}- {reason}{origin}", ""));
        }
        if shown.len() > MOST {
            self.ui.output_line(&format!("{:indent$}- and {} more", "", shown.len() - MOST));
        }
        if !own.is_empty() && !made.is_empty() {
            let files = counted(made.len(), "file");
            self.ui.output_line(&format!("{:indent$}- and {files} that what it needs has made", ""));
        }
        if !unseen.is_empty() && shown != unseen {
            let files = counted(unseen.len(), "file");
            self.ui.output_line(&format!("{:indent$}- and {files} that it had not looked at", ""));
        }
    }

    fn in_json(&self, unit: &UnitRecord, reason: &Reason) -> Value {
        let mut value = json!(reason);
        if let (Some(origin), Some(fields)) = (self.origin(unit, reason), value.as_object_mut()) {
            fields.insert("origin".to_owned(), json!(origin));
        }
        value
    }

    /// Where what differs comes from, in words.
    fn origin(&self, unit: &UnitRecord, reason: &Reason) -> Option<String> {
        if let Some(maker) = self.maker(unit, reason) {
            return Some(format!("made by {}", maker.label.in_full()));
        }
        unit.taken(reason).map(|taken| format!("from {taken}"))
    }

    /// The same unit in the run that is compared with, or the last one in which its action was another; or the unit of
    /// another version whose place it has taken.
    fn before<'r>(&'r self, unit: &UnitRecord) -> Option<&'r UnitRecord> {
        // A run may have two units that are called the same: a twin is no earlier one.
        let has_it = |run: &&RunRecord| run.units.iter().any(|other| other.action == unit.action);
        let now = self.runs.iter().find(has_it);
        let is_there = |label: &Label| {
            now.is_some_and(|run| run.units.iter().any(|other| other.identity() == (&unit.graph, label)))
        };
        let in_run = |run: &'r RunRecord| earlier(&run.units, unit.identity(), is_there);
        match &self.against {
            Some(run) => in_run(run),
            None => {
                let mut earlier = self.runs.iter().skip_while(|run| !has_it(run)).filter(|run| !has_it(run));
                earlier.find_map(in_run).map(|before| as_executed(self.runs, before))
            }
        }
    }

    /// The unit that made what differs, in the latest run that has the one that takes it, or before that.
    fn maker(&self, of: &UnitRecord, reason: &Reason) -> Option<&UnitRecord> {
        let (Reason::Artefact(difference) | Reason::Source(difference)) = reason else { return None };
        let path = difference.path.as_str();
        let latest =
            self.runs.iter().position(|run| run.units.iter().any(|unit| unit.action == of.action))?;
        let taken = of.taken(reason);
        self.runs[latest..].iter().flat_map(|run| &run.units).find(|unit| {
            unit.label != of.label
                && match &taken {
                    Some(Taken::Step(name)) => unit.label == Label::step(name) && is_beside(unit, of),
                    Some(Taken::Output(name)) => unit.graph == of.graph && is_output(&unit.label, name),
                    Some(Taken::Fetch(_) | Taken::Input(_)) => false,
                    None => unit.graph == of.graph && makes(unit, of, path),
                }
        })
    }
}

/// What something is, for programs.
const fn kind(label: &Label) -> &'static str {
    match &label.what {
        What::TestRun(_) => "test",
        What::Step => "step",
        _ => "unit",
    }
}

/// Whether a step is one that a unit takes something of: it is of the same graph, or of none.
fn is_beside(step: &UnitRecord, unit: &UnitRecord) -> bool {
    step.graph == unit.graph || step.graph.is_empty()
}

/// Whether a unit is an output that is called so.
fn is_output(label: &Label, name: &str) -> bool {
    let stem = name.strip_suffix(".exe").unwrap_or(name);
    match &label.what {
        What::Binary(program) => program == stem,
        What::Library => label.package.replace('-', "_") == stem.replace('-', "_"),
        _ => false,
    }
}

/// Whether a unit makes the file at a path of the sandbox of another one: cargo's hash of it is in both its command and the
/// path. Where programs lie for those who start them by name, there is none.
fn makes(unit: &UnitRecord, of: &UnitRecord, path: &str) -> bool {
    let Some(below) = path.strip_prefix("build/") else { return false };
    if let Some(script) = below.strip_prefix("script/") {
        let out = unit.ingredients.environment.get("OUT_DIR").map(String::as_str).unwrap_or_default();
        let folder = script.split('/').next().unwrap_or_default();
        return unit.label.what == What::ScriptRun
            && out.strip_prefix("/build/script/").and_then(|out| out.split('/').next()) == Some(folder);
    }
    if let Some(program) = below.strip_prefix("bin/").or_else(|| below.strip_prefix("emulated/"))
        && !program.contains('/')
    {
        return unit.label.package == of.label.package
            && unit.label.platform == of.label.platform
            && is_output(&unit.label, program);
    }
    let suffix = unit.ingredients.argv.iter().find_map(|word| word.strip_prefix("extra-filename="));
    let name = path.rsplit('/').next().unwrap_or(path);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    suffix.is_some_and(|suffix| !suffix.is_empty() && stem.ends_with(suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_is_the_program_or_the_library_that_is_called_so() {
        let label = |package: &str, what| Label { package: package.to_owned(), what, ..Label::step("") };
        let program = label("app", What::Binary("foo".to_owned()));
        assert!(is_output(&program, "foo") && is_output(&program, "foo.exe") && !is_output(&program, "app"));
        assert!(is_output(&label("my-lib", What::Library), "my_lib"));
        assert!(!is_output(&label("foo", What::Test("bin foo".to_owned())), "foo"));
        assert!(!is_output(&label("foo", What::TestRun("bin foo".to_owned())), "foo"));
    }
}
