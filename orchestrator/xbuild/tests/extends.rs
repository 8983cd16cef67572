//! `extends`: projects that share a description, each laid over it.

mod common;

use common::Project;

#[test]
fn a_description_is_laid_over_the_one_that_it_extends() {
    let project = Project::program("tool", "fn main() {}\n");
    project.write(
        "../shared/base.toml",
        "extends = \"../all.toml\"\n\n[build]\nprofile = \"dev\"\n\n[variant.small]\nfeatures = []\nprofile = \"release\"\n",
    );
    project.write("../all.toml", "[build]\ntargets = [\"aarch64-unknown-linux-gnu\", \"x86_64-unknown-linux-musl\"]\nprofile = \"release\"\n");
    project.write(
        "xbuild.toml",
        "extends = \"../shared/base.toml\"\n\n[variant.small]\ntargets = [\"x86_64-pc-windows-gnu\"]\n",
    );
    let shown = project.xbuild(&["show"]).ok().stdout;
    assert_eq!(
        shown,
        "default  dev\n\
         ├── aarch64-unknown-linux-gnu\n\
         │   └── tool  program\n\
         ├── x86_64-unknown-linux-musl\n\
         │   └── tool  program\n\
         └── image\n    └── tool  linux/amd64, linux/arm64\n\
         small  release\n\
         └── x86_64-pc-windows-gnu\n    └── tool  program\n"
    );
    // A flag is laid over all of them, and a mistake is told where it stands.
    let set = project.xbuild(&["show", "--set", "build.profile=bench"]).ok().stdout;
    assert!(set.starts_with("default  bench\n"), "{set}");
    project
        .write("../all.toml", "[build]\ntargets = [\"x86_64-unknown-linux-musl\"]\nprofil = \"release\"\n");
    project.xbuild(&["show"]).fails(1).says("../all.toml:3:1").says("did you mean `profile`?");

    project.write("../all.toml", "extends = \"project/xbuild.toml\"\n");
    project.xbuild(&["show"]).fails(1).says("extends itself").says("../all.toml:1:11");
    project.write("../all.toml", "extends = 1\n");
    project.xbuild(&["show"]).fails(1).says("`extends` must be a string");
    project.write("xbuild.toml", "extends = \"../missing.toml\"\n");
    project.xbuild(&["show"]).fails(1).says("there is no file").says("missing.toml").says("xbuild.toml:1:11");
}
