//! `xbuild update`: moves the pins in `xbuild.lock`.

use std::process::ExitCode;

use crate::cli::{Execution, Global, Update};
use crate::description::Described;
use crate::error::XbuildError;
use crate::image::base;
use crate::inputs::{self, Hands, Updated};
use crate::session::Session;
use crate::ui::Ui;
use crate::{packages, settings};

pub(crate) fn run(global: &Global, update: &Update, ui: &Ui) -> Result<ExitCode, XbuildError> {
    let refused =
        |what: &str| Err(XbuildError::user(format!("{what}: no pin can be moved"), "leave it away"));
    if settings::is_offline(global)? {
        return refused("--offline");
    }
    if global.locked {
        return refused("--locked");
    }
    let described = Described::read(global)?;
    let Update { names, plain_http } = update;
    let Updated { projects, names: inputs } = match described.inputs.is_empty() {
        true => Updated::default(),
        false => {
            let session = Session::open(ui)?;
            let hands = Hands { global, session: &session, ui, execution: Execution::default() };
            inputs::update(&described, names, hands)?
        }
    };
    let images: Vec<String> = names.iter().filter(|name| !inputs.contains(name)).cloned().collect();
    if names.is_empty() || !images.is_empty() {
        base::update(&described, &images, *plain_http, ui)?;
    }
    if names.is_empty() {
        packages::update(global, &described, &projects, &super::build::host()?, ui)?;
    }
    Ok(ExitCode::SUCCESS)
}
