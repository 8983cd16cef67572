//! Pushing: blobs that the repository doesn't have, then manifests, then the index, then tags. So a tag never leads
//! to something that isn't whole.

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use oci_client::{Reference, RegistryOperation};
use xbuild_action::ContentExt as _;
use xbuild_base::{Blob, Digest, Hasher, Sha256};
use xbuild_image::{Image, Layout};
use xbuild_store::{Disk, Namespace};

use crate::error::RegistryError;
use crate::repository::{Repository, block_on, parse};

/// So many blobs are sent at once.
const PARALLEL: usize = 4;

/// The memo namespace: a registry and a blob → a repository of it that had the blob.
const PLACES: Namespace = Namespace::new("registry-blob-1");

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// What is pushed, and where.
#[derive(Debug, Clone, Copy)]
pub struct Push<'p> {
    /// The image of each platform.
    pub images: &'p [Image],
    /// What leads to them.
    pub layout: &'p Layout,
    /// `registry.example/team/foo`
    pub repository: &'p str,
    /// The tags that lead to it in the end; without any it has its digest alone.
    pub tags: &'p [String],
    /// Whether a registry that is not this machine may be spoken to without encryption.
    pub plain_http: bool,
}

/// What has been pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// `registry.example/team/foo@sha256:…`
    pub reference: String,
    /// How many blobs were sent, and their bytes.
    pub sent: (usize, u64),
    /// How many the registry took from another of its repositories.
    pub mounted: usize,
    /// How many were there.
    pub there: usize,
}

/// What was done about a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    Sent,
    Mounted,
    There,
}

/// Checks what can be checked of a repository and of tags without asking anybody.
///
/// # Errors
/// [`RegistryError::Reference`], [`RegistryError::Tag`].
pub fn check(repository: &str, tags: &[String]) -> Result<Reference, RegistryError> {
    tags.iter().try_for_each(|tag| check_tag(tag))?;
    let reference = parse(repository)?;
    let wrong = |problem: &str| {
        Err(RegistryError::Reference { text: repository.to_owned(), problem: problem.to_owned() })
    };
    // Without one Docker's own registry would be meant.
    let is_host = |name: &str| name == "localhost" || name.contains(['.', ':']);
    if !is_host(reference.registry()) || !repository.starts_with(&format!("{}/", reference.registry())) {
        return wrong("it names no registry");
    }
    if repository != format!("{}/{}", reference.registry(), reference.repository()) {
        return wrong("a repository has neither tag nor digest");
    }
    Ok(reference)
}

/// Sends images to their repositories. What a repository has already is not sent; tags are moved when all of all
/// images is there. `told` is told of each image when it is about to be sent.
///
/// # Errors
/// [`RegistryError`]; what was sent stays for the next time.
pub fn push(
    store: &Disk,
    pushes: &[Push<'_>],
    told: &mut dyn FnMut(&Push<'_>),
) -> Result<Vec<Pushed>, RegistryError> {
    let references: Vec<Reference> =
        pushes.iter().map(|push| check(push.repository, push.tags)).collect::<Result<_, _>>()?;
    block_on(async {
        let mut sent = Vec::new();
        for (push, reference) in pushes.iter().zip(references) {
            told(push);
            let repository = Repository::open(reference, RegistryOperation::Push, push.plain_http).await?;
            let pushed = send(store, push, &repository).await?;
            sent.push((repository, pushed));
        }
        for (push, (repository, _)) in pushes.iter().zip(&sent) {
            tag(store, push, repository).await?;
        }
        Ok(sent.into_iter().map(|(_, pushed)| pushed).collect())
    })
}

/// Sends what the repository does not have: blobs first, what leads to them after them.
async fn send(store: &Disk, push: &Push<'_>, repository: &Repository) -> Result<Pushed, RegistryError> {
    let is_described = |blob: &Digest<Blob>| push.manifests().any(|manifest| manifest == *blob);
    let blobs: Vec<Digest<Blob>> =
        push.layout.blobs.iter().filter(|blob| !is_described(blob)).copied().collect();
    let done: Vec<(Digest<Blob>, Done)> = stream::iter(blobs)
        .map(|blob| async move { Ok::<_, RegistryError>((blob, send_blob(store, repository, blob).await?)) })
        .buffer_unordered(PARALLEL)
        .try_collect()
        .await?;
    for manifest in push.manifests() {
        let digest = manifest.sha256().to_string();
        let bytes = Bytes::from(store.get(manifest)?);
        repository.put_manifest(&bytes, push.media_type(manifest), &digest, &digest).await?;
    }
    let count = |what: Done| done.iter().filter(|(_, done)| *done == what).count();
    let bytes = done.iter().filter(|(_, done)| *done == Done::Sent).map(|(blob, _)| blob.size()).sum();
    Ok(Pushed {
        reference: format!("{}@{}", push.repository, push.layout.top.sha256()),
        sent: (count(Done::Sent), bytes),
        mounted: count(Done::Mounted),
        there: count(Done::There),
    })
}

/// Asks for what has been put, and has the tags lead to it.
async fn tag(store: &Disk, push: &Push<'_>, repository: &Repository) -> Result<(), RegistryError> {
    for manifest in push.manifests() {
        let digest = manifest.sha256().to_string();
        repository.get_manifest(&digest, &[push.media_type(manifest)]).await?;
    }
    let top = push.layout.top;
    let bytes = Bytes::from(store.get(top)?);
    for tag in push.tags {
        let digest = top.sha256().to_string();
        repository.put_manifest(&bytes, push.media_type(top), tag, &digest).await?;
    }
    Ok(())
}

impl Push<'_> {
    /// The manifests of its images, then the index over them if there is one.
    fn manifests(&self) -> impl Iterator<Item = Digest<Blob>> {
        let top = self.layout.top;
        self.images.iter().map(|image| image.manifest).filter(move |manifest| *manifest != top).chain([top])
    }

    fn media_type(&self, manifest: Digest<Blob>) -> &'static str {
        if self.images.iter().any(|image| image.manifest == manifest) { MANIFEST } else { INDEX }
    }
}

/// Sees to it that the repository has a blob.
async fn send_blob(store: &Disk, repository: &Repository, blob: Digest<Blob>) -> Result<Done, RegistryError> {
    let digest = blob.sha256().to_string();
    let key = place_key(repository.registry(), blob);
    if repository.has_blob(&digest).await? {
        return Ok(Done::There);
    }
    let known = store.memo(PLACES, key).and_then(|name| String::from_utf8(name).ok());
    if let Some(other) = known.filter(|other| other != repository.name())
        && repository.mount(&digest, &other).await
    {
        return Ok(Done::Mounted);
    }
    repository.send(store, blob).await?;
    // That it can't be remembered costs time later, and no more.
    let _ = store.put_memo(PLACES, key, repository.name().as_bytes());
    Ok(Done::Sent)
}

fn place_key(registry: &str, blob: Digest<Blob>) -> Sha256 {
    let mut key = Hasher::default();
    key.update(format!("{registry} {blob}").as_bytes());
    key.sha256()
}

/// The distribution specification's `reference`.
fn check_tag(tag: &str) -> Result<(), RegistryError> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let good = |c: char| is_word(c) || matches!(c, '.' | '-');
    let is_good = tag.len() <= 128 && tag.starts_with(is_word) && tag.chars().all(good);
    if is_good { Ok(()) } else { Err(RegistryError::Tag(tag.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_has_a_registry_and_no_tag() {
        check("registry.example:5000/team/foo", &[]).unwrap();
        for text in ["team/foo", "foo", "UPPER/case", "registry.example/foo:v1", "registry.example/Foo", ""] {
            let error = check(text, &[]).unwrap_err();
            assert!(matches!(error, RegistryError::Reference { .. }), "{text}: {error}");
        }
    }

    #[test]
    fn tags_are_as_the_specification_has_them() {
        for tag in ["latest", "v1.2-rc.3", "_", &"a".repeat(128)] {
            check_tag(tag).unwrap();
        }
        for tag in ["", "-v", ".v", "a b", "a:b", "é", &"a".repeat(129)] {
            check_tag(tag).unwrap_err();
        }
    }
}
