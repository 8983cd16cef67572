//! What a unit needs of others, known before anything runs.

use std::collections::{BTreeMap, BTreeSet};

use crate::context::Context;
use crate::unit_graph::{Mode, UnitIndex};

/// Which artefacts of a dependency are needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// Its `.rmeta`: the dependent may start as soon as that is written.
    Metadata,
    /// What can be linked to: the rlib, the Rust dynamic library, the proc macro.
    Link,
    /// The program: a compiled build script.
    Program,
}

/// What a unit needs of others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// The units whose artefacts it gets, with all that they lead to: rustc looks for what a crate depends on
    /// in the same folders. Which need it is follows from the two units alone, so that for one key it is always
    /// the same (rule 3).
    pub artefacts: BTreeMap<UnitIndex, Need>,
    /// The runs of build scripts that must have ended before the command line is known.
    pub effects: BTreeSet<UnitIndex>,
    /// The runs of build scripts whose OUT_DIR it gets in any case. For a compiled unit
    /// [`crate::Invocation::script_directories`] tells all of them, once the effects are known.
    pub script_directories: BTreeSet<UnitIndex>,
}

impl Context {
    /// What a unit needs of others.
    ///
    /// # Panics
    /// When the index is another graph's.
    #[must_use]
    pub fn needs(&self, index: UnitIndex) -> Needs {
        if self.unit(index).is_script_run() { self.script_needs(index) } else { self.rustc_needs(index) }
    }

    /// The names of the crates that a build script's run is about: its own package, and all that the compiled
    /// script has in it. What such a crate asks of the machine (cmake, libclang), the script asks.
    ///
    /// # Panics
    /// When the index is another graph's.
    #[must_use]
    pub fn script_crates(&self, run: UnitIndex) -> BTreeSet<&str> {
        let mut names = BTreeSet::from([self.package(run).name.as_str()]);
        let programs = self.script_needs(run).artefacts;
        for (&program, _) in programs.iter().filter(|(_, need)| **need == Need::Program) {
            names.extend(
                self.rustc_needs(program).artefacts.keys().map(|&unit| self.package(unit).name.as_str()),
            );
        }
        names
    }

    fn rustc_needs(&self, index: UnitIndex) -> Needs {
        let unit = self.unit(index);
        let mut artefacts = Vec::with_capacity(4 * unit.dependencies.len());
        let mut is_met = vec![false; self.graph.len()];
        let mut open = vec![index];
        while let Some(from) = open.pop() {
            for edge in &self.unit(from).dependencies {
                let dependency = self.unit(edge.index);
                if !dependency.is_linkable() || std::mem::replace(&mut is_met[edge.index.number()], true) {
                    continue;
                }
                let need = if unit.needs_only_metadata_of(dependency) { Need::Metadata } else { Need::Link };
                artefacts.push((edge.index, need));
                // A proc macro is a dynamic library that has all it needs in it.
                if !dependency.target.is_proc_macro() {
                    open.push(edge.index);
                }
            }
        }
        let effects = self.linked_scripts(index).iter().chain(self.plugin_scripts(index));
        let own = self.own_scripts(index).iter();
        Needs {
            artefacts: artefacts.into_iter().collect(),
            effects: effects.chain(own.clone()).copied().collect(),
            script_directories: own.copied().collect(),
        }
    }

    fn script_needs(&self, index: UnitIndex) -> Needs {
        let unit = self.unit(index);
        let mut needs = Needs::default();
        for edge in &unit.dependencies {
            let dependency = self.unit(edge.index);
            if dependency.is_script_run() {
                needs.effects.insert(edge.index);
                self.add_script_directories(edge.index, &mut needs.script_directories);
            } else if dependency.target.is_build_script() && dependency.mode == Mode::Build {
                needs.artefacts.insert(edge.index, Need::Program);
            }
        }
        needs.effects.extend(self.plugin_scripts(index));
        needs
    }

    /// `DEP_*` variables may hand on paths of scripts further down.
    fn add_script_directories(&self, run: UnitIndex, directories: &mut BTreeSet<UnitIndex>) {
        if directories.insert(run) {
            for edge in &self.unit(run).dependencies {
                if self.unit(edge.index).is_script_run() {
                    self.add_script_directories(edge.index, directories);
                }
            }
        }
    }
}
