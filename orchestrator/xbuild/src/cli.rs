//! The command line.

mod ci;
mod request;
mod verbs;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::inputs::Commit;

pub(crate) use {ci::*, request::*, verbs::*};

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
    /// What a unit, a test or a step printed
    Log(Log),
    /// Pack programs for people: archives with licence and readme, and their checksums
    Dist(Dist),
    /// Why a unit, a test or a step ran again: what of it is not what it was
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
