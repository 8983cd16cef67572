//! A safe interface to the oven.

use std::ffi::{CStr, CString};
use std::num::NonZeroU32;
use std::ptr;

use oven_sys::{OVEN_OK, OvenSlot, oven_free, oven_timetable};

/// The highest temperature, as oven-sys's build script reports it.
pub const MAX_CELSIUS: &str = env!("OVEN_MAX_CELSIUS");

unsafe extern "C" {
    // In c/control.c.
    safe fn oven_heat_up_minutes(celsius: u32) -> u32;
}

/// Minutes that a cold oven takes to reach a temperature, if it ever does.
pub fn heat_up_minutes(celsius: u32) -> Option<NonZeroU32> {
    NonZeroU32::new(oven_heat_up_minutes(celsius))
}

/// A time in the oven.
pub struct Slot {
    /// Minutes after midnight.
    pub start: u32,
    pub minutes: u32,
    pub label: CString,
}

/// Writes a timetable, earliest slot first, or says why there is none.
pub fn timetable(slots: &[Slot]) -> Result<String, String> {
    let raw: Vec<OvenSlot> = slots
        .iter()
        .map(|slot| OvenSlot {
            start: slot.start,
            minutes: slot.minutes,
            label: slot.label.as_ptr(),
        })
        .collect();

    let mut text = ptr::null_mut();
    // SAFETY: `raw` holds as many slots as we say, and `slots` keeps the labels alive.
    let status = unsafe { oven_timetable(raw.as_ptr(), raw.len(), &raw mut text) };
    if text.is_null() {
        return Err("out of memory".to_owned());
    }
    // SAFETY: `text` is not null, so it is a C string, and ours until we free it.
    let message = unsafe { CStr::from_ptr(text) }
        .to_string_lossy()
        .into_owned();
    // SAFETY: `text` came from oven_timetable and is not used again.
    unsafe { oven_free(text) };

    if status == OVEN_OK {
        Ok(message)
    } else {
        Err(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(start: u32, minutes: u32, label: &str) -> Slot {
        Slot {
            start,
            minutes,
            label: CString::new(label).unwrap(),
        }
    }

    #[test]
    fn timetable_is_sorted() {
        assert_eq!(
            timetable(&[slot(600, 30, "late"), slot(65, 5, "early")]).unwrap(),
            "01:05-01:10 early\n10:00-10:30 late\n"
        );
        assert_eq!(timetable(&[]).unwrap(), "");
    }

    #[test]
    fn exception_becomes_an_error() {
        assert_eq!(
            timetable(&[slot(1430, 20, "night muffin")]).unwrap_err(),
            "night muffin ends after midnight"
        );
    }

    #[test]
    fn c_and_rust_know_the_same_limit() {
        let max = MAX_CELSIUS.parse().unwrap();
        assert!(heat_up_minutes(max).is_some());
        assert!(heat_up_minutes(max + 1).is_none());
    }
}
