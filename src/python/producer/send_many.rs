//! `Producer.send_many`: objects are encoded under the GIL into one buffer, and a chunk of them is enqueued without it.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyIterator, PyList, PyRange, PyString, PyTuple};

use crate::kafka::{self, Accumulator, Batch, Chunk, MessageParts};
use crate::python::blocking::detached;
use crate::python::message_parts;

use super::batch::DeliveryBatch;
use super::core::Core;
use super::handle::Handle;

pub fn send_many(
    py: Python<'_>,
    producer: &Py<Handle>,
    topic: &Bound<'_, PyString>,
    values: &Bound<'_, PyAny>,
    key: Option<&Bound<'_, PyAny>>,
    headers: Option<&Bound<'_, PyAny>>,
    partition: Option<i32>,
) -> PyResult<DeliveryBatch> {
    let mut sender = Sender::new(&producer.get().core, topic, values, key, headers, partition)?;
    let items = values.try_iter()?;
    loop {
        let more = sender.fill(&items, key);
        let sent = sender.send(py);
        match (more, sent) {
            // What came before the bad one is sent all the same; not in the child of a source that forked.
            (Err(error), _) if sender.core.producer.forked() => return Err(error),
            (Err(error), Ok(())) | (_, Err(error)) => return Err(sender.note(py, error)),
            (Ok(false), Ok(())) => return Ok(DeliveryBatch { batch: sender.seal(), producer: producer.clone_ref(py) }),
            (Ok(true), Ok(())) => {}
        }
    }
}

/// A batch that is being sent. Let go, it takes no more messages.
pub struct Sender {
    pub core: Arc<Core>,
    accumulator: Arc<Accumulator>,
    /// Whether code that may take long runs between two values.
    slow: bool,
    /// Encoded here, since no lock is held while Python code may run: one message where `slow`, else as many as are handed over
    /// at once.
    new: Chunk,
    /// How many of the iterable's items are accumulated or sent.
    taken: usize,
}

impl Sender {
    pub fn new(
        core: &Arc<Core>,
        topic: &Bound<'_, PyString>,
        values: &Bound<'_, PyAny>,
        key: Option<&Bound<'_, PyAny>>,
        headers: Option<&Bound<'_, PyAny>>,
        partition: Option<i32>,
    ) -> PyResult<Self> {
        core.usable()?;
        let headers = headers.map_or_else(|| Ok(Vec::new()), message_parts::headers)?;
        let partition = message_parts::partition(topic, partition)?;
        let slow = key.is_some() || core.calls_python() || !is_there(values);
        let accumulator = core.producer.start_accumulator(core.topic(topic)?, partition, headers, slow);
        Ok(Sender { core: core.clone(), accumulator, slow, new: Chunk::default(), taken: 0 })
    }

    /// Encodes what one chunk takes. Returns whether there may be more.
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

    /// Returns whether it is time to hand over.
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

    /// Puts the message that is encoded where other threads can hand it over.
    fn accumulate(&self, py: Python<'_>, parts: MessageParts) -> PyResult<bool> {
        // A source may fork, and come back here in the child, where another thread's lock would never be free.
        self.core.usable()?;
        loop {
            if let Some(due) = self.core.producer.accumulate(&self.accumulator, &self.new.bytes, parts) {
                return Ok(due);
            }
            py.detach(|| self.accumulator.wait_until_free());
        }
    }

    fn send(&mut self, py: Python<'_>) -> PyResult<()> {
        self.put()?;
        let (producer, accumulator) = (&self.core.producer, &self.accumulator);
        let sent = detached(py, |interrupt| producer.hand_over(accumulator, interrupt));
        if sent.is_err() {
            self.stopped();
        }
        Ok(sent?)
    }

    /// Before `try_send`.
    pub fn put(&mut self) -> PyResult<()> {
        self.core.usable()?;
        if !self.slow {
            self.accumulator.put(&mut self.new);
        }
        Ok(())
    }

    /// Hands over what there is room for, and returns how many messages are left.
    pub fn try_send(&self) -> Result<usize, kafka::Error> {
        self.core.producer.try_hand_over(&self.accumulator)
    }

    /// Not everything was handed over.
    pub fn stopped(&mut self) {
        self.taken = self.batch().len();
    }

    pub fn batch(&self) -> &Arc<Batch> {
        &self.accumulator.batch
    }

    pub fn seal(self) -> Arc<Batch> {
        self.batch().clone()
    }

    /// Says in the exception how far it came. A note, as of Python 3.11, whose tracebacks print it; the attribute is there
    /// on every version.
    pub fn note(&self, py: Python<'_>, error: PyErr) -> PyErr {
        if self.core.producer.forked() {
            return error;
        }
        let (value, index) = (error.value(py), self.taken);
        let text = format!(
            "send_many stopped at index {index} of the values; the {index} before it are sent, and flush() waits for them"
        );
        let add = || -> PyResult<()> {
            let notes = match value.getattr_opt("__notes__")? {
                Some(notes) => notes.cast_into::<PyList>()?,
                None => PyList::empty(py),
            };
            notes.append(text)?;
            value.setattr("__notes__", notes)
        };
        // An exception that takes no attributes goes out without.
        let _ = add();
        error
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        // In a forked child its locks may never be free.
        if !self.core.producer.forked() {
            self.core.producer.end_accumulator(&self.accumulator);
        }
    }
}

/// Whether the values can be had without running code that may take long.
fn is_there(values: &Bound<'_, PyAny>) -> bool {
    values.is_exact_instance_of::<PyList>()
        || values.is_exact_instance_of::<PyTuple>()
        || values.is_exact_instance_of::<PyRange>()
}
