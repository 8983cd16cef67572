//! Builds that are not alone, and builds that are ended: by Ctrl-C, by `kill -9`. (That a store is whole after that,
//! and its results are the same bits, is shown in `reproducible`.)

mod common;

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use fs_err as fs;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use common::processes::{below, left_of, wait_for, with};
use common::trace::{keys, trace};
use common::{Project, Xbuild, shared_store};

const TARGET: &str = "aarch64-unknown-linux-gnu";

/// A text that no other run has.
fn fresh() -> String {
    let mut bytes = [0; 8];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()).unwrap();
    format!("fresh-{:016x}", u64::from_ne_bytes(bytes))
}

/// A package whose build script runs itself with `marker` as its argument, and both last `seconds`.
fn slow(marker: &str, seconds: u32) -> Project {
    let project = Project::program("slow", &format!("fn main() {{ println!({marker:?}); }}\n"));
    project.write(
        "build.rs",
        &format!(
            "use std::{{env, process::Command, thread::sleep, time::Duration}};\n\
             fn main() {{\n\
               if env::args().nth(1).is_none() {{\n\
                 assert!(Command::new(env::current_exe().unwrap()).arg({marker:?}).status().unwrap().success());\n\
               }} else {{ sleep(Duration::from_secs({seconds})); }}\n\
             }}\n"
        ),
    );
    project
}

/// Starts a build in a process group of its own, as a shell does.
fn start(project: &Project, arguments: &[&str]) -> Child {
    let mut command = Xbuild::new().folder(&project.root).command(arguments);
    command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}

#[test]
fn two_at_once_share_the_work() {
    let new = fresh();
    let project = Project::program("app", "fn main() { println!(\"{} {} {}\", a::NEW, b::NEW, c::NEW); }\n");
    let mut lock = "version = 4\n\n".to_owned();
    let mut dependencies = "[dependencies]\n".to_owned();
    for name in ["a", "b", "c"] {
        dependencies += &format!("{name} = {{ path = \"{name}\" }}\n");
        lock += &format!("[[package]]\nname = \"{name}\"\nversion = \"0.1.0\"\n\n");
        project.write(
            &format!("{name}/Cargo.toml"),
            &format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n"),
        );
        project.write(&format!("{name}/src/lib.rs"), &format!("pub const NEW: &str = \"{new}\";\n"));
        project.write(
            &format!("{name}/build.rs"),
            &format!(
                "fn main() {{ println!({new:?}); std::thread::sleep(std::time::Duration::from_millis(1500)); }}\n"
            ),
        );
    }
    lock +=
        "[[package]]\nname = \"app\"\nversion = \"0.1.0\"\ndependencies = [\n \"a\",\n \"b\",\n \"c\",\n]\n";
    project.append("Cargo.toml", &(dependencies + "[workspace]\n"));
    project.write("Cargo.lock", &lock);

    let paths = ["one", "two"].map(|name| project.folder.path().join(name));
    let children: Vec<Child> = paths
        .iter()
        .map(|path| start(&project, &["build", "--target", TARGET, "--trace", path.to_str().unwrap()]))
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let traces = paths.map(|path| trace(&path));
    let [one, two] = traces.each_ref().map(|trace| keys(trace));
    assert_eq!(one, two);
    let [one, two] = traces.each_ref().map(|trace| -> BTreeSet<&str> {
        trace.iter().filter(|unit| !unit.cached).map(|unit| unit.key()).collect()
    });
    println!("executed: {} and {} of {}", one.len(), two.len(), traces[0].len());
    assert_eq!(one.intersection(&two).count(), 0, "executed twice: {:?}", one.intersection(&two));
    assert_eq!(one.len() + two.len(), traces[0].len(), "each by one of them");
    let waited = traces.iter().flatten().filter(|unit| unit.cached && unit.started.is_some()).count();
    assert!(waited > 0, "neither waited for the other: they were not at work at once");
    let program = fs::read(project.result(&format!("default/{TARGET}/bin/app"))).unwrap();
    assert!(program.windows(new.len()).any(|part| part == new.as_bytes()));
}

#[test]
fn ctrl_c_ends_everything_at_once() {
    let marker = fresh();
    let project = slow(&marker, 60);
    let child = start(&project, &["build", "--target", TARGET]);
    wait_for("the build script", || (!with(&marker).is_empty()).then_some(()));
    let processes = below(child.id());
    assert!(processes.len() >= 3, "helper, init, script: {processes:?}");
    let pressed = Instant::now();
    // A terminal sends it to the whole group in front.
    kill_process_group(pid(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    let took = pressed.elapsed();
    let stderr = String::from_utf8_lossy(&output.stderr);
    println!("ended after {took:?}:\n{stderr}");
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    assert!(stderr.contains("stopped"), "{stderr}");
    assert!(took < Duration::from_secs(30), "the script would go on for a minute: {took:?}");
    assert_eq!(left_of(&processes, Duration::ZERO), BTreeSet::new());
    assert!(!project.root.join("result").exists());
}

#[test]
fn ctrl_c_does_not_wait_for_a_silent_server() {
    // It takes connections, and never answers.
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let mirror = format!("http://{}/debian", server.local_addr().unwrap());
    let store = tempfile::tempdir().unwrap();
    let project = Project::program("app", "fn main() {}\n");
    let xbuild = Xbuild::new().folder(&project.root).store(&store.path().join("store"));
    let xbuild = xbuild.env("XBUILD_DEBIAN_MIRRORS", mirror).env("XBUILD_FETCH_TIMEOUT", "600");
    let mut command = xbuild.command(&["build", "--target", TARGET]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let connection = server.accept().unwrap();
    let pressed = Instant::now();
    kill_process(pid(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(pressed.elapsed() < Duration::from_secs(120), "it has waited for the time-out of ten minutes");
    drop(connection);
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!project.root.join("result").exists());
}

#[test]
fn a_killed_build_leaves_nothing_behind_and_the_next_one_goes_on() {
    let marker = fresh();
    let project = slow(&marker, 4);
    let mut child = start(&project, &["build", "--target", TARGET]);
    wait_for("the build script", || (!with(&marker).is_empty()).then_some(()));
    let processes = below(child.id());
    assert!(processes.len() >= 3, "helper, init, script: {processes:?}");
    kill_process(pid(&child), Signal::KILL).unwrap();
    let killed = child.id();
    child.wait().unwrap();
    assert_eq!(left_of(&processes, Duration::from_secs(3)), BTreeSet::new());

    // The build script itself was there already.
    let ran = project.xbuild(&["build", "--target", TARGET]).ok();
    assert_eq!(ran.finished(), (2, 1));
    let left = fs::read_dir(shared_store().join("tmp")).unwrap().filter_map(Result::ok);
    let left: Vec<_> =
        left.filter(|entry| entry.file_name().to_string_lossy().starts_with(&format!("{killed}."))).collect();
    assert!(left.is_empty(), "{left:?}");
}
