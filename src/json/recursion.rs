//! Keeps code of the user's that calls the codec from code of the user's from running out of stack.
//!
//! One walk is held to `MAX_DEPTH`. But a `default=` may call `dumps` again, and a `parse_float=` may call `loads`, each with
//! levels of its own: 14 calls of 500 levels took all of a main thread's 8 MiB, before Python's own limit of 1,000 calls was
//! reached. So where Python code is called from a walk, and where a walk begins inside such a call, it is looked at how much of
//! the stack is left, and too little is a RecursionError, as it is in `json`. Walks that call nothing pay one load for this.
//!
//! `unsafe`: asks the system where the thread's stack ends.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

use pyo3::exceptions::PyRecursionError;
use pyo3::PyErr;

use super::MAX_DEPTH;

/// Bytes of stack that a call into Python may need until it comes back to the codec.
const RESERVE: usize = 48 * 1024;
/// Bytes of stack that one level of a walk takes at most: 700 were measured.
const LEVEL: usize = 1024;

/// How many calls into Python are under way from inside a walk, on all threads. Changed by who holds the GIL.
static CALLS: AtomicUsize = AtomicUsize::new(0);

/// Begins a call into Python from inside a walk: false if this thread's stack has no room for it. `leave` ends it.
///
/// Not a guard: that would make the frames of a walk larger. A panic leaves the count too high, and then walks
/// look at the stack more often than they need to.
#[inline]
pub(super) fn enter() -> bool {
    let room = left() >= RESERVE;
    if room {
        CALLS.store(CALLS.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }
    room
}

pub(super) fn leave() {
    CALLS.store(CALLS.load(Ordering::Relaxed).saturating_sub(1), Ordering::Relaxed);
}

/// How deep a walk that begins now may go: `MAX_DEPTH`, or less inside a call with little stack left.
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
        "calls of the JSON codec from default=, parse_float= and the like are nested too deeply for the stack of this thread",
    )
}

thread_local! {
    /// The lowest and the highest address of this thread's stack.
    static STACK: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

/// Bytes of stack below this call. No limit on a stack that the system does not know, such as a coroutine's.
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
    // SAFETY: both read what the system knows of the calling thread.
    let (highest, size) = unsafe {
        let thread = libc::pthread_self();
        (libc::pthread_get_stackaddr_np(thread) as usize, libc::pthread_get_stacksize_np(thread))
    };
    (highest.saturating_sub(size), highest)
}

/// Elsewhere so much is taken to be left where a thread first asks: half of what a main thread has on Windows.
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
#[cold]
fn bounds(here: usize) -> (usize, usize) {
    const ASSUMED: usize = 512 * 1024;
    (here.saturating_sub(ASSUMED), here.saturating_add(ASSUMED))
}
