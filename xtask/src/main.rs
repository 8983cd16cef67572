//! The project's own tasks: `cargo xtask <task>`.
//!
//! | module | what it holds |
//! |---|---|
//! | `test` | everything that must pass before a change is taken, stage by stage |
//! | `bench` | xbuild against cargo, and its images, in a package of its own: `xtask/bench` |
//! | `corpus` | other people's programs, built and run, in a package of its own: `xtask/corpus` |
//! | `conformance` | xbuild's commands against cargo's, in a package of its own: `xtask/conformance` |
//! | `edges` | which crate may use which, from `docs/architecture.md` |
//! | `generate` | files, or parts of files, that are made from others |
//! | `workspace` | the crates and their edges, as cargo tells them |
//! | `process` | running a program |

mod bench;
mod conformance;
mod corpus;
mod edges;
mod error;
mod generate;
mod process;
mod test;
mod workspace;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::Error;

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "The project's own tasks")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Sets up what the tests need, then runs every check and all tests.
    Test {
        /// Leave out documentation and end-to-end tests.
        #[arg(long)]
        fast: bool,
    },
    /// Writes the files, or parts of them, that are made from others.
    Generate {
        /// Write nothing, fail when something isn't up to date.
        #[arg(long)]
        check: bool,
    },
    /// Checks that each crate uses only what docs/architecture.md allows it.
    Edges,
    /// Compares all that xbuild runs with what cargo runs and writes docs/CONFORMANCE.md.
    #[command(disable_help_flag = true)]
    Conformance {
        /// Its own: --help tells them.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Measures xbuild against cargo and writes docs/BENCH.md; `bench image` measures images.
    #[command(disable_help_flag = true)]
    Bench {
        /// Its own: --help tells them.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Builds other people's programs for all targets, runs them and writes docs/CORPUS.md.
    #[command(disable_help_flag = true)]
    Corpus {
        /// Its own: --help tells them.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    let Arguments { task } = Arguments::parse();
    match run(&task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            if let Some(help) = error.help() {
                eprintln!("help: {help}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run(task: &Task) -> Result<(), Error> {
    let root = root();
    match task {
        Task::Test { fast: false } => test::run(root, test::Extent::All),
        Task::Test { fast: true } => test::run(root, test::Extent::Fast),
        Task::Generate { check: true } => generate::check(root),
        Task::Generate { check: false } => generate::write(root),
        Task::Edges => edges::check(root),
        Task::Conformance { arguments } => conformance::run(root, arguments),
        Task::Bench { arguments } => bench::run(root, arguments),
        Task::Corpus { arguments } => corpus::run(root, arguments),
    }
}

/// The repository's root: the folder above this package's.
fn root() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package)
}
