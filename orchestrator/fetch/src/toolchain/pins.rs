//! Pins as fixed outputs, and their fetching.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use xbuild_base::{Digest, RelPath, Tree};
use xbuild_describe::{PackagePin, Toolchains, Wheel, WheelPin};

use super::shape::literal_start;
use crate::debian::{DebianError, Mirrors};
use crate::error::FetchError;
use crate::fetcher::Fetcher;
use crate::output::{FixedOutput, Place, Unpack};
use crate::source::wheel::{self as source, PackageIndex};
use crate::unpack::deb;

/// The archive of a suite, `debian` where nothing else is said.
pub(crate) fn archive_of<'t>(toolchains: &'t Toolchains, suite: &str) -> &'t str {
    toolchains.suites.get(suite).map_or("debian", |suite| suite.archive.as_str())
}

/// A pinned package, at every mirror of its suite's archive.
///
/// # Errors
/// When a mirror's address can't be used.
pub fn package_output(
    pin: &PackagePin,
    toolchains: &Toolchains,
    mirrors: &Mirrors,
) -> Result<FixedOutput, FetchError> {
    let PackagePin { name, version, architecture, suite, path, size, sha256 } = pin;
    let bases = mirrors.bases(archive_of(toolchains, suite)).iter();
    Ok(FixedOutput {
        name: format!("{name} {version} ({architecture})"),
        sha256: *sha256,
        size: Some(*size),
        places: bases.map(|base| Place::from_url(&format!("{base}/{path}"))).collect::<Result<_, _>>()?,
        kind: Unpack::Deb,
    })
}

/// When pinned packages were made, in their order, in seconds since 1970. They are fetched: their own archives say it, to
/// which Debian's builds give the date of the changelog's last entry (dpkg-deb(1), `SOURCE_DATE_EPOCH`).
///
/// # Errors
/// When one can't be had, or is no package.
pub fn package_dates(
    fetcher: &Fetcher<'_>,
    pins: &[PackagePin],
    toolchains: &Toolchains,
    mirrors: &Mirrors,
) -> Result<Vec<u64>, FetchError> {
    let outputs = pins.iter().map(|pin| package_output(pin, toolchains, mirrors));
    let outputs: Vec<FixedOutput> = outputs.collect::<Result<_, _>>()?;
    let blobs = fetcher.blobs(&outputs)?;
    let date = |(output, blob): (&FixedOutput, _)| {
        deb::date(fetcher.store().open_blob(blob)?).map_err(|error| error.named(&output.name))
    };
    outputs.iter().zip(blobs).map(date).collect()
}

/// The parts of a pinned wheel that a recipe keeps, each at its place in the component's tree. (Patterns are
/// applied to them afterwards: here only what lies beside all that they can match is left out.)
#[must_use]
pub fn wheel_outputs(pin: &WheelPin, wheel: &Wheel, index: &Arc<PackageIndex>) -> Vec<FixedOutput> {
    let mut starts: BTreeSet<RelPath> = wheel.keep.iter().map(|pattern| literal_start(pattern)).collect();
    if starts.is_empty() {
        starts.insert(RelPath::root());
    }
    let below_another =
        |start: &RelPath| starts.iter().any(|other| other != start && start.strip_prefix(other).is_some());
    let kept = starts.iter().filter(|start| !below_another(start));
    kept.map(|start| {
        let wheel = source::Wheel {
            name: pin.name.clone(),
            version: pin.version.clone(),
            file_name: pin.file.clone(),
            sha256: pin.sha256,
            size: Some(pin.size),
            keep: start.clone(),
            prefix: wheel.prefix.join(start),
        };
        wheel.output(index)
    })
    .collect()
}

/// The trees of all of `wanted`, in order. A file that several of them are parts of is downloaded once.
pub(crate) fn fetch(fetcher: &Fetcher<'_>, wanted: &[FixedOutput]) -> Result<Vec<Digest<Tree>>, FetchError> {
    let missing = fetcher.missing(wanted)?;
    let homeless = missing.iter().any(|index| wanted[*index].places.is_empty());
    if homeless && !fetcher.settings().offline && fetcher.settings().mirrors.is_empty() {
        return Err(DebianError::NoMirror { archive: "debian".to_owned() }.into());
    }
    let mut files: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for index in missing {
        files.entry(wanted[index].sha256).or_default().push(index);
    }
    let (mut shared, mut single) = (Vec::new(), Vec::new());
    for indexes in files.into_values() {
        let list = if indexes.len() > 1 { &mut shared } else { &mut single };
        list.push(wanted[indexes[0]].clone());
    }
    if !shared.is_empty() {
        std::thread::scope(|scope| {
            let singles = scope.spawn(|| fetcher.trees(&single));
            let shared = fetcher.blobs(&shared);
            let singles = match singles.join() {
                Ok(trees) => trees,
                Err(panic) => std::panic::resume_unwind(panic),
            };
            shared.map(drop).and(singles.map(drop))
        })?;
    }
    fetcher.trees(wanted)
}
