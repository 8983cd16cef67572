//! How time grows with the number of units.

use std::fmt::Write as _;

use xtask_ground::TARGETS;

use crate::bench::{Bench, Extent};
use crate::catalogue::synthetic;
use crate::chart::{self, Line};
use crate::error::Error;
use crate::figures::{Measured, Step, cpu_of, wall_of};
use crate::measure::Spread;
use crate::row::{Limit, Row, Unit, float, shown};
use crate::usage::Actions;

use super::{Drawing, Part, Rows, Steps};

/// The sizes, in units, and those of a sample.
const SIZES: [[usize; 3]; 2] = [[100, 1000, 5000], [4, 8, 16]];

/// How often each is planned, built with everything cached, and built with nothing changed.
const PLANNED: usize = 3;
const CACHED: usize = 3;
const UNCHANGED: usize = 7;

/// How much more a unit may take in the largest workspace than in the middle one.
const LINEAR: f64 = 1.25;

const UNITS: &str = "units";
const PLANNING: &str = "planning";
const PLANNING_OWN: &str = "planning, xbuild's own part";
const SCHEDULING: &str = "all units cached";
const NOTHING: &str = "nothing changed";
const COLD: &str = "cold";
const OVERHEAD: &str = "cold, beside the actions' own processes";
const MEMORY: &str = "xbuild's own peak memory, cold";

/// What is said to stay close to linear.
fn linear() -> [String; 6] {
    [
        wall_of(PLANNING),
        cpu_of(PLANNING_OWN),
        wall_of(SCHEDULING),
        cpu_of(SCHEDULING),
        wall_of(NOTHING),
        cpu_of(OVERHEAD),
    ]
}

pub(crate) const PART: Part = Part {
    name: "growth",
    title: "How it grows",
    minutes: 15,
    about: "\
Synthetic workspaces of 100, 1,000 and 5,000 units for x86_64-unknown-linux-musl in the profile `dev`, made like the one \
of 1,500 units. *Planning* is `xbuild all --dry-run` with a store that has the toolchain and nothing else: the sources are \
read and hashed, cargo is asked for metadata and its unit graph, and the graph is made; xbuild's own part of it is all \
processor time but cargo's and rustc's. *All units cached* is `xbuild all --verbose` when everything has been built: the \
request is not remembered then, but each unit is bound to its inputs, its key computed and its result looked up, by the \
scheduler. *Nothing changed* is `xbuild all`. *Cold, beside the actions' own processes* is what all of the sandboxes, the \
store and the scheduler take while everything is built. The table tells what a unit takes: what grows linearly takes as \
much in the largest workspace as in the middle one.",
    other: "a unit of the middle size",
    own: "a unit of the largest",
    rows: Rows::From(rows),
    projects: [synthetic(100), synthetic(4)],
    steps: Steps::Named([&["100 units", "1,000 units", "5,000 units"], &["4 units", "8 units", "16 units"]]),
    measure,
    more: table,
    drawing: Some(Drawing { file: "bench-growth.svg", draw }),
};

fn measure(bench: &Bench<'_>, _: &Part, number: usize, step: &mut Step) -> Result<(), Error> {
    let sizes = SIZES[if bench.extent == Extent::Full { 0 } else { 1 }];
    let project = synthetic(sizes[number]);
    let here = bench.copy(&project, "here")?;
    let targets = &TARGETS[..1];
    for plan in 0..PLANNED {
        println!("  planning");
        let store = bench.fresh_store(&format!("plan-{plan}"))?;
        let ran = bench.xbuild(&store, targets, "dev").all(&here, &["--dry-run"], None)?;
        step.add_samples(PLANNING, None, Some(ran.sample));
        let own = ran.sample.cpu.saturating_sub(Actions::of(&store)?.cpu);
        step.add(&cpu_of(PLANNING_OWN), None, Some(own.as_secs_f64()));
    }
    println!("  cold");
    let store = bench.fresh_store("round")?;
    let xbuild = bench.xbuild(&store, targets, "dev");
    let ran = xbuild.something(&here, &[], None)?;
    step.add(UNITS, None, Some(float(ran.units() as u64)));
    step.add_samples(COLD, None, Some(ran.sample));
    step.add(MEMORY, None, Some(float(ran.peak_memory)));
    let beside = ran.sample.cpu.saturating_sub(Actions::of(&store)?.cpu);
    step.add(&cpu_of(OVERHEAD), None, Some(beside.as_secs_f64()));
    println!("  all units cached");
    for _ in 0..CACHED {
        step.add_samples(SCHEDULING, None, Some(xbuild.nothing(&here, &["--verbose"])?.sample));
    }
    println!("  nothing changed");
    for _ in 0..UNCHANGED {
        step.add_samples(NOTHING, None, Some(xbuild.nothing(&here, &[])?.sample));
    }
    Ok(())
}

/// A figure of a step.
fn figure(step: &Step, row: &str) -> Option<f64> {
    Some(Spread::of(step.readings.get(row)?.xbuild.iter().copied())?.median)
}

/// What a unit takes in the middle and in the largest workspace.
fn rows(measured: &Measured) -> Vec<Row> {
    let [_, middle, largest] = &measured.steps[..] else { return Vec::new() };
    let a_unit = |step: &Step, row: &str| Some(figure(step, row)? / figure(step, UNITS)?);
    let row = |name: String| {
        let (middle, largest) = (a_unit(middle, &name)?, a_unit(largest, &name)?);
        Some(Row::new(&name, Unit::Seconds, &[middle], &[largest], Limit::Ratio(LINEAR)))
    };
    linear().into_iter().filter_map(row).collect()
}

/// The figures by size.
fn table(measured: &Measured) -> String {
    let mut text = String::from("\n|");
    for step in &measured.steps {
        let _ = write!(text, " | {}", step.name);
    }
    text.push_str(" |\n|---");
    text.push_str(&"|--:".repeat(measured.steps.len()));
    text.push_str("|\n");
    let names = linear().map(|name| (name, Unit::Seconds));
    let more = [wall_of(COLD), cpu_of(COLD)].map(|name| (name, Unit::Seconds));
    for (name, unit) in names.into_iter().chain(more).chain([(MEMORY.to_owned(), Unit::Memory)]) {
        let _ = write!(text, "| {name}");
        for step in &measured.steps {
            let told = figure(step, &name).map_or_else(|| "–".to_owned(), |value| shown(unit, value));
            let _ = write!(text, " | {told}");
        }
        text.push_str(" |\n");
    }
    text
}

/// The curve.
fn draw(measured: &Measured) -> String {
    let line = |name: String| {
        let point = |step: &Step| Some((figure(step, UNITS)?, figure(step, &name)?));
        let is_drawable = |point: &(f64, f64)| point.0 > 0.0 && point.1 > 0.0;
        let points = measured.steps.iter().filter_map(point).filter(is_drawable).collect();
        Line { name: name.clone(), points }
    };
    let names = [wall_of(PLANNING), wall_of(SCHEDULING), wall_of(NOTHING), cpu_of(PLANNING_OWN)];
    chart::draw(&names.map(line))
}

#[cfg(test)]
mod tests {
    use xtask_ground::Machine;

    use super::*;
    use crate::figures::{Figures, Run};

    #[test]
    fn what_a_unit_takes_is_compared_between_sizes() {
        let run = Run { machine: Machine::example(), program: String::new(), rust: String::new() };
        let mut figures = Figures::default();
        let measured = figures.begin("growth", &run, false);
        for (units, planning) in [(100.0, 0.5), (1000.0, 1.0), (5000.0, 10.0)] {
            let mut step = Step::named(&format!("{units} units"));
            step.add(UNITS, None, Some(units));
            step.add(&wall_of(PLANNING), None, Some(planning));
            measured.steps.push(step);
        }
        let rows: Vec<String> = rows(measured).iter().map(Row::line).collect();
        assert_eq!(
            rows,
            [
                "| planning, wall | 1.00 ms (1.00–1.00) | 2.00 ms (2.00–2.00) | 2.00 (2.00–2.00) | 1.25 × | **no** |\n"
            ]
        );
        let table = table(measured);
        assert!(
            table.starts_with("\n| | 100 units | 1000 units | 5000 units |\n|---|--:|--:|--:|\n"),
            "{table}"
        );
        assert!(table.contains("\n| planning, wall | 500 ms | 1.00 s | 10.0 s |\n"), "{table}");
        assert!(draw(measured).contains(">planning, wall</text>"));
        measured.steps.pop();
        assert!(super::rows(measured).is_empty(), "two sizes are no curve");
    }
}
