//! What can be wrong with what cargo, a manifest or a build script says.

/// Why something of cargo's could not be understood, or can't be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A cargo release whose logic nobody has compared with ours.
    #[error(
        "cargo {version} is not one that xbuild knows: it knows {known}\n\
         help: set `toolchain.version` to one of them in xbuild.toml"
    )]
    UnknownCargo {
        /// The release that was found.
        version: String,
        /// The releases that are known, for people.
        known: String,
    },
    /// Cargo printed JSON of another shape than expected.
    #[error("could not read {what}: {problem}")]
    Json {
        /// Which text.
        what: &'static str,
        /// What serde says, with the line and column.
        problem: String,
    },
    /// Another version of the unit graph's format.
    #[error("cargo printed a unit graph of version {0}, and only version 1 is known")]
    GraphVersion(u64),
    /// The unit graph contradicts itself.
    #[error("cargo's unit graph makes no sense: {0}")]
    Graph(String),
    /// A unit's package isn't in the metadata.
    #[error("the unit graph names the package `{0}`, and `cargo metadata` doesn't")]
    UnknownPackage(String),
    /// A path that should lie in the sandbox does not.
    #[error("`{path}`, {what}, is no absolute path in the sandbox: {problem}")]
    Path {
        /// The path.
        path: String,
        /// What it is the path of.
        what: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A manifest's text was not given.
    #[error("the manifest `{path}` of the package `{package}` is missing from the sources")]
    MissingManifest {
        /// Where it should be.
        path: String,
        /// Whose it is.
        package: String,
    },
    /// A manifest is no TOML, or its lints make no sense.
    #[error("could not read the manifest `{path}`: {problem}")]
    Manifest {
        /// Which.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// The graph names a target that no facts were given for.
    #[error("the unit graph holds units for `{0}`, and nothing is known of that target")]
    UnknownPlatform(String),
    /// The target can't make any of the crate types that a unit asks for.
    #[error("cannot make {crate_types} of `{package}` for `{platform}`: the target does not support it")]
    CrateTypes {
        /// What was asked for, with commas.
        crate_types: String,
        /// Of which package.
        package: String,
        /// For which target.
        platform: String,
    },
    /// A question that only the other kind of unit answers, or an effect that was not handed in: a mistake of
    /// the caller's.
    #[error("xbuild made a mistake: {0}")]
    Caller(String),
    /// A build script printed something that cargo would not accept.
    #[error("the build script of `{package}` printed a line that can't be used: `{line}`\n  {problem}")]
    Directive {
        /// Whose script.
        package: String,
        /// The line, as printed.
        line: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A build script reported errors with `cargo::error=`.
    #[error("the build script of `{package}` reported {}", messages.join("; "))]
    ScriptErrors {
        /// Whose script.
        package: String,
        /// What it said, in order.
        messages: Vec<String>,
    },
    /// `rustc --print cfg` said something strange.
    #[error("could not read the line `{line}` of rustc's cfg list: {problem}")]
    Cfg {
        /// The line.
        line: String,
        /// What is wrong.
        problem: String,
    },
    /// `rustc -vV` lacks a line.
    #[error("`rustc -vV` printed no `{0}:` line")]
    RustcVersion(&'static str),
    /// A key of a cargo configuration file that can't be honoured.
    #[error("`{key}` in `{file}` can't be honoured: {why}\n  help: {help}")]
    Configuration {
        /// The file, as it was named to [`crate::Configuration::parse`].
        file: String,
        /// The key, with dots.
        key: String,
        /// Why not.
        why: String,
        /// What to do.
        help: String,
    },
    /// A cargo configuration file is no TOML, or a value has the wrong type.
    #[error("could not read the cargo configuration `{file}`: {problem}")]
    ConfigurationSyntax {
        /// The file, as it was named to [`crate::Configuration::parse`].
        file: String,
        /// What is wrong.
        problem: String,
    },
}
