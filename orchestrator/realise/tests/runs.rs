//! Runs over graphs of made-up actions, with an executor that does nothing but count.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use xbuild_action::{
    ActionResult, Cancel, Command, Content as _, ContentExt as _, Directory, Executor, File, InputRoot,
    Isolation, Limits, Observer, Outcome, Output, Request, Times,
};
use xbuild_base::{Action, Digest, RelPath};
use xbuild_plan::queue::{Node, Wait};
use xbuild_plan::{Bound, PlanError, Work};
use xbuild_realise::engine::{Engine, Events, Failure, Success, Summary};
use xbuild_store::Disk;

/// Counts how often each program was run.
struct Counting {
    store: Arc<Disk>,
    runs: Mutex<BTreeMap<String, usize>>,
    /// The program that fails.
    fails: Option<String>,
}

impl Executor for Counting {
    fn execute(&self, request: &Request<'_>, _: &mut dyn Observer) -> Outcome {
        let program = request.command.argv[0].clone();
        *self.runs.lock().unwrap().entry(program.clone()).or_default() += 1;
        // Others get ready meanwhile.
        std::thread::sleep(Duration::from_micros(300));
        let empty = self.store.put(b"").unwrap();
        let tree = self.store.put_directory(&Directory::default()).unwrap();
        let failed = self.fails.as_ref() == Some(&program);
        let result = ActionResult {
            outputs: [(RelPath::new("out").unwrap(), Output::Tree(tree))].into(),
            exit_code: i32::from(failed),
            stdout: empty,
            stderr: empty,
            isolation: Isolation::Full,
            times: Times::default(),
        };
        if failed { Outcome::Failed(result, Vec::new()) } else { Outcome::Succeeded(result, None) }
    }
}

/// Nodes with the number of the action that each is.
struct Made {
    nodes: Vec<(usize, Vec<Node>)>,
    ended: Vec<Node>,
}

impl Work for Made {
    fn nodes(&self) -> Vec<(u64, Vec<(Node, Wait)>)> {
        let edges = |needs: &[Node]| needs.iter().map(|&node| (node, Wait::End)).collect();
        self.nodes.iter().map(|(action, needs)| (*action as u64 + 1, edges(needs))).collect()
    }

    fn bind(&self, node: Node) -> Result<Bound, PlanError> {
        let (action, needs) = &self.nodes[node];
        assert!(needs.iter().all(|need| self.ended.contains(need)), "{node} began before {needs:?}");
        let command = Command {
            argv: vec![action.to_string()],
            environment: BTreeMap::new(),
            working_directory: RelPath::root(),
            outputs: BTreeSet::new(),
        };
        Ok(Bound {
            command,
            inputs: InputRoot::default(),
            observe: BTreeSet::new(),
            early: None,
            is_fingerprinted: false,
        })
    }

    fn early(&mut self, _: Node, _: File) {}

    fn succeeded(&mut self, node: Node, _: &ActionResult) -> Result<(), PlanError> {
        self.ended.push(node);
        Ok(())
    }

    fn warnings(&self, _: Node) -> &[String] {
        &[]
    }
}

struct Silent;

impl Events for Silent {
    fn started(&mut self, _: Node, _: Digest<Action>) {}
    fn waits(&mut self, _: Node) {}
    fn metadata(&mut self, _: Node) {}
    fn succeeded(&mut self, _: Node, _: &Success<'_>) {}
    fn failed(&mut self, _: Node, _: &Failure) {}
    fn tick(&mut self) {}
}

/// What became of a run, and how often each program was run.
fn run(
    nodes: Vec<(usize, Vec<Node>)>,
    jobs: usize,
    fails: Option<usize>,
) -> (Summary, Made, BTreeMap<String, usize>) {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Disk::open(&folder.path().join("store"), None).unwrap());
    let fails = fails.map(|action| action.to_string());
    let executor = Counting { store: Arc::clone(&store), runs: Mutex::default(), fails };
    let engine = Engine {
        store: &store,
        executor: &executor,
        jobs,
        limits: Limits::default(),
        isolation: Isolation::Full,
        keep_going: true,
        cancel: Cancel::default(),
        again: None,
        merged: Default::default(),
    };
    let mut work = Made { nodes, ended: Vec::new() };
    let summary = engine.run(&mut work, &mut Silent).unwrap();
    let runs = executor.runs.lock().unwrap().clone();
    (summary, work, runs)
}

fn graphs() -> impl Strategy<Value = Vec<(usize, Vec<Node>)>> {
    let node = (0usize..6, prop::collection::vec(any::<prop::sample::Index>(), 0..3));
    prop::collection::vec(node, 1..40).prop_map(|nodes| {
        let needs = |at: usize, needs: Vec<prop::sample::Index>| {
            let needs = needs.into_iter().filter(|_| at > 0).map(|need| need.index(at));
            needs.collect::<BTreeSet<_>>().into_iter().collect()
        };
        nodes.into_iter().enumerate().map(|(at, (action, more))| (action, needs(at, more))).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Few actions for many nodes, and few jobs: equal ones wait side by side, run, and are there already.
    #[test]
    fn every_node_ends_and_every_action_is_executed_once(nodes in graphs(), jobs in 1usize..4) {
        let actions: BTreeSet<String> = nodes.iter().map(|(action, _)| action.to_string()).collect();
        let count = nodes.len();
        let (summary, work, runs) = run(nodes, jobs, None);
        prop_assert_eq!(work.ended.len(), count);
        prop_assert_eq!(work.ended.iter().collect::<BTreeSet<_>>().len(), count);
        let cached = count - actions.len();
        prop_assert_eq!(summary, Summary { executed: actions.len(), cached, ..Summary::default() });
        prop_assert_eq!(runs, actions.into_iter().map(|action| (action, 1)).collect::<BTreeMap<_, _>>());
    }

    /// What needs a failed node is skipped, and nothing else.
    #[test]
    fn a_failure_takes_along_what_needs_it(nodes in graphs(), jobs in 1usize..4) {
        let mut dead = BTreeSet::new();
        for (node, (action, needs)) in nodes.iter().enumerate() {
            if *action == 0 || needs.iter().any(|need| dead.contains(need)) {
                dead.insert(node);
            }
        }
        let count = nodes.len();
        let (summary, work, _) = run(nodes, jobs, Some(0));
        prop_assert_eq!(work.ended.len(), count - dead.len());
        prop_assert!(work.ended.iter().all(|node| !dead.contains(node)));
        prop_assert_eq!(summary.failed + summary.skipped, dead.len());
    }
}
