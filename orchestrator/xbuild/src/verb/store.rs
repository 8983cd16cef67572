//! `xbuild store verify`, `usage`, `export` and `import`, and `xbuild gc`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use indicatif::HumanBytes;
use serde_json::json;
use xbuild_action::Cancel;
use xbuild_store::{Held, Policy, Repair, Sweeping, names_in_pack};

use crate::cli::{Export, Gc, Global, Store};
use crate::error::{XbuildError, counted};
use crate::steps::Making;
use crate::ui::Ui;
use crate::work::{Wanted, planned};
use crate::{record, settings};

pub(crate) fn run(global: &Global, verb: &Store, ui: &Ui) -> Result<ExitCode, XbuildError> {
    match verb {
        Store::Verify { repair } => verify(*repair, ui),
        Store::Usage => usage(ui),
        Store::Export(wanted) => export(global, wanted, ui),
        Store::Import { file } => import(file, ui),
    }
}

/// What the outputs are planned and built from is looked up, all of it; and what was looked up since then is packed.
#[expect(clippy::disallowed_methods, reason = "what was used since a moment is about the clock")]
fn export(global: &Global, wanted: &Export, ui: &Ui) -> Result<ExitCode, XbuildError> {
    let Export { file, without, used_since, outputs } = wanted;
    let mut since = SystemTime::now();
    if let Some(seconds) = *used_since {
        since = since.min(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
    }
    let without = match without {
        Some(pack) => names_in_pack(&mut open(pack)?)?,
        None => BTreeSet::new(),
    };
    let packed = planned(global, &outputs.clone().into(), Wanted::Everything, ui, |work, planned| {
        let engine = work.engine();
        let unbuilt = |what: String| {
            XbuildError::user(
                format!("{what} not built, and a pack is of what was"),
                "build it first: xbuild all",
            )
        };
        let missing = planned.composed.without_std(engine)?;
        if let Some(ground) = missing.first() {
            return Err(unbuilt(format!("the std for {} is", ground.target)));
        }
        let mut graph = work.look(planned, Making::Run)?.graph;
        let missing = engine.missing_of_all_lookups(&mut graph)?;
        if !missing.is_empty() {
            return Err(unbuilt(format!("{} are", counted(missing.len(), "unit"))));
        }
        // With it nothing is planned where the same xbuild is asked for the same.
        if let Some(key) = work.key()? {
            let _ = record::recall(engine.store, key);
        }
        if file == Path::new("-") {
            return Ok(engine.store.export_pack(since, &without, &mut std::io::stdout().lock())?);
        }
        // Nobody finds half a pack under that name.
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut temporary =
            tempfile::NamedTempFile::new_in(folder).map_err(|error| XbuildError::machine(&error))?;
        let packed = engine.store.export_pack(since, &without, temporary.as_file_mut())?;
        temporary.persist(file).map_err(|error| XbuildError::machine(&error.error))?;
        Ok(packed)
    })?;
    told("Packed", packed, ui);
    Ok(ExitCode::SUCCESS)
}

fn import(file: &Path, ui: &Ui) -> Result<ExitCode, XbuildError> {
    let store = settings::open_store(&Cancel::default(), ui)?;
    let packed = match file == Path::new("-") {
        true => store.import_pack(&mut std::io::stdin().lock())?,
        false => store.import_pack(&mut open(file)?)?,
    };
    told("Took in", packed, ui);
    Ok(ExitCode::SUCCESS)
}

fn open(file: &Path) -> Result<fs_err::File, XbuildError> {
    fs_err::File::open(file)
        .map_err(|error| XbuildError::user(error.to_string(), "name a file that xbuild store export wrote"))
}

fn told(verb: &str, Held { files, bytes }: Held, ui: &Ui) {
    ui.status(verb, format!("{}, {}", counted_u64(files), HumanBytes(bytes)));
}

/// What the namespaces of memos are of, for people; those that aren't here are of builds.
const KINDS: [(&str, &[&str]); 3] = [
    ("toolchains", &["memo/component", "memo/official", "memo/std"]),
    (
        "crates",
        &[
            "memo/fetched-blob",
            "memo/git-commit",
            "memo/git-tree",
            "memo/unpacked-tree",
            "memo/vendored-tree",
        ],
    ),
    (
        "images",
        &[
            "memo/image-1",
            "memo/image-2",
            "memo/image-3",
            "memo/image-base-1",
            "memo/image-layer-1",
            "memo/image-scan-1",
        ],
    ),
];

fn usage(ui: &Ui) -> Result<ExitCode, XbuildError> {
    let store = settings::open_store(&Cancel::default(), ui)?;
    let usage = store.usage()?;
    let mut kinds: BTreeMap<&str, Held> = BTreeMap::new();
    for (need, held) in &usage.needs {
        let kind = match need.as_str() {
            "roots" => "results that links keep",
            "nothing" => "nothing",
            need => KINDS.iter().find(|(_, needs)| needs.contains(&need)).map_or("builds", |(kind, _)| kind),
        };
        *kinds.entry(kind).or_default() += *held;
    }
    let mut kinds: Vec<(&str, Held)> = kinds.into_iter().filter(|(_, held)| held.files > 0).collect();
    kinds.sort_by_key(|(_, held)| std::cmp::Reverse(held.bytes));
    let whole: u64 = kinds.iter().map(|(_, held)| held.bytes).sum();
    let roots = usage.roots.iter().map(|(link, held)| (link.display().to_string(), *held));
    if ui.json {
        for (kind, Held { files, bytes }) in kinds {
            let line = json!({ "reason": "xbuild-store-usage", "of": kind, "files": files, "bytes": bytes });
            ui.output_line(&line.to_string());
        }
        for (link, held) in roots {
            let bytes = held.map(|held| held.bytes);
            let line = json!({ "reason": "xbuild-store-root", "link": link, "bytes": bytes });
            ui.output_line(&line.to_string());
        }
        return Ok(ExitCode::SUCCESS);
    }
    let size = |bytes: u64| HumanBytes(bytes).to_string();
    for (kind, Held { files, bytes }) in kinds {
        ui.output_line(&format!("{:>12}  {kind} ({})", size(bytes), counted_u64(files)));
    }
    ui.output_line(&format!("{:>12}  in all", size(whole)));
    for (link, held) in roots {
        let kept = held.map_or_else(|| "gone".to_owned(), |held| size(held.bytes));
        ui.output_line(&format!("{kept:>12}  {link}"));
    }
    Ok(ExitCode::SUCCESS)
}

fn counted_u64(files: u64) -> String {
    counted(usize::try_from(files).unwrap_or(usize::MAX), "file")
}

fn verify(repair: bool, ui: &Ui) -> Result<ExitCode, XbuildError> {
    let store = settings::open_store(&Cancel::default(), ui)?;
    let mode = if repair { Repair::Remove } else { Repair::Report };
    let report = store.verify(mode, &Cancel::default())?;
    let width = report.checked.keys().map(|kind| kind.len()).max().unwrap_or(0);
    for (kind, count) in &report.checked {
        ui.output_line(&format!("{kind:width$} {count:>9} checked"));
    }
    for damage in &report.damaged {
        ui.output_line(&format!("damaged: {}: {}", damage.path.display(), damage.problem));
    }
    let damaged = counted(report.damaged.len(), "damaged file");
    match (report.damaged.is_empty(), repair) {
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
        max_size: options.max_size,
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
    ui.output_line(&format!(
        "{verb} {}, {} left",
        HumanBytes(report.bytes()),
        HumanBytes(report.kept_bytes())
    ));
    if let Some(size) = options.max_size.filter(|size| *size < report.kept_bytes()) {
        ui.note(format!(
            "it is more than {}: links in projects keep the rest (xbuild store usage)",
            HumanBytes(size)
        ));
    }
    Ok(ExitCode::SUCCESS)
}
