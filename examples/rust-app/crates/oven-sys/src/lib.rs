//! Declarations of `include/oven.h`.

use std::ffi::{c_char, c_int};

pub const OVEN_OK: c_int = 0;

#[repr(C)]
pub struct OvenSlot {
    pub start: u32,
    pub minutes: u32,
    pub label: *const c_char,
}

unsafe extern "C" {
    pub fn oven_timetable(slots: *const OvenSlot, count: usize, text: *mut *mut c_char) -> c_int;
    pub fn oven_free(text: *mut c_char);
}
