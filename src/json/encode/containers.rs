//! Containers that are read through Python's own iterators: subclasses, mappings, sequences, dataclasses.
//!
//! `unsafe`: one call, of a function that takes a borrowed key.
#![allow(unsafe_code)]

use pyo3::prelude::*;

use super::key;
use super::stop::{Step, Walk};
use super::walk::Walker;

impl<'py> Walker<'_, 'py> {
    /// An array of what `items` iterates over; `object` is what a self-reference would be to.
    #[inline(never)]
    pub(super) fn iterated(&mut self, object: &Bound<'py, PyAny>, items: &Bound<'py, PyAny>) -> Walk {
        self.enter()?;
        self.out.push(b'[');
        let opened = self.out.len();
        for (index, item) in items.try_iter()?.enumerate() {
            self.root(&item?).map_err(|stop| stop.leave(object.as_ptr() as usize, Step::Index(index)))?;
        }
        self.close(opened, b']');
        Ok(())
    }

    /// An object whose pairs come from an iterator.
    pub(super) fn paired(
        &mut self,
        object: &Bound<'py, PyAny>,
        pairs: impl Iterator<Item = PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)>>,
    ) -> Walk {
        self.enter()?;
        self.out.push(b'{');
        let opened = self.out.len();
        for pair in pairs {
            let (key, item) = pair?;
            let before = self.out.len();
            // SAFETY: `key` is held by this frame.
            unsafe { key::write_key(self, key.as_ptr()) }?;
            if let Err(stop) = self.root(&item) {
                return Err(stop.leave(object.as_ptr() as usize, self.key_step(before)));
            }
        }
        self.close(opened, b'}');
        Ok(())
    }

    /// The key whose JSON text starts at `start`, for a path.
    #[cold]
    pub(super) fn key_step(&self, start: usize) -> Step {
        let written = &self.out[start..];
        let mut escaped = false;
        let end = written
            .iter()
            .skip(1)
            .position(|byte| {
                let closes = *byte == b'"' && !escaped;
                escaped = *byte == b'\\' && !escaped;
                closes
            })
            .map_or(written.len(), |length| length + 1);
        let key = written.get(1..end).unwrap_or_default();
        Step::Key(String::from_utf8_lossy(key).into_owned())
    }
}
