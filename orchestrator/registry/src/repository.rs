//! A repository that one is logged in to, and the requests that pushing and pulling are made of.

use std::io::{Read as _, Seek as _, Write as _};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use oci_client::client::{ClientConfig, ClientProtocol, SizedStream};
use oci_client::errors::OciDistributionError;
use oci_client::{Client, Reference, RegistryOperation};
use xbuild_action::Content;
use xbuild_base::{Blob, Digest};

use crate::credentials;
use crate::error::{RegistryError, digests, problem, status};
use crate::retry::retried;

/// How long a registry may be silent.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(15);

/// Bytes that are sent in one request: what is held in memory of each blob.
const CHUNK: usize = 4 << 20;

/// What is done, in words that follow "does not let you".
const PUSHING: &str = "push to";
const PULLING: &str = "pull from";

/// A repository that one is logged in to.
pub(crate) struct Repository {
    /// Sends blobs in chunks.
    client: Client,
    /// Sends each blob in one request, for registries that take no chunks.
    whole: Client,
    reference: Reference,
    doing: &'static str,
}

/// Parses the name of an image or a repository.
pub(crate) fn parse(text: &str) -> Result<Reference, RegistryError> {
    let wrong = |problem: String| RegistryError::Reference { text: text.to_owned(), problem };
    text.parse().map_err(|error: oci_client::ParseError| wrong(error.to_string()))
}

/// Whether a registry is on this machine: what is said to it leaves by no cable.
fn is_here(registry: &str) -> bool {
    let host = match registry.rsplit_once(':') {
        Some((host, port)) if port.chars().all(|c| c.is_ascii_digit()) => host,
        _ => registry,
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Plain HTTP on this machine, and where somebody says so.
fn protocol(registry: &str, plain_http: bool) -> ClientProtocol {
    if is_here(registry) || plain_http {
        ClientProtocol::HttpsExcept(vec![registry.to_owned()])
    } else {
        ClientProtocol::Https
    }
}

/// Runs requests to their end on this thread.
pub(crate) fn block_on<T>(
    requests: impl Future<Output = Result<T, RegistryError>>,
) -> Result<T, RegistryError> {
    // Another of ours, or of somebody else in this process, may have chosen one before: all are good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(RegistryError::Runtime)?.block_on(requests)
}

impl Repository {
    /// Logs in.
    pub(crate) async fn open(
        reference: Reference,
        operation: RegistryOperation,
        plain_http: bool,
    ) -> Result<Self, RegistryError> {
        let registry = reference.resolve_registry().to_owned();
        let client = |use_monolithic_push| {
            Client::new(ClientConfig {
                protocol: protocol(&registry, plain_http),
                use_monolithic_push,
                read_timeout: Some(PATIENCE),
                connect_timeout: Some(CONNECT),
                user_agent: concat!("xbuild/", env!("CARGO_PKG_VERSION")),
                ..ClientConfig::default()
            })
        };
        let auth = credentials::find(&registry)?;
        let doing = match operation {
            RegistryOperation::Push => PUSHING,
            RegistryOperation::Pull => PULLING,
        };
        let repository = Self { client: client(false), whole: client(true), reference, doing };
        retried(|| repository.client.auth(&repository.reference, &auth, operation))
            .await
            .map_err(|error| repository.failed("log in to", &registry, &error))?;
        repository.whole.store_auth_if_needed(&registry, &auth).await;
        Ok(repository)
    }

    /// Host and port.
    pub(crate) fn registry(&self) -> &str {
        self.reference.registry()
    }

    pub(crate) fn name(&self) -> &str {
        self.reference.repository()
    }

    /// `registry/repository`
    pub(crate) fn whole_name(&self) -> String {
        format!("{}/{}", self.registry(), self.name())
    }

    /// A tag or a digest in this repository. A digest is given as if it were a tag, which gives the same address: the
    /// library panics over a digest where a registry leaves a header out, and digests are checked here anyway.
    fn at(&self, name: &str) -> Reference {
        Reference::with_tag(self.registry().to_owned(), self.name().to_owned(), name.to_owned())
    }

    /// What is at [`Self::at`], for people.
    fn named(&self, name: &str) -> String {
        let separator = if name.starts_with("sha256:") { '@' } else { ':' };
        format!("{}{separator}{name}", self.whole_name())
    }

    pub(crate) async fn has_blob(&self, digest: &str) -> Result<bool, RegistryError> {
        let there = retried(|| self.client.blob_exists(&self.reference, digest)).await;
        there.map_err(|error| self.failed("ask for", digest, &error))
    }

    /// Has the registry take a blob from another repository of its own. Whether it did.
    pub(crate) async fn mount(&self, digest: &str, from: &str) -> bool {
        let source = Reference::with_digest(self.registry().to_owned(), from.to_owned(), digest.to_owned());
        self.client.mount_blob(&self.reference, &source, digest).await.is_ok()
    }

    /// Sends a blob.
    pub(crate) async fn send(&self, store: &dyn Content, blob: Digest<Blob>) -> Result<(), RegistryError> {
        let digest = blob.sha256().to_string();
        // Each try reads from the start.
        let send = |client| {
            let digest = &digest;
            async move {
                let chunks = stream::iter(chunks(store, blob)?);
                Client::push_blob_stream(client, &self.reference, chunks, digest, Some(blob.size())).await
            }
        };
        let mut sent = retried(|| send(&self.client)).await;
        if sent.as_ref().is_err_and(takes_no_chunks) {
            sent = retried(|| send(&self.whole)).await;
        }
        let place = sent.map_err(|error| self.failed("send a blob to", &self.whole_name(), &error))?;
        self.check_place(&place, &digest)
    }

    /// Puts a manifest or an index under a tag or its digest.
    pub(crate) async fn put_manifest(
        &self,
        bytes: &Bytes,
        media_type: &'static str,
        name: &str,
        digest: &str,
    ) -> Result<(), RegistryError> {
        let at = self.at(name);
        let put = || async {
            let media_type = media_type.parse().map_err(|_| OciDistributionError::GenericError(None))?;
            self.client.push_manifest_raw(&at, bytes.clone(), media_type).await
        };
        let place = retried(put).await.map_err(|error| self.failed("put", &self.named(name), &error))?;
        self.check_place(&place, digest)
    }

    /// Where it says that something is now must be by its digest, where there is a digest in it.
    fn check_place(&self, place: &str, digest: &str) -> Result<(), RegistryError> {
        let said = place.rsplit('/').next().and_then(|last| last.split('?').next()).unwrap_or_default();
        if said.starts_with("sha256:") && said != digest {
            return Err(self.other_digest(digest, said));
        }
        Ok(())
    }

    fn other_digest(&self, expected: &str, found: &str) -> RegistryError {
        let place = self.whole_name();
        RegistryError::OtherDigest { place, expected: expected.to_owned(), found: found.to_owned() }
    }

    /// A manifest or an index, by tag or digest; its digest is checked against its bytes, and the name where that is
    /// one.
    pub(crate) async fn get_manifest(
        &self,
        name: &str,
        media_types: &[&str],
    ) -> Result<(Bytes, String), RegistryError> {
        let at = self.at(name);
        let auth = oci_client::secrets::RegistryAuth::Anonymous;
        // Who one is has been said: what is given here counts only where nothing was.
        let got = retried(|| self.client.pull_manifest_raw(&at, &auth, media_types)).await;
        let (bytes, _) = got.map_err(|error| match status(&error) {
            Some(404) if self.doing == PULLING && name.starts_with("sha256:") => {
                RegistryError::Gone(self.named(name))
            }
            Some(404) if self.doing == PULLING => RegistryError::NoImage(self.named(name)),
            _ => self.failed("get", &self.named(name), &error),
        })?;
        let digest = Digest::<Blob>::of(&bytes).sha256().to_string();
        if name.starts_with("sha256:") && digest != name {
            return Err(self.other_digest(name, &digest));
        }
        Ok((bytes, digest))
    }

    /// Fetches a blob into the store.
    pub(crate) async fn fetch(&self, store: &dyn Content, blob: Digest<Blob>) -> Result<(), RegistryError> {
        let digest = blob.sha256().to_string();
        let fetched = retried(|| async {
            let stream = self.client.pull_blob_stream(&self.reference, digest.as_str()).await?;
            into_store(store, stream, blob.size()).await
        });
        let found = fetched.await.map_err(|error| self.failed("get", &digest, &error))?;
        if found != blob {
            return Err(self.other_digest(&digest, &found.sha256().to_string()));
        }
        Ok(())
    }

    fn failed(&self, doing: &'static str, what: &str, error: &OciDistributionError) -> RegistryError {
        if let Some((expected, found)) = digests(error) {
            return self.other_digest(&expected, &found);
        }
        let status = status(error);
        if matches!(status, Some(401 | 403)) {
            return RegistryError::Denied {
                registry: self.registry().to_owned(),
                repository: self.name().to_owned(),
                doing: self.doing,
                problem: problem(error),
            };
        }
        // What is asked for by its digest says nothing of where.
        let what = if what.starts_with("sha256:") {
            format!("{what} of {}", self.whole_name())
        } else {
            what.to_owned()
        };
        RegistryError::Request { doing, what, problem: problem(error), is_limited: status == Some(429) }
    }
}

/// Whether a registry may take in one request what it refuses in pieces.
fn takes_no_chunks(error: &OciDistributionError) -> bool {
    match error {
        OciDistributionError::SpecViolationError(_) => true,
        OciDistributionError::ServerError { code, .. } => [400, 404, 405, 411, 416, 501].contains(code),
        _ => false,
    }
}

/// What went wrong on this machine: not to be tried again.
fn ours(error: impl std::fmt::Display) -> OciDistributionError {
    OciDistributionError::GenericError(Some(error.to_string()))
}

/// A blob in pieces, read as they are asked for.
fn chunks(
    store: &dyn Content,
    blob: Digest<Blob>,
) -> Result<impl Iterator<Item = Result<Bytes, OciDistributionError>> + Send + 'static, OciDistributionError>
{
    let mut reader = store.open_blob(blob).map_err(ours)?;
    Ok(std::iter::from_fn(move || {
        let mut chunk = Vec::with_capacity(CHUNK);
        match reader.by_ref().take(CHUNK as u64).read_to_end(&mut chunk) {
            Ok(0) => None,
            Ok(_) => Some(Ok(Bytes::from(chunk))),
            Err(error) => Some(Err(ours(error))),
        }
    }))
}

/// Writes what comes into the store, piece by piece, and no more than `size` bytes of it.
async fn into_store(
    store: &dyn Content,
    mut stream: SizedStream,
    size: u64,
) -> Result<Digest<Blob>, OciDistributionError> {
    let mut file = tempfile::tempfile().map_err(ours)?;
    let mut left = size;
    while let Some(piece) = stream.stream.next().await {
        let piece = piece?;
        left = left
            .checked_sub(piece.len() as u64)
            .ok_or_else(|| ours(format!("there are more than the {size} bytes that its manifest says")))?;
        file.write_all(&piece).map_err(ours)?;
    }
    file.rewind().map_err(ours)?;
    store.put_reader(&mut file).map_err(ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_here() {
        for registry in ["localhost", "localhost:5000", "127.0.0.1:5000", "127.8.0.1", "[::1]:5000"] {
            assert!(is_here(registry), "{registry}");
        }
        for registry in ["registry.example", "10.0.0.1:5000", "localhost.example", "127.0.0.1.example:80"] {
            assert!(!is_here(registry), "{registry}");
        }
    }

    #[test]
    fn encryption_is_left_out_where_it_is_said_alone() {
        let is_plain = |registry: &str, plain_http| matches!(protocol(registry, plain_http), ClientProtocol::HttpsExcept(plain) if plain == [registry]);
        assert!(is_plain("127.0.0.1:5000", false));
        assert!(!is_plain("registry.example", false));
        assert!(is_plain("registry.example", true));
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        for text in ["", "registry.example/UPPER", "registry.example/", "registry.example/a b"] {
            let error = parse(text).map(drop).unwrap_err();
            assert!(matches!(error, RegistryError::Reference { .. }), "{text}: {error}");
        }
        parse("registry.example:5000/team/foo:v1").unwrap();
    }
}
