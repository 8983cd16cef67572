//! Watching a sandbox's memory and number of processes where no cgroup does it.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::fs::{Dir, Mode, OFlags};
use rustix::io::Errno;
use xbuild_action::Limits;

use crate::limits::bytes_in_words;

/// How often it is looked, at most and at least.
const INTERVALS: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(1)];

/// Looking may take this part of the time.
const SHARE: u32 = 20;

/// What processes can take in a second, about: bytes of memory, and threads. The farther a limit is from what they
/// use, the later they can pass it, and the less often it is looked.
const FASTEST: Usage = Usage { memory: 8 << 30, tasks: 8192 };

/// Watches all processes of a sandbox but its init.
///
/// It looks into the sandbox's own `/proc`, where nobody but they are, and at no thread: what the kernel keeps of a
/// thread that was looked at is in the way of its process's end. Where many end at once, that takes milliseconds.
#[derive(Debug)]
pub(crate) struct Watch {
    processes: OwnedFd,
    memory: u64,
    tasks: u64,
    next: Instant,
}

/// What all processes of a sandbox use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Usage {
    /// Anonymous and shared memory, swapped out or not, in bytes: not the pages of files, which the kernel may
    /// drop and several processes share.
    memory: u64,
    /// Threads of all processes.
    tasks: u64,
}

impl Watch {
    /// `processes` is the sandbox's `/proc`.
    pub(crate) fn new(processes: OwnedFd, limits: &Limits) -> Self {
        let Limits { time: _, memory, processes: tasks, file_size: _ } = *limits;
        let mut watch = Self { processes, memory, tasks, next: Instant::now() };
        watch.next += watch.interval(Usage::default());
        watch
    }

    /// How long a limit can't be passed, from what is used now.
    fn interval(&self, usage: Usage) -> Duration {
        let thousandths = |limit: u64, used: u64, fastest: u64| {
            u128::from(limit.saturating_sub(used)) * 1000 / u128::from(fastest)
        };
        let soonest = thousandths(self.memory, usage.memory, FASTEST.memory).min(thousandths(
            self.tasks,
            usage.tasks,
            FASTEST.tasks,
        ));
        let [least, most] = INTERVALS;
        Duration::from_millis(u64::try_from(soonest).unwrap_or(u64::MAX)).clamp(least, most)
    }

    /// When to look next.
    pub(crate) fn next(&self) -> Instant {
        self.next
    }

    /// Looks, if it is time; the limit that is passed, in words.
    pub(crate) fn look(&mut self) -> std::io::Result<Option<String>> {
        let start = Instant::now();
        if start < self.next {
            return Ok(None);
        }
        let usage = usage(&self.processes)?;
        let took = start.elapsed();
        self.next = start + took + self.interval(usage).max(took * SHARE);
        Ok(if usage.memory > self.memory {
            Some(bytes_in_words("memory", self.memory))
        } else if usage.tasks > self.tasks {
            Some(format!("processes ({})", self.tasks))
        } else {
            None
        })
    }
}

/// What all processes but the first use. When that one has gone, so have the others.
fn usage(processes: &OwnedFd) -> std::io::Result<Usage> {
    let mut usage = Usage::default();
    for entry in Dir::read_from(processes)? {
        let entry = match entry {
            Ok(entry) => entry,
            Err(Errno::NOENT | Errno::SRCH) => break,
            Err(error) => return Err(error.into()),
        };
        let Some(number) = entry.file_name().to_str().ok().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        if number == 1 {
            continue;
        }
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let status = rustix::fs::openat(processes, format!("{number}/status"), flags, Mode::empty());
        match status.map_err(Into::into).and_then(|file| std::io::read_to_string(File::from(file))) {
            Ok(status) => {
                let one = parse_status(&status);
                usage.memory += one.memory;
                usage.tasks += one.tasks;
            }
            // One that ends while it is looked at doesn't count.
            Err(error) if has_ended(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(usage)
}

/// Whether this is what the kernel says of a process that is no more.
fn has_ended(error: &std::io::Error) -> bool {
    [Errno::NOENT, Errno::SRCH].iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// Reads `/proc/<pid>/status`, see proc_pid_status(5).
fn parse_status(status: &str) -> Usage {
    let mut usage = Usage::default();
    for line in status.lines() {
        let Some((name, value)) = line.split_once(':') else { continue };
        let number =
            || value.split_whitespace().next().and_then(|number| number.parse::<u64>().ok()).unwrap_or(0);
        match name {
            "RssAnon" | "RssShmem" | "VmSwap" => usage.memory += number() * 1024,
            "Threads" => usage.tasks += number(),
            _ => {}
        }
    }
    usage
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_gives_memory_in_bytes_and_threads() {
        let status = "Name:\tx\nVmRSS:\t 900 kB\nRssAnon:\t 100 kB\nRssFile:\t 500 kB\nRssShmem:\t 20 kB\n\
                      VmSwap:\t 3 kB\nThreads:\t7\n";
        assert_eq!(parse_status(status), Usage { memory: 123 << 10, tasks: 7 });
        assert_eq!(parse_status("Name:\tzombie\n"), Usage::default());
    }

    fn proc() -> OwnedFd {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::open(c"/proc", flags, Mode::empty()).unwrap()
    }

    #[test]
    fn a_limit_that_is_far_away_is_looked_at_less_often() {
        let [least, most] = INTERVALS;
        let limits = |memory, processes| Limits { memory, processes, ..Limits::default() };
        let interval = |limits: &Limits, usage| Watch::new(proc(), limits).interval(usage);
        let used = |memory, tasks| Usage { memory, tasks };
        assert_eq!(interval(&limits(64 << 20, 4096), Usage::default()), least);
        assert_eq!(interval(&limits(16 << 30, 4096), Usage::default()), Duration::from_millis(500));
        assert_eq!(interval(&limits(16 << 30, 4096), used(14 << 30, 1)), Duration::from_millis(250));
        assert_eq!(interval(&limits(16 << 30, 4096), used(0, 5000)), least);
        assert_eq!(interval(&limits(u64::MAX, u64::MAX), Usage::default()), most);
    }

    #[test]
    fn all_processes_are_counted() {
        // Here it is the machine's, where this one is among others.
        let usage = usage(&proc()).unwrap();
        assert!(usage.tasks >= 1 && usage.memory > 0, "{usage:?}");
    }
}
