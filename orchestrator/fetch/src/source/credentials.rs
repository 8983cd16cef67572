//! Tokens for registries, from where cargo's configuration says.
//!
//! See the Cargo book, "Registry Authentication" and "Credential Provider Protocol".

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use super::cargo_config::{CargoConfig, RawRegistry};
use crate::error::FetchError;
use crate::output::Secret;

/// The token for reading from a registry, of which `name` is the name in the configuration.
///
/// # Errors
/// [`FetchError::Credentials`] when no provider has one.
pub(super) fn token(config: &CargoConfig, index: &str, name: Option<&str>) -> Result<Secret, FetchError> {
    let registry = name.and_then(|name| config.registries.get(name));
    let shown = name.unwrap_or(index);
    let mut problems = Vec::new();
    for words in providers(config, registry) {
        match ask(config, &words, index, name, registry) {
            Ok(Some(token)) => return Ok(token),
            Ok(None) => problems.push(format!("{} has none", words.join(" "))),
            Err(problem) => problems.push(format!("{}: {problem}", words.join(" "))),
        }
    }
    if name.is_none() {
        problems.push("no [registries] entry has its index, so no token can be found by name".to_owned());
    }
    Err(FetchError::Credentials { registry: shown.to_owned(), problem: problems.join("; ") })
}

/// The providers in the order in which they are asked.
fn providers(config: &CargoConfig, registry: Option<&RawRegistry>) -> Vec<Vec<String>> {
    let own = registry.and_then(|registry| registry.credential_provider.as_ref());
    let listed = match own {
        Some(words) => vec![words.list()],
        // The last one has precedence.
        None => config
            .global_providers
            .iter()
            .rev()
            .map(|text| text.split_whitespace().map(ToOwned::to_owned).collect())
            .collect(),
    };
    listed
        .into_iter()
        .filter_map(|words: Vec<String>| {
            let alias = words.first().filter(|_| words.len() == 1).and_then(|name| config.aliases.get(name));
            Some(alias.map_or(words, |alias| alias.list())).filter(|words| !words.is_empty())
        })
        .collect()
}

fn ask(
    config: &CargoConfig,
    words: &[String],
    index: &str,
    name: Option<&str>,
    registry: Option<&RawRegistry>,
) -> Result<Option<Secret>, String> {
    let (program, arguments) = words.split_first().ok_or("it is empty")?;
    match program.as_str() {
        "cargo:token" => Ok(registry.and_then(|registry| registry.token.clone())),
        "cargo:token-from-stdout" => {
            let (program, arguments) = arguments.split_first().ok_or("it names no program")?;
            from_stdout(&mut command(config, program, arguments, index, name)).map(Some)
        }
        other if other.starts_with("cargo:") => {
            Err("only cargo itself has this provider; set the registry's token in the environment".to_owned())
        }
        program => plugin(&mut command(config, program, &[], index, name), arguments, index, name).map(Some),
    }
}

fn command(
    config: &CargoConfig,
    program: &str,
    arguments: &[String],
    index: &str,
    name: Option<&str>,
) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).env("CARGO_REGISTRY_INDEX_URL", index);
    if let Some(name) = name {
        command.env("CARGO_REGISTRY_NAME_OPT", name);
    }
    if let Some(home) = &config.cargo_home {
        command.env("CARGO_HOME", home);
    }
    command
}

fn from_stdout(command: &mut Command) -> Result<Secret, String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("it could not be run: {error}"))?;
    if !output.status.success() {
        return Err(format!("it failed ({})", output.status));
    }
    let text = String::from_utf8(output.stdout).map_err(|_| "its output is not UTF-8")?;
    let token = text.trim_end_matches(['\r', '\n']);
    match token.is_empty() || token.contains('\n') {
        true => Err("it should print one line".to_owned()),
        false => Ok(Secret::new(token)),
    }
}

/// Speaks version 1 of the credential provider protocol: one line of JSON each way, after a greeting.
fn plugin(
    command: &mut Command,
    arguments: &[String],
    index: &str,
    name: Option<&str>,
) -> Result<Secret, String> {
    let mut child = command
        .arg("--cargo-plugin")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("it could not be run: {error}"))?;
    let answer = talk(&mut child, arguments, index, name);
    drop(child.stdin.take());
    if answer.is_err() {
        // It may be waiting for something that never comes; that it has ended by now is no error.
        let _ = child.kill();
    }
    child.wait().map_err(|error| error.to_string())?;
    let answer = answer?;
    if let Some(token) = answer.pointer("/Ok/token").and_then(|token| token.as_str()) {
        return Ok(Secret::new(token));
    }
    let problem = answer.pointer("/Err/message").or_else(|| answer.pointer("/Err/kind"));
    Err(problem.and_then(|text| text.as_str()).unwrap_or("it gives no token").to_owned())
}

fn talk(
    child: &mut std::process::Child,
    arguments: &[String],
    index: &str,
    name: Option<&str>,
) -> Result<serde_json::Value, String> {
    let (stdin, stdout) = (child.stdin.as_mut(), child.stdout.take());
    let (Some(stdin), Some(stdout)) = (stdin, stdout) else { return Err("it has no pipes".to_owned()) };
    let mut lines = BufReader::new(stdout).lines();
    let mut line = || -> Result<serde_json::Value, String> {
        let text = lines.next().ok_or("it said nothing")?.map_err(|error| error.to_string())?;
        serde_json::from_str(&text).map_err(|error| format!("it does not speak the protocol: {error}"))
    };
    let greeting = line()?;
    let speaks = greeting["v"].as_array().is_some_and(|list| list.iter().any(|version| version == 1));
    if !speaks {
        return Err("it does not speak version 1 of the protocol".to_owned());
    }
    let mut registry = serde_json::json!({ "index-url": index });
    if let Some(name) = name {
        registry["name"] = name.into();
    }
    let request = serde_json::json!({
        "v": 1, "registry": registry, "kind": "get", "operation": "read", "args": arguments,
    });
    stdin.write_all(format!("{request}\n").as_bytes()).map_err(|error| error.to_string())?;
    stdin.flush().map_err(|error| error.to_string())?;
    line()
}
