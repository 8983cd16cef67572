//! What every part works with.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use xtask_ground::{Ground, Plan, Shape};

use crate::cargo::{Cargo, Gate, Waiting};
use crate::error::Error;
use crate::parts::Part;
use crate::project::{Origin, Project};
use crate::script::Phase;
use crate::slices::{Slices, Turn};
use crate::stores;
use crate::xbuild::{self, Fetch, Xbuild};

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    Full,
    /// As little as can be: it shows that the benchmark works.
    Sample,
}

/// What every part works with.
pub(crate) struct Bench<'b> {
    /// xbuild itself.
    pub(crate) program: &'b Path,
    /// The repository.
    pub(crate) root: &'b Path,
    /// What cargo builds on.
    pub(crate) ground: &'b Ground,
    /// What [`stores::ready`] made.
    pub(crate) ready: &'b Path,
    pub(crate) gate: &'b Gate,
    pub(crate) places: &'b Places,
    /// Where programs to compare with are installed.
    pub(crate) tools: PathBuf,
    pub(crate) extent: Extent,
}

impl Bench<'_> {
    /// The project that a part is about.
    pub(crate) fn project(&self, part: &Part) -> Project {
        part.project(self.extent)
    }

    /// So many, or so many in a sample.
    pub(crate) fn many(&self, full: usize, sample: usize) -> usize {
        match self.extent {
            Extent::Full => full,
            Extent::Sample => sample,
        }
    }

    /// A copy of a project in a folder of this name; returns the workspace's folder.
    pub(crate) fn copy(&self, project: &Project, name: &str) -> Result<PathBuf, Error> {
        copy(self.root, self.ground, project, &self.places.copy(name))
    }

    /// A store in which the toolchain is ready, and nothing else.
    pub(crate) fn fresh_store(&self, name: &str) -> Result<PathBuf, Error> {
        let store = self.places.store(name);
        stores::fresh(self.ready, &store)?;
        Ok(store)
    }

    /// xbuild over a store.
    pub(crate) fn xbuild<'x>(
        &'x self,
        store: &'x Path,
        targets: &'x [&'static str],
        profile: &'static str,
    ) -> Xbuild<'x> {
        Xbuild { program: self.program, store, targets, profile, fetch: Fetch::Never }
    }

    /// Plans a copy for cargo.
    pub(crate) fn plan(&self, copy: &Path, shape: &Shape<'_>) -> Result<Plan, Error> {
        Ok(self.ground.plan(copy, shape)?)
    }

    /// Cargo, to be asked for phases.
    pub(crate) fn cargo<'c>(&'c self, project: &Project, plan: &'c Plan, phases: Vec<Phase>) -> Cargo<'c> {
        let (ground, gate, project) = (self.ground, self.gate, project.name);
        Cargo { ground, gate, project, plan, files: Default::default(), phases }
    }
}

/// Makes a copy of a project below a folder, fetching it where need be; returns the workspace's folder.
pub(crate) fn copy(root: &Path, ground: &Ground, project: &Project, place: &Path) -> Result<PathBuf, Error> {
    let tree = match project.origin {
        Origin::Crate(release) => Some(ground.fetched_crate(&release.lock())?),
        Origin::Repository(_) | Origin::Files(_) | Origin::Synthetic(_) => None,
    };
    project.copy(root, tree.map(|tree| (&*ground.store, tree)), place)
}

/// Runs cargo's next phase and a call of xbuild's by turns.
pub(crate) fn together(
    first: Turn,
    cargo: &mut Waiting<'_>,
    xbuild: impl FnOnce(&Slices) -> Result<xbuild::Ran, Error> + Send,
) -> Result<(crate::cargo::Ran, xbuild::Ran), Error> {
    let slices = Slices::default();
    let stopped = cargo.stopped.clone();
    std::thread::scope(|scope| {
        scope.spawn(|| slices.run(first, &stopped));
        let xbuild = scope.spawn(|| {
            let ran = xbuild(&slices);
            slices.ended();
            ran
        });
        let cargo = cargo.run();
        slices.ended();
        let xbuild = xbuild.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        Ok((cargo?, xbuild?))
    })
}

/// Folders that go away at the end.
pub(crate) struct Places {
    /// Beside the store that is given: its content can be linked.
    stores: TempDir,
    /// Away from this repository, whose workspace they would be in.
    copies: TempDir,
}

impl Places {
    pub(crate) fn new(store: &Path) -> Result<Self, Error> {
        // Root's sandboxes run as somebody else, who must get there.
        let permissions = std::fs::Permissions::from_mode(0o755);
        let mut builder = tempfile::Builder::new();
        let builder = builder.prefix("xbuild-bench-").permissions(permissions);
        let beside = store.parent().unwrap_or(store);
        fs_err::create_dir_all(beside)?;
        Ok(Self { stores: builder.tempdir_in(beside)?, copies: builder.tempdir()? })
    }

    pub(crate) fn store(&self, name: &str) -> PathBuf {
        self.stores.path().join(name)
    }

    pub(crate) fn copy(&self, name: &str) -> PathBuf {
        self.copies.path().join(name)
    }

    /// Removes all of them but one store.
    pub(crate) fn clear(&self, keep: &Path) -> Result<(), Error> {
        for folder in [self.stores.path(), self.copies.path()] {
            for entry in fs_err::read_dir(folder)? {
                let path = entry?.path();
                if path == keep {
                    continue;
                }
                if path.is_dir() {
                    fs_err::remove_dir_all(path)?;
                } else {
                    fs_err::remove_file(path)?;
                }
            }
        }
        Ok(())
    }
}
