//! How a program is started and how it ends.

use std::os::fd::AsRawFd as _;
use std::os::unix::process::CommandExt as _;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use xbuild_action::{ExecutionError, Isolation, Outcome, Stream};
use xbuild_base::Digest;

use crate::world::{NOBODY, World, is_root, path};

crate::tests![
    exit_code_and_both_streams_come_back,
    death_by_a_signal_is_128_and_its_number,
    the_environment_is_exactly_the_commands,
    user_machine_and_folder_are_fixed,
    signals_limits_and_umask_are_fixed,
    standard_streams_can_be_opened_by_name,
    only_asked_for_descriptors_are_open,
    a_program_that_is_missing_breaks_the_sandbox_with_its_name,
    unkeyed_environment_and_descriptors_arrive,
    much_output_is_kept_whole,
    cpu_time_and_memory_are_counted,
    what_sandboxes_use_counts_for_who_runs_them,
    cancelling_ends_everything_promptly,
    a_terminals_ctrl_c_does_not_reach_the_sandbox,
    many_at_once_do_not_disturb_each_other,
    nothing_survives_the_program,
    nothing_survives_a_killed_parent,
    it_works_for_an_ordinary_user,
    every_feature_holds_here,
    entering_and_leaving_is_cheap,
];

fn exit_code_and_both_streams_come_back() {
    let world = World::new();
    let ran = world.run(&world.script("echo out; echo err >&2; printf tail; exit 7", &[]));
    let result = ran.failure();
    assert_eq!(result.exit_code, 7);
    assert_eq!(result.stdout, Digest::of(b"out\ntail"));
    assert_eq!(result.stderr, Digest::of(b"err\n"));
    assert_eq!(result.isolation, Isolation::Full);
    let of =
        |which| ran.lines.iter().filter(move |(stream, _)| *stream == which).map(|(_, line)| line.as_str());
    assert_eq!(of(Stream::Out).collect::<Vec<_>>(), ["out", "tail"]);
    assert_eq!(of(Stream::Err).collect::<Vec<_>>(), ["err"]);
}

fn death_by_a_signal_is_128_and_its_number() {
    let world = World::new();
    assert_eq!(world.run(&world.script("kill -TERM $$", &[])).failure().exit_code, 128 + 15);
    assert_eq!(world.run(&world.script("kill -KILL $$", &[])).failure().exit_code, 128 + 9);
}

fn the_environment_is_exactly_the_commands() {
    let world = World::new();
    let mut action = world.script("", &[]);
    action.command.argv = vec!["/usr/bin/env".to_owned()];
    action.command.environment.insert("A B".to_owned(), "ü=1\n2".to_owned());
    assert_eq!(world.run(&action).printed(&world), "A B=ü=1\n2\nPATH=/usr/bin\n");
}

fn user_machine_and_folder_are_fixed() {
    let world = World::new();
    let seen = world.prints("id -u; id -g; uname -n; pwd; umask; echo $$; ls /; cat /etc/passwd");
    assert_eq!(
        seen,
        "1000\n1000\nxbuild\n/build\n0022\n2\nbin\nbuild\ndev\netc\nlib\nlib64\nproc\ntmp\nusr\n\
         build:x:1000:1000:build:/build:/bin/sh\n"
    );
}

fn signals_limits_and_umask_are_fixed() {
    let world = World::new();
    // What xbuild ignores itself (broken pipes) would reach the program otherwise.
    let status = world.prints(
        "while read name value rest; do case $name in \
        SigBlk:|SigIgn:|SigCgt:|Cap*|NoNewPrivs:) echo $name $value;; esac; done < /proc/self/status",
    );
    for line in status.lines().filter(|line| !line.starts_with("SigCgt")) {
        let expected = if line.starts_with("NoNewPrivs") { " 1" } else { " 0000000000000000" };
        assert!(line.ends_with(expected), "{status}");
    }
    assert_eq!(status.lines().count(), 9, "{status}");
    let limits = world.prints("ulimit -n; ulimit -Hn; ulimit -s; ulimit -c");
    assert_eq!(limits, "1024\n4096\n8192\n0\n");
    assert_eq!(world.prints("cat /proc/self/personality"), "00040000\n");
    // SCHED_BATCH, the 39th word after the name.
    let policy = world.prints("read -r line < /proc/self/stat; set -- ${line##*) }; shift 38; echo $1");
    assert_eq!(policy, "3\n");
}

fn standard_streams_can_be_opened_by_name() {
    let world = World::new();
    let ran =
        world.run(&world.script("echo a > /dev/stdout; echo b > /dev/stderr; cat /dev/stdin; cat", &[]));
    assert_eq!(ran.printed(&world), "a\n");
    assert_eq!(world.text(ran.success().stderr), "b\n");
}

fn only_asked_for_descriptors_are_open() {
    let world = World::new();
    // The listing itself holds 3 open.
    assert_eq!(world.prints("ls /proc/self/fd"), "0\n1\n2\n3\n");
}

fn a_program_that_is_missing_breaks_the_sandbox_with_its_name() {
    let world = World::new();
    let mut action = world.script("", &[]);
    action.command.argv[0] = "/usr/bin/nowhere".to_owned();
    let ran = world.run(&action);
    let ExecutionError::Sandbox { step, source } = ran.broken() else { panic!("{:?}", ran.outcome) };
    assert_eq!(step, "execute /usr/bin/nowhere");
    assert_eq!(source.kind(), std::io::ErrorKind::NotFound);
}

fn unkeyed_environment_and_descriptors_arrive() {
    let world = World::new();
    let (mut reader, writer) = std::io::pipe().unwrap();
    // Under this process's own number, and only those.
    let number = writer.as_raw_fd();
    let mut action = world.script(&format!("echo $JOBS; echo token >&{number}; ls /proc/self/fd"), &[]);
    action.unkeyed.environment.insert("JOBS".to_owned(), "4".to_owned());
    action.unkeyed.descriptors.push(number);
    let printed = world.run(&action).printed(&world);
    drop(writer);
    let mut text = String::new();
    std::io::Read::read_to_string(&mut reader, &mut text).unwrap();
    assert_eq!(text, "token\n");
    let open: std::collections::BTreeSet<String> = printed.lines().skip(1).map(str::to_owned).collect();
    assert!(printed.starts_with("4\n") && open.contains(&number.to_string()), "{printed}");
    assert!(open.len() <= 5, "{printed}");

    let mut action = world.script("true", &[]);
    action.unkeyed.descriptors.push(999);
    assert!(matches!(world.run(&action).broken(), ExecutionError::Sandbox { .. }));
}

fn much_output_is_kept_whole() {
    let world = World::new();
    let ran = world.run(&world.script("dd if=/dev/zero bs=1M count=20 2>/dev/null; echo; echo end >&2", &[]));
    let result = ran.success();
    assert_eq!(result.stdout.size(), (20 << 20) + 1);
    assert_eq!(result.stderr, Digest::of(b"end\n"));
}

/// As `time` and whoever measures xbuild see it: the last sandbox's, too.
fn what_sandboxes_use_counts_for_who_runs_them() {
    let used = || {
        let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
        let times = [usage.user_time(), usage.system_time()];
        times.iter().map(|time| time.tv_sec() * 1_000_000 + time.tv_usec()).sum::<i64>()
    };
    let before = used();
    let world = World::new();
    let burn = world.script("i=0; while [ $i -lt 200000 ]; do i=$((i + 1)); done", &[]);
    let cpu = world.run(&burn).success().times.cpu;
    drop(world);
    assert!(u128::try_from(used() - before).unwrap() >= cpu.as_micros(), "{cpu:?}");
}

fn cpu_time_and_memory_are_counted() {
    let world = World::new();
    let ran = world.run(&world.script("i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done", &[]));
    let times = ran.success().times;
    assert!(times.cpu > Duration::from_millis(5) && times.cpu < times.wall * 2, "{times:?}");
    assert!(times.peak_memory > 100 << 10, "{times:?}");
}

fn cancelling_ends_everything_promptly() {
    let world = World::new();
    let marker = marker();
    let mut action = world.script(
        &format!("trap '' TERM; sh -c 'sleep {marker} & echo started; sleep {marker}' & while :; do :; done"),
        &[],
    );
    action.limits.time = Duration::from_secs(30);
    let cancel = action.cancel.clone();
    let mut cancelled_at = None;
    let ran = world.observe(&action, &mut |_, line, _| {
        assert_eq!(line, "started");
        cancelled_at = Some(Instant::now());
        // Later, by somebody else, while nothing else happens that whoever listens could hear of.
        let cancel = cancel.clone();
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(100));
            cancel.cancel();
        });
    });
    assert!(matches!(ran.outcome, Outcome::Cancelled), "{:?}", ran.outcome);
    assert!(cancelled_at.unwrap().elapsed() < Duration::from_secs(2));
    assert_eq!(processes_with(&marker), 0);
    // And what was cancelled before is not even begun.
    assert!(matches!(world.run(&action).outcome, Outcome::Cancelled));
}

fn a_terminals_ctrl_c_does_not_reach_the_sandbox() {
    let world = World::new();
    let group_of = |pid: u32| {
        let stat = fs_err::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        stat.rsplit_once(')').unwrap().1.split_whitespace().nth(2).unwrap().to_owned()
    };
    let own = std::process::id();
    let ran = world.observe(&world.script("echo on; sleep 0.2", &[]), &mut |_, _, _| {
        // The test's own thread waits for the helper.
        let children = fs_err::read_to_string("/proc/thread-self/children").unwrap();
        let children: Vec<u32> = children.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
        assert_eq!(children.len(), 1);
        assert_ne!(group_of(children[0]), group_of(own));
    });
    ran.success();
}

fn many_at_once_do_not_disturb_each_other() {
    let world = World::new();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let world = &world;
            scope.spawn(move || {
                for round in 0..4 {
                    let text = format!("{thread} {round}");
                    let script = format!("sleep 0.0{round}; echo {text} > out/x; echo {text}; (sleep 60 &)");
                    let ran = world.run(&world.script(&script, &["build/out/x"]));
                    assert_eq!(ran.printed(world), format!("{text}\n"));
                    assert_eq!(world.output(&ran, "build/out/x"), format!("{text}\n"));
                }
            });
        }
    });
}

fn nothing_survives_the_program() {
    for isolation in [Isolation::Full, Isolation::NoNetworkNamespace, Isolation::None] {
        let world = World::new();
        let marker = marker();
        // A daemon by the book: its parent is gone, it has another session and ignores what can be ignored.
        let mut action = world.script(
            &format!("(trap '' TERM HUP INT; sleep {marker} & sh -c 'sleep {marker} & sleep {marker}' &) & sleep 0.2"),
            &[],
        );
        action.isolation = isolation;
        let start = Instant::now();
        let ran = world.run(&action);
        ran.success();
        assert!(start.elapsed() < Duration::from_secs(5));
        assert_eq!(processes_with(&marker), 0, "{isolation:?}");
    }
}

fn nothing_survives_a_killed_parent() {
    for verb in ["parent", "parent-none"] {
        let folder = tempfile::tempdir().unwrap();
        let marker = marker();
        let mut parent = std::process::Command::new("/proc/self/exe")
            .args([crate::tool::ARGUMENT, verb, folder.path().join("s").to_str().unwrap(), &marker])
            .spawn()
            .unwrap();
        let sleeping = || processes_with(&format!("sleep\0{marker}"));
        wait_until(|| sleeping() >= 2);
        parent.kill().unwrap();
        parent.wait().unwrap();
        wait_until(|| processes_with(&marker) == 0);
        // The next to come clears up what it left, and works.
        let world = World::at(&folder.path().join("s"));
        assert_eq!(world.prints("echo again"), "again\n");
    }
}

fn it_works_for_an_ordinary_user() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    fs_err::create_dir(&store).unwrap();
    let mut process = std::process::Command::new("/proc/self/exe");
    process.args([crate::tool::ARGUMENT, "ordinary-user", store.to_str().unwrap()]);
    if is_root() {
        use std::os::unix::fs::PermissionsExt as _;
        fs_err::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        fs_err::os::unix::fs::chown(&store, Some(NOBODY.0), Some(NOBODY.1)).unwrap();
        process.uid(NOBODY.0).gid(NOBODY.1);
    }
    let output = process.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn every_feature_holds_here() {
    let world = World::new();
    let checks = world.sandbox.probe();
    assert_eq!(checks.len(), 10, "{checks:#?}");
    for check in &checks {
        assert_ne!(check.state, xbuild_exec::State::DoesNotHold, "{check:?}");
    }
    // The store's folder lies in one that is closed to the sandbox's user, as root's home is.
    let observing = checks.iter().find(|check| check.name == "seeing what programs read").unwrap();
    assert_eq!(observing.state, xbuild_exec::State::Holds, "{observing:?}");
}

/// Not a benchmark: it must only never become slow by a mistake (a synced file system, a poll that waits).
fn entering_and_leaving_is_cheap() {
    let world = World::new();
    let mut action = world.script("exit 0", &["build/out/x"]);
    action.inputs.files.insert(path("build/in"), world.file("x"));
    world.run(&action).success();
    let start = Instant::now();
    for _ in 0..20 {
        world.run(&action).success();
    }
    let each = start.elapsed() / 20;
    println!("{each:?} each");
    assert!(each < Duration::from_millis(150), "{each:?}");
}

/// A number of seconds that no other test sleeps.
pub(crate) fn marker() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("9{}.{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Processes of this machine with the text in their command line, this one and zombies left out.
pub(crate) fn processes_with(text: &str) -> usize {
    let processes = fs_err::read_dir("/proc").unwrap();
    let is_one = |entry: std::io::Result<fs_err::DirEntry>| {
        let path = entry.unwrap().path();
        let own = path.ends_with(std::process::id().to_string());
        let line =
            std::fs::read_link(path.join("exe")).and_then(|_| fs_err::read_to_string(path.join("cmdline")));
        !own && line.is_ok_and(|line| line.contains(text) && !line.contains(crate::tool::ARGUMENT))
    };
    processes.map(is_one).filter(|is| *is).count()
}

pub(crate) fn wait_until(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(20), "it did not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}
