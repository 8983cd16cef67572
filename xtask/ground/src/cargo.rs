//! The pinned cargo, called in a sandbox over the trees that xbuild's own actions get.

use xbuild_action::InputRoot;
use xbuild_describe::Asked;
use xbuild_plan::places::{CARGO_CONFIG, CARGO_HOME, place};

use crate::ground::{Plan, PlannedGraph};
use crate::script::quoted;

const TARGET_FOLDER: &str = "build/target";
const LOG_FOLDER: &str = "build/log";

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

/// A call of cargo with its environment. `verbose` is cargo's own flag.
#[must_use]
pub fn call(graph: &PlannedGraph, verbose: bool) -> String {
    let PlannedGraph { asked, toolchain } = graph;
    let target = &asked.target;
    let mut environment = toolchain.environment.clone();
    let mut set = |name: &str, value: &str| environment.insert(name.to_owned(), value.to_owned());
    set("CARGO_HOME", &place(CARGO_HOME).in_sandbox());
    set("CARGO_TARGET_DIR", &place(TARGET_FOLDER).in_sandbox());
    set("CARGO_TERM_COLOR", "never");
    set("RUSTC", &toolchain.rustc);
    let platforms = std::iter::once(&toolchain.host).chain(toolchain.targets.get(target));
    for platform in platforms {
        let prefix = format!("CARGO_TARGET_{}", platform.triple.underscored().to_uppercase());
        if let Some(linker) = &platform.linker {
            environment.insert(format!("{prefix}_LINKER"), linker.clone());
        }
        let link_arguments = platform.link_arguments.iter().map(|argument| format!("-Clink-arg={argument}"));
        let flags: Vec<String> = link_arguments.chain(platform.rustc_arguments.iter().cloned()).collect();
        if !flags.is_empty() {
            environment.insert(format!("{prefix}_RUSTFLAGS"), flags.join(" "));
        }
        environment.extend(platform.script_environment.clone());
    }

    let mut arguments: Vec<String> =
        ["/usr/bin/cargo", "build", "--offline", "--locked"].map(str::to_owned).to_vec();
    arguments.extend(["--config".to_owned(), place(CARGO_CONFIG).in_sandbox()]);
    arguments.extend(selection(asked, asked.plan.packages.iter().map(String::as_str)));
    arguments.extend(verbose.then(|| "--verbose".to_owned()));

    let environment = environment.iter().map(|(name, value)| format!("{name}={}", quoted(value)));
    environment.chain(arguments.iter().map(|argument| quoted(argument))).collect::<Vec<_>>().join(" ")
}

/// The arguments of `cargo build` that choose what [`Asked`] is of: target, profile, features, and the packages, by what
/// cargo is to call them.
pub fn selection<'p>(asked: &Asked, packages: impl Iterator<Item = &'p str>) -> Vec<String> {
    let plan = &asked.plan;
    let mut arguments =
        vec!["--target".to_owned(), asked.target.to_string(), "--profile".to_owned(), plan.profile.clone()];
    arguments.extend(packages.flat_map(|package| ["--package".to_owned(), package.to_owned()]));
    if !plan.features.is_empty() {
        let features: Vec<&str> = plan.features.iter().map(String::as_str).collect();
        arguments.extend(["--features".to_owned(), features.join(",")]);
    }
    arguments.extend(plan.all_features.then(|| "--all-features".to_owned()));
    arguments.extend((!plan.default_features).then(|| "--no-default-features".to_owned()));
    arguments
}
