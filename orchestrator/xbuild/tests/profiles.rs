//! Link-time optimisation, fat and thin, with both ways to panic, on all three targets.

mod common;

use common::{Program, Project, TARGETS, run, text};

/// Panics on a thread and in `catch_unwind`. Which way it panics is the profile's to say; what came of it is printed.
const MAIN: &str = r#"
struct Guard;
impl Drop for Guard {
    fn drop(&mut self) {
        println!("dropped");
    }
}
fn main() {
    println!("sum {}", std::thread::spawn(|| (1..=10).sum::<u32>()).join().unwrap());
    let caught = std::panic::catch_unwind(|| {
        let _guard = Guard;
        let none: Option<u32> = std::env::args().nth(9).map(|_| 1);
        none.expect("no scones")
    });
    println!("caught {}", caught.is_err());
}
"#;

const PROFILES: &str = r#"
[profile.fat-abort]
inherits = "release"
opt-level = 1
lto = "fat"
panic = "abort"
[profile.fat-unwind]
inherits = "release"
opt-level = 1
lto = "fat"
[profile.thin-abort]
inherits = "release"
opt-level = 1
lto = "thin"
panic = "abort"
[profile.thin-unwind]
inherits = "release"
opt-level = 1
lto = "thin"
"#;

#[test]
fn lto_and_panic_strategies_link_and_run_on_all_three_targets() {
    let project = Project::program("scone", MAIN);
    project.append("Cargo.toml", PROFILES);
    for profile in ["fat-abort", "fat-unwind", "thin-abort", "thin-unwind"] {
        project.xbuild(&["all", "--profile", profile]).ok();
        for target in TARGETS {
            let name = if target.contains("windows") { "scone.exe" } else { "scone" };
            let file = project.result(&format!("default/{target}/bin/{name}"));
            let ran = run(&Program { target, file: &file, arguments: &[], files: &[], project: None });
            let (stdout, stderr) = (text(&ran.stdout), text(&ran.stderr));
            let what = format!("{profile} {target}: exit code {}\n{stdout}\n{stderr}", ran.exit_code);
            assert!(stderr.contains("no scones"), "{what}");
            if profile.ends_with("unwind") {
                assert_eq!((ran.exit_code, stdout.as_str()), (0, "sum 55\ndropped\ncaught true\n"), "{what}");
            } else {
                assert_eq!(stdout, "sum 55\n", "{what}");
                // SIGABRT on Linux; Windows has a status of its own, of which eight bits are left.
                let aborted =
                    if target.contains("windows") { ran.exit_code != 0 } else { ran.exit_code == 128 + 6 };
                assert!(aborted, "{what}");
            }
            println!("{profile} {target}: exit code {}", ran.exit_code);
        }
    }
}
