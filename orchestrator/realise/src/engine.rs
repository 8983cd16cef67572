//! Drives a graph of actions through cache and executor.
//!
//! One thread holds all state; each running action has a thread of its own that only executes and reports.
//! Per action: bind (its inputs are known) → key → the same action may run already: follow it → cache hit →
//! lock (another process may run it) → cache again → execute → record.

use std::collections::{BTreeMap, HashMap};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use xbuild_action::{
    ActionCache as _, ActionKey, ActionResult, Cancel, Command, ContentExt as _, Executor, File, InputRoot,
    Isolation, Limits, Observer, Outcome, Request, Running, Stream, Unkeyed, merge_layers,
};
use xbuild_base::{Action, Digest, RelPath, Tree};
use xbuild_plan::queue::{Node, Queue};
use xbuild_plan::{Bound, Work};
use xbuild_store::Disk;

use crate::error::RealiseError;
use crate::tokens::Tokens;

/// How a node got its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// It was executed in this run.
    Executed,
    /// The result was in the cache, or another node of this run has the same action.
    Cached,
}

/// Hears how a run goes. Called from the scheduling thread alone.
pub trait Events {
    /// A node's process was started.
    fn started(&mut self, node: Node, action: Digest<Action>);
    /// A node's metadata was given out, its process goes on.
    fn metadata(&mut self, node: Node);
    /// A node succeeded.
    fn succeeded(&mut self, node: Node, success: &Success<'_>);
    /// A node failed.
    fn failed(&mut self, node: Node, failure: &Failure);
    /// Nothing happened for a moment: a chance to redraw.
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
}

/// Why a node could not be built.
#[derive(Debug)]
pub enum Cause {
    /// The program ended with this exit code.
    Exit(i32),
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

enum Event {
    Early(Digest<Action>, File),
    Ended(Digest<Action>, Box<Executed>),
}

/// What came of an execution: a result, or why there is none, with what the program printed.
type Executed = Result<(ActionResult, Source), Box<(Cause, Option<ActionResult>)>>;

/// The nodes that wait for one action's execution.
struct InFlight {
    nodes: Vec<Node>,
    command: Command,
    early: Option<File>,
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
        let (sender, receiver) = channel();
        std::thread::scope(|scope| {
            let mut run = Run {
                engine: self,
                queue: Queue::new(&work.nodes()),
                work,
                events,
                unkeyed: tokens.unkeyed(),
                tokens: &tokens,
                layers: HashMap::new(),
                in_flight: BTreeMap::new(),
                summary: Summary::default(),
                stopping: false,
            };
            let spawn = |digest: Digest<Action>, bound: Bound, unkeyed: Unkeyed, sender: Sender<Event>| {
                scope.spawn(move || {
                    let outcome = self.execute(digest, &bound, &unkeyed, Some(&sender));
                    let _ = sender.send(Event::Ended(digest, Box::new(outcome)));
                });
            };
            run.drive(&receiver, &sender, &spawn)
        })
    }

    /// Takes from the cache whatever is there, executes nothing, and returns the nodes that would have to be
    /// executed: those with no result, and those whose inputs are not known for want of one.
    ///
    /// # Errors
    /// When a node can't be bound, or the cache can't be read.
    pub fn missing(&self, work: &mut dyn Work) -> Result<Vec<Node>, RealiseError> {
        let mut queue = Queue::new(&work.nodes());
        let mut layers = HashMap::new();
        let mut missing = Vec::new();
        while let Some(node) = queue.take() {
            let bound = work.bind(node)?;
            let base = self.base(&mut layers, &bound.inputs.layers)?;
            match self.store.result(self.key(&bound.command, &bound.inputs, Some(base))?)? {
                Some(result) => {
                    work.succeeded(node, &result)?;
                    queue.succeeded(node);
                }
                None => {
                    missing.push(node);
                    missing.extend(queue.failed(node));
                }
            }
        }
        missing.sort_unstable();
        Ok(missing)
    }

    /// The merged tree of layers: it is the same for thousands of actions.
    fn base(
        &self,
        known: &mut HashMap<Vec<Digest<Tree>>, Digest<Tree>>,
        layers: &[Digest<Tree>],
    ) -> Result<Digest<Tree>, RealiseError> {
        if let Some(base) = known.get(layers) {
            return Ok(*base);
        }
        let base = merge_layers(self.store, layers)?;
        known.insert(layers.to_vec(), base);
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
        let key = self.key(command, inputs, None)?;
        if let Some(result) = self.store.result(key)? {
            return Ok(result);
        }
        let bound = Bound { command: command.clone(), inputs: inputs.clone(), early: None };
        let failed = match self.execute(key, &bound, &Unkeyed::default(), None) {
            Ok((result, _)) => return Ok(result),
            Err(failed) => *failed,
        };
        match failed {
            (Cause::Error(error), _) => Err(error),
            (cause, result) => {
                let (mut output, mut problem) = (String::new(), "it went over a limit".to_owned());
                if let Some(result) = result {
                    for stream in [result.stdout, result.stderr] {
                        output.push_str(&String::from_utf8_lossy(&self.store.get(stream)?));
                    }
                }
                match cause {
                    Cause::Exit(code) => problem = format!("it ended with exit code {code}"),
                    Cause::Limit(limit) => problem = format!("it went over its limit: {limit}"),
                    Cause::Error(_) => {}
                }
                Err(RealiseError::Step { what: what.to_owned(), problem, output })
            }
        }
    }

    fn key(
        &self,
        command: &Command,
        inputs: &InputRoot,
        base: Option<Digest<Tree>>,
    ) -> Result<Digest<Action>, RealiseError> {
        let input_root = inputs.tree(self.store, base)?;
        let command = self.store.put(&command.encode())?;
        let key = ActionKey { command, input_root, isolation: self.isolation };
        Ok(key.digest())
    }

    fn execute(
        &self,
        digest: Digest<Action>,
        bound: &Bound,
        unkeyed: &Unkeyed,
        sender: Option<&Sender<Event>>,
    ) -> Executed {
        let broken = |error: RealiseError| Box::new((Cause::Error(error), None));
        let _lock =
            self.store.lock(digest, &self.cancel, &mut || {}).map_err(|error| broken(error.into()))?;
        if let Some(result) = self.store.result(digest).map_err(|error| broken(error.into()))? {
            return Ok((result, Source::Cached));
        }
        let request = Request {
            command: &bound.command,
            inputs: &bound.inputs,
            isolation: self.isolation,
            limits: self.limits,
            unkeyed,
            cancel: &self.cancel,
        };
        let mut observer = Announcements { digest, early: bound.early.as_ref(), sender };
        match self.executor.execute(&request, &mut observer) {
            Outcome::Succeeded(result) => {
                self.store.record(digest, &result).map_err(|error| broken(error.into()))?;
                Ok((result, Source::Executed))
            }
            Outcome::Failed(result) => Err(Box::new((Cause::Exit(result.exit_code), Some(result)))),
            Outcome::OverLimit { limit, result } => Err(Box::new((Cause::Limit(limit), Some(result)))),
            Outcome::Cancelled => Err(broken(RealiseError::Cancelled)),
            Outcome::Broken(error) => Err(broken(error.into())),
        }
    }
}

/// Listens for rustc's word that a crate's metadata is complete.
struct Announcements<'a> {
    digest: Digest<Action>,
    early: Option<&'a RelPath>,
    sender: Option<&'a Sender<Event>>,
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
            let _ = sender.send(Event::Early(self.digest, file));
            self.early = None;
        }
    }
}

fn contains(line: &[u8], part: &[u8]) -> bool {
    line.windows(part.len()).any(|window| window == part)
}

/// The state of one run.
struct Run<'r> {
    engine: &'r Engine<'r>,
    queue: Queue,
    work: &'r mut dyn Work,
    events: &'r mut dyn Events,
    tokens: &'r Tokens,
    unkeyed: Unkeyed,
    layers: HashMap<Vec<Digest<Tree>>, Digest<Tree>>,
    in_flight: BTreeMap<Digest<Action>, InFlight>,
    summary: Summary,
    stopping: bool,
}

type Spawn<'s> = dyn Fn(Digest<Action>, Bound, Unkeyed, Sender<Event>) + 's;

impl Run<'_> {
    fn drive(
        &mut self,
        receiver: &Receiver<Event>,
        sender: &Sender<Event>,
        spawn: &Spawn<'_>,
    ) -> Result<Summary, RealiseError> {
        let mut waiting: Option<(Node, Digest<Action>, Bound)> = None;
        loop {
            if self.engine.cancel.is_cancelled() {
                self.stopping = true;
            }
            // Start what can be started: cached nodes at once, others as tokens allow.
            while !self.stopping {
                let Some((node, digest, bound)) = waiting.take().or_else(|| self.next()) else { break };
                let token = self.tokens.try_take().map_err(RealiseError::io("read the jobserver's pipe"))?;
                if !token {
                    waiting = Some((node, digest, bound));
                    break;
                }
                let command = bound.command.clone();
                self.in_flight.insert(digest, InFlight { nodes: vec![node], command, early: None });
                self.events.started(node, digest);
                spawn(digest, bound, self.unkeyed.clone(), sender.clone());
            }
            if self.in_flight.is_empty() && (self.stopping || waiting.is_none()) {
                if self.stopping || !self.queue.has_ready() {
                    break;
                }
                continue;
            }
            if self.in_flight.is_empty() {
                // Tokens were lost with a killed process.
                self.tokens.refill().map_err(RealiseError::io("fill the jobserver's pipe"))?;
                continue;
            }
            // A token that rustc puts back isn't an event: look again soon while something waits for one.
            let patience = Duration::from_millis(if waiting.is_some() { 5 } else { 100 });
            match receiver.recv_timeout(patience) {
                Ok(event) => self.handle(event)?,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => self.events.tick(),
            }
        }
        if self.engine.cancel.is_cancelled() {
            return Err(RealiseError::Cancelled);
        }
        self.summary.skipped += self.queue.unfinished();
        Ok(self.summary)
    }

    /// The next node that must be executed; those with a result are finished on the way.
    fn next(&mut self) -> Option<(Node, Digest<Action>, Bound)> {
        while let Some(node) = self.queue.take() {
            match self.look_up(node) {
                Ok(Some((digest, bound))) => return Some((node, digest, bound)),
                Ok(None) => {}
                Err(error) => self.fail(vec![node], None, None, Cause::Error(error), None),
            }
            if self.stopping {
                return None;
            }
        }
        None
    }

    /// Binds a node. `None` when its result is there already or will come from an action that runs.
    fn look_up(&mut self, node: Node) -> Result<Option<(Digest<Action>, Bound)>, RealiseError> {
        let bound = self.work.bind(node)?;
        let base = self.engine.base(&mut self.layers, &bound.inputs.layers)?;
        let digest = self.engine.key(&bound.command, &bound.inputs, Some(base))?;
        if let Some(running) = self.in_flight.get_mut(&digest) {
            running.nodes.push(node);
            if let Some(file) = running.early {
                self.work.early(node, file);
                self.queue.metadata(node);
            }
            return Ok(None);
        }
        if let Some(result) = self.engine.store.result(digest)? {
            if let Err(error) = self.succeed(node, digest, Source::Cached, &result) {
                self.fail(vec![node], Some(digest), None, Cause::Error(error), Some(result));
            }
            return Ok(None);
        }
        Ok(Some((digest, bound)))
    }

    fn handle(&mut self, event: Event) -> Result<(), RealiseError> {
        match event {
            Event::Early(digest, file) => {
                let Some(running) = self.in_flight.get_mut(&digest) else { return Ok(()) };
                running.early = Some(file);
                for node in running.nodes.clone() {
                    self.work.early(node, file);
                    self.queue.metadata(node);
                    self.events.metadata(node);
                }
            }
            Event::Ended(digest, outcome) => {
                self.tokens.put().map_err(RealiseError::io("write the jobserver's pipe"))?;
                let Some(running) = self.in_flight.remove(&digest) else { return Ok(()) };
                match *outcome {
                    Ok((result, source)) => {
                        for (place, node) in running.nodes.into_iter().enumerate() {
                            let source = if place == 0 { source } else { Source::Cached };
                            if let Err(error) = self.succeed(node, digest, source, &result) {
                                let result = Some(result.clone());
                                self.fail(vec![node], Some(digest), None, Cause::Error(error), result);
                            }
                        }
                    }
                    Err(failed) => {
                        let (cause, result) = *failed;
                        self.fail(running.nodes, Some(digest), Some(running.command), cause, result);
                    }
                }
            }
        }
        Ok(())
    }

    fn succeed(
        &mut self,
        node: Node,
        digest: Digest<Action>,
        source: Source,
        result: &ActionResult,
    ) -> Result<(), RealiseError> {
        let stderr = self.engine.store.get(result.stderr)?;
        self.work.succeeded(node, result)?;
        self.queue.succeeded(node);
        match source {
            Source::Executed => self.summary.executed += 1,
            Source::Cached => self.summary.cached += 1,
        }
        let warnings = self.work.warnings(node);
        self.events.succeeded(node, &Success { action: digest, source, stderr: &stderr, warnings });
        Ok(())
    }

    fn fail(
        &mut self,
        nodes: Vec<Node>,
        action: Option<Digest<Action>>,
        command: Option<Command>,
        cause: Cause,
        result: Option<ActionResult>,
    ) {
        let mut streams = [Vec::new(), Vec::new()];
        if let Some(result) = result {
            // What can't be read back is shown as nothing; the failure itself is what counts.
            streams = [result.stdout, result.stderr]
                .map(|digest| self.engine.store.get(digest).unwrap_or_default());
        }
        let [stdout, stderr] = streams;
        let mut dependents = 0;
        let first = nodes.first().copied();
        for node in nodes {
            self.summary.failed += 1;
            let dead = self.queue.failed(node).len();
            self.summary.skipped += dead;
            dependents += dead;
        }
        if matches!(cause, Cause::Error(RealiseError::Cancelled)) {
            self.stopping = true;
            return;
        }
        if !self.engine.keep_going {
            self.stopping = true;
        }
        if let Some(node) = first {
            self.events.failed(node, &Failure { action, command, cause, stdout, stderr, dependents });
        }
    }
}
