//! The allocator, set so that a training step finds the memory that the step before it gave back.

use std::ffi::{c_int, c_long};

unsafe extern "C" {
    /// mimalloc's setting of a numbered option.
    fn mi_option_set(option: c_int, value: c_long);
}

/// `mi_option_purge_delay` of mimalloc 2 and 3.
const PURGE_DELAY: c_int = 15;
/// Unused memory never goes back to the system: after any delay its pages would be returned and zeroed again within a
/// training, and as small pages, where the first use got huge ones.
const NEVER: c_long = -1;

/// Keeps unused memory until the program ends.
pub fn keep() {
    // SAFETY: mimalloc is this program's allocator and linked in; its options can be set at any time.
    unsafe { mi_option_set(PURGE_DELAY, NEVER) }
}
