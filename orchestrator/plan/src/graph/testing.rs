//! Runs of tests: actions over a graph that has been built.
//!
//! A run sees the toolchain, the workspace as it is, the test's program, and the programs that an integration test may
//! start; what its target needs to run at all, an emulator, comes on top. So its result is cached like a unit's.

use std::collections::BTreeSet;

use xbuild_action::{ActionResult, Command, ContentExt as _, File, InputRoot};
use xbuild_base::{Digest, RelPath, Tree};
use xbuild_cargo::{ArtefactKind, Invocation, Mode, Need, TEST_TEMPORARY, TestProcess, UnitIndex};

use super::{Graph, UnitOf, label};
use crate::label::{Label, What};
use crate::places::place;
use crate::queue::{Node, Wait};
use crate::sources::PackageSources;
use crate::work::{Bound, PlanError, Work};

/// Where the programs lie that wrappers start.
const EMULATED: &str = "build/emulated";

/// How programs of a part's target are run on the host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Runner {
    /// The emulator and its arguments, before the program; empty: it runs by itself.
    pub emulator: Vec<String>,
    /// The trees that it lies in.
    pub layers: Vec<Digest<Tree>>,
    /// Whether a program that starts another must do it through the emulator again: the kernel can't start the other.
    pub wraps: bool,
}

/// Runs of the tests of a graph that has been built.
#[derive(Debug)]
pub struct TestRuns<'g, 's> {
    graph: &'g mut Graph<'s>,
    tests: Vec<UnitOf>,
    labels: Vec<Label>,
    runners: Vec<Runner>,
    arguments: Vec<String>,
}

impl<'g, 's> TestRuns<'g, 's> {
    /// The runs of these tests, each by its part's runner, and each with these arguments.
    ///
    /// # Panics
    /// When a unit is of another graph.
    #[must_use]
    pub fn new(
        graph: &'g mut Graph<'s>,
        tests: Vec<UnitOf>,
        runners: Vec<Runner>,
        arguments: Vec<String>,
    ) -> Self {
        let of_run = |of: &UnitOf| {
            let label = label(&graph.parts[of.part], of.unit);
            let what = match label.what {
                What::Test(name) | What::TestRun(name) => What::TestRun(name),
                what => what,
            };
            Label { what, ..label }
        };
        let labels = tests.iter().map(of_run).collect();
        Self { graph, tests, labels, runners, arguments }
    }

    /// What each run is called.
    #[must_use]
    pub fn labels(&self) -> &[Label] {
        &self.labels
    }

    /// The graph.
    #[must_use]
    pub const fn graph(&self) -> &Graph<'s> {
        self.graph
    }

    fn process(&self, of: UnitOf) -> Result<Bound, PlanError> {
        let part = &self.graph.parts[of.part];
        let process = part.context.test_process(of.unit, &self.graph.effects[of.part])?;
        let TestProcess {
            program,
            environment,
            working_directory,
            programs,
            libraries,
            script_directories,
            packages,
        } = process;
        let (mut inputs, observe) = self.inputs(of, &script_directories, packages)?;
        let runner = self.runner(of);
        let file = self.program(of, of.unit)?;
        inputs.files.insert(program.clone(), File { executable: true, ..file });
        for (path, unit) in programs {
            let file = File { executable: true, ..self.program(of, unit)? };
            if runner.wraps {
                let emulated = emulated(&path);
                inputs.files.insert(path, self.wrapper(runner, &emulated)?);
                inputs.files.insert(emulated, file);
            } else {
                inputs.files.insert(path, file);
            }
        }
        let context = &self.graph.parts[of.part].context;
        let beside = program.parent().unwrap_or_default();
        for unit in libraries {
            let dynamic = |kind| matches!(kind, ArtefactKind::Linkable | ArtefactKind::DynamicLibrary);
            let made = self.graph.dependency(of, unit);
            for artefact in context.artefacts(unit).iter().filter(|artefact| dynamic(artefact.kind)) {
                if let Some(file) = made.and_then(|made| made.files.get(&artefact.file)) {
                    inputs.files.insert(beside.join(&place(&artefact.file)), *file);
                }
            }
        }
        inputs.directories.extend([working_directory.clone(), place(TEST_TEMPORARY)]);
        let argv = runner.emulator.iter().cloned().chain([program.in_sandbox()]);
        let argv = argv.chain(self.arguments.iter().cloned()).collect();
        let command = Command { argv, environment, working_directory, outputs: BTreeSet::new() };
        Ok(Bound { command, inputs, observe, early: None, is_fingerprinted: false })
    }

    fn documentation(&self, of: UnitOf) -> Result<Bound, PlanError> {
        let runner = self.runner(of).emulator.clone();
        let part = &self.graph.parts[of.part];
        let effects = &self.graph.effects[of.part];
        let invocation = part.context.doctest_invocation(of.unit, effects, &runner, &self.arguments)?;
        let Invocation { argv, environment, working_directory, script_directories, packages, output: _ } =
            invocation;
        let (mut inputs, observe) = self.inputs(of, &script_directories, packages)?;
        self.graph.add_artefacts(of, &mut inputs)?;
        inputs.directories.insert(working_directory.clone());
        let command = Command { argv, environment, working_directory, outputs: BTreeSet::new() };
        Ok(Bound { command, inputs, observe, early: None, is_fingerprinted: false })
    }

    /// What every run of a package's tests sees: toolchain, sources, what build scripts have made.
    fn inputs(
        &self,
        of: UnitOf,
        script_directories: &BTreeSet<UnitIndex>,
        mut packages: BTreeSet<String>,
    ) -> Result<(InputRoot, BTreeSet<RelPath>), PlanError> {
        let part = &self.graph.parts[of.part];
        let own = part.context.package(of.unit);
        packages.insert(own.id.clone());
        // With cargo it would find the whole workspace, and tests do look for what lies beside their package. What they
        // didn't look at doesn't make them run again.
        let whole = own.is_local().then(|| part.sources.of_workspace(self.graph.store)).transpose()?;
        let PackageSources { mounts, mut files, edited: mut observe } = whole.unwrap_or_default();
        let mut inputs = InputRoot { mounts, ..InputRoot::default() };
        for id in &packages {
            let sources = self.graph.package_sources(of.part, id)?.sources.clone();
            for (place, tree) in sources.mounts {
                let is_there = |mount: &RelPath| place.strip_prefix(mount).is_some();
                if !inputs.mounts.keys().any(is_there) {
                    inputs.mounts.insert(place.clone(), tree);
                    observe.extend(Some(place).filter(|place| sources.edited.contains(place)));
                }
            }
            files.extend(sources.files);
        }
        inputs.files = files;
        let mounts = &inputs.mounts;
        inputs.files.retain(|path, _| !mounts.keys().any(|mount| path.strip_prefix(mount).is_some()));
        let part = &self.graph.parts[of.part];
        let is_for_target = part.context.unit(of.unit).platform.is_some();
        inputs.layers = if is_for_target { part.target_layers.clone() } else { part.host_layers.clone() };
        inputs.layers.extend(part.native.get(&of.unit).into_iter().flat_map(|native| &native.layers));
        for layer in &self.runner(of).layers {
            if !inputs.layers.contains(layer) {
                inputs.layers.push(*layer);
            }
        }
        for &run in script_directories {
            let path = part.context.script_output_directory(run);
            match self.graph.dependency(of, run).and_then(|made| made.out_dir) {
                Some(tree) => drop(inputs.mounts.insert(path, tree)),
                None => drop(inputs.directories.insert(path)),
            }
        }
        Ok((inputs, observe))
    }

    /// What is compiled for the host runs by itself.
    fn runner(&self, of: UnitOf) -> &Runner {
        const NONE: &Runner = &Runner { emulator: Vec::new(), layers: Vec::new(), wraps: false };
        let is_for_target = self.graph.parts[of.part].context.unit(of.unit).platform.is_some();
        self.runners.get(of.part).filter(|_| is_for_target).unwrap_or(NONE)
    }

    /// The program that a unit of a run's part has become.
    fn program(&self, of: UnitOf, unit: UnitIndex) -> Result<File, PlanError> {
        let context = &self.graph.parts[of.part].context;
        let made = self.graph.dependency(of, unit);
        let mut artefacts = context.needed_files(unit, Need::Program);
        let name = artefacts.next().map(|artefact| artefact.file.as_str()).unwrap_or_default();
        let file = made.and_then(|made| made.files.get(name)).copied();
        file.ok_or_else(|| self.graph.missing(of.part, unit, name))
    }

    /// A shell script that starts a program by the emulator.
    fn wrapper(&self, runner: &Runner, program: &RelPath) -> Result<File, PlanError> {
        let words = runner.emulator.iter().cloned().chain([program.in_sandbox()]);
        let words: Vec<String> = words.map(|word| format!("'{}'", word.replace('\'', "'\\''"))).collect();
        let text = format!("#!/bin/sh\nexec {} \"$@\"\n", words.join(" "));
        Ok(File { digest: self.graph.store.put(text.as_bytes())?, executable: true })
    }
}

/// Where a program lies that a wrapper at `path` starts.
fn emulated(path: &RelPath) -> RelPath {
    place(EMULATED).join(&place(path.file_name().unwrap_or_default()))
}

impl Work for TestRuns<'_, '_> {
    fn nodes(&self) -> Vec<(u64, Vec<(Node, Wait)>)> {
        // Documentation is compiled, and takes longest.
        let cost = |of: &UnitOf| match self.graph.parts[of.part].context.unit(of.unit).mode {
            Mode::Doctest => 2,
            _ => 1,
        };
        self.tests.iter().map(|of| (cost(of), Vec::new())).collect()
    }

    fn bind(&self, node: Node) -> Result<Bound, PlanError> {
        let of = self.tests[node];
        match self.graph.parts[of.part].context.unit(of.unit).mode {
            Mode::Doctest => self.documentation(of),
            _ => self.process(of),
        }
    }

    fn early(&mut self, _: Node, _: File) {}

    fn succeeded(&mut self, _: Node, _: &ActionResult) -> Result<(), PlanError> {
        Ok(())
    }

    fn warnings(&self, _: Node) -> &[String] {
        &[]
    }
}
