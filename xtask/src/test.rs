//! Everything that must pass before a change is taken, stage by stage, with the minutes that each took.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::process::{cargo, run as execute, succeeds};
use crate::{bench, conformance, edges, generate};

/// How much is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Everything.
    All,
    /// All but documentation and end-to-end tests.
    Fast,
}

struct Stage {
    name: &'static str,
    /// Whether [`Extent::Fast`] has it too.
    is_fast: bool,
    run: fn(&Path, Extent) -> Result<(), Error>,
}

const STAGES: &[Stage] = &[
    Stage { name: "setup", is_fast: true, run: |root, _| setup(root) },
    Stage { name: "format", is_fast: true, run: |root, _| format(root) },
    Stage { name: "clippy", is_fast: true, run: |root, _| clippy(root) },
    Stage { name: "generated", is_fast: true, run: |root, _| generate::check(root) },
    Stage { name: "edges", is_fast: true, run: |root, _| edges::check(root) },
    Stage { name: "docs", is_fast: false, run: |root, _| docs(root) },
    Stage { name: "tests", is_fast: true, run: tests },
    Stage { name: "doc-tests", is_fast: false, run: |root, _| doc_tests(root) },
    Stage { name: "conformance", is_fast: false, run: |root, _| conformance::sample(root) },
    Stage { name: "benchmark", is_fast: false, run: |root, _| bench::sample(root, &[]) },
    Stage { name: "bench-image", is_fast: false, run: |root, _| bench::sample(root, &["image"]) },
];

/// Projects of their own, whose formatting counts too. Their code is an example, not ours to lint.
const EXAMPLES: &[&str] = &["examples/rust-app", "examples/glaze", "examples/hard-crates"];

/// Integration tests of the binary: each builds something, and uses all cores itself.
const END_TO_END: &str = "package(xbuild) & kind(test)";

/// Runs the stages; after a failure too, all but those that nothing can run without. The table comes last in any
/// case.
pub(crate) fn run(root: &Path, extent: Extent) -> Result<(), Error> {
    let mut done: Vec<(&'static str, Duration, bool)> = Vec::new();
    for stage in STAGES.iter().filter(|stage| extent == Extent::All || stage.is_fast) {
        println!("\n==> {}", stage.name);
        let start = Instant::now();
        let result = (stage.run)(root, extent);
        if let Err(error) = &result {
            eprintln!("error: {error}");
            if let Some(help) = error.help() {
                eprintln!("help: {help}");
            }
        }
        done.push((stage.name, start.elapsed(), result.is_ok()));
        if result.is_err() && stage.name == "setup" {
            break;
        }
    }
    print!("\n{}", table(&done));
    let failed: Vec<&'static str> = done.iter().filter(|(_, _, ok)| !ok).map(|(name, _, _)| *name).collect();
    if failed.is_empty() { Ok(()) } else { Err(Error::Stages(failed)) }
}

/// What a stage took, in minutes.
fn table(done: &[(&str, Duration, bool)]) -> String {
    let line = |name: &str, time: Duration, end: &str| {
        format!("{:<12}{:>8.2}{end}\n", name, time.as_secs_f64() / 60.0)
    };
    let mut text = format!("{:<12}{:>8}\n", "stage", "minutes");
    for (name, time, ok) in done {
        text.push_str(&line(name, *time, if *ok { "" } else { "  FAILED" }));
    }
    text + &line("total", done.iter().map(|(_, time, _)| *time).sum(), "")
}

/// Installs what is missing. Nothing here needs root.
fn setup(root: &Path) -> Result<(), Error> {
    for (component, tool) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        if !succeeds(&mut cargo(root, &[tool, "--version"])) {
            execute(Command::new("rustup").args(["component", "add", component]).current_dir(root))?;
        }
    }
    if !succeeds(&mut cargo(root, &["nextest", "--version"])) {
        execute(&mut cargo(root, &["install", "cargo-nextest", "--locked"]))?;
    }
    Ok(())
}

fn format(root: &Path) -> Result<(), Error> {
    execute(&mut cargo(root, &["fmt", "--all", "--check"]))?;
    for example in EXAMPLES {
        execute(&mut cargo(&root.join(example), &["fmt", "--all", "--check"]))?;
    }
    Ok(())
}

fn clippy(root: &Path) -> Result<(), Error> {
    execute(&mut cargo(root, &["clippy", "--workspace", "--all-targets", "--locked", "--", "-Dwarnings"]))
}

fn docs(root: &Path) -> Result<(), Error> {
    let mut doc = cargo(root, &["doc", "--workspace", "--no-deps", "--locked"]);
    execute(doc.env("RUSTDOCFLAGS", "-Dwarnings"))
}

fn tests(root: &Path, extent: Extent) -> Result<(), Error> {
    let mut nextest = cargo(root, &["nextest", "run", "--workspace", "--locked", "--profile", "ci"]);
    if extent == Extent::Fast {
        nextest.arg("--filterset").arg(format!("not ({END_TO_END})"));
    }
    execute(&mut nextest)
}

fn doc_tests(root: &Path) -> Result<(), Error> {
    execute(&mut cargo(root, &["test", "--doc", "--workspace", "--locked", "--quiet"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_each_stage_and_their_sum() {
        let shown =
            table(&[("setup", Duration::from_secs(3), true), ("tests", Duration::from_secs(147), false)]);
        assert_eq!(
            shown,
            "stage        minutes\n\
             setup           0.05\n\
             tests           2.45  FAILED\n\
             total           2.50\n"
        );
    }
}
