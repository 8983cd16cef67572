//! What a program must not reach, each with a positive control: with isolation off the same program does.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use fs_err as fs;
use xbuild_action::{Isolation, Outcome};

use crate::world::{Action, World};

crate::tests![
    the_hosts_network_is_out_of_reach,
    it_has_a_loopback_of_its_own,
    the_hosts_files_are_out_of_reach,
    nothing_can_be_written_outside,
    the_hosts_processes_are_out_of_reach,
    no_privilege_can_be_gained,
];

/// Whether the program succeeds in the sandbox, with the host's network, and with no isolation.
fn succeeds(world: &World, mut action: Action) -> [bool; 3] {
    [Isolation::Full, Isolation::NoNetworkNamespace, Isolation::None].map(|isolation| {
        action.isolation = isolation;
        let ran = world.run(&action);
        match &ran.outcome {
            Outcome::Succeeded(result, _) => {
                assert_eq!(result.isolation, isolation);
                true
            }
            Outcome::Failed(..) => false,
            other => panic!("{other:?}"),
        }
    })
}

fn the_hosts_network_is_out_of_reach() {
    let world = World::with_tool();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    assert_eq!(succeeds(&world, world.tool(&["connect", &address], &[])), [false, true, true]);
}

fn it_has_a_loopback_of_its_own() {
    let world = World::with_tool();
    assert_eq!(succeeds(&world, world.tool(&["serve-myself"], &[])), [true, true, true]);
}

fn the_hosts_files_are_out_of_reach() {
    let world = World::new();
    let folder = open_folder();
    fs::write(folder.path().join("secret"), "").unwrap();
    let secret = folder.path().join("secret").display().to_string();
    let looks = world.script(&format!("cat {secret}"), &[]);
    assert_eq!(succeeds(&world, looks), [false, false, true]);
    let name = fs::read_to_string("/etc/passwd").unwrap().lines().next().unwrap().to_owned();
    let looks = world.script(
        &format!("while read line; do [ \"$line\" = '{name}' ] && exit 0; done < /etc/passwd; exit 1"),
        &[],
    );
    assert_eq!(succeeds(&world, looks), [false, false, true]);
    // With no isolation the inputs still lie over the host's files.
    let mut action = world.script("ls /usr/bin/ldd && cat /usr/bin/marker", &[]);
    action.inputs.layers.push(world.tree(&[("usr/bin/marker", "inputs\n")]));
    action.isolation = Isolation::None;
    assert_eq!(world.run(&action).printed(&world), "/usr/bin/ldd\ninputs\n");
}

fn nothing_can_be_written_outside() {
    let world = World::new();
    let folder = open_folder();
    let target = folder.path().join("made");
    let writes = || {
        world.script(
            &format!(
                "echo x > {0} || {{ mkdir -p {1}; echo x > {0}; }}; exit 0",
                target.display(),
                folder.path().display()
            ),
            &[],
        )
    };
    let mut action = writes();
    world.run(&action).success();
    assert!(!target.exists());
    action.isolation = Isolation::None;
    world.run(&action).success();
    assert!(target.exists());
}

fn the_hosts_processes_are_out_of_reach() {
    let world = World::new();
    let looks = world.script(&format!("[ -e /proc/{} ]", std::process::id()), &[]);
    // The sandbox's own numbers are small ones.
    assert!(std::process::id() > 100);
    assert_eq!(succeeds(&world, looks), [false, false, true]);
}

fn no_privilege_can_be_gained() {
    let world = World::new();
    if !std::path::Path::new("/usr/bin/unshare").exists() {
        return;
    }
    // A namespace of its own would give a program capabilities again.
    let looks = world.script("cat /proc/sys/user/max_user_namespaces; cat /proc/self/uid_map", &[]);
    let printed = world.run(&looks).printed(&world);
    let mut words = printed.split_whitespace();
    assert_eq!((words.next(), words.next()), (Some("0"), Some("1000")), "{printed}");
    let bind = world.script("[ -w /proc/sys/kernel/hostname ] && echo x > /proc/sys/kernel/hostname", &[]);
    world.run(&bind).failure();
}

/// A folder that everybody on the host may use.
fn open_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    folder
}
