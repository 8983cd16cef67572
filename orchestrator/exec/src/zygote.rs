//! The zygote: this program, executed once and forked for each action.
//!
//! To execute a program of some size anew for each action (to map, link and relocate it) takes longer than all the
//! rest of a sandbox. The zygote has one thread, so it may fork; its children are the helpers. When xbuild ends,
//! however it does, the zygote's socket closes, the zygote ends, and the kernel kills its children.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions};

use crate::helper::HELPER_ARGUMENT;
use crate::sys;

/// What travels with a request: the helper's socket, standard output, standard error and folder.
const DESCRIPTORS: usize = 4;

/// The zygote, seen from the parent. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Zygote {
    socket: Option<OwnedFd>,
    child: Child,
}

impl Zygote {
    /// Executes `program`, which must call [`crate::run_helper_if_asked`].
    pub(crate) fn start(program: &Path) -> std::io::Result<Self> {
        let flags = SocketFlags::CLOEXEC;
        let (ours, theirs) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        let child = Command::new(program)
            .arg(HELPER_ARGUMENT)
            // Whoever looks at the sandbox's init sees nothing of the host's environment.
            .env_clear()
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .spawn()?;
        Ok(Self { socket: Some(ours), child })
    }

    /// Forks a helper that starts in `folder`.
    pub(crate) fn fork(&self, folder: &Path) -> std::io::Result<Forked> {
        let gone = || std::io::Error::other("the process that sandboxes are forked from has ended");
        let zygote = self.socket.as_ref().ok_or_else(gone)?;
        let (socket, theirs) = UnixStream::pair()?;
        let (stdout, out) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        let (stderr, err) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        let folder =
            rustix::fs::open(folder, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        send(zygote.as_fd(), 0, &[theirs.as_fd(), out.as_fd(), err.as_fd(), folder.as_fd()])?;
        let (pid, mut descriptors) = receive(zygote.as_fd())?.ok_or_else(gone)?;
        let pidfd = descriptors.pop().ok_or_else(|| std::io::Error::from_raw_os_error(-pid))?;
        Ok(Forked { pid: pid.unsigned_abs(), pidfd, socket, stdout, stderr })
    }
}

impl Drop for Zygote {
    fn drop(&mut self) {
        self.socket = None;
        let _ = self.child.wait();
    }
}

/// A helper that was forked, and what it is heard by.
#[derive(Debug)]
pub(crate) struct Forked {
    /// Its process id.
    pub(crate) pid: u32,
    pidfd: OwnedFd,
    /// The socket that the job goes down and reports come up.
    pub(crate) socket: UnixStream,
    /// What the program prints.
    pub(crate) stdout: OwnedFd,
    /// As above.
    pub(crate) stderr: OwnedFd,
}

impl Forked {
    /// The handle by which its end is seen.
    pub(crate) fn split(self) -> (Process, UnixStream, OwnedFd, OwnedFd) {
        (Process { pid: self.pid, pidfd: self.pidfd }, self.socket, self.stdout, self.stderr)
    }
}

/// A process that isn't this one's child.
#[derive(Debug)]
pub(crate) struct Process {
    /// Its id.
    pub(crate) pid: u32,
    pidfd: OwnedFd,
}

impl Process {
    /// Waits until it has ended, or for so long. Whether it has.
    pub(crate) fn wait(&self, patience: Option<Duration>) -> std::io::Result<bool> {
        // One that no clock can say is for ever.
        let timeout = patience.and_then(|patience| Timespec::try_from(patience).ok());
        loop {
            let mut polled = [PollFd::new(&self.pidfd, PollFlags::IN)];
            match rustix::event::poll(&mut polled, timeout.as_ref()) {
                Ok(ready) => return Ok(ready > 0),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Kills it.
    pub(crate) fn kill(&self) -> std::io::Result<()> {
        match rustix::process::pidfd_send_signal(&self.pidfd, Signal::KILL) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// The zygote's whole life. Standard input is the socket to the parent. `helper` is what its children do.
pub(crate) fn serve(helper: &dyn Fn() -> std::io::Result<()>) -> std::io::Result<()> {
    sys::close_from(3)?;
    // A terminal's Ctrl-C is for xbuild alone: it says what becomes of the sandboxes.
    rustix::process::setsid()?;
    let socket = rustix::stdio::stdin();
    while let Some((_, descriptors)) = receive(socket)? {
        reap();
        let Ok([theirs, out, err, folder]) = <[OwnedFd; DESCRIPTORS]>::try_from(descriptors) else {
            return Err(std::io::ErrorKind::InvalidData.into());
        };
        match fork(&theirs, &out, &err, &folder, helper) {
            Ok((pid, pidfd)) => send(socket, pid.as_raw_nonzero().get(), &[pidfd.as_fd()])?,
            Err(error) => send(socket, -error.raw_os_error(), &[])?,
        }
    }
    // The last ones too: what a process has used counts for its parent once it was waited for, and for nobody else.
    reap();
    Ok(())
}

/// Waits for helpers that have ended, which nobody else does.
fn reap() {
    while matches!(rustix::process::wait(WaitOptions::NOHANG), Ok(Some(_))) {}
}

fn fork(
    socket: &OwnedFd,
    stdout: &OwnedFd,
    stderr: &OwnedFd,
    folder: &OwnedFd,
    helper: &dyn Fn() -> std::io::Result<()>,
) -> rustix::io::Result<(Pid, OwnedFd)> {
    let Some(pid) = sys::fork()? else {
        let become_helper = || -> std::io::Result<()> {
            rustix::process::fchdir(folder)?;
            rustix::stdio::dup2_stdin(socket)?;
            rustix::stdio::dup2_stdout(stdout)?;
            rustix::stdio::dup2_stderr(stderr)?;
            helper()
        };
        sys::exit_now(become_helper().map_or(70, |()| 0))
    };
    // It is not waited for before the next request: the id is its own for so long.
    let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty())?;
    Ok((pid, pidfd))
}

fn send(socket: BorrowedFd<'_>, number: i32, descriptors: &[BorrowedFd<'_>]) -> std::io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(descriptors));
    }
    let bytes = number.to_le_bytes();
    rustix::net::sendmsg(socket, &[IoSlice::new(&bytes)], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// A message's number and descriptors; `None` when the other end is closed.
fn receive(socket: BorrowedFd<'_>) -> std::io::Result<Option<(i32, Vec<OwnedFd>)>> {
    let mut bytes = [0; 4];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        let mut slices = [IoSliceMut::new(&mut bytes)];
        match rustix::net::recvmsg(socket, &mut slices, &mut control, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => {}
            received => break received?,
        }
    };
    if received.bytes == 0 {
        return Ok(None);
    }
    let mut descriptors = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    Ok(Some((i32::from_le_bytes(bytes), descriptors)))
}
