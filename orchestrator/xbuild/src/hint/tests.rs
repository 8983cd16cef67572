//! Each text is what the program prints.

use super::*;

fn label(package: &str, what: What, platform: &str) -> Label {
    Label {
        package: package.to_owned(),
        version: "0.1.0".to_owned(),
        package_id: format!("path+file:///build/ws/{package}#0.1.0"),
        what,
        checker: None,
        platform: platform.to_owned(),
        local: true,
    }
}

fn of_script(platform: &str, stderr: &str) -> Option<String> {
    hint(&label("bar-sys", What::ScriptRun, platform), None, b"", stderr.as_bytes())
}

/// A unit of `foo` fails, and of the project's sources it doesn't see `proto`.
fn of_file(what: What, stderr: &str) -> Option<String> {
    after(what, stderr, &[])
}

/// What is run in a folder, with a search path and `FOO_STYLE`.
fn command(working_directory: &RelPath) -> Command {
    let variables = [("PATH", "/usr/local/bin:/usr/bin"), ("FOO_STYLE", "round")];
    Command {
        argv: vec!["program".to_owned()],
        environment: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        working_directory: working_directory.clone(),
        outputs: [].into(),
    }
}

/// As above, when it had looked for `missed` in vain.
fn after(what: What, stderr: &str, missed: &[&str]) -> Option<String> {
    let path = |text: &str| RelPath::new(text).unwrap();
    let (folder, root) = (path("build/ws/foo"), path("build/ws"));
    let command = command(if what == What::ScriptRun { &folder } else { &root });
    let missed: Vec<RelPath> = missed.iter().map(|text| path(text)).collect();
    let is_hidden = |path: &RelPath| {
        ["", "build/ws", "build/ws/proto", "build/ws/proto/x.proto"].contains(&path.as_str())
    };
    let surroundings =
        Surroundings { folder: &folder, command: &command, missed: &missed, is_hidden: &is_hidden };
    hint(&label("foo", what, "host"), Some(&surroundings), b"", stderr.as_bytes())
}

const INCLUDE: &str = "add to xbuild.toml:\n[package.foo]\ninclude = [\"../proto/x.proto\"]";

#[test]
fn a_file_of_the_project_that_a_unit_does_not_see_is_named_from_its_package_s_folder() {
    // rustc's, shortened but for what is read.
    let compiler = r#"{"$message_type":"diagnostic","message":"couldn't read `foo/src/../../proto/x.proto`: No such file or directory (os error 2)","level":"error","rendered":"\u001b[0m\u001b[1m\u001b[38;5;9merror\u001b[0m\u001b[0m\u001b[1m: couldn't read `foo/src/../../proto/x.proto`: No such file or directory (os error 2)\u001b[0m\n --> foo/src/lib.rs:1:18\n"}"#;
    assert_eq!(of_file(What::Library, compiler).as_deref(), Some(INCLUDE));
    let proc_macro = r#"{"$message_type":"diagnostic","message":"proc macro panicked","level":"error","rendered":"error: proc macro panicked\n --> foo/src/lib.rs:3:1\n  |\n  = help: message: /build/ws/foo/../proto/x.proto: No such file or directory (os error 2)\n"}"#;
    assert_eq!(of_file(What::Library, proc_macro).as_deref(), Some(INCLUDE));
    for script in [
        "thread 'main' (3) panicked at foo/build.rs:2:43:\nreading ../proto/x.proto: Os { code: 2, kind: NotFound, message: \"No such file or directory\" }\n",
        "Error: Custom { kind: Other, error: \"protoc failed: ../proto/x.proto: No such file or directory\\n\" }\n",
        "  error: failed to open file `/build/ws/proto/x.proto`: No such file or directory (os error 2)\n",
    ] {
        assert_eq!(of_file(What::ScriptRun, script).as_deref(), Some(INCLUDE), "{script}");
    }
    let folder = "Could not make proto path: ../proto: No such file or directory\n";
    assert_eq!(
        of_file(What::ScriptRun, folder).as_deref(),
        Some("add to xbuild.toml:\n[package.foo]\ninclude = [\"../proto\"]")
    );
}

#[test]
fn a_file_that_is_nowhere_or_that_is_seen_gets_no_hint() {
    for stderr in [
        "error: couldn't read `foo/src/nothing.txt`: No such file or directory (os error 2)\n",
        "error: couldn't read `foo/../../../../proto`: No such file or directory (os error 2)\n",
        "note: see proto/x.proto\nerror: no such thing\n",
        "error: /build/ws / foo: No such file or directory\n",
    ] {
        assert_eq!(of_file(What::Library, stderr), None, "{stderr}");
    }
    let mut fetched = label("foo", What::Library, "host");
    fetched.local = false;
    let path = RelPath::new("build/crates/foo-1.0.0").unwrap();
    let command = command(&path);
    let surroundings = Surroundings { folder: &path, command: &command, missed: &[], is_hidden: &|_| true };
    let stderr = b"error: couldn't read `src/../../x`: No such file or directory (os error 2)\n";
    assert_eq!(hint(&fetched, Some(&surroundings), b"", stderr), None);
}

/// What a script says of itself whose author wrote `unwrap()`.
const UNWRAPPED: &str = "thread 'main' (3) panicked at foo/build.rs:2:43:
called `Result::unwrap()` on an `Err` value: Os { code: 2, kind: NotFound, message: \"No such file or directory\" }
";

#[test]
fn where_no_words_name_it_what_was_looked_for_last_is_told_as_a_guess() {
    let file = |missed: &[&str]| after(What::ScriptRun, UNWRAPPED, missed);
    let guess = format!(
        "it looked for `../proto/x.proto`, which this package's units don't see; if it needs that, {INCLUDE}"
    );
    assert_eq!(file(&["usr/lib/x.so", "build/ws/proto/x.proto", "etc/x"]).as_deref(), Some(&*guess));
    assert_eq!(after(What::Library, UNWRAPPED, &["build/ws/proto/x.proto"]).as_deref(), Some(&*guess));
    for nothing in [&[][..], &["etc/x"], &["build/ws/gone"], &["build/ws"]] {
        assert_eq!(file(nothing), None, "{nothing:?}");
    }
    let program = ["build/ws/gone", "usr/local/bin/python", "usr/bin/python"];
    assert_eq!(
        file(&program).as_deref(),
        Some(
            "the last that it looked for is the program `python`, which isn't there; if it needs that, add to \
             xbuild.toml:\n[native.foo]\ntools = [\"python3\"]"
        )
    );
    // Of the second folder it was not said whether it is there; other things were looked for since; a compiler; rustc.
    assert_eq!(file(&program[..2]), None);
    assert_eq!(file(&["usr/local/bin/python", "usr/bin/python", "etc/x"]), None);
    assert_eq!(file(&["usr/local/bin/gcc", "usr/bin/gcc"]), None);
    assert_eq!(after(What::Library, UNWRAPPED, &program), None);
}

#[test]
fn a_variable_that_a_unit_lacks_is_named() {
    let lines = "no variable of the machine's reaches a unit; add to xbuild.toml, with its value:\n[package.foo]\nenv = { \
                 DATABASE_URL = \"…\" }";
    for stderr in [
        "error: environment variable `DATABASE_URL` not defined at compile time\n",
        "thread 'main' panicked at foo/build.rs:2:43:\nDATABASE_URL: NotPresent\n",
        "Error: DATABASE_URL: environment variable not found\n",
        "error: set `DATABASE_URL` to use query macros online: it must be set\n",
    ] {
        assert_eq!(of_file(What::ScriptRun, stderr).as_deref(), Some(lines), "{stderr}");
        assert_eq!(of_file(What::Library, stderr).as_deref(), Some(lines), "{stderr}");
    }
    for stderr in [
        "called `Result::unwrap()` on an `Err` value: NotPresent\n",
        "error: environment variable `CARGO_BIN_EXE_x` not defined at compile time\n",
        "FOO_STYLE must be set to something round\n",
        "DATABASE_URL is nothing to me\n",
    ] {
        assert_eq!(of_file(What::Library, stderr), None, "{stderr}");
    }
}

const PKG_CONFIG: &str = "thread 'main' (3) panicked at build.rs:2:47:
called `Result::unwrap()` on an `Err` value: 
pkg-config exited with status code 1
> PKG_CONFIG_ALLOW_SYSTEM_LIBS=1 PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 pkg-config --libs --cflags openssl

pkg-config output:
  Package openssl was not found in the pkg-config search path.
  Perhaps you should add the directory containing `openssl.pc'
  to the PKG_CONFIG_PATH environment variable
  Package 'openssl', required by 'virtual:world', not found

The system library `openssl` required by crate `bar-sys` was not found.
The file `openssl.pc` needs to be installed and the PKG_CONFIG_PATH environment variable must contain its parent directory.
The PKG_CONFIG_PATH environment variable is not set.

HINT: if you have installed the library, try setting PKG_CONFIG_PATH to the directory containing `openssl.pc`.
";

#[test]
fn a_library_that_pkg_config_does_not_find_is_a_package_of_the_target() {
    let gnu = "aarch64-unknown-linux-gnu";
    assert_eq!(
        of_script(gnu, PKG_CONFIG).as_deref(),
        Some(
            "add to xbuild.toml:\n[target.aarch64-unknown-linux-gnu.native.bar-sys]\npackages = [\"libssl-dev\"]"
        )
    );
    assert_eq!(
        of_script(gnu, &PKG_CONFIG.replace("openssl", "foo_bar")).unwrap().lines().last(),
        Some("packages = [\"libfoo-bar-dev\"]   # or what Debian's package of it is called")
    );
    assert!(of_script("host", PKG_CONFIG).unwrap().contains("[target.'cfg(all(target_os = \"linux\", "));
    for none in ["x86_64-unknown-linux-musl", "x86_64-pc-windows-gnu"] {
        assert!(of_script(none, PKG_CONFIG).unwrap().starts_with("there are no system libraries for "));
    }
    // pkg-config alone, called by a script of its own.
    let own = "Package libudev was not found in the pkg-config search path.\n";
    assert!(
        of_script(gnu, own)
            .unwrap()
            .ends_with("packages = [\"libudev-dev\"]   # or what Debian's package of it is called")
    );
}

#[test]
fn a_library_that_a_script_misses_in_words_of_its_own_is_one_that_it_has_looked_for() {
    let stdout = "cargo::rerun-if-env-changed=MYSQLCLIENT_VERSION\ncargo:rerun-if-env-changed=MYSQLCLIENT_NO_PKG_CONFIG\n\
                  cargo:rerun-if-env-changed=PKG_CONFIG\ncargo:rerun-if-env-changed=LIBMARIADB_NO_PKG_CONFIG\n";
    let of = |stderr: &str| {
        let label = label("mysqlclient-sys", What::ScriptRun, "aarch64-unknown-linux-gnu");
        hint(&label, None, stdout.as_bytes(), stderr.as_bytes())
    };
    let expected = "add to xbuild.toml:\n[target.aarch64-unknown-linux-gnu.native.mysqlclient-sys]\n\
                    packages = [\"libmariadb-dev\"]";
    let said = "thread 'main' (2) panicked at build.rs:105:5:\n\n        \
                Did not find a compatible version of libmysqlclient.\n";
    assert_eq!(of(said).as_deref(), Some(expected));
    assert_eq!(of("error: something else"), None);
}

#[test]
fn a_program_that_is_missing_is_a_tool() {
    let tool = |stderr: &str| {
        let said = of_script("x86_64-unknown-linux-musl", stderr)?;
        let rest =
            said.strip_prefix("add to xbuild.toml:\n[native.bar-sys]\ntools = [\"").unwrap().to_owned();
        Some(rest.split('"').next().unwrap().to_owned())
    };
    for (stderr, wanted) in [
        // The crates cmake, autotools, cc, prost-build, nasm-rs, openssl-src, clang-sys.
        (
            "\nfailed to execute command: No such file or directory (os error 2)\nis `cmake` not installed?\n\nbuild script failed, must exit now",
            "cmake",
        ),
        (
            "failed to execute command: No such file or directory (os error 2)\nis `autoreconf` not installed?",
            "autoconf",
        ),
        (
            "error occurred in cc-rs: failed to find tool \"nasm\": No such file or directory (os error 2)",
            "nasm",
        ),
        (
            "Error: Custom { kind: NotFound, error: \"Could not find `protoc`. If `protoc` is installed, try setting the `PROTOC` environment variable to the path of the `protoc` binary. To install it on Debian, run `apt-get install protobuf-compiler`. It is also available at https://github.com/protocolbuffers/protobuf/releases  For more information: https://docs.rs/prost-build/#sourcing-protoc\" }",
            "protoc",
        ),
        (
            "called `Result::unwrap()` on an `Err` value: \"Unable to run nasm: No such file or directory (os error 2)\"",
            "nasm",
        ),
        (
            "Error configuring OpenSSL build:\n    Command 'perl' not found. Is perl installed?\n    Command failed: cd \"/build/script/openssl-sys/out\" && env -u CROSS_COMPILE \"perl\" \"./Configure\"",
            "perl",
        ),
        (
            "thread 'main' (3) panicked at bindgen-0.72.1/lib.rs:616:27:\nUnable to find libclang: \"couldn't find any valid shared libraries matching: ['libclang.so', 'libclang-*.so'], set the `LIBCLANG_PATH` environment variable to a path where one of these files can be found (invalid: [])\"",
            "libclang",
        ),
        (
            "Can't locate IPC/Cmd.pm in @INC (you may need to install the IPC::Cmd module) (@INC entries checked: /etc/perl) at ./Configure line 12.",
            "perl",
        ),
        // Scripts of people's own, shells and make.
        (
            "failed to run gperf: Os { code: 2, kind: NotFound, message: \"No such file or directory\" }",
            "gperf",
        ),
        (
            "failed to execute `/usr/bin/flatc`: No such file or directory (os error 2)",
            "flatbuffers-compiler",
        ),
        ("/bin/sh: 1: bison: not found", "bison"),
        ("./configure: line 12: makeinfo: command not found", "texinfo"),
        ("make[1]: ninja: No such file or directory", "cmake"),
    ] {
        assert_eq!(tool(stderr).as_deref(), Some(wanted), "{stderr}");
    }
    for stderr in [
        "error occurred in cc-rs: failed to find tool \"x86_64-linux-musl-gcc\": No such file or directory (os error 2)",
        "failed to execute command: No such file or directory (os error 2)",
        "error: linking with `cc` failed: exit status: 1",
        "thread 'main' (3) panicked at build.rs:1:1:\nexplicit panic",
    ] {
        assert_eq!(tool(stderr), None, "{stderr}");
    }
    let libclang = of_script("host", "Unable to find libclang: \"...\"").unwrap();
    assert!(libclang.ends_with("\nenv = { LIBCLANG_PATH = \"/usr/lib/llvm-22/lib\" }"), "{libclang}");
}

#[test]
fn what_rustc_says_is_about_files_alone() {
    let stderr = "error: is `cmake` not installed?\n";
    assert_eq!(hint(&label("foo", What::Library, "host"), None, b"", stderr.as_bytes()), None);
}
