//! [`Sandbox`]: starts the helper, listens, keeps the limits, and takes the outputs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use xbuild_action::{
    ActionResult, Command, ExecutionError, Executor, InputRoot, Isolation, Observer, Outcome, Request,
    Staging, Times,
};
use xbuild_base::{Digest, RelPath, Tree};

use crate::cgroup::{Delegated, Group};
use crate::channel;
use crate::inputs::Spare;
use crate::limits::time_in_words;
use crate::observe;
use crate::outputs::Collector;
use crate::probe::{self, Check};
use crate::session::{End, Session, Stop};
use crate::specification::{Failure, Job, KernelLimits, Specification};
use crate::stage::{self, OWN_FOLDERS, Staged};
use crate::zygote::{Forked, Zygote};

/// The local executor: each command runs in a sandbox of Linux namespaces over overlays of the store's trees.
///
/// The program that uses it must call [`crate::run_helper_if_asked`] first of all in `main`: the sandbox is set
/// up by this same program, re-executed.
#[derive(Debug)]
pub struct Sandbox {
    store: StoreHandle,
    helper: PathBuf,
    zygote: Mutex<Option<Zygote>>,
    cgroup: OnceLock<Option<Delegated>>,
    defaults: OnceLock<Digest<Tree>>,
    spare: Spare,
    count: AtomicU64,
}

struct StoreHandle(Arc<dyn Staging>);

impl std::fmt::Debug for StoreHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "store at {}", self.0.folder().display())
    }
}

impl Sandbox {
    /// An executor whose inputs come from `store` and whose outputs go there.
    #[must_use]
    pub fn new(store: Arc<dyn Staging>) -> Self {
        // The link's name, not its target: it works even after the file has been replaced.
        Self::with_helper(store, PathBuf::from("/proc/self/exe"))
    }

    /// As [`Self::new`], with another program (an absolute path) that calls [`crate::run_helper_if_asked`].
    #[must_use]
    pub fn with_helper(store: Arc<dyn Staging>, helper: PathBuf) -> Self {
        Self {
            store: StoreHandle(store),
            helper,
            zygote: Mutex::new(None),
            cgroup: OnceLock::new(),
            defaults: OnceLock::new(),
            spare: Spare::default(),
            count: AtomicU64::new(0),
        }
    }

    /// Tries every feature of the machine that the sandbox stands on, for real, in throw-away helpers.
    #[must_use]
    pub fn probe(&self) -> Vec<Check> {
        probe::all(self)
    }

    pub(crate) fn store(&self) -> &dyn Staging {
        &*self.store.0
    }

    pub(crate) fn cgroup(&self) -> Option<&Delegated> {
        self.cgroup.get_or_init(Delegated::find).as_ref()
    }

    /// The user that root becomes, and `None` for everyone else.
    pub(crate) fn owner(&self) -> Result<Option<(u32, u32)>, ExecutionError> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        match self.store().owner() {
            Some((uid, gid)) if uid != 0 && gid != 0 => Ok(Some((uid, gid))),
            _ => Err(ExecutionError::Sandbox {
                step: "find an unprivileged user to run programs as".to_owned(),
                source: std::io::Error::other("the store belongs to root"),
            }),
        }
    }

    fn defaults(&self, isolation: Isolation) -> Result<Option<Digest<Tree>>, ExecutionError> {
        if isolation == Isolation::None {
            return Ok(None);
        }
        match self.defaults.get() {
            Some(tree) => Ok(Some(*tree)),
            None => {
                let tree = stage::defaults(self.store())?;
                Ok(Some(*self.defaults.get_or_init(|| tree)))
            }
        }
    }

    /// Starts the helper in `folder` and hands it its job.
    pub(crate) fn start(
        &self,
        folder: &std::path::Path,
        job: &Job,
        descriptors: &[i32],
        group: Option<&Group>,
    ) -> Result<Session, ExecutionError> {
        let failed = |step: &str| {
            let step = step.to_owned();
            move |source| ExecutionError::Sandbox { step, source }
        };
        let mut session = Session::new(self.fork(folder).map_err(failed("start the helper"))?);
        if let Some(group) = group {
            group.add(session.helper()).map_err(failed("put the helper into its cgroup"))?;
        }
        match channel::send(session.socket(), job, descriptors) {
            Ok(()) => Ok(session),
            Err(source) => {
                session.stop();
                Err(failed("hand the job to the helper")(source))
            }
        }
    }

    fn fork(&self, folder: &std::path::Path) -> std::io::Result<Forked> {
        let mut zygote = self.zygote.lock().unwrap_or_else(PoisonError::into_inner);
        let running = match zygote.take() {
            Some(running) => running,
            None => Zygote::start(&self.helper)?,
        };
        let forked = running.fork(folder)?;
        // One that has failed is not asked again.
        *zygote = Some(running);
        Ok(forked)
    }

    fn run(&self, request: &Request<'_>, observer: &mut dyn Observer) -> Result<Outcome, ExecutionError> {
        let start = Instant::now();
        if request.cancel.is_cancelled() {
            return Ok(Outcome::Cancelled);
        }
        let owner = self.owner()?;
        let staged = Staged::new(self.store(), &self.spare, request, self.defaults(request.isolation)?)?;
        let settled = self.settled(request)?;
        let job = Job::Run(Box::new(specification(request, &staged, owner, settled.clone())));
        let group = self.group(request)?;
        let collector = Collector::new(self.store(), &staged, request.command);
        let session = self.start(staged.folder(), &job, &request.unkeyed.descriptors, group.as_ref())?;
        let heard = session.listen(request, group.as_ref(), staged.folder(), observer, &collector)?;

        let stdout = heard.stdout.finish(self.store(), &mut |line| {
            observer.line(xbuild_action::Stream::Out, line, &collector);
        })?;
        let stderr = heard.stderr.finish(self.store(), &mut |line| {
            observer.line(xbuild_action::Stream::Err, line, &collector);
        })?;
        let mut result = ActionResult {
            outputs: BTreeMap::new(),
            exit_code: 128 + nix::libc::SIGKILL,
            stdout,
            stderr,
            isolation: request.isolation,
            times: Times { wall: start.elapsed(), cpu: Duration::ZERO, peak_memory: 0 },
        };
        match heard.end {
            End::Stopped(Stop::Cancelled) => Ok(Outcome::Cancelled),
            End::Stopped(Stop::Time) => {
                Ok(Outcome::OverLimit { limit: time_in_words(request.limits.time), result })
            }
            End::Stopped(Stop::Over(limit)) => Ok(Outcome::OverLimit { limit, result }),
            End::Failed(failure) => Err(setup_failed(&failure)),
            End::Vanished => Err(ExecutionError::Sandbox {
                step: "hear how the program ended".to_owned(),
                source: std::io::Error::other("the sandbox's helper ended without a word"),
            }),
            End::Ended { status, cpu, peak_memory, observed, missed } => {
                result.times.cpu = cpu;
                result.times.peak_memory = peak_memory;
                if nix::libc::WIFSIGNALED(status) {
                    let signal = nix::libc::WTERMSIG(status);
                    result.exit_code = 128 + signal;
                    if signal == nix::libc::SIGXFSZ && request.isolation != Isolation::None {
                        let limit = crate::limits::bytes_in_words("file size", request.limits.file_size);
                        return Ok(Outcome::OverLimit { limit, result });
                    }
                } else {
                    result.exit_code = nix::libc::WEXITSTATUS(status);
                }
                if result.exit_code != 0 {
                    return Ok(Outcome::Failed(result, missed));
                }
                let observed = observed.filter(|_| observe::is_untouched(&staged, request.observe, &settled));
                result.outputs = collector.all()?;
                drop(collector);
                staged.leave(&self.spare, request.isolation);
                result.times.wall = start.elapsed();
                Ok(Outcome::Succeeded(result, observed))
            }
        }
    }

    /// The folders of inputs that nothing leads out of, where it is of use to know: what of the root's top the toolchain's
    /// layers alone have, and folders with files that were made by other actions. Nothing, where the action has something
    /// of its own in any of the first: links of the toolchain's may lead there.
    fn settled(&self, request: &Request<'_>) -> Result<BTreeSet<String>, ExecutionError> {
        let InputRoot { layers, mounts, files, directories } = request.inputs;
        let mut settled = BTreeSet::new();
        if request.observe.is_empty() {
            return Ok(settled);
        }
        for layer in layers {
            settled.extend(self.store().directory(*layer)?.entries.keys().cloned());
        }
        let Command { working_directory, outputs, .. } = request.command;
        let own =
            mounts.keys().chain(files.keys()).chain(directories).chain(outputs).chain([working_directory]);
        settled.retain(|name| !OWN_FOLDERS.contains(&name.as_str()));
        let is_apart = |path: &RelPath| path.components().next().is_some_and(|top| !settled.contains(top));
        if !own.chain(request.observe).all(is_apart) {
            return Ok(BTreeSet::new());
        }
        // Of files alone, and of no folder or link, as all that is staged by itself.
        let staged: BTreeSet<RelPath> = files.keys().filter_map(RelPath::parent).collect();
        let trees: Vec<&RelPath> = mounts.keys().chain(request.observe).collect();
        let made: Vec<&RelPath> = directories.iter().chain(outputs).chain([working_directory]).collect();
        let is_alone = |folder: &RelPath| {
            let has = |other: &RelPath| other.strip_prefix(folder).is_some();
            let mut nested = staged.iter().filter(|other| *other != folder);
            !trees.iter().any(|tree| has(tree) || folder.strip_prefix(tree).is_some())
                && !made.iter().any(|made| has(made))
                && !nested.any(has)
        };
        settled.extend(staged.iter().filter(|folder| is_alone(folder)).map(ToString::to_string));
        Ok(settled)
    }

    fn group(&self, request: &Request<'_>) -> Result<Option<Group>, ExecutionError> {
        if request.isolation == Isolation::None {
            return Ok(None);
        }
        let Some(delegated) = self.cgroup() else { return Ok(None) };
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        delegated
            .make(&number.to_string(), &request.limits)
            .map_err(|source| ExecutionError::Sandbox { step: "make a cgroup".to_owned(), source })
    }
}

impl Executor for Sandbox {
    fn execute(&self, request: &Request<'_>, observer: &mut dyn Observer) -> Outcome {
        self.run(request, observer).unwrap_or_else(Outcome::Broken)
    }
}

/// The sandbox as a value.
fn specification(
    request: &Request<'_>,
    staged: &Staged,
    owner: Option<(u32, u32)>,
    settled: BTreeSet<String>,
) -> Specification {
    let Request { command, inputs: _, isolation, limits, unkeyed, observe, cancel: _ } = request;
    let mut environment = command.environment.clone();
    environment.extend(unkeyed.environment.clone());
    Specification {
        isolation: *isolation,
        owner,
        overlays: staged.layout.overlays.clone(),
        binds: staged.layout.binds.clone(),
        tmp_size: staged.layout.private_tmp.then_some(limits.memory / 2),
        shm_size: limits.memory / 8,
        argv: command.argv.clone(),
        environment,
        working_directory: command.working_directory.clone(),
        descriptors: unkeyed.descriptors.clone(),
        limits: (*isolation != Isolation::None)
            .then_some(KernelLimits { processes: limits.processes, file_size: limits.file_size }),
        // The host's own paths lead to the inputs too where nothing is isolated.
        observe: if *isolation == Isolation::None { BTreeSet::new() } else { (*observe).clone() },
        settled,
    }
}

/// The kernel's refusal, with what is known to cause it.
pub(crate) fn setup_failed(failure: &Failure) -> ExecutionError {
    ExecutionError::Sandbox { step: failure.step.clone(), source: failure.into() }
}
