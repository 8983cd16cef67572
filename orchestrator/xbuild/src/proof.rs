//! What a target promises of its outputs, in the words of the proof.

use xbuild_describe::{Glibc, Linking, ObjectFormat, TargetSpec};
use xbuild_output::{Expectation, Format};

/// What an output of a target must be, when it was built against a glibc.
pub(crate) fn expectation(spec: &TargetSpec, glibc: Option<Glibc>) -> Expectation {
    Expectation {
        format: match spec.check.format {
            ObjectFormat::Elf => Format::Elf,
            ObjectFormat::Pe => Format::Pe,
        },
        machine: spec.check.machine.clone(),
        static_link: spec.check.linking == Linking::Static,
        libraries: spec.check.libraries.clone(),
        glibc: glibc.map(|floor| (floor.major, floor.minor)),
    }
}
