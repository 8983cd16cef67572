//! The evaluation of a request: description × workspace × request → the graphs to plan and what is wanted of them.
//!
//! Output names, `-p`, `--bin`, `--bins`, `--target` and `--variant` **select**: whatever else is asked for, an
//! output is the same, because its graph is always planned for its variant's whole package set and one target.
//! Only `--features`, `--all-features`, `--no-default-features`, `--profile` and `--glibc` (and `--set`) change
//! what is built.

mod features;
mod pattern;
mod request;
mod select;

use std::collections::{BTreeMap, BTreeSet};

use xbuild_base::Triple;

use crate::description::{Build, Description, Unify, unknown_package};
use crate::names::{Glibc, VariantName};
use crate::problem::{Kind, Problem, Problems, Source};
use crate::suggest;
use crate::target::{TargetSpec, Targets};

use select::{Candidate, Words};

pub use request::{
    Asked, AskedTask, Member, Output, OutputKind, PlanSettings, Request, Selected, Task, TaskKind, Workspace,
};

/// The profiles that cargo has in any case.
const PROFILES: [&str; 4] = ["bench", "dev", "release", "test"];

/// Finds the graphs that a request needs: by variant, then by target in the description's order, then by package.
///
/// # Errors
/// All problems at once: packages, programs, features, profiles or targets that do not exist, selectors that select
/// nothing, and two outputs of one name.
pub fn evaluate(
    description: &Description,
    workspace: &Workspace,
    targets: &Targets,
    request: &Request,
) -> Result<Vec<Asked>, Problems> {
    let mut problems = Vec::new();
    let settings = Settings::new(request, &mut problems);
    let mut unreadable = Vec::new();
    let words = Words::parse(&description.develop, request, &mut unreadable);
    let mut variants = Vec::new();
    // What can't be selected isn't looked at: its mistakes are no one's concern here. Where nothing can, the words are
    // wrong, and are held against all.
    let is_right = description.variants.keys().any(|name| words.may_be_of(name));
    for (name, build) in description.variants.iter().filter(|(name, _)| words.may_be_of(name) || !is_right) {
        for triple in build.targets.iter().filter(|triple| words.may_be_for(triple)) {
            let missing = targets.missing(triple.as_str());
            let place = |problem| description.origins.place(problem, name, "targets", triple.as_str());
            problems.extend(missing.into_iter().map(place));
        }
        let ground = Ground { description, name, build, workspace, settings: &settings };
        variants.push(Variant { name, cells: ground.cells(&words, targets, &mut problems) });
    }
    if let Err(unknown) = description.packages_of(&workspace.packages) {
        problems.extend(unknown.as_slice().iter().cloned());
    }
    let mut natives = vec![(VariantName::default(), description.natives.names())];
    for (name, build) in description.variants.iter().filter(|(name, _)| words.may_be_of(name)) {
        natives.push((name.clone(), build.natives.names()));
    }
    for (variant, names) in natives {
        for name in names.into_iter().filter(|name| !workspace.packages.contains_key(*name)) {
            let problem = unknown_package(name, &workspace.packages);
            problems.push(description.origins.place(problem, &variant, "native", name));
        }
    }
    // One reason may hold for several targets. What selects nothing is only told where the names are right: else it
    // would be an echo.
    if let Some(problems) = Problems::new(distinct(problems.clone())) {
        return Err(problems);
    }
    problems.extend(unreadable);
    let names = description.variants.keys().map(VariantName::as_str).collect();
    let selection = words.select((&variants, &names), workspace, targets, request, &mut problems);
    let mut asked = Vec::new();
    for Selection { variant, cell, outputs, packages } in selection {
        let target = cell.target.spec;
        let glibc = glibc(&cell.build, target, settings.glibc, &mut problems);
        collisions(variant, &target.triple, &outputs, &mut problems);
        for plan in &cell.plans {
            let selected: Vec<Selected> = outputs
                .iter()
                .filter(|selected| plan.packages.contains(&selected.output.package))
                .cloned()
                .collect();
            let of_plan: BTreeSet<String> = packages.intersection(&plan.packages).cloned().collect();
            let task = request.task.clone().filter(|_| !of_plan.is_empty());
            let task = task.map(|task| AskedTask { packages: of_plan, task });
            if !selected.is_empty() || task.is_some() {
                asked.push(Asked {
                    variant: variant.clone(),
                    target: target.triple.clone(),
                    glibc,
                    plan: plan.clone(),
                    selected,
                    task,
                });
            }
        }
    }
    if settings.glibc.is_some() && !asked.is_empty() && asked.iter().all(|asked| asked.glibc.is_none()) {
        let message = "`--glibc` has no use: none of the selected targets has glibc";
        problems.push(Problem::new(Kind::Contradiction, message).help("take it away"));
    }
    match Problems::new(distinct(problems)) {
        Some(problems) => Err(problems),
        None => Ok(asked),
    }
}

/// Each problem once, where it came first.
fn distinct(problems: Vec<Problem>) -> Vec<Problem> {
    let mut found: Vec<Problem> = Vec::new();
    for problem in problems {
        if !found.contains(&problem) {
            found.push(problem);
        }
    }
    found
}

/// The variants of which a request may ask for something; all, where it can be none of them.
#[must_use]
pub fn may_be_asked<'d>(description: &'d Description, request: &Request) -> Vec<&'d VariantName> {
    // What can't be read is told by the evaluation.
    let words = Words::parse(&description.develop, request, &mut Vec::new());
    let names = || description.variants.keys();
    let found: Vec<&VariantName> = names().filter(|name| words.may_be_of(name)).collect();
    if found.is_empty() { names().collect() } else { found }
}

/// Whether a name is meant by a word of a request: the name itself, or a glob.
#[must_use]
pub fn name_matches(word: &str, name: &str) -> bool {
    pattern::Pattern::new(word).is_ok_and(|pattern| pattern.matches(name))
}

/// A variant, for each target that may be selected.
struct Variant<'a> {
    name: &'a VariantName,
    cells: Vec<Cell<'a>>,
}

/// A variant for one target, with what the workspace adds to it.
#[derive(Clone)]
struct Cell<'a> {
    target: Candidate<'a>,
    build: Build,
    outputs: Vec<&'a Output>,
    plans: Vec<PlanSettings>,
}

/// What is selected of a variant for a target.
struct Selection<'a> {
    variant: &'a VariantName,
    cell: &'a Cell<'a>,
    outputs: Vec<Selected>,
    /// The packages that a task is about.
    packages: BTreeSet<String>,
}

/// The part of the request that changes what is built.
struct Settings {
    features: features::Placed,
    all_features: bool,
    no_default_features: bool,
    profile: Option<String>,
    glibc: Option<Glibc>,
}

impl Settings {
    fn new(request: &Request, problems: &mut Vec<Problem>) -> Self {
        let features = features::split(&request.features, problems);
        let mut flag = |name: &str, text: &str, why: String, help: &str| {
            let source = Source::new(name, text).into();
            problems.push(Problem::new(Kind::Invalid, why).at(&source, 0..text.len()).help(help));
        };
        let profile = request.profile.clone().filter(|profile| {
            let problem = crate::description::profile_problem(profile);
            let is_name = problem.is_none();
            if let Some((why, help)) = problem {
                flag("--profile", profile, why, help);
            }
            is_name
        });
        let glibc = request.glibc.as_ref().and_then(|text| match text.parse::<Glibc>() {
            Ok(glibc) => Some(glibc),
            Err(error) => {
                flag("--glibc", text, error.to_string(), "write a glibc version such as 2.31");
                None
            }
        });
        let profile = profile.or_else(|| Some(request.task.as_ref()?.kind.profile().to_owned()));
        let Request { all_features, no_default_features, .. } = *request;
        Self { features, all_features, no_default_features, profile, glibc }
    }
}

/// What a variant's cells are made from.
struct Ground<'g, 'a> {
    description: &'a Description,
    name: &'a VariantName,
    build: &'a Build,
    workspace: &'a Workspace,
    settings: &'g Settings,
}

impl<'a> Ground<'_, 'a> {
    fn cells(&self, words: &Words, targets: &'a Targets, problems: &mut Vec<Problem>) -> Vec<Cell<'a>> {
        let mut candidates = words.candidates(self.build, targets);
        if candidates.iter().any(|candidate| words.may_be_for(&candidate.spec.triple)) {
            candidates.retain(|candidate| words.may_be_for(&candidate.spec.triple));
        }
        let mut cells: Vec<Cell<'a>> = Vec::new();
        for target in candidates {
            let build = match self.description.for_target(self.build, target.spec) {
                Ok(build) => build,
                Err(problem) => {
                    problems.push(problem);
                    continue;
                }
            };
            let cell = match cells.iter().find(|cell| cell.build == build) {
                Some(same) => Cell { target, ..same.clone() },
                None => {
                    self.check_profile(&build, problems);
                    let before = problems.len();
                    let packages = self.packages(&build, problems);
                    // Where a package is missing, so is all that it has, which is told by that.
                    let mut echoes = Vec::new();
                    let problems = if problems.len() > before { &mut echoes } else { &mut *problems };
                    let outputs = self.outputs(&build, &packages, problems);
                    let plans = self.plans(&build, &packages, problems);
                    Cell { target, build, outputs, plans }
                }
            };
            cells.push(cell);
        }
        cells
    }

    /// A problem, placed where a list names what it is about.
    fn place(&self, problem: Problem, list: &str, name: &str) -> Problem {
        self.description.origins.place(problem, self.name, list, name)
    }

    /// The packages: those that are named, or the default members.
    fn packages(&self, build: &Build, problems: &mut Vec<Problem>) -> BTreeSet<&'a str> {
        let Workspace { members, default_members, .. } = self.workspace;
        let Some(named) = &build.packages else {
            return default_members.iter().map(String::as_str).collect();
        };
        let names: Vec<&str> = members.keys().map(String::as_str).collect();
        let mut found = BTreeSet::new();
        for name in named {
            if let Some((name, _)) = members.get_key_value(name) {
                found.insert(name.as_str());
                continue;
            }
            let problem = Problem::new(Kind::UnknownName, format!("the workspace has no package `{name}`"))
                .label("no such package")
                .help(suggest::help(name, "packages", &names));
            problems.push(self.place(problem, "packages", name));
        }
        found
    }

    /// Notes a profile that there isn't.
    fn check_profile(&self, build: &Build, problems: &mut Vec<Problem>) {
        let (profile, is_asked) = match &self.settings.profile {
            Some(profile) => (profile, true),
            None => (&build.profile, false),
        };
        let of_workspace = self.workspace.profiles.iter().map(String::as_str);
        let known: BTreeSet<&str> = PROFILES.into_iter().chain(of_workspace).collect();
        if known.contains(profile.as_str()) {
            return;
        }
        let known: Vec<&str> = known.into_iter().collect();
        let message = format!("neither Cargo.toml nor cargo's configuration has a profile `{profile}`");
        let problem = Problem::new(Kind::UnknownName, message)
            .label("no such profile")
            .help(suggest::help(profile, "profiles", &known));
        problems.push(match is_asked {
            true => problem.at(&Source::new("--profile", profile).into(), 0..profile.len()),
            false => self.place(problem, "profile", profile),
        });
    }

    /// The outputs that there are.
    fn outputs(
        &self,
        build: &Build,
        packages: &BTreeSet<&str>,
        problems: &mut Vec<Problem>,
    ) -> Vec<&'a Output> {
        let members = packages.iter().filter_map(|name| self.workspace.members.get(*name));
        let all: Vec<&Output> = members.flat_map(|member| &member.outputs).collect();
        let Some(bins) = &build.bins else { return all };
        let programs: Vec<&Output> =
            all.into_iter().filter(|output| output.kind == OutputKind::Bin).collect();
        let names: Vec<&str> = programs.iter().map(|output| output.name.as_str()).collect();
        for bin in bins.iter().filter(|bin| !names.contains(&bin.as_str())) {
            let problem =
                Problem::new(Kind::UnknownName, format!("the packages of the build have no program `{bin}`"))
                    .label("no such program")
                    .help(suggest::help(bin, "programs", &names));
            problems.push(self.place(problem, "bins", bin));
        }
        programs.into_iter().filter(|output| bins.contains(&output.name)).collect()
    }

    /// What is planned: one graph, or one for each package.
    fn plans(
        &self,
        build: &Build,
        packages: &BTreeSet<&str>,
        problems: &mut Vec<Problem>,
    ) -> Vec<PlanSettings> {
        let settings = self.settings;
        let members: BTreeMap<&str, &Member> =
            packages.iter().filter_map(|name| Some((*name, self.workspace.members.get(*name)?))).collect();
        for (feature, problem) in features::unknown(build.features.iter(), &members) {
            problems.push(self.place(problem, "features", feature));
        }
        for (feature, problem) in features::unknown(settings.features.keys(), &members) {
            problems.push(match settings.features.get(feature) {
                Some((source, span)) => problem.at(source, span.clone()),
                None => problem,
            });
        }
        let wanted: BTreeSet<&String> = build.features.iter().chain(settings.features.keys()).collect();
        let plan = |members: BTreeMap<&str, &Member>| PlanSettings {
            packages: members.keys().map(|name| (*name).to_owned()).collect(),
            features: wanted
                .iter()
                .filter(|feature| {
                    members.iter().any(|(name, member)| features::applies(feature, name, member))
                })
                .map(|feature| (*feature).clone())
                .collect(),
            all_features: build.all_features || settings.all_features,
            default_features: build.default_features && !settings.no_default_features,
            profile: settings.profile.clone().unwrap_or_else(|| build.profile.clone()),
            rustflags: build.rustflags.clone(),
        };
        match build.unify {
            Unify::Workspace => vec![plan(members)],
            Unify::Package => members.into_iter().map(|member| plan(BTreeMap::from([member]))).collect(),
        }
    }
}

/// The glibc that a target is built against.
fn glibc(
    build: &Build,
    spec: &TargetSpec,
    requested: Option<Glibc>,
    problems: &mut Vec<Problem>,
) -> Option<Glibc> {
    let choice = spec.glibc.as_ref()?;
    let glibc = requested.or(build.glibc).unwrap_or(choice.default);
    if let Err(problem) = spec.check_glibc(glibc) {
        problems.push(problem);
    }
    Some(glibc)
}

/// Notes outputs that would lie at one place.
fn collisions(variant: &VariantName, target: &Triple, outputs: &[Selected], problems: &mut Vec<Problem>) {
    let mut seen: BTreeMap<(&str, OutputKind), &str> = BTreeMap::new();
    for Selected { output, .. } in outputs {
        let Some(other) = seen.insert((&output.name, output.kind), &output.package) else { continue };
        let message = format!(
            "packages `{other}` and `{}` both have an output `{variant}/{target}/{}`",
            output.package, output.name
        );
        let help = format!("select one of them: -p {other}; or rename one");
        problems.push(Problem::new(Kind::Duplicate, message).help(help));
    }
}
