//! The planning steps: the pinned cargo and rustc, asked in the sandbox. Each is an action like any other, so
//! that its result is cached by all it depends on.

use std::collections::{BTreeMap, BTreeSet};

use xbuild_action::{Command, InputRoot};
use xbuild_base::{Digest, RelPath, Tree, Triple};
use xbuild_cargo::Flavour;

use crate::places::{CARGO_CONFIG, CARGO_HOME, place};

/// What of a workspace is planned: the values of one variant for one target. Which of its outputs are asked for
/// is no part of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// Packages by id; none means the workspace's default members.
    pub packages: Vec<String>,
    /// Features, as cargo's `--features` takes them.
    pub features: Vec<String>,
    /// `--all-features`.
    pub all_features: bool,
    /// `--no-default-features`.
    pub no_default_features: bool,
    /// The profile's name.
    pub profile: String,
    /// Which of cargo's commands it is for.
    pub goal: Goal,
    /// Further options.
    pub options: Vec<String>,
    /// The user's rustflags for the target: cfgs may follow from them, and dependencies from cfgs.
    pub rustflags: Vec<String>,
}

/// Which of cargo's commands a graph is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Goal {
    /// `cargo build`.
    #[default]
    Build,
    /// `cargo test`.
    Test,
    /// `cargo check`.
    Check,
    /// `cargo doc`.
    Doc,
}

impl Goal {
    const fn command(self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::Test => "test",
            Self::Check => "check",
            Self::Doc => "doc",
        }
    }
}

/// Over what a planning step runs.
#[derive(Debug, Clone, Copy)]
pub struct Ground<'a> {
    /// The toolchain's trees.
    pub layers: &'a [Digest<Tree>],
    /// The skeleton of all sources, from the sandbox's root.
    pub skeleton: Digest<Tree>,
    /// The folder whose workspace is planned.
    pub workspace: &'a RelPath,
}

/// `cargo build --unit-graph`, or another command's: every unit of a selection for one target.
#[must_use]
pub fn unit_graph(ground: &Ground<'_>, selection: &Selection, target: &Triple) -> (Command, InputRoot) {
    let Selection {
        packages,
        features,
        all_features,
        no_default_features,
        profile,
        goal,
        options,
        rustflags,
    } = selection;
    let mut argv = ground.cargo(&[goal.command(), "--unit-graph", "-Zunstable-options"]);
    argv.extend(["--target".to_owned(), target.to_string(), "--profile".to_owned(), profile.clone()]);
    for package in packages {
        argv.extend(["--package".to_owned(), package.clone()]);
    }
    if !features.is_empty() {
        argv.extend(["--features".to_owned(), features.join(",")]);
    }
    argv.extend(all_features.then(|| "--all-features".to_owned()));
    argv.extend(no_default_features.then(|| "--no-default-features".to_owned()));
    argv.extend(options.iter().cloned());
    let more = [
        // `--unit-graph` is a nightly option of cargo's; no compiler of the build ever sees this.
        ("RUSTC_BOOTSTRAP", "1"),
        // It outranks what the project's own configuration says, of which some is left out.
        ("CARGO_ENCODED_RUSTFLAGS", &rustflags.join("\u{1f}")),
    ];
    ground.step(argv, &more)
}

/// `cargo metadata`: every package that the workspace's features, all of them, lead to. It comes first, and is asked as the cargo that
/// it is: a stable one refuses here, in its own words, a manifest that wants a nightly's features.
#[must_use]
pub fn metadata(ground: &Ground<'_>) -> (Command, InputRoot) {
    ground.step(ground.cargo(&["metadata", "--format-version=1", "--all-features"]), &[])
}

/// rustc with `--print` and what else belongs to the question, for a target, with the user's rustflags for it, or for the
/// host. std's own build scripts are told of cfgs that are not stable, too.
#[must_use]
pub fn print(
    layers: &[Digest<Tree>],
    arguments: &[&str],
    target: Option<&Triple>,
    flavour: Flavour,
    rustflags: &[String],
) -> (Command, InputRoot) {
    let mut argv = vec!["/usr/bin/rustc".to_owned()];
    argv.extend(arguments.iter().map(|&argument| argument.to_owned()));
    argv.extend(target.map(|triple| format!("--target={triple}")));
    argv.extend(rustflags.iter().cloned());
    match flavour {
        Flavour::Project => rustc(layers, argv, &[]),
        Flavour::StandardLibrary => rustc(layers, argv, &[("RUSTC_BOOTSTRAP", "1")]),
    }
}

/// `rustc -vV`: release and host triple.
#[must_use]
pub fn version(layers: &[Digest<Tree>]) -> (Command, InputRoot) {
    rustc(layers, vec!["/usr/bin/rustc".to_owned(), "-vV".to_owned()], &[])
}

/// `cargo -V`: the release of cargo.
#[must_use]
pub fn cargo_version(layers: &[Digest<Tree>]) -> (Command, InputRoot) {
    rustc(layers, vec!["/usr/bin/cargo".to_owned(), "-V".to_owned()], &[])
}

impl Ground<'_> {
    fn cargo(&self, arguments: &[&str]) -> Vec<String> {
        let mut argv = vec!["/usr/bin/cargo".to_owned()];
        argv.extend(arguments.iter().map(|&argument| argument.to_owned()));
        argv.push("--offline".to_owned());
        argv.push("--locked".to_owned());
        // On the command line: it outranks what the project's own configuration says of sources.
        argv.extend(["--config".to_owned(), place(CARGO_CONFIG).in_sandbox()]);
        argv
    }

    fn step(&self, argv: Vec<String>, more: &[(&str, &str)]) -> (Command, InputRoot) {
        let mut environment = environment(&[
            ("CARGO_HOME", &place(CARGO_HOME).in_sandbox()),
            ("CARGO_TERM_COLOR", "never"),
            ("RUSTC", "/usr/bin/rustc"),
            // None, whatever the project's configuration names: the sandbox has no such program.
            ("RUSTC_WRAPPER", ""),
            ("RUSTC_WORKSPACE_WRAPPER", ""),
        ]);
        environment.extend(more.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())));
        let command = Command {
            argv,
            environment,
            working_directory: self.workspace.clone(),
            outputs: BTreeSet::new(),
        };
        let layers = self.layers.iter().copied().chain([self.skeleton]).collect();
        let inputs = InputRoot { layers, ..InputRoot::default() };
        (command, inputs)
    }
}

fn rustc(layers: &[Digest<Tree>], argv: Vec<String>, more: &[(&str, &str)]) -> (Command, InputRoot) {
    let command = Command {
        argv,
        environment: environment(more),
        working_directory: RelPath::root(),
        outputs: BTreeSet::new(),
    };
    (command, InputRoot { layers: layers.to_vec(), ..InputRoot::default() })
}

/// The environment that every command of xbuild's has, and more.
#[must_use]
pub fn environment(more: &[(&str, &str)]) -> BTreeMap<String, String> {
    [
        ("PATH", "/usr/bin"),
        ("HOME", "/tmp"),
        ("LANG", "C.UTF-8"),
        ("TZ", "UTC"),
        ("SOURCE_DATE_EPOCH", "315532800"),
    ]
    .iter()
    .chain(more)
    .map(|&(name, value)| (name.to_owned(), value.to_owned()))
    .collect()
}
