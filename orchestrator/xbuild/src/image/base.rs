//! What images are based on: references are pinned in `xbuild.lock`, and what the pins name is pulled.

use std::collections::BTreeMap;

use xbuild_action::{Content as _, ContentExt as _};
use xbuild_base::{Blob, Digest, Hasher, Sha256};
use xbuild_describe::Base;
use xbuild_fetch::{FixedOutput, Unpack};
use xbuild_image::{Platform, Pulled};
use xbuild_registry::{Image, Sources};
use xbuild_store::{Disk, Namespace};

use super::select::is_wanted;
use crate::age::{self, MinAge};
use crate::cli::Global;
use crate::description::Described;
use crate::error::XbuildError;
use crate::lock::{ImagePin, Lock};
use crate::session::{Fetching, Session};
use crate::ui::Ui;
use crate::work::{Later, Undone, Work};

/// The memo namespace: a reference, what it is pinned to and a platform → the blob that holds a [`Pulled`].
const BASES: Namespace = Namespace::new("image-base-1");

/// References → digests.
pub(crate) type Pins = BTreeMap<String, String>;

/// The references that the wanted images may be based on; all, where none is named.
pub(crate) fn references(described: &Described, names: &[String]) -> Vec<String> {
    let bases = described.description.images.bases(|name| is_wanted(names, name));
    let reference = |base| match base {
        Base::Pulled(reference) => Some(reference),
        Base::Static | Base::Scratch => None,
    };
    bases.into_iter().filter_map(reference).collect()
}

/// What each base is pinned to. One that has no pin yet gets one, which is written to the lock.
pub(crate) fn pins(
    global: &Global,
    described: &Described,
    names: &[String],
    plain_http: bool,
    ui: &Ui,
) -> Result<Pins, XbuildError> {
    let mut pins = Pins::new();
    let references = references(described, names);
    if references.is_empty() {
        return Ok(pins);
    }
    let mut lock = described.lock()?;
    let before = lock.clone();
    for reference in references {
        let digest = match (xbuild_registry::digest_of(&reference)?, lock.images.get(&reference)) {
            (Some(digest), _) => digest,
            (None, Some(pin)) => pin.digest.clone(),
            (None, None) => {
                if let Some(help) = described.refuses_pins(global, "its digest")? {
                    return Err(XbuildError::user(format!("{reference} has no pin in xbuild.lock"), help));
                }
                let digest = xbuild_registry::resolve(&reference, plain_http)?;
                pin(&mut lock, &reference, &digest, ui);
                digest
            }
        };
        pins.insert(reference, digest);
    }
    described.write_lock(&lock, &before)?;
    Ok(pins)
}

fn pin(lock: &mut Lock, reference: &str, digest: &str, ui: &Ui) {
    ui.status("Pinned", format!("{reference} to {digest}"));
    lock.images.insert(reference.to_owned(), ImagePin { digest: digest.to_owned() });
}

/// Moves pins to what their references lead to now: those named, or all that the description has. Pins of images
/// that it does not name any more go. Where there is a `min_age`, the images behind a pin are all so old.
pub(crate) fn update(
    described: &Described,
    wanted: &[String],
    plain_http: bool,
    min_age: Option<MinAge>,
    ui: &Ui,
) -> Result<(), XbuildError> {
    let mut lock = described.lock()?;
    let before = lock.clone();
    let references = references(described, &[]);
    let aged = min_age.map(|age| Ok::<_, XbuildError>((age, Session::open(ui)?.store))).transpose()?;
    for reference in references.iter().filter(|name| wanted.is_empty() || wanted.contains(name)) {
        if xbuild_registry::digest_of(reference)?.is_some() {
            continue;
        }
        let digest = xbuild_registry::resolve(reference, plain_http)?;
        let old = lock.images.get(reference);
        if old.is_some_and(|old| old.digest == digest) {
            ui.status("Unchanged", reference);
            continue;
        }
        let against = aged.as_ref().map(|(age, store)| against(*age, store, reference, &digest, plain_http));
        match (against.transpose()?.flatten(), old) {
            (None, _) => pin(&mut lock, reference, &digest, ui),
            (Some(why), Some(_)) => ui.status("Kept", format!("{reference}: {digest} {why}")),
            (Some(why), None) => {
                return Err(XbuildError::user(format!("{reference}: {digest} {why}"), age::NO_PIN));
            }
        }
    }
    lock.images.retain(|name, _| references.contains(name));
    described.write_lock(&lock, &before)
}

/// What is against moving a pin there.
fn against(
    age: MinAge,
    store: &Disk,
    reference: &str,
    digest: &str,
    plain_http: bool,
) -> Result<Option<String>, XbuildError> {
    let made = xbuild_registry::created(store, reference, digest, plain_http)?;
    let made = made.iter().map(|date| age.against(date.as_deref().and_then(age::seconds)));
    Ok(made.flatten().next())
}

/// What images are based on, by reference and platform, pulled where it must be.
pub(crate) struct Bases<'b> {
    pub(crate) global: &'b Global,
    pub(crate) session: &'b Session,
    pub(crate) pins: &'b Pins,
    pub(crate) plain_http: bool,
    pub(crate) ui: &'b Ui,
}

impl Bases<'_> {
    pub(crate) fn get(&self, reference: &str, platform: &Platform) -> Result<Pulled, XbuildError> {
        let unpinned =
            || XbuildError::user(format!("{reference} has no pin in xbuild.lock"), "xbuild update");
        let digest = self.pins.get(reference).ok_or_else(unpinned)?;
        let key = key(reference, digest, platform);
        let (store, noted) = (self.store(), self.session.noted.as_ref());
        // Whoever notes what is wanted must see all of it wanted.
        if let Some(pulled) = recall(store, key).filter(|_| noted.is_none()) {
            return Ok(pulled);
        }
        self.ui.status("Pulling", format!("{reference} for {platform}"));
        let fetching = Fetching::new(self.session, self.global, self.ui)?;
        // What a mirror has not is no file that is wanted of the net.
        let fetcher = fetching.fetcher().noting(None);
        let nearer = |sha256: Sha256| {
            if fetching.settings.mirrors.is_empty() {
                return None;
            }
            let kind = Unpack::Blob { file_name: sha256.to_hex(), executable: false };
            let output =
                FixedOutput { name: reference.to_owned(), sha256, size: None, places: Vec::new(), kind };
            fetcher.blobs(&[output]).ok()?.first().copied()
        };
        let (offline, plain_http) = (fetching.settings.offline, self.plain_http);
        let sources = Sources { nearer: &nearer, offline, plain_http };
        let image = xbuild_registry::pull(store, reference, digest, platform, &sources)?;
        fetching.display.finish();
        let Image { manifest, blobs } = image.ok_or_else(|| {
            let help = "fetch it once without --offline";
            XbuildError::user(format!("{reference} for {platform} is not in the store"), help)
        })?;
        noted.inspect(|noted| noted.note_blobs(blobs));
        let pulled = Pulled::read(store, reference, &manifest)?;
        if let Ok(bytes) = serde_json::to_vec(&pulled) {
            let blob = store.put(&bytes)?;
            store.put_memo(BASES, key, blob.to_string().as_bytes())?;
        }
        Ok(pulled)
    }

    pub(crate) fn store(&self) -> &Disk {
        &self.session.store
    }
}

/// Tells a dry run of a base that would be pulled.
pub(crate) fn defer(
    work: &Work<'_>,
    later: &Later,
    reference: &str,
    platform: &Platform,
) -> Result<(), XbuildError> {
    let pinned = work.described().lock()?.images.get(reference).map(|pin| pin.digest.clone());
    let digest = xbuild_registry::digest_of(reference)?.or(pinned);
    let pulled = digest.as_ref().and_then(|digest| recall(work.store(), key(reference, digest, platform)));
    if pulled.is_none() {
        let (reference, platform) = (reference.to_owned(), platform.to_string());
        later.note(Undone::Pull { reference, platform, digest });
    }
    Ok(())
}

fn recall(store: &Disk, key: Sha256) -> Option<Pulled> {
    let blob: Digest<Blob> = String::from_utf8(store.memo(BASES, key)?).ok()?.parse().ok()?;
    let pulled: Pulled = serde_json::from_slice(&store.get(blob).ok()?).ok()?;
    let there = |blob| store.has_blob(blob).is_ok_and(|there| there);
    let layers = pulled.layers.iter().map(|layer| layer.blob);
    let files = pulled.root.nodes().filter_map(|(_, node)| node.blob());
    let is_whole = layers.chain(files).all(there);
    is_whole.then_some(pulled)
}

fn key(reference: &str, digest: &str, platform: &Platform) -> Sha256 {
    let mut key = Hasher::default();
    key.update(format!("{reference} {digest} {platform}").as_bytes());
    key.sha256()
}
