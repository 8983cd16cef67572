//! Downloads, and what is compiled of them for sysroots: one line over all of them.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use xbuild_fetch::{Event, Progress};

use super::Ui;
use crate::error::counted;

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
    under_way: BTreeMap<String, (u64, u64)>,
    /// Sources that are compiled and all sources, of each library under way.
    building: BTreeMap<String, (usize, usize)>,
    finished: usize,
    bytes: u64,
}

/// How much was fetched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Fetched {
    pub(crate) things: usize,
    pub(crate) bytes: u64,
}

impl std::ops::AddAssign for Fetched {
    fn add_assign(&mut self, other: Self) {
        self.things += other.things;
        self.bytes += other.bytes;
    }
}

impl FetchDisplay {
    pub(crate) fn new(ui: &Ui) -> Self {
        Self { ui: ui.clone(), state: Mutex::default() }
    }

    /// Takes the bar away and tells how much was fetched, if anything was.
    pub(crate) fn finish(&self) -> Fetched {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = state.bar.take() {
            bar.finish_and_clear();
            self.ui.bars().remove(&bar);
        }
        if state.finished > 0 {
            let size = indicatif::HumanBytes(state.bytes);
            let count = counted(state.finished, "thing");
            self.ui.status("Fetched", format!("{count}, {size}"));
        }
        let State { finished, bytes, .. } = std::mem::take(&mut *state);
        Fetched { things: finished, bytes }
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
            Event::Building { done: 0, total } if total > 0 => {
                if !self.ui.live || self.ui.verbose > 0 {
                    self.ui.status("Building", name);
                }
                state.building.insert(name.to_owned(), (0, total));
            }
            Event::Building { done, total } if done < total => {
                // Several threads compile: their counts may come out of order.
                if let Some(progress) = state.building.get_mut(name) {
                    progress.0 = progress.0.max(done);
                }
            }
            Event::Building { .. } => {
                state.building.remove(name);
            }
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
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
            let style = self.ui.bar_style();
            let style = ProgressStyle::with_template(&format!("{{prefix:>12{style}}} {{wide_msg}}"));
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            self.ui.bars().add(bar)
        });
        let bar = bar.clone();
        if state.under_way.is_empty() && !state.building.is_empty() {
            let libraries =
                state.building.iter().map(|(name, (done, total))| format!("{name} {done}/{total}"));
            bar.set_prefix("Building");
            bar.set_message(libraries.collect::<Vec<_>>().join(", "));
        } else {
            let done: u64 = state.bytes + state.under_way.values().map(|(done, _)| done).sum::<u64>();
            let names: Vec<&str> = state.under_way.keys().map(String::as_str).collect();
            let count = counted(state.finished, "thing");
            bar.set_prefix("Fetching");
            bar.set_message(format!("{count} done, {}: {}", indicatif::HumanBytes(done), names.join(", ")));
        }
        bar.tick();
    }
}
