//! Projects that are made here: a program of any size, and one with a large file beside it.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::Stored;
use crate::error::Error;
use crate::project::write;
use crate::random::Random;

/// A project of one program without dependencies.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) folder: PathBuf,
    /// What the package is called, its program and its image.
    pub(crate) name: &'static str,
}

/// Of the words that compressible bytes are made of.
const WORDS: usize = 128;

impl Made {
    /// A program that carries bytes with it: so many that can't be compressed, and so many of text.
    pub(crate) fn carrier(folder: PathBuf, dense: u64, text: u64) -> Result<Self, Error> {
        let made = Self { folder, name: "carrier" };
        made.describe()?;
        fill(&made.folder.join("dense.bin"), |to| dense_bytes(1, dense, to))?;
        fill(&made.folder.join("text.bin"), |to| text_bytes(2, text, to))?;
        made.edit(0)?;
        Ok(made)
    }

    /// A small program, whose image has a file of so many bytes too, which can't be compressed.
    pub(crate) fn with_data(folder: PathBuf, size: u64, seed: u16) -> Result<Self, Error> {
        let made = Self { folder, name: "data" };
        made.describe()?;
        made.write("src/main.rs", "fn main() {}\n")?;
        made.write(
            "xbuild.toml",
            "[image]\nbase = \"scratch\"\n\n[image.files]\n\"/data.bin\" = \"data.bin\"\n",
        )?;
        fill(&made.folder.join("data.bin"), |to| dense_bytes(u64::from(seed) + 3, size, to))?;
        Ok(made)
    }

    /// Changes a line of a carrier: its program is another for each number.
    pub(crate) fn edit(&self, number: usize) -> Result<(), Error> {
        self.write(
            "src/main.rs",
            &format!(
                "static DENSE: &[u8] = include_bytes!(\"../dense.bin\");\n\
                 static TEXT: &[u8] = include_bytes!(\"../text.bin\");\n\
                 static LINE: &str = \"line {number:06}\";\n\
                 \n\
                 // Which bytes are printed isn't known before: all of them stay in the program.\n\
                 fn main() {{\n    \
                     let at = std::env::args().count();\n    \
                     println!(\"{{LINE}} {{}} {{}}\", DENSE[at % DENSE.len()], TEXT[at % TEXT.len()]);\n\
                 }}\n"
            ),
        )
    }

    /// The link to the program that was built last.
    pub(crate) fn program(&self, target: &str) -> PathBuf {
        self.folder.join("result/default").join(target).join("bin").join(self.name)
    }

    /// The link to the layout that was made last, of those whose layers are stored so.
    pub(crate) fn layout(&self, stored: Stored) -> PathBuf {
        self.folder.join("result").join(stored.folder()).join("image").join(self.name)
    }

    fn describe(&self) -> Result<(), Error> {
        let package = format!("name = \"{}\"\nversion = \"0.1.0\"\n", self.name);
        self.write("Cargo.toml", &format!("[package]\n{package}edition = \"2024\"\n\n[workspace]\n"))?;
        self.write("Cargo.lock", &format!("version = 4\n\n[[package]]\n{package}"))
    }

    fn write(&self, path: &str, text: &str) -> Result<(), Error> {
        write(&self.folder.join(path), text.as_bytes())
    }
}

/// Makes a file of what is written.
fn fill(path: &Path, with: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<(), Error> {
    let mut file = std::io::BufWriter::new(fs_err::File::create(path)?);
    with(&mut file)?;
    Ok(file.flush()?)
}

/// Bytes that can't be compressed. The seed is not 0.
fn dense_bytes(seed: u64, size: u64, to: &mut dyn Write) -> std::io::Result<()> {
    let mut random = Random::new(seed);
    let mut block = [0_u8; 1 << 13];
    let mut left = size;
    while left > 0 {
        for word in block.chunks_exact_mut(8) {
            word.copy_from_slice(&random.next().to_le_bytes());
        }
        left -= write_at_most(&block, left, to)?;
    }
    Ok(())
}

/// Bytes that can be: words, one after the other.
fn text_bytes(seed: u64, size: u64, to: &mut dyn Write) -> std::io::Result<()> {
    let mut random = Random::new(seed);
    let mut word = || {
        let length = 2 + random.below(9);
        let letters = (0..length).map(|_| b"etaoinshrdlucmfwypvbgkqjxz"[random.below(26)]);
        letters.chain([b' ']).collect::<Vec<u8>>()
    };
    let words: Vec<Vec<u8>> = (0..WORDS).map(|_| word()).collect();
    let mut left = size;
    while left > 0 {
        left -= write_at_most(&words[random.below(WORDS)], left, to)?;
    }
    Ok(())
}

/// Writes of these bytes so many; returns how many.
fn write_at_most(bytes: &[u8], most: u64, to: &mut dyn Write) -> std::io::Result<u64> {
    let count = usize::try_from(most).unwrap_or(usize::MAX).min(bytes.len());
    to.write_all(&bytes[..count])?;
    Ok(count as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_carrier_has_its_bytes_and_a_line_that_changes() {
        let place = tempfile::tempdir().unwrap();
        let made = Made::carrier(place.path().join("made"), 10_001, 20_003).unwrap();
        let read = |path: &str| fs_err::read(made.folder.join(path)).unwrap();
        assert_eq!([read("dense.bin").len(), read("text.bin").len()], [10_001, 20_003]);
        let count = |bytes: &[u8], of: u8| bytes.iter().filter(|byte| **byte == of).count();
        assert!(count(&read("text.bin"), b' ') > 20_003 / 12 && count(&read("dense.bin"), b' ') < 100);
        let before = read("src/main.rs");
        made.edit(7).unwrap();
        let after = String::from_utf8(read("src/main.rs")).unwrap();
        assert!(after.contains("static LINE: &str = \"line 000007\";\n") && after.len() == before.len());
        assert!(after.ends_with("fn main() {\n    let at = std::env::args().count();\n    println!(\"{LINE} {} {}\", DENSE[at % DENSE.len()], TEXT[at % TEXT.len()]);\n}\n"), "{after}");
    }

    #[test]
    fn the_data_is_another_in_each_round() {
        let place = tempfile::tempdir().unwrap();
        let data = |seed| {
            let made = Made::with_data(place.path().join(format!("{seed}")), 999, seed).unwrap();
            fs_err::read(made.folder.join("data.bin")).unwrap()
        };
        assert!(data(1).len() == 999 && data(1) == data(1) && data(1) != data(2));
    }
}
