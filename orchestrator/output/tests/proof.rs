//! Proofs of real linked files: ELF ones from the C compiler that Rust links with, PE ones and archives written here.

use std::path::PathBuf;
use std::process::Command;

use object::write::{Object, pe};
use object::{Architecture, BinaryFormat, Endianness};
use tempfile::TempDir;
use xbuild_action::{ContentExt as _, File};
use xbuild_output::{Expectation, Form, Format, Linking, OutputError, Violation, prove, prove_stored};
use xbuild_store::Disk;

const HELLO: &str = "#include <stdio.h>\nint main(void) { puts(\"hello\"); return 0; }\n";
/// glibc has it since 2.30, on every machine.
const GETTID: &str = "int gettid(void);\nint main(void) { return gettid() == 0; }\n";

struct Compiler(TempDir);

impl Compiler {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn link(&self, source: &str, flags: &[&str]) -> Vec<u8> {
        let (from, to): (PathBuf, PathBuf) = (self.0.path().join("a.c"), self.0.path().join("a"));
        fs_err::write(&from, source).unwrap();
        let status = Command::new("cc").args(flags).arg("-o").args([&to, &from]).status().unwrap();
        assert!(status.success(), "cc {flags:?}");
        fs_err::read(to).unwrap()
    }
}

fn dynamic() -> Expectation {
    Expectation {
        format: Format::Elf,
        machine: std::env::consts::ARCH.to_owned(),
        static_link: false,
        libraries: vec!["libc.so.6".to_owned()],
        glibc: None,
    }
}

fn fully_static() -> Expectation {
    Expectation { static_link: true, libraries: Vec::new(), ..dynamic() }
}

fn windows() -> Expectation {
    Expectation {
        format: Format::Pe,
        machine: "x86_64".to_owned(),
        static_link: false,
        libraries: vec!["kernel32.dll".to_owned(), "api-ms-win-*.dll".to_owned()],
        glibc: None,
    }
}

#[test]
fn a_static_program_passes_where_it_must_be_static() {
    let compiler = Compiler::new();
    for flag in ["-static", "-static-pie"] {
        let proof = prove(&*compiler.link(HELLO, &[flag]), &fully_static()).unwrap();
        assert_eq!((proof.form, proof.linking), (Form::Program, Some(Linking::Static)), "{flag}");
        assert_eq!(proof.violations, [], "{flag}");
    }
}

#[test]
fn a_dynamic_program_does_not() {
    let proof = prove(&*Compiler::new().link(HELLO, &[]), &fully_static()).unwrap();
    let [Violation::NotStatic { interpreter: Some(interpreter), libraries }] = &*proof.violations else {
        panic!("{proof}")
    };
    assert!(interpreter.contains("ld-linux"), "{interpreter}");
    assert_eq!(*libraries, ["libc.so.6"]);

    let error = proof.accept("default/x86_64-unknown-linux-musl/bin/foo").unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("`default/x86_64-unknown-linux-musl/bin/foo` would not run"), "{text}");
    assert!(text.contains("it needs libc.so.6"), "{text}");
    assert!(error.help().is_some());
}

#[test]
fn a_dynamic_program_passes_with_the_libraries_that_its_target_lists() {
    let compiler = Compiler::new();
    let bytes = compiler.link(HELLO, &[]);
    let proof = prove(&*bytes, &dynamic()).unwrap();
    assert_eq!((proof.form, proof.linking), (Form::Program, Some(Linking::Dynamic)));
    assert_eq!((&*proof.libraries, &*proof.violations), (&["libc.so.6".to_owned()][..], &[][..]));
    assert!(proof.glibc.is_some());

    let none = Expectation { libraries: Vec::new(), ..dynamic() };
    let violations = prove(&*bytes, &none).unwrap().violations;
    assert_eq!(violations, [Violation::Library { name: "libc.so.6".to_owned() }]);
}

#[test]
fn a_shared_library_has_no_interpreter() {
    let library = "#include <stdio.h>\nvoid hello(void) { puts(\"hello\"); }\n";
    let proof = prove(&*Compiler::new().link(library, &["-shared", "-fPIC"]), &dynamic()).unwrap();
    assert_eq!((proof.form, proof.interpreter.as_deref()), (Form::Shared, None));
    assert_eq!(proof.violations, []);
}

#[test]
fn what_is_newer_than_the_glibc_floor_is_named() {
    let bytes = Compiler::new().link(GETTID, &[]);
    let floor = |glibc| prove(&*bytes, &Expectation { glibc: Some(glibc), ..dynamic() }).unwrap().violations;
    let [Violation::GlibcTooNew { floor: (2, 29), needed, symbols }] = &*floor((2, 29)) else { panic!() };
    assert!(*needed >= (2, 30));
    assert!(symbols.contains(&"gettid@GLIBC_2.30".to_owned()), "{symbols:?}");
    assert_eq!(floor((2, 9999)), []);
}

#[test]
fn a_version_that_only_weak_references_need_does_not_count() {
    use object::read::elf::{FileHeader as _, SectionHeader as _};
    let mut bytes = Compiler::new().link(GETTID, &[]);
    let header = object::elf::FileHeader64::<Endianness>::parse(&*bytes).unwrap();
    let endian = header.endian().unwrap();
    let sections = header.sections(endian, &*bytes).unwrap();
    let section = sections.iter().find(|s| s.sh_type(endian) == object::elf::SHT_GNU_VERNEED).unwrap();
    let strings = sections.strings(endian, &*bytes, section.link(endian)).unwrap();
    let start = usize::try_from(section.sh_offset(endian)).unwrap();
    let (mut libraries, mut flags) = (section.gnu_verneed(endian, &*bytes).unwrap().unwrap().0, None);
    let mut library_at = start;
    while let Some((library, mut versions)) = libraries.next().unwrap() {
        let mut version_at = library_at + library.vn_aux.get(endian) as usize;
        while let Some(version) = versions.next().unwrap() {
            if version.name(endian, strings).unwrap() == b"GLIBC_2.30" {
                flags = Some(version_at + 4);
            }
            version_at += version.vna_next.get(endian) as usize;
        }
        library_at += library.vn_next.get(endian) as usize;
    }
    // VER_FLG_WEAK, in whatever order of bytes: the other one is 0.
    let flags = flags.unwrap();
    bytes[flags..flags + 2].copy_from_slice(&2_u16.to_ne_bytes());

    let floor = Expectation { glibc: Some((2, 29)), ..dynamic() };
    let proof = prove(&*bytes, &floor).unwrap();
    let named = proof.violations.iter().any(|violation| violation.to_string().contains("gettid"));
    assert!(!named, "{proof}");
}

#[test]
fn search_paths_are_refused_one_by_one() {
    let flags = ["-Wl,-rpath,/opt/one:/opt/two", "-Wl,--enable-new-dtags"];
    let proof = prove(&*Compiler::new().link(HELLO, &flags), &dynamic()).unwrap();
    let path = |path: &str| Violation::SearchPath { path: path.to_owned() };
    assert_eq!(proof.violations, [path("/opt/one"), path("/opt/two")]);
}

#[test]
fn an_interpreter_in_a_strange_place_is_refused() {
    let flags = ["-Wl,--dynamic-linker=/opt/lib/ld.so"];
    let proof = prove(&*Compiler::new().link(HELLO, &flags), &dynamic()).unwrap();
    assert_eq!(proof.violations, [Violation::Interpreter { path: "/opt/lib/ld.so".to_owned() }]);
}

#[test]
fn another_machine_or_format_is_refused() {
    let bytes = Compiler::new().link(HELLO, &[]);
    let other = Expectation { machine: "s390x".to_owned(), ..dynamic() };
    let [Violation::Machine { found, expected, members }] = &*prove(&*bytes, &other).unwrap().violations
    else {
        panic!()
    };
    assert_eq!((&**found, &**expected, members.len()), (std::env::consts::ARCH, "s390x", 0));

    let violations = prove(&*bytes, &windows()).unwrap().violations;
    assert!(violations.contains(&Violation::Format { found: Format::Elf, expected: Format::Pe }));
}

#[test]
fn a_file_that_hides_what_it_needs_is_unreadable() {
    let mut bytes = Compiler::new().link(HELLO, &[]);
    // Without section headers (e_shoff, then e_shnum and e_shstrndx) it runs as before.
    bytes[40..48].fill(0);
    bytes[60..64].fill(0);
    let error = prove(&*bytes, &fully_static()).unwrap_err();
    assert!(matches!(&error, OutputError::Unreadable { problem } if problem.contains("stripped")), "{error}");
}

#[test]
fn damaged_files_are_errors_and_never_worse() {
    let bytes = Compiler::new().link(HELLO, &[]);
    for length in (0..bytes.len()).step_by(97) {
        let _ = prove(&bytes[..length], &dynamic());
    }
    for file in [&b""[..], b"#!/bin/sh\nexit 0\n", b"MZ", b"\x7fELF", b"!<arch>\n"] {
        let error = prove(file, &dynamic()).unwrap_err();
        assert!(matches!(error, OutputError::Unreadable { .. }), "{file:?}");
    }
}

#[test]
fn a_stored_file_is_read_from_where_it_is() {
    let bytes = Compiler::new().link(HELLO, &["-Wl,-rpath,/opt"]);
    let folder = tempfile::tempdir().unwrap();
    let store = Disk::open(&folder.path().join("store"), None).unwrap();
    let file = File { digest: store.put(&bytes).unwrap(), executable: true };
    assert_eq!(prove_stored(&store, file, &dynamic()).unwrap(), prove(&*bytes, &dynamic()).unwrap());
}

#[test]
fn a_proof_is_shown_and_survives_json() {
    let proof = prove(&*Compiler::new().link(HELLO, &["-Wl,-rpath,/opt"]), &dynamic()).unwrap();
    let shown = proof.to_string();
    for part in
        ["format      ELF program", "\nlinking     dynamic, by /lib", "\nlibraries   libc.so.6\n", "VIOLATED"]
    {
        assert!(shown.contains(part), "{part:?} in:\n{shown}");
    }
    let json = serde_json::to_string(&proof).unwrap();
    assert_eq!(serde_json::from_str::<xbuild_output::Proof>(&json).unwrap(), proof);
}

/// A PE file that imports `at_once` at load and `delayed` at the first call.
fn pe_file(machine: object::pe::Machine, at_once: &[&str], delayed: &[&str]) -> Vec<u8> {
    const IMPORT: u32 = 20;
    const DELAYED: u32 = 32;
    let mut bytes = Vec::new();
    let mut writer = pe::Writer::new(true, 0x1000, 0x200, &mut bytes);
    writer.reserve_dos_header();
    writer.reserve_nt_headers(16);
    writer.reserve_section_headers(1);

    // Descriptors, each list ended by a null one, then names. All addresses are relative to the section's.
    let delayed_at = IMPORT * (at_once.len() as u32 + 1);
    let names_at = delayed_at + DELAYED * (delayed.len() as u32 + 1);
    let mut names = Vec::new();
    let mut name = |text: &str| {
        let at = names_at + names.len() as u32;
        names.extend(text.as_bytes());
        names.push(0);
        at
    };
    let places: Vec<u32> = at_once.iter().chain(delayed).map(|text| name(text)).collect();
    let size = names_at + names.len() as u32;
    let range = writer.reserve_idata_section(size);
    let base = range.virtual_address;
    writer.set_data_directory(object::pe::IMAGE_DIRECTORY_ENTRY_IMPORT, base, delayed_at);
    if !delayed.is_empty() {
        let at = base + delayed_at;
        writer.set_data_directory(object::pe::IMAGE_DIRECTORY_ENTRY_DELAY_IMPORT, at, names_at - delayed_at);
    }

    let (mut data, mut places) = (Vec::new(), places.into_iter().map(|at| base + at));
    let mut words = |words: &[u32]| words.iter().for_each(|word| data.extend(word.to_le_bytes()));
    for _ in at_once {
        words(&[base, 0, 0, places.next().unwrap(), base]);
    }
    words(&[0; 5]);
    for _ in delayed {
        words(&[1, places.next().unwrap(), base, base, base, 0, 0, 0]);
    }
    words(&[0; 8]);
    data.extend(names);
    assert_eq!(data.len(), size as usize);

    writer.write_empty_dos_header().unwrap();
    writer.write_nt_headers(pe::NtHeaders {
        machine,
        time_date_stamp: 7,
        characteristics: object::pe::IMAGE_FILE_EXECUTABLE_IMAGE,
        major_linker_version: 14,
        minor_linker_version: 0,
        address_of_entry_point: base,
        image_base: 0x1_4000_0000,
        major_operating_system_version: 6,
        minor_operating_system_version: 0,
        major_image_version: 0,
        minor_image_version: 0,
        major_subsystem_version: 6,
        minor_subsystem_version: 0,
        subsystem: object::pe::IMAGE_SUBSYSTEM_WINDOWS_CUI,
        dll_characteristics: Default::default(),
        size_of_stack_reserve: 0,
        size_of_stack_commit: 0,
        size_of_heap_reserve: 0,
        size_of_heap_commit: 0,
    });
    writer.write_section_headers();
    writer.write_section(range.file_offset, &data);
    bytes
}

#[test]
fn a_windows_program_may_import_what_is_part_of_windows() {
    let bytes = pe_file(
        object::pe::IMAGE_FILE_MACHINE_AMD64,
        &["KERNEL32.dll", "api-ms-win-core-synch-l1-2-0.dll"],
        &[],
    );
    let proof = prove(&*bytes, &windows()).unwrap();
    assert_eq!((proof.form, proof.machine.as_str(), proof.time_stamp), (Form::Program, "x86_64", Some(7)));
    assert_eq!(proof.libraries, ["KERNEL32.dll", "api-ms-win-core-synch-l1-2-0.dll"]);
    assert_eq!(proof.violations, []);
}

#[test]
fn other_dlls_are_refused_delayed_ones_too() {
    let bytes =
        pe_file(object::pe::IMAGE_FILE_MACHINE_AMD64, &["kernel32.dll", "libstdc++-6.dll"], &["zlib1.dll"]);
    let dll = |name: &str| Violation::Dll { name: name.to_owned() };
    assert_eq!(prove(&*bytes, &windows()).unwrap().violations, [dll("libstdc++-6.dll"), dll("zlib1.dll")]);
    let bytes = pe_file(object::pe::IMAGE_FILE_MACHINE_ARM64, &["kernel32.dll"], &[]);
    assert!(matches!(&*prove(&*bytes, &windows()).unwrap().violations, [Violation::Machine { .. }]));
}

fn member(format: BinaryFormat, architecture: Architecture) -> Vec<u8> {
    Object::new(format, architecture, object::Endianness::Little).write().unwrap()
}

/// A Unix archive of these members.
fn archive(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = b"!<arch>\n".to_vec();
    for (name, content) in members {
        let name = format!("{name}/");
        bytes.extend(
            format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, 644, content.len()).as_bytes(),
        );
        bytes.extend(content);
        bytes.resize(bytes.len().next_multiple_of(2), b'\n');
    }
    bytes
}

#[test]
fn only_the_machine_of_a_static_library_counts() {
    let object = |architecture| member(BinaryFormat::Elf, architecture);
    let expected = Expectation { machine: "aarch64".to_owned(), ..fully_static() };
    let good = archive(&[
        ("a.o", object(Architecture::Aarch64)),
        ("b.o", object(Architecture::Aarch64)),
        ("notes.txt", b"no object file, and of no machine".to_vec()),
    ]);
    let proof = prove(&*good, &expected).unwrap();
    assert_eq!((proof.form, proof.linking, &*proof.machine), (Form::Archive, None, "aarch64"));
    assert_eq!(proof.violations, []);

    let mixed = archive(&[("a.o", object(Architecture::Aarch64)), ("b.o", object(Architecture::X86_64))]);
    let violations = prove(&*mixed, &expected).unwrap().violations;
    let [Violation::Machine { found, members, .. }] = &*violations else { panic!("{violations:?}") };
    assert_eq!((&**found, &members[..]), ("aarch64 and x86_64", &["b.o".to_owned()][..]));
}

#[test]
fn a_static_library_for_windows_holds_coff() {
    let object = member(BinaryFormat::Coff, Architecture::X86_64);
    let proof = prove(&*archive(&[("a.obj", object.clone())]), &windows()).unwrap();
    assert_eq!((proof.format, proof.form, &*proof.violations), (Format::Pe, Form::Archive, &[][..]));

    let both = archive(&[("a.obj", object), ("b.o", member(BinaryFormat::Elf, Architecture::X86_64))]);
    assert!(matches!(prove(&*both, &windows()), Err(OutputError::Unreadable { .. })));
    let none = archive(&[("readme", b"just a file that is no object".to_vec())]);
    assert!(matches!(prove(&*none, &windows()), Err(OutputError::Unreadable { .. })));
}
