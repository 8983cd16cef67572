//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::inputs::Commit;

/// Build a Cargo project for several targets, from pinned inputs, in a sandbox.
#[derive(Debug, Parser)]
#[command(name = "xbuild", version, about, max_term_width = 110, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Options that every verb takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// The folder of the Cargo project, or where it is in a repository: git+URL
    #[arg(long, global = true, value_name = "DIR", default_value = ".", help_heading = "Global options")]
    pub(crate) project: PathBuf,
    /// Override a value of xbuild.toml for this call, e.g. build.profile=dev
    #[arg(long = "set", global = true, value_name = "KEY=VALUE", help_heading = "Global options")]
    pub(crate) overrides: Vec<String>,
    /// Take the project of an input from a folder for this call, e.g. web=../web
    #[arg(long = "override-input", global = true, value_name = "NAME=PATH", help_heading = "Global options")]
    pub(crate) override_inputs: Vec<String>,
    /// The commit that the project is of, where it is named by its repository.
    #[arg(skip)]
    pub(crate) commit: Option<Commit>,
    /// Use what is in the store and on disk; fetch nothing
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) offline: bool,
    /// Fail where a lock would have to change
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) locked: bool,
    /// Say more: each unit that is built; cached ones too when given twice
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Global options")]
    pub(crate) verbose: u8,
    /// Say nothing but errors
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = "Global options")]
    pub(crate) quiet: bool,
    /// How to print messages
    #[arg(
        long,
        global = true,
        value_name = "FORMAT",
        default_value = "human",
        help_heading = "Global options"
    )]
    pub(crate) message_format: MessageFormat,
    /// When to use colour
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", help_heading = "Global options")]
    pub(crate) color: When,
}

impl Global {
    /// What of it holds for another project that this one takes something of.
    pub(crate) fn of_input(&self) -> Self {
        Self { overrides: Vec::new(), override_inputs: Vec::new(), commit: None, ..self.clone() }
    }
}

/// Who reads the messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MessageFormat {
    /// People.
    Human,
    /// Programs: a JSON object a line on standard output.
    Json,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    /// In a terminal.
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

impl When {
    /// As it is written.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Always => "always",
            Self::Never => "never",
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Build outputs: those named, or all of the chosen targets
    Build(Build),
    /// Build every output of every target
    All(Build),
    /// Write a commented xbuild.toml beside a workspace's Cargo.toml, or a new project from a template
    Init(Init),
    /// Every output that the description defines; nothing is fetched or built
    Show,
    /// Build a program and run it, by its target's emulator where this machine can't
    Run(Run),
    /// A shell that has programs on its PATH
    Shell(Shell),
    /// A shell with the pinned toolchain, in which plain cargo builds for every target
    Develop(Develop),
    /// Build tests, and run them: by emulators where the machine can't
    Test(Test),
    /// Check packages for errors, for all targets at once, without making anything of them
    Check(Check),
    /// Check packages, with clippy's lints for the workspace's own
    Clippy(Clippy),
    /// Tell which sources aren't formatted as the pinned rustfmt does it
    Fmt(Fmt),
    /// Make the documentation of packages and of what they depend on, for all targets at once
    Doc(Doc),
    /// Make minimal OCI images of programs: those named, or all
    Image(Image),
    /// What a unit printed when it was built
    Log(Log),
    /// Pack programs for people: archives with licence and readme, and their checksums
    Dist(Dist),
    /// Why a unit was built again: what of it is not what it was
    Explain(Explain),
    /// By which ways a crate gets into outputs, with features, for the host or for the target
    Why(Why),
    /// The actions of outputs and what each waits for, as JSON, DOT or SVG; nothing is built
    Plan(Plan),
    /// What two outputs, revisions or locks have otherwise: crates, features, packages, sizes by section
    Diff(Diff),
    /// Build outputs again from nothing, unit by unit, and compare byte for byte
    Reproduce(Reproduce),
    /// Fetch all that outputs need: crates, toolchain parts, packages; nothing is built
    Fetch(Fetch),
    /// Lay out all that outputs are made from by hash, in a folder: a mirror for machines without a network
    Bundle(Bundle),
    /// Move the pins in xbuild.lock to what their names lead to now
    Update(Update),
    /// The gate that replaces a CI matrix, and the workflow that runs it
    #[command(subcommand)]
    Ci(Ci),
    /// What this machine allows: each part of the sandbox, and what to run where one is missing
    Doctor,
    /// Completions for a shell, to be loaded by it: `source <(xbuild completions bash)`
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// The pinned toolchains
    #[command(subcommand)]
    Toolchain(Toolchain),
    /// The content-addressed store
    #[command(subcommand)]
    Store(Store),
    /// Remove from the store what no result needs
    Gc(Gc),
}

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
    /// Say what would be fetched and built, and do nothing
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
}

/// What is begun.
#[derive(Debug, Clone, Args)]
pub(crate) struct Init {
    /// Make a new project in the empty folder that --project names: application, c-library, service or workspace
    #[arg(short, long, value_name = "NAME")]
    pub(crate) template: Option<String>,
}

/// Which program is built and run.
#[derive(Debug, Clone, Args)]
pub(crate) struct Run {
    /// The program, as VARIANT/TARGET/NAME; leading parts optional, and all of it where there is only one
    #[arg(value_name = "OUTPUT")]
    pub(crate) output: Option<String>,
    /// What the program is called with
    #[arg(last = true, value_name = "ARGUMENT")]
    pub(crate) arguments: Vec<String>,
    /// Only a program of this package
    #[arg(short, long = "package", value_name = "NAME", help_heading = "Selection")]
    pub(crate) package: Option<String>,
    /// Only for this target
    #[arg(long, value_name = "TRIPLE", help_heading = "Selection")]
    pub(crate) target: Option<String>,
    /// Only of this variant
    #[arg(long, value_name = "NAME", help_heading = "Selection")]
    pub(crate) variant: Option<String>,
    #[command(flatten)]
    pub(crate) features: Features,
    #[command(flatten)]
    pub(crate) profile: Profile,
    #[command(flatten)]
    pub(crate) execution: Execution,
}

/// Which programs a shell has.
#[derive(Debug, Clone, Args)]
pub(crate) struct Shell {
    /// Programs, as VARIANT/TARGET/NAME; leading parts optional, globs allowed; all that this machine runs when none
    /// is named
    #[arg(value_name = "OUTPUT")]
    pub(crate) outputs: Vec<String>,
    /// Run this line in it, and end
    #[arg(short, long, value_name = "COMMAND")]
    pub(crate) command: Option<String>,
    /// Only for this target
    #[arg(long, value_name = "TRIPLE", help_heading = "Selection")]
    pub(crate) target: Option<String>,
    /// Only of this variant
    #[arg(long, value_name = "NAME", help_heading = "Selection")]
    pub(crate) variant: Option<String>,
    #[command(flatten)]
    pub(crate) features: Features,
    #[command(flatten)]
    pub(crate) profile: Profile,
    #[command(flatten)]
    pub(crate) execution: Execution,
}

/// What a shell for development is for.
#[derive(Debug, Clone, Args)]
pub(crate) struct Develop {
    /// Run this line in it, and end
    #[arg(short, long, value_name = "COMMAND")]
    pub(crate) command: Option<String>,
    /// Enter the sandbox of a unit that was built, or has failed: its package, or its name as it is shown
    #[arg(long, value_name = "UNIT")]
    pub(crate) unit: Option<String>,
    #[command(flatten)]
    pub(crate) of: Packages,
    #[command(flatten)]
    pub(crate) execution: Execution,
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

/// What is checked.
#[derive(Debug, Clone, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) of: Packages,
    #[command(flatten)]
    pub(crate) parts: Parts,
    #[command(flatten)]
    pub(crate) execution: Execution,
    /// Go on with what doesn't need the unit that failed
    #[arg(long)]
    pub(crate) keep_going: bool,
}

/// What clippy looks at.
#[derive(Debug, Clone, Args)]
pub(crate) struct Clippy {
    /// What clippy is told besides: lints, such as -D warnings
    #[arg(last = true, value_name = "ARGUMENT")]
    pub(crate) arguments: Vec<String>,
    #[command(flatten)]
    pub(crate) check: Check,
}

/// What is looked at.
#[derive(Debug, Clone, Args)]
pub(crate) struct Fmt {
    /// Tell, and change nothing: a sandbox changes no sources
    #[arg(long)]
    pub(crate) check: bool,
    #[command(flatten)]
    pub(crate) execution: Execution,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Ci {
    /// Run every stage: all outputs evaluate, formatting, lints, documentation, tests, all outputs
    Run(CiRun),
    /// Write the workflow for GitHub that runs it: one job for all targets
    Github(CiGithub),
}

/// What a gate leaves out, and where it tells what came of it.
#[derive(Debug, Clone, Args)]
pub(crate) struct CiRun {
    /// Leave a stage out
    #[arg(long, value_name = "STAGE", value_delimiter = ',')]
    pub(crate) skip: Vec<Stage>,
    /// Add what came of it there, in Markdown [default: $GITHUB_STEP_SUMMARY, on GitHub]
    #[arg(long, value_name = "FILE")]
    pub(crate) summary: Option<PathBuf>,
    /// Write there what was made, for a later run, where nothing has failed
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// Tell what is otherwise than in the run that wrote this, if it is there
    #[arg(long, value_name = "FILE")]
    pub(crate) against: Option<PathBuf>,
}

/// A part of the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Stage {
    /// Every output evaluates.
    Show,
    /// Sources are formatted.
    Fmt,
    /// Lints, all of them errors.
    Clippy,
    /// Documentation.
    Doc,
    /// Tests.
    Test,
    /// All outputs and images.
    All,
}

/// Which workflow is written, and where.
#[derive(Debug, Clone, Args)]
pub(crate) struct CiGithub {
    /// Write nothing, fail when the file is not what would be written
    #[arg(long)]
    pub(crate) check: bool,
    /// Start programs for Windows and arm64 Linux on real runners too, in a small job
    #[arg(long)]
    pub(crate) native: bool,
    /// The branch whose outputs others are compared with
    #[arg(long, value_name = "NAME", default_value = "main")]
    pub(crate) branch: String,
    /// The file to write [default: .github/workflows/xbuild.yml of the repository]
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Read a workflow that is there, and tell row by row of its matrix what covers it, and what can't
    #[arg(long, value_name = "FILE", conflicts_with_all = ["check", "native", "file"])]
    pub(crate) from: Option<PathBuf>,
}

/// What documentation is made of.
#[derive(Debug, Clone, Args)]
pub(crate) struct Doc {
    #[command(flatten)]
    pub(crate) of: Packages,
    /// Only of the packages themselves, not of what they depend on
    #[arg(long)]
    pub(crate) no_deps: bool,
    /// Of private items too
    #[arg(long)]
    pub(crate) document_private_items: bool,
    /// Only the library
    #[arg(long, help_heading = "Selection")]
    pub(crate) lib: bool,
    /// Only the programs
    #[arg(long = "bins", help_heading = "Selection")]
    pub(crate) all_bins: bool,
    /// Only this program
    #[arg(long = "bin", value_name = "NAME", help_heading = "Selection")]
    pub(crate) bins: Vec<String>,
    #[command(flatten)]
    pub(crate) execution: Execution,
    /// Go on with what doesn't need the unit that failed
    #[arg(long)]
    pub(crate) keep_going: bool,
}

/// Which tests are built and run.
#[derive(Debug, Clone, Args)]
pub(crate) struct Test {
    /// Only tests whose names contain this
    #[arg(value_name = "TESTNAME")]
    pub(crate) filter: Option<String>,
    /// What the test programs are called with
    #[arg(last = true, value_name = "ARGUMENT")]
    pub(crate) arguments: Vec<String>,
    #[command(flatten)]
    pub(crate) of: Packages,
    #[command(flatten)]
    pub(crate) parts: Parts,
    /// Only tests of documentation
    #[arg(long, conflicts_with_all = ["Parts", "no_run"], help_heading = "Selection")]
    pub(crate) doc: bool,
    #[command(flatten)]
    pub(crate) execution: Execution,
    /// Build the tests and name them, and run none
    #[arg(long)]
    pub(crate) no_run: bool,
    /// Go on when something has failed, with what doesn't need it
    #[arg(long)]
    pub(crate) no_fail_fast: bool,
    /// Write what came of each test there, in JUnit's XML
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Write when each action of the build began, gave out its metadata and ended, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,
}

/// Whose words.
#[derive(Debug, Clone, Args)]
pub(crate) struct Log {
    /// The unit: its package, or its name as it is shown while it is built, such as "foo 0.1.0 (bin foo)"
    #[arg(value_name = "UNIT")]
    pub(crate) unit: String,
}

/// What is explained.
#[derive(Debug, Clone, Args)]
pub(crate) struct Explain {
    /// The unit: its package, or its name as it is shown while it is built, such as "foo 0.1.0 (bin foo)"
    #[arg(value_name = "UNIT")]
    pub(crate) unit: String,
    /// Compare with the run that `xbuild build --record FILE` wrote, here or elsewhere
    #[arg(long, value_name = "FILE")]
    pub(crate) against: Option<PathBuf>,
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

/// What is asked of an output.
#[derive(Debug, Clone, Args)]
pub(crate) struct Why {
    /// The output, as VARIANT/TARGET/NAME; leading parts optional, globs allowed
    #[arg(value_name = "OUTPUT")]
    pub(crate) output: String,
    /// The crate: its name, or NAME@VERSION
    #[arg(value_name = "CRATE")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) of: Packages,
    #[command(flatten)]
    pub(crate) execution: Execution,
}

/// Whose actions are shown, and how.
#[derive(Debug, Clone, Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    pub(crate) outputs: Outputs,
    /// How they are written
    #[arg(long, value_name = "FORMAT", default_value = "json")]
    pub(crate) format: PlanFormat,
    /// Write them there [default: standard output]
    #[arg(short = 'O', long, value_name = "FILE")]
    pub(crate) output_file: Option<PathBuf>,
}

/// How a plan is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlanFormat {
    /// For programs.
    Json,
    /// For Graphviz.
    Dot,
    /// A picture.
    Svg,
}

/// What is fetched.
#[derive(Debug, Clone, Args)]
pub(crate) struct Fetch {
    #[command(flatten)]
    pub(crate) outputs: Outputs,
}

/// What is laid out, and where.
#[derive(Debug, Clone, Args)]
pub(crate) struct Bundle {
    /// The folder; what is there already stays
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    #[command(flatten)]
    pub(crate) outputs: Outputs,
}

/// What is compared.
#[derive(Debug, Clone, Args)]
pub(crate) struct Diff {
    /// An output, a Cargo.lock or xbuild.lock; REV: and REV:NAME as of a commit, branch or tag
    #[arg(value_name = "A")]
    pub(crate) one: String,
    /// What it is compared with, likewise
    #[arg(value_name = "B")]
    pub(crate) other: String,
    #[command(flatten)]
    pub(crate) of: Packages,
    #[command(flatten)]
    pub(crate) execution: Execution,
}

/// What is packed.
#[derive(Debug, Clone, Args)]
pub(crate) struct Dist {
    #[command(flatten)]
    pub(crate) outputs: Outputs,
    /// Put the archives there [default: result/dist of the project]
    #[arg(long, value_name = "DIR")]
    pub(crate) out_dir: Option<PathBuf>,
}

/// What is built again.
#[derive(Debug, Clone, Args)]
pub(crate) struct Reproduce {
    #[command(flatten)]
    pub(crate) outputs: Outputs,
}

/// Which images are made, and where they go.
#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Image {
    #[command(subcommand)]
    pub(crate) verb: Option<ImageVerb>,
    #[command(flatten)]
    pub(crate) wanted: WantedImages,
    /// Where the image is written too.
    #[arg(
        short,
        long = "output",
        value_name = "FORMAT:PLACE",
        help = "Write the image there too: oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:NAME:TAG], \
                docker-daemon:[NAME:TAG] or podman:[NAME:TAG]",
        help_heading = "Where it goes"
    )]
    pub(crate) outputs: Vec<String>,
    /// Send the image to its repository, and print its reference by digest and nothing else on standard output
    #[arg(long, help_heading = "Where it goes")]
    pub(crate) push: bool,
    /// A tag that leads to it there
    #[arg(short, long = "tag", value_name = "TAG", requires = "push", help_heading = "Where it goes")]
    pub(crate) tags: Vec<String>,
    /// The repository.
    #[arg(
        long,
        value_name = "REPOSITORY",
        requires = "push",
        help = "The repository [default: that of the description, else $XBUILD_REPOSITORY]",
        help_heading = "Where it goes"
    )]
    pub(crate) repository: Option<String>,
    /// Speak to the registry without encryption, though it is not on this machine
    #[arg(long, help_heading = "Where it goes")]
    pub(crate) plain_http: bool,
    /// Make no links in `result`
    #[arg(long, help_heading = "Where it goes")]
    pub(crate) no_link: bool,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum ImageVerb {
    /// What is in the images: layers, files, sizes, and why each file is there
    Inspect(WantedImages),
}

/// Which images.
#[derive(Debug, Clone, Args)]
pub(crate) struct WantedImages {
    /// Images by name: those of the description, else of the programs
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Only for this target
    #[arg(long = "target", value_name = "TRIPLE", help_heading = "Selection")]
    pub(crate) targets: Vec<String>,
    /// Only for this platform, such as linux/arm64
    #[arg(long = "platform", value_name = "PLATFORM", help_heading = "Selection")]
    pub(crate) platforms: Vec<String>,
    /// Only of this variant
    #[arg(long = "variant", value_name = "NAME", help_heading = "Selection")]
    pub(crate) variants: Vec<String>,
    #[command(flatten)]
    pub(crate) profile: Profile,
    #[command(flatten)]
    pub(crate) execution: Execution,
    /// Go on with what doesn't need the unit that failed
    #[arg(long)]
    pub(crate) keep_going: bool,
}

/// What is moved.
#[derive(Debug, Clone, Args)]
pub(crate) struct Update {
    /// Inputs, and images that the description bases others on; when none is named, all of them and all packages
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Speak to the registry without encryption, though it is not on this machine
    #[arg(long)]
    pub(crate) plain_http: bool,
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

#[derive(Debug, Subcommand)]
pub(crate) enum Toolchain {
    /// The pinned toolchains, the default one marked
    List,
    /// The parts of a toolchain: packages, versions, sizes
    Show {
        /// The toolchain's version; the default one when left out
        version: Option<String>,
    },
    /// Pin the official toolchain of a version
    Add {
        /// The version, such as 1.95.0
        version: String,
        /// The channel manifest to take the pins from [default: an installed toolchain's, else the server's]
        #[arg(long, value_name = "FILE")]
        manifest: Option<PathBuf>,
        /// The file to write [default: .xbuild/toolchains.toml of the project]
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Move the pins to what the mirrors have now
    Update {
        /// The file to write [default: .xbuild/toolchains.toml of the project]
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Check that every pin can still be fetched, and what was fetched is whole
    Verify,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Store {
    /// Hash everything again and report what is damaged
    Verify {
        /// Remove what is damaged, so that it is made or fetched anew
        #[arg(long)]
        repair: bool,
    },
    /// Show where the bytes are: by what needs them, and by the links in projects that keep them
    Usage,
    /// Write what outputs are built from, and what was built of them, into one file: for another machine's store
    Export(Box<Export>),
    /// Take in what `xbuild store export` wrote; each file is checked
    Import {
        /// The file; `-` for standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

/// What is packed, and what isn't.
#[derive(Debug, Clone, Args)]
pub(crate) struct Export {
    /// The file; `-` for standard output
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Leave out what this pack has
    #[arg(long, value_name = "PACK")]
    pub(crate) without: Option<PathBuf>,
    /// Pack too what other verbs have used since this moment, in seconds since 1970: `date +%s`
    #[arg(long, value_name = "SECONDS")]
    pub(crate) used_since: Option<u64>,
    #[command(flatten)]
    pub(crate) outputs: Outputs,
}

/// What may be removed.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Gc {
    /// Say what would go, and remove nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Keep what was used in the last N days
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    pub(crate) keep_days: u32,
    /// Remove more, what was used longest ago first, until the store is as small: 20GiB
    #[arg(long, value_name = "SIZE", value_parser = xbuild_describe::bytes_of)]
    pub(crate) max_size: Option<u64>,
}
