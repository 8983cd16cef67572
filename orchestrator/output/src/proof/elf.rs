//! ELF programs and shared libraries.

use std::collections::{BTreeMap, BTreeSet};

use object::elf;
use object::read::elf::{FileHeader, ProgramHeader as _, SectionTable, Sym as _};
use object::{Endianness, ReadRef, SymbolIndex};

use super::{Form, Format, Found, GlibcNeed, Linking, Proof, lossy};
use crate::error::OutputError;

/// The machine's name in Rust's `target_arch`.
pub(super) fn machine(machine: elf::Machine, is_64: bool) -> String {
    let name = match machine {
        elf::EM_X86_64 => "x86_64",
        elf::EM_386 => "x86",
        elf::EM_AARCH64 => "aarch64",
        elf::EM_ARM => "arm",
        elf::EM_RISCV if is_64 => "riscv64",
        elf::EM_RISCV => "riscv32",
        elf::EM_PPC64 => "powerpc64",
        elf::EM_PPC => "powerpc",
        elf::EM_S390 => "s390x",
        elf::EM_LOONGARCH if is_64 => "loongarch64",
        elf::EM_LOONGARCH => "loongarch32",
        elf::EM_MIPS if is_64 => "mips64",
        elf::EM_MIPS => "mips",
        elf::EM_SPARCV9 => "sparc64",
        other => return format!("ELF machine {}", other.0),
    };
    name.to_owned()
}

/// The version of glibc that a version name stands for; `None` for private interfaces and unknown ones.
pub(super) fn glibc_version(name: &str) -> Option<(u32, u32)> {
    let version = name.strip_prefix("GLIBC_")?;
    // Versions that the linker asks for when it uses a feature of the loader, and the glibc that had it first.
    match version {
        "ABI_DT_RELR" => return Some((2, 36)),
        "ABI_GNU_TLS" | "ABI_GNU2_TLS" | "ABI_DT_X86_64_PLT" => return Some((2, 42)),
        _ => {}
    }
    let mut numbers = version.split('.').map(str::parse::<u32>);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

pub(super) fn read<'data, Elf, R>(data: R) -> Result<Found, OutputError>
where
    Elf: FileHeader<Endian = Endianness>,
    R: ReadRef<'data>,
{
    let problem = |problem: &str| OutputError::Unreadable { problem: problem.to_owned() };
    let header = Elf::parse(data).map_err(unreadable)?;
    let endian = header.endian().map_err(unreadable)?;
    let sections = header.sections(endian, data).map_err(unreadable)?;
    let machine = machine(header.e_machine(endian), header.is_type_64());

    let (mut interpreter, mut is_dynamic) = (None, false);
    for segment in header.program_headers(endian, data).map_err(unreadable)? {
        if let Some(path) = segment.interpreter(endian, data).map_err(unreadable)? {
            interpreter = Some(lossy(path));
        }
        is_dynamic |= segment.p_type(endian) == elf::PT_DYNAMIC;
    }

    let table = sections.dynamic_table(endian, data).map_err(unreadable)?;
    // The loader goes by the segments, this by the sections: a file that has only the former would look static.
    if is_dynamic && table.is_empty() {
        return Err(problem("its section headers are stripped, so what it needs can't be told"));
    }
    let (mut libraries, mut search_paths) = (BTreeSet::new(), Vec::new());
    let (mut is_pie, mut has_versions) = (false, false);
    for entry in &table {
        match entry.tag {
            elf::DT_NEEDED => {
                libraries.insert(lossy(table.string(entry).map_err(unreadable)?));
            }
            elf::DT_RPATH | elf::DT_RUNPATH => {
                let paths = lossy(table.string(entry).map_err(unreadable)?);
                search_paths.extend(paths.split(':').map(str::to_owned));
            }
            elf::DT_FLAGS_1 => is_pie |= entry.val & elf::DF_1_PIE.0 != 0,
            elf::DT_VERNEED => has_versions = true,
            _ => {}
        }
    }
    let form = match header.e_type(endian) {
        elf::ET_EXEC => Form::Program,
        elf::ET_DYN if interpreter.is_some() || is_pie => Form::Program,
        elf::ET_DYN => Form::Shared,
        _ => return Err(problem("it is not linked")),
    };

    let versions = needed_versions(&sections, endian, data).map_err(unreadable)?;
    if has_versions && versions.is_none() {
        return Err(problem("it needs versions of symbols but has no section that lists them"));
    }
    let glibc: Vec<(String, Vec<String>)> = versions
        .unwrap_or_default()
        .into_iter()
        .filter(|(name, _)| name.starts_with("GLIBC_"))
        .map(|(name, symbols)| (name, symbols.into_iter().collect()))
        .collect();

    let is_static = interpreter.is_none() && libraries.is_empty();
    let linking = Some(if is_static { Linking::Static } else { Linking::Dynamic });
    let mut proof = Proof::new(Format::Elf, form, machine);
    proof.linking = linking;
    proof.interpreter = interpreter;
    proof.libraries = libraries.into_iter().collect();
    proof.glibc = newest(&glibc);
    proof.search_paths = search_paths;
    Ok(Found { glibc, ..Found::new(proof) })
}

/// The versions that must be there for the file to be loaded, and the symbols that need each; `None` when the
/// file has no list of them.
fn needed_versions<'data, Elf, R>(
    sections: &SectionTable<'data, Elf, R>,
    endian: Elf::Endian,
    data: R,
) -> object::Result<Option<BTreeMap<String, BTreeSet<String>>>>
where
    Elf: FileHeader<Endian = Endianness>,
    R: ReadRef<'data>,
{
    let Some((mut libraries, link)) = sections.gnu_verneed(endian, data)? else { return Ok(None) };
    let strings = sections.strings(endian, data, link)?;
    let (mut needed, mut by_index) = (BTreeMap::<String, BTreeSet<String>>::new(), BTreeMap::new());
    while let Some((_, mut versions)) = libraries.next()? {
        while let Some(version) = versions.next()? {
            // When all references to a version are weak the loader goes on without it.
            if version.vna_flags.get(endian).contains(elf::VER_FLG_WEAK) {
                continue;
            }
            let name = lossy(version.name(endian, strings)?);
            needed.entry(name.clone()).or_default();
            by_index.insert(version.vna_other(endian).index().0, name);
        }
    }
    if let Some((indices, _)) = sections.gnu_versym(endian, data)? {
        let symbols = sections.symbols(endian, data, elf::SHT_DYNSYM)?;
        for (place, index) in indices.iter().enumerate() {
            let Some(name) = by_index.get(&index.0.get(endian).index().0) else { continue };
            let symbol = symbols.symbol(SymbolIndex(place))?;
            if symbol.is_undefined(endian) {
                let symbol = lossy(symbol.name(endian, symbols.strings())?);
                needed.entry(name.clone()).or_default().insert(symbol);
            }
        }
    }
    Ok(Some(needed))
}

fn newest(glibc: &[(String, Vec<String>)]) -> Option<GlibcNeed> {
    let versions = glibc.iter().filter_map(|(name, symbols)| Some((glibc_version(name)?, symbols)));
    let version = versions.clone().map(|(version, _)| version).max()?;
    let symbols: BTreeSet<&String> =
        versions.filter(|(of, _)| *of == version).flat_map(|(_, symbols)| symbols).collect();
    Some(GlibcNeed { version, symbols: symbols.into_iter().cloned().collect() })
}

fn unreadable(error: object::Error) -> OutputError {
    OutputError::Unreadable { problem: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(glibc_version("GLIBC_2.2.5"), Some((2, 2)));
        assert!(glibc_version("GLIBC_2.4") < glibc_version("GLIBC_2.31"));
        assert_eq!(glibc_version("GLIBC_PRIVATE"), None);
        assert_eq!(glibc_version("GCC_3.0"), None);
        assert_eq!(glibc_version("GLIBC_ABI_DT_RELR"), Some((2, 36)));
    }
}
