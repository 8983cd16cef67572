//! The ready queue: which action may start next. A value with no threads in it.
//!
//! Actions of all targets are in one queue. The one with the longest way still to go after it goes first, so
//! that the build's critical path is never left waiting; ties are broken by the order of insertion, so that the
//! order is the same in every run.

use std::collections::BinaryHeap;

/// A node of the queue, by its place in the list that the queue was made from.
pub type Node = usize;

/// What an edge waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wait {
    /// The dependency's metadata, which its process gives out before it ends (cargo's pipelining).
    Metadata,
    /// The dependency's end.
    End,
}

/// How far a node has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Waiting,
    Ready,
    Taken,
    Metadata,
    Ended,
    /// It failed, or something that it needs did.
    Dead,
}

#[derive(Debug)]
struct Item {
    /// What it still waits for.
    missing: usize,
    state: State,
    priority: u64,
    dependents: Vec<(Node, Wait)>,
}

/// The queue over one build's graph.
#[derive(Debug)]
pub struct Queue {
    items: Vec<Item>,
    ready: BinaryHeap<(u64, std::cmp::Reverse<Node>)>,
    unfinished: usize,
}

impl Queue {
    /// Makes the queue of a graph: for each node its cost (any unit, only compared) and what it waits for.
    /// Dependencies come before their dependents in the list.
    ///
    /// # Panics
    /// When a node depends on itself or on a later one: a graph from cargo is always given in order.
    #[must_use]
    pub fn new(nodes: &[(u64, Vec<(Node, Wait)>)]) -> Self {
        let mut items: Vec<Item> = nodes
            .iter()
            .map(|(cost, _)| Item {
                missing: 0,
                state: State::Waiting,
                priority: *cost,
                dependents: Vec::new(),
            })
            .collect();
        for (node, (_, dependencies)) in nodes.iter().enumerate() {
            items[node].missing = dependencies.len();
            for &(dependency, wait) in dependencies {
                assert!(dependency < node, "dependencies come first");
                items[dependency].dependents.push((node, wait));
            }
        }
        for node in (0..items.len()).rev() {
            let after = items[node].dependents.iter().map(|&(next, _)| items[next].priority).max();
            items[node].priority += after.unwrap_or(0);
        }
        let mut queue = Self { unfinished: items.len(), items, ready: BinaryHeap::new() };
        for node in 0..queue.items.len() {
            queue.make_ready(node);
        }
        queue
    }

    /// Takes the next node that can start.
    pub fn take(&mut self) -> Option<Node> {
        self.next_priority()?;
        let (_, std::cmp::Reverse(node)) = self.ready.pop()?;
        self.items[node].state = State::Taken;
        Some(node)
    }

    /// How long the way is that begins with a node, in the unit of the costs.
    #[must_use]
    pub fn priority(&self, node: Node) -> u64 {
        self.items[node].priority
    }

    /// The priority of the node that [`Self::take`] would give; `None` when no node can start.
    pub fn next_priority(&mut self) -> Option<u64> {
        while let Some(&(priority, std::cmp::Reverse(node))) = self.ready.peek() {
            if self.items[node].state == State::Ready {
                return Some(priority);
            }
            // It died with what it needs.
            self.ready.pop();
        }
        None
    }

    /// Notes that a taken node has given out its metadata.
    pub fn metadata(&mut self, node: Node) {
        if self.items[node].state == State::Taken {
            self.items[node].state = State::Metadata;
            self.release(node, Wait::Metadata);
        }
    }

    /// Notes that a taken node has succeeded.
    pub fn succeeded(&mut self, node: Node) {
        self.metadata(node);
        if self.items[node].state == State::Metadata {
            self.items[node].state = State::Ended;
            self.unfinished -= 1;
            self.release(node, Wait::End);
        }
    }

    /// Notes that a node has failed. Returns every node that can't be built because of it.
    pub fn failed(&mut self, node: Node) -> Vec<Node> {
        let mut dead = Vec::new();
        let mut stack = vec![node];
        while let Some(next) = stack.pop() {
            if matches!(self.items[next].state, State::Dead | State::Ended) {
                continue;
            }
            if next != node {
                if matches!(self.items[next].state, State::Taken | State::Metadata) {
                    // It runs already, on the metadata: its own end will tell.
                    continue;
                }
                dead.push(next);
            }
            self.items[next].state = State::Dead;
            self.unfinished -= 1;
            stack.extend(self.items[next].dependents.iter().map(|&(dependent, _)| dependent));
        }
        dead.sort_unstable();
        dead
    }

    /// How many nodes have neither succeeded nor failed.
    #[must_use]
    pub const fn unfinished(&self) -> usize {
        self.unfinished
    }

    fn release(&mut self, node: Node, event: Wait) {
        let dependents = std::mem::take(&mut self.items[node].dependents);
        for &(dependent, wait) in &dependents {
            if wait == event {
                self.items[dependent].missing -= 1;
                self.make_ready(dependent);
            }
        }
        self.items[node].dependents = dependents;
    }

    fn make_ready(&mut self, node: Node) {
        let item = &mut self.items[node];
        if item.missing == 0 && item.state == State::Waiting {
            item.state = State::Ready;
            self.ready.push((item.priority, std::cmp::Reverse(node)));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_longest_way_goes_first() {
        // 0 → 2 → 3 and 1 alone: the chain's head first, though 1 costs more than 0.
        let mut queue =
            Queue::new(&[(1, vec![]), (3, vec![]), (1, vec![(0, Wait::End)]), (5, vec![(2, Wait::End)])]);
        assert_eq!((queue.take(), queue.take(), queue.take()), (Some(0), Some(1), None));
        queue.succeeded(0);
        assert_eq!(queue.take(), Some(2));
    }

    #[test]
    fn metadata_lets_only_those_start_that_wait_for_no_more() {
        let mut queue = Queue::new(&[(1, vec![]), (1, vec![(0, Wait::Metadata)]), (1, vec![(0, Wait::End)])]);
        assert_eq!(queue.take(), Some(0));
        queue.metadata(0);
        assert_eq!((queue.take(), queue.take()), (Some(1), None));
        queue.succeeded(0);
        assert_eq!(queue.take(), Some(2));
        queue.succeeded(1);
        queue.succeeded(2);
        assert_eq!(queue.unfinished(), 0);
    }

    #[test]
    fn a_failure_takes_its_dependents_along_and_nobody_else() {
        let mut queue =
            Queue::new(&[(1, vec![]), (1, vec![]), (1, vec![(0, Wait::End)]), (1, vec![(2, Wait::End)])]);
        assert_eq!(queue.take(), Some(0));
        assert_eq!(queue.failed(0), [2, 3]);
        assert_eq!(queue.take(), Some(1));
        queue.succeeded(1);
        assert_eq!((queue.take(), queue.unfinished()), (None, 0));
    }

    fn graphs() -> impl Strategy<Value = Vec<(u64, Vec<(Node, Wait)>)>> {
        let edge = (any::<prop::sample::Index>(), any::<bool>());
        prop::collection::vec((1u64..100, prop::collection::vec(edge, 0..4)), 1..40).prop_map(|nodes| {
            nodes
                .into_iter()
                .enumerate()
                .map(|(node, (cost, edges))| {
                    let mut edges: Vec<_> = edges
                        .into_iter()
                        .filter(|_| node > 0)
                        .map(|(at, end)| (at.index(node), if end { Wait::End } else { Wait::Metadata }))
                        .collect();
                    edges.sort_unstable();
                    edges.dedup_by_key(|edge| edge.0);
                    (cost, edges)
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn every_order_is_a_topological_order(graph in graphs()) {
            let mut queue = Queue::new(&graph);
            let (mut ended, mut taken) = (vec![false; graph.len()], 0);
            while let Some(node) = queue.take() {
                taken += 1;
                for &(dependency, _) in &graph[node].1 {
                    prop_assert!(ended[dependency]);
                }
                queue.succeeded(node);
                ended[node] = true;
            }
            prop_assert_eq!(taken, graph.len());
            prop_assert_eq!(queue.unfinished(), 0);
        }
    }
}
