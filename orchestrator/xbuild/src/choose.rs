//! Which programs are meant by words, from the project's own files alone: before anything is fetched.

use xbuild_base::Triple;
use xbuild_describe::{Glibc, OutputKind, Request, VariantName, Workspace, evaluate};
use xbuild_realise::{Patches, project, workspace};

use crate::description::Described;
use crate::error::XbuildError;
use crate::session::Session;

/// A program that fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    pub(crate) variant: VariantName,
    pub(crate) target: Triple,
    pub(crate) name: String,
    /// The glibc that its target is built against, where it has one.
    pub(crate) glibc: Option<Glibc>,
    /// Whether this machine runs it without an emulator.
    pub(crate) is_native: bool,
}

impl Program {
    /// Its name as an output.
    pub(crate) fn output(&self) -> String {
        format!("{}/{}/{}", self.variant, self.target, self.name)
    }
}

/// What is known of the workspace from its manifests alone.
pub(crate) fn facts(described: &Described, session: &Session) -> Result<Workspace, XbuildError> {
    let lock = project::read_lock(&described.root)?;
    let patches = Patches::new(&described.description, &described.patches, &lock)?;
    let local = described.sources(&session.store)?;
    let local = patches.apply_to_local(&*session.store, &lock, local)?;
    Ok(workspace::of_manifests(&*session.store, &local, &lock)?)
}

/// The programs that a request selects; of variants and targets that it leaves open, the unnamed variant's and those
/// that need no emulator, where there are such.
pub(crate) fn programs(
    described: &Described,
    session: &Session,
    request: &Request,
) -> Result<Vec<Program>, XbuildError> {
    let request = Request { all_bins: true, ..request.clone() };
    let facts = facts(described, session)?;
    let asked = evaluate(&described.description, &facts, &described.targets, &request)?;
    let mut found: Vec<Program> = Vec::new();
    for one in &asked {
        let programs = one.selected.iter().filter(|selected| selected.output.kind == OutputKind::Bin);
        let spec = described.targets.get(&one.target);
        found.extend(programs.map(|selected| Program {
            variant: one.variant.clone(),
            target: one.target.clone(),
            name: selected.output.name.clone(),
            glibc: one.glibc,
            is_native: spec.is_some_and(|spec| spec.run.emulator.is_empty()),
        }));
    }
    let preferences: [fn(&Program) -> bool; 2] =
        [|program| program.variant == VariantName::default(), |program| program.is_native];
    for prefers in preferences {
        if found.iter().any(prefers) {
            found.retain(prefers);
        }
    }
    match found.is_empty() {
        false => Ok(found),
        true => Err(XbuildError::user("the build has no program", "see what there is: xbuild show")),
    }
}
