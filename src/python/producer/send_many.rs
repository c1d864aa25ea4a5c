//! `Producer.send_many`: objects are encoded under the GIL into one buffer, and enqueued without it, a chunk at a time.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyIterator, PyList, PyRange, PyString, PyTuple};

use crate::kafka::{self, Accumulator, BatchState, Chunk, MessageParts};
use crate::python::blocking::detached;
use crate::python::message_parts;

use super::core::ProducerCore;
use super::delivery_batch::DeliveryBatch;
use super::handle::ProducerHandle;

pub fn send_many(
    py: Python<'_>,
    producer: &Py<ProducerHandle>,
    topic: &Bound<'_, PyString>,
    values: &Bound<'_, PyAny>,
    key: Option<&Bound<'_, PyAny>>,
    headers: Option<&Bound<'_, PyAny>>,
    partition: Option<i32>,
) -> PyResult<DeliveryBatch> {
    let mut sender = BatchSender::new(&producer.get().core, topic, values, key, headers, partition)?;
    let items = values.try_iter()?;
    loop {
        let more = sender.fill(&items, key);
        let sent = sender.send(py);
        match (more, sent) {
            // The values before the bad one are sent, except in the child of a source that forked.
            (Err(error), _) if sender.core.producer.forked() => return Err(error),
            (Err(error), Ok(())) | (_, Err(error)) => return Err(sender.with_note(py, error)),
            (Ok(false), Ok(())) => return Ok(DeliveryBatch { batch: sender.seal(), producer: producer.clone_ref(py) }),
            (Ok(true), Ok(())) => {}
        }
    }
}

/// A batch that is being sent. Dropped, it takes no more messages.
pub struct BatchSender {
    pub core: Arc<ProducerCore>,
    accumulator: Arc<Accumulator>,
    /// Whether code that may take long runs between two values.
    slow: bool,
    /// Encoded outside of the accumulator, since no lock is held while Python code may run: one message where `slow`,
    /// else a whole chunk.
    new: Chunk,
    /// How many of the iterable's items are accumulated or sent.
    taken: usize,
}

impl BatchSender {
    pub fn new(
        core: &Arc<ProducerCore>,
        topic: &Bound<'_, PyString>,
        values: &Bound<'_, PyAny>,
        key: Option<&Bound<'_, PyAny>>,
        headers: Option<&Bound<'_, PyAny>>,
        partition: Option<i32>,
    ) -> PyResult<Self> {
        core.usable()?;
        let headers = headers.map_or_else(|| Ok(Vec::new()), message_parts::headers)?;
        let partition = message_parts::partition(topic, partition)?;
        let slow = key.is_some() || core.calls_python() || !is_sequence(values);
        let accumulator = core.producer.start_accumulator(core.topic(topic)?, partition, headers, slow);
        Ok(BatchSender { core: core.clone(), accumulator, slow, new: Chunk::default(), taken: 0 })
    }

    /// Encodes values until a chunk is full. Returns whether there may be more.
    pub fn fill(&mut self, items: &Bound<'_, PyIterator>, key: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
        for item in items {
            let value = item?;
            let key = key.map(|key| key.call1((&value,))).transpose()?.filter(|key| !key.is_none());
            if self.add(&value, key.as_ref())? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns whether it is time to enqueue.
    fn add(&mut self, value: &Bound<'_, PyAny>, key: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
        let start = self.new.bytes.len();
        let encoded = self.core.encode(value, key, &mut self.new.bytes);
        let due = encoded.and_then(|parts| {
            if self.slow {
                return self.accumulate(value.py(), parts);
            }
            self.new.push(start, parts);
            Ok(self.new.is_full())
        });
        if self.slow || due.is_err() {
            self.new.bytes.truncate(start);
        }
        self.taken += usize::from(due.is_ok());
        due
    }

    /// Moves the encoded message to the accumulator, where other threads can enqueue it.
    fn accumulate(&self, py: Python<'_>, parts: MessageParts) -> PyResult<bool> {
        // A source may fork, and return here in the child, where the lock of another thread would never be released.
        self.core.usable()?;
        loop {
            if let Some(due) = self.core.producer.accumulate(&self.accumulator, &self.new.bytes, parts) {
                return Ok(due);
            }
            py.detach(|| self.accumulator.wait_until_free());
        }
    }

    fn send(&mut self, py: Python<'_>) -> PyResult<()> {
        self.accumulate_chunk()?;
        let (producer, accumulator) = (&self.core.producer, &self.accumulator);
        let sent = detached(py, |interrupt| producer.enqueue(accumulator, interrupt));
        if sent.is_err() {
            self.stopped();
        }
        Ok(sent?)
    }

    /// Called before `try_enqueue`.
    pub fn accumulate_chunk(&mut self) -> PyResult<()> {
        self.core.usable()?;
        if !self.slow {
            self.accumulator.swap(&mut self.new);
        }
        Ok(())
    }

    /// Enqueues what the queue takes and returns how many messages are left.
    pub fn try_enqueue(&self) -> Result<usize, kafka::Error> {
        self.core.producer.try_enqueue(&self.accumulator)
    }

    /// Called when not everything was enqueued.
    pub fn stopped(&mut self) {
        self.taken = self.batch().len();
    }

    pub fn batch(&self) -> &Arc<BatchState> {
        &self.accumulator.batch
    }

    pub fn seal(self) -> Arc<BatchState> {
        self.batch().clone()
    }

    /// Adds to the exception where `send_many` stopped: a note, which tracebacks print as of Python 3.11; older
    /// versions have the attribute alone.
    pub fn with_note(&self, py: Python<'_>, error: PyErr) -> PyErr {
        if self.core.producer.forked() {
            return error;
        }
        let (value, index) = (error.value(py), self.taken);
        let text = format!(
            "send_many stopped at index {index} of the values; the {index} before it are sent, flush() waits for them"
        );
        let add = || -> PyResult<()> {
            let notes = match value.getattr_opt("__notes__")? {
                Some(notes) => notes.cast_into::<PyList>()?,
                None => PyList::empty(py),
            };
            notes.append(text)?;
            value.setattr("__notes__", notes)
        };
        // Some exceptions take no attributes.
        let _ = add();
        error
    }
}

impl Drop for BatchSender {
    fn drop(&mut self) {
        // In a forked child its locks may never be released.
        if !self.core.producer.forked() {
            self.core.producer.end_accumulator(&self.accumulator);
        }
    }
}

/// Whether iterating runs no code that may take long.
fn is_sequence(values: &Bound<'_, PyAny>) -> bool {
    values.is_exact_instance_of::<PyList>()
        || values.is_exact_instance_of::<PyTuple>()
        || values.is_exact_instance_of::<PyRange>()
}
