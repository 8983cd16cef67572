//! What of a graph is in the cache, with nothing executed.

use std::collections::HashMap;

use xbuild_action::{ActionResult, Content as _, Output, StoreError};
use xbuild_base::{Action, Digest};
use xbuild_plan::Work;
use xbuild_plan::queue::{Node, Queue};

use super::remembered::Remembered;
use super::{Engine, Known, Source};
use crate::error::RealiseError;
use crate::threads::in_threads;

/// For fewer nodes a thread takes longer to start than it has to do.
const WORTH_A_THREAD: usize = 8;

/// A result, with its key where that is worth remembering.
type Found = (ActionResult, Option<Digest<Action>>);

impl Engine<'_> {
    /// Takes from the cache whatever is there, executes nothing, and returns the nodes that would have to be
    /// executed: those with no result, and those whose inputs are not known for want of one.
    ///
    /// # Errors
    /// When a node can't be bound, or the cache can't be read.
    pub fn missing(&self, work: &mut dyn Work) -> Result<Vec<Node>, RealiseError> {
        self.look_up_all(work, false)
    }

    /// As [`Self::missing`]; what was learned of an action is looked up too where its result is known without: so the
    /// store takes note of all that is of use to these nodes, and to those that an edit makes of them.
    ///
    /// # Errors
    /// As [`Self::missing`].
    pub fn missing_of_all_lookups(&self, work: &mut dyn Work) -> Result<Vec<Node>, RealiseError> {
        self.look_up_all(work, true)
    }

    fn look_up_all(&self, work: &mut dyn Work, always_learned: bool) -> Result<Vec<Node>, RealiseError> {
        let remembered = if always_learned { Remembered::default() } else { self.remembered(work) };
        let recorded = self.recorded(&remembered)?;
        let mut queue = Queue::new(&work.nodes());
        let (mut missing, mut keys, mut is_news) = (Vec::new(), Vec::new(), false);
        loop {
            let mut nodes = Vec::new();
            while let Some(node) = queue.take() {
                let key = self.recall(work, node, &remembered)?;
                let result = key.and_then(|key| Some((key, recorded.get(&key)?)));
                match result {
                    // What somebody has deleted is looked for below.
                    Some((key, result)) if work.succeeded(node, result).is_ok() => {
                        queue.succeeded(node);
                        keys.push((node, key));
                    }
                    _ => nodes.push(node),
                }
            }
            if nodes.is_empty() {
                break;
            }
            // All of these can be bound by now, at once.
            let threads = self.jobs.min(nodes.len() / WORTH_A_THREAD);
            let looked = {
                let work: &dyn Work = work;
                in_threads(threads, &nodes, |&node| self.look_up(work, node, always_learned))
            };
            for (node, found) in nodes.into_iter().zip(looked) {
                match found? {
                    Some((result, key)) => {
                        work.succeeded(node, &result)?;
                        queue.succeeded(node);
                        is_news |= key.is_some();
                        keys.extend(key.map(|key| (node, key)));
                    }
                    None => {
                        missing.push(node);
                        missing.extend(queue.failed(node));
                    }
                }
            }
        }
        missing.sort_unstable();
        if is_news {
            self.remember(work, keys);
        }
        Ok(missing)
    }

    /// The results of all keys that are remembered: more of them are read at once than nodes can be looked at.
    fn recorded(
        &self,
        remembered: &Remembered,
    ) -> Result<HashMap<Digest<Action>, ActionResult>, RealiseError> {
        let keys: Vec<_> = remembered.keys().collect();
        let results = in_threads(self.jobs, &keys, |&key| {
            let result = self.store.recorded_result(key)?;
            // They will be asked for, and the store keeps them in mind.
            for output in result.iter().flat_map(|result| result.outputs.values()) {
                if let Output::Tree(tree) = output {
                    let _ = self.store.directory(*tree);
                }
            }
            Ok::<_, StoreError>(result)
        });
        let mut recorded = HashMap::new();
        for (key, result) in keys.into_iter().zip(results) {
            recorded.extend(result?.map(|result| (key, result)));
        }
        Ok(recorded)
    }

    /// The key of a node, where it is remembered.
    fn recall(
        &self,
        work: &dyn Work,
        node: Node,
        remembered: &Remembered,
    ) -> Result<Option<Digest<Action>>, RealiseError> {
        let key = remembered.key(work, node)?;
        if cfg!(debug_assertions)
            && let Some(key) = key
        {
            let bound = work.bind(node)?;
            assert_eq!(key, self.key(&bound.command, &bound.inputs)?, "the key of node {node} is another");
        }
        Ok(key)
    }

    /// The result of a node where it is known.
    fn look_up(
        &self,
        work: &dyn Work,
        node: Node,
        always_learned: bool,
    ) -> Result<Option<Found>, RealiseError> {
        let bound = work.bind(node)?;
        let key = self.key(&bound.command, &bound.inputs)?;
        let Some(Known { result, source, seen: _ }) = self.known(key, &bound)? else { return Ok(None) };
        if always_learned && source == Source::Cached {
            self.learned(&bound)?;
        }
        let is_remembered = source == Source::Cached && bound.is_fingerprinted;
        Ok(Some((result, is_remembered.then_some(key))))
    }
}
