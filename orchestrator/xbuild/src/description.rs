//! Finds and reads everything that describes a build: the workspace, `xbuild.toml`, targets, toolchains.

use std::path::{Path, PathBuf};

use xbuild_base::Triple;
use xbuild_describe::{
    Description, Override, Problems, RustToolchain, Source, TargetSpec, Targets, Toolchain, Toolchains,
};

use crate::builtin;
use crate::cli::Global;
use crate::error::XbuildError;

/// Where a project keeps its own targets and toolchains.
const OWN: &str = ".xbuild";

/// A project and what describes its build.
#[derive(Debug)]
pub(crate) struct Described {
    /// The workspace's folder, absolute.
    pub(crate) root: PathBuf,
    pub(crate) description: Description,
    pub(crate) targets: Targets,
    pub(crate) toolchains: Toolchains,
    /// `rust-toolchain.toml`, where there is one.
    rust_toolchain: Option<RustToolchain>,
}

impl Described {
    /// Reads all of it.
    pub(crate) fn read(global: &Global) -> Result<Self, XbuildError> {
        let root = workspace_root(&global.project)?;
        let overrides: Vec<Override> =
            global.overrides.iter().map(|text| Override::parse(text)).collect::<Result<_, Problems>>()?;
        let (toolchains, targets) = read_data(&root)?;
        let description = Description::read(source(&root, "xbuild.toml")?, &overrides, &targets)?;
        let file = match source(&root, "rust-toolchain")? {
            Some(source) => Some(source),
            None => source_of(&root, "rust-toolchain.toml")?,
        };
        let rust_toolchain = file.map(RustToolchain::read).transpose()?;
        Ok(Self { root, description, targets, toolchains, rust_toolchain })
    }

    /// The toolchain that is used.
    pub(crate) fn toolchain(&self) -> Result<&Toolchain, XbuildError> {
        let resolved = self.toolchains.resolve(&self.description.toolchain, self.rust_toolchain.as_ref());
        resolved.map_err(|problem| Problems::from(problem).into())
    }
}

/// Targets and toolchains: the built-in ones, and the project's over them.
pub(crate) fn read_data(root: &Path) -> Result<(Toolchains, Targets), XbuildError> {
    let mut toolchains = Toolchains::read(Source::new("toolchains.toml (built in)", builtin::TOOLCHAINS))?;
    if let Some(own) = source(root, &format!("{OWN}/toolchains.toml"))? {
        toolchains = toolchains.overlaid(own)?;
    }
    let mut targets = Targets::default();
    for (triple, text) in builtin::TARGETS {
        let source = Source::new(format!("targets/{triple}.toml (built in)"), *text);
        targets.insert(TargetSpec::read(parse_triple(triple)?, source, &toolchains)?);
    }
    let folder = root.join(OWN).join("targets");
    let mut own: Vec<PathBuf> = match fs_err::read_dir(&folder) {
        Ok(entries) => entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(unreadable(&error)),
    };
    own.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    own.sort();
    for path in own {
        let triple = parse_triple(&path.file_stem().unwrap_or_default().to_string_lossy())?;
        if let Some(source) = source(root, &format!("{OWN}/targets/{triple}.toml"))? {
            targets.insert(TargetSpec::read(triple, source, &toolchains)?);
        }
    }
    Ok((toolchains, targets))
}

fn parse_triple(text: &str) -> Result<Triple, XbuildError> {
    text.parse().map_err(|error: xbuild_base::TripleError| {
        XbuildError::user(error.to_string(), "a file in .xbuild/targets is named <triple>.toml")
    })
}

/// A file of the project as a source, if it is there.
fn source(root: &Path, name: &str) -> Result<Option<Source>, XbuildError> {
    match fs_err::read_to_string(root.join(name)) {
        Ok(text) => Ok(Some(Source::new(name, text))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(&error)),
    }
}

use source as source_of;

fn unreadable(error: &std::io::Error) -> XbuildError {
    XbuildError::Environment { what: error.to_string(), help: None }
}

/// The folder of the workspace that `project` is, or is a member of: the nearest manifest with `[workspace]` at
/// or above it that doesn't exclude it, else its own.
fn workspace_root(project: &Path) -> Result<PathBuf, XbuildError> {
    let start = fs_err::canonicalize(project).map_err(|error| unreadable(&error))?;
    let mut own = None;
    for folder in start.ancestors() {
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
                return Ok(folder.to_owned());
            }
            break;
        }
        if own.is_none() {
            let named = table.get("package").and_then(|package| package.get("workspace")?.as_str());
            if let Some(named) = named {
                return fs_err::canonicalize(folder.join(named)).map_err(|error| unreadable(&error));
            }
            own = Some(folder.to_owned());
        }
    }
    own.ok_or_else(|| {
        XbuildError::user(
            format!("there is no Cargo.toml in {} or above it", start.display()),
            "name the project's folder: xbuild build --project DIR",
        )
    })
}
