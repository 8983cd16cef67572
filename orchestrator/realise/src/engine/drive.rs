//! The state of one run, and the loop that drives it.
//!
//! A token that an ended action held goes straight to the next action: given to the pipe, it would be taken by a
//! compiler for one more thread, and the action on the longest way would wait for that thread's end.

use std::collections::{BTreeMap, BinaryHeap};
use std::time::{Duration, Instant};

use xbuild_action::{ActionCache as _, ActionResult, Command, ContentExt as _, File};
use xbuild_base::{Action, Digest};
use xbuild_plan::queue::{Node, Queue};
use xbuild_plan::{Bound, Work};

use super::inbox::Inbox;
use super::{Cause, Engine, Event, Events, Failure, Known, Source, Success, Summary};
use crate::error::RealiseError;
use crate::tokens::Tokens;

/// So many actions are made ready while there is no token for them: cached ones behind them are found meanwhile.
const READY: usize = 16;

/// How long it may take until a cancellation is seen, and the display is drawn anew.
const PATIENCE: Duration = Duration::from_millis(100);

/// The nodes that wait for one action's execution.
struct InFlight {
    nodes: Vec<Node>,
    command: Command,
    early: Option<File>,
}

/// An action that waits for a token. The one on the longest way is the greatest.
struct Ready {
    priority: u64,
    node: Node,
    digest: Digest<Action>,
    bound: Bound,
}

impl Ready {
    fn rank(&self) -> (u64, std::cmp::Reverse<Node>) {
        (self.priority, std::cmp::Reverse(self.node))
    }
}

impl PartialEq for Ready {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

impl Eq for Ready {}

impl PartialOrd for Ready {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ready {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank().cmp(&other.rank())
    }
}

/// The state of one run.
pub(super) struct Run<'r> {
    engine: &'r Engine<'r>,
    queue: Queue,
    work: &'r mut dyn Work,
    events: &'r mut dyn Events,
    tokens: &'r Tokens,
    /// Tokens of actions that have ended, not yet given to others.
    held: usize,
    ready: BinaryHeap<Ready>,
    in_flight: BTreeMap<Digest<Action>, InFlight>,
    summary: Summary,
    stopping: bool,
    next_tick: Instant,
    /// The keys of nodes that are worth remembering.
    keys: BTreeMap<Node, Digest<Action>>,
}

/// Starts an action in a thread of its own.
pub(super) type Spawn<'s> = dyn Fn(Digest<Action>, Bound) + 's;

impl<'r> Run<'r> {
    pub(super) fn new(
        engine: &'r Engine<'r>,
        work: &'r mut dyn Work,
        events: &'r mut dyn Events,
        tokens: &'r Tokens,
    ) -> Self {
        Self {
            engine,
            queue: Queue::new(&work.nodes()),
            work,
            events,
            tokens,
            held: 0,
            ready: BinaryHeap::new(),
            in_flight: BTreeMap::new(),
            summary: Summary::default(),
            stopping: false,
            next_tick: Instant::now(),
            keys: BTreeMap::new(),
        }
    }

    pub(super) fn drive(mut self, inbox: &Inbox, spawn: &Spawn<'_>) -> Result<Summary, RealiseError> {
        loop {
            if self.engine.cancel.is_cancelled() {
                self.stopping = true;
            }
            self.start(spawn)?;
            // Nobody of ours wants them: compilers may have more threads.
            while self.held > 0 {
                self.tokens.put().map_err(RealiseError::io("write the jobserver's pipe"))?;
                self.held -= 1;
            }
            if self.in_flight.is_empty() {
                // A killed process keeps what it held.
                self.tokens.refill().map_err(RealiseError::io("fill the jobserver's pipe"))?;
                if self.stopping || (self.ready.is_empty() && self.queue.next_priority().is_none()) {
                    break;
                }
                continue;
            }
            let wanted = (!self.stopping && !self.ready.is_empty()).then(|| self.tokens.free());
            inbox.wait(wanted, PATIENCE).map_err(RealiseError::io("wait for what runs"))?;
            while let Some(event) = inbox.next() {
                self.handle(event);
            }
            if self.next_tick <= Instant::now() {
                self.events.tick();
                self.next_tick = Instant::now() + PATIENCE;
            }
        }
        if self.engine.cancel.is_cancelled() {
            return Err(RealiseError::Cancelled);
        }
        let unfinished = self.queue.unfinished();
        if self.summary.failed == 0 && unfinished > 0 {
            return Err(RealiseError::Unfinished(unfinished));
        }
        self.summary.skipped += unfinished;
        if self.engine.again.is_none() && self.summary.failed == 0 {
            self.engine.remember(self.work, self.keys);
        }
        Ok(self.summary)
    }

    /// Starts what can be started: cached nodes are finished at once, others as tokens allow.
    fn start(&mut self, spawn: &Spawn<'_>) -> Result<(), RealiseError> {
        while !self.stopping && !self.engine.cancel.is_cancelled() {
            let first = self.ready.peek().map(|ready| (ready.priority, ready.node, ready.digest));
            // What has just become possible may be on a longer way than all that waits: it is looked at first.
            let is_outranked = first
                .is_some_and(|(priority, ..)| self.queue.next_priority().is_some_and(|next| next > priority));
            match first {
                // Two nodes with one action may have waited for tokens side by side.
                Some((_, node, digest)) if self.join(node, digest) => drop(self.ready.pop()),
                Some(_) if !is_outranked && self.take_token()? => {
                    let Some(Ready { node, digest, bound, .. }) = self.ready.pop() else { break };
                    let command = bound.command.clone();
                    self.in_flight.insert(digest, InFlight { nodes: vec![node], command, early: None });
                    self.events.started(node, digest);
                    spawn(digest, bound);
                }
                Some(_) if !is_outranked && self.ready.len() >= READY => break,
                _ => {
                    let Some(node) = self.queue.take() else { break };
                    match self.look_up(node) {
                        Ok(ready) => self.ready.extend(ready),
                        Err(error) => self.fail(vec![node], None, None, Cause::Error(error), None),
                    }
                }
            }
        }
        Ok(())
    }

    fn take_token(&mut self) -> Result<bool, RealiseError> {
        if self.held > 0 {
            self.held -= 1;
            return Ok(true);
        }
        self.tokens.try_take().map_err(RealiseError::io("read the jobserver's pipe"))
    }

    /// Binds a node. `None` when its result is there already or will come from an action that runs.
    fn look_up(&mut self, node: Node) -> Result<Option<Ready>, RealiseError> {
        let bound = self.work.bind(node)?;
        let digest = self.engine.key(&bound.command, &bound.inputs)?;
        self.events.bound(node, digest, &bound);
        if bound.is_fingerprinted {
            self.keys.insert(node, digest);
        }
        if self.join(node, digest) {
            return Ok(None);
        }
        if let Some(known) = self.engine.known(digest, &bound)? {
            if let Source::Learned(_) = known.source {
                // The next time the first key knows.
                self.engine.store.record(digest, &known.result)?;
            }
            self.succeed(vec![node], digest, known);
            return Ok(None);
        }
        Ok(Some(Ready { priority: self.queue.priority(node), node, digest, bound }))
    }

    /// Lets a node have what comes of an action that runs. Whether it runs.
    fn join(&mut self, node: Node, digest: Digest<Action>) -> bool {
        let Some(running) = self.in_flight.get_mut(&digest) else { return false };
        running.nodes.push(node);
        if let Some(file) = running.early {
            self.work.early(node, file);
            self.queue.metadata(node);
        }
        true
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Waits(digest) => {
                for node in self.in_flight.get(&digest).map_or(&[][..], |running| &running.nodes) {
                    self.events.waits(*node);
                }
            }
            Event::Early(digest, file) => {
                let Some(running) = self.in_flight.get_mut(&digest) else { return };
                running.early = Some(file);
                for node in running.nodes.clone() {
                    self.work.early(node, file);
                    self.queue.metadata(node);
                    self.events.metadata(node);
                }
            }
            Event::Ended(digest, outcome) => {
                self.held += 1;
                let Some(running) = self.in_flight.remove(&digest) else { return };
                match *outcome {
                    Ok(known) => self.succeed(running.nodes, digest, known),
                    Err(failed) => {
                        let (cause, result) = *failed;
                        self.fail(running.nodes, Some(digest), Some(running.command), cause, result);
                    }
                }
            }
        }
    }

    /// Takes a result for all nodes of its action, the first of which may have executed it.
    fn succeed(&mut self, nodes: Vec<Node>, digest: Digest<Action>, mut known: Known) {
        for node in nodes {
            if let Err(error) = self.take(node, digest, &known) {
                // What can't be made sense of must not be met again: the next run tries anew.
                let mut forgotten = self.engine.store.forget_result(digest);
                if let Source::Learned(from) = known.source {
                    forgotten = forgotten.and(self.engine.store.forget_result(from));
                }
                let cause = Cause::Error(forgotten.err().map_or(error, RealiseError::from));
                self.fail(vec![node], Some(digest), None, cause, Some(known.result.clone()));
            }
            known.source = Source::Cached;
        }
    }

    fn take(&mut self, node: Node, digest: Digest<Action>, known: &Known) -> Result<(), RealiseError> {
        let Known { result, source, seen } = known;
        let stderr = self.engine.store.get(result.stderr)?;
        self.work.succeeded(node, result)?;
        self.queue.succeeded(node);
        match source {
            Source::Executed => self.summary.executed += 1,
            Source::Cached | Source::Learned(_) => self.summary.cached += 1,
        }
        let warnings = self.work.warnings(node);
        let success = Success { action: digest, source: *source, stderr: &stderr, warnings, result, seen };
        self.events.succeeded(node, &success);
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
        let times = result.as_ref().map(|result| result.times);
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
            let failure = Failure { action, command, cause, stdout, stderr, dependents, times };
            self.events.failed(node, &failure);
        }
    }
}
