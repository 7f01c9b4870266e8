//! The allocator, set so that a training step finds the memory that the step before it gave back.

use std::ffi::{c_int, c_long};

unsafe extern "C" {
    /// mimalloc's setting of a numbered option.
    fn mi_option_set(option: c_int, value: c_long);
}

/// `mi_option_purge_delay` of mimalloc 2 and 3.
const PURGE_DELAY: c_int = 15;
/// Milliseconds before unused memory goes back to the system: far more than a step takes, so that its pages are not
/// returned and zeroed again at every step. (For whole arenas mimalloc waits ten times as long.)
const KEPT_FOR: c_long = 2_000;

/// Keeps unused memory for some seconds.
pub fn keep() {
    // SAFETY: mimalloc is this program's allocator and linked in; its options can be set at any time.
    unsafe { mi_option_set(PURGE_DELAY, KEPT_FOR) }
}
