//! A program that is run and watched from outside.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use xtask_ground::processor_time;

use crate::error::Error;
use crate::measure::Sample;
use crate::slices::Slices;

/// How often the memory of the process is looked at. What is read is a high-water mark: only what it grows by in
/// its last moments is missed.
const LOOK: Duration = Duration::from_millis(10);

/// What a program took and said.
#[derive(Debug, Clone)]
pub(crate) struct Called {
    pub(crate) sample: Sample,
    /// The largest resident set of the process itself, in bytes.
    pub(crate) peak_memory: u64,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a program to its end; that it fails is an error. With `slices` it runs by turns with something else, and
/// only its own turns count.
pub(crate) fn call(command: &mut Command, slices: Option<&Slices>) -> Result<Called, Error> {
    let shown = shown(command);
    let not_run = |source| Error::Start { program: shown.clone(), source };
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());

    let before = processor_time()?;
    let start = Instant::now();
    let child = command.spawn().map_err(&not_run)?;
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
    let (output, wall) = output.map_err(&not_run)?;
    let stopped = slices.map(|slices| slices.xbuild_stopped.total()).unwrap_or_default();
    let wall = wall.saturating_sub(stopped);
    let cpu = processor_time()?.saturating_sub(before);
    let [stdout, stderr] =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    if !output.status.success() {
        return Err(Error::Failed { command: shown, problem: output.status.to_string(), output: stderr });
    }
    Ok(Called { sample: Sample { wall, cpu }, peak_memory, stdout, stderr })
}

/// A command line, as people write it.
fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_high_water_mark_is_in_bytes() {
        assert_eq!(high_water_mark("Name:\tx\nVmHWM:\t    1024 kB\nVmRSS:\t  512 kB\n"), Some(1 << 20));
        assert_eq!(high_water_mark("Name:\tx\n"), None, "a process that has ended has none");
    }

    #[test]
    fn what_a_program_says_is_kept_and_its_failure_is_told() {
        let shell = |script: &str| call(Command::new("sh").args(["-c", script]), None);
        let Called { stdout, stderr, .. } = shell("echo out; echo err >&2").unwrap();
        assert_eq!([stdout.as_str(), stderr.as_str()], ["out\n", "err\n"]);
        let failed = shell("echo why >&2; exit 3").unwrap_err().to_string();
        assert!(
            failed.contains("`sh -c echo why >&2; exit 3` failed") && failed.contains("why\n"),
            "{failed}"
        );
    }
}
