//! What is wanted from outside: its hash, where it may be had, and what it becomes.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use xbuild_base::{RelPath, Sha256};

use crate::error::FetchError;
use crate::fetcher::Fetcher;

/// A thing that is named by its hash before it is fetched.
#[derive(Debug, Clone)]
pub struct FixedOutput {
    /// What people call it: `serde 1.0.228`, `rustc_1.96.1_amd64.deb`.
    pub name: String,
    /// The checksum of the file as it is served.
    pub sha256: Sha256,
    /// The file's size in bytes, where it is known beforehand.
    pub size: Option<u64>,
    /// Where it may be had, asked in this order, after the mirrors.
    pub places: Vec<Place>,
    /// What it becomes.
    pub kind: Unpack,
}

/// Where a file may be had.
#[derive(Debug, Clone)]
pub enum Place {
    /// A file on this machine.
    File(PathBuf),
    /// An `http` or `https` address.
    Http {
        /// The address.
        url: String,
        /// The value of the `Authorization` header, where one is needed.
        authorization: Option<Secret>,
    },
    /// An address that has to be looked up, which is done only when the file is needed and no mirror has it.
    Lookup(Arc<dyn Locate>),
}

impl Place {
    /// A place without credentials from an `http:`, `https:` or `file:` address or an absolute path.
    ///
    /// # Errors
    /// [`FetchError::Address`] for any other scheme.
    pub fn from_url(url: &str) -> Result<Self, FetchError> {
        if url.starts_with("http://") || url.starts_with("https://") {
            return Ok(Self::Http { url: url.to_owned(), authorization: None });
        }
        // apt writes `file:/srv/mirror` where others write `file:///srv/mirror`.
        let path = url.strip_prefix("file://").or_else(|| url.strip_prefix("file:")).unwrap_or(url);
        match path.starts_with('/') {
            true => Ok(Self::File(percent_decoded(path).into())),
            false => Err(FetchError::Address {
                url: url.to_owned(),
                problem: "only http, https and file addresses can be fetched".to_owned(),
            }),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Http { url, .. } => f.write_str(&without_credentials(url)),
            Self::Lookup(lookup) => write!(f, "{lookup:?}"),
        }
    }
}

/// Looks up where a file is, when it is needed: a registry's configuration, a package index's page.
///
/// Its `Debug` text stands for the place in messages.
pub trait Locate: fmt::Debug + Send + Sync {
    /// The places, none of them a [`Place::Lookup`].
    ///
    /// # Errors
    /// When what must be read for it can't be.
    fn locate(&self, fetcher: &Fetcher<'_>) -> Result<Vec<Place>, FetchError>;

    /// Whether looking up and reading need no network.
    fn is_local(&self) -> bool {
        false
    }
}

/// What a file becomes once it has been fetched and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unpack {
    /// Itself: a tree with this one file in it. [`Fetcher::blobs`] gives the blob.
    Blob {
        /// Its name in the tree.
        file_name: String,
        /// Whether it may be executed.
        executable: bool,
    },
    /// A `.crate` file: a gzipped tar archive with one folder at its top, which is stripped.
    Crate,
    /// A Debian package: its data, laid out for a merged `/usr`, all links relative.
    Deb,
    /// A wheel: a zip archive.
    Wheel {
        /// Only what lies at or below this path of the archive is kept; the root keeps all.
        keep: RelPath,
        /// What was kept lies at this path of the tree.
        prefix: RelPath,
    },
    /// A tar archive, compressed with gzip, xz, zstd or not at all (told from its first bytes).
    Tar {
        /// How many leading components each path loses; entries with fewer vanish.
        strip: usize,
        /// Only what lies at or below this path (after stripping) is kept; the root keeps all.
        keep: RelPath,
        /// What was kept lies at this path of the tree.
        prefix: RelPath,
    },
}

impl Unpack {
    /// The whole of a tar archive, `strip` leading components taken away.
    #[must_use]
    pub const fn tar(strip: usize) -> Self {
        Self::Tar { strip, keep: RelPath::root(), prefix: RelPath::root() }
    }

    /// The options as a text for the memo's key: each field counts.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Blob { file_name, executable } => format!("blob\0{file_name}\0{executable}"),
            Self::Crate => "crate".to_owned(),
            Self::Deb => "deb".to_owned(),
            Self::Wheel { keep, prefix } => format!("wheel\0{keep}\0{prefix}"),
            Self::Tar { strip, keep, prefix } => format!("tar\0{strip}\0{keep}\0{prefix}"),
        }
    }
}

/// A credential. Its `Debug` text doesn't show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a credential.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The credential itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// An address as messages show it: with no user and password in it.
pub(crate) fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => format!("{scheme}://{}", &rest[at + 1..]),
        None => url.to_owned(),
    }
}

/// `%41` → `A`, as in the path of a `file:` address.
pub(crate) fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_told_from_its_address() {
        let place = |url| Place::from_url(url).map(|place| place.to_string());
        assert_eq!(place("https://user:secret@a.example/b?c@d").unwrap(), "https://a.example/b?c@d");
        assert_eq!(place("file:///srv/a%20b").unwrap(), "/srv/a b");
        assert_eq!(place("file:/srv/a").unwrap(), "/srv/a");
        assert_eq!(place("/srv/a").unwrap(), "/srv/a");
        assert!(matches!(place("ftp://a.example/b"), Err(FetchError::Address { .. })));
    }

    #[test]
    fn a_secret_is_not_shown() {
        assert!(!format!("{:?}", Secret::new("hunter2")).contains("hunter2"));
    }
}
