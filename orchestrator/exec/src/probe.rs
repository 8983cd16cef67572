//! What of the sandbox this machine allows, tried for real.

use std::collections::BTreeSet;
use std::net::{TcpListener, TcpStream};
use std::path::Path;

use nix::sched::CloneFlags;
use rustix::event::{PollFd, PollFlags};
use rustix::net::{AddressFamily, SocketType};
use rustix::process::{PidfdFlags, WaitOptions};
use xbuild_action::{ExecutionError, Observed};
use xbuild_base::RelPath;

use crate::executor::{Sandbox, setup_failed};
use crate::namespaces;
use crate::observe::{self, Observer};
use crate::root;
use crate::specification::{Failure, Feature, Job, Overlay, Report, Step as _};
use crate::sys;

/// Whether something holds on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It was tried and works.
    Holds,
    /// It was tried and doesn't work; actions can't run.
    DoesNotHold,
    /// It isn't there, and nothing needs it: something else does its work.
    NotNeeded,
}

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What it is: `user namespaces`.
    pub name: &'static str,
    /// Whether it holds.
    pub state: State,
    /// What was seen.
    pub detail: String,
    /// What to run where it doesn't hold: a command, or what to ask of who runs the machine.
    pub remedy: Option<String>,
}

/// `userxattr` overlays in user namespaces came with it.
const OLDEST_KERNEL: (u32, u32) = (5, 11);

/// Limits on processes are counted by user namespace from here on.
const COUNTS_BY_NAMESPACE: (u32, u32) = (5, 14);

const APPARMOR: &str = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns";

/// Runs all checks.
pub(crate) fn all(sandbox: &Sandbox) -> Vec<Check> {
    let owner = sandbox.owner();
    let mut checks = vec![kernel(), user(&owner)];
    let Ok(owner) = owner else { return checks };
    let mut namespaces = feature(sandbox, "user namespaces", Feature::UserNamespace, owner);
    if namespaces.state == State::DoesNotHold {
        namespaces.remedy = Some(how_to_allow_user_namespaces());
    }
    checks.push(namespaces);
    checks.push(apparmor());
    let mut overlay = feature(sandbox, "overlays in a user namespace", Feature::Overlay, owner);
    if overlay.state == State::DoesNotHold {
        let help = "sudo modprobe overlay; and let XBUILD_STORE name a folder on ext4, xfs or btrfs";
        overlay.remedy = Some(help.to_owned());
    }
    checks.push(overlay);
    let mut proc = feature(sandbox, "a /proc of its own", Feature::Proc, owner);
    if proc.state == State::DoesNotHold {
        let help = "in a container, start it so that parts of /proc are not hidden: docker run --security-opt \
                    systempaths=unconfined, podman run --security-opt unmask=ALL, or in Kubernetes procMount: \
                    Unmasked";
        proc.remedy = Some(help.to_owned());
    }
    checks.push(proc);
    let mut network = feature(sandbox, "a network of its own", Feature::Network, owner);
    if network.state == State::DoesNotHold {
        network.remedy = Some("sudo sysctl -w user.max_net_namespaces=65536".to_owned());
    }
    checks.push(network);
    let mut others =
        feature(sandbox, "process, IPC, host name and cgroup namespaces", Feature::Others, owner);
    if others.state == State::DoesNotHold {
        others.remedy = Some(
            "sudo sysctl -w user.max_pid_namespaces=65536 user.max_ipc_namespaces=65536 \
             user.max_uts_namespaces=65536 user.max_cgroup_namespaces=65536"
                .to_owned(),
        );
    }
    checks.push(others);
    checks.push(cgroup(sandbox));
    checks.push(observing(sandbox, owner));
    checks
}

/// Where it doesn't work, everything is built all the same, and some things again.
fn observing(sandbox: &Sandbox, owner: Option<(u32, u32)>) -> Check {
    let mut check = feature(sandbox, "seeing what programs read", Feature::Observing, owner);
    if check.state == State::DoesNotHold {
        check.state = State::NotNeeded;
        check.detail = format!(
            "{}; so an edited file rebuilds its package's units whether they read it or not",
            check.detail
        );
        check.remedy = Some("use Linux 5.19 or newer; in a container, allow seccomp and ptrace".to_owned());
    }
    check
}

fn feature(sandbox: &Sandbox, name: &'static str, feature: Feature, owner: Option<(u32, u32)>) -> Check {
    let tried = || -> Result<(), ExecutionError> {
        let scratch = sandbox.store().scratch()?;
        let session = sandbox.start(scratch.path(), &Job::Probe { feature, owner }, &[], None)?;
        for report in session.reports()? {
            match report {
                Report::Works => return Ok(()),
                Report::Failed(failure) => return Err(setup_failed(&failure)),
                Report::Started | Report::Ended { .. } | Report::Observed(..) => {}
            }
        }
        Err(setup_failed(&Failure { step: "hear the helper".to_owned(), errno: nix::libc::EIO }))
    };
    match tried() {
        Ok(()) => Check { name, state: State::Holds, detail: "tried: works".to_owned(), remedy: None },
        Err(error) => Check { name, state: State::DoesNotHold, detail: error.to_string(), remedy: None },
    }
}

/// The helper's side: tries one feature. The current folder is a scratch folder.
pub(crate) fn attempt(feature: Feature, owner: Option<(u32, u32)>) -> Result<(), Failure> {
    namespaces::become_unprivileged(owner)?;
    let files = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS;
    match feature {
        Feature::UserNamespace => {
            namespaces::enter(files)?;
            // Where AppArmor restricts them the namespace is made, but gives no rights.
            rustix::mount::mount_change(
                c"/",
                rustix::mount::MountPropagationFlags::PRIVATE | rustix::mount::MountPropagationFlags::REC,
            )
            .step("use the rights of a user namespace")
        }
        Feature::Overlay => {
            for folder in ["low", &root::upper_name(0)] {
                fs_err::create_dir(folder).step(format!("make the folder {folder}"))?;
            }
            fs_err::write("low/file", "below").step("write a file")?;
            let overlay = Overlay { at: RelPath::root(), lower: vec!["low".to_owned()] };
            root::prepare_overlay(0, &overlay)?;
            namespaces::enter(files)?;
            root::mount_overlay(0, &overlay, Path::new(&root::upper_name(0)))?;
            // Copies it up, and makes a white-out.
            let file = Path::new(&root::upper_name(0)).join("file");
            fs_err::write(&file, "above").step("write through an overlay")?;
            fs_err::remove_file(&file).step("remove through an overlay")
        }
        Feature::Proc => {
            fs_err::create_dir("proc").step("make a folder")?;
            namespaces::enter(files | CloneFlags::CLONE_NEWPID)?;
            in_child(|| root::mount_proc("proc"))
        }
        Feature::Network => {
            namespaces::enter(files | CloneFlags::CLONE_NEWNET)?;
            let socket = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None);
            sys::loopback_up(&socket.step("open a socket")?).step("bring the loopback interface up")?;
            let listener = TcpListener::bind("127.0.0.1:0").step("listen on the loopback interface")?;
            let address = listener.local_addr().step("listen on the loopback interface")?;
            TcpStream::connect(address).step("connect over the loopback interface").map(drop)
        }
        Feature::Others => {
            let others = CloneFlags::CLONE_NEWPID
                | CloneFlags::CLONE_NEWIPC
                | CloneFlags::CLONE_NEWUTS
                | CloneFlags::CLONE_NEWCGROUP;
            namespaces::enter(files | others)?;
            in_child(|| rustix::system::sethostname(b"xbuild").step("set the host name"))
        }
        Feature::Observing => {
            fs_err::write("seen", "").step("write a file")?;
            let (observer, sender) = observe::prepare(&[RelPath::root()].into(), &BTreeSet::new(), 3)?;
            namespaces::enter(files)?;
            let look = || {
                // As in a sandbox: the folders above may be closed to this user.
                rustix::process::chroot(c".").step("change the root")?;
                rustix::thread::set_no_new_privs(true).step("forbid new privileges")?;
                observe::submit(&sender)?;
                rustix::fs::stat(c"/seen").step("look at a file").map(drop)
            };
            let seen = observed_child(observer, look)?;
            let is_seen =
                |paths: BTreeSet<RelPath>| paths.iter().any(|path| path.file_name() == Some("seen"));
            let unseen = || Failure { step: "be told of system calls".to_owned(), errno: nix::libc::ENOSYS };
            if seen.is_some_and(is_seen) { Ok(()) } else { Err(unseen()) }
        }
    }
}

/// What a child is seen to look at.
fn observed_child(
    mut observer: Observer,
    look: impl FnOnce() -> Result<(), Failure>,
) -> Result<Observed, Failure> {
    let Some(child) = sys::fork().step("fork")? else { sys::exit_now(i32::from(look().is_err())) };
    let pidfd = rustix::process::pidfd_open(child, PidfdFlags::empty()).step("watch a process")?;
    loop {
        let mut polled = vec![PollFd::new(&pidfd, PollFlags::IN)];
        polled.extend(observer.waits_for().map(|ear| PollFd::from_borrowed_fd(ear, PollFlags::IN)));
        match rustix::event::poll(&mut polled, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).step("watch a process"),
        }
        let events: Vec<PollFlags> = polled.iter().map(PollFd::revents).collect();
        if let Some(events) = events.get(1).filter(|events| !events.is_empty()) {
            observer.serve(events.contains(PollFlags::IN));
        } else if !events[0].is_empty() {
            return Ok(observer.finish().0);
        }
    }
}

/// Runs something in the first process of a new process namespace.
fn in_child(what: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    let Some(child) = sys::fork().step("fork")? else {
        sys::exit_now(what().map_or_else(|failure| failure.errno.clamp(1, 255), |()| 0))
    };
    let (_, status) = rustix::process::waitpid(Some(child), WaitOptions::empty())
        .step("wait")?
        .ok_or_else(|| Failure { step: "wait".to_owned(), errno: nix::libc::ECHILD })?;
    match status.exit_status() {
        Some(0) => Ok(()),
        code => Err(Failure {
            step: "set up a process namespace".to_owned(),
            errno: code.unwrap_or(nix::libc::EIO),
        }),
    }
}

fn kernel() -> Check {
    let uname = rustix::system::uname();
    let release = uname.release().to_string_lossy().into_owned();
    let mut numbers = release.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let (state, detail, remedy) = if version < OLDEST_KERNEL {
        let (major, minor) = OLDEST_KERNEL;
        let help = "install a newer kernel";
        (State::DoesNotHold, format!("Linux {release}; {major}.{minor} is needed"), Some(help.to_owned()))
    } else if version < COUNTS_BY_NAMESPACE {
        let detail =
            format!("Linux {release}: the limit on processes counts all of the user's, not one action's");
        (State::Holds, detail, None)
    } else {
        (State::Holds, format!("Linux {release}"), None)
    };
    Check { name: "kernel", state, detail, remedy }
}

fn user(owner: &Result<Option<(u32, u32)>, ExecutionError>) -> Check {
    let name = "an unprivileged user";
    match owner {
        Ok(None) => {
            let uid = rustix::process::geteuid().as_raw();
            Check { name, state: State::Holds, detail: format!("programs run as user {uid}"), remedy: None }
        }
        Ok(Some((uid, gid))) => {
            let detail = format!("root becomes user {uid}, group {gid}");
            Check { name, state: State::Holds, detail, remedy: None }
        }
        Err(error) => Check {
            name,
            state: State::DoesNotHold,
            detail: error.to_string(),
            remedy: Some("run xbuild as an ordinary user".to_owned()),
        },
    }
}

fn apparmor() -> Check {
    let name = "AppArmor's restriction of user namespaces";
    match fs_err::read_to_string(APPARMOR) {
        Ok(value) if value.trim() == "1" => Check {
            name,
            state: State::NotNeeded,
            detail: "it is on; where `user namespaces` holds all the same, a profile allows them".to_owned(),
            remedy: Some("sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0".to_owned()),
        },
        Ok(_) => Check { name, state: State::Holds, detail: "it is off".to_owned(), remedy: None },
        Err(_) => Check { name, state: State::Holds, detail: "there is none".to_owned(), remedy: None },
    }
}

/// The command that helps, by what is found to forbid them.
fn how_to_allow_user_namespaces() -> String {
    let is = |path: &str, value: &str| fs_err::read_to_string(path).is_ok_and(|text| text.trim() == value);
    if is(APPARMOR, "1") {
        "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0".to_owned()
    } else if is("/proc/sys/kernel/unprivileged_userns_clone", "0") {
        "sudo sysctl -w kernel.unprivileged_userns_clone=1".to_owned()
    } else if is("/proc/sys/user/max_user_namespaces", "0") {
        "sudo sysctl -w user.max_user_namespaces=65536".to_owned()
    } else {
        "in a container, allow unshare and mount: docker run --security-opt seccomp=unconfined --security-opt \
         apparmor=unconfined"
            .to_owned()
    }
}

fn cgroup(sandbox: &Sandbox) -> Check {
    let name = "a delegated cgroup";
    if sandbox.cgroup().is_some() {
        let detail = "tried: the kernel limits memory and processes".to_owned();
        Check { name, state: State::Holds, detail, remedy: None }
    } else {
        let detail =
            "none with memory and pids controllers: xbuild watches its sandboxes and kills".to_owned();
        let remedy = Some("systemd-run --user --scope -p Delegate=yes xbuild …".to_owned());
        Check { name, state: State::NotNeeded, detail, remedy }
    }
}
