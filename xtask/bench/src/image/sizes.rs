//! What images weigh beside their program.

use std::path::Path;

use serde_json::Value;

use super::calls::Xbuild;
use super::{GNU, MUSL};
use crate::error::Error;

/// An image and its program, in bytes, uncompressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    /// Target and base.
    pub(crate) name: &'static str,
    pub(crate) program: u64,
    pub(crate) image: u64,
    /// What the image may be more than the program.
    pub(crate) limit: u64,
}

impl Size {
    /// What is there beside the program.
    pub(crate) const fn more(&self) -> u64 {
        self.image.saturating_sub(self.program)
    }

    pub(crate) const fn held(&self) -> bool {
        self.more() <= self.limit
    }
}

/// Name, target, base, and limit.
const IMAGES: [(&str, &str, &str, u64); 3] = [
    ("x86_64-unknown-linux-musl on `scratch`", MUSL, "image.base=scratch", 20_000),
    ("x86_64-unknown-linux-musl on `static`", MUSL, "image.base=static", 500_000),
    ("aarch64-unknown-linux-gnu on `scratch`", GNU, "image.base=scratch", 4_000_000),
];

/// Makes the images of a program of a project.
pub(crate) fn measure(xbuild: &Xbuild<'_>, project: &Path, program: &str) -> Result<Vec<Size>, Error> {
    let mut sizes = Vec::new();
    for (name, target, base, limit) in IMAGES {
        let more = ["--set", base, "--message-format", "json"];
        let made = xbuild.image(project, program, &[target], &more)?;
        let image = uncompressed(&made.stdout, program).ok_or_else(|| Error::Unexpected {
            path: project.to_owned(),
            problem: format!("xbuild doesn't say what the image {program} weighs:\n{}", made.stdout),
        })?;
        xbuild.build(project, &[target])?;
        let built = project.join("result/default").join(target).join("bin").join(program);
        sizes.push(Size { name, program: fs_err::metadata(built)?.len(), image, limit });
    }
    Ok(sizes)
}

/// The size of all layers of an image, by the JSON line that tells of it.
fn uncompressed(stdout: &str, name: &str) -> Option<u64> {
    let mut lines = stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let line = lines.find(|line| line["reason"] == "xbuild-image" && line["name"] == name)?;
    line["images"][0]["size"].as_u64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_the_image_says_its_size() {
        let line = |name: &str, size: u64| {
            format!("{{\"reason\":\"xbuild-image\",\"name\":\"{name}\",\"images\":[{{\"size\":{size}}}]}}\n")
        };
        let stdout = format!("no line\n{{\"reason\":\"other\"}}\n{}{}", line("bar", 1), line("foo", 2));
        assert_eq!(uncompressed(&stdout, "foo"), Some(2));
        assert_eq!(uncompressed(&stdout, "baz"), None);
    }

    #[test]
    fn a_limit_is_of_what_is_beside_the_program() {
        let size = |image| Size { name: "an image", program: 1000, image, limit: 10 };
        assert!(size(1010).held() && !size(1011).held());
    }
}
