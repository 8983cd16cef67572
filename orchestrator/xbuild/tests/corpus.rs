//! A program that knows nothing of xbuild, as it was published: a sample of `cargo xtask corpus`, from its list.

mod common;

use common::machine::{source, toolchains, with_machine};
use common::{Project, TARGETS, repository};
use xbuild_action::Cancel;
use xbuild_describe::TargetSpec;
use xtask_corpus::{Machine, list};

#[test]
fn ripgrep_is_built_unmodified_and_does_its_job_on_all_three_targets() {
    let app = list().unwrap().apps.into_iter().find(|app| app.name == "ripgrep").unwrap();
    let project = Project::published(&app.name, &app.version, &app.sha256);
    assert!(!project.root.join("xbuild.toml").exists());
    let targets = TARGETS.map(|target| ["--target", target]);
    // Unoptimised: what is shown here is that it is built at all, and it takes half as long.
    project.xbuild(&[&["build", "--profile", "dev"], targets.as_flattened()].concat()).ok();

    let toolchains = toolchains(None);
    for target in TARGETS {
        let spec = source(&repository().join(format!("targets/{target}.toml"))).unwrap();
        let spec = TargetSpec::read(target.parse().unwrap(), spec, &toolchains).unwrap();
        let file = project.result(&format!("default/{target}/bin/{}", app.file(target)));
        with_machine(&toolchains, |engine, composer| {
            let machine = Machine::new(engine, composer, &spec, Cancel::default()).unwrap();
            assert_eq!(machine.says_its_version(&app, &file).unwrap(), Ok(()), "{target}");
            assert_eq!(machine.does_its_job(&app, &file).unwrap(), Ok(()), "{target}");
        });
    }
}
