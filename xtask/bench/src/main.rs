//! xbuild against cargo, side by side: same machine, same run, same sandbox root, same toolchain, std and flags.
//! `cargo xtask bench` builds this and xbuild, and runs it.
//!
//! | module | what it holds |
//! |---|---|
//! | `project` | what is built, and copies of it |
//! | `stores` | stores in which toolchains and crates are ready, and nothing else |
//! | `cargo`, `xbuild` | the two sides |
//! | `round`, `slices` | their turns |
//! | `process` | a program that is run and watched |
//! | `measure`, `row`, `report` | figures, and how they are shown |
//! | `image` | images, beside buildah: a benchmark of its own |
//!
//! The toolchain, composed, and a project's sources, what both sides build on, are `xtask-ground`'s.

mod cargo;
mod error;
mod image;
mod measure;
mod process;
mod project;
mod report;
mod round;
mod row;
mod slices;
mod stores;
mod xbuild;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser, ValueEnum};
use tempfile::TempDir;
use xbuild_base::{Digest, Tree};
use xtask_ground::{Ground, Machine, Plan, TARGETS};

use crate::cargo::Gate;
use crate::error::Error;
use crate::project::{Origin, Project};
use crate::report::Measured;
use crate::round::{Bench, Turn};

/// Measure xbuild against cargo, or its images against buildah's, and write the report.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench", max_term_width = 110)]
struct Arguments {
    /// What is measured
    #[arg(value_enum, value_name = "WHAT", default_value_t = What::Builds)]
    what: What,
    /// How many rounds of each side
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// Measure this project alone, and print the report instead of writing it
    #[arg(long, value_name = "PROJECT")]
    only: Option<Only>,
    /// One round of a project that is as small as can be: shows that the benchmark works
    #[arg(long, conflicts_with_all = ["runs", "only"])]
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

/// A project to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Only {
    /// examples/rust-app
    Example,
    /// ripgrep 14.1.1
    Ripgrep,
}

fn main() -> ExitCode {
    // The sandbox's helper is this program: it never returns from here.
    xbuild_exec::run_helper_if_asked();

    let arguments = Arguments::parse();
    if arguments.what == What::Image && (arguments.only.is_some() || arguments.dry_run) {
        let problem = "`image` has neither --only nor --dry-run";
        Arguments::command().error(ErrorKind::ArgumentConflict, problem).exit();
    }
    slices::end_all_with_this_process();
    let measured = match arguments.what {
        What::Builds => run(&arguments),
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

/// A project, planned and ready to be copied.
struct Prepared {
    project: Project,
    /// Its files, where they were fetched.
    tree: Option<Digest<Tree>>,
    /// A copy that stays as it is.
    copy: PathBuf,
    plan: Plan,
}

fn run(arguments: &Arguments) -> Result<(), Error> {
    let (projects, runs) = match (arguments.sample, arguments.only) {
        (true, _) => (vec![project::SAMPLE], 1),
        (false, Some(Only::Example)) => (vec![project::EXAMPLE], arguments.runs),
        (false, Some(Only::Ripgrep)) => (vec![project::RIPGREP], arguments.runs),
        (false, None) => (vec![project::EXAMPLE, project::RIPGREP], arguments.runs),
    };
    let gate = Gate::new()?;
    let places = Places::new(&arguments.store)?;
    let root = &arguments.root;

    println!("making the toolchain ready");
    let (ground, ready) = {
        let sample = project::SAMPLE.copy(root, None, &places.copy("sample"))?;
        xbuild::all(&arguments.xbuild, &arguments.store, &sample, xbuild::Fetch::Missing, None)?;
        (Ground::open(root, &arguments.store)?, places.store("ready"))
    };
    let prepared = prepare(root, &ground, &places, &projects)?;
    if arguments.dry_run {
        for Prepared { project, plan, .. } in &prepared {
            let calls = plan.graphs.iter().map(|graph| format!("  {}\n", graph.name())).collect::<String>();
            print!(
                "{}: {} calls of cargo over {} trees\n{calls}",
                project.name,
                plan.graphs.len(),
                plan.layers.len()
            );
        }
        return Ok(());
    }
    stores::ready(&arguments.store, &ready)?;
    {
        let ready = Ground::open(root, &ready)?;
        prepared.iter().try_for_each(|prepared| ready.warm(&prepared.copy))?;
    }

    let release = prepared.first().map(|prepared| prepared.plan.release.as_str()).unwrap_or_default();
    let machine = Machine::look()?;
    let mut measured: Vec<Measured> = prepared.iter().map(Measured::nothing).collect();
    let bench = Bench { program: &arguments.xbuild, root, ground: &ground, ready: &ready, gate: &gate };
    for number in 1..=runs {
        for (index, prepared) in prepared.iter().enumerate() {
            let title = format!("{}, round {number} of {runs}", prepared.project.name);
            let (store, place) = (places.store("round"), places.copy("round"));
            let turn = Turn::of_round(number);
            bench.round(prepared, &title, turn, [&store, &place], &mut measured[index])?;
            fs_err::remove_dir_all(&store)?;
            fs_err::remove_dir_all(&place)?;
            if !arguments.sample && arguments.only.is_none() {
                fs_err::write(root.join("docs/BENCH.md"), report::report(&machine, release, &measured))?;
            }
        }
    }
    if arguments.sample || arguments.only.is_some() {
        println!("\n{}", report::report(&machine, release, &measured));
    } else {
        println!("docs/BENCH.md written");
    }
    Ok(())
}

fn prepare(
    root: &Path,
    ground: &Ground,
    places: &Places,
    projects: &[Project],
) -> Result<Vec<Prepared>, Error> {
    let prepare = |(number, project): (usize, &Project)| {
        println!("planning {}", project.name);
        let tree = match project.origin {
            Origin::Crate(lock) => Some(ground.fetched_crate(lock)?),
            Origin::Repository(_) | Origin::Files(_) => None,
        };
        let place = places.copy(&format!("planned-{number}"));
        let copy = project.copy(root, tree.map(|tree| (&*ground.store, tree)), &place)?;
        let plan = ground.plan(&copy, &TARGETS)?;
        Ok(Prepared { project: *project, tree, copy, plan })
    };
    projects.iter().enumerate().map(prepare).collect()
}

/// Folders that go away at the end.
struct Places {
    /// Beside the store that is given: its content can be linked.
    stores: TempDir,
    /// Away from this repository, whose workspace they would be in.
    copies: TempDir,
}

impl Places {
    fn new(store: &Path) -> Result<Self, Error> {
        // Root's sandboxes run as somebody else, who must get there.
        let permissions = std::fs::Permissions::from_mode(0o755);
        let mut builder = tempfile::Builder::new();
        let builder = builder.prefix("xbuild-bench-").permissions(permissions);
        let beside = store.parent().unwrap_or(store);
        fs_err::create_dir_all(beside)?;
        Ok(Self { stores: builder.tempdir_in(beside)?, copies: builder.tempdir()? })
    }

    fn store(&self, name: &str) -> PathBuf {
        self.stores.path().join(name)
    }

    fn copy(&self, name: &str) -> PathBuf {
        self.copies.path().join(name)
    }
}
