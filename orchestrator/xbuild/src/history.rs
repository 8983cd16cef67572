//! What the runs over a project were made of, kept in the store: for `xbuild log` and `xbuild explain`.
//!
//! A run's record names each unit, its action, and all that went into it. It can be written to a file too
//! (`--record`), and held against another machine's.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use xbuild_action::{Content, ContentExt as _, Directory, Entry};
use xbuild_base::{Action, Blob, Digest, RelPath, Sha256, Tree};
use xbuild_plan::label::Label;
use xbuild_plan::reasons::Ingredients;
use xbuild_store::{Disk, Namespace};

use crate::error::XbuildError;
use crate::ui::{Diagnostics, Said, Ui};

/// The memo namespace, by project. A change of what is kept takes a new name.
const RUNS: Namespace = Namespace::new("runs-2");

/// The format of a record.
const FORMAT: u32 = 1;

/// So many runs are kept of a project.
const KEPT: usize = 20;

/// How a unit came to its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Fate {
    Executed,
    Cached,
    Failed,
}

/// A unit of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct UnitRecord {
    /// The graph that it is of: one unit may be there in several, each time another.
    pub(crate) graph: String,
    pub(crate) label: Label,
    pub(crate) action: Digest<Action>,
    pub(crate) fate: Fate,
    pub(crate) ingredients: Ingredients,
    /// What its program printed.
    pub(crate) stdout: Option<Digest<Blob>>,
    pub(crate) stderr: Option<Digest<Blob>>,
}

/// A run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RunRecord {
    format: u32,
    pub(crate) units: Vec<UnitRecord>,
    /// The levels of the project's own sources; in a file alone: the store has them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    trees: BTreeMap<Digest<Tree>, BTreeMap<String, Level>>,
}

/// An entry of a level.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum Level {
    File(xbuild_action::File),
    Directory(Digest<Tree>),
    Symlink(String),
}

/// Which project's runs are meant, and whether this one goes to a file as well.
#[derive(Debug, Clone)]
pub(crate) struct History {
    project: Sha256,
    file: Option<PathBuf>,
    /// What the graphs of this run are called, by part.
    pub(crate) graphs: Vec<String>,
    /// Whether a run of which everything was there counts, where none is known of its graphs.
    keeps_cached: bool,
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

impl RunRecord {
    pub(crate) fn new(units: Vec<UnitRecord>) -> Self {
        Self { format: FORMAT, units, trees: BTreeMap::new() }
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
        let text = zstd::decode_all(bytes).ok()?;
        serde_json::from_slice(&text).ok().filter(|record: &Self| record.format == FORMAT)
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

impl History {
    pub(crate) fn new(root: &Path, file: Option<PathBuf>) -> Self {
        Self {
            project: Sha256::of(root.as_os_str().as_encoded_bytes()),
            file,
            graphs: Vec::new(),
            keeps_cached: true,
        }
    }

    /// Of what is built before a project's own units, and is not the project's: it must not pass for its first run.
    pub(crate) fn of_std(root: &Path) -> Self {
        Self { keeps_cached: false, ..Self::new(root, None) }
    }

    /// Adds a run, if anything was executed in it, or none is known of its graphs. Gives the latest that tells of them. That it
    /// can't be kept costs an explanation later, and no more.
    pub(crate) fn add(&self, store: &Disk, units: Vec<UnitRecord>) -> Result<Option<Known>, XbuildError> {
        let runs = self.known(store);
        let record = RunRecord::new(units);
        let is_executed = record.units.iter().any(|unit| unit.fate != Fate::Cached);
        let graphs: BTreeSet<String> = record.units.iter().map(|unit| unit.graph.clone()).collect();
        let mut latest = runs.iter().find(|run| run.graphs.is_superset(&graphs)).cloned();
        if (is_executed || latest.is_none() && self.keeps_cached)
            && let Ok(record) = store.put(&record.encode()?)
        {
            let run = Known { record, graphs };
            self.keep(store, run.clone(), runs);
            latest = Some(run);
        }
        if let Some(path) = &self.file {
            let bytes = record.with_trees(store)?.encode()?;
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
