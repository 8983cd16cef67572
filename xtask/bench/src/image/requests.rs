//! What a registry is asked for in a push, by its access log.

use super::layout::{Layer, Layout};

/// How often each kind of request came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Requests {
    /// Uploads of an application's layer that were completed.
    pub(crate) applications: usize,
    /// The same of a configuration.
    pub(crate) configurations: usize,
    /// The same of anything else: layers that other images have too.
    pub(crate) others: usize,
    pub(crate) manifests: usize,
    pub(crate) indexes: usize,
    pub(crate) tags: usize,
    /// Uploads that were begun.
    pub(crate) begun: usize,
    /// Pieces of uploads.
    pub(crate) pieces: usize,
    /// What changes nothing: whether a blob is there, whether one must log in.
    pub(crate) questions: usize,
    /// Everything else.
    pub(crate) unknown: usize,
}

impl Requests {
    /// Counts the lines of a log in the common format. The layout is what was pushed.
    pub(crate) fn of(log: &str, layout: &Layout) -> Self {
        let mut requests = Self::default();
        for (method, path) in log.lines().filter_map(request) {
            *requests.counter(method, path, layout) += 1;
        }
        requests
    }

    fn counter(&mut self, method: &str, path: &str, layout: &Layout) -> &mut usize {
        let mut images = layout.images.iter();
        if matches!(method, "GET" | "HEAD") {
            return &mut self.questions;
        }
        if let Some((_, upload)) = path.split_once("/blobs/uploads/") {
            // An upload ends with the request that says what it was.
            let completed = upload.split(['?', '&']).find_map(|word| word.strip_prefix("digest="));
            let Some(digest) = completed else {
                return match method {
                    "POST" => &mut self.begun,
                    "PATCH" => &mut self.pieces,
                    _ => &mut self.unknown,
                };
            };
            let digest = digest.replace("%3A", ":");
            let is_application = |layer: &Layer| layer.digest == digest;
            return if images.clone().any(|image| image.layers.last().is_some_and(is_application)) {
                &mut self.applications
            } else if images.any(|image| image.configuration == digest) {
                &mut self.configurations
            } else {
                &mut self.others
            };
        }
        match path.split_once("/manifests/") {
            Some((_, reference)) if method == "PUT" => {
                if images.any(|image| image.manifest == reference) {
                    &mut self.manifests
                } else if layout.top == reference {
                    &mut self.indexes
                } else if reference.contains(':') {
                    &mut self.unknown
                } else {
                    &mut self.tags
                }
            }
            _ => &mut self.unknown,
        }
    }
}

/// Method and path of a line `… "PUT /v2/… HTTP/1.1" 201 …`.
fn request(line: &str) -> Option<(&str, &str)> {
    let mut words = line.split('"').nth(1)?.split(' ');
    Some((words.next()?, words.next()?))
}

#[cfg(test)]
mod tests {
    use super::super::layout::tests::layout;
    use super::*;

    #[test]
    fn each_request_is_of_one_kind() {
        let uploads = "/v2/team/foo/blobs/uploads";
        let lines = [
            ("GET", "/v2/".to_owned()),
            ("HEAD", "/v2/team/foo/blobs/sha256:base".to_owned()),
            ("POST", format!("{uploads}/")),
            ("PATCH", format!("{uploads}/6c5e?_state=0_0H%3D")),
            ("PUT", format!("{uploads}/6c5e?_state=r5%3D&digest=sha256%3Aapplication-arm64-2")),
            ("PUT", format!("{uploads}/6c5e?digest=sha256:config-amd64-2&_state=r5")),
            ("PUT", format!("{uploads}/6c5e?_state=r5&digest=sha256%3Abase")),
            ("PUT", "/v2/team/foo/manifests/sha256:manifest-amd64-2".to_owned()),
            ("PUT", "/v2/team/foo/manifests/sha256:index-2".to_owned()),
            ("PUT", "/v2/team/foo/manifests/sha256:index-1".to_owned()),
            ("PUT", "/v2/team/foo/manifests/v1".to_owned()),
            ("DELETE", "/v2/team/foo/manifests/v1".to_owned()),
        ];
        let log: String = lines
            .iter()
            .map(|(method, path)| {
                format!("127.0.0.1 - - [26/Nov/2026:04:58:07 +0000] \"{method} {path} HTTP/1.1\" 201 0 \"\" \"x\"\n")
            })
            .collect();
        assert_eq!(
            Requests::of(&(log + "no request\n"), &layout("2")),
            Requests {
                applications: 1,
                configurations: 1,
                others: 1,
                manifests: 1,
                indexes: 1,
                tags: 1,
                begun: 1,
                pieces: 1,
                questions: 2,
                unknown: 2,
            }
        );
    }
}
