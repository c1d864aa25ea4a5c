//! Code of the user's that the codec calls, in a daemon thread that the end of the interpreter overtakes.
//!
//! Up to 3.13 CPython ends such a thread where it asks for the GIL, by unwinding its stack (`pthread_exit`). A frame of Rust
//! that catches panics, which each function has that Python calls, ends the process then ("exception not rethrown"). So the
//! thread stops here for ever instead, as CPython itself does it from 3.14 on, and ends with the process.

/// Runs what may call Python code.
#[inline(always)]
pub(super) fn calling<T>(work: impl FnOnce() -> T) -> T {
    let overtaken = Overtaken;
    let result = work();
    std::mem::forget(overtaken);
    result
}

/// Dropped where the stack is unwound, and nowhere else.
struct Overtaken;

impl Drop for Overtaken {
    fn drop(&mut self) {
        while !std::thread::panicking() {
            std::thread::park();
        }
    }
}
