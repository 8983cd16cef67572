//! Two process trees that run by turns of a few seconds.
//!
//! A machine's speed changes from one minute to the next by more than what is to be seen. What runs a few seconds
//! here and a few seconds there meets the same machine. A tree that is not at its turn is stopped, all of its
//! processes, and that time counts for neither side.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long a turn is: long beside what changing turns costs, short beside the changes of the machine.
const SLICE: Duration = Duration::from_secs(3);

/// On Ctrl-C and SIGTERM: ends all children, those too that are stopped, which would stay so for ever.
pub(crate) fn end_all_with_this_process() {
    // A second handler in one process is a mistake of ours, and one without is no reason not to measure.
    let _ = ctrlc::set_handler(|| {
        let own = children().remove(&std::process::id()).unwrap_or_default();
        signal_all(&own.into_iter().collect(), Signal::SIGTERM);
        signal_all(&Tree::All.processes(), Signal::SIGCONT);
        end()
    });
}

#[allow(
    clippy::disallowed_methods,
    reason = "the one place beside main, for a thread that main doesn't wait for"
)]
fn end() -> ! {
    std::process::exit(130)
}

/// One of the two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    Cargo,
    Xbuild,
}

impl Turn {
    /// Who goes first in a round's first pair.
    pub(crate) fn of_round(number: usize) -> Self {
        if number % 2 == 1 { Self::Cargo } else { Self::Xbuild }
    }

    /// The turns of a pair. The next pair begins with the other: a machine that gets slower, or faster, favours
    /// neither.
    pub(crate) fn both(&mut self) -> [Self; 2] {
        let second = self.other();
        [std::mem::replace(self, second), second]
    }

    /// The other side.
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Cargo => Self::Xbuild,
            Self::Xbuild => Self::Cargo,
        }
    }
}

/// For how long in all a tree has been stopped.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stopped(Arc<AtomicU64>);

impl Stopped {
    /// So far.
    pub(crate) fn total(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::SeqCst))
    }

    fn add(&self, time: Duration) {
        self.0.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }
}

/// Two trees of this process's children.
#[derive(Debug, Default)]
pub(crate) struct Slices {
    state: Mutex<State>,
    changed: Condvar,
    /// For how long xbuild has been stopped.
    pub(crate) xbuild_stopped: Stopped,
}

#[derive(Debug, Default)]
struct State {
    /// xbuild's process, once it has been started; all other children are cargo's sandbox.
    xbuild: Option<u32>,
    /// Whether one of the two has ended: the other has the machine for itself.
    one_has_ended: bool,
}

impl Slices {
    /// Says which process is xbuild's.
    pub(crate) fn started(&self, xbuild: u32) {
        self.state().xbuild = Some(xbuild);
        self.changed.notify_all();
    }

    /// Says that a side has ended.
    pub(crate) fn ended(&self) {
        self.state().one_has_ended = true;
        self.changed.notify_all();
    }

    /// Gives turns until one side has ended. Nothing is left stopped.
    pub(crate) fn run(&self, first: Turn, cargo_stopped: &Stopped) {
        let is_before = |state: &mut State| state.xbuild.is_none() && !state.one_has_ended;
        let begun = self.changed.wait_while(self.state(), is_before);
        let mut state = begun.unwrap_or_else(PoisonError::into_inner);
        let mut turn = first;
        while let State { xbuild: Some(xbuild), one_has_ended: false } = *state {
            drop(state);
            let (waits, stopped) = match turn {
                Turn::Cargo => (Tree::Xbuild(xbuild), &self.xbuild_stopped),
                Turn::Xbuild => (Tree::AllBut(xbuild), cargo_stopped),
            };
            let processes = waits.stop();
            let since = Instant::now();
            let goes_on = |state: &mut State| !state.one_has_ended;
            let waited = self.changed.wait_timeout_while(self.state(), SLICE, goes_on);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            stopped.add(since.elapsed());
            signal_all(&processes, Signal::SIGCONT);
            turn = turn.other();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Some of this process's children, with all that is below them.
#[derive(Debug, Clone, Copy)]
enum Tree {
    /// This child.
    Xbuild(u32),
    /// All others.
    AllBut(u32),
    /// Every child.
    All,
}

impl Tree {
    /// Stops every process of it; returns them.
    fn stop(self) -> BTreeSet<u32> {
        let mut stopped = BTreeSet::new();
        loop {
            let running: BTreeSet<u32> = self.processes().difference(&stopped).copied().collect();
            if running.is_empty() {
                return stopped;
            }
            // What they start before it reaches them is found by the next look.
            signal_all(&running, Signal::SIGSTOP);
            stopped.extend(running);
        }
    }

    fn processes(self) -> BTreeSet<u32> {
        let children = children();
        let of = |process: &u32| children.get(process).cloned().unwrap_or_default();
        let own = of(&std::process::id());
        let mut pending: Vec<u32> = match self {
            Self::Xbuild(process) => vec![process],
            Self::All => own,
            Self::AllBut(other) => own.into_iter().filter(|child| *child != other).collect(),
        };
        let mut found = BTreeSet::new();
        while let Some(process) = pending.pop() {
            if found.insert(process) {
                pending.extend(of(&process));
            }
        }
        found
    }
}

/// Those that have ended meanwhile are passed over.
fn signal_all(processes: &BTreeSet<u32>, signal: Signal) {
    for process in processes {
        let _ = kill(Pid::from_raw(process.cast_signed()), signal);
    }
}

/// The children of all processes, by proc_pid_stat(5). Threads have lists of theirs, too, but a thread that was looked at
/// is in the way of its process's end, which would count as work of whoever waits for it.
fn children() -> BTreeMap<u32, Vec<u32>> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for process in fs_err::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(number) = process.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // Others may end meanwhile.
        let Ok(stat) = fs_err::read_to_string(process.path().join("stat")) else { continue };
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let parent = after_name.split_whitespace().nth(1).and_then(|parent| parent.parse().ok());
        children.entry(parent.unwrap_or(0)).or_default().push(number);
    }
    children
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;

    fn spinning() -> Child {
        // A child below a child, as compilers are.
        Command::new("sh").args(["-c", "sh -c 'while :; do :; done' & wait"]).spawn().unwrap()
    }

    /// The state of each process of a tree, as in proc_pid_stat(5).
    fn states(tree: Tree) -> Vec<char> {
        let state = |process: u32| {
            let stat = fs_err::read_to_string(format!("/proc/{process}/stat")).unwrap();
            stat.rsplit(')').next().unwrap().trim_start().chars().next().unwrap()
        };
        tree.processes().into_iter().map(state).collect()
    }

    #[test]
    fn a_tree_that_is_stopped_stands_still_and_goes_on() {
        let mut child = spinning();
        let tree = Tree::Xbuild(child.id());
        while states(tree).len() < 2 {
            std::thread::yield_now();
        }
        let processes = tree.stop();
        assert_eq!(processes.len(), 2);
        while states(tree) != ['T', 'T'] {
            std::thread::yield_now();
        }
        signal_all(&processes, Signal::SIGCONT);
        while states(tree).contains(&'T') {
            std::thread::yield_now();
        }
        signal_all(&processes, Signal::SIGKILL);
        child.wait().unwrap();
    }

    #[test]
    fn a_side_that_ends_ends_the_turns_and_nothing_stays_stopped() {
        let mut child = spinning();
        let slices = Slices::default();
        slices.started(child.id());
        std::thread::scope(|scope| {
            scope.spawn(|| slices.run(Turn::Cargo, &Stopped::default()));
            while states(Tree::Xbuild(child.id())).first() != Some(&'T') {
                std::thread::yield_now();
            }
            slices.ended();
        });
        assert!(slices.xbuild_stopped.total() > Duration::ZERO);
        while states(Tree::Xbuild(child.id())).contains(&'T') {
            std::thread::yield_now();
        }
        signal_all(&Tree::Xbuild(child.id()).processes(), Signal::SIGKILL);
        child.wait().unwrap();
    }

    #[test]
    fn who_goes_first_changes_from_pair_to_pair() {
        let mut turn = Turn::of_round(1);
        let first: Vec<[Turn; 2]> = (0..3).map(|_| turn.both()).collect();
        let (cargo, xbuild) = ([Turn::Cargo, Turn::Xbuild], [Turn::Xbuild, Turn::Cargo]);
        assert_eq!(first, [cargo, xbuild, cargo]);
        assert_eq!(Turn::of_round(2), Turn::Xbuild);
    }
}
