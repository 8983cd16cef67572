//! Pulling: the image that a digest names, for one platform, into the store.

use oci_client::RegistryOperation;
use serde_json::Value;
use xbuild_action::{Content, ContentExt as _};
use xbuild_base::{Blob, Digest, Sha256};
use xbuild_image::Platform;

use crate::error::RegistryError;
use crate::push::{INDEX, MANIFEST};
use crate::repository::{Repository, block_on, parse};

/// What is taken for a manifest or an index: OCI's, and Docker's older names of the same things.
const ACCEPTED: [&str; 4] = [
    MANIFEST,
    INDEX,
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];

/// The digest that stands in a reference.
///
/// # Errors
/// [`RegistryError::Reference`] when the reference is none, or its digest is not by SHA-256.
pub fn digest_of(reference: &str) -> Result<Option<String>, RegistryError> {
    let digest = parse(reference)?.digest().map(str::to_owned);
    if digest.as_deref().is_some_and(|digest| !is_digest(digest)) {
        let problem = "its digest is not by SHA-256".to_owned();
        return Err(RegistryError::Reference { text: reference.to_owned(), problem });
    }
    Ok(digest)
}

/// Whether a text is a digest as registries write them, `sha256:…`: all that is taken for a pin.
#[must_use]
pub fn is_digest(text: &str) -> bool {
    sha256(text).is_some()
}

/// The hash of `sha256:…`.
fn sha256(digest: &str) -> Option<Sha256> {
    digest.strip_prefix("sha256:").and_then(|hex| Sha256::from_hex(hex).ok())
}

/// The digest that a reference leads to now.
///
/// # Errors
/// [`RegistryError`].
pub fn resolve(reference: &str, plain_http: bool) -> Result<String, RegistryError> {
    let parsed = parse(reference)?;
    let tag = parsed.tag().unwrap_or("latest").to_owned();
    block_on(async {
        let repository = Repository::open(parsed, RegistryOperation::Pull, plain_http).await?;
        Ok(repository.get_manifest(&tag, &ACCEPTED).await?.1)
    })
}

/// Where an image may be had.
pub struct Sources<'s> {
    /// Brings a blob into the store from somewhere nearer than the registry, if it is there.
    pub nearer: &'s dyn Fn(Sha256) -> Option<Digest<Blob>>,
    /// Whether the registry may not be asked.
    pub offline: bool,
    /// Whether it is spoken to without encryption though it is not on this machine.
    pub plain_http: bool,
}

/// An image for one platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its manifest's bytes.
    pub manifest: Vec<u8>,
    /// All that it was found by and is made of, in the store: an index, the manifest, the configuration, the layers.
    pub blobs: Vec<Digest<Blob>>,
}

/// Brings the image that `digest` names in the repository of `reference`, for a platform, into the store. `None`: some of
/// it is nowhere nearer, and the registry may not be asked.
///
/// # Errors
/// [`RegistryError`].
pub fn pull(
    store: &dyn Content,
    reference: &str,
    digest: &str,
    platform: &Platform,
    sources: &Sources<'_>,
) -> Result<Option<Image>, RegistryError> {
    let mut pulling = Pulling { store, reference, sources, repository: None, blobs: Vec::new() };
    let manifest = block_on(pulling.image(digest, platform))?;
    Ok(manifest.map(|manifest| Image { manifest, blobs: pulling.blobs }))
}

/// When an image, or each that an index names, was made, in the order of the index, by what its configuration says (OCI
/// image specification, `created`, RFC 3339). `None`: it doesn't say.
///
/// # Errors
/// [`RegistryError`].
pub fn created(
    store: &dyn Content,
    reference: &str,
    digest: &str,
    plain_http: bool,
) -> Result<Vec<Option<String>>, RegistryError> {
    let sources = Sources { nearer: &|_| None, offline: false, plain_http };
    let mut pulling = Pulling { store, reference, sources: &sources, repository: None, blobs: Vec::new() };
    block_on(pulling.created(digest))
}

struct Pulling<'p> {
    store: &'p dyn Content,
    reference: &'p str,
    sources: &'p Sources<'p>,
    /// The registry, once it was asked.
    repository: Option<Repository>,
    blobs: Vec<Digest<Blob>>,
}

impl Pulling<'_> {
    /// The manifest of the platform's image; all of it is in the store then.
    async fn image(&mut self, digest: &str, platform: &Platform) -> Result<Option<Vec<u8>>, RegistryError> {
        let (store, reference) = (self.store, self.reference);
        let Some(mut bytes) = self.manifest(digest).await? else { return Ok(None) };
        let mut manifest = json(reference, &bytes)?;
        if let Some(manifests) = manifest["manifests"].as_array() {
            let digest = select(reference, manifests, platform)?;
            let Some(selected) = self.manifest(&digest).await? else { return Ok(None) };
            bytes = selected;
            manifest = json(reference, &bytes)?;
        }
        let layers = manifest["layers"].as_array().into_iter().flatten();
        for descriptor in std::iter::once(&manifest["config"]).chain(layers) {
            if !self.bring(blob(reference, descriptor)?).await? {
                return Ok(None);
            }
        }
        // An image that stands alone says in its configuration what it is for.
        let config = json(reference, &store.get(blob(reference, &manifest["config"])?)?)?;
        check_platform(reference, &config, platform)?;
        Ok(Some(bytes))
    }

    async fn created(&mut self, digest: &str) -> Result<Vec<Option<String>>, RegistryError> {
        let (store, reference) = (self.store, self.reference);
        let mut open = vec![digest.to_owned()];
        let mut dates = Vec::new();
        while let Some(digest) = open.pop() {
            let Some(bytes) = self.manifest(&digest).await? else { continue };
            let manifest = json(reference, &bytes)?;
            if let Some(manifests) = manifest["manifests"].as_array() {
                // What is for no platform is about an image, and none.
                let images = manifests.iter().filter(|one| one["platform"]["os"] != "unknown");
                let digests =
                    images.filter_map(|one| one["digest"].as_str().filter(|digest| is_digest(digest)));
                open.extend(digests.rev().map(str::to_owned));
                continue;
            }
            let config = blob(reference, &manifest["config"])?;
            self.bring(config).await?;
            let config = json(reference, &store.get(config)?)?;
            dates.push(config["created"].as_str().map(str::to_owned));
        }
        Ok(dates)
    }

    async fn manifest(&mut self, digest: &str) -> Result<Option<Vec<u8>>, RegistryError> {
        if let Some(blob) = sha256(digest).and_then(|sha256| (self.sources.nearer)(sha256)) {
            self.blobs.push(blob);
            return Ok(Some(self.store.get(blob)?));
        }
        let Some(repository) = self.repository().await? else { return Ok(None) };
        let (bytes, _) = repository.get_manifest(digest, &ACCEPTED).await?;
        self.blobs.push(self.store.put(&bytes)?);
        Ok(Some(bytes.to_vec()))
    }

    /// Whether it is in the store now.
    async fn bring(&mut self, blob: Digest<Blob>) -> Result<bool, RegistryError> {
        self.blobs.push(blob);
        let store = self.store;
        if store.has_blob(blob)? || (self.sources.nearer)(blob.sha256()) == Some(blob) {
            return Ok(true);
        }
        let Some(repository) = self.repository().await? else { return Ok(false) };
        repository.fetch(store, blob).await?;
        Ok(true)
    }

    /// The registry's repository, if it may be asked.
    async fn repository(&mut self) -> Result<Option<&Repository>, RegistryError> {
        if self.sources.offline {
            return Ok(None);
        }
        if self.repository.is_none() {
            let (reference, plain_http) = (parse(self.reference)?, self.sources.plain_http);
            self.repository = Some(Repository::open(reference, RegistryOperation::Pull, plain_http).await?);
        }
        Ok(self.repository.as_ref())
    }
}

fn json(reference: &str, bytes: &[u8]) -> Result<Value, RegistryError> {
    serde_json::from_slice(bytes).map_err(|error| unreadable(reference, error.to_string()))
}

fn unreadable(reference: &str, problem: String) -> RegistryError {
    RegistryError::Image(xbuild_image::ImageError::Pulled { reference: reference.to_owned(), problem })
}

fn blob(reference: &str, descriptor: &Value) -> Result<Digest<Blob>, RegistryError> {
    match (descriptor["digest"].as_str().and_then(sha256), descriptor["size"].as_u64()) {
        (Some(sha256), Some(size)) => Ok(Digest::new(sha256, size)),
        _ => Err(unreadable(reference, "its manifest names a blob by no SHA-256".to_owned())),
    }
}

/// What an object says of a platform.
fn platform_of(at: &Value) -> Option<Platform> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    Some(Platform {
        os: text(&at["os"])?,
        architecture: text(&at["architecture"])?,
        variant: text(&at["variant"]),
    })
}

fn no_platform(reference: &str, platform: &Platform, there: Vec<Platform>) -> RegistryError {
    RegistryError::NoPlatform {
        reference: reference.to_owned(),
        platform: platform.to_string(),
        platforms: there.iter().map(ToString::to_string).collect(),
    }
}

/// The digest of a platform's manifest in an index.
fn select(reference: &str, manifests: &[Value], platform: &Platform) -> Result<String, RegistryError> {
    // Many name the variant of arm64, which has one only.
    let fits = |one: &Platform| {
        let same = (&one.os, &one.architecture) == (&platform.os, &platform.architecture);
        same && (platform.variant.is_none() || one.variant == platform.variant)
    };
    let found = manifests.iter().find(|one| platform_of(&one["platform"]).is_some_and(|one| fits(&one)));
    let Some(found) = found else {
        let there = manifests.iter().filter_map(|one| platform_of(&one["platform"])).collect();
        return Err(no_platform(reference, platform, there));
    };
    let digest = found["digest"].as_str().filter(|digest| is_digest(digest));
    digest.map(str::to_owned).ok_or_else(|| unreadable(reference, "its index names no SHA-256".to_owned()))
}

/// Checks what a configuration says that it is for. Many leave the variant out.
fn check_platform(reference: &str, config: &Value, platform: &Platform) -> Result<(), RegistryError> {
    let there = platform_of(config);
    let fits = there.as_ref().is_some_and(|one| {
        let same = (&one.os, &one.architecture) == (&platform.os, &platform.architecture);
        same && (platform.variant.is_none() || one.variant.is_none() || one.variant == platform.variant)
    });
    if fits { Ok(()) } else { Err(no_platform(reference, platform, there.into_iter().collect())) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_manifest_of_the_platform_is_taken() {
        let of = |os: &str, architecture: &str, variant: Option<&str>, digest: &str| json!({ "digest": digest, "platform": { "os": os, "architecture": architecture, "variant": variant } });
        let digest = |digit: &str| format!("sha256:{}", digit.repeat(64));
        let manifests = [
            json!({ "digest": digest("f") }),
            of("linux", "arm", Some("v6"), &digest("6")),
            of("linux", "arm", Some("v7"), &digest("7")),
            of("linux", "arm64", Some("v8"), &digest("8")),
            of("linux", "s390x", None, "latest"),
        ];
        let platform = |architecture: &str, variant: Option<&str>| Platform {
            os: "linux".to_owned(),
            architecture: architecture.to_owned(),
            variant: variant.map(str::to_owned),
        };
        let select =
            |architecture: &str, variant| select("base", &manifests, &platform(architecture, variant));
        assert_eq!(select("arm", Some("v7")).unwrap(), digest("7"));
        assert_eq!(select("arm64", None).unwrap(), digest("8"));
        assert!(select("s390x", None).unwrap_err().to_string().contains("SHA-256"));
        let error = select("amd64", None).unwrap_err();
        assert!(error.help().unwrap().contains("linux/arm/v6, linux/arm/v7, linux/arm64/v8"), "{error}");
    }

    #[test]
    fn a_configuration_may_leave_the_variant_out() {
        let v7 = Platform {
            os: "linux".to_owned(),
            architecture: "arm".to_owned(),
            variant: Some("v7".to_owned()),
        };
        let check = |config: Value| check_platform("base", &config, &v7);
        check(json!({ "os": "linux", "architecture": "arm" })).unwrap();
        check(json!({ "os": "linux", "architecture": "arm", "variant": "v7" })).unwrap();
        check(json!({ "os": "linux", "architecture": "arm", "variant": "v6" })).unwrap_err();
        check(json!({ "os": "linux", "architecture": "amd64" })).unwrap_err();
        check(json!({})).unwrap_err();
    }

    #[test]
    fn only_sha256_is_a_pin() {
        let with = |digest: String| digest_of(&format!("registry.example/base@{digest}"));
        let digest = format!("sha256:{}", "a".repeat(64));
        assert_eq!(with(digest.clone()).unwrap(), Some(digest));
        with(format!("sha512:{}", "a".repeat(128))).unwrap_err();
        assert_eq!(digest_of("registry.example/base:1").unwrap(), None);
    }
}
