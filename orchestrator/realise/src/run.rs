//! Runs a finished program, by its target's emulator, in the sandbox.
//!
//! The emulators are pinned components like the compilers, so a program for any target runs on any machine that
//! can build it. What a program does is not a function of its inputs in general, so nothing of it is cached.

use std::collections::{BTreeMap, BTreeSet};

use xbuild_action::{
    ActionResult, Command, ContentExt as _, File, InputRoot, Outcome, Request, Silent, Unkeyed,
};
use xbuild_base::{Digest, RelPath, Tree};
use xbuild_describe::{ComponentName, Glibc, TargetSpec};
use xbuild_fetch::toolchain::Composer;
use xbuild_plan::places::place;
use xbuild_plan::planning;

use crate::engine::Engine;
use crate::error::RealiseError;

/// The folder that a program starts in; its own file lies there, and its files below it.
pub const FOLDER: &str = "build/run";

/// A program and what it is given.
#[derive(Debug, Clone)]
pub struct Program<'a> {
    /// Its file's name, such as `prog.exe`.
    pub name: &'a str,
    /// Its file.
    pub file: File,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Files beside it, by path from the folder that it starts in.
    pub files: BTreeMap<RelPath, File>,
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Its exit code; 128 + N when signal N ended it.
    pub exit_code: i32,
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub stderr: Vec<u8>,
}

/// The components that programs of a target run over: its emulator's, and its sysroot where there is an emulator, for a
/// foreign program has its libraries there.
#[must_use]
pub fn components(spec: &TargetSpec, glibc: Option<Glibc>) -> Vec<&ComponentName> {
    let mut names: Vec<_> = spec.run.components.iter().collect();
    if !spec.run.emulator.is_empty() {
        names.extend(spec.sysroot(glibc));
    }
    names
}

/// The trees of [`components`].
///
/// # Errors
/// When a component can't be fetched or composed.
pub fn layers(
    composer: &Composer<'_>,
    spec: &TargetSpec,
    glibc: Option<Glibc>,
) -> Result<Vec<Digest<Tree>>, RealiseError> {
    let names = components(spec, glibc);
    let trees = composer.trees(names.iter().copied())?;
    Ok(names.into_iter().filter_map(|name| trees.get(name).copied()).collect())
}

/// The action that runs a program, by an emulator ([`xbuild_describe::Run::command`]), over the trees of [`layers`].
///
/// # Errors
/// When it can't have its name.
pub fn action(
    layers: &[Digest<Tree>],
    emulator: &[String],
    program: &Program<'_>,
) -> Result<(Command, InputRoot), RealiseError> {
    let folder = place(FOLDER);
    let own = folder.join(
        &RelPath::new(program.name).map_err(|error| RealiseError::Source { problem: error.to_string() })?,
    );
    let mut argv = emulator.to_vec();
    argv.push(own.in_sandbox());
    argv.extend(program.arguments.iter().cloned());
    let mut files = BTreeMap::from([(own, File { executable: true, ..program.file })]);
    files.extend(program.files.iter().map(|(path, file)| (folder.join(path), *file)));
    let command = Command {
        argv,
        environment: planning::environment(&[]),
        working_directory: folder,
        outputs: BTreeSet::new(),
    };
    Ok((command, InputRoot { layers: layers.to_vec(), files, ..InputRoot::default() }))
}

/// Runs a program to its end, as [`action()`] has it, within the engine's limits.
///
/// # Errors
/// When it can't be started, or goes over a limit. An exit code other than 0 is none: see [`Ran`].
pub fn run(
    engine: &Engine<'_>,
    layers: &[Digest<Tree>],
    emulator: &[String],
    program: &Program<'_>,
) -> Result<Ran, RealiseError> {
    let (command, inputs) = action(layers, emulator, program)?;
    let request = Request {
        command: &command,
        inputs: &inputs,
        isolation: engine.isolation,
        limits: engine.limits,
        unkeyed: &Unkeyed::default(),
        observe: &BTreeSet::new(),
        cancel: &engine.cancel,
    };
    let read = |result: &ActionResult| {
        Ok::<_, RealiseError>(Ran {
            exit_code: result.exit_code,
            stdout: engine.store.get(result.stdout)?,
            stderr: engine.store.get(result.stderr)?,
        })
    };
    match engine.executor.execute(&request, &mut Silent) {
        Outcome::Succeeded(result, _) | Outcome::Failed(result, _) => read(&result),
        Outcome::OverLimit { limit, result } => {
            let ran = read(&result)?;
            Err(RealiseError::Step {
                what: program.name.to_owned(),
                problem: format!("it went over its limit: {limit}"),
                output: [ran.stdout, ran.stderr]
                    .map(|text| String::from_utf8_lossy(&text).into_owned())
                    .concat(),
            })
        }
        Outcome::Cancelled => Err(RealiseError::Cancelled),
        Outcome::Broken(error) => Err(error.into()),
    }
}
