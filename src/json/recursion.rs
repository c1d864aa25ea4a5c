//! Calls of the codec inside calls of the codec: a `default=` that calls `dumps`, a `parse_float` that calls `loads`.
//!
//! Python counts its own frames only. One call of ours takes up to 370 KB of the thread's stack (`MAX_DEPTH` containers), so
//! that twenty inside each other would end the process before Python has counted to 1,000. Each call looks how much of the
//! stack is left, which is one comparison with a number that the thread keeps.

use std::cell::Cell;

use pyo3::exceptions::PyRecursionError;
use pyo3::prelude::*;

/// For one more call of ours, and for the Python code that it may call.
const NEEDED: usize = 1536 * 1024;

thread_local! {
    /// The address below which no call may begin; 0 before the first one, and where the stack's size is unknown.
    static FLOOR: Cell<usize> = const { Cell::new(0) };
}

/// Raises RecursionError where too little of the stack is left.
#[inline(always)]
pub(super) fn check(function: &'static str) -> PyResult<()> {
    let here = 0u8;
    let address = std::hint::black_box(std::ptr::addr_of!(here)) as usize;
    let floor = FLOOR.get();
    if floor != 0 && address >= floor {
        return Ok(());
    }
    look(function, address)
}

#[cold]
#[inline(never)]
fn look(function: &'static str, address: usize) -> PyResult<()> {
    if FLOOR.get() == 0 {
        // A small stack keeps half of what it has now.
        if let Some(left) = stacker::remaining_stack() {
            FLOOR.set(address.saturating_sub(left - NEEDED.min(left / 2)).max(1));
        }
        return Ok(());
    }
    Err(PyRecursionError::new_err(format!(
        "kjson.{function}: called too often inside itself, from default=, parse_float= or other code that it calls"
    )))
}
