//! How a build script is run: cargo's `custom_build::build_work`.

use std::collections::BTreeMap;

use cargo_platform::Cfg;
use xbuild_base::RelPath;

use crate::context::{Context, Effects};
use crate::environment::Environment;
use crate::error::Error;
use crate::layout;
use crate::platform::Platform;
use crate::rustc::Invocation;
use crate::unit_graph::{Mode, UnitIndex};

/// A build script's run: what to execute, and the program that must be put in place for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptInvocation {
    /// What to run. Its output is OUT_DIR.
    pub invocation: Invocation,
    /// The unit that compiles the script; its only program is the one to run.
    pub program: UnitIndex,
    /// Where that program must lie, executable.
    pub program_path: RelPath,
}

impl Context {
    /// How to run a build script, once the scripts in its [`crate::Needs::effects`] have run.
    ///
    /// # Errors
    /// When the unit is something else, or effects are missing: mistakes of the caller's; or when the graph
    /// lacks the compiled script.
    pub fn script_invocation(&self, run: UnitIndex, effects: &Effects) -> Result<ScriptInvocation, Error> {
        let unit = self.unit(run);
        if !unit.is_script_run() {
            return Err(Error::Caller(format!("unit {run} runs no build script")));
        }
        let program =
            unit.dependencies.iter().map(|edge| edge.index).find(|&edge| {
                self.unit(edge).mode == Mode::Build && self.unit(edge).target.is_build_script()
            });
        let program = program.ok_or_else(|| {
            Error::Graph(format!("a run of `{}`'s build script has no script", unit.package))
        })?;
        let suffix = self.toolchain.host.file_name_parts(&crate::CrateType::Binary).unwrap_or_default().1;
        let name = format!("{}{suffix}", unit.target.name);
        let program_path = layout::path(layout::SCRIPTS, &[&self.script_folder(program), &name]);
        let mut environment = self.script_environment(run);
        self.add_dependency_metadata(run, effects, &mut environment)?;
        self.add_plugin_paths(run, effects, &mut environment)?;
        let mut script_directories = self.needs(run).script_directories;
        for value in environment.values() {
            script_directories.extend(self.scripts_named_in(value));
        }
        script_directories.remove(&run);
        let texts: Vec<&str> = environment.values().map(String::as_str).collect();
        let packages = self.other_packages(run, &texts);
        let invocation = Invocation {
            argv: vec![program_path.in_sandbox()],
            environment,
            working_directory: self.package(run).root.clone(),
            output: self.script_output_directory(run),
            script_directories,
            packages,
        };
        Ok(ScriptInvocation { invocation, program, program_path })
    }

    fn script_environment(&self, run: UnitIndex) -> Environment {
        let unit = self.unit(run);
        let toolchain = &self.toolchain;
        let platform = self.platform(run);
        let package = self.package(run);
        let mut base = toolchain.environment.clone();
        base.extend(toolchain.host.script_environment.clone());
        if unit.platform.is_some() {
            base.extend(platform.script_environment.clone());
        }
        let dependencies = layout::absolute(layout::HOST_DEPENDENCIES);
        let library_path = [dependencies.as_str(), &toolchain.host.library_directory];
        let mut environment = self.fill_environment(run, base, BTreeMap::new(), &library_path);
        let mut set = |name: &str, value: String| environment.insert(name.to_owned(), value);
        set("OUT_DIR", self.script_output_directory(run).in_sandbox());
        set("NUM_JOBS", toolchain.num_jobs.to_string());
        set("TARGET", platform.triple.to_string());
        set("HOST", toolchain.version.host.to_string());
        set("DEBUG", unit.profile.debuginfo.is_on().to_string());
        set("OPT_LEVEL", unit.profile.opt_level.clone());
        set("PROFILE", self.profile_root(run).to_owned());
        set("RUSTC", toolchain.rustc.clone());
        set("RUSTDOC", toolchain.rustdoc.clone());
        if let Some(linker) = &platform.linker {
            set("RUSTC_LINKER", linker.clone());
        }
        if let Some(links) = &package.links {
            set("CARGO_MANIFEST_LINKS", links.clone());
        }
        for feature in &unit.features {
            set(&format!("CARGO_FEATURE_{}", in_variable(feature)), "1".to_owned());
        }
        for (name, values) in cfg_values(platform, &unit.features, unit.profile.debug_assertions) {
            set(&format!("CARGO_CFG_{}", in_variable(name)), values.join(","));
        }
        set("CARGO_ENCODED_RUSTFLAGS", self.rustflags(run).join("\u{1f}"));
        for name in ["RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "RUSTFLAGS"] {
            environment.remove(name);
        }
        environment
    }

    /// `DEP_<LINKS>_<KEY>` from the scripts of the packages that this one depends on directly.
    fn add_dependency_metadata(
        &self,
        run: UnitIndex,
        effects: &Effects,
        environment: &mut Environment,
    ) -> Result<(), Error> {
        for edge in &self.unit(run).dependencies {
            if !self.unit(edge.index).is_script_run() {
                continue;
            }
            let metadata = &self.effects_of(edge.index, effects)?.metadata;
            if let Some(links) = &self.package(edge.index).links {
                for (key, value) in metadata {
                    let name = format!("DEP_{}_{}", in_variable(links), in_variable(key));
                    environment.insert(name, value.clone());
                }
            }
        }
        Ok(())
    }
}

/// Cargo's `envify`.
fn in_variable(text: &str) -> String {
    text.chars().flat_map(char::to_uppercase).map(|c| if c == '-' { '_' } else { c }).collect()
}

/// The cfgs that a script sees, with their values. The profile's debug assertions replace rustc's, which are on
/// for the question only.
fn cfg_values<'a>(
    platform: &'a Platform,
    features: &'a [String],
    debug_assertions: bool,
) -> BTreeMap<&'a str, Vec<&'a str>> {
    let mut values: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    values.insert("feature", features.iter().map(String::as_str).collect());
    if debug_assertions {
        values.insert("debug_assertions", Vec::new());
    }
    for cfg in &platform.cfg {
        match cfg {
            Cfg::Name(name) if name.as_str() == "debug_assertions" => {}
            Cfg::Name(name) => {
                values.insert(name.as_str(), Vec::new());
            }
            Cfg::KeyPair(name, value) => values.entry(name.as_str()).or_default().push(value),
        }
    }
    values
}
