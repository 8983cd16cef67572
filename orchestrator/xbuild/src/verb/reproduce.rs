//! `xbuild reproduce`: outputs are built, then every unit of theirs is executed once more, and what comes of it compared
//! with what came of it before, byte for byte.
//!
//! Each unit is given what its dependencies made the first time: so one that differs is told, and not all that need it.

use std::collections::BTreeMap;
use std::process::ExitCode;

use serde_json::{Value, json};
use xbuild_action::{ContentExt as _, File, StoreError};
use xbuild_base::{Action, Digest};
use xbuild_output::differing_places;
use xbuild_plan::label::Label;
use xbuild_realise::RealiseError;
use xbuild_realise::engine::{Comparison, Difference, differing_files};
use xbuild_store::Disk;

use crate::cli::{Global, Reproduce};
use crate::error::{XbuildError, counted};
use crate::timings::Recorder;
use crate::ui::{BuildDisplay, LocalPackages, Ui};
use crate::work::{Planned, Wanted, Work, planned};

/// So many places are told of a file.
const MOST: usize = 12;

pub(crate) fn run(global: &Global, wanted: &Reproduce, ui: &Ui) -> Result<ExitCode, XbuildError> {
    planned(global, &wanted.outputs.clone().into(), Wanted::Everything, ui, |work, planned| {
        work.build(planned, &mut Recorder::default())?;
        execute_again(work, planned, ui)
    })
}

fn execute_again(work: &Work<'_>, planned: &Planned<'_>, ui: &Ui) -> Result<ExitCode, XbuildError> {
    ui.status("Again", "each unit is executed once more");
    let mut graph = work.look(planned)?;
    let labels = graph.labels().to_vec();
    let comparison = Comparison::default();
    let again = work.engine_again(&comparison);
    let sources = LocalPackages::of(again.store, &graph);
    let mut display = BuildDisplay::new(ui, &labels, again.store, sources);
    let summary = again.run(&mut graph, &mut display);
    display.finish();
    let summary = summary?;
    let units: BTreeMap<Digest<Action>, &Label> =
        display.gathered.units().map(|unit| (unit.action, &unit.label)).collect();
    if summary.failed > 0 {
        let (failed, skipped, broken) = (summary.failed, summary.skipped, display.broken);
        return Err(XbuildError::Failed { failed, skipped, total: labels.len(), broken });
    }

    let differences = comparison.differences();
    for difference in &differences {
        tell(work.engine().store, difference, units.get(&difference.action).copied(), ui)?;
    }
    let executed = counted(summary.executed, "unit");
    if differences.is_empty() {
        ui.status("Reproduced", format!("{executed}, all the same bits"));
        return Ok(ExitCode::SUCCESS);
    }
    Err(XbuildError::user(
        format!("{} of {executed} made something else when executed again", differences.len()),
        "look at what they take from outside of their inputs: a clock, random numbers, the order of a folder",
    ))
}

fn tell(store: &Disk, difference: &Difference, unit: Option<&Label>, ui: &Ui) -> Result<(), XbuildError> {
    let mut files: Vec<(String, Vec<String>)> = Vec::new();
    for (path, sides) in differing_files(store, difference).map_err(RealiseError::from)? {
        files.push((path.to_string(), places(store, sides)?));
    }
    let [kept, again] = [&difference.kept, &difference.again].map(|result| store.get(result.stdout));
    let printed = differing_places(&kept?, &again?);
    if !printed.is_empty() {
        files.push(("what it prints".to_owned(), printed));
    }
    let name = unit.map_or_else(|| "a unit".to_owned(), ToString::to_string);
    let platform = unit.map_or("", |label| label.platform.as_str());
    if ui.json {
        let files: Vec<Value> =
            files.iter().map(|(path, places)| json!({ "path": path, "places": places })).collect();
        let line = json!({
            "reason": "xbuild-not-reproducible",
            "unit": name,
            "package_id": unit.map(|label| label.package_id.as_str()),
            "platform": platform,
            "action": difference.action,
            "files": files,
        });
        ui.output_line(&line.to_string());
        return Ok(());
    }
    ui.output_line(&format!("{name} [{platform}] made something else:"));
    for (path, places) in files {
        for place in places.iter().take(MOST) {
            ui.output_line(&format!("  {path}: {place}"));
        }
        if places.len() > MOST {
            ui.output_line(&format!("  {path}: {} more", counted(places.len() - MOST, "place")));
        }
    }
    Ok(())
}

fn places(store: &Disk, sides: [Option<File>; 2]) -> Result<Vec<String>, StoreError> {
    match sides {
        [Some(kept), Some(again)] if kept.digest == again.digest => Ok(vec!["its mode".to_owned()]),
        [Some(kept), Some(again)] => {
            Ok(differing_places(&store.get(kept.digest)?, &store.get(again.digest)?))
        }
        [Some(_), None] => Ok(vec!["is missing".to_owned()]),
        _ => Ok(vec!["is new".to_owned()]),
    }
}
