//! Files at plain addresses.

use xbuild_base::Sha256;

use crate::error::FetchError;
use crate::output::{FixedOutput, Place, Unpack};

/// A file that may be had at any of `urls` (`http:`, `https:`, `file:` or an absolute path), asked in order.
///
/// # Errors
/// [`FetchError::Address`] when an address has another scheme.
pub fn output(
    name: &str,
    urls: &[String],
    sha256: Sha256,
    size: Option<u64>,
    kind: Unpack,
) -> Result<FixedOutput, FetchError> {
    let places = urls.iter().map(|url| Place::from_url(url)).collect::<Result<_, _>>()?;
    Ok(FixedOutput { name: name.to_owned(), sha256, size, places, kind })
}
