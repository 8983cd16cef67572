//! The cargo side: one action in the same sandbox, over the same trees, in which a shell calls cargo and says when.
//!
//! The shell's marks are stamped when they arrive here, so that setting the sandbox up is no part of a figure; the
//! processor time is what the shell says of its children. Before each phase it waits at a gate, so that both
//! sides take turns: a machine that is slower for some minutes is so for both.

use std::collections::BTreeMap;
use std::io::{PipeReader, PipeWriter, Write as _};
use std::os::fd::{AsRawFd as _, RawFd};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

use xbuild_action::{Cancel, ContentExt as _, File, InputRoot, Observer, Outcome, Running, Stream};
use xbuild_base::RelPath;
use xbuild_realise::RealiseError;
use xtask_ground::cargo::inputs;
use xtask_ground::{Ground, Plan, Script, limits};

use crate::error::Error;
use crate::measure::Sample;
use crate::script::{Built, Counts, Mark, Phase, read, script};
use crate::slices::Stopped;

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

/// What cargo builds, and when it is asked to.
pub(crate) struct Cargo<'c> {
    pub(crate) ground: &'c Ground,
    pub(crate) gate: &'c Gate,
    /// What errors call the project.
    pub(crate) project: &'static str,
    pub(crate) plan: &'c Plan,
    /// What lies in the sandbox besides.
    pub(crate) files: BTreeMap<RelPath, File>,
    pub(crate) phases: Vec<Phase>,
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

/// What a phase took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ran {
    /// Call by call.
    pub(crate) calls: Vec<Sample>,
    /// How many programs were started, or crates compiled.
    pub(crate) built: usize,
}

impl Ran {
    /// All calls together.
    pub(crate) fn total(&self) -> Sample {
        self.calls.iter().copied().sum()
    }
}

impl Cargo<'_> {
    /// Has cargo wait in its sandbox for its phases while `work` calls for them, one by one, all of them.
    pub(crate) fn beside<T>(
        &self,
        work: impl FnOnce(&mut Waiting<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let cancel = Cancel::default();
        std::thread::scope(|scope| {
            let (say, marks) = channel();
            let stopped = Stopped::default();
            let stopwatch = Stopwatch { start: Instant::now(), stopped: stopped.clone(), marks: say };
            let runner = scope.spawn(|| self.run(&cancel, stopwatch));
            let phases = self.phases.iter();
            let worked =
                work(&mut Waiting { gate: self.gate, project: self.project, phases, marks, stopped });
            // It ends now and not before: when it is reaped, all that its processes have used counts as this process's
            // children's, and would be taken for xbuild's.
            let worked = worked.and_then(|value| {
                (&self.gate.write).write_all(b"end\n")?;
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

    /// Runs the script, and says what it writes to standard output.
    fn run(&self, cancel: &Cancel, mut stopwatch: Stopwatch) -> Result<(), Error> {
        let Self { ground, gate, plan, phases, .. } = self;
        let script = script(&plan.graphs, phases, gate.number());
        let script = Script {
            text: &script,
            folder: &plan.sources.workspace,
            inputs: &InputRoot { files: self.files.clone(), ..inputs(plan) },
            limits: limits(),
            descriptors: vec![gate.number()],
        };
        let (problem, result) = match script.run(&ground.sandbox, cancel, &mut stopwatch) {
            Outcome::Succeeded(..) => return Ok(()),
            Outcome::Failed(result, _) => (format!("exit code {}", result.exit_code), result),
            Outcome::OverLimit { limit, result } => (format!("over its limit: {limit}"), result),
            Outcome::Cancelled => return Err(RealiseError::Cancelled.into()),
            Outcome::Broken(error) => return Err(error.into()),
        };
        let output = String::from_utf8_lossy(&ground.store.get(result.stderr)?).into_owned();
        Err(Error::Failed { command: "cargo build".to_owned(), problem, output })
    }
}

impl Waiting<'_> {
    /// Runs the next phase.
    pub(crate) fn run(&mut self) -> Result<Ran, Error> {
        let project = self.project;
        let wrong = |problem: String| Error::NotComparable { project, problem };
        let Some(phase) = self.phases.next() else {
            return Err(wrong("cargo has no more to do".to_owned()));
        };
        (&self.gate.write).write_all(b"go\n")?;
        let marks: Vec<Mark> = self.marks.iter().take(phase.marks()).collect();
        let Some((calls, built)) = read(&marks) else {
            return Err(wrong(format!("cargo's side said what can't be understood: {marks:?}")));
        };
        match (phase.built, built) {
            (Built::Something, 0) => Err(wrong("cargo built nothing".to_owned())),
            (Built::Nothing, 1..) => {
                let what = if phase.counts == Counts::Programs { "programs" } else { "crates" };
                Err(wrong(format!("cargo built something anew for nothing: {built} {what}")))
            }
            _ => Ok(Ran { calls, built }),
        }
    }
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
