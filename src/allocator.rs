//! The memory of all native code in this module: mimalloc's, not the system's.
//!
//! A message is allocated on librdkafka's broker thread and freed on the program's, or the other way round. glibc takes
//! the lock of the first thread's arena for each, mimalloc leaves a note: 0.1 to 0.25 us for each message that is sent
//! or read. Python objects are not concerned; the interpreter has an allocator of its own.
//!
//! The linker routes what librdkafka, OpenSSL and Rust ask of the C library through here (`--wrap`, see build.rs),
//! which the linkers of Linux can do; elsewhere, the system's is used. Memory that the C library itself allocates
//! (`strdup`, `realpath`) goes back there.
//!
//! `unsafe`: the C interface of an allocator.
#![allow(unsafe_code)]

use std::os::raw::{c_int, c_void};

use libmimalloc_sys as mi;

/// `mi_option_purge_delay` of mimalloc.h.
const PURGE_DELAY: mi::mi_option_t = 15;

/// Memory that is free for so long goes back to the system. With mimalloc's own 10 ms the buffers of fetches were
/// unmapped and mapped anew between two calls of a program that reads at full speed: 0.1 us a message.
const PURGE_DELAY_MS: std::os::raw::c_long = 200;

/// Before anything is allocated in earnest. What the environment says (`MIMALLOC_PURGE_DELAY`) comes first.
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
    // SAFETY: any size will do.
    unsafe { mi::mi_malloc(size) }
}

#[no_mangle]
unsafe extern "C" fn __wrap_calloc(count: usize, size: usize) -> *mut c_void {
    // SAFETY: any sizes will do; a product that is too large gives NULL.
    unsafe { mi::mi_calloc(count, size) }
}

#[no_mangle]
unsafe extern "C" fn __wrap_posix_memalign(place: *mut *mut c_void, alignment: usize, size: usize) -> c_int {
    // SAFETY: the caller's place for the pointer; an alignment that is none gives EINVAL.
    unsafe { mi::mi_posix_memalign(place, alignment, size) }
}

#[no_mangle]
unsafe extern "C" fn __wrap_realloc(block: *mut c_void, size: usize) -> *mut c_void {
    // SAFETY: the block goes back to where it came from.
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
    // SAFETY: the block goes back to where it came from.
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
        // SAFETY: a path that exists, and the resolved one is ours to free.
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
        }
        assert!(unsafe { mi::mi_is_in_heap_region(Box::into_raw(Box::new([0_u8; 100])).cast()) });
    }
}
