//! Limits by a cgroup of version 2, where one was delegated to the user.

use std::path::{Path, PathBuf};

use fs_err as fs;
use xbuild_action::Limits;

use crate::limits::bytes_in_words;

/// Where version 2 is mounted: by itself, or beside version 1.
const MOUNTS: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];

/// A group in which groups for actions can be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Delegated(PathBuf);

impl Delegated {
    /// Finds one, by trying: the group that this process is in, or the one above it (a group with processes of
    /// its own can't hand controllers down).
    pub(crate) fn find() -> Option<Self> {
        let membership = fs::read_to_string("/proc/self/cgroup").ok()?;
        let own = membership.lines().find_map(|line| line.strip_prefix("0::"))?;
        let own = own.trim_start_matches('/');
        MOUNTS.iter().map(Path::new).find_map(|mount| {
            let own = mount.join(own);
            let above = (own != mount).then(|| own.parent().map(Path::to_owned)).flatten();
            [Some(own), above].into_iter().flatten().map(Self).find(Self::is_usable)
        })
    }

    fn is_usable(&self) -> bool {
        // Root may write everywhere; that is no delegation unless the group says so.
        let handed_down = !rustix::process::geteuid().is_root()
            || rustix::fs::lgetxattr(&self.0, c"user.delegate", &mut [0_u8; 1][..]).is_ok();
        let ample = Limits { memory: 1 << 40, processes: 1 << 16, ..Limits::default() };
        handed_down && self.make("probe", &ample).is_ok_and(|group| group.is_some_and(|it| it.try_out()))
    }

    /// Makes a group with these limits; `None` where it has no controllers for them.
    pub(crate) fn make(&self, name: &str, limits: &Limits) -> std::io::Result<Option<Group>> {
        let Limits { time: _, memory, processes, file_size: _ } = *limits;
        let path = self.0.join(format!("xbuild-{}-{name}", std::process::id()));
        fs::create_dir(&path)?;
        let group = Group { path, memory, processes };
        if !group.path.join("memory.max").exists() || !group.path.join("pids.max").exists() {
            return Ok(None);
        }
        group.write("memory.max", &memory.to_string())?;
        if group.path.join("memory.swap.max").exists() {
            group.write("memory.swap.max", "0")?;
        }
        group.write("memory.oom.group", "1")?;
        // The helper and the sandbox's init are in it too; one that is too many is refused, and counted.
        group.write("pids.max", &(processes + 2).to_string())?;
        Ok(Some(group))
    }
}

/// The group of one action. Removed when dropped.
#[derive(Debug)]
pub(crate) struct Group {
    path: PathBuf,
    memory: u64,
    processes: u64,
}

impl Group {
    /// Puts a process in; what it starts later is in too.
    pub(crate) fn add(&self, process: u32) -> std::io::Result<()> {
        self.write("cgroup.procs", &process.to_string())
    }

    /// The limit that was hit, in words.
    pub(crate) fn exceeded(&self) -> std::io::Result<Option<String>> {
        if self.count("memory.events", "oom_kill")? > 0 {
            return Ok(Some(bytes_in_words("memory", self.memory)));
        }
        let too_many = self.count("pids.events", "max")? > 0;
        Ok(too_many.then(|| format!("processes ({})", self.processes)))
    }

    /// Whether a process can really be put in.
    fn try_out(&self) -> bool {
        let Ok(mut child) = std::process::Command::new("/proc/self/exe")
            .arg(crate::HELPER_ARGUMENT)
            .stdin(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
        else {
            return false;
        };
        let added = self.add(child.id()).is_ok();
        let ended = child.kill().and_then(|()| child.wait());
        added && ended.is_ok()
    }

    fn write(&self, name: &str, text: &str) -> std::io::Result<()> {
        fs::write(self.path.join(name), text)
    }

    fn count(&self, name: &str, key: &str) -> std::io::Result<u64> {
        let events = fs::read_to_string(self.path.join(name))?;
        let lines = events.lines().filter_map(|line| line.split_once(' '));
        Ok(lines.filter(|(name, _)| *name == key).filter_map(|(_, count)| count.parse::<u64>().ok()).sum())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Its processes have ended, but the kernel may still be letting go of the last one.
        for _ in 0..50 {
            match std::fs::remove_dir(&self.path) {
                Err(error) if error.raw_os_error() == Some(nix::libc::EBUSY) => {
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
                _ => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No machine of ours hands a cgroup down: what is written and read is shown on plain files.
    #[test]
    fn limits_are_written_and_events_read() {
        let folder = tempfile::tempdir().unwrap();
        let group = Group { path: folder.path().to_owned(), memory: 3 << 20, processes: 7 };
        fs::write(folder.path().join("memory.events"), "low 0\noom 1\noom_kill 0\n").unwrap();
        fs::write(folder.path().join("pids.events"), "max 0\n").unwrap();
        assert_eq!(group.exceeded().unwrap(), None);
        fs::write(folder.path().join("pids.events"), "max 3\n").unwrap();
        assert_eq!(group.exceeded().unwrap().as_deref(), Some("processes (7)"));
        fs::write(folder.path().join("memory.events"), "low 0\noom 1\noom_kill 2\n").unwrap();
        assert_eq!(group.exceeded().unwrap().as_deref(), Some("memory (3 MiB)"));
        group.add(42).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("cgroup.procs")).unwrap(), "42");
    }

    #[test]
    fn a_group_without_controllers_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let made = Delegated(folder.path().to_owned()).make("x", &Limits::default()).unwrap();
        assert!(made.is_none());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
