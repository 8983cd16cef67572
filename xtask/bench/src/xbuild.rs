//! The xbuild side.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use xtask_ground::TARGETS;

use crate::error::Error;
use crate::measure::Sample;
use crate::process::{Called, call};
use crate::project::Project;
use crate::slices::Slices;

/// What one call of xbuild took and said.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ran {
    pub(crate) sample: Sample,
    /// In bytes.
    peak_memory: u64,
    /// `None` when it says nothing of units: there was nothing to look at.
    units: Option<Units>,
}

/// What xbuild says at the end of a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Units {
    total: usize,
    built: usize,
}

/// Runs `xbuild all`. Everything must be in the store already, unless `fetch`. With `slices` it runs by turns with
/// something else, and only its own turns count.
pub(crate) fn all(
    program: &Path,
    store: &Path,
    project: &Path,
    fetch: Fetch,
    slices: Option<&Slices>,
) -> Result<Ran, Error> {
    let mut command = Command::new(program);
    command.args(["all", "--release"]);
    for target in TARGETS {
        command.args(["--target", target]);
    }
    if fetch == Fetch::Never {
        command.arg("--offline");
    }
    command.arg("--project").arg(project).env("XBUILD_STORE", store);
    let Called { sample, peak_memory, stderr, .. } = call(&mut command, slices)?;
    Ok(Ran { sample, peak_memory, units: units(&stderr) })
}

/// Whether xbuild may use the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fetch {
    /// For what isn't there yet.
    Missing,
    /// Nothing may be missing.
    Never,
}

/// How many units were built, by what xbuild said.
pub(crate) fn built(said: &str) -> usize {
    units(said).map_or(0, |units| units.built)
}

/// From the last line `… 12 units: 8 built, 4 cached`.
fn units(said: &str) -> Option<Units> {
    let mut lines = said.lines().rev();
    let (before, after) =
        lines.find_map(|line| line.split_once(" units: ").or_else(|| line.split_once(" unit: ")))?;
    let total = before.split_whitespace().last()?.parse().ok()?;
    let built = after.split_once(" built")?.0.trim().parse().ok()?;
    Some(Units { total, built })
}

/// The xbuild side of a round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round<'r> {
    pub(crate) program: &'r Path,
    /// The round's own store, made by [`crate::stores::fresh`].
    pub(crate) store: &'r Path,
    pub(crate) project: &'r Project,
    /// The workspace's folder in a copy of the project.
    pub(crate) copy: &'r Path,
    /// The same in another copy.
    pub(crate) elsewhere: &'r Path,
}

/// A cold build.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cold {
    pub(crate) sample: Sample,
    pub(crate) peak_memory: u64,
    pub(crate) executed: usize,
    pub(crate) units: usize,
}

impl Round<'_> {
    /// Builds with nothing built.
    pub(crate) fn cold(&self, slices: &Slices) -> Result<Cold, Error> {
        let Ran { sample, peak_memory, units } = self.all(self.copy, Some(slices))?;
        let Some(Units { total, built }) = units else {
            return self.wrong("xbuild doesn't say how many units it built");
        };
        Ok(Cold { sample, peak_memory, executed: built, units: total })
    }

    /// Builds once more, with nothing changed.
    pub(crate) fn unchanged(&self) -> Result<Sample, Error> {
        self.nothing(self.copy, "xbuild built something anew for nothing")
    }

    /// Builds the other copy.
    pub(crate) fn elsewhere(&self) -> Result<Sample, Error> {
        self.nothing(self.elsewhere, "xbuild built something anew in another folder")
    }

    /// Adds a comment to the leaf crate, and builds.
    pub(crate) fn edited(&self, slices: &Slices) -> Result<Sample, Error> {
        let leaf = self.copy.join(self.project.leaf());
        fs_err::OpenOptions::new().append(true).open(leaf)?.write_all(b"// edited\n")?;
        let ran = self.all(self.copy, Some(slices))?;
        match ran.units {
            None | Some(Units { built: 0, .. }) => self.wrong("xbuild built nothing after an edit"),
            _ => Ok(ran.sample),
        }
    }

    fn all(&self, copy: &Path, slices: Option<&Slices>) -> Result<Ran, Error> {
        all(self.program, self.store, copy, Fetch::Never, slices)
    }

    fn nothing(&self, copy: &Path, otherwise: &str) -> Result<Sample, Error> {
        let ran = self.all(copy, None)?;
        match ran.units {
            Some(Units { built: 1.., .. }) => self.wrong(otherwise),
            _ => Ok(ran.sample),
        }
    }

    fn wrong<T>(&self, problem: &str) -> Result<T, Error> {
        Err(Error::NotComparable { project: self.project.name, problem: problem.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_count_of_units_is_read() {
        let said =
            "    Finished 20 units: 20 built, 0 cached\n    Finished 12 units: 8 built, 4 cached\nmore\n";
        assert_eq!(units(said), Some(Units { total: 12, built: 8 }));
        assert_eq!(units("    Finished 1 unit: 1 built, 0 cached\n"), Some(Units { total: 1, built: 1 }));
        assert_eq!(units("Finished\n"), None);
    }
}
