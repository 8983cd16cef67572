//! Reading `[toolchain.VERSION]`.

use std::collections::BTreeMap;

use semver::Version;
use xbuild_base::Triple;

use super::super::{ArchivePin, Toolchain};
use super::{Names, PATH_HELP, component_name, component_names, entries, need_sha256};
use crate::names::Distribution;
use crate::problem::{Kind, Problem};
use crate::reader::{Field, Reader};

pub(super) fn read(
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
    let clippy = fields.get("clippy").and_then(|field| component_name(&field, names, reader));
    let rustfmt = fields.get("rustfmt").and_then(|field| component_name(&field, names, reader));
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
    fields.finish(reader);
    Some(Toolchain { version, distribution: distribution?, rust, source, clippy, rustfmt, archives })
}

fn read_archive_pin(field: &Field<'_>, reader: &mut Reader) -> Option<ArchivePin> {
    let mut fields = field.table(reader)?;
    let path = fields.need(reader, "path").and_then(|field| field.parsed(reader, PATH_HELP));
    let size = fields.get("size").and_then(|field| field.number(reader, 1));
    let sha256 = need_sha256(&mut fields, reader);
    fields.finish(reader);
    Some(ArchivePin { path: path?, size, sha256: sha256? })
}
