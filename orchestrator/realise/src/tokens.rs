//! The jobserver: how many things run at once, shared with the compilers and C builds inside the actions.
//!
//! GNU make's protocol: a pipe with one byte a token. A running action holds one token; rustc and make take more
//! of them for more threads and put them back. A killed process keeps what it held, so the pipe is filled up
//! again whenever no action runs.

use std::collections::BTreeMap;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use xbuild_action::Unkeyed;

/// The pipe and its tokens.
#[derive(Debug)]
pub(crate) struct Tokens {
    /// What children get.
    read: OwnedFd,
    /// The same pipe, opened once more: reading here never waits, and make, which changes how reading from the
    /// other behaves, changes nothing here.
    own: OwnedFd,
    write: OwnedFd,
    total: usize,
}

impl Tokens {
    /// A jobserver of `total` tokens (at least one).
    pub(crate) fn new(total: usize) -> std::io::Result<Self> {
        // Children get duplicates under the same numbers; nothing else may inherit the pipe.
        let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        let path = format!("/proc/self/fd/{}", read.as_raw_fd());
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let own = rustix::fs::open(path, flags, Mode::empty())?;
        let tokens = Self { read, own, write, total: total.max(1) };
        tokens.refill()?;
        Ok(tokens)
    }

    /// Takes a token if one is free.
    pub(crate) fn try_take(&self) -> std::io::Result<bool> {
        let mut byte = [0];
        loop {
            match rustix::io::read(&self.own, &mut byte) {
                Ok(count) => return Ok(count == 1),
                Err(Errno::AGAIN) => return Ok(false),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// What can be read when a token is free. A compiler that waits for one too may have taken it by then.
    pub(crate) fn free(&self) -> BorrowedFd<'_> {
        self.own.as_fd()
    }

    /// Puts a token back.
    pub(crate) fn put(&self) -> std::io::Result<()> {
        rustix::io::write(&self.write, b"+")?;
        Ok(())
    }

    /// Makes the count right again. Only when nothing runs.
    pub(crate) fn refill(&self) -> std::io::Result<()> {
        while self.try_take()? {}
        for _ in 0..self.total {
            self.put()?;
        }
        Ok(())
    }

    /// What an action gets of it. Cargo's variable for rustc, make's for C builds; both name both spellings of
    /// the option, as make before 4.2 knows only `--jobserver-fds`.
    pub(crate) fn unkeyed(&self) -> Unkeyed {
        let (read, write) = (self.read.as_raw_fd(), self.write.as_raw_fd());
        let flags = format!("-j --jobserver-fds={read},{write} --jobserver-auth={read},{write}");
        Unkeyed {
            environment: BTreeMap::from([("CARGO_MAKEFLAGS".to_owned(), flags)]),
            descriptors: vec![read, write],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_tokens_as_asked_for_and_lost_ones_come_back() {
        let tokens = Tokens::new(3).unwrap();
        let taken = |tokens: &Tokens| std::iter::from_fn(|| tokens.try_take().unwrap().then_some(())).count();
        assert_eq!(taken(&tokens), 3);
        // Not even where a child has made reading wait, or not wait, for everybody with its end.
        rustix::fs::fcntl_setfl(&tokens.read, OFlags::empty()).unwrap();
        assert!(!tokens.try_take().unwrap(), "there is none, and nobody waits for one");
        tokens.put().unwrap();
        tokens.refill().unwrap();
        assert_eq!(taken(&tokens), 3);
    }
}
