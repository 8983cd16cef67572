//! What manifests alone say of a workspace, against what cargo says: over every fixture.

use std::process::Command;

use xbuild_cargo::Packages;
use xbuild_realise::{Listing, LocalSources, project, workspace};
use xbuild_store::Disk;

use crate::fixture::Fixture;
use crate::place::Placed;

#[test]
fn manifests_alone_tell_of_a_workspace_what_cargo_tells() {
    let folder = tempfile::tempdir().unwrap();
    let store = Disk::open(&folder.path().join("store"), None).unwrap();
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut compared = 0;
    for fixture in Fixture::all(fixtures.as_ref()).unwrap() {
        let placed = Placed::new(&fixture, &folder.path().join("git").join(&fixture.name)).unwrap();
        let root = fs_err::canonicalize(placed.workspace()).unwrap();
        let mut command = Command::new(&cargo);
        // From elsewhere: the project's configuration is not in question, but for the names of registries.
        command.args(["metadata", "--format-version=1", "--no-deps", "--offline", "--manifest-path"]);
        command.arg(root.join("Cargo.toml")).current_dir("/").env("CARGO_HOME", folder.path().join("home"));
        let configuration = root.join(".cargo/config.toml");
        if fs_err::read_to_string(&configuration).is_ok_and(|text| text.contains("[registries")) {
            command.arg("--config").arg(configuration);
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}: {}", fixture.name, String::from_utf8_lossy(&output.stderr));
        let lock = project::read_lock(&root).unwrap();
        let packages = Packages::parse(&String::from_utf8(output.stdout).unwrap()).unwrap();
        let local = LocalSources::import(&store, &root, Listing::Kept).unwrap();
        let theirs = workspace::of_metadata(&packages, &store, &local, &lock).unwrap();
        let ours = workspace::of_manifests(&store, &local, &lock).unwrap();
        assert_eq!(ours, theirs, "{}", fixture.name);
        compared += 1;
    }
    assert!(compared > 40, "{compared} fixtures");
}
