//! A target is data: one that xbuild does not ship, by files of the project alone.

mod common;

use common::{Program, Project, succeeds};

const TARGET: &str = "riscv64gc-unknown-linux-gnu";

#[test]
fn a_target_file_and_pins_are_all_that_a_new_target_needs() {
    let shipped = common::repository().join("targets").join(format!("{TARGET}.toml"));
    assert!(!shipped.exists(), "this target is shipped now: choose another");

    let project = Project::fixture("riscv64");
    let ran = project.xbuild(&["build", "--proof"]).ok();
    assert!(ran.stdout.contains("ELF program, riscv64"), "{}", ran.stdout);
    let file = project.result(&format!("default/{TARGET}/bin/odds"));
    let said = succeeds(&Program {
        target: TARGET,
        file: &file,
        arguments: &[],
        files: &[],
        project: Some(&project.root),
    });
    let host = std::env::consts::ARCH;
    assert_eq!(said, format!("riscv64: odds 2500, unwound true\nbuilt on {host} for {TARGET}\n"));
}
