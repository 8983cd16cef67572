//! What follows from what happened: which actions there were, why each started when it did, and which chain of them
//! made the build as long as it was.

use std::collections::HashMap;
use std::time::Duration;

use xbuild_action::Times;
use xbuild_base::{Action, Digest};

use super::{Fate, Timings, Unit, Until};

/// What became of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It was executed and succeeded.
    Executed,
    /// Its result was there.
    Cached,
    /// It was executed, or could not be, and gave no result.
    Failed,
    /// Another process executed it, and this build waited for that.
    Elsewhere,
    /// It was stopped on its way.
    Interrupted,
    /// It was not tried.
    Untried,
}

/// An execution's way through the build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: Duration,
    /// When its metadata was given out, if that was before its end.
    pub(super) metadata: Option<Duration>,
    pub(super) end: Duration,
}

impl Span {
    pub(super) fn duration(&self) -> Duration {
        self.end.saturating_sub(self.start)
    }

    /// When those are let go that wait for it.
    fn release(&self, until: Until) -> Duration {
        match until {
            Until::Metadata => self.metadata.unwrap_or(self.end),
            Until::End => self.end,
        }
    }
}

/// The execution that an action waited for longest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cause {
    /// By its place among the entries.
    pub(super) entry: usize,
    /// What of it was waited for.
    pub(super) until: Until,
}

/// An action with all units that it is the action of, or a unit that never had one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// The one that was started comes first.
    pub(super) units: Vec<usize>,
    pub(super) state: State,
    /// `None` for what was not executed.
    pub(super) span: Option<Span>,
    pub(super) times: Option<Times>,
    /// When everything that it needs was there.
    pub(super) ready: Duration,
    pub(super) cause: Option<Cause>,
}

/// A part of the critical path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) entry: usize,
    /// How long it waited for a free core when all that it needs was there; nothing for the first one.
    pub(super) waited: Duration,
    /// From its start to the moment that let the next one go, or to its end for the last one.
    pub(super) took: Duration,
    /// What of it the next one waited for.
    pub(super) until: Until,
}

/// Everything that a page tells of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Analysis {
    /// In the order in which they were started, or found in the cache; what was not tried comes last.
    pub(super) entries: Vec<Entry>,
    /// From the first unit to the last one that ended.
    pub(super) path: Vec<Step>,
    /// How long the longest chain of units would take if none ever waited for a core.
    pub(super) longest_chain: Duration,
    /// How long at least one action ran.
    pub(super) busy: Duration,
    /// User and system time of all that was executed here.
    pub(super) cpu: Duration,
    /// What the results that were there took when they were made.
    pub(super) saved: Times,
}

impl Analysis {
    /// How many units came to a state.
    pub(super) fn units(&self, state: State) -> usize {
        self.entries.iter().filter(|entry| entry.state == state).map(|entry| entry.units.len()).sum()
    }
}

/// Works out everything that a page tells.
pub(super) fn analyse(timings: &Timings) -> Analysis {
    let mut entries = group(timings);
    let of_unit = places(timings, &entries);
    for place in 0..entries.len() {
        let (ready, cause) = cause(timings, &entries, &of_unit, place);
        entries[place].ready = ready;
        entries[place].cause = cause;
    }
    let sum = |state: State, part: fn(&Times) -> Duration| {
        let times =
            entries.iter().filter(|entry| entry.state == state).filter_map(|entry| entry.times.as_ref());
        times.map(part).sum::<Duration>()
    };
    let [wall, cpu] = [sum(State::Cached, |times| times.wall), sum(State::Cached, |times| times.cpu)];
    Analysis {
        path: critical_path(&entries),
        longest_chain: longest_chain(timings, &entries, &of_unit),
        busy: busy(&entries),
        cpu: sum(State::Executed, |times| times.cpu) + sum(State::Failed, |times| times.cpu),
        saved: Times { wall, cpu, peak_memory: 0 },
        entries,
    }
}

/// The entries, each dependency before what depends on it.
fn group(timings: &Timings) -> Vec<Entry> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut of_action: HashMap<Digest<Action>, usize> = HashMap::new();
    for (unit, Unit { action, .. }) in timings.units.iter().enumerate() {
        let new = groups.len();
        let group = action.map_or(new, |action| *of_action.entry(action).or_insert(new));
        match groups.get_mut(group) {
            Some(units) => units.push(unit),
            None => groups.push(vec![unit]),
        }
    }
    let mut entries: Vec<Entry> = groups.into_iter().map(|units| entry(timings, units)).collect();
    // What was looked up stands between the executions, at the moment when it was found: sorting is stable, and
    // nothing is found or started before what it needs.
    let moment = |entry: &Entry| {
        let found = || entry.units.iter().filter_map(|&unit| timings.units[unit].ended).min();
        entry.span.map(|span| span.start).or_else(found).unwrap_or(Duration::MAX)
    };
    entries.sort_by_cached_key(|entry| (moment(entry), entry.units[0]));
    entries
}

fn entry(timings: &Timings, mut units: Vec<usize>) -> Entry {
    let unit = |&unit: &usize| &timings.units[unit];
    units.sort_by_key(|one| (unit(one).started.is_none(), *one));
    let has = |fate: Fate| units.iter().map(unit).any(|unit| unit.fate == fate);
    let first = unit(&units[0]);
    let state = if has(Fate::Failed) {
        State::Failed
    } else if has(Fate::Executed) {
        State::Executed
    } else if has(Fate::Cached) {
        if first.started.is_some() { State::Elsewhere } else { State::Cached }
    } else if first.started.is_some() {
        State::Interrupted
    } else {
        State::Untried
    };
    let span = first.started.map(|start| {
        let end = first.ended.unwrap_or(timings.wall).max(start);
        let metadata = units.iter().filter_map(|one| unit(one).metadata).min();
        Span { start, metadata: metadata.filter(|metadata| *metadata < end), end }
    });
    let times = units.iter().find_map(|one| unit(one).times);
    Entry { state, span, times, ready: first.queued, cause: None, units }
}

fn places(timings: &Timings, entries: &[Entry]) -> Vec<usize> {
    let mut of_unit = vec![0; timings.units.len()];
    for (place, entry) in entries.iter().enumerate() {
        for &unit in &entry.units {
            of_unit[unit] = place;
        }
    }
    of_unit
}

/// What an entry's first unit needs, as far as it comes before it.
fn needs<'n>(
    timings: &'n Timings,
    entries: &[Entry],
    of_unit: &'n [usize],
    place: usize,
) -> impl Iterator<Item = (usize, usize, Until)> + 'n {
    let needs = &timings.units[entries[place].units[0]].needs;
    let known = needs.iter().filter_map(|&(unit, until)| Some((unit, *of_unit.get(unit)?, until)));
    known.filter(move |&(_, needed, _)| needed < place)
}

/// When everything that an entry needs was there, and the execution that was the last to give it. What was cached is
/// looked through: it was found late because something that it needs was late itself.
fn cause(timings: &Timings, entries: &[Entry], of_unit: &[usize], place: usize) -> (Duration, Option<Cause>) {
    let mut last = (entries[place].ready, None);
    for (unit, needed, until) in needs(timings, entries, of_unit, place) {
        let (released, cause) = match entries[needed].span {
            Some(span) => (span.release(until), Some(Cause { entry: needed, until })),
            None => (timings.units[unit].ended.unwrap_or_default(), entries[needed].cause),
        };
        if released > last.0 || (released == last.0 && last.1.is_none()) {
            last = (released, cause);
        }
    }
    last
}

/// The chain that ends with what ended last, each part of it let go by the one before it.
fn critical_path(entries: &[Entry]) -> Vec<Step> {
    let ends = entries.iter().enumerate().filter_map(|(place, entry)| Some((entry.span?.end, place)));
    let mut next = ends.max().map(|(_, place)| (place, Until::End));
    let mut path = Vec::new();
    while let Some((place, until)) = next {
        let entry = &entries[place];
        let Some(span) = entry.span else { break };
        let released = entry.cause.and_then(|cause| Some(entries[cause.entry].span?.release(cause.until)));
        path.push(Step {
            entry: place,
            waited: released.map_or(Duration::ZERO, |released| span.start.saturating_sub(released)),
            took: span.release(until).saturating_sub(span.start),
            until,
        });
        next = entry.cause.map(|cause| (cause.entry, cause.until));
    }
    path.reverse();
    path
}

fn longest_chain(timings: &Timings, entries: &[Entry], of_unit: &[usize]) -> Duration {
    let mut starts: Vec<Duration> = Vec::with_capacity(entries.len());
    let mut longest = Duration::ZERO;
    for (place, entry) in entries.iter().enumerate() {
        let after = |needed: usize, until: Until| {
            let length = entries[needed].span.map(|span| span.release(until).saturating_sub(span.start));
            starts[needed] + length.unwrap_or_default()
        };
        let needed = needs(timings, entries, of_unit, place).map(|(_, needed, until)| after(needed, until));
        let start = needed.max().unwrap_or_default();
        starts.push(start);
        longest = longest.max(start + entry.span.map_or(Duration::ZERO, |span| span.duration()));
    }
    longest
}

/// The length of all spans laid over each other. Entries with spans are in the order of their starts.
fn busy(entries: &[Entry]) -> Duration {
    let (mut busy, mut until) = (Duration::ZERO, Duration::ZERO);
    for span in entries.iter().filter_map(|entry| entry.span) {
        busy += span.end.saturating_sub(span.start.max(until));
        until = until.max(span.end);
    }
    busy
}
