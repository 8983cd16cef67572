//! What is cargo's: unit graph, command lines, build-script directives.
//!
//! Cargo plans, xbuild realises. This crate takes what cargo says of a project ([`UnitGraph`], [`Packages`],
//! [`Manifests`]) and what is known of the toolchain ([`Toolchain`]), and answers, as a [`Context`], everything
//! that cargo itself would work out next: which flags rustc gets, in cargo's order; what the environment is; what
//! a unit needs of others; what files come out; how a build script is run and what its output means.
//!
//! It is pure: no files, no environment, no processes. It repeats the logic of the [`releases`] that the
//! conformance suite has passed on (`xtask/conformance`); a test compares every command with what the cargo at hand
//! runs (`tests/oracle.rs`).
//!
//! Planning happens inside the sandbox, so all paths in cargo's output are absolute paths of the sandbox.
//!
//! ```text
//! let graph = UnitGraph::parse(&json)?;
//! let context = Context::new(graph, Packages::parse(&metadata)?, &Manifests::parse(texts)?, toolchain)?;
//! for index in context.graph().dependencies_first()? {
//!     let needs = context.needs(index);            // artefacts and effects: wait for them
//!     if context.unit(index).is_script_run() {
//!         let script = context.script_invocation(index, &effects)?;
//!         let output = context.parse_script_output(index, &stdout)?;
//!         effects.insert(index, output.into());
//!     } else {
//!         let rustc = context.rustc_invocation(index, &effects)?;
//!     }
//! }
//! ```

mod artefact;
mod configuration;
mod context;
mod declared;
mod dep_info;
mod directive;
mod doc;
mod environment;
mod error;
mod git;
mod hash;
mod layout;
mod lto;
mod manifest;
mod members;
mod named;
mod needs;
mod overrides;
mod package;
mod platform;
mod release;
mod rustc;
mod script;
mod testing;
mod unit_graph;

pub use artefact::{Artefact, ArtefactKind};
pub use configuration::{Configuration, ConfigurationFile, Notice, UNSTABLE, Variable, is_of_builds};
pub use context::{Context, Effects};
pub use declared::{Declared, DeclaredDependency, Effect, StandIn, StandInDependency, StandInOrigin};
pub use dep_info::names_package_folder;
pub use directive::{LibraryPath, LinkTarget, ScriptOutput};
pub use doc::{PAGES, PARTS, merge_arguments};
pub use environment::UnitVariables;
pub use error::Error;
pub use git::{GitFolders, git_folders};
pub use hash::UnitHash;
pub use layout::TEST_TEMPORARY;
pub use manifest::{Manifest, Manifests, manifest_in};
pub use members::{LocalFiles, Members};
pub use needs::{Need, Needs};
pub use package::{Package, Packages};
pub use platform::{CFG_ARGUMENTS, Flavour, Platform, RustcVersion, Toolchain, Wrapper, parse_cfg};
pub use release::{check_cargo_version, releases};
pub use rustc::Invocation;
pub use script::ScriptInvocation;
pub use testing::TestProcess;
pub use unit_graph::{
    CrateType, DebugInfo, Dependency, Mode, Profile, Strip, StripChoice, Target, TargetKind, Unit, UnitGraph,
    UnitIndex,
};
