//! What a failed unit's words show that the description lacks: the lines to add to `xbuild.toml`. Pure: what must be
//! known of the project's sources comes in as a function.
//!
//! | what is missing | who says it | the line |
//! |---|---|---|
//! | a file of the project outside the package's folder | rustc, proc macros, build scripts | `[package.NAME] include` |
//! | a library that `pkg-config` should find | the crate `pkg-config`, `pkg-config` itself | `[target.….native.NAME] packages` |
//! | a program | the crates that call it, shells, make | `[native.NAME] tools` |
//! | a variable | `env!`, build scripts | `[package.NAME] env` |
//!
//! Where the words name nothing, what the unit looked for last and did not find is a guess that is worth telling, as one.

use xbuild_action::Command;
use xbuild_base::RelPath;
use xbuild_describe::may_be_set;
use xbuild_plan::label::{Label, What};

/// What lies around a failed unit.
pub(crate) struct Surroundings<'s> {
    /// The package's folder in the sandbox.
    pub(crate) folder: &'s RelPath,
    /// What was run, in the sandbox.
    pub(crate) command: &'s Command,
    /// The paths from the sandbox's root that it looked for last, and at which there was nothing.
    pub(crate) missed: &'s [RelPath],
    /// Whether a path of the sandbox is among the project's sources, but not among those of the package.
    pub(crate) is_hidden: &'s dyn Fn(&RelPath) -> bool,
}

/// What to add for a unit that failed with these words.
pub(crate) fn hint(
    label: &Label,
    surroundings: Option<&Surroundings<'_>>,
    stdout: &[u8],
    stderr: &[u8],
) -> Option<String> {
    let words = plain(stderr);
    let text = format!("{words}\n{}", String::from_utf8_lossy(stdout));
    let missing_file =
        || surroundings.filter(|_| label.local).and_then(|around| included(label, around, &text));
    let missing_library = || library(&text).map(|name| packages(label, &name));
    let missing_program = || program(&text).map(|tool| tools(label, &tool));
    let missing_variable =
        || variable(&text).filter(|name| is_lacking(surroundings, name)).map(|name| set(label, name));
    let missed_file = || surroundings.filter(|_| label.local).and_then(|around| last_file(label, around));
    if label.what == What::ScriptRun {
        let probed_library = || probed(stdout, &words).map(|name| packages(label, &name));
        let missed_program = || surroundings.and_then(|around| last_program(label, around));
        missing_library()
            .or_else(missing_program)
            .or_else(missing_file)
            .or_else(probed_library)
            .or_else(missing_variable)
            .or_else(missed_program)
            .or_else(missed_file)
    } else {
        missing_file().or_else(missing_variable).or_else(missed_file)
    }
}

/// The part of rustc's JSON that holds words.
#[derive(serde::Deserialize)]
struct Message {
    rendered: Option<String>,
}

/// Standard error as people see it, without colours.
fn plain(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let line = |line: &str| match serde_json::from_str::<Message>(line) {
        Ok(message) => message.rendered.unwrap_or_default(),
        Err(_) => format!("{line}\n"),
    };
    anstream::adapter::strip_str(&text.lines().map(line).collect::<String>()).to_string()
}

/// Files that are said not to be there and are in the project.
fn included(label: &Label, around: &Surroundings<'_>, text: &str) -> Option<String> {
    const SAID: [&str; 3] = ["No such file", "NotFound", "not found"];
    let mut paths: Vec<String> = Vec::new();
    for line in text.lines().filter(|line| SAID.iter().any(|said| line.contains(said))) {
        let ends = |c: char| c.is_whitespace() || "\"'`()[]{}<>,;".contains(c);
        for word in
            line.split(ends).map(|word| word.trim_end_matches([':', '.'])).filter(|word| word.contains('/'))
        {
            let starts = [&around.command.working_directory, around.folder];
            let resolved = match word.strip_prefix('/') {
                Some(absolute) => vec![RelPath::root().resolve(absolute)],
                None => starts.map(|start| start.resolve(word)).into(),
            };
            let hidden = resolved.into_iter().flatten().find(|path| around.hides(path));
            let path = hidden.map(|path| around.folder.relative_to(&path));
            paths.extend(path.filter(|path| !paths.contains(path)));
        }
    }
    (!paths.is_empty()).then(|| include(label, &paths))
}

fn include(label: &Label, paths: &[String]) -> String {
    let listed: Vec<String> = paths.iter().map(|path| format!("\"{path}\"")).collect();
    format!("add to xbuild.toml:\n[package.{}]\ninclude = [{}]", label.package, listed.join(", "))
}

impl Surroundings<'_> {
    /// Whether a path is of the project and hidden from the unit, and no folder that the package lies in, which is no
    /// file of anybody's.
    fn hides(&self, path: &RelPath) -> bool {
        self.folder.strip_prefix(path).is_none() && (self.is_hidden)(path)
    }
}

/// The last file of the project that was looked for, where no words name any.
fn last_file(label: &Label, around: &Surroundings<'_>) -> Option<String> {
    let path = around.missed.iter().rev().find(|path| around.hides(path))?;
    let path = around.folder.relative_to(path);
    let lines = include(label, std::slice::from_ref(&path));
    Some(format!("it looked for `{path}`, which this package's units don't see; if it needs that, {lines}"))
}

/// The program that was looked for at the very last, in all folders of programs, where no words name any.
fn last_program(label: &Label, around: &Surroundings<'_>) -> Option<String> {
    let last = around.missed.last()?.file_name().and_then(program_name)?;
    let folders = around.command.environment.get("PATH")?;
    let is_missed = |folder: &str| {
        let path = RelPath::root().resolve(format!("{folder}/{last}").trim_start_matches('/'));
        path.is_ok_and(|path| around.missed.contains(&path))
    };
    if !folders.split(':').all(is_missed) {
        return None;
    }
    let lines = tools(label, &tool_with(last.to_owned()));
    Some(format!(
        "the last that it looked for is the program `{last}`, which isn't there; if it needs that, {lines}"
    ))
}

/// The variable that isn't set.
fn variable(text: &str) -> Option<&str> {
    const SAID: [&str; 5] = [
        "NotPresent",
        "environment variable not found",
        "not defined at compile time",
        "must be set",
        "not set",
    ];
    let is_name = |word: &&str| {
        let good = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        word.len() > 2 && word.starts_with(|c: char| c.is_ascii_uppercase()) && word.chars().all(good)
    };
    let lines = text.lines().filter(|line| SAID.iter().any(|said| line.contains(said)));
    lines.flat_map(|line| line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')).find(is_name)
}

/// Whether the description can help: cargo's own variables are there or not for another reason.
fn is_lacking(surroundings: Option<&Surroundings<'_>>, variable: &str) -> bool {
    let is_unset = surroundings.is_none_or(|around| !around.command.environment.contains_key(variable));
    is_unset && may_be_set(variable)
}

fn set(label: &Label, variable: &str) -> String {
    format!(
        "no variable of the machine's reaches a unit; add to xbuild.toml, with its value:\n[package.{}]\nenv = {{ \
         {variable} = \"…\" }}",
        label.package
    )
}

/// The name of the library that `pkg-config` did not find.
fn library(text: &str) -> Option<String> {
    let of_crate = text.lines().find_map(|line| between(line, "The system library `", "` required by crate"));
    let own = || {
        text.lines()
            .find_map(|line| between(line, "Package ", " was not found in the pkg-config search path"))
    };
    let other = || {
        text.lines().find_map(|line| between(line, "Package '", "', required by 'virtual:world', not found"))
    };
    of_crate.or_else(own).or_else(other).map(str::to_owned)
}

/// The name of a library that a script has asked the crate `pkg-config` for, which tells cargo of a variable for each, if
/// the script's own last words are about it.
fn probed(stdout: &[u8], stderr: &str) -> Option<String> {
    let (stdout, words) = (String::from_utf8_lossy(stdout), stderr.to_lowercase());
    let variables =
        stdout.lines().filter_map(|line| between(line, "rerun-if-env-changed=", "_NO_PKG_CONFIG"));
    variables.map(str::to_lowercase).find(|name| words.contains(name.as_str()))
}

/// Debian's packages by the name of what `pkg-config` looks for, where one is not called after the other.
const LIBRARIES: &[(&str, &str)] = &[
    ("alsa", "libasound2-dev"),
    ("atk", "libatk1.0-dev"),
    ("dbus-1", "libdbus-1-dev"),
    ("freetype2", "libfreetype-dev"),
    ("gdk-3.0", "libgtk-3-dev"),
    ("gdk-pixbuf-2.0", "libgdk-pixbuf-2.0-dev"),
    ("gio-2.0", "libglib2.0-dev"),
    ("glib-2.0", "libglib2.0-dev"),
    ("gobject-2.0", "libglib2.0-dev"),
    ("gtk+-3.0", "libgtk-3-dev"),
    ("gtk4", "libgtk-4-dev"),
    ("libcrypto", "libssl-dev"),
    ("libcurl", "libcurl4-openssl-dev"),
    ("libmariadb", "libmariadb-dev"),
    ("libpcre2-8", "libpcre2-dev"),
    ("libssh2", "libssh2-1-dev"),
    ("libssl", "libssl-dev"),
    ("libusb-1.0", "libusb-1.0-0-dev"),
    ("libxml-2.0", "libxml2-dev"),
    ("mysqlclient", "libmariadb-dev"),
    ("openssl", "libssl-dev"),
    ("pango", "libpango1.0-dev"),
    ("wayland-client", "libwayland-dev"),
    ("xcb", "libxcb1-dev"),
    ("zlib", "zlib1g-dev"),
];

fn packages(label: &Label, library: &str) -> String {
    let name = &label.package;
    let of_host = "'cfg(all(target_os = \"linux\", target_env = \"gnu\"))'";
    let target = match label.platform.as_str() {
        "host" => of_host,
        platform if platform.contains("-linux-gnu") => platform,
        // Neither musl nor Windows has packages of libraries.
        platform => {
            return format!(
                "there are no system libraries for {platform}: if `{name}` can build `{library}` itself, switch on its \
                 feature for that (often `vendored`, `bundled` or `static`)"
            );
        }
    };
    let known = LIBRARIES.iter().find(|(one, _)| *one == library).map(|(_, package)| (*package).to_owned());
    let (package, comment) = match known {
        Some(package) => (package, ""),
        // Debian's way of naming: a guess.
        None => {
            let stem = library.strip_prefix("lib").unwrap_or(library).to_lowercase().replace('_', "-");
            (format!("lib{stem}-dev"), "   # or what Debian's package of it is called")
        }
    };
    format!("add to xbuild.toml:\n[target.{target}.native.{name}]\npackages = [\"{package}\"]{comment}")
}

/// Words that name a program which isn't there: what stands before and behind its name.
const NO_PROGRAM: &[(&str, &str)] = &[
    ("is `", "` not installed?"),
    ("Is `", "` installed?"),
    ("Could not find `", "`. If `"),
    ("Command '", "' not found. Is "),
    ("failed to find tool \"", "\": No such file"),
    ("Unable to run ", ": No such file"),
    ("failed to run ", "No such file or directory"),
    ("failed to execute ", "No such file or directory"),
    ("failed to spawn ", "No such file or directory"),
    ("failed to start ", "No such file or directory"),
    ("make: ", ": No such file or directory"),
    ("make[1]: ", ": No such file or directory"),
];

/// Words that mean a tool without naming it.
const NO_TOOL: &[(&str, &str)] = &[
    ("Unable to find libclang", "libclang"),
    ("The pkg-config command could not be found", "pkgconf"),
    // The base of Perl is always there, its modules are not.
    ("in @INC (you may need to install", "perl"),
];

/// Components and Debian packages by program, where one is not called after the other.
const TOOLS: &[(&str, &str)] = &[
    ("aclocal", "automake"),
    ("autoreconf", "autoconf"),
    ("capnp", "capnproto"),
    ("flatc", "flatbuffers-compiler"),
    ("glslangValidator", "glslang-tools"),
    ("go", "golang-go"),
    ("libtoolize", "libtool"),
    ("makeinfo", "texinfo"),
    ("msgfmt", "gettext"),
    ("ninja", "cmake"),
    ("node", "nodejs"),
    ("pkg-config", "pkgconf"),
    ("python", "python3"),
    ("thrift", "thrift-compiler"),
];

/// The tool that has a program which isn't there.
fn program(text: &str) -> Option<String> {
    let unnamed = NO_TOOL.iter().find(|(said, _)| text.contains(said)).map(|(_, tool)| (*tool).to_owned());
    let said = || {
        let lines = || text.lines();
        let by_table = NO_PROGRAM.iter().flat_map(|(before, behind)| {
            lines().filter_map(|line| between(line, before, behind)).filter_map(program_name)
        });
        by_table.chain(lines().filter_map(of_shell)).next()
    };
    unnamed.or_else(|| said().map(|program| tool_with(program.to_owned())))
}

/// The component or package that has a program.
fn tool_with(program: String) -> String {
    TOOLS.iter().find(|(one, _)| *one == program).map_or(program, |(_, tool)| (*tool).to_owned())
}

/// What a shell says: `sh: 1: nasm: not found`, `bash: line 1: nasm: command not found`.
fn of_shell(line: &str) -> Option<&str> {
    let start = line.strip_suffix(": not found").or_else(|| line.strip_suffix(": command not found"))?;
    let (before, name) = start.rsplit_once(": ")?;
    before.ends_with(|c: char| c.is_ascii_digit()).then_some(name).and_then(program_name)
}

/// The name of a program in words such as `/usr/bin/nasm`, or `` `nasm`: Os { code: 2, ``. Compilers and their like are
/// not meant, which a sandbox has under other names, and neither is "command", which some say for want of a name.
fn program_name(words: &str) -> Option<&str> {
    let word = words.split([' ', ':']).next()?.trim_matches(['`', '\'', '"']);
    let name = word.rsplit('/').next()?;
    let good = |c: char| c.is_ascii_alphanumeric() || "-_.+".contains(c);
    let is_compiler = ["cc", "c++", "g++", "clang", "clang++", "ar", "ld", "command"].iter().any(|end| {
        name.strip_suffix(end).is_some_and(|start| start.is_empty() || start.ends_with(['-', 'g']))
    });
    (!name.is_empty() && name.chars().all(good) && !is_compiler).then_some(name)
}

fn tools(label: &Label, tool: &str) -> String {
    let environment = match tool {
        "libclang" => "\nenv = { LIBCLANG_PATH = \"/usr/lib/llvm-22/lib\" }",
        _ => "",
    };
    format!("add to xbuild.toml:\n[native.{}]\ntools = [\"{tool}\"]{environment}", label.package)
}

/// What stands between two texts in a line.
fn between<'l>(line: &'l str, before: &str, behind: &str) -> Option<&'l str> {
    let rest = &line[line.find(before)? + before.len()..];
    Some(&rest[..rest.find(behind)?])
}

#[cfg(test)]
mod tests;
