//! Pins of packages, moved to what their suites have now.

use std::collections::{BTreeMap, BTreeSet};

use xbuild_base::{Sha256, Triple};
use xbuild_describe::{PackagePin, VariantName};
use xbuild_fetch::debian::Indexes;
use xbuild_fetch::toolchain::package_dates;

use super::{Choice, Grounds, agree, is_named, pin, tell};
use crate::age::MinAge;
use crate::cli::Global;
use crate::description::Described;
use crate::error::XbuildError;
use crate::lock::{PackageSet, PackageSets};
use crate::session::{Fetching, Session};
use crate::ui::Ui;

/// Moves all pins of packages to what their suites have now, for a project and its inputs, which have theirs in the same
/// lock, and to nothing that is younger than `min_age`. Those that no recipe asks for any more go.
pub(crate) fn update(
    global: &Global,
    projects: &[Described],
    host: &Triple,
    min_age: Option<MinAge>,
    ui: &Ui,
) -> Result<(), XbuildError> {
    let Some(first) = projects.first() else { return Ok(()) };
    let mut lock = first.lock()?;
    if lock.packages.is_empty() {
        return Ok(());
    }
    let session = Session::open(ui)?;
    let fetching = Fetching::new(&session, global, ui)?;
    let fetcher = fetching.fetcher();
    let before = lock.clone();
    let indexes = projects.iter().map(|described| fetching.indexes(&fetcher, &described.toolchains));
    let indexes: Vec<Indexes<'_>> = indexes.collect::<Result<_, _>>()?;
    let resolve = |young: &BTreeSet<Sha256>| {
        let mut packages = PackageSets::new();
        for (described, source) in projects.iter().zip(&indexes) {
            let named = before.packages.keys().filter(|set| is_named(described, set));
            let asked: BTreeSet<PackageSet> = named.cloned().collect();
            let toolchain = described.toolchain(&VariantName::default())?;
            let choice = match young.is_empty() {
                true => Choice::of_all(source),
                false => Choice { source, young, before: &before.packages },
            };
            pin(&mut packages, &asked, Grounds::new(described, toolchain, host)?, &choice)?;
        }
        Ok(packages)
    };
    // The archives of all of their suites.
    let mut toolchains = first.toolchains.clone();
    for (name, suite) in projects.iter().flat_map(|described| &described.toolchains.suites) {
        toolchains.suites.entry(name.clone()).or_insert_with(|| suite.clone());
    }
    let against = |pins: &[PackagePin]| match min_age {
        None => Ok(vec![None; pins.len()]),
        Some(age) => {
            let dates = package_dates(&fetcher, pins, &toolchains, &fetching.mirrors)?;
            Ok(dates.into_iter().map(|date| age.against(Some(date))).collect())
        }
    };
    let Moved { packages, kept } = moved(&before.packages, &resolve, &against)?;
    fetching.display.finish();
    lock.packages = packages;
    for (pin, why) in kept {
        ui.status("Kept", format!("{} ({}): {} {why}", pin.name, pin.architecture, pin.version));
    }
    for set in before.packages.keys().filter(|set| lock.packages.get(set) == before.packages.get(set)) {
        ui.status("Unchanged", set);
    }
    tell(&before.packages, &lock.packages, ui);
    first.write_lock(&lock, &before)
}

/// What is pinned now.
struct Moved {
    packages: PackageSets,
    /// What was not taken, and why.
    kept: Vec<(PackagePin, String)>,
}

/// What is against each of some pins.
type Reasons = Vec<Option<String>>;

/// Resolves all, without what there is something `against`, until nothing such is left.
fn moved(
    before: &PackageSets,
    resolve: &dyn Fn(&BTreeSet<Sha256>) -> Result<PackageSets, XbuildError>,
    against: &dyn Fn(&[PackagePin]) -> Result<Reasons, XbuildError>,
) -> Result<Moved, XbuildError> {
    let known: BTreeSet<Sha256> = before.values().flatten().map(|pin| pin.sha256).collect();
    let (mut kept, mut looked_at, mut young) = (Vec::new(), known, BTreeSet::new());
    let mut packages = loop {
        let packages = resolve(&young)?;
        let all: BTreeMap<Sha256, &PackagePin> =
            packages.values().flatten().map(|pin| (pin.sha256, pin)).collect();
        let fresh = all.into_values().filter(|pin| looked_at.insert(pin.sha256));
        let fresh: Vec<PackagePin> = fresh.cloned().collect();
        let reasons = against(&fresh)?;
        let refused = fresh.into_iter().zip(reasons).filter_map(|(pin, why)| Some((pin, why?)));
        let length = kept.len();
        kept.extend(refused);
        if kept.len() == length {
            break packages;
        }
        young.extend(kept.iter().map(|(pin, _)| pin.sha256));
    };
    // What stayed whole may have other versions than what was moved beside it, which then has to stay as well.
    while let Some(set) = packages.keys().find(|set| {
        let mut stayed = packages.iter().filter(|(other, pins)| before.get(other) == Some(*pins));
        before.get(set).is_some_and(|old| old != &packages[*set])
            && stayed.any(|(other, pins)| other.is_beside(set) && !agree(&packages[*set], pins))
    }) {
        let set = set.clone();
        let old = before.get(&set).cloned().unwrap_or_default();
        packages.insert(set, old);
    }
    Ok(Moved { packages, kept })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::Purpose;

    fn pin(name: &str, version: &str) -> PackagePin {
        PackagePin {
            name: name.to_owned(),
            version: version.to_owned(),
            architecture: "arm64".to_owned(),
            suite: "sid".to_owned(),
            path: xbuild_base::RelPath::new(format!("{name}.deb")).unwrap(),
            size: 1,
            sha256: Sha256::of(format!("{name} {version}").as_bytes()),
        }
    }

    fn set(root: &str) -> PackageSet {
        PackageSet {
            purpose: Purpose::Libraries,
            architecture: "arm64".to_owned(),
            suites: vec!["sid".to_owned()],
            roots: [root.to_owned()].into(),
        }
    }

    fn sets(sets: &[(&str, &[(&str, &str)])]) -> PackageSets {
        let pins = |pins: &[(&str, &str)]| pins.iter().map(|(name, version)| pin(name, version)).collect();
        sets.iter().map(|(root, of)| (set(root), pins(of))).collect()
    }

    /// Moves with a resolver that knows three versions of `z`, of which two may be too young.
    fn with_young(young: &[&str]) -> (PackageSets, Vec<String>) {
        let before = sets(&[("png", &[("png", "1"), ("z", "1")]), ("zip", &[("z", "1"), ("zip", "1")])]);
        let resolve = |without: &BTreeSet<Sha256>| {
            let newest = ["3", "2"].into_iter().find(|version| !without.contains(&pin("z", version).sha256));
            let Some(z) = newest else {
                // As it is for one of them: it needs more than the oldest.
                return Ok(sets(&[
                    ("png", &[("png", "1"), ("z", "1")]),
                    ("zip", &[("z", "0"), ("zip", "2")]),
                ]));
            };
            Ok(sets(&[("png", &[("png", "2"), ("z", z)]), ("zip", &[("z", z), ("zip", "1")])]))
        };
        let against = |pins: &[PackagePin]| {
            let why = |pin: &PackagePin| {
                young
                    .contains(&format!("{} {}", pin.name, pin.version).as_str())
                    .then(|| "is young".to_owned())
            };
            Ok(pins.iter().map(why).collect())
        };
        let Moved { packages, kept } = moved(&before, &resolve, &against).unwrap();
        let kept = kept.iter().map(|(pin, why)| format!("{} {} {why}", pin.name, pin.version)).collect();
        (packages, kept)
    }

    #[test]
    fn the_newest_is_taken_that_is_old_enough() {
        let (packages, kept) = with_young(&[]);
        assert_eq!((&packages[&set("zip")][0], kept), (&pin("z", "3"), vec![]));
        let (packages, kept) = with_young(&["z 3"]);
        assert_eq!((&packages[&set("png")][1], kept), (&pin("z", "2"), vec!["z 3 is young".to_owned()]));
    }

    #[test]
    fn what_can_t_lie_beside_what_stays_stays_too() {
        let (packages, kept) = with_young(&["z 3", "z 2"]);
        assert_eq!(packages[&set("png")], [pin("png", "1"), pin("z", "1")]);
        assert_eq!(packages[&set("zip")], [pin("z", "1"), pin("zip", "1")]);
        assert_eq!(kept.len(), 2);
    }
}
