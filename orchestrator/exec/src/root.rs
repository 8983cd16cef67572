//! The mounts: the sandbox's root file system.

use std::ffi::CString;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;

use fs_err as fs;
use rustix::fs::CWD;
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};

use crate::namespaces::INSIDE;
use crate::specification::{Failure, Overlay, Specification, Step as _};

/// A boot id that is the same everywhere, and where it lies until it has its place.
const BOOT_ID: &str = "00000000-0000-4000-8000-000000000000\n";
const BOOT_ID_FILE: &str = "dev/boot-id";

/// The kernel takes a page of options: so much of it is for the names of lower folders.
const LOWER_LENGTH: usize = 3800;

const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];

const DEVICE_LINKS: [(&str, &str); 4] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
];

/// Makes the folders that the overlays need, as their owner: before the mounts, in the scratch folder.
pub(crate) fn prepare(specification: &Specification) -> Result<(), Failure> {
    let mut overlays = specification.overlays.iter().enumerate();
    overlays.try_for_each(|(index, overlay)| prepare_overlay(index, overlay))
}

/// Where the lower folders can't be named as they are, short links stand for them.
pub(crate) fn prepare_overlay(index: usize, overlay: &Overlay) -> Result<(), Failure> {
    make_directory(work_name(index))?;
    if !fits_options(&overlay.lower) {
        for (layer, target) in overlay.lower.iter().enumerate() {
            rustix::fs::symlink(target.as_str(), lower_name(index, layer).as_str()).step("link a layer")?;
        }
    }
    Ok(())
}

/// Whether folders can stand in the options of a mount: few enough, and no character needs to be escaped. Each file
/// that isn't made for each action is one less to be made and removed.
fn fits_options(lower: &[String]) -> bool {
    let length: usize = lower.iter().map(|folder| folder.len() + 1).sum();
    length < LOWER_LENGTH && !lower.iter().any(|folder| folder.contains([':', ',', '\\']))
}

/// The name of an overlay's upper folder in the scratch folder. The root is mounted over that of the first, which nobody
/// needs by that name any more.
pub(crate) fn upper_name(index: usize) -> String {
    format!("u{index}")
}

/// The same of its work folder.
pub(crate) fn work_name(index: usize) -> String {
    format!("w{index}")
}

fn lower_name(index: usize, layer: usize) -> String {
    format!("l{index}.{layer}")
}

fn make_directory(path: impl AsRef<Path>) -> Result<(), Failure> {
    let path = path.as_ref();
    std::fs::DirBuilder::new().mode(0o755).create(path).step(format!("make {}", path.display()))
}

/// Mounts everything and makes it the root. The current folder is the scratch folder.
pub(crate) fn mount(specification: &Specification) -> Result<(), Failure> {
    rustix::mount::mount_change(c"/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .step("make the mounts private")?;
    for (index, overlay) in specification.overlays.iter().enumerate() {
        let target = Path::new(&upper_name(0)).join(overlay.at.as_str());
        mount_overlay(index, overlay, &target)?;
    }
    rustix::process::chdir(upper_name(0)).step("enter the root")?;
    if specification.is_isolated() {
        mount_proc("proc")?;
        mount_dev(specification.shm_size)?;
        mask_proc()?;
        if let Some(size) = specification.tmp_size {
            let options = format!("mode=1777,size={size},uid={INSIDE},gid={INSIDE}");
            mount_new("tmpfs", "tmp", MountFlags::NOSUID | MountFlags::NODEV, &options)?;
        }
    }
    for name in &specification.binds {
        rustix::mount::mount_bind_recursive(format!("/{name}"), name.as_str())
            .step(format!("bind the host's /{name}"))?;
    }
    // The old root lands on top of the new one and is taken off.
    rustix::process::pivot_root(c".", c".").step("change the root")?;
    rustix::mount::unmount(c".", UnmountFlags::DETACH).step("let go of the host's root")?;
    rustix::process::chdir(c"/").step("enter the root")
}

/// Mounts overlay `index` at `target`.
///
/// `userxattr` is what an unprivileged user may have; `volatile` leaves out a sync of the whole file system when
/// the mount goes, which is right for what is thrown away.
pub(crate) fn mount_overlay(index: usize, overlay: &Overlay, target: &Path) -> Result<(), Failure> {
    let lower = if fits_options(&overlay.lower) {
        overlay.lower.clone()
    } else {
        (0..overlay.lower.len()).map(|layer| lower_name(index, layer)).collect()
    };
    let options = format!(
        "lowerdir={},upperdir={},workdir={},userxattr,volatile,index=off",
        lower.join(":"),
        upper_name(index),
        work_name(index)
    );
    let step = || format!("mount the overlay at /{} ({} layers)", overlay.at, lower.len());
    let options = CString::new(options).map_err(|_| invalid(step()))?;
    rustix::mount::mount(c"overlay", target, c"overlay", MountFlags::NOSUID | MountFlags::NODEV, &*options)
        .step(step())
}

/// Mounts the `/proc` of the current process namespace.
pub(crate) fn mount_proc(target: &str) -> Result<(), Failure> {
    mount_new("proc", target, MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC, "")
}

/// Hides what `/proc` tells of the host's own boot, which programs have been seen to take for an identity.
fn mask_proc() -> Result<(), Failure> {
    fs::write(BOOT_ID_FILE, BOOT_ID).step("make a boot id")?;
    for (file, mask) in [("cmdline", "/dev/null"), ("sys/kernel/random/boot_id", BOOT_ID_FILE)] {
        let target = format!("proc/{file}");
        rustix::mount::mount_bind(mask, target.as_str()).step(format!("mask /{target}"))?;
    }
    // The mount keeps it.
    fs::remove_file(BOOT_ID_FILE).step("make a boot id")
}

fn mount_dev(size: u64) -> Result<(), Failure> {
    let options = format!("mode=755,size={size},uid={INSIDE},gid={INSIDE}");
    mount_new("tmpfs", "dev", MountFlags::NOSUID, &options)?;
    for name in DEVICES {
        let target = format!("dev/{name}");
        fs::File::create(&target).step(format!("make /{target}"))?;
        rustix::mount::mount_bind(format!("/dev/{name}"), target.as_str()).step(format!("bind /{target}"))?;
    }
    for (name, target) in DEVICE_LINKS {
        rustix::fs::symlinkat(target, CWD, format!("dev/{name}")).step(format!("link /dev/{name}"))?;
    }
    make_directory("dev/shm")?;
    fs::set_permissions("dev/shm", std::fs::Permissions::from_mode(0o1777)).step("open /dev/shm to all")
}

fn mount_new(kind: &str, target: &str, flags: MountFlags, options: &str) -> Result<(), Failure> {
    let step = || format!("mount /{target}");
    let options = CString::new(options).map_err(|_| invalid(step()))?;
    rustix::mount::mount(kind, target, kind, flags, &*options).step(step())
}

fn invalid(step: String) -> Failure {
    Failure { step, errno: nix::libc::EINVAL }
}
