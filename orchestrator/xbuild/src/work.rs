//! A request for outputs of a project, on the way from its sources to them: `plan` fetches and composes what is needed
//! (`needed` knows which crates), `realise` builds it; `dry_run` tells what that would be, and `later` what was left for it.

mod dry_run;
mod later;
mod needed;
mod plan;
mod realise;
mod why;

use std::cell::RefCell;
use std::collections::BTreeMap;

use cargo_platform::Cfg;
use semver::Version;
use xbuild_action::{Content, ContentExt as _, File};
use xbuild_base::{Blob, Digest, Sha256, Tree, Triple};
use xbuild_cargo::Configuration;
use xbuild_describe::{Asked, ComponentName, InputOutput, PackageSettings, PackageVersion, Request, Task};
use xbuild_fetch::FixedOutput;
use xbuild_fetch::source::lock::Lock;
use xbuild_output::Row;
use xbuild_plan::graph::Graph;
use xbuild_plan::reasons::Component;
use xbuild_realise::engine::{Comparison, Engine};
use xbuild_realise::project::Project;
use xbuild_realise::{LocalSources, Metadata, Patches, project};
use xbuild_store::Disk;

use crate::cli::{Build, Global};
use crate::composed::Composed;
use crate::description::{Described, VariantToolchains};
use crate::error::XbuildError;
use crate::history::{Echo, History};
use crate::inputs::Hands;
use crate::native::Supplied;
use crate::record::Recalled;
use crate::session::Session;
use crate::stamp::Stamp;
use crate::steps::Provided;
use crate::timings::{self, Recorder};
use crate::ui::{Fetched, Traced, Ui};
use crate::{inputs, lock, record};

pub(crate) use later::{Later, Undone};
pub(crate) use realise::run_graph;

/// Makes the outputs that are asked for, or takes those of an equal request; none where it was only told what would be
/// done.
pub(crate) fn make(
    global: &Global,
    build: &Build,
    described: &Described,
    session: &Session,
    ui: &Ui,
) -> Result<Option<Vec<Row>>, XbuildError> {
    let page = timings::page_file(build, described)?;
    let mut recorder = Recorder::default();
    recorder.stage("sources");
    let work = Work::new(global, build, Wanted::Everything, described, session, ui)?;
    // Whoever wants to see how it came about is shown all of it.
    let is_told = build.trace.is_some() || build.record.is_some() || page.is_some() || build.proof;
    // Whoever notes what is wanted of the net must see all of it wanted.
    let is_told = is_told || session.noted.is_some();
    let terse = !is_told && ui.verbose == 0 && build.affected_since.is_none();
    // What images are made of is not remembered with the outputs.
    let terse = terse && !(build.dry_run && build.images);
    let known = if terse { work.key()? } else { None };
    let known = known.and_then(|key| record::recall(&session.store, key));
    if let Some(Recalled { units, rows, echo }) = known {
        if build.dry_run {
            dry_run::tell_nothing(ui, units);
            return Ok(None);
        }
        echo.repeat(ui, &session.store, &described.root);
        return Ok(Some(rows));
    }
    let mut planned = work.plan(&Extra::default(), &mut recorder)?;
    if let Some(commit) = &build.affected_since {
        work.keep_affected(&mut planned, commit)?;
    }
    if build.dry_run {
        work.dry_run(&mut planned)?;
        return Ok(None);
    }
    let realised = work.realise(&mut planned, &mut recorder);
    if let Some(page) = page {
        let told = timings::Told { described, asked: &planned.asked, jobs: work.engine.jobs };
        recorder.write(&page, &told, realised.as_ref().err(), ui)?;
    }
    let Realised { rows, echo, units, .. } = realised?;
    if build.affected_since.is_none()
        && let Some(key) = work.key_after()?
    {
        record::remember(&session.store, key, Recalled { units, rows: rows.clone(), echo });
    }
    Ok(Some(rows))
}

/// Looks at a project's sources for a request, for whoever wants something else of it than its outputs.
pub(crate) fn with_work<T>(
    global: &Global,
    build: &Build,
    wanted: Wanted,
    ui: &Ui,
    look: impl FnOnce(&Work<'_>) -> Result<T, XbuildError>,
) -> Result<T, XbuildError> {
    let described = Described::read(global)?;
    // Before the store is opened.
    described.toolchains_for(&request(build, &wanted))?;
    look(&Work::new(global, build, wanted, &described, &Session::open(ui)?, ui)?)
}

/// As [`with_work`], and plans it.
pub(crate) fn planned<T>(
    global: &Global,
    build: &Build,
    wanted: Wanted,
    ui: &Ui,
    look: impl FnOnce(&Work<'_>, &mut Planned<'_>) -> Result<T, XbuildError>,
) -> Result<T, XbuildError> {
    with_work(global, build, wanted, ui, |work| {
        let mut planned = work.plan(&Extra::default(), &mut Recorder::default())?;
        look(work, &mut planned)
    })
}

/// Which kinds of outputs a request is about where it names none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Programs and C libraries.
    Everything,
    /// Programs.
    Programs,
    /// As everything; a name may be that of a shell, too.
    Shell,
    /// What one of cargo's commands does with packages.
    Task(Task),
}

/// A request for outputs of a project, on the way from its sources to them.
pub(crate) struct Work<'w> {
    global: &'w Global,
    build: &'w Build,
    wanted: Wanted,
    described: &'w Described,
    /// Those of the variants that may be asked for.
    toolchains: VariantToolchains<'w>,
    session: &'w Session,
    ui: &'w Ui,
    engine: Engine<'w>,
    host: Triple,
    lock: Lock,
    patches: Patches<'w>,
    pub(crate) local: LocalSources,
    configuration: Configuration,
    /// What programs are told of the commit.
    stamp: Option<Stamp>,
    /// Everything that the outputs depend on, but for what is pinned; `None`: it can't be told.
    key: Option<Sha256>,
    /// What there was of other projects when all began.
    inputs: inputs::Before,
    /// `xbuild.lock`, which planning may add to.
    pins: RefCell<lock::Lock>,
    /// What this command runs.
    history: History,
    /// Where it is noted what is left for the build: in a dry run.
    later: Option<Later>,
}

/// What is wanted beside what is built.
#[derive(Debug, Default)]
pub(crate) struct Extra {
    /// Components of the toolchain file.
    pub(crate) components: Vec<ComponentName>,
    /// Files of the net.
    pub(crate) files: Vec<FixedOutput>,
    /// Crates that tests, examples and benchmarks need.
    pub(crate) development: bool,
}

/// What is to be built, with all that it is built with, but for a std that must be built too.
pub(crate) struct Planned<'w> {
    project: Project,
    /// What each toolchain's cargo says of the packages.
    pub(crate) metadata: BTreeMap<Version, Metadata>,
    pub(crate) asked: Vec<Asked>,
    /// What the description says of packages.
    packages: BTreeMap<PackageVersion, PackageSettings>,
    pub(crate) composed: Composed<'w>,
    /// The trees of the components that were asked for besides.
    pub(crate) components: BTreeMap<ComponentName, Digest<Tree>>,
    /// The files that were asked for besides, in their order.
    pub(crate) files: Vec<Digest<Blob>>,
    /// How much had to be fetched for it.
    fetched: Fetched,
}

/// A graph of what is planned.
pub(crate) struct Laid<'g> {
    pub(crate) graph: Graph<'g>,
    /// The libraries that packages bring, by part.
    supplied: Vec<Supplied>,
    /// What its units are given of steps.
    pub(crate) steps: Provided,
}

/// A graph that has been built.
pub(crate) struct Finished<'w> {
    pub(crate) graph: Graph<'w>,
    supplied: Vec<Supplied>,
    trace: Vec<Traced>,
    echo: Echo,
}

/// The outputs, proved, and what there is of the run that made them.
pub(crate) struct Realised {
    pub(crate) rows: Vec<Row>,
    pub(crate) echo: Echo,
    /// How many units the graphs have.
    pub(crate) units: usize,
    /// What `rustc --print cfg` says of each target.
    pub(crate) cfgs: BTreeMap<Triple, Vec<Cfg>>,
    /// The libraries of packages that programs of a variant and target may need.
    pub(crate) libraries: BTreeMap<(String, Triple), Supplied>,
}

impl<'w> Work<'w> {
    /// Looks at the project's sources.
    pub(crate) fn new(
        global: &'w Global,
        build: &'w Build,
        wanted: Wanted,
        described: &'w Described,
        session: &'w Session,
        ui: &'w Ui,
    ) -> Result<Self, XbuildError> {
        let engine = engine(session, described, build);
        let toolchains = described.toolchains_for(&request(build, &wanted))?;
        let host = host()?;
        let lock = project::read_lock(&described.root)?;
        let patches = Patches::new(&described.description, &described.patches, &lock)?;
        let local = described.sources(&session.store)?;
        let local = patches.apply_to_local(&*session.store, &lock, local)?;
        ui.locate(&described.root, &local.workspace);
        let stamp = stamp(described, &wanted)?;
        let inputs = inputs::Before::new(described, session)?;
        let key =
            inputs.state.map(|state| record::key(described, (&local, state), build, &host, stamp.as_ref()));
        let pins = RefCell::new(described.lock()?);
        let configuration = project::configuration(&*session.store, &local)?;
        for notice in configuration.notices() {
            ui.note(format!("{}: {}: {}", notice.file, notice.key, notice.message));
        }
        Ok(Self {
            global,
            build,
            wanted,
            described,
            toolchains,
            session,
            ui,
            engine,
            host,
            lock,
            patches,
            local,
            configuration,
            stamp,
            key,
            inputs,
            pins,
            history: History::new(&described.root, build.record.clone()),
            later: build.dry_run.then(Later::default),
        })
    }

    /// The key of everything that the outputs depend on, as it is pinned by now; `None`: it can't be told before they are
    /// built.
    pub(crate) fn key(&self) -> Result<Option<Sha256>, XbuildError> {
        let Some(key) = self.key else { return Ok(None) };
        // Other projects pin theirs by themselves; what is pinned for one command is nowhere but here.
        let mut packages = self.described.lock()?.packages;
        packages.extend(self.pins.borrow().packages.clone());
        Ok(Some(record::with_pins(key, &packages, &inputs::pins(self.described)?)))
    }

    /// As [`Self::key`], once the outputs are there; `None` too where another project was edited or moved meanwhile.
    pub(crate) fn key_after(&self) -> Result<Option<Sha256>, XbuildError> {
        match self.inputs.still_holds(self.described, self.session)? {
            true => self.key(),
            false => Ok(None),
        }
    }

    /// What of this command's run is told later.
    pub(crate) const fn history(&self) -> &History {
        &self.history
    }

    /// What runs actions.
    pub(crate) const fn engine(&self) -> &Engine<'w> {
        &self.engine
    }

    /// As [`Self::engine`]; it executes all actions again, and compares.
    pub(crate) fn engine_again<'c>(&'c self, comparison: &'c Comparison) -> Engine<'c> {
        let engine = engine(self.session, self.described, self.build);
        Engine { again: Some(comparison), keep_going: true, ..engine }
    }

    /// The triple of this machine.
    pub(crate) fn host(&self) -> &Triple {
        &self.host
    }

    /// What describes the build.
    pub(crate) const fn described(&self) -> &'w Described {
        self.described
    }

    /// Builds each std that is missing.
    pub(crate) fn build_std(&self, planned: &mut Planned<'_>) -> Result<(), XbuildError> {
        let history = self.history_of_std(planned);
        planned.composed.build_std(&self.engine, (self.ui, &history), &mut Recorder::default())
    }

    fn history_of_std(&self, planned: &Planned<'_>) -> History {
        let history = History::of_std(&self.described.root);
        history.know(planned.composed.components.clone());
        history
    }

    /// An output of another project, for a target. In a dry run something stands in its place that is still to be built.
    pub(crate) fn input(&self, output: &InputOutput, target: &Triple) -> Result<File, XbuildError> {
        let Some(later) = &self.later else {
            return inputs::output(self.described, output, target, self.hands());
        };
        if let Some(file) = inputs::known(self.described, output, target, self.hands())? {
            return Ok(file);
        }
        later.note(Undone::Input { input: output.to_string(), target: target.clone() });
        self.stand_in(&format!("{output} for {target}"))
    }

    /// A file in the place of what is not made or fetched now: nothing was ever made of it.
    pub(crate) fn stand_in(&self, what: &str) -> Result<File, XbuildError> {
        let digest = self.content().put(format!("{what}, which is not there\n").as_bytes())?;
        Ok(File { digest, executable: false })
    }

    /// Has all fetched that an output of another project is made from.
    pub(crate) fn fetch_input(&self, output: &InputOutput, target: &Triple) -> Result<(), XbuildError> {
        match self.later {
            Some(_) => self.input(output, target).map(drop),
            None => inputs::fetch(self.described, output, target, self.hands()),
        }
    }

    /// Where it is noted what is left for the build: in a dry run.
    pub(crate) const fn later(&self) -> Option<&Later> {
        self.later.as_ref()
    }

    /// Takes note of what a tree is that units run over.
    pub(crate) fn note(&self, tree: Digest<Tree>, component: Component) {
        self.history.know([(tree, component)].into());
    }

    /// As [`Self::note`], of what is made of a tree that is known.
    pub(crate) fn note_part(&self, of: Digest<Tree>, part: Digest<Tree>) {
        if let Some(component) = self.history.component(of) {
            self.note(part, component);
        }
    }

    /// What is needed to bring other projects and images.
    pub(crate) const fn hands(&self) -> Hands<'_> {
        let Self { global, session, ui, build, .. } = *self;
        Hands { global, session, ui, execution: build.execution }
    }

    /// The store.
    pub(crate) fn store(&self) -> &Disk {
        &self.session.store
    }

    /// What the store has.
    pub(crate) fn content(&self) -> &dyn Content {
        &*self.session.store
    }
}

/// What programs are told of the commit, where the description has it so.
fn stamp(described: &Described, wanted: &Wanted) -> Result<Option<Stamp>, XbuildError> {
    match wanted {
        Wanted::Task(_) => Ok(described.description.stamp.as_ref().map(|_| Stamp::none())),
        Wanted::Everything | Wanted::Programs | Wanted::Shell => Stamp::of(described),
    }
}

fn engine<'s>(session: &'s Session, described: &Described, build: &Build) -> Engine<'s> {
    let mut engine = session.engine(build.execution);
    engine.keep_going = build.keep_going;
    let limits = &described.description.limits;
    engine.limits.time = limits.time.unwrap_or(engine.limits.time);
    engine.limits.memory = limits.memory.unwrap_or(engine.limits.memory);
    engine.limits.processes = limits.processes.unwrap_or(engine.limits.processes);
    engine.limits.file_size = limits.file_size.unwrap_or(engine.limits.file_size);
    engine
}

/// Every description has the variant without a name.
fn no_variant() -> XbuildError {
    XbuildError::user("the description has no variant", "take xbuild.toml away")
}

/// The triple of this machine.
pub(crate) fn host() -> Result<Triple, XbuildError> {
    let text = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    text.parse().map_err(|error: xbuild_base::TripleError| {
        XbuildError::environment(error.to_string(), "use a Linux machine")
    })
}

pub(crate) fn request(build: &Build, wanted: &Wanted) -> Request {
    Request {
        outputs: build.outputs.clone(),
        packages: build.packages.clone(),
        bins: build.bins.clone(),
        all_bins: *wanted == Wanted::Programs && build.bins.is_empty(),
        targets: build.targets.clone(),
        variants: build.variants.clone(),
        features: build.features.features.clone(),
        all_features: build.features.all_features,
        no_default_features: build.features.no_default_features,
        profile: build.profile.name().map(str::to_owned),
        glibc: None,
        shell: *wanted == Wanted::Shell,
        task: match wanted {
            Wanted::Task(task) => Some(task.clone()),
            Wanted::Everything | Wanted::Programs | Wanted::Shell => None,
        },
    }
}
