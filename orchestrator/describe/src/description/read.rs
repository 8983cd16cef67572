//! Reading `xbuild.toml`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cargo_platform::Platform;
use xbuild_base::Triple;

use super::{
    Build, Description, Environment, Images, Limits, Natives, Origins, Steps, TargetSettings, ToolchainWish,
    Unify, develop, dist, environment, image, input, native, package, stamp, step,
};
use crate::document::{At, Document, Value};
use crate::names::{Distribution, Glibc, VariantName};
use crate::overrides::Override;
use crate::problem::{Kind, Problem, Problems, Source};
use crate::reader::{Field, Fields, Reader};
use crate::rust_toolchain::Channel;
use crate::suggest;
use crate::target::Targets;
use crate::units;

/// The key that names another file.
const EXTENDS: &str = "extends";
/// The file's name, for messages where there is none.
const FILE: &str = "xbuild.toml";
/// Tables that a variant has beside what `[build]` has, which holds what all variants start from: what these say for
/// all stands at the top.
const OF_VARIANTS: &[&str] = &["env", "image", "native", "toolchain"];
const VERSION_HELP: &str = "write a Rust version such as `\"1.96.1\"` or `\"1.96\"`, or `\"stable\"`";
const GLIBC_HELP: &str = "write a glibc version such as `\"2.31\"`";
const TIME_HELP: &str = "write a time such as `\"90s\"`, `\"30m\"` or `\"1h30m\"`";
pub(super) const SIZE_HELP: &str = "write a size such as `\"512MiB\"` or `\"8GiB\"`";

impl Description {
    /// Reads `xbuild.toml` with the `--set` flags laid over it, which must be in the order of the command line. `sources`
    /// are the files that it [extends](Self::extends), those first that others are laid over, and itself; with none the
    /// defaults hold.
    ///
    /// # Errors
    /// All problems of the files and the flags.
    pub fn read(
        sources: impl IntoIterator<Item = Source>,
        overrides: &[Override],
        targets: &Targets,
    ) -> Result<Self, Problems> {
        let mut document: Option<Document> = None;
        for source in sources {
            let file = Document::parse(Arc::new(source))?;
            match &mut document {
                Some(document) => document.lay(file),
                None => document = Some(file),
            }
        }
        let mut document = document.unwrap_or_else(|| Document::empty(FILE));
        let failed = overrides.iter().filter_map(|flag| document.set(flag).err()).collect();
        if let Some(problems) = Problems::new(failed) {
            return Err(problems);
        }
        let mut reader = Reader::new(&document);
        let mut description = read(&document, targets, &mut reader);
        description.overrides = overrides.to_vec();
        reader.finish(description)
    }

    /// The file that a description is laid over, as it names it: by its path from its own folder.
    ///
    /// # Errors
    /// When the file is no TOML, or names it by something else than a text.
    pub fn extends(source: &Source) -> Result<Option<String>, Problems> {
        let document = Document::parse(Arc::new(source.clone()))?;
        let mut reader = Reader::new(&document);
        let extends = read_extends(&mut Fields::root(&document), &mut reader);
        reader.finish(extends)
    }

    /// A problem of the file that a description extends, placed where it is named.
    #[must_use]
    pub fn extends_problem(source: &Source, message: impl Into<String>) -> Problem {
        let problem = Problem::new(Kind::Missing, message);
        let Ok(document) = Document::parse(Arc::new(source.clone())) else { return problem };
        match Fields::root(&document).get(EXTENDS) {
            Some(field) => problem.at(&document.sources[0], field.at().span()),
            None => problem,
        }
    }
}

fn read_extends(root: &mut Fields<'_>, reader: &mut Reader) -> Option<String> {
    root.get(EXTENDS)?.text(reader).map(str::to_owned)
}

pub(crate) fn read(document: &Document, targets: &Targets, reader: &mut Reader) -> Description {
    let mut root = Fields::root(document);
    // Whoever has read the files has followed it.
    read_extends(&mut root, reader);
    let mut origins = Origins::default();
    let toolchain = root.get("toolchain").map(|field| read_toolchain(&field, reader)).unwrap_or_default();
    let mut places = Places { document, targets, origins: &mut origins };
    let mut steps = step::Named::default();
    let build = root.get("build").map_or_else(Build::default, |field| {
        let mut build =
            read_build(&field, Build::default(), &VariantName::default(), &mut places, None, reader);
        // What all variants start from is no variant's own.
        build.own.clear();
        build
    });
    let mut tables = Tables { images: image::read(&mut root, &mut steps, reader), ..Tables::default() };
    if let Some(field) = root.get("env") {
        tables.environment.common = environment::read(&field, reader);
    }
    if let Some(field) = root.get("native") {
        tables.natives.common =
            native::read(&field, &mut steps, reader, |name, at| places.remember("native", name, at));
    }
    let mut variants = BTreeMap::from([(VariantName::default(), build)]);
    if let Some(field) = root.get("variant") {
        let images = (&mut tables.images, &mut steps);
        read_variants(&field, &mut variants, &mut places, images, reader);
    }
    let target_settings = root
        .get("target")
        .map(|field| read_targets(&field, &mut places, (&mut tables, &mut steps), reader))
        .unwrap_or_default();
    let packages = root
        .get("package")
        .map(|field| {
            package::read(&field, &mut steps, reader, |list, name, at| places.remember(list, name, at))
        })
        .unwrap_or_default();
    let limits = root.get("limits").map(|field| read_limits(&field, reader)).unwrap_or_default();
    let dist = root.get("dist").map(|field| dist::read(&field, &mut steps, reader)).unwrap_or_default();
    let develop =
        root.get("develop").map(|field| develop::read(&field, &mut steps, reader)).unwrap_or_default();
    let stamp = root.get("stamp").map(|field| stamp::read(&field, reader));
    let tables_of_steps = Steps {
        fetches: root.get("fetch").map(|field| step::read_fetches(&field, reader)).unwrap_or_default(),
        steps: root.get("step").map(|field| step::read_steps(&field, &mut steps, reader)).unwrap_or_default(),
    };
    let inputs = root.get("inputs").map(|field| input::read(&field, &mut steps, reader)).unwrap_or_default();
    steps.check(&tables_of_steps, &inputs, reader);
    root.finish(reader);
    let Tables { images, environment, natives } = tables;
    Description {
        toolchain,
        variants,
        targets: target_settings,
        packages,
        environment,
        natives,
        images,
        dist,
        develop,
        steps: tables_of_steps,
        inputs,
        stamp,
        limits,
        overrides: Vec::new(),
        origins,
    }
}

fn read_toolchain(field: &Field<'_>, reader: &mut Reader) -> ToolchainWish {
    let Some(mut fields) = field.table(reader) else { return ToolchainWish::default() };
    let version_field = fields.get("version");
    let version = version_field.as_ref().and_then(|field| {
        let text = field.text(reader)?;
        let channel: Result<Channel, _> = text.parse();
        channel.map_err(|error| field.invalid(reader, error, Channel::help(text, VERSION_HELP))).ok()
    });
    let distribution =
        fields.get("distribution").and_then(|field| field.choice(reader, &Distribution::CHOICES));
    fields.finish(reader);
    let version_rules = version_field.is_some_and(|field| reader.is_set(field.at()));
    ToolchainWish { version, distribution, version_rules }
}

/// Reads a list of names, remembering where each stands.
fn names(
    field: Option<Field<'_>>,
    list: (&VariantName, &str),
    document: &Document,
    origins: &mut Origins,
    reader: &mut Reader,
) -> Option<BTreeSet<String>> {
    let found = field?.distinct(reader, |item, reader| item.text(reader).map(str::to_owned))?;
    let place = |(name, at): (String, At)| {
        origins.remember(document, &format!("{}.{}.{name}", list.0, list.1), at);
        name
    };
    Some(found.into_iter().map(place).collect())
}

/// What is needed to check a build, and to remember where its names stand.
struct Places<'p> {
    document: &'p Document,
    targets: &'p Targets,
    origins: &'p mut Origins,
}

impl Places<'_> {
    /// Remembers where a package is named that the workspace must have; `list` is the kind of table.
    fn remember(&mut self, list: &str, name: &str, at: At) {
        self.origins.remember(self.document, &format!("{}.{list}.{name}", VariantName::default()), at);
    }
}

/// What may be said for all targets and for some.
#[derive(Default)]
struct Tables {
    images: Images,
    environment: Environment,
    natives: Natives,
}

/// `[variant.NAME]`: each starts from `[build]` or from the variant that it inherits, and each of its keys replaces what
/// is there.
fn read_variants(
    field: &Field<'_>,
    variants: &mut BTreeMap<VariantName, Build>,
    places: &mut Places<'_>,
    (images, steps): (&mut Images, &mut step::Named),
    reader: &mut Reader,
) {
    let mut waiting: BTreeMap<VariantName, (Field<'_>, Option<Inherited>)> = BTreeMap::new();
    for (text, at, field) in field.entries(reader) {
        match text.parse::<VariantName>() {
            Ok(name) if name == VariantName::default() => {
                let problem = Problem::new(Kind::Invalid, format!("`{name}` is the variant without a name"));
                reader.report(
                    at,
                    problem.label("taken").help("describe it by [build], or choose another name"),
                );
            }
            Ok(name) => {
                let inherits = inherited(&field, reader);
                waiting.insert(name, (field, inherits));
            }
            Err(error) => {
                let help = "write lower-case letters, digits and `-`";
                reader.report(
                    at,
                    Problem::new(Kind::Invalid, error.to_string()).label("not a name").help(help),
                );
            }
        }
    }
    let names: Vec<String> = variants.keys().chain(waiting.keys()).map(ToString::to_string).collect();
    for (_, inherits) in waiting.values_mut() {
        if let Some((name, at)) = inherits.take_if(|(name, _)| !names.contains(name)) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let problem = Problem::new(Kind::UnknownName, format!("there is no variant `{name}`"));
            let help = suggest::help(&name, "variants", &names);
            reader.report(at, problem.label("no such variant").help(help));
        }
    }
    // Those first that others inherit.
    while !waiting.is_empty() {
        let is_ready = |(_, (_, inherits)): &(&VariantName, &(Field<'_>, Option<Inherited>))| {
            inherits.as_ref().is_none_or(|(from, _)| variants.contains_key(from.as_str()))
        };
        let ready = waiting.iter().find(is_ready).map(|(name, _)| name.clone());
        // Where all wait for others, the first one of them is told, and starts from [build] like the unnamed one.
        let Some(name) = ready.clone().or_else(|| waiting.keys().next().cloned()) else { return };
        let Some((field, inherits)) = waiting.remove(&name) else { return };
        if let Some((_, at)) = inherits.as_ref().filter(|_| ready.is_none()) {
            let problem = Problem::new(Kind::Contradiction, format!("`{name}` inherits itself"));
            let help = "take `inherits` away from one of the variants that it leads through";
            reader.report(*at, problem.label("leads back here").help(help));
        }
        let from = inherits.and_then(|(from, _)| Some((from.parse().ok()?, variants.get(from.as_str())?)));
        let (from, start) = match from {
            Some((from, build)) => (Some(from), build.clone()),
            None => (None, variants[&VariantName::default()].clone()),
        };
        let read = read_build(&field, start, &name, places, Some((&mut *images, &mut *steps)), reader);
        if let Some(from) = &from {
            places.origins.inherit(&name, from);
            images.inherit(&name, from);
        }
        variants.insert(name, read);
    }
}

/// The variant that another one inherits, and where that is said.
type Inherited = (String, At);

fn inherited(variant: &Field<'_>, reader: &mut Reader) -> Option<Inherited> {
    // Whether the variant is a table is told when it is read as one.
    let Value::Table(entries) = &variant.node.value else { return None };
    let node = &entries.get("inherits")?.node;
    let field = Field { path: format!("{}.inherits", variant.path), node };
    Some((field.text(reader)?.to_owned(), field.at()))
}

fn read_build(
    field: &Field<'_>,
    start: Build,
    variant: &VariantName,
    places: &mut Places<'_>,
    images: Option<(&mut Images, &mut step::Named)>,
    reader: &mut Reader,
) -> Build {
    let Places { document, targets, origins } = places;
    let mut build = start;
    let Some(mut fields) = field.table(reader) else { return build };
    build.own.extend(["packages", "bins", "profile", "glibc"].into_iter().filter(|key| fields.has(key)));
    let packages = names(fields.get("packages"), (variant, "packages"), document, origins, reader);
    build.packages = packages.or(build.packages);
    build.bins = names(fields.get("bins"), (variant, "bins"), document, origins, reader).or(build.bins);
    let wanted = fields.get("targets").and_then(|field| {
        field.distinct(reader, |item, reader| {
            let text = item.text(reader)?;
            // Whether there is such a target is a question for whoever needs it.
            text.parse::<Triple>().map_err(|_| reader.report(item.at(), targets.unknown(text))).ok()
        })
    });
    if let Some(wanted) = wanted {
        for (triple, at) in &wanted {
            origins.remember(document, &format!("{variant}.targets.{triple}"), *at);
        }
        build.targets = wanted.into_iter().map(|(triple, _)| triple).collect();
    }
    let profile =
        fields.get("profile").and_then(|field| read_profile(&field, variant, document, origins, reader));
    build.profile = profile.unwrap_or(build.profile);
    if let Some(field) = fields.get("features") {
        build.features = read_features(&field, variant, document, origins, reader);
    }
    if let Some(all) = fields.get("all-features").and_then(|field| field.boolean(reader)) {
        build.all_features = all;
    }
    if let Some(default) = fields.get("default-features").and_then(|field| field.boolean(reader)) {
        build.default_features = default;
    }
    let choices = [("workspace", Unify::Workspace), ("package", Unify::Package)];
    if let Some(unify) = fields.get("unify").and_then(|field| field.choice(reader, &choices)) {
        build.unify = unify;
    }
    if let Some(field) = fields.get("glibc") {
        build.glibc = field.parsed(reader, GLIBC_HELP);
        let specs = build.targets.iter().filter_map(|triple| targets.get(triple));
        let triples: Vec<&Triple> =
            specs.filter(|spec| spec.glibc.is_some()).map(|spec| &spec.triple).collect();
        for triple in triples {
            check_glibc(build.glibc, triple, &field, targets, reader);
        }
    }
    if let Some(field) = fields.get("rustflags") {
        build.rustflags = rustflags(&field, reader);
    }
    if let Some(stamp) = fields.get("stamp").and_then(|field| field.boolean(reader)) {
        build.stamp = stamp;
    }
    let Some((images, steps)) = images else {
        for key in OF_VARIANTS {
            fields.refuse(reader, key, || {
                let help = format!("write what holds for all variants at the top: [{key}]");
                Problem::new(Kind::UnknownKey, format!("`[build]` has no `{key}`"))
                    .label("not here")
                    .help(help)
            });
        }
        fields.finish(reader);
        return build;
    };
    if let Some(field) = fields.get("image") {
        images.is_described = true;
        images.by_variant.insert(variant.clone(), image::read_for_variant(&field, steps, reader));
    }
    if let Some(field) = fields.get("env") {
        build.env.extend(environment::read(&field, reader));
    }
    if let Some(field) = fields.get("native") {
        let natives = native::read(&field, steps, reader, |name, at| {
            origins.remember(document, &format!("{variant}.native.{name}"), at);
        });
        for (name, native) in natives {
            build.natives.common.entry(name).or_default().lay(&native);
        }
    }
    if let Some(field) = fields.get("toolchain") {
        build.toolchain = read_toolchain(&field, reader);
    }
    // Read before, since variants are read in the order in which they inherit one another.
    drop(fields.get("inherits"));
    fields.finish(reader);
    build
}

/// Arguments of rustc, but for those that say where or with what it builds.
fn rustflags(field: &Field<'_>, reader: &mut Reader) -> Vec<String> {
    let Some(items) = field.items(reader) else { return Vec::new() };
    let flags: Vec<(Field<'_>, &str)> =
        items.into_iter().filter_map(|item| item.text(reader).map(|text| (item, text))).collect();
    let mut before = None;
    for (item, flag) in &flags {
        if let Some((why, help)) = rustflag_problem(before, flag) {
            item.invalid(reader, why, help);
        }
        before = Some(*flag);
    }
    flags.into_iter().map(|(_, flag)| flag.to_owned()).collect()
}

/// Why an argument of rustc can't be given, and what to do instead. What stands `before` it may be its option.
fn rustflag_problem(before: Option<&str>, flag: &str) -> Option<(String, &'static str)> {
    let codegen = match before {
        Some("-C" | "--codegen") => Some(flag),
        _ => flag.strip_prefix("-C").or_else(|| flag.strip_prefix("--codegen=")),
    };
    let codegen = codegen.unwrap_or_default();
    let is = |starts: &[&str], text: &str| starts.iter().any(|start| text.starts_with(start));
    let refused = if codegen == "target-cpu=native" {
        ("it names the machine that builds", "name a CPU, such as `-C target-cpu=x86-64-v3`")
    } else if is(&["linker=", "link-arg=-fuse-ld=", "link-args=-fuse-ld=", "link-arg=--ld-path="], codegen) {
        (
            "the sandbox has the target's own linker",
            "say it in a file of the target: .xbuild/targets/<triple>.toml",
        )
    } else if is(&["incremental"], codegen) {
        ("units are kept whole, and a result must not depend on the one before", "take it away")
    } else if is(
        &["--target", "--sysroot", "--out-dir", "-o", "--emit", "--crate-name", "--crate-type"],
        flag,
    ) {
        ("it is cargo that says this to rustc", "take it away")
    } else if flag
        .split_once(char::is_whitespace)
        .is_some_and(|(first, _)| first.starts_with('-') && !first.contains('='))
    {
        ("it is several arguments", "write each as an item of the list: `[\"-C\", \"target-cpu=x86-64-v3\"]`")
    } else {
        return None;
    };
    Some((format!("`{flag}` can't be given to rustc: {}", refused.0), refused.1))
}

fn known_target(text: &str, at: At, targets: &Targets, reader: &mut Reader) -> Option<Triple> {
    let is_known = |triple: &Triple| targets.get(triple).is_some() || targets.is_broken(triple.as_str());
    let known = text.parse::<Triple>().ok().filter(is_known);
    if known.is_none() {
        reader.report(at, targets.unknown(text));
    }
    known
}

/// Notes that a target has no sysroot for a glibc.
fn check_glibc(
    glibc: Option<Glibc>,
    triple: &Triple,
    field: &Field<'_>,
    targets: &Targets,
    reader: &mut Reader,
) {
    let (Some(glibc), Some(spec)) = (glibc, targets.get(triple)) else { return };
    if let Err(problem) = spec.check_glibc(glibc) {
        reader.report(field.at(), problem);
    }
}

/// Checks a profile's name by cargo's rules (`validate_profile_name` in cargo's `util_schemas`), as far as they
/// are about its form.
pub(crate) fn profile_problem(name: &str) -> Option<(String, &'static str)> {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name == "debug" {
        Some(("cargo has no profile `debug`".to_owned(), "the profile for debugging is called `dev`"))
    } else if name.is_empty() || !name.chars().all(good) {
        Some((
            format!("`{name}` can't be the name of a profile"),
            "write `release`, `dev`, or a profile of the workspace's Cargo.toml",
        ))
    } else {
        None
    }
}

/// Reads a profile's name, remembering where it stands: whether there is such a profile the workspace says.
fn read_profile(
    field: &Field<'_>,
    variant: &VariantName,
    document: &Document,
    origins: &mut Origins,
    reader: &mut Reader,
) -> Option<String> {
    let name = field.text(reader)?;
    match profile_problem(name) {
        Some((why, help)) => {
            field.invalid(reader, why, help);
            None
        }
        None => {
            origins.remember(document, &format!("{variant}.profile.{name}"), field.at());
            Some(name.to_owned())
        }
    }
}

/// Checks the form of a feature: `name` or `package/name`.
pub(crate) fn feature_problem(feature: &str) -> Option<(String, &'static str)> {
    if feature.starts_with("dep:") {
        return Some((
            format!("`{feature}` is only for use inside Cargo.toml"),
            "name a feature that switches the dependency on",
        ));
    }
    let parts: Vec<&str> = feature.split('/').collect();
    let good = |part: &&str| {
        let part = part.strip_suffix('?').unwrap_or(part);
        !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '+' | '.'))
    };
    (parts.len() > 2 || !parts.iter().all(good)).then(|| {
        (format!("`{feature}` is not a feature"), "write `name` or `package/name`, one feature a string")
    })
}

fn read_features(
    field: &Field<'_>,
    variant: &VariantName,
    document: &Document,
    origins: &mut Origins,
    reader: &mut Reader,
) -> BTreeSet<String> {
    let read = |item: &Field<'_>, reader: &mut Reader| {
        let feature = item.text(reader)?;
        match feature_problem(feature) {
            Some((why, help)) => {
                item.invalid(reader, why, help);
                None
            }
            None => Some(feature.to_owned()),
        }
    };
    // A variant may want none of those that it starts from.
    let found = match *variant == VariantName::default() {
        true => field.distinct(reader, read),
        false => field.distinct_or_none(reader, read),
    };
    let mut features = BTreeSet::new();
    for (feature, at) in found.unwrap_or_default() {
        origins.remember(document, &format!("{variant}.features.{feature}"), at);
        features.insert(feature);
    }
    features
}

/// What `[target.…]` says, in the order of the file: later tables are laid over earlier ones.
fn read_targets(
    field: &Field<'_>,
    places: &mut Places<'_>,
    (tables, steps): (&mut Tables, &mut step::Named),
    reader: &mut Reader,
) -> Vec<(Platform, TargetSettings)> {
    let targets = places.targets;
    let mut found = Vec::new();
    let mut entries = field.entries(reader);
    entries.sort_by_key(|(_, at, _)| (at.source, at.span().start));
    for (name, at, field) in entries {
        let platform = if name.starts_with("cfg(") {
            name.parse::<Platform>().map_err(|error| {
                let problem = Problem::new(Kind::Invalid, format!("`{name}` is no condition: {error}"));
                reader.report(at, problem.help("write one such as `cfg(target_env = \"gnu\")`"));
            })
        } else {
            let known = known_target(name, at, targets, reader).ok_or(());
            known.map(|triple| Platform::Name(triple.to_string()))
        };
        let Some(mut fields) = field.table(reader) else { continue };
        let image = fields.get("image").map(|field| image::read_for_target(&field, steps, reader));
        let variables = fields.get("env").map(|field| environment::read(&field, reader));
        let natives = fields
            .get("native")
            .map(|field| native::read(&field, steps, reader, |name, at| places.remember("native", name, at)));
        let settings = read_target(&mut fields, platform.as_ref().ok(), places, reader);
        fields.finish(reader);
        let Ok(platform) = platform else { continue };
        tables.images.is_described |= image.is_some();
        tables.images.by_target.extend(image.map(|table| (platform.clone(), table)));
        tables.environment.by_target.extend(variables.map(|table| (platform.clone(), table)));
        tables.natives.by_target.extend(natives.map(|table| (platform.clone(), table)));
        if settings != TargetSettings::default() {
            found.push((platform, settings));
        }
    }
    found
}

/// The values of builds in a `[target.…]`.
fn read_target(
    fields: &mut Fields<'_>,
    platform: Option<&Platform>,
    places: &mut Places<'_>,
    reader: &mut Reader,
) -> TargetSettings {
    let Places { document, targets, origins } = places;
    let variant = VariantName::default();
    let packages = names(fields.get("packages"), (&variant, "packages"), document, origins, reader);
    let bins = names(fields.get("bins"), (&variant, "bins"), document, origins, reader);
    let profile =
        fields.get("profile").and_then(|field| read_profile(&field, &variant, document, origins, reader));
    let features =
        fields.get("features").map(|field| read_features(&field, &variant, document, origins, reader));
    let rustflags = fields.get("rustflags").map(|field| rustflags(&field, reader));
    let glibc = fields.get("glibc").and_then(|field| {
        let glibc = field.parsed(reader, GLIBC_HELP)?;
        if let Some(Platform::Name(triple)) = platform
            && let Ok(triple) = triple.parse()
        {
            check_glibc(Some(glibc), &triple, &field, targets, reader);
        }
        Some(glibc)
    });
    TargetSettings {
        packages,
        bins,
        profile,
        features: features.unwrap_or_default(),
        rustflags: rustflags.unwrap_or_default(),
        glibc,
    }
}

fn read_limits(field: &Field<'_>, reader: &mut Reader) -> Limits {
    let Some(mut fields) = field.table(reader) else { return Limits::default() };
    let time = fields.get("time").and_then(|field| read_unit(&field, units::time, TIME_HELP, reader));
    let memory = fields.get("memory").and_then(|field| read_unit(&field, units::bytes, SIZE_HELP, reader));
    let processes = fields.get("processes").and_then(|field| field.number(reader, 1));
    let file_size =
        fields.get("file-size").and_then(|field| read_unit(&field, units::bytes, SIZE_HELP, reader));
    fields.finish(reader);
    Limits { time, memory, processes, file_size }
}

fn read_unit<T>(
    field: &Field<'_>,
    parse: fn(&str) -> Result<T, String>,
    help: &str,
    reader: &mut Reader,
) -> Option<T> {
    match parse(field.text(reader)?) {
        Ok(value) => Some(value),
        Err(why) => {
            field.invalid(reader, why, help);
            None
        }
    }
}
