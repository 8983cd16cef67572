//! What is taken, and what is refused.

use xbuild_action::{Entry, ExecutionError, File, Output};
use xbuild_base::Digest;

use crate::world::{Ran, World, path};

crate::tests![
    files_and_their_execute_bit_are_taken,
    folders_are_taken_with_all_that_is_in_them,
    an_empty_folder_that_was_an_input_is_taken,
    what_is_not_there_is_left_out,
    unreadable_files_and_folders_are_taken,
    links_in_folders_are_kept_relative_wherever_they_lead,
    special_files_and_names_that_are_no_text_are_refused,
    an_output_that_is_a_link_is_refused,
    a_link_on_the_way_leads_nowhere,
    an_input_file_can_be_an_output,
    an_input_folder_can_not_be_an_output,
    renamed_folders_and_hard_links_are_taken,
    attributes_and_times_are_no_content,
    files_can_be_collected_while_the_program_runs,
    a_collected_file_may_not_change,
    collecting_follows_no_links,
    a_failed_program_has_no_outputs,
];

fn problem(ran: &Ran) -> (String, String) {
    match ran.broken() {
        ExecutionError::Output { path, problem } => (path.as_str().to_owned(), problem.clone()),
        other => panic!("{other:?}"),
    }
}

fn files_and_their_execute_bit_are_taken() {
    let world = World::new();
    let action = world.script(
        "printf a > out/a; printf b > out/b; chmod 755 out/b; printf c > other",
        &["build/out/a", "build/out/b"],
    );
    let ran = world.run(&action);
    let outputs = &ran.success().outputs;
    let file = |text: &[u8], executable| Output::File(File { digest: Digest::of(text), executable });
    assert_eq!(outputs.len(), 2);
    assert_eq!(outputs["build/out/a"], file(b"a", false));
    assert_eq!(outputs["build/out/b"], file(b"b", true));
    assert_eq!(world.output(&ran, "build/out/a"), "a");
}

fn folders_are_taken_with_all_that_is_in_them() {
    let world = World::new();
    let script = "mkdir -p out/x/y out/empty; printf 1 > out/x/y/1; printf 2 > out/2; chmod +x out/2; ln -s ../2 out/x/l; \
                  printf 3 > out/gone; rm out/gone";
    let ran = world.run(&world.script(script, &["build/out"]));
    let entries = world.output_tree(&ran, "build/out");
    let names: Vec<&str> = entries.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["2", "empty", "x", "x/l", "x/y", "x/y/1"]);
    assert_eq!(entries[0].1, Entry::File(File { digest: Digest::of(b"2"), executable: true }));
    assert_eq!(entries[3].1, Entry::Symlink("../2".to_owned()));
    // The same content made in another order has the same digest.
    let again = "mkdir -p out/empty; printf 2 > out/2; chmod 700 out/2; mkdir -p out/x/y; ln -s ../2 out/x/l; printf 1 > out/x/y/1";
    let again = world.run(&world.script(again, &["build/out"]));
    assert_eq!(ran.success().outputs, again.success().outputs);
}

fn an_empty_folder_that_was_an_input_is_taken() {
    let world = World::new();
    let mut action = world.script("true", &["build/out"]);
    action.inputs.directories.insert(path("build/out"));
    assert_eq!(world.output_tree(&world.run(&action), "build/out"), []);
}

fn what_is_not_there_is_left_out() {
    let world = World::new();
    let ran = world.run(
        &world.script("ls -d deep/er; printf x > x; rm x", &["build/deep/er/file", "build/x", "build/f"]),
    );
    assert_eq!(ran.printed(&world), "deep/er\n");
    assert!(ran.success().outputs.is_empty());
}

fn unreadable_files_and_folders_are_taken() {
    let world = World::new();
    let script = "mkdir -p out/d; printf x > out/d/x; chmod 0 out/d/x; printf y > y; chmod 0111 y; chmod 0 out/d out; chmod 0 p";
    let mut action = world.script(script, &["build/out", "build/y", "build/p/q"]);
    action.inputs.directories.insert(path("build/p"));
    let ran = world.run(&action);
    assert_eq!(world.output_tree(&ran, "build/out").len(), 2);
    assert_eq!(
        ran.success().outputs["build/y"],
        Output::File(File { digest: Digest::of(b"y"), executable: true })
    );
}

fn links_in_folders_are_kept_relative_wherever_they_lead() {
    let world = World::new();
    let script = "mkdir -p out/a; printf x > out/z; ln -s /build/out/z out/a/l; ln -s /build/out out/top; ln -s a/l out/chain; \
                  ln -s nothing out/dangling; ln -s /build/ws/x out/a/source; ln -s ../in out/outside";
    let ran = world.run(&world.script(script, &["build/out"]));
    let links: Vec<_> = world
        .output_tree(&ran, "build/out")
        .into_iter()
        .filter_map(|(name, entry)| match entry {
            Entry::Symlink(target) => Some((name, target)),
            _ => None,
        })
        .collect();
    let link = |name: &str, target: &str| (name.to_owned(), target.to_owned());
    assert_eq!(
        links,
        [
            link("a/l", "../z"),
            link("a/source", "../../ws/x"),
            link("chain", "a/l"),
            link("dangling", "nothing"),
            link("outside", "../in"),
            link("top", "."),
        ]
    );
    // A dependent that has it at the same place finds through it what its own inputs have.
    let mut action = world.script("cat out/a/source out/a/l", &[]);
    let Output::Tree(tree) = ran.success().outputs["build/out"] else { panic!("no tree") };
    action.inputs.mounts.insert(path("build/out"), tree);
    action.inputs.mounts.insert(path("build/ws"), world.tree(&[("x", "source\n")]));
    assert_eq!(world.run(&action).printed(&world), "source\nx");
}

fn special_files_and_names_that_are_no_text_are_refused() {
    let world = World::with_tool();
    let tool = format!("/usr/bin/tool {}", crate::tool::ARGUMENT);
    for (make, at, why) in [
        ("mkfifo out/p".to_owned(), "p", "named pipe"),
        (format!("{tool} bind out/s"), "s", "socket"),
        ("printf x > \"out/$(printf '\\377')\"".to_owned(), "", "not UTF-8"),
    ] {
        let mut action = world.script(&format!("mkdir -p out; printf x > in; {make}"), &["build/out"]);
        let (path, problem_) = problem(&world.run(&action));
        assert_eq!(path, format!("build/out/{at}").trim_end_matches('/'), "{make}");
        assert!(problem_.contains(why), "{make}: {problem_}");
        if at == "p" || at == "s" {
            action.command.outputs = [crate::world::path(&format!("build/out/{at}"))].into();
            assert!(problem(&world.run(&action)).1.contains(why), "{make}");
        }
    }
}

fn an_output_that_is_a_link_is_refused() {
    let world = World::new();
    let (at, why) = problem(&world.run(&world.script("printf x > y; ln -s y x", &["build/x"])));
    assert_eq!(at, "build/x");
    assert!(why.contains("symbolic link"), "{why}");
}

fn a_link_on_the_way_leads_nowhere() {
    let world = World::new();
    let script = "ls -d out && mv out gone && ln -s /etc out";
    let ran = world.run(&world.script(script, &["build/out/passwd"]));
    assert!(problem(&ran).1.contains("is not one"), "{:?}", ran.outcome);
}

fn an_input_file_can_be_an_output() {
    let world = World::new();
    let outputs = ["build/ws/lock", "build/ws/changed", "build/ws/gone", "build/dep"];
    let mut action =
        world.script("cat ws/changed > x; echo more >> x; mv -f x ws/changed; rm -f ws/gone", &outputs);
    let files = [("lock", "old"), ("changed", "old"), ("gone", "old")];
    action.inputs.mounts.insert(path("build/ws"), world.tree(&files));
    action.inputs.files.insert(path("build/dep"), world.file("dep"));
    let ran = world.run(&action);
    assert_eq!(world.output(&ran, "build/ws/lock"), "old");
    assert_eq!(world.output(&ran, "build/ws/changed"), "oldmore\n");
    assert_eq!(world.output(&ran, "build/dep"), "dep");
    assert!(!ran.success().outputs.contains_key("build/ws/gone"));
    // Nothing was taken away from the inputs.
    assert_eq!(world.output(&world.run(&action), "build/ws/lock"), "old");
}

fn an_input_folder_can_not_be_an_output() {
    let world = World::new();
    let mut action = world.script("echo x > ws/src/new; echo x > deps/new", &["build/ws/src"]);
    action.inputs.mounts.insert(path("build/ws"), world.tree(&[("src/old", "")]));
    action.inputs.files.insert(path("build/deps/old"), world.file(""));
    assert!(problem(&world.run(&action)).1.contains("inputs lie in"));
    action.command.outputs = [path("build/deps")].into();
    assert!(problem(&world.run(&action)).1.contains("inputs lie in"));
    action.command.outputs = [path("build")].into();
    assert!(problem(&world.run(&action)).1.contains("inputs lie in"));
}

fn renamed_folders_and_hard_links_are_taken() {
    let world = World::new();
    let script = "mkdir t; printf x > t/a; ln t/a t/b; mv t out; ln out/a single";
    let ran = world.run(&world.script(script, &["build/out", "build/single"]));
    assert_eq!(world.output_tree(&ran, "build/out").len(), 2);
    assert_eq!(world.output(&ran, "build/single"), "x");
}

fn attributes_and_times_are_no_content() {
    let world = World::new();
    let mut action = world.script("echo more >> dep", &["build/dep"]);
    action.inputs.files.insert(path("build/dep"), world.file("dep"));
    let ran = world.run(&action);
    let Some(Output::File(file)) = ran.success().outputs.get("build/dep") else { panic!() };
    // Laid out again, it must be a file like any other: readable below another overlay.
    let mut next = world.script("cat x; stat -c '%a %Y' x", &[]);
    next.inputs.files.insert(path("build/x"), *file);
    assert_eq!(world.run(&next).printed(&world), "depmore\n644 315532800\n");
}

fn files_can_be_collected_while_the_program_runs() {
    let world = World::new();
    let script =
        "printf meta > out/tmp; mv out/tmp out/meta; echo ready; read x < fifo; printf rest > out/lib";
    let mut action = world.script(
        &format!("mkfifo fifo; (while [ ! -e go ]; do sleep 0.01; done; echo > fifo) & {script}"),
        &["build/out"],
    );
    action.inputs.directories.insert(path("build/out"));
    action.command.argv[2] =
        "printf meta > out/tmp; mv out/tmp out/meta; echo ready; sleep 0.3; printf rest > out/lib".to_owned();
    let mut collected = None;
    let ran = world.observe(&action, &mut |_, line, running| {
        assert_eq!(line, "ready");
        assert!(running.collect(&path("build/out/lib")).is_err());
        assert!(running.collect(&path("build/other")).is_err());
        collected = Some(running.collect(&path("build/out/meta")).unwrap());
    });
    let file = collected.unwrap();
    assert_eq!(file, File { digest: Digest::of(b"meta"), executable: false });
    assert_eq!(world.text(file.digest), "meta");
    assert_eq!(world.output_tree(&ran, "build/out").len(), 2);
}

fn a_collected_file_may_not_change() {
    let world = World::new();
    let behind_its_back =
        "cp -p out/meta ref; printf atem > out/meta; cp --attributes-only --preserve=timestamps ref out/meta";
    for later in ["printf changed > out/meta", "rm out/meta", behind_its_back] {
        let script = format!("mkdir -p out; printf meta > out/meta; echo ready; sleep 0.2; {later}");
        let ran = world.observe(&world.script(&script, &["build/out"]), &mut |_, _, running| {
            running.collect(&path("build/out/meta")).unwrap();
        });
        assert!(problem(&ran).1.contains("changed or removed"), "{:?}", ran.outcome);
    }
}

fn collecting_follows_no_links() {
    let world = World::new();
    let script = "mkdir -p out; ln -s /etc out/d; ln -s /etc/passwd out/l; mkfifo out/p; mkdir out/dir; echo ready; sleep 0.1; rm -r out";
    let ran = world.observe(&world.script(script, &["build/out"]), &mut |_, _, running| {
        for at in ["build/out/d/passwd", "build/out/l", "build/out/p", "build/out/dir"] {
            let error = running.collect(&path(at)).unwrap_err();
            assert!(matches!(error, ExecutionError::Output { .. }), "{error:?}");
        }
    });
    ran.success();
}

fn a_failed_program_has_no_outputs() {
    let world = World::new();
    assert!(world.run(&world.script("printf x > x; exit 1", &["build/x"])).failure().outputs.is_empty());
}
