//! What build scripts of applications do: protoc, libclang and a C++ compiler, for the target.

use std::path::PathBuf;

fn main() {
    println!("cargo::rerun-if-changed=proto");
    println!("cargo::rerun-if-changed=native");
    prost_build::compile_protos(&["proto/greeting.proto"], &["proto"]).unwrap();
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap());
    let bindings = bindgen::Builder::default()
        .header("native/shape.h")
        .generate()
        .unwrap();
    bindings.write_to_file(out.join("shape.rs")).unwrap();
    cc::Build::new()
        .cpp(true)
        .file("native/shape.cpp")
        .compile("shape");
}
