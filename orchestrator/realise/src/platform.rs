//! The toolchain of one target: its trees, and what its rustc says of itself.

use std::collections::BTreeMap;

use xbuild_action::ContentExt as _;
use xbuild_base::{Digest, Tree, Triple};
use xbuild_cargo::{
    CFG_ARGUMENTS, Configuration, Flavour, Platform, RustcVersion, Toolchain, UnitVariables,
    check_cargo_version, parse_cfg,
};
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
    /// clippy, where it is asked for.
    pub clippy: Option<Digest<Tree>>,
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
/// When rustc can't be run or says something that can't be understood, or cargo is none that is known.
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
    // Its own word: beside a rustc that is no release there is another release's cargo.
    let cargo = say("cargo -V", planning::cargo_version(&layers.host))?;
    check_cargo_version(cargo.split_whitespace().nth(1).unwrap_or_default())?;
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
        workspace_wrapper: None,
    })
}

/// Clang's way to leave out arguments before it reads them, silently (`llvm/clang`, `driver.cpp`, `CCC_OVERRIDE_OPTIONS`).
/// Which C++ library there is, is the sysroot's to say: a script that asks whether the compiler takes `-stdlib=libc++`, as
/// gcc would not, is told yes, and has no such headers then.
const CLANG_OVERRIDES: (&str, &str) = ("CCC_OVERRIDE_OPTIONS", "# x-stdlib=libc++ x-stdlib=libstdc++");

/// A program of the composed tree, by absolute path.
fn program(name: &str) -> String {
    if name.starts_with('/') { name.to_owned() } else { format!("/usr/bin/{name}") }
}

/// What build scripts see of the host's C tools and libraries, in the spellings that the crates `cc` and `pkg-config`
/// look for.
fn host_environment(host: &Triple) -> BTreeMap<String, String> {
    let machine = host.as_str().split('-').next().unwrap_or_default();
    let libraries = format!("/usr/lib/{machine}-linux-gnu/pkgconfig:/usr/share/pkgconfig");
    let host = host.underscored();
    let tools = [("CC", "cc"), ("CXX", "c++"), ("AR", "ar"), ("RANLIB", "ranlib")];
    let mut environment: BTreeMap<String, String> =
        tools.iter().map(|(name, tool)| (format!("{name}_{host}"), program(tool))).collect();
    environment.extend(tools.iter().map(|(name, tool)| (format!("HOST_{name}"), program(tool))));
    // Not the plain name: what asks by that in a script for a target must not be led here.
    environment.extend(
        ["HOST_PKG_CONFIG_LIBDIR".to_owned(), format!("PKG_CONFIG_LIBDIR_{host}")]
            .map(|name| (name, libraries.clone())),
    );
    let (name, value) = CLANG_OVERRIDES;
    environment.insert(name.to_owned(), value.to_owned());
    environment
}

/// What build scripts see of a target's, over what they see of the host's. Where both have one triple, the target's
/// variables take the place of the host's, but for `HOST_*`, which the crates look at later.
fn target_environment(spec: &TargetSpec) -> BTreeMap<String, String> {
    let target = spec.triple.underscored();
    let tools = [("CC", &spec.c.cc), ("CXX", &spec.c.cxx), ("AR", &spec.c.ar), ("RANLIB", &spec.c.ranlib)];
    let mut environment: BTreeMap<String, String> =
        tools.iter().map(|(name, tool)| (format!("{name}_{target}"), program(tool))).collect();
    environment.extend(tools.iter().map(|(name, tool)| (format!("TARGET_{name}"), program(tool))));
    environment.extend(spec.c.environment.clone());
    // A target without libraries of its own has a place for them all the same, lest pkg-config look among the host's.
    let nowhere = || format!("/usr/{}/lib/pkgconfig", spec.triple);
    environment.entry("PKG_CONFIG_LIBDIR".to_owned()).or_insert_with(nowhere);
    for name in ["PKG_CONFIG_LIBDIR", "PKG_CONFIG_SYSROOT_DIR"] {
        let Some(value) = environment.get(name).cloned() else { continue };
        for name in [format!("{name}_{target}"), format!("TARGET_{name}")] {
            environment.entry(name).or_insert_with(|| value.clone());
        }
    }
    environment
}

#[cfg(test)]
mod tests {
    use xbuild_describe::{Source, Toolchains};

    use super::*;

    fn repository(path: &str) -> Source {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
        Source::new(path, fs_err::read_to_string(root.join(path)).unwrap())
    }

    /// The crate `pkg-config`, of version 0.3: which variable it takes for a script.
    fn looked_up(
        environment: &BTreeMap<String, String>,
        name: &str,
        target: &str,
        host: &str,
    ) -> Option<String> {
        let kind = if target == host { "HOST" } else { "TARGET" };
        let underscored = target.replace('-', "_");
        let names = [
            format!("{name}_{target}"),
            format!("{name}_{underscored}"),
            format!("{kind}_{name}"),
            name.to_owned(),
        ];
        names.iter().find_map(|name| environment.get(name)).cloned()
    }

    #[test]
    fn pkg_config_is_led_to_the_target_s_libraries_or_the_host_s_and_never_to_both() {
        let toolchains = Toolchains::read(repository("toolchains.toml")).unwrap();
        let host: Triple = "x86_64-unknown-linux-gnu".parse().unwrap();
        for target in [
            "x86_64-unknown-linux-gnu",
            "aarch64-unknown-linux-gnu",
            "armv7-unknown-linux-gnueabihf",
            "x86_64-unknown-linux-musl",
            "x86_64-pc-windows-gnu",
        ] {
            let spec = repository(&format!("targets/{target}.toml"));
            let spec = TargetSpec::read(target.parse().unwrap(), spec, &toolchains).unwrap();
            let of_host = host_environment(&host);
            let mut of_target = of_host.clone();
            of_target.extend(target_environment(&spec));
            let folders = |environment, target| {
                looked_up(environment, "PKG_CONFIG_LIBDIR", target, host.as_str()).unwrap()
            };
            let own = "/usr/lib/x86_64-linux-gnu/pkgconfig:/usr/share/pkgconfig";
            assert_eq!(folders(&of_host, host.as_str()), own);
            let found = folders(&of_target, target);
            let is_foreign = |folder: &str| own.split(':').any(|own| own == folder);
            assert!(!found.split(':').any(is_foreign), "{target}: {found}");
            assert_eq!(found, of_target["PKG_CONFIG_LIBDIR"], "whoever calls it by itself finds the same");
            let sysroot = looked_up(&of_target, "PKG_CONFIG_SYSROOT_DIR", target, host.as_str());
            let packages = spec.packages.map(|packages| packages.root.in_sandbox());
            assert_eq!(sysroot, packages, "{target}");
        }
    }
}
