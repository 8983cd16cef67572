//! Many units: a synthetic workspace of 500 for each of three targets.

use std::io::Write;

use xtask_ground::{Shape, TARGETS};

use crate::bench::{Bench, together};
use crate::catalogue::synthetic;
use crate::error::Error;
use crate::figures::Step;
use crate::row::{Limit, Unit, float};
use crate::script::{Calls, Phase};
use crate::slices::Turn;

use super::{Part, Rows, STORE_ROWS, Spec, Steps, nothing_more, weigh};

/// How often nothing changes.
const UNCHANGED: usize = 7;

const COLD: &str = "cold";
const ONE_BY_ONE: &str = "nothing changed, cargo called for each target";
const AT_ONCE: &str = "nothing changed, cargo called once for all targets";
const SHOW: &str = "xbuild show";
const DRY: &str = "a dry run, nothing changed";
const DRY_EDITED: &str = "a dry run, one crate edited";
const MEMORY: &str = "xbuild's own peak memory, cold";

/// How long an answer may take that builds nothing, in seconds.
const ANSWER: Limit = Limit::AtMost(0.1);

pub(crate) const PART: Part = Part {
    name: "units",
    title: "1,500 units",
    minutes: 10,
    about: "\
A synthetic workspace of 500 units for each of three targets: tiny crates in families, each with some dozens of crates \
below it, every tenth with a build script, every twentieth a derive macro; no registry is needed. Both sides build it \
cold by turns, in the release profile. Then nothing changes: xbuild against three calls of cargo, and against one call \
for all three targets, which has less to do. Here the crates have no features, so that both graphs are the same. \
At last xbuild alone lists all outputs, and tells what it would do, before and after an edit of one crate.",
    other: "cargo",
    own: "xbuild",
    rows: Rows::Of(&[
        Spec::wall(COLD, Limit::None),
        Spec::cpu(COLD, Limit::None),
        Spec::wall(ONE_BY_ONE, Limit::Both { absolute: 0.050, ratio: 0.5 }),
        Spec::cpu(ONE_BY_ONE, Limit::None),
        Spec::wall(AT_ONCE, Limit::Both { absolute: 0.050, ratio: 0.5 }),
        Spec::cpu(AT_ONCE, Limit::None),
        Spec::wall(SHOW, ANSWER),
        Spec::cpu(SHOW, Limit::None),
        Spec::wall(DRY, ANSWER),
        Spec::cpu(DRY, Limit::None),
        Spec::wall(DRY_EDITED, ANSWER),
        Spec::cpu(DRY_EDITED, Limit::None),
        Spec::figure(MEMORY, Unit::Memory, Limit::AtMost(200e6)),
        STORE_ROWS[0],
        STORE_ROWS[1],
    ]),
    projects: [synthetic(500), synthetic(8)],
    steps: Steps::Rounds(1),
    measure,
    more: nothing_more,
    drawing: None,
};

fn measure(bench: &Bench<'_>, part: &Part, number: usize, step: &mut Step) -> Result<(), Error> {
    let project = bench.project(part);
    let here = bench.copy(&project, "here")?;
    let plan = bench.plan(&here, &Shape::default())?;
    let store = bench.fresh_store("round")?;
    let xbuild = bench.xbuild(&store, &TARGETS, "release");
    let all = 0..plan.graphs.len();
    let one_by_one = Phase::unchanged(all.clone());
    let at_once = Phase { calls: Calls::Together, ..one_by_one.clone() };
    let mut phases = vec![Phase::cold(all)];
    phases.extend(vec![one_by_one; UNCHANGED]);
    phases.extend(vec![at_once; UNCHANGED]);
    bench.cargo(&project, &plan, phases).beside(|cargo| {
        println!("  cold");
        let mut turn = Turn::of_round(number + 1);
        let [first, _] = turn.both();
        let (of_cargo, ran) = together(first, cargo, |slices| xbuild.something(&here, &[], Some(slices)))?;
        step.add_samples(COLD, Some(of_cargo.total()), Some(ran.sample));
        step.add(MEMORY, None, Some(float(ran.peak_memory)));
        step.tell(format!(
            "Cargo starts {} programs. xbuild executes {} actions for {} units.",
            of_cargo.built,
            ran.executed(),
            ran.units()
        ));
        weigh(bench, &store, step)?;
        println!("  nothing changed");
        for row in [ONE_BY_ONE, AT_ONCE] {
            for _ in 0..UNCHANGED {
                let mut samples = [None, None];
                for side in turn.both() {
                    match side {
                        Turn::Cargo => samples[0] = Some(cargo.run()?.total()),
                        Turn::Xbuild => samples[1] = Some(xbuild.nothing(&here, &[])?.sample),
                    }
                }
                step.add_samples(row, samples[0], samples[1]);
            }
        }
        println!("  nothing built");
        for _ in 0..UNCHANGED {
            step.add_samples(SHOW, None, Some(xbuild.show(&here)?));
            step.add_samples(DRY, None, Some(xbuild.all(&here, &["--dry-run"], None)?.sample));
        }
        let leaf = fs_err::OpenOptions::new().append(true).open(here.join(project.leaf));
        writeln!(leaf?, "// Edited.")?;
        for _ in 0..UNCHANGED {
            step.add_samples(DRY_EDITED, None, Some(xbuild.all(&here, &["--dry-run"], None)?.sample));
        }
        Ok(())
    })
}
