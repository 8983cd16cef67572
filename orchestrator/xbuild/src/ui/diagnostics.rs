//! What compilers print: rustc's JSON, shown as cargo shows it.

use std::collections::BTreeSet;

use serde_json::value::RawValue;
use xbuild_plan::label::{Label, What};

use super::Ui;

/// Shows compiler messages, each once however many targets gave it.
#[derive(Debug, Default)]
pub(crate) struct Diagnostics {
    shown: BTreeSet<String>,
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
    /// Shows what a unit's program wrote to standard error. Warnings of packages that aren't the project's own
    /// stay hidden, unless the unit failed.
    pub(crate) fn show(&mut self, ui: &Ui, label: &Label, stderr: &[u8], failed: bool) {
        if !(label.local || failed) || stderr.is_empty() {
            return;
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
            if ui.json {
                self.envelope(ui, label, line);
            } else if let Some(rendered) = message.rendered {
                // rustc's closing "N warnings emitted" is told by the summary.
                let closing = message.level == Some("warning") && rendered.contains(" emitted\n");
                if !closing && (failed || !ui.quiet) && self.shown.insert(rendered.clone()) {
                    ui.error_line(&if ui.color { rendered } else { anstream::adapter::strip_str(&rendered).to_string() });
                }
            }
        }
    }

    fn envelope(&mut self, ui: &Ui, label: &Label, line: &str) {
        let (kind, name) = match &label.what {
            What::Library => ("lib", label.package.as_str()),
            What::ProcMacro => ("proc-macro", label.package.as_str()),
            What::Binary(name) => ("bin", name.as_str()),
            What::BuildScript | What::ScriptRun => ("custom-build", "build-script-build"),
        };
        let Ok(message) = serde_json::from_str::<&RawValue>(line) else { return };
        let target = Target { kind: [kind], name };
        let envelope = Envelope { reason: "compiler-message", package_id: &label.package_id, target, message };
        if let Ok(text) = serde_json::to_string(&envelope) {
            ui.output_line(&text);
        }
    }
}
