//! Outputs: found among the units, proved, put where people find them, told.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use xbuild_base::Triple;
use xbuild_cargo::ArtefactKind as Kind;
use xbuild_describe::{Asked, OutputKind};
use xbuild_output::{
    Artefact, Extent, Overrides, Place, Row, Status, install, installed, json_lines, store_path, table,
};
use xbuild_plan::Work as _;
use xbuild_plan::graph::{Graph, UnitOf};
use xbuild_plan::queue::{Node, Wait};

use crate::cli::Build;
use crate::composed::spec;
use crate::description::Described;
use crate::error::XbuildError;
use crate::native::Supplied;
use crate::proof;
use crate::session::Session;
use crate::ui::{Traced, Ui};
use crate::work::{Wanted, request};

/// The outputs that were asked for, from the units that made them.
pub(crate) fn rows(graph: &Graph<'_>, asked: &[Asked], trace: &[Traced]) -> Vec<Row> {
    let needs = graph.nodes();
    let mut rows = Vec::new();
    for (part, one) in asked.iter().enumerate() {
        let context = &graph.parts()[part].context;
        for &unit in &graph.parts()[part].wanted {
            let Some(node) = graph.node(UnitOf { part, unit }) else { continue };
            for artefact in context.artefacts(unit) {
                let wanted = |kind| {
                    let name = &context.unit(unit).target.name;
                    one.selected.iter().any(|s| s.output.kind == kind && s.output.name == *name)
                };
                let place = match artefact.kind {
                    Kind::Program if wanted(OutputKind::Bin) => Place::Bin,
                    Kind::DynamicLibrary if wanted(OutputKind::Cdylib) => Place::Lib,
                    Kind::ImportLibrary if wanted(OutputKind::Cdylib) => Place::Lib,
                    Kind::StaticLibrary if wanted(OutputKind::Staticlib) => Place::Lib,
                    _ => continue,
                };
                let Some(&file) = graph.files(node).get(&artefact.file) else { continue };
                rows.push(Row {
                    artefact: Artefact {
                        variant: one.variant.to_string(),
                        target: one.target.clone(),
                        place,
                        name: artefact.installed.clone(),
                        file,
                    },
                    status: if trace[node].cached { Status::Cached } else { Status::Built },
                    time: executed_for(node, &needs, trace),
                    path: None,
                });
            }
        }
    }
    rows
}

/// How long the actions took that were executed for a node and for all that it needs.
fn executed_for(node: Node, needs: &[(u64, Vec<(Node, Wait)>)], trace: &[Traced]) -> Duration {
    let (mut seen, mut open, mut time) = (BTreeSet::from([node]), vec![node], Duration::ZERO);
    while let Some(node) = open.pop() {
        time += trace[node].executed();
        open.extend(needs[node].1.iter().map(|(needed, _)| *needed).filter(|needed| seen.insert(*needed)));
    }
    time
}

/// Checks each output against what its target promises, and the libraries that packages bring.
pub(crate) fn prove(
    session: &Session,
    described: &Described,
    (asked, libraries): (&[Asked], &BTreeMap<(String, Triple), Supplied>),
    rows: &[Row],
    build: &Build,
    ui: &Ui,
) -> Result<(), XbuildError> {
    for row in rows {
        let target = &row.artefact.target;
        let glibc = asked.iter().find(|one| one.target == *target).and_then(|one| one.glibc);
        let mut expectation = proof::expectation(spec(described, target)?, glibc);
        let supplied = libraries.get(&(row.artefact.variant.clone(), target.clone()));
        expectation
            .libraries
            .extend(supplied.into_iter().flat_map(|supplied| supplied.names.iter().cloned()));
        let proof = xbuild_output::prove_stored(&session.store, row.artefact.file, &expectation)?;
        let name = row.artefact.path()?.to_string();
        if build.proof && ui.json {
            let line = serde_json::json!({ "reason": "xbuild-proof", "output": name, "proof": proof });
            ui.output_line(&line.to_string());
        } else if build.proof {
            ui.output_line(&format!("{name}\n{proof}"));
        }
        proof.accept(&name)?;
    }
    Ok(())
}

/// Puts the outputs where people find them, and tells of them.
pub(crate) fn deliver(
    session: &Session,
    described: &Described,
    build: &Build,
    ui: &Ui,
    mut rows: Vec<Row>,
) -> Result<(), XbuildError> {
    let request = request(build, &Wanted::Everything);
    let overrides = Overrides::new(request.overrides(&described.description));
    let artefacts: Vec<Artefact> = rows.iter().map(|row| row.artefact.clone()).collect();
    let paths = if let Some(folder) = &build.out_dir {
        Some(xbuild_output::export(&session.store, folder, &artefacts)?)
    } else if build.no_link {
        None
    } else if let Some(paths) = installed(&session.store, described.results(), &artefacts) {
        Some(paths)
    } else {
        Some(install(&session.store, described.results(), &artefacts, Extent::Part)?)
    };
    for (row, path) in rows.iter_mut().zip(paths.into_iter().flatten()) {
        row.path = Some(path);
    }
    if build.print_out_paths {
        for artefact in &artefacts {
            ui.output_line(&store_path(&session.store, artefact)?.display().to_string());
        }
    } else if ui.json {
        ui.output_line(json_lines(&rows, &overrides)?.trim_end());
    } else if !ui.quiet {
        let width = columns();
        let colour = if ui.color { xbuild_output::Colour::Always } else { xbuild_output::Colour::Never };
        ui.output_line(table(&rows, &overrides, width, colour).trim_end());
    }
    Ok(())
}

/// Columns of the terminal; many where there is none.
fn columns() -> usize {
    rustix::termios::tcgetwinsize(std::io::stdout()).map_or(200, |size| usize::from(size.ws_col).max(40))
}
