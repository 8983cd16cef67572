//! What of a graph is in the cache, with nothing executed.

use xbuild_action::ActionResult;
use xbuild_plan::Work;
use xbuild_plan::queue::{Node, Queue};

use super::{Engine, Source};
use crate::error::RealiseError;
use crate::threads::in_threads;

/// For fewer nodes a thread takes longer to start than it has to do.
const WORTH_A_THREAD: usize = 8;

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
        let mut queue = Queue::new(&work.nodes());
        let mut missing = Vec::new();
        loop {
            // All of these can be bound by now, at once.
            let nodes: Vec<Node> = std::iter::from_fn(|| queue.take()).collect();
            if nodes.is_empty() {
                break;
            }
            let threads = self.jobs.min(nodes.len() / WORTH_A_THREAD);
            let looked = {
                let work: &dyn Work = work;
                in_threads(threads, &nodes, |&node| self.look_up(work, node, always_learned))
            };
            for (node, result) in nodes.into_iter().zip(looked) {
                match result? {
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
        }
        missing.sort_unstable();
        Ok(missing)
    }

    /// The result of a node, where it is known.
    fn look_up(
        &self,
        work: &dyn Work,
        node: Node,
        always_learned: bool,
    ) -> Result<Option<ActionResult>, RealiseError> {
        let bound = work.bind(node)?;
        let key = self.key(&bound.command, &bound.inputs)?;
        let Some((result, source)) = self.known(key, &bound)? else { return Ok(None) };
        if always_learned && source == Source::Cached {
            self.learned(&bound)?;
        }
        Ok(Some(result))
    }
}
