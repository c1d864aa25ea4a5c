//! Where the consumer and its group are: commits, positions, seeking, and how far behind that is.

use std::time::Duration;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use pyo3::IntoPyObjectExt;

use crate::bindings::blocking::{deadline, detached, seconds};
use crate::bindings::group::GroupMetadata;
use crate::bindings::outgoing;
use crate::bindings::partitions::{offsets_of, partition_of, partitions_of, TopicPartition};
use crate::error::Error;
use crate::kafka::{Partition, Watermark};

use super::Consumer;

/// Where the user gives no time.
const TIMEOUT: f64 = 10.0;

fn patience(timeout: f64) -> PyResult<Duration> {
    Ok(seconds("timeout", Some(timeout))?.unwrap_or(Duration::MAX))
}

impl Consumer {
    /// The partitions that a call is about: those given, or all that are assigned.
    fn chosen(&self, operation: &str, given: Option<&Bound<'_, PyAny>>) -> PyResult<Vec<Partition>> {
        self.core.usable()?;
        match given {
            Some(given) => partitions_of(operation, given),
            None => Ok(self.core.consumer.assignment().map_err(Error::from)?),
        }
    }

    fn watermarks<'py>(
        &self,
        py: Python<'py>,
        operation: &'static str,
        given: Option<&Bound<'py, PyAny>>,
        spec: Watermark,
        timeout: f64,
    ) -> PyResult<Bound<'py, PyDict>> {
        let wanted: Vec<_> = self.chosen(operation, given)?.into_iter().map(|partition| (partition, spec)).collect();
        let patience = patience(timeout)?;
        let offsets = detached(py, |interrupt| self.core.consumer.offsets(operation, &wanted, patience, interrupt))?;
        dict(py, offsets.into_iter().map(|(partition, (offset, _))| (partition, offset)))
    }

    fn seek_all(slf: &Bound<'_, Self>, given: &Bound<'_, PyTuple>, spec: Watermark, timeout: f64) -> PyResult<()> {
        let this = slf.get();
        let given = (!given.is_empty()).then_some(given.as_any());
        let partitions = this.chosen("seek", given)?;
        let wanted: Vec<_> = partitions.into_iter().map(|partition| (partition, spec)).collect();
        let patience = patience(timeout)?;
        let consumer = &this.core.consumer;
        Ok(detached(slf.py(), |interrupt| {
            let offsets = consumer.offsets("seek", &wanted, patience, interrupt)?;
            let targets: Vec<_> = offsets.into_iter().map(|(partition, (offset, _))| (partition, offset)).collect();
            consumer.seek(&targets, crate::kafka::Deadline::after(Some(patience)), interrupt)
        })?)
    }
}

fn dict<'py, T: IntoPyObject<'py>>(
    py: Python<'py>,
    pairs: impl Iterator<Item = (Partition, T)>,
) -> PyResult<Bound<'py, PyDict>> {
    let mut pairs: Vec<_> = pairs.collect();
    pairs.sort_by(|(one, _), (other, _)| one.cmp(other));
    let dict = PyDict::new(py);
    for (partition, value) in pairs {
        dict.set_item(TopicPartition::new(&partition, None), value)?;
    }
    Ok(dict)
}

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
    ) -> PyResult<()> {
        self.core.usable()?;
        let deadline = deadline(timeout)?;
        let offsets = what.map(|what| offsets_of("commit", what)).transpose()?;
        if asynchronous {
            return Ok(detached(py, |_| self.core.consumer.commit_behind(offsets))?);
        }
        Ok(detached(py, |interrupt| self.core.consumer.commit(offsets, deadline, interrupt))?)
    }

    /// What the group has committed: the next offset to read, or None. For one partition, or a dict for more.
    #[pyo3(signature = (partitions=None, *, timeout=TIMEOUT), text_signature = "($self, partitions=None, *, timeout=10.0)")]
    fn committed<'py>(
        &self,
        py: Python<'py>,
        partitions: Option<&Bound<'py, PyAny>>,
        timeout: f64,
    ) -> PyResult<Bound<'py, PyAny>> {
        let chosen = self.chosen("committed", partitions)?;
        let patience = patience(timeout)?;
        let offsets = detached(py, |interrupt| self.core.consumer.committed(chosen, patience, interrupt))?;
        one_or_dict(py, partitions, offsets.into_iter())
    }

    /// The offset of the next message to be handed out. For one partition, or a dict for more.
    #[pyo3(signature = (partitions=None, *, timeout=TIMEOUT), text_signature = "($self, partitions=None, *, timeout=10.0)")]
    fn position<'py>(
        &self,
        py: Python<'py>,
        partitions: Option<&Bound<'py, PyAny>>,
        timeout: f64,
    ) -> PyResult<Bound<'py, PyAny>> {
        let chosen = self.chosen("position", partitions)?;
        let patience = patience(timeout)?;
        let offsets = detached(py, |interrupt| self.core.consumer.positions(&chosen, patience, interrupt))?;
        one_or_dict(py, partitions, offsets.into_iter())
    }

    /// Go on at an offset: the next message of that partition is the one there.
    #[pyo3(
        signature = (partition, offset=None, *, timeout=TIMEOUT),
        text_signature = "($self, partition, offset=None, *, timeout=10.0)"
    )]
    fn seek(&self, py: Python<'_>, partition: &Bound<'_, PyAny>, offset: Option<i64>, timeout: f64) -> PyResult<()> {
        self.core.usable()?;
        let (partition, own) = partition_of("seek", partition)?;
        let offset = offset.or(own).ok_or_else(|| {
            PyTypeError::new_err(
                "seek takes an offset: seek(partition, 42), seek(TopicPartition(topic, 0, 42)), seek(message)",
            )
        })?;
        if offset < 0 {
            return Err(PyValueError::new_err(format!(
                "seek: offsets begin at 0; got {offset}. For the ends there are seek_to_beginning and seek_to_end"
            )));
        }
        let deadline = deadline(Some(timeout))?;
        Ok(detached(py, |interrupt| self.core.consumer.seek(&[(partition, offset)], deadline, interrupt))?)
    }

    /// Go on at the first message there is, of the partitions given or of all that are assigned.
    #[pyo3(signature = (*partitions, timeout=TIMEOUT), text_signature = "($self, *partitions, timeout=10.0)")]
    fn seek_to_beginning(slf: &Bound<'_, Self>, partitions: &Bound<'_, PyTuple>, timeout: f64) -> PyResult<()> {
        Self::seek_all(slf, partitions, Watermark::Beginning, timeout)
    }

    /// Go on behind the last message there is now, of the partitions given or of all that are assigned.
    #[pyo3(signature = (*partitions, timeout=TIMEOUT), text_signature = "($self, *partitions, timeout=10.0)")]
    fn seek_to_end(slf: &Bound<'_, Self>, partitions: &Bound<'_, PyTuple>, timeout: f64) -> PyResult<()> {
        Self::seek_all(slf, partitions, Watermark::End, timeout)
    }

    /// Hand out nothing of these partitions, or of all that are assigned, until `resume`.
    #[pyo3(signature = (*partitions))]
    fn pause(&self, py: Python<'_>, partitions: &Bound<'_, PyTuple>) -> PyResult<()> {
        let chosen = self.chosen("pause", (!partitions.is_empty()).then_some(partitions.as_any()))?;
        Ok(detached(py, |_| self.core.consumer.pause(&chosen))?)
    }

    /// Go on with partitions that were paused.
    #[pyo3(signature = (*partitions))]
    fn resume(&self, py: Python<'_>, partitions: &Bound<'_, PyTuple>) -> PyResult<()> {
        let chosen = if partitions.is_empty() {
            self.core.usable()?;
            py.detach(|| self.core.consumer.paused())
        } else {
            self.chosen("resume", Some(partitions.as_any()))?
        };
        Ok(detached(py, |_| self.core.consumer.resume(&chosen))?)
    }

    /// The partitions that are paused.
    fn paused(&self, py: Python<'_>) -> PyResult<Vec<TopicPartition>> {
        self.core.usable()?;
        let mut paused = py.detach(|| self.core.consumer.paused());
        paused.sort();
        Ok(paused.iter().map(|partition| TopicPartition::new(partition, None)).collect())
    }

    /// The offset of the first message that each partition has.
    #[pyo3(signature = (partitions=None, *, timeout=TIMEOUT), text_signature = "($self, partitions=None, *, timeout=10.0)")]
    fn beginning_offsets<'py>(
        &self,
        py: Python<'py>,
        partitions: Option<&Bound<'py, PyAny>>,
        timeout: f64,
    ) -> PyResult<Bound<'py, PyDict>> {
        self.watermarks(py, "beginning_offsets", partitions, Watermark::Beginning, timeout)
    }

    /// The offset behind the last message that each partition has.
    #[pyo3(signature = (partitions=None, *, timeout=TIMEOUT), text_signature = "($self, partitions=None, *, timeout=10.0)")]
    fn end_offsets<'py>(
        &self,
        py: Python<'py>,
        partitions: Option<&Bound<'py, PyAny>>,
        timeout: f64,
    ) -> PyResult<Bound<'py, PyDict>> {
        self.watermarks(py, "end_offsets", partitions, Watermark::End, timeout)
    }

    /// The offset of each partition's first message that is not older than the time given for it, or None.
    #[pyo3(signature = (times, *, timeout=TIMEOUT), text_signature = "($self, times, *, timeout=10.0)")]
    fn offsets_for_times<'py>(
        &self,
        py: Python<'py>,
        times: &Bound<'py, PyDict>,
        timeout: f64,
    ) -> PyResult<Bound<'py, PyDict>> {
        self.core.usable()?;
        let mut wanted = Vec::with_capacity(times.len());
        for (partition, time) in times {
            let (partition, _) = partition_of("offsets_for_times", &partition)?;
            wanted.push((partition, Watermark::At(outgoing::timestamp_ms(&time)?)));
        }
        let patience = patience(timeout)?;
        let offsets =
            detached(py, |interrupt| self.core.consumer.offsets("offsets_for_times", &wanted, patience, interrupt))?;
        let found = |(partition, (offset, _)): (Partition, (i64, i64))| (partition, Some(offset).filter(|at| *at >= 0));
        dict(py, offsets.into_iter().map(found))
    }

    /// How many messages each assigned partition has between the next one to be handed out and its end.
    #[pyo3(signature = (*, timeout=TIMEOUT), text_signature = "($self, *, timeout=10.0)")]
    fn lag<'py>(&self, py: Python<'py>, timeout: f64) -> PyResult<Bound<'py, PyDict>> {
        self.core.usable()?;
        let patience = patience(timeout)?;
        let lag = detached(py, |interrupt| self.core.consumer.lag(patience, interrupt))?;
        dict(py, lag.into_iter())
    }

    /// For `Producer.send_offsets_to_transaction`.
    fn group_metadata(&self) -> PyResult<GroupMetadata> {
        self.core.usable()?;
        Ok(GroupMetadata(self.core.consumer.group_metadata().map_err(Error::from)?))
    }
}

fn one_or_dict<'py, T: IntoPyObject<'py>>(
    py: Python<'py>,
    asked: Option<&Bound<'py, PyAny>>,
    mut offsets: impl Iterator<Item = (Partition, T)>,
) -> PyResult<Bound<'py, PyAny>> {
    if asked.is_some_and(|asked| asked.cast::<TopicPartition>().is_ok()) {
        return match offsets.next() {
            Some((_, offset)) => offset.into_bound_py_any(py),
            None => Ok(py.None().into_bound(py)),
        };
    }
    Ok(dict(py, offsets)?.into_any())
}
