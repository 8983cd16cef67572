//! `xbuild ci github --from FILE`: what an existing workflow's matrix builds, row by row, and what does that here.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use serde_json::{Map, Value, json};
use xbuild_base::Triple;

use crate::description::Described;
use crate::error::XbuildError;
use crate::ui::Ui;

/// A combination of a matrix's values, by their keys.
type Row = BTreeMap<String, Value>;

/// Keys under which people write the Rust version.
const VERSIONS: [&str; 5] = ["toolchain", "rust", "channel", "rust-version", "version"];

/// What cargo does in a step, and what does it here.
const COMMANDS: [(&str, &str); 8] = [
    ("build", "xbuild all"),
    ("test", "xbuild test"),
    ("nextest", "xbuild test"),
    ("check", "xbuild check"),
    ("clippy", "xbuild clippy"),
    ("fmt", "xbuild fmt --check"),
    ("doc", "xbuild doc"),
    ("zigbuild", "xbuild all"),
];

/// What others do in a step that needn't be done here, or that is done: checking out, installing Rust and cross compilers,
/// caching, keeping what was built.
const NEEDLESS: [&str; 10] = [
    "actions/checkout",
    "actions/cache",
    "actions/upload-artifact",
    "actions/download-artifact",
    "actions-rs/toolchain",
    "actions-rust-lang/setup-rust-toolchain",
    "dtolnay/rust-toolchain",
    "mozilla-actions/sccache-action",
    "Swatinem/rust-cache",
    "taiki-e/setup-cross-toolchain-action",
];

pub(super) fn run(described: &Described, file: &Path, ui: &Ui) -> Result<ExitCode, XbuildError> {
    let text = fs_err::read_to_string(file)
        .map_err(|error| XbuildError::user(error.to_string(), "name a workflow's file"))?;
    let workflow: Value = serde_saphyr::from_str(&text).map_err(|error| {
        XbuildError::user(format!("{}: {error}", file.display()), "name a workflow's file, in YAML")
    })?;
    let jobs = workflow["jobs"].as_object().ok_or_else(|| {
        XbuildError::user(format!("{} has no jobs", file.display()), "name a workflow's file")
    })?;
    for (name, job) in jobs {
        if ["/strategy/matrix", "/strategy/matrix/include"]
            .iter()
            .any(|at| job.pointer(at).is_some_and(Value::is_string))
        {
            say(ui, name, &[not_covered("its matrix is made when it runs, and can't be read here")]);
        }
        for row in rows(&job["strategy"]["matrix"]) {
            let told = of_row(described, &row, job);
            say(ui, &label(name, &row), &told);
        }
        let told = of_steps(job);
        if !told.is_empty() {
            say(ui, &format!("{name}, its steps"), &told);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether something is covered, and how, or why not.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Verdict {
    is_covered: bool,
    text: String,
}

fn covered(text: impl Into<String>) -> Verdict {
    Verdict { is_covered: true, text: text.into() }
}

fn not_covered(text: impl Into<String>) -> Verdict {
    Verdict { is_covered: false, text: text.into() }
}

fn say(ui: &Ui, row: &str, verdicts: &[Verdict]) {
    if ui.json {
        let is_covered = verdicts.iter().all(|verdict| verdict.is_covered);
        let texts: Vec<&str> = verdicts.iter().map(|verdict| verdict.text.as_str()).collect();
        let line = json!({ "reason": "xbuild-matrix-row", "row": row, "covered": is_covered, "by": texts });
        ui.output_line(&line.to_string());
        return;
    }
    ui.output_line(row);
    for Verdict { is_covered, text } in verdicts {
        ui.output_line(&format!("  {} {text}", if *is_covered { "yes:" } else { "no: " }));
    }
}

/// The job's name, and the row's values.
fn label(job: &str, row: &Row) -> String {
    let values: Vec<String> = row.values().filter(|value| !value.is_object()).map(text_of).collect();
    if values.is_empty() { job.to_owned() } else { format!("{job} ({})", values.join(", ")) }
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// All combinations: of all keys' values, without those that `exclude` fits, with what `include` adds to those that it
/// fits, and those of `include` that fit none. A job without a matrix has one with nothing in it.
fn rows(matrix: &Value) -> Vec<Row> {
    let Some(matrix) = matrix.as_object() else { return vec![Row::new()] };
    let keys = matrix.iter().filter(|(key, _)| !["include", "exclude"].contains(&key.as_str()));
    let mut rows = vec![Row::new()];
    let mut has_keys = false;
    for (key, values) in keys {
        let Some(values) = values.as_array() else { continue };
        has_keys = true;
        let with = |row: &Row, value: &Value| {
            let mut row = row.clone();
            row.insert(key.clone(), value.clone());
            row
        };
        rows = rows.iter().flat_map(|row| values.iter().map(move |value| with(row, value))).collect();
    }
    let entries = |name: &str| -> Vec<Map<String, Value>> {
        let list = matrix.get(name).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_object).cloned().collect()
    };
    let excluded = entries("exclude");
    let fits =
        |row: &Row, entry: &Map<String, Value>| entry.iter().all(|(key, value)| row.get(key) == Some(value));
    rows.retain(|row| has_keys && !excluded.iter().any(|entry| fits(row, entry)));
    let originals = rows.clone();
    for entry in entries("include") {
        // What would change a value of the combination is another one.
        let may_join =
            |row: &Row| entry.iter().all(|(key, value)| row.get(key).is_none_or(|own| own == value));
        let joined: Vec<usize> = (0..originals.len()).filter(|&at| may_join(&originals[at])).collect();
        if joined.is_empty() {
            rows.push(entry.into_iter().collect());
            continue;
        }
        for at in joined {
            rows[at].extend(entry.clone());
        }
    }
    if rows.is_empty() { vec![Row::new()] } else { rows }
}

/// What a row asks for.
fn of_row(described: &Described, row: &Row, job: &Value) -> Vec<Verdict> {
    let values: Vec<String> = row.values().filter_map(Value::as_str).map(str::to_owned).collect();
    let mut verdicts = Vec::new();
    let triples: Vec<&String> = values.iter().filter(|value| is_triple(value)).collect();
    for triple in &triples {
        verdicts.push(of_triple(described, triple));
    }
    if triples.is_empty() {
        let machine = fill_in(job["runs-on"].as_str().unwrap_or_default(), row);
        verdicts.push(match () {
            () if machine.contains("macos") => of_triple(described, "aarch64-apple-darwin"),
            () if machine.contains("windows") => of_triple(described, "x86_64-pc-windows-msvc"),
            () if machine.contains("arm") => of_triple(described, "aarch64-unknown-linux-gnu"),
            () => of_triple(described, "x86_64-unknown-linux-gnu"),
        });
    }
    for (_, value) in row.iter().filter(|(key, _)| VERSIONS.contains(&key.as_str())) {
        verdicts.extend(of_version(described, &text_of(value)));
    }
    for (key, value) in row.iter().filter(|(key, _)| key.contains("feature")) {
        let flags = text_of(value);
        if !flags.is_empty() {
            verdicts.push(covered(format!("{key} `{flags}`: a variant, [variant.NAME] features = […]")));
        }
    }
    verdicts
}

/// Whether a word is a target's name: three parts or more, of which the first is an architecture.
fn is_triple(word: &str) -> bool {
    let architectures = [
        "x86_64",
        "i586",
        "i686",
        "aarch64",
        "arm",
        "armv",
        "thumb",
        "riscv",
        "powerpc",
        "s390x",
        "mips",
        "sparc",
        "loongarch",
        "wasm32",
        "wasm64",
    ];
    word.matches('-').count() >= 1
        && !word.contains(' ')
        && word.parse::<Triple>().is_ok()
        && architectures.iter().any(|name| word.starts_with(name))
}

fn of_triple(described: &Described, triple: &str) -> Verdict {
    let Ok(target) = triple.parse::<Triple>() else { return not_covered(format!("`{triple}` is no target")) };
    let variants = &described.description.variants;
    if variants.values().any(|variant| variant.targets.contains(&target)) {
        return covered(format!("xbuild build --target {triple}"));
    }
    if described.targets.get(&target).is_some() {
        return covered(format!("xbuild build --target {triple}, once [build] targets has it"));
    }
    if triple.contains("-apple-") {
        return not_covered(format!(
            "{triple}: Apple's SDK can neither be pinned nor be shared; keep this job"
        ));
    }
    if triple.ends_with("-msvc") {
        let gnu = triple.replace("-msvc", "-gnu");
        let gnu = gnu.parse::<Triple>().ok().filter(|gnu| described.targets.get(gnu).is_some());
        let besides = gnu.map_or_else(String::new, |gnu| format!("; {gnu} is for the same system"));
        return not_covered(format!("{triple}: Microsoft's libraries can't be shared{besides}"));
    }
    not_covered(format!(
        "{triple}: no file describes it; one of the project's own can: .xbuild/targets/{triple}.toml"
    ))
}

fn of_version(described: &Described, version: &str) -> Option<Verdict> {
    let toolchains = &described.toolchains;
    Some(match version {
        "stable" => covered(format!("Rust {}, which is pinned", toolchains.default)),
        version if ["nightly", "beta"].iter().any(|channel| version.starts_with(channel)) => {
            let day = if version.contains('-') { "" } else { "-DATE, of one day" };
            covered(format!(
                "Rust {version}, after xbuild toolchain add {version}{day}: [variant.NAME] toolchain"
            ))
        }
        version if version.starts_with(|c: char| c.is_ascii_digit()) => {
            let is_of = |known: &semver::Version| {
                let known = known.to_string();
                known == version || known.starts_with(&format!("{version}."))
            };
            match toolchains.toolchains.keys().any(is_of) {
                true => covered(format!("Rust {version}, which is pinned: [variant.NAME] toolchain")),
                false => {
                    covered(format!("Rust {version}, after xbuild toolchain add: [variant.NAME] toolchain"))
                }
            }
        }
        _ => return None,
    })
}

/// `${{ matrix.KEY }}` by the row's value.
fn fill_in(text: &str, row: &Row) -> String {
    let Some((before, rest)) = text.split_once("${{") else { return text.to_owned() };
    let Some((expression, after)) = rest.split_once("}}") else { return text.to_owned() };
    let path = expression.trim().strip_prefix("matrix.").unwrap_or_default();
    let mut parts = path.split('.');
    let mut value = parts.next().and_then(|key| row.get(key));
    for part in parts {
        value = value.and_then(|value| value.get(part));
    }
    let value = value.map(text_of).unwrap_or_default();
    format!("{before}{value}{}", fill_in(after, row))
}

/// What the steps of a job have cargo do, and which actions they use.
fn of_steps(job: &Value) -> Vec<Verdict> {
    let mut verdicts: Vec<Verdict> = Vec::new();
    for step in job["steps"].as_array().into_iter().flatten() {
        let action = step["uses"].as_str().and_then(|uses| uses.split('@').next());
        if let Some(action) = action.filter(|action| !NEEDLESS.contains(action)) {
            verdicts.push(not_covered(format!(
                "{action}: not looked at; what it is needed for may need a job of its own"
            )));
        }
        for line in step["run"].as_str().unwrap_or_default().lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let at = words.iter().position(|word| ["cargo", "cross"].contains(word));
            let command = at.and_then(|at| words[at + 1..].iter().find(|word| !word.starts_with(['+', '-'])));
            let Some(command) = command else { continue };
            let verdict = match COMMANDS.iter().find(|(known, _)| known == command) {
                Some((name, by)) => covered(format!("cargo {name}: {by}, a stage of xbuild ci run")),
                None => not_covered(format!("cargo {command}: keep it in a job of its own")),
            };
            if !verdicts.contains(&verdict) {
                verdicts.push(verdict);
            }
        }
    }
    verdicts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_as_github_makes_them() {
        let matrix = json!({
            "os": ["a", "b"],
            "rust": ["1", "2"],
            "exclude": [{ "os": "b", "rust": "1" }],
            "include": [{ "os": "a", "target": "x" }, { "os": "c", "rust": "3" }],
        });
        let labels: Vec<String> = rows(&matrix).iter().map(|row| label("job", row)).collect();
        assert_eq!(labels, ["job (a, 1, x)", "job (a, 2, x)", "job (b, 2)", "job (c, 3)"]);
        let only = rows(&json!({ "include": [{ "os": "a" }, { "os": "b" }] }));
        assert_eq!(only.len(), 2);
        assert_eq!(rows(&Value::Null), [Row::new()]);
    }

    #[test]
    fn expressions_are_filled_in_from_the_row() {
        let row =
            Row::from([("job".to_owned(), json!({ "os": "windows-latest" })), ("v".to_owned(), json!(2))]);
        assert_eq!(fill_in("${{ matrix.job.os }}-${{matrix.v}}", &row), "windows-latest-2");
        assert_eq!(fill_in("plain", &row), "plain");
    }

    #[test]
    fn triples_are_told_from_other_words() {
        assert!(is_triple("x86_64-unknown-linux-musl") && is_triple("wasm32-wasip1"));
        assert!(!is_triple("ubuntu-24.04-arm") && !is_triple("windows-latest") && !is_triple("stable"));
    }
}
