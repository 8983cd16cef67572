//! `--affected-since REV`: the outputs that a change touches, by what their units can see: files of their packages, what
//! these include, and what the whole build goes by.

use std::collections::BTreeSet;

use xbuild_base::RelPath;
use xbuild_cargo::{Package, UnitIndex};
use xbuild_describe::{Asked, InputOutput, Native, StepSource};
use xbuild_plan::graph::Part;
use xbuild_realise::{LocalSources, native, project};

use crate::description::Described;
use crate::error::XbuildError;
use crate::native::recipes_of;
use crate::revision;

/// Files of the workspace's folder that all outputs go by.
const GLOBAL: [&str; 7] = [
    "Cargo.toml",
    "Cargo.lock",
    "xbuild.toml",
    "xbuild.lock",
    "rust-toolchain",
    "rust-toolchain.toml",
    "clippy.toml",
];
/// The folder there of which that holds for all files.
const GLOBAL_FOLDER: &str = ".xbuild";

/// What has changed since a commit.
pub(crate) struct Changes {
    /// The files, by their places in the sandbox.
    files: BTreeSet<RelPath>,
    /// Whether all outputs go by one of them.
    pub(crate) is_global: bool,
}

impl Changes {
    /// Asks git for the files that differ from a commit, those that are new and not ignored among them.
    pub(crate) fn since(
        described: &Described,
        local: &LocalSources,
        commit: &str,
    ) -> Result<Self, XbuildError> {
        let names = revision::changed(&described.root, commit).ok_or_else(|| {
            let help =
                "name a commit, branch or tag of the repository that the project lies in: --affected-since origin/main";
            XbuildError::user(
                format!("git can't tell what has changed since `{commit}`"),
                revision::help(&described.root, commit, help),
            )
        })?;
        let mut changes = Self { files: BTreeSet::new(), is_global: false };
        for name in names {
            let path = fs_err::canonicalize(described.root.join(&name));
            changes.is_global |= path.is_ok_and(|path| described.bases.contains(&path));
            // What lies so far away that it has no place in the sandbox nothing sees.
            let Ok(place) = local.workspace.resolve(&name) else { continue };
            if let Some(below) = place.strip_prefix(&local.workspace) {
                let first = below.components().next().unwrap_or_default();
                let is_file = GLOBAL.contains(&below.as_str());
                changes.is_global |= is_file || first == GLOBAL_FOLDER;
                changes.is_global |= described.patches.contains_key(&below);
            }
            changes.is_global |= is_configuration(&place, &local.workspace);
            changes.files.insert(place);
        }
        Ok(changes)
    }

    /// Leaves of what is asked for the outputs that see a file that has changed.
    pub(crate) fn keep(&self, described: &Described, local: &LocalSources, part: &Part, asked: &mut Asked) {
        if self.is_global {
            return;
        }
        let context = &part.context;
        // A package in another one's folder is none of that one's files.
        let folders: Vec<&RelPath> = context
            .packages()
            .iter()
            .filter(|package| package.is_local())
            .map(|package| &package.root)
            .collect();
        let innermost = |file: &RelPath| {
            let above = folders.iter().filter(|folder| file.strip_prefix(folder).is_some());
            above.max_by_key(|folder| folder.as_str().len()).map(|folder| (*folder).clone())
        };
        let packages: BTreeSet<RelPath> = self.files.iter().filter_map(innermost).collect();
        let recipes = native::recipes(context, part.needed(), &recipes_of(described, &asked.variant));
        // What has changed in another project is not known here.
        let asks = |native: &Native| native.tools.iter().flatten().any(|tool| is_unpinned(described, tool));
        let ask_inputs: BTreeSet<UnitIndex> =
            recipes.into_iter().filter(|(_, native)| asks(native)).map(|(run, _)| run).collect();
        asked.selected.retain(|selected| {
            let Some(root) = project::unit_of(context, &selected.output) else { return true };
            context.reachable([root]).into_iter().any(|unit| {
                let package = context.package(unit);
                let source = &context.unit(unit).target.src_path;
                let is_touched =
                    || packages.contains(&package.root) || self.touches(described, local, package, source);
                ask_inputs.contains(&unit) || package.is_local() && is_touched()
            })
        });
    }

    /// Whether a unit of a package with its file there sees one of the files outside of the package's folder.
    fn touches(&self, described: &Described, local: &LocalSources, package: &Package, source: &str) -> bool {
        let description = &described.description;
        let is_below = |folder: &RelPath| self.files.iter().any(|file| file.strip_prefix(folder).is_some());
        let beside = RelPath::new(source.trim_start_matches('/')).ok().and_then(|path| path.parent());
        let is_outside = |folder: &RelPath| folder.strip_prefix(&package.root).is_none();
        if beside.filter(is_outside).is_some_and(|folder| is_below(&folder)) {
            return true;
        }
        let settings = description.packages.iter().filter(|(selector, _)| selector.name == package.name);
        for (_, settings) in settings {
            let included =
                settings.include.iter().filter_map(|path| package.root.resolve(path.as_str()).ok());
            if included.into_iter().any(|path| is_below(&path)) {
                return true;
            }
            if settings.inputs.iter().any(|step| self.touches_step(described, local, step)) {
                return true;
            }
        }
        false
    }

    fn touches_step(&self, described: &Described, local: &LocalSources, name: &str) -> bool {
        let Some(step) = described.description.steps.steps.get(name) else { return false };
        let takes_tool = step.tools.iter().any(|tool| is_unpinned(described, tool));
        takes_tool
            || step.inputs.values().any(|source| match source {
                StepSource::Project(path) => {
                    let path = local.workspace.join(path);
                    self.files.iter().any(|file| file.strip_prefix(&path).is_some())
                }
                // Steps that need themselves were refused.
                StepSource::Step(part) => self.touches_step(described, local, &part.name),
                StepSource::Input(output) => described.inputs.is_unpinned(&output.input),
                StepSource::Fetch(_) | StepSource::Output(_) => false,
            })
    }
}

/// Whether a tool is a program of another project, which may have changed though no pin has moved.
fn is_unpinned(described: &Described, tool: &str) -> bool {
    InputOutput::parse(tool).is_some_and(|output| described.inputs.is_unpinned(&output.input))
}

/// Whether a file lies in the `.cargo` of the workspace's folder or of one above it.
fn is_configuration(file: &RelPath, workspace: &RelPath) -> bool {
    let above = file
        .parent()
        .filter(|folder| folder.file_name() == Some(".cargo"))
        .and_then(|folder| folder.parent());
    above.is_some_and(|folder| workspace.strip_prefix(&folder).is_some())
}
