//! `xbuild update`: moves the pins in `xbuild.lock`.

use std::process::ExitCode;

use crate::cli::{Global, Update};
use crate::description::Described;
use crate::error::XbuildError;
use crate::image::base;
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
    base::update(&described, &update.images, update.plain_http, ui)?;
    if update.images.is_empty() {
        packages::update(global, &described, &super::build::host()?, ui)?;
    }
    Ok(ExitCode::SUCCESS)
}
