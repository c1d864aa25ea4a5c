//! `TopicPartition`, and the arguments that take partitions or offsets.

use std::collections::HashMap;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

use crate::error::Error;
use crate::kafka::{self, Partition};

use super::message::Message;
use super::message_parts::utf8;

/// A partition of a topic, with an offset where one applies. Immutable and ordered.
#[pyclass(module = "kjson", frozen, eq, ord, hash, get_all)]
#[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    pub topic: String,
    pub partition: i32,
    /// None if no offset applies.
    pub offset: Option<i64>,
}

impl TopicPartition {
    pub fn new(partition: &Partition, offset: Option<i64>) -> Self {
        TopicPartition { topic: partition.topic.to_string(), partition: partition.id, offset }
    }

    pub fn repr(&self) -> String {
        let offset = self.offset.map_or_else(String::new, |offset| format!(", offset={offset}"));
        format!("TopicPartition(topic='{}', partition={}{offset})", self.topic, self.partition)
    }
}

#[pymethods]
impl TopicPartition {
    #[new]
    #[pyo3(signature = (topic, partition, offset=None))]
    fn py_new(topic: &Bound<'_, PyString>, partition: i32, offset: Option<i64>) -> PyResult<Self> {
        let topic = utf8(topic, || "TopicPartition: the topic".to_owned())?.into_owned();
        Ok(TopicPartition { topic, partition, offset })
    }

    fn __repr__(&self) -> String {
        self.repr()
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let this = slf.get();
        (slf.get_type(), (&this.topic, this.partition, this.offset)).into_pyobject(slf.py())
    }
}

/// Refuses names that no topic can have.
pub fn refuse_impossible_topic(operation: &str, topic: &str) -> Result<(), Error> {
    kafka::refuse_impossible(topic)
        .map_err(|why| Error::Config { message: format!("{operation}: {why}"), option: "topics".to_owned() })
}

/// Refuses what no broker has: librdkafka would omit the entry, or take the number for one of its own codes.
fn checked(operation: &str, topic: &str, id: i32, offset: Option<i64>) -> PyResult<()> {
    refuse_impossible_topic(operation, topic)?;
    let wrong = if id < 0 {
        "partitions begin at 0".to_owned()
    } else if let Some(offset) = offset.filter(|offset| *offset < 0) {
        format!("offsets begin at 0; got {offset}")
    } else {
        return Ok(());
    };
    Err(PyValueError::new_err(format!("{operation}: {topic:?} [{id}]: {wrong}")))
}

/// One partition, with its own offset or that of the message.
pub fn partition_of(operation: &str, what: &Bound<'_, PyAny>) -> PyResult<(Partition, Option<i64>)> {
    if let Ok(message) = what.cast::<Message>() {
        let (topic, id, offset) = message.get().position();
        return Ok((Partition { topic: topic.to_string().as_str().into(), id }, Some(offset)));
    }
    let partition = what.cast::<TopicPartition>().map_err(|_| {
        let kind = what.get_type().name().map_or_else(|_| String::new(), |name| name.to_string());
        PyTypeError::new_err(format!("{operation} takes a TopicPartition or a Message, not {kind}"))
    })?;
    let partition = partition.get();
    checked(operation, &partition.topic, partition.partition, None)?;
    Ok((Partition { topic: partition.topic.as_str().into(), id: partition.partition }, partition.offset))
}

/// One partition or several.
pub fn partitions_of(operation: &str, what: &Bound<'_, PyAny>) -> PyResult<Vec<Partition>> {
    if what.cast::<TopicPartition>().is_ok() || what.cast::<Message>().is_ok() {
        return Ok(vec![partition_of(operation, what)?.0]);
    }
    let items = what.try_iter().map_err(|_| {
        partition_of(operation, what)
            .err()
            .unwrap_or_else(|| PyTypeError::new_err(format!("{operation} takes partitions")))
    })?;
    let mut partitions: Vec<Partition> = Vec::new();
    for item in items {
        let item = item?;
        let more = if item.cast::<TopicPartition>().is_ok() || item.cast::<Message>().is_ok() {
            vec![partition_of(operation, &item)?.0]
        } else {
            // pause([one, other]) works like pause(one, other).
            item.try_iter()
                .map_err(|_| {
                    PyTypeError::new_err(format!("{operation} takes TopicPartition objects, or a list of them"))
                })?
                .map(|inner| Ok(partition_of(operation, &inner?)?.0))
                .collect::<PyResult<Vec<_>>>()?
        };
        for partition in more {
            if !partitions.contains(&partition) {
                partitions.push(partition);
            }
        }
    }
    Ok(partitions)
}

/// The offsets to commit: the one after a message, or that of a `TopicPartition`, which is the next to read.
pub fn offsets_of(operation: &str, what: &Bound<'_, PyAny>) -> PyResult<HashMap<Partition, i64>> {
    let items = match what.try_iter() {
        Ok(items) => items.collect::<PyResult<Vec<_>>>()?,
        Err(_) => vec![what.clone()],
    };
    let mut offsets = HashMap::new();
    for item in items {
        let (topic, id, next): (String, i32, i64) = if let Ok(message) = item.cast::<Message>() {
            let (topic, partition, offset) = message.get().position();
            (topic.to_string(), partition, offset + 1)
        } else if let Ok(partition) = item.cast::<TopicPartition>() {
            let partition = partition.get();
            let offset = partition.offset.ok_or_else(|| {
                PyValueError::new_err(format!(
                    "{operation}: {} has no offset. Give the next offset to read",
                    partition.repr()
                ))
            })?;
            checked(operation, &partition.topic, partition.partition, Some(offset))?;
            (partition.topic.clone(), partition.partition, offset)
        } else {
            return Err(PyTypeError::new_err(format!(
                "{operation} takes a Message, a TopicPartition with an offset, or a list of them, not {}",
                item.get_type().name()?
            )));
        };
        let slot = offsets.entry(Partition { topic: topic.as_str().into(), id }).or_insert(next);
        *slot = next.max(*slot);
    }
    Ok(offsets)
}
