//! What would be fetched, run and built, and why.

use indicatif::HumanBytes;
use serde_json::{Value, json};
use xbuild_fetch::DeferredFile;
use xbuild_plan::label::What;
use xbuild_plan::queue::Node;

use super::why::{Due, Looked, due};
use super::{Laid, Later, Planned, Work};
use crate::composed::Ground;
use crate::error::{XbuildError, counted};
use crate::image::outside;
use crate::steps::Making;
use crate::ui::{Fetched, Ui};

impl Work<'_> {
    /// Says what would be fetched, run and built. What cargo runs on is there by now, and so are the crates: without them
    /// nothing can be planned.
    pub(super) fn dry_run(&self, planned: &mut Planned<'_>) -> Result<(), XbuildError> {
        let (ui, engine, store) = (self.ui, &self.engine, self.store());
        let without_std = planned.composed.without_std(engine)?;
        without_std.iter().try_for_each(|ground| planned.composed.set_no_std(ground, store))?;
        // Meanwhile the last run is read: it says why.
        let mut runs = self.history.outlines(store);
        let (looked, runs) = std::thread::scope(|scope| {
            let runs = scope.spawn(|| {
                let last = runs.next();
                last.into_iter().chain(runs)
            });
            (self.look_for_missing(planned), runs.join())
        });
        let (laid, missing) = looked?;
        let runs = runs.unwrap_or_else(|panic| std::panic::resume_unwind(panic));

        let mut said = Said { ui, files: 0, bytes: 0 };
        if let Some(later) = &self.later {
            if self.build.images {
                outside::defer(self, later, planned, &laid.graph)?;
            }
            said.later(later);
        }
        for Ground { rust, target, .. } in &without_std {
            let json = json!({ "reason": "xbuild-would-build-std", "target": target });
            said.line(json, || {
                format!("would build std for {target}: the store has none of Rust {rust} with these pins")
            });
        }
        let names = self.graph_names(planned);
        self.history.know(self.components(planned));
        let components = self.history.components();
        let looked = Looked { laid: &laid, names: &names, missing: &missing, components };
        for (Due { label, graph, .. }, why) in due(engine, looked, runs)? {
            let what = if label.what == What::Step { "run" } else { "build" };
            let mut json = json!({
                "reason": format!("xbuild-would-{what}"),
                "unit": label.to_string(),
                "platform": label.platform,
                "graph": graph,
            });
            if let (Value::Object(line), Value::Object(why)) = (&mut json, why.json()) {
                line.extend(why);
            }
            said.line(json, || format!("would {what} {label} [{}]: {}", label.platform, why.text()));
        }
        let count = Count {
            would_run: laid.steps.unmade().count(),
            would_build: missing.len(),
            cached: laid.graph.len() - missing.len(),
        };
        said.end(count, planned.fetched);
        // Its memory goes back with all the rest in a moment: piece by piece takes longer.
        std::mem::forget(laid);
        Ok(())
    }

    fn look_for_missing(&self, planned: &Planned<'_>) -> Result<(Laid<'_>, Vec<Node>), XbuildError> {
        let mut laid = self.look(planned, Making::LookUp)?;
        let missing = self.engine.missing(&mut laid.graph)?;
        Ok((laid, missing))
    }
}

/// Says that there is nothing to do.
pub(super) fn tell_nothing(ui: &Ui, cached: usize) {
    let count = Count { would_run: 0, would_build: 0, cached };
    Said { ui, files: 0, bytes: 0 }.end(count, Fetched::default());
}

/// How many steps would be run, and how many units would be built and are there.
struct Count {
    would_run: usize,
    would_build: usize,
    cached: usize,
}

/// Says things, and counts what would be fetched.
struct Said<'s> {
    ui: &'s Ui,
    files: usize,
    /// As far as sizes are known.
    bytes: u64,
}

impl Said<'_> {
    fn line(&self, json: Value, text: impl FnOnce() -> String) {
        self.ui.output_line(&if self.ui.json { json.to_string() } else { text() });
    }

    /// What a build would do before its units.
    fn later(&mut self, later: &Later) {
        let files = later.files.files();
        for files in files.chunk_by(|a, b| a.needed_for == b.needed_for) {
            self.files_for_one(files);
        }
        for component in later.files.compiled() {
            let json = json!({ "reason": "xbuild-would-compile", "component": component });
            self.line(json, || format!("would compile libraries of {component}"));
        }
        for undone in later.others() {
            self.line(serde_json::to_value(&undone).unwrap_or_default(), || undone.to_string());
        }
    }

    fn files_for_one(&mut self, files: &[DeferredFile]) {
        let Some(DeferredFile { needed_for, .. }) = files.first() else { return };
        let bytes: u64 = files.iter().filter_map(|file| file.output.size).sum();
        self.files += files.len();
        self.bytes += bytes;
        if !self.ui.json {
            let count = counted(files.len(), "file");
            self.ui.output_line(&format!("would fetch {needed_for}: {count}{}", size(Some(bytes))));
        }
        for DeferredFile { needed_for, output } in files {
            let (name, size_of_it) = (&output.name, output.size);
            if self.ui.json {
                let line = json!({
                    "reason": "xbuild-would-fetch", "for": needed_for, "name": name, "sha256": output.sha256,
                    "size": size_of_it,
                });
                self.ui.output_line(&line.to_string());
            } else if self.ui.verbose > 0 {
                self.ui.output_line(&format!("  {name}{}", size(size_of_it)));
            }
        }
    }

    /// How much would be done, and how much is there.
    fn end(&self, Count { would_run, would_build, cached }: Count, fetched: Fetched) {
        let Self { ui, files, bytes } = *self;
        let json = json!({
            "reason": "xbuild-dry-run",
            "would-run": would_run,
            "would-build": would_build,
            "cached": cached,
            "would-fetch": files,
            "would-fetch-bytes": bytes,
            "fetched": fetched.things,
            "fetched-bytes": fetched.bytes,
        });
        self.line(json, || {
            let steps = match would_run {
                0 => String::new(),
                count => format!("{} would be run; ", counted(count, "step")),
            };
            let units = counted(would_build, "unit");
            let mut text = format!("{steps}{units} would be built, {cached} cached");
            if files > 0 {
                text.push_str(&format!("; {} would be fetched{}", counted(files, "file"), size(Some(bytes))));
            }
            text
        });
        if fetched.things > 0 {
            let size = HumanBytes(fetched.bytes);
            ui.note(format!(
                "{size} had to be fetched for this: planning runs the toolchain's cargo over the crates' manifests"
            ));
        }
    }
}

/// A size where it is known.
fn size(bytes: Option<u64>) -> String {
    bytes.filter(|bytes| *bytes > 0).map(|bytes| format!(", {}", HumanBytes(bytes))).unwrap_or_default()
}
