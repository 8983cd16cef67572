//! Images of a project's programs, from a request to where they go.
//!
//! | module | what it does |
//! |---|---|
//! | `select` | request × description → targets, and what must be built |
//! | `base` | what images are based on: pinned in `xbuild.lock`, pulled |
//! | `files` | `[image.files]` → what lies at each path |
//! | `make` | outputs → images in the store |
//! | `place` | images → folders, archives, daemons |
//! | `push` | images → repositories |
//! | `inspect` | what is in an image, and why |

pub(crate) mod base;
mod files;
pub(crate) mod inspect;
mod make;
pub(crate) mod outside;
pub(crate) mod place;
pub(crate) mod push;
pub(crate) mod select;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use xbuild_action::Content as _;
use xbuild_base::{Hasher, Sha256};
use xbuild_image::Layout;
use xbuild_store::{Disk, Namespace};

use crate::history::Echo;

pub(crate) use make::{Ground, make};

/// The memo namespace: a request → its images. A change of what is in images takes a new name.
const IMAGES: Namespace = Namespace::new("image-3");

/// What is remembered of a request.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) made: Vec<Made>,
    /// What there is of the run that built their programs.
    pub(crate) echo: Echo,
}

/// An image of some platforms, in the store.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Made {
    pub(crate) variant: String,
    pub(crate) name: String,
    /// The repository that the description names, if it does.
    pub(crate) repository: Option<String>,
    pub(crate) layout: Layout,
    pub(crate) images: Vec<xbuild_image::Image>,
    /// What its user should know of it.
    pub(crate) notes: Vec<String>,
    /// How long each of `images` took to make, in their order, where they were made now; else nothing.
    #[serde(skip)]
    pub(crate) times: Vec<Duration>,
}

/// The key of a request for images: what is said of them in the description is in the build's own key, and so are
/// the targets.
pub(crate) fn key(build: Sha256, names: &[String], ground: &Ground) -> Sha256 {
    let mut key = Hasher::default();
    let Ground { pins, revision, machine } = ground;
    key.update(format!("{build} {names:?} {pins:?} {revision:?} {machine:?}").as_bytes());
    key.sha256()
}

/// What an equal request before this one came to, if all of it is still in the store.
pub(crate) fn recall(store: &Disk, key: Sha256) -> Option<Record> {
    let record: Record = serde_json::from_slice(&store.memo(IMAGES, key)?).ok()?;
    let whole = |made: &Made| {
        let contents = made.images.iter().map(|image| image.contents);
        let mut blobs = made.layout.blobs.iter().copied().chain(contents);
        let blobs = blobs.all(|blob| store.has_blob(blob).is_ok_and(|there| there));
        blobs && store.has_tree(made.layout.tree).is_ok_and(|there| there)
    };
    record.made.iter().all(whole).then_some(record)
}

/// That it can't be written costs time later, and no more.
pub(crate) fn remember(store: &Disk, key: Sha256, record: &Record) {
    if let Ok(record) = serde_json::to_vec(record) {
        let _ = store.put_memo(IMAGES, key, &record);
    }
}
