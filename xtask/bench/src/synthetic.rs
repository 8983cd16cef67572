//! Workspaces of any number of units: tiny crates that need each other, the same for each size.
//!
//! Crates come in families. One needs up to three of the latest of its own family and one of the first family,
//! which all others build on, as projects do with their helpers. So a crate has some dozens of crates below it, and
//! not more of them in a larger workspace; the program on top needs whatever nobody else does. Every tenth crate has
//! a build script that writes a file, every twentieth is a derive macro.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use crate::error::Error;
use crate::project::write;
use crate::random::Random;

/// The program's file.
pub(crate) const LEAF: &str = "crates/app/src/main.rs";

/// So many crates are a family.
const FAMILY: usize = 40;

/// A crate needs some of so many of its family that come before it.
const NEAR: usize = 12;

const SEED: u64 = 0x9E37_79B9_7F4A_7C15;

/// What a crate is, and so of how many units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Library,
    /// A library with a build script: the script's compilation, its run, and the library.
    Scripted,
    Macro,
}

impl Kind {
    const fn of(index: usize) -> Self {
        match index % 20 {
            7 => Self::Macro,
            3 | 13 => Self::Scripted,
            _ => Self::Library,
        }
    }

    const fn units(self) -> usize {
        match self {
            Self::Library | Self::Macro => 1,
            Self::Scripted => 3,
        }
    }
}

/// A crate, and the crates that it needs, by their numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Crate {
    kind: Kind,
    needs: BTreeSet<usize>,
}

/// Writes a workspace of so many units for one target (at least 2) to a folder.
pub(crate) fn generate(folder: &Path, units: usize) -> Result<(), Error> {
    let crates = crates(units.saturating_sub(1));
    let needed: BTreeSet<usize> = crates.iter().flat_map(|one| one.needs.iter().copied()).collect();
    let tops: BTreeSet<usize> = (0..crates.len()).filter(|index| !needed.contains(index)).collect();
    let put = |path: &str, text: &str| write(&folder.join(path), text.as_bytes());

    put(
        "Cargo.toml",
        "[workspace]\nresolver = \"3\"\nmembers = [\"crates/*\"]\ndefault-members = [\"crates/app\"]\n",
    )?;
    put("crates/app/Cargo.toml", &manifest("app", "", &tops))?;
    put(LEAF, &program(&crates, &tops))?;
    let mut lock = String::from("version = 4\n");
    add_locked(&mut lock, "app", &tops);
    for (index, one) in crates.iter().enumerate() {
        let name = name(index);
        let at = |path: &str| format!("crates/{name}/{path}");
        let table = if one.kind == Kind::Macro { "\n[lib]\nproc-macro = true\n" } else { "" };
        put(&at("Cargo.toml"), &manifest(&name, table, &one.needs))?;
        put(&at("src/lib.rs"), &library(&crates, index))?;
        if one.kind == Kind::Scripted {
            put(&at("build.rs"), SCRIPT)?;
        }
        add_locked(&mut lock, &name, &one.needs);
    }
    put("Cargo.lock", &lock)
}

fn crates(mut units: usize) -> Vec<Crate> {
    let mut random = Random::new(SEED);
    let mut crates: Vec<Crate> = Vec::new();
    while units > 0 {
        let index = crates.len();
        let kind = Some(Kind::of(index)).filter(|kind| kind.units() <= units).unwrap_or(Kind::Library);
        units -= kind.units();
        let mut needs = BTreeSet::new();
        if kind != Kind::Macro {
            let family = index / FAMILY * FAMILY;
            let near = family.max(index.saturating_sub(NEAR))..index;
            if !near.is_empty() {
                needs.extend((0..3).map(|_| near.start + random.below(near.len())));
            }
            if family > 0 {
                needs.insert(random.below(FAMILY));
            }
        }
        crates.push(Crate { kind, needs });
    }
    crates
}

fn name(index: usize) -> String {
    format!("c{index:05}")
}

fn manifest(name: &str, table: &str, needs: &BTreeSet<usize>) -> String {
    let mut text = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n{table}\n[dependencies]\n"
    );
    for &index in needs {
        let name = self::name(index);
        let _ = writeln!(text, "{name} = {{ path = \"../{name}\" }}");
    }
    text
}

fn add_locked(lock: &mut String, name: &str, needs: &BTreeSet<usize>) {
    let _ = write!(lock, "\n[[package]]\nname = \"{name}\"\nversion = \"0.1.0\"\n");
    if !needs.is_empty() {
        let names: String = needs.iter().map(|&index| format!(" \"{}\",\n", self::name(index))).collect();
        let _ = write!(lock, "dependencies = [\n{names}]\n");
    }
}

const SCRIPT: &str = "\
fn main() {
    println!(\"cargo::rerun-if-changed=build.rs\");
    let folder = std::env::var_os(\"OUT_DIR\").unwrap();
    std::fs::write(std::path::Path::new(&folder).join(\"number.rs\"), \"5_u64\").unwrap();
}
";

fn library(crates: &[Crate], index: usize) -> String {
    let Crate { kind, needs } = &crates[index];
    if *kind == Kind::Macro {
        return "use proc_macro::TokenStream;\n\n#[proc_macro_derive(Mark)]\npub fn mark(_: TokenStream) -> \
                TokenStream {\n    TokenStream::new()\n}\n"
            .to_owned();
    }
    let number = match kind {
        Kind::Scripted => "include!(concat!(env!(\"OUT_DIR\"), \"/number.rs\"))".to_owned(),
        Kind::Library | Kind::Macro => format!("{index}_u64"),
    };
    let mut text = String::new();
    for &index in needs.iter().filter(|&&index| crates[index].kind == Kind::Macro) {
        let _ = write!(text, "#[derive({}::Mark)]\npub struct Marked{index};\n\n", name(index));
    }
    let _ = writeln!(text, "pub fn value() -> u64 {{\n    let mut value = {number};");
    add_values(&mut text, crates, needs);
    text + "    value\n}\n"
}

fn program(crates: &[Crate], tops: &BTreeSet<usize>) -> String {
    let mut text = String::from("fn main() {\n    let mut value = 1_u64;\n");
    add_values(&mut text, crates, tops);
    text + "    println!(\"{value}\");\n}\n"
}

fn add_values(text: &mut String, crates: &[Crate], needs: &BTreeSet<usize>) {
    for &index in needs.iter().filter(|&&index| crates[index].kind != Kind::Macro) {
        let _ = writeln!(text, "    value = value.rotate_left(3) ^ {}::value();", name(index));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workspace_has_just_so_many_units() {
        for units in [1, 2, 3, 99, 499, 4999] {
            let crates = crates(units);
            assert_eq!(crates.iter().map(|one| one.kind.units()).sum::<usize>(), units);
        }
    }

    #[test]
    fn crates_need_only_crates_before_them_and_no_more_of_them_in_a_larger_workspace() {
        let crates = crates(2000);
        let mut below: Vec<BTreeSet<usize>> = Vec::new();
        for (index, one) in crates.iter().enumerate() {
            assert!(one.needs.iter().all(|need| *need < index) && one.needs.len() <= 4);
            below
                .push(one.needs.iter().flat_map(|&need| below[need].iter().copied().chain([need])).collect());
        }
        assert!(below.iter().all(|below| below.len() < 2 * FAMILY));
        assert!(below.iter().filter(|below| below.len() > 10).count() > crates.len() / 2);
    }

    #[test]
    fn a_workspace_is_the_same_each_time_and_all_of_it_hangs_together() {
        let generated = |units: usize| {
            let place = tempfile::tempdir().unwrap();
            generate(place.path(), units).unwrap();
            let read = |path: &str| fs_err::read_to_string(place.path().join(path)).unwrap();
            [read("Cargo.lock"), read("crates/app/Cargo.toml"), read("crates/c00003/src/lib.rs")]
        };
        let [lock, app, scripted] = generated(30);
        assert_eq!(generated(30), [lock.clone(), app.clone(), scripted.clone()]);
        assert!(scripted.contains("/number.rs"), "{scripted}");
        let libraries = lock.matches("name = \"c").count();
        let needed = |name: &str| lock.matches(&format!(" \"{name}\",")).count();
        assert!((0..libraries).all(|index| needed(&name(index)) > 0), "{lock}");
        assert!(app.contains("path = \"../c"), "{app}");
    }
}
