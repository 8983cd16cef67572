//! A dependency in the middle of the graph is moved to another release.

use std::collections::BTreeMap;

use xbuild_action::{ContentExt as _, File};
use xbuild_plan::places::place;
use xtask_ground::{Shape, TARGETS};

use crate::bench::{Bench, together};
use crate::cargo::Cargo;
use crate::catalogue;
use crate::error::Error;
use crate::figures::Step;
use crate::row::{Limit, Unit, float};
use crate::script::Phase;
use crate::slices::Turn;

use super::{Part, Rows, Spec, Steps, nothing_more};

/// Where the other lock lies in cargo's sandbox.
const MOVED: &str = "build/moved/Cargo.lock";

const EXECUTED: &str = "executed after it";
const TWO_LAYERS: &str = "after it, against a two-layer build";
const CARGO: &str = "after it, against cargo in its old target folder";

pub(crate) const PART: Part = Part {
    name: "bump",
    title: "A dependency in the middle bumped",
    minutes: 18,
    about: "\
ripgrep 14.1.1 for three targets, built with the lock that it ships; then `globset` in it is moved from 0.4.15 to 0.4.16, \
a patch release with the same dependencies. It needs five crates, and three need it, directly or not, beside the program. \
What cargo starts then, in the target folder that it has, is its dirty set; xbuild must execute just as many actions. A \
two-layer build (dependencies first, then the workspace, as crane and cargo-chef do it) keeps its first layer by the lock: \
a lock that has changed builds all of it anew. Its work is at least that of cargo's cold build, which is what is taken for \
it here; a real one does the program's own part twice, once with a stand-in for its sources.",
    other: "the other",
    own: "xbuild",
    rows: Rows::Of(&[
        Spec::figure(EXECUTED, Unit::Number, Limit::Equal),
        Spec::wall(TWO_LAYERS, Limit::Ratio(0.3)),
        Spec::cpu(TWO_LAYERS, Limit::Ratio(0.3)),
        Spec::wall(CARGO, Limit::None),
        Spec::cpu(CARGO, Limit::None),
    ]),
    projects: [catalogue::RIPGREP, catalogue::BUMPED],
    steps: Steps::Rounds(1),
    measure,
    more: nothing_more,
    drawing: None,
};

fn measure(bench: &Bench<'_>, part: &Part, number: usize, step: &mut Step) -> Result<(), Error> {
    let project = bench.project(part);
    let here = bench.copy(&project, "here")?;
    let moved = bench.copy(&project, "moved")?;
    let lock = project.bumped_lock(&here)?;
    fs_err::write(moved.join("Cargo.lock"), &lock)?;
    let plan = bench.plan(&here, &Shape { beside: Some(&moved), ..Shape::default() })?;
    let store = bench.fresh_store("round")?;
    let xbuild = bench.xbuild(&store, &TARGETS, "release");
    let all = 0..plan.graphs.len();
    // One more file in the sandbox, to be copied over the other.
    let file = File { digest: bench.ground.store.put(lock.as_bytes())?, executable: false };
    let before = format!("cat {} > Cargo.lock", place(MOVED).in_sandbox());
    let phases = vec![Phase::cold(all.clone()), Phase { before, ..Phase::cold(all) }];
    let cargo =
        Cargo { files: BTreeMap::from([(place(MOVED), file)]), ..bench.cargo(&project, &plan, phases) };
    cargo.beside(|cargo| {
        println!("  cold");
        let mut turn = Turn::of_round(number + 1);
        let [first, _] = turn.both();
        let (cold, _) = together(first, cargo, |slices| xbuild.something(&here, &[], Some(slices)))?;
        println!("  bumped");
        fs_err::write(here.join("Cargo.lock"), &lock)?;
        let [first, _] = turn.both();
        let (of_cargo, ran) = together(first, cargo, |slices| xbuild.something(&here, &[], Some(slices)))?;
        step.add(EXECUTED, Some(float(of_cargo.built as u64)), Some(float(ran.executed() as u64)));
        step.add_samples(TWO_LAYERS, Some(cold.total()), Some(ran.sample));
        step.add_samples(CARGO, Some(of_cargo.total()), Some(ran.sample));
        Ok(())
    })
}
