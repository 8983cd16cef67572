//! Names, times and counts, as the page has them.

use std::time::Duration;

/// Text as it may stand between tags and in attributes.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

/// A time for people: three digits, or two units.
pub(super) fn shown(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    let whole = (time + Duration::from_millis(500)).as_secs();
    if time.is_zero() {
        "0 s".to_owned()
    } else if seconds < 0.001 {
        format!("{:.1} ms", seconds * 1e3)
    } else if seconds < 0.9995 {
        format!("{:.0} ms", seconds * 1e3)
    } else if seconds < 9.995 {
        format!("{seconds:.2} s")
    } else if seconds < 59.95 {
        format!("{seconds:.1} s")
    } else if whole < 3600 {
        format!("{} min {:02} s", whole / 60, whole % 60)
    } else {
        format!("{} h {:02} min", whole / 3600, whole % 3600 / 60)
    }
}

/// `1 unit`, `2 units`.
pub(super) fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits_or_two_units() {
        for (microseconds, text) in [
            (0, "0 s"),
            (140, "0.1 ms"),
            (999_400, "999 ms"),
            (999_600, "1.00 s"),
            (9_994_000, "9.99 s"),
            (9_996_000, "10.0 s"),
            (59_940_000, "59.9 s"),
            (59_960_000, "1 min 00 s"),
            (3_599_400_000, "59 min 59 s"),
            (3_599_600_000, "1 h 00 min"),
            (7_380_000_000, "2 h 03 min"),
        ] {
            assert_eq!(shown(Duration::from_micros(microseconds)), text, "{microseconds} µs");
        }
    }
}
