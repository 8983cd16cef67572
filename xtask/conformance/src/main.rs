//! The pinned cargo as the oracle: for each fixture workspace, target and package set, what xbuild runs for every
//! unit against what cargo really runs, in the same sandbox over the same trees. `cargo xtask conformance` builds
//! and runs this.
//!
//! | module | what it holds |
//! |---|---|
//! | `fixture`, `place` | workspaces as text files, and on disk |
//! | `theirs`, `recorder` | cargo's side: a build with a recorder in the place of rustc and of build scripts |
//! | `ours` | xbuild's side: the real graph, built |
//! | `call` | a call of rustc or of a build script |
//! | `normal` | folders and hashes of both sides under the same names |
//! | `target` | what a target's file adds to cargo's commands |
//! | `exceptions` | the list of reasoned exceptions |
//! | `compare` | the comparison |
//! | `suite` | all cases, one after the other |
//! | `report` | docs/CONFORMANCE.md |
//!
//! The store, toolchains and projects' sources come from `xtask/ground`.

mod call;
mod compare;
mod error;
mod exceptions;
mod fixture;
#[cfg(test)]
mod members;
mod normal;
mod ours;
mod place;
mod report;
mod suite;
mod target;
mod theirs;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use xtask_ground::{Ground, Machine};

use crate::error::Error;
use crate::exceptions::Exceptions;
use crate::fixture::Fixture;
use crate::report::Report;
use crate::suite::{Row, Suite, Verdict};

/// Compare what xbuild runs with what the pinned cargo runs, and write the report.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask conformance", bin_name = "cargo xtask conformance", max_term_width = 110)]
struct Arguments {
    /// Run these fixtures alone, and write no report
    #[arg(value_name = "FIXTURE")]
    only: Vec<String>,
    /// For this target alone, and write no report
    #[arg(long = "target", value_name = "TRIPLE")]
    targets: Vec<String>,
    /// A few fixtures, one target each: shows that the suite works
    #[arg(long, conflicts_with_all = ["only", "targets"])]
    sample: bool,
    /// A value of every fixture's description, such as toolchain.version
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// A store with the toolchains
    #[arg(long, value_name = "DIR")]
    store: PathBuf,
    /// The repository
    #[arg(long, value_name = "DIR", hide = true)]
    root: PathBuf,
    /// A folder for git repositories
    #[arg(long, value_name = "DIR", hide = true)]
    work: PathBuf,
}

/// What a sample is of.
const SAMPLE: [(&str, &str); 3] = [
    ("features-by-platform", "x86_64-pc-windows-gnu"),
    ("links-metadata", "aarch64-unknown-linux-gnu"),
    ("profile-overrides", "x86_64-unknown-linux-musl"),
];

fn main() -> ExitCode {
    // The sandbox's helper is this program: it never returns from here.
    xbuild_exec::run_helper_if_asked();

    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Error> {
    let Arguments { only, targets, sample, set, store, root, work } = arguments;
    let fixtures = Fixture::all(&root.join("xtask/conformance/fixtures"))?;
    if let Some(name) = only.iter().find(|name| !fixtures.iter().any(|fixture| fixture.name == **name)) {
        let problem = "there is no such file in xtask/conformance/fixtures".to_owned();
        return Err(Error::Fixture { name: name.clone(), problem });
    }
    let exceptions = Exceptions::read()?;
    let ground = Ground::open(root, store)?;
    let (rows, version) = ground.with(|kit| {
        let git = work.join("git");
        let suite = Suite { ground: &ground, kit, exceptions: &exceptions, set, git: &git };
        let version = suite.cargo_version()?;
        println!("cargo {version}");
        let mut rows = Vec::new();
        for fixture in &fixtures {
            let of_sample = SAMPLE.iter().find(|(name, _)| *name == fixture.name);
            let targets = match (sample, of_sample) {
                (true, Some((_, target))) => vec![(*target).to_owned()],
                (false, _) if only.is_empty() || only.contains(&fixture.name) => targets.clone(),
                _ => continue,
            };
            let of_fixture =
                suite.run(fixture, &targets).unwrap_or_else(|error| vec![Row::broken(fixture, &error)]);
            of_fixture.iter().for_each(tell);
            rows.extend(of_fixture);
        }
        Ok::<_, Error>((rows, version))
    })?;
    let is_whole = !sample && only.is_empty() && targets.is_empty() && set.is_empty();
    let failed: Vec<String> = rows.iter().filter(|row| !row.passes()).map(Row::name).collect();
    if is_whole {
        let machine = Machine::look()?;
        let report = Report {
            machine: &machine,
            version: &version,
            fixtures: &fixtures,
            rows: &rows,
            exceptions: &exceptions,
        };
        fs_err::write(root.join("docs/CONFORMANCE.md"), report.text())?;
        println!("docs/CONFORMANCE.md written");
    }
    println!("{} of {} are as they should be", rows.len() - failed.len(), rows.len());
    if failed.is_empty() { Ok(()) } else { Err(Error::Differences(failed.join(", "))) }
}

/// Prints what became of a case.
fn tell(row: &Row) {
    let (said, compared) = match &row.verdict {
        Verdict::Compared(compared) => (format!("{} units", compared.units), Some(compared)),
        Verdict::Refused => ("refused".to_owned(), None),
        Verdict::FailsBoth => ("fails on both sides".to_owned(), None),
        Verdict::Wrong(problem) => (problem.clone(), None),
    };
    println!("{} {}: {said}", if row.passes() { "ok    " } else { "FAILED" }, row.name());
    for difference in compared.into_iter().flat_map(|compared| &compared.differences) {
        println!("         {}", difference.unit);
        difference.lines.iter().for_each(|line| println!("           {line}"));
    }
}
