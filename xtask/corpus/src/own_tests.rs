//! A program's own tests: `xbuild test` on it, as anybody would call it.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use serde::Deserialize;
use xtask_corpus::{App, OwnTests};
use xtask_ground::processor_time;

use crate::build::{Builder, Failure, failure};
use crate::error::Error;
use crate::state::Counts;

/// The part that is needed of a line of `--message-format json`.
#[derive(Deserialize)]
struct Message {
    reason: String,
    run: Option<String>,
    totals: Option<Totals>,
    #[serde(default)]
    tests: Vec<Case>,
}

#[derive(Deserialize, Clone, Copy)]
struct Totals {
    passed: usize,
    failed: usize,
    ignored: usize,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    verdict: String,
}

/// How a program's tests ended.
#[derive(Debug, Clone)]
pub(crate) struct Tested {
    pub(crate) counts: Counts,
    /// What failed first, or why nothing could be run.
    pub(crate) failure: Option<Failure>,
}

impl Builder<'_> {
    /// Builds a program's tests for a target, in the folder that `unpack` made, and runs them.
    pub(crate) fn test(
        &self,
        app: &App,
        tests: &OwnTests,
        project: &Path,
        target: &str,
    ) -> Result<Tested, Error> {
        let mut command = Command::new(self.xbuild);
        command.args(["test", "--target", target, "--no-fail-fast", "--message-format", "json"]);
        if let Some(jobs) = self.jobs {
            command.args(["--jobs", &jobs.to_string()]);
        }
        command.arg("--project").arg(project).env("XBUILD_STORE", self.store);
        let left_out: Vec<&str> = tests.left_out(target).flat_map(|(names, _)| names).collect();
        if !left_out.is_empty() {
            command.args(["--", "--exact"]);
            command.args(left_out.iter().flat_map(|name| ["--skip", name]));
        }
        let (before, start) = (processor_time()?, Instant::now());
        let output = self.stop.output(&mut command)?;
        let (wall, cpu) = (start.elapsed(), processor_time()?.saturating_sub(before));
        let [stdout, stderr] =
            [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        fs_err::create_dir_all(self.folder.join("log"))?;
        fs_err::write(self.folder.join("log").join(format!("{}-{target}.tests", app.name)), &stderr)?;
        let mut counts = Counts { wall: wall.as_secs_f64(), cpu: cpu.as_secs_f64(), ..Counts::default() };
        let failed = count(&stdout, &mut counts);
        let failure = (!output.status.success()).then(|| {
            let mut failure = failure(&output, &stderr);
            if let Some(first) = failed {
                failure.reason = format!("{first} failed");
            }
            failure
        });
        Ok(Tested { counts, failure })
    }
}

/// Adds up what JSON lines tell; the first test that failed.
fn count(lines: &str, counts: &mut Counts) -> Option<String> {
    let messages = lines.lines().filter_map(|line| serde_json::from_str::<Message>(line).ok());
    let mut first = None;
    for message in messages.filter(|message| message.reason == "xbuild-test") {
        counts.runs += 1;
        if let Some(Totals { passed, failed, ignored }) = message.totals {
            counts.passed += passed;
            counts.failed += failed;
            counts.ignored += ignored;
        }
        let failed = message.tests.iter().find(|case| case.verdict == "failed");
        if let Some(case) = failed.filter(|_| first.is_none()) {
            first = Some(format!("{}: {}", message.run.unwrap_or_default(), case.name));
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_say_is_added_up_and_the_first_failure_named() {
        let line = |name: &str, verdict: &str, failed: usize| {
            format!(
                r#"{{"reason":"xbuild-test","run":"a 1.0.0 (lib)","totals":{{"passed":2,"failed":{failed},"ignored":1}},"tests":[{{"name":"{name}","verdict":"{verdict}"}}]}}"#
            )
        };
        let lines = [
            line("one", "passed", 0),
            line("two", "failed", 1),
            line("three", "failed", 1),
            r#"{"reason":"xbuild-test","run":"a 1.0.0 (test own)","totals":null,"tests":[]}"#.to_owned(),
            r#"{"reason":"compiler-message"}"#.to_owned(),
        ];
        let mut counts = Counts::default();
        assert_eq!(count(&lines.join("\n"), &mut counts).as_deref(), Some("a 1.0.0 (lib): two"));
        assert_eq!((counts.runs, counts.passed, counts.failed, counts.ignored), (4, 6, 2, 3));
    }
}
