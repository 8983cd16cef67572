//! `xbuild toolchain`: the pinned toolchains.

use std::process::ExitCode;

use crate::cli::{Global, Toolchain};
use crate::description;
use crate::error::XbuildError;
use crate::ui::Ui;

pub(crate) fn run(global: &Global, verb: &Toolchain, ui: &Ui) -> Result<ExitCode, XbuildError> {
    let (toolchains, _) = description::read_data(&global.project)?;
    match verb {
        Toolchain::List => {
            for (version, toolchain) in &toolchains.toolchains {
                let mark = if *version == toolchains.default { "*" } else { " " };
                ui.output_line(&format!("{mark} {version}  {}", toolchain.distribution));
            }
            Ok(ExitCode::SUCCESS)
        }
        Toolchain::Show { .. } | Toolchain::Add { .. } | Toolchain::Update | Toolchain::Verify => {
            Err(XbuildError::user("this is not there yet", "xbuild toolchain list"))
        }
    }
}
