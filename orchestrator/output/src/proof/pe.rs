//! Windows programs and DLLs.

use std::collections::BTreeSet;

use object::pe;
use object::read::pe::{ImageNtHeaders, PeFile};
use object::{LittleEndian as LE, ReadRef};

use super::{Form, Format, Found, Linking, Proof, lossy};
use crate::error::OutputError;

/// The machine's name in Rust's `target_arch`.
pub(super) fn machine(machine: pe::Machine) -> String {
    let name = match machine {
        pe::IMAGE_FILE_MACHINE_AMD64 => "x86_64",
        pe::IMAGE_FILE_MACHINE_I386 => "x86",
        pe::IMAGE_FILE_MACHINE_ARM64 => "aarch64",
        pe::IMAGE_FILE_MACHINE_ARMNT => "arm",
        other => return format!("PE machine {:#x}", other.0),
    };
    name.to_owned()
}

pub(super) fn read<'data, Pe, R>(data: R) -> Result<Found, OutputError>
where
    Pe: ImageNtHeaders,
    R: ReadRef<'data>,
{
    let unreadable = |error: object::Error| OutputError::Unreadable { problem: error.to_string() };
    let file = PeFile::<Pe, R>::parse(data).map_err(unreadable)?;
    let header = file.nt_headers().file_header();

    let mut libraries = BTreeSet::new();
    if let Some(table) = file.import_table().map_err(unreadable)? {
        let mut descriptors = table.descriptors().map_err(unreadable)?;
        while let Some(descriptor) = descriptors.next().map_err(unreadable)? {
            libraries.insert(lossy(table.name(descriptor.name.get(LE)).map_err(unreadable)?));
        }
    }
    if let Some(table) = file.delay_load_import_table().map_err(unreadable)? {
        let mut descriptors = table.descriptors().map_err(unreadable)?;
        while let Some(descriptor) = descriptors.next().map_err(unreadable)? {
            libraries.insert(lossy(table.name(descriptor.dll_name_rva.get(LE)).map_err(unreadable)?));
        }
    }

    let is_dll = header.characteristics.get(LE).contains(pe::IMAGE_FILE_DLL);
    let form = if is_dll { Form::Shared } else { Form::Program };
    let mut proof = Proof::new(Format::Pe, form, machine(header.machine.get(LE)));
    proof.linking = Some(if libraries.is_empty() { Linking::Static } else { Linking::Dynamic });
    proof.libraries = libraries.into_iter().collect();
    proof.time_stamp = Some(header.time_date_stamp.get(LE));
    Ok(Found::new(proof))
}
