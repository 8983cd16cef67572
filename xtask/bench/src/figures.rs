//! All that was measured, in `docs/bench.json`: written after each step, so that what is stopped has lost no more than
//! a step and can go on, and each part can be measured alone.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use xtask_ground::Machine;

use crate::error::Error;
use crate::measure::Sample;

/// The version of the file.
const FORMAT: u32 = 1;

/// The whole file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figures {
    format: u32,
    /// By the parts' names.
    pub(crate) parts: BTreeMap<String, Measured>,
}

/// What was measured for one part of the report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// Where, and on which day.
    pub(crate) machine: Machine,
    /// The SHA-256 of the program that was measured.
    program: String,
    /// The release of rustc and cargo.
    pub(crate) rust: String,
    pub(crate) steps: Vec<Step>,
}

/// What one step of a part gave.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Step {
    pub(crate) name: String,
    /// What else is to be known of it: sentences.
    pub(crate) facts: Vec<String>,
    /// By the rows' names.
    pub(crate) readings: BTreeMap<String, Reading>,
}

/// Figures of one row, pair by pair: seconds, bytes or a number.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Reading {
    pub(crate) other: Vec<f64>,
    pub(crate) xbuild: Vec<f64>,
}

/// What tells one run from another: figures of both don't belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) machine: Machine,
    pub(crate) program: String,
    pub(crate) rust: String,
}

impl Default for Figures {
    fn default() -> Self {
        Self { format: FORMAT, parts: BTreeMap::new() }
    }
}

impl Figures {
    /// Reads the file, if there is one.
    pub(crate) fn load(path: &Path) -> Result<Self, Error> {
        let text = match fs_err::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(error.into()),
        };
        let wrong = |problem: String| Error::Unexpected { path: path.to_owned(), problem };
        let figures: Self = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        if figures.format != FORMAT {
            return Err(wrong(format!("its format is {}; this benchmark knows {FORMAT}", figures.format)));
        }
        Ok(figures)
    }

    /// Writes the file.
    pub(crate) fn save(&self, path: &Path) -> Result<(), Error> {
        let text = serde_json::to_string_pretty(self).map_err(std::io::Error::from)?;
        Ok(fs_err::write(path, text + "\n")?)
    }

    /// What there is of a part: nothing, or where it is resumed what this very program gave on this machine.
    pub(crate) fn begin(&mut self, part: &str, run: &Run, resume: bool) -> &mut Measured {
        let Run { machine, program, rust } = run.clone();
        let fresh = Measured { machine, program, rust, steps: Vec::new() };
        let measured = self.parts.entry(part.to_owned()).or_insert_with(|| fresh.clone());
        let is_same = measured.program == fresh.program && measured.machine.is(&fresh.machine);
        if !resume || !is_same {
            *measured = fresh;
        }
        measured
    }
}

impl Measured {
    /// A row's figures of all steps.
    pub(crate) fn reading(&self, row: &str) -> Option<Reading> {
        let mut readings = self.steps.iter().filter_map(|step| step.readings.get(row)).cloned();
        let mut all = readings.next()?;
        for Reading { other, xbuild } in readings {
            all.other.extend(other);
            all.xbuild.extend(xbuild);
        }
        Some(all)
    }

    /// The facts of all steps, each once.
    pub(crate) fn facts(&self) -> Vec<&str> {
        let mut facts: Vec<&str> = Vec::new();
        for fact in self.steps.iter().flat_map(|step| &step.facts) {
            if !facts.contains(&fact.as_str()) {
                facts.push(fact);
            }
        }
        facts
    }
}

impl Step {
    pub(crate) fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// Adds figures to a row: of both sides, or of one.
    pub(crate) fn add(&mut self, row: &str, other: Option<f64>, xbuild: Option<f64>) {
        let reading = self.readings.entry(row.to_owned()).or_default();
        reading.other.extend(other.map(rounded));
        reading.xbuild.extend(xbuild.map(rounded));
    }

    /// Adds samples to the rows of wall clock and processor.
    pub(crate) fn add_samples(&mut self, row: &str, other: Option<Sample>, xbuild: Option<Sample>) {
        self.add_wall(row, other, xbuild);
        let cpu = |sample: Sample| sample.cpu.as_secs_f64();
        self.add(&cpu_of(row), other.map(cpu), xbuild.map(cpu));
    }

    /// Adds samples to the row of the wall clock alone.
    pub(crate) fn add_wall(&mut self, row: &str, other: Option<Sample>, xbuild: Option<Sample>) {
        let wall = |sample: Sample| sample.wall.as_secs_f64();
        self.add(&wall_of(row), other.map(wall), xbuild.map(wall));
    }

    pub(crate) fn tell(&mut self, fact: String) {
        self.facts.push(fact);
    }
}

/// The row of the wall clock.
pub(crate) fn wall_of(row: &str) -> String {
    format!("{row}, wall")
}

/// The row of the processor.
pub(crate) fn cpu_of(row: &str) -> String {
    format!("{row}, CPU")
}

/// To the microsecond: the file is read by people too.
fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn run(program: &str) -> Run {
        Run { machine: Machine::example(), program: program.to_owned(), rust: "1.96.1".to_owned() }
    }

    fn step(name: &str, seconds: u64) -> Step {
        let mut step = Step::named(name);
        let sample = Sample { wall: Duration::from_secs(seconds), cpu: Duration::from_secs(2 * seconds) };
        step.add_samples("cold", Some(sample), Some(sample));
        step.tell("A fact.".to_owned());
        step
    }

    #[test]
    fn what_was_measured_is_there_again_and_joined_over_steps() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("bench.json");
        let mut figures = Figures::load(&path).unwrap();
        figures.begin("part", &run("a"), true).steps.extend([step("round 1", 3), step("round 2", 4)]);
        figures.save(&path).unwrap();
        let again = Figures::load(&path).unwrap();
        assert_eq!(again, figures);
        let part = &again.parts["part"];
        let reading = part.reading("cold, CPU").unwrap();
        assert_eq!(reading, Reading { other: vec![6.0, 8.0], xbuild: vec![6.0, 8.0] });
        assert_eq!(part.facts(), ["A fact."]);
        assert_eq!(part.reading("unchanged, CPU"), None);
    }

    #[test]
    fn only_the_same_program_goes_on_and_only_when_it_is_asked_to() {
        let mut figures = Figures::default();
        figures.begin("part", &run("a"), true).steps.push(step("round 1", 3));
        assert_eq!(figures.begin("part", &run("a"), true).steps.len(), 1);
        let other_day = Machine { date: "2026-01-03".to_owned(), ..Machine::example() };
        let later = Run { machine: other_day, ..run("a") };
        assert_eq!(figures.begin("part", &later, true).steps.len(), 1);
        assert_eq!(figures.begin("part", &run("b"), true).steps.len(), 0);
        figures.begin("part", &run("b"), true).steps.push(step("round 1", 3));
        assert_eq!(figures.begin("part", &run("b"), false).steps.len(), 0);
    }

    #[test]
    fn a_file_of_another_format_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("bench.json");
        fs_err::write(&path, "{\"format\": 2, \"parts\": {}}").unwrap();
        let error = Figures::load(&path).unwrap_err().to_string();
        assert!(error.contains("its format is 2; this benchmark knows 1"), "{error}");
    }
}
