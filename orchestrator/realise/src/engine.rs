//! Drives a graph of actions through cache and executor.
//!
//! One thread holds all state; each running action has a thread of its own that only executes and reports.
//! Per action: bind (its inputs are known) → key → the same action may run already: follow it → cache hit → one that
//! saw the same (`learned`) → lock (another process may run it) → cache again → execute → record.

mod again;
mod drive;
mod inbox;
mod learned;
mod look;
mod remembered;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use xbuild_action::{
    ActionCache as _, ActionKey, ActionResult, Cancel, Command, Content, ContentExt as _, Executor, File,
    InputRoot, Isolation, Limits, Missed, Observed, Observer, Outcome, Request, Running, Stream, Times,
    Unkeyed, Unstored, merge_layers,
};
use xbuild_base::{Action, Digest, RelPath, Tree};
use xbuild_plan::queue::Node;
use xbuild_plan::{Bound, Work};
use xbuild_store::Disk;

use crate::error::RealiseError;
use crate::tokens::Tokens;
pub use again::{Comparison, Difference, differing_files};
use drive::Run;
use inbox::{Sender, inbox};
use learned::Listings;

/// How a node got its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// It was executed in this run.
    Executed,
    /// The result was in the cache, or another node of this run has the same action.
    Cached,
    /// The result is this other action's, which saw the same of its inputs.
    Learned(Digest<Action>),
}

/// Hears how a run goes. Called from the scheduling thread alone.
pub trait Events {
    /// What a node's action is made of is known; whether its result is there is not, yet.
    fn bound(&mut self, _node: Node, _action: Digest<Action>, _bound: &Bound) {}
    /// A node's process was started.
    fn started(&mut self, node: Node, action: Digest<Action>);
    /// A node waits for another process, which runs the same action.
    fn waits(&mut self, node: Node);
    /// A node's metadata was given out, its process goes on.
    fn metadata(&mut self, node: Node);
    /// A node succeeded.
    fn succeeded(&mut self, node: Node, success: &Success<'_>);
    /// A node failed.
    fn failed(&mut self, node: Node, failure: &Failure);
    /// Some time has passed: a chance to redraw.
    fn tick(&mut self);
}

/// A node that was built, now or before.
#[derive(Debug, Clone, Copy)]
pub struct Success<'a> {
    /// Its key.
    pub action: Digest<Action>,
    /// How it got its result.
    pub source: Source,
    /// What the program wrote to standard error.
    pub stderr: &'a [u8],
    /// What its build script warns of.
    pub warnings: &'a [String],
    /// The result. Its times are those of its execution, now or when it was recorded.
    pub result: &'a ActionResult,
    /// What is known of the files of [`Bound::observe`] that were looked at when it was made: nothing of a result that was
    /// in the cache under the action's own key.
    pub seen: &'a Observed,
}

/// A node that could not be built.
#[derive(Debug)]
pub struct Failure {
    /// Its key, when it came that far.
    pub action: Option<Digest<Action>>,
    /// The command, when it came that far.
    pub command: Option<Command>,
    /// Why.
    pub cause: Cause,
    /// What the program wrote to standard output.
    pub stdout: Vec<u8>,
    /// What the program wrote to standard error.
    pub stderr: Vec<u8>,
    /// How many other nodes can't be built because of it.
    pub dependents: usize,
    /// What its execution took, when there was one.
    pub times: Option<Times>,
}

/// Why a node could not be built.
#[derive(Debug)]
pub enum Cause {
    /// The program failed.
    Exit {
        /// Its exit code.
        code: i32,
        /// What it looked for last and did not find.
        missed: Missed,
    },
    /// It went over a limit.
    Limit(String),
    /// Something else.
    Error(RealiseError),
}

/// What may run, how, and on what.
pub struct Engine<'a> {
    /// Content and cache.
    pub store: &'a Disk,
    /// Runs the commands.
    pub executor: &'a dyn Executor,
    /// How many actions run at once.
    pub jobs: usize,
    /// What each may use.
    pub limits: Limits,
    /// How strong the sandbox is.
    pub isolation: Isolation,
    /// Whether the rest goes on when something has failed.
    pub keep_going: bool,
    /// Stops everything.
    pub cancel: Cancel,
    /// Executes everything again, and compares what comes of it with what is there.
    pub again: Option<&'a Comparison>,
    /// What trees come to.
    pub merged: Merged,
}

/// What was computed of trees, and is the same for many actions.
#[derive(Debug, Default)]
pub struct Merged {
    /// Merged trees by their layers.
    layers: Mutex<HashMap<Vec<Digest<Tree>>, Digest<Tree>>>,
    listings: Listings,
}

/// What became of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Actions executed.
    pub executed: usize,
    /// Nodes whose result was there.
    pub cached: usize,
    /// Nodes that failed.
    pub failed: usize,
    /// Nodes that were not built because of a failure.
    pub skipped: usize,
}

#[derive(Debug)]
enum Event {
    /// Another process runs the same action.
    Waits(Digest<Action>),
    Early(Digest<Action>, File),
    Ended(Digest<Action>, Box<Executed>),
}

/// A result that is known, where from, and what is known of what was looked at when it was made.
#[derive(Debug)]
struct Known {
    result: ActionResult,
    source: Source,
    seen: Observed,
}

/// What came of an execution: a result, or why there is none, with what the program printed.
type Executed = Result<Known, Box<(Cause, Option<ActionResult>)>>;

/// What came of one action outside a graph.
#[derive(Debug)]
pub struct Ran {
    /// Its key.
    pub action: Digest<Action>,
    /// Its result and how it got that, or why there is none, with what the program printed.
    pub outcome: Result<(ActionResult, Source), (Cause, Option<ActionResult>)>,
}

impl Ran {
    /// The result.
    ///
    /// # Errors
    /// When there is none, with what the program printed; `what` is the action's name.
    pub fn result(self, what: &str, store: &dyn Content) -> Result<ActionResult, RealiseError> {
        match self.outcome {
            Ok((result, _)) => Ok(result),
            Err((Cause::Error(error), _)) => Err(error),
            Err((cause, result)) => {
                let (mut output, mut problem) = (String::new(), "it went over a limit".to_owned());
                if let Some(result) = result {
                    for stream in [result.stdout, result.stderr] {
                        output.push_str(&String::from_utf8_lossy(&store.get(stream)?));
                    }
                }
                match cause {
                    Cause::Exit { code, .. } => problem = format!("it ended with exit code {code}"),
                    Cause::Limit(limit) => problem = format!("it went over its limit: {limit}"),
                    Cause::Error(_) => {}
                }
                Err(RealiseError::Step { what: what.to_owned(), problem, output })
            }
        }
    }
}

impl std::fmt::Debug for Engine<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("jobs", &self.jobs)
            .field("isolation", &self.isolation)
            .finish_non_exhaustive()
    }
}

impl Engine<'_> {
    /// Runs a whole graph.
    ///
    /// # Errors
    /// [`RealiseError::Cancelled`], or when the jobserver can't be made. A failed node is not an error here:
    /// [`Events::failed`] tells it, and the summary counts it.
    pub fn run(&self, work: &mut dyn Work, events: &mut dyn Events) -> Result<Summary, RealiseError> {
        let tokens = Tokens::new(self.jobs).map_err(RealiseError::io("make the jobserver's pipe"))?;
        let (sender, inbox) = inbox().map_err(RealiseError::io("make an event descriptor"))?;
        std::thread::scope(|scope| {
            let unkeyed = tokens.unkeyed();
            let spawn = |digest: Digest<Action>, bound: Bound| {
                let (report, unkeyed) = (Report::new(digest, sender.clone()), unkeyed.clone());
                scope.spawn(move || {
                    let outcome = self.execute(digest, &bound, &unkeyed, Some(&report.sender));
                    report.ended(outcome);
                });
            };
            Run::new(self, work, events, &tokens).drive(&inbox, &spawn)
        })
    }

    /// The result of an action, if it is known, and where from.
    fn known(&self, digest: Digest<Action>, bound: &Bound) -> Result<Option<Known>, RealiseError> {
        if self.again.is_some() {
            return Ok(None);
        }
        if let Some(result) = self.store.result(digest)? {
            return Ok(Some(Known { result, source: Source::Cached, seen: None }));
        }
        self.learned(bound)
    }

    /// The merged tree of layers.
    fn base(&self, layers: &[Digest<Tree>]) -> Result<Digest<Tree>, RealiseError> {
        let merged = || self.merged.layers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(base) = merged().get(layers) {
            return Ok(*base);
        }
        let base = merge_layers(self.store, layers)?;
        merged().insert(layers.to_vec(), base);
        Ok(base)
    }

    /// Runs one action outside a graph: a planning step.
    ///
    /// # Errors
    /// When it fails, with what it printed.
    pub fn run_one(
        &self,
        what: &str,
        command: &Command,
        inputs: &InputRoot,
    ) -> Result<ActionResult, RealiseError> {
        let bound = Bound {
            command: command.clone(),
            inputs: inputs.clone(),
            observe: BTreeSet::new(),
            early: None,
            is_fingerprinted: false,
        };
        self.run_bound(&bound)?.result(what, self.store)
    }

    /// Runs one action outside a graph, whatever comes of it.
    ///
    /// # Errors
    /// When its inputs can't be put together, or the cache can't be read. That it fails is none: see [`Ran`].
    pub fn run_bound(&self, bound: &Bound) -> Result<Ran, RealiseError> {
        let action = self.key(&bound.command, &bound.inputs)?;
        if let Some(result) = self.store.result(action)? {
            return Ok(Ran { action, outcome: Ok((result, Source::Cached)) });
        }
        let outcome = match self.execute(action, bound, &Unkeyed::default(), None) {
            Ok(Known { result, source, seen: _ }) => Ok((result, source)),
            Err(failed) => Err(*failed),
        };
        Ok(Ran { action, outcome })
    }

    /// An action's key, and its result where that is in the cache.
    ///
    /// # Errors
    /// As [`Self::run_bound`].
    pub fn look_up_one(&self, bound: &Bound) -> Result<(Digest<Action>, Option<ActionResult>), RealiseError> {
        let action = self.key(&bound.command, &bound.inputs)?;
        Ok((action, self.store.result(action)?))
    }

    /// An action's key. Nothing is stored: the executor takes the parts, and nobody asks for the whole by digest.
    fn key(&self, command: &Command, inputs: &InputRoot) -> Result<Digest<Action>, RealiseError> {
        Ok(self.action(&Unstored(self.store), command, inputs)?.digest())
    }

    /// Stores an action with its command and its input root, so that it can be looked at and run again.
    fn keep(&self, bound: &Bound) -> Result<(), RealiseError> {
        let action = self.action(self.store, &bound.command, &bound.inputs)?;
        self.store.put(&action.encode())?;
        Ok(())
    }

    fn action(
        &self,
        store: &dyn Content,
        command: &Command,
        inputs: &InputRoot,
    ) -> Result<ActionKey, RealiseError> {
        let input_root = inputs.tree(store, Some(self.base(&inputs.layers)?))?;
        let command = store.put(&command.encode())?;
        Ok(ActionKey { command, input_root, isolation: self.isolation })
    }

    fn execute(
        &self,
        digest: Digest<Action>,
        bound: &Bound,
        unkeyed: &Unkeyed,
        sender: Option<&Sender>,
    ) -> Executed {
        let broken = |error: RealiseError| Box::new((Cause::Error(error), None));
        let mut waits = || {
            if let Some(sender) = sender {
                sender.send(Event::Waits(digest));
            }
        };
        let _lock =
            self.store.lock(digest, &self.cancel, &mut waits).map_err(|error| broken(error.into()))?;
        let kept = self.store.result(digest).map_err(|error| broken(error.into()))?;
        let kept = match (kept, self.again) {
            (Some(result), None) => return Ok(Known { result, source: Source::Cached, seen: None }),
            (kept, _) => kept,
        };
        // What is made again may be otherwise from the first: nobody takes it before it was compared.
        let sender = sender.filter(|_| self.again.is_none());
        let request = Request {
            command: &bound.command,
            inputs: &bound.inputs,
            isolation: self.isolation,
            limits: self.limits,
            unkeyed,
            observe: &bound.observe,
            cancel: &self.cancel,
        };
        let mut observer = Announcements { digest, early: bound.early.as_ref(), sender };
        match self.executor.execute(&request, &mut observer) {
            Outcome::Succeeded(result, observed) => {
                if let (Some(comparison), Some(kept)) = (self.again, kept) {
                    comparison.compare(digest, &kept, &result);
                    return Ok(Known { result: kept, source: Source::Executed, seen: observed });
                }
                self.store.record(digest, &result).map_err(|error| broken(error.into()))?;
                // What can't be written down costs time later, and no more.
                let _ = self.learn(digest, bound, &observed);
                Ok(Known { result, source: Source::Executed, seen: observed })
            }
            Outcome::Failed(result, missed) => {
                self.keep(bound).map_err(broken)?;
                Err(Box::new((Cause::Exit { code: result.exit_code, missed }, Some(result))))
            }
            Outcome::OverLimit { limit, result } => {
                self.keep(bound).map_err(broken)?;
                Err(Box::new((Cause::Limit(limit), Some(result))))
            }
            Outcome::Cancelled => Err(broken(RealiseError::Cancelled)),
            Outcome::Broken(error) => Err(broken(error.into())),
        }
    }
}

/// Tells how an execution ended, whatever happens to its thread: the run waits for it.
struct Report {
    digest: Digest<Action>,
    sender: Sender,
    is_sent: bool,
}

impl Report {
    const fn new(digest: Digest<Action>, sender: Sender) -> Self {
        Self { digest, sender, is_sent: false }
    }

    fn ended(mut self, outcome: Executed) {
        self.send(outcome);
    }

    fn send(&mut self, outcome: Executed) {
        self.is_sent = true;
        self.sender.send(Event::Ended(self.digest, Box::new(outcome)));
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        if !self.is_sent {
            let error = RealiseError::io("run an action")(std::io::Error::other("its thread has panicked"));
            self.send(Err(Box::new((Cause::Error(error), None))));
        }
    }
}

/// Listens for rustc's word that a crate's metadata is complete.
struct Announcements<'a> {
    digest: Digest<Action>,
    early: Option<&'a RelPath>,
    sender: Option<&'a Sender>,
}

impl Observer for Announcements<'_> {
    fn line(&mut self, stream: Stream, line: &[u8], running: &dyn Running) {
        let (Some(path), Some(sender), Stream::Err) = (self.early, self.sender, stream) else { return };
        if !line.starts_with(b"{\"$message_type\":\"artifact\"") || !contains(line, b"\"emit\":\"metadata\"")
        {
            return;
        }
        // A failure here is not lost: the file is collected again, or missed, at the end.
        if let Ok(file) = running.collect(path) {
            sender.send(Event::Early(self.digest, file));
            self.early = None;
        }
    }
}

fn contains(line: &[u8], part: &[u8]) -> bool {
    line.windows(part.len()).any(|window| window == part)
}
