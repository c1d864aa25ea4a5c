//! Where the consumer and its group are: commits, positions, seeking, and how far behind that is. `calls` says what each does.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::error::Error;
use crate::kafka::OffsetSpec;
use crate::python::group_metadata::GroupMetadata;

use super::calls::{self, TIMEOUT};
use super::Consumer;

#[pymethods]
impl Consumer {
    /// Commit what was handed out so far, or the messages or offsets given, and wait for the broker's answer.
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
        calls::commit(self.core()?, what, asynchronous, timeout)?.now(py, self.core()?)
    }

    /// What the group has committed: the next offset to read, or None. For one partition, or a dict for more.
    #[pyo3(signature = (partitions=None, *, timeout=TIMEOUT), text_signature = "($self, partitions=None, *, timeout=10.0)")]
    fn committed(&self, py: Python<'_>, partitions: Option<&Bound<'_, PyAny>>, timeout: f64) -> PyResult<Py<PyAny>> {
        calls::committed(self.core()?, partitions, timeout)?.now(py, self.core()?)
    }

    /// The offset of the next message to be handed out. For one partition, or a dict for more.
    #[pyo3(signature = (partitions=None, *, timeout=TIMEOUT), text_signature = "($self, partitions=None, *, timeout=10.0)")]
    fn position(&self, py: Python<'_>, partitions: Option<&Bound<'_, PyAny>>, timeout: f64) -> PyResult<Py<PyAny>> {
        calls::position(self.core()?, partitions, timeout)?.now(py, self.core()?)
    }

    /// Go on at an offset: the next message of that partition is the one there.
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
        calls::seek(self.core()?, partition, offset, timeout)?.now(py, self.core()?)
    }

    /// Go on at the first message there is, of the partitions given or of all that are assigned.
    #[pyo3(signature = (*partitions, timeout=TIMEOUT), text_signature = "($self, *partitions, timeout=10.0)")]
    fn seek_to_beginning(&self, py: Python<'_>, partitions: &Bound<'_, PyTuple>, timeout: f64) -> PyResult<Py<PyAny>> {
        calls::seek_all(self.core()?, partitions, OffsetSpec::Beginning, timeout)?.now(py, self.core()?)
    }

    /// Go on behind the last message there is now, of the partitions given or of all that are assigned.
    #[pyo3(signature = (*partitions, timeout=TIMEOUT), text_signature = "($self, *partitions, timeout=10.0)")]
    fn seek_to_end(&self, py: Python<'_>, partitions: &Bound<'_, PyTuple>, timeout: f64) -> PyResult<Py<PyAny>> {
        calls::seek_all(self.core()?, partitions, OffsetSpec::End, timeout)?.now(py, self.core()?)
    }

    /// Hand out nothing of these partitions, or of all that are assigned, until `resume`.
    #[pyo3(signature = (*partitions))]
    fn pause(&self, py: Python<'_>, partitions: &Bound<'_, PyTuple>) -> PyResult<Py<PyAny>> {
        calls::pause(self.core()?, partitions)?.now(py, self.core()?)
    }

    /// Go on with partitions that were paused.
    #[pyo3(signature = (*partitions))]
    fn resume(&self, py: Python<'_>, partitions: &Bound<'_, PyTuple>) -> PyResult<Py<PyAny>> {
        calls::resume(self.core()?, partitions)?.now(py, self.core()?)
    }

    /// The partitions that are paused.
    fn paused(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        calls::paused(self.core()?)?.now(py, self.core()?)
    }

    /// The offset of the first message that each partition has.
    #[pyo3(signature = (partitions=None, *, timeout=TIMEOUT), text_signature = "($self, partitions=None, *, timeout=10.0)")]
    fn beginning_offsets(
        &self,
        py: Python<'_>,
        partitions: Option<&Bound<'_, PyAny>>,
        timeout: f64,
    ) -> PyResult<Py<PyAny>> {
        calls::watermarks(self.core()?, "beginning_offsets", partitions, OffsetSpec::Beginning, timeout)?
            .now(py, self.core()?)
    }

    /// The offset behind the last message that each partition has.
    #[pyo3(signature = (partitions=None, *, timeout=TIMEOUT), text_signature = "($self, partitions=None, *, timeout=10.0)")]
    fn end_offsets(&self, py: Python<'_>, partitions: Option<&Bound<'_, PyAny>>, timeout: f64) -> PyResult<Py<PyAny>> {
        calls::watermarks(self.core()?, "end_offsets", partitions, OffsetSpec::End, timeout)?.now(py, self.core()?)
    }

    /// The offset of each partition's first message that is not older than the time given for it, or None.
    #[pyo3(signature = (times, *, timeout=TIMEOUT), text_signature = "($self, times, *, timeout=10.0)")]
    fn offsets_for_times(&self, py: Python<'_>, times: &Bound<'_, PyDict>, timeout: f64) -> PyResult<Py<PyAny>> {
        calls::offsets_for_times(self.core()?, times, timeout)?.now(py, self.core()?)
    }

    /// How many messages each assigned partition has between the next one to be handed out and its end.
    #[pyo3(signature = (*, timeout=TIMEOUT), text_signature = "($self, *, timeout=10.0)")]
    fn lag(&self, py: Python<'_>, timeout: f64) -> PyResult<Py<PyAny>> {
        calls::lag(self.core()?, timeout)?.now(py, self.core()?)
    }

    /// For `Producer.send_offsets_to_transaction`.
    fn group_metadata(&self) -> PyResult<GroupMetadata> {
        self.core()?.usable()?;
        Ok(GroupMetadata(self.core()?.consumer.group_metadata().map_err(Error::from)?))
    }
}
