//! The memory of native code in this module comes from mimalloc instead of the system's allocator.
//!
//! A message is allocated on librdkafka's broker thread and freed on the program's, or the reverse. glibc locks the
//! arena of the allocating thread for each, mimalloc queues the block without a lock: 0.1 to 0.25 us a message, sent or
//! read. Python objects are not affected, since the interpreter has its own allocator.
//!
//! The linker routes calls of librdkafka, OpenSSL and Rust to the functions here (`--wrap`, see build.rs), which only
//! linkers of Linux support. Memory that the C library allocates itself (`strdup`, `realpath`) is returned to it.
//!
//! `unsafe`: implements the C interface of an allocator.
#![allow(unsafe_code)]

use std::os::raw::{c_int, c_void};

use libmimalloc_sys as mi;

/// `mi_option_purge_delay` of mimalloc.h.
const PURGE_DELAY: mi::mi_option_t = 15;

/// How long freed memory is kept for reuse. With mimalloc's default of 10 ms the buffers of fetches were unmapped and
/// mapped again between two calls of a program that reads at full speed: 0.1 us a message.
const PURGE_DELAY_MS: std::os::raw::c_long = 200;

/// To be called before large allocations. The environment variable `MIMALLOC_PURGE_DELAY` takes precedence.
pub fn set_up() {
    // SAFETY: sets an option of this copy of mimalloc.
    unsafe { mi::mi_option_set_default(PURGE_DELAY, PURGE_DELAY_MS) }
}

extern "C" {
    fn __real_free(block: *mut c_void);
    fn __real_realloc(block: *mut c_void, size: usize) -> *mut c_void;
}

#[no_mangle]
unsafe extern "C" fn __wrap_malloc(size: usize) -> *mut c_void {
    // SAFETY: every size is allowed.
    unsafe { mi::mi_malloc(size) }
}

#[no_mangle]
unsafe extern "C" fn __wrap_calloc(count: usize, size: usize) -> *mut c_void {
    // SAFETY: all sizes are allowed; NULL if their product overflows.
    unsafe { mi::mi_calloc(count, size) }
}

#[no_mangle]
unsafe extern "C" fn __wrap_posix_memalign(block: *mut *mut c_void, alignment: usize, size: usize) -> c_int {
    // SAFETY: the caller's pointer is written; an invalid alignment returns EINVAL.
    unsafe { mi::mi_posix_memalign(block, alignment, size) }
}

#[no_mangle]
unsafe extern "C" fn __wrap_realloc(block: *mut c_void, size: usize) -> *mut c_void {
    // SAFETY: the block goes back to the allocator that it came from.
    unsafe {
        if block.is_null() || mi::mi_is_in_heap_region(block) {
            mi::mi_realloc(block, size)
        } else {
            __real_realloc(block, size)
        }
    }
}

#[no_mangle]
unsafe extern "C" fn __wrap_free(block: *mut c_void) {
    // SAFETY: the block goes back to the allocator that it came from.
    unsafe {
        if mi::mi_is_in_heap_region(block) {
            mi::mi_free(block);
        } else {
            __real_free(block);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_is_the_one_with_ten_milliseconds() {
        // SAFETY: reads an option.
        assert_eq!(unsafe { mi::mi_option_get(PURGE_DELAY) }, 10);
    }

    #[test]
    fn memory_of_the_c_library_goes_back_there() {
        // SAFETY: a NUL-terminated path, and the caller frees the result.
        unsafe {
            let resolved = libc::realpath(c"/".as_ptr(), std::ptr::null_mut());
            assert!(!resolved.is_null());
            assert!(!mi::mi_is_in_heap_region(resolved.cast()));
            let longer = libc::realloc(resolved.cast(), 10_000);
            assert!(!longer.is_null());
            libc::free(longer);
        }
    }

    #[test]
    fn native_code_gets_its_memory_from_mimalloc() {
        // SAFETY: freed once.
        unsafe {
            let block = libc::malloc(100);
            assert!(mi::mi_is_in_heap_region(block));
            libc::free(block);
            assert!(mi::mi_is_in_heap_region(Box::into_raw(Box::new([0_u8; 100])).cast()));
        }
    }
}
