//! Reading `targets/<triple>.toml`.

use std::collections::BTreeMap;
use std::sync::Arc;

use xbuild_base::{RelPath, Triple};

use super::{
    ArchiveFormat, CTools, Check, GlibcChoice, ImageGround, Link, Linking, ObjectFormat, PackageGround,
    Platform, Run, Std, TargetSpec,
};
use crate::description::is_debian_name;
use crate::document::Document;
use crate::names::{ComponentName, Glibc, NameError};
use crate::problem::{Kind, Problem, Problems, Source};
use crate::reader::{Field, Fields, Reader};
use crate::suggest;
use crate::toolchains::Toolchains;

const GLIBC_HELP: &str = "write a glibc version such as `\"2.31\"`";

impl TargetSpec {
    /// Reads `targets/<triple>.toml`.
    ///
    /// # Errors
    /// All problems of the file, among them components that are not in `toolchains`.
    pub fn read(triple: Triple, source: Source, toolchains: &Toolchains) -> Result<Self, Problems> {
        let document = Document::parse(Arc::new(source))?;
        let mut reader = Reader::new(&document);
        let spec = read(triple, Fields::root(&document), toolchains, &mut reader);
        reader.finish(spec).map(|spec| spec.expect("whatever is missing was noted as a problem"))
    }
}

pub(crate) fn read(
    triple: Triple,
    mut root: Fields<'_>,
    toolchains: &Toolchains,
    reader: &mut Reader,
) -> Option<TargetSpec> {
    let std = read_std(&mut root, toolchains, reader);
    let components = names(root.get("components"), toolchains, reader);
    let glibc = root.get("glibc").and_then(|field| read_glibc(&field, toolchains, reader));
    let c = root.need(reader, "c").and_then(|field| read_c(&field, reader));
    let link = root.need(reader, "link").and_then(|field| read_link(&field, reader));
    let check = root.need(reader, "check").and_then(|field| read_check(&field, reader));
    let run = root.get("run").and_then(|field| read_run(&field, toolchains, reader));
    let packages = root.get("packages").and_then(|field| read_packages(&field, reader));
    let archive = root.need(reader, "archive").and_then(|field| read_archive(&field, reader));
    let image = root.get("image").and_then(|field| read_image(&field, reader));
    root.finish(reader);
    Some(TargetSpec {
        triple,
        std: std?,
        components,
        glibc,
        c: c?,
        link: link?,
        check: check?,
        run: run.unwrap_or_default(),
        packages,
        archive: archive?,
        image,
    })
}

fn read_std(root: &mut Fields<'_>, toolchains: &Toolchains, reader: &mut Reader) -> Option<Std> {
    let prebuilt = root.need(reader, "std").and_then(|field| {
        Some((field.choice(reader, &[("prebuilt", true), ("source", false)])?, field.at()))
    });
    let component = root.get("std-component");
    match prebuilt? {
        (true, at) => {
            if component.is_none() {
                reader.report(
                    at,
                    Problem::new(Kind::Missing, "a prebuilt std needs `std-component`")
                        .help("name the component that holds it: `std-component = \"…\"`"),
                );
            }
            name(&component?, toolchains, reader).map(Std::Prebuilt)
        }
        (false, _) => {
            if let Some(component) = component {
                reader.report(
                    component.at(),
                    Problem::new(
                        Kind::Contradiction,
                        "`std-component` has no use where std is built from source",
                    )
                    .help("take it away, or write `std = \"prebuilt\"`"),
                );
            }
            Some(Std::Source)
        }
    }
}

fn name(field: &Field<'_>, toolchains: &Toolchains, reader: &mut Reader) -> Option<ComponentName> {
    let name: ComponentName = field.parsed(reader, "write the name of a component of toolchains.toml")?;
    match toolchains.component(name.as_str()) {
        Ok(_) => Some(name),
        Err(problem) => {
            reader.report(field.at(), problem.label("not in toolchains.toml"));
            None
        }
    }
}

fn names(field: Option<Field<'_>>, toolchains: &Toolchains, reader: &mut Reader) -> Vec<ComponentName> {
    let items = field.and_then(|field| field.items(reader)).unwrap_or_default();
    items.iter().filter_map(|item| name(item, toolchains, reader)).collect()
}

fn read_glibc(field: &Field<'_>, toolchains: &Toolchains, reader: &mut Reader) -> Option<GlibcChoice> {
    let mut fields = field.table(reader)?;
    let default_field = fields.need(reader, "default");
    let default: Option<Glibc> = default_field.as_ref().and_then(|field| field.parsed(reader, GLIBC_HELP));
    let mut sysroots = BTreeMap::new();
    for (version, at, field) in fields.named(reader) {
        match version.parse::<Glibc>() {
            Ok(version) => {
                sysroots.insert(version, names(Some(field), toolchains, reader));
            }
            Err(error) => {
                let error: NameError = error;
                reader.report(at, Problem::new(Kind::UnknownKey, error.to_string()).help(GLIBC_HELP));
            }
        }
    }
    let (default, default_field) = (default?, default_field?);
    if !sysroots.contains_key(&default) {
        let versions: Vec<String> = sysroots.keys().map(ToString::to_string).collect();
        let versions: Vec<&str> = versions.iter().map(String::as_str).collect();
        reader.report(
            default_field.at(),
            Problem::new(Kind::UnknownName, format!("there is no sysroot for glibc {default}"))
                .help(suggest::help(&default.to_string(), "glibc versions", &versions)),
        );
    }
    Some(GlibcChoice { default, sysroots })
}

fn text(fields: &mut Fields<'_>, key: &'static str, reader: &mut Reader) -> Option<String> {
    fields.need(reader, key)?.text(reader).map(str::to_owned)
}

fn texts(fields: &mut Fields<'_>, key: &'static str, reader: &mut Reader) -> Vec<String> {
    fields.get(key).and_then(|field| field.texts(reader)).unwrap_or_default()
}

fn read_c(field: &Field<'_>, reader: &mut Reader) -> Option<CTools> {
    let mut fields = field.table(reader)?;
    let cc = text(&mut fields, "cc", reader);
    let cxx = text(&mut fields, "cxx", reader);
    let ar = text(&mut fields, "ar", reader);
    let ranlib = text(&mut fields, "ranlib", reader);
    let mut environment = BTreeMap::new();
    for (key, at, field) in fields.get("env").map(|field| field.entries(reader)).unwrap_or_default() {
        if key.is_empty() || key.contains(['=', '\0']) {
            let message = format!("`{key}` can't be the name of an environment variable");
            reader.report(at, Problem::new(Kind::Invalid, message));
        }
        if let Some(value) = field.any_text(reader) {
            environment.insert(key.to_owned(), value.to_owned());
        }
    }
    fields.finish(reader);
    Some(CTools { cc: cc?, cxx: cxx?, ar: ar?, ranlib: ranlib?, environment })
}

fn read_link(field: &Field<'_>, reader: &mut Reader) -> Option<Link> {
    let mut fields = field.table(reader)?;
    let linker = text(&mut fields, "linker", reader);
    let args = texts(&mut fields, "args", reader);
    let rustflags = texts(&mut fields, "rustflags", reader);
    fields.finish(reader);
    Some(Link { linker: linker?, args, rustflags })
}

fn read_check(field: &Field<'_>, reader: &mut Reader) -> Option<Check> {
    let mut fields = field.table(reader)?;
    let formats = [("elf", ObjectFormat::Elf), ("pe", ObjectFormat::Pe)];
    let format = fields.need(reader, "format").and_then(|field| field.choice(reader, &formats));
    let machine = text(&mut fields, "machine", reader);
    let is_static = fields.need(reader, "static").and_then(|field| field.boolean(reader));
    let libraries = texts(&mut fields, "libraries", reader);
    fields.finish(reader);
    let linking = if is_static? { Linking::Static } else { Linking::Dynamic };
    Some(Check { format: format?, machine: machine?, linking, libraries })
}

fn read_run(field: &Field<'_>, toolchains: &Toolchains, reader: &mut Reader) -> Option<Run> {
    let mut fields = field.table(reader)?;
    let emulator = texts(&mut fields, "emulator", reader);
    let components = names(fields.get("components"), toolchains, reader);
    fields.finish(reader);
    Some(Run { emulator, components })
}

fn read_packages(field: &Field<'_>, reader: &mut Reader) -> Option<PackageGround> {
    let mut fields = field.table(reader)?;
    let architecture = fields.need(reader, "architecture").and_then(|field| {
        let text = field.text(reader)?;
        let is_one = is_debian_name(text) && text != "all" && text != "any";
        if !is_one {
            let why = format!("`{text}` is no architecture of Debian's");
            field.invalid(reader, why, "write its word for the machine: `amd64`, `arm64`, `armhf`");
        }
        is_one.then(|| text.to_owned())
    });
    let root = fields
        .need(reader, "root")
        .and_then(|field| field.parsed(reader, "write a path from the sandbox's root: `usr/…`"));
    let without = fields.get("without").and_then(|field| {
        field.distinct_or_none(reader, |item, reader| {
            let text = item.text(reader)?;
            if !is_debian_name(text) {
                item.invalid(reader, format!("`{text}` can't be the name of one"), "write `libc6`");
                return None;
            }
            Some(text.to_owned())
        })
    });
    fields.finish(reader);
    let without = without.into_iter().flatten().map(|(name, _)| name).collect();
    Some(PackageGround { architecture: architecture?, root: root?, without })
}

fn read_archive(field: &Field<'_>, reader: &mut Reader) -> Option<ArchiveFormat> {
    let mut fields = field.table(reader)?;
    let formats = [("tar.gz", ArchiveFormat::TarGz), ("zip", ArchiveFormat::Zip)];
    let format = fields.need(reader, "format").and_then(|field| field.choice(reader, &formats));
    fields.finish(reader);
    format
}

fn read_image(field: &Field<'_>, reader: &mut Reader) -> Option<ImageGround> {
    let mut fields = field.table(reader)?;
    let platform = fields.need(reader, "platform").and_then(|field| {
        let text = field.text(reader)?;
        let mut parts = text.split('/').map(str::to_owned);
        let platform = match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(os), Some(architecture), variant, None) => Some(Platform { os, architecture, variant }),
            _ => None,
        };
        let whole = platform.filter(|_| text.split('/').all(|part| !part.is_empty()));
        if whole.is_none() {
            field.invalid(
                reader,
                format!("`{text}` is no platform"),
                "write one such as `linux/arm64` or `linux/arm/v7`",
            );
        }
        whole
    });
    let libraries = fields.get("libraries").and_then(|field| {
        let path: RelPath = field.parsed(reader, "write a path from the sysroot's root: `usr/…/lib`")?;
        Some(path)
    });
    fields.finish(reader);
    Some(ImageGround { platform: platform?, libraries })
}
