//! What is asked for, and how it is to be made: flags that several verbs have.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Which features of the chosen packages are active.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Features {
    /// Features to activate
    #[arg(
        short = 'F',
        long,
        value_name = "FEATURES",
        value_delimiter = ',',
        help_heading = "Features and profile"
    )]
    pub(crate) features: Vec<String>,
    /// Activate all features
    #[arg(long, help_heading = "Features and profile")]
    pub(crate) all_features: bool,
    /// Don't activate the default features
    #[arg(long, help_heading = "Features and profile")]
    pub(crate) no_default_features: bool,
}

impl Features {
    /// Whether nothing is said of them.
    pub(crate) const fn is_default(&self) -> bool {
        let Self { features, all_features, no_default_features } = self;
        features.is_empty() && !*all_features && !*no_default_features
    }
}

/// With which profile is built.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Profile {
    /// The profile to build with
    #[arg(long, value_name = "NAME", conflicts_with = "release", help_heading = "Features and profile")]
    pub(crate) profile: Option<String>,
    /// The same as --profile release
    #[arg(short, long, help_heading = "Features and profile")]
    pub(crate) release: bool,
}

impl Profile {
    /// The profile that is asked for, if one is.
    pub(crate) fn name(&self) -> Option<&str> {
        if self.release { Some("release") } else { self.profile.as_deref() }
    }
}

/// How actions run.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct Execution {
    /// How many actions run at once (default: the number of processors)
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) jobs: Option<u16>,
    /// Weaken the sandbox. The results are kept apart from those of the full one
    #[arg(long, value_name = "LEVEL", default_value = "full")]
    pub(crate) isolation: IsolationLevel,
}

/// What is built, and how.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Build {
    /// Outputs as VARIANT/TARGET/NAME; leading parts optional, globs allowed
    #[arg(value_name = "OUTPUT")]
    pub(crate) outputs: Vec<String>,
    /// Only outputs of this package
    #[arg(short, long = "package", value_name = "NAME", help_heading = "Selection")]
    pub(crate) packages: Vec<String>,
    /// Only this binary
    #[arg(long = "bin", value_name = "NAME", help_heading = "Selection")]
    pub(crate) bins: Vec<String>,
    /// Only this target
    #[arg(long = "target", value_name = "TRIPLE", help_heading = "Selection")]
    pub(crate) targets: Vec<String>,
    /// Only this variant
    #[arg(long = "variant", value_name = "NAME", help_heading = "Selection")]
    pub(crate) variants: Vec<String>,
    #[command(flatten)]
    pub(crate) features: Features,
    #[command(flatten)]
    pub(crate) profile: Profile,
    #[command(flatten)]
    pub(crate) execution: Execution,
    /// Go on with what doesn't need the unit that failed
    #[arg(long)]
    pub(crate) keep_going: bool,
    /// Say what would be fetched and built, and why. Only what planning needs is fetched
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Only what has changed since this commit, branch or tag can touch
    #[arg(long, value_name = "REV", help_heading = "Selection")]
    pub(crate) affected_since: Option<String>,
    /// Put real files there instead of links in `result`
    #[arg(long, value_name = "DIR")]
    pub(crate) out_dir: Option<PathBuf>,
    /// Make no links in `result`
    #[arg(long)]
    pub(crate) no_link: bool,
    /// Print the path of each output in the store, and nothing else, on standard output
    #[arg(long)]
    pub(crate) print_out_paths: bool,
    /// Print what was proved of each output: architecture, libraries, symbol versions
    #[arg(long)]
    pub(crate) proof: bool,
    /// Write where the time went as a page for browsers: to FILE, else to `result/timings.html`
    #[arg(long, value_name = "FILE", require_equals = true, conflicts_with = "dry_run")]
    pub(crate) timings: Option<Option<PathBuf>>,
    /// Write when each action began, gave out its metadata and ended, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,
    /// Write what each action was made of, for `xbuild explain --against FILE` elsewhere
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    pub(crate) record: Option<PathBuf>,
    /// Whether images are made after it
    #[arg(skip)]
    pub(crate) images: bool,
}

/// The packages that a task is about, for which targets, and with which features.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Packages {
    /// Only of this package
    #[arg(short, long = "package", value_name = "NAME", help_heading = "Selection")]
    pub(crate) packages: Vec<String>,
    /// Only for this target
    #[arg(long = "target", value_name = "TRIPLE", help_heading = "Selection")]
    pub(crate) targets: Vec<String>,
    /// Only of this variant
    #[arg(long = "variant", value_name = "NAME", help_heading = "Selection")]
    pub(crate) variants: Vec<String>,
    #[command(flatten)]
    pub(crate) features: Features,
    #[command(flatten)]
    pub(crate) profile: Profile,
}

impl From<Packages> for Build {
    fn from(of: Packages) -> Self {
        let Packages { packages, targets, variants, features, profile } = of;
        Self { packages, targets, variants, features, profile, no_link: true, ..Self::default() }
    }
}

/// Parts of packages: cargo's ways to choose among a package's targets.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Parts {
    /// Only the library
    #[arg(long, help_heading = "Selection")]
    pub(crate) lib: bool,
    /// Only the programs
    #[arg(long = "bins", help_heading = "Selection")]
    pub(crate) all_bins: bool,
    /// Only this program
    #[arg(long = "bin", value_name = "NAME", help_heading = "Selection")]
    pub(crate) bins: Vec<String>,
    /// Only what is compiled as a test by default
    #[arg(long = "tests", help_heading = "Selection")]
    pub(crate) all_tests: bool,
    /// Only this integration test
    #[arg(long = "test", value_name = "NAME", help_heading = "Selection")]
    pub(crate) tests: Vec<String>,
    /// Only the examples
    #[arg(long = "examples", help_heading = "Selection")]
    pub(crate) all_examples: bool,
    /// Only this example
    #[arg(long = "example", value_name = "NAME", help_heading = "Selection")]
    pub(crate) examples: Vec<String>,
    /// Only what is compiled as a benchmark by default
    #[arg(long = "benches", help_heading = "Selection")]
    pub(crate) all_benches: bool,
    /// Only this benchmark
    #[arg(long = "bench", value_name = "NAME", help_heading = "Selection")]
    pub(crate) benches: Vec<String>,
    /// All of them, tests, examples and benchmarks too
    #[arg(long, help_heading = "Selection")]
    pub(crate) all_targets: bool,
}

impl Parts {
    /// The options as cargo takes them.
    pub(crate) fn options(&self) -> Vec<String> {
        let Self { lib, all_bins, all_tests, all_examples, all_benches, all_targets, .. } = self;
        let flags = [
            (lib, "--lib"),
            (all_bins, "--bins"),
            (all_tests, "--tests"),
            (all_examples, "--examples"),
            (all_benches, "--benches"),
            (all_targets, "--all-targets"),
        ];
        let flags = flags.into_iter().filter(|(on, _)| **on).map(|(_, flag)| flag.to_owned());
        let Self { bins, tests, examples, benches, .. } = self;
        let named = [(bins, "--bin"), (tests, "--test"), (examples, "--example"), (benches, "--bench")];
        let named = named.into_iter().flat_map(|(names, flag)| names.iter().map(move |name| (flag, name)));
        flags.chain(named.flat_map(|(flag, name)| [flag.to_owned(), name.clone()])).collect()
    }
}

/// Which outputs a verb is about that makes none.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Outputs {
    /// Outputs as VARIANT/TARGET/NAME; leading parts optional, globs allowed; all when none is named
    #[arg(value_name = "OUTPUT")]
    pub(crate) outputs: Vec<String>,
    #[command(flatten)]
    pub(crate) of: Packages,
    #[command(flatten)]
    pub(crate) execution: Execution,
}

impl From<Outputs> for Build {
    fn from(Outputs { outputs, of, execution }: Outputs) -> Self {
        Self { outputs, execution, ..of.into() }
    }
}

/// How strong the sandbox is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum IsolationLevel {
    /// All of it.
    #[default]
    Full,
    /// As full, with the host's network.
    NoNetworkNamespace,
    /// The host's files, network and processes in reach.
    None,
}
