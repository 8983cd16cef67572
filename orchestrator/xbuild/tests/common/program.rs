//! Runs programs that a test has built, in the sandbox, by the emulators that their targets name.

use std::collections::BTreeMap;
use std::path::Path;

use fs_err as fs;
use xbuild_action::{Content as _, File};
use xbuild_describe::TargetSpec;
pub(crate) use xbuild_realise::run::Ran as RanProgram;

use super::machine::{source, toolchains, with_machine};
use super::repository;

/// A program and what it is given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Program<'a> {
    /// Its target.
    pub(crate) target: &'a str,
    /// Its file, or a link to it.
    pub(crate) file: &'a Path,
    /// Its arguments.
    pub(crate) arguments: &'a [&'a str],
    /// Files in the folder that it starts in: name → content.
    pub(crate) files: &'a [(&'a str, &'a str)],
    /// A project with targets and toolchains of its own: the folder that holds `.xbuild`.
    pub(crate) project: Option<&'a Path>,
}

/// Runs a program that must succeed, and gives what it wrote to standard output, with plain line ends.
#[track_caller]
pub(crate) fn runs(target: &str, file: &Path, arguments: &[&str]) -> String {
    succeeds(&Program { target, file, arguments, files: &[], project: None })
}

/// As [`runs`], for programs that need more.
#[track_caller]
pub(crate) fn succeeds(program: &Program<'_>) -> String {
    let ran = run(program);
    let [stdout, stderr] = [&ran.stdout, &ran.stderr].map(|bytes| text(bytes));
    let (file, target) = (program.file.display(), program.target);
    assert_eq!(ran.exit_code, 0, "{file} for {target}\nstdout:\n{stdout}\nstderr:\n{stderr}");
    stdout
}

/// What a program of this machine, which must succeed, wrote to standard output.
#[track_caller]
pub(crate) fn said(command: &mut std::process::Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What a program wrote, with plain line ends.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace("\r\n", "\n")
}

/// Runs a program to its end, for at most a minute.
#[track_caller]
pub(crate) fn run(program: &Program<'_>) -> RanProgram {
    let toolchains = toolchains(program.project);
    let file = format!("targets/{}.toml", program.target);
    let own = program.project.and_then(|folder| source(&folder.join(".xbuild").join(&file)));
    let spec = own.or_else(|| source(&repository().join(&file))).unwrap();
    let spec = TargetSpec::read(program.target.parse().unwrap(), spec, &toolchains).unwrap();
    let name = program.file.file_name().unwrap().to_str().unwrap();
    let ran = with_machine(&toolchains, |engine, composer| {
        let layers = xbuild_realise::run::layers(composer, &spec, None)?;
        let store = engine.store;
        let mut files = BTreeMap::new();
        for (name, text) in program.files {
            let digest = store.put_reader(&mut text.as_bytes())?;
            files.insert(name.parse().unwrap(), File { digest, executable: false });
        }
        let digest = store.put_file(&fs::canonicalize(program.file).unwrap())?;
        let program = xbuild_realise::run::Program {
            name,
            file: File { digest, executable: true },
            arguments: program.arguments.iter().map(|&argument| argument.to_owned()).collect(),
            files,
        };
        xbuild_realise::run::run(engine, &layers, &spec.run.command(), &program)
    });
    ran.unwrap_or_else(|error| panic!("{name} for {}: {error}", program.target))
}
