//! `on_assign`, `on_revoke`, `on_lost` and `on_commit`: called on the thread that reads, inside that read.

use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::bindings::events::Events;
use crate::bindings::partitions::TopicPartition;
use crate::error::Error;
use crate::kafka::{self, Code, ConsumerHooks, GroupEvent, LogRecord, LogSink, Partition};

#[derive(Default)]
pub struct GroupCallbacks {
    pub on_assign: Option<Py<PyAny>>,
    pub on_revoke: Option<Py<PyAny>>,
    pub on_lost: Option<Py<PyAny>>,
    pub on_commit: Option<Py<PyAny>>,
    /// The consumer object that reads, closes or commits now, which the callbacks get.
    pub acting: Mutex<Option<Py<PyAny>>>,
    /// What a callback raised, on its way out of the read.
    pub raised: Mutex<Option<PyErr>>,
}

impl GroupCallbacks {
    pub fn any(&self) -> bool {
        self.on_assign.is_some() || self.on_revoke.is_some() || self.on_lost.is_some() || self.on_commit.is_some()
    }

    pub fn take_raised(&self) -> Option<PyErr> {
        self.raised.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn call(&self, py: Python<'_>, event: GroupEvent) -> PyResult<()> {
        let (callback, partitions) = match event {
            GroupEvent::Assigned(partitions) => (&self.on_assign, partitions),
            GroupEvent::Revoked(partitions) => (&self.on_revoke, partitions),
            // As in the Java client: who does not tell the two apart hears of both.
            GroupEvent::Lost(partitions) if self.on_lost.is_none() => (&self.on_revoke, partitions),
            GroupEvent::Lost(partitions) => (&self.on_lost, partitions),
            GroupEvent::Committed { result, offsets } => {
                let Some(callback) = &self.on_commit else { return Ok(()) };
                let error = result.err().map(|error| PyErr::from(Error::from(error)).into_value(py));
                let offsets = offsets.iter().map(|(partition, offset)| TopicPartition::new(partition, Some(*offset)));
                return callback.call1(py, (error, PyList::new(py, offsets.collect::<Vec<_>>())?)).map(|_| ());
            }
        };
        let acting = self.acting.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|it| it.clone_ref(py));
        let (Some(callback), Some(consumer)) = (callback, acting) else { return Ok(()) };
        callback.call1(py, (consumer, list_of(py, &partitions)?)).map(|_| ())
    }
}

pub fn list_of<'py>(py: Python<'py>, partitions: &[Partition]) -> PyResult<Bound<'py, PyList>> {
    let mut partitions: Vec<_> = partitions.iter().map(|partition| TopicPartition::new(partition, None)).collect();
    partitions.sort();
    PyList::new(py, partitions)
}

/// What the engine of a consumer calls.
pub struct ConsumerEvents {
    pub events: Events,
    pub group: std::sync::Arc<GroupCallbacks>,
}

impl LogSink for ConsumerEvents {
    fn log(&self, record: LogRecord) {
        self.events.log(record);
    }
}

impl ConsumerHooks for ConsumerEvents {
    fn error(&self, code: Code, reason: &str) {
        self.events.error(code, reason);
    }

    fn statistics(&self, json: &str) {
        self.events.statistics(json);
    }

    fn hears_commits(&self) -> bool {
        self.group.on_commit.is_some()
    }

    fn group_event(&self, event: GroupEvent) -> Result<(), kafka::Error> {
        if !self.group.any() {
            return Ok(());
        }
        // None where the interpreter ends: nobody is left to be told.
        match Python::try_attach(|py| self.group.call(py, event)) {
            Some(Err(error)) => {
                self.group.raised.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                Err(kafka::Error::Interrupted)
            }
            _ => Ok(()),
        }
    }
}
