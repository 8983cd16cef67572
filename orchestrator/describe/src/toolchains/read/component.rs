//! Reading `[component.NAME]`.

use xbuild_base::RelPath;

use super::super::{Architecture, Archive, Component, Wheel};
use super::{Names, PATH_HELP, by_path, component_names, need_text, suite_name, texts};
use crate::names::ComponentName;
use crate::problem::{Kind, Problem};
use crate::reader::{Field, Reader};

pub(super) fn read(
    name: ComponentName,
    field: &Field<'_>,
    names: &Names,
    reader: &mut Reader,
) -> Option<Component> {
    let mut fields = field.table(reader)?;
    let suites = fields.get("suites").and_then(|field| field.items(reader)).unwrap_or_default();
    let no_suites = suites.is_empty();
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
    fields.finish(reader);
    if let (Some(at), true, false) = (roots_at, no_suites, roots.is_empty()) {
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
    fields.finish(reader);
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
    let name = need_text(&mut fields, "name", reader);
    let version = need_text(&mut fields, "version", reader);
    let keep = texts(fields.get("keep"), reader);
    let prefix = fields.need(reader, "prefix").and_then(|field| field.parsed(reader, PATH_HELP));
    fields.finish(reader);
    Some(Wheel { name: name?, version: version?, keep, prefix: prefix? })
}
