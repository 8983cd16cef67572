//! Selecting outputs by the words of the request.

use std::collections::BTreeSet;
use std::sync::Arc;

use xbuild_base::Triple;

use super::pattern::{Pattern, Selector};
use super::{Cell, Output, OutputKind, Request, Selected, Selection, Variant, Workspace};
use crate::description::{Build, Develop};
use crate::names::VariantName;
use crate::problem::{Kind, Problem, Source};
use crate::suggest;
use crate::target::{TargetSpec, Targets};

/// The words of a request, parsed.
pub(super) struct Words {
    outputs: Vec<Selector>,
    /// The names of shells, where one may stand in the place of an output.
    shells: Option<BTreeSet<String>>,
    packages: Vec<Pattern>,
    bins: Vec<Pattern>,
    all_bins: bool,
    targets: Vec<Pattern>,
    variants: Vec<Pattern>,
}

/// A target that may be selected.
#[derive(Clone, Copy)]
pub(super) struct Candidate<'a> {
    pub(super) spec: &'a TargetSpec,
    /// Whether the description lists it; one that it does not list must be named in full.
    listed: bool,
}

impl Candidate<'_> {
    fn matches(&self, pattern: &Pattern) -> bool {
        let triple = self.spec.triple.as_str();
        if self.listed { pattern.matches(triple) } else { pattern.names(triple) }
    }
}

/// Whether a name fits one part of some output selector; none is there, or one leaves it out: any fits.
fn may_be_in<'p>(mut parts: impl ExactSizeIterator<Item = Option<&'p Pattern>>, name: &str) -> bool {
    parts.len() == 0 || parts.any(|part| part.is_none_or(|pattern| pattern.matches(name)))
}

/// The problem that there is nothing to build.
fn nothing(variants: &[Variant<'_>], outputs: &[Selector], request: &Request) -> Problem {
    let cells = || variants.iter().flat_map(|variant| &variant.cells);
    if request.task.is_none() && cells().next().is_some() && cells().all(|cell| cell.outputs.is_empty()) {
        return Problem::new(
            Kind::NothingSelected,
            "the packages of the build have no program and no C library",
        )
        .help("name packages that have one: `[build] packages = [\"…\"]` in xbuild.toml");
    }
    let mut words: Vec<&str> = outputs.iter().map(|selector| selector.text.as_str()).collect();
    let flags = [
        ("-p", !request.packages.is_empty()),
        ("--bin", !request.bins.is_empty()),
        ("--bins", request.all_bins),
        ("--target", !request.targets.is_empty()),
        ("--variant", !request.variants.is_empty()),
    ];
    words.extend(flags.iter().filter(|(_, given)| *given).map(|(flag, _)| *flag));
    let what = if request.task.is_some() { "package" } else { "output" };
    let message = format!("nothing is selected: no {what} fits {} at once", suggest::list(&words));
    Problem::new(Kind::NothingSelected, message).help("leave one of them away")
}

impl Words {
    /// Notes the words that can't be read, and leaves them out. A shell's name selects nothing.
    pub(super) fn parse(develop: &Develop, request: &Request, problems: &mut Vec<Problem>) -> Self {
        let mut patterns = |flag: &str, texts: &[String]| -> Vec<Pattern> {
            let parse = |text: &String| {
                Pattern::new(text).map_err(|why| problems.push(invalid(flag, text, &why))).ok()
            };
            texts.iter().filter_map(parse).collect()
        };
        let packages = patterns("-p", &request.packages);
        let bins = patterns("--bin", &request.bins);
        let targets = patterns("--target", &request.targets);
        let variants = patterns("--variant", &request.variants);
        let parse = |text: &String| {
            Selector::new(text).map_err(|why| problems.push(invalid("output", text, &why))).ok()
        };
        let shells: Option<BTreeSet<String>> = request.shell.then(|| develop.named.keys().cloned().collect());
        let is_output = |text: &&String| shells.as_ref().is_none_or(|shells| !shells.contains(*text));
        let outputs = request.outputs.iter().filter(is_output).filter_map(parse).collect();
        Self { outputs, shells, packages, bins, all_bins: request.all_bins, targets, variants }
    }

    /// Whether something of a variant may be asked for.
    pub(super) fn may_be_of(&self, variant: &VariantName) -> bool {
        any_or_all(&self.variants, variant.as_str())
            && may_be_in(self.outputs.iter().map(|selector| selector.variant.as_ref()), variant.as_str())
    }

    /// Whether something for a target may be asked for.
    pub(super) fn may_be_for(&self, target: &Triple) -> bool {
        any_or_all(&self.targets, target.as_str())
            && may_be_in(self.outputs.iter().map(|selector| selector.target.as_ref()), target.as_str())
    }

    /// What is selected: for each variant and target with something selected, the outputs, or the packages that the
    /// task is about.
    ///
    /// `variants` are those of which something may be asked for, and the names of all.
    pub(super) fn select<'a>(
        &self,
        (variants, names): (&'a [Variant<'a>], &BTreeSet<&str>),
        workspace: &Workspace,
        targets: &Targets,
        request: &Request,
        problems: &mut Vec<Problem>,
    ) -> Vec<Selection<'a>> {
        self.check((variants, names), workspace, targets, problems);
        if !problems.is_empty() {
            return Vec::new();
        }
        let mut selection = Vec::new();
        for variant in variants {
            for cell in &variant.cells {
                let (mut outputs, mut packages) = (Vec::new(), BTreeSet::new());
                if request.task.is_some() {
                    packages = self.of_task(variant.name, cell);
                } else {
                    let selected =
                        cell.outputs.iter().filter(|output| self.selects(variant.name, &cell.target, output));
                    outputs = selected
                        .map(|output| Selected { output: (*output).clone(), named: self.name(output) })
                        .collect();
                }
                if !outputs.is_empty() || !packages.is_empty() {
                    selection.push(Selection { variant: variant.name, cell, outputs, packages });
                }
            }
        }
        if selection.is_empty() {
            problems.push(nothing(variants, &self.outputs, request));
        }
        selection
    }

    /// The targets of a variant that may be selected: those that it lists, and those that are named in full.
    pub(super) fn candidates<'a>(&self, build: &Build, targets: &'a Targets) -> Vec<Candidate<'a>> {
        let mut found: Vec<Candidate<'a>> = Vec::new();
        // Those that are missing have been told of, where they matter.
        let listed = build.targets.iter().filter_map(|triple| targets.get(triple));
        found.extend(listed.map(|spec| Candidate { spec, listed: true }));
        let in_selectors = self.outputs.iter().filter_map(|selector| selector.target.as_ref());
        for pattern in self.targets.iter().chain(in_selectors) {
            let triple = pattern.literal().and_then(|text| text.parse::<Triple>().ok());
            let Some(spec) = triple.and_then(|triple| targets.get(&triple)) else { continue };
            if found.iter().all(|candidate| candidate.spec.triple != spec.triple) {
                found.push(Candidate { spec, listed: false });
            }
        }
        found
    }

    /// Whether an output of a variant and target is wanted by all the words.
    fn selects(&self, variant: &VariantName, target: &Candidate<'_>, output: &Output) -> bool {
        let by_flag = self.targets.iter().any(|pattern| target.matches(pattern));
        let selected = |selector: &Selector| {
            selector.name.matches(&output.name)
                && selector.variant.as_ref().is_none_or(|pattern| pattern.matches(variant.as_str()))
                && match &selector.target {
                    Some(pattern) => target.matches(pattern),
                    None => target.listed || by_flag,
                }
        };
        let by_output = if self.outputs.is_empty() {
            target.listed || by_flag
        } else {
            self.outputs.iter().any(selected)
        };
        by_output
            && (self.targets.is_empty() || by_flag)
            && any_or_all(&self.variants, variant.as_str())
            && any_or_all(&self.packages, &output.package)
            && match output.kind {
                OutputKind::Bin => self.all_bins || any_or_all(&self.bins, &output.name),
                OutputKind::Cdylib | OutputKind::Staticlib => !self.all_bins && self.bins.is_empty(),
            }
    }

    /// The packages of a variant that a task is about for a target.
    fn of_task(&self, variant: &VariantName, cell: &Cell<'_>) -> BTreeSet<String> {
        let target = &cell.target;
        let by_flag = self.targets.iter().any(|pattern| target.matches(pattern));
        let is_target = if self.targets.is_empty() { target.listed } else { by_flag };
        if !is_target || !any_or_all(&self.variants, variant.as_str()) {
            return BTreeSet::new();
        }
        let packages = cell.plans.iter().flat_map(|plan| &plan.packages);
        packages.filter(|package| any_or_all(&self.packages, package)).cloned().collect()
    }

    /// Whether an output was named in full.
    fn name(&self, output: &Output) -> bool {
        let in_outputs = self.outputs.iter().any(|selector| selector.name.names(&output.name));
        in_outputs
            || (output.kind == OutputKind::Bin && self.bins.iter().any(|pattern| pattern.names(&output.name)))
    }

    /// Notes each word that selects nothing by itself.
    fn check(
        &self,
        (variants, names): (&[Variant<'_>], &BTreeSet<&str>),
        workspace: &Workspace,
        targets: &Targets,
        problems: &mut Vec<Problem>,
    ) {
        let is_known = |pattern: &Pattern| names.iter().any(|name| pattern.matches(name));
        for pattern in self.variants.iter().filter(|pattern| !is_known(pattern)) {
            problems.push(nothing_named("--variant", pattern.text(), "variant", "variants", names));
        }
        let cells = || variants.iter().flat_map(|variant| &variant.cells);
        let outputs = || cells().flat_map(|cell| cell.outputs.iter().copied());
        let packages: BTreeSet<&str> = cells()
            .flat_map(|cell| &cell.plans)
            .flat_map(|plan| &plan.packages)
            .map(String::as_str)
            .collect();
        for pattern in unmatched(&self.packages, packages.iter().copied()) {
            problems.push(unknown_package(pattern, &packages, workspace));
        }
        let bins: BTreeSet<&str> = outputs()
            .filter(|output| output.kind == OutputKind::Bin)
            .map(|output| output.name.as_str())
            .collect();
        for pattern in unmatched(&self.bins, bins.iter().copied()) {
            problems.push(nothing_named("--bin", pattern.text(), "program", "programs", &bins));
        }
        let target_found = |pattern: &Pattern| cells().any(|cell| cell.target.matches(pattern));
        for pattern in self.targets.iter().filter(|pattern| !target_found(pattern)) {
            problems.extend(unknown_target("--target", pattern, pattern.text(), targets));
        }
        for selector in &self.outputs {
            let text = selector.text.as_str();
            if let Some(variant) = selector.variant.as_ref().filter(|pattern| !is_known(pattern)) {
                let problem = nothing_named("output", variant.text(), "variant", "variants", names);
                problems.push(marked(problem, "output", text, variant.text()));
                continue;
            }
            let is_in = |cell: &Cell<'_>| {
                selector.target.as_ref().is_none_or(|pattern| cell.target.matches(pattern))
                    && cell.outputs.iter().any(|output| selector.name.matches(&output.name))
            };
            let found = variants.iter().any(|variant| {
                selector.variant.as_ref().is_none_or(|pattern| pattern.matches(variant.name.as_str()))
                    && variant.cells.iter().any(is_in)
            });
            if !found {
                let target = selector.target.as_ref().filter(|pattern| !target_found(pattern));
                let output_names: BTreeSet<&str> = outputs().map(|output| output.name.as_str()).collect();
                match target {
                    Some(pattern) => problems.extend(unknown_target("output", pattern, text, targets)),
                    None => {
                        problems.push(unknown_output(selector, &output_names, self.shells.as_ref(), targets))
                    }
                }
            }
        }
    }
}

fn any_or_all(patterns: &[Pattern], name: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(name))
}

fn unmatched<'p, 'n>(
    patterns: &'p [Pattern],
    names: impl Iterator<Item = &'n str> + Clone,
) -> Vec<&'p Pattern> {
    patterns.iter().filter(|pattern| !names.clone().any(|name| pattern.matches(name))).collect()
}

fn marked(problem: Problem, flag: &str, text: &str, part: &str) -> Problem {
    let start = text.find(part).unwrap_or(0);
    problem.at(&Arc::new(Source::new(flag, text)), start..start + part.len())
}

fn invalid(flag: &str, text: &str, why: &str) -> Problem {
    let problem = Problem::new(Kind::Invalid, format!("`{text}` selects nothing: {why}"))
        .help("write a name, with globs if you like; an output is `<variant>/<target>/<name>`, leading parts optional");
    marked(problem, flag, text, text)
}

fn nothing_named(flag: &str, text: &str, what: &str, plural: &str, names: &BTreeSet<&str>) -> Problem {
    let names: Vec<&str> = names.iter().copied().collect();
    let problem = Problem::new(Kind::NothingSelected, format!("the build has no {what} `{text}`"))
        .label("selects nothing")
        .help(suggest::help(text, plural, &names));
    marked(problem, flag, text, text)
}

fn unknown_package(pattern: &Pattern, packages: &BTreeSet<&str>, workspace: &Workspace) -> Problem {
    let text = pattern.text();
    let Some(name) = workspace.members.keys().find(|name| pattern.matches(name)) else {
        // Also those that aren't part of the build: they may be what is meant.
        let members = workspace.members.keys().map(String::as_str).collect();
        return nothing_named("-p", text, "package", "packages", &members);
    };
    // A selection never changes what is planned: to build more, the build must say so.
    let all: Vec<String> =
        packages.iter().chain([&name.as_str()]).map(|name| format!("\"{name}\"")).collect();
    let problem = Problem::new(Kind::NothingSelected, format!("package `{name}` is not part of the build"))
        .label("selects nothing")
        .help(format!(
            "add it to `packages` of [build] in xbuild.toml, or for one call:\n--set 'build.packages=[{}]'",
            all.join(", ")
        ));
    marked(problem, "-p", text, text)
}

fn unknown_target(flag: &str, pattern: &Pattern, text: &str, targets: &Targets) -> Vec<Problem> {
    let part = pattern.text();
    match pattern.literal() {
        Some(triple) if targets.is_broken(triple) => targets.missing(triple),
        Some(triple) => vec![marked(targets.unknown(triple), flag, text, part)],
        None => {
            let message = format!("no target of the build fits `{part}`");
            let problem = Problem::new(Kind::NothingSelected, message).label("selects nothing").help(
                "a glob selects among the targets that the description lists; name another one in full",
            );
            vec![marked(problem, flag, text, part)]
        }
    }
}

fn unknown_output(
    selector: &Selector,
    outputs: &BTreeSet<&str>,
    shells: Option<&BTreeSet<String>>,
    targets: &Targets,
) -> Problem {
    let text = selector.text.as_str();
    let name = selector.name.text();
    // What stands before a name is no shell's.
    let shells = shells.filter(|_| selector.target.is_none());
    let (what, plural) = match shells {
        Some(_) => ("shell and no output", "shells and outputs"),
        None => ("output", "outputs"),
    };
    let shells = shells.into_iter().flatten().map(String::as_str);
    let known: BTreeSet<&str> = outputs.iter().copied().chain(shells).collect();
    let known: Vec<&str> = known.into_iter().collect();
    let is_target = selector.target.is_none() && targets.names().contains(&name);
    let help = if is_target {
        format!("that is a target: write `{name}/*`, or --target {name}")
    } else {
        suggest::help(name, plural, &known)
    };
    let problem = Problem::new(Kind::NothingSelected, format!("the build has no {what} `{name}`"))
        .label("selects nothing")
        .help(help);
    marked(problem, "output", text, name)
}
