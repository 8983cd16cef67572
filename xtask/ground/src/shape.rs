//! What of a project is planned.

use std::path::Path;

use xbuild_describe::Request;

use crate::TARGETS;

/// What of a project is planned.
#[derive(Debug, Clone, Copy)]
pub struct Shape<'s> {
    /// The targets, in the order in which they are built.
    pub targets: &'s [&'s str],
    /// The profile of all that is built.
    pub profile: &'s str,
    /// Which of the description's variants.
    pub variants: Variants,
    /// Another workspace, whose fetched crates lie in the same places.
    pub beside: Option<&'s Path>,
}

/// Which variants are planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variants {
    /// The unnamed one.
    Unnamed,
    /// That one and all named ones.
    All,
}

impl Default for Shape<'_> {
    fn default() -> Self {
        Self { targets: &TARGETS, profile: "release", variants: Variants::Unnamed, beside: None }
    }
}

impl Shape<'_> {
    /// The same in words of xbuild's command line.
    #[must_use]
    pub fn request(&self) -> Request {
        Request {
            targets: self.targets.iter().map(|&target| target.to_owned()).collect(),
            profile: Some(self.profile.to_owned()),
            variants: match self.variants {
                Variants::Unnamed => vec!["default".to_owned()],
                Variants::All => Vec::new(),
            },
            ..Request::default()
        }
    }
}
