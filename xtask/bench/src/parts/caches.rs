//! Another folder with everything warm, against compiler caches.

use std::collections::BTreeMap;

use xbuild_action::{ContentExt as _, File};
use xbuild_plan::places::place;
use xtask_ground::cargo::host_call;
use xtask_ground::{HOST, PlannedGraph, Shape};

use crate::bench::{Bench, together};
use crate::cargo::Cargo;
use crate::catalogue;
use crate::error::Error;
use crate::figures::Step;
use crate::installed::{Installed, MBX, SCCACHE};
use crate::row::Limit;
use crate::script::{Built, Calls, Counts, Phase, target_folder};
use crate::slices::Turn;

use super::{Part, Rows, Spec, Steps, nothing_more};

/// The one target.
const TARGET: &[&str] = &[HOST];

/// Cargo itself, in the sandbox.
const CARGO: &str = "/usr/bin/cargo";

/// How often it is built in another folder.
const ELSEWHERE: usize = 5;

const BEST: &str = "other folder, everything warm, against the better one";
const COLD: &str = "cold, against cargo";

/// A cache, how the shell calls it, and its rows.
struct Cache {
    installed: Installed,
    elsewhere: &'static str,
    cold: &'static str,
}

const CACHES: [Cache; 2] = [
    Cache {
        installed: MBX,
        elsewhere: "other folder, everything warm, against mbx",
        cold: "cold, against mbx",
    },
    Cache {
        installed: SCCACHE,
        elsewhere: "other folder, everything warm, against sccache",
        cold: "cold, against sccache",
    },
];

pub(crate) const PART: Part = Part {
    name: "caches",
    title: "Another folder, against compiler caches",
    minutes: 15,
    about: "\
ripgrep 14.1.1 in the release profile, with mbx 1.29.1 and sccache 0.19.0 from crates.io, in the same sandbox root as \
cargo. They build for the host without `--target`, which suits them best: mbx restores linked programs only then. xbuild \
builds for x86_64-unknown-linux-gnu. Each fills its cache with a cold build; then the project is copied to a folder that \
was never built in, and built there, each in turn. mbx uses its managed target folders, sccache an empty one of its own and \
`SCCACHE_BASEDIRS` for both folders, with its server started before. The time by the clock alone is told: a cache's server \
is nobody's child.",
    other: "the other",
    own: "xbuild",
    rows: Rows::Of(&[
        Spec::wall(BEST, Limit::Ratio(0.5)),
        Spec::wall(CACHES[0].elsewhere, Limit::None),
        Spec::wall(CACHES[1].elsewhere, Limit::None),
        Spec::wall(COLD, Limit::None),
        Spec::wall(CACHES[0].cold, Limit::None),
        Spec::wall(CACHES[1].cold, Limit::None),
    ]),
    projects: [catalogue::RIPGREP, catalogue::SAMPLE],
    steps: Steps::Rounds(1),
    measure,
    more: nothing_more,
    drawing: None,
};

impl Cache {
    /// Where its program lies in the sandbox.
    fn program(&self) -> String {
        format!("build/tools/{}", self.installed.name)
    }

    /// A build of the project in `folder`, the n-th of this cache.
    fn words(&self, graph: &PlannedGraph, folder: &str, number: usize) -> String {
        let program = place(&self.program()).in_sandbox();
        let target = target_folder(&format!("sccache-{number}"));
        let call = if self.installed.name == MBX.name {
            // Nothing is thrown away while it is measured, however full the disk is.
            let more = [("MBX_CACHE_DIR", "/build/cache/mbx"), ("MBX_GC_AUTO", "false")];
            host_call(graph, &program, &more)
        } else {
            let more = [
                ("RUSTC_WRAPPER", program.as_str()),
                ("SCCACHE_DIR", "/build/cache/sccache"),
                ("CARGO_TARGET_DIR", &target),
                ("CARGO_INCREMENTAL", "0"),
            ];
            host_call(graph, CARGO, &more)
        };
        format!("( cd {folder} && {call} )")
    }

    /// What must run before its first build: the server, told of the folders.
    fn start(&self, folders: &[String]) -> String {
        if self.installed.name == MBX.name {
            return String::new();
        }
        format!(
            "SCCACHE_DIR=/build/cache/sccache SCCACHE_IDLE_TIMEOUT=0 SCCACHE_BASEDIRS={} {} --start-server > \
             /dev/null 2>&1",
            folders.join(":"),
            place(&self.program()).in_sandbox(),
        )
    }
}

fn own(before: String, words: String) -> Phase {
    Phase {
        before,
        calls: Calls::Own(vec![words]),
        counts: Counts::Crates,
        built: Built::Anything,
        ..Phase::cold(0..0)
    }
}

fn measure(bench: &Bench<'_>, part: &Part, number: usize, step: &mut Step) -> Result<(), Error> {
    let mut files = BTreeMap::new();
    for cache in &CACHES {
        let program = cache.installed.program(&bench.tools)?;
        let digest = bench.ground.store.put(&fs_err::read(program)?)?;
        files.insert(place(&cache.program()), File { digest, executable: true });
    }
    let project = bench.project(part);
    let here = bench.copy(&project, "here")?;
    let plan = bench.plan(&here, &Shape { targets: TARGET, ..Shape::default() })?;
    let [graph] = &plan.graphs[..] else {
        let problem = "it is more than one graph".to_owned();
        return Err(Error::NotComparable { project: project.name, problem });
    };
    let store = bench.fresh_store("round")?;
    let xbuild = bench.xbuild(&store, TARGET, "release");

    let workspace = plan.sources.workspace.in_sandbox();
    let folder = |number: usize| format!("/build/elsewhere-{number}");
    let folders: Vec<String> =
        std::iter::once(workspace.clone()).chain((1..=ELSEWHERE).map(folder)).collect();
    let plain = host_call(graph, CARGO, &[("CARGO_TARGET_DIR", &target_folder("plain"))]);
    let mut phases = vec![own(String::new(), plain)];
    for cache in &CACHES {
        phases.push(own(cache.start(&folders), cache.words(graph, &workspace, 0)));
    }
    for (number, folder) in folders.iter().enumerate().skip(1) {
        for (index, cache) in CACHES.iter().enumerate() {
            // mbx leaves a link to a target folder of its own in the workspace.
            let copy = format!("cp -r {workspace} {folder} && rm -rf {folder}/target");
            let before = if index == 0 { copy } else { String::new() };
            phases.push(own(before, cache.words(graph, folder, number)));
        }
    }
    let cargo = Cargo { files, ..bench.cargo(&project, &plan, phases) };
    cargo.beside(|cargo| {
        println!("  cold");
        let mut turn = Turn::of_round(number + 1);
        let [first, _] = turn.both();
        let (of_cargo, ran) = together(first, cargo, |slices| xbuild.something(&here, &[], Some(slices)))?;
        let cold = ran.sample;
        step.add_wall(COLD, Some(of_cargo.total()), Some(cold));
        for cache in &CACHES {
            println!("  cold with {}", cache.installed.name);
            step.add_wall(cache.cold, Some(cargo.run()?.total()), Some(cold));
        }
        for number in 1..=ELSEWHERE {
            println!("  another folder, {number} of {ELSEWHERE}");
            let samples = [cargo.run()?.total(), cargo.run()?.total()];
            let elsewhere = bench.copy(&project, &format!("elsewhere-{number}"))?;
            let own = xbuild.nothing(&elsewhere, &[])?.sample;
            for (cache, sample) in CACHES.iter().zip(samples) {
                step.add_wall(cache.elsewhere, Some(sample), Some(own));
            }
            step.add_wall(BEST, samples.into_iter().min_by_key(|sample| sample.wall), Some(own));
        }
        Ok(())
    })
}
