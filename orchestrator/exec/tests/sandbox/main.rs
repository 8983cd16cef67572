//! The sandbox with real programs in it: the machine's own shell and core utilities as an input tree.
//!
//! This program is its own sandbox helper, so it has its own `main`.

mod escapes;
mod files;
mod limits;
mod look;
mod observe;
mod outputs;
mod programs;
mod tool;
mod world;

use libtest_mimic::{Arguments, Trial};

fn main() {
    xbuild_exec::run_helper_if_asked();
    tool::run_if_asked();
    let trials =
        [programs::all(), files::all(), outputs::all(), limits::all(), escapes::all(), observe::all()];
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
