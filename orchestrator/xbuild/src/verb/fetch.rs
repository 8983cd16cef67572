//! `xbuild fetch`: all that a request takes from outside.

use std::collections::BTreeSet;
use std::process::ExitCode;

use xbuild_base::Triple;
use xbuild_describe::{DistSource, FileSource};

use crate::cli::{Build, Fetch, Global};
use crate::error::{XbuildError, counted};
use crate::image::select;
use crate::steps::Steps;
use crate::timings::Recorder;
use crate::ui::Ui;
use crate::work::{Extra, Planned, Wanted, Work, with_work};

pub(crate) fn run(global: &Global, fetch: &Fetch, ui: &Ui) -> Result<ExitCode, XbuildError> {
    let build: Build = fetch.outputs.clone().into();
    let units = with_work(global, &build, Wanted::Everything, ui, fetch_all)?;
    ui.status("Fetched", format!("all that {} need", counted(units, "unit")));
    Ok(ExitCode::SUCCESS)
}

/// Fetches all that the outputs of a request are made from, and what images and archives take besides. How many units
/// there are.
pub(super) fn fetch_all(work: &Work<'_>) -> Result<usize, XbuildError> {
    let extra = match work.described().description.images.is_described {
        true => select::extra(work.described(), &[])?,
        false => Extra::default(),
    };
    let planned = work.plan(&extra, &mut Recorder::default())?;
    // Which packages of Debian's the crates need is known when it is known which crates are built.
    let units = work.look(&planned)?.len();
    fetch_beside(work, &planned)?;
    Ok(units)
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
