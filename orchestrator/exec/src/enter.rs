//! A person's own program among files of the store: no sandbox, just other folders at the root.
//!
//! The program has the terminal, the user, the folder, the network and the processes of whoever asked for it, and of
//! the host's files all but the top-level folders that the given trees have (`/usr`, `/lib64` …): those are the trees',
//! or the trees' over the host's. Nothing stands between it and its caller: this process becomes it, so its exit code,
//! its signals and its streams are its own.
//!
//! Only a process with one thread may enter a user namespace, so the program that uses this crate is executed once
//! more: [`enter`] hands the [`Entry`] over, and [`crate::run_helper_if_asked`] takes it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::CString;
use std::io::{Seek as _, Write as _};
use std::os::fd::{AsRawFd as _, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};

use fs_err as fs;
use nix::sched::CloneFlags;
use rustix::fs::MemfdFlags;
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};
use serde::{Deserialize, Serialize};

use crate::specification::{Failure, Step as _};
use crate::sys;

/// The hidden first argument of a process that is to become a program; the second is a descriptor.
pub(crate) const ENTER_ARGUMENT: &str = "__enter";

/// What the process ends with when it could not become the program.
const FAILED: i32 = 3;

/// Where the new root is put together: a folder that every machine has. What lies in it stays in reach.
const BASE: &str = "/tmp";

/// A program and the files that it sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Folders, absolute, topmost first, whose top-level folders take the place of the host's.
    pub layers: Vec<PathBuf>,
    /// What is seen beside them.
    pub ground: Ground,
    /// The program, looked for in `PATH` unless its name has a slash, and its arguments.
    pub argv: Vec<String>,
    /// What is different in its environment; `None`: the variable is taken away.
    pub environment: BTreeMap<String, Option<String>>,
}

/// What a program sees beside the given trees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ground {
    /// The host's files, below the trees'; the network, and the folder that it is called in.
    Host,
    /// Nothing: as an action, but for the user and the processes, which are the host's. What it changes goes when it
    /// ends.
    Nothing {
        /// Where it starts, absolute.
        folder: PathBuf,
    },
}

/// Becomes the program. Comes back only with why not.
#[must_use]
pub fn enter(entry: &Entry) -> std::io::Error {
    match hand_over(entry) {
        Ok(never) => match never {},
        Err(error) => error,
    }
}

fn hand_over(entry: &Entry) -> std::io::Result<std::convert::Infallible> {
    // Open across `exec`.
    let memory = rustix::fs::memfd_create(c"xbuild-entry", MemfdFlags::empty())?;
    let mut file = std::fs::File::from(memory);
    file.write_all(&serde_json::to_vec(entry)?)?;
    file.rewind()?;
    let number = file.as_raw_fd().to_string();
    let mut command = std::process::Command::new("/proc/self/exe");
    for (name, value) in &entry.environment {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    Err(command.args([ENTER_ARGUMENT, &number]).exec())
}

/// The life of a process that was started to become a program.
pub(crate) fn main(descriptor: Option<&str>) -> ! {
    let said = match descriptor.and_then(|text| text.parse().ok()).map(take) {
        Some(Ok(entry)) => match become_program(&entry) {
            Ok(never) => match never {},
            Err(failure) => {
                let program = entry.argv.first().map_or("", String::as_str);
                let error = std::io::Error::from(&failure);
                format!(
                    "could not run {program}: {}: {error}\nhelp: see what this machine allows: xbuild doctor",
                    failure.step
                )
            }
        },
        // There is nobody to tell but a person who typed the hidden argument.
        _ => "this is not for use by hand".to_owned(),
    };
    eprintln!("error: {said}");
    sys::exit_now(FAILED)
}

fn take(descriptor: RawFd) -> std::io::Result<Entry> {
    let memory = sys::own(descriptor)?;
    Ok(serde_json::from_reader(std::io::BufReader::new(std::fs::File::from(memory)))?)
}

fn become_program(entry: &Entry) -> Result<std::convert::Infallible, Failure> {
    let (folder, more) = match &entry.ground {
        Ground::Host => (std::env::current_dir().step("find the current folder")?, CloneFlags::empty()),
        Ground::Nothing { folder } => (folder.clone(), CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWIPC),
    };
    new_namespaces(more | CloneFlags::CLONE_NEWNS)?;
    rustix::mount::mount_change(c"/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .step("make the mounts private")?;
    put_together(entry)?;
    rustix::process::chdir(&folder).step(format!("enter {}", folder.display()))?;
    let text = |text: &str| CString::new(text).map_err(|_| nix::Error::EINVAL).step("read the command");
    let argv: Vec<CString> = entry.argv.iter().map(|word| text(word)).collect::<Result<_, _>>()?;
    let program = argv.first().ok_or(nix::Error::EINVAL).step("read the command")?;
    // xbuild's own handlers went with the last `exec`; what its caller ignores stays ignored, as with any program.
    nix::unistd::execvp(program, &argv).step("execute it")
}

/// Namespaces; root needs no other, everyone else a user namespace in which they stay who they are.
#[expect(clippy::disallowed_methods, reason = "a failure names the step")]
fn new_namespaces(flags: CloneFlags) -> Result<(), Failure> {
    if rustix::process::geteuid().is_root() && nix::sched::unshare(flags).is_ok() {
        return Ok(());
    }
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    nix::sched::unshare(CloneFlags::CLONE_NEWUSER | flags).step("make namespaces")?;
    let write = |path: &str, text: String| std::fs::write(path, text).step(format!("write {path}"));
    write("/proc/self/setgroups", "deny".to_owned())?;
    write("/proc/self/gid_map", format!("{gid} {gid} 1\n"))?;
    write("/proc/self/uid_map", format!("{uid} {uid} 1\n"))
}

/// Makes the root. First an empty one takes the place of the host's, which stays in reach as `old`: so nothing of the
/// host's is hidden by what is mounted on the way.
fn put_together(entry: &Entry) -> Result<(), Failure> {
    let options = c"mode=755";
    rustix::mount::mount("tmpfs", BASE, "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, options)
        .step("mount an empty root")?;
    rustix::process::chdir(BASE).step("enter the empty root")?;
    for folder in ["old", "new", "layers", "changes"] {
        fs::create_dir(folder).step("make a folder of the empty root")?;
    }
    rustix::process::pivot_root(c".", c"old").step("change the root")?;
    rustix::process::chdir(c"/").step("enter the empty root")?;
    // A root that is pivoted to must be a mount of its own.
    rustix::mount::mount_bind(c"new", c"new").step("bind the new root")?;
    let layers: Vec<PathBuf> = entry.layers.iter().map(|layer| below("old", layer)).collect();
    let mut names: BTreeSet<std::ffi::OsString> = BTreeSet::new();
    let host = (entry.ground == Ground::Host).then_some(Path::new("old"));
    for folder in layers.iter().map(PathBuf::as_path).chain(host) {
        for one in fs::read_dir(folder).step("list the root")? {
            names.insert(one.step("list the root")?.file_name());
        }
    }
    for name in &names {
        let given: Vec<PathBuf> = layers.iter().map(|layer| layer.join(name)).collect();
        place(Path::new(name), &given, host.is_some())?;
    }
    if host.is_none() {
        for name in ["dev", "proc"] {
            let (own, hosts) = (Path::new("new").join(name), Path::new("old").join(name));
            fs::create_dir_all(&own).step("make a folder of the new root")?;
            rustix::mount::mount_bind_recursive(&hosts, &own).step(format!("bind /{name}"))?;
        }
        fs::create_dir_all("new/tmp").step("make a folder of the new root")?;
    }
    rustix::process::chdir(c"new").step("enter the new root")?;
    rustix::process::pivot_root(c".", c".").step("change the root again")?;
    rustix::mount::unmount(c".", UnmountFlags::DETACH).step("let go of the first root")
}

/// Puts one top-level name into the new root: the layers' where they have it, else the host's.
fn place(name: &Path, given: &[PathBuf], over_host: bool) -> Result<(), Failure> {
    let (own, host) = (Path::new("new").join(name), Path::new("old").join(name));
    let is_folder = |path: &PathBuf| fs::symlink_metadata(path).is_ok_and(|it| it.is_dir());
    let step = || format!("put /{} into the new root", name.display());
    let first = given.iter().find(|path| fs::symlink_metadata(path).is_ok());
    let source = first.unwrap_or(&host);
    let kind = fs::symlink_metadata(source).step(step())?.file_type();
    if kind.is_symlink() {
        let target = fs::read_link(source).step(step())?;
        return rustix::fs::symlink(&target, &own).step(step());
    }
    if !kind.is_dir() {
        fs::File::create(&own).step(step())?;
        return rustix::mount::mount_bind_recursive(source, &own).step(step());
    }
    fs::create_dir(&own).step(step())?;
    let mut lower: Vec<PathBuf> = given.iter().filter(|path| is_folder(path)).cloned().collect();
    if over_host && is_folder(&host) {
        lower.push(host);
    }
    match lower.as_slice() {
        [one] if over_host => rustix::mount::mount_bind_recursive(one, &own).step(step()),
        several => overlay(name, several, &own, !over_host),
    }
}

/// Mounts folders over each other, to be read, or with changes kept in the empty root. Short links stand for them: the kernel takes a page of options, and no
/// character in a path needs to be escaped.
fn overlay(name: &Path, lower: &[PathBuf], at: &Path, is_writable: bool) -> Result<(), Failure> {
    let step = || format!("mount an overlay at /{}", name.display());
    let links: Vec<String> = (0..lower.len())
        .map(|layer| format!("/layers/{}.{layer}", hex(name.as_os_str().as_bytes())))
        .collect();
    for (link, folder) in links.iter().zip(lower) {
        rustix::fs::symlink(Path::new("/").join(folder), link).step(step())?;
    }
    let mut options = format!("lowerdir={},userxattr", links.join(":"));
    if is_writable {
        for (option, suffix) in [("upperdir", "upper"), ("workdir", "work")] {
            let folder = format!("/changes/{}.{suffix}", hex(name.as_os_str().as_bytes()));
            fs::create_dir(&folder).step(step())?;
            options.push_str(&format!(",{option}={folder}"));
        }
    }
    let options = CString::new(options).map_err(|_| nix::Error::EINVAL).step(step())?;
    rustix::mount::mount(c"overlay", at, c"overlay", MountFlags::NOSUID | MountFlags::NODEV, &*options)
        .step(step())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An absolute path below a folder.
fn below(folder: &str, path: &Path) -> PathBuf {
    Path::new(folder).join(path.strip_prefix("/").unwrap_or(path))
}
