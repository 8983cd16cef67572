//! Which files a program is seen to look at.

use std::collections::BTreeSet;

use xbuild_action::{ContentExt as _, Entry, File, Isolation, Outcome, TreeBuilder};
use xbuild_base::RelPath;

use crate::world::{Action, World, path};

crate::tests![
    whatever_shows_a_file_is_seen,
    what_a_listing_shows_is_not,
    scripts_are_seen_through_links_folders_and_proc,
    an_executed_files_interpreter_is_seen,
    children_and_threads_are_seen,
    what_changes_the_sources_is_not_known,
    what_can_open_files_unseen_is_not_known,
    folders_that_are_made_for_the_action_are_no_change,
    a_program_sees_no_difference,
    without_isolation_nothing_is_observed,
    what_fails_tells_what_it_looked_for_last,
    many_files_are_seen_by_many_processes,
];

/// `build/ws` is observed, `build/other` isn't.
fn observed(world: &World, mut action: Action) -> Action {
    let file = |text: &str, executable| {
        Entry::File(File { digest: world.store.put(text.as_bytes()).unwrap(), executable })
    };
    let mut tree = TreeBuilder::default();
    for (at, entry) in [
        ("a", file("A\n", false)),
        ("b", file("B\n", false)),
        ("sub/c", file("C\n", false)),
        ("run", file("#!/usr/bin/sh\necho ran\n", true)),
        ("link", Entry::Symlink("sub/c".to_owned())),
        ("dangling", Entry::Symlink("nowhere".to_owned())),
    ] {
        tree.insert(&*world.store, &path(at), entry).unwrap();
    }
    action.inputs.mounts.insert(path("build/ws"), tree.build(&*world.store).unwrap());
    action.inputs.mounts.insert(path("build/other"), world.tree(&[("x", "X\n")]));
    action.inputs.files.insert(path("build/deps/d"), world.file("D\n"));
    action.observe = BTreeSet::from([path("build/ws")]);
    action
}

/// What is seen, by path from `build/ws`.
fn seen(world: &World, action: Action) -> Option<Vec<String>> {
    let ran = world.run(&observed(world, action));
    let below = |path: &&str| path.strip_prefix("build/ws/").unwrap().to_owned();
    ran.observed().map(|paths| paths.iter().map(below).collect())
}

#[track_caller]
fn script_sees(world: &World, script: &str, expected: &[&str]) {
    let seen = seen(world, world.script(script, &["build/out/x"]));
    assert_eq!(
        seen.as_deref(),
        Some(&expected.iter().map(|&at| at.to_owned()).collect::<Vec<_>>()[..]),
        "{script}"
    );
}

#[track_caller]
fn tool_sees(world: &World, arguments: &[&str], expected: &[&str]) {
    let arguments: Vec<&str> = ["look"].iter().chain(arguments).copied().collect();
    let seen = seen(world, world.tool(&arguments, &[]));
    let expected: Vec<String> = expected.iter().map(|&at| at.to_owned()).collect();
    assert_eq!(seen, Some(expected), "{arguments:?}");
}

fn whatever_shows_a_file_is_seen() {
    let world = World::with_tool();
    for how in [
        "open",
        "open-path",
        "openat",
        "openat2",
        "stat",
        "lstat",
        "statat",
        "statx",
        "attribute",
        "attributes",
        "mapped",
        "from-folder",
        "execute-check",
    ] {
        tool_sees(&world, &[how, "/build/ws/a"], &["a"]);
        tool_sees(&world, &[how, "ws/sub/../a"], &["a"]);
        tool_sees(&world, &[how, "/build/other/x"], &[]);
    }
    for how in ["open", "stat", "statx", "openat2"] {
        tool_sees(&world, &[how, "ws/link"], &["sub/c"]);
    }
}

fn what_a_listing_shows_is_not() {
    let world = World::with_tool();
    for (how, at) in [
        ("list", "ws"),
        ("lstat", "ws/link"),
        ("read-link", "ws/link"),
        ("access", "ws/a"),
        ("open-folder", "ws/sub"),
        ("stat", "ws/sub"),
        ("stat", "ws"),
        ("fails", "ws/nowhere"),
        ("fails", "ws/a/b"),
        ("fails", "ws/dangling"),
        ("fails", "nowhere/../ws/a"),
        ("nothing", "."),
    ] {
        tool_sees(&world, &[how, at], &[]);
    }
}

fn scripts_are_seen_through_links_folders_and_proc() {
    let world = World::new();
    for (script, expected) in [
        ("cat ws/a", &["a"][..]),
        ("cat < ws/a", &["a"]),
        ("[ -s ws/a ]", &["a"]),
        ("cat ws/a ws/sub/c; cat other/x", &["a", "sub/c"]),
        ("cd ws/sub; cat c ../a", &["a", "sub/c"]),
        ("ln -s /build/ws /tmp/l; cat /tmp/l/a", &["a"]),
        ("ln -s ../ws/a out/l; cat out/l", &["a"]),
        ("ln -s /tmp/2 /tmp/1; ln -s /build/ws/sub /tmp/2; cd /tmp/1; cat ../b", &["b"]),
        ("cat /proc/self/root/build/ws/a", &["a"]),
        ("cat /proc/1/root/build/ws/a || true", &["a"]),
        ("ln -s /proc/self/root/build /tmp/l; cat /tmp/l/ws/a", &["a"]),
        ("exec 5< ws/a; cat /proc/self/fd/5; cat /dev/fd/5", &["a"]),
        ("cat /proc/self/status /proc/cpuinfo /dev/null > /dev/null; head -c 1 /dev/urandom", &[]),
        ("ls ws ws/sub; cd ws; pwd; echo *", &[]),
        ("ls -l ws/sub", &["sub/c"]),
        ("cat ws/nowhere || true", &[]),
        ("true", &[]),
    ] {
        script_sees(&world, script, expected);
    }
    for script in ["cd ws; cat /proc/self/cwd/a", "exec 5< ws; cat /proc/self/fd/5/a"] {
        assert_eq!(seen(&world, world.script(script, &[])), None, "{script}");
    }
}

fn an_executed_files_interpreter_is_seen() {
    let world = World::new();
    script_sees(&world, "ws/run", &["run"]);
    script_sees(&world, "cd /tmp; cp /build/ws/run r; ./r", &["run"]);
    // The kernel opens the second, and its interpreter, by itself.
    let script = |line: &str| format!("echo '#!{line}' > /tmp/s; chmod 755 /tmp/s; /tmp/s");
    script_sees(&world, &script("/build/ws/run"), &["run"]);
    script_sees(&world, &format!("cd ws/sub; {}", script("../run -x")), &["run"]);
    script_sees(&world, &script("/usr/bin/cat"), &[]);
    script_sees(&world, "ws/a 2> /dev/null || true", &["a"]);
    script_sees(&world, "PATH=/build/ws/sub:/build/ws; run", &["run"]);
}

fn children_and_threads_are_seen() {
    let world = World::with_tool();
    tool_sees(&world, &["child", "stat", "ws/a"], &["a"]);
    tool_sees(&world, &["thread", "stat", "ws/a"], &["a"]);
    tool_sees(&world, &["child", "thread", "child", "open", "ws/a"], &["a"]);
    script_sees(&world, "(cat ws/a &); (cat ws/b | cat) ; sleep 0.1", &["a", "b"]);
}

fn what_changes_the_sources_is_not_known() {
    let world = World::new();
    for script in [
        "mv ws/a ws/z; cat ws/z; mv ws/z ws/a",
        "ln ws/a ws/z; cat ws/z; rm ws/z",
        "echo more >> ws/a",
        "rm ws/b",
        "chmod 600 ws/a",
        "echo new > ws/sub/new",
        "mkdir ws/new",
        "cp ws/a ws/z; cat ws/z",
        // What only the toolchain has isn't looked at more closely, for as long as it is left alone.
        "ln -s ../build/ws /usr/z; cat /usr/z/a",
        "cp ws/a /usr/z",
        // Nor is what others have made.
        "ln -s ../ws deps/z; cat /build/deps/z/a",
        "echo x > deps/x",
        "rm deps/d",
    ] {
        assert_eq!(seen(&world, world.script(script, &[])), None, "{script}");
    }
    script_sees(&world, "ln -s /build/ws /etc/z; cat /etc/z/a; cat /usr/../build/ws/b", &["a", "b"]);
    script_sees(&world, "cat /build/deps/d deps/d; cat /build/deps/../ws/a; cat /build//deps/./d", &["a"]);
    script_sees(&world, "echo x > other/x; mv other/x other/y; echo x > out/x; cat ws/a", &["a"]);
}

/// Programs of a few instructions each: nobody offers these calls to a program that wants to be safe.
#[cfg(target_arch = "x86_64")]
fn what_can_open_files_unseen_is_not_known() {
    let world = World::new();
    // mov eax, 60; xor edi, edi; syscall: it ends.
    let end = [0xb8, 60, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05];
    let of_number = |number: u32| {
        // mov eax, number; xor edi, edi; xor esi, esi; syscall
        let [a, b, c, d] = number.to_le_bytes();
        [0xb8, a, b, c, d, 0x31, 0xff, 0x31, 0xf6, 0x0f, 0x05]
    };
    // mov eax, 20; int 0x80: a 32-bit getpid.
    let narrow = [0xb8, 20, 0, 0, 0, 0xcd, 0x80];
    let (getpid, uring, newer, x32) =
        (of_number(39), of_number(425), of_number(5000), of_number(0x4000_0000 + 39));
    for (code, is_known) in
        [(&getpid[..], true), (&uring, false), (&newer, false), (&x32, false), (&narrow, false)]
    {
        let program = world.store.put(&elf(&[code, &end].concat())).unwrap();
        let mut action = world.script("./program", &[]);
        action.inputs.files.insert(path("build/program"), File { digest: program, executable: true });
        let ran = world.run(&observed(&world, action));
        assert_eq!(ran.observed(), is_known.then(Vec::new), "{code:x?}");
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn what_can_open_files_unseen_is_not_known() {}

/// A 64-bit program of this code.
#[cfg(target_arch = "x86_64")]
fn elf(code: &[u8]) -> Vec<u8> {
    const START: u64 = 0x40_0000;
    let words = |words: &[u16]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>();
    let longs = |longs: &[u64]| longs.iter().flat_map(|long| long.to_le_bytes()).collect::<Vec<_>>();
    let length = 64 + 56 + code.len() as u64;
    [
        b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec(),
        words(&[2, 62, 1, 0]),
        longs(&[START + 64 + 56, 64, 0]),
        words(&[0, 0, 64, 56, 1, 0, 0, 0]),
        // Loaded whole, to be read and executed.
        words(&[1, 0, 5, 0]),
        longs(&[0, START, START, length, length, 0x1000]),
        code.to_vec(),
    ]
    .concat()
}

fn folders_that_are_made_for_the_action_are_no_change() {
    let world = World::new();
    let mut action = world.script("cat ../a; ls ../made", &["build/out/x"]);
    action.command.working_directory = path("build/ws/sub");
    action.inputs.directories.insert(path("build/ws/made/deep"));
    let ran = world.run(&observed(&world, action));
    assert_eq!(ran.observed(), Some(vec!["build/ws/a"]));
    assert_eq!(ran.printed(&world), "A\ndeep\n");
}

fn a_program_sees_no_difference() {
    let world = World::new();
    let script = "stat -c '%n %s %a %Y %h' ws/a ws/sub ws /usr/bin/cat; ls -l /proc/self/fd | wc -l; \
                  cat ws/a ws/nowhere; ws/run; ls /dev; echo $? > out/x";
    let script =
        script.replace("ls -l /proc/self/fd | wc -l;", "for fd in /proc/self/fd/*; do echo $fd; done;");
    let mut action = observed(&world, world.script(&script, &["build/out/x"]));
    let told = world.run(&action);
    action.observe.clear();
    let untold = world.run(&action);
    assert_eq!(told.observed(), Some(vec!["build/ws/a", "build/ws/run"]));
    assert_eq!(untold.observed(), None);
    assert_eq!(told.printed(&world), untold.printed(&world));
    assert_eq!(told.success().stderr, untold.success().stderr);
    assert_eq!(told.success().outputs, untold.success().outputs);
}

fn without_isolation_nothing_is_observed() {
    let world = World::new();
    for (isolation, is_known) in
        [(Isolation::Full, true), (Isolation::NoNetworkNamespace, true), (Isolation::None, false)]
    {
        let mut action = observed(&world, world.script("cat ws/a", &[]));
        action.isolation = isolation;
        assert_eq!(world.run(&action).observed(), is_known.then(|| vec!["build/ws/a"]), "{isolation:?}");
    }
}

fn what_fails_tells_what_it_looked_for_last() {
    let world = World::new();
    let script = "cat ws/a; PATH=/opt/bin:/usr/bin; cat ../gone ../gone ws/../others/x; no-such-program";
    let failed = world.run(&observed(&world, world.script(script, &[])));
    let Outcome::Failed(_, missed) = failed.outcome else { panic!("{:?}", failed.outcome) };
    let last: Vec<&str> = missed.iter().rev().take(4).rev().map(RelPath::as_str).collect();
    assert_eq!(last, ["gone", "build/others/x", "opt/bin/no-such-program", "usr/bin/no-such-program"]);
}

fn many_files_are_seen_by_many_processes() {
    let world = World::new();
    let names: Vec<String> = (0..200).map(|number| format!("{number:03}")).collect();
    let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "text\n")).collect();
    let script = "for a in 0 1; do for b in 0 1 2 3 4 5 6 7 8 9; do cat ws/$a$b* & done; done; wait";
    let mut action = world.script(script, &[]);
    action.inputs.mounts.insert(path("build/ws"), world.tree(&files));
    action.observe = BTreeSet::from([path("build/ws")]);
    let ran = world.run(&action);
    assert_eq!(ran.observed().map(|seen| seen.len()), Some(200));
    assert_eq!(ran.printed(&world).len(), 1000);
}
