//! A store, a sandbox with this program in it, and an engine that builds one node.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use xbuild_action::{
    ActionResult, Cancel, Command, Content as _, ContentExt as _, Entry, Executor, File, InputRoot,
    Isolation, Limits, Observed, Outcome, Request, Silent, TreeBuilder, Unkeyed,
};
use xbuild_base::{Action, Digest, RelPath, Tree};
use xbuild_exec::Sandbox;
use xbuild_plan::queue::{Node, Wait};
use xbuild_plan::{Bound, PlanError, Work};
use xbuild_realise::engine::{Engine, Events, Failure, Source, Success, Summary};
use xbuild_store::Disk;

use crate::package::Package;
use crate::program::{MAIN, Step};

/// Root becomes this user.
const NOBODY: (u32, u32) = (65534, 65534);

pub(crate) fn path(text: &str) -> RelPath {
    RelPath::new(text).unwrap()
}

pub(crate) struct World {
    pub(crate) store: Arc<Disk>,
    pub(crate) sandbox: Sandbox,
    tools: Digest<Tree>,
    _folder: tempfile::TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let owner = rustix::process::geteuid().is_root().then_some(NOBODY);
        let store = Arc::new(Disk::open(&folder.path().join("store"), owner).unwrap());
        let sandbox = Sandbox::new(store.clone());
        let tools = tools(&store);
        Self { store, sandbox, tools, _folder: folder }
    }

    /// The action of a program over a package.
    pub(crate) fn bound(&self, package: &Package, program: &[Step]) -> Bound {
        let mut inputs = InputRoot { layers: vec![self.tools], ..InputRoot::default() };
        package.mount(&*self.store, &mut inputs);
        let command = Command {
            argv: vec!["/usr/bin/tool".to_owned(), MAIN.to_owned(), serde_json::to_string(program).unwrap()],
            environment: BTreeMap::new(),
            working_directory: path("build/ws"),
            outputs: BTreeSet::from([path("build/out")]),
        };
        inputs.directories.insert(path("build/out"));
        // Of another action.
        for name in ["a", "x"] {
            let file = File { digest: self.store.put(name.as_bytes()).unwrap(), executable: false };
            inputs.files.insert(path(&format!("build/made/{name}")), file);
        }
        let observe = BTreeSet::from([path("build/ws"), path("build/ws/n")]);
        Bound { command, inputs, observe, early: None, is_fingerprinted: false }
    }

    pub(crate) fn engine<'a>(&'a self, executor: &'a dyn Executor) -> Engine<'a> {
        Engine {
            store: &self.store,
            executor,
            jobs: 1,
            limits: limits(),
            isolation: Isolation::Full,
            keep_going: false,
            cancel: Cancel::default(),
            again: None,
            merged: Default::default(),
        }
    }

    /// What an action makes when nothing is known of it.
    pub(crate) fn clean(&self, bound: &Bound) -> ActionResult {
        let request = Request {
            command: &bound.command,
            inputs: &bound.inputs,
            isolation: Isolation::Full,
            limits: limits(),
            unkeyed: &Unkeyed::default(),
            observe: &BTreeSet::new(),
            cancel: &Cancel::default(),
        };
        match self.sandbox.execute(&request, &mut Silent) {
            Outcome::Succeeded(result, _) => result,
            other => panic!("{other:?}"),
        }
    }

    /// What the program saw, in its own words.
    pub(crate) fn log(&self, result: &ActionResult) -> String {
        let Some(xbuild_action::Output::Tree(out)) = result.outputs.get("build/out") else {
            panic!("{result:?}")
        };
        let mut out = TreeBuilder::from_tree(*out);
        let Some(Entry::File(log)) = out.get(&*self.store, &path("log")).unwrap() else { panic!("no log") };
        String::from_utf8(self.store.get(log.digest).unwrap()).unwrap()
    }
}

fn limits() -> Limits {
    Limits { time: Duration::from_secs(120), ..Limits::default() }
}

/// Builds an action, and how its result was come by.
pub(crate) fn build(engine: &Engine<'_>, bound: Bound) -> (ActionResult, Source, Digest<Action>) {
    let (mut one, mut heard) = (One::new(bound), Heard::default());
    let summary = engine.run(&mut one, &mut heard).unwrap();
    assert_eq!(summary.failed, 0, "{:?}", heard.failures);
    let (source, action) = heard.source.unwrap();
    (one.result.unwrap(), source, action)
}

/// Builds an action, and what is known of what was looked at for it.
pub(crate) fn seen(engine: &Engine<'_>, bound: Bound) -> (Source, Observed) {
    let mut heard = Heard::default();
    engine.run(&mut One::new(bound), &mut heard).unwrap();
    (heard.source.unwrap().0, heard.seen)
}

/// A graph of one node.
pub(crate) struct One {
    bound: Bound,
    pub(crate) result: Option<ActionResult>,
    /// Whether nobody can make sense of the result.
    pub(crate) is_nonsense: bool,
}

impl One {
    pub(crate) fn new(bound: Bound) -> Self {
        Self { bound, result: None, is_nonsense: false }
    }

    pub(crate) fn run(&mut self, engine: &Engine<'_>) -> Summary {
        engine.run(self, &mut Heard::default()).unwrap()
    }
}

impl Work for One {
    fn nodes(&self) -> Vec<(u64, Vec<(Node, Wait)>)> {
        vec![(1, Vec::new())]
    }

    fn bind(&self, _: Node) -> Result<Bound, PlanError> {
        Ok(self.bound.clone())
    }

    fn early(&mut self, _: Node, _: File) {}

    fn succeeded(&mut self, _: Node, result: &ActionResult) -> Result<(), PlanError> {
        if self.is_nonsense {
            return Err(PlanError::MissingOutput { unit: "it".to_owned(), file: "sense".to_owned() });
        }
        self.result = Some(result.clone());
        Ok(())
    }

    fn warnings(&self, _: Node) -> &[String] {
        &[]
    }
}

#[derive(Default)]
struct Heard {
    source: Option<(Source, Digest<Action>)>,
    seen: Observed,
    failures: Vec<String>,
}

impl Events for Heard {
    fn started(&mut self, _: Node, _: Digest<Action>) {}
    fn waits(&mut self, _: Node) {}
    fn metadata(&mut self, _: Node) {}
    fn succeeded(&mut self, _: Node, success: &Success<'_>) {
        self.source = Some((success.source, success.action));
        self.seen.clone_from(success.seen);
    }
    fn failed(&mut self, _: Node, failure: &Failure) {
        self.failures.push(format!("{failure:?} {}", String::from_utf8_lossy(&failure.stderr)));
    }
    fn tick(&mut self) {}
}

/// This program as `/usr/bin/tool`, and the libraries that it loads.
fn tools(store: &Disk) -> Digest<Tree> {
    let mut builder = TreeBuilder::default();
    let mut insert = |from: &Path, to: &str, executable| {
        let file = File { digest: store.put_file(&fs_err::canonicalize(from).unwrap()).unwrap(), executable };
        builder.insert(store, &path(to), Entry::File(file)).unwrap();
    };
    let own = std::env::current_exe().unwrap();
    insert(&own, "usr/bin/tool", true);
    let listed = std::process::Command::new("ldd").arg(&own).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    for library in listed.split_whitespace().filter(|word| word.starts_with('/')) {
        let to = library.trim_start_matches('/');
        insert(
            Path::new(library),
            &if to.starts_with("usr/") { to.to_owned() } else { format!("usr/{to}") },
            true,
        );
    }
    for (link, target) in [("lib", "usr/lib"), ("lib64", "usr/lib64")] {
        builder.insert(store, &path(link), Entry::Symlink(target.to_owned())).unwrap();
    }
    builder.build(store).unwrap()
}
