//! What an ELF file says that it needs and has: the loader's questions (System V ABI, chapter 5; the versions are
//! the GNU extensions of LSB 5.0, chapter 10).

use std::collections::{BTreeMap, BTreeSet};

use object::read::elf::{FileHeader, ProgramHeader as _, Sym as _};
use object::{Endianness, FileKind, ReadRef, elf};

/// What every ELF file begins with.
pub(crate) const MAGIC: [u8; 4] = elf::ELFMAG;

/// For which kind of processor a file is: its class, byte order and machine, the last as its two bytes.
pub(crate) type Machine = [u8; 4];

/// A program or a shared library.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Elf {
    /// For which kind of processor it is, where that was looked at.
    pub(crate) machine: Machine,
    /// The loader.
    pub(crate) interpreter: Option<String>,
    /// The libraries that it needs, in their order.
    pub(crate) needed: Vec<String>,
    /// Where it says that they are, before all other places.
    pub(crate) search: Vec<String>,
    /// The versions that it needs of each library.
    pub(crate) needs: BTreeMap<String, BTreeSet<String>>,
    /// The versions that it has.
    pub(crate) has: BTreeSet<String>,
    /// Whether it calls a function that loads libraries by name: `dlopen`.
    pub(crate) loads: bool,
    /// Whether it looks up users, groups or hosts, for which glibc loads libraries by name.
    pub(crate) looks_up: bool,
}

/// Reads a file; `None` when it is no ELF file.
pub(crate) fn read<'data, R: ReadRef<'data>>(data: R) -> Result<Option<Elf>, String> {
    let Ok(magic) = data.read_bytes_at(0, MAGIC.len() as u64) else { return Ok(None) };
    if magic != MAGIC {
        return Ok(None);
    }
    let read = match FileKind::parse(data).map_err(|error| error.to_string())? {
        FileKind::Elf32 => read_as::<elf::FileHeader32<Endianness>, _>(data),
        FileKind::Elf64 => read_as::<elf::FileHeader64<Endianness>, _>(data),
        _ => return Ok(None),
    };
    let (read, has_table) = read.map_err(|error| error.to_string())?;
    // The loader goes by the segments, this by the sections: without these it would look as if it needed nothing.
    if read.interpreter.is_some() && !has_table {
        return Err("its section headers are stripped, so what it needs can't be told".to_owned());
    }
    Ok(Some(read))
}

/// What a file says, and whether it has a table of what it needs.
fn read_as<'data, Header, R>(data: R) -> object::Result<(Elf, bool)>
where
    Header: FileHeader<Endian = Endianness>,
    R: ReadRef<'data>,
{
    let header = Header::parse(data)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, data)?;
    let mut read = Elf::default();
    for segment in header.program_headers(endian, data)? {
        if let Some(path) = segment.interpreter(endian, data)? {
            read.interpreter = Some(text(path));
        }
    }
    let table = sections.dynamic_table(endian, data)?;
    let (mut rpath, mut runpath) = (Vec::new(), Vec::new());
    let split = |paths: &[u8]| text(paths).split(':').map(str::to_owned).collect::<Vec<_>>();
    for entry in &table {
        match entry.tag {
            elf::DT_NEEDED => read.needed.push(text(table.string(entry)?)),
            elf::DT_RPATH => rpath.extend(split(table.string(entry)?)),
            elf::DT_RUNPATH => runpath.extend(split(table.string(entry)?)),
            _ => {}
        }
    }
    // DT_RPATH counts only where there is no DT_RUNPATH.
    read.search = if runpath.is_empty() { rpath } else { runpath };

    if let Some((mut libraries, link)) = sections.gnu_verneed(endian, data)? {
        let strings = sections.strings(endian, data, link)?;
        while let Some((library, mut versions)) = libraries.next()? {
            let of = read.needs.entry(text(library.file(endian, strings)?)).or_default();
            while let Some(version) = versions.next()? {
                // When all references to a version are weak the loader goes on without it.
                if !version.vna_flags.get(endian).contains(elf::VER_FLG_WEAK) {
                    of.insert(text(version.name(endian, strings)?));
                }
            }
        }
    }
    if let Some((mut versions, link)) = sections.gnu_verdef(endian, data)? {
        let strings = sections.strings(endian, data, link)?;
        while let Some((_, mut names)) = versions.next()? {
            // The first is the version, the others are those that it follows.
            if let Some(name) = names.next()? {
                read.has.insert(text(name.name(endian, strings)?));
            }
        }
    }
    let symbols = sections.symbols(endian, data, elf::SHT_DYNSYM)?;
    for symbol in symbols.iter().filter(|symbol| symbol.is_undefined(endian)) {
        let name = text(symbols.symbol_name(endian, symbol)?);
        read.loads |= ["dlopen", "dlmopen"].contains(&name.as_str());
        read.looks_up |= LOOK_UPS.contains(&name.as_str());
    }
    Ok((read, !table.is_empty()))
}

/// The functions of glibc that go by `/etc/nsswitch.conf`, as far as they are about users, groups and hosts.
const LOOK_UPS: [&str; 14] = [
    "getaddrinfo",
    "gethostbyaddr_r",
    "gethostbyname",
    "gethostbyname2_r",
    "gethostbyname_r",
    "getnameinfo",
    "getgrgid_r",
    "getgrnam",
    "getgrnam_r",
    "getgrouplist",
    "getpwnam",
    "getpwnam_r",
    "getpwuid",
    "getpwuid_r",
];

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_elf_file_is_none() {
        assert_eq!(read(b"#!/bin/sh\n".as_slice()), Ok(None));
        assert_eq!(read(b"".as_slice()), Ok(None));
        assert!(read(b"\x7fELF\x02\x01\x01".as_slice()).is_err());
        assert!(read(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".as_slice()).is_err());
    }

    #[test]
    fn this_test_itself_needs_libc() {
        let this = read(fs_err::read(std::env::current_exe().unwrap()).unwrap().as_slice()).unwrap().unwrap();
        assert!(this.needed.iter().any(|library| library.starts_with("libc.so")), "{this:?}");
        assert!(this.interpreter.is_some_and(|loader| loader.contains("ld-linux")));
        assert!(this.needs["libc.so.6"].iter().any(|version| version.starts_with("GLIBC_2.")));
    }
}
