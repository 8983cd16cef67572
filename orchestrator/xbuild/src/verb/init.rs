//! `xbuild init`: a description for a project that is there, or a new project from a template.

use std::path::Path;
use std::process::ExitCode;

use crate::builtin::{DESCRIPTION, TEMPLATES, Template};
use crate::cli::{Global, Init};
use crate::description::find_workspace;
use crate::error::XbuildError;
use crate::ui::Ui;

/// What is written.
const FILE: &str = "xbuild.toml";

/// What templates call the new package, and what stands for it where a word can have no hyphen.
const NAMES: [&str; 2] = ["app-name", "app_name"];

/// What editors complete and check a description by.
const SCHEMA: &str = concat!(
    "#:schema ",
    env!("CARGO_PKG_REPOSITORY"),
    "/raw/v",
    env!("CARGO_PKG_VERSION"),
    "/schema/xbuild.json\n\n"
);

/// What git shall pass over: what xbuild leaves in a project.
const IGNORED: &str = "/result";

pub(crate) fn run(global: &Global, init: &Init, ui: &Ui) -> Result<ExitCode, XbuildError> {
    match &init.template {
        Some(name) => from_template(&global.project, template(name)?, ui),
        None => describe(&global.project, ui),
    }
}

/// Writes `xbuild.toml` beside the workspace's manifest.
fn describe(project: &Path, ui: &Ui) -> Result<ExitCode, XbuildError> {
    let root = find_workspace(project, None)?.root;
    write_new(&root.join(FILE), &format!("{SCHEMA}{DESCRIPTION}"))?;
    ui.status("Wrote", root.join(FILE).display());
    if ignore_results(&root)? {
        ui.status("Added", format!("{IGNORED} to {}", root.join(".gitignore").display()));
    }
    if !root.join("Cargo.lock").is_file() {
        ui.note("there is no Cargo.lock yet, and xbuild builds what it pins: cargo generate-lockfile");
    }
    ui.note("see what there is: xbuild show");
    Ok(ExitCode::SUCCESS)
}

/// Writes a template's files into a folder that is empty or not there.
fn from_template(folder: &Path, (_, files): &Template, ui: &Ui) -> Result<ExitCode, XbuildError> {
    let place = std::path::absolute(folder).map_err(|error| XbuildError::machine(&error))?;
    let name = place.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if !is_package_name(name) {
        return Err(XbuildError::user(
            format!("`{name}` can't be a package's name, and the folder's name becomes it"),
            "name a folder of letters, digits, `-` and `_` that begins with a letter",
        ));
    }
    let entries = match fs_err::read_dir(&place) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
        Err(error) => return Err(XbuildError::machine(&error)),
    };
    if entries {
        return Err(XbuildError::user(
            format!("{} is not empty: a new project's files would lie among others", place.display()),
            "name a new folder: xbuild init --template NAME --project DIR; or leave --template away, for a project that is \
             there already",
        ));
    }
    for (path, text) in *files {
        let path = place.join(if *path == "gitignore" { ".gitignore" } else { *path });
        if let Some(above) = path.parent() {
            fs_err::create_dir_all(above).map_err(|error| XbuildError::machine(&error))?;
        }
        let text = text.replace(NAMES[0], name).replace(NAMES[1], &name.replace('-', "_"));
        let schema = if path.file_name() == Some(FILE.as_ref()) { SCHEMA } else { "" };
        write_new(&path, &format!("{schema}{text}"))?;
        ui.verbose("Wrote", path.display());
    }
    ui.status("Created", format!("{name} in {}", place.display()));
    ui.note(format!("build it: xbuild all --project {}", folder.display()));
    Ok(ExitCode::SUCCESS)
}

fn template(name: &str) -> Result<&'static Template, XbuildError> {
    TEMPLATES.iter().find(|(known, _)| *known == name).ok_or_else(|| {
        let names: Vec<&str> = TEMPLATES.iter().map(|(name, _)| *name).collect();
        XbuildError::user(
            format!("there is no template `{name}`"),
            xbuild_describe::suggest(name, "templates", &names),
        )
    })
}

/// Whether cargo would take it, and no crate's name is a word that Rust has for itself: what `cargo new` asks for.
fn is_package_name(name: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(is_word)
        && !["core", "std", "alloc", "test", "proc-macro", "proc_macro"].contains(&name)
}

/// Where git is used, `result` is not to be committed. Returns whether something had to be written.
fn ignore_results(root: &Path) -> Result<bool, XbuildError> {
    let path = root.join(".gitignore");
    let text = match fs_err::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            if !root.ancestors().any(|folder| folder.join(".git").exists()) {
                return Ok(false);
            }
            String::new()
        }
        Err(error) => return Err(XbuildError::machine(&error)),
    };
    if text.lines().any(|line| line.trim().trim_matches('/') == "result") {
        return Ok(false);
    }
    let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    fs_err::write(&path, format!("{text}{end}{IGNORED}\n")).map_err(|error| XbuildError::machine(&error))?;
    Ok(true)
}

/// Writes a file that must not be there.
fn write_new(path: &Path, text: &str) -> Result<(), XbuildError> {
    use std::io::Write as _;

    let file = fs_err::OpenOptions::new().write(true).create_new(true).open(path);
    match file.and_then(|mut file| file.write_all(text.as_bytes())) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Err(XbuildError::user(
            format!("{} is there already, and is left as it is", path.display()),
            "see what it describes: xbuild show",
        )),
        Err(error) => Err(XbuildError::machine(&error)),
    }
}
