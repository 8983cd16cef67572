//! Outputs of other projects.

use std::sync::Arc;

use xbuild_action::File;
use xbuild_base::Triple;
use xbuild_describe::{InputOutput, suggest_or};
use xbuild_output::Row;

use super::{Hands, Having, Input, Inputs, Lacking};
use crate::cli::{Build, Execution};
use crate::description::Described;
use crate::error::XbuildError;
use crate::lock::Lock;
use crate::record::recall;
use crate::steps::{self, Making};
use crate::timings::Recorder;
use crate::work::{Extra, Wanted, Work, make};

/// What of another project is asked for to have an output of it for a target.
fn request(output: &InputOutput, target: &Triple, execution: Execution) -> Build {
    // Of `[variant/][target/]name` the target counts where it is named.
    let mut parts = output.output.rsplit('/').skip(1);
    let names_target = parts.next().is_some_and(|target| target != "*");
    Build {
        outputs: vec![output.output.clone()],
        targets: if names_target { Vec::new() } else { vec![target.to_string()] },
        execution,
        no_link: true,
        ..Build::default()
    }
}

/// Has all fetched that an output of another project is made from.
pub(crate) fn fetch(
    described: &Described,
    output: &InputOutput,
    target: &Triple,
    hands: Hands<'_>,
) -> Result<(), XbuildError> {
    let other = read(described, &output.input, hands)?;
    let (build, global) = (request(output, target, hands.execution), hands.global.of_input());
    let ui = hands.ui.of_input();
    let work = Work::new(&global, &build, Wanted::Everything, &other, hands.session, &ui)?;
    let planned = work.plan(&Extra::default(), &mut Recorder::default())?;
    steps::fetch(&work, &work.look(&planned, Making::Skip)?.steps.takers)
}

/// An output of another project, for a target.
pub(crate) fn output(
    described: &Described,
    output: &InputOutput,
    target: &Triple,
    hands: Hands<'_>,
) -> Result<File, XbuildError> {
    let other = read(described, &output.input, hands)?;
    let (build, global) = (request(output, target, hands.execution), hands.global.of_input());
    hands.ui.status("Input", format!("{output} for {target}"));
    let rows = make(&global, &build, &other, hands.session, &hands.ui.of_input())?.unwrap_or_default();
    only(&rows, output, target, &other)
}

/// As [`output`], where it has been built from all that it would be built from now, and where it takes neither the net nor
/// a pin to know that.
pub(crate) fn known(
    described: &Described,
    output: &InputOutput,
    target: &Triple,
    hands: Hands<'_>,
) -> Result<Option<File>, XbuildError> {
    let (input, beside) = find(described, &output.input)?;
    let mut lock = Lock::read(&input.keeper)?;
    if !input.is_at_hand(&lock, hands)? {
        return Ok(None);
    }
    let found = input.find(&mut lock, Having::Kept, hands)?;
    let other = input.read(found, beside, described.standing.depth)?;
    let (build, global) = (request(output, target, hands.execution), hands.global.of_input());
    let ui = hands.ui.of_input();
    let work = Work::new(&global, &build, Wanted::Everything, &other, hands.session, &ui)?;
    let recalled = work.key()?.and_then(|key| recall(&hands.session.store, key));
    recalled.map(|recalled| only(&recalled.rows, output, target, &other)).transpose()
}

/// The one of another project's outputs that is meant.
fn only(rows: &[Row], output: &InputOutput, target: &Triple, other: &Described) -> Result<File, XbuildError> {
    let name = output.file_name();
    let mut called = rows.iter().filter(|row| row.artefact.is_called(name));
    match (called.next(), called.next()) {
        (Some(row), None) => Ok(row.artefact.file),
        (Some(one), Some(two)) => Err(XbuildError::user(
            format!("`{output}` is more than one output: {}, {}", one.artefact.path()?, two.artefact.path()?),
            "name one of them: PROJECT/VARIANT/TARGET/NAME",
        )),
        (None, _) => {
            let made = rows.iter().map(|row| row.artefact.stem());
            let help = format!("see what it makes: xbuild show --project {}", other.root.display());
            Err(XbuildError::user(
                format!("the input `{}` makes no `{name}` for {target}", output.input),
                suggest_or(name, made, &help),
            ))
        }
    }
}

/// Reads another project, which is brought and pinned where it must be.
fn read(described: &Described, name: &str, hands: Hands<'_>) -> Result<Described, XbuildError> {
    let (input, beside) = find(described, name)?;
    let before = Lock::read(&input.keeper)?;
    let mut lock = before.clone();
    let found = input.find(&mut lock, Having::Kept, hands)?;
    if input.lacking == Lacking::Written {
        lock.write_changes(&before, &input.keeper)?;
    }
    input.read(found, beside, described.standing.depth)
}

fn find<'d>(described: &'d Described, name: &str) -> Result<(&'d Input, &'d Arc<Inputs>), XbuildError> {
    described.inputs.find(name).ok_or_else(|| {
        XbuildError::user(format!("there is no input `{name}`"), "see [inputs] in xbuild.toml")
    })
}
