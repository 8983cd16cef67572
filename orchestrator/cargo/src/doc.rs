//! How documentation is made: cargo's `prepare_rustdoc`.
//!
//! Differences from cargo, each on purpose:
//!
//! - cargo's rustdoc writes each crate's pages into one folder that all share, and changes there what is about several
//!   crates: the search index, lists of implementors. Here each crate's pages come from an action of their own, with what
//!   it has to say of the rest as *parts* (`--merge=none`, RFC 3662), which one more call of rustdoc puts together
//!   ([`merge_arguments`]). rustdoc's option for it is not stable, so that it runs with RUSTC_BOOTSTRAP;
//! - paths are those of [`crate::layout`]; never colours.

use std::collections::BTreeSet;

use xbuild_base::RelPath;

use crate::context::{Context, Effects};
use crate::error::Error;
use crate::layout;
use crate::platform::Flavour;
use crate::rustc::{Invocation, add_cfgs};
use crate::unit_graph::{Mode, UnitIndex};

/// Where pages lie in the output of an action that makes them.
pub const PAGES: &str = "doc";
/// Where the parts lie.
pub const PARTS: &str = "parts";

impl Context {
    /// How to make the documentation of a unit, once the build scripts in its [`crate::Needs::effects`] have run.
    /// `private`: of private items, too.
    ///
    /// # Errors
    /// When the unit is something else, or effects are missing: mistakes of the caller's.
    pub fn doc_invocation(
        &self,
        index: UnitIndex,
        effects: &Effects,
        private: bool,
    ) -> Result<Invocation, Error> {
        let unit = self.unit(index);
        if unit.mode != Mode::Doc {
            return Err(Error::Caller(format!("unit {index} makes no documentation")));
        }
        let (source, working_directory) = self.source_argument(index);
        let mut argv = vec![self.toolchain.rustdoc.clone(), format!("--edition={}", unit.target.edition)];
        let mut add = |words: &[&str]| argv.extend(words.iter().map(|&word| word.to_owned()));
        for crate_type in &unit.target.crate_types {
            add(&["--crate-type", crate_type.as_str()]);
        }
        add(&["--crate-name", &unit.target.crate_name(), &source]);
        if !self.package(index).is_local() || self.toolchain.flavour == Flavour::StandardLibrary {
            add(&["--cap-lints", "allow"]);
        }
        if let Some(triple) = &unit.platform {
            add(&["--target", triple.as_str()]);
        }
        let below = |folder: &str| format!("{}/{folder}", layout::absolute(layout::OUTPUT));
        add(&["-o", &below(PAGES)]);
        self.add_features(index, &mut argv);
        let mut add = |words: &[&str]| argv.extend(words.iter().map(|&word| word.to_owned()));
        add(&["--error-format=json", "--json=diagnostic-rendered-ansi,artifacts,future-incompat"]);
        let manifest = self.manifest(index);
        add(&manifest.lint_flags.iter().map(String::as_str).collect::<Vec<_>>());
        add(&["-C", &format!("metadata={}", self.hash(self.documented(index)).metadata)]);
        self.add_search_arguments(index, &mut argv);
        self.add_extern_arguments(index, &mut argv);
        let mut add = |words: &[&str]| argv.extend(words.iter().map(|&word| word.to_owned()));
        if private || unit.target.is_executable() {
            add(&["--document-private-items"]);
        }
        if unit.target.is_executable() {
            add(&["-Arustdoc::private-intra-doc-links"]);
        }
        argv.extend(self.rustdocflags(index));
        if !argv.iter().any(|argument| argument.starts_with("--crate-version")) {
            argv.extend(["--crate-version".to_owned(), self.package(index).version.to_string()]);
        }
        for &run in self.own_scripts(index) {
            add_cfgs(self.effects_of(run, effects)?, &mut argv);
        }
        argv.extend(self.platform(index).rustc_arguments.iter().cloned());
        argv.extend(["-Z", "unstable-options", "--merge=none", "--parts-out-dir"].map(str::to_owned));
        argv.push(below(PARTS));
        let mut environment = self.rustdoc_environment(index, effects)?;
        environment.insert("RUSTC_BOOTSTRAP".to_owned(), "1".to_owned());
        let texts: Vec<&str> = environment.values().chain(&argv).map(String::as_str).collect();
        let (script_directories, packages) = self.folders_named_in(index, &texts);
        let output = layout::path(layout::OUTPUT, &[]);
        Ok(Invocation { argv, environment, working_directory, output, script_directories, packages })
    }

    /// The names of the crates that a unit's documentation may lead to, whose own is made too: rustdoc makes links to what
    /// it finds a folder of.
    ///
    /// # Panics
    /// When the index is another graph's.
    #[must_use]
    pub fn documented_crates(&self, index: UnitIndex) -> BTreeSet<String> {
        let (mut names, mut seen, mut open) = (BTreeSet::new(), BTreeSet::new(), vec![index]);
        while let Some(unit) = open.pop() {
            for edge in &self.unit(unit).dependencies {
                if self.unit(edge.index).mode == Mode::Doc && seen.insert(edge.index) {
                    names.insert(self.unit(edge.index).target.crate_name());
                    open.push(edge.index);
                }
            }
        }
        names
    }

    /// The unit whose crate is documented, if the graph has it: cargo's `metadata_for_doc_units`.
    fn documented(&self, index: UnitIndex) -> UnitIndex {
        let unit = self.unit(index);
        let mut units = self.graph().units();
        let is_same = |other: &crate::unit_graph::Unit| {
            (&other.package, &other.target, &other.platform, &other.features)
                == (&unit.package, &unit.target, &unit.platform, &unit.features)
        };
        units.find(|(_, other)| other.is_check() && is_same(other)).map_or(index, |(checked, _)| checked)
    }
}

/// What rustdoc is called with to put together what is about several crates, of their parts in these folders.
#[must_use]
pub fn merge_arguments(rustdoc: &str, parts: &[RelPath]) -> Vec<String> {
    let mut argv = [rustdoc, "-Z", "unstable-options", "--merge=finalize", "-o"].map(str::to_owned).to_vec();
    argv.push(layout::absolute(layout::OUTPUT));
    for folder in parts {
        argv.extend(["--include-parts-dir".to_owned(), folder.in_sandbox()]);
    }
    argv
}
