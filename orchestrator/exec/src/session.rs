//! One run of the helper, seen from the parent.

use std::io::Read;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use xbuild_action::{ExecutionError, Missed, Observed, Observer, Request, Running, Stream};

use crate::cgroup::Group;
use crate::channel;
use crate::limits::bytes_in_words;
use crate::specification::{Failure, Report};
use crate::streams::Capture;
use crate::watch::Watch;
use crate::zygote::{Forked, Process};

/// How often it is looked at what nobody tells: the cgroup, and a cancellation where there is no bell for it.
const PROMPTLY: Duration = Duration::from_millis(200);

/// How long the helper may take to end the sandbox before it is killed itself.
const GRACE: Duration = Duration::from_secs(5);

/// Why a sandbox was stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The run was.
    Cancelled,
    /// It took too long.
    Time,
    /// Another limit, in words.
    Over(String),
}

/// How a helper's work ended.
#[derive(Debug)]
pub(crate) enum End {
    /// The program ended.
    Ended {
        /// As `wait` gives it.
        status: i32,
        /// User and system time.
        cpu: Duration,
        /// In bytes.
        peak_memory: u64,
        /// What it was seen to look at.
        observed: Observed,
        /// What it looked for last and did not find.
        missed: Missed,
    },
    /// It was stopped.
    Stopped(Stop),
    /// The sandbox could not be set up.
    Failed(Failure),
    /// The helper died.
    Vanished,
}

/// What a program printed, and how it ended.
pub(crate) struct Heard {
    pub(crate) stdout: Capture,
    pub(crate) stderr: Capture,
    pub(crate) end: End,
}

/// A helper and the socket to it. Dropping it ends the sandbox and waits for that.
#[derive(Debug)]
pub(crate) struct Session {
    process: Process,
    socket: UnixStream,
    output: Option<[Pipe; 2]>,
    stopped: Option<Instant>,
    waited: bool,
}

impl Session {
    pub(crate) fn new(forked: Forked) -> Self {
        let (process, socket, stdout, stderr) = forked.split();
        Self { process, socket, output: Some([stdout, stderr]), stopped: None, waited: false }
    }

    /// The helper's process id.
    pub(crate) fn helper(&self) -> u32 {
        self.process.pid
    }

    /// The socket to the helper.
    pub(crate) fn socket(&mut self) -> &mut UnixStream {
        &mut self.socket
    }

    /// Asks the helper to kill the sandbox.
    pub(crate) fn stop(&mut self) {
        if self.stopped.is_none() {
            self.stopped = Some(Instant::now());
            let _ = self.socket.shutdown(std::net::Shutdown::Write);
        }
    }

    fn wait(&mut self) -> Result<(), ExecutionError> {
        self.process.wait(None).map_err(io("wait for the sandbox's helper"))?;
        self.waited = true;
        Ok(())
    }

    /// Listens until the helper and everything below it has ended; for a probe.
    pub(crate) fn reports(mut self) -> Result<Vec<Report>, ExecutionError> {
        let mut text = Vec::new();
        (&self.socket).read_to_end(&mut text).map_err(io("hear the sandbox's helper"))?;
        self.wait()?;
        Ok(parse(&text))
    }

    /// Listens to everything until the helper and everything below it has ended.
    pub(crate) fn listen(
        mut self,
        request: &Request<'_>,
        group: Option<&Group>,
        folder: &Path,
        observer: &mut dyn Observer,
        running: &dyn Running,
    ) -> Result<Heard, ExecutionError> {
        let [stdout, stderr] = self.output.take().map_or([None, None], |output| output.map(Some));
        let mut ears = [Ear::new(stdout, Stream::Out, folder), Ear::new(stderr, Stream::Err, folder)];
        let mut guard = Guard::new(request, group);
        let mut said = Vec::new();
        let mut said_all = false;
        let mut buffer = vec![0_u8; 64 << 10];
        let mut stop = None;
        while !said_all || ears.iter().any(|ear| ear.pipe.is_some()) {
            let bell = request.cancel.bell().filter(|_| stop.is_none());
            let patience = self.patience(&guard, bell.is_some());
            let [out, err, socket] = self.poll(&ears, said_all, bell, patience)?;
            for (ear, ready) in ears.iter_mut().zip([out, err]) {
                if ready {
                    ear.hear(&mut buffer, observer, running)?;
                }
            }
            if socket {
                let (count, descriptor) = channel::hear(&self.socket, &mut buffer)
                    .map_err(|error| io("hear the sandbox's helper")(error.into()))?;
                said_all = count == 0;
                said.extend_from_slice(&buffer[..count]);
                guard.heard(&said, descriptor)?;
            }
            if stop.is_none() {
                stop = guard.check(request, &ears)?;
            }
            if stop.is_some() {
                self.stop();
            }
            if self.stopped.is_some_and(|since| since.elapsed() > GRACE) {
                // The helper itself hangs; init follows its death.
                self.process.kill().map_err(io("kill the sandbox's helper"))?;
                self.stopped = Some(Instant::now());
            }
        }
        self.wait()?;
        let exceeded = group.map(Group::exceeded).transpose().map_err(io("read the cgroup"))?.flatten();
        let end = match stop.or(exceeded.map(Stop::Over)) {
            Some(stop) => End::Stopped(stop),
            None => end(parse(&said)),
        };
        let [out, err] = ears.map(|ear| ear.capture);
        Ok(Heard { stdout: out, stderr: err, end })
    }

    /// How long nothing has to be looked at; `None` is for ever.
    fn patience(&self, guard: &Guard<'_>, has_bell: bool) -> Option<Duration> {
        let now = Instant::now();
        let next = match self.stopped {
            Some(since) => Some(since + GRACE),
            None => [guard.next(), (!has_bell).then(|| now + PROMPTLY)].into_iter().flatten().min(),
        };
        next.map(|next| next.saturating_duration_since(now))
    }

    /// Waits until something can be read, or `bell` rings, for `patience` at most. Whether there is something on
    /// standard output, standard error and the socket.
    fn poll(
        &self,
        ears: &[Ear; 2],
        said_all: bool,
        bell: Option<BorrowedFd<'_>>,
        patience: Option<Duration>,
    ) -> Result<[bool; 3], ExecutionError> {
        let mut polled = Vec::with_capacity(4);
        let mut which = Vec::with_capacity(3);
        for (index, ear) in ears.iter().enumerate() {
            if let Some(pipe) = &ear.pipe {
                polled.push(PollFd::new(pipe, PollFlags::IN));
                which.push(index);
            }
        }
        if !said_all {
            polled.push(PollFd::new(&self.socket, PollFlags::IN));
            which.push(2);
        }
        // Behind the others: `which` doesn't name it.
        polled.extend(bell.map(|bell| PollFd::from_borrowed_fd(bell, PollFlags::IN)));
        // One that no clock can say is for ever.
        let timeout = patience.and_then(|patience| Timespec::try_from(patience).ok());
        let mut ready = [false; 3];
        match rustix::event::poll(&mut polled, timeout.as_ref()) {
            Ok(_) => {
                for (fd, index) in polled.iter().zip(which) {
                    ready[index] = !fd.revents().is_empty();
                }
                Ok(ready)
            }
            Err(rustix::io::Errno::INTR) => Ok(ready),
            Err(error) => Err(io("wait for the sandbox")(error.into())),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.waited {
            return;
        }
        self.stop();
        if matches!(self.process.wait(Some(GRACE)), Ok(false)) {
            let _ = self.process.kill();
            let _ = self.process.wait(None);
        }
    }
}

/// One of the two output pipes.
struct Ear {
    pipe: Option<Pipe>,
    stream: Stream,
    capture: Capture,
}

type Pipe = OwnedFd;

impl Ear {
    fn new(pipe: Option<Pipe>, stream: Stream, folder: &Path) -> Self {
        let name = match stream {
            Stream::Out => "stdout",
            Stream::Err => "stderr",
        };
        Self { pipe, stream, capture: Capture::new(folder.join(name)) }
    }

    fn hear(
        &mut self,
        buffer: &mut [u8],
        observer: &mut dyn Observer,
        running: &dyn Running,
    ) -> Result<(), ExecutionError> {
        let Some(pipe) = &self.pipe else { return Ok(()) };
        match rustix::io::read(pipe, &mut *buffer) {
            Ok(0) => self.pipe = None,
            Ok(count) => {
                let stream = self.stream;
                self.capture.push(&buffer[..count], &mut |line| observer.line(stream, line, running))?;
            }
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            Err(error) => return Err(io("read what the program prints")(error.into())),
        }
        Ok(())
    }
}

/// Keeps the limits that need somebody to look.
struct Guard<'a> {
    deadline: Option<Instant>,
    limits: xbuild_action::Limits,
    group: Option<&'a Group>,
    group_next: Instant,
    watch: Option<Watch>,
    has_watched: bool,
}

impl<'a> Guard<'a> {
    fn new(request: &Request<'_>, group: Option<&'a Group>) -> Self {
        Self {
            // None when it lies beyond what a clock can say.
            deadline: Instant::now().checked_add(request.limits.time),
            limits: request.limits,
            group,
            group_next: Instant::now() + PROMPTLY,
            watch: None,
            has_watched: false,
        }
    }

    /// Begins to watch once it has the sandbox's `/proc`, and ends once the program has ended: init goes then, and the
    /// helper may still have something to do. A sandbox that can't be watched has no limits, and must not run.
    fn heard(&mut self, said: &[u8], processes: Option<OwnedFd>) -> Result<(), ExecutionError> {
        if self.group.is_some() {
            return Ok(());
        }
        if let Some(processes) = processes {
            self.watch = Some(Watch::new(processes, &self.limits));
            self.has_watched = true;
        }
        let reports = parse(said);
        if !self.has_watched && reports.contains(&Report::Started) {
            // The kernel drops a descriptor for which whoever receives it has no room (unix(7), SCM_RIGHTS).
            let source = rustix::io::Errno::MFILE.into();
            return Err(ExecutionError::Sandbox { step: "receive the sandbox's /proc".to_owned(), source });
        }
        if reports.iter().any(|report| matches!(report, Report::Ended { .. } | Report::Failed(_))) {
            self.watch = None;
        }
        Ok(())
    }

    /// When something has to be looked at next.
    fn next(&self) -> Option<Instant> {
        let group = self.group.map(|_| self.group_next);
        [self.deadline, self.watch.as_ref().map(Watch::next), group].into_iter().flatten().min()
    }

    fn check(&mut self, request: &Request<'_>, ears: &[Ear; 2]) -> Result<Option<Stop>, ExecutionError> {
        if request.cancel.is_cancelled() {
            return Ok(Some(Stop::Cancelled));
        }
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Ok(Some(Stop::Time));
        }
        if ears.iter().any(|ear| ear.capture.total() > self.limits.file_size) {
            return Ok(Some(Stop::Over(bytes_in_words("printed text", self.limits.file_size))));
        }
        let over = match (&mut self.watch, self.group) {
            (Some(watch), _) => watch.look(),
            (None, Some(group)) if self.group_next <= Instant::now() => {
                self.group_next = Instant::now() + PROMPTLY;
                group.exceeded()
            }
            _ => Ok(None),
        };
        let step = "watch the sandbox's processes".to_owned();
        Ok(over.map_err(|source| ExecutionError::Sandbox { step, source })?.map(Stop::Over))
    }
}

fn parse(said: &[u8]) -> Vec<Report> {
    // A line that was cut short by a death is no report.
    said.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

fn end(reports: Vec<Report>) -> End {
    // A failure comes before the end that it causes.
    let (mut ended, mut seen, mut missing) = (None, None, Missed::new());
    for report in reports {
        match report {
            Report::Failed(failure) => return End::Failed(failure),
            Report::Ended { status, cpu, peak_memory } => ended = Some((status, cpu, peak_memory)),
            Report::Observed(observed, missed) => (seen, missing) = (observed, missed),
            Report::Started | Report::Works => {}
        }
    }
    match ended {
        Some((status, cpu, peak_memory)) => End::Ended {
            status,
            cpu: Duration::from_micros(cpu),
            peak_memory,
            observed: seen,
            missed: missing,
        },
        None => End::Vanished,
    }
}

fn io(doing: &str) -> impl FnOnce(std::io::Error) -> ExecutionError {
    let doing = doing.to_owned();
    move |source| ExecutionError::Io { doing, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sandbox_that_can_t_be_watched_is_an_error() {
        let said = |report: &Report| [serde_json::to_vec(report).unwrap(), b"\n".to_vec()].concat();
        let limits = xbuild_action::Limits::default();
        let new = || Guard {
            deadline: None,
            limits,
            group: None,
            group_next: Instant::now(),
            watch: None,
            has_watched: false,
        };
        let error = new().heard(&said(&Report::Started), None).unwrap_err();
        assert!(matches!(error, ExecutionError::Sandbox { .. }), "{error}");

        let mut guard = new();
        let processes = fs_err::File::open("/proc").unwrap().into_file().into();
        guard.heard(&said(&Report::Started), Some(processes)).unwrap();
        assert!(guard.watch.is_some());
        let failed = Report::Failed(Failure { step: "x".to_owned(), errno: 1 });
        guard.heard(&[said(&Report::Started), said(&failed)].concat(), None).unwrap();
        assert!(guard.watch.is_none());
    }
}
