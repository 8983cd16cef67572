//! `xbuild develop --unit UNIT`: a shell that sees what a unit's action sees, and nothing else, with its command line in a
//! file: for a unit that has failed above all.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use xbuild_action::{ContentExt as _, Entry, File, Staging as _, TreeBuilder, TreeError};
use xbuild_base::{Digest, RelPath, Tree};
use xbuild_exec::{Ground, enter};
use xbuild_fetch::FetchError;
use xbuild_plan::places::place;
use xbuild_plan::reasons::Ingredients;
use xbuild_store::Disk;

use super::explain::{latest, runs};
use crate::cli::Global;
use crate::error::XbuildError;
use crate::session::Session;
use crate::settings;
use crate::ui::{Ui, quoted};

/// The file that runs the unit's program.
const COMMAND: &str = "build/unit";
/// What the shell is: every sandbox has it.
const SHELL: &str = "/usr/bin/sh";

pub(crate) fn run(
    global: &Global,
    words: &str,
    line: Option<&str>,
    ui: &Ui,
) -> Result<ExitCode, XbuildError> {
    let session = Session::open(ui)?;
    let runs = runs(global, &session)?;
    let units = latest(&runs, words)?;
    let Some(unit) = units.first() else { return Ok(ExitCode::SUCCESS) };
    if units.len() > 1 {
        let others: Vec<String> = units
            .iter()
            .skip(1)
            .map(|unit| format!("\"{} [{}]\"", unit.label.in_full(), unit.label.platform))
            .collect();
        ui.note(format!("there are others: {}", others.join(", ")));
    }
    ui.status(
        "Entering",
        format!("{} [{}]; its command line: /{COMMAND}", unit.label.in_full(), unit.label.platform),
    );
    let folder = unit.ingredients.working_directory.clone().unwrap_or_else(|| place("build"));
    let mut argv = vec![SHELL.to_owned()];
    argv.extend(line.into_iter().flat_map(|line| ["-c".to_owned(), line.to_owned()]));
    let entry = xbuild_exec::Entry {
        layers: layers(&session.store, &unit.ingredients, &folder)?,
        ground: Ground::Nothing { folder: PathBuf::from(folder.in_sandbox()) },
        argv,
        environment: environment(&unit.ingredients),
    };
    Err(XbuildError::environment(
        format!("could not start {SHELL}: {}", enter(&entry)),
        "see what this machine allows: xbuild doctor",
    ))
}

/// The unit's own variables, and of the caller's none but what the terminal is.
fn environment(of: &Ingredients) -> BTreeMap<String, Option<String>> {
    let callers = settings::names().filter(|name| name != "TERM").map(|name| (name, None));
    let own = of.environment.iter().map(|(name, value)| (name.clone(), Some(value.clone())));
    callers.chain(own).collect()
}

/// The folders that are its root when they lie over each other.
fn layers(store: &Disk, of: &Ingredients, folder: &RelPath) -> Result<Vec<PathBuf>, XbuildError> {
    let gone = |_| {
        XbuildError::user("the store has no longer what the unit was made of", "build it again: xbuild build")
    };
    let mut layers = vec![store.materialise(files(store, of, folder)?).map_err(gone)?];
    for (at, tree) in &of.mounts {
        layers.push(store.materialise_at(*tree, at).map_err(gone)?);
    }
    for tree in of.layers.iter().rev() {
        layers.push(store.materialise(*tree).map_err(gone)?);
    }
    Ok(layers.into_iter().map(|layer| store.folder().join(layer)).collect())
}

/// Its single files and folders, and the one with its command line.
fn files(store: &Disk, of: &Ingredients, folder: &RelPath) -> Result<Digest<Tree>, XbuildError> {
    let failed = |error: TreeError| XbuildError::from(FetchError::from(error));
    let mut tree = TreeBuilder::default();
    for path in of.directories.iter().chain([folder]) {
        tree.make_directory(store, path).map_err(failed)?;
    }
    for (path, digest) in &of.files {
        let file = File { digest: *digest, executable: of.programs.contains(path) };
        tree.insert(store, path, Entry::File(file)).map_err(failed)?;
    }
    let command = format!("#!{SHELL}\ncd {} && exec {}\n", folder.in_sandbox(), quoted(&of.argv));
    let file = File { digest: store.put(command.as_bytes())?, executable: true };
    tree.insert(store, &place(COMMAND), Entry::File(file)).map_err(failed)?;
    tree.build(store).map_err(failed)
}
