//! What `--trace` says of a run.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use fs_err as fs;

/// A unit's way through a run. Times are since its beginning.
#[derive(Debug, Clone, serde::Deserialize)]
pub(crate) struct Traced {
    pub(crate) unit: String,
    pub(crate) platform: String,
    pub(crate) action: Option<String>,
    pub(crate) started: Option<Duration>,
    pub(crate) metadata: Option<Duration>,
    pub(crate) ended: Option<Duration>,
    pub(crate) cached: bool,
    pub(crate) learned: bool,
}

impl Traced {
    /// The unit's key, which every unit of a build that succeeded has.
    #[track_caller]
    pub(crate) fn key(&self) -> &str {
        self.action.as_deref().unwrap_or_else(|| panic!("{} [{}] has no key", self.unit, self.platform))
    }
}

/// Reads a trace.
#[track_caller]
pub(crate) fn trace(path: &Path) -> Vec<Traced> {
    let units: Vec<Traced> = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    assert!(!units.is_empty(), "{} is empty", path.display());
    units
}

/// The keys of all units, by key, each with the units that have it.
pub(crate) fn keys(trace: &[Traced]) -> BTreeMap<String, Vec<String>> {
    let mut keys: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for unit in trace {
        keys.entry(unit.key().to_owned()).or_default().push(format!("{} [{}]", unit.unit, unit.platform));
    }
    for units in keys.values_mut() {
        units.sort();
    }
    keys
}
