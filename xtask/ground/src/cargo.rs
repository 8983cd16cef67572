//! The pinned cargo, called in a sandbox over the trees that xbuild's own actions get.

use std::collections::BTreeMap;

use xbuild_action::InputRoot;
use xbuild_cargo::Platform;
use xbuild_describe::Asked;
use xbuild_plan::places::{CARGO_CONFIG, CARGO_HOME, place};

use crate::ground::{Plan, PlannedGraph};
use crate::script::quoted;

/// Where cargo builds.
pub const TARGET_FOLDER: &str = "build/target";
const LOG_FOLDER: &str = "build/log";

const BUILD: [&str; 4] = ["/usr/bin/cargo", "build", "--offline", "--locked"];

/// What cargo says goes there, in the sandbox.
pub const LOG: &str = "/build/log/cargo";

/// All files that calls of cargo see.
#[must_use]
pub fn inputs(plan: &Plan) -> InputRoot {
    InputRoot {
        layers: plan.layers.clone(),
        directories: [TARGET_FOLDER, CARGO_HOME, LOG_FOLDER].map(place).into(),
        ..InputRoot::default()
    }
}

/// A call of cargo with its environment, in words of a shell: for one graph, or for several that differ by their
/// targets alone.
#[must_use]
pub fn call(graphs: &[PlannedGraph]) -> String {
    let mut environment = BTreeMap::new();
    let mut arguments = BUILD.map(str::to_owned).to_vec();
    for graph in graphs {
        environment.extend(of_target(graph));
        arguments.extend(["--target".to_owned(), graph.asked.target.to_string()]);
    }
    environment.insert("CARGO_TARGET_DIR".to_owned(), place(TARGET_FOLDER).in_sandbox());
    arguments.extend(graphs.first().into_iter().flat_map(configured));
    words(&environment, &arguments)
}

/// A call for the host, without `--target`, by a program that takes cargo's place or by cargo itself, with more
/// variables.
#[must_use]
pub fn host_call(graph: &PlannedGraph, program: &str, more: &[(&str, &str)]) -> String {
    let mut environment = common(graph);
    let host = &graph.toolchain.host;
    if let Some(linker) = &host.linker {
        environment.insert(variable(host, "LINKER"), linker.clone());
    }
    environment.extend(more.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())));
    let mut arguments = BUILD.map(str::to_owned).to_vec();
    program.clone_into(&mut arguments[0]);
    arguments.extend(configured(graph));
    words(&environment, &arguments)
}

/// What cargo is told of the compiler.
fn common(graph: &PlannedGraph) -> BTreeMap<String, String> {
    let mut environment = graph.toolchain.environment.clone();
    let mut set = |name: &str, value: &str| environment.insert(name.to_owned(), value.to_owned());
    set("CARGO_HOME", &place(CARGO_HOME).in_sandbox());
    set("CARGO_TERM_COLOR", "never");
    set("RUSTC", &graph.toolchain.rustc);
    environment
}

/// What cargo is told besides of the host and the target.
fn of_target(graph: &PlannedGraph) -> BTreeMap<String, String> {
    let PlannedGraph { asked, toolchain } = graph;
    let mut environment = common(graph);
    let platforms = std::iter::once(&toolchain.host).chain(toolchain.targets.get(&asked.target));
    for platform in platforms {
        if let Some(linker) = &platform.linker {
            environment.insert(variable(platform, "LINKER"), linker.clone());
        }
        let link_arguments = platform.link_arguments.iter().map(|argument| format!("-Clink-arg={argument}"));
        let flags: Vec<String> = link_arguments.chain(platform.rustc_arguments.iter().cloned()).collect();
        if !flags.is_empty() {
            environment.insert(variable(platform, "RUSTFLAGS"), flags.join(" "));
        }
        environment.extend(platform.script_environment.clone());
    }
    environment
}

/// Cargo's variable for something of a platform.
fn variable(platform: &Platform, what: &str) -> String {
    format!("CARGO_TARGET_{}_{what}", platform.triple.underscored().to_uppercase())
}

/// The configuration, and what is chosen.
fn configured(graph: &PlannedGraph) -> Vec<String> {
    let asked = &graph.asked;
    let mut arguments = vec!["--config".to_owned(), place(CARGO_CONFIG).in_sandbox()];
    arguments.extend(selection(asked, asked.plan.packages.iter().map(String::as_str)));
    arguments
}

/// The arguments of `cargo build` that choose what [`Asked`] is of beside the target: profile, features, and the
/// packages, by what cargo is to call them.
pub fn selection<'p>(asked: &Asked, packages: impl Iterator<Item = &'p str>) -> Vec<String> {
    let plan = &asked.plan;
    let mut arguments = vec!["--profile".to_owned(), plan.profile.clone()];
    arguments.extend(packages.flat_map(|package| ["--package".to_owned(), package.to_owned()]));
    if !plan.features.is_empty() {
        let features: Vec<&str> = plan.features.iter().map(String::as_str).collect();
        arguments.extend(["--features".to_owned(), features.join(",")]);
    }
    arguments.extend(plan.all_features.then(|| "--all-features".to_owned()));
    arguments.extend((!plan.default_features).then(|| "--no-default-features".to_owned()));
    arguments
}

fn words(environment: &BTreeMap<String, String>, arguments: &[String]) -> String {
    let environment = environment.iter().map(|(name, value)| format!("{name}={}", quoted(value)));
    environment.chain(arguments.iter().map(|argument| quoted(argument))).collect::<Vec<_>>().join(" ")
}
