//! `xbuild store verify` and `xbuild gc`.

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use indicatif::HumanBytes;
use xbuild_action::Cancel;
use xbuild_store::{Policy, Repair, Sweeping};

use crate::cli::{Gc, Store};
use crate::error::{XbuildError, counted};
use crate::settings;
use crate::ui::Ui;

pub(crate) fn run(verb: &Store, ui: &Ui) -> Result<ExitCode, XbuildError> {
    let Store::Verify { repair } = verb;
    let store = settings::open_store(&Cancel::default(), ui)?;
    let mode = if *repair { Repair::Remove } else { Repair::Report };
    let report = store.verify(mode, &Cancel::default())?;
    let width = report.checked.keys().map(|kind| kind.len()).max().unwrap_or(0);
    for (kind, count) in &report.checked {
        ui.output_line(&format!("{kind:width$} {count:>9} checked"));
    }
    for damage in &report.damaged {
        ui.output_line(&format!("damaged: {}: {}", damage.path.display(), damage.problem));
    }
    let damaged = counted(report.damaged.len(), "damaged file");
    match (report.damaged.is_empty(), *repair) {
        (true, _) => {
            ui.output_line(&format!("{} in the store, all of it whole", HumanBytes(report.bytes)));
            Ok(ExitCode::SUCCESS)
        }
        (false, true) => {
            ui.output_line(&format!("removed {damaged}; what needs it is made again"));
            Ok(ExitCode::SUCCESS)
        }
        (false, false) => {
            Err(XbuildError::environment(format!("the store has {damaged}"), "xbuild store verify --repair"))
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "collection by age is about the clock, and makes no result")]
pub(crate) fn gc(options: Gc, ui: &Ui) -> Result<ExitCode, XbuildError> {
    let store = settings::open_store(&Cancel::default(), ui)?;
    let policy = Policy {
        now: SystemTime::now(),
        max_age: Duration::from_secs(u64::from(options.keep_days) * 24 * 3600),
        sweeping: if options.dry_run { Sweeping::DryRun } else { Sweeping::Remove },
    };
    let report = store.gc(&policy)?;
    let removed = if options.dry_run { "would go" } else { "removed" };
    let width = report.kinds.keys().map(|kind| kind.len()).max().unwrap_or(0);
    for (kind, swept) in &report.kinds {
        let size = HumanBytes(swept.bytes).to_string();
        ui.output_line(&format!(
            "{kind:width$} {:>9} {removed} {size:>12} {:>9} kept",
            swept.removed, swept.kept
        ));
    }
    let verb = if options.dry_run { "would free" } else { "freed" };
    ui.output_line(&format!("{verb} {}", HumanBytes(report.bytes())));
    Ok(ExitCode::SUCCESS)
}
