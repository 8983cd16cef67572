//! The cargo side: one action in the same sandbox, over the same trees, in which a shell calls cargo and says when.
//!
//! The shell's marks are stamped when they arrive here, so that setting the sandbox up is no part of a figure; the
//! processor time is what the shell says of its children. Before each phase it waits at a gate, so that both
//! sides take turns: a machine that is slower for some minutes is so for both.

use std::io::{PipeReader, PipeWriter, Write as _};
use std::os::fd::{AsRawFd as _, RawFd};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use xbuild_action::{Cancel, ContentExt as _, Observer, Outcome, Running, Stream};
use xbuild_realise::RealiseError;
use xtask_ground::cargo::{LOG, call, inputs};
use xtask_ground::{Ground, Plan, Script, limits, quoted};

use crate::error::Error;
use crate::measure::Sample;
use crate::project::Project;
use crate::slices::Stopped;

/// Something that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// From nothing built.
    Cold,
    /// Nothing has changed.
    Unchanged,
    /// A comment was added to the leaf crate.
    Edited,
}

/// What lets the shell go on: a pipe that it has a number of.
#[derive(Debug)]
pub(crate) struct Gate {
    read: PipeReader,
    write: PipeWriter,
}

impl Gate {
    /// To be called before much else is opened: a POSIX shell redirects from descriptors of one digit only.
    pub(crate) fn new() -> Result<Self, Error> {
        let (read, write) = std::io::pipe()?;
        if read.as_raw_fd() > 9 {
            return Err(std::io::Error::other("too many files are open for a gate").into());
        }
        Ok(Self { read, write })
    }

    fn number(&self) -> RawFd {
        self.read.as_raw_fd()
    }
}

/// Cargo in its sandbox, waiting for its next phase.
pub(crate) struct Waiting<'w> {
    gate: &'w Gate,
    project: &'static str,
    phases: std::slice::Iter<'w, Phase>,
    marks: Receiver<Mark>,
    /// For how long it has been stopped, which is no part of any figure.
    pub(crate) stopped: Stopped,
}

/// When a line came, and the line.
type Mark = (Duration, String);

/// Has cargo wait in its sandbox for these phases while `work` calls for them, one by one, all of them.
pub(crate) fn beside<T>(
    ground: &Ground,
    plan: &Plan,
    project: &Project,
    gate: &Gate,
    phases: &[Phase],
    work: impl FnOnce(&mut Waiting<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    let script = script(plan, project, phases, gate.number());
    let cancel = Cancel::default();
    std::thread::scope(|scope| {
        let (say, marks) = channel();
        let stopped = Stopped::default();
        let stopwatch = Stopwatch { start: Instant::now(), stopped: stopped.clone(), marks: say };
        let runner = scope.spawn(|| run(ground, plan, &script, gate, &cancel, stopwatch));
        let phases = phases.iter();
        let worked = work(&mut Waiting { gate, project: project.name, phases, marks, stopped });
        // It ends now and not before: when it is reaped, all that its processes have used counts as this process's
        // children's, and would be taken for xbuild's.
        let worked = worked.and_then(|value| {
            (&gate.write).write_all(b"end\n")?;
            Ok(value)
        });
        if worked.is_err() {
            cancel.cancel();
        }
        let ran = runner.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        match (worked, ran) {
            (worked, Ok(()) | Err(Error::Realise(RealiseError::Cancelled))) => worked,
            // Why nothing more was heard of it.
            (_, Err(failed)) => Err(failed),
        }
    })
}

impl Waiting<'_> {
    /// Runs the next phase; its figures, and for a cold one how many programs cargo started.
    pub(crate) fn run(&mut self) -> Result<(Sample, usize), Error> {
        let project = self.project;
        let wrong = |problem: String| Error::NotComparable { project, problem };
        let Some(phase) = self.phases.next() else {
            return Err(wrong("cargo has no more to do".to_owned()));
        };
        (&self.gate.write).write_all(b"go\n")?;
        let marks: Vec<Mark> = self.marks.iter().take(MARKS).collect();
        let Some((sample, count)) = read(&marks) else {
            return Err(wrong(format!("cargo's side said what can't be understood: {marks:?}")));
        };
        match (phase, count) {
            (Phase::Cold | Phase::Edited, 0) => Err(wrong("cargo built nothing".to_owned())),
            (Phase::Unchanged, 1..) => Err(wrong("cargo built something anew for nothing".to_owned())),
            _ => Ok((sample, count)),
        }
    }
}

/// Runs the script, and says what it writes to standard output.
fn run(
    ground: &Ground,
    plan: &Plan,
    script: &str,
    gate: &Gate,
    cancel: &Cancel,
    mut stopwatch: Stopwatch,
) -> Result<(), Error> {
    let script = Script {
        text: script,
        folder: &plan.sources.workspace,
        inputs: &inputs(plan),
        limits: limits(),
        descriptors: vec![gate.number()],
    };
    let (problem, result) = match script.run(&ground.sandbox, cancel, &mut stopwatch) {
        Outcome::Succeeded(..) => return Ok(()),
        Outcome::Failed(result) => (format!("exit code {}", result.exit_code), result),
        Outcome::OverLimit { limit, result } => (format!("over its limit: {limit}"), result),
        Outcome::Cancelled => return Err(RealiseError::Cancelled.into()),
        Outcome::Broken(error) => return Err(error.into()),
    };
    let output = String::from_utf8_lossy(&ground.store.get(result.stderr)?).into_owned();
    Err(Error::Failed { command: "cargo build".to_owned(), problem, output })
}

struct Stopwatch {
    start: Instant,
    stopped: Stopped,
    marks: Sender<Mark>,
}

impl Observer for Stopwatch {
    fn line(&mut self, stream: Stream, line: &[u8], _: &dyn Running) {
        if stream == Stream::Out {
            let time = self.start.elapsed().saturating_sub(self.stopped.total());
            // Nobody hears it once the other side has failed.
            let _ = self.marks.send((time, String::from_utf8_lossy(line).into_owned()));
        }
    }
}

/// How many lines a phase prints.
const MARKS: usize = 7;

/// What the shell does. It waits for a line from descriptor `gate` at its end, and before each phase, which prints
///
/// ```text
/// 0m0.00s 0m0.00s      the shell's own time
/// 0m1.23s 0m0.45s      its children's, user and system
/// begin
/// end
/// 0m0.00s 0m0.00s
/// 0m9.87s 0m0.65s
/// 123                  how many programs were started (cold), or crates compiled
/// ```
fn script(plan: &Plan, project: &Project, phases: &[Phase], gate: RawFd) -> String {
    let mut script = String::new();
    for phase in phases {
        let verbose = *phase == Phase::Cold;
        script.push_str(&format!("read go <&{gate} || exit 1\n"));
        if *phase == Phase::Edited {
            let leaf = quoted(project.leaf());
            script.push_str(&format!("echo '// edited' >> {leaf} || exit 1\n"));
        }
        let calls: Vec<String> = plan.graphs.iter().map(|graph| call(graph, verbose)).collect();
        let counted = if verbose { " *Running `" } else { " *Compiling " };
        script.push_str(&format!(
            "times\necho begin\n{{ {}; }} > {LOG} 2>&1 || {{ cat {LOG} >&2; exit 1; }}\necho end\ntimes\n\
             grep -c {} {LOG}\n",
            calls.join(" && "),
            quoted(&format!("^{counted}")),
        ));
    }
    script + &format!("read end <&{gate} && exit 0\n")
}

/// The phase that [`script`]'s marks tell of: what it took, and how much was built.
fn read(marks: &[Mark]) -> Option<(Sample, usize)> {
    let [(_, _), (_, before), (start, begin), (stop, end), (_, _), (_, after), (_, count)] = marks else {
        return None;
    };
    let is_phase = begin == "begin" && end == "end";
    let wall = is_phase.then(|| stop.saturating_sub(*start))?;
    let cpu = children(after)?.saturating_sub(children(before)?);
    Some((Sample { wall, cpu }, count.trim().parse().ok()?))
}

/// User and system time of a line of `times`, as in `1m2.34s 0m5.67s`, together.
fn children(line: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    for time in line.split_whitespace() {
        let (minutes, seconds) = time.strip_suffix('s')?.split_once('m')?;
        let minutes: u64 = minutes.parse().ok()?;
        total +=
            Duration::from_secs(minutes * 60) + Duration::try_from_secs_f64(seconds.parse().ok()?).ok()?;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(lines: &[(u64, &str)]) -> Vec<Mark> {
        lines.iter().map(|&(at, line)| (Duration::from_millis(at), line.to_owned())).collect()
    }

    #[test]
    fn a_phase_is_what_lies_between_its_marks() {
        let mut lines = vec![
            (1, "0m0.00s 0m0.00s"),
            (1, "0m1.00s 0m0.50s"),
            (2, "begin"),
            (1502, "end"),
            (1503, "0m0.01s 0m0.00s"),
            (1503, "1m2.25s 0m0.75s"),
            (1510, "42"),
        ];
        let sample = Sample { wall: Duration::from_millis(1500), cpu: Duration::from_millis(61_500) };
        assert_eq!(read(&marks(&lines)), Some((sample, 42)));
        lines.truncate(5);
        assert_eq!(read(&marks(&lines)), None);
    }
}
