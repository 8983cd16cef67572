//! `xbuild reproduce`: outputs are built, then every unit of theirs, and every step that one takes something of, is executed
//! once more, and what comes of it compared with what came of it before, byte for byte.
//!
//! Each unit is given what its dependencies made the first time: so one that differs is told, and not all that need it.

use std::collections::BTreeMap;
use std::process::ExitCode;

use serde_json::{Value, json};
use xbuild_action::{ContentExt as _, File, StoreError};
use xbuild_base::{Action, Digest};
use xbuild_output::differing_places;
use xbuild_plan::label::{Label, What};
use xbuild_plan::{Bound, Independent};
use xbuild_realise::RealiseError;
use xbuild_realise::engine::{Comparison, Difference, Engine, Summary, differing_files};
use xbuild_store::Disk;

use crate::cli::{Global, Reproduce};
use crate::error::{XbuildError, counted};
use crate::steps::Making;
use crate::timings::Recorder;
use crate::ui::{BuildDisplay, LocalPackages, Ui};
use crate::work::{Laid, Planned, Wanted, Work, planned};

/// So many places are told of a file.
const MOST: usize = 12;

pub(crate) fn run(global: &Global, wanted: &Reproduce, ui: &Ui) -> Result<ExitCode, XbuildError> {
    planned(global, &wanted.outputs.clone().into(), Wanted::Everything, ui, |work, planned| {
        work.build(planned, &mut Recorder::default())?;
        execute_again(work, planned, ui)
    })
}

fn execute_again(work: &Work<'_>, planned: &Planned<'_>, ui: &Ui) -> Result<ExitCode, XbuildError> {
    ui.status("Again", "each unit and step is executed once more");
    let Laid { mut graph, steps, .. } = work.look(planned, Making::Run)?;
    let comparison = Comparison::default();
    let again = work.engine_again(&comparison);
    let store = again.store;
    // Each is given what the others made the first time.
    let (labels, actions): (Vec<Label>, Vec<Bound>) =
        steps.actions.into_iter().map(|step| (step.label, step.bound)).unzip();
    let display = BuildDisplay::new(ui, &labels, store, LocalPackages::of(store, &graph));
    let (steps, mut known) = run_again(&again, &mut Independent(actions), display, labels.len())?;
    let labels = graph.labels().to_vec();
    let display = BuildDisplay::new(ui, &labels, store, LocalPackages::of(store, &graph));
    let (units, of_units) = run_again(&again, &mut graph, display, labels.len())?;
    known.extend(of_units);

    let mut differences = comparison.differences();
    let label = |difference: &Difference| known.get(&difference.action);
    let is_step = |difference: &Difference| label(difference).is_some_and(|label| label.what == What::Step);
    // Nobody takes what a step prints.
    differences.retain(|one| !is_step(one) || one.kept.outputs != one.again.outputs);
    for difference in &differences {
        tell(work.engine().store, difference, label(difference), ui)?;
    }
    let mut executed = counted(units, "unit");
    if steps > 0 {
        executed = format!("{executed} and {}", counted(steps, "step"));
    }
    if differences.is_empty() {
        ui.status("Reproduced", format!("{executed}, all the same bits"));
        return Ok(ExitCode::SUCCESS);
    }
    Err(XbuildError::user(
        format!("{} of {executed} made something else when executed again", differences.len()),
        "look at what they take from outside of their inputs: a clock, random numbers, the order of a folder",
    ))
}

/// Executes so many actions again. How many were, and what each is called.
fn run_again(
    again: &Engine<'_>,
    actions: &mut dyn xbuild_plan::Work,
    mut display: BuildDisplay<'_>,
    total: usize,
) -> Result<(usize, BTreeMap<Digest<Action>, Label>), XbuildError> {
    let summary = again.run(actions, &mut display);
    display.finish();
    let Summary { executed, failed, skipped, .. } = summary?;
    if failed > 0 {
        return Err(XbuildError::Failed { failed, skipped, total, broken: display.broken });
    }
    Ok((executed, display.gathered.units().map(|unit| (unit.action, unit.label.clone())).collect()))
}

fn tell(store: &Disk, difference: &Difference, unit: Option<&Label>, ui: &Ui) -> Result<(), XbuildError> {
    let mut files: Vec<(String, Vec<String>)> = Vec::new();
    for (path, sides) in differing_files(store, difference).map_err(RealiseError::from)? {
        files.push((path.to_string(), places(store, sides)?));
    }
    let [kept, again] = [&difference.kept, &difference.again].map(|result| store.get(result.stdout));
    let printed = differing_places(&kept?, &again?);
    if !printed.is_empty() && unit.is_none_or(|unit| unit.what != What::Step) {
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
            "package_id": unit.and_then(Label::of_package),
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
