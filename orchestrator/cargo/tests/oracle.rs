//! Cargo's own command lines are the oracle for ours: the cargo at hand builds a small workspace, a wrapper
//! records every call of rustc and every build script its environment, and each must be what [`Context`] says,
//! with nothing missing and nothing more, once folders and hashes are called alike.
//!
//! The cargo is the one that runs the tests; with a release that is not supported the tests fail, which is how
//! conformance with a new one is shown.

mod recording;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use recording::{Call, Recording, Renaming, without_hashes};
use xbuild_base::RelPath;
use xbuild_cargo::{
    CFG_ARGUMENTS, Configuration, ConfigurationFile, Context, Effects, Flavour, Manifests, Mode, Packages,
    Platform, RustcVersion, Toolchain, UnitGraph, UnitIndex, UnitVariables, check_cargo_version, parse_cfg,
};

const LINKER: &str = "/usr/bin/cc";

fn inside(path: &str) -> RelPath {
    RelPath::new(path.trim_start_matches('/')).unwrap()
}

fn context(recording: &Recording) -> Context {
    let version = recording.cargo(&["--version"]);
    check_cargo_version(version.split(' ').nth(1).unwrap()).unwrap();
    let mut graph = UnitGraph::parse(&recording.unit_graph(None)).unwrap();
    if recording.is_check() {
        graph.mark_tests(&UnitGraph::parse(&recording.unit_graph(Some("build"))).unwrap());
    }
    let packages =
        Packages::parse(&recording.cargo(&["metadata", "--format-version", "1", "--offline"])).unwrap();
    let mut paths: BTreeSet<RelPath> = packages.iter().map(|package| package.manifest.clone()).collect();
    paths.insert(packages.workspace_root().resolve("Cargo.toml").unwrap());
    let read = |path: RelPath| {
        let text = fs_err::read_to_string(path.in_sandbox()).unwrap();
        (path, text)
    };
    let texts: Vec<(RelPath, String)> = paths.into_iter().map(read).collect();
    let manifests = Manifests::parse(texts.iter().map(|(path, text)| (path.clone(), text.as_str()))).unwrap();
    let folder = inside(recording.workspace().to_str().unwrap());
    let text = fs_err::read_to_string(recording.workspace().join(".cargo/config.toml")).unwrap_or_default();
    let file = ConfigurationFile { name: ".cargo/config.toml", folder: &folder, text: &text };
    let version = RustcVersion::parse(&recording.rustc(&["-vV"])).unwrap();
    let configuration = Configuration::parse(&[file]).unwrap();
    let cfg = |flags: &[String]| {
        let flags = flags.iter().map(String::as_str).chain(CFG_ARGUMENTS);
        parse_cfg(&recording.rustc(&flags.collect::<Vec<_>>())).unwrap()
    };
    let platform = || Platform {
        triple: version.host.clone(),
        cfg: cfg(&[]),
        crt_static: false,
        split_debuginfo: recording
            .rustc(&["--print", "split-debuginfo"])
            .lines()
            .map(str::to_owned)
            .collect(),
        library_directory: recording.rustc(&["--print", "target-libdir"]).trim().to_owned(),
        linker: Some(LINKER.to_owned()),
        link_arguments: Vec::new(),
        rustc_arguments: Vec::new(),
        script_environment: BTreeMap::new(),
    };
    let mut target = platform();
    target.cfg = cfg(&configuration.rustflags(&target));
    let toolchain = Toolchain {
        rustc: recording.rustc_path(),
        rustdoc: "rustdoc".to_owned(),
        cargo: recording.cargo_path(),
        version: version.clone(),
        host: platform(),
        targets: [(version.host.clone(), target)].into(),
        environment: recording.environment(),
        num_jobs: 2,
        flavour: Flavour::Project,
        configuration,
        variables: UnitVariables::default(),
        workspace_wrapper: None,
    };
    Context::new(graph, packages, &manifests, toolchain).unwrap()
}

/// Compares the script runs, and learns from them what the scripts printed and which of cargo's folders is
/// which of ours.
fn compare_scripts(context: &Context, recording: &Recording, renaming: &mut Renaming) -> Effects {
    let mut effects = Effects::new();
    let mut recorded = recording.scripts();
    for index in context.graph().dependencies_first().unwrap() {
        if !context.unit(index).is_script_run() {
            continue;
        }
        let script = context.script_invocation(index, &effects).unwrap();
        assert!(context.needs(index).effects.iter().all(|run| effects.contains_key(run)));
        let ours = script.invocation.environment;
        let key = |environment: &BTreeMap<String, String>| {
            let own = environment.iter().filter(|(name, _)| {
                name.starts_with("CARGO_FEATURE_")
                    || ["CARGO_MANIFEST_DIR", "DEBUG", "OPT_LEVEL"].contains(&name.as_str())
            });
            own.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>()
        };
        let host = context.unit(index).platform.is_none();
        let found = recorded
            .iter()
            .position(|call| {
                key(&call.environment) == key(&ours)
                    && recording.is_host_folder(&call.environment["OUT_DIR"]) == host
            })
            .unwrap_or_else(|| panic!("cargo did not run {:?}", key(&ours)));
        let call = recorded.swap_remove(found);
        let out_directory = &call.environment["OUT_DIR"];
        renaming.learn_text(out_directory, &ours["OUT_DIR"]);
        let stdout = fs_err::read_to_string(recording.script_stdout(out_directory)).unwrap();
        let theirs = renaming.environment(&call.environment);
        same_environment(&theirs, &renaming.environment(&ours), &ours["CARGO_PKG_NAME"]);
        assert_eq!(inside(&call.working_directory), script.invocation.working_directory);
        let output = context.parse_script_output(index, renaming.apply(&stdout).as_bytes()).unwrap();
        effects.insert(index, Arc::new(output));
    }
    assert!(recorded.is_empty(), "cargo ran more scripts: {recorded:#?}");
    effects
}

/// As [`compare_scripts`] for scripts that did not record their environment.
fn learn_scripts(context: &Context, recording: &Recording, renaming: &mut Renaming) -> Effects {
    let mut effects = Effects::new();
    let mut folders = recording.script_folders();
    for index in context.graph().dependencies_first().unwrap() {
        let unit = context.unit(index);
        if unit.is_script_run() {
            let found = folders.iter().position(|(id, folder)| {
                *id == unit.package && recording.is_host_folder(folder) == unit.platform.is_none()
            });
            let (_, folder) = folders.swap_remove(found.unwrap());
            let ours = context.script_invocation(index, &effects).unwrap().invocation.output.in_sandbox();
            renaming.learn_text(&folder, &ours);
            let stdout = fs_err::read_to_string(recording.script_stdout(&folder)).unwrap();
            let output = context.parse_script_output(index, renaming.apply(&stdout).as_bytes()).unwrap();
            effects.insert(index, Arc::new(output));
        }
    }
    assert!(folders.is_empty(), "cargo ran more scripts: {folders:#?}");
    effects
}

fn same_environment(theirs: &BTreeMap<String, String>, ours: &BTreeMap<String, String>, what: &str) {
    let names: BTreeSet<&String> = theirs.keys().chain(ours.keys()).collect();
    let differ: Vec<_> = names
        .into_iter()
        .filter(|name| theirs.get(*name) != ours.get(*name))
        .map(|name| (name, theirs.get(name), ours.get(name)))
        .collect();
    assert!(differ.is_empty(), "environment of {what}: name, cargo's, ours: {differ:#?}");
}

fn ours(context: &Context, effects: &Effects) -> Vec<(UnitIndex, Call)> {
    let is_compiled =
        |unit: &xbuild_cargo::Unit| !matches!(unit.mode, Mode::RunCustomBuild | Mode::Doctest | Mode::Doc);
    let units = context.graph().units().filter(|(_, unit)| is_compiled(unit));
    units
        .map(|(index, _)| {
            let invocation = context.rustc_invocation(index, effects).unwrap();
            assert!(context.needs(index).effects.iter().all(|run| effects.contains_key(run)));
            let working_directory = invocation.working_directory.in_sandbox();
            (
                index,
                Call {
                    argv: invocation.argv[1..].to_vec(),
                    environment: invocation.environment,
                    working_directory,
                },
            )
        })
        .collect()
}

fn compare(arguments: &[&str]) -> (Context, Effects) {
    let recording = Recording::make(arguments, LINKER);
    let context = context(&recording);
    let mut renaming = recording.renaming();
    let effects = compare_scripts(&context, &recording, &mut renaming);
    compare_calls(&context, &recording, &mut renaming, &effects);
    (context, effects)
}

fn compare_calls(context: &Context, recording: &Recording, renaming: &mut Renaming, effects: &Effects) {
    let ours = ours(context, effects);
    let theirs = recording.rustc_calls();
    // First pair the calls by what they are but for hashes, then learn the hashes, then compare.
    let plain = |call: &Call| without_hashes(&renaming.argv(&call.argv));
    let mut by_text: BTreeMap<Vec<String>, Vec<&Call>> = BTreeMap::new();
    for call in &theirs {
        by_text.entry(plain(call)).or_default().push(call);
    }
    let mut pairs = Vec::new();
    for (_, call) in &ours {
        let text = plain(call);
        match by_text.get_mut(&text).and_then(Vec::pop) {
            Some(their) => pairs.push((call, their)),
            None => {
                let crate_name = &call.argv[1];
                let close: Vec<_> = by_text.keys().filter(|argv| &argv[1] == crate_name).collect();
                panic!("cargo did not run\n{text:#?}\nbut for that crate\n{close:#?}");
            }
        }
    }
    by_text.retain(|_, calls| !calls.is_empty());
    assert!(by_text.is_empty(), "cargo ran more: {:#?}", by_text.keys());
    for (our, their) in &pairs {
        renaming.learn_hashes(&their.argv, &our.argv);
    }
    for (our, their) in pairs {
        assert_eq!(renaming.argv(&their.argv), renaming.argv(&our.argv));
        let (theirs, ours) =
            (renaming.environment(&their.environment), renaming.environment(&our.environment));
        same_environment(&theirs, &ours, &format!("{:?}", our.argv));
        assert_eq!(their.working_directory, our.working_directory, "{:?}", our.argv);
    }
    compare_files(context, recording, renaming);
}

/// Every file that we foretell is there, and none is of another unit.
fn compare_files(context: &Context, recording: &Recording, renaming: &Renaming) {
    let files: BTreeSet<String> = recording.artefacts().iter().map(|name| renaming.apply(name)).collect();
    let foretold: BTreeSet<String> = context
        .graph()
        .units()
        .flat_map(|(index, _)| context.artefacts(index))
        .map(|artefact| artefact.file.clone())
        .collect();
    let missing: Vec<_> = foretold.difference(&files).collect();
    assert!(missing.is_empty(), "foretold but not made: {missing:?} of {files:#?}");
    let surprise: Vec<_> = files
        .difference(&foretold)
        .filter(|name| !name.ends_with(".d") && !name.ends_with(".dwo") && !name.ends_with(".dwp"))
        .collect();
    assert!(surprise.is_empty(), "made but not foretold: {surprise:?}");
}

#[test]
fn release_with_thin_lto() {
    let (context, _) = compare(&["build", "--release", "--workspace"]);
    let hashes: BTreeSet<_> = context.graph().units().map(|(index, _)| &context.hash(index).name).collect();
    assert_eq!(hashes.len(), context.graph().len(), "every unit has a name of its own");
}

#[test]
fn dev_with_examples() {
    compare(&["build", "--workspace", "--bins", "--examples", "--lib"]);
}

#[test]
fn a_profile_with_fat_lto_and_abort() {
    compare(&["build", "--profile", "small", "--workspace", "--no-default-features"]);
}

#[test]
fn lto_off_and_assertions() {
    compare(&["build", "--profile", "plain", "-p", "the-app", "-p", "tools", "--all-features"]);
}

#[test]
fn tests_of_all_kinds() {
    compare(&["test", "--no-run", "--workspace", "--tests", "--bins", "--lib"]);
}

/// Cargo looks for dynamic libraries where any build script has put some: without those that are none of ours.
fn without_others(theirs: &mut BTreeMap<String, String>, ours: &BTreeMap<String, String>) {
    let folders = theirs.get_mut("LD_LIBRARY_PATH").unwrap();
    let is_ours = |folder: &&str| {
        let of_ours = ours["LD_LIBRARY_PATH"].split(':').any(|ours| ours == *folder);
        of_ours || !folder.starts_with("/build/script/")
    };
    *folders = folders.split(':').filter(is_ours).collect::<Vec<_>>().join(":");
}

/// A call of rustdoc without colours and the form of messages, and the paths of native libraries in it.
fn of_rustdoc(argv: &[String]) -> (Vec<String>, BTreeSet<String>) {
    let (mut plain, mut paths): (Vec<String>, BTreeSet<String>) = Default::default();
    for argument in argv {
        match plain.last().map(String::as_str) {
            Some("--color" | "--error-format") => plain.push("(as wanted)".to_owned()),
            Some("-L") if !argument.starts_with("dependency=") => {
                plain.pop();
                paths.insert(argument.clone());
            }
            _ => plain.push(argument.clone()),
        }
    }
    (plain, paths)
}

/// What runs: tests by the environment and in the folder that cargo runs them with, documentation by the same call of
/// rustdoc.
#[test]
fn runs_of_tests() {
    let recording = Recording::make(&["test", "--workspace"], LINKER);
    let context = context(&recording);
    let mut renaming = recording.renaming();
    let effects = compare_scripts(&context, &recording, &mut renaming);
    compare_calls(&context, &recording, &mut renaming, &effects);
    let in_runs = |text: &str| text.replace("/build/deps", "/build/bin/deps");
    let mut theirs = BTreeMap::new();
    for Call { argv, environment, working_directory } in recording.runs() {
        let environment = renaming.environment(&environment).into_iter();
        let environment = environment.map(|(name, value)| (name, recording.in_runs(&in_runs(&value))));
        let program = in_runs(&renaming.apply(&argv[0]));
        theirs.insert(
            program,
            (argv[1..].to_vec(), environment.collect::<BTreeMap<_, _>>(), working_directory),
        );
    }
    let mut documentation: BTreeMap<String, Call> = BTreeMap::new();
    for call in recording.rustdoc_calls(true) {
        documentation.insert(call.environment["CARGO_PKG_NAME"].clone(), call);
    }
    let (mut tests, mut documented) = (0, 0);
    for &root in context.graph().roots() {
        match context.unit(root).mode {
            // Those of proc macros cargo runs itself, unseen.
            Mode::Test if context.unit(root).platform.is_none() => {}
            Mode::Test => {
                let process = context.test_process(root, &effects).unwrap();
                let (argv, mut environment, folder) = theirs
                    .remove(&process.program.in_sandbox())
                    .unwrap_or_else(|| panic!("cargo doesn't run {}", context.title(root)));
                assert!(argv.is_empty());
                without_others(&mut environment, &process.environment);
                same_environment(&environment, &process.environment, process.program.as_str());
                assert_eq!(inside(&folder), process.working_directory);
                tests += 1;
            }
            Mode::Doctest => {
                let runner = [recording.runner()];
                let ours = context.doctest_invocation(root, &effects, &runner, &[]).unwrap();
                let call = documentation.remove(&context.package(root).name).expect("cargo calls rustdoc");
                let (theirs, their_paths) = of_rustdoc(&renaming.argv(&call.argv));
                let (argv, paths) = of_rustdoc(&ours.argv[1..]);
                assert_eq!(argv, theirs);
                // Cargo's are those of every crate that was built.
                assert!(paths.is_subset(&their_paths), "{paths:?} {their_paths:?}");
                let [mut theirs, ours_there] =
                    [&call.environment, &ours.environment].map(|variables| renaming.environment(variables));
                without_others(&mut theirs, &ours_there);
                same_environment(&theirs, &ours_there, "rustdoc");
                assert_eq!(inside(&call.working_directory), ours.working_directory);
                documented += 1;
            }
            _ => {}
        }
    }
    assert!(theirs.is_empty() && documentation.is_empty(), "cargo ran more: {theirs:#?} {documentation:#?}");
    assert!(tests > 5 && documented > 2, "{tests} {documented}");
}

/// Documentation is made by the same calls of rustdoc, but for where it goes, and that its parts are put together later.
fn compare_documentation(arguments: &[&str]) {
    let recording = Recording::make(arguments, LINKER);
    let context = context(&recording);
    let mut renaming = recording.renaming();
    let effects = compare_scripts(&context, &recording, &mut renaming);
    compare_calls(&context, &recording, &mut renaming, &effects);
    let mut theirs: BTreeMap<(String, String), Call> = BTreeMap::new();
    let names = |argv: &[String]| {
        let after = |word: &str| argv[argv.iter().position(|it| it == word).unwrap() + 1].clone();
        (after("--crate-type"), after("--crate-name"))
    };
    for call in recording.rustdoc_calls(false) {
        theirs.insert(names(&call.argv), call);
    }
    let without_place = |argv: &[String]| {
        let mut argv = argv.to_vec();
        let at = argv.iter().position(|argument| argument == "-o").unwrap();
        argv.drain(at..at + 2);
        argv
    };
    let private = arguments.contains(&"--document-private-items");
    let mut documented = 0;
    for (index, _) in context.graph().units().filter(|(_, unit)| unit.mode == Mode::Doc) {
        let mut ours = context.doc_invocation(index, &effects, private).unwrap();
        let merge = ours.argv.iter().position(|argument| argument == "-Z").unwrap();
        assert_eq!(ours.argv.split_off(merge)[2], "--merge=none");
        assert_eq!(ours.environment.remove("RUSTC_BOOTSTRAP").as_deref(), Some("1"));
        let call = theirs.remove(&names(&ours.argv)).expect("cargo makes it too");
        renaming.learn_hashes(&call.argv, &ours.argv[1..]);
        let argv = without_place(&ours.argv[1..]);
        assert_eq!(renaming.argv(&argv), renaming.argv(&without_place(&call.argv)));
        let [mut their, our] =
            [&call.environment, &ours.environment].map(|variables| renaming.environment(variables));
        without_others(&mut their, &our);
        same_environment(&their, &our, &context.title(index));
        assert_eq!(inside(&call.working_directory), ours.working_directory);
        documented += 1;
    }
    assert!(theirs.is_empty(), "cargo documents more: {:?}", theirs.keys());
    assert!(documented > 2, "{documented}");
}

#[test]
fn documentation() {
    compare_documentation(&["doc", "-p", "the-app", "-p", "tools", "--no-deps"]);
}

#[test]
fn documentation_of_private_items_and_of_no_dependencies() {
    compare_documentation(&[
        "doc",
        "--workspace",
        "--exclude",
        "macros",
        "--no-deps",
        "--document-private-items",
        "--release",
    ]);
}

#[test]
fn check() {
    compare(&["check", "--workspace"]);
}

#[test]
fn check_of_all_targets() {
    let (context, _) = compare(&["check", "--workspace", "--all-targets"]);
    let tests = context.graph().units().filter(|(_, unit)| unit.mode == Mode::CheckTest).count();
    assert!(tests > 5, "{tests}");
}

#[test]
fn check_of_all_targets_in_a_profile_with_abort() {
    compare(&["check", "--profile", "small", "--workspace", "--all-targets"]);
}

/// Any workspace: `XBUILD_ORACLE="/path/to/workspace --release" cargo test … -- --ignored`.
#[test]
#[ignore = "it needs a workspace whose packages were fetched before"]
fn another_workspace() {
    let text = std::env::var("XBUILD_ORACLE").unwrap();
    let (workspace, arguments) = text.split_once(' ').unwrap_or((&text, ""));
    let arguments: Vec<&str> = ["build"].into_iter().chain(arguments.split_whitespace()).collect();
    let recording = Recording::of_workspace(workspace.as_ref(), &arguments, LINKER);
    let context = context(&recording);
    let mut renaming = recording.renaming();
    let effects = learn_scripts(&context, &recording, &mut renaming);
    compare_calls(&context, &recording, &mut renaming, &effects);
}
