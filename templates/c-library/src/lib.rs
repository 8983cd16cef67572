//! Checksums, computed by a library in C that is compiled along for every target.

mod native {
    unsafe extern "C" {
        pub(crate) fn checksum(bytes: *const u8, size: usize) -> u16;
    }
}

/// Fletcher's checksum of some bytes.
#[must_use]
pub fn checksum(bytes: &[u8]) -> u16 {
    // SAFETY: it reads the bytes of the slice and nothing else.
    unsafe { native::checksum(bytes.as_ptr(), bytes.len()) }
}

/// The same for C: of the text that ends with the first zero.
///
/// # Safety
/// `text` must point to such a text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn app_name_checksum(text: *const std::ffi::c_char) -> u16 {
    // SAFETY: the caller's promise.
    checksum(unsafe { std::ffi::CStr::from_ptr(text) }.to_bytes())
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_known_text_has_its_checksum() {
        assert_eq!(super::checksum(b"abcde"), 0xc8f0);
    }
}
