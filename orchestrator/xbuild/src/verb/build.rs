//! `xbuild build` and `xbuild all`: from a project's folder to its outputs.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use cargo_platform::Cfg;
use semver::Version;
use serde_json::json;
use xbuild_action::{Content, Entry, File};
use xbuild_base::{Blob, Digest, Sha256, Tree, Triple};
use xbuild_cargo::Configuration;
use xbuild_describe::{
    Asked, ComponentName, InputOutput, PackageSettings, PackageVersion, Request, Task, Toolchains, Unify,
    evaluate,
};
use xbuild_fetch::official::Server;
use xbuild_fetch::source::cargo_config::CargoConfig;
use xbuild_fetch::source::lock::Lock;
use xbuild_fetch::toolchain::Composer;
use xbuild_fetch::{FetchError, Fetcher, FixedOutput};
use xbuild_output::Row;
use xbuild_plan::graph::Graph;
use xbuild_realise::engine::{Comparison, Engine};
use xbuild_realise::fetching::ComponentBuilder;
use xbuild_realise::project::{DescribedVariables, Project};
use xbuild_realise::{LocalSources, Patches, RealiseError, project, workspace};
use xbuild_store::Disk;

use crate::affected::Changes;
use crate::cli::{Build, Global};
use crate::composed::{Composed, Ground, spec};
use crate::description::{Described, VariantToolchains};
use crate::error::{XbuildError, counted};
use crate::history::{History, UnitRecord};
use crate::inputs::Hands;
use crate::lock::{self, PackageSet};
use crate::native::Supplied;
use crate::record::Recalled;
use crate::session::{Fetching, Session};
use crate::stamp::Stamp;
use crate::timings::{self, Recorder};
use crate::ui::{BuildDisplay, Diagnostics, LocalPackages, Said, Traced, Ui};
use crate::{inputs, native, outputs, packages, record, settings, steps};

pub(crate) fn run(global: &Global, build: &Build, ui: &Ui) -> Result<ExitCode, XbuildError> {
    let described = Described::read(global)?;
    described.toolchains_for(&request(build, &Wanted::Everything))?;
    run_in(global, build, &described, &Session::open(ui)?, ui)
}

/// `xbuild all`: the images too, where the description has some and all outputs are asked for.
pub(crate) fn run_all(global: &Global, build: &Build, ui: &Ui) -> Result<ExitCode, XbuildError> {
    let described = Described::read(global)?;
    described.toolchains_for(&request(build, &Wanted::Everything))?;
    let session = Session::open(ui)?;
    let code = run_in(global, build, &described, &session, ui)?;
    let Build { outputs, packages, bins, features, .. } = build;
    let is_whole = outputs.is_empty() && packages.is_empty() && bins.is_empty();
    let is_whole =
        is_whole && features.is_default() && build.out_dir.is_none() && build.affected_since.is_none();
    let is_plain = !build.dry_run && !build.print_out_paths && build.trace.is_none();
    if described.description.images.is_described && is_whole && is_plain {
        super::image::run_after(global, &described, build, &session, ui)?;
    }
    Ok(code)
}

fn run_in(
    global: &Global,
    build: &Build,
    described: &Described,
    session: &Session,
    ui: &Ui,
) -> Result<ExitCode, XbuildError> {
    let rows = make(global, build, described, session, ui)?.filter(|rows| !rows.is_empty());
    let Some(rows) = rows else { return Ok(ExitCode::SUCCESS) };
    outputs::deliver(session, described, build, ui, rows)?;
    Ok(ExitCode::SUCCESS)
}

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
    let known = if terse { work.key()? } else { None };
    let known = known.and_then(|key| record::recall(&session.store, key));
    if let Some(Recalled { units, rows, said }) = known {
        if build.dry_run {
            tell_dry_run(ui, 0, units);
            return Ok(None);
        }
        Diagnostics::repeat(ui, &said);
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
    let Realised { rows, said, units, .. } = realised?;
    if build.affected_since.is_none()
        && let Some(key) = work.key_after()?
    {
        record::remember(&session.store, key, Recalled { units, rows: rows.clone(), said });
    }
    Ok(Some(rows))
}

/// Plans a request, for whoever wants something else of it than its outputs.
pub(crate) fn planned<T>(
    global: &Global,
    build: Build,
    wanted: Wanted,
    ui: &Ui,
    look: impl FnOnce(&Work<'_>, &mut Planned<'_>) -> Result<T, XbuildError>,
) -> Result<T, XbuildError> {
    let described = Described::read(global)?;
    described.toolchains_for(&request(&build, &wanted))?;
    let session = Session::open(ui)?;
    let work = Work::new(global, &build, wanted, &described, &session, ui)?;
    let mut planned = work.plan(&Extra::default(), &mut Recorder::default())?;
    look(&work, &mut planned)
}

/// Which kinds of outputs a request is about where it names none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Programs and C libraries.
    Everything,
    /// Programs.
    Programs,
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
}

/// What is wanted beside what is built.
#[derive(Debug, Default)]
pub(crate) struct Extra {
    /// Components of the toolchain file.
    pub(crate) components: Vec<ComponentName>,
    /// Files of the net.
    pub(crate) files: Vec<FixedOutput>,
}

/// What is to be built, with all that it is built with, but for a std that must be built too.
pub(crate) struct Planned<'w> {
    project: Project,
    /// What each toolchain's cargo says of the packages.
    pub(crate) metadata: BTreeMap<Version, String>,
    pub(crate) asked: Vec<Asked>,
    /// What the description says of packages.
    packages: BTreeMap<PackageVersion, PackageSettings>,
    pub(crate) composed: Composed<'w>,
    /// The trees of the components that were asked for besides.
    pub(crate) components: BTreeMap<ComponentName, Digest<Tree>>,
    /// The files that were asked for besides, in their order.
    pub(crate) files: Vec<Digest<Blob>>,
}

/// A graph that has been built.
pub(crate) struct Finished<'w> {
    pub(crate) graph: Graph<'w>,
    supplied: Vec<Supplied>,
    trace: Vec<Traced>,
    said: Vec<Said>,
}

/// The outputs, proved, and what was said on the way that must be said again.
pub(crate) struct Realised {
    pub(crate) rows: Vec<Row>,
    pub(crate) said: Vec<Said>,
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
        let history = History::of_std(&self.described.root);
        planned.composed.build_std(&self.engine, (self.ui, &history), &mut Recorder::default())
    }

    /// An output of another project, for a target.
    pub(crate) fn input(&self, output: &InputOutput, target: &Triple) -> Result<File, XbuildError> {
        inputs::output(self.described, output, target, self.hands())
    }

    /// Has all fetched that an output of another project is made from.
    pub(crate) fn fetch_input(&self, output: &InputOutput, target: &Triple) -> Result<(), XbuildError> {
        inputs::fetch(self.described, output, target, self.hands())
    }

    const fn hands(&self) -> Hands<'_> {
        let Self { global, session, ui, build, .. } = *self;
        Hands { global, session, ui, execution: build.execution, is_dry: build.dry_run }
    }

    /// The store.
    pub(crate) fn store(&self) -> &Disk {
        &self.session.store
    }

    /// What the store has.
    pub(crate) fn content(&self) -> &dyn Content {
        &*self.session.store
    }

    /// Fetches and composes what is needed, and evaluates the request.
    pub(crate) fn plan(&self, extra: &Extra, recorder: &mut Recorder) -> Result<Planned<'w>, XbuildError> {
        let Self { described, session, ui, engine, .. } = self;
        recorder.stage("fetch");
        // Cargo reads the manifests before it is known whose outputs are wanted: any of the toolchains' will do.
        let first = *self.toolchains.values().next().ok_or_else(no_variant)?;
        let fetching = Fetching::new(session, self.global, ui)?;
        let fetcher = fetching.fetcher();
        let server = Server::from_environment(&settings::variable);
        let builder = ComponentBuilder { engine };
        let composer = self.composer(&described.toolchains, &fetching, &fetcher, &builder);
        let cargo = CargoConfig::load(&described.root, &fetching.variables)?;
        let host_layers = composer.layers(first, &[], &server)?.host;
        let configuration = self.configuration.clone();
        let mut project =
            project::gather(&fetcher, &*session.store, &self.local, configuration, &self.lock, &cargo)?;
        project = self.patches.apply_to_fetched(&*session.store, &self.lock, project)?;
        fetching.display.finish();

        recorder.stage("plan");
        let said = project::metadata(engine, &project.ground(&host_layers))?;
        if let Some(asked) = &described.member {
            described.check_member(asked, &workspace::member_folders(&said, &project.sources.workspace)?)?;
        }
        let members = workspace::of_metadata(&said, &self.lock)?;
        let mut metadata = BTreeMap::from([(first.version.clone(), said)]);
        let request = request(self.build, &self.wanted);
        let description = &described.description;
        let asked = evaluate(description, &members, &described.targets, &request)?;
        let packages = description.packages_of(&members.packages)?;
        project.variables = DescribedVariables {
            common: description.environment.clone(),
            variants: description
                .variants
                .iter()
                .map(|(name, variant)| (name.clone(), variant.env.clone()))
                .collect(),
            packages: packages
                .iter()
                .map(|(package, settings)| (package.clone(), settings.env.clone()))
                .collect(),
        };
        recorder.stage("fetch");
        let composed = Composed::new(described, &composer, &server, &asked)?;
        let components = composer.trees(&extra.components)?;
        let files = fetcher.blobs(&extra.files)?;
        fetching.display.finish();
        for (ground, layers) in &composed.layers {
            if !metadata.contains_key(&ground.rust) {
                let said = project::metadata(engine, &project.ground(&layers.host))?;
                metadata.insert(ground.rust.clone(), said);
            }
        }
        Ok(Planned { project, metadata, asked, packages, composed, components, files })
    }

    /// The sandbox's root for what runs on this machine, with nothing of a target.
    pub(crate) fn host_layers(&self) -> Result<Vec<Digest<Tree>>, XbuildError> {
        let first = *self.toolchains.values().next().ok_or_else(no_variant)?;
        self.compose(&self.described.toolchains, |composer| {
            Ok(composer.layers(first, &[], &Server::from_environment(&settings::variable))?.host)
        })
    }

    /// The sandbox's root for rustfmt, with the project's sources.
    pub(crate) fn rustfmt_layers(&self) -> Result<Vec<Digest<Tree>>, XbuildError> {
        let first = *self.toolchains.values().next().ok_or_else(no_variant)?;
        self.compose(&self.described.toolchains, |composer| {
            let server = Server::from_environment(&settings::variable);
            let mut layers = composer.layers(first, &[], &server)?.host;
            layers.extend([composer.rustfmt(first, &server)?, self.local.tree]);
            Ok(layers)
        })
    }

    /// Composes something of components, which are fetched where they aren't there.
    fn compose<T>(
        &self,
        toolchains: &Toolchains,
        compose: impl FnOnce(&Composer<'_>) -> Result<T, FetchError>,
    ) -> Result<T, XbuildError> {
        let fetching = Fetching::new(self.session, self.global, self.ui)?;
        let fetcher = fetching.fetcher();
        let builder = ComponentBuilder { engine: &self.engine };
        let composed = compose(&self.composer(toolchains, &fetching, &fetcher, &builder))?;
        fetching.display.finish();
        Ok(composed)
    }

    /// A file of the net, or what is in it.
    pub(crate) fn fetch(&self, wanted: &FixedOutput, is_archive: bool) -> Result<Entry, XbuildError> {
        let fetching = Fetching::new(self.session, self.global, self.ui)?;
        let fetcher = fetching.fetcher();
        let wanted = std::slice::from_ref(wanted);
        let entry = match is_archive {
            true => fetcher.trees(wanted)?.first().copied().map(Entry::Directory),
            false => {
                let file = |&digest: &Digest<Blob>| Entry::File(File { digest, executable: false });
                fetcher.blobs(wanted)?.first().map(file)
            }
        };
        fetching.display.finish();
        entry.ok_or_else(|| XbuildError::user("nothing was fetched", "run the same command again"))
    }

    fn composer<'c>(
        &'c self,
        toolchains: &'c Toolchains,
        fetching: &'c Fetching<'_>,
        fetcher: &'c Fetcher<'c>,
        builder: &'c ComponentBuilder<'_>,
    ) -> Composer<'c> {
        Composer {
            fetcher,
            mirrors: &fetching.mirrors,
            wheels: &fetching.wheels,
            toolchains,
            host: &self.host,
            builder,
        }
    }

    /// The trees of components that only planning has shown to be needed.
    pub(crate) fn trees<'n>(
        &self,
        toolchains: &Toolchains,
        names: impl IntoIterator<Item = &'n ComponentName>,
    ) -> Result<BTreeMap<ComponentName, Digest<Tree>>, XbuildError> {
        self.compose(toolchains, |composer| composer.trees(names))
    }

    /// The trees of packages that only planning has shown to be needed, as their packages have them; pinned where they
    /// are not yet.
    pub(crate) fn packages(
        &self,
        sets: &BTreeSet<PackageSet>,
    ) -> Result<BTreeMap<PackageSet, Digest<Tree>>, XbuildError> {
        let mut pins = self.pins.borrow_mut();
        let toolchain = self.toolchains.values().next().ok_or_else(no_variant)?;
        let grounds = packages::Grounds::new(self.described, toolchain, &self.host)?;
        let ground = (self.global, self.session, self.ui);
        packages::pin_missing(ground, grounds, &mut pins, sets, self.build.dry_run)?;
        packages::trees(self, self.described, sets, &pins.packages)
    }

    /// Builds what is planned.
    pub(crate) fn build(
        &self,
        planned: &mut Planned<'_>,
        recorder: &mut Recorder,
    ) -> Result<Finished<'_>, XbuildError> {
        let Self { build, ui, engine, .. } = self;
        let history = History::of_std(&self.described.root);
        planned.composed.build_std(engine, (ui, &history), recorder)?;
        recorder.stage("plan");
        let (mut graph, supplied) = self.graph(planned, &planned.asked)?;
        recorder.stage("build");
        let mut history = History::new(&self.described.root, build.record.clone());
        history.graphs = planned.asked.iter().map(|one| self.graph_name(one)).collect();
        let (trace, said) = run_graph(engine, &mut graph, (ui, &history), recorder)?;
        if let Some(path) = &build.trace {
            let text = serde_json::to_string_pretty(&trace).unwrap_or_default();
            fs_err::write(path, text).map_err(|error| XbuildError::machine(&error))?;
        }
        Ok(Finished { graph, supplied, trace, said })
    }

    /// Builds what is planned, and proves it.
    pub(crate) fn realise(
        &self,
        planned: &mut Planned<'_>,
        recorder: &mut Recorder,
    ) -> Result<Realised, XbuildError> {
        let Self { build, described, session, ui, .. } = self;
        let Finished { graph, supplied, trace, said } = self.build(planned, recorder)?;
        recorder.stage("prove");
        let rows = outputs::rows(&graph, &planned.asked, &trace);
        let mut libraries: BTreeMap<(String, Triple), Supplied> = BTreeMap::new();
        for (one, supplied) in planned.asked.iter().zip(supplied) {
            libraries.entry((one.variant.to_string(), one.target.clone())).or_default().join(supplied);
        }
        outputs::prove(session, described, (&planned.asked, &libraries), &rows, build, ui)?;
        let cfg = |(part, one): (usize, &Asked)| {
            let context = &graph.parts()[part].context;
            (one.target.clone(), context.cfg(&one.target).unwrap_or_default().to_vec())
        };
        let cfgs = planned.asked.iter().enumerate().map(cfg).collect();
        Ok(Realised { rows, said, units: graph.len(), cfgs, libraries })
    }

    /// Leaves of what is asked for the outputs that a change since a commit can touch.
    fn keep_affected(&self, planned: &mut Planned<'_>, commit: &str) -> Result<(), XbuildError> {
        let changes = Changes::since(self.described, &self.local, commit)?;
        let count = |planned: &Planned<'_>| planned.asked.iter().map(|one| one.selected.len()).sum::<usize>();
        let all = count(planned);
        if !changes.is_global {
            let graph = self.look(planned)?;
            for (one, part) in planned.asked.iter_mut().zip(graph.parts()) {
                changes.keep(self.described, &self.local, part, one);
            }
            planned.asked.retain(|one| !one.selected.is_empty());
        }
        self.ui.status("Affected", format!("{} of {}", count(planned), counted(all, "output")));
        Ok(())
    }

    /// The graph of what is planned, and not built: std may be missing in it.
    pub(crate) fn look(&self, planned: &Planned<'_>) -> Result<Graph<'_>, XbuildError> {
        Ok(self.graph(planned, &planned.asked)?.0)
    }

    /// What people call the graph of a variant and target, and of a package where each is planned alone.
    fn graph_name(&self, one: &Asked) -> String {
        let variants = &self.described.description.variants;
        let is_alone = variants.get(&one.variant).is_some_and(|build| build.unify == Unify::Package);
        let packages: Vec<&str> = one.plan.packages.iter().filter(|_| is_alone).map(String::as_str).collect();
        let packages = if packages.is_empty() { String::new() } else { format!(", {}", packages.join(", ")) };
        format!("{}/{}{packages}", one.variant, one.target)
    }

    /// One graph over what is asked for, and for each the libraries that packages bring.
    fn graph(
        &self,
        planned: &Planned<'_>,
        asked: &[Asked],
    ) -> Result<(Graph<'_>, Vec<Supplied>), XbuildError> {
        let include = self.described.description.includes();
        let Planned { project, composed, metadata, .. } = planned;
        let mut parts = Vec::new();
        for one in asked {
            let layers = composed.layers_of(one)?;
            let metadata = &metadata[&Ground::of(self.described, one)?.rust];
            let spec = spec(self.described, &one.target)?;
            parts.push(project.part(&self.engine, one, spec, layers, metadata, include.clone())?);
        }
        let supplied = native::provide(self, self.described, asked, &mut parts)?;
        steps::provide(self, &planned.packages, &mut parts)?;
        let variants = &self.described.description.variants;
        for (part, one) in parts.iter_mut().zip(asked) {
            let stamp = self.stamp.as_ref();
            let stamp = stamp.filter(|_| variants.get(&one.variant).is_some_and(|build| build.stamp));
            stamp.inspect(|stamp| stamp.tell(self.described, one, part));
        }
        Ok((Graph::new(self.engine.store, parts).map_err(RealiseError::from)?, supplied))
    }

    /// Says what would be built. Toolchain and sources are there by now: without them nothing can be planned.
    fn dry_run(&self, planned: &mut Planned<'_>) -> Result<(), XbuildError> {
        let Self { ui, engine, .. } = self;
        let said = |json: serde_json::Value, text: String| {
            ui.output_line(&if ui.json { json.to_string() } else { text });
        };
        let missing = planned.composed.without_std(engine)?;
        for Ground { target, .. } in &missing {
            let what = json!({ "reason": "xbuild-would-build-std", "target": target });
            said(what, format!("would build std for {target}, and all units for it"));
        }
        let mut known: Vec<Asked> = Vec::new();
        for one in &planned.asked {
            if !missing.contains(&Ground::of(self.described, one)?) {
                known.push(one.clone());
            }
        }
        let (mut graph, _) = self.graph(planned, &known)?;
        let nodes = engine.missing(&mut graph)?;
        for &node in &nodes {
            let label = &graph.labels()[node];
            let what = json!({
                "reason": "xbuild-would-build", "unit": label.to_string(), "platform": label.platform
            });
            said(what, format!("would build {label} [{}]", label.platform));
        }
        tell_dry_run(ui, nodes.len(), graph.len() - nodes.len());
        Ok(())
    }
}

/// What programs are told of the commit, where the description has it so.
fn stamp(described: &Described, wanted: &Wanted) -> Result<Option<Stamp>, XbuildError> {
    match wanted {
        Wanted::Task(_) => Ok(described.description.stamp.as_ref().map(|_| Stamp::none())),
        Wanted::Everything | Wanted::Programs => Stamp::of(described),
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

/// Says how much would be built, and how much is there.
fn tell_dry_run(ui: &Ui, would_build: usize, cached: usize) {
    let what = json!({ "reason": "xbuild-dry-run", "would-build": would_build, "cached": cached });
    let text = format!("{} would be built, {cached} cached", counted(would_build, "unit"));
    ui.output_line(&if ui.json { what.to_string() } else { text });
}

/// Runs a graph on the display. Tells what happened to each node, and what was said that must be said again.
pub(crate) fn run_graph(
    engine: &Engine<'_>,
    graph: &mut Graph<'_>,
    (ui, history): (&Ui, &History),
    recorder: &mut Recorder,
) -> Result<(Vec<Traced>, Vec<Said>), XbuildError> {
    let labels = graph.labels().to_vec();
    let mut display = BuildDisplay::new(ui, &labels, engine.store, LocalPackages::of(engine.store, graph));
    let summary = engine.run(graph, &mut display);
    display.finish();
    recorder.ran(graph, &display);
    let summary = summary?;
    let units = std::mem::take(&mut display.units).into_iter().map(|(node, unit)| {
        let graph = history.graphs.get(graph.unit(node).part).cloned().unwrap_or_default();
        UnitRecord { graph, ..unit }
    });
    history.add(engine.store, units.collect())?;
    if summary.failed > 0 {
        return Err(XbuildError::Failed {
            failed: summary.failed,
            skipped: summary.skipped,
            broken: display.broken,
            total: labels.len(),
        });
    }
    let (executed, cached) = (summary.executed, summary.cached);
    ui.status("Finished", format!("{}: {executed} built, {cached} cached", counted(labels.len(), "unit")));
    Ok((std::mem::take(&mut display.trace), display.take_said()))
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
        task: match wanted {
            Wanted::Task(task) => Some(task.clone()),
            Wanted::Everything | Wanted::Programs => None,
        },
    }
}
