//! The hashes that make names: `-C metadata=…` and what stands behind the `-` in file names.
//!
//! Cargo's `compute_metadata` decides what counts (`compilation_files.rs`); the function itself is ours, and
//! stable for all time. One hash goes to `-C metadata` and so into symbol names; the other, which covers the
//! user's rustflags too, names files.
//!
//! | field | counts | why |
//! |---|---|---|
//! | package name, version, source | yes; a path relative to the workspace's root, a git source without its commit | two packages may share a name; no host path, no content |
//! | features, mode, platform, target name, kind and crate types, edition | yes | two units of a package must not clash |
//! | profile, LTO flavour | yes, but for its name and `incremental` | another profile's artefacts may lie in the same folder |
//! | dependencies | yes, by their hashes, sorted | the same crate over other dependencies is another crate |
//! | rustc | yes; its host only for host units | cross-compiled artefacts are the same on every host |
//! | rustflags | in file names alone, unless they remap paths | they may hold paths |
//! | linker, link arguments, arguments of ours, lints, environment, the sources' content | no | they change what comes out, not which crate it is |
//! | roots, other targets | no | the request changes no bits |

use xbuild_base::{Hasher, RelPath};

use crate::lto::Lto;
use crate::package::Package;
use crate::platform::{Flavour, RustcVersion};
use crate::unit_graph::{CrateType, Profile, Target, Unit};

/// The two hashes of a unit: 16 hexadecimal digits each.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnitHash {
    /// `-C metadata=…`: part of the crate's identity.
    pub metadata: String,
    /// What file names carry.
    pub name: String,
}

/// What a unit's hashes are made of.
pub(crate) struct Ingredients<'a> {
    pub(crate) unit: &'a Unit,
    pub(crate) package: &'a Package,
    pub(crate) workspace_root: &'a RelPath,
    pub(crate) lto: &'a Lto,
    pub(crate) rustc: &'a RustcVersion,
    pub(crate) flavour: Flavour,
    pub(crate) rustflags: &'a [String],
    pub(crate) dependencies: Vec<&'a UnitHash>,
}

/// Raised when the meaning of a field changes.
const VERSION: &str = "xbuild unit hash 1";

/// A hasher of labelled fields, each with its length, so that no two lists of fields look the same.
#[derive(Clone, Default)]
struct Fields(Hasher);

impl Fields {
    fn text(&mut self, text: &str) {
        self.0.update(&(text.len() as u64).to_le_bytes());
        self.0.update(text.as_bytes());
    }

    fn field(&mut self, label: &str, value: &str) {
        self.text(label);
        self.text(value);
    }

    fn list<'t>(&mut self, label: &str, values: impl IntoIterator<Item = &'t str>) {
        let values: Vec<&str> = values.into_iter().collect();
        self.field(label, &values.len().to_string());
        for value in values {
            self.text(value);
        }
    }

    fn finish(self) -> String {
        let mut hex = self.0.sha256().to_hex();
        hex.truncate(16);
        hex
    }
}

impl Ingredients<'_> {
    pub(crate) fn hash(self) -> UnitHash {
        let Self { unit, package, workspace_root, lto, rustc, flavour, rustflags, mut dependencies } = self;
        let Unit { package: _, target, profile, platform, mode, features, is_std, dependencies: _ } = unit;
        let mut fields = Fields::default();
        fields.text(VERSION);
        fields.field("name", &package.name);
        fields.field("version", &package.version.to_string());
        match package.source_without_commit() {
            Some(source) => fields.field("source", source),
            None => fields.field("path", &workspace_root.relative_to(&package.root)),
        }
        fields.list("features", features.iter().map(String::as_str));
        hash_profile(&mut fields, profile);
        fields.field("lto flavour", &format!("{lto:?}"));
        fields.field("mode", &format!("{mode:?}"));
        fields.field("platform", platform.as_ref().map_or("", |triple| triple.as_str()));
        hash_target(&mut fields, target);
        let version = rustc.verbose.lines().filter(|l| platform.is_none() || !l.starts_with("host: "));
        fields.list("rustc", version);
        fields.field("std", if *is_std { "-Zbuild-std" } else { "" });
        fields.field("flavour", &format!("{flavour:?}"));

        let mut names = fields.clone();
        dependencies.sort_by(|a, b| a.metadata.cmp(&b.metadata));
        fields.list("dependencies", dependencies.iter().map(|hash| hash.metadata.as_str()));
        dependencies.sort_by(|a, b| a.name.cmp(&b.name));
        names.list("dependencies", dependencies.iter().map(|hash| hash.name.as_str()));
        if !rustflags.iter().any(|flag| flag.starts_with("--remap-path-prefix")) {
            names.list("rustflags", rustflags.iter().map(String::as_str));
        }
        UnitHash { metadata: fields.finish(), name: names.finish() }
    }
}

fn hash_target(fields: &mut Fields, target: &Target) {
    let Target {
        kind,
        crate_types,
        name,
        src_path: _, // a path; which of the package's targets it is, is told by kind and name
        edition,
        required_features: _, // whether it is built, not how
        doc: _,
        doctest: _,
        test: _,
    } = target;
    fields.field("target", name);
    fields.list("kind", kind.iter().map(String::as_str));
    fields.list("crate types", crate_types.iter().map(CrateType::as_str));
    fields.field("edition", edition);
}

fn hash_profile(fields: &mut Fields, profile: &Profile) {
    let Profile {
        name: _, // two profiles with the same values are the same
        opt_level,
        lto,
        codegen_backend,
        codegen_units,
        debuginfo,
        split_debuginfo,
        debug_assertions,
        overflow_checks,
        rpath,
        incremental: _, // never done
        panic,
        strip,
        rustflags,
        trim_paths: _,         // not passed on
        hint_mostly_unused: _, // not passed on
    } = profile;
    fields.field("opt-level", opt_level);
    fields.field("lto", lto);
    fields.field("codegen-backend", codegen_backend.as_deref().unwrap_or_default());
    fields.field("codegen-units", &codegen_units.map(|units| units.to_string()).unwrap_or_default());
    fields.field("debuginfo", &debuginfo.to_string());
    fields.field("split-debuginfo", split_debuginfo.as_deref().unwrap_or_default());
    fields.field("debug-assertions", &debug_assertions.to_string());
    fields.field("overflow-checks", &overflow_checks.to_string());
    fields.field("rpath", &rpath.to_string());
    fields.field("panic", panic);
    fields.field("strip", strip.flag().unwrap_or_default());
    fields.list("rustflags", rustflags.iter().map(String::as_str));
}
