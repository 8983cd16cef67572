//! Fixed-output sources and toolchains: the only network
