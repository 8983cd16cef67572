//! What rustc leaves behind, by name: cargo's `rustc_outputs` and `uplift_to`.

use xbuild_base::RelPath;

use crate::context::Context;
use crate::error::Error;
use crate::layout;
use crate::needs::Need;
use crate::platform::Platform;
use crate::unit_graph::{CrateType, Mode, TargetKind, Unit, UnitIndex};

/// A file that rustc makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artefact {
    /// Its name in the output directory.
    pub file: String,
    /// The name without a hash that cargo gives it where people see it: a program's or a library's own name.
    pub installed: String,
    /// What it is.
    pub kind: ArtefactKind,
}

/// What an artefact is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ArtefactKind {
    /// A crate's metadata: enough to compile dependents that don't link.
    Metadata,
    /// An rlib, a Rust dynamic library or a proc macro: dependents name it with `--extern`.
    Linkable,
    /// A program, a test or a build script.
    Program,
    /// A C dynamic library.
    DynamicLibrary,
    /// A C static library.
    StaticLibrary,
    /// A Windows import library; not every linker writes one.
    ImportLibrary,
}

impl Context {
    /// The files that rustc makes of a unit. Debug information of its own, where there is any, comes beside
    /// them: its names can't be foretold.
    ///
    /// Empty for a unit that runs a build script, or tests or makes documentation.
    ///
    /// # Panics
    /// When the index is another graph's.
    #[must_use]
    pub fn artefacts(&self, index: UnitIndex) -> &[Artefact] {
        &self.artefacts[index.number()]
    }

    /// Works out what [`Self::artefacts`] tells: dependents ask for it again and again.
    pub(crate) fn make_artefacts(&self, index: UnitIndex) -> Vec<Artefact> {
        let unit = self.unit(index);
        let platform = self.platform(index);
        let hash = self.extra_file_name(index).map(|hash| format!("-{hash}")).unwrap_or_default();
        let crate_name = unit.target.crate_name();
        let metadata = || Artefact {
            file: format!("lib{crate_name}{hash}.rmeta"),
            installed: format!("lib{crate_name}.rmeta"),
            kind: ArtefactKind::Metadata,
        };
        let crate_types = match unit.mode {
            Mode::RunCustomBuild | Mode::Doctest | Mode::Doc => return Vec::new(),
            Mode::Check | Mode::CheckTest => return vec![metadata()],
            Mode::Test => &[CrateType::Binary][..],
            Mode::Build => &unit.target.crate_types,
        };
        let mut artefacts = Vec::new();
        for crate_type in crate_types {
            let Some((prefix, suffix)) = platform.file_name_parts(crate_type) else { continue };
            let (kind, name) = match crate_type {
                CrateType::Binary => (ArtefactKind::Program, unit.target.name.as_str()),
                CrateType::Cdylib => (ArtefactKind::DynamicLibrary, crate_name.as_str()),
                CrateType::Staticlib => (ArtefactKind::StaticLibrary, crate_name.as_str()),
                _ => (ArtefactKind::Linkable, crate_name.as_str()),
            };
            artefacts.push(Artefact {
                file: format!("{prefix}{crate_name}{hash}{suffix}"),
                installed: format!("{prefix}{name}{suffix}"),
                kind,
            });
            if crate_type.is_dynamic() && suffix == ".dll" {
                artefacts.push(import_library(platform, &crate_name, &hash));
            }
        }
        if !artefacts.is_empty() && !crate_types.iter().any(CrateType::requires_upstream_objects) {
            artefacts.push(metadata());
        }
        artefacts
    }

    /// The files of a dependency that a dependent with that need gets. An import library may be missing.
    ///
    /// # Panics
    /// When the index is another graph's.
    pub fn needed_files(&self, index: UnitIndex, need: Need) -> impl Iterator<Item = &Artefact> {
        let wanted = move |kind: ArtefactKind| match need {
            Need::Metadata => kind == ArtefactKind::Metadata,
            Need::Link => matches!(kind, ArtefactKind::Linkable | ArtefactKind::ImportLibrary),
            Need::Program => kind == ArtefactKind::Program,
        };
        self.artefacts(index).iter().filter(move |artefact| wanted(artefact.kind))
    }

    /// Where an artefact of a unit lies in the sandboxes of its dependents. For programs see
    /// [`Context::script_invocation`].
    ///
    /// # Panics
    /// When the index is another graph's.
    #[must_use]
    pub fn dependency_path(&self, index: UnitIndex, artefact: &Artefact) -> RelPath {
        layout::path(dependency_folder(self.unit(index)), &[&artefact.file])
    }

    /// What follows the crate's name in file names; C dynamic libraries of local packages have their plain
    /// names, which programs that link to them record (`use_extra_filename`).
    pub(crate) fn extra_file_name(&self, index: UnitIndex) -> Option<&str> {
        let unit = self.unit(index);
        let always = unit.mode != Mode::Build;
        let triple = self.platform(index).triple.as_str();
        let dynamic = unit.target.makes(&CrateType::Dylib) || unit.target.makes(&CrateType::Cdylib);
        let executable = unit.target.is_executable();
        let plain =
            dynamic || (executable && (triple == "wasm32-unknown-emscripten" || triple.contains("msvc")));
        (always || !plain || !self.package(index).is_local()).then(|| self.hash(index).name.as_str())
    }

    /// Cargo's check that a target can make at least one of the crate types of each unit that is built.
    ///
    /// # Errors
    /// [`Error::CrateTypes`] for the first that it can't make.
    ///
    /// # Panics
    /// When an index is another graph's.
    pub fn check_crate_types(&self, units: impl IntoIterator<Item = UnitIndex>) -> Result<(), Error> {
        for index in units {
            let unit = self.unit(index);
            let makes_files = !matches!(unit.mode, Mode::RunCustomBuild | Mode::Doctest | Mode::Doc);
            if makes_files && self.artefacts(index).is_empty() {
                let crate_types: Vec<_> = unit.target.crate_types.iter().map(CrateType::as_str).collect();
                return Err(Error::CrateTypes {
                    crate_types: crate_types.join(", "),
                    package: self.package(index).name.clone(),
                    platform: self.platform(index).triple.to_string(),
                });
            }
        }
        Ok(())
    }

    /// Whether a unit's programs and libraries are what people asked for: roots that are no build scripts.
    ///
    /// # Panics
    /// When the index is another graph's.
    #[must_use]
    pub fn is_root(&self, index: UnitIndex) -> bool {
        self.graph.roots().contains(&index)
            && self.unit(index).target.target_kind() != TargetKind::BuildScript
    }
}

/// Which folder artefacts of a unit lie in.
pub(crate) fn dependency_folder(unit: &Unit) -> &'static str {
    if unit.platform.is_some() { layout::TARGET_DEPENDENCIES } else { layout::HOST_DEPENDENCIES }
}

fn import_library(platform: &Platform, crate_name: &str, hash: &str) -> Artefact {
    let (prefix, suffix) =
        if platform.cfg_value("target_env") == Some("msvc") { ("", ".dll.lib") } else { ("lib", ".dll.a") };
    Artefact {
        file: format!("{prefix}{crate_name}{hash}{suffix}"),
        installed: format!("{prefix}{crate_name}{suffix}"),
        kind: ArtefactKind::ImportLibrary,
    }
}
