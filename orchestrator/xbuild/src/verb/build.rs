//! `xbuild build` and `xbuild all`: from a project's folder to its outputs.

use std::process::ExitCode;

use crate::cli::{Build, Global};
use crate::description::Described;
use crate::error::XbuildError;
use crate::outputs;
use crate::session::Session;
use crate::ui::Ui;
use crate::work::{Wanted, make, request};

pub(crate) fn run(global: &Global, build: &Build, ui: &Ui) -> Result<ExitCode, XbuildError> {
    let described = Described::read(global)?;
    described.toolchains_for(&request(build, &Wanted::Everything))?;
    run_in(global, build, &described, &Session::open(ui)?, ui)
}

/// `xbuild all`: the images too, where the description has some and all outputs are asked for.
pub(crate) fn run_all(global: &Global, build: &Build, ui: &Ui) -> Result<ExitCode, XbuildError> {
    let described = Described::read(global)?;
    described.toolchains_for(&request(build, &Wanted::Everything))?;
    let session = Session::open(ui)?;
    let Build { outputs, packages, bins, features, .. } = build;
    let is_whole = outputs.is_empty() && packages.is_empty() && bins.is_empty();
    let is_whole =
        is_whole && features.is_default() && build.out_dir.is_none() && build.affected_since.is_none();
    let is_plain = !build.print_out_paths && build.trace.is_none();
    let images = described.description.images.is_described && is_whole && is_plain;
    let code = run_in(global, &Build { images, ..build.clone() }, &described, &session, ui)?;
    if images && !build.dry_run {
        super::image::run_after(global, &described, build, &session, ui)?;
    }
    Ok(code)
}

fn run_in(
    global: &Global,
    build: &Build,
    described: &Described,
    session: &Session,
    ui: &Ui,
) -> Result<ExitCode, XbuildError> {
    let rows = make(global, build, described, session, ui)?.filter(|rows| !rows.is_empty());
    let Some(rows) = rows else { return Ok(ExitCode::SUCCESS) };
    outputs::deliver(session, described, build, ui, rows)?;
    Ok(ExitCode::SUCCESS)
}
