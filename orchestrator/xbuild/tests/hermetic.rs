//! Build scripts and macros that try to get out of the sandbox, each with a positive control: with isolation off,
//! or without the limit, the same program does.

mod common;

use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use fs_err as fs;

use common::trace::{keys, trace};
use common::{Project, Ran, Xbuild, processes};

/// A target with a prebuilt std: nothing but the attempts themselves is built for a weaker isolation.
const TARGET: &str = "aarch64-unknown-linux-gnu";

/// A package whose build script is `script`: the body of its `main`.
fn package(script: &str) -> Project {
    let project = Project::program("escape", "fn main() {}\n");
    project.write(
        "build.rs",
        &format!("#![allow(unused)]\nuse std::{{env, fs, process}};\nfn main() {{\n{script}\n}}\n"),
    );
    project
}

fn build(project: &Project, isolation: &str) -> Ran {
    project.xbuild(&["build", "--target", TARGET, "--no-link", "--isolation", isolation])
}

/// It fails in the sandbox, and the error says which unit and how it ended; with isolation off it succeeds.
#[track_caller]
fn is_contained(project: &Project, why: &str) -> Ran {
    let ran = build(project, "full")
        .fails(1)
        .says(&format!(
            "error: could not build escape 0.1.0 (build script run) for {TARGET}: it ended with exit code 101"
        ))
        .says("  command: /build/script/")
        .says(why);
    build(project, "none").ok();
    ran
}

/// A folder that everybody on the host may use.
fn open_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    folder
}

/// Makes sure that everything is fetched that a build needs, before a test takes a user's settings away.
fn fetched() {
    build(&package(""), "full").ok();
}

#[test]
fn the_hosts_network_is_out_of_reach() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let connect =
        format!("std::net::TcpStream::connect((\"127.0.0.1\", {port})).expect(\"the host's socket\");");
    let came = || match listener.accept() {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
            false
        }
    };
    let script = package(&connect);
    build(&script, "full")
        .fails(1)
        .says("(build script run)")
        .says("the host's socket")
        .says("ConnectionRefused");
    assert!(!came());
    build(&script, "no-network-namespace").ok();
    assert!(came());
    build(&script, "none").ok();
    assert!(came());

    // A macro runs inside the compiler.
    let project = Project::program("escape", "sneaky::sneak!();\nfn main() {}\n");
    project.append("Cargo.toml", "[dependencies]\nsneaky = { path = \"sneaky\" }\n[workspace]\n");
    project.append(
        "Cargo.lock",
        "dependencies = [\n \"sneaky\",\n]\n\n[[package]]\nname = \"sneaky\"\nversion = \"0.1.0\"\n",
    );
    project.write(
        "sneaky/Cargo.toml",
        "[package]\nname = \"sneaky\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[lib]\nproc-macro = true\n",
    );
    let sneak = "pub fn sneak(input: proc_macro::TokenStream) -> proc_macro::TokenStream";
    project.write("sneaky/src/lib.rs", &format!("#[proc_macro]\n{sneak} {{\n{connect}\ninput\n}}\n"));
    build(&project, "full")
        .fails(1)
        .says("proc macro panicked")
        .says("the host's socket")
        .says(&format!("could not build escape 0.1.0 (bin escape) for {TARGET}"));
    assert!(!came());
    build(&project, "none").ok();
    assert!(came());
}

#[test]
fn the_hosts_files_are_out_of_reach() {
    let line = fs::read_to_string("/etc/passwd").unwrap().lines().next().unwrap().to_owned();
    let passwd = package(&format!(
        "let text = fs::read_to_string(\"/etc/passwd\").unwrap();\n\
         assert!(text.lines().any(|line| line == {line:?}), \"not the host's: {{text}}\");"
    ));
    let ran = is_contained(&passwd, "not the host's: build:x:1000:1000:build:/build:/bin/sh");
    assert!(!ran.stderr.contains(":/root"), "{}", ran.stderr);

    fetched();
    let home = open_folder();
    let marker = home.path().join("secret");
    fs::write(&marker, "a secret").unwrap();
    let secret = package(&format!(
        "assert_ne!(env::var(\"HOME\").unwrap_or_default(), {0:?});\n\
         assert_eq!(fs::read_to_string({marker:?}).expect(\"the secret\"), \"a secret\");",
        home.path()
    ));
    let with_home = Xbuild::new().folder(&secret.root).env("HOME", home.path());
    let arguments = ["build", "--target", TARGET, "--no-link", "--isolation"];
    with_home.run(&[&arguments[..], &["full"]].concat()).fails(1).says("the secret").says("NotFound");
    with_home.run(&[&arguments[..], &["none"]].concat()).ok();
}

#[test]
fn nothing_is_written_outside() {
    let folder = open_folder();
    let outside = folder.path().join("planted");
    // The script sees its own writes. Nobody else does: not the host, and not the compiler that comes after it.
    let project = package(&format!(
        "let write = |path: &str, text: &str| {{\n\
           fs::create_dir_all(std::path::Path::new(path).parent().unwrap()).unwrap();\n\
           fs::write(path, text).unwrap();\n\
           assert_eq!(fs::read_to_string(path).unwrap(), text);\n\
         }};\n\
         write({outside:?}, \"planted\");\n\
         write(\"src/text\", \"the-planted-text\");\n\
         write(\"/usr/include/planted.h\", \"\");"
    ));
    project.write("src/text", "the-declared-text");
    project.write("src/main.rs", "fn main() { println!(\"{}\", include_str!(\"text\")); }\n");
    let out = tempfile::tempdir().unwrap();
    let out_dir = out.path().display().to_string();
    project.xbuild(&["build", "--target", TARGET, "--out-dir", &out_dir]).ok();
    assert!(!outside.exists());
    assert_eq!(project.read("src/text"), "the-declared-text");
    let program = fs::read(out.path().join(format!("default/{TARGET}/bin/escape"))).unwrap();
    let has = |text: &str| program.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(has("the-declared-text") && !has("the-planted-text"));

    build(&project, "none").ok();
    assert_eq!(fs::read_to_string(&outside).unwrap(), "planted");
    assert_eq!(project.read("src/text"), "the-declared-text", "the sources are copies in every isolation");
}

#[test]
fn the_hosts_processes_are_out_of_reach() {
    let own = std::process::id();
    let name = fs::read_to_string("/proc/self/comm").unwrap();
    let project = package(&format!(
        "let name = fs::read_to_string(\"/proc/{own}/comm\").expect(\"the host's process\");\n\
         assert_eq!(name, {name:?}, \"the host's process\");"
    ));
    is_contained(&project, "the host's process");
}

/// A build script that runs itself as `child(argument)` where it is called with one.
fn with_child(script: &str, child: &str) -> String {
    format!(
        "let own = |argument: &str| {{\n\
           let mut command = process::Command::new(env::current_exe().unwrap());\n\
           command.arg(argument).stdin(process::Stdio::null()).stdout(process::Stdio::null()).stderr(process::Stdio::null());\n\
           command\n\
         }};\n\
         if let Some(argument) = env::args().nth(1) {{\n{child}\n}} else {{\n{script}\n}}"
    )
}

/// A text that no other process has among its arguments.
fn marker(what: &str) -> String {
    format!("{what}-{}", std::process::id())
}

#[test]
fn processes_without_end_are_bounded() {
    let marker = marker("bomb");
    // The control must be harmless: 200 processes are nothing to a machine.
    let script = format!(
        "let mut children: Vec<_> = (0..200).map(|_| own({marker:?}).spawn()).take_while(Result::is_ok).flatten().collect();\n\
         let count = children.len();\n\
         std::thread::sleep(std::time::Duration::from_secs(1));\n\
         for child in &mut children {{ child.kill().unwrap(); child.wait().unwrap(); }}\n\
         assert_eq!(count, 200);"
    );
    let project = package(&with_child(&script, "std::thread::sleep(std::time::Duration::from_secs(60));"));
    project.write("xbuild.toml", "[limits]\nprocesses = 64\n");
    build(&project, "full")
        .fails(1)
        .says("(build script run)")
        .says("it went over its limit: processes (64)")
        .says("help: raise the limit in xbuild.toml under [limits]");
    assert_eq!(processes::with(&marker).len(), 0);
    build(&project, "none").ok();
    assert_eq!(processes::with(&marker).len(), 0);
}

#[test]
fn a_script_that_never_stops_is_stopped() {
    // New to the store: this program succeeds in the end.
    let project = package(&format!(
        "println!(\"begun {{}}\", {:?});\n\
         let start = std::time::Instant::now();\n\
         while start.elapsed() < std::time::Duration::from_secs(5) {{}}",
        format!("{:?}", std::time::Instant::now())
    ));
    project.write("xbuild.toml", "[limits]\ntime = \"3s\"\n");
    let ran = build(&project, "full").fails(1).says("it went over its limit: time (3 s)").says("begun");
    assert!(ran.time < Duration::from_secs(300), "{:?}", ran.time);
    build(&project, "none").fails(1).says("it went over its limit: time (3 s)");
    // The limit is no part of the key: it is the same program that ends by itself.
    project.xbuild(&["build", "--target", TARGET, "--no-link", "--set", "limits.time=1m"]).ok();
    build(&project, "full").ok();
}

#[test]
fn memory_over_the_limit_is_not_given() {
    let project = package(
        "let mut memory = vec![0_u8; 700 << 20];\n\
         for page in memory.chunks_mut(4096) { page[0] = 1; }\n\
         std::thread::sleep(std::time::Duration::from_secs(1));\n\
         assert_eq!(memory.iter().step_by(4096).map(|byte| u64::from(*byte)).sum::<u64>(), 700 << 8);",
    );
    project.write("xbuild.toml", "[limits]\nmemory = \"500MiB\"\n");
    build(&project, "full").fails(1).says("it went over its limit: memory (500 MiB)").says("help: ");
    build(&project, "none").ok();
}

#[test]
fn nothing_survives_its_action() {
    let marker = marker("daemon");
    let folder = open_folder();
    let pulse = folder.path().join("pulse");
    // The child starts the daemon in a process group of its own and ends: the daemon is an orphan then. It tells
    // that it lives on the host, where it can reach it, and to the script.
    let daemon = format!(
        "use std::os::unix::process::CommandExt;\n\
         if argument == \"child\" {{ own({marker:?}).process_group(0).spawn().unwrap(); return; }}\n\
         for beat in 0..600 {{\n\
           fs::write(\"/tmp/{marker}\", \"\").unwrap();\n\
           let _ = fs::write({pulse:?}, beat.to_string());\n\
           std::thread::sleep(std::time::Duration::from_millis(50));\n\
         }}"
    );
    let script = format!(
        "assert!(own(\"child\").status().unwrap().success());\n\
         while !std::path::Path::new(\"/tmp/{marker}\").exists() {{\n\
           std::thread::sleep(std::time::Duration::from_millis(10));\n\
         }}\n\
         std::thread::sleep(std::time::Duration::from_millis(200));"
    );
    let project = package(&with_child(&script, &daemon));
    build(&project, "full").ok();
    assert!(!pulse.exists());
    assert_eq!(processes::with(&marker).len(), 0);
    // With isolation off it does live on the host, and still not longer than its action.
    build(&project, "none").ok();
    let last = fs::read_to_string(&pulse).unwrap();
    assert_eq!(processes::with(&marker).len(), 0);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(fs::read_to_string(&pulse).unwrap(), last);
    let _ = fs::remove_file(Path::new("/tmp").join(&marker));
}

#[test]
fn results_of_a_weaker_isolation_are_kept_apart() {
    let folder = open_folder();
    let marker = folder.path().join("marker");
    fs::write(&marker, "").unwrap();
    let project = package(&format!(
        "let seen = std::path::Path::new({marker:?}).exists();\n\
         println!(\"cargo::rustc-env=SEEN={{}}\", if seen {{ \"the-host-was-seen\" }} else {{ \"nothing-was-seen\" }});"
    ));
    // Nothing of it is known from an earlier run.
    project.write(
        "src/main.rs",
        &format!("fn main() {{ println!(\"{{}} {{}}\", env!(\"SEEN\"), {marker:?}); }}\n"),
    );
    let out = tempfile::tempdir().unwrap();
    let traced = out.path().join("trace");
    let build = |isolation: &str| {
        let out_dir = out.path().join(isolation);
        let [out_dir, traced_to] = [&out_dir, &traced].map(|path| path.display().to_string());
        let ran = project.xbuild(&[
            "build",
            "--target",
            TARGET,
            "--isolation",
            isolation,
            "--out-dir",
            &out_dir,
            "--trace",
            &traced_to,
        ]);
        let ran = ran.ok();
        let program =
            fs::read(out.path().join(isolation).join(format!("default/{TARGET}/bin/escape"))).unwrap();
        let has = |text: &str| program.windows(text.len()).any(|part| part == text.as_bytes());
        (ran.finished(), keys(&trace(&traced)), [has("the-host-was-seen"), has("nothing-was-seen")])
    };
    let (built, weak_keys, weak) = build("none");
    assert_eq!((built, weak), ((3, 0), [true, false]));
    let (built, full_keys, full) = build("full");
    assert_eq!((built, full), ((3, 0), [false, true]), "what the weaker one saw was taken over");
    assert!(weak_keys.keys().all(|key| !full_keys.contains_key(key)), "{weak_keys:?} {full_keys:?}");
    assert_eq!(build("full").0, (0, 3));
    assert_eq!(build("none").0, (0, 3));
}

#[test]
fn what_the_host_is_like_changes_no_key() {
    let project = Project::example();
    let folder = open_folder();
    let [first, second] = ["first", "second"].map(|name| folder.path().join(name));
    let root = project.root.display().to_string();
    let run = |xbuild: &Xbuild, trace: &Path| {
        xbuild.run(&["all", "--no-link", "--project", &root, "--trace", trace.to_str().unwrap()]).ok()
    };
    run(&Xbuild::new().folder(&project.root), &first);

    // Programs by the names of those that a build uses, earlier in PATH, which would tell of being called.
    let called = folder.path().join("called");
    let bin = folder.path().join("usr/bin");
    fs::create_dir_all(&bin).unwrap();
    for name in [
        "cargo",
        "rustc",
        "rustdoc",
        "cc",
        "gcc",
        "c++",
        "clang",
        "ld",
        "ar",
        "sh",
        "env",
        "pkg-config",
        "make",
    ] {
        let path = bin.join(name);
        fs::write(&path, format!("#!/bin/sh\necho {name} >> {}\nexit 1\n", called.display())).unwrap();
        fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let home = folder.path().join("another home");
    fs::create_dir_all(home.join(".cargo")).unwrap();
    fs::write(
        home.join(".cargo/config.toml"),
        "[build]\nrustflags = [\"-Cdebuginfo=2\"]\n[profile.release]\nopt-level = 0\n",
    )
    .unwrap();
    let mut xbuild = Xbuild::new()
        .folder(folder.path())
        .env("PATH", format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default()))
        .env("HOME", &home)
        .env("CARGO_HOME", home.join(".cargo"));
    for (name, value) in [
        ("LANG", "tr_TR.UTF-8"),
        ("LC_ALL", "tr_TR.UTF-8"),
        ("TZ", "Pacific/Chatham"),
        ("HOSTNAME", "elsewhere"),
        ("USER", "somebody"),
        ("TMPDIR", "/var/tmp"),
        ("SOURCE_DATE_EPOCH", "1"),
        ("RUSTFLAGS", "-Cdebuginfo=2"),
        ("CARGO_ENCODED_RUSTFLAGS", "-Cdebuginfo=2"),
        ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0"),
        ("CARGO_TARGET_DIR", "/nowhere"),
        ("RUSTC", "/nowhere/rustc"),
        ("RUSTC_WRAPPER", "/nowhere/wrapper"),
        ("RUST_LOG", "trace"),
        ("CC", "/nowhere/cc"),
        ("CFLAGS", "-O0"),
        ("CPATH", "/nowhere"),
        ("LD_LIBRARY_PATH", "/nowhere"),
        ("MAKEFLAGS", "-j1"),
        ("NUM_JOBS", "1"),
        ("PROFILE", "debug"),
    ] {
        xbuild = xbuild.env(name, value);
    }
    let xbuild = xbuild.through(&["/bin/sh", "-c", "umask 077; exec \"$@\"", "sh"]);
    run(&xbuild, &second);

    assert_eq!(fs::read_to_string(&called).unwrap_or_default(), "", "programs of the host were called");
    let [first, second] = [first, second].map(|path| trace(&path));
    assert_eq!(keys(&first), keys(&second));
    assert!(first.len() > 300 && second.iter().all(|unit| unit.cached), "{} units", first.len());
}
