//! `TopicPartition`, and what users mean when they commit messages or partitions.

use std::collections::HashMap;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::kafka::Partition;

use super::message::Message;

/// A partition of a topic, with an offset where one is meant.
#[pyclass(module = "kjson", frozen, eq, ord, hash, get_all)]
#[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    pub topic: String,
    pub partition: i32,
    /// None where no offset is meant.
    pub offset: Option<i64>,
}

impl TopicPartition {
    pub fn repr(&self) -> String {
        let offset = self.offset.map_or_else(String::new, |offset| format!(", offset={offset}"));
        format!("TopicPartition(topic='{}', partition={}{offset})", self.topic, self.partition)
    }
}

#[pymethods]
impl TopicPartition {
    #[new]
    #[pyo3(signature = (topic, partition, offset=None))]
    fn py_new(topic: String, partition: i32, offset: Option<i64>) -> Self {
        TopicPartition { topic, partition, offset }
    }

    fn __repr__(&self) -> String {
        self.repr()
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let this = slf.get();
        (slf.get_type(), (&this.topic, this.partition, this.offset)).into_pyobject(slf.py())
    }
}

/// A message is committed with the offset behind it; a `TopicPartition` with its own, the next one to read.
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
