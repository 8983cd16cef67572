//! Watching a sandbox's memory and number of processes where no cgroup does it.

use std::time::{Duration, Instant};

use xbuild_action::Limits;

use crate::limits::bytes_in_words;

/// How often it is looked, at most and at least.
const INTERVALS: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(1)];

/// Looking may take this part of the time.
const SHARE: u32 = 20;

/// What processes can take in a second, about: bytes of memory, and threads. The farther a limit is from what they
/// use, the later they can pass it, and the less often it is looked.
const FASTEST: Usage = Usage { memory: 8 << 30, tasks: 8192 };

/// Watches all processes below one.
#[derive(Debug)]
pub(crate) struct Watch {
    init: i32,
    memory: u64,
    processes: u64,
    next: Instant,
    /// Whether the process could not be seen at the last look.
    unseen: bool,
    /// Whether it could be seen at some look: then nothing hides it.
    seen: bool,
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
    /// `init` is the process on the host whose descendants are watched; it isn't counted itself.
    pub(crate) fn new(init: i32, limits: &Limits) -> Self {
        let Limits { time: _, memory, processes, file_size: _ } = *limits;
        let mut watch = Self { init, memory, processes, next: Instant::now(), unseen: false, seen: false };
        watch.next += watch.interval(Usage::default());
        watch
    }

    /// How long a limit can't be passed, from what is used now.
    fn interval(&self, usage: Usage) -> Duration {
        let thousandths = |limit: u64, used: u64, fastest: u64| {
            u128::from(limit.saturating_sub(used)) * 1000 / u128::from(fastest)
        };
        let soonest = thousandths(self.memory, usage.memory, FASTEST.memory).min(thousandths(
            self.processes,
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
        let usage = usage_below(self.init)?;
        // It has ended and was waited for, which is heard at once; or this machine's /proc hides it.
        let unseen = usage.is_none();
        self.seen |= !unseen;
        if std::mem::replace(&mut self.unseen, unseen) && unseen && !self.seen {
            return Err(std::io::Error::other("/proc hides them (its mount option `hidepid`)"));
        }
        let usage = usage.unwrap_or_default();
        let took = start.elapsed();
        self.next = start + took + self.interval(usage).max(took * SHARE);
        Ok(if usage.memory > self.memory {
            Some(bytes_in_words("memory", self.memory))
        } else if usage.tasks > self.processes {
            Some(format!("processes ({})", self.processes))
        } else {
            None
        })
    }
}

/// `None` when there is no such process to be seen.
fn usage_below(init: i32) -> std::io::Result<Option<Usage>> {
    let mut usage = Usage::default();
    let mut pending = match (children(init), state(init)) {
        (Ok(children), _) => children,
        (Err(_), None) => return Ok(None),
        (Err(_), Some('Z' | 'X')) => Vec::new(),
        (Err(error), Some(_)) => return Err(error),
    };
    while let Some(process) = pending.pop() {
        // One that ends while it is looked at doesn't count.
        let Ok(status) = fs_err::read_to_string(format!("/proc/{process}/status")) else { continue };
        let one = parse_status(&status);
        usage.memory += one.memory;
        usage.tasks += one.tasks;
        pending.extend(children(process).unwrap_or_default());
    }
    Ok(Some(usage))
}

/// The state of a process, as proc_pid_stat(5) names it: a zombie has no threads to list, and one that was waited
/// for is none.
fn state(process: i32) -> Option<char> {
    let stat = fs_err::read_to_string(format!("/proc/{process}/stat")).ok()?;
    stat.rsplit(')').next()?.trim_start().chars().next()
}

/// The processes that a process's threads have started and that have not been waited for.
///
/// # Errors
/// When there is no such process, when it has ended, or when this machine's `/proc` hides it.
pub fn children(process: i32) -> std::io::Result<Vec<i32>> {
    let mut found = Vec::new();
    for (index, thread) in fs_err::read_dir(format!("/proc/{process}/task"))?.enumerate() {
        match thread.and_then(|thread| fs_err::read_to_string(thread.path().join("children"))) {
            Ok(text) => found.extend(text.split_whitespace().filter_map(|pid| pid.parse::<i32>().ok())),
            // Other threads may end meanwhile.
            Err(error) if index == 0 => return Err(error),
            Err(_) => {}
        }
    }
    Ok(found)
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

    #[test]
    fn a_limit_that_is_far_away_is_looked_at_less_often() {
        let [least, most] = INTERVALS;
        let limits = |memory, processes| Limits { memory, processes, ..Limits::default() };
        let interval = |limits: &Limits, usage| Watch::new(0, limits).interval(usage);
        let used = |memory, tasks| Usage { memory, tasks };
        assert_eq!(interval(&limits(64 << 20, 4096), Usage::default()), least);
        assert_eq!(interval(&limits(16 << 30, 4096), Usage::default()), Duration::from_millis(500));
        assert_eq!(interval(&limits(16 << 30, 4096), used(14 << 30, 1)), Duration::from_millis(250));
        assert_eq!(interval(&limits(16 << 30, 4096), used(0, 5000)), least);
        assert_eq!(interval(&limits(u64::MAX, u64::MAX), Usage::default()), most);
    }

    #[test]
    fn descendants_are_counted_and_the_process_itself_is_not() {
        let own = std::process::id().cast_signed();
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let usage = usage_below(own).unwrap().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(usage.tasks >= 1 && usage.memory > 0, "{usage:?}");
    }

    #[test]
    fn a_process_that_is_gone_uses_nothing() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id().cast_signed();
        child.wait().unwrap();
        assert_eq!(usage_below(pid).unwrap(), None);
    }
}
