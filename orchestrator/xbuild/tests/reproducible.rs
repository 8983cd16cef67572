//! The same bits whoever builds, wherever and however: the example, built again with no result in the store.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use fs_err as fs;

use common::image::images;
use common::processes::{below, left_of, wait_for};
use common::trace::{keys, trace};
use common::{Project, TARGETS, XBUILD, Xbuild, shared_store};

/// What a store knows of fetched things: which blob and which tree came of which pin.
const FETCHED: [&str; 2] = ["fetched-blob", "unpacked-tree"];

/// What came of an action: all of it but the time that it took.
#[derive(Debug, PartialEq, Eq)]
struct Bits {
    outputs: BTreeMap<String, String>,
    stdout: String,
    stderr: String,
}

/// The results of a store, by key.
fn results(store: &Path) -> BTreeMap<String, Bits> {
    let mut results = BTreeMap::new();
    for folder in fs::read_dir(store.join("actions")).unwrap() {
        for file in fs::read_dir(folder.unwrap().path()).unwrap() {
            let record: serde_json::Value =
                serde_json::from_slice(&fs::read(file.unwrap().path()).unwrap()).unwrap();
            let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
            let result = &record["result"];
            let outputs = result["outputs"].as_object().unwrap();
            let bits = Bits {
                outputs: outputs.iter().map(|(path, output)| (path.clone(), output.to_string())).collect(),
                stdout: text(&result["stdout"]),
                stderr: text(&result["stderr"]),
            };
            results.insert(text(&record["action"]), bits);
        }
    }
    results
}

/// A store with what the shared one has fetched and unpacked, and no result of any action. Its files are links to
/// the shared store's.
fn without_results() -> tempfile::TempDir {
    let shared = shared_store();
    let folder = tempfile::tempdir_in(shared.parent().unwrap()).unwrap();
    open_to_all(folder.path());
    let store = folder.path().join("store");
    fs::create_dir_all(store.join("memo")).unwrap();
    let copy = |from: &str, to: &str| {
        let cp = |how: &str| {
            let mut cp = Command::new("cp");
            cp.args(["--archive", how]).arg(shared.join(from)).arg(store.join(to));
            cp
        };
        // A file can have so many links and no more: what has them already is copied.
        if !cp("--link").status().unwrap().success() {
            run(&mut cp("--no-clobber"));
        }
    };
    for name in ["blobs", "directories"] {
        copy(name, "");
    }
    for name in FETCHED {
        copy(&format!("memo/{name}"), "memo");
    }
    copy("format", "");
    if let Some(owner) = another_user() {
        run(Command::new("chown").arg(format!("{owner}:{owner}")).args([&store, &store.join("memo")]));
    }
    folder
}

/// Root's store belongs to the user that its sandboxes run as: then he is the one who builds again.
fn another_user() -> Option<u32> {
    let owner = std::os::unix::fs::MetadataExt::uid(&fs::metadata(shared_store().join("blobs")).unwrap());
    rustix::process::geteuid().is_root().then_some(owner)
}

fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}

fn open_to_all(folder: &Path) {
    fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Gives every file below a folder another time.
fn age(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            age(&path);
        } else {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(981_173_106);
            fs::OpenOptions::new().write(true).open(&path).unwrap().set_modified(time).unwrap();
        }
    }
}

#[test]
fn every_result_and_every_output_is_the_same_bits() {
    let ours = Project::example();
    let traced = ours.folder.path().join("trace");
    let arguments = ["all", "--no-link", "--message-format", "json", "--trace"];
    let first = ours.xbuild(&[&arguments[..], &[traced.to_str().unwrap()]].concat()).ok();
    let first_keys = keys(&trace(&traced));
    let arguments_of_images = ["image", "--no-link", "--message-format", "json"];
    let first_images = images(&ours.xbuild(&arguments_of_images).ok());

    // Another user, folder, home, time, time zone, locale, umask, number of jobs and of processors; process ids are
    // others by themselves.
    let world = without_results();
    let theirs = world.path().join("some where/else");
    for name in ["rust-app", "glaze"] {
        common::copy(&common::repository().join("examples").join(name), &theirs.join(name));
    }
    age(&theirs);
    let home = world.path().join("home");
    fs::create_dir(&home).unwrap();
    fs::set_permissions(&home, std::fs::Permissions::from_mode(0o777)).unwrap();
    // The target folder may be nobody else's to look into.
    let program = world.path().join("xbuild");
    fs::copy(XBUILD, &program).unwrap();
    run(Command::new("chmod").args(["-R", "a+rX"]).arg(&theirs).arg(&program));
    let traced = home.join("trace");
    let store = world.path().join("store");
    let mut xbuild = Xbuild::new()
        .store(&store)
        .folder(&theirs.join("rust-app"))
        .env("HOME", &home)
        .env("USER", "somebody")
        .env("LC_ALL", "tr_TR.UTF-8")
        .env("TZ", "Pacific/Chatham")
        .env("SOURCE_DATE_EPOCH", "1")
        .through(&["/bin/sh", "-c", "umask 077; shift; exec \"$0\" \"$@\"", program.to_str().unwrap()]);
    if let Some(user) = another_user() {
        xbuild = xbuild.user(user);
    }
    // One target on one processor; the others on all of them, to save time.
    let one_processor = ["taskset", "-c", &processor().to_string()].map(str::to_owned);
    let mut pinned = xbuild.clone();
    pinned.through.splice(0..0, one_processor);
    let arguments_of_pinned = ["build", "--target", TARGETS[1], "--no-link", "--offline", "-j", "3"];
    killed_in_the_middle(&store, &mut pinned.command(&arguments_of_pinned));
    pinned.run(&arguments_of_pinned).ok();
    let second = xbuild
        .run(&[&["all", "--offline", "-j", "5"], &arguments[1..], &[traced.to_str().unwrap()]].concat())
        .ok();
    let second_keys = keys(&trace(&traced));
    let only = |these: &BTreeMap<String, Vec<String>>, those: &BTreeMap<String, Vec<String>>| {
        these
            .iter()
            .filter(|(key, _)| !those.contains_key(*key))
            .map(|(_, units)| units.join(", "))
            .collect::<Vec<_>>()
    };
    let others = [only(&first_keys, &second_keys), only(&second_keys, &first_keys)];
    assert_eq!(others, [vec![], vec![] as Vec<String>], "units whose keys only the one or the other has");
    let [outputs, again] = [first.digests(), second.digests()];
    assert_eq!(outputs.len(), 2 * TARGETS.len(), "{outputs:?}");
    for (name, digest) in &outputs {
        println!("{name}\n  {digest}\n  {}", again[name]);
    }
    assert_eq!(outputs, again, "the outputs");

    let second_images = images(&xbuild.run(&[&arguments_of_images[..], &["--offline"]].concat()).ok());
    let digests = |images: &BTreeMap<String, serde_json::Value>| {
        images.iter().map(|(name, line)| (name.clone(), line["digest"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(digests(&first_images).len(), 2, "{first_images:?}");
    assert_eq!(digests(&first_images), digests(&second_images), "the images' indexes");

    xbuild.run(&["store", "verify"]).ok().says("whole");

    // Planning steps, std and the sysroots' libraries are actions too.
    let (known, made) = (results(&shared_store()), results(&store));
    assert!(made.len() > first_keys.len(), "{} results", made.len());
    let mut differing = Vec::new();
    for (key, bits) in &made {
        let label =
            first_keys.get(key).map_or_else(|| "a step before it".to_owned(), |units| units.join(", "));
        match known.get(key) {
            None => differing.push(format!("{label}: its key is another: {key}")),
            Some(known) if known != bits => {
                differing.push(format!("{label}: {key}\n  first:  {known:?}\n  second: {bits:?}"));
            }
            Some(_) => {
                let outputs = bits.outputs.iter().map(|(path, output)| format!("{path} {output}"));
                println!("{key} {label}: {}", outputs.collect::<Vec<_>>().join(", "));
            }
        }
    }
    assert!(differing.is_empty(), "{} of {} differ:\n{}", differing.len(), made.len(), differing.join("\n"));
    println!("compared {} results and {} outputs: all are the same", made.len(), outputs.len());
}

/// Starts a build and ends it with `kill -9` when some of its results are there: the next one goes on from them.
fn killed_in_the_middle(store: &Path, command: &mut Command) {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let some = wait_for("some results", || {
        let is_over = child.try_wait().unwrap().is_some();
        // There is no store before the build has opened it.
        let made = if store.join("actions").exists() { results(store).len() } else { 0 };
        Some(made).filter(|&count| count >= 40 || is_over)
    });
    let processes = below(child.id());
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert!(!status.success() && some >= 40, "it ended before it was killed: {status}, {some} results");
    println!("killed with {some} results, {} processes", processes.len());
    assert_eq!(left_of(&processes, Duration::from_secs(3)), BTreeSet::new(), "processes go on");
}

/// A processor that this process may use.
fn processor() -> usize {
    let set = rustix::thread::sched_getaffinity(None).unwrap();
    (0..rustix::thread::CpuSet::MAX_CPU).rfind(|&cpu| set.is_set(cpu)).unwrap()
}
