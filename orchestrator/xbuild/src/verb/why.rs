//! `xbuild why OUTPUT CRATE`: the ways by which a crate gets into an output.
//!
//! A way goes from unit to unit, as they are built: what a library needs at run time, what its build script is made of,
//! what is in a proc macro. Below the crate itself nothing is told.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::process::ExitCode;

use semver::Version;
use serde_json::{Value, json};
use xbuild_cargo::{Context, UnitIndex};
use xbuild_realise::project;

use crate::cli::{Global, Outputs, Why};
use crate::error::XbuildError;
use crate::steps::Making;
use crate::ui::Ui;
use crate::work::{Planned, Wanted, Work, planned};

pub(crate) fn run(global: &Global, why: &Why, ui: &Ui) -> Result<ExitCode, XbuildError> {
    let asked = Crate::parse(&why.name)?;
    let outputs = Outputs { outputs: vec![why.output.clone()], of: why.of.clone(), execution: why.execution };
    planned(global, &outputs.into(), Wanted::Everything, ui, |work, planned| tell(work, planned, &asked, ui))
}

/// The crate that is asked for.
struct Crate {
    name: String,
    version: Option<Version>,
}

impl Crate {
    fn parse(text: &str) -> Result<Self, XbuildError> {
        let (name, version) = match text.split_once('@') {
            Some((name, version)) => (name, Some(version)),
            None => (text, None),
        };
        let version = version.map(str::parse).transpose().map_err(|error: semver::Error| {
            XbuildError::user(format!("`{text}` names no crate: {error}"), "write NAME or NAME@1.2.3")
        })?;
        Ok(Self { name: name.to_owned(), version })
    }

    fn is(&self, context: &Context, unit: UnitIndex) -> bool {
        let package = context.package(unit);
        package.name == self.name && self.version.as_ref().is_none_or(|version| package.version == *version)
    }
}

impl fmt::Display for Crate {
    /// As it was asked for.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.version.iter().try_for_each(|version| write!(f, "@{version}"))
    }
}

fn tell(work: &Work<'_>, planned: &Planned<'_>, asked: &Crate, ui: &Ui) -> Result<ExitCode, XbuildError> {
    let graph = work.look(planned, Making::Skip)?.graph;
    // Outputs whose ways are alike, as those of several targets mostly are, are told together.
    let mut told: BTreeMap<Vec<String>, Vec<String>> = BTreeMap::new();
    let (mut names, mut without) = (BTreeSet::new(), Vec::new());
    for (part, one) in graph.parts().iter().zip(&planned.asked) {
        for selected in &one.selected {
            let Some(root) = project::unit_of(&part.context, &selected.output) else { continue };
            let output = format!("{}/{}/{}", one.variant, one.target, selected.output.name);
            let ways = Ways::new(&part.context, root, asked)?;
            names.extend(ways.names());
            if !ways.leads(root) {
                without.push(output);
            } else if ui.json {
                ui.output_line(&ways.in_json(&output).to_string());
            } else {
                told.entry(ways.tree()).or_default().push(output);
            }
        }
    }
    if told.is_empty() && !without.is_empty() {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        return Err(XbuildError::user(
            format!("{} has no crate `{asked}` in it", without.join(", ")),
            xbuild_describe::suggest(&asked.to_string(), "crates", &names),
        ));
    }
    for (tree, outputs) in told {
        outputs.iter().for_each(|output| ui.output_line(output));
        tree.iter().for_each(|line| ui.output_line(line));
    }
    for output in without {
        ui.note(format!("{output} has it not"));
    }
    Ok(ExitCode::SUCCESS)
}

/// The ways from an output's unit to a crate.
struct Ways<'c> {
    context: &'c Context,
    root: UnitIndex,
    asked: &'c Crate,
    /// The units that are the crate, or lead to it.
    leading: BTreeSet<UnitIndex>,
}

impl<'c> Ways<'c> {
    fn new(context: &'c Context, root: UnitIndex, asked: &'c Crate) -> Result<Self, XbuildError> {
        let mut ways = Self { context, root, asked, leading: BTreeSet::new() };
        let order = context.graph().dependencies_first().map_err(xbuild_realise::RealiseError::from)?;
        for unit in order {
            let leads = asked.is(context, unit) || ways.steps(unit).iter().any(|&step| ways.leads(step));
            if leads {
                ways.leading.insert(unit);
            }
        }
        Ok(ways)
    }

    fn leads(&self, unit: UnitIndex) -> bool {
        self.leading.contains(&unit)
    }

    /// What a unit needs, where a run of a build script stands for the script.
    fn steps(&self, unit: UnitIndex) -> Vec<UnitIndex> {
        let needs = |unit: UnitIndex| self.context.unit(unit).dependencies.iter().map(|edge| edge.index);
        let is_run = |unit: UnitIndex| self.context.unit(unit).is_script_run();
        needs(unit)
            .flat_map(|step| match is_run(step) {
                false => vec![step],
                // What it hears of other scripts is no way for code.
                true => needs(step).filter(|&step| !is_run(step)).collect(),
            })
            .collect()
    }

    /// The names of all crates in the output, as it is asked for one: with their versions, or without.
    fn names(&self) -> BTreeSet<String> {
        let (mut seen, mut open) = (BTreeSet::new(), vec![self.root]);
        while let Some(unit) = open.pop() {
            if seen.insert(unit) {
                open.extend(self.steps(unit));
            }
        }
        let name = |unit| {
            let package = self.context.package(unit);
            match &self.asked.version {
                Some(_) => format!("{}@{}", package.name, package.version),
                None => package.name.clone(),
            }
        };
        seen.into_iter().map(name).collect()
    }

    /// What a unit is called, where it runs if that isn't the target, and its features.
    fn words(&self, unit: UnitIndex) -> String {
        let title = self.context.title(unit);
        let title = title.strip_suffix(" (lib)").unwrap_or(&title);
        let of = self.context.unit(unit);
        let host = if of.platform.is_none() && !of.target.for_host() { " for the host" } else { "" };
        let features = match &of.features[..] {
            [] => String::new(),
            features => format!("  {}", features.join(", ")),
        };
        format!("{title}{host}{features}")
    }

    /// The lines of a tree; what was told once is told no more.
    fn tree(&self) -> Vec<String> {
        let mut lines = vec![self.words(self.root)];
        self.branches(self.root, "", &mut BTreeSet::from([self.root]), &mut lines);
        lines
    }

    fn branches(&self, unit: UnitIndex, side: &str, seen: &mut BTreeSet<UnitIndex>, lines: &mut Vec<String>) {
        if unit != self.root && self.asked.is(self.context, unit) {
            return;
        }
        let steps: Vec<UnitIndex> = self.steps(unit).into_iter().filter(|&step| self.leads(step)).collect();
        for (at, &step) in steps.iter().enumerate() {
            let (branch, below) =
                if at + 1 == steps.len() { ("└──", "    ") } else { ("├──", "│   ") };
            let is_new = seen.insert(step);
            let has_more = !self.asked.is(self.context, step);
            let again = if is_new || !has_more { "" } else { "  …" };
            lines.push(format!("{side}{branch} {}{again}", self.words(step)));
            if is_new {
                self.branches(step, &format!("{side}{below}"), seen, lines);
            }
        }
    }

    fn in_json(&self, output: &str) -> Value {
        let (mut units, mut open) = (vec![self.root], 0);
        let mut needs: Vec<Vec<usize>> = Vec::new();
        while let Some(&unit) = units.get(open) {
            open += 1;
            let mut of_unit = Vec::new();
            if unit == self.root || !self.asked.is(self.context, unit) {
                for step in self.steps(unit).into_iter().filter(|&step| self.leads(step)) {
                    let known = units.iter().position(|&known| known == step);
                    of_unit.push(known.unwrap_or_else(|| {
                        units.push(step);
                        units.len() - 1
                    }));
                }
            }
            needs.push(of_unit);
        }
        let unit = |(unit, needs): (&UnitIndex, &Vec<usize>)| {
            let of = self.context.unit(*unit);
            json!({
                "unit": self.context.title(*unit),
                "package_id": self.context.package(*unit).id,
                "platform": of.platform.as_ref().map_or("host", |triple| triple.as_str()),
                "features": of.features,
                "needs": needs,
            })
        };
        let units: Vec<Value> = units.iter().zip(&needs).map(unit).collect();
        json!({ "reason": "xbuild-why", "output": output, "units": units })
    }
}
