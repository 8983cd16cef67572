//! `[dist]`: archives for people.

use std::collections::{BTreeMap, BTreeSet};

use xbuild_base::RelPath;

use super::input::InputOutput;
use super::source;
use super::step::{Named, StepPart};
use crate::problem::{Kind, Problem};
use crate::reader::{Field, Reader};
use crate::suggest;

/// What stands in an archive's name for something else.
const WORDS: [&str; 4] = ["package", "target", "variant", "version"];

/// How programs are packed for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dist {
    /// An archive's name without its ending, which is its folder's too: `{package}`, `{version}`, `{target}` and
    /// `{variant}` stand for what they say.
    pub name: String,
    /// Files and folders of the project that lie beside the programs, by their paths from the workspace's folder;
    /// `None`: those that people look for, such as `README.md` and `LICENSE`.
    pub files: Option<BTreeSet<RelPath>>,
    /// What else lies beside the programs, by where.
    pub made: BTreeMap<RelPath, DistSource>,
    /// What programs print of themselves.
    pub printed: Printed,
    /// Whether the programs' debugging information is packed by itself, and the programs without it.
    pub split_debuginfo: bool,
    /// Debian packages beside the archives, where they are wanted.
    pub deb: Option<Deb>,
}

/// Where a file of an archive comes from that is none of the project's sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DistSource {
    /// A step makes it.
    Step(StepPart),
    /// It is an output of another project, for the archive's target.
    Input(InputOutput),
}

/// What programs print of themselves, each a command line that begins with the program's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Printed {
    /// Completions: `{shell}` stands for the name of a shell.
    pub completions: Vec<Vec<String>>,
    /// The shells that they are for.
    pub shells: Vec<Shell>,
    /// Manual pages, of section 1.
    pub man: Vec<Vec<String>>,
}

impl Default for Printed {
    fn default() -> Self {
        Self { completions: Vec::new(), shells: vec![Shell::Bash, Shell::Fish, Shell::Zsh], man: Vec::new() }
    }
}

/// What stands in a command line for the shell.
pub const SHELL_WORD: &str = "{shell}";

/// A shell that has completions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shell {
    /// GNU's.
    Bash,
    /// Elvish.
    Elvish,
    /// Fish.
    Fish,
    /// Nushell.
    Nushell,
    /// PowerShell.
    Powershell,
    /// The Z shell.
    Zsh,
}

impl Shell {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Bash, Self::Elvish, Self::Fish, Self::Nushell, Self::Powershell, Self::Zsh];

    /// The name by which programs are asked.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Elvish => "elvish",
            Self::Fish => "fish",
            Self::Nushell => "nushell",
            Self::Powershell => "powershell",
            Self::Zsh => "zsh",
        }
    }

    /// The name of a program's file of completions, as `clap_complete` and the shells have it.
    #[must_use]
    pub fn file_name(self, program: &str) -> String {
        match self {
            Self::Bash => format!("{program}.bash"),
            Self::Elvish => format!("{program}.elv"),
            Self::Fish => format!("{program}.fish"),
            Self::Nushell => format!("{program}.nu"),
            Self::Powershell => format!("_{program}.ps1"),
            Self::Zsh => format!("_{program}"),
        }
    }
}

impl std::fmt::Display for Shell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `[dist.deb]`: what Debian packages say of themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deb {
    /// `Name <address>`.
    pub maintainer: String,
    /// What the programs are: a line, and more of them.
    pub description: String,
    /// The section that they are listed in.
    pub section: String,
    /// Packages that they need beside what is found in the programs.
    pub depends: Vec<String>,
    /// The targets that packages are made for: triples, with `*` for any characters; empty: all that Debian has a name
    /// for.
    pub targets: Vec<String>,
}

impl Default for Dist {
    fn default() -> Self {
        Self {
            name: "{package}-{version}-{target}".to_owned(),
            files: None,
            made: BTreeMap::new(),
            printed: Printed::default(),
            split_debuginfo: false,
            deb: None,
        }
    }
}

impl Dist {
    /// The name with what its words stand for. That of another variant than the unnamed one has the variant's name in it,
    /// whether it asks for it or not; and so has that of a variant with overrides, whose name they are a part of.
    #[must_use]
    pub fn name(&self, package: &str, version: &str, target: &str, variant: &str) -> String {
        let is_told = variant == "default" || self.name.contains("{variant}");
        let name = if is_told { self.name.clone() } else { format!("{}-{{variant}}", self.name) };
        let values = [package, target, variant, version];
        WORDS.iter().zip(values).fold(name, |name, (word, value)| name.replace(&format!("{{{word}}}"), value))
    }
}

pub(super) fn read(field: &Field<'_>, named: &mut Named, reader: &mut Reader) -> Dist {
    let mut dist = Dist::default();
    let Some(mut fields) = field.table(reader) else { return dist };
    if let Some(field) = fields.get("name")
        && let Some(name) = field.text(reader)
    {
        match problem(name) {
            Some((why, help)) => field.invalid(reader, why, help),
            None => name.clone_into(&mut dist.name),
        }
    }
    if let Some(field) = fields.get("files") {
        const HELP: &str = "write a path from the workspace's folder, without `/` before it and without `..`";
        let mut files = BTreeSet::new();
        for item in field.items(reader).unwrap_or_default() {
            if !item.is_text() {
                dist.made.extend(read_made(&item, named, reader));
                continue;
            }
            let Some(text) = item.text(reader) else { continue };
            match RelPath::new(text.trim_end_matches('/')) {
                Ok(path) if path.is_root() => item.invalid(reader, "it is the whole workspace", HELP),
                Ok(path) if !files.insert(path.clone()) => {
                    reader
                        .report(item.at(), Problem::new(Kind::Duplicate, format!("`{path}` is named twice")));
                }
                Ok(_) => {}
                Err(error) => item.invalid(reader, error, HELP),
            }
        }
        dist.files = Some(files);
    }
    if let Some(field) = fields.get("completions") {
        dist.printed.completions = read_commands(&field, reader);
        for command in &dist.printed.completions {
            if !command.iter().skip(1).any(|word| word.contains(SHELL_WORD)) {
                let help = format!(
                    "write {SHELL_WORD} where the shell's name stands: `[\"foo\", \"completions\", \"{SHELL_WORD}\"]`"
                );
                field.invalid(reader, "it would print the same for each shell", help);
            }
        }
    }
    if let Some(field) = fields.get("man") {
        dist.printed.man = read_commands(&field, reader);
    }
    if let Some(field) = fields.get("shells")
        && let Some(shells) = field.distinct(reader, |item, reader| {
            let text = item.text(reader)?;
            let shell = Shell::ALL.into_iter().find(|shell| shell.as_str() == text);
            if shell.is_none() {
                let help = suggest::help(text, "shells", &Shell::ALL.map(Shell::as_str));
                item.invalid(reader, format!("no shell is called `{text}`"), help);
            }
            shell
        })
    {
        dist.printed.shells = shells.into_iter().map(|(shell, _)| shell).collect();
    }
    if let Some(field) = fields.get("split-debuginfo") {
        dist.split_debuginfo = field.boolean(reader).unwrap_or_default();
    }
    dist.deb = fields.get("deb").and_then(|field| read_deb(&field, reader));
    fields.finish(reader);
    dist
}

/// A command line, or a list of them.
fn read_commands(field: &Field<'_>, reader: &mut Reader) -> Vec<Vec<String>> {
    let Some(items) = field.some_items(reader) else { return Vec::new() };
    if items.iter().all(Field::is_text) {
        return field.texts(reader).into_iter().collect();
    }
    let command = |item: &Field<'_>| {
        item.some_items(reader)?;
        item.texts(reader)
    };
    items.iter().filter_map(command).collect()
}

/// `[dist.deb]`.
fn read_deb(field: &Field<'_>, reader: &mut Reader) -> Option<Deb> {
    let mut fields = field.table(reader)?;
    let maintainer = fields.need(reader, "maintainer").and_then(|field| {
        let text = field.text(reader)?;
        let is_one = text.contains(" <") && text.ends_with('>') && !text.contains('\n');
        if !is_one {
            field.invalid(
                reader,
                "this names nobody",
                "write a name and an address: `\"A Name <a@example.org>\"`",
            );
        }
        is_one.then(|| text.to_owned())
    });
    let description = fields.need(reader, "description").and_then(|field| {
        let text = field.text(reader)?.trim();
        if text.is_empty() {
            field.invalid(reader, "it says nothing", "write a line of what the programs are");
        }
        Some(text.to_owned()).filter(|text| !text.is_empty())
    });
    let section = fields.get("section").and_then(|field| field.text(reader)).unwrap_or("utils").to_owned();
    let depends = fields.get("depends").and_then(|field| field.texts(reader)).unwrap_or_default();
    let targets = fields.get("targets").and_then(|field| field.texts(reader)).unwrap_or_default();
    fields.finish(reader);
    Some(Deb { maintainer: maintainer?, description: description?, section, depends, targets })
}

/// `{ step = "NAME/PATH", to = "PATH" }` or `{ input = "PROJECT/OUTPUT", to = "PATH" }`.
fn read_made(item: &Field<'_>, named: &mut Named, reader: &mut Reader) -> Option<(RelPath, DistSource)> {
    let mut fields = item.table(reader)?;
    let mut found = Vec::new();
    if let Some(part) = fields.get("step").and_then(|field| named.step(&field, true, reader)) {
        let last = part.path.file_name().unwrap_or(&part.name).to_owned();
        found.push((last, DistSource::Step(part)));
    }
    if let Some(output) = fields.get("input").and_then(|field| named.input(&field, reader)) {
        found.push((output.file_name().to_owned(), DistSource::Input(output)));
    }
    let to = fields.get("to").and_then(|field| {
        let path = RelPath::new(field.text(reader)?.trim_end_matches('/'));
        let help = "write a path in the archive, without `/` before it and without `..`";
        path.map_err(|error| field.invalid(reader, error, help)).ok()
    });
    fields.finish(reader);
    let help = "write a path, `{ step = \"NAME/PATH\" }` or `{ input = \"PROJECT/OUTPUT\" }`";
    let (last, source) = source::only(found, item, help, reader)?;
    Some((to.or_else(|| RelPath::new(last).ok())?, source))
}

/// Why a name can't be that of archives, and what to do.
fn problem(name: &str) -> Option<(String, String)> {
    if name.contains(['/', '\\', '\n']) || name.starts_with('.') {
        let why = "it begins with a dot, or holds a slash or a line break".to_owned();
        return Some((why, "write one component of a path".to_owned()));
    }
    let mut rest = name;
    while let Some((_, after)) = rest.split_once('{') {
        let Some((word, after)) = after.split_once('}') else {
            return Some(("a `{` has no `}`".to_owned(), "write a word such as `{package}`".to_owned()));
        };
        if !WORDS.contains(&word) {
            return Some((format!("nothing is called `{{{word}}}`"), suggest::help(word, "words", &WORDS)));
        }
        rest = after;
    }
    let missing = ["package", "target"].into_iter().find(|word| !name.contains(&format!("{{{word}}}")));
    missing.map(|word| {
        let why = format!("archives of several {word}s would have one name");
        (why, format!("put `{{{word}}}` into it"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_archives_apart() {
        let dist = Dist::default();
        assert_eq!(dist.name("foo", "1.2.0", "t", "default"), "foo-1.2.0-t");
        assert_eq!(dist.name("foo", "1.2.0", "t", "small"), "foo-1.2.0-t-small");
        assert_eq!(dist.name("foo", "1.2.0", "t", "default+profile=dev"), "foo-1.2.0-t-default+profile=dev");
        let dist = Dist { name: "{variant}_{package}_{target}".to_owned(), ..dist };
        assert_eq!(dist.name("foo", "1.2.0", "t", "small"), "small_foo_t");
        assert_eq!(dist.name("foo", "1.2.0", "t", "default+profile=dev"), "default+profile=dev_foo_t");
        assert_eq!(problem("{package}-{target}"), None);
        for wrong in [
            "{package}",
            "{target}",
            "{package}-{targt}",
            "{package-{target}",
            "a/{package}{target}",
            ".{package}{target}",
        ] {
            assert!(problem(wrong).is_some(), "{wrong}");
        }
    }
}
