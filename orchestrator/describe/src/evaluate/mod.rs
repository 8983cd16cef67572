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

pub use request::{Asked, Member, Output, OutputKind, PlanSettings, Request, Selected, Tests, Workspace};

/// Finds the graphs that a request needs: by variant, then by target in the description's order, then by package.
///
/// # Errors
/// All problems at once: packages, programs, features or targets that do not exist, selectors that select nothing,
/// and two outputs of one name.
pub fn evaluate(
    description: &Description,
    workspace: &Workspace,
    targets: &Targets,
    request: &Request,
) -> Result<Vec<Asked>, Problems> {
    let mut problems = Vec::new();
    let settings = Settings::new(request, &mut problems);
    let mut variants = Vec::new();
    // What can't be selected isn't looked at: its mistakes are no one's concern here. Where nothing can, the words are
    // wrong, and are held against all.
    let may_be = |name: &VariantName| select::may_be_of(request, name);
    let is_right = description.variants.keys().any(may_be);
    for (name, build) in description.variants.iter().filter(|(name, _)| may_be(name) || !is_right) {
        for triple in build.targets.iter().filter(|triple| select::may_be_for(request, triple)) {
            let missing = targets.missing(triple.as_str());
            let place = |problem| description.origins.place(problem, name, "targets", triple.as_str());
            problems.extend(missing.into_iter().map(place));
        }
        let packages = packages(description, name, build, workspace, &mut problems);
        let outputs = outputs(description, name, build, &packages, workspace, &mut problems);
        let plans = plans(description, name, build, &packages, workspace, &settings, &mut problems);
        variants.push(Variant { name, build, outputs, plans });
    }
    if let Err(unknown) = description.packages_of(&workspace.packages) {
        problems.extend(unknown.as_slice().iter().cloned());
    }
    for name in description.natives.names().into_iter().filter(|name| !workspace.packages.contains_key(*name))
    {
        let problem = unknown_package(name, &workspace.packages);
        problems.push(description.origins.place(problem, &VariantName::default(), "native", name));
    }
    // What selects nothing is only told where the names are right: else it would be an echo.
    if let Some(problems) = Problems::new(problems.clone()) {
        return Err(problems);
    }
    let names = description.variants.keys().map(VariantName::as_str).collect();
    let selection = select::select((&variants, &names), workspace, targets, request, &mut problems);
    let mut asked = Vec::new();
    for Selection { variant, target, outputs, packages } in selection {
        let glibc = glibc(description, variant.build, target, settings.glibc, &mut problems);
        collisions(variant.name, &target.triple, &outputs, &mut problems);
        for plan in &variant.plans {
            let selected: Vec<Selected> = outputs
                .iter()
                .filter(|selected| plan.packages.contains(&selected.output.package))
                .cloned()
                .collect();
            let of_plan: BTreeSet<String> = packages.intersection(&plan.packages).cloned().collect();
            let tests = request.tests.as_ref().filter(|_| !of_plan.is_empty());
            let tests = tests.map(|options| Tests { packages: of_plan, options: options.clone() });
            if !selected.is_empty() || tests.is_some() {
                asked.push(Asked {
                    variant: variant.name.clone(),
                    target: target.triple.clone(),
                    glibc,
                    plan: plan.clone(),
                    selected,
                    tests,
                });
            }
        }
    }
    if settings.glibc.is_some() && !asked.is_empty() && asked.iter().all(|asked| asked.glibc.is_none()) {
        let message = "`--glibc` has no use: none of the selected targets has glibc";
        problems.push(Problem::new(Kind::Contradiction, message).help("take it away"));
    }
    // One reason may hold for several targets.
    problems.dedup();
    match Problems::new(problems) {
        Some(problems) => Err(problems),
        None => Ok(asked),
    }
}

/// Whether a name is meant by a word of a request: the name itself, or a glob.
#[must_use]
pub fn name_matches(word: &str, name: &str) -> bool {
    pattern::Pattern::new(word).is_ok_and(|pattern| pattern.matches(name))
}

/// A variant with what the workspace adds to it.
struct Variant<'a> {
    name: &'a VariantName,
    build: &'a Build,
    outputs: Vec<&'a Output>,
    plans: Vec<PlanSettings>,
}

/// What is selected of a variant for a target.
struct Selection<'a> {
    variant: &'a Variant<'a>,
    target: &'a TargetSpec,
    outputs: Vec<Selected>,
    /// The packages whose tests are.
    packages: BTreeSet<String>,
}

/// The profile that tests are compiled with, as with cargo.
const TEST_PROFILE: &str = "test";

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
        let profile = request.profile.clone().inspect(|profile| {
            if let Some((why, help)) = crate::description::profile_problem(profile) {
                flag("--profile", profile, why, help);
            }
        });
        let glibc = request.glibc.as_ref().and_then(|text| match text.parse::<Glibc>() {
            Ok(glibc) => Some(glibc),
            Err(error) => {
                flag("--glibc", text, error.to_string(), "write a glibc version such as 2.31");
                None
            }
        });
        let profile = profile.or_else(|| request.tests.is_some().then(|| TEST_PROFILE.to_owned()));
        let Request { all_features, no_default_features, .. } = *request;
        Self { features, all_features, no_default_features, profile, glibc }
    }
}

/// The packages of a variant: those that it names, or the default members.
fn packages<'a>(
    description: &Description,
    variant: &VariantName,
    build: &'a Build,
    workspace: &'a Workspace,
    problems: &mut Vec<Problem>,
) -> BTreeSet<&'a str> {
    let Some(named) = &build.packages else {
        return workspace.default_members.iter().map(String::as_str).collect();
    };
    let members: Vec<&str> = workspace.members.keys().map(String::as_str).collect();
    let mut found = BTreeSet::new();
    for name in named {
        if workspace.members.contains_key(name) {
            found.insert(name.as_str());
            continue;
        }
        let problem = Problem::new(Kind::UnknownName, format!("the workspace has no package `{name}`"))
            .label("no such package")
            .help(suggest::help(name, "packages", &members));
        problems.push(description.origins.place(problem, variant, "packages", name));
    }
    found
}

/// The outputs that a variant has.
fn outputs<'a>(
    description: &Description,
    variant: &VariantName,
    build: &Build,
    packages: &BTreeSet<&str>,
    workspace: &'a Workspace,
    problems: &mut Vec<Problem>,
) -> Vec<&'a Output> {
    let members = packages.iter().filter_map(|name| workspace.members.get(*name));
    let all: Vec<&Output> = members.flat_map(|member| &member.outputs).collect();
    let Some(bins) = &build.bins else { return all };
    let programs: Vec<&Output> = all.into_iter().filter(|output| output.kind == OutputKind::Bin).collect();
    let names: Vec<&str> = programs.iter().map(|output| output.name.as_str()).collect();
    for bin in bins.iter().filter(|bin| !names.contains(&bin.as_str())) {
        let problem =
            Problem::new(Kind::UnknownName, format!("the packages of the build have no program `{bin}`"))
                .label("no such program")
                .help(suggest::help(bin, "programs", &names));
        problems.push(description.origins.place(problem, variant, "bins", bin));
    }
    programs.into_iter().filter(|output| bins.contains(&output.name)).collect()
}

/// What is planned for a variant: one graph, or one for each package.
fn plans(
    description: &Description,
    variant: &VariantName,
    build: &Build,
    packages: &BTreeSet<&str>,
    workspace: &Workspace,
    settings: &Settings,
    problems: &mut Vec<Problem>,
) -> Vec<PlanSettings> {
    let members: BTreeMap<&str, &Member> =
        packages.iter().filter_map(|name| Some((*name, workspace.members.get(*name)?))).collect();
    for (feature, problem) in features::unknown(build.features.iter(), &members) {
        problems.push(description.origins.place(problem, variant, "features", feature));
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
            .filter(|feature| members.iter().any(|(name, member)| features::applies(feature, name, member)))
            .map(|feature| (*feature).clone())
            .collect(),
        all_features: build.all_features || settings.all_features,
        default_features: build.default_features && !settings.no_default_features,
        profile: settings.profile.clone().unwrap_or_else(|| build.profile.clone()),
    };
    match build.unify {
        Unify::Workspace => vec![plan(members)],
        Unify::Package => members.into_iter().map(|member| plan(BTreeMap::from([member]))).collect(),
    }
}

/// The glibc that a target is built against.
fn glibc(
    description: &Description,
    build: &Build,
    spec: &TargetSpec,
    requested: Option<Glibc>,
    problems: &mut Vec<Problem>,
) -> Option<Glibc> {
    let choice = spec.glibc.as_ref()?;
    let glibc = requested.or_else(|| description.glibc(build, &spec.triple)).unwrap_or(choice.default);
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
