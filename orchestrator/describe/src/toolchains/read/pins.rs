//! Reading `[pins.HOST]`.

use std::collections::BTreeMap;

use super::super::{PackagePin, Pins, WheelPin};
use super::{Names, PATH_HELP, check_known, need_sha256, need_text, parse_name, suite_name};
use crate::names::ComponentName;
use crate::reader::{Field, Reader};

/// The pins of one host, by component.
pub(super) fn read(field: &Field<'_>, names: &Names, reader: &mut Reader) -> BTreeMap<ComponentName, Pins> {
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
    fields.finish(reader);
    Some(Pins { packages, wheels })
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
    fields.finish(reader);
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
    fields.finish(reader);
    Some(WheelPin { name: name?, version: version?, file: file?, size: size?, sha256: sha256? })
}
