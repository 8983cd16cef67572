//! What outputs depend on that take something of other projects.
//!
//! It is told before any of them is built, by looking at all that may be needed. A commit is what its pin says, with
//! everything in it; all else is in the lock ([`pins`]) or in folders where people work ([`state`]). What can't be looked at
//! is told when it is needed: until then the words of the error stand for it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use xbuild_base::{Hasher, Sha256};
use xbuild_describe::InputPlace;

use super::{Commit, Input, Lacking, Standing};
use crate::description::Described;
use crate::error::XbuildError;
use crate::lock::{InputPin, Lock};
use crate::session::Session;
use crate::stamp::Stamp;

/// The pins of all projects that have theirs in the locks of these.
pub(crate) fn pins(described: &Described) -> Result<Vec<BTreeMap<String, InputPin>>, XbuildError> {
    if described.inputs.is_empty() {
        return Ok(Vec::new());
    }
    let own = described.standing.keeper(&described.root);
    let keepers: BTreeSet<&Path> =
        described.inputs.reached().into_iter().map(|input| input.keeper.as_path()).chain([own]).collect();
    keepers.into_iter().map(|folder| Ok(Lock::read(folder)?.inputs)).collect()
}

/// What there was of other projects when something was begun.
#[derive(Debug)]
pub(crate) struct Before {
    /// See [`state`].
    pub(crate) state: Option<Sha256>,
    pins: Vec<BTreeMap<String, InputPin>>,
}

impl Before {
    pub(crate) fn new(described: &Described, session: &Session) -> Result<Self, XbuildError> {
        Ok(Self { state: state(described, session), pins: pins(described)? })
    }

    /// Whether it is the same now, but for what had no pin.
    pub(crate) fn still_holds(&self, described: &Described, session: &Session) -> Result<bool, XbuildError> {
        let now = pins(described)?;
        let is_kept = |(before, now): (&BTreeMap<String, InputPin>, &BTreeMap<String, InputPin>)| {
            before.iter().all(|(name, pin)| now.get(name) == Some(pin))
        };
        Ok(self.pins.iter().zip(&now).all(is_kept) && state(described, session) == self.state)
    }
}

/// What the folders of other projects have; `None`: it depends on commits that no lock pins, which must be asked for.
fn state(described: &Described, session: &Session) -> Option<Sha256> {
    let mut look = Look { session, folders: BTreeMap::new(), is_open: false };
    let mut state = Hasher::default();
    for input in described.inputs.reached() {
        let Input { way, place, follows, replaced, .. } = input;
        state.update_framed(&format!("{way} {place:?} {follows:?} {replaced:?}"));
        look.at(input);
    }
    for (which, text) in &look.folders {
        state.update_framed(&format!("{which:?}"));
        state.update_framed(text);
    }
    (!look.is_open).then(|| state.sha256())
}

/// A project's folder, whether its lock counts, and what becomes of pins that are lacking.
type Which = (PathBuf, bool, Lacking);

struct Look<'l> {
    session: &'l Session,
    /// What stands for all that is in projects' folders.
    folders: BTreeMap<Which, String>,
    /// Whether there is something that no lock pins.
    is_open: bool,
}

impl Look<'_> {
    fn at(&mut self, input: &Input) {
        match (&input.place, &input.folder) {
            (InputPlace::Repository { .. }, _) => self.is_open |= input.lacking == Lacking::Lent,
            // That it leads outside is told when it is needed.
            (InputPlace::Folder(_), None) => {}
            // Of a commit all is known by its hash, but what it leaves open.
            (InputPlace::Folder(_), _) if input.commit.is_some() && input.lacking != Lacking::Lent => {}
            (InputPlace::Folder(_), Some(folder)) => {
                self.at_folder((folder.clone(), input.own_lock, input.lacking), input.commit.clone());
            }
        }
        for folder in input.replaced.values() {
            // Whoever names it there may have its own lock count.
            self.at_folder((folder.clone(), true, Lacking::Lent), None);
        }
    }

    /// Looks at a project by itself, whatever is given or followed below: all that may count there is looked at by itself
    /// too.
    fn at_folder(&mut self, (folder, own_lock, lacking): Which, commit: Option<Commit>) {
        let folder = fs_err::canonicalize(&folder).unwrap_or(folder);
        let which = (folder.clone(), own_lock, lacking);
        if self.folders.contains_key(&which) {
            return;
        }
        self.folders.insert(which.clone(), String::new());
        let standing = Standing { lacking, depth: 1, ..Standing::of_command(commit, BTreeMap::new()) };
        let text = Described::read_standing(&folder, &[], standing).and_then(|other| {
            other.inputs.own.values().for_each(|input| self.at(input));
            self.text(&other, own_lock)
        });
        self.folders.insert(which, text.unwrap_or_else(|error| error.to_string()));
    }

    fn text(&self, other: &Described, own_lock: bool) -> Result<String, XbuildError> {
        let sources = other.sources(&self.session.store)?;
        let stamp = Stamp::of(other)?.map(|stamp| stamp.key());
        let lock = if own_lock { Some(other.lock()?) } else { None };
        Ok(format!("{} {:?} {} {stamp:?} {lock:?}", other.fingerprint, sources.tree, sources.workspace))
    }
}
