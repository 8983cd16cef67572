//! Crates that are hard to build for another machine, each used so that its native code runs.

use std::ffi::{CStr, c_char};

// Only its native library is used.
use bzip2_sys as _;

mod greeting {
    include!(concat!(env!("OUT_DIR"), "/greeting.rs"));
}

#[allow(
    dead_code,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals
)]
mod shape {
    include!(concat!(env!("OUT_DIR"), "/shape.rs"));
}

// What the crates that bring these libraries don't declare.
unsafe extern "C" {
    fn BZ2_bzlibVersion() -> *const c_char;
    fn mi_usable_size(memory: *const std::ffi::c_void) -> usize;
}

fn say(name: &str, value: impl std::fmt::Display) {
    println!("{name}: {value}");
}

fn c_text(text: *const c_char) -> String {
    unsafe { CStr::from_ptr(text) }
        .to_string_lossy()
        .into_owned()
}

fn name_of(kind: u32, size: i32) -> String {
    let it = shape::shape {
        kind: kind as _,
        size: size as _,
    };
    let mut room = [0_u8; 32];
    let length = unsafe { shape::shape_name(&it, room.as_mut_ptr().cast(), room.len() as _) };
    String::from_utf8_lossy(&room[..length as usize]).into_owned()
}

fn main() {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, b"abc");
    say(
        "aws-lc",
        digest
            .as_ref()
            .iter()
            .take(4)
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>(),
    );

    say("bindgen and C++", name_of(2, 7));
    say("a C++ exception", name_of(9, 7));

    say("bzip2", c_text(unsafe { BZ2_bzlibVersion() }));

    let (major, minor, _) = git2::Version::get().libgit2_version();
    say("libgit2", format!("{major}.{minor}"));

    say("mimalloc", {
        let memory = unsafe { libmimalloc_sys::mi_malloc(100) };
        let usable = unsafe { mi_usable_size(memory) };
        unsafe { libmimalloc_sys::mi_free(memory) };
        usable >= 100
    });

    say(
        "oniguruma",
        onig::Regex::new("b+")
            .unwrap()
            .find("abbc")
            .map(|(from, to)| to - from)
            .unwrap(),
    );

    say(
        "openssl",
        openssl::version::version()
            .split(' ')
            .take(1)
            .collect::<String>(),
    );

    let text = greeting::Greeting {
        text: "hello".to_owned(),
        at: None,
    };
    say("protoc", prost::Message::encoded_len(&text));

    say(
        "ring",
        ring::digest::digest(&ring::digest::SHA256, b"abc").as_ref()[0],
    );

    let runtime = rquickjs::Runtime::new().unwrap();
    let answer: i32 = rquickjs::Context::full(&runtime)
        .unwrap()
        .with(|it| it.eval("6 * 7"))
        .unwrap();
    say("quickjs", answer);

    say(
        "sqlite",
        c_text(unsafe { libsqlite3_sys::sqlite3_libversion() }.cast())
            .split('.')
            .count(),
    );

    #[cfg(unix)]
    say("jemalloc", {
        let memory = unsafe { tikv_jemalloc_sys::malloc(100) };
        let usable = unsafe { tikv_jemalloc_sys::malloc_usable_size(memory) };
        unsafe { tikv_jemalloc_sys::free(memory) };
        usable >= 100
    });

    for (name, language, code) in [
        (
            "tree-sitter C++",
            tree_sitter_cpp::LANGUAGE,
            "int main() { return 0; }",
        ),
        ("tree-sitter bash", tree_sitter_bash::LANGUAGE, "echo hello"),
    ] {
        let mut parser = tree_sitter::Parser::new();
        parser.set_language(&language.into()).unwrap();
        say(name, parser.parse(code, None).unwrap().root_node().kind());
    }

    say(
        "zlib-ng",
        c_text(unsafe { libz_ng_sys::zlibVersion() }).contains("zlib-ng") as u8,
    );

    let packed = zstd::encode_all(&[7_u8; 10_000][..], 3).unwrap();
    say("zstd", zstd::decode_all(&packed[..]).unwrap().len());
}
