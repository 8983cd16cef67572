//! Edits that need nothing, and a second variant: how many actions are executed.

use xtask_ground::{Shape, TARGETS, Variants};

use crate::bench::Bench;
use crate::catalogue::COUNTED;
use crate::error::Error;
use crate::figures::Step;
use crate::project::write;
use crate::row::{Limit, Unit, float};
use crate::script::{Built, Phase, append};

use super::{Part, Rows, Spec, Steps, nothing_more};

/// An edit of a file: which row it is, the file, the line that is added.
struct Edit {
    row: &'static str,
    file: &'static str,
    line: &'static str,
    most: f64,
}

const fn edit(row: &'static str, file: &'static str, line: &'static str, most: f64) -> Edit {
    Edit { row, file, line, most }
}

const EDITS: [Edit; 6] = [
    edit("README edited: executed", "README.md", "More.", 0.0),
    edit("test edited: executed", "tests/test.rs", "// edited", 0.0),
    edit("bench edited: executed", "benches/bench.rs", "// edited", 0.0),
    edit("example edited: executed", "examples/example.rs", "// edited", 0.0),
    edit("file edited that the build script doesn't read: executed", "data/notes.txt", "More.", 0.0),
    // The program itself, and not the script whose package it lies in.
    edit("program edited, nothing that its build script reads: executed", "src/main.rs", "// edited", 1.0),
];

const VARIANT: &str = "second variant, one feature more: executed";

const fn spec(number: usize) -> Spec {
    Spec::figure(EDITS[number].row, Unit::Number, Limit::AtMost(EDITS[number].most))
}

pub(crate) const PART: Part = Part {
    name: "counts",
    title: "What needn't be built",
    minutes: 1,
    about: "\
A small project for x86_64-unknown-linux-musl: a program and a library with a build script that reads one file of the \
package and names none to cargo, a README, a test, a bench, an example, and two crates that it depends on. It is built, \
then a line is added to one file after the other. Counted is what each build executes: programs that cargo starts, and \
xbuild's actions. At the end a second variant is built that has one feature more, which is one of the dependencies', too: \
cargo, in the same target folder, starts what is the variant's own.",
    other: "cargo",
    own: "xbuild",
    rows: Rows::Of(&[
        spec(0),
        spec(1),
        spec(2),
        spec(3),
        spec(4),
        spec(5),
        Spec::figure(VARIANT, Unit::Number, Limit::Equal),
    ]),
    projects: [COUNTED, COUNTED],
    steps: Steps::Rounds(1),
    measure,
    more: nothing_more,
    drawing: None,
};

fn measure(bench: &Bench<'_>, part: &Part, _: usize, step: &mut Step) -> Result<(), Error> {
    let project = bench.project(part);
    let here = bench.copy(&project, "here")?;
    let targets = &TARGETS[..1];
    let plan = bench.plan(&here, &Shape { targets, variants: Variants::All, ..Shape::default() })?;
    let is_second = |features: &std::collections::BTreeSet<String>| !features.is_empty();
    let second = plan.graphs.iter().position(|graph| is_second(&graph.asked.plan.features));
    let (Some(second), 2) = (second, plan.graphs.len()) else {
        let problem = "it has not two variants, one of them with a feature".to_owned();
        return Err(Error::NotComparable { project: project.name, problem });
    };
    let first = 1 - second;
    let store = bench.fresh_store("round")?;
    let xbuild = bench.xbuild(&store, targets, "release");

    let before = |edit: &Edit| append(edit.file, edit.line);
    let edited =
        |edit: &Edit| Phase { before: before(edit), built: Built::Anything, ..Phase::cold(first..first + 1) };
    let mut phases = vec![Phase::cold(first..first + 1)];
    phases.extend(EDITS.iter().map(edited));
    phases.push(Phase::cold(second..second + 1));
    let count = |number: usize| Some(float(number as u64));
    bench.cargo(&project, &plan, phases).beside(|cargo| {
        cargo.run()?;
        xbuild.something(&here, &["--variant", "default"], None)?;
        for edit in &EDITS {
            let path = here.join(edit.file);
            let text = fs_err::read_to_string(&path)?;
            write(&path, format!("{text}{}\n", edit.line).as_bytes())?;
            let executed = xbuild.all(&here, &["--variant", "default"], None)?.executed();
            step.add(edit.row, count(cargo.run()?.built), count(executed));
        }
        let executed = xbuild.all(&here, &["--variant", "more"], None)?.executed();
        step.add(VARIANT, count(cargo.run()?.built), count(executed));
        Ok(())
    })
}
