//! What is written down of one action of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use xbuild_action::{Content, ContentExt as _};
use xbuild_base::{Action, Blob, Digest, RelPath};
use xbuild_describe::StepSource;
use xbuild_plan::Bound;
use xbuild_plan::label::Label;
use xbuild_plan::queue::Node;
use xbuild_plan::reasons::Ingredients;
use xbuild_realise::engine::{Cause, Failure, Ran, Source, Success};

/// How a unit came to its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Fate {
    Executed,
    Cached,
    Failed,
}

/// Where something comes from that a step takes, if it isn't the project's own sources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Taken {
    /// Another step.
    Step(String),
    /// An output of the project.
    Output(String),
    /// `[fetch.NAME]`.
    Fetch(String),
    /// An output of another project.
    Input(String),
}

impl Taken {
    pub(crate) fn of(source: &StepSource) -> Option<Self> {
        match source {
            StepSource::Project(_) => None,
            StepSource::Step(part) => Some(Self::Step(part.name.clone())),
            StepSource::Output(name) => Some(Self::Output(name.clone())),
            StepSource::Fetch(name) => Some(Self::Fetch(name.clone())),
            StepSource::Input(output) => Some(Self::Input(output.to_string())),
        }
    }
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Step(name) => write!(f, "step {name}"),
            Self::Output(name) => write!(f, "the output `{name}`"),
            Self::Fetch(name) => write!(f, "[fetch.{name}]"),
            Self::Input(output) => write!(f, "`{output}` of [inputs]"),
        }
    }
}

/// A unit of a run: what cargo calls so, a test's run, or a step.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct UnitRecord {
    /// The graph that it is of: one unit may be there in several, each time another. A step that no output goes into is of
    /// none.
    pub(crate) graph: String,
    pub(crate) label: Label,
    pub(crate) action: Digest<Action>,
    pub(crate) fate: Fate,
    pub(crate) ingredients: Ingredients,
    /// What its program printed.
    pub(crate) stdout: Option<Digest<Blob>>,
    pub(crate) stderr: Option<Digest<Blob>>,
    /// The files of the sources that it looked at, where that is known.
    #[serde(default)]
    pub(crate) seen: Option<BTreeSet<RelPath>>,
    /// Where comes from what a step takes, by place.
    #[serde(default)]
    pub(crate) takes: BTreeMap<RelPath, Taken>,
}

impl UnitRecord {
    /// Of an action of which no more is known.
    pub(crate) fn new(label: &Label, action: Digest<Action>, bound: &Bound) -> Self {
        Self {
            graph: String::new(),
            label: label.clone(),
            action,
            fate: Fate::Failed,
            ingredients: bound.into(),
            stdout: None,
            stderr: None,
            seen: None,
            takes: BTreeMap::new(),
        }
    }

    /// Of an action outside a graph; nothing where it did not come to an end of its own.
    pub(crate) fn of_ran(label: &Label, bound: &Bound, ran: &Ran) -> Option<Self> {
        let (fate, result) = match &ran.outcome {
            Ok((result, Source::Executed)) => (Fate::Executed, Some(result)),
            Ok((result, Source::Cached | Source::Learned(_))) => (Fate::Cached, Some(result)),
            Err((Cause::Error(_), _)) => return None,
            Err((Cause::Exit { .. } | Cause::Limit(_), result)) => (Fate::Failed, result.as_ref()),
        };
        let [stdout, stderr] = [result.map(|result| result.stdout), result.map(|result| result.stderr)];
        Some(Self { fate, stdout, stderr, ..Self::new(label, ran.action, bound) })
    }

    /// What it is told from others by.
    pub(crate) fn identity(&self) -> (&str, &Label) {
        (&self.graph, &self.label)
    }
}

/// The units of a graph that is run, as what became of them gets known.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    bound: BTreeMap<Node, UnitRecord>,
    ended: BTreeMap<Node, UnitRecord>,
}

impl Gathered {
    pub(crate) fn bound(&mut self, node: Node, label: &Label, action: Digest<Action>, bound: &Bound) {
        self.bound.insert(node, UnitRecord::new(label, action, bound));
    }

    pub(crate) fn succeeded(&mut self, node: Node, success: &Success<'_>) {
        let Success { source, result, seen, .. } = *success;
        let Some(unit) = self.bound.remove(&node) else { return };
        let fate = if source == Source::Executed { Fate::Executed } else { Fate::Cached };
        let (stdout, stderr) = (Some(result.stdout), Some(result.stderr));
        self.ended.insert(node, UnitRecord { fate, stdout, stderr, seen: seen.clone(), ..unit });
    }

    pub(crate) fn failed(&mut self, node: Node, failure: &Failure, store: &dyn Content) {
        let Some(unit) = self.bound.remove(&node) else { return };
        // What can't be kept can't be told again, and no more.
        let [stdout, stderr] = [&failure.stdout, &failure.stderr].map(|text| store.put(text).ok());
        self.ended.insert(node, UnitRecord { stdout, stderr, ..unit });
    }

    /// What has ended.
    pub(crate) fn units(&self) -> impl Iterator<Item = &UnitRecord> {
        self.ended.values()
    }

    /// What has ended, each of the graph that its node is of.
    pub(crate) fn take(&mut self, graph: impl Fn(Node) -> String) -> Vec<UnitRecord> {
        let ended = std::mem::take(&mut self.ended).into_iter();
        ended.map(|(node, unit)| UnitRecord { graph: graph(node), ..unit }).collect()
    }
}
