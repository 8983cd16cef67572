//! docs/CONFORMANCE.md.

use crate::exceptions::Exceptions;
use crate::fixture::Fixture;
use crate::suite::{Row, Verdict};
use xtask_ground::Machine;
use xtask_ground::{HOST, TARGETS};

/// What has been compared, and where.
pub(crate) struct Report<'r> {
    pub(crate) machine: &'r Machine,
    /// The release of cargo that it was compared with.
    pub(crate) version: &'r str,
    pub(crate) fixtures: &'r [Fixture],
    pub(crate) rows: &'r [Row],
    pub(crate) exceptions: &'r Exceptions,
}

const HEAD: &str = "\
# Conformance: cargo is the oracle

Written by `cargo xtask conformance`. For each fixture and target the pinned cargo builds a workspace in a sandbox, with a \
recorder in the place of rustc and of each compiled build script; xbuild builds the same workspace over the same trees. Each \
call of one side must be a call of the other: the arguments in their order, the whole environment, the working directory, \
with none missing and none more. A difference is a failure.

The fixtures are text files in [`xtask/conformance/fixtures`](../xtask/conformance/fixtures); \
`cargo xtask conformance NAME` runs some of them.
";

const NORMALISED: &str = "
## What is normalised

Paths and hashes: cargo's folders below `target` are called as xbuild's, and the 16 digits of \
`-C metadata`, `-C extra-filename` and of build scripts' folders are replaced by the unit that they name. \
[`normal.rs`](../xtask/conformance/src/normal.rs) has the table.

Both sides are asked for the same: cargo with `--jobs 8` and `build.incremental = false`, since xbuild's `NUM_JOBS` is a constant \
and its units are cached whole; with the compiler as `build.rustc`, and with the linkers of the targets' files.
";

/// What is compared in another way than cargo's word against xbuild's.
const OTHERWISE: [&str; 4] = [
    "`CARGO_MAKEFLAGS`, the jobserver's descriptors: numbers of a running process. Both sides have it, and it is not compared",
    "in `LD_LIBRARY_PATH`, cargo's own folder of what is built for the host: xbuild has no folder that all share",
    "the linker of what is built for the host (`-C linker`, `RUSTC_LINKER`) where the target is the host's own triple: cargo \
     has one setting for both",
    "what a target's file says beyond cargo's own settings, `link.args`, `link.rustflags` and the C tools' variables for build \
     scripts: xbuild adds it. The suite takes it from that file, fails where a unit lacks any of it, and compares the rest",
];

const NOT_COVERED: &str = "
## What is not covered

- `cargo check`, documentation and its tests: they are compared with cargo in `orchestrator/cargo/tests/oracle.rs`, over one \
workspace and for the host alone. Tests, benchmarks and examples are compiled and compared, not run.
- Whether cargo, too, refuses what xbuild refuses: cases that are \"refused\" don't ask it.
- Unstable features of cargo (artefact dependencies, `public-dependency`, profile `rustflags`, `trim-paths`): pinned cargos are \
stable, and refuse them.
- std's own units, which a stable cargo can't build.
- Hosts other than x86-64 Linux.
- Incremental compilation, which xbuild doesn't do.
";

impl Report<'_> {
    /// The whole file.
    pub(crate) fn text(&self) -> String {
        let Self { machine, version, .. } = self;
        let mut text = HEAD.to_owned();
        text.push_str(&format!(
            "\n{}, {}:\n\n{}",
            machine.date,
            self.sums(),
            machine.table("cargo", version)
        ));
        text.push_str(&self.releases());
        text.push_str("\n## Fixtures\n\nUnits compared, and how many of them differ.\n\n");
        let targets = || TARGETS.into_iter().chain([HOST]);
        let names = targets().collect::<Vec<_>>().join(" | ");
        text.push_str(&format!("| fixture | what it covers | {names} |\n|---|---|---|---|---|---|\n"));
        for fixture in self.fixtures {
            let cells: Vec<String> = targets().map(|target| self.cell(fixture, target)).collect();
            text.push_str(&format!("| `{}` | {} | {} |\n", fixture.name, fixture.covers, cells.join(" | ")));
        }
        text + &self.differences() + &self.exceptions() + NORMALISED + &otherwise() + NOT_COVERED
    }

    fn sums(&self) -> String {
        let of = |row: &Row| match &row.verdict {
            Verdict::Compared(compared) => (compared.units, compared.differences.len()),
            Verdict::Refused | Verdict::FailsBoth | Verdict::Wrong(_) => (0, 0),
        };
        let units: usize = self.rows.iter().map(|row| of(row).0).sum();
        let differing: usize = self.rows.iter().map(|row| of(row).1).sum();
        let wrong = self.rows.iter().filter(|row| !row.passes()).count();
        format!(
            "{} fixtures, {} cases and targets, {units} units compared, {differing} differ, {wrong} cases not as they should be",
            self.fixtures.len(),
            self.rows.len(),
        )
    }

    fn releases(&self) -> String {
        format!(
            "\nReleases of cargo that the suite has passed on, and that xbuild takes \
             ([`releases.txt`](../orchestrator/cargo/releases.txt)): {}. Any other is refused.\n",
            xbuild_cargo::releases().collect::<Vec<_>>().join(", ")
        )
    }

    /// What became of a fixture for a target, all cases together.
    fn cell(&self, fixture: &Fixture, target: &str) -> String {
        let (mut units, mut differing, mut refused, mut failing, mut wrong) = (0, 0, 0, 0, 0);
        let of_target = |row: &&Row| row.target.as_deref().is_none_or(|of| of == target);
        for row in self.rows.iter().filter(|row| row.fixture == fixture.name).filter(of_target) {
            match &row.verdict {
                Verdict::Compared(compared) => {
                    units += compared.units;
                    differing += compared.differences.len();
                }
                Verdict::Refused => refused += 1,
                Verdict::FailsBoth => failing += 1,
                Verdict::Wrong(_) => wrong += 1,
            }
        }
        let mut parts = Vec::new();
        if units > 0 {
            parts.push(format!("{units}, {differing}"));
        }
        for (count, what) in [(refused, "refused"), (failing, "fail on both sides"), (wrong, "**wrong**")] {
            if count > 0 {
                parts.push(format!("{count} {what}"));
            }
        }
        parts.join("; ")
    }

    fn differences(&self) -> String {
        let mut text = "\n## Differences\n\n".to_owned();
        let before = text.len();
        for row in self.rows {
            if !row.passes() {
                text.push_str(&format!("- {}\n", row.name()));
            }
        }
        if text.len() == before {
            text.push_str("None.\n");
        }
        text
    }

    fn exceptions(&self) -> String {
        let list = self.exceptions.list();
        let mut text = format!(
            "\n## Exceptions\n\nArguments that are not compared, each for a reason, in \
             [`exceptions.toml`](../xtask/conformance/exceptions.toml): {}. None may touch features, cfg, `-C`, `--extern` or \
             environment.\n",
            list.len()
        );
        for exception in list {
            text.push_str(&format!("- `{}`: {}\n", exception.argument, exception.reason));
        }
        text
    }
}

fn otherwise() -> String {
    let mut text = format!(
        "\nCompared otherwise, or not at all, for reasons of both sides' nature: {}.\n\n",
        OTHERWISE.len()
    );
    for what in OTHERWISE {
        text.push_str(&format!("- {what}.\n"));
    }
    text
}
