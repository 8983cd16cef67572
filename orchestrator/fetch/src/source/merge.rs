//! Cargo's configuration files, found and merged as cargo does it.
//!
//! See the Cargo book, "Configuration": hierarchical structure, environment variables, including.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::error::FetchError;

/// How deep files may include each other.
const DEEPEST_INCLUDE: usize = 8;

/// All configuration files together: those of `project` and the folders above it, nearer ones first, and that
/// of `cargo_home`. Paths in `[source]` and programs with a slash are absolute.
pub(super) fn files(project: &Path, cargo_home: Option<&Path>) -> Result<Table, FetchError> {
    let mut folders: Vec<PathBuf> = project.ancestors().map(|folder| folder.join(".cargo")).collect();
    folders.extend(cargo_home.filter(|home| !folders.iter().any(|f| f == home)).map(Path::to_owned));
    let mut merged = Table::new();
    for folder in folders {
        // The name without an ending is the older one, and wins.
        let found =
            ["config", "config.toml"].map(|name| folder.join(name)).into_iter().find(|path| path.is_file());
        if let Some(path) = found {
            merge(&mut merged, file(&path, 0)?);
        }
    }
    Ok(merged)
}

/// The tokens that `cargo login` wrote.
pub(super) fn credentials(cargo_home: Option<&Path>) -> Result<Table, FetchError> {
    let Some(home) = cargo_home else { return Ok(Table::new()) };
    let found = ["credentials", "credentials.toml"].map(|name| home.join(name));
    match found.into_iter().find(|path| path.is_file()) {
        Some(path) => file(&path, 0),
        None => Ok(Table::new()),
    }
}

fn file(path: &Path, depth: usize) -> Result<Table, FetchError> {
    let error = |problem: String| FetchError::Configuration { path: path.to_owned(), problem };
    let text = fs_err::read_to_string(path).map_err(|e| error(e.to_string()))?;
    let mut table: Table = text.parse().map_err(|e: toml::de::Error| error(e.to_string()))?;
    // `.cargo/config.toml` speaks relative to the folder that `.cargo` lies in.
    let base = path.parent().and_then(Path::parent).unwrap_or(Path::new("/")).to_owned();
    make_absolute(&mut table, &base);
    let Some(include) = table.remove("include") else { return Ok(table) };
    if depth >= DEEPEST_INCLUDE {
        return Err(error("files include each other too deeply".to_owned()));
    }
    let list = match include {
        Value::Array(list) => list,
        one => vec![one],
    };
    // What includes wins over what is included, and a later inclusion over an earlier one.
    for value in list.into_iter().rev() {
        let (name, optional) = match &value {
            Value::String(name) => (name.clone(), false),
            Value::Table(table) => (
                table.get("path").and_then(Value::as_str).unwrap_or_default().to_owned(),
                table.get("optional").and_then(Value::as_bool).unwrap_or(false),
            ),
            _ => (String::new(), false),
        };
        if name.is_empty() {
            return Err(error("`include` must be a path or a list of them".to_owned()));
        }
        let included = path.parent().unwrap_or(Path::new("/")).join(name);
        if !optional || included.is_file() {
            merge(&mut table, file(&included, depth + 1)?);
        }
    }
    Ok(table)
}

/// Paths are relative to the file that says them: they must be absolute before files are merged.
fn make_absolute(table: &mut Table, base: &Path) {
    let tables = |value: Option<&mut Value>, act: &mut dyn FnMut(&mut Table)| {
        if let Some(Value::Table(all)) = value {
            all.iter_mut().filter_map(|(_, value)| value.as_table_mut()).for_each(act);
        }
    };
    tables(table.get_mut("source"), &mut |source| {
        for key in ["directory", "local-registry"] {
            if let Some(Value::String(path)) = source.get_mut(key) {
                *path = base.join(&*path).to_string_lossy().into_owned();
            }
        }
    });
    tables(table.get_mut("registries"), &mut |registry| {
        program(registry.get_mut("credential-provider"), base)
    });
    if let Some(Value::Table(registry)) = table.get_mut("registry") {
        program(registry.get_mut("credential-provider"), base);
    }
    if let Some(Value::Table(aliases)) = table.get_mut("credential-alias") {
        aliases.iter_mut().for_each(|(_, alias)| program(Some(alias), base));
    }
}

/// A program with a slash in it is relative to the file; one without is looked for in `PATH`.
fn program(value: Option<&mut Value>, base: &Path) {
    let absolute = |text: &mut String| {
        let program = text.split_whitespace().next().unwrap_or_default();
        if program.contains('/') && !program.starts_with('/') {
            *text = format!("{}/{text}", base.display());
        }
    };
    match value {
        Some(Value::String(text)) => absolute(text),
        Some(Value::Array(list)) => {
            if let Some(Value::String(text)) = list.first_mut() {
                absolute(text);
            }
        }
        _ => {}
    }
}

/// Adds what `there` doesn't have yet. Lists are joined, those of the nearer file at the end.
fn merge(there: &mut Table, farther: Table) {
    for (key, value) in farther {
        match (there.get_mut(&key), value) {
            (None, value) => {
                there.insert(key, value);
            }
            (Some(Value::Table(near)), Value::Table(far)) => merge(near, far),
            (Some(Value::Array(near)), Value::Array(mut far)) => {
                far.append(near);
                *near = far;
            }
            (Some(_), _) => {}
        }
    }
}

/// Adds what the environment says of registries, which wins over all files.
pub(super) fn environment(table: &mut Table, variables: &BTreeMap<String, String>) {
    let mut set = |path: &[&str], value: &str| {
        let mut at = &mut *table;
        let (last, parents) = match path.split_last() {
            Some(parts) => parts,
            None => return,
        };
        for part in parents {
            let below = at.entry((*part).to_owned()).or_insert_with(|| Value::Table(Table::new()));
            match below {
                Value::Table(below) => at = below,
                _ => return,
            }
        }
        at.insert((*last).to_owned(), Value::String(value.to_owned()));
    };
    for (name, value) in variables {
        if let Some(rest) = name.strip_prefix("CARGO_REGISTRIES_") {
            for (suffix, key) in [
                ("_INDEX", "index"),
                ("_TOKEN", "token"),
                ("_CREDENTIAL_PROVIDER", "credential-provider"),
                ("_PROTOCOL", "protocol"),
            ] {
                if let Some(registry) = rest.strip_suffix(suffix) {
                    set(&["registries", &format!("{ENV_NAME}{registry}"), key], value);
                }
            }
        }
        match name.as_str() {
            "CARGO_REGISTRY_TOKEN" => set(&["registry", "token"], value),
            "CARGO_REGISTRY_CREDENTIAL_PROVIDER" => set(&["registry", "credential-provider"], value),
            "CARGO_REGISTRY_GLOBAL_CREDENTIAL_PROVIDERS" => {
                set(&["registry", "global-credential-providers"], value);
            }
            _ => {}
        }
    }
    join_names(table);
}

/// Marks a registry's name as it stands in a variable until it is known which one is meant.
const ENV_NAME: &str = "\0";

/// `CARGO_REGISTRIES_MY_OWN_…` means the registry `my-own` or `my_own` of a file, else a new one, `my-own`.
fn join_names(table: &mut Table) {
    let Some(Value::Table(registries)) = table.get_mut("registries") else { return };
    let marked: Vec<String> = registries.keys().filter(|name| name.starts_with(ENV_NAME)).cloned().collect();
    for mark in marked {
        let Some(Value::Table(found)) = registries.remove(&mark) else { continue };
        let upper = mark.trim_start_matches(ENV_NAME);
        let is_meant = |name: &&String| name.replace('-', "_").to_ascii_uppercase() == upper;
        let name = registries.keys().find(is_meant).cloned();
        let name = name.unwrap_or_else(|| upper.to_ascii_lowercase().replace('_', "-"));
        let entry = registries.entry(name).or_insert_with(|| Value::Table(Table::new()));
        if let Value::Table(there) = entry {
            there.extend(found);
        }
    }
}
