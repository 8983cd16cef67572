//! Each verb's own flags.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::request::*;
use crate::age::MinAge;

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
    /// A shell of the description's; else the outputs that it is for, as VARIANT/TARGET/NAME; leading parts optional,
    /// globs allowed
    #[arg(value_name = "NAME", conflicts_with = "unit")]
    pub(crate) name: Option<String>,
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
    /// Write what each action was made of, for `xbuild explain --against FILE` elsewhere
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
}

/// Whose words.
#[derive(Debug, Clone, Args)]
pub(crate) struct Log {
    /// The unit, test or step: its package, a step's name, or as it is shown, such as "foo 0.1.0 (bin foo)"
    #[arg(value_name = "UNIT")]
    pub(crate) unit: String,
}

/// What is explained.
#[derive(Debug, Clone, Args)]
pub(crate) struct Explain {
    /// The unit, test or step: its package, a step's name, or as it is shown, such as "foo 0.1.0 (bin foo)"
    #[arg(value_name = "UNIT")]
    pub(crate) unit: String,
    /// Compare with the run that `--record FILE` of build or test wrote, here or elsewhere
    #[arg(long, value_name = "FILE")]
    pub(crate) against: Option<PathBuf>,
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
    /// Move no pin to what is younger: 7d, 36h, 2w; a pin stays where nothing else is left
    #[arg(long, value_name = "AGE", value_parser = MinAge::parse)]
    pub(crate) min_age: Option<MinAge>,
    /// Speak to the registry without encryption, though it is not on this machine
    #[arg(long)]
    pub(crate) plain_http: bool,
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
    /// Pin the official toolchain of a version, or a nightly
    Add {
        /// The version, such as 1.95.0, or a channel's day, such as nightly-2026-01-31
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
