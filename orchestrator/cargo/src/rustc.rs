//! The command line of rustc for a unit: cargo's `prepare_rustc`, flag by flag in its order.
//!
//! Differences from cargo, each on purpose:
//!
//! - never `-C incremental=…`, `--diagnostic-width=…` or colours by terminal: they would make results depend on
//!   the machine;
//! - what the target's file adds: its link arguments where something is linked, its arguments of rustc everywhere;
//! - paths are those of [`crate::layout`].

use std::collections::{BTreeMap, BTreeSet};

use xbuild_base::RelPath;

use crate::artefact::{ArtefactKind, dependency_folder};
use crate::context::{Context, Effects};
use crate::directive::{LibraryPath, LinkTarget, ScriptOutput};
use crate::error::Error;
use crate::layout;
use crate::needs::Need;
use crate::platform::{Flavour, Wrapper};
use crate::testing::is_integration_test;
use crate::unit_graph::{CrateType, Dependency, Mode, UnitIndex};

/// What to run for a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// The program, as an absolute path in the sandbox, and its arguments.
    pub argv: Vec<String>,
    /// The whole environment.
    pub environment: BTreeMap<String, String>,
    /// Where it runs.
    pub working_directory: RelPath,
    /// The folder that holds what it makes, to be declared as the output. For a build script OUT_DIR, which must
    /// be there before it starts.
    pub output: RelPath,
    /// The runs of build scripts whose OUT_DIR it must find at [`Context::script_output_directory`].
    pub script_directories: BTreeSet<UnitIndex>,
    /// The other packages whose sources it must find, by identifier: their build scripts have pointed into them, to
    /// an import library or to headers that were published with the package.
    pub packages: BTreeSet<String>,
}

impl Context {
    /// How to compile a unit, once the build scripts in its [`crate::Needs::effects`] have run.
    ///
    /// # Errors
    /// When the unit runs a build script or tests documentation, or effects are missing: mistakes of the caller's.
    pub fn rustc_invocation(&self, index: UnitIndex, effects: &Effects) -> Result<Invocation, Error> {
        if matches!(self.unit(index).mode, Mode::RunCustomBuild | Mode::Doctest | Mode::Doc) {
            return Err(Error::Caller(format!("unit {index} is not compiled")));
        }
        let (source, working_directory) = self.source_argument(index);
        let wrapper = self.wrapper(index);
        let mut argv: Vec<String> = wrapper.iter().map(|wrapper| wrapper.program.clone()).collect();
        argv.push(self.toolchain.rustc.clone());
        self.add_base_arguments(index, source, &mut argv);
        self.add_search_arguments(index, &mut argv);
        self.add_extern_arguments(index, &mut argv);
        if !self.package(index).is_local() || self.toolchain.flavour == Flavour::StandardLibrary {
            argv.extend(["--cap-lints", "allow"].map(str::to_owned));
        }
        argv.extend(self.platform(index).rustc_arguments.iter().cloned());
        argv.extend(self.rustflags(index).iter().cloned());
        self.add_native_arguments(index, effects, &mut argv)?;

        let mut environment = self.rustc_environment(index);
        self.add_plugin_paths(index, effects, &mut environment)?;
        for &run in self.own_scripts(index) {
            let output = self.effects_of(run, effects)?;
            add_cfgs(output, &mut argv);
            environment.extend(output.environment.iter().cloned());
        }
        environment.extend(wrapper.iter().flat_map(|wrapper| wrapper.environment.clone()));
        let texts = self.texts_with_paths(index, effects, &argv, &environment)?;
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

    /// What compiles a unit in rustc's place.
    ///
    /// # Panics
    /// When the index is another graph's.
    #[must_use]
    pub fn wrapper(&self, index: UnitIndex) -> Option<&Wrapper> {
        let is_member = self.packages.is_member(&self.unit(index).package);
        self.toolchain.workspace_wrapper.as_ref().filter(|_| is_member)
    }

    /// The effects of a script's run.
    pub(crate) fn effects_of<'e>(
        &self,
        run: UnitIndex,
        effects: &'e Effects,
    ) -> Result<&'e ScriptOutput, Error> {
        effects.get(&run).map(AsRef::as_ref).ok_or_else(|| {
            Error::Caller(format!("the effects of the build script of {run} were not handed in"))
        })
    }

    /// Members of the workspace and other path packages in its folder are named from its root, where rustc
    /// runs; the rest by absolute paths, and rustc runs in the package (`path_args`).
    pub(crate) fn source_argument(&self, index: UnitIndex) -> (String, RelPath) {
        let source = &self.unit(index).target.src_path;
        let package = self.package(index);
        if package.is_local() {
            let root = self.packages.workspace_root();
            let below = source.strip_prefix(&root.in_sandbox()).and_then(|rest| rest.strip_prefix('/'));
            if let Some(below) = below {
                return (below.to_owned(), root.clone());
            }
        }
        (source.clone(), package.root.clone())
    }

    fn add_base_arguments(&self, index: UnitIndex, source: String, argv: &mut Vec<String>) {
        let unit = self.unit(index);
        let (target, profile) = (&unit.target, &unit.profile);
        let platform = self.platform(index);
        let std = self.toolchain.flavour == Flavour::StandardLibrary;
        let test = unit.is_rustc_test();
        let mut add = |flags: &[&str]| argv.extend(flags.iter().map(|&flag| flag.to_owned()));

        add(&["--crate-name", &target.crate_name(), &format!("--edition={}", target.edition), &source]);
        add(&["--error-format=json", "--json=diagnostic-rendered-ansi,artifacts,future-incompat"]);
        if !test {
            for crate_type in &target.crate_types {
                add(&["--crate-type", crate_type.as_str()]);
            }
        }
        add(&[match (unit.is_check(), unit.requires_upstream_objects()) {
            (true, _) => "--emit=dep-info,metadata",
            (false, false) => "--emit=dep-info,metadata,link",
            (false, true) => "--emit=dep-info,link",
        }]);
        let dylib = !test && target.crate_types.contains(&CrateType::Dylib);
        if target.is_proc_macro() || (dylib && !self.is_primary(index)) {
            add(&["-C", "prefer-dynamic"]);
        }
        if profile.opt_level != "0" {
            add(&["-C", &format!("opt-level={}", profile.opt_level)]);
        }
        let panic = if std && target.name == "panic_abort" { "abort" } else { &profile.panic };
        if panic != "unwind" {
            add(&["-C", &format!("panic={panic}")]);
        }
        if panic == "immediate-abort" {
            add(&["-Z", "unstable-options"]);
        }
        let flags = self.lto(index).flags();
        add(&flags.iter().map(String::as_str).collect::<Vec<_>>());
        if let Some(backend) = &profile.codegen_backend {
            add(&["-Z", &format!("codegen-backend={backend}")]);
        }
        if let Some(units) = profile.codegen_units {
            add(&["-C", &format!("codegen-units={units}")]);
        }
        if profile.debuginfo.is_on() {
            add(&["-C", &format!("debuginfo={}", profile.debuginfo)]);
            let split =
                profile.split_debuginfo.as_ref().filter(|how| platform.split_debuginfo.contains(*how));
            if let Some(split) = split {
                add(&["-C", &format!("split-debuginfo={split}")]);
            }
        }
        let manifest = self.manifest(index);
        add(&manifest.lint_flags.iter().map(String::as_str).collect::<Vec<_>>());
        add(&profile.rustflags.iter().map(String::as_str).collect::<Vec<_>>());
        match (profile.opt_level != "0", profile.debug_assertions, profile.overflow_checks) {
            (true, true, true) => add(&["-C", "debug-assertions=on"]),
            (true, true, false) => add(&["-C", "debug-assertions=on", "-C", "overflow-checks=off"]),
            (true, false, true) => add(&["-C", "overflow-checks=on"]),
            (false, false, true) => add(&["-C", "debug-assertions=off", "-C", "overflow-checks=on"]),
            (false, false, false) => add(&["-C", "debug-assertions=off"]),
            (false, true, false) => add(&["-C", "overflow-checks=off"]),
            (true, false, false) | (false, true, true) => {}
        }
        if test {
            if manifest.is_without_harness(target) {
                add(&["--cfg", "test"]);
            } else {
                add(&["--test"]);
                if panic != "unwind" {
                    add(&["-Z", "panic-abort-tests"]);
                }
            }
        }
        self.add_features(index, argv);
        let mut add = |flags: &[&str]| argv.extend(flags.iter().map(|&flag| flag.to_owned()));
        add(&["-C", &format!("metadata={}", self.hash(index).metadata)]);
        if let Some(hash) = self.extra_file_name(index) {
            add(&["-C", &format!("extra-filename=-{hash}")]);
        }
        if profile.rpath {
            add(&["-C", "rpath"]);
        }
        add(&["--out-dir", &layout::absolute(layout::OUTPUT)]);
        if let Some(triple) = &unit.platform {
            add(&["--target", triple.as_str()]);
        }
        let links = unit.requires_upstream_objects();
        if let Some(linker) = platform.linker.as_ref().filter(|_| links || !std) {
            add(&["-C", &format!("linker={linker}")]);
        }
        if links {
            for argument in &platform.link_arguments {
                add(&["-C", &format!("link-arg={argument}")]);
            }
        }
        if let Some(what) = profile.strip.flag() {
            add(&["-C", &format!("strip={what}")]);
        }
        if std || unit.is_std {
            add(&["-Z", "force-unstable-if-unmarked"]);
        }
    }

    /// The features that are on, and all that there are (`features_args`, `check_cfg_args`).
    pub(crate) fn add_features(&self, index: UnitIndex, argv: &mut Vec<String>) {
        let on = self.unit(index).features.iter().map(|feature| format!("feature=\"{feature}\""));
        argv.extend(on.flat_map(|feature| ["--cfg".to_owned(), feature]));
        let declared: Vec<String> =
            self.package(index).features.iter().map(|feature| format!("\"{feature}\"")).collect();
        let values = format!("cfg(feature, values({}))", declared.join(", "));
        argv.extend(["--check-cfg", "cfg(docsrs,test)", "--check-cfg", &values].map(str::to_owned));
    }

    /// `-L dependency=…`: where the crates are that those named with `--extern` need.
    pub(crate) fn add_search_arguments(&self, index: UnitIndex, argv: &mut Vec<String>) {
        let unit = self.unit(index);
        let mut search = |folder: &str| {
            argv.extend(["-L".to_owned(), format!("dependency={}", layout::absolute(folder))]);
        };
        search(dependency_folder(unit));
        if unit.platform.is_some() {
            search(layout::HOST_DEPENDENCIES);
        }
    }

    /// `--extern …` (`extern_args`).
    pub(crate) fn add_extern_arguments(&self, index: UnitIndex, argv: &mut Vec<String>) {
        let unit = self.unit(index);
        let mut unstable = false;
        for edge in &unit.dependencies {
            let dependency = self.unit(edge.index);
            if !dependency.is_linkable() {
                continue;
            }
            let need = if unit.needs_only_metadata_of(dependency) { Need::Metadata } else { Need::Link };
            let options = self.extern_options(index, edge);
            unstable |= !options.is_empty();
            for artefact in self.needed_files(edge.index, need) {
                if artefact.kind != ArtefactKind::ImportLibrary {
                    let path = self.dependency_path(edge.index, artefact).in_sandbox();
                    argv.extend([
                        "--extern".to_owned(),
                        format!("{options}{}={path}", edge.extern_crate_name),
                    ]);
                }
            }
        }
        if unit.target.is_proc_macro() {
            argv.extend(["--extern", "proc_macro"].map(str::to_owned));
        }
        if unstable {
            argv.extend(["-Z", "unstable-options"].map(str::to_owned));
        }
    }

    fn extern_options(&self, index: UnitIndex, edge: &Dependency) -> String {
        let private =
            !edge.public && self.unit(index).target.is_library() && self.manifest(index).public_dependency;
        let options = [(private, "priv"), (edge.noprelude, "noprelude"), (edge.nounused, "nounused")];
        let options: Vec<&str> = options.iter().filter(|(on, _)| *on).map(|(_, name)| *name).collect();
        if options.is_empty() { String::new() } else { format!("{}:", options.join(",")) }
    }

    /// `-L`, `-l` and `-C link-arg=…` of build scripts (`add_native_deps`).
    fn add_native_arguments(
        &self,
        index: UnitIndex,
        effects: &Effects,
        argv: &mut Vec<String>,
    ) -> Result<(), Error> {
        let unit = self.unit(index);
        let package = self.package(index);
        let outputs: Vec<(UnitIndex, &ScriptOutput)> = self
            .linked_scripts(index)
            .iter()
            .map(|&run| Ok((run, self.effects_of(run, effects)?)))
            .collect::<Result<_, Error>>()?;
        let paths = || outputs.iter().flat_map(|(_, output)| &output.library_paths);
        let (own, external): (Vec<_>, Vec<_>) = paths().partition(|path| matches!(path, LibraryPath::Own(_)));
        for path in own.into_iter().chain(external) {
            argv.extend(["-L".to_owned(), path.as_str().to_owned()]);
        }
        // Programs get their library's through it.
        let pass_libraries = unit.target.is_library() || !package.has_library();
        for (run, output) in outputs {
            let current = self.unit(run).package == unit.package;
            if current && pass_libraries {
                argv.extend(pairs("-l", &output.libraries));
            }
            for (link_target, argument) in &output.link_arguments {
                if link_target.applies_to(unit) && (current || *link_target == LinkTarget::Cdylib) {
                    argv.extend(["-C".to_owned(), format!("link-arg={argument}")]);
                }
            }
        }
        Ok(())
    }

    fn rustc_environment(&self, index: UnitIndex) -> BTreeMap<String, String> {
        let unit = self.unit(index);
        let mut own = BTreeMap::new();
        if unit.target.is_executable() {
            own.insert("CARGO_BIN_NAME".to_owned(), unit.target.name.clone());
        }
        own.insert("CARGO_CRATE_NAME".to_owned(), unit.target.crate_name());
        let host_dependencies = layout::absolute(layout::HOST_DEPENDENCIES);
        let base = self.toolchain.environment.clone();
        let mut environment = self.fill_environment(index, base, own, &[&host_dependencies]);
        if unit.is_std {
            environment.insert("RUSTC_BOOTSTRAP".to_owned(), "1".to_owned());
        }
        let runs = unit.dependencies.iter().find(|edge| self.unit(edge.index).is_script_run());
        if let Some(edge) = runs {
            let directory = self.script_output_directory(edge.index).in_sandbox();
            environment.insert("OUT_DIR".to_owned(), directory);
        }
        if self.is_primary(index) {
            environment.insert("CARGO_PRIMARY_PACKAGE".to_owned(), "1".to_owned());
        }
        if is_integration_test(unit.target.target_kind()) {
            environment.insert("CARGO_TARGET_TMPDIR".to_owned(), layout::absolute(layout::TEST_TEMPORARY));
            environment.extend(self.program_variables(index));
        }
        environment
    }

    /// The texts whose paths tell which folders a unit is given beside its own: for what links, all of its command
    /// and environment; for a library, what its direct dependencies point to (it may bundle a static library from
    /// there), but not those further down, which only linking reads.
    fn texts_with_paths<'t>(
        &'t self,
        index: UnitIndex,
        effects: &'t Effects,
        argv: &'t [String],
        environment: &'t BTreeMap<String, String>,
    ) -> Result<Vec<&'t str>, Error> {
        let unit = self.unit(index);
        let mut texts: Vec<&str> = environment.values().map(String::as_str).collect();
        if unit.requires_upstream_objects() {
            texts.extend(argv.iter().map(String::as_str));
            return Ok(texts);
        }
        let near: BTreeSet<&str> = unit
            .dependencies
            .iter()
            .map(|edge| self.unit(edge.index).package.as_str())
            .chain([unit.package.as_str()])
            .collect();
        for &run in self.linked_scripts(index) {
            if near.contains(self.unit(run).package.as_str()) {
                texts.extend(self.effects_of(run, effects)?.library_paths.iter().map(LibraryPath::as_str));
            }
        }
        Ok(texts)
    }

    /// The folders that a unit is given beside its own package's: those of its package's build script and of others that
    /// texts name, and the packages that they name.
    pub(crate) fn folders_named_in(
        &self,
        index: UnitIndex,
        texts: &[&str],
    ) -> (BTreeSet<UnitIndex>, BTreeSet<String>) {
        let named = texts.iter().flat_map(|text| self.scripts_named_in(text));
        let scripts = self.own_scripts(index).iter().copied().chain(named).collect();
        (scripts, self.other_packages(index, texts))
    }

    /// The packages that texts name, but for the unit's own.
    pub(crate) fn other_packages(&self, index: UnitIndex, texts: &[&str]) -> BTreeSet<String> {
        let named = texts.iter().flat_map(|text| self.packages_named_in(text));
        named.filter(|id| *id != self.unit(index).package).map(str::to_owned).collect()
    }
}

/// The cfgs that a build script sets.
pub(crate) fn add_cfgs(output: &ScriptOutput, argv: &mut Vec<String>) {
    argv.extend(pairs("--cfg", &output.cfgs));
    argv.extend(pairs("--check-cfg", &output.check_cfgs));
}

fn pairs<'v>(flag: &'static str, values: &'v [String]) -> impl Iterator<Item = String> + 'v {
    values.iter().flat_map(move |value| [flag.to_owned(), value.clone()])
}
