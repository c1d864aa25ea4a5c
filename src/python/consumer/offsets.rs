//! Where the consumer and its group are: commits, positions, seeking and lag. `calls` says what
//! each does.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::error::Error;
use crate::kafka::OffsetSpec;
use crate::python::group_metadata::GroupMetadata;

use super::calls::{self, TIMEOUT};
use super::Consumer;

#[pymethods]
impl Consumer {
    /// Commit the messages returned so far, or the given messages or offsets, and wait for the answer.
    #[pyo3(
        signature = (what=None, *, asynchronous=false, timeout=Some(TIMEOUT)),
        text_signature = "($self, what=None, *, asynchronous=False, timeout=10.0)"
    )]
    fn commit(
        &self,
        py: Python<'_>,
        what: Option<&Bound<'_, PyAny>>,
        asynchronous: bool,
        timeout: Option<f64>,
    ) -> PyResult<Py<PyAny>> {
        calls::commit(self.core()?, what, asynchronous, timeout)?.run_blocking(py, self.core()?)
    }

    /// The group's committed offset, which is the next to read, or None: of one partition, or a dict of several.
    #[pyo3(
        signature = (partitions=None, *, timeout=TIMEOUT),
        text_signature = "($self, partitions=None, *, timeout=10.0)"
    )]
    fn committed(&self, py: Python<'_>, partitions: Option<&Bound<'_, PyAny>>, timeout: f64) -> PyResult<Py<PyAny>> {
        calls::committed(self.core()?, partitions, timeout)?.run_blocking(py, self.core()?)
    }

    /// The offset of the next message to be returned: of one partition, or a dict of several.
    #[pyo3(
        signature = (partitions=None, *, timeout=TIMEOUT),
        text_signature = "($self, partitions=None, *, timeout=10.0)"
    )]
    fn position(&self, py: Python<'_>, partitions: Option<&Bound<'_, PyAny>>, timeout: f64) -> PyResult<Py<PyAny>> {
        calls::position(self.core()?, partitions, timeout)?.run_blocking(py, self.core()?)
    }

    /// Seek a partition to an offset: the next message returned from it is the one at that offset.
    #[pyo3(
        signature = (partition, offset=None, *, timeout=TIMEOUT),
        text_signature = "($self, partition, offset=None, *, timeout=10.0)"
    )]
    fn seek(
        &self,
        py: Python<'_>,
        partition: &Bound<'_, PyAny>,
        offset: Option<i64>,
        timeout: f64,
    ) -> PyResult<Py<PyAny>> {
        calls::seek(self.core()?, partition, offset, timeout)?.run_blocking(py, self.core()?)
    }

    /// Seek to the first message of the given partitions, or of all assigned ones.
    #[pyo3(signature = (*partitions, timeout=TIMEOUT), text_signature = "($self, *partitions, timeout=10.0)")]
    fn seek_to_beginning(&self, py: Python<'_>, partitions: &Bound<'_, PyTuple>, timeout: f64) -> PyResult<Py<PyAny>> {
        calls::seek_all(self.core()?, partitions, OffsetSpec::Beginning, timeout)?.run_blocking(py, self.core()?)
    }

    /// Seek to the current end of the given partitions, or of all assigned ones.
    #[pyo3(signature = (*partitions, timeout=TIMEOUT), text_signature = "($self, *partitions, timeout=10.0)")]
    fn seek_to_end(&self, py: Python<'_>, partitions: &Bound<'_, PyTuple>, timeout: f64) -> PyResult<Py<PyAny>> {
        calls::seek_all(self.core()?, partitions, OffsetSpec::End, timeout)?.run_blocking(py, self.core()?)
    }

    /// Return no messages of the given partitions, or of all assigned ones, until `resume`.
    #[pyo3(signature = (*partitions))]
    fn pause(&self, py: Python<'_>, partitions: &Bound<'_, PyTuple>) -> PyResult<Py<PyAny>> {
        calls::pause(self.core()?, partitions)?.run_blocking(py, self.core()?)
    }

    /// Resume the given partitions, or all paused ones. Does not block.
    #[pyo3(signature = (*partitions))]
    fn resume(&self, py: Python<'_>, partitions: &Bound<'_, PyTuple>) -> PyResult<Py<PyAny>> {
        calls::resume(self.core()?, partitions)?.run_blocking(py, self.core()?)
    }

    /// The paused partitions. Does not block.
    fn paused(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        calls::paused(self.core()?)?.run_blocking(py, self.core()?)
    }

    /// The offset of the first message of each partition.
    #[pyo3(
        signature = (partitions=None, *, timeout=TIMEOUT),
        text_signature = "($self, partitions=None, *, timeout=10.0)"
    )]
    fn beginning_offsets(
        &self,
        py: Python<'_>,
        partitions: Option<&Bound<'_, PyAny>>,
        timeout: f64,
    ) -> PyResult<Py<PyAny>> {
        calls::watermarks(self.core()?, "beginning_offsets", partitions, OffsetSpec::Beginning, timeout)?
            .run_blocking(py, self.core()?)
    }

    /// The offset after the last message of each partition.
    #[pyo3(
        signature = (partitions=None, *, timeout=TIMEOUT),
        text_signature = "($self, partitions=None, *, timeout=10.0)"
    )]
    fn end_offsets(&self, py: Python<'_>, partitions: Option<&Bound<'_, PyAny>>, timeout: f64) -> PyResult<Py<PyAny>> {
        calls::watermarks(self.core()?, "end_offsets", partitions, OffsetSpec::End, timeout)?
            .run_blocking(py, self.core()?)
    }

    /// The offset of the first message at or after a time, for each partition, or None if there is none.
    #[pyo3(signature = (times, *, timeout=TIMEOUT), text_signature = "($self, times, *, timeout=10.0)")]
    fn offsets_for_times(&self, py: Python<'_>, times: &Bound<'_, PyDict>, timeout: f64) -> PyResult<Py<PyAny>> {
        calls::offsets_for_times(self.core()?, times, timeout)?.run_blocking(py, self.core()?)
    }

    /// The number of offsets between each assigned partition's position and its end.
    #[pyo3(signature = (*, timeout=TIMEOUT), text_signature = "($self, *, timeout=10.0)")]
    fn lag(&self, py: Python<'_>, timeout: f64) -> PyResult<Py<PyAny>> {
        calls::lag(self.core()?, timeout)?.run_blocking(py, self.core()?)
    }

    /// The group membership, for `Producer.send_offsets_to_transaction`. Does not block.
    fn group_metadata(&self) -> PyResult<GroupMetadata> {
        self.core()?.usable()?;
        Ok(GroupMetadata(self.core()?.consumer.group_metadata().map_err(Error::from)?))
    }
}
