//! The helper: a fork of this program, which was re-executed with a hidden argument ([`crate::zygote`]), in a process
//! of its own with one thread.
//!
//! It becomes an unprivileged user, makes the namespaces, forks the sandbox's init and waits: for init to end,
//! or for the parent to close its end of the socket (or die), upon which it kills init. It ends after the last
//! process of the sandbox.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::event::epoll::{self, EventFlags};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions};

use crate::enter::{self, ENTER_ARGUMENT};
use crate::observe::{self, Observer};
use crate::specification::{Failure, Job, Report, Specification, Step as _};
use crate::{channel, init, namespaces, probe, root, sys, zygote};

/// The hidden first argument with which the program that uses this crate must call [`helper_main`].
pub const HELPER_ARGUMENT: &str = "__sandbox";

/// Runs the helper, or becomes another program, if that is what this process was started for; otherwise returns at
/// once.
///
/// A program that uses [`crate::Sandbox`] or [`crate::enter`] calls this before anything else in `main`: no thread may
/// run yet.
pub fn run_helper_if_asked() {
    let mut arguments = std::env::args_os().skip(1);
    let Some(first) = arguments.next() else { return };
    if first == HELPER_ARGUMENT {
        helper_main();
    }
    if first == ENTER_ARGUMENT {
        enter::main(arguments.next().as_deref().and_then(std::ffi::OsStr::to_str));
    }
}

/// The life of the process that helpers are forked from. Standard input is the socket to the parent.
pub fn helper_main() -> ! {
    let code = match zygote::serve(&helper) {
        Ok(()) => 0,
        // There is nobody to tell but a person who typed the hidden argument.
        Err(error) => {
            eprintln!("xbuild's sandbox helper is not for use by hand: {error}");
            70
        }
    };
    sys::exit_now(code)
}

/// The helper's whole life. Standard input is the socket to the parent, the current folder the action's.
fn helper() -> std::io::Result<()> {
    sys::close_from(3)?;
    rustix::process::setsid()?;
    let socket = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    let null = rustix::fs::open(c"/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)?;
    drop(null);
    let (socket, job, descriptors) = channel::receive(socket)?;
    let result = match job {
        Job::Run(specification) => run(&specification, &socket, &descriptors),
        Job::Probe { feature, owner } => {
            probe::attempt(feature, owner).map(|()| channel::report(&socket, &Report::Works))
        }
    };
    if let Err(failure) = result {
        channel::report(&socket, &Report::Failed(failure));
    }
    Ok(())
}

fn run(specification: &Specification, socket: &UnixStream, descriptors: &[OwnedFd]) -> Result<(), Failure> {
    namespaces::become_unprivileged(specification.owner)?;
    root::prepare(specification)?;
    let observation = if specification.observe.is_empty() {
        None
    } else {
        let Specification { observe, settled, .. } = specification;
        Some(observe::prepare(observe, settled, specification.free_descriptor())?)
    };
    let (mut observer, sender) = observation.unzip();
    namespaces::enter(namespaces::flags(specification.isolation))?;
    if specification.is_isolated() {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).step("follow xbuild's death")?;
    } else {
        // Without a process namespace nothing but this process can clear up.
        rustix::process::set_child_subreaper(Some(rustix::process::getpid())).step("adopt orphans")?;
    }
    let Some(init) = sys::fork().step("fork the sandbox's init")? else {
        drop(observer);
        if let Err(failure) = init::run(specification, socket, descriptors, sender) {
            channel::report(socket, &Report::Failed(failure));
        }
        sys::exit_now(0)
    };
    drop(sender);
    let result = watch(init, socket, observer.as_mut());
    if let Some(observer) = observer {
        let (seen, missed) = observer.finish();
        channel::report(socket, &Report::Observed(seen, missed));
    }
    if !specification.is_isolated() {
        kill_children();
    }
    result
}

/// What is waited for, by number.
const PARENT: u64 = 0;
const INIT: u64 = 1;
const OBSERVER: u64 = 2;

/// Waits for init to end, and ends it when the parent's end of the socket closes. Serves the observer meanwhile, which is
/// told of so much that each call counts: what is waited for is registered once.
fn watch(init: Pid, socket: &UnixStream, mut observer: Option<&mut Observer>) -> Result<(), Failure> {
    const STEP: &str = "watch the sandbox's init";
    let pidfd = rustix::process::pidfd_open(init, PidfdFlags::empty()).step(STEP)?;
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).step(STEP)?;
    let register = |fd: BorrowedFd<'_>, number, flags| {
        epoll::add(&epoll, fd, epoll::EventData::new_u64(number), flags).step(STEP)
    };
    // The parent never sends anything after the job.
    register(socket.as_fd(), PARENT, EventFlags::IN | EventFlags::RDHUP)?;
    register(pidfd.as_fd(), INIT, EventFlags::IN)?;
    let mut ear = None;
    loop {
        // One that is closed is not registered any more.
        let now = observer.as_ref().and_then(|observer| observer.waits_for());
        if let Some(fd) = now.filter(|fd| Some(fd.as_raw_fd()) != ear) {
            register(fd, OBSERVER, EventFlags::IN)?;
        }
        ear = now.map(|fd| fd.as_raw_fd());
        let mut events = [MaybeUninit::uninit(); 3];
        let events = match epoll::wait(&epoll, &mut events, None) {
            Ok((events, _)) => &*events,
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error).step(STEP),
        };
        let of = |number| events.iter().find(|event| event.data.u64() == number).map(|event| event.flags);
        let (parent, ended) = (of(PARENT).is_some(), of(INIT).is_some());
        if parent && !ended {
            rustix::process::kill_process(init, Signal::KILL).step("kill the sandbox's init")?;
        }
        if parent || ended {
            return rustix::process::waitpid(Some(init), WaitOptions::empty())
                .step("wait for the sandbox's init")
                .map(drop);
        }
        if let (Some(observer), Some(flags)) = (&mut observer, of(OBSERVER)) {
            observer.serve(flags.contains(EventFlags::IN));
        }
    }
}

/// Kills what is left when there was no process namespace: orphans become this process's children.
fn kill_children() {
    let own = rustix::process::getpid().as_raw_nonzero();
    loop {
        let children = fs_err::read_to_string(format!("/proc/{own}/task/{own}/children"));
        for child in children.unwrap_or_default().split_whitespace() {
            if let Some(pid) = child.parse().ok().and_then(Pid::from_raw) {
                let _ = rustix::process::kill_process(pid, Signal::KILL);
            }
        }
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return,
        }
    }
}
