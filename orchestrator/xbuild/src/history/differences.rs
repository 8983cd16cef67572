//! What differs between a unit and an earlier one.

use xbuild_action::Content;
use xbuild_plan::reasons::{Components, Reason, Side, reasons};

use super::{Taken, UnitRecord};
use crate::steps;

/// What differs, by whether it can be why the unit ran again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Differences {
    /// What is the unit's own.
    pub(crate) own: Vec<Reason>,
    /// What other units and steps made.
    pub(crate) made: Vec<Reason>,
    /// Those that can't count: the earlier one had not looked at them.
    pub(crate) unseen: Vec<Reason>,
}

impl Differences {
    /// Those between a unit and an earlier one.
    pub(crate) fn between(
        store: &dyn Content,
        components: &Components,
        before: &UnitRecord,
        unit: &UnitRecord,
    ) -> Self {
        let [was, is] =
            [before, unit].map(|unit| Side { label: &unit.label, ingredients: &unit.ingredients });
        let is_unseen = |reason: &Reason| {
            before.seen.as_ref().is_some_and(|seen| before.ingredients.is_unseen(reason, seen))
        };
        let found = reasons(store, components, was, is).into_iter();
        let (unseen, counting): (Vec<_>, Vec<_>) = found.partition(is_unseen);
        let (made, own) = counting.into_iter().partition(|reason| unit.is_made(reason));
        Self { own, made, unseen }
    }

    /// Those that may count.
    pub(crate) fn counting(&self) -> impl Iterator<Item = &Reason> {
        self.own.iter().chain(&self.made)
    }

    /// Those that say most.
    pub(crate) fn shown(&self) -> &[Reason] {
        let Self { own, made, unseen } = self;
        [own, made, unseen].into_iter().find(|some| !some.is_empty()).map_or(&[], Vec::as_slice)
    }
}

impl UnitRecord {
    /// Where it takes something from that is neither a source nor another unit's.
    pub(crate) fn taken(&self, reason: &Reason) -> Option<Taken> {
        let path = reason.path()?;
        if let Some(step) = steps::provided_by(path) {
            return Some(Taken::Step(step.to_owned()));
        }
        // None lies below another.
        self.takes
            .iter()
            .find(|(place, _)| path.strip_prefix(place).is_some())
            .map(|(_, taken)| taken.clone())
    }

    /// Whether what differs was made by another unit, or by a step.
    fn is_made(&self, reason: &Reason) -> bool {
        match reason {
            Reason::Artefact(_) => true,
            Reason::Source(difference) if difference.path.as_str().starts_with("build/script/") => true,
            Reason::Source(_) => matches!(self.taken(reason), Some(Taken::Step(_) | Taken::Output(_))),
            _ => false,
        }
    }
}
