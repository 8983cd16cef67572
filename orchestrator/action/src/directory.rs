//! One level of a Merkle tree.

use std::collections::BTreeMap;

use prost::Message as _;
use xbuild_base::{Blob, Digest, Tree};

use crate::message;

/// A file in a tree. Owner, time and all mode bits but one are not content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct File {
    /// Its bytes.
    pub digest: Digest<Blob>,
    /// Whether its owner may execute it.
    pub executable: bool,
}

/// What a name in a directory stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A regular file.
    File(File),
    /// A directory, by the digest of its message.
    Directory(Digest<Tree>),
    /// A symbolic link and its (relative) target.
    Symlink(String),
}

/// One level of a Merkle tree: names, sorted, and what they stand for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Directory {
    /// The entries by name.
    pub entries: BTreeMap<String, Entry>,
}

impl Directory {
    /// The encoded `Directory` message: files, directories and links, each sorted by name.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut encoded = message::Directory::default();
        for (name, entry) in &self.entries {
            let name = name.clone();
            match entry {
                Entry::File(File { digest, executable }) => encoded.files.push(message::FileNode {
                    name,
                    digest: Some((*digest).into()),
                    is_executable: *executable,
                }),
                Entry::Directory(digest) => {
                    encoded.directories.push(message::DirectoryNode { name, digest: Some((*digest).into()) })
                }
                Entry::Symlink(target) => {
                    encoded.symlinks.push(message::SymlinkNode { name, target: target.clone() });
                }
            }
        }
        encoded.encode_to_vec()
    }

    /// Reads an encoded `Directory` message; `None` when the bytes aren't one.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let message = message::Directory::decode(bytes).ok()?;
        let mut entries = BTreeMap::new();
        for file in message.files {
            let digest = file.digest?.typed()?;
            entries.insert(file.name, Entry::File(File { digest, executable: file.is_executable }));
        }
        for directory in message.directories {
            entries.insert(directory.name, Entry::Directory(directory.digest?.typed()?));
        }
        for link in message.symlinks {
            entries.insert(link.name, Entry::Symlink(link.target));
        }
        entries.keys().all(|name| valid_name(name)).then_some(Self { entries })
    }

    /// The digest of the encoded message.
    #[must_use]
    pub fn digest(&self) -> Digest<Tree> {
        Digest::of(&self.encode())
    }
}

/// Whether a name can stand in a directory: one component, not `.` or `..`.
pub(crate) fn valid_name(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\0'])
}

#[cfg(test)]
mod tests {
    use bazel_remote_apis::build::bazel::remote::execution::v2 as reapi;

    use super::*;

    fn sample() -> Directory {
        let file = |executable| Entry::File(File { digest: Digest::of(b"x"), executable });
        Directory {
            entries: [
                ("b".to_owned(), file(true)),
                ("a".to_owned(), file(false)),
                ("d".to_owned(), Entry::Directory(Directory::default().digest())),
                ("c".to_owned(), Entry::Symlink("a".to_owned())),
            ]
            .into(),
        }
    }

    #[test]
    fn bytes_are_the_remote_execution_apis() {
        let ours = sample().encode();
        let theirs = reapi::Directory::decode(ours.as_slice()).unwrap();
        assert_eq!(theirs.files.iter().map(|f| f.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert!(theirs.files[1].is_executable);
        assert_eq!(theirs.symlinks[0].target, "a");
        assert_eq!(theirs.encode_to_vec(), ours);
        assert_eq!(Directory::decode(&ours), Some(sample()));
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_not_decoded() {
        let mut bad = sample();
        bad.entries.insert("../x".to_owned(), Entry::Symlink("a".to_owned()));
        assert_eq!(Directory::decode(&bad.encode()), None);
        assert_eq!(Directory::decode(b"not a message"), None);
    }
}
