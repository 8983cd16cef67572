//! The socket between parent and helper: the job and its descriptors go down, reports come up, and when the
//! parent's end closes the helper kills the sandbox.

use std::io::{IoSlice, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags,
};

use crate::specification::{Job, Report};
use crate::sys;

/// As many descriptors as one message can carry (`SCM_MAX_FD` of the kernel).
const MOST_DESCRIPTORS: usize = 253;

/// Sends a job, and the descriptors that go with it.
pub(crate) fn send(socket: &mut UnixStream, job: &Job, descriptors: &[RawFd]) -> std::io::Result<()> {
    let text = serde_json::to_vec(job)?;
    let head = u64::try_from(text.len()).map_err(std::io::Error::other)?.to_le_bytes();
    let bad = || std::io::Error::from_raw_os_error(nix::libc::EBADF);
    let borrowed: Vec<_> = descriptors.iter().map(|&number| sys::borrow(number)).collect();
    let borrowed: Vec<_> = borrowed.into_iter().collect::<Option<_>>().ok_or_else(bad)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !borrowed.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&borrowed)) {
        return Err(std::io::Error::from_raw_os_error(nix::libc::EMFILE));
    }
    let sent = rustix::net::sendmsg(&*socket, &[IoSlice::new(&head)], &mut control, SendFlags::NOSIGNAL)?;
    socket.write_all(&head[sent..])?;
    socket.write_all(&text)
}

/// Receives a job. The socket that comes back and the descriptors lie above every number that the job wants a
/// descriptor at, and are closed by `exec`.
pub(crate) fn receive(socket: OwnedFd) -> std::io::Result<(UnixStream, Job, Vec<OwnedFd>)> {
    let mut head = [0; 8];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = rustix::net::recvmsg(
        &socket,
        &mut [IoSliceMut::new(&mut head)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    let mut descriptors: Vec<OwnedFd> = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    let mut stream = UnixStream::from(socket);
    stream.read_exact(&mut head[received.bytes..])?;
    let length = u64::from_le_bytes(head);
    let mut text = Vec::new();
    (&mut stream).take(length).read_to_end(&mut text)?;
    let job: Job = serde_json::from_slice(&text)?;
    let above = match &job {
        Job::Run(specification) => specification.free_descriptor(),
        Job::Probe { .. } => 3,
    };
    let move_up = |descriptor: &OwnedFd| rustix::io::fcntl_dupfd_cloexec(descriptor, above);
    let stream = UnixStream::from(move_up(&OwnedFd::from(stream))?);
    let descriptors = descriptors.iter().map(move_up).collect::<Result<_, _>>()?;
    Ok((stream, job, descriptors))
}

/// Whether the parent has closed its end: it never sends anything after the job.
pub(crate) fn parent_is_gone(socket: &UnixStream) -> bool {
    let mut polled = [PollFd::new(socket, PollFlags::RDHUP)];
    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    rustix::event::poll(&mut polled, Some(&now)).is_ok_and(|ready| ready > 0)
}

/// Tells the parent something that a descriptor goes with.
pub(crate) fn report_with(
    socket: &UnixStream,
    report: &Report,
    descriptor: BorrowedFd<'_>,
) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(report)?;
    line.push(b'\n');
    let descriptors = [descriptor];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&descriptors));
    let lines = [IoSlice::new(&line)];
    rustix::io::retry_on_intr(|| rustix::net::sendmsg(socket, &lines, &mut control, SendFlags::NOSIGNAL))?;
    Ok(())
}

/// Hears some of what is reported, and a descriptor that goes with it; nothing when the last who could has gone.
pub(crate) fn hear(socket: &UnixStream, buffer: &mut [u8]) -> rustix::io::Result<(usize, Option<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut slices = [IoSliceMut::new(buffer)];
    let received = rustix::io::retry_on_intr(|| {
        rustix::net::recvmsg(socket, &mut slices, &mut control, RecvFlags::CMSG_CLOEXEC)
    })?;
    let mut descriptor = None;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptor = rights.last().or(descriptor);
        }
    }
    Ok((received.bytes, descriptor))
}

/// Tells the parent something. When it can't be told it is gone, and so will the helper be.
pub(crate) fn report(mut socket: &UnixStream, report: &Report) {
    if let Ok(mut line) = serde_json::to_vec(report) {
        line.push(b'\n');
        // One write: reports of several processes never mix.
        let _ = socket.write_all(&line);
    }
}
