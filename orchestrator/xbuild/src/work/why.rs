//! Why steps would be run and units built: what of them is another than in the runs that are known.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use serde_json::{Value, json};
use xbuild_plan::Work as _;
use xbuild_plan::label::Label;
use xbuild_plan::queue::Node;
use xbuild_plan::reasons::Components;
use xbuild_realise::RealiseError;
use xbuild_realise::engine::Engine;

use super::Laid;
use crate::error::XbuildError;
use crate::history::{Differences, Fate, Outline, Taken, UnitRecord, earlier};
use crate::steps::StepAction;

/// So many reasons are told of each, where people read them.
const MOST: usize = 3;

/// A graph that was looked at.
pub(super) struct Looked<'l> {
    /// It, with its steps.
    pub(super) laid: &'l Laid<'l>,
    /// What its parts are called in the records of runs.
    pub(super) names: &'l [String],
    /// Which nodes would be built.
    pub(super) missing: &'l [Node],
    /// What the trees are that units run over.
    pub(super) components: Components,
}

/// A step that would be run, or a unit that would be built.
pub(super) struct Due<'l> {
    /// What it is called.
    pub(super) label: &'l Label,
    /// What its graph is called in the records of runs.
    pub(super) graph: &'l str,
    /// What it is.
    of: Of<'l>,
    /// What would be made before it.
    needs: Vec<&'l Label>,
}

enum Of<'l> {
    Step(&'l StepAction),
    Unit(Node),
}

/// Why it would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Why<'l> {
    /// No earlier run of it is known.
    First,
    /// It is the same action, and its result isn't there any more.
    Gone,
    /// It is the same action, which has failed.
    Failed,
    /// It is another action than it was.
    Changed(Differences),
    /// It needs others that would be made; whether they come to something else is not known before.
    Needs(Vec<&'l Label>),
}

/// What would be run and built, in an order in which it can be, and why.
pub(super) fn due<'l>(
    engine: &Engine<'_>,
    looked: Looked<'l>,
    runs: impl Iterator<Item = Outline>,
) -> Result<Vec<(Due<'l>, Why<'l>)>, XbuildError> {
    let Looked { laid, names, missing, mut components } = looked;
    let Laid { graph, .. } = laid;
    let due = all_due(laid, names, missing);
    let is_there = |(name, label): Identity<'_>| {
        let mut nodes = graph.labels().iter().enumerate();
        nodes.any(|(node, other)| names[graph.unit(node).part] == name && other == label)
    };
    let open = due.iter().filter(|due| due.needs.is_empty()).map(|due| (due.graph, due.label)).collect();
    let before = before(open, is_there, runs, &mut components);
    let why = |due: &Due<'l>| -> Result<Why<'l>, XbuildError> {
        let Due { label, graph: name, of, needs } = due;
        if !needs.is_empty() {
            return Ok(Why::Needs(needs.clone()));
        }
        let Some(before) = before.get(&(*name, *label)) else { return Ok(Why::First) };
        let (bound, takes) = match of {
            Of::Step(step) => (step.bound.clone(), step.takes.clone()),
            Of::Unit(node) => (graph.bind(*node).map_err(RealiseError::from)?, BTreeMap::new()),
        };
        let (action, _) = engine.look_up_one(&bound)?;
        if action == before.action {
            return Ok(if before.fate == Fate::Failed { Why::Failed } else { Why::Gone });
        }
        let now = UnitRecord { takes, ..UnitRecord::new(label, action, &bound) };
        Ok(Why::Changed(Differences::between(engine.store, &components, before, &now)))
    };
    due.into_iter().map(|due| why(&due).map(|why| (due, why))).collect()
}

/// What would be run and built, with what would be made before each.
fn all_due<'l>(laid: &'l Laid<'_>, names: &'l [String], missing: &[Node]) -> Vec<Due<'l>> {
    let Laid { graph, steps, .. } = laid;
    let unmade: BTreeMap<&str, &StepAction> = steps.unmade().collect();
    let mut due = Vec::new();
    for (_, step) in steps.unmade() {
        let taken = step.takes.values().filter_map(|taken| match taken {
            Taken::Step(name) => unmade.get(name.as_str()).map(|step| &step.label),
            Taken::Output(_) | Taken::Fetch(_) | Taken::Input(_) => None,
        });
        let needs = taken.collect::<BTreeSet<_>>().into_iter().collect();
        due.push(Due { label: &step.label, graph: "", of: Of::Step(step), needs });
    }
    let edges = graph.nodes();
    for &node in missing {
        let unit = graph.unit(node);
        let taken = steps.takers.get(&unit).into_iter().flatten();
        let taken = taken.filter_map(|name| unmade.get(name.as_str()).map(|step| &step.label));
        let needed = edges[node].1.iter().map(|(needed, _)| *needed);
        let needed = needed.filter(|needed| missing.binary_search(needed).is_ok());
        let needs = taken.chain(needed.map(|needed| &graph.labels()[needed])).collect();
        due.push(Due { label: &graph.labels()[node], graph: &names[unit.part], of: Of::Unit(node), needs });
    }
    due
}

/// What a unit is told from others by: its graph's name, and its own.
type Identity<'l> = (&'l str, &'l Label);

/// What units were in the runs that are known, or those whose place they have taken. Adds what the runs say of trees.
fn before<'l>(
    mut open: BTreeSet<Identity<'l>>,
    is_there: impl Fn(Identity<'_>) -> bool,
    mut runs: impl Iterator<Item = Outline>,
    components: &mut Components,
) -> BTreeMap<Identity<'l>, UnitRecord> {
    let mut found = BTreeMap::new();
    while !open.is_empty()
        && let Some(run) = runs.next()
    {
        let units = run.units(&open.iter().map(|(_, label)| label.package.as_str()).collect());
        // What is to be made now is known better by now.
        let known = std::mem::replace(components, run.components);
        components.extend(known);
        open.retain(|&(graph, label)| {
            let of_package = units.get(&label.package).map_or(&[][..], Vec::as_slice);
            let unit = earlier(of_package, (graph, label), |other| is_there((graph, other)));
            found.extend(unit.map(|unit| ((graph, label), unit.clone())));
            unit.is_none()
        });
    }
    found
}

impl Why<'_> {
    /// In a few words, much as `xbuild explain` has it.
    pub(super) fn text(&self) -> String {
        match self {
            Self::First => "for the first time".to_owned(),
            Self::Gone => "its result is not in the store any more".to_owned(),
            Self::Failed => "it has failed".to_owned(),
            Self::Changed(found) if found.shown().is_empty() => {
                "the sandbox is another one, and nothing else".to_owned()
            }
            Self::Changed(found) => some(found.shown(), "; "),
            Self::Needs(labels) => format!("needs {}", some(labels, ", ")),
        }
    }

    /// For programs: all of it.
    pub(super) fn json(&self) -> Value {
        match self {
            Self::First => json!({ "why": "first" }),
            Self::Gone => json!({ "why": "gone" }),
            Self::Failed => json!({ "why": "failed" }),
            Self::Changed(found) => {
                let differences: Vec<_> = found.counting().collect();
                json!({ "why": "changed", "differences": differences, "unseen": found.unseen })
            }
            Self::Needs(labels) => {
                let name = |label: &&Label| format!("{label} [{}]", label.platform);
                json!({ "why": "needs", "needs": labels.iter().map(name).collect::<Vec<_>>() })
            }
        }
    }
}

/// The first of several things, and how many more there are.
fn some(things: &[impl Display], between: &str) -> String {
    let shown: Vec<String> = things.iter().take(MOST).map(ToString::to_string).collect();
    let more = match things.len().saturating_sub(MOST) {
        0 => String::new(),
        more => format!("{between}and {more} more"),
    };
    shown.join(between) + &more
}

#[cfg(test)]
mod tests {
    use xbuild_base::RelPath;
    use xbuild_plan::label::What;
    use xbuild_plan::reasons::{Change, Difference, Reason};

    use super::*;

    fn label(package: &str) -> Label {
        Label {
            package: package.to_owned(),
            version: "0.1.0".to_owned(),
            package_id: format!("path+file:///build/ws/{package}#0.1.0"),
            what: What::Library,
            checker: None,
            platform: "host".to_owned(),
            local: true,
        }
    }

    fn changed(path: &str) -> Difference {
        Difference { path: RelPath::new(path).unwrap(), change: Change::Changed, old: None, new: None }
    }

    fn sources(paths: &[&str]) -> Vec<Reason> {
        paths.iter().map(|path| Reason::Source(changed(path))).collect()
    }

    #[test]
    fn the_first_reasons_are_told_and_how_many_more_there_are() {
        let labels = ["a", "b", "c", "d"].map(label);
        let step = Label::step("site");
        assert_eq!(Why::First.text(), "for the first time");
        assert_eq!(Why::Needs(vec![&step, &labels[1]]).text(), "needs step site, b 0.1.0");
        let all = labels.iter().chain([&step]).collect();
        assert_eq!(Why::Needs(all).text(), "needs a 0.1.0, b 0.1.0, c 0.1.0, and 2 more");
        let text = |own: Vec<Reason>, made: Vec<Reason>, unseen: Vec<Reason>| {
            Why::Changed(Differences { own, made, unseen }).text()
        };
        let version = Reason::Version { old: "1.0.1".to_owned(), new: "1.0.2".to_owned() };
        let made = || vec![Reason::Artefact(changed("build/deps/liba.rlib"))];
        assert_eq!(text(vec![version], made(), sources(&["x/1"])), "version 1.0.1 → 1.0.2");
        assert_eq!(text(Vec::new(), made(), sources(&["x/1"])), "/build/deps/liba.rlib has changed");
        let many = sources(&["x/1", "x/2", "x/3", "x/4"]);
        let expected = "/x/1 has changed; /x/2 has changed; /x/3 has changed; and 1 more";
        assert_eq!(text(many, Vec::new(), Vec::new()), expected);
        let nothing = || text(Vec::new(), Vec::new(), Vec::new());
        assert_eq!(nothing(), "the sandbox is another one, and nothing else");
    }

    #[test]
    fn programs_are_told_all_of_it() {
        let (a, site) = (label("a"), Label::step("site"));
        let needs = Why::Needs(vec![&a, &site]).json();
        assert_eq!(needs, json!({ "why": "needs", "needs": ["a 0.1.0 [host]", "step site [host]"] }));
        let of = |what: &str, path: &str| json!({ "what": what, "path": path, "change": "changed", "old": null, "new": null });
        let found = Differences {
            own: sources(&["x/1"]),
            made: vec![Reason::Artefact(changed("y"))],
            unseen: sources(&["x/2"]),
        };
        let expected = json!({
            "why": "changed",
            "differences": [of("source", "x/1"), of("artefact", "y")],
            "unseen": [of("source", "x/2")],
        });
        assert_eq!(Why::Changed(found).json(), expected);
    }
}
