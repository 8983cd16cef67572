//! Images as other programs see them: read by hand, by skopeo and umoci, and run with nothing but their own files.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;

use fs_err as fs;
use serde_json::Value;
use xbuild_action::{
    ActionResult, Command, Content as _, ContentExt as _, Entry, File, InputRoot, Isolation, Limits, Outcome,
    Output, Request, Silent, TreeBuilder, Unkeyed,
};
use xbuild_base::{Digest, RelPath, Tree};
use xbuild_realise::engine::Engine;

use super::Ran;
use super::machine::{toolchains, with_machine};

/// The images that JSON lines tell of: name → line.
pub(crate) fn images(ran: &Ran) -> BTreeMap<String, Value> {
    let lines = ran.json().into_iter().filter(|line| line["reason"] == "xbuild-image");
    lines.map(|line| (line["name"].as_str().unwrap().to_owned(), line)).collect()
}

/// What a tool printed, run in the sandbox over a layout at `/build/layout`; and what it left at `/build/out`.
#[track_caller]
pub(crate) fn tool(layout: &Path, argv: &[&str]) -> (String, Option<Digest<Tree>>) {
    with_machine(&toolchains(None), |engine, composer| {
        let names = ["base", "oci-tools"].map(|name| name.parse().unwrap());
        let trees = composer.trees(&names).unwrap();
        let command = Command {
            argv: argv.iter().map(|&word| word.to_owned()).collect(),
            environment: [("HOME".to_owned(), "/tmp".to_owned())].into(),
            working_directory: "build".parse().unwrap(),
            outputs: ["build/out".parse().unwrap()].into(),
        };
        let inputs = InputRoot {
            layers: names.iter().map(|name| trees[name]).collect(),
            mounts: [("build/layout".parse().unwrap(), tree_of(engine.store, layout))].into(),
            ..InputRoot::default()
        };
        let result = executed(engine, &command, &inputs);
        let out = result.outputs.values().find_map(|output| match output {
            Output::Tree(tree) => Some(*tree),
            Output::File(_) => None,
        });
        (String::from_utf8(engine.store.get(result.stdout).unwrap()).unwrap(), out)
    })
}

/// What came of a command in the sandbox; it must succeed.
#[track_caller]
fn executed(engine: &Engine<'_>, command: &Command, inputs: &InputRoot) -> ActionResult {
    let request = Request {
        command,
        inputs,
        isolation: Isolation::Full,
        limits: Limits::default(),
        unkeyed: &Unkeyed::default(),
        observe: &BTreeSet::new(),
        cancel: &engine.cancel,
    };
    match engine.executor.execute(&request, &mut Silent) {
        Outcome::Succeeded(result, _) => result,
        Outcome::Failed(result, _) => {
            let said = engine.store.get(result.stderr).unwrap();
            panic!("{:?} failed: {}", command.argv, String::from_utf8_lossy(&said));
        }
        other => panic!("{:?}: {other:?}", command.argv),
    }
}

/// A folder of the host as a tree.
pub(crate) fn tree_of(store: &xbuild_store::Disk, folder: &Path) -> Digest<Tree> {
    fn add(store: &xbuild_store::Disk, tree: &mut TreeBuilder, folder: &Path, at: &RelPath) {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let at = at.join(&RelPath::new(entry.file_name().into_string().unwrap()).unwrap());
            if entry.path().is_dir() {
                add(store, tree, &entry.path(), &at);
            } else {
                let digest = store.put_file(&entry.path()).unwrap();
                tree.insert(store, &at, Entry::File(File { digest, executable: false })).unwrap();
            }
        }
    }
    let mut tree = TreeBuilder::default();
    add(store, &mut tree, folder, &RelPath::root());
    tree.build(store).unwrap()
}

/// The files of a platform's image, read by hand: path → mode, owner, size or target.
pub(crate) fn files(layout: &Path, platform: &str) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for_each_entry(layout, platform, &mut |path, entry| {
        let header = entry.header();
        let what = match entry.link_name().unwrap() {
            Some(target) => format!("-> {}", target.display()),
            None => entry.size().to_string(),
        };
        let (mode, uid) = (header.mode().unwrap(), header.uid().unwrap());
        files.insert(path, format!("{mode:o} {uid} {what}"));
    });
    files
}

/// What looks at an entry: its path, and itself.
type Visit<'v> = dyn FnMut(String, &mut tar::Entry<'_, Box<dyn Read>>) + 'v;

/// The time of everything in a layer: 1980-01-01T00:00:00Z.
const TIME: u64 = 315_532_800;

/// Calls `visit` for each entry of each layer, lowest first. The layers that xbuild made are sorted, and have one time
/// and no names of users; those of a base are what they are.
pub(crate) fn for_each_entry(layout: &Path, platform: &str, visit: &mut Visit<'_>) {
    let manifest = manifest(layout, platform);
    let layers = manifest["layers"].as_array().unwrap();
    let foreign = layers.len().checked_sub(own_layers(&config(layout, platform))).unwrap();
    for (number, layer) in layers.iter().enumerate() {
        let blob = blob(layout, layer["digest"].as_str().unwrap());
        let reader: Box<dyn Read> = match layer["mediaType"].as_str().unwrap() {
            "application/vnd.oci.image.layer.v1.tar" => Box::new(std::io::Cursor::new(blob)),
            "application/vnd.oci.image.layer.v1.tar+gzip" => {
                Box::new(flate2::read::MultiGzDecoder::new(std::io::Cursor::new(blob)))
            }
            "application/vnd.oci.image.layer.v1.tar+zstd" => {
                Box::new(zstd::Decoder::new(std::io::Cursor::new(blob)).unwrap())
            }
            other => panic!("{other}"),
        };
        let mut before = String::new();
        for entry in tar::Archive::new(reader).entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string();
            if number >= foreign {
                let header = entry.header();
                let names = (header.username().unwrap(), header.groupname().unwrap());
                assert_eq!((header.mtime().unwrap(), names), (TIME, (Some(""), Some(""))), "{path}");
                let name = path.trim_end_matches('/').to_owned();
                assert!(before < name, "{name} comes after {before}");
                before = name;
            }
            visit(path, &mut entry);
        }
    }
}

/// How many layers, the uppermost, xbuild made: their history says so.
fn own_layers(config: &Value) -> usize {
    let is_own = |one: &&Value| one["created_by"].as_str().is_some_and(|by| by.starts_with("xbuild image: "));
    let count = config["history"].as_array().unwrap().iter().rev().take_while(is_own).count();
    assert!(count > 0, "no layer is xbuild's: {config}");
    count
}

pub(crate) fn blob(layout: &Path, digest: &str) -> Vec<u8> {
    fs::read(layout.join("blobs/sha256").join(digest.strip_prefix("sha256:").unwrap())).unwrap()
}

pub(crate) fn json(layout: &Path, digest: &str) -> Value {
    serde_json::from_slice(&blob(layout, digest)).unwrap()
}

/// A layout's `index.json`.
pub(crate) fn index(layout: &Path) -> Value {
    serde_json::from_slice(&fs::read(layout.join("index.json")).unwrap()).unwrap()
}

/// The digests of a layout's blobs, as their files' names have them.
pub(crate) fn blobs(layout: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(layout.join("blobs/sha256")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// The manifest of a platform (`linux/arm/v7`), through the index where there is one.
pub(crate) fn manifest(layout: &Path, platform: &str) -> Value {
    let mut descriptor = index(layout)["manifests"][0].clone();
    if descriptor["mediaType"] == "application/vnd.oci.image.index.v1+json" {
        let index = json(layout, descriptor["digest"].as_str().unwrap());
        let on_platform = |one: &&Value| {
            let parts = ["os", "architecture", "variant"].map(|part| one["platform"][part].as_str());
            parts.into_iter().flatten().collect::<Vec<_>>().join("/") == platform
        };
        descriptor = index["manifests"].as_array().unwrap().iter().find(on_platform).unwrap().clone();
    }
    json(layout, descriptor["digest"].as_str().unwrap())
}

/// The configuration of a platform's image.
pub(crate) fn config(layout: &Path, platform: &str) -> Value {
    json(layout, manifest(layout, platform)["config"]["digest"].as_str().unwrap())
}

/// The environment that an image's configuration says.
fn environment(layout: &Path, platform: &str) -> BTreeMap<String, String> {
    let config = config(layout, platform);
    let variables = config["config"]["Env"].as_array().into_iter().flatten();
    let split = |variable: &Value| {
        variable.as_str().unwrap().split_once('=').map(|(a, b)| (a.to_owned(), b.to_owned()))
    };
    variables.map(|variable| split(variable).unwrap()).collect()
}

/// Runs a program in an image's own files and nothing else: as root file system of the sandbox, by an emulator where
/// there must be one.
#[track_caller]
pub(crate) fn run_in(layout: &Path, platform: &str, emulator: &[&str], argv: &[&str]) -> String {
    with_machine(&toolchains(None), |engine, composer| {
        let mut root = TreeBuilder::default();
        for_each_entry(layout, platform, &mut |path, entry| {
            let at = RelPath::new(path.trim_end_matches('/')).unwrap();
            let kind = entry.header().entry_type();
            if kind.is_dir() {
                root.make_directory(engine.store, &at).unwrap();
            } else if let Some(target) = entry.link_name().unwrap() {
                let target = target.display().to_string();
                root.replace(engine.store, &at, Entry::Symlink(target)).unwrap();
            } else {
                let executable = entry.header().mode().unwrap() & 0o111 != 0;
                let digest = engine.store.put_reader(entry).unwrap();
                root.replace(engine.store, &at, Entry::File(File { digest, executable })).unwrap();
            }
        });
        let mut layers = vec![root.build(engine.store).unwrap()];
        if let Some(program) = emulator.first() {
            // The component has the program's name.
            let component = program.rsplit('/').next().unwrap();
            layers.push(composer.tree(&component.parse().unwrap()).unwrap());
        }
        let command = Command {
            argv: emulator.iter().chain(argv).map(|&word| word.to_owned()).collect(),
            environment: environment(layout, platform),
            working_directory: "tmp".parse().unwrap(),
            outputs: BTreeSet::new(),
        };
        let inputs = InputRoot { layers, ..InputRoot::default() };
        let result = executed(engine, &command, &inputs);
        String::from_utf8(engine.store.get(result.stdout).unwrap()).unwrap()
    })
}
