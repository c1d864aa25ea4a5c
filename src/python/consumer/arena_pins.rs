//! Keeps the memory of the last batch in the process.

use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;

use crate::python::message::Message;

/// Some messages of the last batch, so that its memory is not returned to the system when the program drops it: mapping
/// and clearing it again for each batch of 1,000 took 8 % of the time. Python frees whole arenas of 256 KiB or 1 MiB
/// (Objects/obmalloc.c).
#[derive(Default)]
pub struct ArenaPins(Mutex<Vec<Py<Message>>>);

impl ArenaPins {
    /// Fewer than the messages that fill an arena, except for large ones, of which a batch has few.
    const APART: usize = 64;

    pub fn pin(&self, py: Python<'_>, messages: &[Py<Message>]) {
        // Not the first: a batch may start with a message of any size, while the size of the others is limited.
        let some =
            messages.iter().skip(Self::APART).step_by(Self::APART).map(|message| message.clone_ref(py)).collect();
        self.replace(some);
    }

    pub fn clear(&self) {
        self.replace(Vec::new());
    }

    fn replace(&self, with: Vec<Py<Message>>) {
        let before = std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), with);
        drop(before);
    }
}
