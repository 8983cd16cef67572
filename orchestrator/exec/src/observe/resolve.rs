//! From a path as a program wrote it to the file that the kernel finds.
//!
//! The way is walked part by part from the sandbox's root, as path_resolution(7) says. The kernel can't be asked in
//! the program's stead: `/proc/self` would lead this process, and not the program, to what it leads to.

use std::os::fd::BorrowedFd;

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// The kernel's limit of links in one path (`MAXSYMLINKS`).
const MOST_LINKS: usize = 40;

/// What a path leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Nothing that could be a file below an observed folder: a folder, a link that isn't followed, something of `/proc`.
    Nowhere,
    /// To this path from the root, or somewhere below, where nothing is.
    Missing(Vec<u8>),
    /// To this path from the root, with no link in it. Whether a file is there, or anything, was not looked at.
    At(Vec<u8>),
    /// To what some process has open under this number, by `/proc/self/fd`.
    Opened(Vec<u8>),
    /// It can't be told.
    Unknown,
}

/// Which link a walk ended at.
enum Link {
    To(Vec<u8>),
    /// It is no link.
    None,
    /// Nothing is there.
    Missing,
    Unknown,
}

/// Walks `path` from the folder `start`, whose own path has no links in it; of no meaning for an absolute path.
pub(super) fn walk(root: BorrowedFd<'_>, start: &[u8], path: &[u8], follow: bool) -> Place {
    let is_folder =
        |path: &[u8]| matches!(path.rsplit(|byte| *byte == b'/').next(), Some(b"" | b"." | b".."));
    if is_folder(path) {
        return Place::Nowhere;
    }
    let start = if path.starts_with(b"/") { b"".as_slice() } else { start };
    if let Some(place) = without_links(root, start, path) {
        return place;
    }
    let mut pending: Vec<Vec<u8>> = Vec::new();
    let mut here: Vec<Vec<u8>> = parts(start).map(<[u8]>::to_vec).collect();
    pending.extend(parts(path).rev().map(<[u8]>::to_vec));
    let mut links = 0;
    while let Some(part) = pending.pop() {
        match part.as_slice() {
            b"." => continue,
            b".." => {
                here.pop();
                continue;
            }
            _ if matches!(here.as_slice(), [top] if top == b"proc") => {
                pending.push(part);
                if let Some(place) = of_proc(&mut pending) {
                    return place;
                }
                here.clear();
                continue;
            }
            _ => here.push(part),
        }
        match read_link(root, &here) {
            Link::None => {}
            Link::Missing => return Place::Missing(missing(here, &pending)),
            Link::Unknown => return Place::Unknown,
            Link::To(_) if pending.is_empty() && !follow => return Place::Nowhere,
            Link::To(target) => {
                links += 1;
                if links > MOST_LINKS {
                    return Place::Nowhere;
                }
                here.pop();
                if target.starts_with(b"/") {
                    here.clear();
                }
                pending.extend(parts(&target).rev().map(<[u8]>::to_vec));
            }
        }
    }
    Place::At(here.join(&b'/'))
}

/// Most paths lead through no link, which one call tells of all their parts. `None` where there may be one, and where
/// the path has to be looked at more closely.
fn without_links(root: BorrowedFd<'_>, start: &[u8], path: &[u8]) -> Option<Place> {
    let all = parts(start).chain(parts(path).filter(|part| *part != b"."));
    let here: Vec<&[u8]> = all.collect();
    let at = |here: &[&[u8]]| {
        if here.first() == Some(&b"proc".as_slice()) || here.contains(&b"..".as_slice()) {
            return None;
        }
        let here = here.join(&b'/');
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        match rustix::fs::openat2(root, here.as_slice(), flags, Mode::empty(), resolve) {
            Ok(_) => Some(Place::At(here)),
            // A link before what is missing would have been met first.
            Err(Errno::NOENT | Errno::NOTDIR) => Some(Place::Missing(here)),
            Err(_) => None,
        }
    };
    let found = at(&here);
    let [top, below @ ..] = here.as_slice() else { return found };
    if found.is_some() || below.is_empty() {
        return found;
    }
    // `/lib` and `/bin` lead to `/usr` in most roots.
    let Link::To(target) = read_link(root, &[top.to_vec()]) else { return None };
    let whole: Vec<&[u8]> = parts(&target).chain(below.iter().copied()).collect();
    at(&whole)
}

/// What a path would have led to whose part `here` isn't there; `pending` are its further parts, the next one last.
fn missing(mut here: Vec<Vec<u8>>, pending: &[Vec<u8>]) -> Vec<u8> {
    for part in pending.iter().rev() {
        match part.as_slice() {
            b"." => {}
            b".." => {
                here.pop();
            }
            part => here.push(part.to_vec()),
        }
    }
    here.join(&b'/')
}

fn parts(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/').filter(|part| !part.is_empty())
}

/// None of the parts before the last is a link.
fn read_link(root: BorrowedFd<'_>, path: &[Vec<u8>]) -> Link {
    match rustix::fs::readlinkat(root, path.join(&b'/'), Vec::new()) {
        Ok(target) => Link::To(target.into_bytes()),
        Err(Errno::INVAL) => Link::None,
        Err(Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG) => Link::Missing,
        Err(_) => Link::Unknown,
    }
}

/// What the parts after `/proc` lead to (proc(5)). `None` when they lead on from the root, which all processes of a
/// sandbox share: then what is left is to be walked from there.
fn of_proc(pending: &mut Vec<Vec<u8>>) -> Option<Place> {
    if pending.iter().any(|part| part == b"..") {
        return Some(Place::Unknown);
    }
    pending.retain(|part| part != b".");
    let is_process =
        |part: &[u8]| part == b"self" || part == b"thread-self" || part.iter().all(u8::is_ascii_digit);
    // Files of `/proc` itself, and links into a process's folder that no magic is below: `mounts`, `net`.
    let Some(process) = pending.pop().filter(|part| is_process(part)) else { return Some(Place::Nowhere) };
    let mut name = pending.pop();
    if name.as_deref() == Some(b"task") {
        pending.pop();
        name = pending.pop();
    }
    match (name.as_deref(), pending.as_slice()) {
        (Some(b"root"), [_, ..]) => None,
        (Some(b"fd"), [number]) if process == b"self" || process == b"thread-self" => {
            Some(Place::Opened(number.clone()))
        }
        (Some(b"cwd" | b"fd"), [_, ..]) => Some(Place::Unknown),
        // `exe`, `map_files`: what was executed or opened before.
        _ => Some(Place::Nowhere),
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;

    use super::*;

    struct Root {
        folder: tempfile::TempDir,
    }

    impl Root {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            for path in ["ws/src", "out/deep", "proc/self", "usr/lib"] {
                fs_err::create_dir_all(folder.path().join(path)).unwrap();
            }
            fs_err::write(folder.path().join("ws/src/a"), "").unwrap();
            let root = Self { folder };
            for (link, target) in [
                ("lib", "usr/lib"),
                ("out/up", "../ws/src"),
                ("out/absolute", "/ws/src/a"),
                ("out/chain", "absolute"),
                ("out/outside", "../../../../ws"),
                ("out/loop", "loop"),
                ("out/magic", "/proc/self/root/ws/src/a"),
                ("out/dangling", "nowhere"),
            ] {
                fs_err::os::unix::fs::symlink(target, root.folder.path().join(link)).unwrap();
            }
            root
        }

        fn walk(&self, start: &str, path: &str, follow: bool) -> Place {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let root = rustix::fs::open(self.folder.path(), flags, Mode::empty()).unwrap();
            walk(root.as_fd(), start.as_bytes(), path.as_bytes(), follow)
        }

        #[track_caller]
        fn leads(&self, start: &str, path: &str, to: &str) {
            assert_eq!(self.walk(start, path, true), Place::At(to.as_bytes().to_vec()), "{start} + {path}");
        }
    }

    #[test]
    fn links_are_followed_as_the_kernel_does_within_the_root() {
        let root = Root::new();
        root.leads("ws", "src/a", "ws/src/a");
        root.leads("ws", "/ws/./src//a", "ws/src/a");
        root.leads("out/deep", "../../ws/src/a", "ws/src/a");
        root.leads("ws", "../../../ws/src/a", "ws/src/a");
        root.leads("out", "up/a", "ws/src/a");
        root.leads("out", "up/../src/a", "ws/src/a");
        root.leads("", "out/absolute", "ws/src/a");
        root.leads("", "out/chain", "ws/src/a");
        root.leads("", "out/outside/src/a", "ws/src/a");
        root.leads("", "out/magic", "ws/src/a");
    }

    #[test]
    fn what_is_no_file_leads_nowhere() {
        let root = Root::new();
        for path in ["out/loop", "ws/src/", "ws/.", "ws/.."] {
            assert_eq!(root.walk("", path, true), Place::Nowhere, "{path}");
        }
        assert_eq!(root.walk("", "out/absolute", false), Place::Nowhere, "a link's own metadata");
        assert_eq!(root.walk("out", "up/a", false), Place::At(b"ws/src/a".to_vec()), "not its last part");
    }

    #[test]
    fn what_isn_t_there_is_told_by_its_path_from_the_root() {
        let root = Root::new();
        for (path, missing) in [
            ("ws/b", "ws/b"),
            ("ws/nowhere/a", "ws/nowhere/a"),
            ("ws/src/a/b", "ws/src/a/b"),
            ("ws/src/../../b/./c/../d", "b/d"),
            ("out/up/b/../c", "ws/src/c"),
        ] {
            assert_eq!(root.walk("", path, true), Place::Missing(missing.into()), "{path}");
        }
    }

    #[test]
    fn the_magic_of_proc_is_followed_or_owned_up_to() {
        let root = Root::new();
        for path in ["self/root/ws/src/a", "12/root/ws/src/a", "thread-self/./root/out/absolute"] {
            root.leads("ws", &format!("/proc/{path}"), "ws/src/a");
        }
        root.leads("ws", "/proc/self/task/7/root/out/up/a", "ws/src/a");
        root.leads("proc", "self/root/ws/src/a", "ws/src/a");
        root.leads("ws", "/proc/../ws/src/a", "ws/src/a");
        for path in
            ["self/cwd/a", "7/cwd/a", "7/fd/3", "self/fd/3/a", "self/../../ws/src/a", "self/task/../root/a"]
        {
            assert_eq!(root.walk("ws", &format!("/proc/{path}"), true), Place::Unknown, "{path}");
        }
        for path in ["self/maps", "cpuinfo", "self/root", "self/cwd", "self/exe", "", "net/tcp", "self/fd"] {
            assert_eq!(root.walk("ws", &format!("/proc/{path}"), true), Place::Nowhere, "{path}");
        }
        assert_eq!(root.walk("ws", "/proc/self/fd/3", true), Place::Opened(b"3".to_vec()));
    }
}
