//! `docs/BENCH.md`: figures as text.

use std::fmt::Write as _;
use std::path::Path;

use xtask_ground::Machine;

use crate::error::Error;
use crate::figures::{Figures, Measured};
use crate::parts::{PARTS, Part};
use crate::row::add_lost;

/// Where the report is, below the repository, and where all figures are.
pub(crate) const REPORT: &str = "docs/BENCH.md";
pub(crate) const FIGURES: &str = "docs/bench.json";

/// Writes the report and the drawings beside it.
pub(crate) fn write(root: &Path, figures: &Figures) -> Result<(), Error> {
    fs_err::write(root.join(REPORT), report(figures, PARTS))?;
    for part in PARTS {
        if let (Some(drawing), Some(measured)) = (part.drawing, figures.parts.get(part.name)) {
            fs_err::write(root.join("docs").join(drawing.file), (drawing.draw)(measured))?;
        }
    }
    Ok(())
}

/// The whole file.
pub(crate) fn report<'p>(figures: &Figures, parts: impl IntoIterator<Item = &'p Part>) -> String {
    let of = |part: &Part| figures.parts.get(part.name).filter(|measured| !measured.steps.is_empty());
    let measured: Vec<(&Part, &Measured)> =
        parts.into_iter().filter_map(|part| Some((part, of(part)?))).collect();
    let mut text = String::from(
        "# Benchmark\n\n`cargo xtask bench` measures xbuild against cargo, and against others where cargo has nothing \
         to compare, and writes this file; `cargo xtask bench --only PART` measures a part of it. The single figures \
         are in [bench.json](bench.json).\n\n",
    );
    let machines = machines(&measured);
    text.push_str(&Machine::table_head("rustc and cargo"));
    for (machine, rust) in &machines {
        text.push_str(&machine.table_row(rust));
    }
    text.push_str(METHOD);
    for &(part, measured) in &measured {
        add_part(&mut text, part, measured, &machines);
    }
    let mut lost = Vec::new();
    let (mut held, mut limits) = (0, 0);
    for &(part, measured) in &measured {
        for row in part.rows(measured) {
            limits += usize::from(row.held().is_some());
            held += usize::from(row.held() == Some(true));
            lost.extend(row.lost(part.other).map(|lost| format!("{}, {lost}", part.title)));
        }
    }
    add_lost(&mut text, &lost);
    let _ = write!(text, "\n{held} of {limits} limits are held.\n");
    text
}

const METHOD: &str = "
## What is compared

- **cargo**: the pinned cargo in one sandbox of xbuild's own, over the same trees that xbuild's actions get: the \
same rustc, std, clang, linkers, sysroots, C environment and flags. The sources lie at the same paths. `cargo build \
--offline --locked --profile release --target T` for one target after the other, all with one target folder, so that \
what is built for the host is built once. Setting the sandbox up is not counted.
- **xbuild**: `xbuild all --offline --profile release`, a release build of this repository, as a user calls it: from \
reading the descriptions to the linked results, their proofs and checksums, each action in a sandbox of its own.
- **Toolchain and std are ready** on both sides, and so are the crates. Each cold build of xbuild has a store of its \
own that holds nothing else: no result, no plan, not even what rustc says of itself. Each cold build of cargo has an \
empty target folder.
- Where a project has `unify = \"package\"`, each package has features of its own. Cargo is then called once for each \
package and target, since one call would merge them: both sides do the same work. Nor is cargo called once for all \
targets: that is another graph where features of one target meet those of another, which is told for each project.
- **By turns**: a machine's speed changes from one minute to the next by more than what is to be seen. So what takes \
long runs three seconds of the one side, in which all processes of the other are stopped, then three of the other, \
until one has ended. The time in which a side was stopped is not counted. Who has the first turn changes from pair to \
pair. What is short runs one side after the other.
- A figure is the median, with the least and the most in brackets. So is a ratio: of the ratios of the pairs, each of \
xbuild's measurements over the one beside it. CPU is user and system time of all processes. The memory is the \
high-water mark of the resident set of xbuild's own process, without the compilers.
- **The limits** are those that the project sets itself. A cold build must be faster than cargo's where it executes \
fewer actions than cargo, in its one target folder, starts programs; where it can share no more than cargo does, it may \
cost a little more.
- **The store**: its files, each counted once however many names it has (a tree that is laid out is links), against \
the different contents among them, blobs and directories. The rest is what is kept twice, where one content is a program \
in one place and none in another, and small records. Not counted are the copies of programs that `result` leads to, which \
are people's own to change; how much they take is told.
";

/// The machines that were measured on, each with its rustc, once.
fn machines<'m>(measured: &[(&Part, &'m Measured)]) -> Vec<(&'m Machine, &'m str)> {
    let mut machines: Vec<(&Machine, &str)> = Vec::new();
    for (_, Measured { machine, rust, .. }) in measured {
        if !machines.iter().any(|(other, release)| other.is(machine) && release == rust) {
            machines.push((machine, rust));
        }
    }
    machines
}

fn add_part(text: &mut String, part: &Part, measured: &Measured, machines: &[(&Machine, &str)]) {
    let Measured { machine, rust, steps, .. } = measured;
    let _ = write!(text, "\n## {}\n\n{}\n\nMeasured on {}", part.title, part.about, machine.date);
    let number = machines.iter().position(|(other, release)| other.is(machine) && release == rust);
    if let Some(number @ 1..) = number {
        let _ = write!(text, ", on the machine of row {}", number + 1);
    }
    let names: Vec<&str> = steps.iter().map(|step| step.name.as_str()).collect();
    let _ = write!(text, ": {}.", names.join(", "));
    for fact in measured.facts() {
        let _ = write!(text, " {fact}");
    }
    let rows = part.rows(measured);
    if !rows.is_empty() {
        let _ = write!(
            text,
            "\n\n| | {} | {} | ratio | at most | held |\n|---|--:|--:|--:|--:|---|\n",
            part.other, part.own
        );
        rows.iter().for_each(|row| text.push_str(&row.line()));
    }
    text.push_str(&(part.more)(measured));
    if let Some(drawing) = part.drawing {
        let _ = write!(text, "\n![{}]({})\n", part.title, drawing.file);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::figures::{Run, Step};
    use crate::measure::Sample;

    fn figures(machine: Machine) -> Figures {
        let run = Run { machine, program: "a".to_owned(), rust: "1.96.1".to_owned() };
        let mut figures = Figures::default();
        let sample = |wall| {
            let wall = Duration::from_millis(wall);
            Some(Sample { wall, cpu: 2 * wall })
        };
        let measured = figures.begin("ripgrep", &run, false);
        for (number, cargo, xbuild) in [(1, 60_000, 66_000), (2, 61_000, 65_000), (3, 62_000, 67_000)] {
            let mut step = Step::named(&format!("round {number}"));
            step.add_samples("cold, three targets", sample(cargo), sample(xbuild));
            step.add_samples("nothing changed", sample(500), sample(80));
            step.add("xbuild's own peak memory, cold", None, Some(150e6));
            step.tell("Cargo is called twice.".to_owned());
            measured.steps.push(step);
        }
        figures
    }

    #[test]
    fn figures_stand_beside_their_limits() {
        let text = report(&figures(Machine::example()), PARTS);
        let rows: Vec<&str> = text.lines().skip_while(|line| !line.starts_with("| cold")).take(5).collect();
        assert_eq!(
            rows,
            [
                "| cold, three targets, wall | 61.0 s (60.0–62.0) | 66.0 s (65.0–67.0) | 1.08 (1.07–1.10) | 1.05 × | **no** |",
                "| cold, three targets, CPU | 122.0 s (120.0–124.0) | 132.0 s (130.0–134.0) | 1.08 (1.07–1.10) | 1.03 × | **no** |",
                "| nothing changed, wall | 500 ms (500–500) | 80 ms (80–80) | 0.16 (0.16–0.16) | 100 ms | yes |",
                "| nothing changed, CPU | 1.00 s (1.00–1.00) | 160 ms (160–160) | 0.16 (0.16–0.16) | – | – |",
                "| xbuild's own peak memory, cold | – | 150 MB (150–150) | – | 200 MB | yes |",
            ]
        );
        assert!(
            text.contains("Measured on 2026-01-02: round 1, round 2, round 3. Cargo is called twice.\n\n| |"),
            "{text}"
        );
        assert!(text.contains("| A processor | 2 | 7.7 GiB | 6.0 | 1.96.1 |\n"), "{text}");
        assert!(!text.contains("bat 0.26.1"), "what was not measured is not there");
    }

    #[test]
    fn what_is_lost_is_told() {
        let text = report(&figures(Machine::example()), PARTS);
        let (_, lost) = text.split_once("## What xbuild loses\n\n").unwrap();
        assert_eq!(
            lost,
            "- ripgrep 14.1.1, cold, three targets, wall: 1.08 × cargo: **over the limit**\n\
             - ripgrep 14.1.1, cold, three targets, CPU: 1.08 × cargo: **over the limit**\n\
             \n2 of 4 limits are held.\n"
        );
    }

    #[test]
    fn a_part_of_another_machine_says_so() {
        let mut figures = figures(Machine::example());
        let other = Machine { processors: 8, ..Machine::example() };
        let run = Run { machine: other, program: "a".to_owned(), rust: "1.96.1".to_owned() };
        figures.begin("units", &run, false).steps.push(Step::named("round 1"));
        let text = report(&figures, PARTS);
        assert!(text.contains("| A processor | 8 | 7.7 GiB |"), "{text}");
        assert!(text.contains("Measured on 2026-01-02, on the machine of row 2: round 1."), "{text}");
    }
}
