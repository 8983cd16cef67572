//! The toolchain of one target: its trees, and what its rustc says of itself.

use std::collections::BTreeMap;

use xbuild_action::ContentExt as _;
use xbuild_base::{Digest, Tree, Triple};
use xbuild_cargo::{CFG_ARGUMENTS, Configuration, Flavour, Platform, RustcVersion, Toolchain, UnitVariables, parse_cfg};
use xbuild_describe::TargetSpec;
use xbuild_plan::planning;

use crate::engine::Engine;
use crate::error::RealiseError;

/// The trees that make up one target's toolchain. All are laid out from the root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layers {
    /// For host work: rustc, cargo, clang, the host's libc, tools.
    pub host: Vec<Digest<Tree>>,
    /// The target's C world.
    pub sysroot: Vec<Digest<Tree>>,
    /// The target's std; `None` where it is built from source and isn't built yet.
    pub std: Option<Digest<Tree>>,
}

impl Layers {
    /// What target units see.
    #[must_use]
    pub fn target(&self) -> Vec<Digest<Tree>> {
        self.host.iter().chain(&self.sysroot).chain(&self.std).copied().collect()
    }
}

/// Asks the pinned rustc what the plan of a target must know.
///
/// # Errors
/// When rustc can't be run or says something that can't be understood.
pub fn toolchain(
    engine: &Engine<'_>,
    layers: &Layers,
    spec: &TargetSpec,
    flavour: Flavour,
    configuration: Configuration,
) -> Result<Toolchain, RealiseError> {
    let say = |what: &str, (command, inputs): (xbuild_action::Command, xbuild_action::InputRoot)| {
        let result = engine.run_one(what, &command, &inputs)?;
        Ok::<_, RealiseError>(String::from_utf8_lossy(&engine.store.get(result.stdout)?).into_owned())
    };
    let ask = |arguments: &[&str], target: Option<&Triple>, rustflags: &[String]| {
        let step = planning::print(&layers.host, arguments, target, flavour, rustflags);
        say(&format!("rustc {}", arguments.join(" ")), step)
    };
    let print = |what: &str, target: Option<&Triple>| ask(&[&format!("--print={what}")], target, &[]);
    let cfg = |target: Option<&Triple>, rustflags: &[String]| {
        Ok::<_, RealiseError>(parse_cfg(&ask(&CFG_ARGUMENTS, target, rustflags)?)?)
    };
    let version = RustcVersion::parse(&say("rustc -vV", planning::version(&layers.host))?)?;
    let words = |text: String| text.lines().map(str::to_owned).collect();
    let host = Platform {
        triple: version.host.clone(),
        cfg: cfg(None, &[])?,
        crt_static: false,
        split_debuginfo: words(print("split-debuginfo", None)?),
        library_directory: print("target-libdir", None)?.trim().to_owned(),
        linker: Some("/usr/bin/cc".to_owned()),
        link_arguments: Vec::new(),
        rustc_arguments: Vec::new(),
        script_environment: host_environment(&version.host),
    };
    let mut target = Platform {
        triple: spec.triple.clone(),
        cfg: cfg(Some(&spec.triple), &[])?,
        crt_static: false,
        split_debuginfo: words(print("split-debuginfo", Some(&spec.triple))?),
        library_directory: print("target-libdir", Some(&spec.triple))?.trim().to_owned(),
        linker: Some(program(&spec.link.linker)),
        link_arguments: spec.link.args.clone(),
        rustc_arguments: spec.link.rustflags.clone(),
        script_environment: target_environment(spec),
    };
    // Which rustflags hold for a target may depend on its cfg, and its cfg on those rustflags (cargo asks twice too).
    let rustflags = configuration.rustflags(&target);
    if !rustflags.is_empty() {
        target.cfg = cfg(Some(&spec.triple), &rustflags)?;
    }
    target.crt_static = ask(&["--print=cfg"], Some(&spec.triple), &rustflags)?
        .lines()
        .any(|line| line == "target_feature=\"crt-static\"");
    Ok(Toolchain {
        rustc: "/usr/bin/rustc".to_owned(),
        rustdoc: "/usr/bin/rustdoc".to_owned(),
        cargo: "/usr/bin/cargo".to_owned(),
        version,
        host,
        targets: BTreeMap::from([(spec.triple.clone(), target)]),
        environment: planning::environment(&[]),
        // A constant: it must not say how many processors this machine has. The jobserver decides how much of it
        // is used.
        num_jobs: 8,
        flavour,
        configuration,
        variables: UnitVariables::default(),
    })
}

/// A program of the composed tree, by absolute path.
fn program(name: &str) -> String {
    if name.starts_with('/') { name.to_owned() } else { format!("/usr/bin/{name}") }
}

/// What build scripts see of the host's C tools, in the spellings that the `cc` crate looks for.
fn host_environment(host: &Triple) -> BTreeMap<String, String> {
    let host = host.underscored();
    let tools = [("CC", "cc"), ("CXX", "c++"), ("AR", "ar"), ("RANLIB", "ranlib")];
    let mut environment: BTreeMap<String, String> =
        tools.iter().map(|(name, tool)| (format!("{name}_{host}"), program(tool))).collect();
    environment.extend(tools.iter().map(|(name, tool)| (format!("HOST_{name}"), program(tool))));
    environment
}

fn target_environment(spec: &TargetSpec) -> BTreeMap<String, String> {
    let target = spec.triple.underscored();
    let tools = [("CC", &spec.c.cc), ("CXX", &spec.c.cxx), ("AR", &spec.c.ar), ("RANLIB", &spec.c.ranlib)];
    let mut environment: BTreeMap<String, String> =
        tools.iter().map(|(name, tool)| (format!("{name}_{target}"), program(tool))).collect();
    environment.extend(spec.c.environment.clone());
    environment
}
