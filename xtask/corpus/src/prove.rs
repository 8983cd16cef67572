//! That something is impossible: the pinned cargo, in a sandbox over the same toolchain, can't build it either.

use std::path::Path;

use xbuild_action::{ContentExt as _, Outcome, Silent};
use xtask_corpus::App;
use xtask_ground::cargo::{LOG, call, inputs};
use xtask_ground::{Ground, Script, Shape, limits};

use crate::build::{shortened, unpack};
use crate::error::Error;
use crate::state::Proof;
use crate::stop::Stop;

/// How much of cargo's log is kept.
const LINES: usize = 30;

/// Lets cargo build a program for a target, which must fail, and keeps what it says.
pub(crate) fn prove(
    ground: &Ground,
    app: &App,
    target: &str,
    folder: &Path,
    stop: &Stop,
) -> Result<Proof, Error> {
    let project = unpack(ground, app, folder)?;
    let plan = ground.plan(&project, &Shape { targets: &[target], ..Shape::default() })?;
    let calls: Vec<String> = plan.graphs.chunks(1).map(call).collect();
    let text = format!("{{ {}; }} > {LOG} 2>&1 || {{ cat {LOG} >&2; exit 1; }}\n", calls.join(" && "));
    let inputs = inputs(&plan);
    let script = Script {
        text: &text,
        folder: &plan.sources.workspace,
        inputs: &inputs,
        limits: limits(),
        descriptors: Vec::new(),
    };
    let named = || (app.name.clone(), target.to_owned());
    match script.run(&ground.sandbox, &stop.cancel, &mut Silent) {
        Outcome::Failed(result, _) => {
            let log = ground.store.get(result.stderr)?;
            Ok(proof(app, &plan.release, &String::from_utf8_lossy(&log)))
        }
        Outcome::Succeeded(..) => {
            let (app, target) = named();
            Err(Error::Possible { app, target })
        }
        Outcome::OverLimit { limit, .. } => {
            let (app, target) = named();
            Err(Error::NoProof { app, target, problem: format!("over its limit: {limit}") })
        }
        Outcome::Cancelled => Err(Error::Stopped),
        Outcome::Broken(error) => Err(error.into()),
    }
}

fn proof(app: &App, release: &str, log: &str) -> Proof {
    let lines: Vec<&str> = log.lines().collect();
    let summary = lines.iter().find(|line| line.starts_with("error")).or(lines.last());
    Proof {
        version: app.version.clone(),
        cargo: release.to_owned(),
        summary: shortened(summary.map_or("it says nothing", |line| line.trim())),
        tail: lines[lines.len().saturating_sub(LINES)..].join("\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_keeps_the_end_of_the_log_and_its_first_error() {
        let app = xtask_corpus::list().unwrap().apps.remove(0);
        let log: String = (0..40).map(|n| format!("line {n}\n")).collect();
        let proof = proof(&app, "1.96.1", &format!("error: failed to run custom build command\n{log}"));
        assert_eq!(proof.summary, "error: failed to run custom build command");
        assert_eq!(proof.tail.lines().next(), Some("line 10"));
        assert_eq!(proof.tail.lines().last(), Some("line 39"));
    }
}
