//! Finds and reads everything that describes a build: the workspace, `xbuild.toml`, targets, toolchains.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use xbuild_base::{Hasher, RelPath, Sha256, Triple};
use xbuild_describe::{
    Description, Natives, Override, Problems, Request, RustToolchain, Source, TargetSpec, Targets, Toolchain,
    Toolchains, VariantName, may_be_asked,
};
use xbuild_realise::{Listing, LocalSources};
use xbuild_store::Disk;

use crate::builtin;
use crate::cli::Global;
use crate::error::XbuildError;
use crate::inputs::{self, Inputs, Standing};

/// Toolchains by the variants that they build.
pub(crate) type VariantToolchains<'d> = BTreeMap<VariantName, &'d Toolchain>;

/// Where a project keeps its own targets and toolchains.
const OWN: &str = ".xbuild";

/// A project and what describes its build.
#[derive(Debug)]
pub(crate) struct Described {
    /// The workspace's folder, absolute.
    pub(crate) root: PathBuf,
    /// Where its files come from, and who keeps its pins.
    pub(crate) standing: Standing,
    /// Other projects that it names, where they are.
    pub(crate) inputs: Arc<Inputs>,
    /// The folder, from there, of the package that was asked for by its folder: it must be a member.
    pub(crate) member: Option<RelPath>,
    pub(crate) description: Description,
    /// The files that it extends, absolute and with no link on the way.
    pub(crate) bases: Vec<PathBuf>,
    pub(crate) targets: Targets,
    pub(crate) toolchains: Toolchains,
    /// What crates need beside Rust, as far as xbuild knows; the project's own go over them.
    pub(crate) recipes: Natives,
    /// The patches that the description names, by their paths from the root.
    pub(crate) patches: BTreeMap<RelPath, Vec<u8>>,
    /// `rust-toolchain.toml`, where there is one.
    rust_toolchain: Option<RustToolchain>,
    /// The checksum of every text that was read, and of every override.
    pub(crate) fingerprint: Sha256,
}

impl Described {
    /// Reads all of the project that a command is about.
    pub(crate) fn read(global: &Global) -> Result<Self, XbuildError> {
        let replaced = inputs::replaced(&global.override_inputs)?;
        let standing = Standing::of_command(global.commit.clone(), replaced);
        Self::read_standing(&global.project, &global.overrides, standing)
    }

    /// Reads all of a project.
    pub(crate) fn read_standing(
        project: &Path,
        overrides: &[String],
        standing: Standing,
    ) -> Result<Self, XbuildError> {
        let Found { root, member } = find_workspace(project, standing.top())?;
        let set = overrides;
        let overrides: Vec<Override> =
            overrides.iter().map(|text| Override::parse(text)).collect::<Result<_, Problems>>()?;
        let mut texts = Texts { is_input: standing.is_input(), top: standing.top(), ..Texts::new(&root) };
        let (toolchains, targets) = texts.data()?;
        let recipes = texts.built_in("native.toml", builtin::NATIVE);
        let recipes = Description::read([recipes], &[], &targets)?.natives;
        let (sources, bases) = texts.description()?;
        let description = Description::read(sources, &overrides, &targets)?;
        let patches = texts.patches(&description)?;
        let mut file = None;
        if !is_published(&root) {
            file = texts.source("rust-toolchain")?;
            if file.is_none() {
                file = texts.source("rust-toolchain.toml")?;
            }
        }
        let rust_toolchain = file.map(RustToolchain::read).transpose()?;
        for text in set {
            texts.add("--set", text);
        }
        let inputs = Arc::new(Inputs::of(&description, &root, &standing)?);
        if let Some(member) = &member {
            texts.add("--project", member.as_str());
        }
        let fingerprint = texts.read.sha256();
        Ok(Self {
            root,
            standing,
            inputs,
            member,
            description,
            bases,
            targets,
            toolchains,
            recipes,
            patches,
            rust_toolchain,
            fingerprint,
        })
    }

    /// Lists and imports the sources.
    pub(crate) fn sources(&self, store: &Disk) -> Result<LocalSources, XbuildError> {
        let listing = self.standing.top().map_or(Listing::Kept, Listing::Whole);
        Ok(LocalSources::import(store, &self.root, listing)?)
    }

    /// The folder in which its results are found: where nobody works in its own, that of whoever asks.
    pub(crate) fn results(&self) -> &Path {
        if self.standing.commit.is_some() { Path::new(".") } else { &self.root }
    }

    /// Whoever names a package by its folder must get that one: as with cargo it must be among the workspace's members,
    /// whose folders these are. A member's folder may be a link.
    pub(crate) fn check_member(&self, asked: &RelPath, members: &[RelPath]) -> Result<(), XbuildError> {
        let place = |folder: &RelPath| self.root.join(folder.as_str());
        let is_asked = |member: &RelPath| {
            member == asked || fs_err::canonicalize(place(member)).is_ok_and(|it| it == place(asked))
        };
        if members.iter().any(is_asked) {
            return Ok(());
        }
        Err(XbuildError::user(
            format!(
                "{asked} lies in the workspace of {}, and is none of its members",
                self.root.join("Cargo.toml").display()
            ),
            "add it to `workspace.members` or `workspace.exclude` there, or give it an empty [workspace] of its own",
        ))
    }

    /// The toolchain of a variant.
    pub(crate) fn toolchain(&self, variant: &VariantName) -> Result<&Toolchain, XbuildError> {
        let wish = self.description.toolchain(variant);
        let resolved = self.toolchains.resolve(&wish, self.rust_toolchain.as_ref());
        resolved.map_err(|problem| Problems::from(problem).into())
    }

    /// The toolchains of all variants that a request may ask something of.
    pub(crate) fn toolchains_for(&self, request: &Request) -> Result<VariantToolchains<'_>, XbuildError> {
        let variants = may_be_asked(&self.description, request).into_iter();
        variants.map(|variant| Ok((variant.clone(), self.toolchain(variant)?))).collect()
    }
}

/// Whether the folder is a package as a registry has it: `cargo package` leaves the manifest's original there. Its
/// toolchain file is its developers' affair: `cargo install` doesn't go by it either.
fn is_published(root: &Path) -> bool {
    root.join("Cargo.toml.orig").is_file()
}

/// Targets and toolchains: the built-in ones, and the project's over them.
pub(crate) fn read_data(root: &Path) -> Result<(Toolchains, Targets), XbuildError> {
    Texts::new(root).data()
}

/// The texts of a project, with a checksum over all that were read.
struct Texts<'r> {
    root: &'r Path,
    /// The folder outside of which nothing belongs to it, if there is one.
    top: Option<&'r Path>,
    read: Hasher,
    /// Whether it is another project's input: then people know its files by where they are.
    is_input: bool,
}

impl<'r> Texts<'r> {
    fn new(root: &'r Path) -> Self {
        Self { root, top: None, read: Hasher::default(), is_input: false }
    }

    /// Refuses a file that does not belong to the project.
    fn check(&self, file: &Path) -> std::io::Result<()> {
        let Some(top) = self.top else { return Ok(()) };
        if fs_err::canonicalize(file)?.starts_with(top) {
            return Ok(());
        }
        let what = format!("{} is outside of the commit that names it", file.display());
        Err(std::io::Error::new(std::io::ErrorKind::PermissionDenied, what))
    }

    fn add(&mut self, name: &str, text: &str) {
        self.add_bytes(name, text.as_bytes());
    }

    fn add_bytes(&mut self, name: &str, bytes: &[u8]) {
        self.read.update(format!("{name} {}\n", bytes.len()).as_bytes());
        self.read.update(bytes);
    }

    /// The patches that a description names.
    fn patches(&mut self, description: &Description) -> Result<BTreeMap<RelPath, Vec<u8>>, XbuildError> {
        let mut patches = BTreeMap::new();
        let mut problems = Vec::new();
        for path in description.patches() {
            let file = self.root.join(path.as_str());
            match self.check(&file).and_then(|()| fs_err::read(&file)) {
                Ok(bytes) => {
                    self.add_bytes(path.as_str(), &bytes);
                    patches.insert(path.clone(), bytes);
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    let message = format!("there is no file `{path}` in the workspace's folder");
                    problems.push(description.patch_problem(path, message).label("no such file"));
                }
                Err(error) => problems.push(description.patch_problem(path, error.to_string())),
            }
        }
        Problems::new(problems).map_or(Ok(patches), |problems| Err(problems.into()))
    }

    /// A file of the project, if it is there.
    fn source(&mut self, name: &str) -> Result<Option<Source>, XbuildError> {
        let file = self.root.join(name);
        match self.check(&file).and_then(|()| fs_err::read_to_string(&file)) {
            Ok(text) => {
                self.add(name, &text);
                let shown = if self.is_input { file.display().to_string() } else { name.to_owned() };
                Ok(Some(Source::new(shown, text)))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(XbuildError::machine(&error)),
        }
    }

    /// `xbuild.toml` and the files that it extends, those first that others are laid over; and where these files lie.
    fn description(&mut self) -> Result<(Vec<Source>, Vec<PathBuf>), XbuildError> {
        let (mut folder, mut sources) = (self.root.to_owned(), Vec::new());
        let (own, mut bases) = (self.root.join("xbuild.toml"), Vec::new());
        let Some(mut source) = self.source("xbuild.toml")? else { return Ok((sources, bases)) };
        while let Some(path) = Description::extends(&source)? {
            let problem = |message: String| Problems::from(Description::extends_problem(&source, message));
            let place = folder.join(&path);
            let text = match self.check(&place).and_then(|()| fs_err::read_to_string(&place)) {
                Ok(text) => text,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    return Err(problem(format!("there is no file {}", place.display())).into());
                }
                Err(error) => return Err(problem(error.to_string()).into()),
            };
            let place = fs_err::canonicalize(&place).map_err(|error| XbuildError::machine(&error))?;
            if place == own || bases.contains(&place) {
                return Err(problem(format!("{} extends itself", place.display())).into());
            }
            self.add(&path, &text);
            folder = place.parent().map(Path::to_owned).unwrap_or_default();
            bases.push(place);
            sources.push(std::mem::replace(&mut source, Source::new(path, text)));
        }
        sources.push(source);
        sources.reverse();
        Ok((sources, bases))
    }

    /// A text that is built in.
    fn built_in(&mut self, name: &str, text: &'static str) -> Source {
        self.add(name, text);
        Source::new(format!("{name} (built in)"), text)
    }

    fn data(&mut self) -> Result<(Toolchains, Targets), XbuildError> {
        let mut toolchains = Toolchains::read(self.built_in("toolchains.toml", builtin::TOOLCHAINS))?;
        if let Some(own) = self.source(&format!("{OWN}/toolchains.toml"))? {
            toolchains = toolchains.overlaid(own)?;
        }
        let mut targets = Targets::default();
        for (triple, text) in builtin::TARGETS {
            let source = self.built_in(&format!("targets/{triple}.toml"), text);
            targets.insert(TargetSpec::read(parse_triple(triple)?, source, &toolchains)?);
        }
        let mut own: Vec<PathBuf> = match fs_err::read_dir(self.root.join(OWN).join("targets")) {
            Ok(entries) => entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(XbuildError::machine(&error)),
        };
        own.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
        own.sort();
        for path in own {
            let triple = parse_triple(&path.file_stem().unwrap_or_default().to_string_lossy())?;
            if let Some(source) = self.source(&format!("{OWN}/targets/{triple}.toml"))? {
                match TargetSpec::read(triple.clone(), source, &toolchains) {
                    Ok(spec) => targets.insert(spec),
                    Err(problems) => targets.insert_broken(triple, problems),
                }
            }
        }
        Ok((toolchains, targets))
    }
}

fn parse_triple(text: &str) -> Result<Triple, XbuildError> {
    text.parse().map_err(|error: xbuild_base::TripleError| {
        XbuildError::user(error.to_string(), "a file in .xbuild/targets is named <triple>.toml")
    })
}

/// A workspace.
pub(crate) struct Found {
    /// Its folder, absolute.
    pub(crate) root: PathBuf,
    /// The folder, from there, of the package that led to it.
    pub(crate) member: Option<RelPath>,
}

impl Found {
    fn new(root: PathBuf, own: Option<&Path>) -> Self {
        let member = own.and_then(|own| own.strip_prefix(&root).ok()).and_then(Path::to_str);
        let member = member.and_then(|member| RelPath::new(member).ok());
        Self { root, member }
    }
}

/// The workspace that `project` is, or lies in: the nearest manifest with `[workspace]` at or above it that doesn't
/// exclude it, else its own. `top` is the folder above which nothing belongs to it, if there is one.
pub(crate) fn find_workspace(project: &Path, top: Option<&Path>) -> Result<Found, XbuildError> {
    let start = fs_err::canonicalize(project).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => XbuildError::user(
            format!("there is no folder {}", project.display()),
            "name the project's folder: xbuild build --project DIR",
        ),
        _ => XbuildError::machine(&error),
    })?;
    let mut own = None;
    for folder in start.ancestors().take_while(|folder| top.is_none_or(|top| folder.starts_with(top))) {
        let path = folder.join("Cargo.toml");
        let Ok(text) = fs_err::read_to_string(&path) else { continue };
        let table = text.parse::<toml::Table>().unwrap_or_default();
        let inside = own.clone().unwrap_or_else(|| folder.to_owned());
        if let Some(workspace) = table.get("workspace") {
            let excluded = workspace.get("exclude").and_then(toml::Value::as_array).into_iter().flatten();
            let excludes = |entry: &toml::Value| {
                entry.as_str().is_some_and(|path| inside != folder && inside.starts_with(folder.join(path)))
            };
            if !excluded.clone().any(excludes) {
                return Ok(Found::new(folder.to_owned(), own.as_deref()));
            }
            break;
        }
        if own.is_none() {
            let named = table.get("package").and_then(|package| package.get("workspace")?.as_str());
            if let Some(named) = named {
                let root =
                    fs_err::canonicalize(folder.join(named)).map_err(|error| XbuildError::machine(&error))?;
                if top.is_some_and(|top| !root.starts_with(top)) {
                    return Err(XbuildError::user(
                        format!(
                            "`package.workspace` of {} leads outside of the commit that has it",
                            path.display()
                        ),
                        "a commit has its workspace among its own files",
                    ));
                }
                return Ok(Found::new(root, Some(folder)));
            }
            own = Some(folder.to_owned());
        }
    }
    own.map(|own| Found::new(own, None)).ok_or_else(|| {
        XbuildError::user(
            format!("there is no Cargo.toml in {} or above it", start.display()),
            "name the project's folder: xbuild build --project DIR",
        )
    })
}
