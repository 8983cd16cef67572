//! Pins that have gone, and a disk that is full.

use std::path::Path;
use std::process::Command;

use insta::assert_snapshot;

use crate::common::{Ran, Xbuild, shared_store};
use crate::server::{Reply, Server};
use crate::{TARGET, built, results, shown};

#[test]
fn a_pinned_package_that_is_gone_names_the_command_that_moves_the_pin() {
    let project = built();
    let before = results(&project);
    // The project's own pin of a component, which no mirror has.
    project.write(
        ".xbuild/toolchains.toml",
        "format = 1\n\n[pins.any.musl-x86_64]\npackages = [\n  { name = \"musl-dev\", version = \"9.9\", \
         arch = \"amd64\", suite = \"trixie\", path = \"pool/main/m/musl/musl-dev_9.9_amd64.deb\", size = 10, \
         sha256 = \"0000000000000000000000000000000000000000000000000000000000000000\" },\n]\n",
    );
    let server = Server::new(|_| Reply::status(404));
    let ran = Xbuild::new()
        .folder(&project.root)
        .env("XBUILD_DEBIAN_MIRRORS", server.url.as_str())
        .env("XBUILD_FETCH_RETRIES", "0")
        .run(&["build", "--target", TARGET])
        .fails(3);
    assert_snapshot!(shown(&project, &ran).replace(&server.url, "[mirror]"), @"
    error: musl-dev 9.9 (amd64) is gone: none of the places that should have it does
      [mirror]/pool/main/m/musl/musl-dev_9.9_amd64.deb: 404, no such file
    help: if it is a toolchain package, `xbuild toolchain update` moves its pin, if one of xbuild.lock, `xbuild update`; to build with the old one name a mirror that keeps it: XBUILD_MIRRORS=https://… (laid out <aa>/<sha256>)
    ");
    assert_eq!(results(&project), before);
}

#[test]
fn a_full_disk_is_named_and_nothing_is_half_written() {
    let project = built();
    let before = results(&project);
    // The blobs of the store that the tests share are laid out as a mirror by hash.
    let store = project.folder.path().join("small");
    fs_err::create_dir(&store).unwrap();
    let xbuild = Xbuild::new()
        .store(&store)
        .folder(&project.root)
        .env("XBUILD_MIRRORS", shared_store().join("blobs"))
        .env("XBUILD_FETCH_RETRIES", "0");
    let ran = on_a_small_disk(&store, &xbuild.command(&["build", "--target", TARGET]));
    ran.says("No space left on device")
        .says("\nhelp: free some space, or remove what no result needs: xbuild gc --keep-days 0\n")
        .says("[exit code 3]\n")
        .says(" in the store, all of it whole\n")
        .ok();
    assert_eq!(results(&project), before);
}

/// Runs a command with a file system of 8 MiB mounted at `store`, in a mount namespace of its own. Then prints its
/// exit code, and verifies the store.
fn on_a_small_disk(store: &Path, command: &Command) -> Ran {
    let mut unshare = Command::new("unshare");
    let back = if rustix::process::geteuid().is_root() {
        unshare.arg("--mount");
        String::new()
    } else {
        let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        unshare.args(["--map-root-user", "--mount"]);
        // xbuild must be itself again: as root it would change to another user.
        format!("unshare --map-user={user} --map-group={group} ")
    };
    let script = format!(
        "mount -t tmpfs -o size=8m,mode=1777 none \"$1\" || exit 9; shift
         {back}\"$@\"; echo \"[exit code $?]\"
         exec {back}\"$1\" store verify"
    );
    unshare.args(["sh", "-c", &script, "sh"]).arg(store).arg(command.get_program()).args(command.get_args());
    unshare.current_dir(command.get_current_dir().unwrap()).env_clear();
    unshare.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = unshare.output().unwrap();
    Ran {
        command: "xbuild build, on a small disk".to_owned(),
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
        time: std::time::Duration::ZERO,
    }
}
