//! `[image]` and `[images.NAME]`: what goes into images, and how they are run.
//!
//! A table says some of it, and is laid over those that came before: `[image]`, then `[images.NAME]`, then each
//! `[target.….image]` that holds for the target, in the order of the file, then `[variant.….image]`.
//! [`Images::settings`] does that.

mod read;

use std::collections::{BTreeMap, BTreeSet};

use cargo_platform::Platform;

use super::input::InputOutput;
use super::step::StepPart;
use crate::names::VariantName;

pub(super) use read::{read, read_for_target, read_for_variant};

/// The images of a project.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Images {
    /// Whether the description says anything of images.
    pub is_described: bool,
    /// `[image]`: what holds for each image that doesn't say otherwise.
    pub common: ImageTable,
    /// `[images.NAME]`. Without any, each program is an image of its own.
    pub named: BTreeMap<String, ImageTable>,
    /// `[target.<triple or cfg>.image]`, in the order of the file.
    pub by_target: Vec<(Platform, ImageTable)>,
    /// `[variant.<name>.image]`.
    pub by_variant: BTreeMap<VariantName, ImageTable>,
}

impl Images {
    /// What holds for an image, named or not, of a variant, on the targets that `holds` says yes to.
    #[must_use]
    pub fn settings(&self, name: &str, variant: &str, holds: impl Fn(&Platform) -> bool) -> ImageSettings {
        let mut whole = self.common.clone();
        if let Some(own) = self.named.get(name) {
            whole.lay(own.clone());
        }
        for (_, table) in self.by_target.iter().filter(|(platform, _)| holds(platform)) {
            whole.lay(table.clone());
        }
        if let Some((_, table)) = self.by_variant.iter().find(|(name, _)| name.as_str() == variant) {
            whole.lay(table.clone());
        }
        whole.into()
    }

    /// A variant's table is laid over that of the variant which it inherits.
    pub(super) fn inherit(&mut self, variant: &VariantName, from: &VariantName) {
        let Some(mut table) = self.by_variant.get(from).cloned() else { return };
        table.lay(self.by_variant.remove(variant).unwrap_or_default());
        self.by_variant.insert(variant.clone(), table);
    }

    /// Everything that the wanted images may say, whatever the variant and the target.
    pub fn every(&self, is_wanted: impl Fn(&str) -> bool) -> Vec<ImageSettings> {
        let named: Vec<&str> = if self.named.is_empty() {
            vec![""]
        } else {
            self.named.keys().map(String::as_str).filter(|name| is_wanted(name)).collect()
        };
        let targets = self.by_target.iter().map(|(platform, _)| Some(platform));
        let variants: Vec<&str> =
            std::iter::once("").chain(self.by_variant.keys().map(VariantName::as_str)).collect();
        let mut all = Vec::new();
        for target in std::iter::once(None).chain(targets) {
            for variant in &variants {
                let of = |name: &&str| self.settings(name, variant, |platform| Some(platform) == target);
                all.extend(named.iter().map(of));
            }
        }
        all
    }

    /// Every base that a wanted image may have.
    pub fn bases(&self, is_wanted: impl Fn(&str) -> bool) -> BTreeSet<Base> {
        self.every(is_wanted).into_iter().map(|settings| settings.base).collect()
    }
}

/// What a table of the description says of an image: the keys that it has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "as the fields of ImageSettings")]
pub struct ImageTable {
    pub base: Option<Base>,
    pub bins: Option<BTreeSet<String>>,
    pub repository: Option<String>,
    pub entrypoint: Option<Vec<String>>,
    pub cmd: Option<Vec<String>>,
    pub env: BTreeMap<String, String>,
    pub user: Option<String>,
    pub workdir: Option<String>,
    pub ports: Option<BTreeSet<String>>,
    pub volumes: Option<BTreeSet<String>>,
    pub stop_signal: Option<String>,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    pub files: BTreeMap<String, ImageFile>,
    pub dlopen: Option<BTreeSet<String>>,
    pub compression: Option<LayerCompression>,
    pub max_size: Option<u64>,
    pub timezones: Option<bool>,
    pub allow_secrets: Option<BTreeSet<String>>,
}

impl ImageTable {
    /// Lays another one over this: what it says takes the place of what this one says, tables are joined.
    fn lay(&mut self, over: Self) {
        *self = Self {
            base: over.base.or(self.base.take()),
            bins: over.bins.or(self.bins.take()),
            repository: over.repository.or(self.repository.take()),
            entrypoint: over.entrypoint.or(self.entrypoint.take()),
            cmd: over.cmd.or(self.cmd.take()),
            user: over.user.or(self.user.take()),
            workdir: over.workdir.or(self.workdir.take()),
            ports: over.ports.or(self.ports.take()),
            volumes: over.volumes.or(self.volumes.take()),
            stop_signal: over.stop_signal.or(self.stop_signal.take()),
            dlopen: over.dlopen.or(self.dlopen.take()),
            compression: over.compression.or(self.compression.take()),
            max_size: over.max_size.or(self.max_size.take()),
            timezones: over.timezones.or(self.timezones.take()),
            allow_secrets: over.allow_secrets.or(self.allow_secrets.take()),
            env: joined(&mut self.env, over.env),
            labels: joined(&mut self.labels, over.labels),
            annotations: joined(&mut self.annotations, over.annotations),
            files: joined(&mut self.files, over.files),
        };
    }
}

fn joined<T>(table: &mut BTreeMap<String, T>, over: BTreeMap<String, T>) -> BTreeMap<String, T> {
    table.extend(over);
    std::mem::take(table)
}

/// What goes into an image, and how it is run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageSettings {
    /// What is there beside the programs and what they need.
    pub base: Base,
    /// The programs; `None`: of a named image all programs, else the one that it is named after.
    pub bins: Option<BTreeSet<String>>,
    /// Where it is pushed to, with `{name}` and `{variant}` to be filled in.
    pub repository: Option<String>,
    /// What is run, a path in the image first; `None`: its only program.
    pub entrypoint: Option<Vec<String>>,
    /// Arguments when no others are given.
    pub cmd: Vec<String>,
    /// Environment variables.
    pub env: BTreeMap<String, String>,
    /// Who runs it; `None`: `nonroot` (65532) where the base has it, else root.
    pub user: Option<String>,
    /// The working directory.
    pub workdir: Option<String>,
    /// Ports that it listens to: `8080/tcp`.
    pub ports: BTreeSet<String>,
    /// Folders whose content outlives a container.
    pub volumes: BTreeSet<String>,
    /// The signal that asks it to end.
    pub stop_signal: Option<String>,
    /// What the configuration says of it.
    pub labels: BTreeMap<String, String>,
    /// What the manifest and the index say of it.
    pub annotations: BTreeMap<String, String>,
    /// Files and folders beside the programs, by their absolute paths in the image.
    pub files: BTreeMap<String, ImageFile>,
    /// Libraries that programs load by name while they run.
    pub dlopen: BTreeSet<String>,
    /// How its layers are compressed.
    pub compression: LayerCompression,
    /// What its layers may be together, uncompressed, in bytes.
    pub max_size: Option<u64>,
    /// Whether it has time zones.
    pub timezones: bool,
    /// Absolute paths of files in it that may hold keys and tokens.
    pub allow_secrets: BTreeSet<String>,
}

impl From<ImageTable> for ImageSettings {
    fn from(table: ImageTable) -> Self {
        Self {
            base: table.base.unwrap_or_default(),
            bins: table.bins,
            repository: table.repository,
            entrypoint: table.entrypoint,
            cmd: table.cmd.unwrap_or_default(),
            env: table.env,
            user: table.user,
            workdir: table.workdir,
            ports: table.ports.unwrap_or_default(),
            volumes: table.volumes.unwrap_or_default(),
            stop_signal: table.stop_signal,
            labels: table.labels,
            annotations: table.annotations,
            files: table.files,
            dlopen: table.dlopen.unwrap_or_default(),
            compression: table.compression.unwrap_or_default(),
            max_size: table.max_size,
            timezones: table.timezones.unwrap_or_default(),
            allow_secrets: table.allow_secrets.unwrap_or_default(),
        }
    }
}

/// What is in an image beside the programs and what they need.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Base {
    /// CA certificates, a user `nonroot`, `/tmp`.
    #[default]
    Static,
    /// Nothing.
    Scratch,
    /// Another image, by its reference: `registry.example/team/base:1`. Its digest is pinned in `xbuild.lock`.
    Pulled(String),
}

/// A file or folder of an image beside its programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFile {
    /// Where it comes from.
    pub from: FileSource,
    /// Permissions; `None`: 0755 for folders and what can be executed, else 0644. Of a folder that comes with what
    /// is in it: of the files.
    pub mode: Option<u32>,
    /// `uid`, `uid:gid` or a name that the image's `/etc/passwd` has; `None`: root.
    pub owner: Option<String>,
}

/// Where a file of an image comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileSource {
    /// A file, or a folder with all that is in it, by its path from the workspace's root.
    Project(String),
    /// An output of the same variant and target: a program or a library.
    Output(String),
    /// What a step makes, for the same variant and target, or a part of it.
    Step(StepPart),
    /// An output of another project, for the same target.
    Input(InputOutput),
    /// A file of the net, by its SHA-256.
    Url {
        /// Where it is.
        url: String,
        /// Its SHA-256, in hex.
        sha256: String,
    },
    /// An empty folder.
    Folder,
    /// A symbolic link and its target.
    Link(String),
}

/// How layers are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LayerCompression {
    /// Not at all.
    None,
    /// gzip.
    #[default]
    Gzip,
    /// zstd.
    Zstd,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_tables_are_laid_over_earlier_ones() {
        let table = |user: &str, key: &str| ImageTable {
            user: Some(user.to_owned()),
            labels: [(key.to_owned(), user.to_owned()), ("all".to_owned(), user.to_owned())].into(),
            ..ImageTable::default()
        };
        let arm: Platform = "cfg(target_arch = \"aarch64\")".parse().unwrap();
        let images = Images {
            is_described: true,
            common: ImageTable { base: Some(Base::Scratch), ..table("common", "a") },
            named: [("foo".to_owned(), table("foo", "b"))].into(),
            by_target: vec![(arm.clone(), table("arm", "c"))],
            by_variant: [("small".parse().unwrap(), table("small", "d"))].into(),
        };
        let of = |name: &str, on_arm: bool| {
            images.settings(name, "default", |platform| *platform == arm && on_arm)
        };
        assert_eq!(images.settings("foo", "small", |_| true).user.as_deref(), Some("small"));
        assert_eq!(of("other", false).user.as_deref(), Some("common"));
        assert_eq!(of("foo", false).user.as_deref(), Some("foo"));
        assert_eq!(of("foo", true).user.as_deref(), Some("arm"));
        assert_eq!(of("foo", true).base, Base::Scratch);
        let labels: Vec<String> =
            of("foo", true).labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(labels, ["a=common", "all=arm", "b=foo", "c=arm"]);
    }

    #[test]
    fn only_bases_that_may_be_needed_are_named() {
        let based = |base| ImageTable { base: Some(base), ..ImageTable::default() };
        let mut images = Images::default();
        assert_eq!(images.bases(|_| true), [Base::Static].into());
        images.named = [
            ("a".to_owned(), based(Base::Scratch)),
            ("b".to_owned(), based(Base::Pulled("example/base".to_owned()))),
        ]
        .into();
        assert_eq!(images.bases(|name| name == "a"), [Base::Scratch].into());
    }
}
