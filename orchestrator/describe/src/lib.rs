//! Text to a validated description, and the evaluation of a request: pure. No files, environment, clock or
//! processes: texts come in as [`Source`]s, and what must be known of the project as a [`Workspace`].
//!
//! | module | what it reads or does | yields |
//! |---|---|---|
//! | `toolchains` | `toolchains.toml`, a project's laid over the built-in one | [`Toolchains`] |
//! | `target` | `targets/<triple>.toml` | [`TargetSpec`], [`Targets`] |
//! | `rust_toolchain` | `rust-toolchain.toml` and its legacy form | [`RustToolchain`] |
//! | `resolve` | which toolchain is used | a [`Toolchain`] |
//! | `overrides` | `--set KEY=VALUE` | [`Override`] |
//! | `description` | `xbuild.toml` with overrides, or the defaults | [`Description`] |
//! | `evaluate` | description × workspace × request | [`Asked`] graphs |
//! | `schema` | what reading asks of a file | JSON schemas: [`schemas`] |
//! | `document`, `reader` | TOML with places; reading by a schema, all problems at once | |
//! | `problem`, `suggest` | what is wrong, where, and what to write instead | [`Problem`], [`Problems`] |
//! | `names`, `units` | small types with a text form | |
//!
//! The order of use: [`Toolchains::read`] (and [`Toolchains::overlaid`]), [`TargetSpec::read`] for each file into
//! [`Targets`], [`Override::parse`], [`Description::read`], [`RustToolchain::read`], [`Toolchains::resolve`], and
//! [`evaluate`]. Each error is a [`Problem`] or several, a `miette::Diagnostic`, and the user's to mend.

mod description;
mod document;
mod evaluate;
mod names;
mod overrides;
mod problem;
mod reader;
mod resolve;
mod rust_toolchain;
mod schema;
mod suggest;
mod target;
mod toolchains;
mod units;

pub use description::{
    Base, Build, Deb, Description, Develop, DevelopShell, Dist, DistSource, Environment, FIRST_CLASS_TARGETS,
    Fetch, FileSource, GitReference, ImageFile, ImageSettings, ImageTable, Images, IncludePath, Input,
    InputOutput, InputPlace, Inputs, LayerCompression, Limits, Native, Natives, PackageSelector,
    PackageSettings, PackageVersion, Printed, SHELL_WORD, Shell, Stamp, Step, StepPart, StepSource, Steps,
    TargetSettings, ToolchainWish, Unify, Variables, is_commit, is_debian_name, may_be_set,
};
pub use evaluate::{
    Asked, AskedTask, Member, Output, OutputKind, PlanSettings, Request, Selected, Task, TaskKind, Workspace,
    evaluate, may_be_asked, name_matches,
};
pub use names::{ComponentName, Distribution, Glibc, NameError, VariantName};
pub use overrides::Override;
pub use problem::{Kind, Problem, Problems, Source};
pub use rust_toolchain::{Channel, RustToolchain};
pub use schema::schemas;
pub use suggest::{help as suggest, help_or as suggest_or, nearest};
pub use target::{
    ArchiveFormat, CTools, Check, GlibcChoice, ImageGround, Link, Linking, ObjectFormat, PackageGround,
    Platform, Run, Std, TargetSpec, Targets,
};
pub use toolchains::{
    Architecture, Archive, ArchivePin, Component, PackagePin, PinHost, Pins, Suite, Toolchain, Toolchains,
    Wheel, WheelPin,
};
pub use units::bytes as bytes_of;
