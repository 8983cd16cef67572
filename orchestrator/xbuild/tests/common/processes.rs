//! The host's processes.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// A process, by its id and the time at which it began: ids are used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Process {
    pub(crate) id: u32,
    began: u64,
}

/// All of them, with the ids of their parents. Zombies are left out.
fn all() -> Vec<(Process, u32)> {
    let folders = fs_err::read_dir("/proc").unwrap().filter_map(Result::ok);
    let read = |id: u32| {
        // Name and brackets may hold anything: what counts comes after the last bracket, see proc_pid_stat(5).
        let stat = fs_err::read(format!("/proc/{id}/stat")).ok()?;
        let stat = String::from_utf8_lossy(&stat);
        let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
        let alive = !matches!(fields[0], "Z" | "X");
        alive.then_some((Process { id, began: fields[19].parse().ok()? }, fields[1].parse().ok()?))
    };
    folders.filter_map(|folder| read(folder.file_name().to_str()?.parse().ok()?)).collect()
}

/// Everything below a process.
pub(crate) fn below(id: u32) -> BTreeSet<Process> {
    let all = all();
    let mut found = BTreeSet::new();
    let mut above = vec![id];
    while let Some(parent) = above.pop() {
        for (process, _) in all.iter().filter(|(_, of)| *of == parent) {
            found.insert(*process);
            above.push(process.id);
        }
    }
    found
}

/// Those whose arguments hold a text.
pub(crate) fn with(text: &str) -> BTreeSet<u32> {
    let has = |id: u32| {
        let arguments = fs_err::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&arguments).contains(text)
    };
    all().into_iter().map(|(process, _)| process.id).filter(|&id| has(id)).collect()
}

/// Those of them that have not ended after a time in which they should have.
pub(crate) fn left_of(processes: &BTreeSet<Process>, patience: Duration) -> BTreeSet<Process> {
    let start = Instant::now();
    loop {
        let alive: BTreeSet<Process> = all().into_iter().map(|(process, _)| process).collect();
        let left: BTreeSet<Process> = processes.intersection(&alive).copied().collect();
        if left.is_empty() || start.elapsed() > patience {
            return left;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until something is there.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(120), "waited for {what} in vain");
        std::thread::sleep(Duration::from_millis(20));
    }
}
