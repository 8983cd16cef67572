//! The xbuild side.

use std::path::Path;
use std::process::Command;

use crate::error::Error;
use crate::measure::Sample;
use crate::process::{Called, call};
use crate::slices::Slices;

/// What one call of xbuild took and said.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ran {
    pub(crate) sample: Sample,
    /// The largest resident set of the process itself, in bytes.
    pub(crate) peak_memory: u64,
    /// `None` when it says nothing of units: there was nothing to look at.
    units: Option<Units>,
}

/// What xbuild says at the end of a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Units {
    total: usize,
    built: usize,
}

/// Whether xbuild may use the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fetch {
    /// For what isn't there yet.
    Missing,
    /// Nothing may be missing.
    Never,
}

/// How xbuild is called.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Xbuild<'x> {
    pub(crate) program: &'x Path,
    pub(crate) store: &'x Path,
    pub(crate) targets: &'x [&'static str],
    pub(crate) profile: &'static str,
    pub(crate) fetch: Fetch,
}

impl Xbuild<'_> {
    /// Runs `xbuild all` for a workspace's folder, with more arguments. With `slices` it runs by turns with something
    /// else, and only its own turns count.
    pub(crate) fn all(&self, project: &Path, more: &[&str], slices: Option<&Slices>) -> Result<Ran, Error> {
        let mut command = self.request(&["all"], project);
        let Called { sample, peak_memory, stderr, .. } = call(command.args(more), slices)?;
        Ok(Ran { sample, peak_memory, units: units(&stderr) })
    }

    /// Runs `xbuild store export` for what [`Self::all`] makes of a workspace's folder.
    pub(crate) fn export(&self, project: &Path, pack: &Path) -> Result<Sample, Error> {
        Ok(call(self.request(&["store", "export"], project).arg(pack), None)?.sample)
    }

    /// Runs `xbuild store import`.
    pub(crate) fn import(&self, pack: &Path) -> Result<Sample, Error> {
        let mut command = Command::new(self.program);
        command.args(["store", "import"]).arg(pack).env("XBUILD_STORE", self.store);
        Ok(call(&mut command, None)?.sample)
    }

    /// A verb for all outputs of a workspace's folder.
    fn request(&self, verb: &[&str], project: &Path) -> Command {
        let mut command = Command::new(self.program);
        command.args(verb).args(["--profile", self.profile]);
        for target in self.targets {
            command.args(["--target", target]);
        }
        if self.fetch == Fetch::Never {
            command.arg("--offline");
        }
        command.arg("--project").arg(project).env("XBUILD_STORE", self.store);
        command
    }

    /// Runs `xbuild show` for a workspace's folder.
    pub(crate) fn show(&self, project: &Path) -> Result<Sample, Error> {
        let mut command = Command::new(self.program);
        command.args(["show", "--project"]).arg(project).env("XBUILD_STORE", self.store);
        Ok(call(&mut command, None)?.sample)
    }

    /// As [`Self::all`]; it must execute something.
    pub(crate) fn something(
        &self,
        project: &Path,
        more: &[&str],
        slices: Option<&Slices>,
    ) -> Result<Ran, Error> {
        let ran = self.all(project, more, slices)?;
        if ran.executed() == 0 {
            return Err(self.wrong(project, "xbuild built nothing where it had to"));
        }
        Ok(ran)
    }

    /// As [`Self::all`]; it must execute nothing.
    pub(crate) fn nothing(&self, project: &Path, more: &[&str]) -> Result<Ran, Error> {
        let ran = self.all(project, more, None)?;
        if ran.executed() > 0 {
            return Err(self.wrong(project, "xbuild built something anew for nothing"));
        }
        Ok(ran)
    }

    fn wrong(&self, project: &Path, problem: &str) -> Error {
        Error::Unexpected { path: project.to_owned(), problem: problem.to_owned() }
    }
}

impl Ran {
    /// How many actions it executed.
    pub(crate) fn executed(&self) -> usize {
        self.units.map_or(0, |units| units.built)
    }

    /// How many units it looked at, each counted in each graph that has it.
    pub(crate) fn units(&self) -> usize {
        self.units.map_or(0, |units| units.total)
    }
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
