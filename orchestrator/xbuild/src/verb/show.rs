//! `xbuild show`: every output that the description defines, from the project's own files alone: nothing is fetched,
//! and nothing is run.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use serde_json::{Value, json};
use xbuild_base::Triple;
use xbuild_describe::{
    Asked, Develop, Output, OutputKind, PlanSettings, Problems, Request, VariantName, evaluate,
};

use crate::choose::facts;
use crate::cli::Global;
use crate::description::Described;
use crate::error::XbuildError;
use crate::image::select::platform;
use crate::session::Session;
use crate::ui::Ui;

pub(crate) fn run(global: &Global, ui: &Ui) -> Result<ExitCode, XbuildError> {
    let described = Described::read(global)?;
    let session = Session::open(ui)?;
    let facts = facts(&described, &session)?;

    let mut problems: Option<Problems> = None;
    for name in described.description.variants.keys() {
        let request = Request { variants: vec![name.to_string()], ..Request::default() };
        let asked = evaluate(&described.description, &facts, &described.targets, &request);
        let variant = Variant::new(&described, name, asked.as_deref().unwrap_or_default());
        let is_broken = asked.is_err();
        if ui.json {
            variant.lines().iter().for_each(|line| ui.output_line(&line.to_string()));
        } else {
            ui.output_line(&variant.headline(ui, is_broken));
            tree(&variant.branches()).iter().for_each(|line| ui.output_line(line));
        }
        if let Err(own) = asked {
            problems = Some(match problems {
                Some(others) => others.and(own),
                None => own,
            });
        }
    }
    show_shells(&described.description.develop, ui);
    problems.map_or(Ok(ExitCode::SUCCESS), |problems| Err(problems.into()))
}

/// The shells that have a name: they are of no variant.
fn show_shells(develop: &Develop, ui: &Ui) {
    let width = width(develop.named.keys().map(String::as_str));
    let mut branches = Vec::new();
    for name in develop.named.keys() {
        let tools = develop.shell(Some(name)).tools;
        if ui.json {
            let line = json!({ "reason": "xbuild-defined-shell", "name": name, "tools": tools });
            ui.output_line(&line.to_string());
        } else {
            let tools: Vec<&str> = tools.iter().map(String::as_str).collect();
            let branch = format!("{name:width$}  {}", tools.join(", "));
            branches.push((branch.trim_end().to_owned(), Vec::new()));
        }
    }
    if !branches.is_empty() {
        ui.output_line(&ui.paint(anstyle::AnsiColor::Cyan, "shells"));
        tree(&branches).iter().for_each(|line| ui.output_line(line));
    }
}

/// What a variant defines.
struct Variant<'v> {
    name: &'v VariantName,
    profile: String,
    features: Vec<String>,
    /// The outputs by target, in the description's order.
    targets: Vec<Target<'v>>,
    /// The images and their platforms.
    images: BTreeMap<String, BTreeSet<String>>,
}

/// What a variant defines for a target.
struct Target<'v> {
    triple: &'v Triple,
    /// Each with what its graph is planned with.
    outputs: Vec<(&'v Output, &'v PlanSettings)>,
}

impl<'v> Variant<'v> {
    fn new(described: &'v Described, name: &'v VariantName, asked: &'v [Asked]) -> Self {
        let mut targets: Vec<Target<'_>> = Vec::new();
        for one in asked {
            let outputs = one.selected.iter().map(|selected| (&selected.output, &one.plan));
            match targets.iter_mut().find(|target| target.triple == &one.target) {
                // With `unify = "package"` there are several graphs for one target.
                Some(target) => target.outputs.extend(outputs),
                None => targets.push(Target { triple: &one.target, outputs: outputs.collect() }),
            }
        }
        let build = described.description.variants.get(name);
        let images = images(described, name, &targets);
        Self {
            name,
            profile: build.map(|build| build.profile.clone()).unwrap_or_default(),
            features: build.into_iter().flat_map(|build| build.features.iter().cloned()).collect(),
            targets,
            images,
        }
    }

    fn headline(&self, ui: &Ui, is_broken: bool) -> String {
        let mut parts = vec![self.profile.clone()];
        if !self.features.is_empty() {
            parts.push(format!("features {}", self.features.join(", ")));
        }
        if is_broken {
            parts.push("can't be evaluated".to_owned());
        }
        let name = ui.paint(anstyle::AnsiColor::Cyan, self.name.as_str());
        format!("{name}  {}", parts.join(", "))
    }

    fn branches(&self) -> Vec<(String, Vec<String>)> {
        let target = |Target { triple, outputs }: &Target<'_>| {
            let width = width(outputs.iter().map(|(output, _)| output.name.as_str()));
            let leaf = |(output, _): &(&Output, &PlanSettings)| {
                let Output { name, kind, required_features, .. } = *output;
                let needs: Vec<&str> = required_features.iter().map(String::as_str).collect();
                let needs =
                    if needs.is_empty() { String::new() } else { format!(", needs {}", needs.join(", ")) };
                format!("{name:width$}  {}{needs}", in_words(*kind))
            };
            // What this target has otherwise than the variant.
            let plans = || outputs.iter().map(|(_, plan)| *plan);
            let features: BTreeSet<&String> = plans().flat_map(|plan| &plan.features).collect();
            let more: Vec<&str> = features
                .into_iter()
                .filter(|feature| !self.features.contains(feature))
                .map(String::as_str)
                .collect();
            let mut own = Vec::new();
            own.extend(plans().map(|plan| plan.profile.clone()).find(|profile| *profile != self.profile));
            if !more.is_empty() {
                own.push(format!("features {}", more.join(", ")));
            }
            let own = if own.is_empty() { String::new() } else { format!("  {}", own.join(", ")) };
            (format!("{triple}{own}"), outputs.iter().map(leaf).collect())
        };
        let mut branches: Vec<(String, Vec<String>)> = self.targets.iter().map(target).collect();
        if !self.images.is_empty() {
            let width = width(self.images.keys().map(String::as_str));
            let leaf = |(name, platforms): (&String, &BTreeSet<String>)| {
                let platforms: Vec<&str> = platforms.iter().map(String::as_str).collect();
                format!("{name:width$}  {}", platforms.join(", "))
            };
            branches.push(("image".to_owned(), self.images.iter().map(leaf).collect()));
        }
        branches
    }

    fn lines(&self) -> Vec<Value> {
        let variant = self.name;
        let output = |triple: &Triple, plan: &PlanSettings, output: &Output| {
            let PlanSettings { profile, features, .. } = plan;
            json!({
                "reason": "xbuild-defined-output",
                "variant": variant.as_str(),
                "target": triple,
                "kind": word(output.kind),
                "name": output.name,
                "output": format!("{variant}/{triple}/{}", output.name),
                "package": output.package,
                "required-features": output.required_features,
                "profile": profile,
                "features": features,
            })
        };
        let image = |(name, platforms): (&String, &BTreeSet<String>)| {
            json!({
                "reason": "xbuild-defined-image",
                "variant": variant.as_str(),
                "name": name,
                "platforms": platforms,
            })
        };
        let outputs = self.targets.iter().flat_map(|Target { triple, outputs }| {
            outputs.iter().map(move |(one, plan)| output(triple, plan, one))
        });
        outputs.chain(self.images.iter().map(image)).collect()
    }
}

/// The images of a variant: those that the description names, else one for each program.
fn images(
    described: &Described,
    variant: &VariantName,
    targets: &[Target<'_>],
) -> BTreeMap<String, BTreeSet<String>> {
    let all = &described.description.images;
    let common = all.settings("", variant.as_str(), |_| false).bins;
    let mut images: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for Target { triple, outputs, .. } in targets {
        let Some(ground) = described.targets.get(triple).and_then(|spec| spec.image.as_ref()) else {
            continue;
        };
        let programs = outputs.iter().filter(|(output, _)| output.kind == OutputKind::Bin);
        let programs = programs.map(|(output, _)| output.name.as_str());
        let names: Vec<&str> = if all.named.is_empty() {
            programs.filter(|name| common.as_ref().is_none_or(|bins| bins.contains(*name))).collect()
        } else {
            all.named.keys().map(String::as_str).collect()
        };
        for name in names {
            images.entry(name.to_owned()).or_default().insert(platform(ground).to_string());
        }
    }
    images
}

fn in_words(kind: OutputKind) -> &'static str {
    match kind {
        OutputKind::Bin => "program",
        OutputKind::Cdylib => "dynamic C library",
        OutputKind::Staticlib => "static C library",
    }
}

/// The kind as cargo calls it.
fn word(kind: OutputKind) -> &'static str {
    match kind {
        OutputKind::Bin => "bin",
        OutputKind::Cdylib => "cdylib",
        OutputKind::Staticlib => "staticlib",
    }
}

fn width<'n>(names: impl Iterator<Item = &'n str>) -> usize {
    names.map(|name| name.chars().count()).max().unwrap_or(0)
}

/// The lines of a tree, its root left out.
fn tree(branches: &[(String, Vec<String>)]) -> Vec<String> {
    let mut lines = Vec::new();
    for (at, (name, leaves)) in branches.iter().enumerate() {
        let is_last = at + 1 == branches.len();
        lines.push(format!("{} {name}", if is_last { "└──" } else { "├──" }));
        let side = if is_last { "    " } else { "│   " };
        for (at, leaf) in leaves.iter().enumerate() {
            let branch = if at + 1 == leaves.len() { "└──" } else { "├──" };
            lines.push(format!("{side}{branch} {leaf}"));
        }
    }
    lines
}
