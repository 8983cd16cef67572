//! Outputs → images in the store.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use cargo_platform::Cfg;
use xbuild_base::{RelPath, Triple};
use xbuild_describe::{Base, FileSource, ImageSettings, LayerCompression, suggest};
use xbuild_image::{
    BaseOptions, Compression, ImageError, Libraries, NONROOT, Node, Owner, Role, RootFs, Settings, add_base,
    add_libraries, check_leaks,
};
use xbuild_output::{Place, Row};
use xbuild_store::Disk;

use super::Made;
use super::base::{Bases, Pins};
use super::files::Files;
use super::select::{STATIC, is_wanted, platform};
use crate::composed::spec;
use crate::description::Described;
use crate::error::XbuildError;
use crate::native::Supplied;
use crate::revision::{self, Revision};
use crate::steps::Steps;
use crate::work::{Planned, Realised, Work};

/// Where programs go.
const BIN: &str = "bin";

/// What images stand on beside what is built.
#[derive(Debug)]
pub(crate) struct Ground {
    /// What each reference of a base is pinned to.
    pub(crate) pins: Pins,
    /// The commit that they are made of.
    pub(crate) revision: Option<Revision>,
    /// Paths of this machine, which must be in no image.
    pub(crate) machine: Vec<String>,
}

impl Ground {
    pub(crate) fn new(described: &Described, store: &Disk, pins: Pins) -> Self {
        let home = || Some(format!("{}/.cargo", crate::settings::variable("HOME")?));
        let cargo_home = crate::settings::variable("CARGO_HOME").or_else(home);
        let folders = [&described.root, store.folder()].map(|folder| Some(folder.display().to_string()));
        let machine = folders.into_iter().chain([cargo_home]).flatten().collect();
        Self { pins, revision: revision::find(&described.root), machine }
    }
}

/// Makes images of what was built.
pub(crate) struct Maker<'m> {
    described: &'m Described,
    work: &'m Work<'m>,
    planned: &'m Planned<'m>,
    realised: &'m Realised,
    bases: &'m Bases<'m>,
    ground: &'m Ground,
}

/// Makes the images that are asked for, of each variant.
pub(crate) fn make(
    described: &Described,
    names: &[String],
    work: &Work<'_>,
    (planned, realised): (&Planned<'_>, &Realised),
    bases: &Bases<'_>,
    ground: &Ground,
) -> Result<Vec<Made>, XbuildError> {
    let is_program = |row: &&Row| row.artefact.place == Place::Bin;
    let variants: BTreeSet<&str> =
        realised.rows.iter().filter(is_program).map(|row| row.artefact.variant.as_str()).collect();
    if variants.is_empty() {
        return Err(XbuildError::user(
            "the build has no program, and an image is made of programs",
            "see what it has: xbuild build --dry-run",
        ));
    }
    let maker = Maker { described, work, planned, realised, bases, ground };
    let (mut made, mut lacking) = (Vec::<Made>::new(), Vec::new());
    for variant in &variants {
        made.extend(maker.of_variant(variant, names, &mut lacking)?);
    }
    // A variant need not have every program, but some variant must.
    if let Some((_, error)) = lacking.into_iter().find(|(name, _)| made.iter().all(|made| made.name != *name))
    {
        return Err(error);
    }
    if let Some(name) = names.iter().find(|name| made.iter().all(|made| made.name != **name)) {
        let programs: BTreeSet<&str> =
            realised.rows.iter().filter(is_program).map(|row| row.artefact.name.as_str()).collect();
        let programs: Vec<&str> = programs.into_iter().collect();
        return Err(XbuildError::user(
            format!("there is no program `{name}` to make an image of"),
            suggest(name, "programs", &programs),
        ));
    }
    Ok(made)
}

impl Maker<'_> {
    /// The images of a variant. Those whose programs it does not have are left to `lacking`.
    fn of_variant(
        &self,
        variant: &str,
        names: &[String],
        lacking: &mut Vec<(String, XbuildError)>,
    ) -> Result<Vec<Made>, XbuildError> {
        let rows = || self.realised.rows.iter().filter(move |row| row.artefact.variant == variant);
        let programs: Vec<&Row> = rows().filter(|row| row.artefact.place == Place::Bin).collect();
        let images = &self.described.description.images;
        let is_wanted = |name: &&str| is_wanted(names, name);
        // Each image with the programs that it names.
        let wanted: BTreeMap<&str, Option<BTreeSet<String>>> = if images.named.is_empty() {
            let common = images.settings("", variant, |_| false).bins;
            let is_chosen = |name: &&str| common.as_ref().is_none_or(|bins| bins.contains(*name));
            let programs = programs.iter().map(|row| row.artefact.name.as_str());
            let chosen = programs.filter(is_wanted).filter(|name| !names.is_empty() || is_chosen(name));
            chosen.map(|name| (name, Some([name.to_owned()].into()))).collect()
        } else {
            let named = images.named.keys().map(String::as_str).filter(is_wanted);
            named.map(|name| (name, images.settings(name, variant, |_| false).bins)).collect()
        };
        let mut made = Vec::new();
        for (name, bins) in wanted {
            let there: BTreeSet<&str> = programs.iter().map(|row| row.artefact.name.as_str()).collect();
            if let Some(gone) = bins.iter().flatten().find(|bin| !there.contains(bin.as_str())) {
                let there: Vec<&str> = there.into_iter().collect();
                let error = XbuildError::user(
                    format!("the image {name} wants the program `{gone}`, which the build does not have"),
                    suggest(gone, "programs", &there),
                );
                lacking.push((name.to_owned(), error));
                continue;
            }
            let targets: BTreeSet<&Triple> = programs.iter().map(|row| &row.artefact.target).collect();
            let (mut images, mut notes) = (Vec::new(), Vec::new());
            for target in targets {
                let of_target: Vec<&Row> = rows().filter(|row| row.artefact.target == *target).collect();
                let one = One { maker: self, variant, name, bins: bins.as_ref(), target, rows: &of_target };
                let begun = Instant::now();
                let (image, said) = one.make()?;
                notes.extend(said.into_iter().map(|note| format!("{name} on {}: {note}", image.platform)));
                images.push((image, begun.elapsed()));
            }
            images.sort_by(|(a, _), (b, _)| a.platform.cmp(&b.platform));
            let (images, times): (Vec<_>, Vec<_>) = images.into_iter().unzip();
            let layout = xbuild_image::layout(self.bases.store(), &images)?;
            let repository = self.described.description.images.settings(name, variant, |_| false).repository;
            let (name, variant) = (name.to_owned(), variant.to_owned());
            made.push(Made { variant, name, repository, layout, images, notes, times });
        }
        Ok(made)
    }
}

/// An image for one target.
struct One<'o> {
    maker: &'o Maker<'o>,
    variant: &'o str,
    name: &'o str,
    bins: Option<&'o BTreeSet<String>>,
    target: &'o Triple,
    /// All outputs of the target.
    rows: &'o [&'o Row],
}

impl One<'_> {
    /// The image, and what its user should know.
    fn make(&self) -> Result<(xbuild_image::Image, Vec<String>), XbuildError> {
        let Maker { described, work, planned, realised, bases, ground } = self.maker;
        let store = bases.store();
        let missing =
            || XbuildError::user(format!("there are no images for {}", self.target), "leave it out");
        let of_target = spec(described, self.target)?.image.as_ref().ok_or_else(missing)?;
        let cfgs: &[Cfg] = realised.cfgs.get(self.target).map(Vec::as_slice).unwrap_or_default();
        let holds = |platform: &cargo_platform::Platform| platform.matches(self.target.as_str(), cfgs);
        let settings = described.description.images.settings(self.name, self.variant, holds);

        if settings.timezones && settings.base != Base::Static {
            return Err(XbuildError::user(
                format!("the image {} is to have time zones, which come with the base `static`", self.name),
                "leave `timezones` away, or the other base",
            ));
        }
        let mut root = RootFs::default();
        let mut pulled = None;
        match &settings.base {
            Base::Scratch => {}
            Base::Static => {
                let tree = *planned.components.get(STATIC).ok_or_else(missing)?;
                add_base(store, &mut root, tree, BaseOptions { timezones: settings.timezones })?;
            }
            Base::Pulled(reference) => {
                let base = bases.get(reference, &platform(of_target))?;
                root = base.root.clone();
                pulled = Some(base);
            }
        }
        let programs = self.programs();
        for row in &programs {
            let path = RelPath::new(BIN)
                .and_then(|bin| Ok(bin.join(&RelPath::new(row.artefact.name.as_str())?)))
                .map_err(ImageError::from)?;
            let why = format!("the program {} of the project", row.artefact.name);
            root.add(path, Node::file(row.artefact.file.digest, 0o755, Role::Application, why))?;
        }
        let takes_steps = settings.files.values().any(|file| matches!(file.from, FileSource::Step(_)));
        let steps = takes_steps.then(|| Steps::new(work)).transpose()?;
        let (sources, fetched, outputs) = (&work.local, &*planned.files, self.rows);
        let (steps, of_inputs) = (steps.as_ref(), (*work, self.target));
        let files = Files { store, sources, fetched, outputs, of_inputs, steps };
        files.add(&mut root, &settings.files)?;
        let of_base = || match &pulled {
            Some(base) => base.user().map(str::to_owned),
            None => (settings.base == Base::Static).then(|| format!("{NONROOT}:{NONROOT}")),
        };
        let user = settings.user.clone().or_else(of_base);
        self.add_folders(&mut root, &settings, user.as_deref())?;

        let asked = planned
            .asked
            .iter()
            .find(|one| one.target == *self.target && one.variant.as_str() == self.variant);
        let layers = asked.map(|one| planned.composed.layers_of(one)).transpose()?;
        let supplied = realised.libraries.get(&(self.variant.to_owned(), self.target.clone()));
        let libraries = match (layers, &of_target.libraries) {
            (Some(layers), Some(folder)) => {
                let (mut trees, mut folders) = (layers.sysroot.clone(), vec![folder.clone()]);
                if let Some(Supplied { trees: others, folders: of_others, names: _ }) = supplied {
                    trees.extend(others);
                    folders.extend(of_others.iter().filter(|other| *other != folder).cloned());
                }
                Some(Libraries { trees, folders })
            }
            _ => None,
        };
        let mut notes = add_libraries(store, &mut root, libraries.as_ref(), &settings.dlopen)?;
        let allowed = settings.allow_secrets.clone();
        let annotations = self.annotations(&settings, ground.revision.as_ref());
        let entrypoint = self.entrypoint(&settings, &programs)?;
        let settings = self.settings(settings, user, entrypoint, annotations);
        let platform = platform(of_target);
        let said = format!("{settings:?}");
        let name = self.name;
        // The one reads what the other packs.
        let (leaks, image) = std::thread::scope(|scope| {
            let all = (&root, said.as_str());
            let leaks = scope.spawn(move || check_leaks(store, name, all, &ground.machine, &allowed));
            let image = xbuild_image::describe(store, name, &platform, &root, pulled.as_ref(), &settings);
            (leaks.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), image)
        });
        notes.extend(leaks?);
        Ok((image?, notes))
    }

    fn programs(&self) -> Vec<&Row> {
        let is_wanted = |row: &&Row| {
            let is_named = self.bins.is_none_or(|bins| bins.contains(&row.artefact.name));
            row.artefact.place == Place::Bin && is_named
        };
        self.rows.iter().copied().filter(is_wanted).collect()
    }

    /// What is run: what the description says, else the only program.
    fn entrypoint(&self, settings: &ImageSettings, programs: &[&Row]) -> Result<Vec<String>, XbuildError> {
        match (&settings.entrypoint, programs) {
            (Some(words), _) => Ok(words.clone()),
            (None, [one]) => Ok(vec![format!("/{BIN}/{}", one.artefact.name)]),
            (None, []) => Err(XbuildError::user(
                format!("the image {} has no program", self.name),
                "name some: bins = [\"…\"], or an entrypoint that is among its files",
            )),
            (None, several) => {
                let programs: Vec<&str> = several.iter().map(|row| row.artefact.name.as_str()).collect();
                Err(XbuildError::user(
                    format!("the image {} has several programs, and nothing says which it runs", self.name),
                    format!(
                        "name one in [images.{}]: entrypoint = [\"/{BIN}/{}\"]",
                        self.name,
                        programs.join(&format!("\"], or [\"/{BIN}/"))
                    ),
                ))
            }
        }
    }

    /// The folders that the description names for something else: volumes, and the working directory.
    fn add_folders(
        &self,
        root: &mut RootFs,
        settings: &ImageSettings,
        user: Option<&str>,
    ) -> Result<(), XbuildError> {
        let owner = match user {
            Some(user) => root.owner(self.maker.bases.store(), user)?,
            None => Owner::default(),
        };
        let volumes = settings.volumes.iter().map(|path| (path, "it is a volume"));
        let workdir = settings.workdir.iter().map(|path| (path, "it is the working directory"));
        for (path, why) in volumes.chain(workdir) {
            // A volume takes owner and mode from the image's folder: the program could not write to root's.
            let path = RelPath::root().resolve(path.trim_start_matches('/')).map_err(ImageError::from)?;
            if path.is_root() || root.has(&path) {
                continue;
            }
            root.add(path, Node { owner, ..Node::directory(Role::Assets, why) })?;
        }
        Ok(())
    }

    /// What is said of the image: the description first, then the commit and the base.
    fn annotations(&self, settings: &ImageSettings, revision: Option<&Revision>) -> BTreeMap<String, String> {
        let mut annotations = settings.annotations.clone();
        let mut say = |key: &str, value: &str| {
            let key = format!("org.opencontainers.image.{key}");
            annotations.entry(key).or_insert_with(|| value.to_owned());
        };
        if let Some(Revision { commit, time }) = revision {
            say("created", time);
            say("revision", commit);
        }
        if let Base::Pulled(reference) = &settings.base {
            say("base.name", reference);
            if let Some(digest) = self.maker.ground.pins.get(reference) {
                say("base.digest", digest);
            }
        }
        annotations
    }

    fn settings(
        &self,
        settings: ImageSettings,
        user: Option<String>,
        entrypoint: Vec<String>,
        annotations: BTreeMap<String, String>,
    ) -> Settings {
        let revision = self.maker.ground.revision.as_ref();
        let mut labels = settings.labels;
        for key in ["created", "revision"].map(|key| format!("org.opencontainers.image.{key}")) {
            // Some look at the configuration alone.
            if let Some(value) = annotations.get(&key).filter(|_| revision.is_some()) {
                labels.entry(key).or_insert_with(|| value.clone());
            }
        }
        Settings {
            entrypoint,
            cmd: settings.cmd,
            env: settings.env,
            user,
            workdir: settings.workdir,
            ports: settings.ports,
            volumes: settings.volumes,
            stop_signal: settings.stop_signal,
            labels,
            annotations,
            compression: match settings.compression {
                LayerCompression::None => Compression::None,
                LayerCompression::Gzip => Compression::Gzip,
                LayerCompression::Zstd => Compression::Zstd,
            },
            max_size: settings.max_size,
            created: revision.map(|revision| revision.time.clone()),
        }
    }
}
