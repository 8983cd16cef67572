//! Wire messages of the Remote Execution API v2 (`build.bazel.remote.execution.v2`), the few whose bytes make a
//! key. Field numbers are the specification's; a test holds each against the `bazel-remote-apis` crate, which
//! itself is not used here because it brings a gRPC stack along.

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct Digest {
    #[prost(string, tag = "1")]
    pub(crate) hash: String,
    #[prost(int64, tag = "2")]
    pub(crate) size_bytes: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Action {
    #[prost(message, optional, tag = "1")]
    pub(crate) command_digest: Option<Digest>,
    #[prost(message, optional, tag = "2")]
    pub(crate) input_root_digest: Option<Digest>,
    #[prost(bytes = "vec", tag = "9")]
    pub(crate) salt: Vec<u8>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct EnvironmentVariable {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(string, tag = "2")]
    pub(crate) value: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Command {
    #[prost(string, repeated, tag = "1")]
    pub(crate) arguments: Vec<String>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) environment_variables: Vec<EnvironmentVariable>,
    #[prost(string, tag = "6")]
    pub(crate) working_directory: String,
    #[prost(string, repeated, tag = "7")]
    pub(crate) output_paths: Vec<String>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct FileNode {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(message, optional, tag = "2")]
    pub(crate) digest: Option<Digest>,
    #[prost(bool, tag = "4")]
    pub(crate) is_executable: bool,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct DirectoryNode {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(message, optional, tag = "2")]
    pub(crate) digest: Option<Digest>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct SymlinkNode {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(string, tag = "2")]
    pub(crate) target: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Directory {
    #[prost(message, repeated, tag = "1")]
    pub(crate) files: Vec<FileNode>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) directories: Vec<DirectoryNode>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) symlinks: Vec<SymlinkNode>,
}

impl<K: xbuild_base::Kind> From<xbuild_base::Digest<K>> for Digest {
    fn from(digest: xbuild_base::Digest<K>) -> Self {
        Self { hash: digest.to_hex(), size_bytes: i64::try_from(digest.size()).unwrap_or(i64::MAX) }
    }
}

impl Digest {
    /// The typed digest, when the text is one.
    pub(crate) fn typed<K: xbuild_base::Kind>(&self) -> Option<xbuild_base::Digest<K>> {
        let sha256 = xbuild_base::Sha256::from_hex(&self.hash).ok()?;
        Some(xbuild_base::Digest::new(sha256, u64::try_from(self.size_bytes).ok()?))
    }
}
