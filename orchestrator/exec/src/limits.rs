//! Limits that the kernel keeps, and how limits are put in words.

use std::time::Duration;

use rustix::process::{Resource, Rlimit};

use crate::specification::{Failure, KernelLimits, Step as _};

/// Applies the limits to the current process. Those that aren't asked for are fixed, so that programs see the
/// same everywhere; core dumps are off always.
///
/// The stack's hard limit is what GCC raises its own to.
pub(crate) fn apply(limits: Option<KernelLimits>) -> Result<(), Failure> {
    let set = |resource, soft: u64, hard: u64, name: &str| {
        // Nobody but root may raise what the machine already holds lower, and lower is no harm: what fails for it
        // fails here and is not kept.
        let most = rustix::process::getrlimit(resource).maximum.unwrap_or(u64::MAX);
        let (soft, hard) = (soft.min(most), hard.min(most));
        rustix::process::setrlimit(resource, Rlimit { current: Some(soft), maximum: Some(hard) })
            .step(format!("limit {name} to {hard}"))
    };
    set(Resource::Core, 0, 0, "core dumps")?;
    let Some(KernelLimits { processes, file_size }) = limits else { return Ok(()) };
    // Three more than asked for: helper and init count, and the one that is too many must be seen to come.
    set(Resource::Nproc, processes + 3, processes + 3, "processes")?;
    set(Resource::Fsize, file_size, file_size, "the file size")?;
    set(Resource::Nofile, 1024, 4096, "open files")?;
    set(Resource::Stack, 8 << 20, 64 << 20, "the stack")
}

/// A limit on time, in words.
pub(crate) fn time_in_words(time: Duration) -> String {
    if time.subsec_millis() == 0 {
        format!("time ({} s)", time.as_secs())
    } else {
        format!("time ({:.1} s)", time.as_secs_f64())
    }
}

/// A limit in bytes, in words.
pub(crate) fn bytes_in_words(what: &str, bytes: u64) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let exact = units.iter().find(|(unit, _)| bytes >= *unit && bytes.is_multiple_of(*unit));
    exact.map_or_else(
        || format!("{what} ({bytes} bytes)"),
        |(unit, name)| format!("{what} ({} {name})", bytes / unit),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_in_words_have_their_unit() {
        assert_eq!(time_in_words(Duration::from_secs(60)), "time (60 s)");
        assert_eq!(time_in_words(Duration::from_millis(500)), "time (0.5 s)");
        assert_eq!(bytes_in_words("memory", 3 << 30), "memory (3 GiB)");
        assert_eq!(bytes_in_words("file size", 1 << 20), "file size (1 MiB)");
        assert_eq!(bytes_in_words("file size", 1000), "file size (1000 bytes)");
    }
}
