//! Edits in the profile for development: cargo compiles incrementally there.

use std::io::Write as _;

use xtask_ground::{Shape, TARGETS};

use crate::bench::{Bench, together};
use crate::catalogue;
use crate::error::Error;
use crate::figures::Step;
use crate::project::Project;
use crate::row::Limit;
use crate::script::{Phase, append};
use crate::slices::Turn;

use super::{Part, Rows, Spec, Steps, nothing_more};

const EDITS: usize = 5;

const COLD: &str = "cold, one target, dev profile";
const EDITED: &str = "one leaf crate edited, dev profile";

pub(crate) const PART: Part = Part {
    name: "development",
    title: "Edits in the dev profile",
    minutes: 8,
    about: "\
ripgrep 14.1.1 in the profile `dev`, for x86_64-unknown-linux-musl: what one who works on it builds again and again. Each \
edit adds a static variable to the program's crate, so that its object code really changes. Cargo compiles that crate \
incrementally, which xbuild never does: a compiler's private state is no declared input. By turns, as above.",
    other: "cargo",
    own: "xbuild",
    rows: Rows::Of(&[
        Spec::wall(EDITED, Limit::None),
        Spec::cpu(EDITED, Limit::None),
        Spec::wall(COLD, Limit::None),
        Spec::cpu(COLD, Limit::None),
    ]),
    projects: [catalogue::RIPGREP, catalogue::SAMPLE],
    steps: Steps::Rounds(1),
    measure,
    more: nothing_more,
    drawing: None,
};

/// What the n-th edit adds.
fn line(number: usize) -> String {
    format!("#[used] static EDITED_{number}: u64 = {number};")
}

fn measure(bench: &Bench<'_>, part: &Part, number: usize, step: &mut Step) -> Result<(), Error> {
    let project: Project = bench.project(part);
    let here = bench.copy(&project, "here")?;
    let targets = &TARGETS[..1];
    let plan = bench.plan(&here, &Shape { targets, profile: "dev", ..Shape::default() })?;
    let store = bench.fresh_store("round")?;
    let xbuild = bench.xbuild(&store, targets, "dev");
    let edits = bench.many(EDITS, 1);
    let edit = |number: usize| Phase::edited(0..1, append(project.leaf, &line(number)));
    let phases = std::iter::once(Phase::cold(0..1)).chain((0..edits).map(edit)).collect();
    bench.cargo(&project, &plan, phases).beside(|cargo| {
        println!("  cold");
        let mut turn = Turn::of_round(number + 1);
        let [first, _] = turn.both();
        let (of_cargo, ran) = together(first, cargo, |slices| xbuild.something(&here, &[], Some(slices)))?;
        step.add_samples(COLD, Some(of_cargo.total()), Some(ran.sample));
        for number in 0..edits {
            println!("  one leaf crate edited");
            let leaf = fs_err::OpenOptions::new().append(true).open(here.join(project.leaf));
            writeln!(leaf?, "{}", line(number))?;
            let [first, _] = turn.both();
            let (of_cargo, ran) =
                together(first, cargo, |slices| xbuild.something(&here, &[], Some(slices)))?;
            step.add_samples(EDITED, Some(of_cargo.total()), Some(ran.sample));
        }
        Ok(())
    })
}
