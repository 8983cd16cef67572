//! The proof of the second level: random packages, random programs that look at them in every way, random edits. A
//! result that was not executed must be the one that an execution gives.
//!
//! `XBUILD_LEARNED_CASES` is the number of packages and programs, each edited a few times.

use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};
use xbuild_action::{Executor, Observer, Outcome, Request};
use xbuild_realise::engine::Source;

use crate::package::{Edit, Package, edits, packages};
use crate::program::{Step, programs};
use crate::world::{World, build};

crate::tests![what_is_learned_is_what_a_clean_build_gives, an_observation_that_misses_something_is_caught];

/// How the results of all builds were come by.
#[derive(Debug, Default)]
struct Counts {
    executed: AtomicUsize,
    learned: AtomicUsize,
}

type Case = (Package, Vec<Step>, Vec<Edit>);

fn check(
    world: &World,
    executor: &dyn Executor,
    counts: &Counts,
    (package, program, edits): Case,
) -> Result<(), TestCaseError> {
    let engine = world.engine(executor);
    let mut package = package;
    for edit in std::iter::once(None).chain(edits.iter().map(Some)) {
        package = edit.map_or_else(|| package.clone(), |edit| package.edited(edit));
        let bound = world.bound(&package, &program);
        let (result, source, _) = build(&engine, bound.clone());
        match source {
            Source::Executed => drop(counts.executed.fetch_add(1, Ordering::Relaxed)),
            // The first level's, as it always was: nothing has changed.
            Source::Cached => {}
            Source::Learned(_) => {
                counts.learned.fetch_add(1, Ordering::Relaxed);
                let clean = world.clean(&bound);
                if (&clean.outputs, clean.stdout, clean.stderr)
                    != (&result.outputs, result.stdout, result.stderr)
                {
                    let (clean, learned) = (world.log(&clean), world.log(&result));
                    return Err(TestCaseError::fail(format!(
                        "after {edit:?} of what is now {package:#?}\nclean:\n{clean}\nlearned:\n{learned}"
                    )));
                }
            }
        }
    }
    Ok(())
}

fn cases() -> u32 {
    std::env::var("XBUILD_LEARNED_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(25)
}

fn run(
    world: &World,
    executor: &dyn Executor,
    counts: &Counts,
    config: Config,
) -> Result<(), TestError<Case>> {
    let case = (packages(), programs(), prop::collection::vec(edits(), 3..7));
    let config = Config { failure_persistence: None, ..config };
    TestRunner::new(config).run(&case, |case| check(world, executor, counts, case))
}

fn what_is_learned_is_what_a_clean_build_gives() {
    let (world, counts) = (World::new(), Counts::default());
    let config = Config { cases: cases(), max_shrink_iters: 200, ..Config::default() };
    if let Err(error) = run(&world, &world.sandbox, &counts, config) {
        panic!("{error}");
    }
    println!("{counts:?}");
    let Counts { executed, learned } = counts;
    let least = usize::try_from(cases()).unwrap() / 2;
    assert!(executed.into_inner() >= least && learned.into_inner() >= least, "nothing was put to the test");
}

/// An executor that forgets one file of those that were seen.
struct Forgetful<'a>(&'a dyn Executor);

impl Executor for Forgetful<'_> {
    fn execute(&self, request: &Request<'_>, observer: &mut dyn Observer) -> Outcome {
        match self.0.execute(request, observer) {
            Outcome::Succeeded(result, Some(mut observed)) => {
                observed.pop_last();
                Outcome::Succeeded(result, Some(observed))
            }
            other => other,
        }
    }
}

/// That the proof can fail.
///
/// By hand, each of these was tried in `exec::observe`, and was caught by the proof within a few hundred cases: `stat`
/// and `statx` left out; `lstat` left out, taken for a link's; no `O_PATH`; links not followed, or followed in words
/// alone; `/proc/self/root` taken for nothing; interpreters not looked at; changed sources not noticed.
fn an_observation_that_misses_something_is_caught() {
    let (world, counts) = (World::new(), Counts::default());
    let config = Config { cases: 2000, max_shrink_iters: 0, ..Config::default() };
    match run(&world, &Forgetful(&world.sandbox), &counts, config) {
        Err(TestError::Fail(..)) => {}
        other => panic!("{other:?} after {counts:?}"),
    }
}
