//! Reading `toolchains.toml`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use semver::Version;
use xbuild_base::{RelPath, Sha256, Triple};

use super::{
    Architecture, Archive, ArchivePin, Component, PackagePin, PinHost, Pins, Suite, Toolchain, Toolchains,
    Wheel, WheelPin,
};
use crate::document::{At, Document};
use crate::names::{ComponentName, Distribution};
use crate::problem::{Kind, Problem, Problems, Source};
use crate::reader::{Field, Fields, Reader};
use crate::suggest;

/// The version of the format that is read and written.
const FORMAT: u64 = 1;
const PATH_HELP: &str = "write a path from the tree's root, without `/` before it and without `..`";
const VERSION_HELP: &str = "write a full Rust version, such as `1.96.1`";
const SHA256_HELP: &str = "write the 64 hexadecimal digits of the file's SHA-256";
const NAME_HELP: &str = "write a name such as `musl-x86_64`";

impl Toolchains {
    /// Reads a complete `toolchains.toml`.
    ///
    /// # Errors
    /// All problems of the file.
    pub fn read(source: Source) -> Result<Self, Problems> {
        read(source, None)
    }

    /// Reads a project's `toolchains.toml`, which needs to hold only what is different, and lays it over this one.
    ///
    /// # Errors
    /// All problems of the file.
    pub fn overlaid(self, source: Source) -> Result<Self, Problems> {
        let over = read(source, Some(&self))?;
        Ok(self.under(over))
    }
}

/// What names may be used in the file: its own and those of the file that it is laid over.
struct Names {
    suites: BTreeSet<String>,
    components: BTreeSet<String>,
}

fn read(source: Source, base: Option<&Toolchains>) -> Result<Toolchains, Problems> {
    let document = Document::parse(Arc::new(source))?;
    let mut reader = Reader::new(&document);
    let reader_ref = &mut reader;
    let mut root = Fields::root(&document);

    if !read_format(&mut root, reader_ref) {
        // The rest is not judged by rules that it was not written for.
        return reader.finish(None).map(|value: Option<Toolchains>| value.expect("a problem was noted"));
    }
    let default = match base {
        None => root.need(reader_ref, "default"),
        Some(_) => root.get("default"),
    };
    let suites_field = root.get("suites");
    let components_field = root.get("component");
    let pins_field = root.get("pins");
    let toolchains_field = root.get("toolchain");
    root.finish(reader_ref, &[]);

    let suites: BTreeMap<String, Suite> = entries(suites_field, reader_ref)
        .into_iter()
        .filter_map(|(name, _, field)| Some((name.to_owned(), read_suite(&field, reader_ref)?)))
        .collect();
    let component_fields = entries(components_field, reader_ref);
    let mut names = Names {
        suites: suites.keys().cloned().collect(),
        components: component_fields.iter().map(|(name, ..)| (*name).to_owned()).collect(),
    };
    if let Some(base) = base {
        names.suites.extend(base.suites.keys().cloned());
        names.components.extend(base.components.keys().map(ToString::to_string));
    }

    let mut components = BTreeMap::new();
    for (name, at, field) in component_fields {
        let Some(name) = parse_name(name, at, reader_ref) else { continue };
        if let Some(component) = read_component(name.clone(), &field, &names, reader_ref) {
            components.insert(name, component);
        }
    }
    let mut pins = BTreeMap::new();
    for (host, at, field) in entries(pins_field, reader_ref) {
        if let Some(host) = parse_host(host, at, reader_ref) {
            pins.insert(host, read_host_pins(&field, &names, reader_ref));
        }
    }
    let mut toolchains = BTreeMap::new();
    for (version, at, field) in entries(toolchains_field, reader_ref) {
        let Some(version) = parse_version(version, at, reader_ref) else { continue };
        if let Some(toolchain) = read_toolchain(version.clone(), &field, &names, reader_ref) {
            toolchains.insert(version, toolchain);
        }
    }

    let default_version = default.as_ref().and_then(|field| field.parsed(reader_ref, VERSION_HELP));
    if let (Some(field), Some(version)) = (&default, &default_version) {
        let known = toolchains.contains_key(version)
            || base.is_some_and(|base| base.toolchains.contains_key(version));
        if !known {
            let versions: Vec<String> = toolchains.keys().map(ToString::to_string).collect();
            let versions: Vec<&str> = versions.iter().map(String::as_str).collect();
            reader_ref.report(
                field.at(),
                Problem::new(Kind::UnknownName, format!("there is no toolchain `{version}`"))
                    .help(suggest::help(&version.to_string(), "toolchains", &versions)),
            );
        }
    }
    let default = default_version
        .or_else(|| base.map(|base| base.default.clone()))
        .unwrap_or_else(|| Version::new(0, 0, 0));
    reader.finish(Toolchains { default, suites, components, pins, toolchains })
}

fn read_format(root: &mut Fields<'_>, reader: &mut Reader) -> bool {
    let Some(field) = root.need(reader, "format") else { return false };
    match field.number(reader, 1) {
        Some(FORMAT) => true,
        Some(other) => {
            reader.report(
                field.at(),
                Problem::new(
                    Kind::Format,
                    format!("format {other} is newer than this version of xbuild reads"),
                )
                .label(format!("this version reads format {FORMAT}"))
                .help("use a newer xbuild"),
            );
            false
        }
        None => false,
    }
}

fn entries<'a>(field: Option<Field<'a>>, reader: &mut Reader) -> Vec<(&'a str, At, Field<'a>)> {
    field.map(|field| field.entries(reader)).unwrap_or_default()
}

fn parse_name(name: &str, at: At, reader: &mut Reader) -> Option<ComponentName> {
    name.parse()
        .map_err(|error: crate::names::NameError| {
            reader.report(at, Problem::new(Kind::Invalid, error.to_string()).help(NAME_HELP));
        })
        .ok()
}

fn parse_host(name: &str, at: At, reader: &mut Reader) -> Option<PinHost> {
    if name == "any" {
        return Some(PinHost::Any);
    }
    match name.parse::<Triple>() {
        Ok(triple) => Some(PinHost::Host(triple)),
        Err(error) => {
            let help = "pins are by host triple, such as `x86_64-unknown-linux-gnu`, or `any`";
            reader.report(at, Problem::new(Kind::Invalid, error.to_string()).help(help));
            None
        }
    }
}

fn parse_version(name: &str, at: At, reader: &mut Reader) -> Option<Version> {
    name.parse()
        .map_err(|error| {
            let message = format!("`{name}` is not a Rust version: {error}");
            reader.report(at, Problem::new(Kind::Invalid, message).help(VERSION_HELP));
        })
        .ok()
}

fn read_suite(field: &Field<'_>, reader: &mut Reader) -> Option<Suite> {
    let mut fields = field.table(reader)?;
    let archive = fields.need(reader, "archive").and_then(|field| field.parsed(reader, PATH_HELP));
    fields.finish(reader, &[]);
    Some(Suite { archive: archive? })
}

/// Notes a name that is not among `known`.
fn check_known(
    at: At,
    name: &str,
    what: (&str, &str),
    known: &BTreeSet<String>,
    reader: &mut Reader,
) -> bool {
    let found = known.contains(name);
    if !found {
        let names: Vec<&str> = known.iter().map(String::as_str).collect();
        reader.report(
            at,
            Problem::new(Kind::UnknownName, format!("there is no {} `{name}`", what.0))
                .label("not in this file")
                .help(suggest::help(name, what.1, &names)),
        );
    }
    found
}

fn component_name(field: &Field<'_>, names: &Names, reader: &mut Reader) -> Option<ComponentName> {
    let name: ComponentName = field.parsed(reader, NAME_HELP)?;
    check_known(field.at(), name.as_str(), ("component", "components"), &names.components, reader)
        .then_some(name)
}

fn component_names(field: Option<Field<'_>>, names: &Names, reader: &mut Reader) -> Vec<ComponentName> {
    let items = field.and_then(|field| field.items(reader)).unwrap_or_default();
    items.iter().filter_map(|item| component_name(item, names, reader)).collect()
}

fn texts(field: Option<Field<'_>>, reader: &mut Reader) -> Vec<String> {
    field.and_then(|field| field.texts(reader)).unwrap_or_default()
}

fn suite_name(field: &Field<'_>, names: &Names, reader: &mut Reader) -> Option<String> {
    let name = field.text(reader)?;
    check_known(field.at(), name, ("suite", "suites"), &names.suites, reader).then(|| name.to_owned())
}

/// A table whose keys are paths.
fn by_path<'a, T>(
    field: Option<Field<'a>>,
    reader: &mut Reader,
    mut value: impl FnMut(&Field<'a>, &mut Reader) -> Option<T>,
) -> BTreeMap<RelPath, T> {
    let mut found = BTreeMap::new();
    for (key, at, field) in entries(field, reader) {
        match RelPath::new(key) {
            Ok(path) => {
                if let Some(value) = value(&field, reader) {
                    found.insert(path, value);
                }
            }
            Err(error) => {
                reader.report(at, Problem::new(Kind::Invalid, error.to_string()).help(PATH_HELP));
            }
        }
    }
    found
}

fn read_component(
    name: ComponentName,
    field: &Field<'_>,
    names: &Names,
    reader: &mut Reader,
) -> Option<Component> {
    let mut fields = field.table(reader)?;
    let suites = fields.get("suites").and_then(|field| field.items(reader)).unwrap_or_default();
    let suites = suites.iter().filter_map(|suite| suite_name(suite, names, reader)).collect::<Vec<_>>();
    let architecture =
        fields.need(reader, "arch").and_then(|field| field.text(reader)).map(|text| match text {
            "host" => Architecture::Host,
            named => Architecture::Named(named.to_owned()),
        });
    let roots_field = fields.get("roots");
    let roots_at = roots_field.as_ref().map(Field::at);
    let roots = texts(roots_field, reader);
    let without = texts(fields.get("without"), reader);
    let keep = texts(fields.get("keep"), reader);
    let drop = texts(fields.get("drop"), reader);
    let uses = component_names(fields.get("uses"), names, reader);
    let copies = by_path(fields.get("copies"), reader, |field, reader| field.parsed(reader, PATH_HELP));
    let links = by_path(fields.get("links"), reader, |field, reader| field.text(reader).map(str::to_owned));
    let aliases = by_path(fields.get("aliases"), reader, |field, reader| field.texts(reader));
    let files =
        by_path(fields.get("files"), reader, |field, reader| field.any_text(reader).map(str::to_owned));
    let archives = fields.get("archive").and_then(|field| field.items(reader)).unwrap_or_default();
    let archives = archives.iter().filter_map(|item| read_archive(item, reader)).collect();
    let wheel = fields.get("wheel").and_then(|field| read_wheel(&field, reader));
    fields.finish(reader, &[]);
    if let (Some(at), true, false) = (roots_at, suites.is_empty(), roots.is_empty()) {
        let message = format!("component `{name}` wants packages and names no suite to take them from");
        reader.report(at, Problem::new(Kind::Missing, message).help("add `suites = [\"…\"]`"));
    }
    Some(Component {
        name,
        suites,
        architecture: architecture?,
        roots,
        without,
        keep,
        drop,
        uses,
        copies,
        links,
        aliases,
        files,
        archives,
        wheel,
    })
}

fn read_archive(field: &Field<'_>, reader: &mut Reader) -> Option<Archive> {
    let mut fields = field.table(reader)?;
    let output = fields.need(reader, "output").and_then(|field| field.parsed(reader, PATH_HELP));
    let sources = texts(fields.get("sources"), reader);
    let without = texts(fields.get("without"), reader);
    let compiler = fields.get("compiler").and_then(|field| field.text(reader)).map(str::to_owned);
    let flags = texts(fields.get("flags"), reader);
    let merge = fields.get("merge").and_then(|field| field.items(reader)).unwrap_or_default();
    let merge: Vec<RelPath> = merge.iter().filter_map(|item| item.parsed(reader, PATH_HELP)).collect();
    fields.finish(reader, &[]);
    if sources.is_empty() && merge.is_empty() {
        let message = format!("`{}` has neither `sources` nor `merge`: it would be empty", field.path);
        reader.report(field.at(), Problem::new(Kind::Empty, message).help("add `sources = [\"…\"]`"));
    } else if !sources.is_empty() && compiler.is_none() {
        let message = format!("`{}` has sources and no `compiler`", field.path);
        reader.report(field.at(), Problem::new(Kind::Missing, message).help("add `compiler = \"clang-22\"`"));
    }
    Some(Archive { output: output?, sources, without, compiler, flags, merge })
}

fn read_wheel(field: &Field<'_>, reader: &mut Reader) -> Option<Wheel> {
    let mut fields = field.table(reader)?;
    let name = fields.need(reader, "name").and_then(|field| field.text(reader)).map(str::to_owned);
    let version = fields.need(reader, "version").and_then(|field| field.text(reader)).map(str::to_owned);
    let keep = texts(fields.get("keep"), reader);
    let prefix = fields.need(reader, "prefix").and_then(|field| field.parsed(reader, PATH_HELP));
    fields.finish(reader, &[]);
    Some(Wheel { name: name?, version: version?, keep, prefix: prefix? })
}

fn read_host_pins(field: &Field<'_>, names: &Names, reader: &mut Reader) -> BTreeMap<ComponentName, Pins> {
    let mut found = BTreeMap::new();
    for (name, at, field) in field.entries(reader) {
        let known = check_known(at, name, ("component", "components"), &names.components, reader);
        let Some(name) = parse_name(name, at, reader).filter(|_| known) else { continue };
        if let Some(pins) = read_pins(&field, names, reader) {
            found.insert(name, pins);
        }
    }
    found
}

fn read_pins(field: &Field<'_>, names: &Names, reader: &mut Reader) -> Option<Pins> {
    let mut fields = field.table(reader)?;
    let packages = fields.get("packages").and_then(|field| field.items(reader)).unwrap_or_default();
    let packages = packages.iter().filter_map(|item| read_package(item, names, reader)).collect();
    let wheels = fields.get("wheels").and_then(|field| field.items(reader)).unwrap_or_default();
    let wheels = wheels.iter().filter_map(|item| read_wheel_pin(item, reader)).collect();
    fields.finish(reader, &[]);
    Some(Pins { packages, wheels })
}

fn need_text(fields: &mut Fields<'_>, key: &'static str, reader: &mut Reader) -> Option<String> {
    fields.need(reader, key)?.text(reader).map(str::to_owned)
}

fn need_sha256(fields: &mut Fields<'_>, reader: &mut Reader) -> Option<Sha256> {
    fields.need(reader, "sha256")?.parsed(reader, SHA256_HELP)
}

fn read_package(field: &Field<'_>, names: &Names, reader: &mut Reader) -> Option<PackagePin> {
    let mut fields = field.table(reader)?;
    let name = need_text(&mut fields, "name", reader);
    let version = need_text(&mut fields, "version", reader);
    let architecture = need_text(&mut fields, "arch", reader);
    let suite = fields.need(reader, "suite").and_then(|field| suite_name(&field, names, reader));
    let path = fields.need(reader, "path").and_then(|field| field.parsed(reader, PATH_HELP));
    let size = fields.need(reader, "size").and_then(|field| field.number(reader, 1));
    let sha256 = need_sha256(&mut fields, reader);
    fields.finish(reader, &[]);
    Some(PackagePin {
        name: name?,
        version: version?,
        architecture: architecture?,
        suite: suite?,
        path: path?,
        size: size?,
        sha256: sha256?,
    })
}

fn read_wheel_pin(field: &Field<'_>, reader: &mut Reader) -> Option<WheelPin> {
    let mut fields = field.table(reader)?;
    let name = need_text(&mut fields, "name", reader);
    let version = need_text(&mut fields, "version", reader);
    let file = need_text(&mut fields, "file", reader);
    let size = fields.need(reader, "size").and_then(|field| field.number(reader, 1));
    let sha256 = need_sha256(&mut fields, reader);
    fields.finish(reader, &[]);
    Some(WheelPin { name: name?, version: version?, file: file?, size: size?, sha256: sha256? })
}

fn read_toolchain(
    version: Version,
    field: &Field<'_>,
    names: &Names,
    reader: &mut Reader,
) -> Option<Toolchain> {
    let mut fields = field.table(reader)?;
    let distribution =
        fields.need(reader, "distribution").and_then(|field| field.choice(reader, &Distribution::CHOICES));
    let rust = component_names(fields.need(reader, "rust"), names, reader);
    let source = fields.get("source").and_then(|field| component_name(&field, names, reader));
    let archives_field = fields.get("archives");
    let archives_at = archives_field.as_ref().map(Field::at);
    let mut archives = BTreeMap::new();
    for (package, _, field) in entries(archives_field, reader) {
        let mut targets = BTreeMap::new();
        for (target, at, field) in field.entries(reader) {
            if target != "*" && target.parse::<Triple>().is_err() {
                let message = format!("`{target}` is neither a target triple nor `*`");
                reader.report(at, Problem::new(Kind::Invalid, message));
            }
            if let Some(pin) = read_archive_pin(&field, reader) {
                targets.insert(target.to_owned(), pin);
            }
        }
        archives.insert(package.to_owned(), targets);
    }
    match (distribution, archives_at) {
        (Some(Distribution::Debian), Some(at)) => {
            let message = format!("toolchain {version} is Debian's: it has no archives");
            reader.report(at, Problem::new(Kind::Contradiction, message).help("take `archives` away"));
        }
        (Some(Distribution::Official), None) => {
            let message = format!("official toolchain {version} has no archives");
            let help = format!("pin them: xbuild toolchain add {version}");
            reader.report(field.at(), Problem::new(Kind::Missing, message).help(help));
        }
        _ => {}
    }
    fields.finish(reader, &[]);
    Some(Toolchain { version, distribution: distribution?, rust, source, archives })
}

fn read_archive_pin(field: &Field<'_>, reader: &mut Reader) -> Option<ArchivePin> {
    let mut fields = field.table(reader)?;
    let path = fields.need(reader, "path").and_then(|field| field.parsed(reader, PATH_HELP));
    let size = fields.get("size").and_then(|field| field.number(reader, 1));
    let sha256 = need_sha256(&mut fields, reader);
    fields.finish(reader, &[]);
    Some(ArchivePin { path: path?, size, sha256: sha256? })
}
