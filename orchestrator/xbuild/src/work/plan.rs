//! What a request needs, fetched, composed and evaluated.

use std::collections::{BTreeMap, BTreeSet};

use semver::Version;
use xbuild_action::{Entry, File};
use xbuild_base::{Blob, Digest, Tree};
use xbuild_describe::{ComponentName, Toolchains, evaluate};
use xbuild_fetch::official::Server;
use xbuild_fetch::source::cargo_config::CargoConfig;
use xbuild_fetch::toolchain::Composer;
use xbuild_fetch::{FetchError, Fetcher, FixedOutput, is_stand_in, stand_in};
use xbuild_plan::reasons::Component;
use xbuild_realise::fetching::ComponentBuilder;
use xbuild_realise::gather::Gathering;
use xbuild_realise::project::{DescribedVariables, Project};
use xbuild_realise::{Metadata, workspace};

use super::needed::Needed;
use super::{Extra, Planned, Undone, Work, no_variant, request};
use crate::composed::Composed;
use crate::error::XbuildError;
use crate::lock::PackageSet;
use crate::session::Fetching;
use crate::timings::Recorder;
use crate::{packages, pinned, settings};

impl<'w> Work<'w> {
    /// Fetches and composes what is needed, and evaluates the request.
    pub(crate) fn plan(&self, extra: &Extra, recorder: &mut Recorder) -> Result<Planned<'w>, XbuildError> {
        let Self { described, session, ui, engine, .. } = self;
        recorder.stage("fetch");
        // Cargo reads the manifests before it is known whose outputs are wanted: any of the toolchains' will do.
        let first = *self.toolchains.values().next().ok_or_else(no_variant)?;
        let fetching = Fetching::new(session, self.global, ui)?;
        let fetcher = self.fetcher(&fetching);
        let server = Server::from_environment(&settings::variable);
        let builder = ComponentBuilder { engine };
        let composer = self.composer(&described.toolchains, &fetching, &fetcher, &builder);
        let cargo = CargoConfig::load(&described.root, &fetching.variables)?;
        let mut needed = Needed::new(self, extra)?;
        let host_layers = composer.layers(first, &[], &server)?.host;
        let gathering = Gathering {
            fetcher: &fetcher,
            store: &*session.store,
            local: &self.local,
            lock: &self.lock,
            cargo: &cargo,
        };
        needed.work_out(self, &gathering, extra, &host_layers)?;
        let (mut project, said) = self.gather(&gathering, &mut needed, &host_layers)?;
        let mut fetched = fetching.display.finish();

        recorder.stage("plan");
        if let Some(asked) = &described.member {
            described.check_member(
                asked,
                &workspace::member_folders(said.packages(), &project.sources.workspace),
            )?;
        }
        let members = workspace::of_metadata(said.packages(), self.content(), &self.local, &self.lock)?;
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
        fetched += fetching.display.finish();
        let metadata = BTreeMap::new();
        let mut planned =
            Planned { project, metadata, asked, packages, composed, components, files, fetched };
        self.ask_for_metadata(&mut planned, BTreeMap::from([(first.version.clone(), said)]))?;
        if !needed.holds(self, &planned) {
            needed.take_all();
            let variables = std::mem::take(&mut planned.project.variables);
            let (project, said) = self.gather(&gathering, &mut needed, &host_layers)?;
            planned.fetched += fetching.display.finish();
            planned.project = Project { variables, ..project };
            self.ask_for_metadata(&mut planned, BTreeMap::from([(first.version.clone(), said)]))?;
        }
        needed.remember(self);
        Ok(planned)
    }

    /// Gathers all sources, and has cargo read their manifests.
    fn gather(
        &self,
        gathering: &Gathering<'_>,
        needed: &mut Needed,
        host_layers: &[Digest<Tree>],
    ) -> Result<(Project, Metadata), XbuildError> {
        let read = |needed: &Needed| -> Result<(Project, Metadata), XbuildError> {
            let project = gathering.project(self.configuration.clone(), &needed.stand_ins)?;
            let project = self.patches.apply_to_fetched(gathering.store, &self.lock, project)?;
            let said = Metadata::ask(&self.engine, &project.ground(host_layers))?;
            Ok((project, said))
        };
        match read(needed) {
            // Cargo may miss what is not there. If it isn't that, it says so again.
            Err(_) if !needed.stand_ins.is_empty() => {
                needed.take_all();
                read(needed)
            }
            read => read,
        }
    }

    /// Asks the cargo of each toolchain that is composed and not asked yet.
    fn ask_for_metadata(
        &self,
        planned: &mut Planned<'_>,
        mut said: BTreeMap<Version, Metadata>,
    ) -> Result<(), XbuildError> {
        for (ground, layers) in &planned.composed.layers {
            if !said.contains_key(&ground.rust) {
                let of_rust = Metadata::ask(&self.engine, &planned.project.ground(&layers.host))?;
                said.insert(ground.rust.clone(), of_rust);
            }
        }
        planned.metadata = said;
        Ok(())
    }

    /// The sandbox's root for what runs on this machine, with nothing of a target.
    pub(crate) fn host_layers(&self) -> Result<Vec<Digest<Tree>>, XbuildError> {
        let first = *self.toolchains.values().next().ok_or_else(no_variant)?;
        self.compose(&self.described.toolchains, |composer| {
            let layers = composer.layers(first, &[], &Server::from_environment(&settings::variable))?;
            self.history.know(pinned::layers(composer, first, &layers));
            Ok(layers.host)
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
        let fetcher = self.fetcher(&fetching);
        let builder = ComponentBuilder { engine: &self.engine };
        let composed = compose(&self.composer(toolchains, &fetching, &fetcher, &builder))?;
        fetching.display.finish();
        Ok(composed)
    }

    /// What fetches, or in a dry run what components are asked of.
    fn fetcher<'f>(&'f self, fetching: &'f Fetching<'_>) -> Fetcher<'f> {
        fetching.fetcher().deferring(self.later.as_ref().map(|later| &later.files))
    }

    /// A file of the net, or what is in it. In a dry run something stands in its place that would be fetched.
    pub(crate) fn fetch(&self, wanted: &FixedOutput, is_archive: bool) -> Result<Entry, XbuildError> {
        let fetching = Fetching::new(self.session, self.global, self.ui)?;
        let fetcher = self.fetcher(&fetching);
        let all = std::slice::from_ref(wanted);
        if let Some(deferred) = fetcher.deferred()
            && !fetcher.missing(all)?.is_empty()
        {
            deferred.add(&wanted.name, [wanted.clone()]);
            return Ok(Entry::File(self.stand_in(&format!("{} {}", wanted.name, wanted.sha256))?));
        }
        let entry = match is_archive {
            true => fetcher.trees(all)?.first().copied().map(Entry::Directory),
            false => {
                let file = |&digest: &Digest<Blob>| Entry::File(File { digest, executable: false });
                fetcher.blobs(all)?.first().map(file)
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
        let names: Vec<&ComponentName> = names.into_iter().collect();
        let trees = self.compose(toolchains, |composer| composer.trees(names))?;
        for (name, &tree) in &trees {
            let (name, versions) =
                (pinned::component(name.as_str()), pinned::versions(toolchains, name, &self.host));
            let is_pending = is_stand_in(self.content(), tree);
            self.note(tree, Component { name, versions, is_pending });
        }
        Ok(trees)
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
        packages::pin_missing(ground, grounds, &mut pins, sets, self.later.is_some())?;
        let is_pinned = |set: &PackageSet| pins.packages.contains_key(set);
        let (pinned, open) = sets.iter().cloned().partition(is_pinned);
        let mut trees = packages::trees(self, self.described, &pinned, &pins.packages)?;
        for set in BTreeSet::into_iter(open) {
            let (name, versions) = (set.to_string(), BTreeMap::new());
            let tree = stand_in(self.content(), &name).map_err(FetchError::from)?;
            self.note(tree, Component { name: name.clone(), versions, is_pending: true });
            self.later.iter().for_each(|later| later.note(Undone::Pin { name: name.clone() }));
            trees.insert(set, tree);
        }
        Ok(trees)
    }
}
