//! The data that is built into the binary: targets and toolchains, which a project overrides under `.xbuild/`, and
//! templates of new projects.

/// Every file of `targets/`, by triple.
pub(crate) const TARGETS: &[(&str, &str)] = &[
    ("aarch64-unknown-linux-gnu", include_str!("../../../targets/aarch64-unknown-linux-gnu.toml")),
    ("aarch64-unknown-linux-musl", include_str!("../../../targets/aarch64-unknown-linux-musl.toml")),
    ("armv7-unknown-linux-gnueabihf", include_str!("../../../targets/armv7-unknown-linux-gnueabihf.toml")),
    ("x86_64-pc-windows-gnu", include_str!("../../../targets/x86_64-pc-windows-gnu.toml")),
    ("x86_64-unknown-linux-gnu", include_str!("../../../targets/x86_64-unknown-linux-gnu.toml")),
    ("x86_64-unknown-linux-musl", include_str!("../../../targets/x86_64-unknown-linux-musl.toml")),
];

/// `native.toml`.
pub(crate) const NATIVE: &str = include_str!("../../../native.toml");

/// `toolchains.toml`.
pub(crate) const TOOLCHAINS: &str = include_str!("../../../toolchains.toml");

/// What `xbuild init` writes in a project that is there already.
pub(crate) const DESCRIPTION: &str = include_str!("../../../templates/xbuild.toml");

/// The files of a folder of `templates/`: path and text of each.
macro_rules! template {
    ($name:literal: $($file:literal)*) => {
        ($name, &[$(($file, include_str!(concat!("../../../templates/", $name, "/", $file)))),*])
    };
}

/// A new project's files, by their paths.
pub(crate) type Template = (&'static str, &'static [(&'static str, &'static str)]);

/// Every folder of `templates/`, by name.
pub(crate) const TEMPLATES: &[Template] = &[
    template!("application": "Cargo.lock" "Cargo.toml" "gitignore" "src/main.rs" "xbuild.toml"),
    template!("c-library": "Cargo.lock" "Cargo.toml" "build.rs" "gitignore" "native/checksum.c" "native/checksum.h"
        "src/lib.rs" "xbuild.toml"),
    template!("service": "Cargo.lock" "Cargo.toml" "gitignore" "src/main.rs" "xbuild.toml"),
    template!("workspace": "Cargo.lock" "Cargo.toml" "crates/cli/Cargo.toml" "crates/cli/src/main.rs"
        "crates/core/Cargo.toml" "crates/core/src/lib.rs" "gitignore" "xbuild.toml"),
];
