//! `xbuild store verify` and `xbuild gc`.

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use indicatif::HumanBytes;
use xbuild_action::Cancel;
use xbuild_store::{Policy, Repair, Sweeping};

use crate::cli::{Gc, Store};
use crate::error::XbuildError;
use crate::settings;
use crate::ui::Ui;

pub(crate) fn run(verb: &Store, ui: &Ui) -> Result<ExitCode, XbuildError> {
    let Store::Verify { repair } = verb;
    let store = settings::open_store()?;
    let mode = if *repair { Repair::Remove } else { Repair::Report };
    let report = store.verify(mode, &Cancel::default())?;
    let checked: Vec<String> = report.checked.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    ui.output_line(&format!("checked {}: {}", checked.join(", "), HumanBytes(report.bytes)));
    for damage in &report.damaged {
        ui.output_line(&format!("damaged: {}: {}", damage.path.display(), damage.problem));
    }
    match (report.damaged.len(), *repair) {
        (0, _) => {
            ui.output_line("everything is whole");
            Ok(ExitCode::SUCCESS)
        }
        (count, true) => {
            ui.output_line(&format!("removed {count} damaged entries; what needs them is made again"));
            Ok(ExitCode::SUCCESS)
        }
        (count, false) => Err(XbuildError::environment(
            format!("{count} entries of the store are damaged"),
            "xbuild store verify --repair",
        )),
    }
}

#[expect(clippy::disallowed_methods, reason = "collection by age is about the clock, and makes no result")]
pub(crate) fn gc(options: Gc, ui: &Ui) -> Result<ExitCode, XbuildError> {
    let store = settings::open_store()?;
    let policy = Policy {
        now: SystemTime::now(),
        max_age: Duration::from_secs(u64::from(options.keep_days) * 24 * 3600),
        sweeping: if options.dry_run { Sweeping::DryRun } else { Sweeping::Remove },
    };
    let report = store.gc(&policy)?;
    for (kind, swept) in &report.kinds {
        let size = HumanBytes(swept.bytes);
        ui.output_line(&format!("{kind:12} {:>8} removed  {:>8} kept  {size}", swept.removed, swept.kept));
    }
    let verb = if options.dry_run { "would free" } else { "freed" };
    ui.output_line(&format!("{verb} {}", HumanBytes(report.bytes())));
    Ok(ExitCode::SUCCESS)
}
