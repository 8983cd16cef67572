//! A graph of actions as the scheduler sees it.

use std::collections::{BTreeMap, BTreeSet};

use xbuild_action::{ActionResult, Command, File, InputRoot, StoreError, TreeError};
use xbuild_base::RelPath;

use crate::queue::{Node, Wait};

/// Why a node's action, or what came of it, could not be worked out.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Cargo's part: the graph, a build script's directives.
    #[error(transparent)]
    Cargo(#[from] xbuild_cargo::Error),
    /// The inputs could not be put together.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An action succeeded without making what it should.
    #[error("{unit} was built, but its `{file}` is missing")]
    MissingOutput {
        /// Which unit.
        unit: String,
        /// Which file.
        file: String,
    },
    /// `[package.NAME] include` is of a package that isn't the project's own.
    #[error(
        "[package.{package}] include: `{package}` is fetched, and only the project's own packages can be given files"
    )]
    ForeignInclude {
        /// The package.
        package: String,
    },
    /// `[package.NAME] include` names what isn't there.
    #[error(
        "[package.{package}] include names `{path}`, and there is no such file or folder among the sources"
    )]
    MissingInclude {
        /// The package.
        package: String,
        /// The path as it was written.
        path: String,
    },
}

/// An action whose inputs are all known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// What to run.
    pub command: Command,
    /// Over which files.
    pub inputs: InputRoot,
    /// Those of the inputs' mounts that people edit: which of their files the action looks at is worth knowing.
    pub observe: BTreeSet<RelPath>,
    /// The file that the process announces before it ends and dependents wait for: a crate's metadata.
    pub early: Option<RelPath>,
}

/// A graph whose nodes become actions one by one, as what they need becomes known.
pub trait Work: Sync {
    /// Cost and edges of each node, dependencies first.
    fn nodes(&self) -> Vec<(u64, Vec<(Node, Wait)>)>;

    /// The action of a node; everything that it waits for is there.
    ///
    /// # Errors
    /// When what it needs can't be made sense of.
    fn bind(&self, node: Node) -> Result<Bound, PlanError>;

    /// Takes the early file of a node.
    fn early(&mut self, node: Node, file: File);

    /// Takes the result of a node that succeeded.
    ///
    /// # Errors
    /// When the result can't be made sense of: a build script's directives.
    fn succeeded(&mut self, node: Node, result: &ActionResult) -> Result<(), PlanError>;

    /// What the build script of a node that succeeded warns of.
    fn warnings(&self, node: Node) -> &[String];
}

/// The files of a result's output folder, by name.
pub type Files = BTreeMap<String, File>;
