//! `docs/CORPUS.md`: what is known, as text.

use std::fmt::Write as _;

use xtask_corpus::{App, List};
use xtask_ground::{Machine, TARGETS};

use crate::state::{Counts, Figures, Measured, Outcome, Proof, Reached, State, Tested};

/// A program for a target, and what is known of it.
struct Row<'r> {
    app: &'r App,
    target: &'static str,
    outcome: Option<&'r Outcome>,
    proof: Option<&'r Proof>,
}

/// The whole file.
pub(crate) fn report(list: &List, state: &State) -> String {
    let List { looked_up, apps } = list;
    let rows: Vec<Row<'_>> =
        apps.iter().flat_map(|app| TARGETS.map(|target| row(app, target, state))).collect();
    let mut text = format!(
        "# Corpus\n\n\
         `cargo xtask corpus` builds other people's programs for three targets, runs them, and writes this file, with what it \
         keeps in [corpus.json](corpus.json). On {looked_up} each was looked up: these are the newest versions that the \
         pinned Rust compiles.{}\n\n{}",
        dates(&rows),
        Machine::table_head("rustc and cargo"),
    );
    let machines = machines(apps, state);
    for Measured { machine, rust } in &machines {
        text.push_str(&machine.table_row(rust));
    }
    text.push('\n');
    text.push_str(METHOD);
    text.push_str("\n## Results\n\n");
    text.push_str(&summary(&rows));
    text.push_str(
        "\n| program | target | built | ran | units | of them built | seconds | CPU seconds | measured | why not |\n\
         |---|---|---|---|--:|--:|--:|--:|---|---|\n",
    );
    for row in &rows {
        text.push_str(&line(row, &machines));
    }
    add_tests(&mut text, apps, state, &machines);
    add_jobs(&mut text, apps);
    add_proofs(&mut text, &rows);
    text
}

const METHOD: &str = "\
## What is done

- **Built**: the crate as crates.io has it, by its checksum, with the lock that it ships, in an empty folder; then \
`xbuild all --target T` as anybody would call it, a target at a time, with no description and no setting: default features, profile \
`release`.
- **Ran**: `--version` says the version, and the program does a real job whose outcome is compared with what it \
should be: [below](#jobs). Programs for Linux on x86-64 run as they are, those for arm64 under qemu, those for \
Windows under Wine, all in xbuild's sandbox with made input, no network and nothing of the machine's.
- **Units** are calls of the compiler and of build scripts. Those that another program, or an earlier run, had built \
already came from the store, and cost nothing here: seconds are those of the build as it was, for the units that it \
built itself, with fetching, planning, linking and proving. A later run that found every unit in the store keeps \
the figures of the earlier one, and the day on which they were measured; where there were several machines, its row \
in the table stands behind.
- **CPU seconds** are user and system time of all processes.
- A program counts as impossible for a target only where the pinned cargo, in a sandbox over the same toolchain \
(`cargo xtask corpus --prove APP --target T`), can't build it either: the end of its log is kept below.
";

fn row<'r>(app: &'r App, target: &'static str, state: &'r State) -> Row<'r> {
    Row { app, target, outcome: state.outcome(app, target), proof: state.proof(app, target) }
}

/// From when to when.
fn dates(rows: &[Row<'_>]) -> String {
    let dates = || rows.iter().filter_map(|row| Some(row.outcome?.tried.as_str()));
    match (dates().min(), dates().max()) {
        (Some(first), Some(last)) if first == last => format!(" Last tried on {first}."),
        (Some(first), Some(last)) => format!(" Last tried from {first} to {last}."),
        _ => String::new(),
    }
}

fn summary(rows: &[Row<'_>]) -> String {
    let count = |reached: Reached| {
        let outcomes = rows.iter().filter_map(|row| row.outcome);
        outcomes.filter(|outcome| outcome.reached >= reached).count()
    };
    let mut text = format!(
        "Of {} programs for targets, {} are built and {} run.",
        rows.len(),
        count(Reached::Built),
        count(Reached::Ran)
    );
    let impossible = rows.iter().filter(|row| is_impossible(row)).count();
    if impossible > 0 {
        let _ = write!(text, " {impossible} can't be built by cargo either.");
    }
    let untried = rows.iter().filter(|row| row.outcome.is_none()).count();
    if untried > 0 {
        let _ = write!(text, " {untried} are not tried yet.");
    }
    text + "\n"
}

/// A proof is worth nothing where it is built after all.
fn is_impossible(row: &Row<'_>) -> bool {
    row.proof.is_some() && row.outcome.is_none_or(|outcome| outcome.reached == Reached::Nothing)
}

fn line(row: &Row<'_>, machines: &[&Measured]) -> String {
    let Row { app, target, outcome, proof } = row;
    let (built, ran) = match outcome.map(|outcome| outcome.reached) {
        _ if is_impossible(row) => ("not possible", "–"),
        None => ("not tried yet", "–"),
        Some(Reached::Nothing) => ("**no**", "–"),
        Some(Reached::Built) => ("yes", "**no**"),
        // It is no failure, but not the same either.
        Some(Reached::Ran) if app.job(target).because.is_some() => ("yes", "another job"),
        Some(Reached::Ran) => ("yes", "yes"),
    };
    let why = match (proof, outcome) {
        (Some(proof), _) if is_impossible(row) => format!("cargo fails too: {}", proof.summary),
        (_, Some(Outcome { reason: Some(reason), .. })) => reason.clone(),
        (_, Some(_)) => app.job(target).because.clone().unwrap_or_default(),
        _ => String::new(),
    };
    let figures = match outcome.and_then(|outcome| outcome.figures) {
        Some(Figures { units, built, wall, cpu }) => format!("{units} | {built} | {wall:.1} | {cpu:.1}"),
        None => "– | – | – | –".to_owned(),
    };
    let measured = outcome.map_or_else(|| "–".to_owned(), |outcome| when(&outcome.measured, machines));
    format!(
        "| {} {} | {target} | {built} | {ran} | {figures} | {measured} | {} |\n",
        app.name,
        app.version,
        cell(&why)
    )
}

/// The machines that were measured on, each with its rustc, once.
fn machines<'s>(apps: &[App], state: &'s State) -> Vec<&'s Measured> {
    let mut machines: Vec<&Measured> = Vec::new();
    let all = apps.iter().flat_map(|app| TARGETS.map(|target| (app, target)));
    let measured = all.flat_map(|(app, target)| {
        let built = state.outcome(app, target).map(|outcome| &outcome.measured);
        built.into_iter().chain(state.tested(app, target).map(|tested| &tested.measured))
    });
    for one in measured {
        if !machines.iter().any(|other| other.is_on(one)) {
            machines.push(one);
        }
    }
    machines
}

/// The day, and the row of the machine where there are several.
fn when(measured: &Measured, machines: &[&Measured]) -> String {
    let date = &measured.machine.date;
    match machines.iter().position(|other| other.is_on(measured)) {
        Some(number) if machines.len() > 1 => format!("{date}, {}", number + 1),
        _ => date.clone(),
    }
}

/// Text as a table's cell.
fn cell(text: &str) -> String {
    text.replace('|', r"\|").replace(['\n', '\r'], " ")
}

/// The programs' own tests, of those that the list says.
fn add_tests(text: &mut String, apps: &[App], state: &State, machines: &[&Measured]) {
    text.push_str(
        "\n## Their own tests\n\n`cargo xtask corpus --tests`: `xbuild test --target T` on some of them, all that \
         `cargo test` would run, in the sandbox. Seconds are those of building what \
         was not in the store yet, and of running what had not been run.\n\n\
         | program | target | test programs | passed | failed | ignored | left out | seconds | CPU seconds | measured | why not |\n\
         |---|---|--:|--:|--:|--:|--:|--:|--:|---|---|\n",
    );
    for (app, tests) in apps.iter().filter_map(|app| Some((app, app.tests.as_ref()?))) {
        for target in TARGETS {
            let left_out: usize = tests.left_out(target).map(|(names, _)| names.len()).sum();
            let (figures, why) = match state.tested(app, target) {
                None => (format!("– | – | – | – | {left_out} | – | – | –"), "not tried yet"),
                Some(Tested { counts, reason, measured, .. }) => {
                    let Counts { runs, passed, failed, ignored, wall, cpu } = counts;
                    let figures = format!(
                        "{runs} | {passed} | {failed} | {ignored} | {left_out} | {wall:.1} | {cpu:.1} | {}",
                        when(measured, machines)
                    );
                    (figures, reason.as_deref().unwrap_or_default())
                }
            };
            let _ = writeln!(text, "| {} {} | {target} | {figures} | {} |", app.name, app.version, cell(why));
        }
    }
    text.push('\n');
    for (app, tests) in apps.iter().filter_map(|app| Some((app, app.tests.as_ref()?))) {
        let mut told: Vec<(Vec<&str>, &str, Vec<&str>)> = Vec::new();
        for target in TARGETS {
            for (names, because) in tests.left_out(target) {
                match told.iter_mut().find(|(known, ..)| *known == names) {
                    Some((.., targets)) => targets.push(target),
                    None => told.push((names, because, vec![target])),
                }
            }
        }
        for (names, because, targets) in told {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            let _ = writeln!(
                text,
                "- left out of {} for {}: {}: {because}",
                app.name,
                targets.join(", "),
                names.join(", ")
            );
        }
    }
}

fn add_jobs(text: &mut String, apps: &[App]) {
    text.push_str(
        "\n## Jobs\n\nThe scripts, and what they must print, are in \
         [`xtask/corpus/apps.toml`](../xtask/corpus/apps.toml).\n\n",
    );
    for app in apps {
        let _ = writeln!(text, "- `{}` {}", app.program, app.job(TARGETS[0]).does);
        for (target, job) in app.instead() {
            let because = job.because.as_deref().unwrap_or_default();
            let _ = writeln!(text, "  - for {target} it {} instead: {because}", job.does);
        }
    }
}

fn add_proofs(text: &mut String, rows: &[Row<'_>]) {
    let proved: Vec<_> = rows.iter().filter(|row| is_impossible(row)).collect();
    if proved.is_empty() {
        return;
    }
    text.push_str("\n## What cargo can't build either\n");
    for Row { app, target, proof, .. } in proved {
        let Some(Proof { version, cargo, tail, .. }) = proof else { continue };
        let _ = write!(
            text,
            "\n### {} {version} for {target}\n\nThe end of what cargo {cargo} says:\n\n```text\n{tail}\n```\n",
            app.name
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(app: &App, reached: Reached, reason: Option<&str>) -> Outcome {
        let figures = Figures { units: 50, built: 40, wall: 61.23, cpu: 118.0 };
        Outcome {
            made_of: String::new(),
            version: app.version.clone(),
            measured: Measured { machine: Machine::example(), rust: "1.96.1".to_owned() },
            tried: "2026-01-02".to_owned(),
            reached,
            reason: reason.map(str::to_owned),
            of_machine: false,
            figures: (reached != Reached::Nothing).then_some(figures),
        }
    }

    #[test]
    fn a_row_says_how_far_it_came_and_why_no_further() {
        let folder = tempfile::tempdir().unwrap();
        let app = xtask_corpus::list().unwrap().apps.into_iter().find(|app| app.name == "sd").unwrap();
        let mut state = State::read(&folder.path().join("corpus.json")).unwrap();
        let [musl, gnu, windows] = TARGETS;
        state.keep(&app, musl, outcome(&app, Reached::Ran, None)).unwrap();
        state.keep(&app, gnu, outcome(&app, Reached::Built, Some("exit code 1: a|b"))).unwrap();
        let list = List { looked_up: "2026-01-01".to_owned(), apps: vec![app.clone()] };
        let text = report(&list, &state);
        assert!(
            text.contains("Of 3 programs for targets, 2 are built and 1 run. 1 are not tried yet.\n"),
            "{text}"
        );
        assert!(
            text.contains("On 2026-01-01 each was looked up")
                && text.contains(" Last tried on 2026-01-02.\n"),
            "{text}"
        );
        let (results, own_tests) = text.split_once("## Their own tests").unwrap();
        let rows = |text: &'_ str| -> Vec<String> {
            text.lines().filter(|line| line.starts_with("| sd ")).map(str::to_owned).collect()
        };
        assert_eq!(rows(own_tests).len(), 3, "{own_tests}");
        assert!(
            own_tests.contains("left out of sd for x86_64-pc-windows-gnu: `cli::in_place_following_symlink`")
        );
        let rows = rows(results);
        assert_eq!(
            rows,
            [
                "| sd 1.0.0 | x86_64-unknown-linux-musl | yes | yes | 50 | 40 | 61.2 | 118.0 | 2026-01-02 |  |",
                "| sd 1.0.0 | aarch64-unknown-linux-gnu | yes | **no** | 50 | 40 | 61.2 | 118.0 | 2026-01-02 | exit code 1: a\\|b |",
                "| sd 1.0.0 | x86_64-pc-windows-gnu | not tried yet | – | – | – | – | – | – |  |",
            ]
        );

        state.keep(&app, windows, outcome(&app, Reached::Nothing, Some("no"))).unwrap();
        let proof = Proof {
            version: app.version.clone(),
            cargo: "1.96.1".to_owned(),
            summary: "error: unsupported".to_owned(),
            tail: "the end".to_owned(),
        };
        state.keep_proof(&app, windows, proof).unwrap();
        let text = report(&list, &state);
        let impossible =
            "| not possible | – | – | – | – | – | 2026-01-02 | cargo fails too: error: unsupported |";
        assert!(text.contains(impossible) && text.contains("```text\nthe end\n```"), "{text}");
        assert!(text.contains(" 1 can't be built by cargo either.\n"), "{text}");
    }
}
