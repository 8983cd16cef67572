//! The xbuild side: the program is run and watched from outside.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

use crate::error::Error;
use crate::measure::Sample;
use crate::project::{Project, TARGETS};
use crate::slices::Slices;

/// How often the memory of the process is looked at. What is read is a high-water mark: only what it grows by in
/// its last moments is missed.
const LOOK: Duration = Duration::from_millis(10);

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
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());

    let before = processor_time()?;
    let start = Instant::now();
    let child = command.spawn();
    let child = child.map_err(|source| Error::Start { program: program.display().to_string(), source })?;
    if let Some(slices) = slices {
        slices.started(child.id());
    }
    let status = Path::new("/proc").join(child.id().to_string()).join("status");
    let ended = AtomicBool::new(false);
    let (output, peak_memory) = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| watch(&status, &ended));
        let output = child.wait_with_output().map(|output| (output, start.elapsed()));
        ended.store(true, Ordering::SeqCst);
        (output, watcher.join().unwrap_or_default())
    });
    let (output, wall) =
        output.map_err(|source| Error::Start { program: program.display().to_string(), source })?;
    let stopped = slices.map(|slices| slices.xbuild_stopped.total()).unwrap_or_default();
    let wall = wall.saturating_sub(stopped);
    let cpu = processor_time()?.saturating_sub(before);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        let command = "xbuild all".to_owned();
        return Err(Error::Failed { command, problem: output.status.to_string(), output: said });
    }
    Ok(Ran { sample: Sample { wall, cpu }, peak_memory, units: units(&said) })
}

/// Whether xbuild may use the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fetch {
    /// For what isn't there yet.
    Missing,
    /// Nothing may be missing.
    Never,
}

/// The processor time of all children that have ended, and of theirs.
fn processor_time() -> Result<Duration, Error> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).map_err(std::io::Error::from)?;
    let duration = |time: TimeVal| {
        let seconds = u64::try_from(time.tv_sec()).unwrap_or_default();
        Duration::from_secs(seconds)
            + Duration::from_micros(u64::try_from(time.tv_usec()).unwrap_or_default())
    };
    Ok(duration(usage.user_time()) + duration(usage.system_time()))
}

/// The high-water mark of a process's resident set, in bytes, until it has ended.
fn watch(status: &Path, ended: &AtomicBool) -> u64 {
    let mut peak = 0;
    while !ended.load(Ordering::SeqCst) {
        let text = fs_err::read_to_string(status).unwrap_or_default();
        peak = peak.max(high_water_mark(&text).unwrap_or_default());
        std::thread::sleep(LOOK);
    }
    peak
}

/// `VmHWM` of `/proc/PID/status`, in bytes.
fn high_water_mark(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes << 10)
}

/// From the last line `… 12 units: 8 built, 4 cached`.
fn units(said: &str) -> Option<Units> {
    let (before, after) = said.lines().rev().find_map(|line| line.split_once(" units: "))?;
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
        assert_eq!(units("Finished\n"), None);
    }

    #[test]
    fn the_high_water_mark_is_in_bytes() {
        assert_eq!(high_water_mark("Name:\tx\nVmHWM:\t    1024 kB\nVmRSS:\t  512 kB\n"), Some(1 << 20));
        assert_eq!(high_water_mark("Name:\tx\n"), None, "a process that has ended has none");
    }

    #[test]
    fn a_child_s_processor_time_counts() {
        let before = processor_time().unwrap();
        let shell =
            Command::new("sh").args(["-c", "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done"]).status();
        assert!(shell.unwrap().success());
        assert!(processor_time().unwrap() > before);
    }
}
