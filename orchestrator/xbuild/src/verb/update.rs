//! `xbuild update`: moves the pins in `xbuild.lock`.

use std::process::ExitCode;

use xbuild_describe::suggest;

use crate::cli::{Execution, Global, Update};
use crate::description::Described;
use crate::error::XbuildError;
use crate::image::base;
use crate::inputs::{self, Hands};
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
    if !global.override_inputs.is_empty() {
        return refused("--override-input");
    }
    let described = Described::read(global)?;
    let Update { names, min_age, plain_http } = update;
    let is_input = |name: &String| described.inputs.names().any(|input| input == inputs::first(name));
    let (of_inputs, of_images): (Vec<String>, Vec<String>) = names.iter().cloned().partition(is_input);
    let bases = base::references(&described, &[]);
    // Before any pin is moved.
    if let Some(strange) = of_images.iter().find(|name| !bases.contains(name)) {
        let known: Vec<&str> = described.inputs.names().chain(bases.iter().map(String::as_str)).collect();
        return Err(XbuildError::user(
            format!("there is no input `{strange}`, and no image is based on it"),
            suggest(strange, "names", &known),
        ));
    }
    let mut projects = Vec::new();
    if !described.inputs.is_empty() && (names.is_empty() || !of_inputs.is_empty()) {
        let (session, execution) = (Session::open(ui)?, Execution::default());
        let hands = Hands { global, session: &session, ui, execution };
        projects = inputs::update(&described, &of_inputs, *min_age, hands)?;
    }
    if names.is_empty() || !of_images.is_empty() {
        base::update(&described, &of_images, *plain_http, *min_age, ui)?;
    }
    if names.is_empty() {
        projects.insert(0, described);
        packages::update(global, &projects, &crate::work::host()?, *min_age, ui)?;
    }
    Ok(ExitCode::SUCCESS)
}
