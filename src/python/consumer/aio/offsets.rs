//! Offsets, seeking and subscriptions: the calls of `Consumer`, each on a thread.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::error::Error;
use crate::kafka::OffsetSpec;
use crate::python::aio::operation::Operation;
use crate::python::consumer::calls::{self, TIMEOUT};
use crate::python::group_metadata::GroupMetadata;

use super::AsyncConsumer;

#[pymethods]
impl AsyncConsumer {
    /// Subscribe to topics, or, with a group, to all topics whose names match a regular expression.
    #[pyo3(signature = (topics=None, *, pattern=None))]
    fn subscribe(
        &self,
        py: Python<'_>,
        topics: Option<&Bound<'_, PyAny>>,
        pattern: Option<&str>,
    ) -> PyResult<Operation> {
        self.spawn(py, "AsyncConsumer.subscribe", calls::subscribe(self.core()?, topics, pattern))
    }

    /// Unsubscribe from all topics, and end an assignment. Reads nothing until the next `subscribe` or `assign`.
    fn unsubscribe(slf: &Bound<'_, Self>) -> PyResult<Operation> {
        Self::spawn_with_callbacks(slf, "AsyncConsumer.unsubscribe", calls::unsubscribe(slf.get().core()?))
    }

    /// Read these partitions and no others, from their offsets if given, without sharing them with a group.
    fn assign(slf: &Bound<'_, Self>, partitions: &Bound<'_, PyAny>) -> PyResult<Operation> {
        Self::spawn_with_callbacks(slf, "AsyncConsumer.assign", calls::assign(slf.get().core()?, partitions))
    }

    /// Ask a broker for an answer, for up to `timeout` seconds.
    #[pyo3(signature = (timeout=5.0))]
    fn ping(&self, py: Python<'_>, timeout: f64) -> PyResult<Operation> {
        self.spawn(py, "AsyncConsumer.ping", calls::ping(self.core()?, timeout))
    }

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
    ) -> PyResult<Operation> {
        self.spawn(py, "AsyncConsumer.commit", calls::commit(self.core()?, what, asynchronous, timeout))
    }

    /// The group's committed offset, which is the next to read, or None: of one partition, or a dict of several.
    #[pyo3(
        signature = (partitions=None, *, timeout=TIMEOUT),
        text_signature = "($self, partitions=None, *, timeout=10.0)"
    )]
    fn committed(&self, py: Python<'_>, partitions: Option<&Bound<'_, PyAny>>, timeout: f64) -> PyResult<Operation> {
        self.spawn(py, "AsyncConsumer.committed", calls::committed(self.core()?, partitions, timeout))
    }

    /// The offset of the next message to be returned: of one partition, or a dict of several.
    #[pyo3(
        signature = (partitions=None, *, timeout=TIMEOUT),
        text_signature = "($self, partitions=None, *, timeout=10.0)"
    )]
    fn position(&self, py: Python<'_>, partitions: Option<&Bound<'_, PyAny>>, timeout: f64) -> PyResult<Operation> {
        self.spawn(py, "AsyncConsumer.position", calls::position(self.core()?, partitions, timeout))
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
    ) -> PyResult<Operation> {
        self.spawn(py, "AsyncConsumer.seek", calls::seek(self.core()?, partition, offset, timeout))
    }

    /// Seek to the first message of the given partitions, or of all assigned ones.
    #[pyo3(signature = (*partitions, timeout=TIMEOUT), text_signature = "($self, *partitions, timeout=10.0)")]
    fn seek_to_beginning(&self, py: Python<'_>, partitions: &Bound<'_, PyTuple>, timeout: f64) -> PyResult<Operation> {
        self.spawn(
            py,
            "AsyncConsumer.seek_to_beginning",
            calls::seek_all(self.core()?, partitions, OffsetSpec::Beginning, timeout),
        )
    }

    /// Seek to the current end of the given partitions, or of all assigned ones.
    #[pyo3(signature = (*partitions, timeout=TIMEOUT), text_signature = "($self, *partitions, timeout=10.0)")]
    fn seek_to_end(&self, py: Python<'_>, partitions: &Bound<'_, PyTuple>, timeout: f64) -> PyResult<Operation> {
        self.spawn(py, "AsyncConsumer.seek_to_end", calls::seek_all(self.core()?, partitions, OffsetSpec::End, timeout))
    }

    /// Return no messages of the given partitions, or of all assigned ones, until `resume`.
    #[pyo3(signature = (*partitions))]
    fn pause(&self, py: Python<'_>, partitions: &Bound<'_, PyTuple>) -> PyResult<Operation> {
        self.spawn(py, "AsyncConsumer.pause", calls::pause(self.core()?, partitions))
    }

    /// Resume the given partitions, or all paused ones. Does not block.
    #[pyo3(signature = (*partitions))]
    fn resume(&self, py: Python<'_>, partitions: &Bound<'_, PyTuple>) -> PyResult<Operation> {
        self.spawn(py, "AsyncConsumer.resume", calls::resume(self.core()?, partitions))
    }

    /// The paused partitions. Does not block.
    fn paused(&self, py: Python<'_>) -> PyResult<Operation> {
        self.spawn(py, "AsyncConsumer.paused", calls::paused(self.core()?))
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
    ) -> PyResult<Operation> {
        self.spawn(
            py,
            "AsyncConsumer.beginning_offsets",
            calls::watermarks(self.core()?, "beginning_offsets", partitions, OffsetSpec::Beginning, timeout),
        )
    }

    /// The offset after the last message of each partition.
    #[pyo3(
        signature = (partitions=None, *, timeout=TIMEOUT),
        text_signature = "($self, partitions=None, *, timeout=10.0)"
    )]
    fn end_offsets(&self, py: Python<'_>, partitions: Option<&Bound<'_, PyAny>>, timeout: f64) -> PyResult<Operation> {
        self.spawn(
            py,
            "AsyncConsumer.end_offsets",
            calls::watermarks(self.core()?, "end_offsets", partitions, OffsetSpec::End, timeout),
        )
    }

    /// The offset of the first message at or after a time, for each partition, or None if there is none.
    #[pyo3(signature = (times, *, timeout=TIMEOUT), text_signature = "($self, times, *, timeout=10.0)")]
    fn offsets_for_times(&self, py: Python<'_>, times: &Bound<'_, PyDict>, timeout: f64) -> PyResult<Operation> {
        self.spawn(py, "AsyncConsumer.offsets_for_times", calls::offsets_for_times(self.core()?, times, timeout))
    }

    /// The number of offsets between each assigned partition's position and its end.
    #[pyo3(signature = (*, timeout=TIMEOUT), text_signature = "($self, *, timeout=10.0)")]
    fn lag(&self, py: Python<'_>, timeout: f64) -> PyResult<Operation> {
        self.spawn(py, "AsyncConsumer.lag", calls::lag(self.core()?, timeout))
    }

    /// The group membership, for `AsyncProducer.send_offsets_to_transaction`. Does not block.
    fn group_metadata(&self) -> PyResult<GroupMetadata> {
        self.core()?.usable()?;
        Ok(GroupMetadata(self.core()?.consumer.group_metadata().map_err(Error::from)?))
    }
}
