//! Compiles the C++ code, and tells dependents' build scripts where its headers
//! are (`DEP_OVEN_INCLUDE`) and how hot the oven gets (`DEP_OVEN_MAX_CELSIUS`).

use std::path::PathBuf;
use std::{env, fs, io};

const MAX_CELSIUS: u32 = 280;

fn main() -> io::Result<()> {
    // Headers for dependents: ours, and one that is generated.
    let include =
        PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("include");
    fs::create_dir_all(&include)?;
    fs::copy("include/oven.h", include.join("oven.h"))?;
    fs::write(
        include.join("oven_limits.h"),
        format!("#define OVEN_MAX_CELSIUS {MAX_CELSIUS}\n"),
    )?;

    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .include(&include)
        .file("cpp/oven.cpp")
        .compile("oven");

    println!("cargo::rerun-if-changed=cpp");
    println!("cargo::rerun-if-changed=include");
    println!("cargo::metadata=include={}", include.display());
    println!("cargo::metadata=max_celsius={MAX_CELSIUS}");
    Ok(())
}
