//! `xbuild fetch`: all that a request takes from outside.

use std::collections::BTreeSet;
use std::process::ExitCode;

use xbuild_base::Triple;
use xbuild_describe::{Base, DistSource, FileSource};
use xbuild_plan::graph::Graph;

use crate::cli::{Build, Fetch, Global};
use crate::composed::spec;
use crate::error::{XbuildError, counted};
use crate::image::base::{self, Bases};
use crate::image::select;
use crate::inputs::Hands;
use crate::steps::{self, Making, Steps};
use crate::timings::Recorder;
use crate::ui::Ui;
use crate::work::{Extra, Laid, Planned, Wanted, Work, with_work};

pub(crate) fn run(global: &Global, fetch: &Fetch, ui: &Ui) -> Result<ExitCode, XbuildError> {
    let build: Build = fetch.outputs.clone().into();
    let units = with_work(global, &build, Wanted::Everything, ui, fetch_all)?;
    let need = if units == 1 { "needs" } else { "need" };
    ui.status("Fetched", format!("all that {} {need}", counted(units, "unit")));
    Ok(ExitCode::SUCCESS)
}

/// Fetches all that the outputs of a request are made from, and what images and archives take besides. How many units
/// there are.
pub(super) fn fetch_all(work: &Work<'_>) -> Result<usize, XbuildError> {
    let extra = match work.described().description.images.is_described {
        true => select::extra(work.described(), &[])?,
        false => Extra::default(),
    };
    // Whoever has fetched expects to test, too.
    let extra = Extra { development: true, ..extra };
    let planned = work.plan(&extra, &mut Recorder::default())?;
    // Which packages of Debian's the crates need is known when it is known which crates are built.
    let Laid { graph, steps, .. } = work.look(&planned, Making::Skip)?;
    steps::fetch(work, &steps.takers)?;
    fetch_bases(work, &planned, &graph)?;
    fetch_beside(work, &planned)?;
    Ok(graph.len())
}

/// Pulls what images are based on.
fn fetch_bases(work: &Work<'_>, planned: &Planned<'_>, graph: &Graph<'_>) -> Result<(), XbuildError> {
    let Hands { global, session, ui, .. } = work.hands();
    let described = work.described();
    let images = &described.description.images;
    let pins = base::pins(global, described, &[], false, ui)?;
    let bases = Bases { global, session, pins: &pins, plain_http: false, ui };
    // Without any, each program has one that is called like it.
    let names: Vec<&str> = images.named.keys().map(String::as_str).collect();
    let names = if names.is_empty() { vec![""] } else { names };
    let mut wanted = BTreeSet::new();
    for (one, part) in planned.asked.iter().zip(graph.parts()) {
        let Some(ground) = &spec(described, &one.target)?.image else { continue };
        let cfgs = part.context.cfg(&one.target).unwrap_or_default();
        let holds = |platform: &cargo_platform::Platform| platform.matches(one.target.as_str(), cfgs);
        for name in &names {
            if let Base::Pulled(reference) = images.settings(name, one.variant.as_str(), holds).base {
                wanted.insert((reference, select::platform(ground)));
            }
        }
    }
    wanted.iter().try_for_each(|(reference, platform)| bases.get(reference, platform).map(drop))
}

/// Fetches what images and archives take besides outputs: what steps make it from, and other projects.
fn fetch_beside(work: &Work<'_>, planned: &Planned<'_>) -> Result<(), XbuildError> {
    let description = &work.described().description;
    let (mut parts, mut inputs) = (BTreeSet::new(), BTreeSet::new());
    for file in
        description.images.every(|_| true).into_iter().flat_map(|settings| settings.files.into_values())
    {
        match file.from {
            FileSource::Step(part) => drop(parts.insert(part.name)),
            FileSource::Input(output) => drop(inputs.insert(output)),
            _ => {}
        }
    }
    for source in description.dist.made.values() {
        match source {
            DistSource::Step(part) => drop(parts.insert(part.name.clone())),
            DistSource::Input(output) => drop(inputs.insert(output.clone())),
        }
    }
    let targets: BTreeSet<&Triple> = planned.asked.iter().map(|one| &one.target).collect();
    let steps = if parts.is_empty() { None } else { Some(Steps::new(work)?) };
    for target in targets {
        for name in &parts {
            steps.as_ref().map_or(Ok(()), |steps| steps.fetch(name, target))?;
        }
        for output in &inputs {
            work.fetch_input(output, target)?;
        }
    }
    Ok(())
}
