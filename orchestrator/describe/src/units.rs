//! Times and sizes with units.

use std::time::Duration;

/// The units of a size, by name, with their number of bytes.
const BYTES: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

/// Parses a number of bytes: `8GiB`, `512 MiB`, `100MB`.
///
/// # Errors
/// Why it is none, in words.
pub fn bytes(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text);
    let (_, factor) = BYTES
        .iter()
        .find(|(name, _)| *name == unit)
        .ok_or_else(|| format!("`{text}` has no unit of size that is known"))?;
    multiply(number, *factor, text)
}

/// Parses a time: `90s`, `30m`, `1h`, `1h30m`, `2d`.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    let mut rest = text.trim();
    let mut seconds: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let mut characters = after.chars();
        let factor = match characters.next() {
            Some('s') => 1,
            Some('m') => 60,
            Some('h') => 3600,
            Some('d') => 86400,
            _ => return Err(format!("`{text}` has no unit of time that is known")),
        };
        seconds = multiply(number, factor, text)?
            .checked_add(seconds)
            .ok_or_else(|| format!("`{text}` is too much"))?;
        rest = characters.as_str().trim_start();
    }
    if seconds == 0 {
        return Err(format!("`{text}` is no time"));
    }
    Ok(Duration::from_secs(seconds))
}

fn split(text: &str) -> (&str, &str) {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    (number, unit.trim())
}

fn multiply(number: &str, factor: u64, text: &str) -> Result<u64, String> {
    let number: u64 = number.parse().map_err(|_| format!("`{text}` does not start with a whole number"))?;
    match number.checked_mul(factor) {
        Some(0) => Err(format!("`{text}` is nothing")),
        Some(product) => Ok(product),
        None => Err(format!("`{text}` is too much")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_binary_and_decimal_units() {
        assert_eq!(bytes("8GiB"), Ok(8 << 30));
        assert_eq!(bytes("512 MiB"), Ok(512 << 20));
        assert_eq!(bytes("100MB"), Ok(100_000_000));
        for bad in ["", "8", "8gib", "GiB", "-1GiB", "1.5GiB", "0B", "99999999999TiB"] {
            assert!(bytes(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn times_may_be_sums() {
        assert_eq!(time("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(time("1h30m"), Ok(Duration::from_secs(5400)));
        for bad in ["", "90", "h", "1 hour ago", "-1s", "0s", "1.5h", "99999999999999999999s"] {
            assert!(time(bad).is_err(), "{bad:?}");
        }
    }
}
