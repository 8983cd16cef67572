//! xbuild against cargo, side by side: same machine, same run, same sandbox root, same toolchain, std and flags.
//! `cargo xtask bench` builds this and xbuild, and runs it.
//!
//! | module | what it holds |
//! |---|---|
//! | `builds` | which parts are measured, one after the other |
//! | `parts` | the parts: what each measures, and its rows |
//! | `bench` | what every part works with |
//! | `project`, `catalogue`, `synthetic` | what is built, and copies of it |
//! | `stores` | stores in which toolchains and crates are ready, and nothing else |
//! | `cargo`, `script`, `xbuild` | the two sides |
//! | `one_call` | what one call of cargo for all targets would build |
//! | `slices` | their turns |
//! | `process`, `usage` | a program that is run and watched; what a store holds after it |
//! | `installed` | programs to compare with |
//! | `measure`, `figures` | figures, and what is kept of them |
//! | `row`, `report`, `chart` | how they are shown |
//! | `image` | images, beside buildah: a benchmark of its own |
//!
//! The toolchain, composed, and a project's sources, what both sides build on, are `xtask-ground`'s.

mod bench;
mod builds;
mod cargo;
mod catalogue;
mod chart;
mod error;
mod figures;
mod image;
mod installed;
mod measure;
mod one_call;
mod parts;
mod process;
mod project;
mod random;
mod report;
mod row;
mod script;
mod slices;
mod stores;
mod synthetic;
mod usage;
mod xbuild;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser, ValueEnum};

use crate::parts::PARTS;

/// Measure xbuild against cargo, or its images against buildah's, and write the report.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench", max_term_width = 110)]
struct Arguments {
    /// What is measured
    #[arg(value_enum, value_name = "WHAT", default_value_t = What::Builds)]
    what: What,
    /// How many rounds: of each part that has several, or of images (there 3)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    runs: Option<u16>,
    /// Measure this part alone; the others stay in the report as they are. May be given several times
    #[arg(long, value_name = "PART", value_parser = PossibleValuesParser::new(PARTS.iter().map(|part| part.name)))]
    only: Vec<String>,
    /// Go on where the same program was interrupted on this machine: what was measured is not measured again
    #[arg(long, conflicts_with = "sample")]
    resume: bool,
    /// Measure nothing, and write the report anew from the figures that there are
    #[arg(long, conflicts_with_all = ["runs", "only", "resume", "sample", "dry_run"])]
    report: bool,
    /// What is as small as can be, once, with the report printed: shows that the benchmark works
    #[arg(long, conflicts_with = "runs")]
    sample: bool,
    /// Plan cargo's side and say how cargo would be called; build nothing
    #[arg(long)]
    dry_run: bool,
    /// A store that toolchains and std are taken from, and put into where they are missing
    #[arg(long, value_name = "DIR")]
    store: PathBuf,
    /// The program to measure
    #[arg(long, value_name = "FILE", hide = true)]
    xbuild: PathBuf,
    /// The repository
    #[arg(long, value_name = "DIR", hide = true)]
    root: PathBuf,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// xbuild against cargo: docs/BENCH.md
    Builds,
    /// Images, against buildah where it does the same: docs/BENCH-IMAGE.md
    Image,
}

fn main() -> ExitCode {
    // The sandbox's helper is this program: it never returns from here.
    xbuild_exec::run_helper_if_asked();

    let arguments = Arguments::parse();
    let is_of_builds =
        !arguments.only.is_empty() || arguments.dry_run || arguments.resume || arguments.report;
    if arguments.what == What::Image && is_of_builds {
        let problem = "`image` has none of --only, --dry-run, --resume and --report";
        Arguments::command().error(ErrorKind::ArgumentConflict, problem).exit();
    }
    slices::end_all_with_this_process();
    let measured = match arguments.what {
        What::Builds => builds::run(&arguments),
        What::Image => image::run(&arguments),
    };
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
