//! Builds that never were: a graph like those of real projects, and a run over it, the same for the same numbers.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::time::Duration;

use xbuild_action::Times;
use xbuild_base::{Action, Digest};
use xbuild_output::{Ending, Fate, Stage, Timings, Unit, Until};

const TARGETS: [&str; 3] =
    ["x86_64-unknown-linux-musl", "aarch64-unknown-linux-gnu", "x86_64-pc-windows-gnu"];
const WORDS: [&str; 16] = [
    "serde", "tokio", "syn", "quote", "regex", "hyper", "rustls", "clap", "bytes", "http", "tracing",
    "futures", "rand", "memchr", "sqlite", "anyhow",
];
const PLANNED: Duration = Duration::from_millis(1_400);

/// Numbers that look random and are always the same.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit.max(1)
    }

    /// Many short times and a few long ones.
    fn time(&mut self) -> Duration {
        let longest = if self.below(12) == 0 { 9_000_000 } else { 900_000 };
        Duration::from_micros((20_000 + self.below(longest)) as u64)
    }
}

/// A build of about so many units for three targets, with so many actions at once, of which a part was cached.
pub(crate) fn build(units: usize, jobs: usize, cached_percent: usize) -> Timings {
    let stage = |name: &str, from, to| Stage {
        name: name.to_owned(),
        from: Duration::from_millis(from),
        to: Duration::from_millis(to),
    };
    let mut timings = Timings {
        project: "rust-app".to_owned(),
        request: "release".to_owned(),
        program: "xbuild 0.1.0".to_owned(),
        began: Some(1_790_000_000),
        wall: Duration::ZERO,
        jobs,
        ending: Ending::Succeeded,
        stages: vec![stage("sources", 0, 30), stage("fetch", 30, 900), stage("plan", 900, 1_400)],
        units: graph(units),
    };
    let mut run = Run::new(&mut timings.units, cached_percent);
    run.go(jobs);
    timings.wall = run.now + Duration::from_millis(40);
    timings.stages.push(Stage { name: "build".to_owned(), from: PLANNED, to: run.now });
    timings.stages.push(Stage { name: "prove".to_owned(), from: run.now, to: timings.wall });
    timings
}

fn graph(units: usize) -> Vec<Unit> {
    let packages = (units / TARGETS.len()).max(1);
    let mut list: Vec<Unit> = Vec::new();
    for (part, target) in TARGETS.iter().enumerate() {
        // The same packages for each target.
        let mut numbers = Numbers(7);
        let first = list.len();
        for package in 0..packages {
            let kind = match package % 8 {
                _ if package + 1 == packages => " (bin app)",
                3 => " (build script)",
                4 => " (build script run)",
                6 => " (proc macro)",
                _ => "",
            };
            let is_host = package % 8 == 3 || package % 8 == 6;
            let name = format!("{}-{} 1.{}.0{kind}", WORDS[package % 16], package / 16, package % 7);
            let near = package.saturating_sub(40);
            let mut needs: Vec<(usize, Until)> = match kind {
                " (build script run)" => vec![(first + package - 1, Until::End)],
                " (bin app)" => (near..package).map(|need| (first + need, Until::End)).collect(),
                _ => (0..numbers.below(4).min(package))
                    .map(|_| first + near + numbers.below(package - near))
                    .map(|need| {
                        (need, if list[need].name.contains('(') { Until::End } else { Until::Metadata })
                    })
                    .collect(),
            };
            needs.sort_by_key(|(need, _)| *need);
            needs.dedup_by_key(|(need, _)| *need);
            // What is for the host is the same action in every part.
            let key = if is_host { format!("host {name}") } else { format!("{part} {name}") };
            list.push(Unit {
                name,
                target: if is_host { "host".to_owned() } else { (*target).to_owned() },
                action: Some(Digest::of(key.as_bytes())),
                queued: PLANNED,
                started: None,
                metadata: None,
                ended: None,
                fate: Fate::Unfinished,
                times: None,
                needs,
            });
        }
    }
    list
}

/// A run over a graph: what can start starts, in the order of the list, as long as there are free places.
struct Run<'u> {
    units: &'u mut [Unit],
    numbers: Numbers,
    cached_percent: usize,
    now: Duration,
    missing: Vec<usize>,
    dependents: BTreeMap<(usize, bool), Vec<usize>>,
    ready: BTreeSet<usize>,
    running: BTreeMap<Digest<Action>, Vec<usize>>,
    done: BTreeMap<Digest<Action>, Times>,
    /// When, whether it is the end, and of which unit.
    events: BinaryHeap<Reverse<(Duration, bool, usize)>>,
}

impl<'u> Run<'u> {
    fn new(units: &'u mut [Unit], cached_percent: usize) -> Self {
        let missing = units.iter().map(|unit| unit.needs.len()).collect();
        let mut dependents: BTreeMap<(usize, bool), Vec<usize>> = BTreeMap::new();
        for (place, unit) in units.iter().enumerate() {
            for (need, until) in &unit.needs {
                dependents.entry((*need, *until == Until::End)).or_default().push(place);
            }
        }
        Self {
            units,
            numbers: Numbers(99),
            cached_percent,
            now: PLANNED,
            missing,
            dependents,
            ready: BTreeSet::new(),
            running: BTreeMap::new(),
            done: BTreeMap::new(),
            events: BinaryHeap::new(),
        }
    }

    fn go(&mut self, jobs: usize) {
        for unit in 0..self.units.len() {
            if self.units[unit].needs.is_empty() {
                self.make_ready(unit);
            }
        }
        loop {
            while self.running.len() < jobs
                && let Some(unit) = self.ready.pop_first()
            {
                self.start(unit);
            }
            let Some(Reverse((moment, is_end, unit))) = self.events.pop() else { break };
            self.now = moment;
            let action = self.units[unit].action.unwrap();
            for unit in self.running[&action].clone() {
                if is_end {
                    self.end(unit);
                } else {
                    self.units[unit].metadata = Some(moment);
                    self.release(unit, false);
                }
            }
            if is_end {
                self.running.remove(&action);
            }
        }
    }

    fn make_ready(&mut self, unit: usize) {
        let action = self.units[unit].action.unwrap();
        if let Some(followers) = self.running.get_mut(&action) {
            followers.push(unit);
            self.units[unit].fate = Fate::Cached;
        } else if self.done.contains_key(&action) || self.numbers.below(100) < self.cached_percent {
            let wall = self.numbers.time();
            self.done.entry(action).or_insert(Times { wall, cpu: wall, peak_memory: 90 << 20 });
            self.units[unit].fate = Fate::Cached;
            self.end(unit);
        } else {
            self.ready.insert(unit);
        }
    }

    fn start(&mut self, unit: usize) {
        let action = self.units[unit].action.unwrap();
        if self.done.contains_key(&action) || self.running.contains_key(&action) {
            return self.make_ready(unit);
        }
        let wall = self.numbers.time()
            + if self.units[unit].name.contains("bin") { PLANNED } else { Duration::ZERO };
        let cpu = wall * (70 + self.numbers.below(60) as u32) / 100;
        let peak_memory = (40 + self.numbers.below(600) as u64) << 20;
        self.done.insert(action, Times { wall, cpu, peak_memory });
        self.running.insert(action, vec![unit]);
        self.units[unit].started = Some(self.now);
        self.units[unit].fate = Fate::Executed;
        if !self.units[unit].name.contains('(') {
            self.events.push(Reverse((self.now + wall * 45 / 100, false, unit)));
        }
        self.events.push(Reverse((self.now + wall, true, unit)));
    }

    fn end(&mut self, unit: usize) {
        self.units[unit].ended = Some(self.now);
        self.units[unit].times = self.done.get(&self.units[unit].action.unwrap()).copied();
        self.release(unit, false);
        self.release(unit, true);
    }

    fn release(&mut self, unit: usize, is_end: bool) {
        // Each once: what waits for the metadata is let go by the end too.
        for dependent in self.dependents.remove(&(unit, is_end)).unwrap_or_default() {
            self.missing[dependent] -= 1;
            if self.missing[dependent] == 0 {
                self.make_ready(dependent);
            }
        }
    }
}
