//! The projects that are built.

use crate::project::{Bump, Origin, Project, Release};
use crate::synthetic;

/// Two releases of a crate, each with its version and its archive's checksum.
const fn bump(name: &'static str, from: [&'static str; 2], to: [&'static str; 2]) -> Bump {
    Bump {
        from: Release { name, version: from[0], checksum: from[1] },
        to: Release { name, version: to[0], checksum: to[1] },
    }
}

/// The repository's example.
pub(crate) const EXAMPLE: Project = Project {
    name: "examples/rust-app",
    folder: "examples/rust-app",
    leaf: "crates/foo/src/main.rs",
    origin: Origin::Repository(&["examples/rust-app", "examples/glaze"]),
    is_restless: false,
    bumps: &[],
};

/// A program that people know, unmodified.
pub(crate) const RIPGREP: Project = Project {
    name: "ripgrep 14.1.1",
    folder: "ripgrep",
    leaf: "crates/core/main.rs",
    origin: Origin::Crate(Release {
        name: "ripgrep",
        version: "14.1.1",
        checksum: "f77b8032dc584527975f34aa5a897d0ef5a785573fda778771a614ff9da501d9",
    }),
    is_restless: false,
    bumps: &[
        bump(
            "bstr",
            ["1.10.0", "40723b8fb387abc38f4f4a37c09073622e41dd12327033091ef8950659e6dc0c"],
            ["1.11.0", "1a68f1f47cdf0ec8ee4b941b2eee2a80cb796db73118c0dd09ac63fbe405be22"],
        ),
        bump(
            "cc",
            ["1.1.18", "b62ac837cdb5cb22e10a256099b4fc502b1dfe560cb282963a974d7abd80e476"],
            ["1.1.19", "2d74707dde2ba56f86ae90effb3b43ddd369504387e718014de010cec7959800"],
        ),
        bump(
            "crossbeam-deque",
            ["0.8.5", "613f8cc01fe9cf1a3eb3d7f488fd2fa8388403e97039e2f73692932e291a770d"],
            ["0.8.6", "9dd111b7b7f7d55b72c0a6ae361660ee5853c9af73f70c3c2ef6858b950e2e51"],
        ),
        bump(
            "globset",
            ["0.4.15", "15f1ce686646e7f1e19bf7d5533fe443a45dbfb990e00629110797578b42fb19"],
            ["0.4.16", "54a1028dfc5f5df5da8a56a73e6c153c9a9708ec57232470703592a3f18e49f5"],
        ),
        bump(
            "serde_json",
            ["1.0.128", "6ff5456707a1de34e7e37f2a6fd3d3f808c318259cbd01ab6377795054b483d8"],
            ["1.0.129", "6dbcf9b78a125ee667ae19388837dd12294b858d101fdd393cb9d5501ef09eb2"],
        ),
        bump(
            "walkdir",
            ["2.5.0", "29790946404f91d9c5d06f9874efddea1dc06c5efe94541a7d6863108e3a5e4b"],
            ["2.5.1", "b42e295b7452c4604982280d8586001fcad9b8b201cac67bca9771e7a7475403"],
        ),
    ],
};

/// A larger one, with C libraries and full link-time optimisation.
pub(crate) const BAT: Project = Project {
    name: "bat 0.26.1",
    folder: "bat",
    leaf: "src/bin/bat/main.rs",
    origin: Origin::Crate(Release {
        name: "bat",
        version: "0.26.1",
        checksum: "cf66d0164db6827afe1694b8d4939f36a5507b7186f8d3cc529c66baf03b0d09",
    }),
    is_restless: false,
    bumps: &[],
};

/// A large one, with full link-time optimisation.
pub(crate) const STARSHIP: Project = Project {
    name: "starship 1.27.0",
    folder: "starship",
    leaf: "src/main.rs",
    origin: Origin::Crate(Release {
        name: "starship",
        version: "1.27.0",
        checksum: "34cf67d88d9f637a5e235f11e2cd3678350e20fa840cf2559fc72c4e025cb8a9",
    }),
    is_restless: true,
    bumps: &[],
};

/// As little as can be built: it shows that the benchmark works.
pub(crate) const SAMPLE: Project = Project {
    name: "a sample of debug builds, whose figures say nothing",
    folder: "sample",
    leaf: "src/main.rs",
    origin: Origin::Files(&[
        (
            "Cargo.toml",
            "[package]\nname = \"sample\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[workspace]\n",
        ),
        ("Cargo.lock", "version = 4\n\n[[package]]\nname = \"sample\"\nversion = \"0.1.0\"\n"),
        ("src/main.rs", "fn main() {\n    println!(\"sample\");\n}\n"),
    ]),
    is_restless: false,
    bumps: &[],
};

/// As little as has a dependency in the middle.
pub(crate) const BUMPED: Project = Project {
    name: "a sample of debug builds, whose figures say nothing",
    folder: "bumped",
    leaf: "src/main.rs",
    origin: Origin::Files(&[
        (
            "Cargo.toml",
            "[package]\nname = \"bumped\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[dependencies]\n\
             aho-corasick = \"1.1.3\"\n\n[workspace]\n",
        ),
        (
            "Cargo.lock",
            "version = 4\n\n[[package]]\nname = \"aho-corasick\"\nversion = \"1.1.3\"\n\
             source = \"registry+https://github.com/rust-lang/crates.io-index\"\n\
             checksum = \"8e60d3430d3a69478ad0993f19238d2df97c507009a52b3c10addcd7f6bcb916\"\n\
             dependencies = [\n \"memchr\",\n]\n\n\
             [[package]]\nname = \"bumped\"\nversion = \"0.1.0\"\ndependencies = [\n \"aho-corasick\",\n]\n\n\
             [[package]]\nname = \"memchr\"\nversion = \"2.7.4\"\n\
             source = \"registry+https://github.com/rust-lang/crates.io-index\"\n\
             checksum = \"78ca9ab1a0babb1e7d5695e3530886289c18cf2f87ec19a575a0abdce112e3a3\"\n",
        ),
        (
            "src/main.rs",
            "fn main() {\n    println!(\"{}\", aho_corasick::AhoCorasick::new([\"a\"]).is_ok());\n}\n",
        ),
    ]),
    is_restless: false,
    bumps: &[bump(
        "aho-corasick",
        ["1.1.3", "8e60d3430d3a69478ad0993f19238d2df97c507009a52b3c10addcd7f6bcb916"],
        ["1.1.4", "ddd31a130427c27518df266943a5308ed92d4b226cc639f5a8f1002816174301"],
    )],
};

/// With files of each kind that no program is made of, and two variants.
pub(crate) const COUNTED: Project = Project {
    name: "a project for counting",
    folder: "counted",
    leaf: "src/main.rs",
    origin: Origin::Files(&[
        (
            "Cargo.toml",
            "[package]\nname = \"counted\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[features]\n\
             more = [\"changed/more\"]\n\n[dependencies]\nchanged = { path = \"changed\" }\n\
             same = { path = \"same\" }\n\n[[bench]]\nname = \"bench\"\nharness = false\n\n\
             [workspace]\nmembers = [\"changed\", \"same\"]\n",
        ),
        (
            "Cargo.lock",
            "version = 4\n\n[[package]]\nname = \"changed\"\nversion = \"0.1.0\"\n\n\
             [[package]]\nname = \"counted\"\nversion = \"0.1.0\"\ndependencies = [\n \"changed\",\n \"same\",\n]\n\n\
             [[package]]\nname = \"same\"\nversion = \"0.1.0\"\n",
        ),
        ("xbuild.toml", "[build]\npackages = [\"counted\"]\n\n[variant.more]\nfeatures = [\"more\"]\n"),
        (
            "build.rs",
            "fn main() {\n    let words = std::fs::read_to_string(\"data/words.txt\").unwrap();\n    \
             println!(\"cargo::rustc-env=WORDS={}\", words.trim());\n}\n",
        ),
        ("data/words.txt", "words\n"),
        ("data/notes.txt", "Notes.\n"),
        ("README.md", "# Counted\n"),
        ("src/lib.rs", "pub const WORDS: &str = env!(\"WORDS\");\n"),
        (
            "src/main.rs",
            "fn main() {\n    println!(\"{} {} {}\", counted::WORDS, changed::more(), same::same());\n}\n",
        ),
        ("tests/test.rs", "#[test]\nfn it_works() {}\n"),
        ("benches/bench.rs", "fn main() {}\n"),
        ("examples/example.rs", "fn main() {}\n"),
        (
            "changed/Cargo.toml",
            "[package]\nname = \"changed\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[features]\nmore = []\n",
        ),
        ("changed/src/lib.rs", "pub fn more() -> bool {\n    cfg!(feature = \"more\")\n}\n"),
        ("same/Cargo.toml", "[package]\nname = \"same\"\nversion = \"0.1.0\"\nedition = \"2024\"\n"),
        ("same/src/lib.rs", "pub fn same() -> bool {\n    true\n}\n"),
    ]),
    is_restless: false,
    bumps: &[],
};

/// A synthetic workspace of so many units for each target.
pub(crate) const fn synthetic(units: usize) -> Project {
    Project {
        name: "a synthetic workspace",
        folder: "synthetic",
        leaf: synthetic::LEAF,
        origin: Origin::Synthetic(units),
        is_restless: false,
        bumps: &[],
    }
}
