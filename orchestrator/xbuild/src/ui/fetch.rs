//! Downloads: one bar over all of them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressStyle};
use xbuild_fetch::{Event, Progress};

use super::Ui;

/// Shows what is being fetched.
#[derive(Debug)]
pub(crate) struct FetchDisplay {
    ui: Ui,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    bar: Option<ProgressBar>,
    /// Bytes that are there and bytes that are expected, of each thing under way.
    under_way: HashMap<String, (u64, u64)>,
    finished: u64,
    bytes: u64,
}

impl FetchDisplay {
    pub(crate) fn new(ui: &Ui) -> Self {
        Self { ui: ui.clone(), state: Mutex::default() }
    }

    /// Takes the bar away and tells how much was fetched, if anything was.
    pub(crate) fn finish(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = state.bar.take() {
            bar.finish_and_clear();
            self.ui.bars().remove(&bar);
        }
        if state.finished > 0 {
            let size = indicatif::HumanBytes(state.bytes);
            let things = if state.finished == 1 { "thing" } else { "things" };
            self.ui.status("Fetched", format!("{} {things}, {size}", state.finished));
        }
        *state = State::default();
    }
}

impl Progress for FetchDisplay {
    fn event(&self, name: &str, event: Event<'_>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Started { size } => {
                self.ui.verbose("Fetching", name);
                state.under_way.insert(name.to_owned(), (0, size.unwrap_or(0)));
            }
            Event::Advanced { done } => {
                if let Some(progress) = state.under_way.get_mut(name) {
                    progress.0 = done;
                }
            }
            Event::Retrying { attempt, problem, .. } => {
                drop(state);
                self.ui.note(format!("{name}: {problem}; attempt {attempt} failed, trying again"));
                return;
            }
            Event::Unpacking => {}
            Event::Finished => {
                if let Some((done, size)) = state.under_way.remove(name) {
                    state.finished += 1;
                    state.bytes += done.max(size);
                }
            }
            Event::Failed => {
                state.under_way.remove(name);
            }
        }
        if !self.ui.live {
            return;
        }
        let bar = state.bar.get_or_insert_with(|| {
            let bar = self.ui.bars().add(ProgressBar::new_spinner());
            let style = ProgressStyle::with_template("{prefix:>12.cyan.bold} {wide_msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar.set_prefix("Fetching");
            bar
        });
        let bar = bar.clone();
        let done: u64 = state.bytes + state.under_way.values().map(|(done, _)| done).sum::<u64>();
        let mut names: Vec<&str> = state.under_way.keys().map(String::as_str).collect();
        names.sort_unstable();
        bar.set_message(format!(
            "{}, {} done: {}",
            indicatif::HumanBytes(done),
            state.finished,
            names.join(", ")
        ));
        bar.tick();
    }
}
