//! What compilers print: rustc's JSON, shown as cargo shows it.

use std::collections::BTreeSet;

use serde_json::value::RawValue;
use xbuild_plan::label::{Label, What};

use super::Ui;

/// What a unit's program wrote to standard error, as people see it.
pub(crate) fn rendered(stderr: &[u8], ui: &Ui) -> String {
    let mut text = String::new();
    for line in String::from_utf8_lossy(stderr).lines() {
        match serde_json::from_str::<Message<'_>>(line) {
            Ok(Message { rendered: Some(rendered), .. }) if ui.color => text.push_str(&rendered),
            Ok(Message { rendered: Some(rendered), .. }) => {
                text.push_str(&anstream::adapter::strip_str(&rendered).to_string());
            }
            // An artefact's notice.
            Ok(_) => {}
            Err(_) => text.extend([line, "\n"]),
        }
    }
    text
}

/// Shows compiler messages, each once however many targets gave it.
#[derive(Debug, Default)]
pub(crate) struct Diagnostics {
    shown: BTreeSet<String>,
    annotated: BTreeSet<String>,
    said: Vec<Said>,
}

/// What a unit that succeeded said, and says again each time that it is asked for.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct Said {
    label: Label,
    /// Its program's standard error, in rustc's JSON.
    stderr: String,
    /// What its build script warns of.
    warnings: Vec<String>,
}

/// The part of rustc's JSON that decides how it is shown.
#[derive(serde::Deserialize)]
struct Message<'m> {
    #[serde(rename = "$message_type")]
    kind: Option<&'m str>,
    rendered: Option<String>,
    level: Option<&'m str>,
}

/// Cargo's envelope around a compiler's message (`cargo build --message-format json`).
#[derive(serde::Serialize)]
struct Envelope<'m> {
    reason: &'static str,
    package_id: &'m str,
    target: Target<'m>,
    message: &'m RawValue,
}

#[derive(serde::Serialize)]
struct Target<'m> {
    kind: [&'static str; 1],
    name: &'m str,
}

impl Diagnostics {
    /// Shows what a unit that succeeded said, and remembers it where it was anything.
    pub(crate) fn hear(&mut self, ui: &Ui, label: &Label, stderr: &[u8], warnings: &[String]) {
        let has_message = self.show(ui, label, stderr, false);
        let has_warning = self.warn(ui, label, warnings);
        if has_message || has_warning {
            let (label, stderr) = (label.clone(), String::from_utf8_lossy(stderr).into_owned());
            self.said.push(Said { label, stderr, warnings: warnings.to_owned() });
        }
    }

    /// Shows again what was said in an earlier run.
    pub(crate) fn repeat(ui: &Ui, said: &[Said]) {
        let mut diagnostics = Self::default();
        for Said { label, stderr, warnings } in said {
            diagnostics.hear(ui, label, stderr.as_bytes(), warnings);
        }
    }

    /// All that is worth showing again.
    pub(crate) fn into_said(self) -> Vec<Said> {
        self.said
    }

    /// Shows what the build script of a package of the project's own warns of, as cargo does. Whether it does.
    fn warn(&mut self, ui: &Ui, label: &Label, warnings: &[String]) -> bool {
        for warning in warnings.iter().filter(|_| label.local) {
            let text = format!("{}@{}: {warning}", label.package, label.version);
            if self.shown.insert(text.clone()) {
                ui.warning(text);
            }
        }
        label.local && !warnings.is_empty()
    }

    /// Shows what a unit's program wrote to standard error. Warnings of packages that aren't the project's own
    /// stay hidden, unless the unit failed. Whether there was any message of a compiler.
    pub(crate) fn show(&mut self, ui: &Ui, label: &Label, stderr: &[u8], failed: bool) -> bool {
        let mut any = false;
        if !(label.local || failed) || stderr.is_empty() {
            return any;
        }
        for line in String::from_utf8_lossy(stderr).lines() {
            let Ok(message) = serde_json::from_str::<Message<'_>>(line) else {
                if failed || (ui.verbose > 0 && !line.starts_with('{')) {
                    ui.error_line(line);
                }
                continue;
            };
            if message.kind != Some("diagnostic") {
                continue;
            }
            any = true;
            if label.local
                && let Some(text) = &message.rendered
                && self.annotated.insert(text.clone())
            {
                ui.annotate_message(line);
            }
            if ui.json {
                self.envelope(ui, label, line);
            } else if let Some(rendered) = message.rendered {
                let plain = anstream::adapter::strip_str(&rendered).to_string();
                // The summary tells how many there were.
                let closing = message.level == Some("warning") && plain.trim_end().ends_with(" emitted")
                    || plain.starts_with("error: aborting due to ");
                if !closing && (failed || !ui.quiet) && self.shown.insert(plain.clone()) {
                    let text = if ui.color { rendered } else { plain };
                    ui.error_line(text.strip_suffix('\n').unwrap_or(&text));
                }
            }
        }
        any
    }

    fn envelope(&mut self, ui: &Ui, label: &Label, line: &str) {
        let (kind, name) = match &label.what {
            What::Library => ("lib", label.package.as_str()),
            What::ProcMacro => ("proc-macro", label.package.as_str()),
            What::Binary(name) => ("bin", name.as_str()),
            What::Example(name) => ("example", name.as_str()),
            What::Docs(None) => ("lib", label.package.as_str()),
            What::Docs(Some(name)) => ("bin", name.as_str()),
            What::Test(name) | What::TestRun(name) => ("test", name.as_str()),
            What::BuildScript | What::ScriptRun => ("custom-build", "build-script-build"),
            // No compiler of cargo's.
            What::Step => return,
        };
        let Ok(message) = serde_json::from_str::<&RawValue>(line) else { return };
        let target = Target { kind: [kind], name };
        let envelope =
            Envelope { reason: "compiler-message", package_id: &label.package_id, target, message };
        if let Ok(text) = serde_json::to_string(&envelope) {
            ui.output_line(&text);
        }
    }
}
