//! `xbuild log` and `xbuild explain`: what a unit printed, and why it was built again.

use std::collections::BTreeSet;
use std::process::ExitCode;

use serde_json::json;
use xbuild_action::ContentExt as _;
use xbuild_plan::label::Label;
use xbuild_plan::reasons::{Reason, reasons};
use xbuild_store::Disk;

use crate::cli::{Explain, Global, Log};
use crate::description::find_workspace;
use crate::error::{XbuildError, counted};
use crate::history::{Fate, History, RunRecord, UnitRecord};
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
                "package_id": unit.label.package_id,
                "unit": unit.label.to_string(),
                "platform": unit.label.platform,
                "action": unit.action,
                "stdout": stdout,
                "stderr": stderr,
            });
            ui.output_line(&line.to_string());
            continue;
        }
        ui.output_line(&format!("{} [{}]", unit.label, unit.label.platform));
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
    let mut explainer = Explainer { store: &session.store, ui, runs: &runs, against, told: BTreeSet::new() };
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

/// What a unit is told from others by.
type Identity<'i> = (&'i str, &'i Label);

fn identity(unit: &UnitRecord) -> Identity<'_> {
    (&unit.graph, &unit.label)
}

/// The latest units that words mean: a package's name, a unit's whole name, each with or without its platform.
pub(crate) fn latest<'r>(runs: &'r [RunRecord], words: &str) -> Result<Vec<&'r UnitRecord>, XbuildError> {
    let is_meant = |label: &Label| {
        let name = label.to_string();
        let with_platform = format!("{name} [{}]", label.platform);
        [name.as_str(), with_platform.as_str(), label.package.as_str()].contains(&words)
    };
    let mut seen: BTreeSet<Identity<'_>> = BTreeSet::new();
    let mut found: Vec<&UnitRecord> = Vec::new();
    for unit in runs.iter().flat_map(|run| &run.units).filter(|unit| is_meant(&unit.label)) {
        // Graphs share actions.
        if seen.insert(identity(unit)) && found.iter().all(|other| other.action != unit.action) {
            found.push(unit);
        }
    }
    if found.is_empty() {
        let (what, name): (&str, fn(&Label) -> String) = match words.contains(' ') {
            true => ("units", ToString::to_string),
            false => ("packages", |label| label.package.clone()),
        };
        let names: BTreeSet<String> =
            runs.iter().flat_map(|run| &run.units).map(|unit| name(&unit.label)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        return Err(XbuildError::user(
            format!("no unit that was built is called `{words}`"),
            format!(
                "{}; a unit is named by its package, or in full: \"foo 0.1.0 (bin foo)\"",
                xbuild_describe::suggest(words, what, &names)
            ),
        ));
    }
    Ok(found)
}

struct Explainer<'e> {
    store: &'e Disk,
    ui: &'e Ui,
    runs: &'e [RunRecord],
    /// What is compared with; else each unit's own run before.
    against: Option<RunRecord>,
    told: BTreeSet<(String, Label)>,
}

impl Explainer<'_> {
    /// Tells why a unit is not the one that it was, and why what it needs isn't.
    fn tell(&mut self, unit: &UnitRecord, depth: usize) {
        if !self.told.insert((unit.graph.clone(), unit.label.clone())) {
            return;
        }
        let indent = "  ".repeat(depth);
        let graph = if depth == 0 { format!(" of {}", unit.graph) } else { String::new() };
        let name = format!("{indent}{} [{}]{graph}", unit.label, unit.label.platform);
        let Some(before) = self.before(unit) else {
            let words = match (&self.against, unit.fate) {
                (Some(_), _) => "the other run has no such unit",
                (None, Fate::Cached) => "was in the store; no other build of it is known",
                (None, _) => "was built for the first time over this store",
            };
            self.line(&name, unit, words, &[]);
            return;
        };
        if before.action == unit.action {
            self.line(&name, unit, "is the same action", &[]);
            return;
        }
        let found = reasons(self.store, &before.ingredients, &unit.ingredients);
        let words = match found.is_empty() {
            true => "the sandbox is another one, and nothing else",
            false => "is another action:",
        };
        self.line(&name, unit, words, &found);
        // A reason of its own is enough: what it needs usually has the same.
        if found.iter().any(|reason| !is_made(reason)) {
            return;
        }
        let makers: Vec<UnitRecord> =
            found.iter().filter_map(|reason| self.maker(unit, reason)).cloned().collect();
        for maker in makers {
            self.tell(&maker, depth + 1);
        }
    }

    fn line(&self, name: &str, unit: &UnitRecord, words: &str, found: &[Reason]) {
        if self.ui.json {
            let line = json!({
                "reason": "xbuild-explain",
                "package_id": unit.label.package_id,
                "unit": unit.label.to_string(),
                "platform": unit.label.platform,
                "graph": unit.graph,
                "action": unit.action,
                "fate": unit.fate,
                "differences": found,
            });
            self.ui.output_line(&line.to_string());
            return;
        }
        let indent = name.len() - name.trim_start().len() + 2;
        self.ui.output_line(&format!("{name} {words}"));
        let (made, own): (Vec<&Reason>, Vec<&Reason>) = found.iter().partition(|reason| is_made(reason));
        let shown = if own.is_empty() { &made } else { &own };
        for reason in shown.iter().take(MOST) {
            let made_by = self.maker(unit, reason).map(|maker| format!(" (made by {})", maker.label));
            self.ui.output_line(&format!("{:indent$}- {reason}{}", "", made_by.unwrap_or_default()));
        }
        if shown.len() > MOST {
            self.ui.output_line(&format!("{:indent$}- and {} more", "", shown.len() - MOST));
        }
        if !own.is_empty() && !made.is_empty() {
            let files = counted(made.len(), "file");
            self.ui.output_line(&format!("{:indent$}- and {files} that what it needs has made", ""));
        }
    }

    /// The same unit in the run that is compared with, or the last one in which its action was another.
    fn before(&self, unit: &UnitRecord) -> Option<UnitRecord> {
        let same = |other: &&UnitRecord| identity(other) == identity(unit);
        match &self.against {
            Some(run) => run.units.iter().find(same).cloned(),
            None => {
                // A run may have two units that are called the same: a twin is no earlier one.
                let has_it = |run: &&RunRecord| run.units.iter().any(|other| other.action == unit.action);
                let earlier = self.runs.iter().filter(|run| !has_it(run));
                earlier.flat_map(|run| &run.units).find(same).cloned()
            }
        }
    }

    /// The unit that made what differs, in the latest run that has it.
    fn maker(&self, of: &UnitRecord, reason: &Reason) -> Option<&UnitRecord> {
        let path = match reason {
            Reason::Artefact { path, .. } | Reason::Source { path, .. } => path.as_str(),
            _ => return None,
        };
        let run = self.runs.iter().find(|run| run.units.iter().any(|unit| unit.action == of.action))?;
        run.units.iter().find(|unit| unit.graph == of.graph && unit.label != of.label && makes(unit, path))
    }
}

/// Whether what differs was made by another unit.
fn is_made(reason: &Reason) -> bool {
    match reason {
        Reason::Artefact { .. } => true,
        Reason::Source { path, .. } => path.as_str().starts_with("build/script/"),
        _ => false,
    }
}

/// Whether a unit makes the file at a path of the sandbox: cargo's hash of it is in both its command and the path.
fn makes(unit: &UnitRecord, path: &str) -> bool {
    let Some(below) = path.strip_prefix("build/") else { return false };
    if let Some(script) = below.strip_prefix("script/") {
        let out = unit.ingredients.environment.get("OUT_DIR").map(String::as_str).unwrap_or_default();
        let folder = script.split('/').next().unwrap_or_default();
        return unit.label.what == xbuild_plan::label::What::ScriptRun
            && out.strip_prefix("/build/script/").and_then(|out| out.split('/').next()) == Some(folder);
    }
    let suffix = unit.ingredients.argv.iter().find_map(|word| word.strip_prefix("extra-filename="));
    let stem = path.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map(|(stem, _)| stem);
    suffix.zip(stem).is_some_and(|(suffix, stem)| stem.ends_with(suffix))
}
