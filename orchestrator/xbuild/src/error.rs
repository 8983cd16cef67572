//! Errors as people see them, and exit codes.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | everything that was asked for is there |
//! | 1 | the project or the request is wrong: it doesn't compile, a description has problems, `--offline` without what it needs |
//! | 2 | the command line is wrong |
//! | 3 | the machine is in the way: network, disk, sandbox, a pin that has gone, a file that isn't what was pinned |
//! | 70 | xbuild is wrong |
//! | 130 | stopped by Ctrl-C |
//!
//! Every error says what failed, on what, and why; where there is something to do about it, a `help:` line says so.

use std::process::ExitCode;

use xbuild_action::{ExecutionError, StoreError, TreeError};
use xbuild_describe::{Problems, suggest};
use xbuild_fetch::{FetchError, Tier};
use xbuild_image::ImageError;
use xbuild_output::OutputError;
use xbuild_plan::PlanError;
use xbuild_realise::RealiseError;
use xbuild_registry::RegistryError;

use crate::ui::{Ui, show_problems};

/// The project or the request is wrong.
pub(crate) const USER: u8 = 1;
const MACHINE: u8 = 3;
const BUG: u8 = 70;
const STOPPED: u8 = 130;

/// What to do about a full disk.
pub(crate) const DISK_FULL: &str = "free some space, or remove what no result needs: xbuild gc --keep-days 0";

/// Why a verb could not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum XbuildError {
    /// A description or a request has problems.
    #[error(transparent)]
    Problems(#[from] Box<Problems>),
    /// Something could not be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A plan could not be realised.
    #[error(transparent)]
    Realise(#[from] RealiseError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] xbuild_store::Error),
    /// Outputs could not be installed.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// Images could not be made.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A registry is in the way.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Something of the project is wrong, and one can say what to do.
    #[error("{what}")]
    User {
        /// What failed, on what, why.
        what: String,
        /// What to do.
        help: Option<String>,
    },
    /// The machine is in the way.
    #[error("{what}")]
    Environment {
        /// What failed, on what, why.
        what: String,
        /// What to do.
        help: Option<String>,
    },
    /// Units could not be built; each was reported when it failed.
    #[error("{failed} of {} could not be built{}", counted(*total, "unit"), not_tried(*skipped))]
    Failed {
        /// How many failed.
        failed: usize,
        /// How many were not tried because of it.
        skipped: usize,
        /// How many there are.
        total: usize,
        /// How many failed for a reason of the machine's.
        broken: usize,
    },
    /// Tests failed; each program's were reported when it ended.
    #[error("the tests of {failed} of {} failed{}", counted(*total, "program"), not_tried(*skipped))]
    TestsFailed {
        /// How many failed.
        failed: usize,
        /// How many were not run because of it.
        skipped: usize,
        /// How many there are.
        total: usize,
        /// How many failed for a reason of the machine's.
        broken: usize,
    },
}

impl From<StoreError> for XbuildError {
    fn from(error: StoreError) -> Self {
        Self::Store(error.into())
    }
}

impl From<Problems> for XbuildError {
    fn from(problems: Problems) -> Self {
        Self::Problems(Box::new(problems))
    }
}

impl XbuildError {
    /// A mistake in the project or the request.
    pub(crate) fn user(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self::User { what: what.into(), help: Some(help.into()) }
    }

    /// The machine is in the way.
    pub(crate) fn environment(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Environment { what: what.into(), help: Some(help.into()) }
    }

    /// The machine is in the way, in its own words.
    pub(crate) fn machine(error: &impl std::fmt::Display) -> Self {
        Self::Environment { what: error.to_string(), help: None }
    }

    fn code(&self) -> u8 {
        match self {
            Self::Problems(_) | Self::User { .. } => USER,
            Self::Failed { broken, .. } | Self::TestsFailed { broken, .. } => {
                if *broken > 0 {
                    MACHINE
                } else {
                    USER
                }
            }
            Self::Environment { .. } => MACHINE,
            Self::Fetch(error) => of_fetch(error),
            Self::Realise(error) => of_realise(error),
            Self::Store(error) => of_store(error),
            Self::Output(error) => of_output(error),
            Self::Image(error) => of_image(error),
            Self::Registry(error) => of_registry(error),
        }
    }

    pub(crate) fn help(&self) -> Option<String> {
        match self {
            Self::Problems(_) | Self::Failed { .. } | Self::TestsFailed { .. } => None,
            Self::User { help, .. } | Self::Environment { help, .. } => help.clone(),
            Self::Fetch(error) => fetch_help(error),
            Self::Realise(error) => realise_help(error),
            Self::Store(xbuild_store::Error::Store(error)) | Self::Output(OutputError::Store(error)) => {
                store_help(error)
            }
            Self::Store(error) => error.help(),
            Self::Output(error) => error.help(),
            Self::Image(ImageError::Store(error) | ImageError::Tree(TreeError::Store(error))) => {
                store_help(error)
            }
            Self::Image(error) => image_help(error),
            Self::Registry(RegistryError::Store(error)) => store_help(error),
            Self::Registry(error) => error.help(),
        }
    }

    /// Shows the error and gives the exit code.
    pub(crate) fn report(&self, ui: &Ui) -> ExitCode {
        ui.stop_drawing();
        match self {
            Self::Problems(problems) | Self::Realise(RealiseError::Description(problems)) => {
                show_problems(ui, problems);
            }
            Self::Realise(RealiseError::LeftOut(problem)) => {
                show_problems(ui, &Problems::from((**problem).clone()));
            }
            error => {
                ui.error(error);
                if let Some(help) = self.help() {
                    ui.help(&help);
                }
            }
        }
        ExitCode::from(self.code())
    }
}

/// `1 unit`, `2 units`.
pub(crate) fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn not_tried(skipped: usize) -> String {
    match skipped {
        0 => String::new(),
        1 => ", 1 was not tried".to_owned(),
        count => format!(", {count} were not tried"),
    }
}

/// Ends the process as Ctrl-C does, when it does not end of itself.
#[allow(
    clippy::disallowed_methods,
    reason = "the one place beside main, for a thread that main doesn't wait for"
)]
pub(crate) fn stop_now() -> ! {
    std::process::exit(STOPPED.into())
}

fn of_fetch(error: &FetchError) -> u8 {
    if matches!(error, FetchError::Cancelled) {
        return STOPPED;
    }
    match error.tier() {
        Tier::User => USER,
        Tier::Environment => MACHINE,
        Tier::Bug => BUG,
    }
}

fn fetch_help(error: &FetchError) -> Option<String> {
    match error {
        FetchError::Store(error) | FetchError::Tree(TreeError::Store(error)) => store_help(error),
        error if error.is_disk_full() => Some(DISK_FULL.to_owned()),
        error => error.help(),
    }
}

fn store_help(error: &StoreError) -> Option<String> {
    match error {
        StoreError::Missing { .. } | StoreError::Damaged { .. } => {
            Some("xbuild store verify --repair".to_owned())
        }
        StoreError::Newer { .. } => Some(
            "use the newer xbuild, or another store: export XBUILD_STORE=/path/of/an/empty/folder".to_owned(),
        ),
        StoreError::Io { source, .. } => is_full(source).then(|| DISK_FULL.to_owned()),
    }
}

/// What to do about an error of an image's, with the nearest of the names that there are.
fn image_help(error: &ImageError) -> Option<String> {
    let listed = |name: &str, what: &str, names: &[String]| {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        suggest(name, what, &names)
    };
    match error {
        ImageError::NoEntrypoint { program, programs } if !programs.is_empty() => {
            Some(listed(program, "programs", programs))
        }
        ImageError::NoUser { kind, user, users } if !users.is_empty() => {
            Some(format!("{}; or write a number", listed(user, &format!("{kind}s"), users)))
        }
        error => error.help(),
    }
}

fn is_full(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
}

/// The exit code that an error of a build has.
pub(crate) fn of_realise(error: &RealiseError) -> u8 {
    match error {
        RealiseError::Cancelled => STOPPED,
        RealiseError::Unfinished(_) => BUG,
        RealiseError::Step { .. }
        | RealiseError::Source { .. }
        | RealiseError::NoLock { .. }
        | RealiseError::StaleLock { .. }
        | RealiseError::Cargo(_)
        | RealiseError::NoTarget { .. }
        | RealiseError::LeftOut(_)
        | RealiseError::Description(_) => USER,
        RealiseError::Fetch(error) => of_fetch(error),
        RealiseError::Store(error) => of_store(error),
        RealiseError::Plan(error) => of_plan(error),
        RealiseError::Execution(ExecutionError::Output { .. }) => USER,
        RealiseError::Content(_) | RealiseError::Execution(_) | RealiseError::Io { .. } => MACHINE,
    }
}

/// What to do about an error of a build.
pub(crate) fn realise_help(error: &RealiseError) -> Option<String> {
    match error {
        RealiseError::NoLock { .. } => Some("cargo generate-lockfile".to_owned()),
        RealiseError::StaleLock { .. } => Some("cargo update --workspace".to_owned()),
        RealiseError::NoTarget { help, .. } => Some(help.clone()).filter(|help| !help.is_empty()),
        RealiseError::Fetch(error) => fetch_help(error),
        RealiseError::Store(error) => error.help(),
        RealiseError::Content(error)
        | RealiseError::Execution(ExecutionError::Store(error))
        | RealiseError::Plan(PlanError::Store(error) | PlanError::Tree(TreeError::Store(error)))
            if error.is_disk_full() =>
        {
            Some(DISK_FULL.to_owned())
        }
        RealiseError::Execution(ExecutionError::Io { source, .. }) | RealiseError::Io { source, .. }
            if matches!(
                source.kind(),
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded
            ) =>
        {
            Some(DISK_FULL.to_owned())
        }
        RealiseError::Execution(ExecutionError::Sandbox { .. }) => {
            Some("see what this machine allows: xbuild doctor".to_owned())
        }
        _ => None,
    }
}

fn of_plan(error: &PlanError) -> u8 {
    use xbuild_cargo::Error;
    match error {
        PlanError::Cargo(
            Error::Json { .. }
            | Error::GraphVersion(_)
            | Error::Graph(_)
            | Error::UnknownPackage(_)
            | Error::Caller(_),
        )
        | PlanError::Tree(TreeError::Conflict(_) | TreeError::Missing(_)) => BUG,
        PlanError::Cargo(_)
        | PlanError::MissingOutput { .. }
        | PlanError::MissingInclude { .. }
        | PlanError::ForeignInclude { .. } => USER,
        PlanError::Tree(TreeError::Store(_)) | PlanError::Store(_) => MACHINE,
    }
}

fn of_store(error: &xbuild_store::Error) -> u8 {
    match error {
        xbuild_store::Error::Special { .. }
        | xbuild_store::Error::AbsoluteLink { .. }
        | xbuild_store::Error::NotUtf8(_)
        | xbuild_store::Error::Tree { .. } => USER,
        xbuild_store::Error::Cancelled => STOPPED,
        _ => MACHINE,
    }
}

fn of_output(error: &OutputError) -> u8 {
    match error {
        OutputError::Unreadable { .. }
        | OutputError::Violated { .. }
        | OutputError::Name { .. }
        | OutputError::Conflict { .. }
        | OutputError::Junit(_) => USER,
        OutputError::InTheWay { .. } | OutputError::Store(_) | OutputError::Io { .. } => MACHINE,
        OutputError::Root(error) => of_store(error),
    }
}

fn of_registry(error: &RegistryError) -> u8 {
    match error {
        RegistryError::Image(error) => of_image(error),
        error if error.is_users() => USER,
        _ => MACHINE,
    }
}

fn of_image(error: &ImageError) -> u8 {
    match error {
        ImageError::Conflict { .. }
        | ImageError::NoEntrypoint { .. }
        | ImageError::NoUser { .. }
        | ImageError::NoLibrary { .. }
        | ImageError::NoVersion { .. }
        | ImageError::Unreadable { .. }
        | ImageError::TooLarge { .. }
        | ImageError::Secrets { .. }
        | ImageError::Root(_)
        | ImageError::Occupied { .. }
        | ImageError::Path(_) => USER,
        ImageError::Pulled { .. }
        | ImageError::NoBase(_)
        | ImageError::Store(_)
        | ImageError::Tree(_)
        | ImageError::Io { .. } => MACHINE,
        ImageError::Specification(_) => BUG,
    }
}
