//! `docs/BENCH.md`: figures as text.

use std::fmt::Write as _;

use xtask_ground::{Machine, PlannedGraph};

use crate::Prepared;
use crate::measure::{Sample, Side};
use crate::row::{Limit, Row, add_lost};

/// What was measured of one project.
#[derive(Debug, Clone)]
pub(crate) struct Measured {
    pub(crate) project: &'static str,
    /// Cargo's calls of a round, without the options that all have: target, packages.
    pub(crate) calls: Vec<String>,
    pub(crate) cargo: Side,
    pub(crate) xbuild: Side,
}

impl Measured {
    /// Of a project of which nothing has been measured yet.
    pub(crate) fn nothing(prepared: &Prepared) -> Self {
        let calls = prepared.plan.graphs.iter().map(PlannedGraph::name).collect();
        let project = prepared.project.name;
        Self { project, calls, cargo: Side::default(), xbuild: Side::default() }
    }
}

/// The whole file.
pub(crate) fn report(machine: &Machine, release: &str, measured: &[Measured]) -> String {
    let mut text = format!(
        "# Benchmark\n\n\
         `cargo xtask bench` measures cargo against xbuild and writes this file. Measured on {}.\n\n{}\n",
        machine.date,
        machine.table("rustc and cargo", release),
    );
    text.push_str(METHOD);
    let measured: Vec<&Measured> =
        measured.iter().filter(|project| !project.xbuild.edited.is_empty()).collect();
    for &project in &measured {
        add_project(&mut text, project);
    }
    let mut lost = Vec::new();
    for &project in &measured {
        let rows = rows(project);
        lost.extend(
            rows.iter().filter_map(|row| Some(format!("{}, {}", project.project, row.lost("cargo")?))),
        );
    }
    add_lost(&mut text, &lost);
    text
}

const METHOD: &str = "\
## What is compared

- **cargo**: the pinned cargo in one sandbox of xbuild's own, over the same trees that xbuild's actions get: the \
same rustc, std, clang, linkers, sysroots, C environment and flags. The sources lie at the same paths. `cargo build \
--offline --locked --profile release --target T` for one target after the other, all with one target folder, so that \
what is built for the host is built once. Setting the sandbox up is not counted.
- **xbuild**: `xbuild all --offline --release`, a release build of this repository, as a user calls it: from reading \
the descriptions to the linked results, their proofs and checksums, each action in a sandbox of its own.
- **Toolchain and std are ready** on both sides, and so are the crates. Each cold round of xbuild has a store of its \
own that holds nothing else: no result, no plan, not even what rustc says of itself. Each cold round of cargo has an \
empty target folder.
- Where a project has `unify = \"package\"`, each package has features of its own. Cargo is then called once for each \
package and target, since one call would merge them: both sides do the same work.
- A round is a cold build, five with nothing changed, and two with a comment added to a crate that no other depends \
on, of each side. A machine's speed changes from one minute to the next by more than what is to be seen, so cold \
builds and edits run by turns: three seconds of the one, in which all processes of the other are stopped, then three \
of the other, until one has ended. The time in which a side was stopped is not counted. Who has the first turn \
changes from pair to pair. The file is written after each round, so that a run that is stopped leaves what it has \
measured.
- A figure is the median, with the least and the most in brackets. So is a ratio: of the ratios of the pairs, each \
side's measurement over the one beside it. CPU is user and system time of all processes. The memory is the high-water \
mark of the resident set of xbuild's own process, without the compilers.
";

fn add_project(text: &mut String, measured: &Measured) {
    let Measured { project, calls, cargo, xbuild } = measured;
    let _ = write!(
        text,
        "\n## {project}\n\nRounds: {}. Cargo is called {} times: {}. It starts {} programs (compilers and build scripts). xbuild \
         executes {} actions for {} units: units with the same action share one execution.\n\n\
         | | cargo | xbuild | ratio | at most | held |\n|---|--:|--:|--:|--:|---|\n",
        xbuild.cold.len(),
        calls.len(),
        calls.join(", "),
        cargo.executed,
        xbuild.executed,
        xbuild.units,
    );
    for row in rows(measured) {
        text.push_str(&row.line());
    }
}

fn rows(measured: &Measured) -> Vec<Row> {
    let Measured { cargo, xbuild, .. } = measured;
    let wall = |sample: &Sample| sample.wall;
    let cpu = |sample: &Sample| sample.cpu;
    let row = Row::of_samples;
    vec![
        row("cold, three targets, wall", &cargo.cold, &xbuild.cold, wall, Limit::Ratio(1.10)),
        row("cold, three targets, CPU", &cargo.cold, &xbuild.cold, cpu, Limit::Ratio(1.10)),
        row("nothing changed, wall", &cargo.unchanged, &xbuild.unchanged, wall, Limit::Absolute(0.1)),
        row("nothing changed, CPU", &cargo.unchanged, &xbuild.unchanged, cpu, Limit::None),
        row("one leaf crate edited, wall", &cargo.edited, &xbuild.edited, wall, Limit::Ratio(1.10)),
        row("one leaf crate edited, CPU", &cargo.edited, &xbuild.edited, cpu, Limit::Ratio(1.10)),
        row("same project, other folder, wall", &[], &xbuild.elsewhere, wall, Limit::Absolute(2.0)),
        Row::of_memory("xbuild's own peak memory, cold", &xbuild.peak_memory, 200e6),
    ]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn samples(milliseconds: &[u64]) -> Vec<Sample> {
        let sample =
            |&wall| Sample { wall: Duration::from_millis(wall), cpu: Duration::from_millis(2 * wall) };
        milliseconds.iter().map(sample).collect()
    }

    fn measured() -> Measured {
        Measured {
            project: "a project",
            calls: vec!["musl foo".to_owned(), "musl bar".to_owned()],
            cargo: Side {
                cold: samples(&[60_000, 62_000, 61_000]),
                unchanged: samples(&[500]),
                edited: samples(&[9_000]),
                executed: 40,
                ..Side::default()
            },
            xbuild: Side {
                cold: samples(&[70_000, 71_000, 72_000]),
                unchanged: samples(&[80, 90]),
                edited: samples(&[9_500]),
                elsewhere: samples(&[2_500]),
                peak_memory: vec![150_000_000],
                executed: 40,
                units: 50,
            },
        }
    }

    #[test]
    fn figures_stand_beside_their_limits() {
        let mut text = String::new();
        add_project(&mut text, &measured());
        let rows: Vec<&str> = text.lines().skip_while(|line| !line.starts_with("| cold")).collect();
        assert_eq!(
            rows,
            [
                "| cold, three targets, wall | 61.0 s (60.0–62.0) | 71.0 s (70.0–72.0) | 1.17 (1.15–1.18) | 1.10 × | **no** |",
                "| cold, three targets, CPU | 122.0 s (120.0–124.0) | 142.0 s (140.0–144.0) | 1.17 (1.15–1.18) | 1.10 × | **no** |",
                "| nothing changed, wall | 500 ms (500–500) | 85 ms (80–90) | 0.16 (0.16–0.16) | 100 ms | yes |",
                "| nothing changed, CPU | 1.00 s (1.00–1.00) | 170 ms (160–180) | 0.16 (0.16–0.16) | – | – |",
                "| one leaf crate edited, wall | 9.00 s (9.00–9.00) | 9.50 s (9.50–9.50) | 1.06 (1.06–1.06) | 1.10 × | yes |",
                "| one leaf crate edited, CPU | 18.0 s (18.0–18.0) | 19.0 s (19.0–19.0) | 1.06 (1.06–1.06) | 1.10 × | yes |",
                "| same project, other folder, wall | – | 2.50 s (2.50–2.50) | – | 2.00 s | **no** |",
                "| xbuild's own peak memory, cold | – | 150 MB (150–150) | – | 200 MB | yes |",
            ]
        );
        assert!(
            text.contains("Cargo is called 2 times: musl foo, musl bar. It starts 40 programs"),
            "{text}"
        );
    }

    #[test]
    fn what_is_lost_is_told() {
        let machine = Machine::example();
        let text = report(&machine, "1.96.1", &[measured()]);
        assert!(
            text.contains("| A processor | 2 | 7.7 GiB | 6.0 | 1.96.1 |\n") && text.contains("Rounds: 3. "),
            "{text}"
        );
        let lost: Vec<&str> = text.lines().filter(|line| line.starts_with("- a project")).collect();
        assert_eq!(
            lost,
            [
                "- a project, cold, three targets, wall: 1.17 × cargo: **over the limit**",
                "- a project, cold, three targets, CPU: 1.17 × cargo: **over the limit**",
                "- a project, one leaf crate edited, wall: 1.06 × cargo, within the limit",
                "- a project, one leaf crate edited, CPU: 1.06 × cargo, within the limit",
                "- a project, same project, other folder, wall: 2.50 s: **over the limit**",
            ]
        );
    }
}
