//! The flags of `xbuild ci`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

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
