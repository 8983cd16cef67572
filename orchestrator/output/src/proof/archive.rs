//! Static libraries: archives of object files.

use std::collections::BTreeSet;

use object::read::archive::ArchiveFile;
use object::{ReadRef, elf, pe};

use super::{Form, Format, Found, Proof, lossy};
use crate::error::OutputError;

pub(super) fn read<'data, R: ReadRef<'data>>(data: R) -> Result<Found, OutputError> {
    let unreadable = |error: object::Error| OutputError::Unreadable { problem: error.to_string() };
    let problem = |problem: &str| OutputError::Unreadable { problem: problem.to_owned() };
    let archive = ArchiveFile::parse(data).map_err(unreadable)?;
    if archive.is_thin() {
        return Err(problem("it is a thin archive: its members are files elsewhere"));
    }

    let (mut formats, mut members) = (Vec::new(), Vec::new());
    for member in archive.members() {
        let member = member.map_err(unreadable)?;
        let (offset, size) = member.file_range();
        let start = data
            .read_bytes_at(offset, size.min(20))
            .map_err(|()| problem("a member reaches beyond the end of the file"))?;
        // What is no object file (LLVM bitcode, a list of symbols) runs on no machine.
        if let Some((format, machine)) = machine(start) {
            formats.push(format);
            members.push((lossy(member.name()), machine));
        }
    }

    let format = *formats.first().ok_or_else(|| problem("it is an archive without object files"))?;
    if formats.iter().any(|other| *other != format) {
        return Err(problem("it holds object files of two formats"));
    }
    members.sort();
    let machines: BTreeSet<&str> = members.iter().map(|(_, machine)| machine.as_str()).collect();
    let machines = machines.into_iter().collect::<Vec<_>>().join(" and ");
    Ok(Found { members, ..Found::new(Proof::new(format, Form::Archive, machines)) })
}

/// Format and machine of an object file, from its first 20 bytes.
fn machine(start: &[u8]) -> Option<(Format, String)> {
    let number = |at: usize| Some(u16::from_le_bytes([*start.get(at)?, *start.get(at + 1)?]));
    match start {
        [0x7f, b'E', b'L', b'F', class, encoding, ..] => {
            let little = number(18)?;
            let machine = elf::Machine(if *encoding == 2 { little.swap_bytes() } else { little });
            Some((Format::Elf, super::elf::machine(machine, *class == 2)))
        }
        // Entries of import libraries and "big" objects both have their machine here.
        [0, 0, 0xff, 0xff, ..] => Some((Format::Pe, super::pe::machine(pe::Machine(number(6)?)))),
        _ => {
            let machine = pe::Machine(number(0)?);
            let known = [
                pe::IMAGE_FILE_MACHINE_AMD64,
                pe::IMAGE_FILE_MACHINE_I386,
                pe::IMAGE_FILE_MACHINE_ARM64,
                pe::IMAGE_FILE_MACHINE_ARMNT,
            ];
            known.contains(&machine).then(|| (Format::Pe, super::pe::machine(machine)))
        }
    }
}
