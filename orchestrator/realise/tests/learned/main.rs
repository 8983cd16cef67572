//! The second level of lookup, with real sandboxes.
//!
//! This program is its own sandbox helper, and what runs in the sandbox; so it has its own `main`.

mod lookups;
mod package;
mod program;
mod soundness;
mod world;

use libtest_mimic::{Arguments, Trial};

fn main() {
    xbuild_exec::run_helper_if_asked();
    program::run_if_asked();
    let trials = [lookups::all(), soundness::all()];
    libtest_mimic::run(&Arguments::from_args(), trials.into_iter().flatten().collect()).exit();
}

/// Makes a trial of each function: a panic is a failure.
fn trials(tests: Vec<(&'static str, fn())>) -> Vec<Trial> {
    let trial = |(name, test): (&str, fn())| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
    };
    tests.into_iter().map(trial).collect()
}

/// Lists functions with their names.
#[macro_export]
macro_rules! tests {
    ($($name:ident),* $(,)?) => {
        pub(crate) fn all() -> Vec<libtest_mimic::Trial> {
            $crate::trials(vec![$((concat!(module_path!(), "::", stringify!($name)), $name as fn())),*])
        }
    };
}
