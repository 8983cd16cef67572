//! One HTTP request, and what its answer means.

use std::io::Read;
use std::time::Duration;

use ureq::config::AutoHeaderValue;
use ureq::http::Response;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, Body};

use super::Trouble;
use super::names::Names;
use crate::output::{Secret, percent_decoded};
use crate::relative_url::join;

/// As browsers and curl have it, or near.
const MOST_REDIRECTIONS: usize = 10;
/// The longest pause that a server may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Makes requests: the proxy is the environment's, certificates are checked as the platform does.
#[derive(Debug)]
pub(super) struct Http {
    agent: Agent,
    names: Names,
}

/// The beginning of an answer.
pub(super) struct Opened {
    pub(super) body: Box<dyn Read + Send>,
    /// How many bytes of the file lie before the body's first.
    pub(super) offset: u64,
    /// The whole file's size in bytes, where the server says it.
    pub(super) total: Option<u64>,
    pub(super) content_type: Option<String>,
    /// The address after redirections.
    pub(super) url: String,
}

/// Why there is no answer.
pub(super) enum Closed {
    /// It may help to ask again, after the pause that the server asks for.
    Again { problem: String, pause: Option<Duration> },
    /// It doesn't.
    Never(Trouble),
}

impl Http {
    pub(super) fn new(timeout: Duration, connections: usize) -> Self {
        let config = Agent::config_builder()
            .tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build())
            .http_status_as_error(false)
            // They are followed here, so that another port counts as a stranger too.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("xbuild/", env!("CARGO_PKG_VERSION")))
            .accept_encoding(AutoHeaderValue::None)
            .max_idle_connections(connections)
            .max_idle_connections_per_host(connections)
            .timeout_connect(Some(timeout))
            .timeout_recv_response(Some(timeout))
            .timeout_per_read(Some(timeout))
            .build();
        let names = Names::default();
        Self { agent: Agent::with_parts(config, DefaultConnector::default(), names.clone()), names }
    }

    /// Makes the request and follows redirections; returns the last address too.
    fn follow(
        &self,
        url: &str,
        authorization: Option<&Secret>,
        accept: Option<&str>,
        offset: u64,
    ) -> Result<(String, Response<Body>), Closed> {
        let (mut url, user) = split_user(url);
        let mut secret = authorization.map(|secret| secret.expose().to_owned()).or(user);
        for _ in 0..=MOST_REDIRECTIONS {
            let mut request = self.agent.get(url.as_str()).header("Accept-Encoding", "identity");
            if let Some(accept) = accept {
                request = request.header("Accept", accept);
            }
            if let Some(secret) = &secret {
                request = request.header("Authorization", secret);
            }
            if offset > 0 {
                request = request.header("Range", format!("bytes={offset}-"));
            }
            let response = request.call().map_err(|error| {
                self.names.forget();
                failed(error)
            })?;
            let location = response.headers().get("location").and_then(|value| value.to_str().ok());
            match (response.status().as_u16(), location) {
                (301 | 302 | 303 | 307 | 308, Some(location)) => {
                    let (next, user) = split_user(&join(&url, location));
                    // A registry may send on to a bucket that must not see the registry's credentials.
                    if origin(&next) != origin(&url) {
                        secret = user;
                    }
                    url = next;
                }
                _ => return Ok((url, response)),
            }
        }
        Err(Closed::Never(Trouble::Unreachable("it redirects without end".to_owned())))
    }

    /// Asks for the file from byte `offset` on.
    pub(super) fn open(
        &self,
        url: &str,
        authorization: Option<&Secret>,
        accept: Option<&str>,
        offset: u64,
    ) -> Result<Opened, Closed> {
        let (url, response) = self.follow(url, authorization, accept, offset)?;
        let status = response.status().as_u16();
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let length = header("content-length").and_then(|text| text.parse::<u64>().ok());
        let (offset, total) = match status {
            200 => (0, length),
            206 => match header("content-range").and_then(content_range) {
                Some((from, total)) if from <= offset => (from, total),
                _ => {
                    let problem = "it answers with a range that was not asked for".to_owned();
                    return Err(Closed::Again { problem, pause: None });
                }
            },
            401 | 403 => {
                let problem = match authorization {
                    Some(_) => "the credentials are refused",
                    None if status == 401 => "it wants credentials",
                    None => "access is forbidden, or it has no such file",
                };
                return Err(Closed::Never(Trouble::Refused { status, problem: problem.to_owned() }));
            }
            404 | 410 | 451 => {
                return Err(Closed::Never(Trouble::NotThere(format!("{status}, no such file"))));
            }
            408 | 416 | 425 | 429 | 500.. => {
                let pause = header("retry-after").and_then(|text| text.trim().parse().ok());
                let pause = pause.map(|seconds| Duration::from_secs(seconds).min(LONGEST_PAUSE));
                return Err(Closed::Again { problem: format!("it answers {}", response.status()), pause });
            }
            _ => {
                let problem = format!("it answers {}", response.status());
                return Err(Closed::Never(Trouble::Unreachable(problem)));
            }
        };
        let content_type = header("content-type").map(ToOwned::to_owned);
        let body = response.into_body().into_with_config().limit(u64::MAX).reader();
        Ok(Opened { body: Box::new(body), offset, total, content_type, url })
    }
}

/// What a failed request means.
fn failed(error: ureq::Error) -> Closed {
    match error {
        ureq::Error::BadUri(_) | ureq::Error::Http(_) | ureq::Error::InvalidProxyUrl => {
            Closed::Never(Trouble::Unreachable(error.to_string()))
        }
        ureq::Error::HostNotFound => {
            Closed::Again { problem: "its host name can't be resolved".to_owned(), pause: None }
        }
        error => Closed::Again { problem: error.to_string(), pause: None },
    }
}

/// Scheme, host and port.
fn origin(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    &url[..url[host..].find(['/', '?', '#']).map_or(url.len(), |at| host + at)]
}

/// `bytes 5-9/10` → (5, 10).
fn content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let from = range.split_once('-')?.0.trim().parse().ok()?;
    match total {
        "*" => Some((from, None)),
        total => Some((from, Some(total.parse().ok()?))),
    }
}

/// Takes `user:password@` out of an address; the second part is the header's value for it.
fn split_user(url: &str) -> (String, Option<String>) {
    let plain = crate::output::without_credentials(url);
    if plain == url {
        return (plain, None);
    }
    let after_scheme = url.find("://").map_or(0, |at| at + 3);
    // What was taken out is the difference of the two, `@` included.
    let user = &url[after_scheme..after_scheme + (url.len() - plain.len()) - 1];
    (plain, Some(format!("Basic {}", base64(percent_decoded(user).as_bytes()))))
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for position in 0..4 {
            let digit = (group >> (18 - 6 * position)) & 63;
            text.push(if position > chunk.len() { '=' } else { char::from(DIGITS[digit as usize]) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_rfc_4648s() {
        for (plain, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(plain.as_bytes()), text);
        }
    }

    #[test]
    fn a_user_in_an_address_becomes_a_header() {
        assert_eq!(
            split_user("https://me:a%40b@h.example/x"),
            ("https://h.example/x".to_owned(), Some(format!("Basic {}", base64(b"me:a@b"))))
        );
        assert_eq!(split_user("https://h.example/x@y"), ("https://h.example/x@y".to_owned(), None));
    }

    #[test]
    fn content_ranges_are_read() {
        assert_eq!(content_range("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(content_range("bytes 5-9/*"), Some((5, None)));
        assert_eq!(content_range("pages 5-9/10"), None);
    }
}
