//! What can go wrong with a registry.

use oci_client::errors::{DigestError, OciDistributionError, OciEnvelope, OciError, OciErrorCode};
use xbuild_action::StoreError;
use xbuild_image::ImageError;

/// Why an image is not in a repository, or does not come from one.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The reference is none.
    #[error("`{text}` names no image: {problem}")]
    Reference {
        /// What was given.
        text: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A tag is none.
    #[error("`{0}` is no tag: up to 128 letters, digits, `_`, `.` and `-`, the first none of the last two")]
    Tag(String),
    /// The registry doesn't know who one is, or doesn't let them.
    #[error("{registry} does not let you {doing} {repository}: {problem}")]
    Denied {
        /// Its host and port.
        registry: String,
        /// The repository.
        repository: String,
        /// A verb.
        doing: &'static str,
        /// What it says.
        problem: String,
    },
    /// The credentials can't be read.
    #[error("the credentials for {registry} can't be read: {problem}")]
    Credentials {
        /// Its host and port.
        registry: String,
        /// Why.
        problem: String,
    },
    /// The registry says that what it has is something else, or gives something else.
    #[error("{place} has {found} where {expected} is expected")]
    OtherDigest {
        /// Registry and repository.
        place: String,
        /// What was sent or asked for.
        expected: String,
        /// What it says or gives.
        found: String,
    },
    /// There is no image for a platform.
    #[error("{reference} has no image for {platform}")]
    NoPlatform {
        /// The image.
        reference: String,
        /// What was asked for.
        platform: String,
        /// What it has.
        platforms: Vec<String>,
    },
    /// There is no such image.
    #[error("there is no image {0}")]
    NoImage(String),
    /// What a digest names is not there any more.
    #[error("{0} has gone")]
    Gone(String),
    /// A request failed, often enough.
    #[error("could not {doing} {what}: {problem}")]
    Request {
        /// A verb.
        doing: &'static str,
        /// On what.
        what: String,
        /// Why, the last time.
        problem: String,
        /// Whether the registry has had enough of us.
        is_limited: bool,
    },
    /// What came is no image.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The machine failed.
    #[error("could not speak to a registry: {0}")]
    Runtime(std::io::Error),
}

impl RegistryError {
    /// Whether the user must change something that they wrote.
    #[must_use]
    pub fn is_users(&self) -> bool {
        matches!(self, Self::Reference { .. } | Self::Tag(_) | Self::NoPlatform { .. } | Self::NoImage(_))
    }

    /// What to do about it, when there is something: the text after `help:`.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Reference { .. } => Some("write one such as registry.example/team/foo".to_owned()),
            Self::Tag(_) => Some("write one such as `-t v1.2`".to_owned()),
            Self::Denied { registry, .. } => Some(format!(
                "log in, so that Docker's configuration has the credentials: docker login {registry}"
            )),
            Self::Credentials { .. } => Some(
                "look at Docker's configuration: ~/.docker/config.json, or $DOCKER_CONFIG/config.json"
                    .to_owned(),
            ),
            Self::OtherDigest { .. } => {
                Some("the registry, or something on the way to it, is not to be trusted".to_owned())
            }
            Self::NoPlatform { platforms, .. } => Some(format!("it has {}", platforms.join(", "))),
            Self::NoImage(_) => {
                Some("look for the right name and tag: skopeo list-tags docker://…".to_owned())
            }
            Self::Gone(_) => {
                Some("move the pin to what its name leads to now: xbuild update; or name another".to_owned())
            }
            Self::Request { is_limited: true, .. } => Some(
                "wait some minutes, then run the same command again: the registry asks for fewer requests"
                    .to_owned(),
            ),
            Self::Request { .. } => Some(
                "run the same command again: what has been sent or fetched is not asked for again".to_owned(),
            ),
            Self::Image(error) => error.help(),
            Self::Store(_) | Self::Runtime(_) => None,
        }
    }
}

/// The HTTP status of a failed request, where there was an answer.
pub(crate) fn status(error: &OciDistributionError) -> Option<u16> {
    match error {
        OciDistributionError::ServerError { code, .. } => Some(*code),
        OciDistributionError::UnauthorizedError { .. } | OciDistributionError::AuthenticationFailure(_) => {
            Some(401)
        }
        OciDistributionError::RequestError(error) => error.status().map(|status| status.as_u16()),
        OciDistributionError::RegistryError { envelope, .. } => {
            let of = |code: &OciErrorCode| match code {
                OciErrorCode::Toomanyrequests => Some(429),
                OciErrorCode::Denied => Some(403),
                OciErrorCode::Unauthorized => Some(401),
                OciErrorCode::ManifestUnknown | OciErrorCode::NameUnknown | OciErrorCode::NotFound => {
                    Some(404)
                }
                _ => None,
            };
            envelope.errors.iter().find_map(|error| of(&error.code))
        }
        _ => None,
    }
}

/// The digests of a check that failed: expected, found.
pub(crate) fn digests(error: &OciDistributionError) -> Option<(String, String)> {
    let of = |error: &DigestError| match error {
        DigestError::VerificationError { expected, actual } => Some((expected.clone(), actual.clone())),
        _ => None,
    };
    match error {
        OciDistributionError::DigestError(error) => of(error),
        OciDistributionError::IoError(error) => of(error.get_ref()?.downcast_ref()?),
        _ => None,
    }
}

/// Why a request failed, in words for people.
pub(crate) fn problem(error: &OciDistributionError) -> String {
    match error {
        OciDistributionError::ServerError { code, message, .. } => {
            let said = serde_json::from_str(message).map_or_else(|_| message.clone(), |said| words(&said));
            let said = cut(&said);
            format!("it answers {code}{}{said}", if said.is_empty() { "" } else { ": " })
        }
        OciDistributionError::RegistryError { envelope, .. } => words(envelope),
        OciDistributionError::UnauthorizedError { .. } => "it answers 401".to_owned(),
        OciDistributionError::AuthenticationFailure(said) => {
            let said = serde_json::from_str(said).map_or_else(|_| said.clone(), |said| words(&said));
            format!("its token service refuses: {}", cut(&said))
        }
        OciDistributionError::GenericError(Some(problem)) => problem.clone(),
        OciDistributionError::RequestError(error) => match error.status() {
            Some(status) => format!("it answers {}", status.as_u16()),
            None => {
                // The outer errors name the request, the inner ones what happened.
                let mut inner: &dyn std::error::Error = error;
                while let Some(source) = inner.source() {
                    inner = source;
                }
                inner.to_string()
            }
        },
        other => other.to_string(),
    }
}

/// The beginning of what somebody else says, in one line and without what a terminal would obey.
fn cut(said: &str) -> String {
    let words = said.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ").chars().take(300).collect()
}

/// What a registry says by the specification's form of errors.
fn words(envelope: &OciEnvelope) -> String {
    let says = |error: &OciError| match error.message.as_str() {
        "" => format!("{:?}", error.code),
        message => message.to_owned(),
    };
    cut(&envelope.errors.iter().map(says).collect::<Vec<_>>().join("; "))
}
