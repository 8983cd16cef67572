//! How running actions report to the scheduling thread, which waits for them and for a free token at once.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;

use super::Event;

/// Where the events are read.
#[derive(Debug)]
pub(super) struct Inbox {
    events: Receiver<Event>,
    bell: Arc<OwnedFd>,
}

/// What an action's thread tells its events.
#[derive(Debug, Clone)]
pub(super) struct Sender {
    events: std::sync::mpsc::Sender<Event>,
    /// An event file descriptor: readable once something was sent since it was last read (eventfd(2)).
    bell: Arc<OwnedFd>,
}

/// An inbox, and what sends to it.
///
/// # Errors
/// When the kernel gives no event file descriptor.
pub(super) fn inbox() -> std::io::Result<(Sender, Inbox)> {
    let bell = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
    let (sender, receiver) = channel();
    Ok((Sender { events: sender, bell: bell.clone() }, Inbox { events: receiver, bell }))
}

impl Sender {
    /// Sends an event. Nobody misses it once the inbox is gone.
    pub(super) fn send(&self, event: Event) {
        let _ = self.events.send(event);
        // It could fail only with a count that has no room for one more: then it is readable anyway.
        let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
    }
}

impl Inbox {
    /// Waits until there is an event, or something to read at `other`; no longer than `patience`.
    ///
    /// # Errors
    /// Whatever poll(2) says, but for an interruption.
    pub(super) fn wait(&self, other: Option<BorrowedFd<'_>>, patience: Duration) -> std::io::Result<()> {
        let fds = [Some(self.bell.as_fd()), other];
        let mut fds: Vec<PollFd<'_>> =
            fds.into_iter().flatten().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        // One that no clock can say is for ever.
        let timeout = Timespec::try_from(patience).ok();
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        // Before the events are read: one that is sent meanwhile rings again. Nothing to read is no error.
        let _ = rustix::io::read(&self.bell, &mut [0; 8]);
        Ok(())
    }

    /// The next event, if there is one.
    pub(super) fn next(&self) -> Option<Event> {
        self.events.try_recv().ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use xbuild_base::Digest;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn it_wakes_for_an_event_for_the_other_and_for_nothing_else() {
        let (sender, inbox) = inbox().unwrap();
        let (read, write) = rustix::pipe::pipe().unwrap();
        let start = Instant::now();
        inbox.wait(Some(read.as_fd()), Duration::from_millis(1)).unwrap();
        assert!(start.elapsed() >= Duration::from_millis(1) && inbox.next().is_none());

        let digest = Digest::of(b"an action");
        std::thread::scope(|scope| {
            scope.spawn(|| sender.send(Event::Waits(digest)));
            inbox.wait(Some(read.as_fd()), LONG).unwrap();
        });
        assert!(matches!(inbox.next(), Some(Event::Waits(told)) if told == digest));

        rustix::io::write(&write, b"+").unwrap();
        inbox.wait(Some(read.as_fd()), LONG).unwrap();
        // It is there still, and whoever doesn't want it isn't woken.
        let start = Instant::now();
        inbox.wait(None, Duration::from_millis(1)).unwrap();
        assert!(start.elapsed() >= Duration::from_millis(1) && inbox.next().is_none());
        assert!(start.elapsed() < LONG);
    }
}
