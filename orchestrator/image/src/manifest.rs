//! Configuration and manifest of an image of one platform.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use oci_spec::image::{
    ConfigBuilder, Descriptor, History, HistoryBuilder, ImageConfigurationBuilder, ImageManifestBuilder,
    MediaType, RootFsBuilder, SCHEMA_VERSION, Sha256Digest,
};
use serde::{Deserialize, Serialize};
use xbuild_action::{Content, ContentExt as _};
use xbuild_base::{Blob, Digest, RelPath};
use xbuild_store::Disk;

use crate::compress::Compression;
use crate::error::ImageError;
use crate::layer::{Layer, pack_all};
use crate::pulled::Pulled;
use crate::rootfs::{Kind, Role, RootFs};

/// The time that an image has been made at, where no commit says another: that of all files in it.
const CREATED: &str = "1980-01-01T00:00:00Z";

/// A platform, in Go's words.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Platform {
    /// The operating system.
    pub os: String,
    /// The architecture.
    pub architecture: String,
    /// The architecture's variant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl std::fmt::Display for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { os, architecture, variant } = self;
        write!(f, "{os}/{architecture}")?;
        variant.iter().try_for_each(|variant| write!(f, "/{variant}"))
    }
}

impl Platform {
    pub(crate) fn descriptor(&self) -> Result<oci_spec::image::Platform, ImageError> {
        let builder = oci_spec::image::PlatformBuilder::default()
            .os(self.os.as_str())
            .architecture(self.architecture.as_str());
        let builder = match &self.variant {
            Some(variant) => builder.variant(variant.clone()),
            None => builder,
        };
        builder.build().map_err(specification)
    }
}

/// How an image is run, and what is said of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// What is run; the first is a path in the image.
    pub entrypoint: Vec<String>,
    /// Its arguments when no others are given.
    pub cmd: Vec<String>,
    /// Environment variables.
    pub env: BTreeMap<String, String>,
    /// `user`, `uid`, `user:group` or `uid:gid`.
    pub user: Option<String>,
    /// The working directory.
    pub workdir: Option<String>,
    /// Ports that it listens to, such as `8080/tcp`.
    pub ports: BTreeSet<String>,
    /// Folders whose content outlives a container.
    pub volumes: BTreeSet<String>,
    /// The signal that asks it to end.
    pub stop_signal: Option<String>,
    /// What the configuration says of it.
    pub labels: BTreeMap<String, String>,
    /// What the manifest and the index say of it.
    pub annotations: BTreeMap<String, String>,
    /// How layers are compressed.
    pub compression: Compression,
    /// What all layers together may be, uncompressed, in bytes.
    pub max_size: Option<u64>,
    /// When it was made, as RFC 3339 has it; `None`: the one time of all files.
    pub created: Option<String>,
}

/// An image of one platform, in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// What it runs on.
    pub platform: Platform,
    /// Its layers, the lowest first.
    pub layers: Vec<(Role, Layer)>,
    /// Its configuration.
    pub config: Digest<Blob>,
    /// Its manifest: the digest that names it.
    pub manifest: Digest<Blob>,
    /// What the index says of it.
    pub annotations: BTreeMap<String, String>,
    /// What is in it and why: a [`RootFs`] as JSON.
    pub contents: Digest<Blob>,
}

impl Image {
    /// The sum of its layers, uncompressed, in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.layers.iter().map(|(_, layer)| layer.diff.size()).sum()
    }

    /// What is sent of it at most, in bytes.
    #[must_use]
    pub fn compressed_size(&self) -> u64 {
        let layers: u64 = self.layers.iter().map(|(_, layer)| layer.blob.size()).sum();
        layers + self.config.size() + self.manifest.size()
    }
}

/// Packs files into layers and describes them. `name` is for messages; `base` is what the image is based on, whose
/// files are in `root` already.
///
/// # Errors
/// [`ImageError::NoEntrypoint`], [`ImageError::NoUser`], [`ImageError::TooLarge`]; when the store fails.
pub fn describe(
    store: &Disk,
    name: &str,
    platform: &Platform,
    root: &RootFs,
    base: Option<&Pulled>,
    settings: &Settings,
) -> Result<Image, ImageError> {
    let settings = &inherited(settings, base);
    check_entrypoint(root, settings)?;
    check_user(store, root, settings)?;
    let mut layers: Vec<(Role, Layer)> =
        base.iter().flat_map(|base| &base.layers).map(|layer| (Role::Pulled, layer.clone())).collect();
    layers.extend(pack_all(store, root, settings.compression)?);
    let size: u64 = layers.iter().map(|(_, layer)| layer.diff.size()).sum();
    if let Some(limit) = settings.max_size
        && size > limit
    {
        let largest = root.largest(10);
        return Err(ImageError::TooLarge { name: name.to_owned(), size, limit, largest });
    }
    let config = store.put(&configuration(platform, settings, base, &layers)?)?;
    let manifest = store.put(&manifest(settings, config, &layers)?)?;
    let contents = store.put(&canonical(root)?)?;
    let annotations = settings.annotations.clone();
    Ok(Image { platform: platform.clone(), layers, config, manifest, annotations, contents })
}

/// The settings with what a base says where they say nothing: as `FROM` has it, but for what is run.
fn inherited(settings: &Settings, base: Option<&Pulled>) -> Settings {
    let mut settings = settings.clone();
    let Some(config) = base.and_then(|base| base.config.config().as_ref()) else { return settings };
    for variable in config.env().iter().flatten() {
        if let Some((name, value)) = variable.split_once('=') {
            settings.env.entry(name.to_owned()).or_insert_with(|| value.to_owned());
        }
    }
    let text = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    settings.user = settings.user.or_else(|| text(config.user()));
    settings.workdir = settings.workdir.or_else(|| text(config.working_dir()));
    settings.stop_signal = settings.stop_signal.or_else(|| text(config.stop_signal()));
    settings.ports.extend(config.exposed_ports().iter().flatten().cloned());
    settings.volumes.extend(config.volumes().iter().flatten().cloned());
    for (name, value) in config.labels().iter().flatten() {
        settings.labels.entry(name.clone()).or_insert_with(|| value.clone());
    }
    settings
}

fn configuration(
    platform: &Platform,
    settings: &Settings,
    base: Option<&Pulled>,
    layers: &[(Role, Layer)],
) -> Result<Vec<u8>, ImageError> {
    let Settings { entrypoint, cmd, env, user, workdir, ports, volumes, stop_signal, labels, .. } = settings;
    let mut config = ConfigBuilder::default();
    if !entrypoint.is_empty() {
        config = config.entrypoint(entrypoint.clone());
    }
    if !cmd.is_empty() {
        config = config.cmd(cmd.clone());
    }
    if !env.is_empty() {
        config = config.env(env.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>());
    }
    if let Some(user) = user {
        config = config.user(user.clone());
    }
    if let Some(workdir) = workdir {
        config = config.working_dir(workdir.clone());
    }
    if !ports.is_empty() {
        config = config.exposed_ports(ports.iter().cloned().collect::<Vec<_>>());
    }
    if !volumes.is_empty() {
        config = config.volumes(volumes.iter().cloned().collect::<Vec<_>>());
    }
    if let Some(signal) = stop_signal {
        config = config.stop_signal(signal.clone());
    }
    if !labels.is_empty() {
        config = config.labels(hash_map(labels));
    }
    let mut history = base.map(base_history).transpose()?.unwrap_or_default();
    for (role, _) in layers.iter().filter(|(role, _)| *role != Role::Pulled) {
        history.push(layer_history(*role)?);
    }
    let created = settings.created.as_deref().unwrap_or(CREATED);
    let diffs: Vec<String> = layers.iter().map(|(_, layer)| layer.diff.sha256().to_string()).collect();
    let mut configuration = ImageConfigurationBuilder::default()
        .created(created)
        .os(platform.os.as_str())
        .architecture(platform.architecture.as_str())
        .config(config.build().map_err(specification)?)
        .rootfs(RootFsBuilder::default().typ("layers").diff_ids(diffs).build().map_err(specification)?)
        .history(history);
    if let Some(variant) = &platform.variant {
        configuration = configuration.variant(variant.clone());
    }
    canonical(&configuration.build().map_err(specification)?)
}

/// What a base says of its layers; where it does not say something of each, which readers expect, that they are its.
fn base_history(base: &Pulled) -> Result<Vec<History>, ImageError> {
    let own = base.config.history().clone().unwrap_or_default();
    let of_layers = own.iter().filter(|entry| entry.empty_layer() != Some(true)).count();
    if of_layers == base.layers.len() {
        return Ok(own);
    }
    base.layers.iter().map(|_| history("the base's".to_owned())).collect()
}

fn layer_history(role: Role) -> Result<History, ImageError> {
    history(format!("xbuild image: {role}"))
}

fn history(by: String) -> Result<History, ImageError> {
    HistoryBuilder::default().created(CREATED).created_by(by).build().map_err(specification)
}

fn manifest(
    settings: &Settings,
    config: Digest<Blob>,
    layers: &[(Role, Layer)],
) -> Result<Vec<u8>, ImageError> {
    let mut described = Vec::new();
    for (_, layer) in layers {
        let media_type = match layer.compression {
            Compression::None => MediaType::ImageLayer,
            Compression::Gzip => MediaType::ImageLayerGzip,
            Compression::Zstd => MediaType::ImageLayerZstd,
        };
        described.push(descriptor(media_type, layer.blob)?);
    }
    let mut manifest = ImageManifestBuilder::default()
        .schema_version(SCHEMA_VERSION)
        .media_type(MediaType::ImageManifest)
        .config(descriptor(MediaType::ImageConfig, config)?)
        .layers(described);
    if !settings.annotations.is_empty() {
        manifest = manifest.annotations(hash_map(&settings.annotations));
    }
    canonical(&manifest.build().map_err(specification)?)
}

/// What names a blob in a manifest.
pub(crate) fn descriptor(media_type: MediaType, blob: Digest<Blob>) -> Result<Descriptor, ImageError> {
    let digest: Sha256Digest = blob.to_hex().parse().map_err(specification)?;
    Ok(Descriptor::new(media_type, blob.size(), digest))
}

pub(crate) fn hash_map(map: &BTreeMap<String, String>) -> HashMap<String, String> {
    map.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}

pub(crate) fn specification(error: impl std::fmt::Display) -> ImageError {
    ImageError::Specification(error.to_string())
}

/// JSON with sorted keys and no blanks: the specification's types keep maps in no order.
pub(crate) fn canonical(value: &impl Serialize) -> Result<Vec<u8>, ImageError> {
    fn sort(value: serde_json::Value) -> serde_json::Value {
        match value {
            serde_json::Value::Object(map) => {
                let sorted: BTreeMap<String, serde_json::Value> =
                    map.into_iter().map(|(key, value)| (key, sort(value))).collect();
                sorted.into_iter().collect()
            }
            serde_json::Value::Array(items) => items.into_iter().map(sort).collect(),
            other => other,
        }
    }
    let value = serde_json::to_value(value).map_err(specification)?;
    serde_json::to_vec(&sort(value)).map_err(specification)
}

/// An entrypoint that isn't there would be found when the container is started.
fn check_entrypoint(root: &RootFs, settings: &Settings) -> Result<(), ImageError> {
    let Some(program) = settings.entrypoint.first() else { return Ok(()) };
    let path = program.strip_prefix('/').and_then(|path| RelPath::new(path).ok());
    let there = path.and_then(|path| root.file(&path)).is_some_and(|(_, node)| node.mode & 0o111 != 0);
    if there {
        return Ok(());
    }
    let programs = root
        .nodes()
        .filter(|(_, node)| node.role != Role::Libraries && node.mode & 0o111 != 0)
        .filter(|(_, node)| matches!(node.kind, Kind::File(_)))
        .map(|(path, _)| format!("/{path}"))
        .collect();
    Err(ImageError::NoEntrypoint { program: program.clone(), programs })
}

/// A user by name must have an entry; a number needs none.
fn check_user(store: &dyn Content, root: &RootFs, settings: &Settings) -> Result<(), ImageError> {
    settings.user.iter().try_for_each(|user| root.owner(store, user).map(drop))
}
