//! Becoming an unprivileged user, and the namespaces.

use nix::sched::CloneFlags;
use rustix::process::{DumpableBehavior, Gid, Uid};
use xbuild_action::Isolation;

use crate::specification::{Failure, Step as _};

/// The user and group that programs see themselves as, whoever runs xbuild.
pub(crate) const INSIDE: u32 = 1000;

/// Which namespaces an isolation has.
pub(crate) fn flags(isolation: Isolation) -> CloneFlags {
    let files = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS;
    let without_network = files
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWCGROUP;
    match isolation {
        Isolation::Full => without_network | CloneFlags::CLONE_NEWNET,
        Isolation::NoNetworkNamespace => without_network,
        Isolation::None => files,
    }
}

/// Root becomes `owner`: limits on processes don't hold root, and nothing in the sandbox may be the host's root.
///
/// Standard output and error are given to that user first, so that `/dev/stdout` can be opened.
pub(crate) fn become_unprivileged(owner: Option<(u32, u32)>) -> Result<(), Failure> {
    let Some((uid, gid)) = owner else { return Ok(()) };
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    for stream in [rustix::stdio::stdout(), rustix::stdio::stderr()] {
        rustix::fs::fchown(stream, Some(uid), Some(gid)).step("give the output pipes to the user")?;
    }
    rustix::thread::set_thread_groups(&[]).step("leave root's groups")?;
    rustix::thread::set_thread_res_gid(gid, gid, gid).step("become an unprivileged group")?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).step("become an unprivileged user")?;
    // Changing users made /proc/self root's; the maps are written through it.
    rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable).step("own /proc/self")
}

/// Enters new namespaces and maps the current user and group to [`INSIDE`].
#[expect(clippy::disallowed_methods, reason = "a failure names the step")]
pub(crate) fn enter(flags: CloneFlags) -> Result<(), Failure> {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    nix::sched::unshare(flags).step("make namespaces")?;
    let write = |path: &str, text: String| std::fs::write(path, text).step(format!("write {path}"));
    write("/proc/self/setgroups", "deny".to_owned())?;
    write("/proc/self/gid_map", format!("{INSIDE} {gid} 1\n"))?;
    write("/proc/self/uid_map", format!("{INSIDE} {uid} 1\n"))
}
