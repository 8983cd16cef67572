//! What is known of each program and target: `docs/corpus.json`, which each run adds to.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use xbuild_base::{Hasher, Sha256};
use xtask_corpus::App;
use xtask_ground::Machine;

use crate::build::{Built, Units};
use crate::error::Error;

/// Raised when what is kept changes.
const FORMAT: u32 = 2;

/// A program for a target.
type Key = String;

/// All that is known.
#[derive(Debug)]
pub(crate) struct State {
    path: PathBuf,
    kept: Kept,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    format: u32,
    results: BTreeMap<Key, Outcome>,
    proofs: BTreeMap<Key, Proof>,
    #[serde(default)]
    tests: BTreeMap<Key, Tested>,
}

/// What came of building a program and running it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// What it was made of: see [`made_of`].
    pub(crate) made_of: String,
    /// The program's version.
    pub(crate) version: String,
    /// Where and when the figures were measured; it was last tried on the day of `tried`.
    pub(crate) measured: Measured,
    /// When it was last tried, as year, month and day.
    pub(crate) tried: String,
    /// How far it came.
    pub(crate) reached: Reached,
    /// Why no further.
    pub(crate) reason: Option<String>,
    /// Whether that is the machine's fault: then it is tried again.
    pub(crate) of_machine: bool,
    /// `None` when it was never built.
    pub(crate) figures: Option<Figures>,
}

/// Where and when something was measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// The machine, and the day.
    pub(crate) machine: Machine,
    /// Cargo's and rustc's release.
    pub(crate) rust: String,
}

/// How far a program came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Reached {
    /// It could not be built.
    Nothing,
    /// It was built, and doesn't do what it should.
    Built,
    /// It was built, says its version and does its job.
    Ran,
}

/// What a build took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figures {
    /// All units.
    pub(crate) units: usize,
    /// Units that were not in the store.
    pub(crate) built: usize,
    /// Seconds from start to end.
    pub(crate) wall: f64,
    /// Seconds of processor time.
    pub(crate) cpu: f64,
}

/// What came of a program's own tests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tested {
    /// What it was made of: see [`made_of`], and the tests' own entry.
    pub(crate) made_of: String,
    /// The program's version.
    pub(crate) version: String,
    /// Why it is not well.
    pub(crate) reason: Option<String>,
    /// Whether that is the machine's fault: then it is tried again.
    pub(crate) of_machine: bool,
    /// Where and when.
    pub(crate) measured: Measured,
    /// What was counted.
    pub(crate) counts: Counts,
}

/// How many tests ended how.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Counts {
    /// Test programs, and rustdoc's runs.
    pub(crate) runs: usize,
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) ignored: usize,
    /// Seconds from start to end, with building.
    pub(crate) wall: f64,
    /// Seconds of processor time.
    pub(crate) cpu: f64,
}

/// That cargo can't build a program either.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Proof {
    /// The program's version.
    pub(crate) version: String,
    /// Cargo's and rustc's release.
    pub(crate) cargo: String,
    /// In a line.
    pub(crate) summary: String,
    /// The end of cargo's log.
    pub(crate) tail: String,
}

impl Measured {
    /// Whether it was on the same machine with the same release, on whatever day.
    pub(crate) fn is_on(&self, other: &Self) -> bool {
        self.machine.is(&other.machine) && self.rust == other.rust
    }
}

impl State {
    /// Reads what a file has, if it is there.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let path = path.to_owned();
        let text = match fs_err::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self { path, kept: Kept { format: FORMAT, ..Kept::default() } });
            }
            Err(error) => return Err(error.into()),
        };
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let Format { format: found } = serde_json::from_str(&text)?;
        if found != FORMAT {
            return Err(Error::Format { path: path.display().to_string(), found, known: FORMAT });
        }
        Ok(Self { kept: serde_json::from_str(&text)?, path })
    }

    /// What came of a program's version for a target, whatever it was made of.
    pub(crate) fn outcome(&self, app: &App, target: &str) -> Option<&Outcome> {
        let outcome = self.kept.results.get(&key(app, target))?;
        (outcome.version == app.version).then_some(outcome)
    }

    /// Whether nothing new can come of building and running it once more.
    pub(crate) fn is_known(&self, app: &App, target: &str, made_of: &str) -> bool {
        self.outcome(app, target).is_some_and(|outcome| outcome.made_of == made_of && !outcome.of_machine)
    }

    /// The proof that a program's version can't be built for a target.
    pub(crate) fn proof(&self, app: &App, target: &str) -> Option<&Proof> {
        self.kept.proofs.get(&key(app, target)).filter(|proof| proof.version == app.version)
    }

    /// Keeps an outcome. A build that found everything in the store has no figures to tell: those of an earlier
    /// one of the same version stay.
    pub(crate) fn keep(&mut self, app: &App, target: &str, mut outcome: Outcome) -> Result<(), Error> {
        if let (Some(Figures { built: 0, .. }), Some(earlier)) = (outcome.figures, self.outcome(app, target))
            && earlier.figures.is_some()
        {
            (outcome.figures, outcome.measured) = (earlier.figures, earlier.measured.clone());
        }
        self.kept.results.insert(key(app, target), outcome);
        self.write()
    }

    /// What came of the tests of this version of a program.
    pub(crate) fn tested(&self, app: &App, target: &str) -> Option<&Tested> {
        self.kept.tests.get(&key(app, target)).filter(|tested| tested.version == app.version)
    }

    /// Keeps what came of a program's tests.
    pub(crate) fn keep_tested(&mut self, app: &App, target: &str, tested: Tested) -> Result<(), Error> {
        self.kept.tests.insert(key(app, target), tested);
        self.write()
    }

    /// Keeps a proof.
    pub(crate) fn keep_proof(&mut self, app: &App, target: &str, proof: Proof) -> Result<(), Error> {
        self.kept.proofs.insert(key(app, target), proof);
        self.write()
    }

    /// Another file in its place: one that was half written would be lost.
    fn write(&self) -> Result<(), Error> {
        let fresh = self.path.with_extension("new");
        fs_err::write(&fresh, serde_json::to_string_pretty(&self.kept)? + "\n")?;
        Ok(fs_err::rename(fresh, &self.path)?)
    }
}

impl Figures {
    /// Of a build that came to its end.
    pub(crate) fn of(built: &Built) -> Option<Self> {
        let Units { total, built: executed } = built.units?;
        let (wall, cpu) = (built.wall.as_secs_f64(), built.cpu.as_secs_f64());
        Some(Self { units: total, built: executed, wall, cpu })
    }
}

/// A digest of all that an outcome depends on: the entry in the list, and xbuild itself.
pub(crate) fn made_of(app: &App, xbuild: Sha256) -> Result<String, Error> {
    let mut hasher = Hasher::default();
    hasher.update(&serde_json::to_vec(app)?);
    hasher.update(xbuild.to_string().as_bytes());
    Ok(hasher.sha256().to_string())
}

/// As [`made_of`], of its tests.
pub(crate) fn tests_made_of(app: &App, xbuild: Sha256) -> Result<String, Error> {
    let mut hasher = Hasher::default();
    hasher.update(made_of(app, xbuild)?.as_bytes());
    hasher.update(&serde_json::to_vec(&app.tests)?);
    Ok(hasher.sha256().to_string())
}

fn key(app: &App, target: &str) -> Key {
    format!("{} {target}", app.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(made_of: &str, built: usize, of_machine: bool) -> Outcome {
        Outcome {
            made_of: made_of.to_owned(),
            version: xtask_corpus::list().unwrap().apps[0].version.clone(),
            measured: Measured { machine: Machine::example(), rust: "1.96.1".to_owned() },
            tried: "2026-01-02".to_owned(),
            reached: Reached::Ran,
            reason: None,
            of_machine,
            figures: Some(Figures { units: 9, built, wall: built as f64, cpu: 0.0 }),
        }
    }

    #[test]
    fn what_is_known_is_known_to_the_next_run_until_something_changes() {
        let folder = tempfile::tempdir().unwrap();
        let app = xtask_corpus::list().unwrap().apps.remove(0);
        let mut state = State::read(&folder.path().join("corpus.json")).unwrap();
        assert!(!state.is_known(&app, "t", "one"));
        state.keep(&app, "t", outcome("one", 9, false)).unwrap();
        let state = State::read(&folder.path().join("corpus.json")).unwrap();
        assert!(state.is_known(&app, "t", "one"));
        assert!(!state.is_known(&app, "t", "two") && !state.is_known(&app, "u", "one"));
        let mut newer = app;
        newer.version = "99.0.0".to_owned();
        assert_eq!(state.outcome(&newer, "t"), None);
    }

    #[test]
    fn what_the_machine_spoilt_is_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let app = xtask_corpus::list().unwrap().apps.remove(0);
        let mut state = State::read(&folder.path().join("corpus.json")).unwrap();
        state.keep(&app, "t", outcome("one", 9, true)).unwrap();
        assert!(!state.is_known(&app, "t", "one"));
    }

    #[test]
    fn figures_of_a_build_that_built_something_stay() {
        let folder = tempfile::tempdir().unwrap();
        let app = xtask_corpus::list().unwrap().apps.remove(0);
        let mut state = State::read(&folder.path().join("corpus.json")).unwrap();
        let built = |state: &State| state.outcome(&app, "t").unwrap().figures.unwrap().built;
        state.keep(&app, "t", outcome("one", 9, false)).unwrap();
        state.keep(&app, "t", outcome("two", 0, false)).unwrap();
        assert_eq!(built(&state), 9);
        state.keep(&app, "t", outcome("three", 4, false)).unwrap();
        assert_eq!(built(&state), 4);
    }

    #[test]
    fn another_format_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs_err::write(folder.path().join("corpus.json"), "{\"format\": 99}").unwrap();
        let error = State::read(&folder.path().join("corpus.json")).unwrap_err().to_string();
        assert!(error.contains("has format 99"), "{error}");
    }
}
