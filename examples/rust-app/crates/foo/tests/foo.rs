//! Runs the program.

use std::process::{Command, Output};

const DAY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../day.toml");

fn foo(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_foo"))
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn check_finds_the_conflict() {
    let output = foo(&["check"]);
    assert!(output.status.success());
    let lines = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        lines.lines().last(),
        Some("conflict-checker on: 1 conflict")
    );
}

#[test]
fn plan_refuses_a_conflict() {
    let output = foo(&["plan", DAY]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap().trim_end(),
        "foo: oven 1 is taken: cherry muffin at 06:50 overlaps walnut muffin at 06:30"
    );
}
