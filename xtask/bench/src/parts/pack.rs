//! A store's content as a pack, taken in by another one: what a CI's cache keeps.

use xtask_ground::TARGETS;

use crate::bench::Bench;
use crate::catalogue;
use crate::error::Error;
use crate::figures::Step;
use crate::row::{Limit, Unit, float};

use super::{Part, Rows, Spec, Steps, nothing_more};

/// How often the pack is taken in.
const IMPORTS: usize = 5;

const EXPORT: &str = "xbuild store export";
const SIZE: &str = "the pack";
const IMPORT: &str = "xbuild store import, into an empty store";
const EXECUTED: &str = "actions that are executed after it";
const ALL: &str = "xbuild all after it";
const LOOKED_UP: &str = "xbuild all after it, each unit looked up";

pub(crate) const PART: Part = Part {
    name: "pack",
    title: "A pack",
    minutes: 6,
    about: "\
examples/rust-app is built cold for three targets in the release profile, with nobody beside it. `xbuild store export` packs \
what that needs: toolchain, std, crates and results. Then, five times, `xbuild store import` takes the pack in where there \
is no store yet, and in a copy of the project that was never built `xbuild all` builds from it: first as people call it, \
which is answered from the record of an equal request, then with `--verbose`, which looks each unit up. How many actions the \
two execute is counted. The pack has been written or read just before, and is in memory. What is taken in stays until the \
end: see the overhead of an action for what removing it would do to the next time. Cargo has nothing to compare.",
    other: "cargo",
    own: "xbuild",
    rows: Rows::Of(&[
        Spec::wall(IMPORT, Limit::AtMost(10.0)),
        Spec::cpu(IMPORT, Limit::None),
        Spec::figure(EXECUTED, Unit::Number, Limit::AtMost(0.0)),
        Spec::wall(ALL, Limit::None),
        Spec::cpu(ALL, Limit::None),
        Spec::wall(LOOKED_UP, Limit::None),
        Spec::cpu(LOOKED_UP, Limit::None),
        Spec::wall(EXPORT, Limit::None),
        Spec::cpu(EXPORT, Limit::None),
        Spec::figure(SIZE, Unit::Bytes, Limit::None),
    ]),
    projects: [catalogue::EXAMPLE, catalogue::SAMPLE],
    steps: Steps::Rounds(1),
    measure,
    more: nothing_more,
    drawing: None,
};

fn measure(bench: &Bench<'_>, part: &Part, _: usize, step: &mut Step) -> Result<(), Error> {
    let project = bench.project(part);
    let here = bench.copy(&project, "here")?;
    let store = bench.fresh_store("round")?;
    let xbuild = bench.xbuild(&store, &TARGETS, "release");
    println!("  cold");
    let built = xbuild.something(&here, &[], None)?;
    println!("  a pack is written");
    let pack = bench.places.copy("pack");
    step.add_samples(EXPORT, None, Some(xbuild.export(&here, &pack)?));
    step.add(SIZE, None, Some(float(fs_err::metadata(&pack)?.len())));
    let imports = bench.many(IMPORTS, 1);
    for number in 1..=imports {
        println!("  it is taken in, {number} of {imports}");
        let store = bench.places.store(&format!("taken-in-{number}"));
        let there = bench.copy(&project, &format!("there-{number}"))?;
        let xbuild = bench.xbuild(&store, &TARGETS, "release");
        step.add_samples(IMPORT, None, Some(xbuild.import(&pack)?));
        let all = xbuild.all(&there, &[], None)?;
        let looked_up = xbuild.all(&there, &["--verbose"], None)?;
        if looked_up.units() != built.units() {
            let problem = format!("{} of {} units were looked up", looked_up.units(), built.units());
            return Err(Error::NotComparable { project: project.name, problem });
        }
        for (row, ran) in [(ALL, all), (LOOKED_UP, looked_up)] {
            step.add_samples(row, None, Some(ran.sample));
            step.add(EXECUTED, None, Some(float(ran.executed() as u64)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use xtask_ground::Machine;

    use super::*;
    use crate::figures::{Figures, Run};
    use crate::measure::Sample;
    use crate::report::report;

    /// The section of a run in which the pack was taken in twice.
    fn section(imports: [u64; 2], executed: f64) -> String {
        let run = Run { machine: Machine::example(), program: String::new(), rust: String::new() };
        let sample = |seconds| {
            let wall = Duration::from_secs(seconds);
            Some(Sample { wall, cpu: 2 * wall })
        };
        let mut step = Step::named("round 1");
        step.add_samples(EXPORT, None, sample(7));
        step.add(SIZE, None, Some(312e6));
        for seconds in imports {
            step.add_samples(IMPORT, None, sample(seconds));
            step.add(EXECUTED, None, Some(executed));
        }
        PART.check(&step).unwrap();
        let mut figures = Figures::default();
        figures.begin(PART.name, &run, false).steps.push(step);
        report(&figures, &[PART]).split_once("## A pack\n").unwrap().1.to_owned()
    }

    #[test]
    fn a_pack_that_is_taken_in_in_time_and_leaves_nothing_to_do_holds_its_limits() {
        let text = section([4, 6], 0.0);
        let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| ")).collect();
        assert_eq!(
            rows,
            [
                "| | cargo | xbuild | ratio | at most | held |",
                "| xbuild store import, into an empty store, wall | – | 5.00 s (4.00–6.00) | – | 10.0 s | yes |",
                "| xbuild store import, into an empty store, CPU | – | 10.0 s (8.0–12.0) | – | – | – |",
                "| actions that are executed after it | – | 0 | – | 0 | yes |",
                "| xbuild store export, wall | – | 7.00 s (7.00–7.00) | – | – | – |",
                "| xbuild store export, CPU | – | 14.0 s (14.0–14.0) | – | – | – |",
                "| the pack | – | 312.00 MB (312.00–312.00) | – | – | – |",
            ]
        );
        assert!(text.ends_with("Nothing in this run.\n\n2 of 2 limits are held.\n"), "{text}");
    }

    #[test]
    fn a_pack_that_takes_too_long_or_leaves_something_to_do_is_told() {
        let text = section([11, 12], 1.0);
        let (_, lost) = text.split_once("## What xbuild loses\n\n").unwrap();
        assert_eq!(
            lost,
            "- A pack, xbuild store import, into an empty store, wall: 11.5 s: **over the limit**\n\
             - A pack, actions that are executed after it: 1: **over the limit**\n\
             \n0 of 2 limits are held.\n"
        );
    }
}
