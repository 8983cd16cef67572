//! How tests are run: cargo's `cargo_test::run_unit_tests` and `run_doc_tests`.
//!
//! Differences from cargo, each on purpose:
//!
//! - paths are those of [`crate::layout`];
//! - documentation is tested with what the target's file adds for linking, as everything is that is linked;
//! - never colours;
//! - `-L` for what build scripts have made is that of the crates that are linked, and not of all that were built.

use std::collections::{BTreeMap, BTreeSet};

use xbuild_base::RelPath;

use crate::artefact::ArtefactKind;
use crate::context::{Context, Effects};
use crate::directive::LibraryPath;
use crate::environment::Environment;
use crate::error::Error;
use crate::layout;
use crate::needs::Need;
use crate::rustc::{Invocation, add_cfgs};
use crate::unit_graph::{CrateType, Mode, TargetKind, UnitIndex};

/// Where tests lie with the dynamic libraries that they are linked to: some look for programs in the folder above.
const TESTS: &str = "build/bin/deps";

/// A compiled test's run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestProcess {
    /// Where the test's program must lie.
    pub program: RelPath,
    /// The whole environment.
    pub environment: Environment,
    /// Where it runs: the package's folder.
    pub working_directory: RelPath,
    /// The programs of its package that it may start: where they must lie, and the units that make them.
    pub programs: BTreeMap<RelPath, UnitIndex>,
    /// The units whose dynamic libraries it is linked to, or may load: they must lie beside it.
    pub libraries: BTreeSet<UnitIndex>,
    /// The runs of build scripts whose OUT_DIR it must find at [`Context::script_output_directory`].
    pub script_directories: BTreeSet<UnitIndex>,
    /// The other packages whose sources it must find, by identifier.
    pub packages: BTreeSet<String>,
}

impl Context {
    /// How to run a test that has been compiled, once the build scripts in its [`crate::Needs::effects`] have run.
    ///
    /// # Errors
    /// When the unit is no test, or effects are missing: mistakes of the caller's.
    pub fn test_process(&self, index: UnitIndex, effects: &Effects) -> Result<TestProcess, Error> {
        let unit = self.unit(index);
        let artefact = self.needed_files(index, Need::Program).next();
        let Some(artefact) = artefact.filter(|_| unit.mode == Mode::Test) else {
            return Err(Error::Caller(format!("unit {index} is no test")));
        };
        let needs = self.needs(index);
        let mut own = self.of_own_scripts(index, effects)?;
        let mut programs = BTreeMap::new();
        if is_integration_test(unit.target.target_kind()) {
            own.extend(self.program_variables(index));
            let built = |edge: &UnitIndex| {
                let of = self.unit(*edge);
                of.mode == Mode::Build && of.target.target_kind() == TargetKind::Binary
            };
            for program in unit.dependencies.iter().map(|edge| edge.index).filter(built) {
                programs.insert(self.program_path(program), program);
            }
        }
        let mut folders = self.native_folders(self.linked_scripts(index), effects)?;
        folders.extend([layout::PROGRAMS, TESTS].map(layout::absolute));
        folders.push(self.platform(index).library_directory.clone());
        let folders: Vec<&str> = folders.iter().map(String::as_str).collect();
        let environment = self.fill_environment(index, self.toolchain.environment.clone(), own, &folders);
        let texts: Vec<&str> = environment.values().map(String::as_str).collect();
        let (script_directories, packages) = self.folders_named_in(index, &texts);
        let is_dynamic =
            |unit: &UnitIndex| self.unit(*unit).target.crate_types.iter().any(CrateType::is_dynamic);
        let libraries = needs.artefacts.keys().copied().filter(is_dynamic);
        let libraries = libraries.filter(|&unit| !self.unit(unit).target.is_proc_macro()).collect();
        Ok(TestProcess {
            program: layout::path(TESTS, &[&artefact.file]),
            environment,
            working_directory: self.package(index).root.clone(),
            programs,
            libraries,
            script_directories,
            packages,
        })
    }

    /// How to test a library's documentation, once all that it needs has been built. What rustdoc compiles it runs by
    /// `runner`: an emulator and its arguments, or nothing.
    ///
    /// # Errors
    /// When the unit is something else, or effects are missing: mistakes of the caller's.
    pub fn doctest_invocation(
        &self,
        index: UnitIndex,
        effects: &Effects,
        runner: &[String],
        arguments: &[String],
    ) -> Result<Invocation, Error> {
        let unit = self.unit(index);
        if unit.mode != Mode::Doctest {
            return Err(Error::Caller(format!("unit {index} tests no documentation")));
        }
        let (source, working_directory) = self.source_argument(index);
        let platform = self.platform(index);
        let mut argv = vec![self.toolchain.rustdoc.clone(), format!("--edition={}", unit.target.edition)];
        let mut add = |words: &[&str]| argv.extend(words.iter().map(|&word| word.to_owned()));
        for crate_type in &unit.target.crate_types {
            add(&["--crate-type", crate_type.as_str()]);
        }
        add(&["--color", "never", "--crate-name", &unit.target.crate_name(), "--test", &source]);
        add(&["--test-run-directory", &self.package(index).root.in_sandbox()]);
        if let Some(triple) = &unit.platform {
            add(&["--target", triple.as_str()]);
        }
        if let Some((program, arguments)) = runner.split_first() {
            add(&["--test-runtool", program]);
            for argument in arguments {
                add(&["--test-runtool-arg", argument]);
            }
        }
        if let Some(linker) = &platform.linker {
            add(&["-C", &format!("linker={linker}")]);
        }
        if unit.profile.panic != "unwind" {
            add(&["-C", &format!("panic={}", unit.profile.panic)]);
        }
        for folder in self.search_paths(index, effects)? {
            add(&["-L", &folder]);
        }
        for argument in arguments {
            add(&["--test-args", argument]);
        }
        let manifest = self.manifest(index);
        add(&manifest.lint_flags.iter().map(String::as_str).collect::<Vec<_>>());
        self.add_extern_arguments(index, &mut argv);
        self.add_search_arguments(index, &mut argv);
        argv.extend(self.lto(index).flags());
        self.add_features(index, &mut argv);
        let environment = self.rustdoc_environment(index, effects)?;
        for &run in self.own_scripts(index) {
            let output = self.effects_of(run, effects)?;
            add_cfgs(output, &mut argv);
            let link_arguments = output.link_arguments.iter().filter(|(whom, _)| whom.applies_to(unit));
            let link_arguments = link_arguments.map(|(_, argument)| format!("link-arg={argument}"));
            argv.extend(link_arguments.flat_map(|argument| ["-C".to_owned(), argument]));
        }
        for argument in &platform.link_arguments {
            argv.extend(["-C".to_owned(), format!("link-arg={argument}")]);
        }
        argv.extend(platform.rustc_arguments.iter().cloned());
        argv.extend(self.rustdocflags(index));
        argv.extend(["--error-format", "human"].map(str::to_owned));

        let texts: Vec<&str> = environment.values().chain(&argv).map(String::as_str).collect();
        let (script_directories, packages) = self.folders_named_in(index, &texts);
        Ok(Invocation {
            argv,
            environment,
            working_directory,
            output: layout::path(layout::OUTPUT, &[]),
            script_directories,
            packages,
        })
    }

    /// Where a program of a package lies for what starts it by name.
    #[must_use]
    pub fn program_path(&self, program: UnitIndex) -> RelPath {
        let installed = self.artefacts(program).iter().find(|one| one.kind == ArtefactKind::Program);
        let name =
            installed.map_or_else(|| self.unit(program).target.name.clone(), |one| one.installed.clone());
        layout::path(layout::PROGRAMS, &[&name])
    }

    /// `CARGO_BIN_EXE_…` of all programs of a unit's package.
    pub(crate) fn program_variables(&self, index: UnitIndex) -> Environment {
        let suffix = self.platform(index).file_name_parts(&CrateType::Binary).unwrap_or_default().1;
        let variable = |name: &String| {
            // What is only checked has no programs.
            let value = if self.unit(index).is_check() {
                format!("placeholder:{name}")
            } else {
                layout::path(layout::PROGRAMS, &[&format!("{name}{suffix}")]).in_sandbox()
            };
            (format!("CARGO_BIN_EXE_{name}"), value)
        };
        self.package(index).binaries().map(|binary| variable(&binary.name)).collect()
    }

    /// What the run of its package's build script gives a unit's processes (`Compilation::extra_env`).
    fn of_own_scripts(&self, index: UnitIndex, effects: &Effects) -> Result<Environment, Error> {
        let mut own = Environment::new();
        for &run in self.own_scripts(index) {
            own.insert("OUT_DIR".to_owned(), self.script_output_directory(run).in_sandbox());
            own.extend(self.effects_of(run, effects)?.environment.iter().cloned());
        }
        Ok(own)
    }

    /// With the folders of libraries that proc macros may need where documentation is tested; for one that makes
    /// documentation cargo has none.
    pub(crate) fn rustdoc_environment(
        &self,
        index: UnitIndex,
        effects: &Effects,
    ) -> Result<Environment, Error> {
        let mut own = self.of_own_scripts(index, effects)?;
        let target = &self.unit(index).target;
        own.insert("CARGO_CRATE_NAME".to_owned(), target.crate_name());
        if target.is_executable() {
            own.insert("CARGO_BIN_NAME".to_owned(), target.name.clone());
        }
        let mut folders = match self.unit(index).mode {
            Mode::Doctest => self.native_folders(self.plugin_scripts(index), effects)?,
            _ => Vec::new(),
        };
        folders.push(layout::absolute(layout::HOST_DEPENDENCIES));
        let folders: Vec<&str> = folders.iter().map(String::as_str).collect();
        Ok(self.fill_environment(index, self.toolchain.environment.clone(), own, &folders))
    }

    /// The `-L` of all build scripts whose libraries are linked into a unit.
    fn search_paths(&self, index: UnitIndex, effects: &Effects) -> Result<Vec<String>, Error> {
        let mut paths = Vec::new();
        for &run in self.linked_scripts(index) {
            for path in self.effects_of(run, effects)?.library_paths.iter().map(LibraryPath::as_str) {
                if !paths.iter().any(|known| known == path) {
                    paths.push(path.to_owned());
                }
            }
        }
        Ok(paths)
    }
}

/// Whether a target is a test or a benchmark of its own, which sees its package's programs.
pub(crate) const fn is_integration_test(kind: TargetKind) -> bool {
    matches!(kind, TargetKind::Test | TargetKind::Benchmark)
}
