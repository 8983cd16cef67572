//! Ctrl-C and SIGTERM: what runs is stopped, and what is known is kept.

use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use xbuild_action::Cancel;

use crate::error::Error;

/// Stops everything when it is asked to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop {
    /// Stops what runs in sandboxes.
    pub(crate) cancel: Cancel,
    /// The process of a program that runs outside.
    child: Arc<Mutex<Option<u32>>>,
}

impl Stop {
    /// Listens to the signals from now on.
    pub(crate) fn listen() -> Self {
        let stop = Self::default();
        let heard = stop.clone();
        // A second handler in one process is a mistake of ours, and one without is no reason not to work.
        let _ = ctrlc::set_handler(move || {
            heard.cancel.cancel();
            heard.end_child();
        });
        stop
    }

    /// An error, when it was asked to.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.cancel.is_cancelled() { Err(Error::Stopped) } else { Ok(()) }
    }

    /// Runs a program to its end, and keeps what it says.
    pub(crate) fn output(&self, command: &mut Command) -> Result<Output, Error> {
        self.check()?;
        let program = command.get_program().to_string_lossy().into_owned();
        let not_run = |source| Error::Start { program: program.clone(), source };
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child: Child = command.spawn().map_err(not_run)?;
        *self.child() = Some(child.id());
        if self.cancel.is_cancelled() {
            self.end_child();
        }
        let output = child.wait_with_output();
        *self.child() = None;
        self.check()?;
        output.map_err(not_run)
    }

    fn end_child(&self) {
        if let Some(child) = *self.child() {
            let _ = kill(Pid::from_raw(child.cast_signed()), Signal::SIGTERM);
        }
    }

    fn child(&self) -> MutexGuard<'_, Option<u32>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
