//! Reads what libtest prints, and rustdoc with it: the form that people see, for the one for programs is not stable.

use super::{Case, Report, Totals, Verdict};

/// Reads a test program's standard output. Lines that are not libtest's are passed over.
#[must_use]
pub fn read(stdout: &str) -> Report {
    let mut report = Report::default();
    for line in stdout.lines() {
        if let Some(totals) = totals(line) {
            *report.totals.get_or_insert_default() += totals;
        } else if let Some(case) = case(line) {
            report.cases.push(case);
        }
    }
    for case in &mut report.cases {
        if let Verdict::Failed(output) = &mut case.verdict {
            *output = output_of(stdout, &case.name).unwrap_or_default();
        }
    }
    report
}

/// `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s`
fn totals(line: &str) -> Option<Totals> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let count = |what: &str| {
        let part = counts.split("; ").find_map(|part| part.strip_suffix(what))?;
        part.trim_end().parse().ok()
    };
    Some(Totals { passed: count("passed")?, failed: count("failed")?, ignored: count("ignored")? })
}

/// `test path::to::it ... ok`
fn case(line: &str) -> Option<Case> {
    let (name, verdict) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
    let verdict = match verdict {
        "ok" => Verdict::Passed,
        "FAILED" => Verdict::Failed(String::new()),
        "ignored" => Verdict::Ignored(None),
        other => Verdict::Ignored(Some(other.strip_prefix("ignored, ")?.to_owned())),
    };
    // What libtest says of how it is run is no part of the name.
    let name = name.strip_suffix(" - should panic").unwrap_or(name);
    Some(Case { name: name.to_owned(), verdict })
}

/// What stands below `---- name stdout ----`.
fn output_of(stdout: &str, name: &str) -> Option<String> {
    let (_, below) = stdout.split_once(&format!("\n---- {name} stdout ----\n"))?;
    let end = below.find("\n---- ").into_iter().chain(below.find("\n\nfailures:\n")).min();
    Some(below[..end.unwrap_or(below.len())].trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What libtest of Rust 1.95 printed.
    const PRINTED: &str = "
running 5 tests
test a::b ... ok
test c ... FAILED
test d ... ignored
test e ... ignored, on Sundays
test f - should panic ... ok

failures:

---- c stdout ----

thread 'c' (7) panicked at src/lib.rs:3:5:
test result: ok. this is none
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace


failures:
    c

test result: FAILED. 2 passed; 1 failed; 2 ignored; 0 measured; 3 filtered out; finished in 0.00s

";

    #[test]
    fn every_test_is_read_with_what_a_failed_one_printed() {
        let Report { cases, totals } = read(PRINTED);
        assert_eq!(totals, Some(Totals { passed: 2, failed: 1, ignored: 2 }));
        let names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
        assert_eq!(names, ["a::b", "c", "d", "e", "f"]);
        let Verdict::Failed(output) = &cases[1].verdict else { panic!("{cases:?}") };
        assert!(output.trim_start().starts_with("thread 'c' (7) panicked"), "{output}");
        assert!(output.ends_with("display a backtrace"), "{output}");
        assert_eq!(cases[2].verdict, Verdict::Ignored(None));
        assert_eq!(cases[3].verdict, Verdict::Ignored(Some("on Sundays".to_owned())));
        assert_eq!(cases[4].verdict, Verdict::Passed);
    }

    #[test]
    fn what_rustdoc_runs_in_several_goes_is_added_up() {
        let go = "\nrunning 1 test\ntest src/lib.rs - foo (line 3) ... ok\n\ntest result: ok. 1 passed; \
                  0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s\n";
        let report = read(&go.repeat(2));
        assert_eq!(report.totals, Some(Totals { passed: 2, failed: 0, ignored: 0 }));
        assert_eq!(report.cases[1].name, "src/lib.rs - foo (line 3)");
    }

    #[test]
    fn a_harness_of_its_own_is_not_read() {
        assert_eq!(read("All is well.\ntest it yourself\ntest result: fine\n"), Report::default());
    }
}
