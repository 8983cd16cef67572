//! The parts of the benchmark: each can be measured alone, and is a section of the report.
//!
//! | module | what it measures |
//! |---|---|
//! | `projects` | cold builds, edits, other folders, of projects that people know |
//! | `units` | many units: nothing changed, memory, the store |
//! | `overhead` | what an action costs beside its own processes |
//! | `growth` | how time grows with the number of units |
//! | `development` | edits in the profile for development, against incremental compilation |
//! | `bump` | a dependency in the middle is moved to another release |
//! | `counts` | edits that need nothing, and a second variant: how much is executed |
//! | `caches` | another folder, against compiler caches |
//! | `pack` | the store as a pack, taken in elsewhere |

mod bump;
mod caches;
mod counts;
mod development;
mod growth;
mod overhead;
mod pack;
mod projects;
mod units;

use std::path::Path;

use crate::bench::{Bench, Extent};
use crate::error::Error;
use crate::figures::{Measured, Step, cpu_of, wall_of};
use crate::project::Project;
use crate::row::{Limit, Row, Unit, bytes, float};
use crate::usage::Room;

/// A part of the benchmark.
pub(crate) struct Part {
    /// What the command line and the file with the figures call it.
    pub(crate) name: &'static str,
    /// The section's heading.
    pub(crate) title: &'static str,
    /// About how long it takes on two processors, in minutes.
    pub(crate) minutes: u16,
    /// How it is measured.
    pub(crate) about: &'static str,
    /// What xbuild is compared with, above its column and in sentences.
    pub(crate) other: &'static str,
    /// What is xbuild's, above its column.
    pub(crate) own: &'static str,
    pub(crate) rows: Rows,
    /// What it is about; for a sample the second one.
    projects: [Project; 2],
    pub(crate) steps: Steps,
    /// Measures one step, by its number from 0.
    pub(crate) measure: fn(&Bench<'_>, &Part, usize, &mut Step) -> Result<(), Error>,
    /// What stands below the table.
    pub(crate) more: fn(&Measured) -> String,
    /// A drawing below that.
    pub(crate) drawing: Option<Drawing>,
}

/// A drawing: its file beside the report, and what is in it.
#[derive(Clone, Copy)]
pub(crate) struct Drawing {
    pub(crate) file: &'static str,
    pub(crate) draw: fn(&Measured) -> String,
}

/// The rows of a part's table.
#[derive(Clone, Copy)]
pub(crate) enum Rows {
    /// Those of these that have figures.
    Of(&'static [Spec]),
    /// Rows that are made of the figures.
    From(fn(&Measured) -> Vec<Row>),
}

/// A row, before there are figures.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spec {
    name: &'static str,
    of: Of,
    limit: Limit,
}

/// What of a measurement a row tells.
#[derive(Debug, Clone, Copy)]
enum Of {
    /// The time by the clock.
    Wall,
    /// The processor time.
    Cpu,
    /// The figure itself.
    Figure(Unit),
}

/// The steps of a part.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Steps {
    /// So many rounds, all alike.
    Rounds(u16),
    /// One for each of these; for a sample of the second ones.
    Named([&'static [&'static str]; 2]),
}

/// All parts, in the order of the report.
pub(crate) const PARTS: &[Part] = &[
    projects::EXAMPLE,
    projects::RIPGREP,
    projects::BAT,
    projects::STARSHIP,
    units::PART,
    overhead::PART,
    development::PART,
    bump::PART,
    counts::PART,
    caches::PART,
    pack::PART,
    growth::PART,
];

/// What a sample has: the least of the first ones, and what is counted.
pub(crate) const SAMPLE: &[Part] = &[projects::SAMPLE, counts::PART];

impl Part {
    pub(crate) fn project(&self, extent: Extent) -> Project {
        let [full, sample] = self.projects;
        match extent {
            Extent::Full => full,
            Extent::Sample => sample,
        }
    }

    /// The names of its steps. `rounds` takes the place of the number of rounds.
    pub(crate) fn steps(&self, extent: Extent, rounds: Option<u16>) -> Vec<String> {
        match (self.steps, extent) {
            (Steps::Rounds(_), Extent::Sample) => vec!["round 1".to_owned()],
            (Steps::Rounds(many), Extent::Full) => {
                (1..=rounds.unwrap_or(many)).map(|number| format!("round {number}")).collect()
            }
            (Steps::Named([full, sample]), extent) => {
                let names = if extent == Extent::Full { full } else { sample };
                names.iter().map(|&name| name.to_owned()).collect()
            }
        }
    }

    /// The rows that have figures.
    pub(crate) fn rows(&self, measured: &Measured) -> Vec<Row> {
        match self.rows {
            Rows::From(rows) => rows(measured),
            Rows::Of(specs) => specs.iter().filter_map(|spec| spec.row(measured)).collect(),
        }
    }

    /// Refuses figures that no row would show: a slip of ours.
    pub(crate) fn check(&self, step: &Step) -> Result<(), Error> {
        let Rows::Of(specs) = self.rows else { return Ok(()) };
        let is_known = |row: &&String| !specs.iter().any(|spec| spec.title() == **row);
        match step.readings.keys().find(is_known) {
            None => Ok(()),
            Some(row) => {
                let problem = format!("the part `{}` has no row for `{row}`", self.name);
                Err(Error::Unexpected { path: "xtask/bench/src/parts".into(), problem })
            }
        }
    }
}

impl Spec {
    const fn wall(name: &'static str, limit: Limit) -> Self {
        Self { name, of: Of::Wall, limit }
    }

    const fn cpu(name: &'static str, limit: Limit) -> Self {
        Self { name, of: Of::Cpu, limit }
    }

    const fn figure(name: &'static str, unit: Unit, limit: Limit) -> Self {
        Self { name, of: Of::Figure(unit), limit }
    }

    /// What the row and its figures are called.
    fn title(&self) -> String {
        match self.of {
            Of::Wall => wall_of(self.name),
            Of::Cpu => cpu_of(self.name),
            Of::Figure(_) => self.name.to_owned(),
        }
    }

    fn row(&self, measured: &Measured) -> Option<Row> {
        let title = self.title();
        let reading = measured.reading(&title)?;
        let unit = match self.of {
            Of::Wall | Of::Cpu => Unit::Seconds,
            Of::Figure(unit) => unit,
        };
        Some(Row::new(&title, unit, &reading.other, &reading.xbuild, self.limit))
    }
}

/// Nothing stands below the table.
fn nothing_more(_: &Measured) -> String {
    String::new()
}

/// The rows that tell what a store takes.
const STORE: &str = "the whole store: its files, against the different contents";
const STORE_ADDED: &str = "what a cold build adds to it, likewise";
const STORE_ROWS: [Spec; 2] = [
    Spec::figure(STORE, Unit::Bytes, Limit::Ratio(1.05)),
    Spec::figure(STORE_ADDED, Unit::Bytes, Limit::Ratio(1.05)),
];

/// The store is weighed: see [`STORE_ROWS`].
fn weigh(bench: &Bench<'_>, store: &Path, step: &mut Step) -> Result<(), Error> {
    for (row, without) in [(STORE, None), (STORE_ADDED, Some(bench.ready))] {
        let room = Room::of(store, without)?;
        step.add(row, Some(float(room.unique)), Some(float(room.bytes)));
        if without.is_some() {
            step.tell(format!(
                "A cold build adds {} of different contents to the store, in files of {}, and copies of the programs for \
                 people, {}; on the disk {} are allocated for all of them and their folders.",
                bytes(room.unique),
                bytes(room.bytes),
                bytes(room.results),
                bytes(room.allocated),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_has_a_name_of_its_own_and_rows_with_different_names() {
        let names: Vec<&str> = PARTS.iter().map(|part| part.name).collect();
        assert!(names.iter().all(|name| names.iter().filter(|other| *other == name).count() == 1));
        for part in PARTS.iter().chain(SAMPLE) {
            let Rows::Of(specs) = part.rows else { continue };
            let titles: Vec<String> = specs.iter().map(Spec::title).collect();
            assert!(
                titles.iter().all(|one| titles.iter().filter(|other| *other == one).count() == 1),
                "{}",
                part.name
            );
        }
    }

    #[test]
    fn figures_without_a_row_are_refused() {
        let mut step = Step::named("round 1");
        step.add("a row that nobody has", None, Some(1.0));
        let error = projects::RIPGREP.check(&step).unwrap_err().to_string();
        assert!(error.contains("`ripgrep` has no row for `a row that nobody has`"), "{error}");
    }

    #[test]
    fn a_sample_has_one_round_and_named_steps_are_never_repeated() {
        assert_eq!(projects::RIPGREP.steps(Extent::Sample, Some(7)), ["round 1"]);
        assert_eq!(projects::RIPGREP.steps(Extent::Full, Some(2)), ["round 1", "round 2"]);
        assert_eq!(projects::RIPGREP.steps(Extent::Full, None).len(), 5);
        assert_eq!(growth::PART.steps(Extent::Full, Some(7)).len(), 3);
    }
}
