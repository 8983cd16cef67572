//! `[target.<triple>.<links>]` of cargo's configuration: what stands in the place of a build script's run. Cargo's
//! `parse_links_overrides`.

use std::collections::BTreeMap;

use toml::{Table, Value};

use crate::directive::{LibraryPath, LinkTarget, ScriptOutput, rustc_flags};

/// Reads one such table.
///
/// # Errors
/// For each key that can't stand there, and each value of the wrong type: the key and what is wrong.
pub(crate) fn read(table: &Table) -> Result<ScriptOutput, Vec<(String, String)>> {
    let mut output = ScriptOutput::default();
    let mut problems = Vec::new();
    // Cargo evaluates the keys sorted, whatever their order in the file.
    let sorted: BTreeMap<&String, &Value> = table.iter().collect();
    for (key, value) in sorted {
        if let Err(problem) = read_key(key, value, &mut output) {
            problems.push((key.clone(), problem));
        }
    }
    if problems.is_empty() { Ok(output) } else { Err(problems) }
}

fn read_key(key: &str, value: &Value, output: &mut ScriptOutput) -> Result<(), String> {
    let mut arguments = |target: LinkTarget| {
        output.link_arguments.extend(list(value)?.into_iter().map(|argument| (target.clone(), argument)));
        Ok(())
    };
    match key {
        "rustc-flags" => {
            for (flag, value) in rustc_flags(text(value)?)? {
                match flag {
                    "-l" => output.libraries.push(value.to_owned()),
                    _ => output.library_paths.push(LibraryPath::External(value.to_owned())),
                }
            }
            Ok(())
        }
        "rustc-link-lib" => list(value).map(|names| output.libraries.extend(names)),
        "rustc-link-search" => {
            list(value).map(|paths| output.library_paths.extend(paths.into_iter().map(LibraryPath::External)))
        }
        "rustc-link-arg" => arguments(LinkTarget::All),
        "rustc-link-arg-cdylib" | "rustc-cdylib-link-arg" => arguments(LinkTarget::Cdylib),
        "rustc-link-arg-bins" => arguments(LinkTarget::Binaries),
        "rustc-link-arg-tests" => arguments(LinkTarget::Tests),
        "rustc-link-arg-benches" => arguments(LinkTarget::Benchmarks),
        "rustc-link-arg-examples" => arguments(LinkTarget::Examples),
        "rustc-cfg" => list(value).map(|cfgs| output.cfgs.extend(cfgs)),
        "rustc-check-cfg" => list(value).map(|cfgs| output.check_cfgs.extend(cfgs)),
        "rustc-env" => {
            for (name, value) in value.as_table().ok_or("it must be a table")? {
                output.environment.push((name.clone(), text(value)?.to_owned()));
            }
            Ok(())
        }
        "warning" | "rerun-if-changed" | "rerun-if-env-changed" => {
            Err("cargo doesn't take it in the place of a build script".to_owned())
        }
        _ => text(value).map(|value| output.metadata.push((key.to_owned(), value.to_owned()))),
    }
}

fn text(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| "it must be a string".to_owned())
}

fn list(value: &Value) -> Result<Vec<String>, String> {
    let items = value.as_array().and_then(|items| {
        items.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
    });
    items.ok_or_else(|| "it must be a list of strings".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_that_cargo_takes_is_read_and_what_is_wrong_is_told_at_once() {
        let table = "rustc-link-search = [\"native=/d\"]\nrustc-link-lib = [\"c\"]\nrustc-flags = \"-L /a -l b\"\n\
                     rustc-link-arg-bins = [\"-e\"]\nrustc-cfg = [\"f\"]\nrustc-env = { G = \"h\" }\nroot = \"/i\"";
        let output = read(&table.parse().unwrap()).unwrap();
        assert_eq!(output.libraries, ["b", "c"]);
        let paths: Vec<_> = output.library_paths.iter().map(LibraryPath::as_str).collect();
        assert_eq!(paths, ["/a", "native=/d"]);
        assert_eq!(output.link_arguments, [(LinkTarget::Binaries, "-e".to_owned())]);
        assert_eq!(output.cfgs, ["f"]);
        assert_eq!(output.environment, [("G".to_owned(), "h".to_owned())]);
        assert_eq!(output.metadata, [("root".to_owned(), "/i".to_owned())]);

        let wrong = "warning = \"a\"\nrustc-cfg = \"b\"\nrustc-env = [1]\nx = 1";
        assert_eq!(read(&wrong.parse().unwrap()).unwrap_err().len(), 4);
    }
}
