//! `toolchains.toml` changed in place: what people wrote stays as it is, down to comments and spaces.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use semver::Version;
use toml_edit::DocumentMut;
use xbuild_describe::{ArchivePin, ComponentName, PackagePin, Pins, WheelPin};

use super::problem::ToolchainError;
use super::update::{AllPins, host_name};

/// The line above the pins.
const MARK: &str = "# ---- pins: written by `xbuild toolchain update`; everything below is generated ----";

/// The text with all `[pins.*]` replaced: one package a line, at the end of the file.
///
/// # Errors
/// [`ToolchainError::Document`] when the text is not TOML.
pub fn with_pins(file: &str, text: &str, pins: &AllPins) -> Result<String, ToolchainError> {
    let mut document = parse(file, text)?;
    document.remove("pins");
    let rest = document.to_string();
    let rest: Vec<&str> = rest.lines().filter(|line| *line != MARK).collect();
    let mut text = rest.join("\n").trim_end().to_owned();
    text.push_str("\n\n");
    text.push_str(MARK);
    text.push('\n');
    for (host, components) in pins {
        for (component, pins) in components {
            write_pins(&mut text, host_name(host), component, pins);
        }
    }
    Ok(text)
}

/// The text with `[toolchain."VERSION"]` of the official distribution added or replaced. `rust` are the components
/// that host work needs beside it.
///
/// # Errors
/// [`ToolchainError::Document`] when the text is not TOML.
pub fn with_official(
    file: &str,
    text: &str,
    version: &Version,
    rust: &[ComponentName],
    archives: &BTreeMap<String, BTreeMap<String, ArchivePin>>,
) -> Result<String, ToolchainError> {
    let mut document = parse(file, text)?;
    let own = official_section(version, rust, archives);
    let section = parse(file, &own)?;
    if let Some(toolchains) = document.get_mut("toolchain").and_then(toml_edit::Item::as_table_mut) {
        toolchains.remove(&version.to_string());
    }
    // The pins, which are long, stay at the end.
    let text = document.to_string();
    let (before, after) = match text.find(MARK) {
        Some(at) => text.split_at(at),
        None => (text.as_str(), ""),
    };
    let gap = if before.trim().is_empty() { "" } else { "\n\n" };
    let after = if after.is_empty() { String::new() } else { format!("\n{after}") };
    drop(section);
    let text = format!("{}{gap}{own}{after}", before.trim_end());
    parse(file, &text)?;
    Ok(text)
}

/// `[toolchain."VERSION"]` and its archives.
#[must_use]
pub fn official_section(
    version: &Version,
    rust: &[ComponentName],
    archives: &BTreeMap<String, BTreeMap<String, ArchivePin>>,
) -> String {
    let rust: Vec<String> = rust.iter().map(|name| quoted(name.as_str())).collect();
    let mut text =
        format!("[toolchain.\"{version}\"]\ndistribution = \"official\"\nrust = [{}]\n", rust.join(", "));
    for (package, targets) in archives {
        let _ = writeln!(text, "\n[toolchain.\"{version}\".archives.{}]", key(package));
        for (target, ArchivePin { path, size, sha256 }) in targets {
            let size = size.map(|size| format!(", size = {size}")).unwrap_or_default();
            let _ = writeln!(
                text,
                "{} = {{ path = {}{size}, sha256 = \"{}\" }}",
                key(target),
                quoted(path.as_str()),
                sha256.to_hex()
            );
        }
    }
    text
}

fn parse(file: &str, text: &str) -> Result<DocumentMut, ToolchainError> {
    text.parse().map_err(|error: toml_edit::TomlError| ToolchainError::Document {
        file: file.to_owned(),
        problem: error.message().to_owned(),
    })
}

fn write_pins(text: &mut String, host: &str, component: &ComponentName, pins: &Pins) {
    let Pins { packages, wheels } = pins;
    let _ = writeln!(text, "\n[pins.{}.{}]", key(host), key(component.as_str()));
    if !packages.is_empty() {
        text.push_str("packages = [\n");
        let mut packages: Vec<&PackagePin> = packages.iter().collect();
        packages.sort_by(|a, b| (&a.name, &a.architecture).cmp(&(&b.name, &b.architecture)));
        for PackagePin { name, version, architecture, suite, path, size, sha256 } in packages {
            let _ = writeln!(
                text,
                "  {{ name = {}, version = {}, arch = {}, suite = {}, path = {}, size = {size}, sha256 = \"{}\" }},",
                quoted(name),
                quoted(version),
                quoted(architecture),
                quoted(suite),
                quoted(path.as_str()),
                sha256.to_hex()
            );
        }
        text.push_str("]\n");
    }
    if !wheels.is_empty() {
        text.push_str("wheels = [\n");
        for WheelPin { name, version, file, size, sha256 } in wheels {
            let _ = writeln!(
                text,
                "  {{ name = {}, version = {}, file = {}, size = {size}, sha256 = \"{}\" }},",
                quoted(name),
                quoted(version),
                quoted(file),
                sha256.to_hex()
            );
        }
        text.push_str("]\n");
    }
}

/// A TOML key: bare where it can be.
fn key(text: &str) -> String {
    let bare = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if bare { text.to_owned() } else { quoted(text) }
}

/// A TOML basic string.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(c);
            }
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
