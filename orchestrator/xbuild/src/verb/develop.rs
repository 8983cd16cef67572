//! `xbuild develop`: a shell with the pinned toolchain, for people: plain cargo, rust-analyzer and an editor work in it, for
//! every target of the project, with what crates need beside Rust.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;

use xbuild_action::Staging as _;
use xbuild_base::{Digest, Tree, Triple};
use xbuild_cargo::{Toolchain, UnitVariables};
use xbuild_describe::{ComponentName, DevelopShell, TargetSpec};
use xbuild_exec::{Entry, Ground, enter};

use crate::cli::{Build, Develop, Global};
use crate::composed::spec;
use crate::error::XbuildError;
use crate::settings;
use crate::steps::{Making, Steps};
use crate::ui::Ui;
use crate::work::{Planned, Wanted, Work, planned};

pub(crate) fn run(global: &Global, wanted: &Develop, ui: &Ui) -> Result<ExitCode, XbuildError> {
    if let Some(unit) = &wanted.unit {
        return super::unit::run(global, unit, wanted.command.as_deref(), ui);
    }
    let name = wanted.name.as_deref();
    let outputs = wanted.name.iter().cloned().collect();
    let build = Build { outputs, execution: wanted.execution, ..wanted.of.clone().into() };
    let mut entry = planned(global, &build, Wanted::Shell, ui, |work, planned| entry(work, planned, name))?;
    let shell = settings::variable("SHELL").unwrap_or_else(|| "/bin/sh".to_owned());
    entry.argv = vec![shell.clone()];
    if let Some(line) = &wanted.command {
        entry.argv.extend(["-c".to_owned(), line.clone()]);
    }
    // Nobody comes back: what is to be cleared up has been cleared up.
    Err(XbuildError::environment(
        format!("could not start {shell}: {}", enter(&entry)),
        "see what this machine allows: xbuild doctor",
    ))
}

/// What is seen in a shell, which may have a name: the host's files, and over them the trees of all that is asked for.
fn entry(work: &Work<'_>, planned: &mut Planned<'_>, name: Option<&str>) -> Result<Entry, XbuildError> {
    work.build_std(planned)?;
    let described = work.described();
    let mut trees: Vec<Digest<Tree>> = Vec::new();
    let mut environment: BTreeMap<String, Option<String>> = BTreeMap::new();
    let mut emulators: BTreeSet<ComponentName> = BTreeSet::new();
    let graph = work.look(planned, Making::Run)?.graph;
    for (part, one) in graph.parts().iter().zip(&planned.asked) {
        let spec = spec(described, &one.target)?;
        emulators.extend(spec.run.components.iter().cloned());
        variables(part.context.toolchain(), spec, &mut environment);
        let native = part.native.values();
        let of_native = native.clone().flat_map(|native| native.layers.iter().copied());
        trees.extend(part.target_layers.iter().copied().chain(of_native));
        for (name, value) in native.flat_map(|native| &native.environment) {
            environment.entry(name.clone()).or_insert_with(|| Some(value.clone()));
        }
    }
    trees.extend(work.trees(&described.toolchains, &emulators)?.into_values());
    let DevelopShell { tools, env } = described.description.develop.shell(name);
    if !tools.is_empty() {
        trees.extend(Steps::new(work)?.tools(&tools)?);
    }
    environment.extend(env.into_iter().map(|(name, value)| (name, Some(value))));
    let path = settings::variable("PATH").unwrap_or_default();
    environment.insert("PATH".to_owned(), Some(format!("/usr/bin:{path}")));
    // rustup's shims would choose another toolchain, and its variables another compiler.
    for name in ["RUSTUP_TOOLCHAIN", "RUSTC", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "CARGO", "RUSTDOC"]
    {
        environment.insert(name.to_owned(), None);
    }
    environment.insert("IN_XBUILD_DEVELOP".to_owned(), Some("1".to_owned()));

    let mut layers: Vec<PathBuf> = Vec::new();
    let mut seen = BTreeSet::new();
    for tree in trees.into_iter().filter(|tree| seen.insert(*tree)) {
        layers.push(work.store().folder().join(work.store().materialise(tree)?));
    }
    Ok(Entry { layers, ground: Ground::Host, argv: Vec::new(), environment })
}

/// What plain cargo and build scripts need to know of a target and of the host.
fn variables(toolchain: &Toolchain, spec: &TargetSpec, environment: &mut BTreeMap<String, Option<String>>) {
    let mut say = |name: String, value: String| drop(environment.insert(name, Some(value)));
    let of_cargo = |triple: &Triple, key: &str| {
        format!("CARGO_TARGET_{}_{key}", triple.as_str().to_uppercase().replace('-', "_"))
    };
    if let Some(linker) = &toolchain.host.linker {
        say(of_cargo(&toolchain.host.triple, "LINKER"), linker.clone());
    }
    for (name, value) in &toolchain.host.script_environment {
        say(name.clone(), value.clone());
    }
    let Some(target) = toolchain.targets.get(&spec.triple) else { return };
    if let Some(linker) = &target.linker {
        say(of_cargo(&spec.triple, "LINKER"), linker.clone());
    }
    let links = target.link_arguments.iter().map(|argument| format!("-Clink-arg={argument}"));
    let of_project = toolchain.configuration.rustflags_beside_the_target_s(target);
    let flags: Vec<String> = target.rustc_arguments.iter().cloned().chain(links).chain(of_project).collect();
    if !flags.is_empty() {
        say(of_cargo(&spec.triple, "RUSTFLAGS"), flags.join(" "));
    }
    if !spec.run.emulator.is_empty() {
        say(of_cargo(&spec.triple, "RUNNER"), spec.run.emulator.join(" "));
    }
    // What is about one target alone; `TARGET_CC` would be about all of them.
    let triple = [spec.triple.as_str().to_owned(), spec.triple.as_str().replace('-', "_")];
    let own = target
        .script_environment
        .iter()
        .filter(|(name, _)| triple.iter().any(|triple| name.ends_with(triple)));
    own.for_each(|(name, value)| say(name.clone(), value.clone()));
    say("PKG_CONFIG_ALLOW_CROSS".to_owned(), "1".to_owned());
    // What the description has for all units of a target, of the host or of a package: one shell has one environment, and
    // what is said first counts.
    let UnitVariables { host, target, packages } = &toolchain.variables;
    for (name, value) in target.iter().chain(host).chain(packages.values().flatten()) {
        environment.entry(name.clone()).or_insert_with(|| Some(value.clone()));
    }
}
