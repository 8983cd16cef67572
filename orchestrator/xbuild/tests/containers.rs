//! Images as containers: runc runs them as root and without root, read-only and as their user; podman loads and runs
//! them.

mod common;

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use common::machine::{Tools, oci_tools};
use common::{Project, Xbuild, copy};
use fs_err as fs;
use serde_json::{Value, json};

const MUSL: &str = "x86_64-unknown-linux-musl";
const GNU: &str = "x86_64-unknown-linux-gnu";

/// An unprivileged user of the host's, and the first of those that a user namespace gives it.
const USER: u32 = 1000;
const RANGE: u32 = 100_000;

/// A program that tells who runs it, and on what.
const TELLS: &str = r#"
fn main() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let user = status.lines().find(|line| line.starts_with("Uid:")).unwrap();
    println!("user {}", user.split_whitespace().nth(1).unwrap());
    println!("root can be written: {}", std::fs::write("/bin/new", "").is_ok());
    println!("arguments {:?}", std::env::args().skip(1).collect::<Vec<_>>());
    println!("in {}", std::env::current_dir().unwrap().display());
}
"#;

/// What it must tell in a container.
fn told(user: u32) -> String {
    format!("user {user}\nroot can be written: false\narguments [\"--loud\"]\nin /work\n")
}

/// The project, with its image for a target made. Gives the layout's path.
fn made(target: &str) -> (Project, PathBuf) {
    let project = Project::program("tells", TELLS);
    project.write("xbuild.toml", "[image]\nuser = \"nonroot\"\nworkdir = \"/work\"\ncmd = [\"--loud\"]\n");
    project.xbuild(&["image", "--target", target]).ok();
    let layout = project.folder.path().join("layout");
    // Others must be able to read it, and umoci writes into it.
    copy(&fs::canonicalize(project.result("default/image/tells")).unwrap(), &layout);
    (project, layout)
}

#[track_caller]
fn succeeded(what: &str, output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what} failed: {said}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Makes a bundle's root read-only, and changes its configuration.
fn adjust(bundle: &Path, change: impl FnOnce(&mut Value)) {
    let file = bundle.join("config.json");
    let mut config: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    config["process"]["terminal"] = false.into();
    config["root"]["readonly"] = true.into();
    change(&mut config);
    fs::write(&file, config.to_string()).unwrap();
}

/// A program of the shell's.
fn write_script(file: &Path, text: &str) {
    fs::write(file, format!("#!/bin/sh\n{text}")).unwrap();
    fs::set_permissions(file, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// The `PATH` of the tests, after a folder.
fn path_after(folder: &Path) -> String {
    format!("{}:{}", folder.display(), std::env::var("PATH").unwrap())
}

/// Whether root may make control groups here, without which containers of root's are refused.
fn allows_cgroups() -> bool {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let mut places = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (place, kind) = (words.next()?, words.next()?);
        kind.starts_with("cgroup")
            .then(|| Path::new(place).join(format!("xbuild-test-{}", std::process::id())))
    });
    places.any(|place| fs::create_dir(&place).and_then(|()| fs::remove_dir(&place)).is_ok())
}

/// A folder, and all in it, for a user.
fn give(folder: &Path, user: u32) {
    let status = Command::new("chown").arg("-R").arg(format!("{user}:{user}")).arg(folder).status().unwrap();
    assert!(status.success());
}

/// Unpacks a layout and runs it with runc, both through `prefix`: what changes the user.
fn run(
    tools: &Tools,
    place: &Path,
    layout: &Path,
    flags: (&[&str], &[&str]),
    through: impl Fn(Command) -> Output,
    change: impl FnOnce(&mut Value),
) -> String {
    let bundle = place.join("bundle");
    let mut umoci = tools.command("umoci");
    umoci.arg("unpack").args(flags.0).arg("--image").arg(format!("{}:latest", layout.display())).arg(&bundle);
    succeeded("umoci", &through(umoci));
    adjust(&bundle, change);
    let mut runc = tools.command("runc");
    runc.arg("--root").arg(place.join("state")).args(flags.1).arg("run").arg("--bundle").arg(&bundle);
    runc.arg(format!("xbuild-test-{}", std::process::id()));
    succeeded("runc", &through(runc))
}

/// A command as another user of the host's.
fn as_user(user: u32, home: &Path) -> impl Fn(Command) -> Output {
    let home = home.to_owned();
    move |mut command| {
        if rustix::process::geteuid().is_root() {
            command.uid(user).gid(user);
        }
        command.env("HOME", &home).env("XDG_RUNTIME_DIR", &home).output().unwrap()
    }
}

/// A command as the root of a user namespace with many users, which is nobody special on the host. Only root can
/// make one of these without a helper that is set-uid.
fn in_a_user_namespace(command: Command, home: &Path) -> Output {
    let script = "read go; exec setpriv --reuid=0 --regid=0 --clear-groups \"$@\"";
    let mut inside = Command::new("unshare");
    inside.args(["--user", "--mount", "--propagation", "unchanged", "--keep-caps", "sh", "-c", script, "sh"]);
    inside.arg(command.get_program()).args(command.get_args());
    inside.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    inside.env("HOME", home).env("XDG_RUNTIME_DIR", home);
    let mut child =
        inside.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let namespace = |process: &str| fs::read_link(format!("/proc/{process}/ns/user")).ok();
    let process = child.id().to_string();
    for _ in 0..500 {
        if namespace(&process) != namespace("self") {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    for map in ["uid_map", "gid_map"] {
        fs::write(format!("/proc/{process}/{map}"), format!("0 {RANGE} 65536\n")).unwrap();
    }
    child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn runc_runs_an_image_as_root_and_without_root() {
    let tools = oci_tools();
    let is_root = rustix::process::geteuid().is_root();
    for target in [MUSL, GNU] {
        let (_project, layout) = made(target);
        // Whoever starts it has a folder of their own, that they can reach.
        let place = |owner: Option<u32>| {
            let place = tempfile::tempdir().unwrap();
            fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
            let own = place.path().join("layout");
            copy(&layout, &own);
            if let Some(owner) = owner.filter(|_| is_root) {
                give(place.path(), owner);
            }
            (place, own)
        };
        if is_root && allows_cgroups() {
            let (folder, layout) = place(None);
            let through = |mut command: Command| command.output().unwrap();
            let said = run(&tools, folder.path(), &layout, (&[], &[]), through, |_| {});
            assert_eq!(said, told(65532), "{target}, as root");
        }
        if is_root {
            let (folder, layout) = place(Some(RANGE));
            let through = |command| in_a_user_namespace(command, folder.path());
            let flags: (&[&str], &[&str]) = (&[], &["--rootless=true"]);
            let no_cgroups = |config: &mut Value| {
                config["linux"].as_object_mut().unwrap().remove("resources");
            };
            let said = run(&tools, folder.path(), &layout, flags, through, no_cgroups);
            assert_eq!(said, told(65532), "{target}, without root, as its user");
        }
        // A user with no others of their own is the only one that there is in the container: its root.
        let (folder, layout) = place(Some(USER));
        let flags: (&[&str], &[&str]) = (&["--rootless"], &["--rootless=true"]);
        let only_user = |config: &mut Value| config["process"]["user"] = json!({ "uid": 0, "gid": 0 });
        let said = run(&tools, folder.path(), &layout, flags, as_user(USER, folder.path()), only_user);
        assert_eq!(said, told(0), "{target}, without root");
    }
}

#[test]
fn podman_loads_and_runs_an_image() {
    if !rustix::process::geteuid().is_root() {
        println!("podman needs a set-uid helper of the host's without root: it is tried as root only");
        return;
    }
    let tools = oci_tools();
    let (project, _) = made(MUSL);
    let place = project.folder.path().join("podman");
    fs::create_dir(&place).unwrap();
    fs::write(place.join("policy.json"), r#"{"default":[{"type":"insecureAcceptAnything"}]}"#).unwrap();
    fs::write(place.join("containers.conf"), "[engine]\nevents_logger = \"none\"\n").unwrap();
    // podman as it would be where it is installed: its own libraries, and storage that is gone with the test.
    let command = tools.command("podman");
    let environment: Vec<String> = command
        .get_envs()
        .filter_map(|(name, value)| Some(format!("{}='{}'", name.display(), value?.display())))
        .collect();
    let tool = |name: &str| tools.command(name).get_program().display().to_string();
    let at = place.display();
    let script = format!(
        "export {} CONTAINERS_CONF={at}/containers.conf\nverb=\"$1\"; shift\n\
         test \"$verb\" = load && set -- --signature-policy {at}/policy.json \"$@\"\n\
         exec {} --root {at}/root --runroot {at}/run --storage-driver vfs --cgroup-manager cgroupfs \
         --conmon {} --runtime {} \"$verb\" \"$@\"\n",
        environment.join(" "),
        tool("podman"),
        tool("conmon"),
        tool("runc"),
    );
    let podman = place.join("podman");
    write_script(&podman, &script);

    let xbuild = Xbuild::new().folder(&project.root).env("PATH", path_after(&place));
    xbuild.run(&["image", "--target", MUSL, "--no-link", "-o", "podman:tells:v1"]).ok().says("Loaded");
    let limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"];
    let run =
        [&["run", "--rm", "--network", "none", "--read-only"][..], &limits, &["localhost/tells:v1"]].concat();
    if allows_cgroups() {
        let said = succeeded("podman run", &Command::new(&podman).args(run).output().unwrap());
        assert_eq!(said, told(65532));
    } else {
        println!(
            "this machine lets nobody make control groups: podman has loaded the image, and does not run it"
        );
    }

    // Where it is not installed, or does not work, that is said.
    let nowhere = place.join("nowhere");
    fs::create_dir(&nowhere).unwrap();
    let without = Xbuild::new().folder(&project.root).env("PATH", nowhere.as_os_str());
    let ran = without.run(&["image", "--target", MUSL, "--no-link", "-o", "docker-daemon:"]).fails(3);
    ran.says("docker does not take the image tells: there is no such program").says("help: install it");
    write_script(&place.join("docker"), "echo 'is the docker daemon running?' >&2\nexit 1\n");
    let ran = xbuild.run(&["image", "--target", MUSL, "--no-link", "-o", "docker-daemon:tells"]).fails(3);
    ran.says("is the docker daemon running?").says("help: ");
}

#[test]
fn docker_is_given_an_archive_that_others_read() {
    let (project, _) = made(MUSL);
    let place = project.folder.path().join("docker");
    fs::create_dir(&place).unwrap();
    // What is no daemon, and keeps what it is given.
    let script = format!("test \"$1 $2\" = 'load -i' && cp \"$3\" {}/kept.tar\n", place.display());
    write_script(&place.join("docker"), &script);
    let xbuild = Xbuild::new().folder(&project.root).env("PATH", path_after(&place));
    let load = ["image", "--target", MUSL, "--no-link", "-o", "docker-daemon:tells:v1"];
    xbuild.run(&load).ok().says("tells:v1 into docker");

    let (archive, at) = (format!("docker-archive:{}/kept.tar", place.display()), place.display().to_string());
    let tools = oci_tools();
    let skopeo = |arguments: &[&str]| tools.run("skopeo", &[&["--tmpdir", &at], arguments].concat());
    let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    assert_eq!(parsed(&skopeo(&["list-tags", &archive]))["Tags"], json!(["tells:v1"]));
    let config = parsed(&skopeo(&["inspect", "--config", &archive]));
    assert_eq!(
        (&config["architecture"], &config["config"]["WorkingDir"]),
        (&json!("amd64"), &json!("/work"))
    );
    // It reads all of it to copy it.
    skopeo(&["--insecure-policy", "copy", &archive, &format!("dir:{at}/copied")]);
}
