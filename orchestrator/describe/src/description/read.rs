//! Reading `xbuild.toml`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cargo_platform::Platform;
use xbuild_base::Triple;

use super::{
    Build, Description, Environment, Images, Limits, Natives, Origins, TargetSettings, ToolchainWish, Unify,
    environment, image, native, package,
};
use crate::document::{At, Document};
use crate::names::{Distribution, Glibc, VariantName};
use crate::overrides::Override;
use crate::problem::{Kind, Problem, Problems, Source};
use crate::reader::{Field, Fields, Reader};
use crate::rust_toolchain::Channel;
use crate::target::Targets;
use crate::units;

/// The file's name, for messages where there is none.
const FILE: &str = "xbuild.toml";
/// Keys that the design has and this version does not, by the table they stand in.
const RESERVED: &[&str] = &["develop", "dist", "fetch", "files", "inputs", "stamp", "step"];
const RESERVED_BUILD: &[&str] = &["env", "inherits", "inputs", "native", "rustflags", "stamp", "toolchain"];
const RESERVED_TARGET: &[&str] = &["features", "packages", "profile", "rustflags"];
const RESERVED_CFG: &[&str] = &["features", "glibc", "packages", "profile", "rustflags"];
const VERSION_HELP: &str = "write a Rust version such as `\"1.96.1\"` or `\"1.96\"`, or `\"stable\"`";
const GLIBC_HELP: &str = "write a glibc version such as `\"2.31\"`";
const TIME_HELP: &str = "write a time such as `\"90s\"`, `\"30m\"` or `\"1h30m\"`";
pub(super) const SIZE_HELP: &str = "write a size such as `\"512MiB\"` or `\"8GiB\"`";

impl Description {
    /// Reads `xbuild.toml` (`None` when the project has none: then the defaults hold) with the `--set` flags laid
    /// over it, which must be in the order of the command line.
    ///
    /// # Errors
    /// All problems of the file and the flags.
    pub fn read(source: Option<Source>, overrides: &[Override], targets: &Targets) -> Result<Self, Problems> {
        let mut document = match source {
            Some(source) => Document::parse(Arc::new(source))?,
            None => Document::empty(FILE),
        };
        let failed = overrides.iter().filter_map(|flag| document.set(flag).err()).collect();
        if let Some(problems) = Problems::new(failed) {
            return Err(problems);
        }
        let mut reader = Reader::new(&document);
        let mut description = read(&document, targets, &mut reader);
        description.overrides = overrides.to_vec();
        reader.finish(description)
    }
}

fn read(document: &Document, targets: &Targets, reader: &mut Reader) -> Description {
    let mut root = Fields::root(document);
    let mut origins = Origins::default();
    let toolchain = root.get("toolchain").map(|field| read_toolchain(&field, reader)).unwrap_or_default();
    let mut places = Places { document, targets, origins: &mut origins };
    let build = root.get("build").map_or_else(Build::default, |field| {
        read_build(&field, Build::default(), &VariantName::default(), &mut places, None, reader)
    });
    let mut tables = Tables { images: image::read(&mut root, reader), ..Tables::default() };
    if let Some(field) = root.get("env") {
        tables.environment.common = environment::read(&field, reader);
    }
    if let Some(field) = root.get("native") {
        tables.natives.common = native::read(&field, reader, |name, at| places.remember("native", name, at));
    }
    let mut variants = BTreeMap::from([(VariantName::default(), build.clone())]);
    if let Some(field) = root.get("variant") {
        read_variants(&field, &build, &mut variants, &mut places, &mut tables.images, reader);
    }
    let target_settings = root
        .get("target")
        .map(|field| read_targets(&field, &mut places, &mut tables, reader))
        .unwrap_or_default();
    let packages = root
        .get("package")
        .map(|field| package::read(&field, reader, |list, name, at| places.remember(list, name, at)))
        .unwrap_or_default();
    let limits = root.get("limits").map(|field| read_limits(&field, reader)).unwrap_or_default();
    root.finish(reader, RESERVED);
    let Tables { images, environment, natives } = tables;
    Description {
        toolchain,
        variants,
        targets: target_settings,
        packages,
        environment,
        natives,
        images,
        limits,
        overrides: Vec::new(),
        origins,
    }
}

fn read_toolchain(field: &Field<'_>, reader: &mut Reader) -> ToolchainWish {
    let Some(mut fields) = field.table(reader) else { return ToolchainWish::default() };
    let version_field = fields.get("version");
    let version = version_field.as_ref().and_then(|field| {
        let channel: Channel = field.parsed(reader, VERSION_HELP)?;
        Some(channel)
    });
    let distribution =
        fields.get("distribution").and_then(|field| field.choice(reader, &Distribution::CHOICES));
    fields.finish(reader, &[]);
    let version_is_override = version_field.is_some_and(|field| field.at().source > 0);
    ToolchainWish { version, distribution, version_is_override }
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

/// `[variant.NAME]`: each starts from `[build]`, and each of its keys replaces what is there.
fn read_variants(
    field: &Field<'_>,
    build: &Build,
    variants: &mut BTreeMap<VariantName, Build>,
    places: &mut Places<'_>,
    images: &mut Images,
    reader: &mut Reader,
) {
    for (text, at, field) in field.entries(reader) {
        let name = match text.parse::<VariantName>() {
            Ok(name) if name == VariantName::default() => {
                let problem = Problem::new(Kind::Invalid, format!("`{name}` is the variant without a name"));
                reader.report(
                    at,
                    problem.label("taken").help("describe it by [build], or choose another name"),
                );
                continue;
            }
            Ok(name) => name,
            Err(error) => {
                let help = "write lower-case letters, digits and `-`";
                reader.report(
                    at,
                    Problem::new(Kind::Invalid, error.to_string()).label("not a name").help(help),
                );
                continue;
            }
        };
        let read = read_build(&field, build.clone(), &name, places, Some(images), reader);
        variants.insert(name, read);
    }
}

fn read_build(
    field: &Field<'_>,
    start: Build,
    variant: &VariantName,
    places: &mut Places<'_>,
    images: Option<&mut Images>,
    reader: &mut Reader,
) -> Build {
    let Places { document, targets, origins } = places;
    let mut build = start;
    let Some(mut fields) = field.table(reader) else { return build };
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
    if let Some(profile) = fields.get("profile").and_then(|field| read_profile(&field, reader)) {
        build.profile = profile;
    }
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
    match images {
        Some(images) => {
            if let Some(field) = fields.get("image") {
                images.is_described = true;
                images.by_variant.insert(variant.clone(), image::read_for_variant(&field, reader));
            }
            fields.finish(reader, RESERVED_BUILD);
        }
        None => fields.finish(reader, &[RESERVED_BUILD, &["image"]].concat()),
    }
    build
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

fn read_profile(field: &Field<'_>, reader: &mut Reader) -> Option<String> {
    let name = field.text(reader)?;
    match profile_problem(name) {
        Some((why, help)) => {
            field.invalid(reader, why, help);
            None
        }
        None => Some(name.to_owned()),
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
    let found = field.distinct(reader, |item, reader| {
        let feature = item.text(reader)?;
        match feature_problem(feature) {
            Some((why, help)) => {
                item.invalid(reader, why, help);
                None
            }
            None => Some(feature.to_owned()),
        }
    });
    let mut features = BTreeSet::new();
    for (feature, at) in found.unwrap_or_default() {
        origins.remember(document, &format!("{variant}.features.{feature}"), at);
        features.insert(feature);
    }
    features
}

/// What `[target.…]` says of builds. Tables for images, of variables and of what packages need may be about a
/// `cfg(…)` too.
fn read_targets(
    field: &Field<'_>,
    places: &mut Places<'_>,
    tables: &mut Tables,
    reader: &mut Reader,
) -> BTreeMap<Triple, TargetSettings> {
    let targets = places.targets;
    let mut found = BTreeMap::new();
    let mut entries = field.entries(reader);
    // In the order of the file: later tables are laid over earlier ones.
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
        let image = fields.get("image").map(|field| image::read_for_target(&field, reader));
        let variables = fields.get("env").map(|field| environment::read(&field, reader));
        let natives = fields
            .get("native")
            .map(|field| native::read(&field, reader, |name, at| places.remember("native", name, at)));
        tables.images.is_described |= image.is_some();
        tables.images.by_target.extend(platform.clone().ok().zip(image));
        tables.environment.by_target.extend(platform.clone().ok().zip(variables));
        tables.natives.by_target.extend(platform.clone().ok().zip(natives));
        if name.starts_with("cfg(") {
            fields.finish(reader, RESERVED_CFG);
            continue;
        }
        let glibc_field = fields.get("glibc");
        let glibc = glibc_field.as_ref().and_then(|field| field.parsed(reader, GLIBC_HELP));
        fields.finish(reader, RESERVED_TARGET);
        let Some(triple) = platform.ok().and_then(|_| name.parse::<Triple>().ok()) else { continue };
        if let Some(field) = &glibc_field {
            check_glibc(glibc, &triple, field, targets, reader);
        }
        found.insert(triple, TargetSettings { glibc });
    }
    found
}

fn read_limits(field: &Field<'_>, reader: &mut Reader) -> Limits {
    let Some(mut fields) = field.table(reader) else { return Limits::default() };
    let time = fields.get("time").and_then(|field| read_unit(&field, units::time, TIME_HELP, reader));
    let memory = fields.get("memory").and_then(|field| read_unit(&field, units::bytes, SIZE_HELP, reader));
    let processes = fields.get("processes").and_then(|field| field.number(reader, 1));
    let file_size =
        fields.get("file-size").and_then(|field| read_unit(&field, units::bytes, SIZE_HELP, reader));
    fields.finish(reader, &[]);
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
