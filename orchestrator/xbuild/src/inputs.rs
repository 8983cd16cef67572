//! `[inputs]`: other projects, found, described and built for an output of theirs.
//!
//! Another project is read and built as it would be by itself: by its own description, toolchain and `Cargo.lock`, in the
//! same store. What it leaves open is pinned in this project's `xbuild.lock`, as is the commit that it is taken from.
//! Nothing is looked at before an output of it is needed.
//!
//! | file | does |
//! |---|---|
//! | `commit` | lays commits of repositories out |
//! | `output` | builds what is taken of another project |
//! | `state` | tells what outputs depend on that take something of others |
//! | `update` | moves pins |

mod commit;
mod output;
mod state;
mod update;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use xbuild_base::RelPath;
use xbuild_describe::{Description, GitReference, InputPlace, suggest};

use crate::age::{self, MinAge};
use crate::cli::{Execution, Global};
use crate::description::Described;
use crate::error::XbuildError;
use crate::lock::{InputPin, Lock};
use crate::session::Session;
use crate::ui::Ui;

pub(crate) use commit::{Address, Commit};
pub(crate) use output::{fetch, known, output};
pub(crate) use state::{Before, pins};
pub(crate) use update::update;

/// So many projects may lie in each other.
const DEEPEST: usize = 16;

/// What is needed to bring projects and to build them.
#[derive(Clone, Copy)]
pub(crate) struct Hands<'h> {
    pub(crate) global: &'h Global,
    pub(crate) session: &'h Session,
    pub(crate) ui: &'h Ui,
    pub(crate) execution: Execution,
}

/// What becomes of a pin that a lock has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Lacking {
    /// It is found, and written there.
    Written,
    /// It is found for one command, and written nowhere.
    Lent,
    /// It is an error: the lock is another project's own.
    Refused,
}

/// What becomes of a pin that a lock has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Having {
    /// It stays.
    Kept,
    /// It is moved, to what is so old where that is asked for.
    Moved(Option<MinAge>),
}

/// How a project stands to the one that a command is about.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    /// The commit that its files are of, where nobody works on them: they lie in the store then.
    pub(crate) commit: Option<Commit>,
    /// The folder of the lock that has its pins; `None`: its own.
    keeper: Option<PathBuf>,
    lacking: Lacking,
    /// What stands before the names of its inputs in that lock: its own name there, with a slash.
    prefix: String,
    /// The same for people: the way to it from the project that the command is about.
    way: String,
    /// Those of its inputs that are another project's.
    followed: BTreeMap<String, Followed>,
    /// The folders that were given for inputs, by their names, those of inputs' inputs too.
    replaced: BTreeMap<String, PathBuf>,
    /// How many projects it lies in.
    depth: usize,
}

/// The inputs that a project names.
#[derive(Debug, Default)]
pub(crate) struct Inputs {
    /// Where it says they are.
    own: BTreeMap<String, Input>,
    /// Those that are another project's, whatever it says.
    followed: BTreeMap<String, Followed>,
}

/// An input of another project.
#[derive(Debug, Clone)]
struct Followed {
    of: Arc<Inputs>,
    name: String,
}

/// Another project, and where it is.
#[derive(Debug, Clone)]
struct Input {
    /// Its name in the lock, which tells the way to it: `web`, `web/shared`.
    name: String,
    /// The way to it from the project that the command is about, for people.
    way: String,
    place: InputPlace,
    /// A folder, absolute, where the place is none of a repository; nothing where it is outside of the commit that names
    /// it, which has no say over other folders of this machine.
    folder: Option<PathBuf>,
    /// The commit that such a folder is of, if it is of one.
    commit: Option<Commit>,
    follows: BTreeMap<String, String>,
    own_lock: bool,
    /// The folder of the lock that has its pin.
    keeper: PathBuf,
    lacking: Lacking,
    /// The folders that were given for inputs of it.
    replaced: BTreeMap<String, PathBuf>,
}

/// Where a project lies, and the commit that its files are of.
type Found = (PathBuf, Option<Commit>);

/// The folder of a project that another one in `root` names, below `top` where nothing above belongs to that one.
fn folder(root: &Path, path: &str, top: Option<&Path>) -> Option<PathBuf> {
    let Some(top) = top else { return Some(root.join(path)) };
    let from = RelPath::new(root.strip_prefix(top).ok()?.to_str()?).ok()?;
    let below = from.resolve(path).ok()?;
    (!path.starts_with('/')).then(|| top.join(below.as_str()))
}

impl Standing {
    /// Of the project that a command is about.
    pub(crate) fn of_command(commit: Option<Commit>, replaced: BTreeMap<String, PathBuf>) -> Self {
        Self {
            lacking: if commit.is_some() { Lacking::Lent } else { Lacking::Written },
            commit,
            keeper: None,
            prefix: String::new(),
            way: String::new(),
            followed: BTreeMap::new(),
            replaced,
            depth: 0,
        }
    }

    /// The folder above which nothing belongs to the project, if there is one.
    pub(crate) fn top(&self) -> Option<&Path> {
        self.commit.as_ref().map(|commit| commit.top.as_path())
    }

    /// Whether it is another project's input.
    pub(crate) const fn is_input(&self) -> bool {
        self.depth > 0
    }

    fn keeper<'k>(&'k self, root: &'k Path) -> &'k Path {
        self.keeper.as_deref().unwrap_or(root)
    }
}

impl Described {
    /// The lock that has this project's pins.
    pub(crate) fn lock(&self) -> Result<Lock, XbuildError> {
        Lock::read(self.standing.keeper(&self.root))
    }

    /// Writes what that lock has become.
    pub(crate) fn write_lock(&self, lock: &Lock, before: &Lock) -> Result<(), XbuildError> {
        match self.standing.lacking {
            Lacking::Written => lock.write_changes(before, self.standing.keeper(&self.root)),
            Lacking::Lent | Lacking::Refused => Ok(()),
        }
    }

    /// Why a pin that is missing can't be made, if it can't: what to do about it.
    pub(crate) fn refuses_pins(&self, global: &Global, what: &str) -> Result<Option<String>, XbuildError> {
        refusal(self.standing.lacking, global, what)
    }

    /// Whether other projects have their pins in the same lock.
    pub(crate) fn shares_lock(&self) -> bool {
        self.standing.is_input() || !self.inputs.is_empty()
    }
}

fn refusal(lacking: Lacking, global: &Global, what: &str) -> Result<Option<String>, XbuildError> {
    Ok(if lacking == Lacking::Refused {
        Some(
            "`own-lock` leaves that project's xbuild.lock as it is: pin it there, or take `own-lock` away"
                .to_owned(),
        )
    } else if global.locked {
        Some("--locked leaves the lock as it is: run once without it".to_owned())
    } else if crate::settings::is_offline(global)? {
        Some(format!("{what} must be asked for: run once without --offline"))
    } else {
        None
    })
}

/// The folders that a command line gives for inputs: `NAME=PATH`, `NAME/NAME=PATH`.
pub(crate) fn replaced(texts: &[String]) -> Result<BTreeMap<String, PathBuf>, XbuildError> {
    let one = |text: &String| {
        let (name, path) =
            text.split_once('=').filter(|(name, path)| !name.is_empty() && !path.is_empty())?;
        Some((name.to_owned(), std::path::absolute(path).ok()?))
    };
    let help = "write the input's name and a folder: --override-input web=../web";
    let wrong = |text: &String| XbuildError::user(format!("--override-input {text} names no folder"), help);
    texts.iter().map(|text| one(text).ok_or_else(|| wrong(text))).collect()
}

/// What folders were given for that lies below an input, by the names there.
fn below(replaced: &BTreeMap<String, PathBuf>, name: &str) -> BTreeMap<String, PathBuf> {
    let below = |(full, folder): (&String, &PathBuf)| {
        Some((full.strip_prefix(name)?.strip_prefix('/')?.to_owned(), folder.clone()))
    };
    replaced.iter().filter_map(below).collect()
}

impl Inputs {
    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.own.is_empty() && self.followed.is_empty()
    }

    /// Their names.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.own.keys().chain(self.followed.keys()).map(String::as_str)
    }

    /// The inputs of a project that lies in a folder.
    pub(crate) fn of(
        description: &Description,
        root: &Path,
        standing: &Standing,
    ) -> Result<Self, XbuildError> {
        let Standing { prefix, way, followed, replaced, .. } = standing;
        let known: Vec<&str> = description.inputs.keys().map(String::as_str).collect();
        let names: BTreeSet<&str> = replaced.keys().chain(followed.keys()).map(|name| first(name)).collect();
        if let Some(strange) = names.iter().find(|name| !known.contains(*name)) {
            let what = match way.trim_end_matches('/') {
                "" => format!("there is no input `{strange}`"),
                of => format!("the input `{of}` has no input `{strange}`"),
            };
            return Err(XbuildError::user(what, suggest(strange, "inputs", &known)));
        }
        let mut inputs = Self::default();
        for (name, input) in &description.inputs {
            let (given, replaced) = (replaced.get(name), below(replaced, name));
            if let Some(followed) = followed.get(name).filter(|_| given.is_none()) {
                if let Some(deeper) = replaced.keys().next() {
                    return Err(XbuildError::user(
                        format!(
                            "--override-input {way}{name}/{deeper}: `{way}{name}` follows `{}`",
                            followed.name
                        ),
                        format!("say it of that one: --override-input {}/{deeper}=PATH", followed.name),
                    ));
                }
                inputs.followed.insert(name.clone(), followed.clone());
                continue;
            }
            let folder = match (given, &input.place) {
                (Some(given), _) => Some(given.clone()),
                (None, InputPlace::Folder(path)) => folder(root, path, standing.top()),
                (None, InputPlace::Repository { .. }) => None,
            };
            let place = match given {
                Some(given) => InputPlace::Folder(given.display().to_string()),
                None => input.place.clone(),
            };
            let input = Input {
                name: format!("{prefix}{name}"),
                way: format!("{way}{name}"),
                place,
                commit: standing.commit.clone().filter(|_| given.is_none() && folder.is_some()),
                folder,
                follows: input.follows.clone(),
                own_lock: input.own_lock,
                keeper: standing.keeper(root).to_owned(),
                // What a folder needs that was given for a day is no affair of the lock.
                lacking: if given.is_some() { Lacking::Lent } else { standing.lacking },
                replaced,
            };
            inputs.own.insert(name.clone(), input);
        }
        Ok(inputs)
    }

    /// An input, and the inputs among which it stands: those that it may follow.
    fn find<'i>(self: &'i Arc<Self>, name: &str) -> Option<(&'i Input, &'i Arc<Self>)> {
        match self.followed.get(name) {
            Some(Followed { of, name }) => of.find(name),
            None => self.own.get(name).map(|input| (input, self)),
        }
    }

    /// Whether what an input makes may be something else though its pins are the same: a folder is what it is, and so is
    /// what follows one.
    pub(crate) fn is_unpinned(self: &Arc<Self>, name: &str) -> bool {
        self.find(name).is_none_or(|(input, beside)| {
            matches!(input.place, InputPlace::Folder(_))
                || !input.replaced.is_empty()
                || input.follows.values().any(|ours| beside.is_unpinned(ours))
        })
    }

    /// All of them, and those that they follow.
    fn reached(self: &Arc<Self>) -> Vec<&Input> {
        let mut reached: BTreeMap<&str, &Input> = BTreeMap::new();
        let mut next: Vec<(&Input, &Arc<Self>)> = self.names().filter_map(|name| self.find(name)).collect();
        while let Some((input, beside)) = next.pop() {
            if reached.insert(&input.way, input).is_none() {
                next.extend(input.follows.values().filter_map(|ours| beside.find(ours)));
            }
        }
        reached.into_values().collect()
    }
}

/// The first of the names that lead to an input.
pub(crate) fn first(name: &str) -> &str {
    name.split('/').next().unwrap_or(name)
}

impl Input {
    /// Finds it, which is brought where it must be. A commit that has no pin in the lock, or one for something else, gets
    /// one there.
    fn find(&self, lock: &mut Lock, having: Having, hands: Hands<'_>) -> Result<Found, XbuildError> {
        match &self.place {
            InputPlace::Folder(_) => Ok((self.own_folder()?.to_owned(), self.commit.clone())),
            InputPlace::Repository { url, reference, folder } => {
                let hash = self.pinned(url, reference, lock, having, hands)?;
                let commit = commit::bring(url, hash, hands)?;
                Ok((commit.top.join(folder.as_str()), Some(commit)))
            }
        }
    }

    /// Whether [`Self::find`] takes neither the net nor a pin that the lock has not.
    fn is_at_hand(&self, lock: &Lock, hands: Hands<'_>) -> Result<bool, XbuildError> {
        let InputPlace::Repository { url, reference, folder: _ } = &self.place else { return Ok(true) };
        let pin = lock.inputs.get(&self.name).filter(|pin| pin.is_of(url, reference));
        match (reference, pin) {
            (GitReference::Commit(hash), _) => commit::is_fetched(url, hash, hands),
            (_, Some(pin)) => commit::is_fetched(url, &pin.commit, hands),
            (_, None) => Ok(false),
        }
    }

    fn own_folder(&self) -> Result<&Path, XbuildError> {
        self.folder.as_deref().ok_or_else(|| {
            XbuildError::user(
                format!("the input `{}` is a folder outside of the commit that names it", self.way),
                format!("say where it is: --override-input {}=PATH, or `follows` in [inputs]", self.way),
            )
        })
    }

    fn pinned(
        &self,
        url: &str,
        reference: &GitReference,
        lock: &mut Lock,
        having: Having,
        hands: Hands<'_>,
    ) -> Result<String, XbuildError> {
        if let GitReference::Commit(hash) = reference {
            return Ok(hash.clone());
        }
        let pin = lock.inputs.get(&self.name).filter(|pin| pin.is_of(url, reference));
        if let Some(pin) = pin.filter(|_| having == Having::Kept) {
            return Ok(pin.commit.clone());
        }
        if let Some(help) = refusal(self.lacking, hands.global, "its commit")? {
            return Err(XbuildError::user(
                format!("the input `{}` has no pin in xbuild.lock", self.way),
                help,
            ));
        }
        let commit = match having {
            Having::Kept | Having::Moved(None) => commit::resolve(url, reference, hands)?,
            Having::Moved(Some(age)) => {
                let pinned = pin.map(|pin| pin.commit.as_str());
                let found = commit::resolve_aged((url, reference), age, pinned, hands)?;
                let Some(found) = found else { return self.keep(pinned, reference, hands) };
                found
            }
        };
        if pin.is_some_and(|pin| pin.commit == commit) {
            hands.ui.status("Unchanged", &self.name);
        } else {
            hands.ui.status("Pinned", format!("{} ({reference}) to {commit}", self.name));
            lock.inputs.insert(self.name.clone(), InputPin::new(url, reference, &commit));
        }
        Ok(commit)
    }

    /// Leaves the pin where it is, for all that is newer is too young.
    fn keep(
        &self,
        pinned: Option<&str>,
        reference: &GitReference,
        hands: Hands<'_>,
    ) -> Result<String, XbuildError> {
        let Some(pinned) = pinned else {
            let what = format!("the input `{}` ({reference}) has no commit that is old enough", self.way);
            return Err(XbuildError::user(what, age::NO_PIN));
        };
        hands.ui.status("Kept", format!("{} ({reference}): what is newer is too young", self.name));
        Ok(pinned.to_owned())
    }

    /// Reads it where it was found. `beside` are the inputs among which it stands, `depth` is of the project that names it.
    fn read(
        &self,
        (project, commit): Found,
        beside: &Arc<Inputs>,
        depth: usize,
    ) -> Result<Described, XbuildError> {
        if depth >= DEEPEST {
            return Err(XbuildError::user(
                format!("the input `{}` lies more than {DEEPEST} deep in others", self.way),
                "one of them leads back to one that it is taken by: take it away there",
            ));
        }
        let follow = |(own, ours): (&String, &String)| {
            (own.clone(), Followed { of: Arc::clone(beside), name: ours.clone() })
        };
        let (keeper, lacking, prefix) = match self.own_lock {
            true => (None, Lacking::Refused, String::new()),
            false => (Some(self.keeper.clone()), self.lacking, format!("{}/", self.name)),
        };
        let standing = Standing {
            commit,
            keeper,
            lacking,
            prefix,
            way: format!("{}/", self.way),
            followed: self.follows.iter().map(follow).collect(),
            replaced: self.replaced.clone(),
            depth: depth + 1,
        };
        Described::read_standing(&project, &[], standing).map_err(|error| match error {
            XbuildError::User { what, help } => {
                XbuildError::User { what: format!("the input `{}`: {what}", self.way), help }
            }
            error => error,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_leads_to_folders_of_its_own_alone() {
        let of = |path: &str| folder(Path::new("/store/tree/server"), path, Some(Path::new("/store/tree")));
        assert_eq!(of("../codegen"), Some(PathBuf::from("/store/tree/codegen")));
        for outside in ["../../other", "/etc"] {
            assert_eq!(of(outside), None, "{outside}");
        }
        assert_eq!(folder(Path::new("/home/a"), "../b", None), Some(PathBuf::from("/home/a/../b")));
    }
}
