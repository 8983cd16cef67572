//! The verbs around a build: what there is, running it, what was printed, and why it was built again.

mod common;

use common::{Project, TARGETS, Xbuild, copy, xbuild};
use fs_err as fs;
use insta::assert_snapshot;
use serde_json::json;

const MUSL: &str = TARGETS[0];

/// A program that tells how it was called, and ends with the code that it is given.
fn telling() -> Project {
    let project = Project::program(
        "telling",
        r#"use std::io::Read as _;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).unwrap();
    println!("{words:?} {} {:?}", text.trim(), std::env::var("COLOUR").ok());
    println!("{}", std::path::Path::new("beside.txt").exists());
    eprintln!("{}", std::env::consts::OS);
    std::process::exit(words.first().map_or(0, |word| word.parse().unwrap()));
}
"#,
    );
    project.write("beside.txt", "");
    project
}

#[test]
fn what_there_is_is_shown_with_nothing_fetched_or_built() {
    let project = Project::example();
    let store = tempfile::tempdir().unwrap();
    let show = |arguments: &[&str]| {
        let all = [&["show"], arguments].concat();
        Xbuild::new().store(&store.path().join("store")).folder(&project.root).run(&all)
    };
    project.append(
        "xbuild.toml",
        "\n[variant.checked]\npackages = [\"foo\"]\nfeatures = [\"muffin/conflict-checker\"]\n\
         [develop]\ntools = [\"gdb\"]\n[develop.docs]\ntools = [\"pandoc\"]\n[develop.lint]\n",
    );
    assert_snapshot!(show(&[]).ok().stdout);
    let lines = show(&["--message-format", "json", "--offline"]).ok().json();
    let names = lines.iter().filter(|line| line["reason"] == "xbuild-defined-output");
    let names: Vec<&str> = names.map(|line| line["output"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 9, "{names:?}");
    assert!(names.contains(&"checked/x86_64-pc-windows-gnu/foo"), "{names:?}");
    let shell = lines.iter().find(|line| line["reason"] == "xbuild-defined-shell").unwrap();
    assert_eq!((&shell["name"], &shell["tools"]), (&json!("docs"), &json!(["gdb", "pandoc"])));

    // A mistake in one variant is told, and hides nothing of the others.
    project.append("xbuild.toml", "\n[variant.broken]\npackages = [\"fooo\"]\n");
    let ran = show(&[]).fails(1).says("the workspace has no package `fooo`");
    assert!(
        ran.stdout.contains("broken  release, can't be evaluated\nchecked  release, features"),
        "{}",
        ran.stdout
    );
}

#[test]
fn a_mistake_in_a_variant_or_a_target_does_not_touch_what_needs_neither() {
    let project = telling();
    project.write(
        "xbuild.toml",
        "[variant.broken]\nfeatures = [\"nonsense\"]\n[variant.lost]\ntargets = [\"sparc-unknown-none\"]\n",
    );
    project.write(".xbuild/targets/mips-unknown-linux-musl.toml", "std = 3\n");
    let build = |words: &[&str]| project.xbuild(&[&["build", "--dry-run"], words].concat());
    build(&["--variant", "default", "--target", MUSL]).ok();
    build(&["--variant", "broken", "--target", MUSL])
        .fails(1)
        .says("no package of the build (`telling`) has a feature `nonsense`");
    build(&["--variant", "lost"]).fails(1).says("there is no target `sparc-unknown-none`");
    build(&["--variant", "default", "--target", "mips-unknown-linux-musl"]).fails(1).says("`std` must be");
}

#[test]
fn a_program_runs_as_if_it_had_been_called_here() {
    let project = telling();
    for (target, system) in TARGETS.iter().zip(["linux", "linux", "windows"]) {
        let mut command = Xbuild::new().folder(&project.root).env("COLOUR", "blue").command(&[
            "run",
            "-q",
            &format!("{target}/telling"),
            "--",
            "7",
            "two words",
        ]);
        let input = project.folder.path().join("input");
        fs::write(&input, "from standard input\n").unwrap();
        let output = command.stdin(fs::File::open(&input).unwrap().into_parts().0).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace("\r\n", "\n");
        let expected = "[\"7\", \"two words\"] from standard input Some(\"blue\")\ntrue\n";
        assert_eq!(text(&output.stdout), expected, "{target}: {}", text(&output.stderr));
        assert_eq!(text(&output.stderr).trim(), system);
        assert_eq!(output.status.code(), Some(7), "{target}");
    }
    // Of several the one that this machine runs by itself.
    let ran = project.xbuild(&["run", "-q"]).ok();
    assert_eq!(ran.stdout, "[]  None\ntrue\n");
}

#[test]
fn a_signal_reaches_the_program_that_runs() {
    use std::os::unix::process::ExitStatusExt as _;
    let main = "fn main() {\n    println!(\"ready\");\n    std::thread::sleep(std::time::Duration::from_secs(60));\n}\n";
    let project = Project::program("sleeper", main);
    for target in &TARGETS[..2] {
        project.xbuild(&["build", "-q", "--target", target]).ok();
        let mut command = Xbuild::new().folder(&project.root).command(&["run", "-q", "--target", target]);
        let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut line)
            .unwrap();
        assert_eq!(line, "ready\n");
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(15), "{target}");
    }
}

#[test]
fn a_program_s_own_end_is_what_its_caller_sees() {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::Stdio;
    let main = "fn main() {\n    match std::env::args().nth(1).as_deref() {\n        Some(\"abort\") => std::process::abort(),\n        \
                _ => panic!(\"on purpose\"),\n    }\n}\n";
    let project = Project::program("ender", main);
    for target in TARGETS {
        let ended = |word: &str| {
            let name = format!("{target}/ender");
            let mut command = Xbuild::new().folder(&project.root).command(&["run", "-q", &name, "--", word]);
            command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap()
        };
        assert_eq!(ended("panic").code(), Some(101), "{target}");
        // Windows has no signals.
        if !target.contains("windows") {
            assert_eq!(ended("abort").signal(), Some(6), "{target}");
        }
    }
}

#[test]
fn what_can_not_be_run_is_said_with_what_can() {
    let project = Project::example();
    project
        .xbuild(&["run"])
        .fails(1)
        .says("2 programs fit, and one is run")
        .says("say which: xbuild run default/");
    project.xbuild(&["run", "fooo"]).fails(1).says("did you mean `foo`?");
    project.xbuild(&["shell", "x86_64-pc-windows-gnu/foo"]).fails(1).says("needs an emulator");
}

#[test]
fn a_shell_finds_the_programs() {
    let project = telling();
    let line = "telling 0 < /dev/null && command -v telling";
    let ran =
        Xbuild::new().folder(&project.root).env("SHELL", "/bin/sh").run(&["shell", "-q", "-c", line]).ok();
    assert!(ran.stdout.starts_with("[\"0\"]"), "{}", ran.stdout);
    assert!(ran.stdout.trim_end().ends_with("/bin/telling"), "{}", ran.stdout);
    Xbuild::new()
        .folder(&project.root)
        .env("SHELL", "/bin/sh")
        .run(&["shell", "-q", "-c", "echo bad >&2; exit 9"])
        .fails(9);
}

/// A program over a library, both with names that no other test has.
fn layered() -> Project {
    let project = Project::empty();
    project.write("Cargo.toml", "[workspace]\nmembers = [\"app\", \"base\"]\nresolver = \"3\"\n");
    let package = |name: &str, more: &str| {
        format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n{more}")
    };
    project.write("app/Cargo.toml", &package("app", "[dependencies]\nbase = { path = \"../base\" }\n"));
    project.write("app/src/main.rs", "fn main() {\n    println!(\"{}\", base::word());\n}\n");
    project.write("base/Cargo.toml", &package("base", "[features]\nloud = []\n"));
    let unique = project.folder.path().display();
    project.write(
        "base/src/lib.rs",
        &format!("// {unique}\npub fn word() -> &'static str {{\n    \"word\"\n}}\n"),
    );
    project
        .write("base/build.rs", "fn main() {\n    println!(\"asked\");\n    eprintln!(\"and said\");\n}\n");
    let locked =
        |name: &str, more: &str| format!("[[package]]\nname = \"{name}\"\nversion = \"0.1.0\"\n{more}");
    let app = locked("app", "dependencies = [\n \"base\",\n]\n");
    project.write("Cargo.lock", &format!("version = 4\n\n{app}\n{}", locked("base", "")));
    project
}

#[test]
fn a_build_is_explained_by_what_has_changed() {
    let project = layered();
    project.xbuild(&["explain", "app"]).fails(1).says("it was not built over this store");
    let record = project.folder.path().join("record");
    let record = record.to_str().unwrap();
    project.xbuild(&["build", "-q", "--target", MUSL, "--record", record]).ok();
    project.xbuild(&["explain", "app"]).ok().says("for the first time");

    project.append("base/src/lib.rs", "pub fn more() {}\n");
    project.xbuild(&["build", "-q", "--target", MUSL]).ok();
    let of_file = project.xbuild(&["explain", "app"]).ok();
    of_file.says("libbase-").says("(made by base 0.1.0)").says("/build/ws/base/src/lib.rs has changed");
    // So says the run before, from a file.
    let other = project.xbuild(&["explain", "base 0.1.0", "--against", record]).ok();
    other.says("/build/ws/base/src/lib.rs has changed");

    project.xbuild(&["build", "-q", "--target", MUSL, "--features", "base/loud"]).ok();
    project.xbuild(&["explain", "base 0.1.0"]).ok().says("feature `loud` is on");
    project.xbuild(&["build", "-q", "--target", MUSL, "--profile", "dev"]).ok();
    let of_profile = project.xbuild(&["explain", "base 0.1.0"]).ok();
    of_profile.says("argument `-C opt-level=3` has gone").says("feature `loud` is off");
    project.write("xbuild.toml", "[env]\nCOLOUR = \"blue\"\n");
    project.xbuild(&["build", "-q", "--target", MUSL, "--profile", "dev"]).ok();
    let lines = project.xbuild(&["explain", "app", "--message-format", "json"]).ok().json();
    let of_app = lines.iter().find(|line| line["unit"] == "app 0.1.0 (bin app)").unwrap();
    let expected = serde_json::json!({ "what": "variable", "name": "COLOUR", "old": null, "new": "blue" });
    assert!(of_app["differences"].as_array().unwrap().contains(&expected), "{of_app}");

    project.xbuild(&["explain", "bass"]).fails(1).says("did you mean `base`?");
    project.write("nonsense", "nonsense");
    project.xbuild(&["explain", "app", "--against", "nonsense"]).fails(1).says("is no record of a run");
}

#[test]
fn a_package_of_another_version_is_told_with_both() {
    let project = layered();
    project.xbuild(&["build", "-q", "--target", MUSL]).ok();
    for (path, start) in [("base/Cargo.toml", "name = \"base\"\n"), ("Cargo.lock", "name = \"base\"\n")] {
        let versions = ["0.1.0", "0.2.0"].map(|version| format!("{start}version = \"{version}\""));
        project.write(path, &project.read(path).replace(&versions[0], &versions[1]));
    }
    let dry_run = project.xbuild(&["build", "--target", MUSL, "--dry-run"]).ok();
    dry_run.says("would build base 0.2.0 (build script) [host]: version 0.1.0 → 0.2.0");
    project.xbuild(&["build", "-q", "--target", MUSL]).ok();
    let of_app = project.xbuild(&["explain", "app"]).ok();
    of_app.says("(made by base 0.2.0)").says("- version 0.1.0 → 0.2.0\n");
    let lines = project.xbuild(&["explain", "base 0.2.0", "--message-format", "json"]).ok().json();
    let expected = serde_json::json!([{ "what": "version", "old": "0.1.0", "new": "0.2.0" }]);
    assert_eq!(lines[0]["differences"], expected);
    assert_eq!(lines[0]["unseen"][0]["path"], "build/ws/base/Cargo.toml");
}

#[test]
fn what_a_unit_printed_is_told_again_from_the_cache_too() {
    let project = layered();
    project.xbuild(&["build", "-q", "--target", MUSL]).ok();
    let script = "base 0.1.0 (build script run)";
    let log = |project: &Project| project.xbuild(&["log", script]).ok().says("asked").says("and said");
    log(&project);
    // The same in another folder: neither is anything run, nor is it planned.
    let other = Project::empty();
    copy(&project.root, &other.root);
    other.xbuild(&["log", script]).fails(1).says("it was not built over this store");
    let again = other.xbuild(&["build", "--target", MUSL]).ok();
    assert!(!again.stderr.contains("Finished"), "{}", again.stderr);
    log(&other);
    // For another target it was built there, and is looked up here.
    project.append("base/src/lib.rs", "#[cfg(target_arch = \"aarch64\")]\nfn unused() {}\n");
    copy(&project.root, &other.root);
    other.xbuild(&["build", "-q", "--target", TARGETS[1]]).ok();
    let unit = format!("base 0.1.0 [{}]", TARGETS[1]);
    for looked_up in ["-v", "-q"] {
        project.xbuild(&["build", looked_up, "--target", TARGETS[1]]).ok();
        project.xbuild(&["log", &unit]).ok().says("`unused` is never used");
    }
    // And what failed.
    project.write("app/src/main.rs", "fn main() {\n    nonsense();\n}\n");
    project.xbuild(&["build", "-q", "--target", MUSL]).fails(1);
    project.xbuild(&["log", "app"]).ok().says("cannot find function `nonsense`");
    project.xbuild(&["log", "apple"]).fails(1).says("did you mean `app`?");
    let slip = script.replace("script", "scrpt");
    project.xbuild(&["log", &slip]).fails(1).says(&format!("did you mean `{script}`?"));
}

#[test]
fn shells_get_their_completions() {
    for shell in ["bash", "zsh", "fish"] {
        xbuild(&["completions", shell]).ok().says("xbuild").says("isolation");
    }
    xbuild(&["completions", "command.com"]).fails(2);
}
