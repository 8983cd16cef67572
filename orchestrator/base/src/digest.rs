//! Content digests with kinds.
//!
//! A [`Digest`] is what the Remote Execution API calls one: the SHA-256 and the size of a blob's bytes. The
//! kind parameter says what the bytes are, so that the digest of a tree can't be passed where a file's is
//! meant. A bare [`Sha256`] is a checksum that somebody else published (`Cargo.lock`, a `Packages` index).

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher as StdHasher};
use std::marker::PhantomData;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Digest as _;

/// Why a digest could not be parsed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a SHA-256 digest: {problem}")]
pub struct DigestError {
    text: String,
    problem: &'static str,
}

/// A SHA-256 checksum: 32 bytes. Text form: `sha256:` and 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256([u8; 32]);

impl Sha256 {
    /// The checksum of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// Takes a checksum that was computed elsewhere.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// 64 lower-case hexadecimal digits, as file names and foreign formats want them.
    #[must_use]
    pub fn to_hex(&self) -> String {
        hex::encode(self.0)
    }

    /// Parses 64 hexadecimal digits with no prefix, as foreign formats have them.
    ///
    /// # Errors
    /// When the text is anything else.
    pub fn from_hex(text: &str) -> Result<Self, DigestError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes)
            .map_err(|_| DigestError { text: text.to_owned(), problem: "expected 64 hexadecimal digits" })?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", hex::encode(self.0))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Sha256 {
    type Err = DigestError;

    /// Accepts `sha256:` and 64 digits, and the digits alone.
    fn from_str(text: &str) -> Result<Self, DigestError> {
        Self::from_hex(text.strip_prefix("sha256:").unwrap_or(text))
    }
}

impl Serialize for Sha256 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sha256 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A running SHA-256 that counts its bytes.
#[derive(Clone, Default)]
pub struct Hasher {
    state: sha2::Sha256,
    size: u64,
}

impl Hasher {
    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.state.update(bytes);
        self.size += bytes.len() as u64;
    }

    /// Adds a text after its length (8 bytes, little-endian): so the texts `a`, `bc` are not the texts `ab`, `c`.
    pub fn update_framed(&mut self, text: &str) {
        self.update(&(text.len() as u64).to_le_bytes());
        self.update(text.as_bytes());
    }

    /// The checksum of all bytes so far.
    #[must_use]
    pub fn sha256(self) -> Sha256 {
        Sha256(self.state.finalize().into())
    }

    /// The digest of all bytes so far.
    #[must_use]
    pub fn digest<K: Kind>(self) -> Digest<K> {
        let size = self.size;
        Digest::new(self.sha256(), size)
    }
}

impl std::io::Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What kind of thing a digest names.
pub trait Kind: 'static {
    /// The word for messages.
    const NAME: &'static str;
}

/// The bytes of a file.
#[derive(Debug)]
pub enum Blob {}
/// An encoded `Directory` message: the root of a Merkle tree.
#[derive(Debug)]
pub enum Tree {}
/// An encoded `Action` message: a cache key.
#[derive(Debug)]
pub enum Action {}

impl Kind for Blob {
    const NAME: &'static str = "blob";
}
impl Kind for Tree {
    const NAME: &'static str = "tree";
}
impl Kind for Action {
    const NAME: &'static str = "action";
}

/// The SHA-256 and size (in bytes) of a blob of kind `K`, as in the Remote Execution API's `Digest`.
///
/// Text form: `sha256:` + 64 hexadecimal digits + `/` + size.
pub struct Digest<K: Kind> {
    sha256: Sha256,
    size: u64,
    kind: PhantomData<fn() -> K>,
}

impl<K: Kind> Digest<K> {
    /// Joins a checksum and the size (in bytes) of what it was taken of.
    #[must_use]
    pub const fn new(sha256: Sha256, size: u64) -> Self {
        Self { sha256, size, kind: PhantomData }
    }

    /// The digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self::new(Sha256::of(bytes), bytes.len() as u64)
    }

    /// The checksum.
    #[must_use]
    pub const fn sha256(&self) -> Sha256 {
        self.sha256
    }

    /// The size of the blob in bytes. For a tree: of its root message.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The checksum's hexadecimal digits: the blob's file name in a store.
    #[must_use]
    pub fn to_hex(&self) -> String {
        self.sha256.to_hex()
    }
}

impl<K: Kind> Clone for Digest<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K: Kind> Copy for Digest<K> {}
impl<K: Kind> PartialEq for Digest<K> {
    fn eq(&self, other: &Self) -> bool {
        (self.sha256, self.size) == (other.sha256, other.size)
    }
}
impl<K: Kind> Eq for Digest<K> {}
impl<K: Kind> PartialOrd for Digest<K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<K: Kind> Ord for Digest<K> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.sha256, self.size).cmp(&(other.sha256, other.size))
    }
}
impl<K: Kind> Hash for Digest<K> {
    fn hash<H: StdHasher>(&self, state: &mut H) {
        self.sha256.hash(state);
    }
}

impl<K: Kind> fmt::Display for Digest<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.sha256, self.size)
    }
}

impl<K: Kind> fmt::Debug for Digest<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {self}", K::NAME)
    }
}

impl<K: Kind> FromStr for Digest<K> {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let problem = |problem| DigestError { text: text.to_owned(), problem };
        let (sha256, size) = text.split_once('/').ok_or(problem("expected `sha256:…/size`"))?;
        let size = size.parse().map_err(|_| problem("the size is not a number of bytes"))?;
        Ok(Self::new(sha256.parse()?, size))
    }
}

impl<K: Kind> Serialize for Digest<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, K: Kind> Deserialize<'de> for Digest<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_round_trips() {
        let digest = Digest::<Blob>::of(b"hello");
        assert_eq!(
            digest.to_string(),
            "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824/5"
        );
        assert_eq!(digest.to_string().parse::<Digest<Blob>>(), Ok(digest));
    }

    #[test]
    fn framed_texts_are_told_apart() {
        let of = |texts: &[&str]| {
            let mut hasher = Hasher::default();
            texts.iter().for_each(|text| hasher.update_framed(text));
            hasher.sha256()
        };
        assert_eq!(of(&["a", "bc"]), of(&["a", "bc"]));
        assert_ne!(of(&["a", "bc"]), of(&["ab", "c"]));
    }

    #[test]
    fn a_short_or_strange_text_is_refused() {
        for text in ["", "sha256:", "sha256:00/1", "md5:00", "sha256:zz"] {
            assert!(text.parse::<Digest<Blob>>().is_err(), "{text}");
            assert!(text.parse::<Sha256>().is_err(), "{text}");
        }
    }
}
