//! What compilers print: rustc's JSON, shown as cargo shows it.

use std::collections::BTreeSet;

use serde_json::value::RawValue;
use xbuild_plan::label::{Label, What};

use super::Ui;

/// Shows compiler messages, each once however many targets gave it.
#[derive(Debug, Default)]
pub(crate) struct Diagnostics {
    shown: BTreeSet<String>,
    any: bool,
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
    /// Whether a compiler or a build script said anything that is worth showing again.
    pub(crate) const fn any(&self) -> bool {
        self.any
    }

    /// Shows what the build script of a package of the project's own warns of, as cargo does.
    pub(crate) fn warn(&mut self, ui: &Ui, label: &Label, warnings: &[String]) {
        for warning in warnings.iter().filter(|_| label.local) {
            self.any = true;
            let text = format!("{}@{}: {warning}", label.package, label.version);
            if self.shown.insert(text.clone()) {
                ui.warning(text);
            }
        }
    }

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
            self.any = true;
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
        let envelope =
            Envelope { reason: "compiler-message", package_id: &label.package_id, target, message };
        if let Ok(text) = serde_json::to_string(&envelope) {
            ui.output_line(&text);
        }
    }
}
