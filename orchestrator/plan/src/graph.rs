//! Units become nodes of one graph over all targets, and nodes become actions.
//!
//! A node's command line is cargo's; its input root is put together here: the toolchain's trees, the package's
//! sources, the artefacts that it links to by their content, and the OUT_DIRs that it reads. What two graphs
//! share has the same action in both, and the scheduler runs it once.
//!
//! | module | what it holds |
//! |---|---|
//! | `packages` | what units see of the sources of packages |
//! | `fingerprint` | what actions are made from, in few bytes |
//! | `testing` | runs of tests over a graph that has been built |

mod fingerprint;
mod packages;
mod testing;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use xbuild_action::{
    ActionResult, Command, Content, ContentExt as _, Directory, Entry, File, InputRoot, Output,
};
use xbuild_base::{Digest, Sha256, Tree};
use xbuild_cargo::{ArtefactKind, Context, Effects, Mode, Need, TargetKind, UnitIndex};

use crate::label::{Checker, HOST, Label, What};
use crate::places::place;
use crate::queue::{Node, Wait};
use crate::sources::{PackageSources, Sources, lone_commit};
use crate::work::{Bound, Files, PlanError, Work};

pub use testing::{Runner, TestRuns};

/// The graph of one target and package set.
#[derive(Debug)]
pub struct Part {
    /// Its units and all that is known of them.
    pub context: Context,
    /// The toolchain's trees for host units.
    pub host_layers: Vec<Digest<Tree>>,
    /// The toolchain's trees for target units, and for build scripts that are run for the target.
    pub target_layers: Vec<Digest<Tree>>,
    /// All sources.
    pub sources: Arc<Sources>,
    /// By package name: paths from the package's folder that its build reads besides.
    pub include: BTreeMap<String, Vec<String>>,
    /// The trees of what compiles the workspace's own packages in rustc's place.
    pub wrapper: Vec<Digest<Tree>>,
    /// What units get besides, for the sake of crates: runs of build scripts, and what is linked with system libraries.
    pub native: BTreeMap<UnitIndex, Native>,
    /// Whether documentation is made of private items too.
    pub private_docs: bool,
    /// The units that are told of the commit that they are made from.
    pub stamps: BTreeMap<UnitIndex, Stamp>,
    /// The units that were asked for.
    pub wanted: BTreeSet<UnitIndex>,
    /// What people call the target.
    pub name: String,
}

impl Part {
    /// The units that the wanted ones need, themselves among them.
    #[must_use]
    pub fn needed(&self) -> BTreeSet<UnitIndex> {
        self.context.reachable(self.wanted.iter().copied())
    }
}

/// What a unit gets beside the toolchain, for the sake of the crates in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Native {
    /// Trees of tools and libraries, from the sandbox's root.
    pub layers: Vec<Digest<Tree>>,
    /// Environment variables; what cargo or the target sets comes first.
    pub environment: BTreeMap<String, String>,
}

/// What a unit is told of the commit that it is made from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stamp {
    /// Environment variables; they take the place of others.
    pub environment: BTreeMap<String, String>,
    /// The commit, 40 or 64 hexadecimal digits, and the bytes of its object, for those who look for a repository: one
    /// lies in the package's folder then, which has nothing else.
    pub commit: Option<(String, Vec<u8>)>,
}

/// A unit of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnitOf {
    /// Which part.
    pub part: usize,
    /// Which unit of it.
    pub unit: UnitIndex,
}

/// What a node left behind.
#[derive(Debug, Clone, Default)]
struct Made {
    files: Files,
    out_dir: Option<Digest<Tree>>,
    /// A checksum of its result, and of those of all that it was made from.
    fingerprint: Option<Sha256>,
    /// The packages, itself among them, whose folders are named in code that runs while others are built.
    folders: BTreeSet<String>,
}

/// One graph over several parts.
pub struct Graph<'s> {
    store: &'s dyn Content,
    parts: Vec<Part>,
    units: Vec<UnitOf>,
    nodes: HashMap<UnitOf, Node>,
    labels: Vec<Label>,
    edges: Vec<(u64, Vec<(Node, Wait)>)>,
    made: Vec<Made>,
    effects: Vec<Effects>,
    /// The sources of packages, by part.
    known: Vec<Arc<packages::Known>>,
}

impl std::fmt::Debug for Graph<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Graph").field("parts", &self.parts.len()).field("nodes", &self.units.len()).finish()
    }
}

impl<'s> Graph<'s> {
    /// Joins parts; of each only what the wanted units need.
    ///
    /// # Errors
    /// When a unit graph has a circle.
    pub fn new(store: &'s dyn Content, parts: Vec<Part>) -> Result<Self, PlanError> {
        let mut graph = Self {
            store,
            units: Vec::new(),
            nodes: HashMap::new(),
            labels: Vec::new(),
            edges: Vec::new(),
            made: Vec::new(),
            effects: parts.iter().map(|part| part.context.overrides().clone()).collect(),
            known: packages::known(&parts),
            parts: Vec::new(),
        };
        for (index, part) in parts.iter().enumerate() {
            let local = |name: &String| {
                part.context.packages().iter().any(|package| package.is_local() && package.name == *name)
            };
            if let Some(foreign) = part.include.iter().find(|(name, paths)| !paths.is_empty() && !local(name))
            {
                return Err(PlanError::ForeignInclude { package: foreign.0.clone() });
            }
            let needed = part.needed();
            part.context.check_crate_types(needed.iter().copied())?;
            for unit in part.context.graph().dependencies_first()? {
                if needed.contains(&unit) && !part.context.overrides().contains_key(&unit) {
                    graph.add(part, UnitOf { part: index, unit });
                }
            }
        }
        graph.made = vec![Made::default(); graph.units.len()];
        graph.parts = parts;
        Ok(graph)
    }

    /// What each node is called.
    #[must_use]
    pub fn labels(&self) -> &[Label] {
        &self.labels
    }

    /// The parts.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// How many nodes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.units.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    /// The node of a unit, if it is needed.
    #[must_use]
    pub fn node(&self, unit: UnitOf) -> Option<Node> {
        self.nodes.get(&unit).copied()
    }

    /// The unit of a node.
    #[must_use]
    pub fn unit(&self, node: Node) -> UnitOf {
        self.units[node]
    }

    /// What a node that has ended left in its output folder.
    #[must_use]
    pub fn files(&self, node: Node) -> &Files {
        &self.made[node].files
    }

    /// The output folder of a node that has ended, of a script's run or of documentation.
    #[must_use]
    pub fn output_tree(&self, node: Node) -> Option<Digest<Tree>> {
        self.made[node].out_dir
    }

    fn add(&mut self, part: &Part, unit: UnitOf) {
        let context = &part.context;
        let node = self.units.len();
        let needs = context.needs(unit.unit);
        let mut waits: BTreeMap<Node, Wait> = BTreeMap::new();
        let artefacts = needs
            .artefacts
            .iter()
            .map(|(&unit, &need)| (unit, if need == Need::Metadata { Wait::Metadata } else { Wait::End }));
        let scripts = needs.effects.iter().chain(&needs.script_directories).map(|&unit| (unit, Wait::End));
        for (dependency, wait) in artefacts.chain(scripts) {
            let dependency = UnitOf { part: unit.part, unit: dependency };
            if let Some(&node) = self.nodes.get(&dependency) {
                let strongest = waits.entry(node).or_insert(wait);
                *strongest = (*strongest).max(wait);
            }
        }
        self.units.push(unit);
        self.nodes.insert(unit, node);
        self.labels.push(label(part, unit.unit));
        self.edges.push((cost(context, unit.unit), waits.into_iter().collect()));
    }

    fn dependency(&self, of: UnitOf, unit: UnitIndex) -> Option<&Made> {
        let node = self.nodes.get(&UnitOf { part: of.part, unit })?;
        Some(&self.made[*node])
    }

    fn add_artefacts(&self, of: UnitOf, inputs: &mut InputRoot) -> Result<(), PlanError> {
        let context = &self.parts[of.part].context;
        for (unit, need) in context.needs(of.unit).artefacts {
            if need == Need::Program {
                continue;
            }
            let made = self.dependency(of, unit);
            for artefact in context.needed_files(unit, need) {
                match made.and_then(|made| made.files.get(&artefact.file)) {
                    Some(file) => {
                        inputs.files.insert(context.dependency_path(unit, artefact), *file);
                    }
                    None if artefact.kind == ArtefactKind::ImportLibrary => {}
                    None => return Err(self.missing(of.part, unit, &artefact.file)),
                }
            }
        }
        Ok(())
    }

    /// The packages whose folders are named in code that a unit runs: in a build script, in proc macros. A crate may
    /// look for files beside its sources, by `env!("CARGO_MANIFEST_DIR")`, wherever it has been linked into.
    fn folders_of_code(&self, of: UnitOf) -> BTreeSet<String> {
        let context = &self.parts[of.part].context;
        let runs = |&(unit, need): &(UnitIndex, Need)| {
            need == Need::Program || context.unit(unit).target.is_proc_macro()
        };
        let code = context.needs(of.unit).artefacts.into_iter().filter(runs);
        code.filter_map(|(unit, _)| self.dependency(of, unit)).flat_map(|made| made.folders.clone()).collect()
    }

    /// What [`Made::folders`] is for a unit that has been compiled for the host.
    fn folders(&self, of: UnitOf) -> Result<BTreeSet<String>, PlanError> {
        let context = &self.parts[of.part].context;
        let linked =
            context.unit(of.unit).dependencies.iter().filter_map(|edge| self.dependency(of, edge.index));
        let mut folders: BTreeSet<String> = linked.flat_map(|made| made.folders.clone()).collect();
        let files = &self.made[self.nodes[&of]].files;
        for (_, file) in files.iter().filter(|(name, _)| name.ends_with(".d")) {
            if xbuild_cargo::names_package_folder(&self.store.get(file.digest)?) {
                folders.insert(context.package(of.unit).id.clone());
            }
        }
        Ok(folders)
    }

    fn missing(&self, part: usize, unit: UnitIndex, file: &str) -> PlanError {
        PlanError::MissingOutput { unit: label(&self.parts[part], unit).to_string(), file: file.to_owned() }
    }
}

impl Work for Graph<'_> {
    fn nodes(&self) -> Vec<(u64, Vec<(Node, Wait)>)> {
        self.edges.clone()
    }

    fn bind(&self, node: Node) -> Result<Bound, PlanError> {
        let of = self.units[node];
        let own = &self.parts[of.part].context.package(of.unit).id;
        let PackageSources { mut mounts, mut files, edited: mut observe } =
            self.package_sources(of.part, own)?.sources.clone();
        let beside = self.sources_beside(of)?;
        files.extend(beside.files);
        observe.extend(beside.edited);
        for (folder, tree) in beside.mounts {
            mounts.entry(folder).or_insert(tree);
        }
        let part = &self.parts[of.part];
        let context = &part.context;
        let unit = context.unit(of.unit);
        let effects = &self.effects[of.part];

        let layers = if unit.platform.is_some() { &part.target_layers } else { &part.host_layers };
        let mut inputs = InputRoot { layers: layers.clone(), mounts, files, directories: BTreeSet::new() };
        if context.wrapper(of.unit).is_some() {
            inputs.layers.extend(&part.wrapper);
        }
        let mut early = None;
        let invocation = if unit.is_script_run() {
            let script = context.script_invocation(of.unit, effects)?;
            let file = self
                .dependency(of, script.program)
                .zip(context.needed_files(script.program, Need::Program).next())
                .and_then(|(made, artefact)| made.files.get(&artefact.file).copied())
                .ok_or_else(|| self.missing(of.part, script.program, script.program_path.as_str()))?;
            inputs.files.insert(script.program_path, file);
            script.invocation
        } else if unit.mode == Mode::Doc {
            let invocation = context.doc_invocation(of.unit, effects, part.private_docs)?;
            self.add_artefacts(of, &mut inputs)?;
            let pages = invocation.output.join(&place(xbuild_cargo::PAGES));
            let folders = context.documented_crates(of.unit);
            inputs.directories.extend(folders.iter().map(|name| pages.join(&place(name))));
            invocation
        } else {
            let invocation = context.rustc_invocation(of.unit, effects)?;
            self.add_artefacts(of, &mut inputs)?;
            let artefacts = context.artefacts(of.unit);
            let metadata = artefacts.iter().find(|artefact| artefact.kind == ArtefactKind::Metadata);
            early = metadata.map(|artefact| invocation.output.join(&place(&artefact.file)));
            invocation
        };
        for &run in &invocation.script_directories {
            let tree = self.dependency(of, run).and_then(|made| made.out_dir);
            let path = context.script_output_directory(run);
            match tree {
                Some(tree) => drop(inputs.mounts.insert(path, tree)),
                None => drop(inputs.directories.insert(path)),
            }
        }
        let mut packages = invocation.packages;
        packages.extend(self.folders_of_code(of));
        packages.remove(own);
        let mut is_fingerprinted = true;
        for id in &packages {
            let sources = self.package_sources(of.part, id)?.sources.clone();
            is_fingerprinted &= sources.edited.is_empty();
            inputs.mounts.extend(sources.mounts);
            inputs.files.extend(sources.files);
            observe.extend(sources.edited);
        }
        if !packages.is_empty() {
            // The workspace's manifest lies in a package that is mounted at the workspace's root.
            let mounts = &inputs.mounts;
            inputs.files.retain(|path, _| !mounts.keys().any(|mount| path.strip_prefix(mount).is_some()));
        }
        inputs.directories.insert(invocation.working_directory.clone());
        // Neither rustc nor a build script makes it.
        inputs.directories.insert(invocation.output.clone());
        let mut environment = invocation.environment;
        let part = &self.parts[of.part];
        if let Some(native) = part.native.get(&of.unit) {
            inputs.layers.extend(&native.layers);
            for (name, value) in &native.environment {
                environment.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
        if let Some(stamp) = part.stamps.get(&of.unit) {
            environment.extend(stamp.environment.clone());
            if let Some((commit, object)) = &stamp.commit {
                let repository = lone_commit(self.store, commit, object, false)?;
                let folder = part.context.package(of.unit).root.join(&place(".git"));
                inputs.mounts.insert(folder, repository);
            }
        }
        let command = Command {
            argv: invocation.argv,
            environment,
            working_directory: invocation.working_directory,
            outputs: BTreeSet::from([invocation.output]),
        };
        Ok(Bound { command, inputs, observe, early, is_fingerprinted })
    }

    fn fingerprint(&self) -> Option<Sha256> {
        Some(self.whole_fingerprint())
    }

    fn fingerprint_of(&self, node: Node) -> Result<Option<Sha256>, PlanError> {
        self.node_fingerprint(node)
    }

    fn early(&mut self, node: Node, file: File) {
        let of = self.units[node];
        let artefacts = self.parts[of.part].context.artefacts(of.unit);
        if let Some(metadata) = artefacts.iter().find(|artefact| artefact.kind == ArtefactKind::Metadata) {
            self.made[node].files.insert(metadata.file.clone(), file);
        }
    }

    fn succeeded(&mut self, node: Node, result: &ActionResult) -> Result<(), PlanError> {
        self.take(node, result)?;
        self.made[node].fingerprint = self.result_fingerprint(node, result);
        Ok(())
    }

    fn warnings(&self, node: Node) -> &[String] {
        let of = self.units[node];
        self.effects[of.part].get(&of.unit).map_or(&[], |effects| &effects.warnings)
    }
}

impl Graph<'_> {
    /// Makes sense of a node's result.
    fn take(&mut self, node: Node, result: &ActionResult) -> Result<(), PlanError> {
        let of = self.units[node];
        let context = &self.parts[of.part].context;
        let output = result.outputs.values().next();
        if context.unit(of.unit).is_script_run() {
            let stdout = self.store.get(result.stdout)?;
            let effects = context.parse_script_output(of.unit, &stdout)?;
            self.effects[of.part].insert(of.unit, Arc::new(effects));
            self.made[node].out_dir = match output {
                Some(Output::Tree(tree)) if *tree != Directory::default().digest() => Some(*tree),
                _ => None,
            };
            return Ok(());
        }
        if context.unit(of.unit).mode == Mode::Doc {
            self.made[node].out_dir = match output {
                Some(Output::Tree(tree)) => Some(*tree),
                _ => None,
            };
            return Ok(());
        }
        if let Some(Output::Tree(tree)) = output {
            let directory = self.store.directory(*tree)?;
            for (name, entry) in &directory.entries {
                if let Entry::File(file) = entry {
                    self.made[node].files.insert(name.clone(), *file);
                }
            }
        }
        for artefact in context.artefacts(of.unit) {
            let there = self.made[node].files.contains_key(&artefact.file);
            if !there && artefact.kind != ArtefactKind::ImportLibrary {
                return Err(self.missing(of.part, of.unit, &artefact.file));
            }
        }
        if context.unit(of.unit).platform.is_none() {
            self.made[node].folders = self.folders(of)?;
        }
        Ok(())
    }
}

/// A guess at how long a unit takes, only ever compared: linking and LTO take longest, and come last.
fn cost(context: &Context, unit: UnitIndex) -> u64 {
    let unit = context.unit(unit);
    match (unit.mode, unit.target.target_kind()) {
        (Mode::RunCustomBuild, _) => 8,
        (_, TargetKind::BuildScript) => 4,
        (_, TargetKind::Library) => 10,
        _ => 20,
    }
}

fn label(part: &Part, index: UnitIndex) -> Label {
    let context = &part.context;
    let (unit, package) = (context.unit(index), context.package(index));
    let what = match (unit.mode, unit.target.target_kind()) {
        (Mode::RunCustomBuild, _) => What::ScriptRun,
        (_, TargetKind::BuildScript) => What::BuildScript,
        (Mode::Test | Mode::CheckTest, kind) => What::Test(of_test(kind, &unit.target.name)),
        (Mode::Doctest, _) => What::TestRun("doc".to_owned()),
        (Mode::Doc, TargetKind::Library) => What::Docs(None),
        (Mode::Doc, _) => What::Docs(Some(unit.target.name.clone())),
        (_, TargetKind::Library) if unit.target.is_proc_macro() => What::ProcMacro,
        (_, TargetKind::Library) => What::Library,
        (_, TargetKind::Example) => What::Example(unit.target.name.clone()),
        _ => What::Binary(unit.target.name.clone()),
    };
    Label {
        package: package.name.clone(),
        version: package.version.to_string(),
        package_id: package.id.clone(),
        what,
        checker: unit.is_check().then(|| match context.wrapper(index) {
            Some(_) => Checker::Clippy,
            None => Checker::Rustc,
        }),
        platform: if unit.platform.is_some() { part.name.clone() } else { HOST.to_owned() },
        local: package.is_local(),
    }
}

/// What a test is called among those of its package.
fn of_test(kind: TargetKind, name: &str) -> String {
    match kind {
        TargetKind::Library | TargetKind::BuildScript => "lib".to_owned(),
        TargetKind::Binary => format!("bin {name}"),
        TargetKind::Test => format!("test {name}"),
        TargetKind::Benchmark => format!("bench {name}"),
        TargetKind::Example => format!("example {name}"),
    }
}
