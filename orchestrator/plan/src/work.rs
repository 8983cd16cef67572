//! A graph of actions as the scheduler sees it.

use std::collections::{BTreeMap, BTreeSet};

use xbuild_action::{ActionResult, Command, File, InputRoot, StoreError, TreeError};
use xbuild_base::{RelPath, Sha256};

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
    /// Whether of the sources that people edit only those are in it that its fingerprint covers: its own package's.
    pub is_fingerprinted: bool,
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

    /// A checksum over everything that actions of the graph are made from beside sources that people edit and results
    /// of its own nodes. `None`: nobody can tell.
    fn fingerprint(&self) -> Option<Sha256> {
        None
    }

    /// A checksum over the rest, for one node; all that it waits for has succeeded. In graphs with the same fingerprint a
    /// node with the same one has the same action, if that is made from nothing else ([`Bound::is_fingerprinted`]).
    ///
    /// # Errors
    /// When the sources can't be read.
    fn fingerprint_of(&self, _node: Node) -> Result<Option<Sha256>, PlanError> {
        Ok(None)
    }

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

/// Actions whose inputs are all known: none waits for another, and nobody takes their results.
#[derive(Debug)]
pub struct Independent(pub Vec<Bound>);

impl Work for Independent {
    fn nodes(&self) -> Vec<(u64, Vec<(Node, Wait)>)> {
        self.0.iter().map(|_| (1, Vec::new())).collect()
    }

    fn bind(&self, node: Node) -> Result<Bound, PlanError> {
        Ok(self.0[node].clone())
    }

    fn early(&mut self, _: Node, _: File) {}

    fn succeeded(&mut self, _: Node, _: &ActionResult) -> Result<(), PlanError> {
        Ok(())
    }

    fn warnings(&self, _: Node) -> &[String] {
        &[]
    }
}

/// The files of a result's output folder, by name.
pub type Files = BTreeMap<String, File>;
