//! Containers that are read by Python iterators: subclasses, mappings, sequences, dataclasses.
//!
//! `unsafe`: one call, of a function that takes a borrowed key.
#![allow(unsafe_code)]

use pyo3::prelude::*;

use super::error::{PathSegment, WriteResult};
use super::key;
use super::writer::JsonWriter;

impl<'py> JsonWriter<'_, 'py> {
    /// Writes `items` as an array. The address of `object` shows a cycle.
    #[inline(never)]
    pub(super) fn write_items(&mut self, object: &Bound<'py, PyAny>, items: &Bound<'py, PyAny>) -> WriteResult {
        self.enter()?;
        self.out.push(b'[');
        let opened = self.out.len();
        for (index, item) in items.try_iter()?.enumerate() {
            self.write(&item?).map_err(|error| error.inside(object.as_ptr() as usize, PathSegment::Index(index)))?;
        }
        self.close(opened, b']');
        Ok(())
    }

    /// Writes `pairs` as an object.
    pub(super) fn write_pairs(
        &mut self,
        object: &Bound<'py, PyAny>,
        pairs: impl Iterator<Item = PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)>>,
    ) -> WriteResult {
        self.enter()?;
        self.out.push(b'{');
        let opened = self.out.len();
        for pair in pairs {
            let (key, item) = pair?;
            let before = self.out.len();
            // SAFETY: `key` is held by this frame.
            unsafe { key::write_key(self, key.as_ptr()) }?;
            if let Err(error) = self.write(&item) {
                return Err(error.inside(object.as_ptr() as usize, self.key_segment(before)));
            }
        }
        self.close(opened, b'}');
        Ok(())
    }

    /// The key whose JSON text begins at `start`.
    #[cold]
    pub(super) fn key_segment(&self, start: usize) -> PathSegment {
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
        PathSegment::Key(String::from_utf8_lossy(key).into_owned())
    }
}
