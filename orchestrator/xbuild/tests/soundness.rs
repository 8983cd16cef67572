//! Learned keys, with whole projects: made-up workspaces whose build scripts look at files in many ways, and edits of them.
//! What a build gives after an edit is what its scripts must see then, worked out by hand; what nothing has looked at
//! executes nothing; and in the end every unit is executed once more, and must make the same bytes.
//!
//! `realise`'s test `learned` is about actions that it makes up itself. This one is about those that come of projects: what
//! the graph gives them to see, and what of that it says is edited.
//!
//! `XBUILD_LEARNED_PROJECTS` is the number of workspaces, each edited a few times. They are the same in every run, unless
//! `PROPTEST_RNG_SEED` says otherwise.

mod common;
#[path = "soundness/look.rs"]
mod look;
#[path = "soundness/workspace.rs"]
mod workspace;

use std::cell::Cell;

use proptest::test_runner::{Config, RngSeed, TestRunner};

use common::Project;
use common::trace::{Traced, trace};
use workspace::{Case, Edit, Loose, PACKAGES, Sight, Workspace, cases};

const TARGET: &str = "x86_64-unknown-linux-musl";

/// Of twelve workspaces that come of it some have each layout, and each kind of folder has edits that are seen and others
/// that are not.
const SEED: RngSeed = RngSeed::Fixed(8);

/// What the builds after edits came to.
#[derive(Debug, Default)]
struct Counts {
    /// Units that were executed, and those that got the result of another action.
    executed: Cell<usize>,
    learned: Cell<usize>,
    /// Packages of which a file had changed that none of their units look at, and programs that print something else.
    unseen: Cell<usize>,
    changed: Cell<usize>,
}

fn count(many: &Cell<usize>, more: usize) {
    many.set(many.get() + more);
}

/// Builds, and runs the programs: they print what they must. Gives what became of each unit.
fn build(project: &Project, sights: &[Sight], edit: Option<&Edit>) -> Vec<Traced> {
    let file = project.folder.path().join("trace.json");
    project.xbuild(&["build", "--target", TARGET, "--trace", file.to_str().unwrap()]).ok();
    for ((_, name), sight) in PACKAGES.iter().zip(sights) {
        let Some(prints) = &sight.prints else { continue };
        let program = project.result(&format!("default/{TARGET}/bin/{name}"));
        let ran = std::process::Command::new(program).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&ran.stdout), *prints, "{name} after {edit:?}");
    }
    trace(&file)
}

fn check(case: &Case, counts: &Counts) {
    let project = Project::empty();
    let unique = project.folder.path().file_name().unwrap().to_str().unwrap();
    let mut workspace = Workspace::new(case, &project.root, unique);
    let look = |workspace: &mut Workspace<'_>| PACKAGES.map(|(package, _)| workspace.sight(package));

    workspace.write(None, &case.loose);
    let mut before = look(&mut workspace);
    build(&project, &before, None);
    let mut states: Vec<Loose> = vec![case.loose.clone()];
    for edit in &case.edits {
        let loose = edit.apply(&states);
        workspace.write(Some(edit), &loose);
        let now = look(&mut workspace);
        let units = build(&project, &now, Some(edit));

        let executed: Vec<&str> =
            units.iter().filter(|unit| !unit.cached).map(|unit| unit.unit.as_str()).collect();
        if states.contains(&loose) {
            assert_eq!(executed, [""; 0], "there has been all of it, before {edit:?}");
        }
        for (((_, name), before), now) in PACKAGES.iter().zip(&before).zip(&now) {
            if before.is_same_in(now) {
                let own = executed.iter().find(|unit| unit.starts_with(&format!("{name} ")));
                assert_eq!(own, None, "nothing that it has looked at is different after {edit:?}");
                count(&counts.unseen, usize::from(before.tree != now.tree));
            }
            count(&counts.changed, usize::from(before.prints != now.prints));
        }
        count(&counts.executed, executed.len());
        count(&counts.learned, units.iter().filter(|unit| unit.learned).count());
        states.push(loose);
        before = now;
    }
    project.xbuild(&["reproduce", "--target", TARGET]).ok().says("all the same bits");
}

#[test]
fn what_is_built_after_an_edit_is_what_a_clean_build_gives() {
    let many = std::env::var("XBUILD_LEARNED_PROJECTS").ok();
    let many: u32 = many.and_then(|many| many.parse().ok()).unwrap_or(12);
    let default = Config::default();
    let rng_seed = if default.rng_seed == RngSeed::Random { SEED } else { default.rng_seed };
    let config = Config { cases: many, rng_seed, failure_persistence: None, max_shrink_iters: 24, ..default };
    let counts = Counts::default();
    let checked = TestRunner::new(config).run(&cases(), |case| {
        check(&case, &counts);
        Ok(())
    });
    if let Err(error) = checked {
        panic!("{error}");
    }
    println!("{counts:?}");
    let Counts { executed, learned, unseen, changed } = counts;
    let least = usize::try_from(many / 2).unwrap();
    let enough = [executed, learned, unseen, changed].iter().all(|count| count.get() >= least);
    assert!(enough, "nothing was put to the test");
}
