//! What a request came to, remembered by everything that it was made from: when nothing has changed, nothing is
//! planned and no action is looked at.
//!
//! | in the key | why |
//! |---|---|
//! | the format of this file; xbuild's version, and size and time of its file | another xbuild may plan otherwise |
//! | descriptions: built-in data, `xbuild.toml`, `.xbuild/`, `rust-toolchain.toml`, `--set` | they say what is built and with what |
//! | what programs are told of the commit | they hold it |
//! | the request, the isolation, the host's triple | they select and change |
//! | the packages and commits that `xbuild.lock` pins, added by [`with_pins`] | they are built with |
//! | the local sources' tree and place, `Cargo.lock` (it is among them) | they are built |
//! | the same of other projects in folders that the description leads to ([`crate::inputs::Before`]) | outputs of theirs are used |
//!
//! What compilers and build scripts warned of is remembered too, and said again each time; and so is the run's record, for
//! folders in which there was none.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use xbuild_action::{Content as _, File};
use xbuild_base::{Hasher, Sha256, Triple};
use xbuild_output::{Artefact, Place, Row, Status};
use xbuild_realise::{LocalSources, this_program};
use xbuild_store::{Disk, Namespace};

use crate::cli::{Build, Execution, Features};
use crate::description::Described;
use crate::history::Echo;
use crate::lock::{InputPin, PackageSets};
use crate::packages;
use crate::stamp::Stamp;

/// The memo namespace. A change of what is kept, or of what a key covers, takes a new name.
const REQUESTS: Namespace = Namespace::new("request-8");

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    /// How many units the graphs had.
    units: usize,
    outputs: Vec<Recorded>,
    echo: Echo,
}

#[derive(Debug, Serialize, Deserialize)]
struct Recorded {
    variant: String,
    target: Triple,
    library: bool,
    name: String,
    file: File,
}

/// The key of a request, but for what `xbuild.lock` pins.
pub(crate) fn key(
    described: &Described,
    (local, inputs): (&LocalSources, Sha256),
    build: &Build,
    host: &Triple,
    stamp: Option<&Stamp>,
) -> Sha256 {
    let mut key = Hasher::default();
    key.update_framed(&this_program());
    key.update_framed(described.fingerprint.to_string().as_str());
    key.update_framed(host.as_str());
    key.update_framed(&format!("{:?}", stamp.map(Stamp::key)));
    key.update_framed(&format!("{:?} {} {inputs}", local.tree, local.workspace));
    let Build {
        outputs,
        packages,
        bins,
        targets,
        variants,
        features: Features { features, all_features, no_default_features },
        profile,
        execution: Execution { isolation, jobs: _ },
        // These change what is done with the outputs, or how fast they come.
        keep_going: _,
        dry_run: _,
        // Nothing is remembered with it.
        affected_since: _,
        out_dir: _,
        no_link: _,
        print_out_paths: _,
        proof: _,
        timings: _,
        trace: _,
        record: _,
        // They are remembered by themselves.
        images: _,
    } = build;
    key.update_framed(&format!("{outputs:?} {packages:?} {bins:?} {targets:?} {variants:?} {features:?}"));
    key.update_framed(&format!("{all_features} {no_default_features} {:?} {isolation:?}", profile.name()));
    key.sha256()
}

/// A key, with what is pinned.
pub(crate) fn with_pins(
    key: Sha256,
    packages: &PackageSets,
    inputs: &[BTreeMap<String, InputPin>],
) -> Sha256 {
    let mut whole = Hasher::default();
    whole.update_framed(&packages::fingerprint(key, packages).to_string());
    inputs.iter().for_each(|pins| whole.update_framed(&format!("{pins:?}")));
    whole.sha256()
}

/// What an equal request before this one came to.
pub(crate) struct Recalled {
    /// How many units the graphs had.
    pub(crate) units: usize,
    pub(crate) rows: Vec<Row>,
    /// What there is of its run.
    pub(crate) echo: Echo,
}

/// What an equal request before this one came to, if all of its outputs are still in the store.
pub(crate) fn recall(store: &Disk, key: Sha256) -> Option<Recalled> {
    let Record { units, outputs, echo } = serde_json::from_slice(&store.memo(REQUESTS, key)?).ok()?;
    let row = |one: Recorded| {
        let there = store.has_blob(one.file.digest).is_ok_and(|there| there);
        there.then_some(Row {
            artefact: Artefact {
                variant: one.variant,
                target: one.target,
                place: if one.library { Place::Lib } else { Place::Bin },
                name: one.name,
                file: one.file,
            },
            status: Status::Cached,
            time: Duration::ZERO,
            path: None,
        })
    };
    Some(Recalled { units, rows: outputs.into_iter().map(row).collect::<Option<_>>()?, echo })
}

/// Remembers what a request came to. That it can't be written costs time later, and no more.
pub(crate) fn remember(store: &Disk, key: Sha256, Recalled { units, rows, echo }: Recalled) {
    let outputs = rows
        .iter()
        .map(|Row { artefact, status: _, time: _, path: _ }| Recorded {
            variant: artefact.variant.clone(),
            target: artefact.target.clone(),
            library: artefact.place == Place::Lib,
            name: artefact.name.clone(),
            file: artefact.file,
        })
        .collect();
    let record = Record { units, outputs, echo };
    if let Ok(bytes) = serde_json::to_vec(&record) {
        let _ = store.put_memo(REQUESTS, key, &bytes);
    }
}
