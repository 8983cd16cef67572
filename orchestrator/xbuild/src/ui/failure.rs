//! Why an action failed, in words, and what ran: the same for what is built and for tests.

use xbuild_realise::engine::{Cause, Failure};

use super::Ui;
use crate::error::{DISK_FULL, USER, of_realise as code, realise_help};

/// Why an action failed.
#[derive(Debug)]
pub(super) struct Why {
    pub(super) text: String,
    /// What to do about it, where that shows from the cause alone.
    pub(super) help: Option<String>,
    /// Whether the reason is the machine's and not the project's.
    pub(super) is_broken: bool,
}

impl Why {
    pub(super) fn of(failure: &Failure) -> Self {
        match &failure.cause {
            // The disk can be full for the program in the sandbox just as well as for xbuild.
            Cause::Exit { code, .. } if contains(&failure.stderr, b"No space left on device") => {
                Self { text: exit(*code), help: Some(DISK_FULL.to_owned()), is_broken: true }
            }
            Cause::Exit { code, .. } => Self { text: exit(*code), help: None, is_broken: false },
            Cause::Limit(limit) => {
                let help = "raise the limit in xbuild.toml under [limits]".to_owned();
                Self { text: format!("it went over its limit: {limit}"), help: Some(help), is_broken: false }
            }
            Cause::Error(error) => {
                let (text, help) = (error.to_string(), realise_help(error));
                Self { text, help, is_broken: code(error) != USER }
            }
        }
    }
}

/// Shows what ran, and where: enough to run it again.
pub(super) fn show_action(ui: &Ui, failure: &Failure) {
    if let Some(command) = &failure.command {
        ui.error_line(&format!("  command: {}", quoted(&command.argv)));
        ui.error_line(&format!("  in:      /{}", command.working_directory));
    }
    if let Some(action) = failure.action {
        ui.error_line(&format!("  action:  {action}"));
    }
}

/// How a program ended, in words.
fn exit(code: i32) -> String {
    match code {
        129..=192 => format!("signal {} ended it", code - 128),
        code => format!("it ended with exit code {code}"),
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// An argument vector as people would type it.
pub(crate) fn quoted(argv: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    let quoted = argv.iter().map(|argument| {
        if !argument.is_empty() && argument.chars().all(plain) {
            argument.clone()
        } else {
            format!("'{}'", argument.replace('\'', "'\\''"))
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}
