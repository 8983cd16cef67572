//! Memos: what pure functions gave, by a key of the caller's.
//!
//! A record is the checksum of namespace, key and value, then the value: a torn record, or one that stands under
//! another's name, is a miss.

use xbuild_action::StoreError;
use xbuild_base::{Hasher, Sha256};

use crate::disk::Disk;
use crate::files;

/// The name of one kind of memo: lower-case letters, digits and hyphens. What the values mean is its users' own:
/// a new meaning takes a new name, as in `unpacked-2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Namespace(&'static str);

impl Namespace {
    /// Names a kind of memo.
    ///
    /// # Panics
    /// When the name holds anything else than lower-case letters, digits and hyphens, or nothing. In a `const`,
    /// as is meant, that is an error of the compiler.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        let bytes = name.as_bytes();
        assert!(!bytes.is_empty(), "the name is empty");
        let mut at = 0;
        while at < bytes.len() {
            let good = matches!(bytes[at], b'a'..=b'z' | b'0'..=b'9' | b'-');
            assert!(good, "only lower-case letters, digits and hyphens can stand in a namespace");
            at += 1;
        }
        Self(name)
    }

    pub(crate) const fn as_str(self) -> &'static str {
        self.0
    }
}

fn checksum(namespace: &str, key: Sha256, value: &[u8]) -> Sha256 {
    let mut hasher = Hasher::default();
    hasher.update(namespace.as_bytes());
    hasher.update(&[0]);
    hasher.update(key.as_bytes());
    hasher.update(value);
    hasher.sha256()
}

/// Whether a record is a whole one of that namespace and key.
pub(crate) fn is_whole(namespace: &str, key: Sha256, record: &[u8]) -> bool {
    record
        .split_first_chunk::<32>()
        .is_some_and(|(stored, value)| checksum(namespace, key, value).as_bytes() == stored)
}

impl Disk {
    /// The value that was put last for this key; `None` also when it can't be read. What it names may have been
    /// collected since: ask [`Disk::has_tree`] or `has_blob` before relying on it.
    #[must_use]
    pub fn memo(&self, namespace: Namespace, key: Sha256) -> Option<Vec<u8>> {
        let path = self.layout().memo(namespace.0, key);
        let mut record = files::read(&path).ok()??;
        if !is_whole(namespace.0, key, &record) {
            return None;
        }
        record.drain(..32);
        files::touch(&path);
        Some(record)
    }

    /// Puts a value for a key, over an earlier one. A digest that the value names in text form
    /// (`sha256:…/size`) is kept by collection for as long as the memo is.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn put_memo(&self, namespace: Namespace, key: Sha256, value: &[u8]) -> Result<(), StoreError> {
        let mut record = checksum(namespace.0, key, value).as_bytes().to_vec();
        record.extend_from_slice(value);
        self.write_record(&self.layout().memo(namespace.0, key), &record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCES: Namespace = Namespace::new("sources");
    const OTHERS: Namespace = Namespace::new("others");

    #[test]
    fn a_memo_is_its_own_keys_and_namespaces_and_whole_or_a_miss() {
        let folder = tempfile::tempdir().unwrap();
        let store = Disk::open(&folder.path().join("store"), None).unwrap();
        let (key, other) = (Sha256::of(b"key"), Sha256::of(b"other"));
        assert_eq!(store.memo(SOURCES, key), None);
        store.put_memo(SOURCES, key, b"first").unwrap();
        store.put_memo(SOURCES, key, b"value").unwrap();
        assert_eq!(store.memo(SOURCES, key).as_deref(), Some(&b"value"[..]));
        assert_eq!(store.memo(SOURCES, other), None);
        assert_eq!(store.memo(OTHERS, key), None);

        let path = store.layout().memo("sources", key);
        let whole = fs_err::read(&path).unwrap();
        for torn in 0..whole.len() {
            fs_err::write(&path, &whole[..torn]).unwrap();
            assert_eq!(store.memo(SOURCES, key), None, "{torn}");
        }
        fs_err::create_dir_all(store.layout().memo("others", key).parent().unwrap()).unwrap();
        fs_err::write(store.layout().memo("others", key), &whole).unwrap();
        assert_eq!(store.memo(OTHERS, key), None, "a record under another name");
    }
}
