//! A round: both sides by turns.

use std::path::Path;

use xtask_ground::Ground;

use crate::Prepared;
use crate::cargo::{self, Gate, Phase, Waiting};
use crate::error::Error;
use crate::measure::Sample;
use crate::report::Measured;
use crate::slices::Slices;
use crate::{stores, xbuild};

/// How often nothing changes in a round: it is short, and has the largest spread.
const UNCHANGED: usize = 5;

/// How often the leaf crate is edited in a round.
const EDITS: usize = 2;

/// One of the two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    Cargo,
    Xbuild,
}

impl Turn {
    /// Who goes first in a round's first pair.
    pub(crate) fn of_round(number: u16) -> Self {
        if number % 2 == 1 { Self::Cargo } else { Self::Xbuild }
    }

    /// The turns of a pair. The next pair begins with the other: a machine that gets slower, or faster, favours
    /// neither.
    fn both(&mut self) -> [Self; 2] {
        let second = self.other();
        [std::mem::replace(self, second), second]
    }

    /// The other side.
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Cargo => Self::Xbuild,
            Self::Xbuild => Self::Cargo,
        }
    }
}

/// What all rounds need.
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
}

impl Bench<'_> {
    /// One round of both sides, phase by phase and by turns: cold, nothing changed, another folder (xbuild alone:
    /// cargo has nothing to offer there but a cold build), edits. The two folders aren't there yet: one for
    /// xbuild's store, on the file system of the one that is ready, and one for copies of the project.
    pub(crate) fn round(
        &self,
        Prepared { project, tree, plan, .. }: &Prepared,
        title: &str,
        mut turn: Turn,
        [store, place]: [&Path; 2],
        measured: &mut Measured,
    ) -> Result<(), Error> {
        let copies = [place.join("here"), place.join("some/where/else")];
        for copy in &copies {
            project.copy(self.root, tree.map(|tree| (&*self.ground.store, tree)), copy)?;
        }
        let [copy, elsewhere] = copies.map(|copy| project.workspace(&copy));
        stores::fresh(self.ready, store)?;
        let xbuild =
            xbuild::Round { program: self.program, store, project, copy: &copy, elsewhere: &elsewhere };

        let Measured { cargo: of_cargo, xbuild: of_xbuild, .. } = measured;
        let phases =
            [vec![Phase::Cold], vec![Phase::Unchanged; UNCHANGED], vec![Phase::Edited; EDITS]].concat();
        cargo::beside(self.ground, plan, project, self.gate, &phases, |cargo| {
            println!("{title}: cold");
            let [first, _] = turn.both();
            let ((sample, executed), cold) = together(first, cargo, |slices| xbuild.cold(slices))?;
            of_cargo.cold.push(sample);
            of_cargo.executed = executed;
            of_xbuild.cold.push(cold.sample);
            of_xbuild.peak_memory.push(cold.peak_memory);
            (of_xbuild.executed, of_xbuild.units) = (cold.executed, cold.units);
            println!("{title}: nothing changed");
            for side in (0..UNCHANGED).flat_map(|_| turn.both()) {
                match side {
                    Turn::Cargo => of_cargo.unchanged.push(cargo.run()?.0),
                    Turn::Xbuild => of_xbuild.unchanged.push(xbuild.unchanged()?),
                }
            }
            of_xbuild.elsewhere.push(xbuild.elsewhere()?);
            println!("{title}: one leaf crate edited");
            for _ in 0..EDITS {
                let [first, _] = turn.both();
                let ((sample, _), edited) = together(first, cargo, |slices| xbuild.edited(slices))?;
                of_cargo.edited.push(sample);
                of_xbuild.edited.push(edited);
            }
            Ok(())
        })
    }
}

/// Runs cargo's next phase and something of xbuild's by turns.
fn together<T: Send>(
    first: Turn,
    cargo: &mut Waiting<'_>,
    xbuild: impl FnOnce(&Slices) -> Result<T, Error> + Send,
) -> Result<((Sample, usize), T), Error> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_goes_first_changes_from_pair_to_pair() {
        let mut turn = Turn::of_round(1);
        let first: Vec<[Turn; 2]> = (0..3).map(|_| turn.both()).collect();
        let (cargo, xbuild) = ([Turn::Cargo, Turn::Xbuild], [Turn::Xbuild, Turn::Cargo]);
        assert_eq!(first, [cargo, xbuild, cargo]);
        assert_eq!(Turn::of_round(2), Turn::Xbuild);
    }
}
