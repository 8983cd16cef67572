//! Projects that a command line names by where they are: `PROJECT#OUTPUT` in the place of an output, `git+URL` in the place
//! of a folder.

use std::path::PathBuf;

use crate::cli::{Cli, Execution, Toolchain, Verb};
use crate::error::XbuildError;
use crate::inputs::{Address, Hands};
use crate::session::Session;
use crate::ui::Ui;

/// Takes the project out of what outputs are called, and brings it where it is in a repository.
pub(crate) fn find(cli: &mut Cli, ui: &Ui) -> Result<(), XbuildError> {
    let mut named: Option<String> = None;
    let mut outputs = match &mut cli.verb {
        Verb::Build(build) | Verb::All(build) => std::mem::take(&mut build.outputs),
        Verb::Run(run) => run.output.take().into_iter().collect(),
        Verb::Shell(shell) => std::mem::take(&mut shell.outputs),
        Verb::Develop(develop) => develop.name.take().into_iter().collect(),
        _ => Vec::new(),
    };
    for output in &mut outputs {
        let Some((project, name)) = output.rsplit_once('#') else { continue };
        if named.as_ref().is_some_and(|other| other != project) {
            return Err(XbuildError::user(
                "outputs of several projects can't be asked for at once",
                "call xbuild for each of them",
            ));
        }
        named = Some(project.to_owned());
        *output = name.to_owned();
    }
    // What stands before `#` says it for all.
    outputs.retain(|output| !output.is_empty());
    match &mut cli.verb {
        Verb::Build(build) | Verb::All(build) => build.outputs = outputs,
        Verb::Run(run) => run.output = outputs.pop(),
        Verb::Shell(shell) => shell.outputs = outputs,
        Verb::Develop(develop) => develop.name = outputs.pop(),
        _ => {}
    }
    if let Some(project) = named {
        cli.global.project = PathBuf::from(project);
    }
    // Each stage of the gate finds it by itself.
    if matches!(cli.verb, Verb::Ci(_)) {
        return Ok(());
    }
    let address = cli.global.project.to_str().map(Address::parse).transpose()?.flatten();
    let Some(address) = address else { return Ok(()) };
    if writes(&cli.verb) {
        return Err(XbuildError::user(
            "nothing can be written into a commit",
            "clone the repository, and name the folder",
        ));
    }
    let session = Session::open(ui)?;
    let execution = Execution::default();
    let hands = Hands { global: &cli.global, session: &session, ui, execution };
    let (project, commit) = address.bring(hands)?;
    cli.global.project = project;
    cli.global.commit = Some(commit);
    Ok(())
}

/// Whether a verb writes among a project's own files.
fn writes(verb: &Verb) -> bool {
    match verb {
        Verb::Init(_) | Verb::Update(_) => true,
        Verb::Toolchain(toolchain) => matches!(toolchain, Toolchain::Add { .. } | Toolchain::Update { .. }),
        _ => false,
    }
}
