//! `xbuild test`: tests of code and of documentation, compiled for each target and run in the sandbox, by emulators
//! where it must be.

use std::process::ExitCode;

use xbuild_describe::{Asked, ObjectFormat, Task, TaskKind};
use xbuild_output::testing::junit;
use xbuild_plan::graph::{Runner, TestRuns, UnitOf};
use xbuild_realise::project;

use crate::cli::{Build, Global, Test};
use crate::composed::spec;
use crate::error::XbuildError;
use crate::timings::Recorder;
use crate::ui::{TestDisplay, Ui, test_summary};
use crate::work::{Finished, Planned, Wanted, Work, planned};

pub(crate) fn run(global: &Global, test: &Test, ui: &Ui) -> Result<ExitCode, XbuildError> {
    planned(global, &build(test), Wanted::Task(task(test)), ui, |work, planned| {
        run_tests(work, planned, test, ui)
    })
}

fn run_tests(
    work: &Work<'_>,
    planned: &mut Planned<'_>,
    test: &Test,
    ui: &Ui,
) -> Result<ExitCode, XbuildError> {
    let Finished { mut graph, .. } = work.build(planned, &mut Recorder::default())?;
    let mut tests = Vec::new();
    for (part, one) in planned.asked.iter().enumerate() {
        let units = project::tests(&graph.parts()[part].context, one);
        tests.extend(units.into_iter().map(|unit| UnitOf { part, unit }));
    }
    if test.no_run {
        for &of in &tests {
            if let Some(node) = graph.node(of) {
                let label = &graph.labels()[node];
                ui.output_line(&format!("{label} [{}]", label.platform));
            }
        }
        return Ok(ExitCode::SUCCESS);
    }
    let runners = runners(work, &planned.asked)?;
    let variants = tests.iter().map(|of| planned.asked[of.part].variant.to_string()).collect();
    let arguments = test.filter.iter().chain(&test.arguments).cloned().collect();
    let (names, parts) = (work.graph_names(planned), tests.iter().map(|of| of.part).collect::<Vec<_>>());
    let mut runs = TestRuns::new(&mut graph, tests, runners, arguments);
    let labels = runs.labels().to_vec();
    let mut display = TestDisplay::new(ui, work.content(), &labels, variants);
    let summary = work.engine().run(&mut runs, &mut display);
    let suites = display.finish();
    let units = display.gathered.take(|node| names[parts[node]].clone());
    work.history().add(work.store(), units)?;
    if let Some(file) = &test.junit {
        let text = junit(&suites)?;
        fs_err::write(file, text).map_err(|error| XbuildError::machine(&error))?;
    }
    let summary = summary?;
    if summary.failed > 0 {
        let (failed, skipped, total) = (summary.failed, summary.skipped, labels.len());
        return Err(XbuildError::TestsFailed { failed, skipped, total, broken: display.broken });
    }
    if !ui.json && !ui.quiet {
        ui.output_line(&test_summary(&suites));
    }
    Ok(ExitCode::SUCCESS)
}

/// How programs of each part run on this machine.
fn runners(work: &Work<'_>, asked: &[Asked]) -> Result<Vec<Runner>, XbuildError> {
    let described = work.described();
    let mut specs = Vec::new();
    for one in asked {
        specs.push(spec(described, &one.target)?);
    }
    let trees = work.trees(&described.toolchains, specs.iter().flat_map(|spec| &spec.run.components))?;
    let runner = |spec: &&xbuild_describe::TargetSpec| {
        let emulator = spec.run.command();
        let layers = spec.run.components.iter().filter_map(|name| trees.get(name).copied()).collect();
        // Wine starts what its programs start; a Linux program's children the kernel starts, or can't.
        let wraps = !emulator.is_empty() && spec.check.format == ObjectFormat::Elf;
        Runner { emulator, layers, wraps }
    };
    Ok(specs.iter().map(runner).collect())
}

/// The options of `cargo test` that choose among tests.
fn task(test: &Test) -> Task {
    let options = test.parts.options().into_iter().chain(test.doc.then(|| "--doc".to_owned()));
    Task { options: options.collect(), ..Task::new(TaskKind::Test) }
}

/// What is built for the tests.
fn build(test: &Test) -> Build {
    Build {
        execution: test.execution,
        keep_going: test.no_fail_fast,
        trace: test.trace.clone(),
        record: test.record.clone(),
        ..test.of.clone().into()
    }
}
