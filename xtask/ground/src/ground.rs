//! What is built on: the store, the toolchain composed in it, and a project's sources.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use xbuild_action::{Cancel, Isolation, Limits, Staging};
use xbuild_base::{Action, Digest, Tree, Triple};
use xbuild_cargo::Configuration;
use xbuild_describe::{
    Asked, ComponentName, Description, Glibc, NameError, Natives, Override, Request, Source, TargetSpec,
    Targets, Toolchains, evaluate,
};
use xbuild_exec::Sandbox;
use xbuild_fetch::debian::{MirrorSettings, Mirrors};
use xbuild_fetch::official::Server;
use xbuild_fetch::source::cargo_config::CargoConfig;
use xbuild_fetch::source::crates;
use xbuild_fetch::source::lock::Lock;
use xbuild_fetch::source::wheel::PackageIndex;
use xbuild_fetch::toolchain::Composer;
use xbuild_fetch::{Fetcher, Quiet, Settings};
use xbuild_plan::Work;
use xbuild_plan::graph::Graph;
use xbuild_plan::queue::Node;
use xbuild_plan::sources::Sources;
use xbuild_realise::engine::{Cause, Engine, Events, Failure, Success};
use xbuild_realise::fetching::{ComponentBuilder, FetchStore};
use xbuild_realise::gather::{Gathering, Reach, StandIns};
use xbuild_realise::platform::{self, Layers};
use xbuild_realise::project::Project;
use xbuild_realise::std_library::StdRequest;
use xbuild_realise::{Listing, LocalSources, Metadata, RealiseError, project, workspace};
use xbuild_store::Disk;

use crate::error::Error;
use crate::native;
use crate::shape::Shape;
use crate::{HOST, TARGETS, owner};

/// A store and what the repository says of toolchains and targets.
#[derive(Debug)]
pub struct Ground {
    /// The store.
    pub store: Arc<Disk>,
    /// Runs commands over it.
    pub sandbox: Sandbox,
    toolchains: Toolchains,
    targets: Targets,
    recipes: Natives,
    host: Triple,
}

/// What can be asked once everything has been opened.
pub struct Kit<'k> {
    /// Runs graphs over the store.
    pub engine: &'k Engine<'k>,
    /// Fetches.
    pub fetcher: &'k Fetcher<'k>,
    /// Composes toolchains.
    pub composer: &'k Composer<'k>,
    server: &'k Server,
    variables: &'k BTreeMap<String, String>,
}

/// Everything that cargo needs to build a project.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where all of it lies.
    pub sources: Arc<Sources>,
    /// The toolchain of all targets together, and whole sources.
    pub layers: Vec<Digest<Tree>>,
    /// The graphs, in the order in which they are built.
    pub graphs: Vec<PlannedGraph>,
    /// The compiler's release.
    pub release: String,
}

/// One call of cargo.
#[derive(Debug, Clone)]
pub struct PlannedGraph {
    /// What is asked for.
    pub asked: Asked,
    /// What cargo is told of compilers and linkers.
    pub toolchain: xbuild_cargo::Toolchain,
}

/// A project with its sources fetched, and what a request asks of it.
#[derive(Debug)]
pub struct Ready {
    /// Sources and configuration.
    pub project: Project,
    /// What `cargo metadata` says.
    pub metadata: Metadata,
    /// What is asked for, one graph each, with the toolchain of its target.
    pub asked: Vec<(Asked, Layers)>,
}

impl PlannedGraph {
    /// Target and packages, as people call them.
    #[must_use]
    pub fn name(&self) -> String {
        let packages: Vec<&str> = self.asked.plan.packages.iter().map(String::as_str).collect();
        format!("{} {}", self.asked.target, packages.join(" "))
    }
}

impl Ground {
    /// Opens a store.
    ///
    /// # Errors
    /// When it can't be opened, or the repository's descriptions can't be read.
    pub fn open(root: &Path, store: &Path) -> Result<Self, Error> {
        let read = |path: &str| fs_err::read_to_string(root.join(path)).map(|text| Source::new(path, text));
        let toolchains = Toolchains::read(read("toolchains.toml")?)?;
        let mut targets = Targets::default();
        for triple in TARGETS.into_iter().chain([HOST]) {
            let source = read(&format!("targets/{triple}.toml"))?;
            targets.insert(TargetSpec::read(parse(triple)?, source, &toolchains)?);
        }
        let recipes = Description::read(Some(read("native.toml")?), &[], &targets)?.natives;
        let store = Arc::new(Disk::open(store, owner())?);
        let staging: Arc<dyn Staging> = Arc::clone(&store) as Arc<dyn Staging>;
        let host = parse(&format!("{}-unknown-linux-gnu", std::env::consts::ARCH))?;
        Ok(Self { store, sandbox: Sandbox::new(staging), toolchains, targets, recipes, host })
    }

    /// The release of the toolchain that projects get that name none.
    ///
    /// # Errors
    /// When there is none.
    pub fn release(&self) -> Result<String, Error> {
        let description = Description::read(None, &[], &self.targets)?;
        Ok(self.toolchain(&description)?.version.to_string())
    }

    /// The tree of the one crate that a lock names.
    ///
    /// # Errors
    /// When it can't be fetched, or isn't what the lock says.
    pub fn fetched_crate(&self, lock: &str) -> Result<Digest<Tree>, Error> {
        self.with(|kit| {
            // No project says where crates come from: only the user's configuration does.
            let cargo = CargoConfig::load(Path::new("/"), kit.variables)?;
            let trees = crates::fetch(kit.fetcher, &crates::from_lock(&Lock::parse(lock)?, &cargo)?)?;
            let missing =
                || Error::Unexpected { path: "Cargo.lock".into(), problem: "it names no crate".to_owned() };
            trees.first().copied().ok_or_else(missing)
        })
    }

    /// The folder of a component: a tree from the root, `usr/…`, that nobody may change.
    ///
    /// # Errors
    /// When there is no such component, or it can't be fetched.
    pub fn component(&self, name: &str) -> Result<PathBuf, Error> {
        let wrong = |error: NameError| Error::Unexpected { path: name.into(), problem: error.to_string() };
        let component: ComponentName = name.parse().map_err(wrong)?;
        let tree = self.with(|kit| kit.composer.tree(&component).map_err(Error::from))?;
        Ok(self.store.folder().join(self.store.materialise(tree)?))
    }

    /// Fetches the crates that a workspace's lock names.
    ///
    /// # Errors
    /// When one can't be fetched.
    pub fn fetch(&self, workspace: &Path) -> Result<(), Error> {
        self.with(|kit| {
            let cargo = CargoConfig::load(workspace, kit.variables)?;
            let locked = crates::from_lock(&project::read_lock(workspace)?, &cargo)?;
            Ok::<_, Error>(crates::fetch(kit.fetcher, &locked).map(drop)?)
        })
    }

    /// Looks at all that is ready for a project and these targets, so that a build needn't look whether it is whole.
    ///
    /// # Errors
    /// When something isn't.
    pub fn warm(&self, workspace: &Path, targets: &[&str]) -> Result<(), Error> {
        self.fetch(workspace)?;
        self.with(|kit| {
            let description = self.description(workspace, &[])?;
            let default = |spec: &TargetSpec| spec.glibc.as_ref().map(|choice| choice.default);
            let mut grounds = Vec::new();
            for target in targets {
                let spec = self.target(target)?;
                grounds.push((spec.triple.clone(), default(spec)));
            }
            self.layers(kit, &description, &grounds).map(drop)
        })
    }

    /// Plans cargo's calls for a project, from a workspace's folder: a target at a time, in the shape's order.
    ///
    /// # Errors
    /// When the project can't be planned, or something that it needs is neither there nor can be fetched.
    pub fn plan(&self, workspace: &Path, shape: &Shape<'_>) -> Result<Plan, Error> {
        self.with(|kit| {
            let description = self.description(workspace, &[])?;
            let Ready { project, mut asked, .. } =
                self.ready(kit, workspace, &description, &shape.request())?;
            // One target after the other, each with all its packages.
            asked.sort_by_key(|(one, _)| {
                shape.targets.iter().position(|target| *target == one.target.as_str())
            });

            let mut sources = Sources::clone(&project.sources);
            if let Some(beside) = shape.beside {
                add_packages(&mut sources, &self.gather(kit, beside)?.sources);
            }
            let mut layers: Vec<Digest<Tree>> = Vec::new();
            let of_targets = asked.iter().flat_map(|(_, layers)| layers.target());
            for tree in of_targets.chain([sources.whole(&*self.store)?]) {
                if !layers.contains(&tree) {
                    layers.push(tree);
                }
            }
            let lock = project::read_lock(workspace)?;
            let mut graphs = Vec::new();
            for (asked, of_target) in asked {
                let spec = self.target(asked.target.as_str())?;
                let flavour = xbuild_cargo::Flavour::Project;
                let configuration = project.configuration.clone();
                let mut toolchain =
                    platform::toolchain(kit.engine, &of_target, spec, flavour, configuration)?;
                for tree in native::provide(kit.composer, &self.recipes, &lock, &mut toolchain)? {
                    if !layers.contains(&tree) {
                        layers.push(tree);
                    }
                }
                graphs.push(PlannedGraph { asked, toolchain });
            }
            // An overlay would not say that two of them have different files at one path.
            xbuild_action::merge_layers(&*self.store, &layers)?;

            let release =
                graphs.first().map(|graph| graph.toolchain.version.release.clone()).unwrap_or_default();
            Ok(Plan { sources: Arc::new(sources), layers, graphs, release })
        })
    }

    /// Fetches a project's sources and asks cargo what it is made of.
    ///
    /// # Errors
    /// When its configuration is refused, something can't be fetched, or nothing fits the request.
    pub fn ready(
        &self,
        kit: &Kit<'_>,
        workspace: &Path,
        description: &Description,
        request: &Request,
    ) -> Result<Ready, Error> {
        let toolchain = self.toolchain(description)?;
        let project = self.gather(kit, workspace)?;
        let host = kit.composer.layers(toolchain, &[], kit.server)?.host;
        let metadata = Metadata::ask(kit.engine, &project.ground(&host))?;
        let local = LocalSources::import(&self.store, workspace, Listing::Kept)?;
        let lock = project::read_lock(workspace)?;
        let facts = workspace::of_metadata(metadata.packages(), &*self.store, &local, &lock)?;
        let asked = evaluate(description, &facts, &self.targets, request)?;
        let grounds: Vec<_> = asked.iter().map(|one| (one.target.clone(), one.glibc)).collect();
        let layers = self.layers(kit, description, &grounds)?;
        Ok(Ready { project, metadata, asked: asked.into_iter().zip(layers).collect() })
    }

    /// A project as xbuild plans it for one graph: with manifests that stand in for those of the crates that the graph
    /// doesn't reach. `development`: also with what tests, examples and benchmarks need.
    ///
    /// # Errors
    /// As for [`Self::ready`].
    pub fn with_stand_ins(
        &self,
        kit: &Kit<'_>,
        workspace: &Path,
        (asked, layers): (&Asked, &Layers),
        development: bool,
    ) -> Result<(Project, Metadata), Error> {
        let mut reach = Reach { development, ..Reach::default() };
        let project = self.gathered(kit, workspace, |gathering, configuration| {
            let spec = self.target(asked.target.as_str())?;
            reach.add(kit.engine, asked, spec, &layers.host, configuration)?;
            Ok(gathering.stand_ins(&reach)?)
        })?;
        let metadata = Metadata::ask(kit.engine, &project.ground(&layers.host))?;
        Ok((project, metadata))
    }

    /// Fetches a project's sources.
    fn gather(&self, kit: &Kit<'_>, workspace: &Path) -> Result<Project, Error> {
        self.gathered(kit, workspace, |_, _| Ok(StandIns::default()))
    }

    fn gathered(
        &self,
        kit: &Kit<'_>,
        workspace: &Path,
        stand_ins: impl FnOnce(&Gathering<'_>, &Configuration) -> Result<StandIns, Error>,
    ) -> Result<Project, Error> {
        let cargo = CargoConfig::load(workspace, kit.variables)?;
        let local = LocalSources::import(&self.store, workspace, Listing::Kept)?;
        let lock = project::read_lock(workspace)?;
        let configuration = project::configuration(&*self.store, &local)?;
        let store = &*self.store;
        let gathering = Gathering { fetcher: kit.fetcher, store, local: &local, lock: &lock, cargo: &cargo };
        let stand_ins = stand_ins(&gathering, &configuration)?;
        Ok(gathering.project(configuration, &stand_ins)?)
    }

    /// The toolchain's trees for the host: of the default toolchain, or of the one that `--set` flags choose.
    ///
    /// # Errors
    /// When it can't be fetched.
    pub fn host_layers(&self, kit: &Kit<'_>, overrides: &[Override]) -> Result<Vec<Digest<Tree>>, Error> {
        let description = Description::read(None, overrides, &self.targets)?;
        Ok(kit.composer.layers(self.toolchain(&description)?, &[], kit.server)?.host)
    }

    /// The description in a workspace's folder, with `--set` flags.
    ///
    /// # Errors
    /// All its problems.
    pub fn description(&self, workspace: &Path, overrides: &[Override]) -> Result<Description, Error> {
        let path = workspace.join("xbuild.toml");
        let source = match fs_err::read_to_string(&path) {
            Ok(text) => Some(Source::new("xbuild.toml", text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(error.into()),
        };
        Ok(Description::read(source, overrides, &self.targets)?)
    }

    fn toolchain(&self, description: &Description) -> Result<&xbuild_describe::Toolchain, Error> {
        let toolchain = self.toolchains.resolve(&description.toolchain, None);
        toolchain.map_err(|problem| xbuild_describe::Problems::from(problem).into())
    }

    /// What the repository says of a target.
    ///
    /// # Errors
    /// When it is none of [`TARGETS`], nor the host's triple.
    pub fn target(&self, triple: &str) -> Result<&TargetSpec, Error> {
        let missing = || Error::Unexpected { path: triple.into(), problem: "no such target".to_owned() };
        self.targets.get(&parse(triple)?).ok_or_else(missing)
    }

    /// The trees of each target, std among them.
    fn layers(
        &self,
        kit: &Kit<'_>,
        description: &Description,
        grounds: &[(Triple, Option<Glibc>)],
    ) -> Result<Vec<Layers>, Error> {
        let mut wanted = Vec::new();
        for (triple, glibc) in grounds {
            wanted.push((self.target(triple.as_str())?, *glibc));
        }
        let composed = kit.composer.layers(self.toolchain(description)?, &wanted, kit.server)?;
        let mut layers = Vec::new();
        for ((spec, _), trees) in wanted.into_iter().zip(composed.targets) {
            let (host, sysroot) = (composed.host.clone(), trees.sysroot);
            let mut of_target = Layers { host, sysroot, std: trees.std, clippy: None };
            if of_target.std.is_none() {
                let missing = || {
                    let problem = format!("it has neither a std for {} nor the source of one", spec.triple);
                    Error::Unexpected { path: "the toolchain".into(), problem }
                };
                let source = composed.source.ok_or_else(missing)?;
                of_target.std = Some(std(kit, StdRequest { layers: &of_target, spec, source })?);
            }
            layers.push(of_target);
        }
        Ok(layers)
    }

    /// Works with everything opened.
    ///
    /// # Errors
    /// When the machine's settings make no sense, and what the work says.
    pub fn with<T, E: From<Error>>(&self, work: impl FnOnce(&Kit<'_>) -> Result<T, E>) -> Result<T, E> {
        self.opened(work)?
    }

    fn opened<T>(&self, work: impl FnOnce(&Kit<'_>) -> T) -> Result<T, Error> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let variables: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let settings = Settings::from_environment(&variable)?;
        let mirrors = Mirrors::find(&MirrorSettings::from_environment(&variable), Path::new("/etc/apt"))?;
        let wheels = Arc::new(PackageIndex::load(&variables, settings.pypi_index.as_deref())?);
        let server = Server::from_environment(&variable);
        let store = FetchStore::new(&self.store)?;
        let fetcher = Fetcher::new(&store, settings, &Quiet);
        let engine = Engine {
            store: &self.store,
            executor: &self.sandbox,
            jobs: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            limits: limits(),
            isolation: Isolation::Full,
            keep_going: false,
            cancel: Cancel::default(),
            again: None,
            merged: Default::default(),
        };
        let builder = ComponentBuilder { engine: &engine };
        let composer = Composer {
            fetcher: &fetcher,
            mirrors: &mirrors,
            wheels: &wheels,
            toolchains: &self.toolchains,
            host: &self.host,
            builder: &builder,
        };
        Ok(work(&Kit {
            engine: &engine,
            fetcher: &fetcher,
            composer: &composer,
            server: &server,
            variables: &variables,
        }))
    }
}

/// Adds packages of the default registry that other sources have.
fn add_packages(sources: &mut Sources, other: &Sources) {
    let (Some(registry), Some(other)) = (sources.registries.first_mut(), other.registries.first()) else {
        return;
    };
    for package in &other.packages {
        if !registry.packages.contains(package) {
            registry.packages.push(package.clone());
        }
    }
}

/// std, built if it isn't there.
fn std(kit: &Kit<'_>, request: StdRequest<'_>) -> Result<Digest<Tree>, Error> {
    if let Some(known) = request.known(kit.engine) {
        return Ok(known);
    }
    println!("building std for {}", request.spec.triple);
    let parts = vec![request.part(kit.engine)?];
    let mut graph = Graph::new(kit.engine.store, parts).map_err(RealiseError::from)?;
    build(kit, &mut graph)?;
    Ok(request.finish(kit.engine, &graph, 0)?)
}

/// Builds a graph to its end.
///
/// # Errors
/// What the first unit that failed has said, and whatever keeps the engine from its work.
pub fn build(kit: &Kit<'_>, work: &mut dyn Work) -> Result<(), Error> {
    let mut listener = Listener::default();
    kit.engine.run(work, &mut listener)?;
    listener.problem.map_or(Ok(()), |problem| Err(Error::Build(problem)))
}

/// Hears why a build failed.
#[derive(Default)]
struct Listener {
    problem: Option<String>,
}

impl Events for Listener {
    fn started(&mut self, _: Node, _: Digest<Action>) {}
    fn waits(&mut self, _: Node) {}
    fn metadata(&mut self, _: Node) {}
    fn succeeded(&mut self, _: Node, _: &Success<'_>) {}
    fn tick(&mut self) {}

    fn failed(&mut self, _: Node, failure: &Failure) {
        let Failure { command, cause, stdout, stderr, .. } = failure;
        let why = match cause {
            Cause::Exit { code, .. } => format!("exit code {code}"),
            Cause::Limit(limit) => format!("over its limit: {limit}"),
            Cause::Error(error) => error.to_string(),
        };
        let argv = command.as_ref().map(|command| command.argv.join(" ")).unwrap_or_default();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.problem.get_or_insert(format!("{argv}\n{why}\n{}{}", text(stdout), text(stderr)));
    }
}

/// Room for all of cargo's calls in one action.
#[must_use]
pub fn limits() -> Limits {
    Limits { time: Duration::from_secs(6 * 3600), ..Limits::default() }
}

fn parse(triple: &str) -> Result<Triple, Error> {
    triple.parse().map_err(|error: xbuild_base::TripleError| Error::Unexpected {
        path: triple.into(),
        problem: error.to_string(),
    })
}
