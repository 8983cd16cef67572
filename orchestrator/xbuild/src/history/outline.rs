//! A run of which few units are looked at: to read all of a large one takes longer than all the rest of a dry run.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::value::RawValue;
use xbuild_action::ContentExt as _;
use xbuild_plan::reasons::Components;
use xbuild_store::Disk;

use super::{FORMAT, History, Known, UnitRecord};

/// What stands in a unit's text before its package's name, the first time in its label. A name needs no escapes.
const PACKAGE: &str = "\"package\":\"";

/// So many bytes of earlier runs than the last are read, compressed.
const MOST: u64 = 1 << 20;

/// A run, its units still as text.
#[derive(Debug, Deserialize)]
pub(crate) struct Outline {
    format: u32,
    units: Vec<Box<RawValue>>,
    /// As in a whole record.
    #[serde(default)]
    pub(crate) components: Components,
}

impl Outline {
    fn decode(bytes: &[u8]) -> Option<Self> {
        let text = zstd::decode_all(bytes).ok()?;
        serde_json::from_slice(&text).ok().filter(|outline: &Self| outline.format == FORMAT)
    }

    /// The units of packages, by their names.
    pub(crate) fn units(&self, packages: &BTreeSet<&str>) -> BTreeMap<String, Vec<UnitRecord>> {
        let is_wanted = |text: &str| {
            let name = text.split_once(PACKAGE).and_then(|(_, rest)| rest.split_once('"'));
            name.is_some_and(|(name, _)| packages.contains(name))
        };
        let texts = self.units.iter().map(|unit| unit.get()).filter(|text| is_wanted(text));
        let mut units: BTreeMap<String, Vec<UnitRecord>> = BTreeMap::new();
        for unit in texts.filter_map(|text| serde_json::from_str::<UnitRecord>(text).ok()) {
            units.entry(unit.label.package.clone()).or_default().push(unit);
        }
        units
    }
}

impl History {
    /// The runs that are known, the latest first, each read when it is asked for; not all of them, where they are large.
    pub(crate) fn outlines<'s>(&self, store: &'s Disk) -> impl Iterator<Item = Outline> + Send + use<'s> {
        let mut size = 0;
        let is_small = move |(index, run): &(usize, Known)| {
            size += run.record.size();
            *index == 0 || size <= MOST
        };
        let runs = self.known(store).into_iter().enumerate().take_while(is_small);
        runs.filter_map(|(_, run)| Outline::decode(&store.get(run.record).ok()?))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::RunRecord;
    use super::*;

    fn unit(package: &str, version: &str) -> serde_json::Value {
        let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855/0";
        json!({
            "graph": "default/x",
            "label": {
                "package": package, "version": version, "package_id": format!("registry+r#{package}@{version}"),
                "what": "Library", "platform": "x", "local": false,
            },
            "action": digest,
            "fate": "executed",
            "ingredients": {
                "argv": ["rustc", "\"package\":\"bar\""], "environment": {}, "layers": [], "mounts": {}, "files": {},
            },
            "stdout": null,
            "stderr": null,
        })
    }

    /// A record as versions before components were kept have written it.
    fn older() -> Vec<u8> {
        let units = [unit("foo", "1.0.0"), unit("foo", "2.0.0"), unit("bar", "1.0.0")];
        let text = serde_json::to_vec(&json!({ "format": FORMAT, "units": units })).unwrap();
        zstd::encode_all(text.as_slice(), 3).unwrap()
    }

    #[test]
    fn of_an_outline_those_units_are_read_that_are_wanted() {
        let outline = Outline::decode(&older()).unwrap();
        let names = |packages: &[&str]| -> Vec<String> {
            let units = outline.units(&packages.iter().copied().collect());
            units.values().flatten().map(|unit| unit.label.to_string()).collect()
        };
        assert_eq!(names(&["foo"]), ["foo 1.0.0", "foo 2.0.0"]);
        assert_eq!(names(&["bar"]), ["bar 1.0.0"]);
        assert_eq!(names(&["foo", "bar"]), ["bar 1.0.0", "foo 1.0.0", "foo 2.0.0"]);
        assert_eq!(names(&["fo"]), [""; 0]);
    }

    #[test]
    fn what_the_whole_record_writes_an_outline_reads_and_older_ones_are_read_by_both() {
        let whole = RunRecord::decode(&older()).unwrap();
        assert!(whole.components.is_empty() && whole.units.len() == 3);
        let tree =
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855/0".parse().unwrap();
        let versions = [("rustc".to_owned(), "1.96.1".to_owned())].into();
        let component = xbuild_plan::reasons::Component {
            name: "component rust".to_owned(),
            versions,
            is_pending: false,
        };
        let record = RunRecord { components: [(tree, component)].into(), ..whole };
        let outline = Outline::decode(&record.encode().unwrap()).unwrap();
        assert_eq!(outline.components, record.components);
        assert_eq!(outline.units(&["foo"].into())["foo"].len(), 2);
    }
}
