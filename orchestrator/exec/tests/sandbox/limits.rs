//! Time, memory, processes and file size.

use std::time::{Duration, Instant};

use xbuild_action::Outcome;

use crate::programs::{marker, processes_with};
use crate::world::World;

crate::tests![
    a_program_that_never_ends_is_ended,
    memory_over_the_limit_is_seen_also_in_children,
    a_fork_bomb_is_contained,
    processes_below_the_limit_are_left_alone,
    a_file_over_the_limit_is_not_written,
    printing_without_end_is_ended,
    tmp_has_a_size,
];

fn a_program_that_never_ends_is_ended() {
    let world = World::new();
    let marker = marker();
    let mut action =
        world.script(&format!("trap '' TERM INT; echo begun; sleep {marker} & while :; do :; done"), &[]);
    action.limits.time = Duration::from_millis(600);
    let start = Instant::now();
    let ran = world.run(&action);
    assert_eq!(ran.over_limit(), "time (0.6 s)");
    assert!(start.elapsed() < Duration::from_secs(4));
    let Outcome::OverLimit { result, .. } = &ran.outcome else { unreachable!() };
    assert_eq!(world.text(result.stdout), "begun\n");
    assert_eq!(processes_with(&marker), 0);
}

fn memory_over_the_limit_is_seen_also_in_children() {
    let world = World::with_tool();
    let mut action = world.tool(&["allocate", "600"], &[]);
    action.limits.memory = 256 << 20;
    let start = Instant::now();
    assert_eq!(world.run(&action).over_limit(), "memory (256 MiB)");
    let two =
        format!("/usr/bin/tool {0} allocate 150 & /usr/bin/tool {0} allocate 150", crate::tool::ARGUMENT);
    action.command.argv = vec!["/usr/bin/sh".to_owned(), "-c".to_owned(), two];
    assert_eq!(world.run(&action).over_limit(), "memory (256 MiB)");
    assert!(start.elapsed() < Duration::from_secs(20));
}

fn a_fork_bomb_is_contained() {
    let world = World::with_tool();
    let marker = marker();
    let mut action = world.tool(&["fork-without-end", &marker], &[]);
    action.limits.processes = 60;
    action.limits.time = Duration::from_secs(20);
    let start = Instant::now();
    assert_eq!(world.run(&action).over_limit(), "processes (60)");
    assert!(start.elapsed() < Duration::from_secs(15));
    assert_eq!(processes_with(&marker), 0);
}

fn processes_below_the_limit_are_left_alone() {
    let world = World::new();
    let mut action = world.script("i=0; while [ $i -lt 50 ]; do sleep 0.5 & i=$((i+1)); done; wait", &[]);
    action.limits.processes = 60;
    world.run(&action).success();
}

fn a_file_over_the_limit_is_not_written() {
    let world = World::new();
    let mut action = world.script("exec dd if=/dev/zero of=big bs=64k count=100", &[]);
    action.limits.file_size = 1 << 20;
    assert_eq!(world.run(&action).over_limit(), "file size (1 MiB)");
}

fn printing_without_end_is_ended() {
    let world = World::new();
    let mut action = world.script("while :; do echo yes; done", &[]);
    action.limits.file_size = 1 << 20;
    assert_eq!(world.run(&action).over_limit(), "printed text (1 MiB)");
}

fn tmp_has_a_size() {
    let world = World::new();
    let mut action = world.script("dd if=/dev/zero of=/tmp/big bs=1M count=20 2>&1 || echo full", &[]);
    action.limits.memory = 16 << 20;
    let printed = world.run(&action).printed(&world);
    assert!(printed.contains("No space left") && printed.ends_with("full\n"), "{printed}");
}
