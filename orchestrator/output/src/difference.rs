//! Where two files differ that should be the same, in the words of their format.

use std::collections::{BTreeMap, BTreeSet};

use object::read::archive::ArchiveFile;
use object::{Object as _, ObjectSection as _};

/// Where two files differ: sections of programs and objects, members of archives and their sections, else the first byte.
/// Nothing where they are the same.
#[must_use]
pub fn differing_places(one: &[u8], other: &[u8]) -> Vec<String> {
    if one == other {
        return Vec::new();
    }
    let places = in_archive(one, other).or_else(|| in_object(one, other)).unwrap_or_default();
    // What lies between sections, or in none.
    if places.is_empty() { vec![whole(one, other)] } else { places }
}

fn in_archive(one: &[u8], other: &[u8]) -> Option<Vec<String>> {
    let (one, other) = (members(one)?, members(other)?);
    let mut places = Vec::new();
    for name in names(&one, &other) {
        match (one.get(name), other.get(name)) {
            (Some(one), Some(other)) => {
                let inside = differing_places(one, other).into_iter();
                places.extend(inside.map(|place| format!("member {name}, {place}")));
            }
            (Some(_), None) => places.push(format!("member {name} is missing")),
            _ => places.push(format!("member {name} is new")),
        }
    }
    Some(places)
}

fn members(bytes: &[u8]) -> Option<BTreeMap<String, &[u8]>> {
    let archive = ArchiveFile::parse(bytes).ok()?;
    let mut members = BTreeMap::new();
    for member in archive.members() {
        let member = member.ok()?;
        members.insert(String::from_utf8_lossy(member.name()).into_owned(), member.data(bytes).ok()?);
    }
    Some(members)
}

fn in_object(one: &[u8], other: &[u8]) -> Option<Vec<String>> {
    let (one, other) = (sections(one)?, sections(other)?);
    let mut places = Vec::new();
    for name in names(&one, &other) {
        let [one, other] = [&one, &other].map(|side| side.get(name).copied().unwrap_or_default());
        if one != other {
            let most = one.len().max(other.len());
            let same = one.iter().zip(other).filter(|(one, other)| one == other).count();
            places.push(format!("section {name}: {} of {most} bytes", most - same));
        }
    }
    Some(places)
}

/// The sizes of a program's or library's sections, in bytes; none of what is neither.
#[must_use]
pub fn section_sizes(bytes: &[u8]) -> BTreeMap<String, u64> {
    let sections = sections(bytes).unwrap_or_default();
    sections.into_iter().map(|(name, data)| (name, data.len() as u64)).filter(|(_, size)| *size > 0).collect()
}

/// The sections of an object; a name that is there more than once has its number.
fn sections(bytes: &[u8]) -> Option<BTreeMap<String, &[u8]>> {
    let file = object::File::parse(bytes).ok()?;
    let mut sections = BTreeMap::new();
    for section in file.sections() {
        let name = section.name().unwrap_or("?").to_owned();
        let name = if sections.contains_key(&name) { format!("{name}#{}", section.index()) } else { name };
        sections.insert(name, section.data().ok()?);
    }
    Some(sections)
}

fn names<'n, T>(one: &'n BTreeMap<String, T>, other: &'n BTreeMap<String, T>) -> BTreeSet<&'n str> {
    one.keys().chain(other.keys()).map(String::as_str).collect()
}

fn whole(one: &[u8], other: &[u8]) -> String {
    let at = one.iter().zip(other).take_while(|(one, other)| one == other).count();
    match (one.len(), other.len()) {
        (size, again) if size == again => format!("byte {at} of {size}"),
        (size, again) => format!("byte {at}, and {size} bytes are {again}"),
    }
}

#[cfg(test)]
mod tests {
    use object::write::Object;
    use object::{Architecture, BinaryFormat, Endianness, SectionKind};

    use super::*;

    fn object(text: &[u8], data: &[u8]) -> Vec<u8> {
        let mut object = Object::new(BinaryFormat::Elf, Architecture::X86_64, Endianness::Little);
        for (name, kind, bytes) in
            [(".text", SectionKind::Text, text), (".rodata", SectionKind::ReadOnlyData, data)]
        {
            let section = object.add_section(Vec::new(), name.as_bytes().to_vec(), kind);
            object.append_section_data(section, bytes, 1);
        }
        object.write().unwrap()
    }

    /// An archive as GNU writes it, of one member.
    fn archive(name: &str, bytes: &[u8]) -> Vec<u8> {
        let mut archive = b"!<arch>\n".to_vec();
        archive.extend(
            format!("{:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", format!("{name}/"), 0, 0, 0, 644, bytes.len())
                .bytes(),
        );
        archive.extend(bytes);
        archive
    }

    #[test]
    fn sections_are_named_and_so_are_members_that_have_them() {
        let (one, other) = (object(b"code", b"1980"), object(b"code", b"1986"));
        assert_eq!(differing_places(&one, &one), [] as [&str; 0]);
        assert_eq!(differing_places(&one, &other), ["section .rodata: 1 of 4 bytes"]);
        let places = differing_places(&archive("a.o", &one), &archive("a.o", &other));
        assert_eq!(places, ["member a.o, section .rodata: 1 of 4 bytes"]);
        let places = differing_places(&archive("a.o", &one), &archive("b.o", &one));
        assert_eq!(places, ["member a.o is missing", "member b.o is new"]);
    }

    #[test]
    fn of_other_files_the_first_byte_is_told() {
        assert_eq!(differing_places(b"at 10:00", b"at 10:01"), ["byte 7 of 8"]);
        assert_eq!(differing_places(b"at 9", b"at 10"), ["byte 3, and 4 bytes are 5"]);
    }
}
