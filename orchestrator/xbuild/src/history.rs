//! What the runs over a project were made of, kept in the store: for `xbuild log` and `xbuild explain`.
//!
//! A run's record names each unit, test and step, its action, and all that went into it. It can be written to a file too
//! (`--record`), and held against another machine's.

mod differences;
mod outline;
mod unit;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use xbuild_action::{Content, ContentExt as _, Directory, Entry};
use xbuild_base::{Blob, Digest, RelPath, Sha256, Tree};
use xbuild_plan::label::Label;
use xbuild_plan::reasons::{Component, Components, predecessor};
use xbuild_store::{Disk, Namespace};

use crate::error::XbuildError;
use crate::ui::{Diagnostics, Said, Ui};

pub(crate) use differences::Differences;
pub(crate) use outline::Outline;
pub(crate) use unit::{Fate, Gathered, Taken, UnitRecord};

/// The memo namespace, by project. A change of what is kept takes a new name.
const RUNS: Namespace = Namespace::new("runs-2");

/// The format of a record.
const FORMAT: u32 = 1;

/// So many runs are kept of a project.
const KEPT: usize = 20;

/// A run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RunRecord {
    format: u32,
    pub(crate) units: Vec<UnitRecord>,
    /// What the trees are that units ran over; older records don't say it.
    #[serde(default, skip_serializing_if = "Components::is_empty")]
    pub(crate) components: Components,
    /// The levels of the project's own sources; in a file alone: the store has them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    trees: BTreeMap<Digest<Tree>, BTreeMap<String, Level>>,
}

/// The part of a record that says of what it is.
#[derive(Debug, Deserialize)]
struct Names {
    units: Vec<Name>,
}

#[derive(Debug, Deserialize)]
struct Name {
    graph: String,
    label: Label,
}

/// An entry of a level.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum Level {
    File(xbuild_action::File),
    Directory(Digest<Tree>),
    Symlink(String),
}

/// Which project's runs are meant, and what is known of this one: all that a command builds, runs and tests is one.
#[derive(Debug)]
pub(crate) struct History {
    project: Sha256,
    /// The file that this run is written to as well.
    file: Option<PathBuf>,
    /// Whether a run of which everything was there counts, where something in it is known from no other.
    keeps_cached: bool,
    run: RefCell<RunRecord>,
    /// What is kept of it by now.
    kept: Cell<Option<Digest<Blob>>>,
}

/// A run that is known of a project.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Known {
    record: Digest<Blob>,
    /// What its graphs are called.
    graphs: BTreeSet<String>,
}

/// What is left of a run beside what it made: whoever is given that without a run is given this with it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Echo {
    /// What compilers and build scripts said.
    pub(crate) said: Vec<Said>,
    /// It, or the latest before it that tells of the same graphs.
    pub(crate) run: Option<Known>,
}

impl Echo {
    /// Says again what was said; and where no run is known of the same graphs, as in another folder, this one is from now on.
    pub(crate) fn repeat(&self, ui: &Ui, store: &Disk, root: &Path) {
        Diagnostics::repeat(ui, &self.said);
        if let Some(run) = &self.run
            && store.has_blob(run.record).is_ok_and(|there| there)
        {
            let history = History::new(root, None);
            let runs = history.known(store);
            if runs.iter().all(|known| !known.graphs.is_superset(&run.graphs)) {
                history.keep(store, run.clone(), runs);
            }
        }
    }
}

/// The unit of an earlier run that one of a graph is held against: the same, or that of another version whose place it has
/// taken. `is_there` says which labels there are in that graph now.
pub(crate) fn earlier<'r>(
    before: &'r [UnitRecord],
    (graph, label): (&str, &Label),
    is_there: impl Fn(&Label) -> bool,
) -> Option<&'r UnitRecord> {
    let of_graph = || before.iter().filter(|unit| unit.graph == graph);
    let find = |label: &Label| of_graph().find(|unit| unit.label == *label);
    find(label).or_else(|| find(predecessor(label, of_graph().map(|unit| &unit.label), is_there)?))
}

impl RunRecord {
    const fn new() -> Self {
        Self { format: FORMAT, units: Vec::new(), components: Components::new(), trees: BTreeMap::new() }
    }

    /// Reads one that another machine may have written, and takes its levels over.
    pub(crate) fn read(store: &Disk, path: &Path) -> Result<Self, XbuildError> {
        let bytes = fs_err::read(path)
            .map_err(|error| XbuildError::user(error.to_string(), "write one: xbuild build --record FILE"))?;
        let record = Self::decode(&bytes).ok_or_else(|| {
            XbuildError::user(
                format!("{} is no record of a run, or one of a newer xbuild", path.display()),
                "write one: xbuild build --record FILE",
            )
        })?;
        for level in record.trees.values() {
            let entry = |(name, entry): (&String, &Level)| {
                let entry = match entry {
                    Level::File(file) => Entry::File(*file),
                    Level::Directory(tree) => Entry::Directory(*tree),
                    Level::Symlink(target) => Entry::Symlink(target.clone()),
                };
                (name.clone(), entry)
            };
            store.put_directory(&Directory { entries: level.iter().map(entry).collect() })?;
        }
        Ok(record)
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        decode(bytes).filter(|record: &Self| record.format == FORMAT)
    }

    fn encode(&self) -> Result<Vec<u8>, XbuildError> {
        let text = serde_json::to_vec(self).unwrap_or_default();
        zstd::encode_all(text.as_slice(), 3)
            .map_err(|error| XbuildError::environment(error.to_string(), "try again"))
    }

    /// With the levels of local sources, so that whoever reads it can name files.
    fn with_trees(mut self, store: &dyn Content) -> Result<Self, XbuildError> {
        let local = self.units.iter().filter(|unit| unit.label.local);
        let mounts = local.flat_map(|unit| &unit.ingredients.mounts);
        let is_source = |place: &RelPath| !place.as_str().starts_with("build/script/");
        let mut open: Vec<Digest<Tree>> =
            mounts.filter(|(place, _)| is_source(place)).map(|(_, tree)| *tree).collect();
        while let Some(tree) = open.pop() {
            if self.trees.contains_key(&tree) {
                continue;
            }
            let directory = store.directory(tree)?;
            let mut level = BTreeMap::new();
            for (name, entry) in &directory.entries {
                let entry = match entry {
                    Entry::File(file) => Level::File(*file),
                    Entry::Directory(tree) => {
                        open.push(*tree);
                        Level::Directory(*tree)
                    }
                    Entry::Symlink(target) => Level::Symlink(target.clone()),
                };
                level.insert(name.clone(), entry);
            }
            self.trees.insert(tree, level);
        }
        Ok(self)
    }
}

fn decode<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    serde_json::from_slice(&zstd::decode_all(bytes).ok()?).ok()
}

impl History {
    pub(crate) fn new(root: &Path, file: Option<PathBuf>) -> Self {
        Self {
            project: Sha256::of(root.as_os_str().as_encoded_bytes()),
            file,
            keeps_cached: true,
            run: RefCell::new(RunRecord::new()),
            kept: Cell::new(None),
        }
    }

    /// Of what is built before a project's own units, and is not the project's: it must not pass for its first run.
    pub(crate) fn of_std(root: &Path) -> Self {
        Self { keeps_cached: false, ..Self::new(root, None) }
    }

    /// Takes note of what trees are that units of this run run over.
    pub(crate) fn know(&self, components: Components) {
        self.run.borrow_mut().components.extend(components);
    }

    /// What trees are, as far as it is known.
    pub(crate) fn components(&self) -> Components {
        self.run.borrow().components.clone()
    }

    /// What a tree is.
    pub(crate) fn component(&self, tree: Digest<Tree>) -> Option<Component> {
        self.run.borrow().components.get(&tree).cloned()
    }

    /// Notes a unit of this run, to be kept with those that are added next. What was noted first stays.
    pub(crate) fn note(&self, unit: UnitRecord) {
        let mut run = self.run.borrow_mut();
        if run.units.iter().all(|other| other.identity() != unit.identity()) {
            run.units.push(unit);
        }
    }

    /// Adds units to this run, and keeps it if anything was executed in it, or something of it is in no run that is known.
    /// Gives the latest that tells of its graphs. That it can't be kept costs an explanation later, and no more.
    pub(crate) fn add(&self, store: &Disk, units: Vec<UnitRecord>) -> Result<Option<Known>, XbuildError> {
        let mut run = self.run.borrow_mut();
        run.units.extend(units);
        let mut runs = self.known(store);
        runs.retain(|known| self.kept.get() != Some(known.record));
        let graphs: BTreeSet<String> = run.units.iter().map(|unit| unit.graph.clone()).collect();
        let mut latest = runs.iter().find(|known| known.graphs.is_superset(&graphs)).cloned();
        let is_executed = run.units.iter().any(|unit| unit.fate != Fate::Cached);
        if (is_executed || self.keeps_cached && !are_known(store, &runs, &run.units))
            && let Ok(record) = store.put(&run.encode()?)
        {
            let known = Known { record, graphs };
            self.kept.set(Some(record));
            self.keep(store, known.clone(), runs);
            latest = Some(known);
        }
        if let Some(path) = &self.file {
            let bytes = run.clone().with_trees(store)?.encode()?;
            fs_err::write(path, bytes).map_err(|error| XbuildError::machine(&error))?;
        }
        Ok(latest)
    }

    /// Keeps a run as the latest.
    fn keep(&self, store: &Disk, run: Known, mut runs: Vec<Known>) {
        runs.insert(0, run);
        runs.truncate(KEPT);
        let _ = store.put_memo(RUNS, self.project, &serde_json::to_vec(&runs).unwrap_or_default());
    }

    fn known(&self, store: &Disk) -> Vec<Known> {
        let memo = store.memo(RUNS, self.project);
        memo.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    /// The runs that are known, the latest first.
    pub(crate) fn runs(&self, store: &Disk) -> Vec<RunRecord> {
        let read = |run: Known| RunRecord::decode(&store.get(run.record).ok()?);
        self.known(store).into_iter().filter_map(read).collect()
    }
}

/// Whether each of these units is in a run that is known. Of most the latest has all.
fn are_known(store: &Disk, runs: &[Known], units: &[UnitRecord]) -> bool {
    let mut open: Vec<&UnitRecord> = units.iter().collect();
    for run in runs {
        if open.is_empty() {
            break;
        }
        let names = store.get(run.record).ok().and_then(|bytes| decode::<Names>(&bytes));
        let names = names.map_or_else(Vec::new, |names| names.units);
        let known: BTreeSet<(&str, &Label)> =
            names.iter().map(|name| (name.graph.as_str(), &name.label)).collect();
        open.retain(|unit| !known.contains(&unit.identity()));
    }
    open.is_empty()
}

#[cfg(test)]
mod tests {
    use xbuild_action::{Command, InputRoot};
    use xbuild_plan::Bound;

    use super::*;

    fn unit(name: &str, fate: Fate) -> UnitRecord {
        let command = Command {
            argv: vec![name.to_owned()],
            environment: BTreeMap::new(),
            working_directory: RelPath::root(),
            outputs: BTreeSet::new(),
        };
        let bound = Bound {
            command,
            inputs: InputRoot::default(),
            observe: BTreeSet::new(),
            early: None,
            is_fingerprinted: false,
        };
        UnitRecord { fate, ..UnitRecord::new(&Label::step(name), Digest::of(name.as_bytes()), &bound) }
    }

    /// The names in the runs that are kept, the latest first.
    fn kept(history: &History, store: &Disk) -> Vec<Vec<String>> {
        let names = |run: RunRecord| run.units.into_iter().map(|unit| unit.label.package).collect();
        history.runs(store).into_iter().map(names).collect()
    }

    #[test]
    fn a_command_is_one_run_and_what_is_known_from_another_makes_none() {
        let folder = tempfile::tempdir().unwrap();
        let store = Disk::open(&folder.path().join("store"), None).unwrap();
        let command = || History::new(folder.path(), None);
        let first = command();
        first.note(unit("a", Fate::Executed));
        first.note(unit("a", Fate::Cached));
        assert!(kept(&first, &store).is_empty());
        first.add(&store, vec![unit("b", Fate::Cached)]).unwrap();
        first.add(&store, vec![unit("c", Fate::Executed)]).unwrap();
        assert_eq!(kept(&first, &store), [["a", "b", "c"]]);
        assert_eq!(first.runs(&store)[0].units[0].fate, Fate::Executed);

        command().add(&store, vec![unit("c", Fate::Cached), unit("a", Fate::Cached)]).unwrap();
        History::of_std(folder.path()).add(&store, vec![unit("std", Fate::Cached)]).unwrap();
        assert_eq!(kept(&first, &store), [["a", "b", "c"]]);
        command().add(&store, vec![unit("c", Fate::Cached), unit("d", Fate::Cached)]).unwrap();
        assert_eq!(kept(&first, &store), [vec!["c", "d"], vec!["a", "b", "c"]]);
    }
}
