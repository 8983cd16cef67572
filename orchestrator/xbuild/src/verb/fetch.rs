//! `xbuild fetch`: all that a request takes from outside.

use std::process::ExitCode;

use xbuild_describe::DistSource;
use xbuild_plan::graph::Graph;

use crate::cli::{Build, Fetch, Global};
use crate::error::{XbuildError, counted};
use crate::image::base::{self, Bases};
use crate::image::outside::{Beside, bases};
use crate::image::select;
use crate::inputs::Hands;
use crate::steps::{self, Making};
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
    let pins = base::pins(global, work.described(), &[], false, ui)?;
    let pulled = Bases { global, session, pins: &pins, plain_http: false, ui };
    let wanted = bases(work, planned, graph)?;
    wanted.iter().try_for_each(|(reference, platform)| pulled.get(reference, platform).map(drop))
}

/// Fetches what images and archives take besides outputs: what steps make it from, and other projects.
fn fetch_beside(work: &Work<'_>, planned: &Planned<'_>) -> Result<(), XbuildError> {
    let description = &work.described().description;
    let mut beside = Beside::of_images(description);
    for source in description.dist.made.values() {
        match source {
            DistSource::Step(part) => drop(beside.steps.insert(part.name.clone())),
            DistSource::Input(output) => drop(beside.inputs.insert(output.clone())),
        }
    }
    beside.fetch(work, planned)
}
