//! What rustc's dep-info (`--emit=dep-info`) tells of a compilation: beside the files that were read, the environment
//! variables that `env!` and `option_env!` have taken into the code, as lines `# env-dep:NAME=value`.

/// The variables of cargo's that name a package's folder.
const FOLDERS: [&[u8]; 2] = [b"# env-dep:CARGO_MANIFEST_DIR", b"# env-dep:CARGO_MANIFEST_PATH"];

/// Whether the code that was compiled has the path of its package's folder in it.
#[must_use]
pub fn names_package_folder(dep_info: &[u8]) -> bool {
    dep_info.split(|&byte| byte == b'\n').any(|line| FOLDERS.iter().any(|name| line.starts_with(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_variables_that_name_the_folder_count() {
        let rule = "/build/out/a.d: src/lib.rs\n\nsrc/lib.rs:\n";
        assert!(!names_package_folder(rule.as_bytes()));
        let version = format!("{rule}\n# env-dep:CARGO_PKG_VERSION=1.0.0\n");
        assert!(!names_package_folder(version.as_bytes()));
        let folder = format!("{version}# env-dep:CARGO_MANIFEST_DIR=/build/crates/a-1.0.0\n");
        assert!(names_package_folder(folder.as_bytes()));
    }
}
