/// The number of the running process.
///
/// On Windows it is asked for directly: windows-sys imports the function through
/// `raw-dylib`, so no import library is needed to link it.
#[cfg(windows)]
pub fn process_id() -> u32 {
    // SAFETY: the function takes nothing and always succeeds.
    unsafe { windows_sys::Win32::System::Threading::GetCurrentProcessId() }
}

/// The number of the running process.
#[cfg(not(windows))]
pub fn process_id() -> u32 {
    std::process::id()
}
