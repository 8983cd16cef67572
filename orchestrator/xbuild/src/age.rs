//! How old must be what pins are moved to: `xbuild update --min-age`.

use jiff::{SpanRelativeTo, Timestamp};

use crate::session;

/// What is said to have been made before 1980 doesn't say when: so do files whose times were taken away.
const EPOCHS: u64 = 315_532_800;

/// What to do where something is too young, and no pin could stay in its place.
pub(crate) const NO_PIN: &str = "it has no pin that could stay: pin it once without --min-age";

/// An age, and the moment from which it is counted back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MinAge {
    seconds: u64,
    now: u64,
}

impl MinAge {
    /// Reads `7d`, `36h`, `2w`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let span: jiff::Span = text.parse().map_err(|_| "an age is written as 7d, 36h or 2w".to_owned())?;
        let duration = span
            .to_duration(SpanRelativeTo::days_are_24_hours())
            .map_err(|_| "months and years differ in length: write days or weeks".to_owned())?;
        let seconds = u64::try_from(duration.as_secs()).map_err(|_| "no age is negative".to_owned())?;
        Ok(Self { seconds, now: session::now() })
    }

    /// Seconds since 1970: what was made later is too young.
    pub(crate) fn before(self) -> u64 {
        self.now.saturating_sub(self.seconds)
    }

    /// What is against something that was made then, in seconds since 1970: `is 2 days old`.
    pub(crate) fn against(self, made: Option<u64>) -> Option<String> {
        let Some(made) = made.filter(|made| *made >= EPOCHS) else {
            return Some("doesn't say when it was made".to_owned());
        };
        (made > self.before()).then(|| {
            let hours = self.now.saturating_sub(made) / 3600;
            match hours {
                48.. => format!("is {} days old", hours / 24),
                1 => "is an hour old".to_owned(),
                _ => format!("is {hours} hours old"),
            }
        })
    }
}

/// Seconds since 1970 of a date as RFC 3339 has it.
pub(crate) fn seconds(date: &str) -> Option<u64> {
    let date: Timestamp = date.parse().ok()?;
    u64::try_from(date.as_second()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_one_of_hours_days_or_weeks() {
        let seconds = |text: &str| MinAge::parse(text).map(|age| age.seconds);
        assert_eq!(seconds("36h"), Ok(36 * 3600));
        assert_eq!(seconds("7d"), Ok(7 * 24 * 3600));
        assert_eq!(seconds("2w"), Ok(14 * 24 * 3600));
        assert_eq!(seconds("1d 12h"), Ok(36 * 3600));
        for (wrong, why) in [("7", "7d"), ("", "7d"), ("soon", "7d"), ("1mo", "months"), ("-1d", "negative")]
        {
            assert!(seconds(wrong).unwrap_err().contains(why), "{wrong}");
        }
    }

    #[test]
    fn what_is_too_young_is_told_by_its_age() {
        let now = super::seconds("2026-05-09T00:00:00Z").unwrap();
        let age = MinAge { seconds: 7 * 24 * 3600, now };
        let against = |date: &str| age.against(super::seconds(date));
        assert_eq!(against("2026-05-02T00:00:00Z"), None);
        assert_eq!(against("2026-05-02T00:00:01Z").unwrap(), "is 6 days old");
        assert_eq!(against("2026-05-08T01:00:00+02:00").unwrap(), "is 25 hours old");
        assert_eq!(against("2026-05-08T22:30:00Z").unwrap(), "is an hour old");
        assert_eq!(against("2027-05-08T22:30:00Z").unwrap(), "is 0 hours old");
        for unknown in ["1970-01-01T00:00:00Z", "1979-12-31T23:59:59Z", "yesterday"] {
            assert_eq!(against(unknown).unwrap(), "doesn't say when it was made", "{unknown}");
        }
    }
}
