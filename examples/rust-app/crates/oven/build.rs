//! The middle of the chain: compiles C against the headers that oven-sys's
//! build script left, and passes the oven's limit on to its own dependents.

use std::env;

fn main() {
    let from_oven_sys = |key: &str| {
        let name = format!("DEP_OVEN_{key}");
        env::var(&name).unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    let max_celsius = from_oven_sys("MAX_CELSIUS");

    cc::Build::new()
        .include(from_oven_sys("INCLUDE"))
        .file("c/control.c")
        .compile("oven_control");

    println!("cargo::rerun-if-changed=c");
    println!("cargo::rustc-env=OVEN_MAX_CELSIUS={max_celsius}");
    println!("cargo::metadata=max_celsius={max_celsius}");
}
