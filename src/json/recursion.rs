//! Keeps nested calls of the codec from overflowing the stack.
//!
//! One call is limited to `MAX_DEPTH`. But `default=` may call `dumps` again, and `parse_float=` may call `loads`, each
//! with up to as many levels: 14 calls of 500 levels took all of a main thread's 8 MiB, before Python's limit of 1,000
//! calls was reached. So the codec checks how much stack is left before it calls user code, and where it is called from
//! such code; too little is a RecursionError, as in `json`. Without user code this costs one load.
//!
//! `unsafe`: asks the system where the thread's stack ends.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

use pyo3::exceptions::PyRecursionError;
use pyo3::PyErr;

use super::MAX_DEPTH;

/// Bytes of stack that user code may need until it calls the codec again.
const RESERVE: usize = 48 * 1024;
/// Bytes of stack that one level takes at most: 700 were measured.
const LEVEL: usize = 1024;

/// Number of calls of user code in progress in the codec, on all threads. Changed only with the GIL.
static CALLS: AtomicUsize = AtomicUsize::new(0);

/// Begins a call of user code: false if this thread's stack is too small for it. `leave` ends it.
///
/// Not a guard, which would make the frames of the codec larger. A panic leaves the count too high, so that the stack
/// is checked more often than necessary.
#[inline]
pub(super) fn enter() -> bool {
    let fits = left() >= RESERVE;
    if fits {
        CALLS.store(CALLS.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }
    fits
}

pub(super) fn leave() {
    CALLS.store(CALLS.load(Ordering::Relaxed).saturating_sub(1), Ordering::Relaxed);
}

/// How deep a call that begins now may go: `MAX_DEPTH`, or less inside user code with little stack left.
#[inline(always)]
pub(super) fn depth_left() -> usize {
    if CALLS.load(Ordering::Relaxed) == 0 {
        MAX_DEPTH
    } else {
        levels_left()
    }
}

#[cold]
fn levels_left() -> usize {
    (left().saturating_sub(RESERVE / 2) / LEVEL).min(MAX_DEPTH)
}

#[cold]
pub(super) fn error() -> PyErr {
    PyRecursionError::new_err(
        "calls of the JSON codec from default= or parse_float= are nested too deeply for the stack of this thread",
    )
}

thread_local! {
    /// The lowest and the highest address of this thread's stack.
    static STACK: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

/// Bytes of stack left. Unlimited on a stack that is unknown to the system, such as a coroutine's.
#[inline]
fn left() -> usize {
    let marker = 0u8;
    let here = std::ptr::from_ref(&marker) as usize;
    let (mut lowest, mut highest) = STACK.get();
    if here < lowest || here > highest {
        (lowest, highest) = bounds(here);
        STACK.set((lowest, highest));
    }
    if here < lowest || here > highest {
        usize::MAX
    } else {
        here - lowest
    }
}

#[cfg(target_os = "linux")]
#[cold]
fn bounds(_: usize) -> (usize, usize) {
    let mut attributes = std::mem::MaybeUninit::<libc::pthread_attr_t>::uninit();
    let (mut lowest, mut size) = (std::ptr::null_mut(), 0);
    // SAFETY: the first call fills `attributes` when it returns zero; they are read and destroyed only then.
    unsafe {
        if libc::pthread_getattr_np(libc::pthread_self(), attributes.as_mut_ptr()) != 0 {
            return (0, 0);
        }
        libc::pthread_attr_getstack(attributes.as_ptr(), &mut lowest, &mut size);
        libc::pthread_attr_destroy(attributes.as_mut_ptr());
    }
    (lowest as usize, lowest as usize + size)
}

#[cfg(target_os = "macos")]
#[cold]
fn bounds(_: usize) -> (usize, usize) {
    // SAFETY: both read properties of the calling thread.
    let (highest, size) = unsafe {
        let thread = libc::pthread_self();
        (libc::pthread_get_stackaddr_np(thread) as usize, libc::pthread_get_stacksize_np(thread))
    };
    (highest.saturating_sub(size), highest)
}

/// Elsewhere the stack is unknown, and 512 KiB are assumed where a thread first asks.
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
#[cold]
fn bounds(here: usize) -> (usize, usize) {
    const ASSUMED: usize = 512 * 1024;
    (here.saturating_sub(ASSUMED), here.saturating_add(ASSUMED))
}
