//! Which files of its inputs a program looks at, seen from outside.
//!
//! Before the program starts, a filter (seccomp(2)) is laid over its system calls and those of all that it starts.
//! Each call that shows content or metadata of a file by name waits until the helper has been told of it; the helper
//! reads the path from the caller's memory, finds the file, takes a note and always lets the call go on. A program can
//! neither evade this nor notice it, but for the line `Seccomp:` in `/proc/self/status`, for a few microseconds a call,
//! and for a listener of its own, which the kernel refuses it (`EBUSY`).
//!
//! | module | what it knows |
//! |---|---|
//! | `calls` | which calls show something of a file |
//! | `filter` | how the kernel tells them from the rest |
//! | `resolve` | where a path leads |
//! | `interpreter` | what the kernel opens besides when something is executed |
//! | `upper` | whether the program changed what is observed |
//!
//! # What is noted
//!
//! Every regular file at or below an observed folder that such a call finds. What is left out is no content: names,
//! kinds, execute bits and links' targets, and that something isn't there, are in the folder's listing; times, owners
//! and other mode bits are the same for all files; a folder's own size and number of links come from names, and inode
//! and device numbers from the machine. More may be noted than was seen, never less. Where it can't be told what is
//! seen (`io_uring`, another architecture's calls, paths that can't be read), nothing is known of the whole run.
//!
//! The last paths that led to nothing are kept for people: they may be why a program fails. Nothing is concluded from
//! them.
//!
//! What is observed is what a call finds when it is told: a program of which one thread changes a path in memory, a
//! working directory or a link on the way while another one's call with it waits, could see something else. Programs
//! that are meant to build something don't.

mod calls;
mod filter;
mod interpreter;
mod resolve;
mod upper;

use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use nix::libc;
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use xbuild_action::{Missed, Observed};
use xbuild_base::RelPath;

use crate::specification::{Failure, Step as _};
use crate::sys;
use calls::{Call, Does};
use resolve::Place;
pub(crate) use upper::is_untouched;

/// The longest path, in bytes (`PATH_MAX`), its end included.
const LONGEST_PATH: usize = 4096;

/// So much of a path is read at once, in bytes.
const USUAL_PATH: usize = 256;

/// The unit in which memory can be there or not, in bytes; larger pages are multiples of it.
const PAGE: usize = 4096;

/// The kernel's limit of scripts that are each other's interpreters.
const MOST_INTERPRETERS: usize = 6;

/// `RESOLVE_IN_ROOT` of `struct open_how`: the path's root is another one.
const IN_ROOT: u64 = 0x10;

/// So many paths that led to nothing are kept: more than the folders in which a program is searched for.
const MOST_MISSED: usize = 16;

/// What a call looked at.
enum Seen {
    Files(Vec<RelPath>),
    /// The path from the root, at which there is nothing.
    Missing(Vec<u8>),
}

/// It can't be told what a call shows.
struct Unknown;

/// Where the program's end of an observation is handed over.
pub(crate) type Sender = OwnedFd;

/// The helper's end of an observation.
#[derive(Debug)]
pub(crate) struct Observer {
    folders: BTreeSet<RelPath>,
    /// See [`crate::specification::Specification::settled`].
    settled: BTreeSet<String>,
    /// The host's `/proc`, in which the sandbox's processes have the numbers that the kernel tells.
    processes: OwnedFd,
    ear: Ear,
    /// The sandbox's root, once a process of it was seen.
    root: Option<OwnedFd>,
    seen: Observed,
    /// The last paths at which there was nothing, each once in a row.
    missed: VecDeque<Vec<u8>>,
}

#[derive(Debug)]
enum Ear {
    /// Waits for the listener.
    Socket(OwnedFd),
    Listener(OwnedFd),
    Closed,
}

/// Makes ready to observe what is at or below `folders`, which nothing below `settled` leads to. All descriptors are at
/// least `from`.
pub(crate) fn prepare(
    folders: &BTreeSet<RelPath>,
    settled: &BTreeSet<String>,
    from: i32,
) -> Result<(Observer, Sender), Failure> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let processes = rustix::fs::open(c"/proc", flags, Mode::empty()).step("open /proc")?;
    let (family, kind) = (AddressFamily::UNIX, SocketType::STREAM);
    let (ours, theirs) =
        rustix::net::socketpair(family, kind, SocketFlags::CLOEXEC, None).step("make a socket pair")?;
    let move_up = |fd: OwnedFd| rustix::io::fcntl_dupfd_cloexec(fd, from).step("move a descriptor");
    let observer = Observer {
        folders: folders.clone(),
        settled: settled.clone(),
        processes: move_up(processes)?,
        ear: Ear::Socket(move_up(ours)?),
        root: None,
        seen: Some(BTreeSet::new()),
        missed: VecDeque::new(),
    };
    Ok((observer, move_up(theirs)?))
}

/// Has all that this process and its children do from now on observed. Where the machine refuses, nothing is.
pub(crate) fn submit(sender: &Sender) -> Result<(), Failure> {
    let Ok(listener) = sys::install_filter(&filter::program()) else { return Ok(()) };
    let descriptors = [listener.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&descriptors));
    // From here on calls wait for somebody who has the listener.
    let sent = rustix::net::sendmsg(sender, &[IoSlice::new(&[0])], &mut control, SendFlags::NOSIGNAL);
    sent.step("hand over the listener").map(drop)
}

impl Observer {
    /// What to wait for; `None` when nothing comes any more.
    pub(crate) fn waits_for(&self) -> Option<BorrowedFd<'_>> {
        match &self.ear {
            Ear::Socket(fd) | Ear::Listener(fd) => Some(fd.as_fd()),
            Ear::Closed => None,
        }
    }

    /// Takes what is there to take, when [`Self::waits_for`] can be read or, where it can't, has no other end any more.
    pub(crate) fn serve(&mut self, is_readable: bool) {
        match &self.ear {
            Ear::Socket(socket) => {
                let listener = receive(socket);
                if let Some(listener) = &listener {
                    sys::wake_in_step(listener);
                }
                self.ear = listener.map_or(Ear::Closed, Ear::Listener);
            }
            Ear::Listener(listener) if is_readable => {
                // Whoever called may have been killed meanwhile.
                if let Ok(call) = sys::next_call(listener) {
                    self.hear(&call);
                    self.answer(call.id);
                }
            }
            // All who were observed have ended.
            Ear::Listener(_) => self.ear = Ear::Closed,
            Ear::Closed => {}
        }
    }

    /// What was seen, and what was looked for last and isn't there; to be asked when all have ended.
    pub(crate) fn finish(self) -> (Observed, Missed) {
        let path = |path| String::from_utf8(path).ok().and_then(|path| RelPath::new(path).ok());
        let missed = self.missed.into_iter().filter_map(path).collect();
        // Whoever is observed is heard of at least once, when the program is executed.
        (self.root.and(self.seen), missed)
    }

    fn miss(&mut self, path: Vec<u8>) {
        if self.missed.back() != Some(&path) {
            self.missed.push_back(path);
            if self.missed.len() > MOST_MISSED {
                self.missed.pop_front();
            }
        }
    }

    fn answer(&self, id: u64) {
        if let Ear::Listener(listener) = &self.ear {
            sys::let_continue(listener, id);
        }
    }

    fn is_waiting(&self, id: u64) -> Result<bool, Unknown> {
        match &self.ear {
            Ear::Listener(listener) => sys::is_waiting(listener, id).map_err(|_| Unknown),
            Ear::Socket(_) | Ear::Closed => Ok(false),
        }
    }

    fn hear(&mut self, notification: &libc::seccomp_notif) {
        if self.seen.is_none() {
            return;
        }
        let seen = match self.enter(notification).and_then(|()| self.look(notification)) {
            Ok(Seen::Missing(path)) => return self.miss(path),
            // Nothing seen is nothing seen, whoever called.
            Ok(Seen::Files(files)) if files.is_empty() => return,
            Ok(Seen::Files(files)) => Ok(files),
            Err(Unknown) => Err(Unknown),
        };
        // If the caller doesn't wait any more, another process may have got its number.
        match (self.is_waiting(notification.id), seen, &mut self.seen) {
            (Ok(false), ..) => {}
            (Ok(true), Ok(files), Some(seen)) => seen.extend(files),
            _ => self.seen = None,
        }
    }

    /// Finds the root, which all processes of a sandbox share: none of them may change its own.
    fn enter(&mut self, notification: &libc::seccomp_notif) -> Result<(), Unknown> {
        if self.root.is_none() {
            let path = format!("{}/root", notification.pid);
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let root = rustix::fs::openat(&self.processes, path, flags, Mode::empty());
            self.root = Some(root.map_err(|_| Unknown)?);
        }
        Ok(())
    }

    /// The observed files that a call shows something of.
    fn look(&self, notification: &libc::seccomp_notif) -> Result<Seen, Unknown> {
        let libc::seccomp_notif { pid, data, .. } = notification;
        let call = calls::find(data.nr).filter(|_| data.arch == filter::ARCHITECTURE).ok_or(Unknown)?;
        let caller = Caller { pid: i32::try_from(*pid).map_err(|_| Unknown)?, processes: &self.processes };
        let Some(path) = caller.path(data.args[call.path])? else { return Ok(Seen::Files(Vec::new())) };
        if let Does::OpenHow(argument) = call.does
            && caller.resolves_elsewhere(data.args[argument])?
        {
            return Err(Unknown);
        }
        let place = self.place(&caller, &call, &data.args, &path)?;
        let files = match (place, call.does) {
            (Place::Missing(path), _) => return Ok(Seen::Missing(path)),
            (place, Does::Execute) => self.executed(&caller, place),
            (place, Does::Show | Does::OpenHow(_)) => {
                self.shown(place).map(|seen| seen.into_iter().collect())
            }
        };
        files.map(Seen::Files)
    }

    /// Where the path of a call leads.
    fn place(
        &self,
        caller: &Caller<'_>,
        call: &Call,
        arguments: &[u64; 6],
        path: &[u8],
    ) -> Result<Place, Unknown> {
        let folder = call.folder.map(|argument| arguments[argument]);
        if path.is_empty() {
            // Of a descriptor, which was opened before; or of nothing.
            return Ok(folder.map_or(Place::Nowhere, |number| Place::Opened(descriptor(number))));
        }
        if self.is_settled(path) {
            return Ok(if self.is_missing_program(path) {
                Place::Missing(path[1..].to_vec())
            } else {
                Place::Nowhere
            });
        }
        let start = if path.starts_with(b"/") { Some(Vec::new()) } else { caller.folder(folder)? };
        let (Some(root), Some(start)) = (&self.root, start) else { return Ok(Place::Nowhere) };
        Ok(resolve::walk(root.as_fd(), &start, path, call.follows(arguments)))
    }

    /// Whether a path leads to a file of a settled folder, if to any. That the program left these alone is looked at in
    /// the end.
    fn is_settled(&self, path: &[u8]) -> bool {
        if !path.starts_with(b"/") {
            return false;
        }
        let mut parts = path.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".");
        let mut folder = String::with_capacity(path.len());
        for part in parts.by_ref() {
            let Ok(part) = std::str::from_utf8(part) else { return false };
            if part == ".." {
                return false;
            }
            if !folder.is_empty() {
                folder.push('/');
            }
            folder.push_str(part);
            if self.settled.contains(&folder) {
                return parts.all(|part| part != b"..");
            }
        }
        false
    }

    /// Whether a path, which is absolute, lies in a folder of programs and nothing is there.
    fn is_missing_program(&self, path: &[u8]) -> bool {
        let mut parts = path.rsplit(|byte| *byte == b'/');
        let is_program = parts.nth(1) == Some(b"bin");
        let at = || rustix::fs::statat(self.root.as_ref()?, &path[1..], AtFlags::SYMLINK_NOFOLLOW).err();
        is_program && at() == Some(Errno::NOENT)
    }

    /// The observed file at a place, if there is one.
    fn shown(&self, place: Place) -> Result<Option<RelPath>, Unknown> {
        match place {
            Place::Nowhere | Place::Missing(_) | Place::Opened(_) => Ok(None),
            Place::Unknown => Err(Unknown),
            Place::At(path) => {
                let is_below = |folder: &RelPath| {
                    let rest = path.strip_prefix(folder.as_str().as_bytes());
                    rest.is_some_and(|rest| folder.is_root() || rest.starts_with(b"/"))
                };
                if !self.folders.iter().any(is_below) || !self.is_file(&path)? {
                    return Ok(None);
                }
                let path = String::from_utf8(path).ok().and_then(|path| RelPath::new(path).ok());
                path.map(Some).ok_or(Unknown)
            }
        }
    }

    fn is_file(&self, path: &[u8]) -> Result<bool, Unknown> {
        let root = self.root.as_ref().ok_or(Unknown)?;
        match rustix::fs::statat(root, path, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(false),
            Err(_) => Err(Unknown),
        }
    }

    /// What is seen of an executed file, its interpreter, that one's interpreter …
    fn executed(&self, caller: &Caller<'_>, mut place: Place) -> Result<Vec<RelPath>, Unknown> {
        let root = self.root.as_ref().ok_or(Unknown)?;
        let mut seen = Vec::new();
        for _ in 0..MOST_INTERPRETERS {
            if let Place::Opened(number) = place {
                place = Place::At(caller.opened(&number)?);
            }
            let Place::At(path) = &place else { break };
            if !self.is_file(path)? {
                break;
            }
            let flags =
                OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file =
                rustix::fs::openat(root, path.as_slice(), flags, Mode::empty()).map_err(|_| Unknown)?;
            let interpreter = interpreter::named(&File::from(file)).map_err(|_| Unknown)?;
            seen.extend(self.shown(place)?);
            let Some(interpreter) = interpreter else { return Ok(seen) };
            let start = caller.folder(None)?.unwrap_or_default();
            place = resolve::walk(root.as_fd(), &start, &interpreter, true);
        }
        seen.extend(self.shown(place)?);
        Ok(seen)
    }
}

/// A thread whose call waits.
struct Caller<'a> {
    pid: i32,
    processes: &'a OwnedFd,
}

impl Caller<'_> {
    /// The path at an address of its memory. `None` when there is none: the call will fail.
    fn path(&self, address: u64) -> Result<Option<Vec<u8>>, Unknown> {
        let mut at = usize::try_from(address).map_err(|_| Unknown)?;
        // Programs ask so whether there is such a call.
        if at == 0 {
            return Ok(None);
        }
        let mut path = Vec::new();
        while path.len() < LONGEST_PATH {
            // What lies behind the page may not be there; and most paths are short.
            let mut space = [0; USUAL_PATH];
            let part = &mut space[..USUAL_PATH.min(PAGE - at % PAGE)];
            self.read(at, part)?;
            if let Some(end) = part.iter().position(|byte| *byte == 0) {
                path.extend_from_slice(&part[..end]);
                return Ok((path.len() < LONGEST_PATH).then_some(path));
            }
            at = at.checked_add(part.len()).ok_or(Unknown)?;
            path.extend_from_slice(part);
        }
        Ok(None)
    }

    fn read(&self, at: usize, into: &mut [u8]) -> Result<(), Unknown> {
        let length = into.len();
        let remote = [RemoteIoVec { base: at, len: length }];
        let read = process_vm_readv(Pid::from_raw(self.pid), &mut [IoSliceMut::new(into)], &remote);
        read.ok().filter(|count| *count == length).map(drop).ok_or(Unknown)
    }

    /// Whether a `struct open_how` (flags, mode, resolve: 8 bytes each) has the path looked up from another root.
    fn resolves_elsewhere(&self, address: u64) -> Result<bool, Unknown> {
        let mut how = [0; 24];
        self.read(usize::try_from(address).map_err(|_| Unknown)?, &mut how)?;
        let [.., a, b, c, d, e, f, g, h] = how;
        Ok(u64::from_ne_bytes([a, b, c, d, e, f, g, h]) & IN_ROOT != 0)
    }

    /// The path from the root of the folder that a relative path starts at: `number` as the call has it, or the working
    /// directory. `None` when it is no folder: the call will fail.
    fn folder(&self, number: Option<u64>) -> Result<Option<Vec<u8>>, Unknown> {
        // The kernel takes the lower half of the argument.
        let at = number.filter(|number| *number as u32 != libc::AT_FDCWD as u32);
        let link =
            at.map_or_else(|| b"cwd".to_vec(), |number| [b"fd/", descriptor(number).as_slice()].concat());
        self.link(&link)
    }

    /// The path of an open file.
    fn opened(&self, number: &[u8]) -> Result<Vec<u8>, Unknown> {
        self.link(&[b"fd/", number].concat())?.ok_or(Unknown)
    }

    /// Where one of its links in `/proc` leads; `None` when it leads to no path, or there is no such link.
    fn link(&self, name: &[u8]) -> Result<Option<Vec<u8>>, Unknown> {
        let path = [self.pid.to_string().as_bytes(), b"/", name].concat();
        match rustix::fs::readlinkat(self.processes, path, Vec::new()) {
            Ok(target) => match target.into_bytes() {
                // It may be a file's own name, but then something is amiss anyway.
                target if target.ends_with(b" (deleted)") => Err(Unknown),
                target => Ok(target.starts_with(b"/").then_some(target)),
            },
            Err(Errno::NOENT) => Ok(None),
            Err(_) => Err(Unknown),
        }
    }
}

/// A descriptor's name in `/proc/<pid>/fd`.
fn descriptor(number: u64) -> Vec<u8> {
    // The kernel takes the lower half of the argument.
    (number as u32).to_string().into_bytes()
}

fn receive(socket: &OwnedFd) -> Option<OwnedFd> {
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = rustix::net::recvmsg(
        socket,
        &mut [IoSliceMut::new(&mut byte)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    );
    received.ok()?;
    control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut rights) => rights.next(),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_who_was_never_heard_of_nothing_is_known() {
        let (mut observer, sender) = prepare(&[RelPath::root()].into(), &BTreeSet::new(), 3).unwrap();
        assert!(observer.waits_for().is_some());
        // The machine has refused the filter, and the program has begun.
        drop(sender);
        observer.serve(false);
        assert!(observer.waits_for().is_none());
        assert_eq!(observer.finish(), (None, Vec::new()));
    }
}
