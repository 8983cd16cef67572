//! A dependency in the middle of the graph is moved to another release.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;
use xbuild_action::{ContentExt as _, File};
use xbuild_plan::places::place;
use xtask_ground::{Shape, TARGETS};

use crate::bench::{Bench, together};
use crate::cargo::Cargo;
use crate::catalogue;
use crate::error::Error;
use crate::figures::Step;
use crate::row::{Limit, Unit, float};
use crate::script::{Counts, Phase};
use crate::slices::Turn;

use super::{Part, Rows, Spec, Steps, nothing_more};

/// Where the other locks lie in cargo's sandbox.
const MOVED: &str = "build/moved";

const COMPILED: &str = "compilers started after it";
const TWO_LAYERS: &str = "after it, against a two-layer build";
const CARGO: &str = "after it, against cargo in its old target folder";

pub(crate) const PART: Part = Part {
    name: "bump",
    title: "A dependency in the middle bumped",
    minutes: 20,
    about: "\
ripgrep 14.1.1 for three targets, built with the lock that it ships; then one crate in it after the other is moved to its \
next release: bstr, cc, crossbeam-deque, globset, serde_json, walkdir. These are all that are built, need two others or more, \
that another crate than the program needs, and that have a later release with the same dependencies, which the rest of the \
lock allows. What cargo compiles then, in the target folder that it has, is its dirty set; xbuild must start as many \
compilers, and may start fewer: for a file of its package has changed, the lock, cargo runs the program's build script \
again for each target, and so compiles the program for targets that don't have the crate; xbuild doesn't, since the script \
has not read it. A two-layer build (dependencies first, then the workspace, as \
crane and cargo-chef do it) keeps its first layer by the lock: a lock that has changed builds all of it anew. Its work is \
at least that of cargo's cold build, which is what is taken for it here; a real one does the program's own part twice, once \
with a stand-in for its sources. The least that can be done is what needs the crate, the program always among it.",
    other: "the other",
    own: "xbuild",
    rows: Rows::Of(&[
        Spec::figure(COMPILED, Unit::Number, Limit::NoMore),
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
    let locks = project.bumped_locks(&here)?;
    if let Some(last) = locks.last() {
        fs_err::write(moved.join("Cargo.lock"), last)?;
    }
    let plan = bench.plan(&here, &Shape { beside: Some(&moved), ..Shape::default() })?;
    let store = bench.fresh_store("round")?;
    let xbuild = bench.xbuild(&store, &TARGETS, "release");
    let all = 0..plan.graphs.len();
    // More files in the sandbox, each to be copied over the lock in its turn.
    let (mut files, mut phases) = (BTreeMap::new(), vec![Phase::cold(all.clone())]);
    for (at, lock) in locks.iter().enumerate() {
        let path = place(MOVED).join(&place(&at.to_string()));
        let before = format!("cat {} > Cargo.lock", path.in_sandbox());
        let digest = bench.ground.store.put(lock.as_bytes())?;
        files.insert(path, File { digest, executable: false });
        phases.push(Phase { before, counts: Counts::Compilers, ..Phase::cold(all.clone()) });
    }
    let cargo = Cargo { files, ..bench.cargo(&project, &plan, phases) };
    cargo.beside(|cargo| {
        println!("  cold");
        let mut turn = Turn::of_round(number + 1);
        let [first, _] = turn.both();
        let (cold, _) = together(first, cargo, |slices| xbuild.something(&here, &[], Some(slices)))?;
        for (bump, lock) in project.bumps.iter().zip(&locks) {
            println!("  {} bumped", bump.from.name);
            fs_err::write(here.join("Cargo.lock"), lock)?;
            let [first, _] = turn.both();
            let trace = bench.places.copy("trace.json");
            let traced = format!("--trace={}", trace.display());
            let (of_cargo, ran) =
                together(first, cargo, |slices| xbuild.something(&here, &[&traced], Some(slices)))?;
            let compiled = compiled(&trace)?;
            step.add(COMPILED, Some(float(of_cargo.built as u64)), Some(float(compiled as u64)));
            step.add_samples(TWO_LAYERS, Some(cold.total()), Some(ran.sample));
            step.add_samples(CARGO, Some(of_cargo.total()), Some(ran.sample));
            let (name, all) = (bump.from.name, cold.total().wall.as_secs_f64());
            let ratio = ran.sample.wall.as_secs_f64() / all;
            step.tell(format!(
                "{name}: {compiled} compilers and {} runs of build scripts, where cargo starts {} compilers; {ratio:.2} \
                 of the two layers' time.",
                ran.executed() - compiled,
                of_cargo.built
            ));
        }
        Ok(())
    })
}

/// How many of the actions that were executed were compilers': what has one action counts once.
fn compiled(trace: &Path) -> Result<usize, Error> {
    let units: Vec<Value> = serde_json::from_slice(&fs_err::read(trace)?)
        .map_err(|error| Error::Unexpected { path: trace.to_owned(), problem: error.to_string() })?;
    let is_executed = |unit: &&Value| unit["cached"] == false && !unit["started"].is_null();
    let is_compiler =
        |unit: &&Value| !unit["unit"].as_str().unwrap_or_default().ends_with("(build script run)");
    let executed = units.iter().filter(is_executed).filter(is_compiler);
    Ok(executed.map(|unit| unit["action"].to_string()).collect::<BTreeSet<_>>().len())
}
