//! What crates need beside Rust: the built-in recipes under the project's own, and the trees that they name.

use std::collections::{BTreeMap, BTreeSet};

use xbuild_action::{Content, Directory, Entry, TreeError, lookup};
use xbuild_base::{Digest, RelPath, Tree, Triple};
use xbuild_cargo::UnitIndex;
use xbuild_describe::{
    Asked, ComponentName, InputOutput, Native, Natives, PackageGround, TargetSpec, VariantName,
    is_debian_name, suggest,
};
use xbuild_fetch::FetchError;
use xbuild_fetch::toolchain::{beside, with_usr_at};
use xbuild_plan::graph::{self, Part};
use xbuild_realise::native;

use crate::composed::spec;
use crate::description::Described;
use crate::error::XbuildError;
use crate::lock::PackageSet;
use crate::packages::{self, Grounds};
use crate::steps;
use crate::work::Work;

/// Where the host's packages have their files, and where they are laid.
const USR: &str = "usr";

/// Gives units the tools, libraries and variables that the crates in them need. Tells of each part which libraries its
/// programs may need for it.
pub(crate) fn provide(
    work: &Work<'_>,
    described: &Described,
    asked: &[Asked],
    parts: &mut [Part],
) -> Result<Vec<Supplied>, XbuildError> {
    let mut wants: Vec<BTreeMap<UnitIndex, Wants>> = Vec::new();
    for (part, one) in parts.iter().zip(asked) {
        let mut of_part = BTreeMap::new();
        let natives = recipes_of(described, &one.variant);
        for (run, needed) in native::recipes(&part.context, part.needed(), &natives) {
            let is_for_target = part.context.unit(run).platform.is_some();
            let target = is_for_target.then(|| spec(described, &one.target)).transpose()?;
            of_part.insert(run, Wants::new(described, work.host(), target, one, needed)?);
        }
        wants.push(of_part);
    }
    let all = || wants.iter().flat_map(BTreeMap::values);
    let components: BTreeSet<ComponentName> = all().flat_map(|one| one.components.iter().cloned()).collect();
    let sets: BTreeSet<PackageSet> =
        all().flat_map(|one| one.tools.iter().chain(&one.libraries)).cloned().collect();
    let components =
        if components.is_empty() { BTreeMap::new() } else { work.trees(&described.toolchains, &components)? };
    let packages = if sets.is_empty() { BTreeMap::new() } else { work.packages(&sets)? };
    let mut programs = BTreeMap::new();
    for output in wants.iter().flat_map(BTreeMap::values).flat_map(|one| &one.programs) {
        let layers = parts.first().map_or(&[][..], |part| &part.host_layers);
        programs.insert(output.clone(), steps::program(work, layers, output)?);
    }
    let trees = Trees { work, components, packages, programs };
    let mut supplied = Vec::new();
    for ((part, one), wants) in parts.iter_mut().zip(asked).zip(wants) {
        supplied.push(trees.supply(part, spec(described, &one.target)?.packages.as_ref(), wants)?);
    }
    Ok(supplied)
}

/// The recipes that hold for a variant, the later over the earlier.
pub(crate) fn recipes_of<'d>(described: &'d Described, variant: &VariantName) -> Vec<&'d Natives> {
    let of_variant = described.description.variants.get(variant).map(|build| &build.natives);
    [&described.recipes, &described.description.natives].into_iter().chain(of_variant).collect()
}

/// What a run of a build script needs, in the words of `toolchains.toml` and `xbuild.lock`.
#[derive(Debug)]
struct Wants {
    components: BTreeSet<ComponentName>,
    /// Of other projects.
    programs: BTreeSet<InputOutput>,
    tools: Option<PackageSet>,
    libraries: Option<PackageSet>,
    environment: BTreeMap<String, String>,
}

impl Wants {
    /// `target` is what the script runs for, if it isn't the host.
    fn new(
        described: &Described,
        host: &Triple,
        target: Option<&TargetSpec>,
        asked: &Asked,
        needed: Native,
    ) -> Result<Self, XbuildError> {
        let Native { tools, packages, env, stamp: _, unless: _ } = needed;
        let (mut components, mut programs, mut of_inputs) =
            (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for tool in tools.into_iter().flatten() {
            if let Some(output) = InputOutput::parse(&tool) {
                of_inputs.insert(output);
                continue;
            }
            match tool.parse::<ComponentName>() {
                Ok(name) if described.toolchains.components.contains_key(&name) => {
                    components.insert(name);
                }
                _ if is_debian_name(&tool) => {
                    programs.insert(tool);
                }
                _ => return Err(no_tool(described, &tool)),
            }
        }
        let packages: BTreeSet<String> = packages.into_iter().flatten().collect();
        let (mut tools, mut libraries) = (None, None);
        if !programs.is_empty() || !packages.is_empty() {
            let grounds = Grounds::new(described, described.toolchain(&asked.variant)?, host)?;
            tools = (!programs.is_empty()).then(|| grounds.tools(programs));
            libraries = match (packages.first().cloned(), target) {
                (None, _) => None,
                (Some(_), None) => Some(grounds.host_libraries(packages)),
                (Some(first), Some(spec)) => {
                    let set = grounds.libraries(spec, asked.glibc, packages);
                    Some(set.ok_or_else(|| no_packages(described, &first, spec))?)
                }
            };
        }
        Ok(Self { components, programs: of_inputs, tools, libraries, environment: env })
    }
}

fn no_tool(described: &Described, tool: &str) -> XbuildError {
    let names: Vec<&str> = described.toolchains.components.keys().map(ComponentName::as_str).collect();
    XbuildError::user(
        format!("{} tools: `{tool}` is no component of toolchains.toml", packages::named_by(described, tool)),
        format!("{}; or name a Debian package", suggest(tool, "components", &names)),
    )
}

fn no_packages(described: &Described, package: &str, spec: &TargetSpec) -> XbuildError {
    let (recipe, triple) = (packages::named_by(described, package), &spec.triple);
    XbuildError::user(
        format!(
            "{recipe} packages: {package} is wanted for {triple}, and there are no packages for that target"
        ),
        format!(
            "say it where there are some: [target.'cfg(all(target_os = \"linux\", target_env = \"gnu\"))'.{recipe}]"
        ),
    )
}

/// The libraries of packages that programs of a part may need.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Supplied {
    /// Trees that have them.
    pub(crate) trees: BTreeSet<Digest<Tree>>,
    /// The folders in these that they lie in, in the order in which they are looked for.
    pub(crate) folders: Vec<RelPath>,
    /// Their files' names.
    pub(crate) names: BTreeSet<String>,
}

impl Supplied {
    /// Adds what another part has.
    pub(crate) fn join(&mut self, other: Self) {
        let Self { trees, folders, names } = other;
        self.trees.extend(trees);
        self.folders
            .extend(folders.into_iter().filter(|folder| !self.folders.contains(folder)).collect::<Vec<_>>());
        self.names.extend(names);
    }

    /// Looks for libraries in `lib` of a folder, in `lib/<triple>`, and one folder deeper, where packages keep libraries
    /// for their own libraries alone, which find them by their RUNPATH.
    fn add(&mut self, store: &dyn Content, tree: Digest<Tree>, root: &RelPath) -> Result<(), FetchError> {
        let libraries = root.join(&path("lib")?);
        let Some(Entry::Directory(folder)) = lookup(store, tree, &libraries)? else {
            return Ok(());
        };
        self.trees.insert(tree);
        let below = |path_above: &RelPath, folder: Digest<Tree>| {
            let mut folders = Vec::new();
            for (name, entry) in &store.directory(folder)?.entries {
                if let Entry::Directory(folder) = entry {
                    folders.push((path_above.join(&path(name)?), *folder));
                }
            }
            Ok::<_, FetchError>(folders)
        };
        let is_of_triple = |(path, _): &(RelPath, Digest<Tree>)| {
            path.file_name().is_some_and(|name| name.contains("-linux-"))
        };
        let mut folders = vec![(libraries.clone(), folder)];
        for (path, folder) in below(&libraries, folder)?.into_iter().filter(is_of_triple) {
            let private = below(&path, folder)?;
            folders.push((path, folder));
            folders.extend(private);
        }
        for (path, folder) in folders {
            let names = store.directory(folder)?;
            let names: BTreeSet<String> =
                names.entries.keys().filter(|name| name.contains(".so")).cloned().collect();
            if !names.is_empty() {
                self.names.extend(names);
                self.folders.push(path);
            }
        }
        Ok(())
    }
}

/// What was fetched, to be given to units.
struct Trees<'t> {
    work: &'t Work<'t>,
    components: BTreeMap<ComponentName, Digest<Tree>>,
    packages: BTreeMap<PackageSet, Digest<Tree>>,
    programs: BTreeMap<InputOutput, Digest<Tree>>,
}

impl Trees<'_> {
    /// Gives a part's units what they need.
    fn supply(
        &self,
        part: &mut Part,
        ground: Option<&PackageGround>,
        wants: BTreeMap<UnitIndex, Wants>,
    ) -> Result<Supplied, XbuildError> {
        let store = self.work.content();
        let mut supplied = Supplied::default();
        let mut laid = BTreeMap::new();
        for (&run, wants) in &wants {
            let Some(&tree) = wants.libraries.as_ref().and_then(|set| self.packages.get(set)) else {
                continue;
            };
            let (place, layers) = match (part.context.unit(run).platform.is_some(), ground) {
                (true, Some(ground)) => (ground.root.clone(), &part.target_layers),
                (true, None) => continue,
                (false, _) => (path(USR)?, &part.host_layers),
            };
            let laid_out = with_usr_at(store, tree, &place).map_err(FetchError::from)?;
            self.work.note_part(tree, laid_out);
            let tree = self.beside(laid_out, layers)?;
            if part.context.unit(run).platform.is_some() {
                supplied.add(store, tree, &place)?;
            }
            laid.insert(run, tree);
        }
        let mut native: BTreeMap<UnitIndex, graph::Native> = BTreeMap::new();
        for (unit, runs) in native::reach(&part.context, part.needed(), &laid.keys().copied().collect()) {
            let trees: BTreeSet<Digest<Tree>> =
                runs.iter().filter_map(|run| laid.get(run)).copied().collect();
            native.entry(unit).or_default().layers.extend(trees.into_iter().filter(is_some_tree));
        }
        for (run, wants) in wants {
            let native = native.entry(run).or_default();
            let components: Vec<Digest<Tree>> =
                wants.components.iter().filter_map(|name| self.components.get(name)).copied().collect();
            // What both have, of two versions perhaps, a component has as it was tried.
            for tree in std::mem::take(&mut native.layers) {
                let tree = self.beside(tree, &components)?;
                native.layers.extend(Some(tree).filter(is_some_tree));
            }
            native.layers.extend(components);
            native.layers.extend(wants.programs.iter().filter_map(|name| self.programs.get(name)).copied());
            native.environment = wants.environment;
            let tools = wants.tools.as_ref().and_then(|set| self.packages.get(set));
            if let Some(&tools) = tools {
                let is_for_target = part.context.unit(run).platform.is_some();
                let mut others =
                    if is_for_target { part.target_layers.clone() } else { part.host_layers.clone() };
                others.extend(&native.layers);
                let tree = self.beside(tools, &others)?;
                native.layers.extend(Some(tree).filter(is_some_tree));
            }
        }
        part.native = native;
        Ok(supplied)
    }

    /// What of a tree has no place in others yet, which is still called like it.
    fn beside(&self, tree: Digest<Tree>, others: &[Digest<Tree>]) -> Result<Digest<Tree>, FetchError> {
        let rest = beside(self.work.content(), tree, others)?;
        self.work.note_part(tree, rest);
        Ok(rest)
    }
}

/// Whether a tree has anything in it.
fn is_some_tree(tree: &Digest<Tree>) -> bool {
    *tree != Directory::default().digest()
}

fn path(text: &str) -> Result<RelPath, FetchError> {
    RelPath::new(text).map_err(|_| TreeError::Missing(RelPath::root()).into())
}

#[cfg(test)]
mod tests {
    use xbuild_action::{ContentExt as _, File, Memory, TreeBuilder};

    use super::*;

    #[test]
    fn libraries_that_only_other_libraries_find_are_found_and_the_rest_is_passed_over() {
        let store = Memory::default();
        let mut tree = TreeBuilder::default();
        for name in [
            "usr/lib/x86_64-linux-gnu/libpulse.so.0",
            "usr/lib/x86_64-linux-gnu/pulseaudio/libpulsecommon-17.0.so",
            "usr/lib/x86_64-linux-gnu/pkgconfig/libpulse.pc",
            "usr/lib/python3/module.so",
        ] {
            let digest = store.put(name.as_bytes()).unwrap();
            tree.insert(&store, &path(name).unwrap(), Entry::File(File { digest, executable: false }))
                .unwrap();
        }
        let tree = tree.build(&store).unwrap();
        let mut supplied = Supplied::default();
        supplied.add(&store, tree, &path(USR).unwrap()).unwrap();
        let folders: Vec<&str> = supplied.folders.iter().map(RelPath::as_str).collect();
        assert_eq!(folders, ["usr/lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu/pulseaudio"]);
        let names: Vec<&str> = supplied.names.iter().map(String::as_str).collect();
        assert_eq!(names, ["libpulse.so.0", "libpulsecommon-17.0.so"]);
    }
}
