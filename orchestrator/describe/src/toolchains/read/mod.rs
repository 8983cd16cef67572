//! Reading `toolchains.toml`.

mod component;
mod pins;
mod toolchain;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use semver::Version;
use xbuild_base::{RelPath, Sha256, Triple};

use super::{PinHost, Suite, Toolchains};
use crate::document::{At, Document};
use crate::names::ComponentName;
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
    let toolchains = read_document(&document, base, &mut reader);
    reader.finish(toolchains).map(|toolchains| toolchains.expect("a problem was noted"))
}

/// Reads a document. `None` where a problem was noted that leaves the rest unread.
pub(crate) fn read_document(
    document: &Document,
    base: Option<&Toolchains>,
    reader: &mut Reader,
) -> Option<Toolchains> {
    let mut root = Fields::root(document);
    if !read_format(&mut root, reader) {
        // The rest is not judged by rules that it was not written for.
        return None;
    }
    let default = match base {
        None => root.need(reader, "default"),
        Some(_) => root.get("default"),
    };
    let suites_field = root.get("suites");
    let components_field = root.get("component");
    let pins_field = root.get("pins");
    let toolchains_field = root.get("toolchain");
    root.finish(reader);

    let suite_fields = entries(suites_field, reader);
    let component_fields = entries(components_field, reader);
    let mut names = Names {
        suites: suite_fields.iter().map(|(name, ..)| (*name).to_owned()).collect(),
        components: component_fields.iter().map(|(name, ..)| (*name).to_owned()).collect(),
    };
    if let Some(base) = base {
        names.suites.extend(base.suites.keys().cloned());
        names.components.extend(base.components.keys().map(ToString::to_string));
    }

    let suites: BTreeMap<String, Suite> = suite_fields
        .into_iter()
        .filter_map(|(name, _, field)| Some((name.to_owned(), read_suite(&field, reader)?)))
        .collect();
    let mut components = BTreeMap::new();
    for (name, at, field) in component_fields {
        let Some(name) = parse_name(name, at, reader) else { continue };
        if let Some(component) = component::read(name.clone(), &field, &names, reader) {
            components.insert(name, component);
        }
    }
    let mut pins = BTreeMap::new();
    for (host, at, field) in entries(pins_field, reader) {
        if let Some(host) = parse_host(host, at, reader) {
            pins.insert(host, pins::read(&field, &names, reader));
        }
    }
    let mut toolchains = BTreeMap::new();
    for (version, at, field) in entries(toolchains_field, reader) {
        let Some(version) = parse_version(version, at, reader) else { continue };
        if let Some(toolchain) = toolchain::read(version.clone(), &field, &names, reader) {
            toolchains.insert(version, toolchain);
        }
    }

    let default_version = default.as_ref().and_then(|field| {
        let text = field.text(reader)?;
        parse_version(text, field.at(), reader)
    });
    if let (Some(field), Some(version)) = (&default, &default_version) {
        let known = toolchains.contains_key(version)
            || base.is_some_and(|base| base.toolchains.contains_key(version));
        if !known {
            let of_base = base.into_iter().flat_map(|base| base.toolchains.keys());
            let versions: BTreeSet<&Version> = of_base.chain(toolchains.keys()).collect();
            let versions: Vec<String> = versions.into_iter().map(ToString::to_string).collect();
            let versions: Vec<&str> = versions.iter().map(String::as_str).collect();
            reader.report(
                field.at(),
                Problem::new(Kind::UnknownName, format!("there is no toolchain `{version}`"))
                    .help(suggest::help(&version.to_string(), "toolchains", &versions)),
            );
        }
    }
    let default = default_version
        .or_else(|| base.map(|base| base.default.clone()))
        // Where there is none, a problem was noted, and nobody gets to see this one.
        .unwrap_or_else(|| Version::new(0, 0, 0));
    Some(Toolchains { default, suites, components, pins, toolchains })
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

fn parse_version(text: &str, at: At, reader: &mut Reader) -> Option<Version> {
    let version = text.parse().ok();
    if version.is_none() {
        let message = format!("`{text}` is not the full version of a Rust release");
        reader.report(at, Problem::new(Kind::Invalid, message).help(VERSION_HELP));
    }
    version
}

fn read_suite(field: &Field<'_>, reader: &mut Reader) -> Option<Suite> {
    let mut fields = field.table(reader)?;
    let archive = fields.need(reader, "archive").and_then(|field| field.parsed(reader, PATH_HELP));
    fields.finish(reader);
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

fn need_text(fields: &mut Fields<'_>, key: &'static str, reader: &mut Reader) -> Option<String> {
    fields.need(reader, key)?.text(reader).map(str::to_owned)
}

fn need_sha256(fields: &mut Fields<'_>, reader: &mut Reader) -> Option<Sha256> {
    fields.need(reader, "sha256")?.parsed(reader, SHA256_HELP)
}
