//! Properties of a small graph that is written out by hand: a program over a library, a proc macro, a crate from
//! a registry, and a chain of two native libraries.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};
use xbuild_base::RelPath;
use xbuild_cargo::{
    ArtefactKind, Configuration, ConfigurationFile, Context, Effects, Error, Flavour, Manifests, Need,
    Packages, Platform, RustcVersion, Toolchain, UnitGraph, UnitIndex, UnitVariables, parse_cfg,
};

const HOST: &str = "x86_64-unknown-linux-gnu";
const REGISTRY: &str = "registry+https://index.example/crates";

/// What a test changes.
#[derive(Clone)]
struct Scene {
    root: &'static str,
    triple: &'static str,
    cfg: &'static str,
    lto: &'static str,
    features: &'static [&'static str],
    rustflags: &'static str,
    roots: Vec<usize>,
    flavour: Flavour,
    /// The place of each unit in cargo's list.
    order: Vec<usize>,
    library_types: &'static [&'static str],
    variables: UnitVariables,
}

const PROGRAM: usize = 0;
const LIBRARY: usize = 1;
const MACROS: usize = 2;
const MACRO_HELP: usize = 3;
const FROM_REGISTRY: usize = 4;
const DEEP: usize = 5;
const DEEP_RUN: usize = 6;
const DEEP_SCRIPT: usize = 7;
const MID: usize = 8;
const MID_RUN: usize = 9;
const MID_SCRIPT: usize = 10;

impl Default for Scene {
    fn default() -> Self {
        Self {
            root: "/build/ws",
            triple: "aarch64-unknown-linux-gnu",
            cfg: "target_os=\"linux\"\ntarget_env=\"gnu\"\nunix\ntarget_family=\"unix\"\ndebug_assertions",
            lto: "thin",
            features: &["fast"],
            rustflags: "",
            roots: vec![PROGRAM],
            flavour: Flavour::Project,
            order: (0..11).collect(),
            library_types: &["lib"],
            variables: UnitVariables::default(),
        }
    }
}

impl Scene {
    fn id(&self, name: &str) -> String {
        match name {
            "reg" => format!("{REGISTRY}#reg@1.0.0"),
            _ => format!("path+file://{}/{name}#0.1.0", self.root),
        }
    }

    fn folder(&self, name: &str) -> String {
        match name {
            "reg" => "/build/crates/reg-1.0.0".to_owned(),
            _ => format!("{}/{name}", self.root),
        }
    }

    fn unit(&self, package: &str, kind: &[&str], mode: &str, host: bool, edges: &[usize]) -> Value {
        let (name, file, crate_types) = match kind[0] {
            "custom-build" => ("build-script-build".to_owned(), "build.rs", vec!["bin"]),
            "bin" => (package.to_owned(), "src/main.rs", vec!["bin"]),
            _ => (package.replace('-', "_"), "src/lib.rs", kind.to_vec()),
        };
        let dependencies: Vec<Value> = edges
            .iter()
            .map(|&edge| json!({ "index": self.order[edge], "extern_crate_name": format!("crate_{edge}") }))
            .collect();
        let run = mode == "run-custom-build";
        json!({
            "pkg_id": self.id(package),
            "target": {
                "kind": kind, "crate_types": crate_types, "name": name, "edition": "2021",
                "src_path": format!("{}/{file}", self.folder(package)),
            },
            "profile": {
                "name": "release", "opt_level": if host && !run { "0" } else { "3" },
                "lto": if run { "false" } else { self.lto }, "codegen_backend": null, "codegen_units": null,
                "debuginfo": 0, "split_debuginfo": null, "debug_assertions": false, "overflow_checks": false,
                "rpath": false, "incremental": false, "panic": "unwind",
                "strip": { "deferred": "None" },
            },
            "platform": if host { Value::Null } else { self.triple.into() },
            "mode": mode,
            "features": if package == "app" { json!(self.features) } else { json!([]) },
            "dependencies": dependencies,
        })
    }

    fn graph(&self) -> Value {
        let lib = &["lib"];
        let script = &["custom-build"];
        let units = [
            self.unit("app", &["bin"], "build", false, &[LIBRARY, FROM_REGISTRY]),
            self.unit("core-lib", self.library_types, "build", false, &[MACROS, FROM_REGISTRY, MID]),
            self.unit("macros", &["proc-macro"], "build", true, &[MACRO_HELP]),
            self.unit("help", lib, "build", true, &[]),
            self.unit("reg", lib, "build", false, &[]),
            self.unit("deep-sys", lib, "build", false, &[DEEP_RUN]),
            self.unit("deep-sys", script, "run-custom-build", false, &[DEEP_SCRIPT]),
            self.unit("deep-sys", script, "build", true, &[]),
            self.unit("mid-sys", lib, "build", false, &[DEEP, MID_RUN]),
            self.unit("mid-sys", script, "run-custom-build", false, &[MID_SCRIPT, DEEP_RUN]),
            self.unit("mid-sys", script, "build", true, &[]),
        ];
        let mut list = vec![Value::Null; units.len()];
        for (place, unit) in self.order.iter().zip(units) {
            list[*place] = unit;
        }
        let roots: Vec<usize> = self.roots.iter().map(|&root| self.order[root]).collect();
        json!({ "version": 1, "units": list, "roots": roots })
    }

    fn metadata(&self) -> Value {
        let names = ["app", "core-lib", "macros", "help", "reg", "deep-sys", "mid-sys"];
        let packages: Vec<Value> = names
            .iter()
            .map(|name| {
                let kind = if *name == "app" { "bin" } else { "lib" };
                json!({
                    "name": name, "version": if *name == "reg" { "1.0.0" } else { "0.1.0" }, "id": self.id(name),
                    "source": if *name == "reg" { Value::from(REGISTRY) } else { Value::Null },
                    "targets": [{ "kind": [kind], "crate_types": [kind], "name": name, "src_path": "/x",
                                  "edition": "2021" }],
                    "features": { "slow": [], "fast": [] },
                    "manifest_path": format!("{}/Cargo.toml", self.folder(name)),
                    "links": name.strip_suffix("-sys"),
                    "rust_version": if *name == "mid-sys" { Value::from("1.70") } else { Value::Null },
                })
            })
            .collect();
        let members: Vec<String> =
            names.iter().filter(|name| **name != "reg").map(|name| self.id(name)).collect();
        json!({ "packages": packages, "workspace_members": members, "workspace_root": self.root })
    }

    fn platform(&self, triple: &str, cfg: &str) -> Platform {
        Platform {
            triple: triple.parse().unwrap(),
            cfg: parse_cfg(cfg).unwrap(),
            crt_static: cfg.contains("crt-static"),
            split_debuginfo: BTreeSet::new(),
            library_directory: "/usr/lib/rustlib".to_owned(),
            linker: Some(format!("/usr/bin/{triple}-clang")),
            link_arguments: vec!["-fuse-ld=lld".to_owned()],
            rustc_arguments: vec!["-Cdlltool=/usr/bin/dlltool".to_owned()],
            script_environment: [(format!("CC_{triple}"), "clang".to_owned())].into(),
        }
    }

    fn context(&self) -> Result<Context, Error> {
        let manifests: Vec<(RelPath, &str)> =
            ["app", "core-lib", "macros", "help", "reg", "deep-sys", "mid-sys"]
                .iter()
                .map(|name| (inside(&format!("{}/Cargo.toml", self.folder(name))), "[package]"))
                .collect();
        let text = format!("[build]\nrustflags = \"{}\"", self.rustflags);
        let folder = inside(self.root);
        let file = ConfigurationFile { name: "config.toml", folder: &folder, text: &text };
        let triple = self.triple.parse().unwrap();
        let toolchain = Toolchain {
            rustc: "/usr/bin/rustc".to_owned(),
            rustdoc: "/usr/bin/rustdoc".to_owned(),
            cargo: "/usr/bin/cargo".to_owned(),
            version: RustcVersion::parse(&format!("rustc 1.96.1\nhost: {HOST}\nrelease: 1.96.1\n")).unwrap(),
            host: self.platform(HOST, "target_os=\"linux\"\ntarget_env=\"gnu\"\nunix"),
            targets: [(triple, self.platform(self.triple, self.cfg))].into(),
            environment: [("PATH".to_owned(), "/usr/bin".to_owned())].into(),
            num_jobs: 4,
            flavour: self.flavour,
            configuration: Configuration::parse(&[file]).unwrap(),
            workspace_wrapper: None,
            variables: self.variables.clone(),
        };
        let graph = UnitGraph::parse(&self.graph().to_string())?;
        let packages = Packages::parse(&self.metadata().to_string())?;
        Context::new(graph, packages, &Manifests::parse(manifests)?, toolchain)
    }

    fn index(&self, context: &Context, unit: usize) -> UnitIndex {
        context.graph().units().nth(self.order[unit]).unwrap().0
    }
}

fn inside(path: &str) -> RelPath {
    RelPath::new(path.trim_start_matches('/')).unwrap()
}

/// The scripts of both native libraries have run.
fn effects(scene: &Scene, context: &Context) -> Effects {
    let mut effects = Effects::new();
    let run = scene.index(context, DEEP_RUN);
    let out = context.script_output_directory(run).in_sandbox();
    let stdout =
        format!("cargo:root={out}\ncargo:rustc-link-search=native={out}/lib\ncargo:rustc-link-lib=deep");
    effects.insert(run, Arc::new(context.parse_script_output(run, stdout.as_bytes()).unwrap()));
    let run = scene.index(context, MID_RUN);
    effects.insert(run, Arc::new(context.parse_script_output(run, b"cargo:x=y").unwrap()));
    effects
}

fn argv(scene: &Scene, unit: usize) -> Vec<String> {
    let context = scene.context().unwrap();
    let index = scene.index(&context, unit);
    context.rustc_invocation(index, &effects(scene, &context)).unwrap().argv
}

fn has(argv: &[String], flags: &[&str]) -> bool {
    argv.windows(flags.len()).any(|window| window == flags)
}

fn is_about_lto(flag: &str) -> bool {
    ["lto", "linker-plugin-lto", "embed-bitcode"].iter().any(|name| flag.starts_with(name))
}

#[test]
fn a_registry_crate_is_compiled_in_its_own_folder_and_its_lints_are_capped() {
    let scene = Scene::default();
    let context = scene.context().unwrap();
    let of =
        |unit| context.rustc_invocation(scene.index(&context, unit), &effects(&scene, &context)).unwrap();
    let (registry, member) = (of(FROM_REGISTRY), of(LIBRARY));
    assert_eq!(registry.working_directory.as_str(), "build/crates/reg-1.0.0");
    assert_eq!(registry.argv[4], "/build/crates/reg-1.0.0/src/lib.rs");
    assert!(has(&registry.argv, &["--cap-lints", "allow"]));
    assert_eq!(member.working_directory.as_str(), "build/ws");
    assert_eq!(member.argv[4], "core-lib/src/lib.rs");
    assert!(!has(&member.argv, &["--cap-lints", "allow"]));
    assert_eq!(registry.environment["CARGO_MANIFEST_DIR"], "/build/crates/reg-1.0.0");
}

#[test]
fn lto_flavours_follow_the_roots() {
    let scene = Scene::default();
    assert!(has(&argv(&scene, PROGRAM), &["-C", "lto=thin"]));
    assert!(has(&argv(&scene, LIBRARY), &["-C", "linker-plugin-lto"]));
    assert!(has(&argv(&scene, MACRO_HELP), &["-C", "embed-bitcode=no"]));
    let both = Scene { roots: vec![PROGRAM, LIBRARY], library_types: &["cdylib", "rlib"], ..scene };
    assert!(!argv(&both, LIBRARY).iter().any(|flag| is_about_lto(flag)));
    let off = Scene { lto: "off", ..Scene::default() };
    assert!(has(&argv(&off, FROM_REGISTRY), &["-C", "lto=off", "-C", "embed-bitcode=no"]));
}

#[test]
fn every_unit_sees_the_linker_and_only_what_links_its_arguments() {
    let scene = Scene::default();
    let linker = ["-C", "linker=/usr/bin/aarch64-unknown-linux-gnu-clang"];
    let argument = ["-C", "link-arg=-fuse-ld=lld"];
    assert!(has(&argv(&scene, PROGRAM), &[linker, argument].concat()));
    assert!(has(&argv(&scene, LIBRARY), &linker) && !has(&argv(&scene, LIBRARY), &argument));
    assert!(argv(&scene, LIBRARY).contains(&"-Cdlltool=/usr/bin/dlltool".to_owned()));
    let host = ["-C", "linker=/usr/bin/x86_64-unknown-linux-gnu-clang"];
    assert!(has(&argv(&scene, MACROS), &host));
}

#[test]
fn libraries_need_metadata_and_programs_need_what_can_be_linked() {
    let scene = Scene::default();
    let context = scene.context().unwrap();
    let needs = |unit| {
        let artefacts = context.needs(scene.index(&context, unit)).artefacts;
        artefacts.into_iter().map(|(index, need)| (index.number(), need)).collect::<Vec<_>>()
    };
    assert_eq!(
        needs(LIBRARY),
        [
            (MACROS, Need::Link),
            (FROM_REGISTRY, Need::Metadata),
            (DEEP, Need::Metadata),
            (MID, Need::Metadata)
        ]
    );
    assert_eq!(
        needs(PROGRAM),
        [LIBRARY, MACROS, FROM_REGISTRY, DEEP, MID].map(|unit| (unit, Need::Link)),
        "what the proc macro was made of is not needed"
    );
    assert_eq!(needs(MID_RUN), [(MID_SCRIPT, Need::Program)]);
}

#[test]
fn metadata_and_folders_of_native_libraries_reach_whom_they_must() {
    let scene = Scene::default();
    let context = scene.context().unwrap();
    let effects = effects(&scene, &context);
    let deep = scene.index(&context, DEEP_RUN);
    let out = context.script_output_directory(deep).in_sandbox();
    assert!(out.starts_with("/build/script/deep-sys-") && out.ends_with("/out"), "{out}");

    let script = context.script_invocation(scene.index(&context, MID_RUN), &effects).unwrap();
    assert_eq!(script.invocation.environment["DEP_DEEP_ROOT"], out);
    assert_eq!(script.invocation.environment["TARGET"], scene.triple);
    assert_eq!(script.invocation.environment["HOST"], HOST);
    assert_eq!(script.invocation.environment["CC_aarch64-unknown-linux-gnu"], "clang");
    assert_eq!(script.invocation.script_directories, [deep].into());
    assert_eq!(script.invocation.working_directory.as_str(), "build/ws/mid-sys");
    assert_eq!(script.program, scene.index(&context, MID_SCRIPT));
    assert!(script.program_path.as_str().ends_with("/build-script-build"));

    let of = |unit| context.rustc_invocation(scene.index(&context, unit), &effects).unwrap();
    let search = format!("native={out}/lib");
    for unit in [DEEP, MID, LIBRARY, PROGRAM] {
        assert!(has(&of(unit).argv, &["-L", &search]), "unit {unit}");
        assert_eq!(has(&of(unit).argv, &["-l", "deep"]), unit == DEEP, "unit {unit}");
    }
    assert_eq!(of(DEEP).environment["OUT_DIR"], out);
    let directories = |unit: usize| of(unit).script_directories.contains(&deep);
    assert_eq!([DEEP, MID, LIBRARY, PROGRAM].map(directories), [true, true, false, true]);
}

#[test]
fn variables_of_the_description_reach_the_units_that_they_are_for_and_change_no_others() {
    let table = |entries: &[(&str, &str)]| {
        entries.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect::<BTreeMap<_, _>>()
    };
    let environments = |variables: UnitVariables| {
        let scene = Scene { variables, ..Scene::default() };
        let context = scene.context().unwrap();
        let effects = effects(&scene, &context);
        let of = |unit| {
            let index = scene.index(&context, unit);
            match context.script_invocation(index, &effects) {
                Ok(script) => script.invocation.environment,
                Err(_) => context.rustc_invocation(index, &effects).unwrap().environment,
            }
        };
        (0..11).map(of).collect::<Vec<_>>()
    };
    let deep = ("deep-sys".to_owned(), "0.1.0".parse().unwrap());
    let with = environments(UnitVariables {
        host: table(&[("A", "host"), ("OUT_DIR", "x")]),
        target: table(&[("A", "target"), ("CC_aarch64-unknown-linux-gnu", "gcc"), ("PATH", "/opt")]),
        packages: [(deep, table(&[("A", "deep"), ("B", "b"), ("CARGO_PKG_NAME", "x")]))].into(),
    });
    assert_eq!(with[PROGRAM]["A"], "target");
    assert_eq!(with[MACRO_HELP]["A"], "host");
    assert_eq!(with[MID_RUN]["A"], "target", "a script is run for the target");
    assert_eq!(with[MID_SCRIPT]["A"], "host", "and compiled for the host");
    assert_eq!(with[MID_RUN]["CC_aarch64-unknown-linux-gnu"], "gcc");
    for unit in [DEEP, DEEP_RUN, DEEP_SCRIPT] {
        assert_eq!((with[unit]["A"].as_str(), with[unit]["B"].as_str()), ("deep", "b"));
        assert_eq!(with[unit]["CARGO_PKG_NAME"], "deep-sys", "cargo's own variables win");
    }
    assert_ne!(with[DEEP_RUN]["OUT_DIR"], "x");

    let without = environments(UnitVariables::default());
    let deep = ("deep-sys".to_owned(), "0.1.0".parse().unwrap());
    let of_deep = environments(UnitVariables {
        packages: [(deep, table(&[("B", "b")]))].into(),
        ..UnitVariables::default()
    });
    for unit in 0..11 {
        let is_deep = [DEEP, DEEP_RUN, DEEP_SCRIPT].contains(&unit);
        assert_eq!(of_deep[unit] != without[unit], is_deep, "unit {unit}");
    }
}

#[test]
fn who_is_pointed_into_a_packages_sources_finds_them() {
    let scene = Scene::default();
    let context = scene.context().unwrap();
    let mut effects = effects(&scene, &context);
    let run = scene.index(&context, DEEP_RUN);
    let deep = context.package(run);
    let folder = deep.root.in_sandbox();
    let said = format!("cargo:rustc-link-search=native={folder}/lib\ncargo:include={folder}/include\n");
    effects.insert(run, Arc::new(context.parse_script_output(run, said.as_bytes()).unwrap()));
    let script = context.script_invocation(scene.index(&context, MID_RUN), &effects).unwrap();
    assert_eq!(script.invocation.packages, [deep.id.clone()].into());
    let packages = |unit| {
        context.rustc_invocation(scene.index(&context, unit), &effects).unwrap().packages.contains(&deep.id)
    };
    // Its own sources are there anyway.
    assert_eq!([DEEP, MID, LIBRARY, PROGRAM].map(packages), [false, true, false, true]);
}

#[test]
fn missing_effects_are_a_mistake_of_the_callers() {
    let scene = Scene::default();
    let context = scene.context().unwrap();
    for unit in [DEEP, MID, PROGRAM] {
        let result = context.rustc_invocation(scene.index(&context, unit), &Effects::new());
        assert!(matches!(result, Err(Error::Caller(_))), "unit {unit}");
    }
    let result = context.script_invocation(scene.index(&context, MID_RUN), &Effects::new());
    assert!(matches!(result, Err(Error::Caller(_))));
    let result = context.script_invocation(scene.index(&context, MID), &effects(&scene, &context));
    assert!(matches!(result, Err(Error::Caller(_))));
    let result = context.rustc_invocation(scene.index(&context, MID_RUN), &effects(&scene, &context));
    assert!(matches!(result, Err(Error::Caller(_))));
}

#[test]
fn names_depend_on_what_a_unit_is_and_on_nothing_else() {
    let hashes = |scene: &Scene| {
        let context = scene.context().unwrap();
        (0..11).map(|unit| context.hash(scene.index(&context, unit)).clone()).collect::<Vec<_>>()
    };
    let scene = Scene::default();
    let base = hashes(&scene);
    let names: BTreeSet<&String> = base.iter().map(|hash| &hash.name).collect();
    assert_eq!(names.len(), base.len());
    assert!(names.iter().all(|name| name.len() == 16));

    let moved = hashes(&Scene { root: "/elsewhere/deep/ws", ..scene.clone() });
    assert_eq!(base, moved, "where the workspace lies");
    let more = hashes(&Scene { roots: vec![PROGRAM, MACROS], ..scene.clone() });
    assert_eq!(base, more, "what else is asked for");

    let features = hashes(&Scene { features: &[], ..scene.clone() });
    let differ: Vec<usize> = (0..11).filter(|&unit| base[unit] != features[unit]).collect();
    assert_eq!(differ, [PROGRAM], "features of the program");

    let target = hashes(&Scene { triple: "riscv64gc-unknown-linux-gnu", ..scene.clone() });
    let same: Vec<usize> = (0..11).filter(|&unit| base[unit] == target[unit]).collect();
    assert_eq!(same, [MACROS, MACRO_HELP, DEEP_SCRIPT, MID_SCRIPT], "what the targets share");

    let flags = hashes(&Scene { rustflags: "--cfg x", ..scene.clone() });
    let symbols: Vec<bool> = base.iter().zip(&flags).map(|(a, b)| a.metadata == b.metadata).collect();
    assert!(symbols.iter().all(|same| *same), "symbol names");
    let same: Vec<usize> = (0..11).filter(|&unit| base[unit] == flags[unit]).collect();
    assert_eq!(same, [MACROS, MACRO_HELP, DEEP_SCRIPT, MID_SCRIPT], "host units have no rustflags");
    let remap = |rustflags| hashes(&Scene { rustflags, ..scene.clone() });
    let (one, other) = (remap("--remap-path-prefix=/a=/b"), remap("--remap-path-prefix=/c=/d"));
    assert_eq!(one, other, "flags that remap paths");
}

#[test]
fn the_order_of_cargos_list_does_not_matter() {
    let commands = |scene: &Scene| {
        let context = scene.context().unwrap();
        let effects = effects(scene, &context);
        let compiled = (0..11).filter(|unit| ![DEEP_RUN, MID_RUN].contains(unit));
        compiled
            .map(|unit| {
                let it = context.rustc_invocation(scene.index(&context, unit), &effects).unwrap();
                (it.argv, it.environment, it.working_directory)
            })
            .collect::<Vec<_>>()
    };
    let scene = Scene::default();
    let shuffled = Scene { order: (0..11).map(|unit| (unit * 7 + 3) % 11).collect(), ..scene.clone() };
    assert_eq!(commands(&scene), commands(&shuffled));
}

#[test]
fn files_are_called_as_on_the_target() {
    let windows = Scene {
        triple: "x86_64-pc-windows-gnu",
        cfg: "target_os=\"windows\"\ntarget_env=\"gnu\"\nwindows",
        library_types: &["cdylib", "rlib"],
        ..Scene::default()
    };
    let context = windows.context().unwrap();
    let artefacts = |unit| context.artefacts(windows.index(&context, unit));
    let program = &artefacts(PROGRAM)[0];
    let hash = &context.hash(windows.index(&context, PROGRAM)).name;
    assert_eq!(program.file, format!("app-{hash}.exe"));
    assert_eq!((program.installed.as_str(), program.kind), ("app.exe", ArtefactKind::Program));
    let library: Vec<_> = artefacts(LIBRARY).iter().map(|it| (it.file.clone(), it.kind)).collect();
    assert_eq!(
        library,
        [
            ("core_lib.dll".to_owned(), ArtefactKind::DynamicLibrary),
            ("libcore_lib.dll.a".to_owned(), ArtefactKind::ImportLibrary),
            ("libcore_lib.rlib".to_owned(), ArtefactKind::Linkable),
        ],
        "a C dynamic library of the workspace has its plain name, and is not pipelined"
    );
    let script = &artefacts(DEEP_SCRIPT)[0];
    assert!(script.file.starts_with("build_script_build-") && !script.file.ends_with(".exe"));
}

#[test]
fn what_a_target_cannot_make_is_refused() {
    let musl = Scene {
        triple: "x86_64-unknown-linux-musl",
        cfg: "target_os=\"linux\"\ntarget_env=\"musl\"\ntarget_feature=\"crt-static\"",
        ..Scene::default()
    };
    let both = Scene { library_types: &["cdylib", "rlib"], ..musl.clone() };
    let context = both.context().unwrap();
    let files = context.artefacts(both.index(&context, LIBRARY));
    assert_eq!(files.iter().map(|file| file.kind).collect::<Vec<_>>(), [ArtefactKind::Linkable]);
    let alone = Scene { library_types: &["cdylib"], ..musl };
    let context = alone.context().unwrap();
    let index = alone.index(&context, LIBRARY);
    context
        .check_crate_types(context.graph().units().map(|(other, _)| other).filter(|other| *other != index))
        .unwrap();
    let error = context.check_crate_types([index]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot make cdylib of `core-lib` for `x86_64-unknown-linux-musl`: the target does not support it"
    );
}

#[test]
fn std_is_compiled_as_cargo_would_with_build_std() {
    let std =
        Scene { flavour: Flavour::StandardLibrary, library_types: &["dylib", "rlib"], ..Scene::default() };
    let library = argv(&std, LIBRARY);
    assert!(has(&library, &["-Z", "force-unstable-if-unmarked"]));
    assert!(has(&library, &["--crate-type", "rlib"]) && !library.contains(&"dylib".to_owned()));
    assert!(has(&library, &["--cap-lints", "allow"]));
    assert!(!library.iter().any(|flag| is_about_lto(flag)));
    let context = std.context().unwrap();
    let effects = effects(&std, &context);
    let rustc = context.rustc_invocation(std.index(&context, LIBRARY), &effects).unwrap();
    let script = context.script_invocation(std.index(&context, DEEP_RUN), &effects).unwrap();
    assert_eq!(rustc.environment["RUSTC_BOOTSTRAP"], "1");
    assert_eq!(script.invocation.environment["RUSTC_BOOTSTRAP"], "1");
    assert!(!argv(&Scene::default(), LIBRARY).contains(&"-Z".to_owned()));
}

#[test]
fn a_graph_that_makes_no_sense_is_refused() {
    let scene = Scene::default();
    let parse = |graph: &Value| UnitGraph::parse(&graph.to_string()).unwrap_err();
    assert!(matches!(UnitGraph::parse("{"), Err(Error::Json { .. })));
    let mut graph = scene.graph();
    graph["version"] = 2.into();
    assert_eq!(parse(&graph), Error::GraphVersion(2));
    let mut graph = scene.graph();
    graph["units"][0]["profile"]["new_key"] = 1.into();
    assert!(matches!(parse(&graph), Error::Json { problem, .. } if problem.contains("new_key")));
    let mut graph = scene.graph();
    graph["roots"] = json!([11]);
    assert_eq!(parse(&graph), Error::Graph("there is no unit #11".to_owned()));
    let mut graph = scene.graph();
    graph["units"][FROM_REGISTRY]["dependencies"] = json!([{ "index": LIBRARY, "extern_crate_name": "x" }]);
    assert!(matches!(parse(&graph), Error::Graph(problem) if problem.contains("depends on itself")));
}

#[test]
fn what_is_not_known_is_named() {
    let scene = Scene::default();
    let mut graph = scene.graph();
    graph["units"][0]["pkg_id"] = "path+file:///build/other#1.0.0".into();
    graph["units"][1]["platform"] = "riscv64gc-unknown-linux-gnu".into();
    let context = scene.context().unwrap();
    let make = |graph: &Value, manifests: &Manifests| {
        let packages = Packages::parse(&scene.metadata().to_string()).unwrap();
        let graph = UnitGraph::parse(&graph.to_string()).unwrap();
        Context::new(graph, packages, manifests, context.toolchain().clone()).unwrap_err()
    };
    let texts = ["app", "core-lib", "macros", "help", "reg", "deep-sys"];
    let texts = texts.map(|name| (inside(&format!("{}/Cargo.toml", scene.folder(name))), "[package]"));
    let manifests = Manifests::parse(texts).unwrap();
    assert_eq!(make(&graph, &manifests), Error::UnknownPackage("path+file:///build/other#1.0.0".to_owned()));
    graph["units"][0]["pkg_id"] = scene.id("app").into();
    assert_eq!(make(&graph, &manifests), Error::UnknownPlatform("riscv64gc-unknown-linux-gnu".to_owned()));
    graph["units"][1]["platform"] = scene.triple.into();
    let error = make(&graph, &manifests);
    assert!(matches!(error, Error::MissingManifest { package, .. } if package == "mid-sys"));
    let mut metadata = scene.metadata();
    metadata["workspace_root"] = "relative".into();
    assert!(matches!(Packages::parse(&metadata.to_string()), Err(Error::Path { .. })));
}

#[test]
fn directives_that_cargo_would_refuse_are_refused_with_their_line() {
    let scene = Scene::default();
    let context = scene.context().unwrap();
    let parse = |unit, line: &str| context.parse_script_output(scene.index(&context, unit), line.as_bytes());
    let refused: BTreeMap<&str, &str> = [
        ("cargo::rustc-cfg", "there is no `=`"),
        ("cargo::nonsense=1", "the key `nonsense` is not known\n  help: print what is no directive"),
        ("cargo::rustc-lnk-lib=z", "did you mean `rustc-link-lib`?"),
        ("cargo:rustc-flags=-l a -O3", "only `-l` and `-L`"),
        ("cargo:rustc-flags=-l", "has no value"),
        ("cargo:rustc-link-arg-bins=x", "no bin target"),
        ("cargo:rustc-link-arg-tests=x", "no test target"),
        ("cargo:rustc-link-arg-bin=x", "KEY=BIN=ARG"),
        ("cargo:rustc-env=A", "needs a value"),
        ("cargo:rustc-env=RUSTC_BOOTSTRAP=1", "RUSTC_BOOTSTRAP"),
        ("cargo:only-a-key", "there is no `=`"),
    ]
    .into();
    for (line, problem) in refused {
        match parse(DEEP_RUN, &format!("noise\n{line}\n")).unwrap_err() {
            Error::Directive { package, line: at, problem: found } => {
                assert_eq!((package.as_str(), at.as_str()), ("deep-sys", line));
                assert!(found.contains(problem), "{line}: {found}");
            }
            error => panic!("{line}: {error}"),
        }
    }
    let error = parse(MID_RUN, "cargo::metadata=a=b").unwrap_err();
    assert!(error.to_string().contains("help: print `cargo:a=b`, with one colon"), "{error}");
    let error = parse(DEEP_RUN, "cargo::error=no compiler\ncargo::error=no hope").unwrap_err();
    assert_eq!(error.to_string(), "the build script of `deep-sys` reported no compiler; no hope");
}

#[test]
fn both_forms_of_directives_are_read() {
    let scene = Scene::default();
    let context = scene.context().unwrap();
    let stdout = b"hello\n\xff\xfe\n  cargo:rustc-cfg=a \ncargo::rustc-cfg=b=\"c\"\ncargo:KEY=v=w\n\
        cargo::metadata=K2=v2\ncargo:error=no directive in the old form\ncargo:warning=careful\n\
        cargo:rustc-flags= -L/a -lb -l static=c\ncargo:rerun-if-changed=x.c\ncargo::rustc-env=A=b=c\r\n";
    let output = context.parse_script_output(scene.index(&context, DEEP_RUN), stdout).unwrap();
    assert_eq!(output.cfgs, ["a", "b=\"c\""]);
    let metadata: Vec<_> = output.metadata.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(metadata, [("KEY", "v=w"), ("K2", "v2"), ("error", "no directive in the old form")]);
    assert_eq!(output.warnings, ["careful"]);
    assert_eq!(output.libraries, ["b", "static=c"]);
    assert_eq!(output.library_paths[0].as_str(), "/a");
    assert_eq!(output.rerun_if_changed, ["x.c"]);
    assert_eq!(output.environment, [("A".to_owned(), "b=c".to_owned())]);
}
