//! `[step.NAME]` and `[fetch.NAME]`: programs that are run, in the sandbox and cached like units, where something needs
//! what they make: a package's build, an image, an archive.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use xbuild_action::{ActionResult, Command, Entry, File, InputRoot, Output, TreeBuilder, TreeError, lookup};
use xbuild_base::{Digest, RelPath, Tree, Triple};
use xbuild_describe::{
    ComponentName, Fetch, InputOutput, PackageSettings, PackageVersion, Step, StepPart, StepSource, suggest,
    suggest_or,
};
use xbuild_fetch::toolchain::beside;
use xbuild_fetch::{FetchError, FixedOutput, Place, Unpack, is_stand_in};
use xbuild_output::Row;
use xbuild_plan::Bound;
use xbuild_plan::graph::{Part, UnitOf};
use xbuild_plan::label::Label;
use xbuild_plan::places::place;
use xbuild_plan::planning::environment;
use xbuild_plan::reasons::Component;

use crate::error::XbuildError;
use crate::history::{Taken, UnitRecord};
use crate::packages::Grounds;
use crate::work::{Undone, Work};

/// Where a step runs.
const FOLDER: &str = "build/step";
/// Where a package's build finds what steps have made for it.
const INPUTS: &str = "build/inputs";
/// Where the sandbox has its programs.
const PROGRAMS: &str = "usr/bin";

/// What becomes of steps that something is needed of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Making {
    /// They are run where what they make is not there.
    Run,
    /// What is not there is not made: a file that no step makes stands in for it, so that nothing that was ever made of what
    /// steps make can be taken for what would be made of it.
    LookUp,
    /// Nothing is looked at: who takes what is all that is wanted.
    Skip,
}

/// The steps of which units find what they make.
pub(crate) type Takers = BTreeMap<UnitOf, BTreeSet<String>>;

/// What the units of graphs are given of steps.
#[derive(Debug, Default)]
pub(crate) struct Provided {
    pub(crate) takers: Takers,
    /// The actions of all steps that are needed for it, unless nothing was looked at.
    pub(crate) actions: Vec<StepAction>,
}

/// The action of a step.
#[derive(Debug)]
pub(crate) struct StepAction {
    pub(crate) label: Label,
    pub(crate) bound: Bound,
    /// Where comes from what it takes, by place.
    pub(crate) takes: BTreeMap<RelPath, Taken>,
    /// Whether what it makes is there.
    pub(crate) is_made: bool,
}

/// What steps make, for those who need it.
pub(crate) struct Steps<'s> {
    work: &'s Work<'s>,
    /// The sandbox's root without a step's own tools.
    layers: Vec<Digest<Tree>>,
    making: Making,
    /// What was looked at by now.
    actions: RefCell<Vec<StepAction>>,
}

impl Provided {
    /// The steps that would be run, by their names.
    pub(crate) fn unmade(&self) -> impl Iterator<Item = (&str, &StepAction)> {
        let unmade = self.actions.iter().filter(|step| !step.is_made);
        unmade.map(|step| (step.label.package.as_str(), step))
    }
}

impl<'s> Steps<'s> {
    /// Fetches what the sandbox needs.
    pub(crate) fn new(work: &'s Work<'s>) -> Result<Self, XbuildError> {
        let (making, actions) = (Making::Run, RefCell::default());
        Ok(Self { work, layers: work.host_layers()?, making, actions })
    }

    /// What a step makes, or a part of it, for a variant and target that have these outputs.
    pub(crate) fn part(&self, part: &StepPart, outputs: &[&Row]) -> Result<Entry, XbuildError> {
        let Some(made) = self.make(&part.name, outputs)? else { return self.stand_in(&part.name) };
        let mut tree = TreeBuilder::from_tree(made);
        let found = if part.path.is_root() {
            Some(Entry::Directory(made))
        } else {
            tree.get(self.work.content(), &part.path).ok().flatten()
        };
        found.ok_or_else(|| {
            let help = "name what it makes, from the folder where it runs";
            XbuildError::user(format!("the step `{}` has made no `{}`", part.name, part.path), help)
        })
    }

    /// Fetches all that a step is made from, and what it needs of others; nothing is run.
    pub(crate) fn fetch(&self, name: &str, target: &Triple) -> Result<(), XbuildError> {
        let step = self.work.described().description.steps.steps.get(name).ok_or_else(|| unknown(name))?;
        let mut tools = BTreeSet::new();
        for tool in &step.tools {
            match InputOutput::parse(tool) {
                Some(output) => self.work.fetch_input(&output, self.work.host())?,
                None => drop(tools.insert(tool.clone())),
            }
        }
        self.tools(&tools)?;
        for source in step.inputs.values() {
            match source {
                StepSource::Fetch(name) => drop(self.fetched(name)?),
                StepSource::Step(part) => self.fetch(&part.name, target)?,
                StepSource::Input(output) => self.work.fetch_input(output, target)?,
                StepSource::Project(_) | StepSource::Output(_) => {}
            }
        }
        Ok(())
    }

    /// What a step makes; nothing where that is not there, and isn't made now.
    fn make(&self, name: &str, outputs: &[&Row]) -> Result<Option<Digest<Tree>>, XbuildError> {
        let step = self.work.described().description.steps.steps.get(name).ok_or_else(|| unknown(name))?;
        let bound = self.bind(name, step, outputs)?;
        let made = match self.making {
            Making::Run => Some(self.run(name, step, &bound, outputs)?),
            Making::LookUp | Making::Skip => {
                let (_, result) = self.work.engine().look_up_one(&bound)?;
                result.map(|result| self.made(name, step, &result)).transpose()?
            }
        };
        let (label, is_made) = (Label::step(name), made.is_some());
        let mut actions = self.actions.borrow_mut();
        if actions.iter().all(|known| known.label != label) {
            actions.push(StepAction { label, bound, takes: takes(step), is_made });
        }
        Ok(made)
    }

    /// Runs a step's program, if its result is not there.
    fn run(
        &self,
        name: &str,
        step: &Step,
        bound: &Bound,
        outputs: &[&Row],
    ) -> Result<Digest<Tree>, XbuildError> {
        let (work, history) = (self.work, self.work.history());
        let ran = work.engine().run_bound(bound)?;
        if let Some(unit) = UnitRecord::of_ran(&Label::step(name), bound, &ran) {
            history.note(UnitRecord { graph: graph(outputs), takes: takes(step), ..unit });
        }
        let result = ran.result(&format!("the step `{name}`"), work.content());
        let made = result.map_err(XbuildError::from).and_then(|result| self.made(name, step, &result));
        if made.is_err() {
            // Nothing is built now that it could be kept with.
            history.add(work.store(), Vec::new())?;
        }
        made
    }

    /// The file that stands in for what a step would make.
    fn stand_in(&self, name: &str) -> Result<Entry, XbuildError> {
        let what = format!("what the step `{name}` would make");
        Ok(Entry::File(self.work.stand_in(&what)?))
    }

    /// What a step's program is run over; the steps that it takes something of are run for it.
    fn bind(&self, name: &str, step: &Step, outputs: &[&Row]) -> Result<Bound, XbuildError> {
        let store = self.work.content();
        let folder = place(FOLDER);
        let mut inputs = TreeBuilder::default();
        for (to, source) in &step.inputs {
            inputs.insert(store, to, self.source(name, source, outputs)?).map_err(FetchError::from)?;
        }
        let inputs = inputs.build(store).map_err(FetchError::from)?;
        let parents = step.outputs.iter().filter_map(RelPath::parent).map(|parent| folder.join(&parent));
        let inputs = InputRoot {
            layers: self.layers_of(step)?,
            mounts: [(folder.clone(), inputs)].into(),
            files: BTreeMap::new(),
            directories: parents.chain([folder.clone()]).collect(),
        };
        // What stands in for tools has no programs.
        if !inputs.layers.iter().any(|&layer| is_stand_in(store, layer)) {
            self.check_program(name, step, &inputs.layers)?;
        }
        let mut environment = environment(&[]);
        environment.extend(step.env.clone());
        let command = Command {
            argv: argv(&step.argv, &folder),
            environment,
            working_directory: folder.clone(),
            outputs: step.outputs.iter().map(|output| folder.join(output)).collect(),
        };
        Ok(Bound { command, inputs, observe: BTreeSet::new(), early: None, is_fingerprinted: false })
    }

    /// The tree of what a step has made.
    fn made(&self, name: &str, step: &Step, result: &ActionResult) -> Result<Digest<Tree>, XbuildError> {
        let (store, folder) = (self.work.content(), place(FOLDER));
        let mut made = TreeBuilder::default();
        for output in &step.outputs {
            let entry = match result.outputs.get(&folder.join(output)) {
                Some(Output::File(file)) => Entry::File(*file),
                Some(Output::Tree(tree)) => Entry::Directory(*tree),
                None => {
                    return Err(XbuildError::user(
                        format!("the step `{name}` ended well, and has not made `{output}`"),
                        "correct its `argv`, or its `outputs`, which are paths from the folder where it runs",
                    ));
                }
            };
            made.insert(store, output, entry).map_err(FetchError::from)?;
        }
        Ok(made.build(store).map_err(FetchError::from)?)
    }

    /// That a program is missing is best told by the name that people gave it.
    fn check_program(&self, name: &str, step: &Step, layers: &[Digest<Tree>]) -> Result<(), XbuildError> {
        let Some(program) = step.argv.first().filter(|program| !program.contains('/')) else { return Ok(()) };
        let program_file = place(PROGRAMS).join(&path(program)?);
        if has(self.work, layers, &program_file)? {
            return Ok(());
        }
        let programs = names(self.work, layers, &place(PROGRAMS))?;
        let help = format!("name the Debian package that has it: [step.{name}] tools = [\"…\"]");
        Err(XbuildError::user(
            format!("the step `{name}` runs `{program}`, which the sandbox does not have"),
            suggest_or(program, programs.iter().map(String::as_str), &help),
        ))
    }

    /// The sandbox's root with a step's tools.
    fn layers_of(&self, step: &Step) -> Result<Vec<Digest<Tree>>, XbuildError> {
        Ok([self.layers.clone(), self.tools(&step.tools)?].concat())
    }

    /// Trees of tools, which go over the sandbox's root.
    pub(crate) fn tools(&self, tools: &BTreeSet<String>) -> Result<Vec<Digest<Tree>>, XbuildError> {
        let (described, work) = (self.work.described(), self.work);
        let (mut components, mut programs, mut trees) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
        for tool in tools {
            if let Some(output) = InputOutput::parse(tool) {
                trees.push(program(work, &self.layers, &output)?);
                continue;
            }
            match tool.parse::<ComponentName>() {
                Ok(name) if described.toolchains.components.contains_key(&name) => {
                    components.insert(name);
                }
                _ => {
                    programs.insert(tool.clone());
                }
            }
        }
        if !components.is_empty() {
            trees.extend(work.trees(&described.toolchains, &components)?.into_values());
        }
        if !programs.is_empty() {
            let toolchain = described.toolchain(&xbuild_describe::VariantName::default())?;
            let set = Grounds::new(described, toolchain, work.host())?.tools(programs);
            for tree in work.packages(&[set].into())?.into_values() {
                let others = [&self.layers[..], &trees].concat();
                let rest = beside(work.content(), tree, &others).map_err(FetchError::from)?;
                work.note_part(tree, rest);
                trees.push(rest);
            }
        }
        Ok(trees)
    }

    fn source(&self, step: &str, source: &StepSource, outputs: &[&Row]) -> Result<Entry, XbuildError> {
        let store = self.work.content();
        match source {
            StepSource::Project(below) => {
                let local = &self.work.local;
                let path = local.workspace.join(below);
                let found = TreeBuilder::from_tree(local.tree).get(store, &path).ok().flatten();
                found.ok_or_else(|| {
                    XbuildError::user(
                        format!("[step.{step}] inputs names `{below}`, and there is no such file among the sources"),
                        "correct the path; what git ignores is no source of the project",
                    )
                })
            }
            StepSource::Fetch(name) => self.fetched(name),
            StepSource::Step(part) => self.part(part, outputs),
            // What a package's build needs is made before there is a target.
            StepSource::Input(output) => {
                let target = outputs.first().map_or(self.work.host(), |row| &row.artefact.target);
                Ok(Entry::File(self.work.input(output, target)?))
            }
            StepSource::Output(name) => {
                let row = outputs.iter().find(|row| row.artefact.is_called(name));
                row.map(|row| Entry::File(row.artefact.file)).ok_or_else(|| {
                    let there: Vec<&str> = outputs.iter().map(|row| row.artefact.name.as_str()).collect();
                    XbuildError::user(
                        format!("[step.{step}] inputs names the output `{name}`, which is not built for it"),
                        suggest(name, "outputs", &there),
                    )
                })
            }
        }
    }

    /// A file of the net, or what is in it.
    fn fetched(&self, name: &str) -> Result<Entry, XbuildError> {
        let fetch = self.work.described().description.steps.fetches.get(name).ok_or_else(|| unknown(name))?;
        let Fetch { url, sha256, unpack } = fetch;
        let file_name = fetch.file_name().to_owned();
        let kind = match unpack {
            None => Unpack::Blob { file_name: file_name.clone(), executable: false },
            // The form of a wheel is that of any zip archive.
            Some(0) if file_name.ends_with(".zip") => {
                Unpack::Wheel { keep: RelPath::root(), prefix: RelPath::root() }
            }
            Some(_) if file_name.ends_with(".zip") => {
                return Err(XbuildError::user(
                    format!("[fetch.{name}] strip: nothing is stripped of a zip archive's paths"),
                    "take `strip` away, and name the folder where it is used",
                ));
            }
            Some(strip) => Unpack::tar(*strip),
        };
        let places = vec![Place::from_url(url)?];
        let wanted = FixedOutput { name: file_name, sha256: *sha256, size: None, places, kind };
        self.work.fetch(&wanted, unpack.is_some())
    }
}

/// The tree of another project's program, built for this machine, as it goes over the sandbox's root, which has these
/// layers.
pub(crate) fn program(
    work: &Work<'_>,
    layers: &[Digest<Tree>],
    output: &InputOutput,
) -> Result<Digest<Tree>, XbuildError> {
    let at = place(PROGRAMS).join(&path(output.file_name())?);
    if has(work, layers, &at)? {
        return Err(XbuildError::user(
            format!("`{output}` can't be a tool: the sandbox has a program `{}` already", output.file_name()),
            "give that project's program another name",
        ));
    }
    let file = File { executable: true, ..work.input(output, work.host())? };
    let mut root = TreeBuilder::default();
    root.insert(work.content(), &at, Entry::File(file)).map_err(FetchError::from)?;
    let tree = root.build(work.content()).map_err(FetchError::from)?;
    let undone = Undone::Input { input: output.to_string(), target: work.host().clone() };
    let is_pending = work.later().is_some_and(|later| later.has(&undone));
    work.note(tree, Component { name: format!("input {output}"), is_pending, ..Component::default() });
    Ok(tree)
}

/// Whether one of the layers of a sandbox's root has a file.
fn has(work: &Work<'_>, layers: &[Digest<Tree>], file: &RelPath) -> Result<bool, XbuildError> {
    for layer in layers {
        if lookup(work.content(), *layer, file)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The names in a folder of a sandbox's root, which has these layers.
fn names(
    work: &Work<'_>,
    layers: &[Digest<Tree>],
    folder: &RelPath,
) -> Result<BTreeSet<String>, XbuildError> {
    let mut names = BTreeSet::new();
    for layer in layers {
        if let Some(Entry::Directory(folder)) = lookup(work.content(), *layer, folder)? {
            names.extend(work.content().directory(folder)?.entries.keys().cloned());
        }
    }
    Ok(names)
}

/// The steps of which units find what they make: their packages name them.
fn takers(packages: &BTreeMap<PackageVersion, PackageSettings>, parts: &[Part]) -> Takers {
    let mut takers = Takers::new();
    for (index, part) in parts.iter().enumerate() {
        for unit in part.needed() {
            let package = part.context.package(unit);
            let settings = packages.get(&(package.name.clone(), package.version.clone()));
            if let Some(settings) = settings.filter(|settings| !settings.inputs.is_empty()) {
                takers.insert(UnitOf { part: index, unit }, settings.inputs.clone());
            }
        }
    }
    takers
}

/// Gives units the files that steps make for their packages: each finds them in the folder that the variable
/// `XBUILD_INPUT_<NAME>` names.
pub(crate) fn provide(
    work: &Work<'_>,
    packages: &BTreeMap<PackageVersion, PackageSettings>,
    parts: &mut [Part],
    making: Making,
) -> Result<Provided, XbuildError> {
    let takers = takers(packages, parts);
    if takers.is_empty() || making == Making::Skip {
        return Ok(Provided { takers, actions: Vec::new() });
    }
    let steps = Steps { making, ..Steps::new(work)? };
    let mut layers: BTreeMap<&str, Digest<Tree>> = BTreeMap::new();
    for name in takers.values().flatten() {
        if !layers.contains_key(name.as_str()) {
            let made = match steps.make(name, &[])? {
                Some(tree) => Entry::Directory(tree),
                None => steps.stand_in(name)?,
            };
            layers.insert(name, layer(work, name, made)?);
        }
    }
    for (of, names) in &takers {
        let native = parts[of.part].native.entry(of.unit).or_default();
        for name in names {
            native.layers.push(layers[name.as_str()]);
            let variable = format!("XBUILD_INPUT_{}", name.to_uppercase().replace('-', "_"));
            native.environment.insert(variable, format!("/{INPUTS}/{name}"));
        }
    }
    let actions = steps.actions.into_inner();
    Ok(Provided { takers, actions })
}

/// Fetches all that the steps are made from that units take something of; nothing is run.
pub(crate) fn fetch(work: &Work<'_>, takers: &Takers) -> Result<(), XbuildError> {
    let names: BTreeSet<&String> = takers.values().flatten().collect();
    if names.is_empty() {
        return Ok(());
    }
    let steps = Steps::new(work)?;
    names.into_iter().try_for_each(|name| steps.fetch(name, work.host()))
}

/// What people call the graph that a step is run for, by its outputs; one that a package takes is run for none.
fn graph(outputs: &[&Row]) -> String {
    let name = |row: &&Row| format!("{}/{}", row.artefact.variant, row.artefact.target);
    outputs.first().map(name).unwrap_or_default()
}

/// Where comes from what a step takes, by place.
fn takes(step: &Step) -> BTreeMap<RelPath, Taken> {
    let folder = place(FOLDER);
    let taken = |(to, source): (&RelPath, &StepSource)| Some((folder.join(to), Taken::of(source)?));
    step.inputs.iter().filter_map(taken).collect()
}

/// The step that has made what lies at a path of a unit's sandbox, if one has.
pub(crate) fn provided_by(path: &RelPath) -> Option<&str> {
    path.as_str().strip_prefix(INPUTS)?.strip_prefix('/')?.split('/').next()
}

/// The tree of the sandbox's root in which lies what a step has made.
fn layer(work: &Work<'_>, name: &str, made: Entry) -> Result<Digest<Tree>, XbuildError> {
    let mut root = TreeBuilder::default();
    let at = place(INPUTS).join(&path(name)?);
    root.insert(work.content(), &at, made).map_err(FetchError::from)?;
    let tree = root.build(work.content()).map_err(FetchError::from)?;
    work.note(tree, Component { name: format!("step {name}"), ..Component::default() });
    Ok(tree)
}

/// The program by its place in the sandbox, and its arguments.
fn argv(argv: &[String], folder: &RelPath) -> Vec<String> {
    let mut argv = argv.to_vec();
    if let Some(program) = argv.first_mut().filter(|program| !program.starts_with('/')) {
        *program = match program.contains('/') {
            true => format!("{}/{}", folder.in_sandbox(), program.trim_start_matches("./")),
            false => format!("/{PROGRAMS}/{program}"),
        };
    }
    argv
}

/// The description has been checked.
fn unknown(name: &str) -> XbuildError {
    XbuildError::user(format!("there is no `{name}`"), "see [step] and [fetch] in xbuild.toml")
}

fn path(text: &str) -> Result<RelPath, XbuildError> {
    Ok(RelPath::new(text).map_err(|_| FetchError::from(TreeError::Missing(RelPath::root())))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_of_the_sandbox_or_of_the_inputs() {
        let of = |program: &str| argv(&[program.to_owned(), "x".to_owned()], &RelPath::new(FOLDER).unwrap());
        assert_eq!(of("jq"), ["/usr/bin/jq", "x"]);
        assert_eq!(of("./tools/gen.sh"), ["/build/step/tools/gen.sh", "x"]);
        assert_eq!(of("/usr/lib/x"), ["/usr/lib/x", "x"]);
    }

    #[test]
    fn what_lies_among_a_packages_inputs_is_of_the_step_that_is_called_so() {
        let of = |text: &str| provided_by(&place(text)).map(str::to_owned);
        assert_eq!(of("build/inputs/site/dist/index.html").as_deref(), Some("site"));
        assert_eq!(of("build/inputs/site").as_deref(), Some("site"));
        assert_eq!(of("build/inputs-of/site"), None);
        assert_eq!(of("build/ws/src/main.rs"), None);
    }
}
