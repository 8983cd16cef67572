//! What a fetcher may and should do, and how the environment says so.

use std::time::Duration;

use crate::error::FetchError;

/// How things are fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Whether the network must be left alone: what is missing is then an error.
    pub offline: bool,
    /// How many files are fetched and unpacked at once.
    pub jobs: usize,
    /// Folders and `http(s)` addresses laid out by hash (`<aa>/<64 hexadecimal digits>`), asked first.
    pub mirrors: Vec<String>,
    /// How often a failed download is tried again, at one place.
    pub retries: u32,
    /// The first pause before trying again; each next one is twice as long, up to half a minute.
    pub pause: Duration,
    /// How long to wait for a connection, and for a server to begin its answer or go on with it.
    pub timeout: Duration,
    /// The index to look for wheels in, whatever pip's configuration says.
    pub pypi_index: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            offline: false,
            jobs: 8,
            mirrors: Vec::new(),
            retries: 3,
            pause: Duration::from_millis(500),
            timeout: Duration::from_secs(30),
            pypi_index: None,
        }
    }
}

impl Settings {
    /// Reads the settings from environment variables, through a function that gives a variable's value.
    ///
    /// | variable | meaning | default |
    /// |---|---|---|
    /// | `XBUILD_OFFLINE` | `1` or `true`: no network | `0` |
    /// | `XBUILD_MIRRORS` | mirrors by hash, separated by spaces: folders (no spaces in them) or addresses | none |
    /// | `XBUILD_FETCH_JOBS` | files at once, 1 to 64 | 8 |
    /// | `XBUILD_FETCH_RETRIES` | tries after the first, 0 to 20 | 3 |
    /// | `XBUILD_FETCH_TIMEOUT` | in seconds, 1 to 3600 | 30 |
    /// | `XBUILD_PYPI_INDEX` | the simple index for wheels | pip's |
    ///
    /// # Errors
    /// [`FetchError::Setting`] when a value can't be used.
    pub fn from_environment(vars: &dyn Fn(&str) -> Option<String>) -> Result<Self, FetchError> {
        let defaults = Self::default();
        let var = |name: &str| vars(name).filter(|value| !value.trim().is_empty());
        let number = |name: &str, least: u64, most: u64, default: u64| match var(name) {
            None => Ok(default),
            Some(value) => match value.trim().parse::<u64>() {
                Ok(number) if (least..=most).contains(&number) => Ok(number),
                _ => Err(FetchError::Setting {
                    name: name.to_owned(),
                    value,
                    expected: format!("a number from {least} to {most}"),
                }),
            },
        };
        let offline = match var("XBUILD_OFFLINE").as_deref().map(str::trim) {
            None | Some("0" | "false") => false,
            Some("1" | "true") => true,
            Some(value) => {
                return Err(FetchError::Setting {
                    name: "XBUILD_OFFLINE".to_owned(),
                    value: value.to_owned(),
                    expected: "1, true, 0 or false".to_owned(),
                });
            }
        };
        let mirrors = var("XBUILD_MIRRORS").unwrap_or_default();
        let mirrors: Vec<String> = mirrors.split_whitespace().map(ToOwned::to_owned).collect();
        if let Some(bad) = mirrors.iter().find(|mirror| crate::output::Place::from_url(mirror).is_err()) {
            return Err(FetchError::Setting {
                name: "XBUILD_MIRRORS".to_owned(),
                value: bad.clone(),
                expected: "absolute folders and http or https addresses, separated by spaces".to_owned(),
            });
        }
        let jobs = number("XBUILD_FETCH_JOBS", 1, 64, defaults.jobs as u64)?;
        let retries = number("XBUILD_FETCH_RETRIES", 0, 20, u64::from(defaults.retries))?;
        let timeout = number("XBUILD_FETCH_TIMEOUT", 1, 3600, defaults.timeout.as_secs())?;
        Ok(Self {
            offline,
            jobs: usize::try_from(jobs).unwrap_or(defaults.jobs),
            mirrors,
            retries: u32::try_from(retries).unwrap_or(defaults.retries),
            pause: defaults.pause,
            timeout: Duration::from_secs(timeout),
            pypi_index: var("XBUILD_PYPI_INDEX"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(vars: &[(&str, &str)]) -> Result<Settings, FetchError> {
        Settings::from_environment(&|name| {
            vars.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn an_empty_environment_gives_the_defaults() {
        assert_eq!(from(&[]).unwrap(), Settings::default());
        assert_eq!(from(&[("XBUILD_MIRRORS", " ")]).unwrap(), Settings::default());
    }

    #[test]
    fn each_variable_counts() {
        let settings = from(&[
            ("XBUILD_OFFLINE", "1"),
            ("XBUILD_MIRRORS", "/srv/mirror https://mirror.example/by-hash/"),
            ("XBUILD_FETCH_JOBS", "3"),
            ("XBUILD_FETCH_RETRIES", "0"),
            ("XBUILD_FETCH_TIMEOUT", "5"),
            ("XBUILD_PYPI_INDEX", "https://wheels.example/simple"),
        ]);
        let expected = Settings {
            offline: true,
            jobs: 3,
            mirrors: vec!["/srv/mirror".to_owned(), "https://mirror.example/by-hash/".to_owned()],
            retries: 0,
            timeout: Duration::from_secs(5),
            pypi_index: Some("https://wheels.example/simple".to_owned()),
            ..Settings::default()
        };
        assert_eq!(settings.unwrap(), expected);
    }

    #[test]
    fn values_that_mean_nothing_are_errors_that_name_the_variable() {
        for (name, value) in [
            ("XBUILD_OFFLINE", "maybe"),
            ("XBUILD_FETCH_JOBS", "0"),
            ("XBUILD_FETCH_RETRIES", "-1"),
            ("XBUILD_FETCH_TIMEOUT", "soon"),
            ("XBUILD_MIRRORS", "somewhere/relative"),
        ] {
            let error = from(&[(name, value)]).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains(value), "{error}");
        }
    }
}
