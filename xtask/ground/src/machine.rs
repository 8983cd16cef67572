//! The machine that was measured on: nothing that names it.

use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// What figures depend on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor, as the kernel calls it.
    pub model: String,
    /// How many processors may be used.
    pub processors: usize,
    /// In tenths of a GiB.
    pub memory: u64,
    /// The kernel's release.
    pub kernel: String,
    /// The day on which it was looked at, as year, month and day.
    pub date: String,
}

impl Machine {
    /// One for tests of what is written of it.
    #[must_use]
    pub fn example() -> Self {
        Self {
            model: "A processor".to_owned(),
            processors: 2,
            memory: 77,
            kernel: "6.0".to_owned(),
            date: "2026-01-02".to_owned(),
        }
    }

    /// Looks at this one.
    ///
    /// # Errors
    /// When the kernel or `date` doesn't tell.
    pub fn look() -> Result<Self, Error> {
        let processor = fs_err::read_to_string("/proc/cpuinfo")?;
        let memory = fs_err::read_to_string("/proc/meminfo")?;
        let kernel = fs_err::read_to_string("/proc/sys/kernel/osrelease")?;
        let kilobytes: u64 = field(&memory, "MemTotal")
            .and_then(|value| value.split_whitespace().next()?.parse().ok())
            .unwrap_or_default();
        Ok(Self {
            // Only some architectures have it.
            model: field(&processor, "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            processors: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            memory: kilobytes * 10 / (1 << 20),
            kernel: kernel.trim().to_owned(),
            date: today()?,
        })
    }

    /// Whether it is the same machine, on whatever day.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        let Self { model, processors, memory, kernel, date: _ } = self;
        (model, processors, memory, kernel) == (&other.model, &other.processors, &other.memory, &other.kernel)
    }

    /// A table of it alone, with the version of a program that was measured.
    #[must_use]
    pub fn table(&self, program: &str, version: &str) -> String {
        Self::table_head(program) + &self.table_row(version)
    }

    /// The head of a table of machines, each with the version of a program.
    #[must_use]
    pub fn table_head(program: &str) -> String {
        format!("| processor | in use | memory | kernel | {program} |\n|---|---|---|---|---|\n")
    }

    /// Its row in such a table.
    #[must_use]
    pub fn table_row(&self, version: &str) -> String {
        let Self { model, processors, memory, kernel, date: _ } = self;
        let (whole, tenths) = (memory / 10, memory % 10);
        format!("| {model} | {processors} | {whole}.{tenths} GiB | {kernel} | {version} |\n")
    }
}

/// The value of the first line `name : value`.
fn field(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    })
}

fn today() -> Result<String, Error> {
    let mut date = Command::new("date");
    let output = date.args(["-u", "+%Y-%m-%d"]).output();
    let output = output.map_err(|source| Error::Start { program: "date".to_owned(), source })?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_with_any_blanks() {
        let text = "processor\t: 0\nmodel name\t: Some CPU @ 2 GHz: fast\nMemTotal:  8 kB\n";
        assert_eq!(field(text, "model name").as_deref(), Some("Some CPU @ 2 GHz: fast"));
        assert_eq!(field(text, "MemTotal").as_deref(), Some("8 kB"));
        assert_eq!(field(text, "flags"), None);
    }
}
