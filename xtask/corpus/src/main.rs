//! Other people's programs: built for all targets, run, and reported in `docs/CORPUS.md`. `cargo xtask corpus` builds
//! this and xbuild, and runs it.
//!
//! | module | what it holds |
//! |---|---|
//! | `build` | a crate as it was published, and `xbuild all` on it |
//! | `prove` | the pinned cargo on it: that something is impossible |
//! | `own_tests` | a program's own tests, by `xbuild test` |
//! | `state` | what is known, kept from run to run |
//! | `report` | how it is shown |
//! | `stop` | Ctrl-C |
//!
//! The list of programs and their jobs are in the library of this package.

mod build;
mod error;
mod own_tests;
mod prove;
mod report;
mod state;
mod stop;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use xbuild_base::{Hasher, Sha256};
use xtask_corpus::{App, List, Verdict};
use xtask_ground::{Ground, TARGETS};

use crate::build::{Builder, Failure, shortened, unpack};
use crate::error::Error;
use crate::state::{Counts, Figures, Measured, Outcome, Reached, State, Tested, made_of, tests_made_of};
use crate::stop::Stop;

/// Where the results are written.
const REPORT: &str = "docs/CORPUS.md";
/// Where what is known is kept.
const KNOWN: &str = "docs/corpus.json";

/// Build other people's programs for all targets, run them, and write the report.
///
/// What is known of a program and target is not done again until the program's entry in the list or xbuild itself
/// has changed.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask corpus", bin_name = "cargo xtask corpus", max_term_width = 110)]
struct Arguments {
    /// Only this program, by its package's name
    #[arg(long, value_name = "APP")]
    only: Vec<String>,
    /// Only this target
    #[arg(long = "target", value_name = "TRIPLE", value_parser = clap::builder::PossibleValuesParser::new(TARGETS))]
    targets: Vec<String>,
    /// Run the programs' own tests, of those that the list says
    #[arg(long)]
    tests: bool,
    /// Do again what is known
    #[arg(long)]
    again: bool,
    /// How many actions run at once (default: the number of processors)
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Show that cargo can't build this program for the targets either, and build nothing
    #[arg(long, value_name = "APP", conflicts_with_all = ["only", "again", "jobs", "tests"])]
    prove: Option<String>,
    /// The store
    #[arg(long, value_name = "DIR")]
    store: PathBuf,
    /// The xbuild to build with
    #[arg(long, value_name = "FILE")]
    xbuild: PathBuf,
    /// The repository
    #[arg(long, value_name = "DIR", hide = true)]
    root: PathBuf,
    /// A folder for sources and logs
    #[arg(long, value_name = "DIR", hide = true)]
    folder: PathBuf,
}

fn main() -> ExitCode {
    // The sandbox's helper is this program: it never returns from here.
    xbuild_exec::run_helper_if_asked();

    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Everything that a run works with.
struct Corpus<'c> {
    arguments: &'c Arguments,
    list: List,
    ground: Ground,
    stop: Stop,
    state: State,
    /// The toolchain's release.
    release: String,
}

/// Whether everything that was asked for runs.
fn run(arguments: &Arguments) -> Result<bool, Error> {
    let list = xtask_corpus::list()?;
    let asked = arguments.only.iter().chain(&arguments.prove);
    if let Some(unknown) = asked.into_iter().find(|name| !list.apps.iter().any(|app| app.name == **name)) {
        return Err(Error::Unknown(unknown.clone()));
    }
    fs_err::create_dir_all(&arguments.folder)?;
    let ground = Ground::open(&arguments.root, &arguments.store)?;
    let (state, release) = (State::read(&arguments.root.join(KNOWN))?, ground.release()?);
    let mut corpus = Corpus { arguments, list, ground, stop: Stop::listen(), state, release };
    let targets: Vec<&str> =
        TARGETS.into_iter().filter(|target| chosen(&arguments.targets, target)).collect();
    let all_run = match &arguments.prove {
        Some(name) => corpus.prove(name, &targets)?,
        None if arguments.tests => corpus.test(&targets)?,
        None => corpus.build(&targets)?,
    };
    println!("{REPORT} written");
    Ok(all_run)
}

/// Whether something was named, or nothing at all was.
fn chosen(names: &[String], name: &str) -> bool {
    names.is_empty() || names.iter().any(|named| named == name)
}

impl Corpus<'_> {
    fn build(&mut self, targets: &[&str]) -> Result<bool, Error> {
        let Arguments { only, again, .. } = self.arguments;
        let xbuild = digest(&self.arguments.xbuild)?;
        let apps: Vec<App> = self.list.apps.iter().filter(|app| chosen(only, &app.name)).cloned().collect();
        self.report()?;
        let mut all_run = true;
        for app in &apps {
            let made_of = made_of(app, xbuild)?;
            let (known, open): (Vec<&str>, Vec<&str>) =
                targets.iter().partition(|target| !again && self.state.is_known(app, target, &made_of));
            for target in known {
                let outcome = self.state.outcome(app, target);
                all_run &= outcome.is_some_and(|outcome| self.is_well(app, target, outcome));
                println!("{} {} for {target}: known", app.name, app.version);
            }
            if open.is_empty() {
                continue;
            }
            let project = unpack(&self.ground, app, &self.arguments.folder)?;
            for target in open {
                self.stop.check()?;
                println!("{} {} for {target}", app.name, app.version);
                let outcome = self.attempt(app, &project, target, &made_of)?;
                say(&outcome);
                all_run &= self.is_well(app, target, &outcome);
                self.state.keep(app, target, outcome)?;
                self.report()?;
            }
        }
        Ok(all_run)
    }

    fn test(&mut self, targets: &[&str]) -> Result<bool, Error> {
        let Arguments { only, again, xbuild: file, store, jobs, folder, .. } = self.arguments;
        let xbuild = digest(file)?;
        let apps: Vec<App> = self.list.apps.iter().filter(|app| chosen(only, &app.name)).cloned().collect();
        let mut are_well = true;
        for app in &apps {
            let Some(tests) = &app.tests else { continue };
            let made_of = tests_made_of(app, xbuild)?;
            let project = unpack(&self.ground, app, folder)?;
            for target in targets {
                self.stop.check()?;
                println!("tests of {} {} for {target}", app.name, app.version);
                let known = self.state.tested(app, target);
                if let Some(known) = known.filter(|it| !again && it.made_of == made_of && !it.of_machine) {
                    are_well &= known.reason.is_none();
                    println!("  known");
                    continue;
                }
                let builder = Builder { xbuild: file, store, jobs: *jobs, folder, stop: &self.stop };
                let own_tests::Tested { counts, failure } = builder.test(app, tests, &project, target)?;
                let Counts { passed, failed, ignored, wall, .. } = counts;
                let reason = failure.as_ref().map(|failure| shortened(&failure.reason));
                are_well &= reason.is_none();
                let why = reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
                println!("  {passed} passed, {failed} failed, {ignored} ignored, {wall:.1} s{why}");
                let of_machine = failure.is_some_and(|failure| failure.of_machine);
                let (made_of, version) = (made_of.clone(), app.version.clone());
                let measured = self.measured()?;
                let tested = Tested { made_of, version, reason, of_machine, measured, counts };
                self.state.keep_tested(app, target, tested)?;
                self.report()?;
            }
        }
        Ok(are_well)
    }

    /// Whether a program runs, or can't for a reason that was proved.
    fn is_well(&self, app: &App, target: &str, outcome: &Outcome) -> bool {
        outcome.reached == Reached::Ran || self.state.proof(app, target).is_some()
    }

    /// Builds a program, and runs it.
    fn attempt(&self, app: &App, project: &Path, target: &str, made_of: &str) -> Result<Outcome, Error> {
        let Arguments { xbuild, store, jobs, folder, .. } = self.arguments;
        let built =
            Builder { xbuild, store, jobs: *jobs, folder, stop: &self.stop }.build(app, project, target)?;
        let (reached, problem) = match &built.program {
            Ok(file) => match self.verdict(app, file, target)? {
                Ok(()) => (Reached::Ran, None),
                Err(reason) => (Reached::Built, Some(Failure { reason, of_machine: false })),
            },
            Err(failure) => (Reached::Nothing, Some(failure.clone())),
        };
        let measured = self.measured()?;
        Ok(Outcome {
            made_of: made_of.to_owned(),
            version: app.version.clone(),
            tried: measured.machine.date.clone(),
            measured,
            reached,
            of_machine: problem.as_ref().is_some_and(|failure| failure.of_machine),
            reason: problem.map(|failure| shortened(&failure.reason)),
            figures: Figures::of(&built),
        })
    }

    fn measured(&self) -> Result<Measured, Error> {
        Ok(Measured { machine: xtask_ground::Machine::look()?, rust: self.release.clone() })
    }

    /// Whether a program runs.
    fn verdict(&self, app: &App, file: &Path, target: &str) -> Result<Verdict, Error> {
        let verdict: Result<Verdict, xtask_ground::Error> = self.ground.with(|kit| {
            let spec = self.ground.target(target)?;
            let cancel = self.stop.cancel.clone();
            let machine = xtask_corpus::Machine::new(kit.engine, kit.composer, spec, cancel)?;
            let verdict = machine.says_its_version(app, file)?;
            Ok(if verdict.is_ok() { machine.does_its_job(app, file)? } else { verdict })
        });
        self.stop.check()?;
        Ok(verdict?)
    }

    fn prove(&mut self, name: &str, targets: &[&str]) -> Result<bool, Error> {
        let apps: Vec<App> = self.list.apps.iter().filter(|app| app.name == name).cloned().collect();
        for app in &apps {
            for target in targets {
                println!("{} {} for {target}, by cargo", app.name, app.version);
                let proof = prove::prove(&self.ground, app, target, &self.arguments.folder, &self.stop)?;
                println!("  cargo can't: {}", proof.summary);
                self.state.keep_proof(app, target, proof)?;
                self.report()?;
            }
        }
        Ok(true)
    }

    fn report(&self) -> Result<(), Error> {
        let text = report::report(&self.list, &self.state);
        Ok(fs_err::write(self.arguments.root.join(REPORT), text)?)
    }
}

fn say(outcome: &Outcome) {
    let how = match outcome.reached {
        Reached::Nothing => "not built",
        Reached::Built => "built, does not run",
        Reached::Ran => "built, runs",
    };
    let figures = outcome.figures.map(|Figures { units, built, wall, cpu }| {
        format!(", {built} of {units} units built, {wall:.1} s, {cpu:.1} s of processor time")
    });
    let reason = outcome.reason.as_ref().map(|reason| format!(": {reason}"));
    println!("  {how}{}{}", figures.unwrap_or_default(), reason.unwrap_or_default());
}

fn digest(file: &Path) -> Result<Sha256, Error> {
    let mut hasher = Hasher::default();
    std::io::copy(&mut fs_err::File::open(file)?, &mut hasher)?;
    Ok(hasher.sha256())
}
