//! JUnit's XML, as CI services read it.

use quick_junit::{NonSuccessKind, Report as Document, TestCase, TestCaseStatus, TestSuite};

use super::{Suite, Verdict};
use crate::OutputError;

/// One file of all runs. A run whose tests can't be told apart is one test.
///
/// # Errors
/// When it can't be written as XML.
pub fn junit(suites: &[Suite]) -> Result<String, OutputError> {
    let mut document = Document::new("xbuild");
    document.add_test_suites(suites.iter().map(of_suite));
    document.to_string().map_err(|error| OutputError::Junit(error.to_string()))
}

fn of_suite(suite: &Suite) -> TestSuite {
    let Suite { name, platform, failure, report, stdout, stderr, time } = suite;
    let mut written = TestSuite::new(format!("{name} [{platform}]"));
    written.set_time(*time);
    for case in &report.cases {
        let status = match &case.verdict {
            Verdict::Passed => TestCaseStatus::success(),
            Verdict::Failed(output) => {
                let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                status.set_description(output.as_str());
                status
            }
            Verdict::Ignored(reason) => {
                let mut status = TestCaseStatus::skipped();
                if let Some(reason) = reason {
                    status.set_message(reason.as_str());
                }
                status
            }
        };
        let mut written_case = TestCase::new(case.name.as_str(), status);
        written_case.set_classname(format!("{name} [{platform}]"));
        written.add_test_case(written_case);
    }
    let is_told = report.cases.iter().any(|case| matches!(case.verdict, Verdict::Failed(_)));
    if report.totals.is_none() || (failure.is_some() && !is_told) {
        let status = match failure {
            None => TestCaseStatus::success(),
            Some(why) => {
                let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
                status.set_message(why.as_str());
                status
            }
        };
        let mut whole = TestCase::new("(the whole program)", status);
        whole.set_classname(format!("{name} [{platform}]")).set_time(*time);
        written.add_test_case(whole);
    }
    if failure.is_some() {
        written.set_system_out(stdout.as_str()).set_system_err(stderr.as_str());
    }
    written
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::read;
    use super::*;

    #[test]
    fn passed_failed_and_ignored_tests_and_a_program_of_its_own() {
        let suite = |name: &str, failure: Option<&str>, stdout: &str| Suite {
            name: name.to_owned(),
            platform: "x86_64-unknown-linux-musl".to_owned(),
            failure: failure.map(str::to_owned),
            report: read(stdout),
            stdout: stdout.to_owned(),
            stderr: String::new(),
            time: Duration::from_millis(1500),
        };
        let printed = "test a ... ok\ntest b ... FAILED\ntest c ... ignored, later\n\n---- b stdout ----\n1 < 2 & 3\n\n\nfailures:\n    b\n\ntest result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured\n";
        let suites = [
            suite("foo 0.1.0 (lib)", Some("exit code 101"), printed),
            suite("foo 0.1.0 (test own)", None, "fine\n"),
        ];
        insta::assert_snapshot!(junit(&suites).unwrap());
    }
}
