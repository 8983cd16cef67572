//! The file that the kernel opens by itself when another one is executed: a script's interpreter, a program's dynamic
//! linker.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

/// How much of a file the kernel looks at to tell its format, in bytes (`BINPRM_BUF_SIZE`).
const HEAD: usize = 256;

/// The kernel's limit of program headers, in bytes (`ELF_MIN_ALIGN` × 16).
const MOST_HEADERS: usize = 64 << 10;

/// The longest path, in bytes (`PATH_MAX`).
const LONGEST: usize = 4096;

/// The type of a program header that names a dynamic linker (`PT_INTERP`).
const INTERPRETER: u32 = 3;

/// The path of the interpreter that a file names: execve(2) for scripts, elf(5) for programs. `None` when it names
/// none.
///
/// # Errors
/// When the file can't be read.
pub(super) fn named(file: &File) -> std::io::Result<Option<Vec<u8>>> {
    let head = read(file, 0, HEAD)?;
    if let Some(line) = head.strip_prefix(b"#!") {
        let is_end = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | 0);
        let words = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
        return Ok(words.split(is_end).find(|word| !word.is_empty()).map(<[u8]>::to_vec));
    }
    // Class: 1 is 32 bits, 2 is 64. Byte order: 1 is little-endian, as all machines that this runs on are.
    match head.get(..6) {
        Some(b"\x7fELF\x02\x01") => linker(file, &head, &WIDE),
        Some(b"\x7fELF\x01\x01") => linker(file, &head, &NARROW),
        _ => Ok(None),
    }
}

/// Where in an ELF file's headers things are, as `(offset, bytes)`.
struct Layout {
    table: (usize, usize),
    entry_size: (usize, usize),
    entries: (usize, usize),
    offset: (usize, usize),
    length: (usize, usize),
}

const WIDE: Layout =
    Layout { table: (32, 8), entry_size: (54, 2), entries: (56, 2), offset: (8, 8), length: (32, 8) };
const NARROW: Layout =
    Layout { table: (28, 4), entry_size: (42, 2), entries: (44, 2), offset: (4, 4), length: (16, 4) };

fn linker(file: &File, head: &[u8], layout: &Layout) -> std::io::Result<Option<Vec<u8>>> {
    // What is no number here is no program to the kernel either.
    let found = (|| {
        let size = usize::try_from(number(head, layout.entry_size)?).ok().filter(|size| *size > 0)?;
        let all = size.checked_mul(usize::try_from(number(head, layout.entries)?).ok()?)?;
        Some((number(head, layout.table)?, size, all.min(MOST_HEADERS)))
    })();
    let Some((table, size, all)) = found else { return Ok(None) };
    let headers = read(file, table, all)?;
    let interpreter =
        headers.chunks_exact(size).find(|header| number(header, (0, 4)) == Some(INTERPRETER.into()));
    let place = interpreter.and_then(|header| {
        let length = usize::try_from(number(header, layout.length)?).ok()?;
        Some((number(header, layout.offset)?, length.min(LONGEST)))
    });
    let Some((offset, length)) = place else { return Ok(None) };
    let mut path = read(file, offset, length)?;
    path.truncate(path.iter().position(|byte| *byte == 0).unwrap_or(path.len()));
    Ok(Some(path))
}

fn number(bytes: &[u8], (at, length): (usize, usize)) -> Option<u64> {
    let mut number = [0; 8];
    number.get_mut(..length)?.copy_from_slice(bytes.get(at..at + length)?);
    Some(u64::from_le_bytes(number))
}

/// As much as is there.
fn read(file: &File, mut at: u64, length: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    let mut filled = 0;
    while filled < length {
        match file.read_at(&mut bytes[filled..], at)? {
            0 => break,
            count => {
                filled += count;
                at += count as u64;
            }
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &[u8]) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs_err::write(&path, bytes).unwrap();
        let named = named(fs_err::File::open(path).unwrap().file()).unwrap();
        named.map(|path| String::from_utf8(path).unwrap())
    }

    #[test]
    fn a_scripts_interpreter_is_its_first_lines_first_word() {
        assert_eq!(of(b"#!/bin/sh\necho").as_deref(), Some("/bin/sh"));
        assert_eq!(of(b"#! \ttools/run -x\n").as_deref(), Some("tools/run"));
        assert_eq!(of(b"#!/bin/sh").as_deref(), Some("/bin/sh"));
        assert_eq!(of(b"#!\n/bin/sh\n"), None);
        assert_eq!(of(b"echo"), None);
        assert_eq!(of(b""), None);
    }

    #[test]
    fn a_programs_interpreter_is_its_dynamic_linker() {
        let own = std::env::current_exe().unwrap();
        let named = named(fs_err::File::open(own).unwrap().file()).unwrap().unwrap();
        assert!(String::from_utf8(named).unwrap().contains("/ld-"), "this program is linked dynamically");
        let mut narrow = vec![0; 200];
        narrow[..6].copy_from_slice(b"\x7fELF\x01\x01");
        narrow[28] = 52;
        narrow[42] = 32;
        narrow[44] = 2;
        narrow[84] = 3;
        narrow[88] = 120;
        narrow[100] = 8;
        narrow[120..128].copy_from_slice(b"/lib/ld\0");
        assert_eq!(of(&narrow).as_deref(), Some("/lib/ld"));
        assert_eq!(of(b"\x7fELF\x02\x01"), None, "torn");
    }
}
