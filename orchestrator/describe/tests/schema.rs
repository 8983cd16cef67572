//! The JSON schemas: they are what the reading code makes of them, take what it takes, and their keys are in the guide.

use std::path::{Path, PathBuf};

use fs_err as fs;
use serde_json::Value;
use xbuild_describe::schemas;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn schema(name: &str) -> Value {
    serde_json::from_str(&schemas()[name]).unwrap()
}

/// What is wrong with a TOML file by a schema.
fn problems(schema: &Value, file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap();
    let value: toml::Table = text.parse().unwrap();
    let value = serde_json::to_value(value).unwrap();
    let validator = jsonschema::validator_for(schema).unwrap();
    validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

fn below(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(folder)).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

#[test]
fn the_files_in_schema_are_what_the_code_makes() {
    for (name, text) in schemas() {
        let there = fs::read_to_string(root().join("schema").join(name)).unwrap_or_default();
        assert!(
            there == text,
            "schema/{name} is stale: cargo run -p xbuild-describe --example schema -- schema"
        );
    }
}

#[test]
fn files_that_are_read_fit_and_wrong_ones_do_not() {
    let (xbuild, toolchains, target) =
        (schema("xbuild.json"), schema("toolchains.json"), schema("target.json"));
    assert_eq!(problems(&toolchains, &root().join("toolchains.toml")), [""; 0]);
    for file in below("targets") {
        assert_eq!(problems(&target, &file), [""; 0], "{}", file.display());
    }
    let mut files = vec![root().join("native.toml")];
    for folder in ["templates", "examples"] {
        files.extend(
            below(folder).into_iter().map(|folder| folder.join("xbuild.toml")).filter(|file| file.exists()),
        );
    }
    let fixtures = "orchestrator/describe/tests/fixtures/description";
    let fixture = |name: &str| root().join(fixtures).join(name);
    files.extend(["everything.toml", "images.toml", "variants.toml"].map(fixture));
    assert!(files.len() > 6, "{files:?}");
    for file in files {
        assert_eq!(problems(&xbuild, &file), [""; 0], "{}", file.display());
    }
    for wrong in ["unknown-keys.toml", "wrong-types.toml", "steps-wrong.toml"] {
        assert_ne!(problems(&xbuild, &fixture(wrong)), [""; 0], "{wrong}");
    }
}

#[test]
fn each_key_is_in_the_guide() {
    fn keys(schema: &Value, path: &str, found: &mut Vec<(String, String)>) {
        for (key, below) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{key}");
            found.push((key.clone(), path.clone()));
            keys(below, &path, found);
        }
        for form in schema["anyOf"].as_array().into_iter().flatten() {
            keys(form, path, found);
        }
        keys_of(&schema["additionalProperties"], path, found);
        keys_of(&schema["items"], path, found);
    }
    fn keys_of(schema: &Value, path: &str, found: &mut Vec<(String, String)>) {
        if schema.is_object() {
            keys(schema, path, found);
        }
    }
    let guide: String =
        below("docs/guide").iter().map(|file| fs::read_to_string(file).unwrap()).collect::<Vec<_>>().concat();
    let mut found = Vec::new();
    keys(&schema("xbuild.json"), "", &mut found);
    assert!(found.len() > 100, "{}", found.len());
    let is_told = |key: &str| guide.contains(&format!("`{key}")) || guide.contains(&format!("[{key}"));
    let missing: Vec<String> =
        found.into_iter().filter(|(key, _)| !is_told(key)).map(|(_, path)| path).collect();
    assert_eq!(missing, [""; 0]);
}
