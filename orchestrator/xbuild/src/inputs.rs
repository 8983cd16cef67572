//! `[inputs]`: other projects, found, described and built for an output of theirs.
//!
//! Another project is read and built as it would be by itself: by its own description, toolchain and `Cargo.lock`, in the
//! same store. What it leaves open is pinned in this project's `xbuild.lock`, as is the commit that it is taken from.
//! Nothing is looked at before an output of it is needed.

mod commit;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use xbuild_action::File;
use xbuild_base::{Hasher, RelPath, Sha256, Triple};
use xbuild_describe::{Description, GitReference, InputOutput, InputPlace, suggest};

use crate::cli::{Build, Execution, Global};
use crate::description::{Described, find_workspace};
use crate::error::XbuildError;
use crate::lock::{InputPin, Lock};
use crate::session::Session;
use crate::timings::Recorder;
use crate::ui::Ui;
use crate::verb::build::{Extra, Wanted, Work, make};

pub(crate) use commit::{Address, Commit};

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

/// How a project stands to the one that a command is about.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    /// The commit that its files are of, where nobody works on them: they lie in the store then.
    pub(crate) commit: Option<Commit>,
    /// Who keeps its pins; `None`: its own lock, in its folder.
    keeper: Option<Keeper>,
    /// Whether pins that it lacks are found for one call and written nowhere.
    lends: bool,
    /// What stands before the names of its inputs in the lock: its own name there, with a slash.
    prefix: String,
    /// Those of its inputs that are somewhere else than it says.
    elsewhere: BTreeMap<String, Input>,
    /// The folders that were given for inputs, by their names, those of inputs' inputs too.
    replaced: BTreeMap<String, PathBuf>,
    /// How many projects it lies in.
    depth: usize,
}

/// Whose lock has the pins of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Keeper {
    folder: PathBuf,
    is_frozen: bool,
}

/// Inputs by their names.
#[derive(Debug, Default)]
pub(crate) struct Inputs(BTreeMap<String, Input>);

/// Another project, and where it is.
#[derive(Debug, Clone)]
struct Input {
    /// Its name in the lock, which tells the way to it: `web`, `web/shared`.
    name: String,
    place: InputPlace,
    /// A folder, absolute, where the place is none of a repository; nothing where it is outside of the commit that names
    /// it, which has no say over other folders of this machine.
    folder: Option<PathBuf>,
    /// The commit that such a folder is of, if it is of one.
    commit: Option<Commit>,
    follows: BTreeMap<String, String>,
    own_lock: bool,
    keeper: Keeper,
    lends: bool,
}

impl Input {
    fn own_folder(&self) -> Result<&Path, XbuildError> {
        self.folder.as_deref().ok_or_else(|| {
            XbuildError::user(
                format!("the input `{}` is a folder outside of the commit that names it", self.name),
                format!("say where it is: --override-input {}=PATH, or `follows` in [inputs]", self.name),
            )
        })
    }
}

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
            lends: commit.is_some(),
            commit,
            keeper: None,
            prefix: String::new(),
            elsewhere: BTreeMap::new(),
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

    fn keeper(&self, root: &Path) -> Keeper {
        self.keeper.clone().unwrap_or_else(|| Keeper { folder: root.to_owned(), is_frozen: false })
    }
}

impl Described {
    /// The lock that has this project's pins.
    pub(crate) fn lock(&self) -> Result<Lock, XbuildError> {
        Lock::read(&self.standing.keeper(&self.root).folder)
    }

    /// Writes what that lock has become.
    pub(crate) fn write_lock(&self, lock: &Lock, before: &Lock) -> Result<(), XbuildError> {
        if self.standing.lends {
            return Ok(());
        }
        lock.write_changes(before, &self.standing.keeper(&self.root).folder)
    }

    /// Why a pin that is missing can't be made, if it can't: what to do about it.
    pub(crate) fn refuses_pins(&self, global: &Global, what: &str) -> Result<Option<String>, XbuildError> {
        refusal(self.standing.keeper(&self.root).is_frozen, global, what)
    }
}

fn refusal(is_frozen: bool, global: &Global, what: &str) -> Result<Option<String>, XbuildError> {
    Ok(if is_frozen {
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

impl Inputs {
    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The inputs of a project that lies in a folder.
    pub(crate) fn of(
        description: &Description,
        root: &Path,
        standing: &Standing,
    ) -> Result<Self, XbuildError> {
        let own: Vec<&str> = description.inputs.keys().map(String::as_str).collect();
        let names = standing.replaced.keys().chain(standing.elsewhere.keys());
        let mut firsts = names.filter_map(|name| name.split('/').next());
        if let Some(strange) = firsts.find(|first| !own.contains(first)) {
            let of = standing.prefix.trim_end_matches('/');
            let what = match of {
                "" => format!("there is no input `{strange}`"),
                of => format!("the input `{of}` has no input `{strange}`"),
            };
            return Err(XbuildError::user(what, suggest(strange, "inputs", &own)));
        }
        let keeper = standing.keeper(root);
        let input = |(name, input): (&String, &xbuild_describe::Input)| {
            let folder = match &input.place {
                InputPlace::Folder(path) => folder(root, path, standing.top()),
                InputPlace::Repository { .. } => None,
            };
            let mut found = Input {
                name: format!("{}{name}", standing.prefix),
                place: input.place.clone(),
                commit: standing.commit.clone().filter(|_| folder.is_some()),
                folder,
                follows: input.follows.clone(),
                own_lock: input.own_lock,
                keeper: keeper.clone(),
                lends: standing.lends,
            };
            if let Some(other) = standing.elsewhere.get(name) {
                found = other.clone();
            }
            if let Some(folder) = standing.replaced.get(name) {
                let place = InputPlace::Folder(folder.display().to_string());
                found = Input { place, folder: Some(folder.clone()), commit: None, ..found };
            }
            (name.clone(), found)
        };
        Ok(Self(description.inputs.iter().map(input).collect()))
    }
}

/// What of another project is asked for to have an output of it for a target.
fn request(output: &InputOutput, target: &Triple, execution: Execution) -> Build {
    // Of `[variant/][target/]name` the target counts where it is named.
    let mut parts = output.output.rsplit('/').skip(1);
    let names_target = parts.next().is_some_and(|target| target != "*");
    Build {
        outputs: vec![output.output.clone()],
        targets: if names_target { Vec::new() } else { vec![target.to_string()] },
        execution,
        no_link: true,
        ..Build::default()
    }
}

/// Has all fetched that an output of another project is made from.
pub(crate) fn fetch(
    described: &Described,
    output: &InputOutput,
    target: &Triple,
    hands: Hands<'_>,
) -> Result<(), XbuildError> {
    let other = read(described, &output.input, hands)?;
    let (build, global) = (request(output, target, hands.execution), hands.global.of_input());
    let work = Work::new(&global, &build, Wanted::Everything, &other, hands.session, hands.ui)?;
    let planned = work.plan(&Extra::default(), &mut Recorder::default())?;
    work.look(&planned).map(drop)
}

/// An output of another project, for a target.
pub(crate) fn output(
    described: &Described,
    output: &InputOutput,
    target: &Triple,
    hands: Hands<'_>,
) -> Result<File, XbuildError> {
    let other = read(described, &output.input, hands)?;
    let (build, global) = (request(output, target, hands.execution), hands.global.of_input());
    hands.ui.status("Input", format!("{output} for {target}"));
    let rows = make(&global, &build, &other, hands.session, hands.ui)?.unwrap_or_default();
    let name = output.file_name();
    let mut called = rows.iter().filter(|row| row.artefact.is_called(name));
    match (called.next(), called.next()) {
        (Some(row), None) => Ok(row.artefact.file),
        (Some(one), Some(two)) => Err(XbuildError::user(
            format!("`{output}` is more than one output: {}, {}", one.artefact.path()?, two.artefact.path()?),
            "name one of them: PROJECT/VARIANT/TARGET/NAME",
        )),
        (None, _) => Err(XbuildError::user(
            format!("the input `{}` makes no `{name}` for {target}", output.input),
            format!("see what it makes: xbuild show --project {}", other.root.display()),
        )),
    }
}

/// Reads another project, which is brought where it must be.
fn read(described: &Described, name: &str, hands: Hands<'_>) -> Result<Described, XbuildError> {
    let input = described.inputs.0.get(name).ok_or_else(|| {
        XbuildError::user(format!("there is no input `{name}`"), "see [inputs] in xbuild.toml")
    })?;
    match &input.place {
        InputPlace::Folder(_) => read_folder(described, name, input),
        InputPlace::Repository { url, reference, folder } => {
            let hash = pinned(input, url, reference, hands)?;
            let commit = commit::bring(url, hash, hands)?;
            let project = commit.top.join(folder.as_str());
            read_at(described, name, input, &project, Some(commit))
        }
    }
}

fn read_folder(described: &Described, name: &str, input: &Input) -> Result<Described, XbuildError> {
    read_at(described, name, input, input.own_folder()?, input.commit.clone())
}

fn read_at(
    described: &Described,
    name: &str,
    input: &Input,
    project: &Path,
    commit: Option<Commit>,
) -> Result<Described, XbuildError> {
    let standing = &described.standing;
    if standing.depth >= DEEPEST {
        return Err(XbuildError::user(
            format!("the input `{}` lies more than {DEEPEST} deep in others", input.name),
            "one of them leads back to one that it is taken by: take it away there",
        ));
    }
    let follows = input.follows.iter();
    let elsewhere = follows.map(|(own, ours)| (own.clone(), described.inputs.0[ours].clone())).collect();
    let way = format!("{name}/");
    let below = |(name, folder): (&String, &PathBuf)| {
        name.strip_prefix(&way).map(|name| (name.to_owned(), folder.clone()))
    };
    let (keeper, prefix) = match input.own_lock {
        true => (None, String::new()),
        false => (Some(input.keeper.clone()), format!("{}/", input.name)),
    };
    let mut standing = Standing {
        commit,
        keeper,
        lends: input.lends,
        prefix,
        elsewhere,
        replaced: standing.replaced.iter().filter_map(below).collect(),
        depth: standing.depth + 1,
    };
    if input.own_lock {
        let found = find_workspace(project, standing.top())?;
        standing.keeper = Some(Keeper { folder: found.root, is_frozen: true });
    }
    Described::read_standing(project, &[], standing).map_err(|error| match error {
        XbuildError::User { what, help } => {
            XbuildError::User { what: format!("the input `{}`: {what}", input.name), help }
        }
        error => error,
    })
}

/// The commit that an input is pinned to. One that has no pin yet, or one for something else, gets one.
fn pinned(
    input: &Input,
    url: &str,
    reference: &GitReference,
    hands: Hands<'_>,
) -> Result<String, XbuildError> {
    if let GitReference::Commit(hash) = reference {
        return Ok(hash.clone());
    }
    let before = Lock::read(&input.keeper.folder)?;
    if let Some(pin) = before.inputs.get(&input.name).filter(|pin| pin.is_of(url, reference)) {
        return Ok(pin.commit.clone());
    }
    if let Some(help) = refusal(input.keeper.is_frozen, hands.global, "its commit")? {
        return Err(XbuildError::user(format!("the input `{}` has no pin in xbuild.lock", input.name), help));
    }
    let commit = commit::resolve(url, reference, hands)?;
    let mut lock = before.clone();
    pin(&mut lock, input, (url, reference), &commit, hands.ui);
    if !input.lends {
        lock.write_changes(&before, &input.keeper.folder)?;
    }
    Ok(commit)
}

fn pin(lock: &mut Lock, input: &Input, (url, reference): (&str, &GitReference), commit: &str, ui: &Ui) {
    ui.status("Pinned", format!("{} ({reference}) to {commit}", input.name));
    lock.inputs.insert(input.name.clone(), InputPin::new(url, reference, commit));
}

/// What there is of inputs when their pins have been moved.
#[derive(Debug, Default)]
pub(crate) struct Updated {
    /// All of the inputs' projects but those that keep their own lock.
    pub(crate) projects: Vec<Described>,
    /// The names of all inputs in the lock.
    pub(crate) names: Vec<String>,
}

/// Moves pins to what their references lead to now: those that are wanted, or all. Pins of inputs that nobody has any more
/// go.
pub(crate) fn update(
    described: &Described,
    wanted: &[String],
    hands: Hands<'_>,
) -> Result<Updated, XbuildError> {
    let before = described.lock()?;
    let mut lock = before.clone();
    let mut found: BTreeMap<String, ()> = BTreeMap::new();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    let mut look = |of: &Described, lock: &mut Lock| -> Result<Vec<Described>, XbuildError> {
        let mut below = Vec::new();
        for (name, input) in &of.inputs.0 {
            if found.insert(input.name.clone(), ()).is_some() {
                continue;
            }
            let brought = match &input.place {
                InputPlace::Folder(_) => None,
                InputPlace::Repository { url, reference, folder } => {
                    let pin_of =
                        lock.inputs.get(&input.name).filter(|pin| pin.is_of(url, reference)).cloned();
                    let commit = match (reference, &pin_of) {
                        (GitReference::Commit(hash), _) => hash.clone(),
                        (_, Some(pin)) if !is_wanted(&input.name) => pin.commit.clone(),
                        _ => {
                            let commit = commit::resolve(url, reference, hands)?;
                            match pin_of.filter(|pin| pin.commit == commit) {
                                Some(_) => hands.ui.status("Unchanged", &input.name),
                                None => pin(lock, input, (url, reference), &commit, hands.ui),
                            }
                            commit
                        }
                    };
                    Some((commit::bring(url, commit, hands)?, folder))
                }
            };
            // Another project's own lock is its own to move.
            if input.own_lock {
                continue;
            }
            below.push(match brought {
                None => read_folder(of, name, input)?,
                Some((commit, folder)) => {
                    let project = commit.top.join(folder.as_str());
                    read_at(of, name, input, &project, Some(commit))?
                }
            });
        }
        Ok(below)
    };
    let mut projects = look(described, &mut lock)?;
    let mut next = 0;
    while next < projects.len() {
        let below = look(&projects[next], &mut lock)?;
        projects.extend(below);
        next += 1;
    }
    lock.inputs.retain(|name, _| found.contains_key(name));
    described.write_lock(&lock, &before)?;
    Ok(Updated { projects, names: found.into_keys().collect() })
}

/// What the outputs depend on that use outputs of other projects. What can't be looked at is told when it is needed.
pub(crate) fn key(described: &Described, session: &Session) -> Sha256 {
    let mut key = Hasher::default();
    let mut add = |text: &str| {
        key.update(&(text.len() as u64).to_le_bytes());
        key.update(text.as_bytes());
    };
    for (name, input) in &described.inputs.0 {
        add(name);
        add(&format!("{:?}", input.place));
        add(&of_input(described, name, input, session).unwrap_or_else(|error| error.to_string()));
    }
    key.sha256()
}

fn of_input(
    described: &Described,
    name: &str,
    input: &Input,
    session: &Session,
) -> Result<String, XbuildError> {
    match &input.place {
        InputPlace::Repository { url, reference, .. } => {
            let lock = Lock::read(&input.keeper.folder)?;
            let pin = lock.inputs.get(&input.name).filter(|pin| pin.is_of(url, reference));
            Ok(pin.map_or_else(String::new, |pin| pin.commit.clone()))
        }
        InputPlace::Folder(_) => {
            let other = read_folder(described, name, input)?;
            let local = other.sources(&session.store)?;
            Ok(format!("{} {:?} {} {}", other.fingerprint, local.tree, local.workspace, key(&other, session)))
        }
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
