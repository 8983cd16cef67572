//! The data that is built into the binary: targets and toolchains. A project overrides them under `.xbuild/`.

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
