//! What an action costs beside its own processes.

use std::time::Duration;

use xtask_ground::{Shape, TARGETS};

use crate::bench::{Bench, together};
use crate::catalogue::synthetic;
use crate::error::Error;
use crate::figures::Step;
use crate::row::{Limit, Unit, float};
use crate::script::Phase;
use crate::slices::Turn;
use crate::usage::Actions;

use super::{Part, Rows, Spec, Steps, nothing_more};

/// How often each profile is built.
const BUILDS: usize = 5;

/// A profile, and its rows.
type Profile = (&'static str, &'static str, &'static str, &'static str);

/// They are one step: what is between steps removes what they have left, and a file system
/// without a journal takes its time over new files for as long as others have just gone.
const PROFILES: [Profile; 2] = [
    (
        "release",
        "overhead of an action, release, CPU",
        "own processes of an action, release, CPU",
        "the whole build, release",
    ),
    (
        "dev",
        "overhead of an action, dev, CPU",
        "own processes of an action, dev, CPU",
        "the whole build, dev",
    ),
];

pub(crate) const PART: Part = Part {
    name: "overhead",
    title: "The overhead of an action",
    minutes: 8,
    about: "\
A synthetic workspace of 300 units for x86_64-unknown-linux-musl, made like the one of 1,500 units, is built cold five \
times in each profile. The sandbox measures the processor time of an action's own processes from inside. What xbuild and \
all of its processes use besides is the overhead of all actions together, planning among them (cargo's run for it is an \
action too): staging, mounts, hashing, the store, scheduling, the sandbox's own processes. Their number divides it. What a \
compiler itself loses by running in a sandbox stands in its own time: the whole build against cargo's shows that, too. \
Nothing is removed between the builds: where thousands of files have just gone, ext4 without a journal looks at each of \
them for each new one, for half a minute, and an action costs up to 4 ms more.",
    other: "cargo",
    own: "xbuild",
    rows: Rows::Of(&[
        Spec::figure(PROFILES[0].1, Unit::Seconds, Limit::AtMost(0.010)),
        Spec::figure(PROFILES[1].1, Unit::Seconds, Limit::AtMost(0.010)),
        Spec::figure(PROFILES[0].2, Unit::Seconds, Limit::None),
        Spec::figure(PROFILES[1].2, Unit::Seconds, Limit::None),
        Spec::cpu(PROFILES[0].3, Limit::None),
        Spec::wall(PROFILES[0].3, Limit::None),
        Spec::cpu(PROFILES[1].3, Limit::None),
        Spec::wall(PROFILES[1].3, Limit::None),
    ]),
    projects: [synthetic(300), synthetic(8)],
    steps: Steps::Named([&["both profiles"], &["both profiles"]]),
    measure,
    more: nothing_more,
    drawing: None,
};

fn measure(bench: &Bench<'_>, part: &Part, _number: usize, step: &mut Step) -> Result<(), Error> {
    PROFILES.into_iter().try_for_each(|profile| of_profile(bench, part, profile, step))
}

fn of_profile(
    bench: &Bench<'_>,
    part: &Part,
    (profile, overhead, own, whole): Profile,
    step: &mut Step,
) -> Result<(), Error> {
    let project = bench.project(part);
    let here = bench.copy(&project, &format!("here-{profile}"))?;
    let targets = &TARGETS[..1];
    let plan = bench.plan(&here, &Shape { targets, profile, ..Shape::default() })?;
    let builds = bench.many(BUILDS, 1);
    let phase = |build: usize| Phase { folder: format!("{profile}-{build}"), ..Phase::cold(0..1) };
    bench.cargo(&project, &plan, (0..builds).map(phase).collect()).beside(|cargo| {
        let mut turn = Turn::of_round(1);
        for build in 0..builds {
            println!("  {profile}, build {} of {builds}", build + 1);
            let store = bench.fresh_store(&format!("{profile}-{build}"))?;
            let xbuild = bench.xbuild(&store, targets, profile);
            let [first, _] = turn.both();
            let (of_cargo, ran) =
                together(first, cargo, |slices| xbuild.something(&here, &[], Some(slices)))?;
            let Actions { count, cpu } = Actions::of(&store)?;
            let each = |time: Duration| time.as_secs_f64() / float(count.max(1) as u64);
            step.add(overhead, None, Some(each(ran.sample.cpu.saturating_sub(cpu))));
            step.add(own, None, Some(each(cpu)));
            step.add_samples(whole, Some(of_cargo.total()), Some(ran.sample));
            step.tell(format!("In the profile {profile} {count} actions are executed."));
        }
        Ok(())
    })
}
