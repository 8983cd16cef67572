//! What the page's script gets: columns of numbers, which are a third of the size of objects.
//!
//! Times are in microseconds, memory is in bytes. What is not known is null.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::analysis::{Analysis, Entry, State};
use super::{Stage, Timings, Until};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Data<'t> {
    wall: u64,
    jobs: usize,
    began: Option<u64>,
    stages: Vec<(&'t str, u64, u64)>,
    /// The host first, then by name.
    targets: Vec<&'t str>,
    names: Vec<&'t str>,
    /// The critical path, as places in the columns.
    path: Vec<usize>,
    entries: Columns,
}

/// A number of the same place in each column is of the same action.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Columns {
    /// A place in the names.
    name: Vec<usize>,
    /// Places in the targets.
    targets: Vec<Vec<usize>>,
    /// How many units share it.
    units: Vec<usize>,
    state: Vec<&'static str>,
    ready: Vec<Option<u64>>,
    start: Vec<Option<u64>>,
    metadata: Vec<Option<u64>>,
    end: Vec<Option<u64>>,
    wall: Vec<Option<u64>>,
    cpu: Vec<Option<u64>>,
    memory: Vec<Option<u64>>,
    /// A place in the columns.
    cause: Vec<Option<usize>>,
    /// 1 where the cause's metadata was enough.
    at_metadata: Vec<u8>,
}

/// The data as JSON that can stand in a script element: no `<` is in it, so nothing ends the element.
pub(super) fn data<'t>(timings: &'t Timings, analysis: &Analysis) -> String {
    let targets = targets(timings);
    let mut names = Numbered::default();
    let mut entries = Columns::default();
    for entry in &analysis.entries {
        entries.push(timings, entry, &targets, &mut names);
    }
    let mut listed: Vec<&str> = vec![""; targets.len()];
    for (name, place) in &targets {
        listed[*place] = name;
    }
    let stage = |Stage { name, from, to }: &'t Stage| (name.as_str(), microseconds(*from), microseconds(*to));
    let data = Data {
        wall: microseconds(timings.wall),
        jobs: timings.jobs,
        began: timings.began,
        stages: timings.stages.iter().map(stage).collect(),
        targets: listed,
        names: names.list,
        path: analysis.path.iter().map(|step| step.entry).collect(),
        entries,
    };
    // Only maps with keys that are no strings, and types that refuse, can't be written.
    let json = serde_json::to_string(&data).unwrap_or_default();
    json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

impl Columns {
    fn push<'t>(
        &mut self,
        timings: &'t Timings,
        entry: &Entry,
        targets: &BTreeMap<&'t str, usize>,
        names: &mut Numbered<'t>,
    ) {
        let units = || entry.units.iter().map(|&unit| &timings.units[unit]);
        let mut of_targets: Vec<usize> = units().map(|unit| targets[unit.target.as_str()]).collect();
        of_targets.sort_unstable();
        of_targets.dedup();
        let (span, times) = (entry.span, entry.times);
        self.name.push(names.number(&timings.units[entry.units[0]].name));
        self.targets.push(of_targets);
        self.units.push(entry.units.len());
        self.state.push(word(entry.state));
        self.ready.push(span.map(|_| microseconds(entry.ready)));
        self.start.push(span.map(|span| microseconds(span.start)));
        self.metadata.push(span.and_then(|span| span.metadata).map(microseconds));
        self.end.push(span.map(|span| microseconds(span.end)));
        self.wall.push(times.map(|times| microseconds(times.wall)));
        self.cpu.push(times.map(|times| microseconds(times.cpu)));
        self.memory.push(times.map(|times| times.peak_memory));
        self.cause.push(entry.cause.map(|cause| cause.entry));
        self.at_metadata.push(u8::from(entry.cause.is_some_and(|cause| cause.until == Until::Metadata)));
    }
}

/// Names, each once.
#[derive(Debug, Default)]
struct Numbered<'t> {
    list: Vec<&'t str>,
    numbers: BTreeMap<&'t str, usize>,
}

impl<'t> Numbered<'t> {
    fn number(&mut self, name: &'t str) -> usize {
        let next = self.list.len();
        let number = *self.numbers.entry(name).or_insert(next);
        if number == next {
            self.list.push(name);
        }
        number
    }
}

/// The targets of all units, each with its place: the host first, then by name.
pub(super) fn targets(timings: &Timings) -> BTreeMap<&str, usize> {
    let mut names: Vec<&str> = timings.units.iter().map(|unit| unit.target.as_str()).collect();
    names.sort_unstable_by_key(|name| (*name != HOST, *name));
    names.dedup();
    names.into_iter().enumerate().map(|(place, name)| (name, place)).collect()
}

/// What units of the host are made for.
const HOST: &str = "host";

/// The state as the page's style and script have it.
pub(super) const fn word(state: State) -> &'static str {
    match state {
        State::Executed => "executed",
        State::Cached => "cached",
        State::Failed => "failed",
        State::Elsewhere => "elsewhere",
        State::Interrupted => "interrupted",
        State::Untried => "untried",
    }
}

/// Half a million years of them fit.
fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
