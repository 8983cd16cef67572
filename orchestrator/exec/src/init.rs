//! The sandbox's first process, and the program that it starts.

use std::ffi::CString;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;

use nix::sys::personality::{self, Persona};
use nix::sys::resource::{UsageWho, getrusage};
use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, SocketType};
use rustix::process::{DumpableBehavior, Pid, Signal, WaitOptions};
use rustix::thread::{CapabilitiesSecureBits, CapabilitySet, CapabilitySets};
use xbuild_action::Isolation;

use crate::specification::{Failure, Report, Specification, Step as _};
use crate::{channel, limits, observe, root, sys};

/// The name that the sandbox has as a machine.
const HOSTNAME: &[u8] = b"xbuild";

/// Builds the sandbox around itself, starts the program, waits for it and reports how it ended. When this
/// process ends, the kernel kills all the others of its process namespace.
pub(crate) fn run(
    specification: &Specification,
    socket: &UnixStream,
    descriptors: &[OwnedFd],
    observed: Option<observe::Sender>,
) -> Result<(), Failure> {
    if specification.is_isolated() {
        // As set by a process outside the namespace, this kills even its init.
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
            .step("follow the helper's death")?;
        // Both may have died before that was asked for.
        if channel::parent_is_gone(socket) {
            return Ok(());
        }
    } else {
        rustix::process::set_child_subreaper(Some(rustix::process::getpid())).step("adopt orphans")?;
    }
    root::mount(specification)?;
    if specification.isolation == Isolation::Full {
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None);
        sys::loopback_up(&socket.step("open a socket")?).step("bring the loopback interface up")?;
    }
    if specification.is_isolated() {
        rustix::system::sethostname(HOSTNAME).step("set the host name")?;
        rustix::system::setdomainname(b"localdomain").step("set the domain name")?;
        fs_err::write("/proc/sys/user/max_user_namespaces", "0").step("forbid namespaces inside")?;
    }
    give_up_privileges()?;
    if specification.is_isolated() {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let processes = rustix::fs::open(c"/proc", flags, Mode::empty()).step("open /proc")?;
        channel::report_with(socket, &Report::Started, processes.as_fd()).step("hand /proc out")?;
    }
    let Some(program) = sys::fork().step("fork the program")? else {
        let failure = start(specification, descriptors, observed.as_ref());
        channel::report(socket, &Report::Failed(failure));
        sys::exit_now(1)
    };
    drop(observed);
    let status = wait_for(program)?;
    channel::report(socket, &ended(status)?);
    Ok(())
}

/// Nothing that the program executes can gain a privilege, and it can't look into this process, which has the
/// same user.
fn give_up_privileges() -> Result<(), Failure> {
    let bits = CapabilitiesSecureBits::NO_ROOT
        | CapabilitiesSecureBits::NO_ROOT_LOCKED
        | CapabilitiesSecureBits::NO_SETUID_FIXUP
        | CapabilitiesSecureBits::NO_SETUID_FIXUP_LOCKED
        | CapabilitiesSecureBits::KEEP_CAPS_LOCKED
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE_LOCKED;
    rustix::thread::set_capabilities_secure_bits(bits).step("lock the securebits")?;
    sys::drop_bounding_set().step("drop the bounding set")?;
    let none = CapabilitySet::empty();
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    rustix::thread::set_capabilities(None, sets).step("drop all capabilities")?;
    rustix::thread::set_no_new_privs(true).step("forbid new privileges")?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).step("hide the sandbox's init")
}

/// Becomes the program; comes back only with what went wrong.
fn start(
    specification: &Specification,
    descriptors: &[OwnedFd],
    observed: Option<&observe::Sender>,
) -> Failure {
    match try_start(specification, descriptors, observed) {
        Ok(never) => match never {},
        Err(failure) => failure,
    }
}

fn try_start(
    specification: &Specification,
    descriptors: &[OwnedFd],
    observed: Option<&observe::Sender>,
) -> Result<std::convert::Infallible, Failure> {
    rustix::process::setsid().step("start a session")?;
    sys::new_session_keyring().step("leave the host's keyring")?;
    limits::apply(specification.limits)?;
    sys::take_long_turns();
    rustix::process::umask(Mode::from_raw_mode(0o022));
    if specification.is_isolated() {
        // Some programs' output depends on addresses (hash tables keyed by pointers). A help, not a wall: some
        // containers' system call filters forbid it.
        match personality::set(Persona::ADDR_NO_RANDOMIZE) {
            Ok(_) | Err(nix::Error::EPERM) => {}
            Err(error) => return Err(error).step("fix the address layout"),
        }
    }
    sys::close_on_exec_from(3).step("close descriptors")?;
    for (descriptor, &number) in descriptors.iter().zip(&specification.descriptors) {
        sys::place_descriptor(descriptor, number).step(format!("keep descriptor {number} open"))?;
    }
    let directory = specification.working_directory.in_sandbox();
    rustix::process::chdir(directory.as_str()).step(format!("enter the working directory {directory}"))?;
    let program = specification.argv.first().map_or("", String::as_str);
    let step = || format!("execute {program}");
    let text =
        |text: String| CString::new(text).map_err(|_| Failure { step: step(), errno: nix::libc::EINVAL });
    let argv: Vec<CString> = specification.argv.iter().cloned().map(text).collect::<Result<_, _>>()?;
    let environment: Vec<CString> = specification
        .environment
        .iter()
        .map(|(name, value)| text(format!("{name}={value}")))
        .collect::<Result<_, _>>()?;
    let program = text(program.to_owned())?;
    if let Some(observed) = observed {
        // The helper must see who calls. Nobody else is here yet who could look.
        rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable)
            .step("show itself to the helper")?;
        observe::submit(observed)?;
    }
    sys::reset_signals();
    nix::unistd::execve(&program, &argv, &environment).step(step())
}

/// Reaps whatever ends until the program does; its status.
fn wait_for(program: Pid) -> Result<i32, Failure> {
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == program => return Ok(status.as_raw()),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).step("wait for the program"),
        }
    }
}

fn ended(status: i32) -> Result<Report, Failure> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).step("read the resource usage")?;
    let microseconds = |time: nix::sys::time::TimeVal| {
        u64::try_from(time.tv_sec()).unwrap_or(0) * 1_000_000 + u64::try_from(time.tv_usec()).unwrap_or(0)
    };
    Ok(Report::Ended {
        status,
        cpu: microseconds(usage.user_time()) + microseconds(usage.system_time()),
        peak_memory: u64::try_from(usage.max_rss()).unwrap_or(0) * 1024,
    })
}
