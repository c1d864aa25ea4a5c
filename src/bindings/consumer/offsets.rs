//! Where the group is: commits, and what a transaction needs to make them.

use pyo3::prelude::*;

use crate::bindings::blocking::{deadline, detached};
use crate::bindings::group::GroupMetadata;
use crate::bindings::partitions::offsets_of;
use crate::error::Error;

use super::Consumer;

#[pymethods]
impl Consumer {
    /// Commit what was handed out so far, or the messages or offsets given, and wait for the broker's answer.
    #[pyo3(signature = (what=None, *, timeout=Some(10.0)), text_signature = "($self, what=None, *, timeout=10.0)")]
    fn commit(&self, py: Python<'_>, what: Option<&Bound<'_, PyAny>>, timeout: Option<f64>) -> PyResult<()> {
        self.core.usable()?;
        let deadline = deadline(timeout)?;
        let offsets = what.map(|what| offsets_of("commit", what)).transpose()?;
        Ok(detached(py, |interrupt| self.core.consumer.commit(offsets, deadline, interrupt))?)
    }

    /// For `Producer.send_offsets_to_transaction`.
    fn group_metadata(&self) -> PyResult<GroupMetadata> {
        self.core.usable()?;
        Ok(GroupMetadata(self.core.consumer.group_metadata().map_err(Error::from)?))
    }
}
