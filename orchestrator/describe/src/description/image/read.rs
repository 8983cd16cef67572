//! Reading the tables.

use std::collections::{BTreeMap, BTreeSet};

use super::{Base, FileSource, ImageFile, ImageTable, Images, LayerCompression};
use crate::description::read::SIZE_HELP;
use crate::description::source::{only, read_url};
use crate::description::step::Named;
use crate::problem::{Kind, Problem};
use crate::reader::{Field, Fields, Reader};
use crate::suggest;
use crate::units;

/// What stands in a repository's name for something else.
const WORDS: [&str; 2] = ["name", "variant"];
const ENTRYPOINT_HELP: &str = "write the program's path in the image and its arguments: `[\"/bin/foo\"]`";

/// Reads `[image]` and `[images.NAME]`.
pub(in crate::description) fn read(root: &mut Fields<'_>, named: &mut Named, reader: &mut Reader) -> Images {
    let common = root.get("image");
    let tables = root.get("images");
    let is_described = common.is_some() || tables.is_some();
    let common = common.map(|field| read_table(&field, Place::Image, named, reader)).unwrap_or_default();
    let mut images = Images { is_described, common, ..Images::default() };
    for (name, at, field) in tables.map(|field| field.entries(reader)).unwrap_or_default() {
        if !is_name(name) {
            let problem = Problem::new(Kind::Invalid, format!("`{name}` can't be the name of an image"))
                .label("not a name")
                .help("write lower-case letters and digits, with `-`, `_` and `.` between them");
            reader.report(at, problem);
        }
        images.named.insert(name.to_owned(), read_table(&field, Place::Image, named, reader));
    }
    images
}

/// Reads `[target.….image]`.
pub(in crate::description) fn read_for_target(
    field: &Field<'_>,
    named: &mut Named,
    reader: &mut Reader,
) -> ImageTable {
    read_table(field, Place::Target, named, reader)
}

/// Reads `[variant.….image]`.
pub(in crate::description) fn read_for_variant(
    field: &Field<'_>,
    named: &mut Named,
    reader: &mut Reader,
) -> ImageTable {
    read_table(field, Place::Variant, named, reader)
}

/// Where a table stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Image,
    Target,
    Variant,
}

/// Whether a name can be a part of a repository's: one component of the distribution specification's `name`.
fn is_name(name: &str) -> bool {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let good = |c: char| is_word(c) || matches!(c, '-' | '_' | '.');
    let between = name.split(is_word).filter(|separator| !separator.is_empty());
    let allowed =
        |separator: &str| matches!(separator, "." | "_" | "__") || separator.chars().all(|c| c == '-');
    name.chars().all(good)
        && name.starts_with(is_word)
        && name.ends_with(is_word)
        && between.into_iter().all(allowed)
}

fn read_table(field: &Field<'_>, place: Place, named: &mut Named, reader: &mut Reader) -> ImageTable {
    let mut image = ImageTable::default();
    let Some(mut fields) = field.table(reader) else { return image };
    image.base = fields.get("base").and_then(|field| read_base(&field, reader));
    if let Some(field) = fields.get("bins") {
        same_everywhere(&field, place, reader);
        image.bins = read_names(&field, reader);
    }
    if let Some(field) = fields.get("repository") {
        same_everywhere(&field, place, reader);
        image.repository = read_repository(&field, reader);
    }
    image.entrypoint = fields.get("entrypoint").map(|field| read_entrypoint(&field, reader));
    image.cmd = fields.get("cmd").map(|field| {
        let words = field.items(reader).unwrap_or_default();
        words.iter().filter_map(|word| word.any_text(reader)).map(str::to_owned).collect()
    });
    image.env = read_map(fields.get("env"), true, reader);
    image.user = fields.get("user").and_then(|field| field.text(reader)).map(str::to_owned);
    image.workdir = fields.get("workdir").and_then(|field| read_path(&field, reader));
    image.ports = fields.get("ports").map(|field| {
        let ports = field.items(reader).unwrap_or_default();
        ports.iter().filter_map(|port| read_port(port, reader)).collect()
    });
    image.volumes = fields.get("volumes").map(|field| {
        let volumes = field.items(reader).unwrap_or_default();
        volumes.iter().filter_map(|volume| read_path(volume, reader)).collect()
    });
    image.stop_signal = fields.get("stop-signal").and_then(|field| field.text(reader)).map(str::to_owned);
    image.labels = read_map(fields.get("labels"), false, reader);
    image.annotations = read_map(fields.get("annotations"), false, reader);
    image.files = fields.get("files").map(|field| read_files(&field, named, reader)).unwrap_or_default();
    image.dlopen = fields.get("dlopen").and_then(|field| read_names(&field, reader));
    let compressions = [
        ("none", LayerCompression::None),
        ("gzip", LayerCompression::Gzip),
        ("zstd", LayerCompression::Zstd),
    ];
    image.compression = fields.get("compression").and_then(|field| field.choice(reader, &compressions));
    image.max_size = fields.get("max-size").and_then(|field| {
        let text = field.text(reader)?;
        units::bytes(text).map_err(|why| field.invalid(reader, why, SIZE_HELP)).ok()
    });
    image.timezones = fields.get("timezones").and_then(|field| field.boolean(reader));
    image.allow_secrets = fields.get("allow-secrets").map(|field| {
        let paths = field.items(reader).unwrap_or_default();
        paths.iter().filter_map(|path| read_path(path, reader)).collect()
    });
    fields.finish(reader);
    image
}

/// Notes a key that is about an image of all its platforms, where it stands in a table about some.
fn same_everywhere(field: &Field<'_>, place: Place, reader: &mut Reader) {
    if place == Place::Target {
        let help = "write it in [image] or [images.NAME]: an image is the same thing on all its targets";
        field.invalid(reader, "it can't differ by target", help);
    }
}

/// `static`, `scratch`, or the reference of another image: it has a registry, or at least a tag or a folder.
fn read_base(field: &Field<'_>, reader: &mut Reader) -> Option<Base> {
    let text = field.text(reader)?;
    match text {
        "static" => Some(Base::Static),
        "scratch" => Some(Base::Scratch),
        _ if text.contains(['/', ':', '@']) && !text.contains(char::is_whitespace) => {
            Some(Base::Pulled(text.to_owned()))
        }
        _ => {
            let help = "write `static`, `scratch`, or an image such as `registry.example/team/base:1`";
            let help = suggest::help_or(text, ["static", "scratch"], help);
            field.invalid(reader, format!("there is no base `{text}`"), help);
            None
        }
    }
}

fn read_names(field: &Field<'_>, reader: &mut Reader) -> Option<BTreeSet<String>> {
    let names = field.distinct(reader, |item, reader| item.text(reader).map(str::to_owned))?;
    Some(names.into_iter().map(|(name, _)| name).collect())
}

/// A repository, which may hold `{name}` and `{variant}`. What else it must be is checked where it is filled in.
fn read_repository(field: &Field<'_>, reader: &mut Reader) -> Option<String> {
    let text = field.text(reader)?;
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('{') {
        let Some((key, after)) = after.split_once('}') else { break };
        if !WORDS.contains(&key) {
            let help = "write `{name}` for the image's name and `{variant}` for the variant's";
            let help = suggest::help_or(key, WORDS, help);
            field.invalid(reader, format!("`{{{key}}}` can't be filled in"), help);
            return None;
        }
        rest = after;
    }
    Some(text.to_owned())
}

fn read_entrypoint(field: &Field<'_>, reader: &mut Reader) -> Vec<String> {
    let words = field.some_items(reader).unwrap_or_default();
    let texts: Vec<&str> = words.iter().filter_map(|word| word.any_text(reader)).collect();
    if let (Some(word), Some(program)) = (words.first(), texts.first())
        && words.len() == texts.len()
        && !program.starts_with('/')
    {
        word.invalid(reader, format!("`{program}` is no absolute path"), ENTRYPOINT_HELP);
    }
    texts.into_iter().map(str::to_owned).collect()
}

/// `files`: a text is a file or folder of the project; a table says more.
fn read_files(field: &Field<'_>, named: &mut Named, reader: &mut Reader) -> BTreeMap<String, ImageFile> {
    let mut files = BTreeMap::new();
    for (path, at, field) in field.entries(reader) {
        if !path.starts_with('/') {
            let problem = Problem::new(Kind::Invalid, format!("`{path}` is no absolute path"))
                .label("not absolute")
                .help("write the path in the image, from its root");
            reader.report(at, problem);
        }
        if let Some(file) = read_file(&field, named, reader) {
            files.insert(path.to_owned(), file);
        }
    }
    files
}

fn read_file(field: &Field<'_>, named: &mut Named, reader: &mut Reader) -> Option<ImageFile> {
    const HELP: &str = "write one of `from = \"path\"`, `output = \"program\"`, `step = \"name\"`, \
        `input = \"project/output\"`, `url = \"…\"` with its `sha256`, `folder = true`, `link = \"target\"`";
    if field.is_text() {
        let from = FileSource::Project(read_source(field, reader)?);
        return Some(ImageFile { from, mode: None, owner: None });
    }
    let mut fields = field.table(reader)?;
    let mut sources = Vec::new();
    if let Some(path) = fields.get("from").and_then(|field| read_source(&field, reader)) {
        sources.push(FileSource::Project(path));
    }
    if let Some(name) = fields.get("output").and_then(|field| field.text(reader)) {
        sources.push(FileSource::Output(name.to_owned()));
    }
    if let Some(part) = fields.get("step").and_then(|field| named.step(&field, true, reader)) {
        sources.push(FileSource::Step(part));
    }
    if let Some(output) = fields.get("input").and_then(|field| named.input(&field, reader)) {
        sources.push(FileSource::Input(output));
    }
    let sha256 = fields.get("sha256").and_then(|field| read_sha256(&field, reader));
    if let Some(at) = fields.get("url") {
        match (read_url(&at, reader), sha256) {
            (Some(url), Some(sha256)) => sources.push(FileSource::Url { url, sha256 }),
            (Some(_), None) => {
                at.invalid(reader, "a URL needs the hash of what is there", "add `sha256 = \"…\"`");
            }
            (None, _) => {}
        }
        // The mistake has been told.
        if sources.is_empty() {
            sources.push(FileSource::Folder);
        }
    }
    if fields.get("folder").and_then(|field| field.boolean(reader)) == Some(true) {
        sources.push(FileSource::Folder);
    }
    if let Some(target) = fields.get("link").and_then(|field| field.text(reader)) {
        sources.push(FileSource::Link(target.to_owned()));
    }
    let mode = fields.get("mode").and_then(|field| read_mode(&field, reader));
    let owner = fields.get("owner").and_then(|field| field.text(reader)).map(str::to_owned);
    fields.finish(reader);
    let from = only(sources, field, HELP, reader)?;
    Some(ImageFile { from, mode, owner })
}

/// A path from the workspace's root, which must not lead out of it.
fn read_source(field: &Field<'_>, reader: &mut Reader) -> Option<String> {
    let text = field.text(reader)?;
    if text.starts_with('/') || text.split('/').any(|part| part == "..") {
        let help = "write the path of a file or folder of the project, from the workspace's root";
        field.invalid(reader, format!("`{text}` is outside the project"), help);
        return None;
    }
    Some(text.to_owned())
}

fn read_sha256(field: &Field<'_>, reader: &mut Reader) -> Option<String> {
    let text = field.text(reader)?;
    let is_hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    if text.len() == 64 && text.chars().all(is_hex) {
        return Some(text.to_owned());
    }
    field.invalid(reader, "this is no SHA-256", "write its 64 digits, in lower case: sha256sum FILE");
    None
}

/// Permissions in octal digits, as a text: TOML's own octal numbers look otherwise.
fn read_mode(field: &Field<'_>, reader: &mut Reader) -> Option<u32> {
    let text = field.text(reader)?;
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o7777 && (3..=5).contains(&text.len()) => Some(mode),
        _ => {
            field.invalid(reader, format!("`{text}` are no permissions"), "write octal digits: `\"0644\"`");
            None
        }
    }
}

fn read_map(field: Option<Field<'_>>, is_environment: bool, reader: &mut Reader) -> BTreeMap<String, String> {
    let mut map = BTreeMap::new();
    for (key, at, field) in field.map(|field| field.entries(reader)).unwrap_or_default() {
        if key.is_empty() || is_environment && key.contains(['=', '\0']) {
            let what = if is_environment { "an environment variable" } else { "a label" };
            reader.report(at, Problem::new(Kind::Invalid, format!("`{key}` can't be the name of {what}")));
        }
        if let Some(value) = field.any_text(reader) {
            map.insert(key.to_owned(), value.to_owned());
        }
    }
    map
}

fn read_path(field: &Field<'_>, reader: &mut Reader) -> Option<String> {
    let text = field.text(reader)?;
    if text.starts_with('/') {
        return Some(text.to_owned());
    }
    field.invalid(reader, format!("`{text}` is no absolute path"), "write a path from the image's root");
    None
}

/// A port, with its protocol: `tcp` where none is said.
fn read_port(field: &Field<'_>, reader: &mut Reader) -> Option<String> {
    let text = field.text(reader)?;
    let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let is_number = number.parse::<u16>().is_ok_and(|port| port > 0);
    if is_number && matches!(protocol, "tcp" | "udp") {
        return Some(format!("{number}/{protocol}"));
    }
    field.invalid(reader, format!("`{text}` is no port"), "write one such as `\"8080\"` or `\"53/udp\"`");
    None
}
