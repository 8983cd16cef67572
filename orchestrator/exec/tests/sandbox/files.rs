//! What a program finds, and what becomes of what it changes.

use xbuild_action::{Isolation, Outcome};

use crate::world::{World, path};

crate::tests![
    layers_mounts_files_and_folders_are_there_and_nothing_else,
    mounts_below_mounts_work_and_merge,
    many_mounts_work,
    many_layers_work,
    inputs_can_be_changed_and_are_not,
    actions_one_after_the_other_find_their_own_inputs,
    input_files_have_one_time_and_the_users_name,
    tmp_and_shm_are_private_and_writable,
    devices_work,
    an_etc_of_the_inputs_comes_first,
    the_proc_says_nothing_of_the_hosts_boot,
    the_proc_shows_own_processes_only,
    a_root_mount_is_a_layer,
];

fn layers_mounts_files_and_folders_are_there_and_nothing_else() {
    let world = World::new();
    let mut action = world
        .script("cat ws/a ws/sub/b dep/lib; ls; ls ws empty out; echo new > out/made", &["build/out/made"]);
    action.inputs.mounts.insert(path("build/ws"), world.tree(&[("a", "A\n"), ("sub/b", "B\n")]));
    action.inputs.files.insert(path("build/dep/lib"), world.file("L\n"));
    action.inputs.directories.insert(path("build/empty"));
    let ran = world.run(&action);
    assert_eq!(ran.printed(&world), "A\nB\nL\ndep\nempty\nout\nws\nempty:\n\nout:\n\nws:\na\nsub\n");
    assert_eq!(world.output(&ran, "build/out/made"), "new\n");
}

fn mounts_below_mounts_work_and_merge() {
    let world = World::new();
    let mut action = world.script(
        "cat ws/Cargo.toml ws/crates/foo/lib.rs ws/crates/foo/deep/x ws/crates/foo/README; ls ws/crates ws/crates/foo; \
         echo 1 > ws/made; echo 2 > ws/crates/foo/made; echo 3 > ws/crates/foo/deep/made",
        &["build/ws/made", "build/ws/crates/foo/made", "build/ws/crates/foo/deep/made"],
    );
    let outer = world.tree(&[("Cargo.toml", "W\n"), ("crates/bar/b", ""), ("crates/foo/README", "R\n")]);
    action.inputs.mounts.insert(path("build/ws"), outer);
    action.inputs.mounts.insert(path("build/ws/crates/foo"), world.tree(&[("lib.rs", "F\n")]));
    action.inputs.mounts.insert(path("build/ws/crates/foo/deep"), world.tree(&[("x", "D\n")]));
    let ran = world.run(&action);
    assert_eq!(
        ran.printed(&world),
        "W\nF\nD\nR\nws/crates:\nbar\nfoo\n\nws/crates/foo:\nREADME\ndeep\nlib.rs\n"
    );
    assert_eq!(world.output(&ran, "build/ws/made"), "1\n");
    assert_eq!(world.output(&ran, "build/ws/crates/foo/made"), "2\n");
    assert_eq!(world.output(&ran, "build/ws/crates/foo/deep/made"), "3\n");
}

fn many_mounts_work() {
    let world = World::new();
    let mut action = world.script("cat m*/text", &[]);
    let mut expected = String::new();
    for number in 100..220 {
        let text = format!("{number}\n");
        action.inputs.mounts.insert(path(&format!("build/m{number}")), world.tree(&[("text", &text)]));
        expected += &text;
    }
    assert_eq!(world.run(&action).printed(&world), expected);
}

fn many_layers_work() {
    let world = World::new();
    let mut action = world.script("cat l*", &[]);
    let mut expected = String::new();
    for number in 100..300 {
        let text = format!("{number}\n");
        action.inputs.layers.push(world.tree(&[(&format!("build/l{number}"), &text)]));
        expected += &text;
    }
    assert_eq!(world.run(&action).printed(&world), expected);
}

fn inputs_can_be_changed_and_are_not() {
    let world = World::new();
    let script = "cat ws/a dep; echo bad > ws/a; echo bad > dep; rm ws/b; \
                  echo bad > /usr/bin/cat; rm /usr/bin/ls; echo more > ws/c; mv ws/a ws/z; true";
    let mut action = world.script(script, &[]);
    let tree = world.tree(&[("a", "A\n"), ("b", "B\n")]);
    action.inputs.mounts.insert(path("build/ws"), tree);
    action.inputs.files.insert(path("build/dep"), world.file("D\n"));
    for _ in 0..2 {
        assert_eq!(world.run(&action).printed(&world), "A\nD\n");
    }
    action.command.argv[2] = "ls ws; cat ws/a ws/b dep".to_owned();
    assert_eq!(world.run(&action).printed(&world), "a\nb\nA\nB\nD\n");
}

fn actions_one_after_the_other_find_their_own_inputs() {
    let world = World::new();
    let run = |script: &str, files: &[(&str, &str)]| {
        let list = "for at in . */ */*/ deep in/* deep/er/*; do case $at in out*) ;; *) \
                    [ -e $at ] && stat -c '%n %a %Y' $at;; esac; done; cat in/*;";
        let mut action = world.script(&format!("{list} {script}"), &["build/out/x"]);
        for (at, text) in files {
            action.inputs.files.insert(path(&format!("build/{at}")), world.file(text));
        }
        world.run(&action)
    };
    let first = [("in/a", "A\n"), ("in/b", "B\n"), ("deep/er/c", "C\n")];
    let dated = |lines: &[&str], text: &str| {
        let lines: Vec<String> = lines.iter().map(|line| format!("{line} 315532800\n")).collect();
        lines.concat() + text
    };
    let listing = dated(
        &[
            ". 755",
            "deep/ 755",
            "in/ 755",
            "deep/er/ 755",
            "deep 755",
            "in/a 644",
            "in/b 644",
            "deep/er/c 644",
        ],
        "A\nB\n",
    );
    let spoil = "rm -r in deep; echo made > out/x; mkdir in; echo Z > in/z";
    assert_eq!(run(spoil, &first).printed(&world), listing);
    assert_eq!(run("chmod 700 in; echo more >> in/b; exit 0", &first).printed(&world), listing);
    // Other content at one path, a folder less, a file where a folder was.
    let second = [("in/b", "other\n"), ("in/c", "C\n"), ("deep", "D\n")];
    let listing = dated(&[". 755", "in/ 755", "deep 644", "in/b 644", "in/c 644"], "other\nC\n");
    assert_eq!(run("", &second).printed(&world), listing);
    run("rm -r in; exit 1", &first).failure();
    assert_eq!(run("", &second).printed(&world), listing);
    assert_eq!(run("", &[("in/b", "B\n")]).printed(&world), dated(&[". 755", "in/ 755", "in/b 644"], "B\n"));
}

fn input_files_have_one_time_and_the_users_name() {
    let world = World::new();
    let mut action = world.script("stat -c '%a %u %g %Y %n' . ws ws/a dep dir dir/in /usr/bin/cat", &[]);
    action.inputs.mounts.insert(path("build/ws"), world.tree(&[("a", "A\n")]));
    action.inputs.files.insert(path("build/dep"), world.file("D\n"));
    action.inputs.files.insert(path("build/dir/in"), world.file("D\n"));
    let expected: String = [("755", "."), ("755", "ws"), ("644", "ws/a"), ("644", "dep"), ("755", "dir")]
        .into_iter()
        .chain([("644", "dir/in"), ("755", "/usr/bin/cat")])
        .map(|(mode, name)| format!("{mode} 1000 1000 315532800 {name}\n"))
        .collect();
    assert_eq!(world.run(&action).printed(&world), expected);
}

fn tmp_and_shm_are_private_and_writable() {
    let world = World::new();
    let script = "ls -A /tmp /dev/shm; stat -c '%a' /tmp /dev/shm; echo x > /tmp/x && echo x > /dev/shm/x";
    for _ in 0..2 {
        assert_eq!(world.prints(script), "/dev/shm:\n\n/tmp:\n1777\n1777\n");
    }
    let action = world.script("stat -c '%a' /tmp; echo kept > /tmp/out", &["tmp/out"]);
    let ran = world.run(&action);
    assert_eq!(ran.printed(&world), "1777\n");
    assert_eq!(world.output(&ran, "tmp/out"), "kept\n");
}

fn devices_work() {
    let world = World::new();
    assert_eq!(
        world.prints(
            "ls /dev; head -c 3 /dev/zero | stat -c %F - ; head -c 8 /dev/urandom > r; stat -c %s r; \
                      echo x > /dev/null; echo x > /dev/full || echo full"
        ),
        "fd\nfull\nnull\nrandom\nshm\nstderr\nstdin\nstdout\nurandom\nzero\nfifo\n8\nfull\n"
    );
}

fn an_etc_of_the_inputs_comes_first() {
    let world = World::new();
    let mut action = world.script("cat /etc/passwd; ls /etc", &[]);
    action.inputs.layers.push(world.tree(&[("etc/passwd", "mine\n"), ("etc/ssl/cert", "")]));
    assert_eq!(world.run(&action).printed(&world), "mine\ngroup\nhosts\nnsswitch.conf\npasswd\nssl\n");
}

fn the_proc_says_nothing_of_the_hosts_boot() {
    let world = World::new();
    let printed = world
        .run(&world.script("cat /proc/cmdline; cat /proc/sys/kernel/random/boot_id", &[]))
        .printed(&world);
    assert_eq!(printed, "00000000-0000-4000-8000-000000000000\n");
}

fn the_proc_shows_own_processes_only() {
    let world = World::new();
    let seen = world
        .prints("echo /proc/[0-9]*; ls -l /proc/1/exe /proc/1/root 2>&1; cat /proc/1/environ 2>&1; true");
    assert!(seen.starts_with("/proc/1 /proc/2\n"), "{seen}");
    assert_eq!(seen.matches("Permission denied").count(), 3, "{seen}");
}

fn a_root_mount_is_a_layer() {
    let world = World::new();
    let mut action = world.script("cat /top/x", &[]);
    action.inputs.mounts.insert(path(""), world.tree(&[("top/x", "X\n")]));
    for isolation in [Isolation::Full, Isolation::None] {
        action.isolation = isolation;
        let ran = world.run(&action);
        assert!(matches!(ran.outcome, Outcome::Succeeded(..)));
        assert_eq!(ran.printed(&world), "X\n");
    }
}
