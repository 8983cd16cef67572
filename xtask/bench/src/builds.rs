//! Builds: which parts are measured, one after the other.

use std::path::{Path, PathBuf};

use xbuild_base::Sha256;
use xtask_ground::{Ground, HOST, Machine, PlannedGraph, Shape, TARGETS};

use crate::Arguments;
use crate::bench::{Bench, Extent, Places, copy};
use crate::cargo::Gate;
use crate::catalogue::SAMPLE;
use crate::error::Error;
use crate::figures::{Figures, Run, Step};
use crate::one_call::OneCall;
use crate::parts::{self, PARTS, Part};
use crate::report::{FIGURES, report, write};
use crate::stores;
use crate::xbuild::{Fetch, Xbuild};

/// All targets that any part builds for.
const BUILT_FOR: [&str; 4] = {
    let [first, second, third] = TARGETS;
    [first, second, third, HOST]
};

pub(crate) fn run(arguments: &Arguments) -> Result<(), Error> {
    let root = &arguments.root;
    if arguments.report {
        return write(root, &Figures::load(&root.join(FIGURES))?);
    }
    let extent = if arguments.sample { Extent::Sample } else { Extent::Full };
    let mut chosen = chosen(arguments);
    let gate = Gate::new()?;
    let places = Places::new(&arguments.store)?;

    println!("making the toolchain ready");
    let ground = make_ready(arguments, &places)?;
    let (copies, mut failed) = fetch(root, &ground, &places, &mut chosen, extent);
    if arguments.dry_run {
        return copies.iter().try_for_each(|copy| tell_plan(&ground, copy));
    }
    let ready = places.store("ready");
    stores::ready(&arguments.store, &ready)?;
    {
        let ready = Ground::open(root, &ready)?;
        copies.iter().try_for_each(|copy| ready.warm(copy, &BUILT_FOR))?;
    }
    let run = Run {
        machine: Machine::look()?,
        program: Sha256::of(&fs_err::read(&arguments.xbuild)?).to_hex(),
        rust: ground.release()?,
    };
    places.clear(&ready)?;

    // Beside the program: in the target folder's folder of its profile.
    let target = arguments.xbuild.ancestors().nth(2).unwrap_or(root);
    let bench = Bench {
        program: &arguments.xbuild,
        root,
        ground: &ground,
        ready: &ready,
        gate: &gate,
        places: &places,
        tools: target.join("bench/tools"),
        extent,
    };
    let mut figures = match extent {
        Extent::Full => Figures::load(&root.join(FIGURES))?,
        Extent::Sample => Figures::default(),
    };
    for part in &chosen {
        // What can't be measured doesn't keep the rest from it.
        if let Err(error) = measure(&bench, part, arguments, &run, &mut figures) {
            eprintln!("error: {}: {error}", part.name);
            failed.push(part.name);
            places.clear(&ready)?;
        }
    }
    if extent == Extent::Sample {
        println!("\n{}", report(&figures, chosen));
    }
    if failed.is_empty() { Ok(()) } else { Err(Error::Parts(failed)) }
}

/// The parts that are asked for, the shortest first: what is wrong is seen early.
fn chosen(arguments: &Arguments) -> Vec<&'static Part> {
    let all = if arguments.sample && arguments.only.is_empty() { parts::SAMPLE } else { PARTS };
    let is_asked =
        |part: &&Part| arguments.only.is_empty() || arguments.only.iter().any(|one| one == part.name);
    let mut chosen: Vec<&Part> = all.iter().filter(is_asked).collect();
    chosen.sort_by_key(|part| part.minutes);
    chosen
}

/// Builds as little as needs all that the projects do but their crates.
fn make_ready(arguments: &Arguments, places: &Places) -> Result<Ground, Error> {
    let Arguments { root, store, xbuild: program, .. } = arguments;
    let sample = SAMPLE.copy(root, None, &places.copy("sample"))?;
    let xbuild = Xbuild { program, store, targets: &BUILT_FOR, profile: "release", fetch: Fetch::Missing };
    xbuild.all(&sample, &[], None)?;
    Ok(Ground::open(root, store)?)
}

/// Fetches what the parts' projects need; returns copies of all of them. Parts for which that fails are not chosen
/// any more, and are returned too.
fn fetch(
    root: &Path,
    ground: &Ground,
    places: &Places,
    chosen: &mut Vec<&'static Part>,
    extent: Extent,
) -> (Vec<PathBuf>, Vec<&'static str>) {
    let (mut copies, mut failed) = (Vec::new(), Vec::new());
    chosen.retain(|part| match fetch_one(root, ground, places, part, extent) {
        Ok(of_part) => {
            copies.extend(of_part);
            true
        }
        Err(error) => {
            eprintln!("error: {}: {error}", part.name);
            failed.push(part.name);
            false
        }
    });
    (copies, failed)
}

fn fetch_one(
    root: &Path,
    ground: &Ground,
    places: &Places,
    part: &Part,
    extent: Extent,
) -> Result<Vec<PathBuf>, Error> {
    println!("fetching for {}", part.name);
    let project = part.project(extent);
    let place = |what: &str| places.copy(&format!("{what}-{}", part.name));
    let mut copies = vec![copy(root, ground, &project, &place("fetched"))?];
    if !project.bumps.is_empty() {
        let moved = copy(root, ground, &project, &place("moved"))?;
        if let Some(last) = project.bumped_locks(&moved)?.last() {
            fs_err::write(moved.join("Cargo.lock"), last)?;
        }
        copies.push(moved);
    }
    copies.iter().try_for_each(|copy| ground.fetch(copy))?;
    Ok(copies)
}

fn tell_plan(ground: &Ground, copy: &Path) -> Result<(), Error> {
    let plan = ground.plan(copy, &Shape::default())?;
    let calls: String =
        plan.graphs.iter().map(|graph| format!("  {}\n", PlannedGraph::name(graph))).collect();
    let name = copy.file_name().unwrap_or_default().to_string_lossy();
    print!("{name}: {} calls of cargo over {} trees\n{calls}", plan.graphs.len(), plan.layers.len());
    if let Some(one_call) = OneCall::look(ground, copy)? {
        println!("  {}", one_call.told());
    }
    Ok(())
}

/// Measures a part, step by step. After each the figures and the report are written.
fn measure(
    bench: &Bench<'_>,
    part: &Part,
    arguments: &Arguments,
    run: &Run,
    figures: &mut Figures,
) -> Result<(), Error> {
    let names = part.steps(bench.extent, arguments.runs);
    figures.begin(part.name, run, arguments.resume);
    for (number, name) in names.iter().enumerate() {
        let measured = figures.begin(part.name, run, true);
        if measured.steps.iter().any(|step| step.name == *name) {
            println!("{}, {name}: is there already", part.name);
            continue;
        }
        println!("{}, {name} ({} in all, about {} minutes)", part.name, names.len(), part.minutes);
        let mut step = Step::named(name);
        (part.measure)(bench, part, number, &mut step)?;
        // What was measured is kept, whatever is wrong with its names.
        let checked = part.check(&step);
        measured.steps.push(step);
        bench.places.clear(bench.ready)?;
        if bench.extent == Extent::Full {
            figures.save(&bench.root.join(FIGURES))?;
            write(bench.root, figures)?;
        }
        checked?;
    }
    Ok(())
}
