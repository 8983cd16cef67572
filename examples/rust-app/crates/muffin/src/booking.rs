use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

/// A day's bookings, as they are written in a file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Day {
    #[serde(rename = "booking")]
    pub bookings: Vec<Booking>,
}

impl FromStr for Day {
    type Err = toml::de::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        toml::from_str(text)
    }
}

/// A wish to bake something in an oven.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Booking {
    pub oven: u32,
    pub start: Time,
    pub recipe: String,
}

/// A time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Time {
    minutes: u32,
}

impl Time {
    pub const fn from_minutes(minutes: u32) -> Self {
        Self { minutes }
    }

    /// Minutes after midnight.
    pub const fn minutes(self) -> u32 {
        self.minutes
    }
}

impl TryFrom<String> for Time {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let parse = || {
            let (hours, minutes) = text.split_once(':')?;
            let (hours, minutes): (u32, u32) = (hours.parse().ok()?, minutes.parse().ok()?);
            (hours < 24 && minutes < 60).then_some(Self::from_minutes(hours * 60 + minutes))
        };
        parse().ok_or_else(|| format!("`{text}` is not a time such as 06:30"))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{:02}:{:02}",
            self.minutes / 60,
            self.minutes % 60
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_day() {
        let day: Day = "[[booking]]\noven = 1\nstart = '06:30'\nrecipe = 'oat muffin'"
            .parse()
            .unwrap();
        assert_eq!(day.bookings[0].start, Time::from_minutes(390));
        assert_eq!(day.bookings[0].start.to_string(), "06:30");
    }

    #[test]
    fn refuses_what_is_no_time() {
        for text in ["24:00", "06:60", "6", "six:30", ""] {
            assert!(Time::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
