//! `xbuild`: builds a Cargo project for several targets, from pinned inputs, in a sandbox.
//!
//! A file a verb in `verb/`, a request on its way to outputs in `work`, what people see in `ui/`, what the machine says in
//! `settings`.

mod affected;
mod age;
mod builtin;
mod choose;
mod cli;
mod composed;
mod description;
mod elsewhere;
mod error;
mod hint;
mod history;
mod image;
mod inputs;
mod lock;
mod native;
mod outputs;
mod packages;
mod pinned;
mod proof;
mod record;
mod revision;
mod session;
mod settings;
mod stamp;
mod steps;
mod timings;
mod ui;
mod verb;
mod work;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use cli::{Cli, Verb};
use error::XbuildError;
use ui::Ui;

/// Planning is all lists and texts, and musl's allocator is slow. glibc's stays: with this one a dry run takes a seventh
/// less, but each action, which has threads of its own, half a millisecond more.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The sandbox's helper is this program: it never returns from here.
    xbuild_exec::run_helper_if_asked();

    let mut cli = Cli::parse();
    let ui = Ui::new(&cli.global);
    match elsewhere::find(&mut cli, &ui).and_then(|()| run(&cli, &ui)) {
        Ok(code) => code,
        Err(error) => error.report(&ui),
    }
}

fn run(cli: &Cli, ui: &Ui) -> Result<ExitCode, XbuildError> {
    match &cli.verb {
        Verb::Build(build) => verb::build::run(&cli.global, build, ui),
        Verb::All(build) => verb::build::run_all(&cli.global, build, ui),
        Verb::Run(wanted) => verb::run::run(&cli.global, wanted, ui),
        Verb::Develop(develop) => verb::develop::run(&cli.global, develop, ui),
        Verb::Shell(wanted) => verb::run::shell(&cli.global, wanted, ui),
        Verb::Log(log) => verb::explain::log(&cli.global, log, ui),
        Verb::Explain(explain) => verb::explain::explain(&cli.global, explain, ui),
        Verb::Init(init) => verb::init::run(&cli.global, init, ui),
        Verb::Show => verb::show::run(&cli.global, ui),
        Verb::Test(test) => verb::test::run(&cli.global, test, ui),
        Verb::Check(check) => verb::check::run(&cli.global, check, ui),
        Verb::Fmt(fmt) => verb::fmt::run(&cli.global, fmt, ui),
        Verb::Ci(ci) => verb::ci::run(&cli.global, ci, ui),
        Verb::Doc(doc) => verb::doc::run(&cli.global, doc, ui),
        Verb::Clippy(clippy) => verb::check::run_clippy(&cli.global, clippy, ui),
        Verb::Why(why) => verb::why::run(&cli.global, why, ui),
        Verb::Plan(plan) => verb::plan::run(&cli.global, plan, ui),
        Verb::Fetch(fetch) => verb::fetch::run(&cli.global, fetch, ui),
        Verb::Bundle(bundle) => verb::bundle::run(&cli.global, bundle, ui),
        Verb::Diff(diff) => verb::diff::run(&cli.global, diff, ui),
        Verb::Reproduce(wanted) => verb::reproduce::run(&cli.global, wanted, ui),
        Verb::Dist(dist) => verb::dist::run(&cli.global, dist, ui),
        Verb::Image(image) => verb::image::run(&cli.global, image, ui),
        Verb::Update(update) => verb::update::run(&cli.global, update, ui),
        Verb::Completions { shell } => {
            clap_complete::generate(*shell, &mut Cli::command(), "xbuild", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
        Verb::Doctor => verb::doctor::run(ui),
        Verb::Toolchain(toolchain) => verb::toolchain::run(&cli.global, toolchain, ui),
        Verb::Store(store) => verb::store::run(&cli.global, store, ui),
        Verb::Gc(gc) => verb::store::gc(*gc, ui),
    }
}
