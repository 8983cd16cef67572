//! `[fetch.NAME]` and `[step.NAME]`: files of the net, and programs that make files of others.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use xbuild_base::{RelPath, Sha256};

use super::environment::{self, Variables};
use super::input::{InputOutput, Inputs};
use super::native::is_debian_name;
use super::source;
use crate::document::At;
use crate::names::ComponentName;
use crate::problem::{Kind, Problem};
use crate::reader::{Field, Reader};
use crate::suggest;

const INPUT_HELP: &str = "write a path of the project, or one of `{ from = \"path\" }`, `{ fetch = \"NAME\" }`, \
    `{ step = \"NAME\" }`, `{ output = \"program\" }`, `{ input = \"PROJECT/OUTPUT\" }`, each with `to = \"path\"` where it is to lie elsewhere";

/// `[fetch.NAME]`: a file of the net, by its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// Where it is.
    pub url: String,
    /// Its SHA-256.
    pub sha256: Sha256,
    /// Whether it is an archive of which the content is wanted, and how many leading components of its paths go then.
    pub unpack: Option<usize>,
}

impl Fetch {
    /// The last part of its address: what the file is called.
    #[must_use]
    pub fn file_name(&self) -> &str {
        let path = self.url.split(['?', '#']).next().unwrap_or(&self.url);
        path.rsplit('/').find(|part| !part.is_empty()).unwrap_or("file")
    }
}

/// `[step.NAME]`: a program that is run once for what it makes of its inputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The program and its arguments: a path from where it runs, or the name of a program of its tools.
    pub argv: Vec<String>,
    /// Components of `toolchains.toml`, Debian packages for the host, or programs of other projects: `PROJECT/OUTPUT`.
    pub tools: BTreeSet<String>,
    /// What it sees, by where that lies from where it runs.
    pub inputs: BTreeMap<RelPath, StepSource>,
    /// The files and folders that it makes, from where it runs.
    pub outputs: BTreeSet<RelPath>,
    /// Environment variables.
    pub env: Variables,
}

impl Step {
    /// The steps that it takes something of.
    pub fn steps(&self) -> impl Iterator<Item = &StepPart> {
        self.inputs.values().filter_map(|source| match source {
            StepSource::Step(part) => Some(part),
            _ => None,
        })
    }
}

/// Where an input of a step comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepSource {
    /// A file or folder of the project, from the workspace's root; the root is all of it.
    Project(RelPath),
    /// `[fetch.NAME]`.
    Fetch(String),
    /// What another step makes.
    Step(StepPart),
    /// An output of the variant and target that the step is run for: a program or a library.
    Output(String),
    /// An output of another project, for the target that the step is run for.
    Input(InputOutput),
}

/// What a step makes, or a part of it: `site`, `site/dist`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StepPart {
    /// The step.
    pub name: String,
    /// The path of the part from where the step runs; the root is all that the step makes.
    pub path: RelPath,
}

impl fmt::Display for StepPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_root() { f.write_str(&self.name) } else { write!(f, "{}/{}", self.name, self.path) }
    }
}

/// Both tables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Steps {
    /// `[fetch.NAME]`.
    pub fetches: BTreeMap<String, Fetch>,
    /// `[step.NAME]`.
    pub steps: BTreeMap<String, Step>,
}

/// Where steps and files of the net are named, to be checked once all are known.
#[derive(Debug, Default)]
pub(super) struct Named {
    steps: Vec<(StepPart, At)>,
    /// Those that other steps name.
    by_steps: Vec<(StepPart, At)>,
    /// Those for which no target is built when they are run.
    without_target: Vec<(StepPart, At)>,
    fetches: Vec<(String, At)>,
    /// Other projects.
    projects: Vec<(String, At)>,
}

impl Named {
    /// Notes that another project is named.
    pub(super) fn project(&mut self, name: &str, at: At) {
        self.projects.push((name.to_owned(), at));
    }

    /// Reads `PROJECT/OUTPUT` of another project.
    pub(super) fn input(&mut self, field: &Field<'_>, reader: &mut Reader) -> Option<InputOutput> {
        let output = InputOutput::parse(field.text(reader)?);
        match &output {
            Some(output) => self.project(&output.input, field.at()),
            None => {
                let help = "write the project's name and its output's: `\"codegen/gen\"`";
                field.invalid(reader, "this names no output of another project", help);
            }
        }
        output
    }

    /// Reads `NAME` or `NAME/PATH` of a step. `has_target`: whether it is run for a variant and target.
    pub(super) fn step(
        &mut self,
        field: &Field<'_>,
        has_target: bool,
        reader: &mut Reader,
    ) -> Option<StepPart> {
        let text = field.text(reader)?;
        let (name, path) = text.split_once('/').unwrap_or((text, ""));
        let path = match RelPath::new(path.trim_end_matches('/')) {
            Ok(path) => path,
            Err(error) => {
                field.invalid(reader, error, "write a step's name, and a path below it: `\"site/dist\"`");
                return None;
            }
        };
        let part = StepPart { name: name.to_owned(), path };
        self.steps.push((part.clone(), field.at()));
        if !has_target {
            self.without_target.push((part.clone(), field.at()));
        }
        Some(part)
    }

    /// Notes names that nothing has, steps that need themselves, and what they are run for where there is nothing.
    pub(super) fn check(self, tables: &Steps, inputs: &Inputs, reader: &mut Reader) {
        let Self { steps, by_steps, without_target, fetches, projects } = self;
        let names: Vec<&str> = tables.steps.keys().map(String::as_str).collect();
        for (part, at) in steps {
            let Some(step) = tables.steps.get(&part.name) else {
                reader.report(at, unknown("step", &part.name, &names));
                continue;
            };
            let is_made = |output: &RelPath| {
                output.strip_prefix(&part.path).is_some() || part.path.strip_prefix(output).is_some()
            };
            if !step.outputs.iter().any(is_made) {
                let outputs: Vec<&str> = step.outputs.iter().map(RelPath::as_str).collect();
                let problem = Problem::new(
                    Kind::UnknownName,
                    format!("the step `{}` does not make `{}`", part.name, part.path),
                );
                let help = suggest::help(part.path.as_str(), "outputs", &outputs);
                reader.report(at, problem.label("not made").help(help));
            }
        }
        for (part, at) in by_steps {
            if tables.needs(&part.name, &part.name) {
                let problem =
                    Problem::new(Kind::Contradiction, format!("the step `{}` needs itself", part.name));
                reader.report(
                    at,
                    problem.label("leads back here").help("take one of the steps away from the circle"),
                );
            }
        }
        for (part, at) in without_target {
            if let Some(name) = tables.output_of(&part.name) {
                let problem = Problem::new(
                    Kind::Contradiction,
                    format!("the step `{}` takes the output `{name}`, which is built after this", part.name),
                );
                reader.report(at, problem.help("steps that take outputs go into images and archives"));
            }
        }
        let names: Vec<&str> = tables.fetches.keys().map(String::as_str).collect();
        for (name, at) in fetches {
            if !tables.fetches.contains_key(&name) {
                reader.report(at, unknown("fetch", &name, &names));
            }
        }
        let names: Vec<&str> = inputs.keys().map(String::as_str).collect();
        for (name, at) in projects {
            if !inputs.contains_key(&name) {
                reader.report(at, unknown("inputs", &name, &names));
            }
        }
    }
}

impl Steps {
    /// Whether a step takes, however indirectly, something of another.
    fn needs(&self, step: &str, other: &str) -> bool {
        let mut open = vec![step];
        let mut seen = BTreeSet::new();
        while let Some(name) = open.pop() {
            for part in self.steps.get(name).into_iter().flat_map(Step::steps) {
                if part.name == other {
                    return true;
                }
                if seen.insert(part.name.as_str()) {
                    open.push(&part.name);
                }
            }
        }
        false
    }

    /// Steps and all that these need of others, those that others need first.
    #[must_use]
    pub fn in_order<'s>(&'s self, names: impl IntoIterator<Item = &'s str>) -> Vec<&'s str> {
        let (mut order, mut seen) = (Vec::new(), BTreeSet::new());
        for name in names {
            self.add_in_order(name, &mut seen, &mut order);
        }
        order
    }

    fn add_in_order<'s>(&'s self, name: &'s str, seen: &mut BTreeSet<&'s str>, order: &mut Vec<&'s str>) {
        if seen.insert(name) {
            for part in self.steps.get(name).into_iter().flat_map(Step::steps) {
                self.add_in_order(&part.name, seen, order);
            }
            order.push(name);
        }
    }

    /// An output that a step takes, itself or by what it needs.
    #[must_use]
    pub fn output_of(&self, step: &str) -> Option<&str> {
        let needs = |name: &&String| *name == step || self.needs(step, name);
        let steps = self.steps.iter().filter(|(name, _)| needs(name));
        let mut sources = steps.flat_map(|(_, step)| step.inputs.values());
        sources.find_map(|source| match source {
            StepSource::Output(name) => Some(name.as_str()),
            _ => None,
        })
    }
}

fn unknown(what: &str, name: &str, names: &[&str]) -> Problem {
    let problem = Problem::new(Kind::UnknownName, format!("there is no [{what}.{name}]"));
    problem.label(format!("no such {}", what.trim_end_matches('s'))).help(suggest::help(name, "names", names))
}

/// Reads `[fetch.NAME]`.
pub(super) fn read_fetches(field: &Field<'_>, reader: &mut Reader) -> BTreeMap<String, Fetch> {
    let mut fetches = BTreeMap::new();
    for (name, at, field) in field.entries(reader) {
        if !is_name(name, at, "a file of the net", reader) {
            continue;
        }
        let Some(mut fields) = field.table(reader) else { continue };
        let url = fields.need(reader, "url").and_then(|field| source::read_url(&field, reader));
        let sha256 = fields
            .need(reader, "sha256")
            .and_then(|field| field.parsed(reader, "write its 64 digits, in lower case: sha256sum FILE"));
        let unpack = fields.get("unpack").and_then(|field| field.boolean(reader)).unwrap_or(false);
        let strip = fields.get("strip").and_then(|field| Some((field.number(reader, 0)?, field)));
        if let (Some((_, field)), false) = (&strip, unpack) {
            field.invalid(reader, "there is nothing to strip", "add `unpack = true`");
        }
        fields.finish(reader);
        let strip = strip.and_then(|(strip, _)| usize::try_from(strip).ok()).unwrap_or(0);
        if let (Some(url), Some(sha256)) = (url, sha256) {
            fetches.insert(name.to_owned(), Fetch { url, sha256, unpack: unpack.then_some(strip) });
        }
    }
    fetches
}

/// Reads `[step.NAME]`.
pub(super) fn read_steps(
    field: &Field<'_>,
    named: &mut Named,
    reader: &mut Reader,
) -> BTreeMap<String, Step> {
    let mut steps = BTreeMap::new();
    for (name, at, field) in field.entries(reader) {
        if !is_name(name, at, "a step", reader) {
            continue;
        }
        let Some(mut fields) = field.table(reader) else { continue };
        let argv = fields.need(reader, "argv").and_then(|field| field.some_items(reader)).unwrap_or_default();
        let argv: Vec<String> =
            argv.iter().filter_map(|word| word.any_text(reader)).map(str::to_owned).collect();
        let tools = fields.get("tools").map(|field| read_tools(&field, named, reader)).unwrap_or_default();
        let mut inputs = BTreeMap::new();
        for item in fields.get("inputs").and_then(|field| field.items(reader)).unwrap_or_default() {
            let Some((to, source)) = read_input(&item, named, reader) else { continue };
            let is_beside =
                |there: &RelPath| there.strip_prefix(&to).is_none() && to.strip_prefix(there).is_none();
            if let Some(other) = inputs.keys().find(|there| !is_beside(there)) {
                let problem =
                    Problem::new(Kind::Duplicate, format!("`{to}` and `{other}` lie in one another"));
                reader.report(item.at(), problem.help("give one of them another place: `to = \"path\"`"));
                continue;
            }
            inputs.insert(to, source);
        }
        let outputs = fields.need(reader, "outputs").and_then(|field| {
            field.distinct(reader, |item, reader| {
                read_path(item, "write the path of what the program makes, from where it runs", reader)
                    .filter(|path| {
                        !path.is_root() || {
                            item.invalid(reader, "it is all that there is", "name what is made");
                            false
                        }
                    })
            })
        });
        let env = fields.get("env").map(|field| environment::read(&field, reader)).unwrap_or_default();
        fields.finish(reader);
        let outputs = outputs.into_iter().flatten().map(|(path, _)| path).collect();
        steps.insert(name.to_owned(), Step { argv, tools, inputs, outputs, env });
    }
    steps
}

/// Names of components, of Debian packages, or of other projects' programs.
pub(super) fn read_tools(field: &Field<'_>, named: &mut Named, reader: &mut Reader) -> BTreeSet<String> {
    let tools = field.distinct(reader, |item, reader| read_tool(item, named, reader));
    tools.into_iter().flatten().map(|(name, _)| name).collect()
}

/// One of these names.
pub(super) fn read_tool(item: &Field<'_>, named: &mut Named, reader: &mut Reader) -> Option<String> {
    let text = item.text(reader)?;
    if InputOutput::parse(text).is_some() {
        return named.input(item, reader).map(|output| output.to_string());
    }
    let is_tool = text.parse::<ComponentName>().is_ok() || is_debian_name(text);
    if !is_tool {
        let help = "write names of components or Debian packages, or of other projects' programs: `[\"jq\", \"codegen/gen\"]`";
        item.invalid(reader, format!("`{text}` can't be the name of a component or package"), help);
    }
    is_tool.then(|| text.to_owned())
}

/// Where an input lies, and where it comes from.
fn read_input(item: &Field<'_>, named: &mut Named, reader: &mut Reader) -> Option<(RelPath, StepSource)> {
    if item.is_text() {
        let path = read_path(item, INPUT_HELP, reader)?;
        return Some((path.clone(), StepSource::Project(path)));
    }
    let mut fields = item.table(reader)?;
    let mut found = Vec::new();
    if let Some(path) = fields.get("from").and_then(|field| read_path(&field, INPUT_HELP, reader)) {
        found.push((path.clone(), StepSource::Project(path)));
    }
    let path = |name: &str| RelPath::new(name).unwrap_or_else(|_| RelPath::root());
    if let Some(field) = fields.get("fetch")
        && let Some(name) = field.text(reader)
    {
        named.fetches.push((name.to_owned(), field.at()));
        found.push((path(name), StepSource::Fetch(name.to_owned())));
    }
    // Whether it has a target is a question for whoever takes this step.
    if let Some(field) = fields.get("step")
        && let Some(part) = named.step(&field, true, reader)
    {
        named.by_steps.push((part.clone(), field.at()));
        found.push((path(&part.name).join(&part.path), StepSource::Step(part)));
    }
    if let Some(name) = fields.get("output").and_then(|field| field.text(reader)) {
        found.push((path(name), StepSource::Output(name.to_owned())));
    }
    if let Some(output) = fields.get("input").and_then(|field| named.input(&field, reader)) {
        found.push((path(output.file_name()), StepSource::Input(output)));
    }
    let to =
        fields.get("to").and_then(|field| read_path(&field, "write a path from where the step runs", reader));
    fields.finish(reader);
    let (place, source) = source::only(found, item, INPUT_HELP, reader)?;
    Some((to.unwrap_or(place), source))
}

fn read_path(field: &Field<'_>, help: &str, reader: &mut Reader) -> Option<RelPath> {
    let text = field.text(reader)?;
    let text = text.strip_prefix("./").unwrap_or(text);
    match RelPath::new(if text == "." { "" } else { text.trim_end_matches('/') }) {
        Ok(path) => Some(path),
        Err(error) => {
            field.invalid(reader, error, help);
            None
        }
    }
}

/// Whether a text may be a name of the description's own.
pub(super) fn can_be_name(text: &str) -> bool {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(good)
}

/// As [`can_be_name`], of a table's key; it is told where it can't.
pub(super) fn is_name(name: &str, at: At, what: &str, reader: &mut Reader) -> bool {
    let is_name = can_be_name(name);
    if !is_name {
        let problem = Problem::new(Kind::Invalid, format!("`{name}` can't be the name of {what}"));
        let help = "write lower-case letters, digits, `-` and `_`, a letter first";
        reader.report(at, problem.label("not a name").help(help));
    }
    is_name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_called_as_at_the_end_of_its_address() {
        let fetch = |url: &str| Fetch { url: url.to_owned(), sha256: Sha256::of(b""), unpack: None };
        assert_eq!(fetch("https://a.example/b/c.tar.gz?d=e/f").file_name(), "c.tar.gz");
        assert_eq!(fetch("https://a.example/b/").file_name(), "b");
    }

    #[test]
    fn what_a_step_needs_is_found_through_others() {
        let step = |inputs: &[(&str, StepSource)]| Step {
            argv: vec!["true".to_owned()],
            tools: BTreeSet::new(),
            inputs: inputs.iter().map(|(to, source)| (RelPath::new(*to).unwrap(), source.clone())).collect(),
            outputs: BTreeSet::new(),
            env: Variables::new(),
        };
        let of = |name: &str| StepSource::Step(StepPart { name: name.to_owned(), path: RelPath::root() });
        let tables = Steps {
            fetches: BTreeMap::new(),
            steps: [
                ("a".to_owned(), step(&[("b", of("b"))])),
                ("b".to_owned(), step(&[("x", StepSource::Output("foo".to_owned()))])),
                ("c".to_owned(), step(&[("c", of("c"))])),
            ]
            .into(),
        };
        assert!(tables.needs("a", "b") && !tables.needs("b", "a") && tables.needs("c", "c"));
        assert_eq!((tables.output_of("a"), tables.output_of("c")), (Some("foo"), None));
        assert_eq!(tables.in_order(["a", "b"]), ["b", "a"]);
        assert_eq!(tables.in_order(["c"]), ["c"]);
    }
}
