//! What programs print of themselves, completions and manual pages: each is run in the sandbox, by its target's emulator
//! where it must be, and what it prints is a file beside it.

use std::collections::{BTreeMap, BTreeSet};

use xbuild_action::File;
use xbuild_base::RelPath;
use xbuild_describe::{Glibc, SHELL_WORD, TargetSpec, suggest};
use xbuild_plan::places::place;
use xbuild_realise::run;

use super::deb::Programs;
use crate::composed::spec;
use crate::error::XbuildError;
use crate::work::Work;

/// Where completions lie in an archive.
const COMPLETIONS: &str = "completions";
/// Where manual pages lie.
const MAN: &str = "man";

/// A file, the command line that prints it, and the key of the description that asks for it.
type Wanted = (RelPath, Vec<String>, &'static str);

/// The files that the programs of an archive print. `known` has the names of all programs that are packed: a command
/// line may be of another archive's.
pub(super) fn files(
    work: &Work<'_>,
    programs: &Programs<'_>,
    known: &BTreeSet<String>,
) -> Result<BTreeMap<RelPath, File>, XbuildError> {
    let printed = &work.described().description.dist.printed;
    let mut wanted: Vec<Wanted> = Vec::new();
    for argv in &printed.completions {
        for shell in &printed.shells {
            let word = |word: &String| word.replace(SHELL_WORD, shell.as_str());
            let name = shell.file_name(&argv[0]);
            wanted.push((
                place(COMPLETIONS).join(&place(&name)),
                argv.iter().map(word).collect(),
                "completions",
            ));
        }
    }
    for argv in &printed.man {
        wanted.push((place(MAN).join(&place(&format!("{}.1", argv[0]))), argv.clone(), "man"));
    }
    let spec = spec(work.described(), programs.target)?;
    let mut files = BTreeMap::new();
    for (path, argv, key) in wanted {
        match programs.called(&argv[0]) {
            Some((name, file)) => {
                let file = print(work, (spec, programs.glibc), (name, file), &argv)?;
                files.insert(path, file);
            }
            None if known.contains(&argv[0]) => {}
            None => {
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                return Err(XbuildError::user(
                    format!("[dist] {key}: no program is called `{}`", argv[0]),
                    suggest(&argv[0], "programs", &known),
                ));
            }
        }
    }
    Ok(files)
}

/// Runs a program, and takes what it prints to standard output.
fn print(
    work: &Work<'_>,
    (spec, glibc): (&TargetSpec, Option<Glibc>),
    (name, file): (&RelPath, File),
    argv: &[String],
) -> Result<File, XbuildError> {
    let names = run::components(spec, glibc);
    let trees = work.trees(&work.described().toolchains, names.iter().copied())?;
    let layers: Vec<_> = names.into_iter().filter_map(|name| trees.get(name).copied()).collect();
    let arguments = argv.iter().skip(1).cloned().collect();
    let program = run::Program { name: name.as_str(), file, arguments, files: BTreeMap::new() };
    let (command, inputs) = run::action(&layers, &spec.run.command(), &program)?;
    let result = work.engine().run_one(&argv.join(" "), &command, &inputs)?;
    if result.stdout.size() == 0 {
        return Err(XbuildError::user(
            format!("`{}` has printed nothing, for {}", argv.join(" "), spec.triple),
            "correct the command line in [dist]: what it prints to standard output is the file",
        ));
    }
    Ok(File { digest: result.stdout, executable: false })
}
