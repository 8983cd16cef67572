//! Composition: packages and wheels from a server on loopback, recipes applied, trees compared.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use xbuild_action::{ActionResult, Command, ContentExt as _, File, InputRoot, Isolation, Output, Times};
use xbuild_base::{Digest, Sha256, Tree, Triple};
use xbuild_describe::{ComponentName, Toolchains, Wheel};
use xbuild_fetch::debian::Mirrors;
use xbuild_fetch::source::wheel::PackageIndex;
use xbuild_fetch::toolchain::{BuildError, Builder, Composer, find_wheel};
use xbuild_fetch::{Deferred, FetchError, Fetcher, InMemory, Quiet, Settings, is_stand_in};

use crate::server::{Reply, Server};
use crate::support::{deb, listing, settings, toolchains};

/// "Compiles" by writing down what it was called with.
struct Recorder<'s> {
    store: &'s InMemory,
    seen: Mutex<Vec<String>>,
    fail: bool,
}

impl Builder for Recorder<'_> {
    fn run(&self, what: &str, command: &Command, inputs: &InputRoot) -> Result<ActionResult, BuildError> {
        if self.fail {
            return Err("exit code 1".into());
        }
        let root = inputs.tree(self.store, None)?;
        let mut argv = command.argv.join(" ");
        for line in
            listing(self.store, root).iter().filter(|line| line.starts_with("build/") && *line != "build/")
        {
            argv.push_str(&format!(" <{line}>"));
        }
        self.seen.lock().unwrap().push(format!("{what}: {argv}"));
        let digest = self.store.put(format!("made by {argv}").as_bytes())?;
        let outputs = command
            .outputs
            .iter()
            .map(|path| (path.clone(), Output::File(File { digest, executable: false })));
        let nothing = self.store.put(b"")?;
        Ok(ActionResult {
            outputs: outputs.collect(),
            exit_code: 0,
            stdout: nothing,
            stderr: nothing,
            isolation: Isolation::Full,
            times: Times::default(),
        })
    }

    fn jobs(&self) -> usize {
        2
    }
}

fn wheel_of(files: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (path, text) in files {
        archive.start_file(*path, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(text.as_bytes()).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// A server with packages and a wheel, and the pins of them.
struct Pool {
    server: Server,
    files: BTreeMap<String, Vec<u8>>,
    downloads: Arc<AtomicUsize>,
}

impl Pool {
    fn new(packages: &[(&str, &[(&str, &str)])]) -> Self {
        let mut files: BTreeMap<String, Vec<u8>> =
            packages.iter().map(|(name, files)| (format!("{name}.deb"), deb(files))).collect();
        files.insert(
            "src-1-py3-none-any.whl".to_owned(),
            wheel_of(&[
                ("pkg/lib/a/one.c", "int one;"),
                ("pkg/lib/a/two.c", "int two;"),
                ("pkg/lib/a/skip.c", "no"),
                ("pkg/lib/a/one.h", "h"),
                ("pkg/lib/b/three.cpp", "int three;"),
                ("pkg/other/big.c", "big"),
            ]),
        );
        let downloads = Arc::new(AtomicUsize::new(0));
        let sum = Sha256::of(&files["src-1-py3-none-any.whl"]).to_hex();
        let (served, count) = (files.clone(), Arc::clone(&downloads));
        let server = Server::new(move |request| {
            let name = request.path.rsplit('/').next().unwrap();
            if request.path == "/simple/src/" {
                let link = format!("<a href=\"/files/src-1-py3-none-any.whl#sha256={sum}\">src</a>");
                return Reply::ok(link).header("Content-Type", "text/html");
            }
            match served.get(name) {
                Some(bytes) => {
                    count.fetch_add(1, Ordering::SeqCst);
                    Reply::ok(bytes.clone())
                }
                None => Reply::status(404),
            }
        });
        Self { server, files, downloads }
    }

    /// A component with its pins, for one host.
    fn component(&self, name: &str, packages: &[&str], recipe: &str) -> String {
        let pins: String = packages
            .iter()
            .map(|package| {
                let bytes = &self.files[&format!("{package}.deb")];
                format!(
                    "  {{ name = \"{package}\", version = \"1\", arch = \"amd64\", suite = \"sid\", path = \"pool/{package}.deb\", size = {}, sha256 = \"{}\" }},\n",
                    bytes.len(),
                    Sha256::of(bytes).to_hex()
                )
            })
            .collect();
        let packages = format!(
            "suites = [\"sid\"]\nroots = [\"x\"]\n{recipe}\n[pins.any.{name}]\npackages = [\n{pins}]\n"
        );
        format!("[component.{name}]\narch = \"amd64\"\n{packages}\n")
    }

    fn wheel(&self, name: &str, keep: &str) -> String {
        let bytes = &self.files["src-1-py3-none-any.whl"];
        format!(
            "[component.{name}]\narch = \"all\"\nwheel = {{ name = \"src\", version = \"1\", prefix = \"usr/src\", keep = [{keep}] }}\n\
             [pins.any.{name}]\nwheels = [{{ name = \"src\", version = \"1\", file = \"src-1-py3-none-any.whl\", size = {}, sha256 = \"{}\" }}]\n",
            bytes.len(),
            Sha256::of(bytes).to_hex()
        )
    }

    fn toolchains(&self, components: &[String]) -> Toolchains {
        let first =
            components[0].split(['[', ']']).nth(1).unwrap().trim_start_matches("component.").to_owned();
        toolchains(&format!(
            "format = 1\ndefault = \"1.96.1\"\n[suites]\nsid = {{ archive = \"debian\" }}\n\
             [toolchain.\"1.96.1\"]\ndistribution = \"debian\"\nrust = [\"{first}\"]\n{}",
            components.concat()
        ))
    }
}

struct Run {
    store: InMemory,
    host: Triple,
}

impl Run {
    fn new() -> Self {
        Self { store: InMemory::new().unwrap(), host: "x86_64-unknown-linux-gnu".parse().unwrap() }
    }

    /// The listing of a component, and what was run for it.
    fn compose(
        &self,
        pool: &Pool,
        toolchains: &Toolchains,
        name: &str,
    ) -> Result<(Vec<String>, Vec<String>), FetchError> {
        self.compose_with(pool, toolchains, name, settings(), false)
    }

    fn compose_with(
        &self,
        pool: &Pool,
        toolchains: &Toolchains,
        name: &str,
        settings: Settings,
        fail: bool,
    ) -> Result<(Vec<String>, Vec<String>), FetchError> {
        let fetcher = Fetcher::new(&self.store, settings, &Quiet);
        let (tree, seen) = self.tree(pool, toolchains, name, &fetcher, fail)?;
        Ok((listing(&self.store, tree), seen))
    }

    fn tree(
        &self,
        pool: &Pool,
        toolchains: &Toolchains,
        name: &str,
        fetcher: &Fetcher<'_>,
        fail: bool,
    ) -> Result<(Digest<Tree>, Vec<String>), FetchError> {
        let mirrors = Mirrors::of("debian", &[&format!("{}/debian", pool.server.url)], &[]);
        let index = format!("{}/simple", pool.server.url);
        let wheels = Arc::new(PackageIndex::load(&BTreeMap::new(), Some(&index))?);
        let builder = Recorder { store: &self.store, seen: Mutex::default(), fail };
        let composer = Composer {
            fetcher,
            mirrors: &mirrors,
            wheels: &wheels,
            toolchains,
            host: &self.host,
            builder: &builder,
        };
        let name: ComponentName = name.parse().unwrap();
        let tree = composer.tree(&name)?;
        let mut seen = builder.seen.into_inner().unwrap();
        seen.sort();
        Ok((tree, seen))
    }

    /// What a fetcher that defers gives for a component, and which files it tells of.
    fn deferred(
        &self,
        pool: &Pool,
        toolchains: &Toolchains,
        name: &str,
    ) -> (Digest<Tree>, Vec<String>, Deferred) {
        let deferred = Deferred::default();
        let fetcher = Fetcher::new(&self.store, settings(), &Quiet).deferring(Some(&deferred));
        let (tree, seen) = self.tree(pool, toolchains, name, &fetcher, true).unwrap();
        assert_eq!(seen, [""; 0], "nothing is compiled");
        let told = |file: &xbuild_fetch::DeferredFile| format!("{}: {}", file.needed_for, file.output.name);
        let files = deferred.files().iter().map(told).collect();
        (tree, files, deferred)
    }
}

fn pool() -> Pool {
    Pool::new(&[
        (
            "a",
            &[
                ("./usr/bin/a", "#!/bin/sh a"),
                ("./usr/share/doc/a", "words"),
                ("./lib/liba.so.1", "a"),
                ("./usr/lib/liba.so", "-> liba.so.1"),
            ],
        ),
        (
            "b",
            &[
                ("./usr/bin/b", "b"),
                ("./usr/lib/gone/x", "x"),
                ("./usr/include/b/one.h", "1"),
                ("./usr/include/b/two.h", "2"),
            ],
        ),
        ("same", &[("./usr/share/doc/a", "words")]),
        ("clash", &[("./usr/bin/a", "another a")]),
    ])
}

#[test]
fn a_recipe_is_applied_in_its_order() {
    let pool = pool();
    let recipe = r##"
keep = ["usr/bin/*", "usr/lib/**", "usr/target/**"]
drop = ["usr/lib/gone/**", "usr/bin/dropped", "usr/etc/**", "usr/target/two.h"]
aliases = { "usr/bin/a" = ["[", "a2"] }
[component.x.copies]
"usr/target" = "usr/include/b"
"usr/target/lib.so" = "usr/lib/liba.so"
[component.x.links]
"lib" = "usr/lib"
[component.x.files]
"usr/etc/conf" = "kept, because the recipe itself writes it\n"
"usr/bin/dropped" = "#!/bin/sh"
"##;
    let toolchains = pool.toolchains(&[pool.component("x", &["a", "b", "same"], recipe)]);
    let (files, _) = Run::new().compose(&pool, &toolchains, "x").unwrap();
    assert_eq!(
        files,
        [
            "lib -> usr/lib",
            "usr/bin/[ -> a",
            "usr/bin/a* #!/bin/sh a",
            "usr/bin/a2 -> a",
            "usr/bin/b b",
            "usr/bin/dropped* #!/bin/sh",
            "usr/etc/conf kept, because the recipe itself writes it",
            "usr/lib/liba.so -> liba.so.1",
            "usr/lib/liba.so.1 a",
            "usr/target/lib.so a",
            "usr/target/one.h 1",
        ]
    );
}

#[test]
fn what_was_composed_is_not_fetched_or_composed_again() {
    let pool = pool();
    let toolchains = pool.toolchains(&[pool.component("x", &["a"], ""), pool.component("y", &["b"], "")]);
    let run = Run::new();
    let first = run.compose(&pool, &toolchains, "x").unwrap();
    assert_eq!(pool.downloads.load(Ordering::SeqCst), 1, "only what is asked for is fetched");
    let offline = Settings { offline: true, ..settings() };
    assert_eq!(run.compose_with(&pool, &toolchains, "x", offline.clone(), true).unwrap(), first);
    let error = run.compose_with(&pool, &toolchains, "y", offline, true).unwrap_err();
    assert!(matches!(&error, FetchError::Offline { missing } if missing.len() == 1), "{error:?}");
    assert!(error.to_string().contains("b 1 (amd64)"), "{error}");
}

#[test]
fn whoever_only_wants_to_know_is_told_what_would_be_fetched_and_nothing_is() {
    let pool = pool();
    let library = "uses = [\"x\"]\n[[component.lib.archive]]\noutput = \"l.a\"\nsources = [\"usr/bin/b\"]\n\
                   compiler = \"cc\"\nflags = []";
    let toolchains = pool.toolchains(&[
        pool.component("x", &["a", "same"], ""),
        pool.component("y", &["b"], "uses = [\"x\"]"),
        pool.component("lib", &["b"], library),
        pool.component("half", &["a", "b"], ""),
    ]);
    let run = Run::new();
    let (y, files, _) = run.deferred(&pool, &toolchains, "y");
    assert_eq!(files, ["x: a 1 (amd64)", "x: same 1 (amd64)", "y: b 1 (amd64)"]);
    let (x, ..) = run.deferred(&pool, &toolchains, "x");
    assert!(is_stand_in(&run.store, y) && is_stand_in(&run.store, x) && x != y);
    assert_eq!(pool.downloads.load(Ordering::SeqCst), 0);

    // What is there is no more asked for.
    let fetched = run.compose(&pool, &toolchains, "x").unwrap();
    assert_eq!(run.deferred(&pool, &toolchains, "half").1, ["half: b 1 (amd64)"]);
    let (x, files, _) = run.deferred(&pool, &toolchains, "x");
    assert_eq!((listing(&run.store, x), files.len()), (fetched.0, 0));

    // With all files there a component is put together, but nothing is compiled.
    run.compose(&pool, &toolchains, "y").unwrap();
    let (half, files, _) = run.deferred(&pool, &toolchains, "half");
    assert_eq!((is_stand_in(&run.store, half), files.len()), (false, 0));
    let (library, files, deferred) = run.deferred(&pool, &toolchains, "lib");
    assert_eq!((is_stand_in(&run.store, library), files.len()), (true, 0));
    assert_eq!(deferred.compiled(), ["lib"]);
    assert_eq!(pool.downloads.load(Ordering::SeqCst), 3);

    // Without a network it is an error, as it is for a build.
    let (run, deferred) = (Run::new(), Deferred::default());
    let offline = Settings { offline: true, ..settings() };
    let fetcher = Fetcher::new(&run.store, offline, &Quiet).deferring(Some(&deferred));
    let error = run.tree(&pool, &toolchains, "x", &fetcher, true).unwrap_err();
    assert!(matches!(&error, FetchError::Offline { missing } if missing.len() == 2), "{error:?}");
}

#[test]
fn each_part_of_a_recipe_is_in_the_key_and_what_only_chooses_pins_is_not() {
    let pool = pool();
    let run = Run::new();
    let compose = |recipe: &str| {
        let toolchains = pool.toolchains(&[pool.component("x", &["a"], recipe)]);
        run.compose(&pool, &toolchains, "x").unwrap().0
    };
    let plain = compose("");
    for recipe in [
        "keep = [\"usr/bin/*\"]",
        "drop = [\"usr/bin/*\"]",
        "copies = { \"usr/c\" = \"usr/bin\" }",
        "links = { \"usr/l\" = \"bin\" }",
        "aliases = { \"usr/bin/a\" = [\"z\"] }",
        "files = { \"usr/f\" = \"\" }",
    ] {
        assert_ne!(compose(recipe), plain, "{recipe}");
    }
    assert_eq!(compose("without = [\"nothing\"]"), plain);
    assert_eq!(compose(""), plain);
}

#[test]
fn two_packages_with_different_things_at_one_path_are_both_named() {
    let pool = pool();
    let toolchains = pool.toolchains(&[pool.component("x", &["a", "b", "clash"], "")]);
    let error = Run::new().compose(&pool, &toolchains, "x").unwrap_err();
    assert_eq!(
        error.to_string(),
        "component x: the packages a 1 (amd64) and clash 1 (amd64) have different things at usr/bin/a"
    );
    assert!(error.help().unwrap().contains("without"));
}

#[test]
fn a_library_is_compiled_from_a_wheels_sources_one_command_each() {
    let pool = pool();
    let recipe = r#"
uses = ["src"]
keep = ["usr/lib/**"]
copies = { "usr/src" = "usr/src" }
files = { "usr/etc/cc.cfg" = "flags" }
[[component.x.archive]]
output = "usr/lib/libx.a"
sources = ["usr/src/pkg/lib/a/*.c", "usr/src/**/*.cpp"]
without = ["**/skip.c"]
compiler = "clang"
flags = ["-O2"]
merge = ["usr/lib/liba.so.1"]
"#;
    let source = pool.wheel("src", "\"pkg/lib/a/**\", \"pkg/lib/b/*.cpp\"");
    let toolchains = pool.toolchains(&[pool.component("x", &["a"], recipe), source]);
    let run = Run::new();
    let (files, seen) = run.compose(&pool, &toolchains, "x").unwrap();
    insta::assert_snapshot!("commands", seen.join("\n"));
    let library = files.iter().find(|line| line.starts_with("usr/lib/libx.a")).unwrap();
    assert!(library.contains("made by /usr/bin/llvm-ar qcLsD out.a /usr/lib/liba.so.1"), "{library}");
    assert!(
        !files.iter().any(|line| line.starts_with("usr/src") || line.contains("/liba.so.1.o")),
        "{files:?}"
    );
    assert_eq!(pool.downloads.load(Ordering::SeqCst), 2, "two parts of one wheel are one download");

    let (source, _) = run.compose(&pool, &toolchains, "src").unwrap();
    assert_eq!(source.len(), 5, "{source:?}");
    assert!(!source.iter().any(|line| line.contains("big")));
    let again = run.compose(&pool, &toolchains, "x").unwrap();
    assert_eq!((again.0, again.1.len()), (files, 0), "remembered");
}

#[test]
fn a_recipe_that_cannot_be_followed_is_an_error_that_names_the_component() {
    let pool = pool();
    for (recipe, text, help) in [
        (
            "copies = { \"usr/x\" = \"usr/nothing\" }",
            "component x: there is no `usr/nothing`",
            "toolchains.toml",
        ),
        ("drop = [\"usr/{bin\"]", "component x: `usr/{bin` is no pattern", "toolchains.toml"),
        (
            "[[component.x.archive]]\noutput = \"a.a\"\nsources = [\"**/*.zig\"]\ncompiler = \"cc\"\nflags = []",
            "component x: there is no `**/*.zig`",
            "toolchains.toml",
        ),
        ("uses = [\"y\"]", "component x uses itself: x → y → x", "toolchains.toml"),
    ] {
        let other = pool.component("y", &["b"], "uses = [\"x\"]");
        let own = pool.component("x", &["a"], recipe);
        let components = if recipe.starts_with("uses") { vec![own, other] } else { vec![own] };
        let toolchains = pool.toolchains(&components);
        let error = Run::new().compose(&pool, &toolchains, "x").unwrap_err();
        assert!(error.to_string().starts_with(text), "{error}");
        assert!(error.help().unwrap_or_default().contains(help), "{error}");
    }
    let recipe =
        "[[component.x.archive]]\noutput = \"a.a\"\nsources = [\"usr/bin/a\"]\ncompiler = \"cc\"\nflags = []";
    let toolchains = pool.toolchains(&[pool.component("x", &["a"], recipe)]);
    let error = Run::new().compose_with(&pool, &toolchains, "x", settings(), true).unwrap_err();
    assert_eq!(error.to_string(), "component x: could not build a: exit code 1");
}

#[test]
fn a_wheels_pin_is_found_in_the_index() {
    let pool = pool();
    let bytes = &pool.files["src-1-py3-none-any.whl"];
    let index = format!("{}/simple", pool.server.url);
    let wheels = Arc::new(PackageIndex::load(&BTreeMap::new(), Some(&index)).unwrap());
    let store = InMemory::new().unwrap();
    let fetcher = Fetcher::new(&store, settings(), &Quiet);
    let toolchains = pool.toolchains(&[pool.wheel("src", "\"**\"")]);
    let recipe = toolchains.components.values().find_map(|component| component.wheel.clone()).unwrap();
    let pin = find_wheel(&fetcher, &wheels, &recipe).unwrap();
    assert_eq!(
        (pin.file.as_str(), pin.size, pin.sha256),
        ("src-1-py3-none-any.whl", bytes.len() as u64, Sha256::of(bytes))
    );
    let error = find_wheel(&fetcher, &wheels, &Wheel { version: "2".to_owned(), ..recipe }).unwrap_err();
    assert_eq!(error.to_string(), "the package index has no wheel of src 2");
}

#[test]
fn a_package_that_has_left_its_mirror_names_the_command_that_moves_the_pin() {
    let pool = pool();
    let text = pool.component("x", &["a"], "").replace("pool/a.deb", "pool/left.deb");
    let toolchains = pool.toolchains(&[text]);
    let error = Run::new().compose(&pool, &toolchains, "x").unwrap_err();
    assert!(matches!(&error, FetchError::Gone { .. }), "{error:?}");
    assert!(error.to_string().contains("a 1 (amd64)"), "{error}");
    assert!(error.help().unwrap().contains("xbuild toolchain update"));
}

#[test]
fn a_component_without_pins_for_the_host_names_the_command_that_pins_it() {
    let pool = pool();
    let text = pool.component("x", &["a"], "").replace("pins.any", "pins.aarch64-unknown-linux-gnu");
    let toolchains = pool.toolchains(&[text]);
    let error = Run::new().compose(&pool, &toolchains, "x").unwrap_err();
    assert!(error.to_string().contains("`x` is not pinned for x86_64-unknown-linux-gnu"), "{error}");
    assert!(error.help().unwrap().contains("xbuild toolchain update"));
}
