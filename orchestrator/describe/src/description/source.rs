//! Where files come from: what steps and images both say of that.

use crate::reader::{Field, Reader};

/// Reads an address of the net.
pub(super) fn read_url(field: &Field<'_>, reader: &mut Reader) -> Option<String> {
    let text = field.text(reader)?;
    let is_url = text.starts_with("https://") || text.starts_with("http://");
    if !is_url {
        field.invalid(reader, "this is no URL", "write one that begins with `https://`");
    }
    is_url.then(|| text.to_owned())
}

/// Of all places that `field` names the one that there must be. `help` tells what can be written.
pub(super) fn only<T>(found: Vec<T>, field: &Field<'_>, help: &str, reader: &mut Reader) -> Option<T> {
    match <[T; 1]>::try_from(found) {
        Ok([one]) => Some(one),
        Err(found) => {
            let what = match found.is_empty() {
                true => "nothing says where it comes from",
                false => "it can come from one place only",
            };
            field.invalid(reader, what, help);
            None
        }
    }
}
