//! Runs the program. Built alone (`cargo test -p bar`) it has no conflict checker;
//! built together with foo, cargo gives it foo's muffin.

use std::process::{Command, Output};

const DAY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../day.toml");

fn bar(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bar"))
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn check_says_which_muffin_it_has() {
    let output = bar(&["check"]);
    assert!(output.status.success());
    let lines = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        lines.lines().last(),
        Some(if muffin::HAS_CONFLICT_CHECKER {
            "conflict-checker on: 1 conflict"
        } else {
            "conflict-checker off: 0 conflicts"
        })
    );
}

#[test]
fn report_accepts_what_foo_refuses() {
    let output = bar(&["report", DAY]);
    if muffin::HAS_CONFLICT_CHECKER {
        assert_eq!(output.status.code(), Some(1));
    } else {
        assert_eq!(
            String::from_utf8(output.stdout).unwrap(),
            "bookings = 4\nbaking_minutes = 93\nallergens = \"EGG | MILK | NUT\"\n"
        );
    }
}
