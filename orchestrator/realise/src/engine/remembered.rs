//! The keys that a graph's nodes came to, kept by what they were made from.
//!
//! A node's key is known when its action is bound, its input root put together and all of it encoded: most of what it
//! takes to look at a graph of which little has changed. A [fingerprint](Work::fingerprint_of) takes far less, and as long
//! as it is the same, so is the key. So when a graph has been looked at, its nodes' fingerprints and keys are written down
//! under the graph's own fingerprint. What is kept so keeps no action alive in the store.

use std::collections::HashMap;

use xbuild_base::{Action, Digest, Hasher, Sha256};
use xbuild_plan::Work;
use xbuild_plan::queue::Node;
use xbuild_store::Namespace;

use super::Engine;
use crate::error::RealiseError;
use crate::program::this_program;

/// The memo namespace: graph → the keys of its nodes. A change of what a fingerprint covers takes a new name.
const KEYS: Namespace = Namespace::new("keys-1");

/// The bytes of an entry: a fingerprint, a digest and its size.
const ENTRY: usize = 32 + 32 + 8;

/// The keys that nodes came to.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    keys: HashMap<Sha256, Digest<Action>>,
}

impl Remembered {
    /// All keys.
    pub(super) fn keys(&self) -> impl Iterator<Item = Digest<Action>> {
        self.keys.values().copied()
    }

    /// The key of a node, all that it waits for being there.
    pub(super) fn key(&self, work: &dyn Work, node: Node) -> Result<Option<Digest<Action>>, RealiseError> {
        if self.keys.is_empty() {
            return Ok(None);
        }
        Ok(work.fingerprint_of(node)?.and_then(|fingerprint| self.keys.get(&fingerprint).copied()))
    }
}

impl Engine<'_> {
    /// What the nodes of an equal graph came to before.
    pub(super) fn remembered(&self, work: &dyn Work) -> Remembered {
        let bytes = self.place(work).and_then(|place| self.store.memo(KEYS, place)).unwrap_or_default();
        Remembered { keys: bytes.chunks_exact(ENTRY).filter_map(read_entry).collect() }
    }

    /// Keeps what nodes came to that have succeeded. That it can't be kept costs time later, and no more.
    pub(super) fn remember(&self, work: &dyn Work, keys: impl IntoIterator<Item = (Node, Digest<Action>)>) {
        let Some(place) = self.place(work) else { return };
        let mut bytes = Vec::new();
        for (node, key) in keys {
            if let Ok(Some(fingerprint)) = work.fingerprint_of(node) {
                bytes.extend_from_slice(fingerprint.as_bytes());
                bytes.extend_from_slice(key.sha256().as_bytes());
                bytes.extend_from_slice(&key.size().to_le_bytes());
            }
        }
        if self.store.memo(KEYS, place).unwrap_or_default() != bytes {
            let _ = self.store.put_memo(KEYS, place, &bytes);
        }
    }

    /// What the keys of a graph's nodes are kept by; `None`: they are not.
    fn place(&self, work: &dyn Work) -> Option<Sha256> {
        let graph = work.fingerprint()?;
        let mut place = Hasher::default();
        place.update_framed(&this_program());
        place.update_framed(&format!("{graph} {:?}", self.isolation));
        Some(place.sha256())
    }
}

fn read_entry(bytes: &[u8]) -> Option<(Sha256, Digest<Action>)> {
    let (fingerprint, rest) = bytes.split_first_chunk()?;
    let (key, size) = rest.split_first_chunk()?;
    let size = u64::from_le_bytes(size.try_into().ok()?);
    Some((Sha256::from_bytes(*fingerprint), Digest::new(Sha256::from_bytes(*key), size)))
}
