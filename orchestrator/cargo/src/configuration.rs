//! What a project's `.cargo/config.toml` means here, key by key.
//!
//! | key | what happens | why |
//! |---|---|---|
//! | `env` | honoured | cargo's rules: `force`, `relative`, never over what cargo sets itself |
//! | `build.rustflags`, `target.<triple>.rustflags`, `target.'cfg(…)'.rustflags`; and their `rustdocflags` | honoured for targets; the host gets none, as with cargo's `--target` | they belong to the project |
//! | — `-C target-cpu=native`, `-C linker=…`, `-C link-arg=-fuse-ld=…`, `-C linker-flavor=…`, `-C incremental=…` in them | dropped with a notice | they name the machine, or a linker that the sandbox doesn't have |
//! | `profile`, `patch`, `resolver` | honoured | cargo reads them itself when it plans |
//! | `source`, `registries`, `registry`, `credential-alias` | honoured | fetching reads them |
//! | `net.git-fetch-with-cli` | honoured | git is the machine's own command in any case |
//! | the rest of `net`, `http` | overridden with a notice | fetching has settings of its own, and goes by the proxy variables |
//! | `target.*.linker`, `target.*.runner`, `target.*.ar` | overridden with a notice | the target's description names them |
//! | `build.target`, `build.jobs`, `build.target-dir`, `build.build-dir`, `build.incremental`, `build.rustc-wrapper`, `build.rustc-workspace-wrapper`, `build.rustdoc`, `build.dep-info-basedir`, `build.warnings` | overridden with a notice | they are the request's, or would make results depend on the machine |
//! | `build.rustc` | refused | another compiler |
//! | `unstable`, `host`, `target-applies-to-host` | ignored with a notice | as a stable cargo does |
//! | `target.<triple>.<links>` | honoured for targets and host: it stands in the place of the build script's run | it belongs to the project |
//! | `include`, `paths` | refused | not done yet; ignoring them would build something else |
//! | `alias`, `cache`, `cargo-new`, `doc`, `future-incompat-report`, `install`, `term` | ignored | they change no artefact |
//! | anything else | ignored with a notice | as cargo does |

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cargo_platform::CfgExpr;
use toml::{Table, Value};
use xbuild_base::RelPath;

use crate::directive::ScriptOutput;
use crate::error::Error;
use crate::overrides;
use crate::platform::Platform;

/// Keys that mean something to a nightly cargo alone.
pub const UNSTABLE: [&str; 3] = ["unstable", "host", "target-applies-to-host"];

/// Keys that no build goes by: they are about fetching, or about what people see.
const NOT_OF_BUILDS: [&str; 13] = [
    "alias",
    "cache",
    "cargo-new",
    "credential-alias",
    "doc",
    "future-incompat-report",
    "http",
    "install",
    "net",
    "registries",
    "registry",
    "source",
    "term",
];

/// A configuration file of cargo's.
#[derive(Debug, Clone, Copy)]
pub struct ConfigurationFile<'t> {
    /// What people call it.
    pub name: &'t str,
    /// The folder that holds `.cargo`, in the sandbox: relative values of `[env]` start there.
    pub folder: &'t RelPath,
    /// What it says.
    pub text: &'t str,
}

/// Whether a build may go by what a configuration file says: it has a key that is not about other things alone, or can't be
/// read, which cargo tells.
#[must_use]
pub fn is_of_builds(text: &str) -> bool {
    let Ok(table) = text.parse::<Table>() else { return true };
    table.keys().any(|key| !NOT_OF_BUILDS.contains(&key.as_str()))
}

/// What a project's configuration means for its build.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Configuration {
    environment: BTreeMap<String, Variable>,
    rustflags: Flags,
    rustdocflags: Flags,
    further_rustflags: Vec<String>,
    inherited_profiles: BTreeMap<String, String>,
    /// By triple, then by the name in `links`.
    overrides: BTreeMap<String, BTreeMap<String, Arc<ScriptOutput>>>,
    notices: Vec<Notice>,
}

/// Flags of rustc's or rustdoc's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Flags {
    /// Those of `build`.
    build: Vec<String>,
    /// By triple or cfg expression.
    target: BTreeMap<String, Vec<String>>,
    /// Targets that have flags, those included that were left out: for them the flags of `build` don't count.
    own: BTreeSet<String>,
}

impl Flags {
    /// Those of a target's triple and of all cfg expressions that hold for it, else those of `build` (cargo's
    /// `extra_args`).
    fn of(&self, platform: &Platform) -> Vec<String> {
        if !self.has_own(platform) {
            return self.build.clone();
        }
        let triple = platform.triple.as_str();
        let matching = self.target.iter().filter(|(key, _)| *key != triple && holds(key, platform));
        let own = self.target.get(triple).into_iter();
        own.chain(matching.map(|(_, flags)| flags)).flatten().cloned().collect()
    }

    fn has_own(&self, platform: &Platform) -> bool {
        self.own.iter().any(|key| key == platform.triple.as_str() || holds(key, platform))
    }
}

/// Whether a key of `[target]` is a cfg expression that holds for a platform.
fn holds(key: &str, platform: &Platform) -> bool {
    CfgExpr::matches_key(key, &platform.cfg)
}

/// A variable of `[env]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// The value, with relative paths made absolute.
    pub value: String,
    /// Whether it replaces one that is there already.
    pub force: bool,
}

/// A key that is not honoured, which people should know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Notice {
    /// The file.
    pub file: String,
    /// The key, with dots.
    pub key: String,
    /// What happens instead, and why.
    pub message: String,
}

impl Configuration {
    /// Reads configuration files, the nearest to the workspace first, as cargo finds them.
    ///
    /// # Errors
    /// All keys that are refused and all values that have the wrong type, at once.
    pub fn parse(files: &[ConfigurationFile<'_>]) -> Result<Self, Vec<Error>> {
        let mut configuration = Self::default();
        let mut errors = Vec::new();
        // What is nearer comes later, so that it replaces and is appended.
        for &file in files.iter().rev() {
            match file.text.parse::<Table>() {
                Ok(table) => {
                    Reader { file, configuration: &mut configuration, errors: &mut errors }.read(&table)
                }
                Err(error) => errors.push(Error::ConfigurationSyntax {
                    file: file.name.to_owned(),
                    problem: error.to_string(),
                }),
            }
        }
        if errors.is_empty() { Ok(configuration) } else { Err(errors) }
    }

    /// What people should know, in the order of the files, the farthest first.
    #[must_use]
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// `[env]`.
    #[must_use]
    pub const fn environment(&self) -> &BTreeMap<String, Variable> {
        &self.environment
    }

    /// What profiles inherit, where the configuration says it.
    pub(crate) const fn inherited_profiles(&self) -> &BTreeMap<String, String> {
        &self.inherited_profiles
    }

    /// What stands in the place of the build script's run of the package with this `links`, for a platform.
    pub(crate) fn script_override(&self, platform: &Platform, links: &str) -> Option<&Arc<ScriptOutput>> {
        self.overrides.get(platform.triple.as_str())?.get(links)
    }

    /// The rustflags of a target.
    #[must_use]
    pub fn rustflags(&self, platform: &Platform) -> Vec<String> {
        let mut flags = self.rustflags.of(platform);
        flags.extend(self.further_rustflags.iter().cloned());
        flags
    }

    /// The rustflags of a target without those that cargo adds to `CARGO_TARGET_<TRIPLE>_RUSTFLAGS` by itself.
    #[must_use]
    pub fn rustflags_beside_the_target_s(&self, platform: &Platform) -> Vec<String> {
        let of_build = if self.rustflags.has_own(platform) { &[][..] } else { &self.rustflags.build };
        of_build.iter().chain(&self.further_rustflags).cloned().collect()
    }

    /// The rustdocflags of a target.
    #[must_use]
    pub fn rustdocflags(&self, platform: &Platform) -> Vec<String> {
        self.rustdocflags.of(platform)
    }

    /// With further arguments of rustc for the units of targets, after those that it has.
    #[must_use]
    pub fn with_rustflags(mut self, flags: &[String]) -> Self {
        self.further_rustflags.extend_from_slice(flags);
        self
    }

    fn flags_named(&mut self, name: &str) -> &mut Flags {
        if name == "rustdocflags" { &mut self.rustdocflags } else { &mut self.rustflags }
    }
}

struct Reader<'r> {
    file: ConfigurationFile<'r>,
    configuration: &'r mut Configuration,
    errors: &'r mut Vec<Error>,
}

impl Reader<'_> {
    fn read(&mut self, table: &Table) {
        for (key, value) in table {
            match (key.as_str(), value) {
                ("env", Value::Table(variables)) => self.read_environment(variables),
                ("build", Value::Table(build)) => self.read_build(build),
                ("target", Value::Table(targets)) => {
                    for (target, value) in targets {
                        match value {
                            Value::Table(table) => self.read_target(target, table),
                            _ => self.wrong_type(&format!("target.{target}"), "a table"),
                        }
                    }
                }
                ("env" | "build" | "target", _) => self.wrong_type(key, "a table"),
                ("profile", Value::Table(profiles)) => {
                    let inherits = profiles.iter().filter_map(|(name, profile)| {
                        Some((name.clone(), profile.get("inherits")?.as_str()?.to_owned()))
                    });
                    self.configuration.inherited_profiles.extend(inherits);
                }
                ("profile" | "patch" | "resolver", _) => {}
                (key, _) if UNSTABLE.contains(&key) => {
                    self.notice(key, "ignored: unstable features of cargo are not used");
                }
                ("net" | "http", value) => {
                    // Git is the machine's own command in any case.
                    let keys = value.as_table().into_iter().flat_map(Table::keys);
                    for key_below in keys.filter(|below| *below != "git-fetch-with-cli") {
                        let path = format!("{key}.{key_below}");
                        self.notice(
                            &path,
                            "ignored: fetching goes by XBUILD_FETCH_… and the proxy variables",
                        );
                    }
                }
                (key, _) if NOT_OF_BUILDS.contains(&key) => {}
                ("include", _) => self.refuse(
                    key,
                    "included configuration files are not read",
                    "put their content into this file",
                ),
                ("paths", _) => self.refuse(
                    key,
                    "path overrides are not built",
                    "use `[patch]` in the workspace's Cargo.toml",
                ),
                _ => self.notice(key, "ignored: cargo doesn't know it"),
            }
        }
    }

    fn read_build(&mut self, build: &Table) {
        for (key, value) in build {
            let path = format!("build.{key}");
            match key.as_str() {
                name @ ("rustflags" | "rustdocflags") => {
                    if let Some(flags) = self.flags(&path, value) {
                        self.configuration.flags_named(name).build.extend(flags);
                    }
                }
                "rustc" => self.refuse(
                    &path,
                    "the compiler is the pinned toolchain's",
                    "choose it with `toolchain.version` in xbuild.toml",
                ),
                "target" => self.notice(&path, "ignored: the targets are those of xbuild.toml"),
                "jobs" => self.notice(&path, "ignored: use `-j`"),
                "target-dir" | "build-dir" => self.notice(&path, "ignored: results lie in the store"),
                "incremental" => self.notice(&path, "ignored: units are cached whole"),
                "rustc-wrapper" | "rustc-workspace-wrapper" => {
                    self.notice(&path, "ignored: xbuild has a cache of its own");
                }
                "rustdoc" | "dep-info-basedir" | "warnings" => {
                    self.notice(&path, "ignored: it changes no artefact");
                }
                _ => self.notice(&path, "ignored: cargo doesn't know it"),
            }
        }
    }

    fn read_target(&mut self, target: &str, table: &Table) {
        for (key, value) in table {
            let path = format!("target.{target}.{key}");
            match (key.as_str(), value) {
                (name @ ("rustflags" | "rustdocflags"), value) => {
                    if let Some(flags) = self.flags(&path, value) {
                        let is_empty = |value: &Value| {
                            value
                                .as_str()
                                .map_or_else(|| value.as_array().is_some_and(Vec::is_empty), str::is_empty)
                        };
                        let all = self.configuration.flags_named(name);
                        if !is_empty(value) {
                            all.own.insert(target.to_owned());
                        }
                        all.target.entry(target.to_owned()).or_default().extend(flags);
                    }
                }
                ("linker" | "ar", _) => {
                    self.notice(&path, "ignored: the sandbox has the target's own linker and tools");
                }
                ("runner", _) => self.notice(&path, "ignored: the target's description names its emulator"),
                (_, Value::Table(_)) if target.starts_with("cfg(") => {
                    self.notice(&path, "ignored: cargo takes overrides of build scripts by triple only");
                }
                (links, Value::Table(table)) => self.read_override(target, links, table),
                _ => self.notice(&path, "ignored: cargo doesn't know it"),
            }
        }
    }

    fn read_override(&mut self, target: &str, links: &str, table: &Table) {
        match overrides::read(table) {
            Ok(output) => {
                let of_target = self.configuration.overrides.entry(target.to_owned()).or_default();
                of_target.insert(links.to_owned(), Arc::new(output));
            }
            Err(problems) => {
                for (key, why) in problems {
                    let key = format!("target.{target}.{links}.{key}");
                    self.refuse(&key, &why, "see cargo's reference on overriding build scripts");
                }
            }
        }
    }

    fn read_environment(&mut self, variables: &Table) {
        for (name, value) in variables {
            let path = format!("env.{name}");
            if ["CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"].contains(&name.as_str()) {
                self.refuse(&path, "cargo does not support it there", "take it away");
                continue;
            }
            let (text, force, relative) = match value {
                Value::String(text) => (Some(text.as_str()), false, false),
                Value::Table(table) => {
                    let mut flag = |key: &str| {
                        let value = table.get(key);
                        if value.is_some_and(|value| !value.is_bool()) {
                            self.wrong_type(&format!("{path}.{key}"), "`true` or `false`");
                        }
                        value.and_then(Value::as_bool).unwrap_or(false)
                    };
                    let (force, relative) = (flag("force"), flag("relative"));
                    (table.get("value").and_then(Value::as_str), force, relative)
                }
                _ => (None, false, false),
            };
            let Some(text) = text else {
                self.wrong_type(&path, "a string, or a table with `value`");
                continue;
            };
            let value = match (relative && !text.starts_with('/')).then(|| self.file.folder.resolve(text)) {
                None => text.to_owned(),
                // Joined and not normalised, as cargo does it: an empty value ends in a slash.
                Some(Ok(_)) => format!("{}/{text}", self.file.folder.in_sandbox()),
                Some(Err(problem)) => {
                    self.refuse(&path, &problem.to_string(), "name a file inside the project");
                    continue;
                }
            };
            self.configuration.environment.insert(name.clone(), Variable { value, force });
        }
    }

    /// A list of flags, or a string of them, without those that name the machine.
    fn flags(&mut self, path: &str, value: &Value) -> Option<Vec<String>> {
        let flags: Option<Vec<String>> = match value {
            Value::String(text) => Some(text.split_whitespace().map(str::to_owned).collect()),
            Value::Array(values) => values.iter().map(|value| value.as_str().map(str::to_owned)).collect(),
            _ => None,
        };
        let Some(flags) = flags else {
            self.wrong_type(path, "a string or a list of strings");
            return None;
        };
        let mut kept = Vec::with_capacity(flags.len());
        let mut flags = flags.into_iter();
        while let Some(flag) = flags.next() {
            let (flag, option) = match flag.as_str() {
                "-C" | "--codegen" => (vec![flag], flags.next()),
                _ => {
                    let option = flag.strip_prefix("-C").or_else(|| flag.strip_prefix("--codegen="));
                    let option = option.map(str::to_owned);
                    (vec![flag], option.filter(|option| machine_bound(option).is_some()))
                }
            };
            match option.as_deref().and_then(machine_bound) {
                Some(why) => {
                    let option = option.unwrap_or_default();
                    self.notice(path, &format!("`-C {option}` is left out: {why}"));
                }
                None => kept.extend(flag.into_iter().chain(option)),
            }
        }
        Some(kept)
    }

    fn notice(&mut self, key: &str, message: &str) {
        self.configuration.notices.push(Notice {
            file: self.file.name.to_owned(),
            key: key.to_owned(),
            message: message.to_owned(),
        });
    }

    fn refuse(&mut self, key: &str, why: &str, help: &str) {
        self.errors.push(Error::Configuration {
            file: self.file.name.to_owned(),
            key: key.to_owned(),
            why: why.to_owned(),
            help: help.to_owned(),
        });
    }

    fn wrong_type(&mut self, key: &str, expected: &str) {
        self.errors.push(Error::ConfigurationSyntax {
            file: self.file.name.to_owned(),
            problem: format!("`{key}` must be {expected}"),
        });
    }
}

/// Why a `-C` option can't be passed on, if it can't.
fn machine_bound(option: &str) -> Option<&'static str> {
    if option == "target-cpu=native" {
        Some("it names the machine that builds; name a CPU such as `x86-64-v3`")
    } else if option.starts_with("linker=") || option.starts_with("linker-flavor=") {
        Some("the sandbox has the target's own linker")
    } else if option.starts_with("incremental=") {
        Some("units are cached whole")
    } else if ["link-arg=", "link-args=", "pre-link-arg=", "pre-link-args="]
        .iter()
        .filter_map(|start| option.strip_prefix(start))
        .any(|argument| argument.starts_with("-fuse-ld=") || argument.starts_with("--ld-path="))
    {
        Some("the sandbox links with lld")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::tests::platform;

    fn parse(texts: &[&str]) -> Result<Configuration, Vec<Error>> {
        let folder = RelPath::new("build/ws").unwrap();
        let file = |text| ConfigurationFile { name: ".cargo/config.toml", folder: &folder, text };
        Configuration::parse(&texts.iter().map(|text| file(text)).collect::<Vec<_>>())
    }

    fn linux() -> Platform {
        platform("x86_64-unknown-linux-gnu", "unix\ntarget_os=\"linux\"")
    }

    #[test]
    fn target_rustflags_replace_build_rustflags_and_join_across_files() {
        let build = "[build]\nrustflags = [\"--cfg\", \"all\"]";
        let parsed = parse(&[build]).unwrap().with_rustflags(&["-O".to_owned()]);
        assert_eq!(parsed.rustflags(&linux()), ["--cfg", "all", "-O"]);
        assert_eq!(parsed.rustflags_beside_the_target_s(&linux()), ["--cfg", "all", "-O"]);
        let target = "[target.x86_64-unknown-linux-gnu]\nrustflags = \"--cfg near\"\n\
                      [target.'cfg(unix)']\nrustflags = [\"--cfg\", \"unix\"]\n\
                      [target.'cfg(windows)']\nrustflags = [\"--cfg\", \"windows\"]";
        let far = "[target.x86_64-unknown-linux-gnu]\nrustflags = \"--cfg far\"";
        let flags = parse(&[target, build, far]).unwrap().rustflags(&linux());
        assert_eq!(flags, ["--cfg", "far", "--cfg", "near", "--cfg", "unix"]);
        assert_eq!(parse(&[target, build]).unwrap().rustflags_beside_the_target_s(&linux()), [""; 0]);
    }

    #[test]
    fn rustdocflags_are_those_of_rustdoc_alone() {
        let text = "[build]\nrustflags = \"--cfg a\"\nrustdocflags = [\"--cfg\", \"docs\"]\n\
                    [target.x86_64-pc-windows-gnu]\nrustdocflags = \"--cfg windows\"";
        let configuration = parse(&[text]).unwrap();
        assert_eq!(configuration.rustflags(&linux()), ["--cfg", "a"]);
        assert_eq!(configuration.rustdocflags(&linux()), ["--cfg", "docs"]);
        let windows = platform("x86_64-pc-windows-gnu", "windows\ntarget_os=\"windows\"");
        assert_eq!(configuration.rustdocflags(&windows), ["--cfg", "windows"]);
        assert_eq!(configuration.clone().with_rustflags(&["-O".to_owned()]).rustdocflags(&linux()).len(), 2);
        assert_eq!(configuration.notices(), []);
    }

    #[test]
    fn a_file_about_other_things_is_none_of_a_build_s() {
        assert!(!is_of_builds("[alias]\nx = \"run\"\n[net]\nretry = 1\n[source.a]\nregistry = \"b\"\n"));
        assert!(!is_of_builds(""));
        for text in [
            "[env]\nA = \"1\"",
            "[profile.release]\nlto = true",
            "[alias]\n[unknown]",
            "include = []",
            "not toml",
        ] {
            assert!(is_of_builds(text), "{text}");
        }
    }

    #[test]
    fn flags_that_name_the_machine_are_left_out_with_a_notice() {
        let text = "[build]\nrustflags = [\"-C\", \"target-cpu=native\", \"-Clink-arg=-fuse-ld=mold\", \
                    \"-Clinker=gcc\", \"-C\", \"opt-level=2\", \"-Ctarget-feature=+crt-static\"]\n\
                    rustc-wrapper = \"sccache\"\n[target.x86_64-unknown-linux-gnu]\nlinker = \"gcc\"";
        let configuration = parse(&[text]).unwrap();
        assert_eq!(configuration.rustflags(&linux()), ["-C", "opt-level=2", "-Ctarget-feature=+crt-static"]);
        let keys: Vec<&str> = configuration.notices().iter().map(|notice| notice.key.as_str()).collect();
        assert_eq!(
            keys,
            [
                "build.rustflags",
                "build.rustflags",
                "build.rustflags",
                "build.rustc-wrapper",
                "target.x86_64-unknown-linux-gnu.linker"
            ]
        );
    }

    #[test]
    fn build_rustflags_don_t_count_where_the_target_has_some_that_are_left_out() {
        let text = "[build]\nrustflags = \"--cfg all\"\n[target.'cfg(unix)']\nrustflags = \
                    [\"-Clink-args=-fuse-ld=mold\", \"-C\", \"link-args=--ld-path=/opt/wild\", \
                    \"-Clinker-flavor=gnu-lld-cc\", \"--codegen=incremental=x\"]";
        let configuration = parse(&[text]).unwrap();
        assert_eq!(configuration.rustflags(&linux()), [""; 0]);
        assert_eq!(configuration.notices().len(), 4);
        let empty = "[build]\nrustflags = \"--cfg all\"\n[target.'cfg(unix)']\nrustflags = []";
        assert_eq!(parse(&[empty]).unwrap().rustflags(&linux()), ["--cfg", "all"]);
    }

    #[test]
    fn what_only_a_nightly_cargo_heeds_is_ignored_with_a_notice() {
        let configuration =
            parse(&["target-applies-to-host = false\n[unstable]\nhost-config = true"]).unwrap();
        let keys: Vec<&str> = configuration.notices().iter().map(|notice| notice.key.as_str()).collect();
        assert_eq!(keys, ["target-applies-to-host", "unstable"]);
    }

    #[test]
    fn variables_are_resolved_and_the_nearest_file_wins() {
        let near = "[env]\nA = \"near\"\nP = { value = \"x/y\", relative = true, force = true }";
        let configuration = parse(&[near, "[env]\nA = \"far\"\nB = \"b\""]).unwrap();
        let get = |name: &str| &configuration.environment()[name];
        assert_eq!(get("A").value, "near");
        assert_eq!(get("B").value, "b");
        assert_eq!(*get("P"), Variable { value: "/build/ws/x/y".to_owned(), force: true });
        // As cargo joins them: code counts on the slash at the end.
        let root = parse(&["[env]\nROOT = { value = \"\", relative = true }"]).unwrap();
        assert_eq!(root.environment()["ROOT"].value, "/build/ws/");
    }

    #[test]
    fn everything_that_is_refused_is_reported_at_once() {
        let text = "include = \"a\"\npaths = []\nunstable.x = true\n[build]\nrustc = \"mine\"\n\
                    [target.x.foo]\nrustc-link-lib = \"a\"\n[env]\nCARGO_HOME = \"x\"\nA = 1\n\
                    B = { value = \"x\", force = \"yes\" }";
        let errors = parse(&[text, "x = "]).unwrap_err();
        assert_eq!(errors.len(), 8, "{errors:#?}");
        assert!(
            errors
                .iter()
                .any(|e| e.to_string().contains("`target.x.foo.rustc-link-lib` in `.cargo/config.toml`"))
        );
    }
}
