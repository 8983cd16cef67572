//! Projects that people know: cold builds, builds with nothing changed, edits, other folders.

use std::path::Path;
use std::process::Command;

use xtask_ground::{Plan, PlannedGraph, Shape, TARGETS};

use crate::bench::{Bench, Extent, together};
use crate::cargo;
use crate::catalogue;
use crate::error::Error;
use crate::figures::Step;
use crate::measure::Sample;
use crate::one_call::OneCall;
use crate::process::call;
use crate::project::Project;
use crate::row::{Limit, Unit, float};
use crate::script::{Built, Phase, append};
use crate::slices::Turn;
use crate::usage::Actions;
use crate::xbuild::{self, Xbuild};

use super::{Part, Rows, STORE_ROWS, Spec, Steps, nothing_more, weigh};

/// How often nothing changes in a round: it is short, and has the largest spread.
const UNCHANGED: usize = 5;

const RESTLESS: &str = "Where nothing has changed cargo builds the program anew all the same: its build script names a file \
    that isn't there.";

/// What is added to a leaf crate.
const EDIT: &str = "// edited";

/// The page that shows where a large project's time goes, beside the report.
const TIMINGS: &str = "bench-timings.html";

const COLD: &str = "cold, three targets";
const COLD_SHARED: &str = "cold, three targets, fewer programs than cargo starts";
const MATRIX: &str = "cold, three targets, against the sum of a matrix's jobs";
const SLOWEST: &str = "cold, three targets, beside the slowest of these jobs";
const OVERHEAD: &str = "overhead of an action, CPU";
const UNCHANGED_ROW: &str = "nothing changed";
const EDITED: &str = "one leaf crate edited";
const ELSEWHERE: &str = "other folder, against cargo's cold build";
const BRANCH: &str = "branch switched and back, against cargo's cold build";
const MEMORY: &str = "xbuild's own peak memory, cold";

const ROWS: Rows = Rows::Of(&[
    Spec::wall(COLD, Limit::Ratio(1.05)),
    Spec::cpu(COLD, Limit::Ratio(1.03)),
    Spec::wall(COLD_SHARED, Limit::Ratio(1.00)),
    Spec::cpu(COLD_SHARED, Limit::Ratio(1.00)),
    Spec::wall(MATRIX, Limit::Ratio(0.90)),
    Spec::cpu(MATRIX, Limit::Ratio(1.00)),
    Spec::wall(SLOWEST, Limit::None),
    Spec::figure(OVERHEAD, Unit::Seconds, Limit::AtMost(0.010)),
    Spec::wall(UNCHANGED_ROW, Limit::Absolute(0.1)),
    Spec::cpu(UNCHANGED_ROW, Limit::None),
    Spec::wall(EDITED, Limit::Ratio(1.05)),
    Spec::cpu(EDITED, Limit::Ratio(1.05)),
    Spec::wall(ELSEWHERE, Limit::Ratio(0.02)),
    Spec::wall(BRANCH, Limit::Ratio(0.02)),
    Spec::figure(MEMORY, Unit::Memory, Limit::AtMost(200e6)),
    STORE_ROWS[0],
    STORE_ROWS[1],
]);

const ABOUT: &str = "\
A round is a cold build, five (where each takes minutes: one) with nothing changed, one in another folder, some with a comment added to a crate that no \
other depends on, and one after a branch was left (where the edit is) and come back to, of each side. Cold builds and \
edits run by turns. In the other folder and after the branch cargo has nothing to offer but what it does with a fresh \
target folder, which is the cold build.";

const ABOUT_MATRIX: &str = "\
A round is as above. A matrix of jobs, as a CI has it, builds each target with a target folder of its own. The first of \
these jobs is the first call of the cold build, which finds nothing either; the others are run after everything else, \
with nobody beside them. The limit of 0.90 is for what a CI counts of its jobs, the time that they take. Targets have \
little more in common than what is built for the host: of processor time about so much can be saved as cargo itself saves \
in its one folder of the cold build, against the sum.";

const fn part(name: &'static str, project: Project, rounds: u16, minutes: u16) -> Part {
    Part {
        name,
        title: project.name,
        minutes,
        about: ABOUT,
        other: "cargo",
        own: "xbuild",
        rows: ROWS,
        projects: [project, project],
        steps: Steps::Rounds(rounds),
        measure,
        more: nothing_more,
        drawing: None,
    }
}

pub(crate) const EXAMPLE: Part = part("example", catalogue::EXAMPLE, 2, 30);
pub(crate) const RIPGREP: Part = part("ripgrep", catalogue::RIPGREP, 5, 80);
pub(crate) const BAT: Part = part("bat", catalogue::BAT, 1, 30);
pub(crate) const STARSHIP: Part =
    Part { about: ABOUT_MATRIX, ..part("starship", catalogue::STARSHIP, 1, 80) };
pub(crate) const SAMPLE: Part = Part { about: ABOUT_MATRIX, ..part("sample", catalogue::SAMPLE, 1, 1) };

/// How often nothing changes in a round.
fn unchanged(project: &Project) -> usize {
    // Cargo links it anew, which takes minutes.
    if project.is_restless { 1 } else { UNCHANGED }
}

/// How often the leaf crate is edited in a round.
fn edits(project: &Project) -> usize {
    // Linking them anew takes minutes.
    if *project == catalogue::BAT || *project == catalogue::STARSHIP { 1 } else { 2 }
}

fn has_matrix(project: &Project) -> bool {
    *project == catalogue::STARSHIP || *project == catalogue::SAMPLE
}

/// What a round works on.
struct Round<'r> {
    bench: &'r Bench<'r>,
    project: Project,
    plan: &'r Plan,
    store: &'r Path,
    xbuild: Xbuild<'r>,
    here: &'r Path,
    elsewhere: &'r Path,
    number: usize,
}

fn measure(bench: &Bench<'_>, part: &Part, number: usize, step: &mut Step) -> Result<(), Error> {
    let project = bench.project(part);
    let here = bench.copy(&project, "here")?;
    let elsewhere = bench.copy(&project, "some/where/else")?;
    let plan = bench.plan(&here, &Shape::default())?;
    let store = bench.fresh_store("round")?;
    tell(&plan, OneCall::look(bench.ground, &here)?, step);
    let xbuild = bench.xbuild(&store, &TARGETS, "release");
    let (here, elsewhere) = (&here, &elsewhere);
    let round = Round { bench, project, plan: &plan, store: &store, xbuild, here, elsewhere, number };
    round.run(step)
}

fn tell(plan: &Plan, one_call: Option<OneCall>, step: &mut Step) {
    let names: Vec<String> = plan.graphs.iter().map(PlannedGraph::name).collect();
    step.tell(format!("Cargo is called {} times: {}.", names.len(), names.join(", ")));
    step.tell(one_call.map_or_else(
        || {
            "Each package is planned alone, so that one call of cargo for all would be another graph."
                .to_owned()
        },
        |one_call| one_call.told(),
    ));
}

impl Round<'_> {
    fn run(&self, step: &mut Step) -> Result<(), Error> {
        let Self { bench, project, plan, .. } = self;
        let all = 0..plan.graphs.len();
        let edits = edits(project);
        let mut phases = vec![Phase::cold(all.clone())];
        let mut still = Phase::unchanged(all.clone());
        if project.is_restless {
            still.built = Built::Anything;
            step.tell(RESTLESS.to_owned());
        }
        phases.extend(vec![still; unchanged(project)]);
        phases.extend(vec![Phase::edited(all.clone(), append(project.leaf, EDIT)); edits]);
        let matrix = if has_matrix(project) { 1..all.end } else { 0..0 };
        for index in matrix.clone() {
            phases.push(Phase { folder: format!("job-{index}"), ..Phase::cold(index..index + 1) });
        }
        bench.cargo(project, plan, phases).beside(|cargo| {
            let mut turn = Turn::of_round(self.number + 1);
            let (jobs, cold) = self.cold(&mut turn, cargo, step)?;
            self.unchanged(&mut turn, cargo, step)?;
            let ran = self.xbuild.nothing(self.elsewhere, &[])?;
            step.add_wall(ELSEWHERE, Some(jobs.iter().copied().sum()), Some(ran.sample));
            for _ in 0..edits {
                println!("  one leaf crate edited");
                edit(&self.here.join(project.leaf))?;
                let [first, _] = turn.both();
                let (of_cargo, ran) = self.together(first, cargo)?;
                step.add_samples(EDITED, Some(of_cargo.total()), Some(ran.sample));
            }
            let back = self.branch()?;
            step.add_wall(BRANCH, Some(jobs.iter().copied().sum()), Some(back));
            self.matrix(&jobs, cold, matrix.len(), cargo, step)
        })?;
        let has_page = *project == catalogue::STARSHIP && bench.extent == Extent::Full;
        if has_page { self.page(step) } else { Ok(()) }
    }

    /// Keeps the page that shows where the time of a cold build goes: one more of them, with nobody beside it, since
    /// whoever is stopped now and then sees times that nobody else does.
    fn page(&self, step: &mut Step) -> Result<(), Error> {
        println!("  cold, with nobody beside it, for {TIMINGS}");
        let store = self.bench.fresh_store("page")?;
        let page = self.bench.places.copy(TIMINGS);
        let xbuild = Xbuild { store: &store, ..self.xbuild };
        let ran = xbuild.something(self.here, &[&format!("--timings={}", page.display())], None)?;
        fs_err::copy(&page, self.bench.root.join("docs").join(TIMINGS))?;
        step.tell(format!(
            "Where the time of one more cold build of xbuild's goes, with nobody beside it, {:.0} s by the clock: \
             [{TIMINGS}]({TIMINGS}).",
            ran.sample.wall.as_secs_f64()
        ));
        Ok(())
    }

    /// Cargo's next phase and a build of xbuild's, by turns.
    fn together(
        &self,
        first: Turn,
        cargo: &mut cargo::Waiting<'_>,
    ) -> Result<(cargo::Ran, xbuild::Ran), Error> {
        let (xbuild, here) = (self.xbuild, self.here);
        together(first, cargo, |slices| xbuild.something(here, &[], Some(slices)))
    }

    /// A cold build of both; what each of cargo's calls took, and xbuild.
    fn cold(
        &self,
        turn: &mut Turn,
        cargo: &mut cargo::Waiting<'_>,
        step: &mut Step,
    ) -> Result<(Vec<Sample>, Sample), Error> {
        println!("  cold");
        let [first, _] = turn.both();
        let (of_cargo, ran) = self.together(first, cargo)?;
        let row = if ran.executed() < of_cargo.built { COLD_SHARED } else { COLD };
        step.add_samples(row, Some(of_cargo.total()), Some(ran.sample));
        step.add(MEMORY, None, Some(float(ran.peak_memory)));
        step.tell(format!(
            "Cargo starts {} programs (compilers and build scripts). xbuild executes {} actions for {} units: units \
             with the same action share one execution.",
            of_cargo.built,
            ran.executed(),
            ran.units()
        ));
        let Actions { count, cpu } = Actions::of(self.store)?;
        let overhead = ran.sample.cpu.saturating_sub(cpu).as_secs_f64() / float(count.max(1) as u64);
        step.add(OVERHEAD, None, Some(overhead));
        weigh(self.bench, self.store, step)?;
        Ok((of_cargo.calls, ran.sample))
    }

    fn unchanged(
        &self,
        turn: &mut Turn,
        cargo: &mut cargo::Waiting<'_>,
        step: &mut Step,
    ) -> Result<(), Error> {
        println!("  nothing changed");
        for _ in 0..unchanged(&self.project) {
            let mut samples = [None, None];
            for side in turn.both() {
                match side {
                    Turn::Cargo => samples[0] = Some(cargo.run()?.total()),
                    Turn::Xbuild => samples[1] = Some(self.xbuild.nothing(self.here, &[])?.sample),
                }
            }
            step.add_samples(UNCHANGED_ROW, samples[0], samples[1]);
        }
        Ok(())
    }

    /// In the other copy: a branch with the first edit, and back.
    fn branch(&self) -> Result<Sample, Error> {
        let folder = self.bench.places.copy("some/where/else");
        git(&folder, &["init", "--quiet", "--initial-branch", "main"])?;
        git(&folder, &["add", "--all", "--force", "."])?;
        git(&folder, &["commit", "--quiet", "--message", "as it is"])?;
        git(&folder, &["checkout", "--quiet", "-b", "other"])?;
        edit(&self.elsewhere.join(self.project.leaf))?;
        git(&folder, &["commit", "--quiet", "--all", "--message", "edited"])?;
        self.xbuild.nothing(self.elsewhere, &[])?;
        git(&folder, &["checkout", "--quiet", "main"])?;
        Ok(self.xbuild.nothing(self.elsewhere, &[])?.sample)
    }

    /// The jobs of a matrix; the first of them was the first call of the cold build.
    fn matrix(
        &self,
        cold: &[Sample],
        xbuild: Sample,
        more: usize,
        cargo: &mut cargo::Waiting<'_>,
        step: &mut Step,
    ) -> Result<(), Error> {
        if more == 0 {
            return Ok(());
        }
        let mut jobs: Vec<Sample> = cold.iter().take(1).copied().collect();
        for index in 1..=more {
            println!("  a job of a matrix, {index} of {more}");
            jobs.push(cargo.run()?.total());
        }
        step.add_samples(MATRIX, Some(jobs.iter().copied().sum()), Some(xbuild));
        let slowest = jobs.iter().copied().max_by_key(|job| job.wall);
        step.add_wall(SLOWEST, slowest, Some(xbuild));
        let told: Vec<String> = (self.plan.graphs.iter().zip(&jobs))
            .map(|(graph, job)| format!("{} {:.0} s", graph.asked.target, job.wall.as_secs_f64()))
            .collect();
        step.tell(format!("The jobs of the matrix took: {}.", told.join(", ")));
        Ok(())
    }
}

/// Appends the edit to a file.
fn edit(file: &Path) -> Result<(), Error> {
    let text = fs_err::read_to_string(file)?;
    Ok(fs_err::write(file, format!("{text}{EDIT}\n"))?)
}

fn git(folder: &Path, arguments: &[&str]) -> Result<(), Error> {
    let mut git = Command::new("git");
    git.arg("-C").arg(folder).args(arguments);
    for who in ["AUTHOR", "COMMITTER"] {
        git.env(format!("GIT_{who}_NAME"), "bench").env(format!("GIT_{who}_EMAIL"), "bench@example.invalid");
    }
    // Nobody's hooks and signatures.
    git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    call(&mut git, None).map(drop)
}
