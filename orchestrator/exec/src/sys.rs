//! System calls that no safe wrapper covers. The only file of the workspace with `unsafe` in it.
//!
//! Everything here but [`borrow`] runs in the helper, which has one thread.
#![expect(unsafe_code, reason = "fork, exec's surroundings, seccomp and ioctls have no safe wrapper")]

use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};

use nix::libc;
use rustix::process::Pid;

/// What the kernel said.
pub(crate) type Errno = rustix::io::Errno;

fn check(result: libc::c_long) -> Result<libc::c_long, Errno> {
    if result >= 0 { Ok(result) } else { Err(last_errno()) }
}

fn last_errno() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}

/// Ends the process without running destructors or exit handlers: in a forked child they are its parent's.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` takes any number and doesn't return.
    unsafe { libc::_exit(code) }
}

/// Forks; `None` in the child.
pub(crate) fn fork() -> Result<Option<Pid>, Errno> {
    // SAFETY: the helper has one thread, so the child's copy of every lock and of the heap is consistent.
    let pid = unsafe { libc::fork() };
    if pid < 0 { Err(last_errno()) } else { Ok(Pid::from_raw(pid)) }
}

/// Sets every signal to its default action and unblocks all: what xbuild or the shell above it ignores must
/// not reach the program.
pub(crate) fn reset_signals() {
    /// The size of the kernel's signal sets on every architecture, in bytes; MIPS has twice as many signals.
    const SET: usize = if cfg!(any(target_arch = "mips", target_arch = "mips64")) { 16 } else { 8 };
    // The C library's own function refuses the signals that it uses itself. The kernel's structure is three or
    // four words; all zero is SIG_DFL with no flags.
    let zero = [0_u64; 8];
    for signal in 1..=8 * SET {
        // SAFETY: the kernel reads less than `zero` holds, and refuses signals that can't be set.
        unsafe {
            libc::syscall(libc::SYS_rt_sigaction, signal, zero.as_ptr(), std::ptr::null_mut::<u64>(), SET);
        }
    }
    // SAFETY: as above; the empty set unblocks everything.
    unsafe {
        let null = std::ptr::null_mut::<u64>();
        libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, zero.as_ptr(), null, SET);
    }
}

/// Asks the scheduler for long turns: of what a script starts by tens on few processors (`make -j 8`), each loses a good
/// part of its caches whenever another takes its place. Nobody waits for an answer of theirs. Since Linux 6.12 the length of
/// a turn can be asked for; before, and where it is refused, all goes on as it was.
pub(crate) fn take_long_turns() {
    /// `struct sched_attr` of linux/sched/types.h, as it was first.
    #[repr(C)]
    struct Attributes {
        size: u32,
        policy: u32,
        flags: u64,
        nice: i32,
        priority: u32,
        runtime: u64,
        deadline: u64,
        period: u64,
    }
    /// The longest turn that there is, in nanoseconds.
    const TURN: u64 = 100_000_000;

    // SAFETY: the calls take numbers, and the last one reads a structure whose size stands in it.
    unsafe {
        // Whoever has been given another policy keeps it.
        if libc::sched_getscheduler(0) != libc::SCHED_OTHER {
            return;
        }
        let attributes = Attributes {
            size: 48,
            policy: libc::SCHED_BATCH.cast_unsigned(),
            flags: 0,
            nice: libc::getpriority(libc::PRIO_PROCESS, 0),
            priority: 0,
            runtime: TURN,
            deadline: 0,
            period: 0,
        };
        libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0);
    }
}

/// Closes every descriptor from `first` on.
pub(crate) fn close_from(first: u32) -> Result<(), Errno> {
    // SAFETY: called at the helper's start, when nothing in it owns a descriptor yet.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) }).map(drop)
}

/// Marks every descriptor from `first` on to be closed by `exec`.
pub(crate) fn close_on_exec_from(first: u32) -> Result<(), Errno> {
    const CLOSE_RANGE_CLOEXEC: libc::c_uint = 4;
    // SAFETY: it only sets flags.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, CLOSE_RANGE_CLOEXEC) }).map(drop)
}

/// Puts a copy of `descriptor` at `number`, open across `exec`.
pub(crate) fn place_descriptor(descriptor: &OwnedFd, number: RawFd) -> Result<(), Errno> {
    // SAFETY: called right before `exec`; every descriptor that the helper owns lies above the numbers asked
    // for (see `channel::receive`), so none is closed behind its owner's back.
    check(unsafe { libc::dup2(descriptor.as_raw_fd(), number) }.into()).map(drop)
}

/// Takes over a descriptor that this process was started with for that purpose.
pub(crate) fn own(number: RawFd) -> Result<OwnedFd, Errno> {
    // SAFETY: it only reads a flag.
    check(unsafe { libc::fcntl(number, libc::F_GETFD) }.into())?;
    // SAFETY: it is open, and nothing in this process has it: called once, at the start.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Borrows a descriptor that the caller of the executor keeps open for as long as the execution lasts.
pub(crate) fn borrow(number: RawFd) -> Option<BorrowedFd<'static>> {
    // SAFETY: -1 is excluded. A number that isn't open is refused by the kernel when it is sent.
    (number >= 0).then(|| unsafe { BorrowedFd::borrow_raw(number) })
}

/// Gives up every capability that a later `exec` could regain.
pub(crate) fn drop_bounding_set() -> Result<(), Errno> {
    for capability in 0..64_u64 {
        // SAFETY: takes a number; one above the kernel's last capability is EINVAL.
        match check(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) }.into()) {
            Ok(_) => {}
            Err(Errno::INVAL) if capability > 0 => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Leaves the host's session keyring for an empty one. Where key rings are refused altogether (a container's
/// seccomp filter) nothing is in reach either.
pub(crate) fn new_session_keyring() -> Result<(), Errno> {
    const KEYCTL_JOIN_SESSION_KEYRING: libc::c_long = 1;
    let nameless = std::ptr::null::<libc::c_char>();
    // SAFETY: a null name asks for an anonymous keyring.
    match check(unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nameless) }) {
        Ok(_) | Err(Errno::NOSYS | Errno::PERM) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Brings the network namespace's `lo` up.
pub(crate) fn loopback_up(socket: &OwnedFd) -> Result<(), Errno> {
    // SAFETY: an all-zero `ifreq` is valid, its name is NUL-terminated, and both calls read or write just it.
    unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
            *to = *from as libc::c_char;
        }
        check(libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS as _, &raw mut request).into())?;
        request.ifr_ifru.ifru_flags |= (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
        check(libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw const request).into())?;
    }
    Ok(())
}

/// Lays a filter over the system calls of this process and of all that it starts: seccomp_unotify(2). The descriptor
/// tells of each call that the filter wants told, and is closed by `exec`.
///
/// A call that was told of waits until it is answered or its process is killed: no signal ends it meanwhile. The
/// processor's guard against speculative stores stays as it is, for its sake a filter would cost a tenth of all time.
pub(crate) fn install_filter(program: &[libc::sock_filter]) -> Result<OwnedFd, Errno> {
    let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER
        | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
        | libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    let len = u16::try_from(program.len()).map_err(|_| Errno::INVAL)?;
    let program = libc::sock_fprog { len, filter: program.as_ptr().cast_mut() };
    // SAFETY: the kernel copies `len` instructions, checks them, and writes nothing.
    let listener = check(unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program)
    })?;
    let listener = RawFd::try_from(listener).map_err(|_| Errno::BADF)?;
    // SAFETY: it is new, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(listener) })
}

/// Has whoever waits for an answer run where it was answered, instead of being looked for a processor. Older kernels
/// can't, and are slower.
pub(crate) fn wake_in_step(listener: &OwnedFd) {
    const SYNC_WAKE_UP: libc::c_ulong = 1;
    // SAFETY: takes a number.
    unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SET_FLAGS as _, SYNC_WAKE_UP) };
}

/// The next call that waits. Doesn't block when the listener can be read.
pub(crate) fn next_call(listener: &OwnedFd) -> Result<libc::seccomp_notif, Errno> {
    // SAFETY: an all-zero structure is valid, as the kernel wants it to be, and it writes just this.
    unsafe {
        let mut call: libc::seccomp_notif = std::mem::zeroed();
        let result = libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV as _, &raw mut call);
        check(result.into()).map(|_| call)
    }
}

/// Whether a call still waits: its process is the one that made it.
pub(crate) fn is_waiting(listener: &OwnedFd, id: u64) -> Result<bool, Errno> {
    // SAFETY: the kernel reads the number.
    let ask = || unsafe {
        libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_ID_VALID as _, &raw const id)
    };
    match uninterrupted(ask) {
        Ok(_) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Calls again when a signal came between: the kernel takes no lock of the listener's then, and has done nothing.
fn uninterrupted(call: impl Fn() -> libc::c_int) -> Result<libc::c_long, Errno> {
    loop {
        match check(call().into()) {
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
}

/// Lets a call go on as if nobody had heard of it. One that doesn't wait any more needs no answer.
pub(crate) fn let_continue(listener: &OwnedFd, id: u64) {
    // SAFETY: all-zero is valid, and the kernel reads just this.
    let send = || unsafe {
        let mut answer: libc::seccomp_notif_resp = std::mem::zeroed();
        answer.id = id;
        answer.flags = libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as _;
        libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND as _, &raw mut answer)
    };
    uninterrupted(send).ok();
}
