//! Pins of wheels, looked up in the package index.

use std::sync::Arc;

use xbuild_describe::{Wheel, WheelPin};

use super::problem::ToolchainError;
use crate::error::FetchError;
use crate::fetcher::Fetcher;
use crate::output::{FixedOutput, Unpack};
use crate::source::wheel::{Listed, PackageIndex, normalised};

/// The pin of a recipe's wheel: of the files that the index has of its version, the one for any platform, else the
/// first one for x86-64 Linux, else the first one. (Only sources are taken of a wheel, and they are the same in all.)
///
/// # Errors
/// [`ToolchainError::NoWheel`] when the index has none, or when it can't be asked.
pub fn find_wheel(
    fetcher: &Fetcher<'_>,
    index: &Arc<PackageIndex>,
    wheel: &Wheel,
) -> Result<WheelPin, FetchError> {
    let mut files = index.listed(fetcher, &wheel.name)?;
    files.retain(|file| is_of(file, wheel));
    files.sort_by_key(|file| (rank(&file.file_name), file.file_name.clone()));
    let Some(Listed { file_name, sha256, size }) = files.into_iter().next() else {
        let (name, version) = (wheel.name.clone(), wheel.version.clone());
        return Err(ToolchainError::NoWheel { name, version }.into());
    };
    let mut pin = WheelPin {
        name: wheel.name.clone(),
        version: wheel.version.clone(),
        file: file_name,
        size: size.unwrap_or_default(),
        sha256,
    };
    if size.is_none() {
        // An index that does not tell the size leaves no other way than to look.
        let outputs = super::pins::wheel_outputs(&pin, wheel, index).into_iter().take(1);
        let outputs: Vec<FixedOutput> = outputs
            .map(|output| FixedOutput {
                size: None,
                kind: Unpack::Blob { file_name: pin.file.clone(), executable: false },
                ..output
            })
            .collect();
        pin.size = fetcher.blobs(&outputs)?.first().map(xbuild_base::Digest::size).unwrap_or_default();
    }
    Ok(pin)
}

/// Whether a file is a wheel of this project and version: `{name}-{version}-{tags}.whl` (PEP 427).
fn is_of(file: &Listed, wheel: &Wheel) -> bool {
    let Some(stem) = file.file_name.strip_suffix(".whl") else { return false };
    let mut parts = stem.split('-');
    parts.next().is_some_and(|name| normalised(name) == normalised(&wheel.name))
        && parts.next() == Some(wheel.version.as_str())
}

fn rank(file_name: &str) -> u8 {
    match file_name {
        name if name.ends_with("-any.whl") => 0,
        name if name.contains("linux") && name.contains("x86_64") => 1,
        _ => 2,
    }
}
