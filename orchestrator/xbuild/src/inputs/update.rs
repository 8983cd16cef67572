//! Pins of other projects, moved.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::{Hands, Having};
use crate::age::MinAge;
use crate::description::Described;
use crate::error::XbuildError;
use crate::lock::Lock;

/// Moves pins to what their references lead to now: those that are wanted, or all. Pins of inputs that nobody has any more
/// go. Commits are no younger than `min_age`. Gives all of the inputs' projects but those that keep their own lock.
pub(crate) fn update(
    described: &Described,
    wanted: &[String],
    min_age: Option<MinAge>,
    hands: Hands<'_>,
) -> Result<Vec<Described>, XbuildError> {
    let before = described.lock()?;
    let mut moving = Moving {
        wanted,
        min_age,
        hands,
        lock: before.clone(),
        found: BTreeSet::new(),
        circles: Vec::new(),
        projects: Vec::new(),
    };
    moving.look(described, &mut vec![described.root.clone()])?;
    let Moving { mut lock, found, circles, projects, .. } = moving;
    if let Some(strange) = wanted.iter().find(|name| !found.contains(*name)) {
        let names: Vec<&str> = found.iter().map(String::as_str).collect();
        return Err(XbuildError::user(
            format!("there is no input `{strange}`"),
            xbuild_describe::suggest(strange, "inputs", &names),
        ));
    }
    lock.inputs.retain(|name, _| found.contains(name) || circles.iter().any(|way| name.starts_with(way)));
    described.write_lock(&lock, &before)?;
    Ok(projects)
}

struct Moving<'m> {
    /// The names of those that move; all, where there is none.
    wanted: &'m [String],
    min_age: Option<MinAge>,
    hands: Hands<'m>,
    lock: Lock,
    /// The names of all inputs in the lock.
    found: BTreeSet<String>,
    /// Where projects lead back to one that they are taken by: what stands before the names there.
    circles: Vec<String>,
    projects: Vec<Described>,
}

impl Moving<'_> {
    /// Looks at the inputs of a project. `above` are the folders of the projects that it is taken by, and its own.
    fn look(&mut self, of: &Described, above: &mut Vec<PathBuf>) -> Result<(), XbuildError> {
        // Those that it follows are another project's.
        for input in of.inputs.own.values() {
            self.found.insert(input.name.clone());
            let is_moved = self.wanted.is_empty() || self.wanted.contains(&input.name);
            let having = if is_moved { Having::Moved(self.min_age) } else { Having::Kept };
            let (project, commit) = input.find(&mut self.lock, having, self.hands)?;
            // Another project's own lock is its own to move.
            if input.own_lock {
                continue;
            }
            let project = fs_err::canonicalize(&project).unwrap_or(project);
            if above.contains(&project) {
                self.circles.push(format!("{}/", input.name));
                continue;
            }
            let other = input.read((project.clone(), commit), &of.inputs, of.standing.depth)?;
            above.push(project);
            self.look(&other, above)?;
            above.pop();
            self.projects.push(other);
        }
        Ok(())
    }
}
