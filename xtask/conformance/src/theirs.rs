//! Cargo's side: the pinned cargo builds everything in one sandbox, and each call of rustc and each build script
//! is recorded.

use std::collections::BTreeSet;

use xbuild_action::{ActionResult, Command, Content as _, ContentExt as _, Entry, File, InputRoot, Output};
use xbuild_base::{Digest, RelPath, Tree};
use xbuild_cargo::{Package, Toolchain};
use xbuild_describe::Asked;
use xbuild_plan::places::{CARGO_CONFIG, place};
use xbuild_plan::planning::environment;
use xbuild_realise::platform::Layers;
use xtask_ground::cargo::selection;
use xtask_ground::{Kit, Ready};

use crate::call::{Call, Kind};
use crate::error::Error;

/// The recorder's source.
const RECORDER: &str = include_str!("recorder/main.rs");
const RECORDS: &str = "build/record";
/// Where cargo builds.
pub(crate) const TARGET_FOLDER: &str = "build/target";

/// What a build is recorded with.
#[derive(Clone, Copy)]
pub(crate) struct Oracle<'o> {
    pub(crate) kit: &'o Kit<'o>,
    recorder: File,
}

impl<'o> Oracle<'o> {
    /// Compiles the recorder with the rustc of these layers.
    pub(crate) fn new(kit: &'o Kit<'o>, host: &[Digest<Tree>]) -> Result<Self, Error> {
        let (source, output) = (place("build/recorder.rs"), place("build/recorder/start"));
        let argv = ["/usr/bin/rustc", "--edition=2024", "-Copt-level=1", "-Clinker=/usr/bin/cc", "-o"];
        let argv = argv.into_iter().map(str::to_owned).chain([output.in_sandbox(), source.in_sandbox()]);
        let command = command(argv.collect(), RelPath::root(), &output);
        let digest = kit.engine.store.put(RECORDER.as_bytes())?;
        let inputs = InputRoot {
            layers: host.to_vec(),
            files: [(source, File { digest, executable: false })].into(),
            ..InputRoot::default()
        };
        let made = kit.engine.run_one("compiling the recorder", &command, &inputs)?;
        match made.outputs.get(&output) {
            Some(Output::File(recorder)) => Ok(Self { kit, recorder: *recorder }),
            _ => Err(Error::Recording("the recorder was not compiled".to_owned())),
        }
    }

    /// What `cargo --version` says, without the word.
    pub(crate) fn version(&self, host: &[Digest<Tree>]) -> Result<String, Error> {
        let argv = ["/usr/bin/cargo", "--version"].map(str::to_owned).to_vec();
        let mut command = command(argv, RelPath::root(), &RelPath::root());
        command.outputs.clear();
        let inputs = InputRoot { layers: host.to_vec(), ..InputRoot::default() };
        let said = self.kit.engine.run_one("cargo --version", &command, &inputs)?;
        let said = String::from_utf8_lossy(&self.kit.engine.store.get(said.stdout)?).into_owned();
        Ok(said.split_whitespace().nth(1).unwrap_or_default().to_owned())
    }

    /// Builds what is asked for, and tells what cargo ran.
    pub(crate) fn record(
        &self,
        ready: &Ready,
        asked: &Asked,
        layers: &Layers,
        toolchain: &Toolchain,
        options: &[String],
    ) -> Result<Vec<Call>, Error> {
        let store = self.kit.engine.store;
        let records = place(RECORDS);
        let sources = &ready.project.sources;
        let mut argv = arguments(asked, toolchain);
        let packages = ready.metadata.packages();
        let chosen = packages
            .iter()
            .filter(|one| packages.is_member(&one.id) && asked.plan.packages.contains(&one.name));
        // A dependency may have a member's name.
        let specs: Vec<String> = chosen.map(Package::spec).collect();
        argv.extend(["--target".to_owned(), asked.target.to_string()]);
        argv.extend(selection(asked, specs.iter().map(String::as_str)));
        argv.extend(options.iter().cloned());
        let command = command(argv, sources.workspace.clone(), &records);
        let target = toolchain.targets.get(&asked.target);
        let more = target.map(|target| target.rustc_arguments.join("\n")).unwrap_or_default();
        let arguments = File { digest: store.put(more.as_bytes())?, executable: false };
        let mut layers = layers.target();
        layers.push(sources.whole(store)?);
        let inputs = InputRoot {
            layers,
            files: [
                (place("build/recorder/start"), self.recorder),
                (place("build/recorder/arguments"), arguments),
            ]
            .into(),
            directories: [records.clone(), place(TARGET_FOLDER)].into(),
            ..InputRoot::default()
        };
        let result = self.kit.engine.run_one("cargo build", &command, &inputs)?;
        self.read(&result, &records)
    }

    fn read(&self, result: &ActionResult, records: &RelPath) -> Result<Vec<Call>, Error> {
        let store = self.kit.engine.store;
        let Some(Output::Tree(tree)) = result.outputs.get(records) else { return Ok(Vec::new()) };
        let mut calls = Vec::new();
        for (name, entry) in &store.directory(*tree)?.entries {
            let Entry::File(file) = entry else { continue };
            let kind = if name.starts_with("rustc.") { Kind::Rustc } else { Kind::Script };
            let text = String::from_utf8_lossy(&store.get(file.digest)?).into_owned();
            let call = Call::from_record(kind, &text);
            calls.push(call.ok_or_else(|| Error::Recording(format!("{name} can't be read")))?);
        }
        Ok(calls)
    }
}

fn command(argv: Vec<String>, working_directory: RelPath, output: &RelPath) -> Command {
    let outputs = BTreeSet::from([output.clone()]);
    Command { argv, environment: environment(&[]), working_directory, outputs }
}

/// The recorder's arguments: cargo and those of its own that don't choose what is built.
fn arguments(asked: &Asked, toolchain: &Toolchain) -> Vec<String> {
    let mut arguments: Vec<String> =
        ["/build/recorder/start", "/usr/bin/cargo", "build", "--offline", "--locked"]
            .map(str::to_owned)
            .to_vec();
    let mut option = |name: &str, value: String| arguments.extend([name.to_owned(), value]);
    option("--target-dir", place(TARGET_FOLDER).in_sandbox());
    option("--jobs", toolchain.num_jobs.to_string());
    option("--config", place(CARGO_CONFIG).in_sandbox());
    option("--config", "build.incremental=false".to_owned());
    option("--config", format!("build.rustc=\"{}\"", toolchain.rustc));
    option("--config", format!("build.rustdoc=\"{}\"", toolchain.rustdoc));
    let platforms = std::iter::once(&toolchain.host).chain(toolchain.targets.get(&asked.target));
    for platform in platforms {
        if let Some(linker) = &platform.linker {
            option("--config", format!("target.{}.linker=\"{linker}\"", platform.triple));
        }
    }
    arguments
}
