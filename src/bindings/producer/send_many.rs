//! `Producer.send_many`: objects are encoded under the GIL into one buffer, and a sheaf of them is enqueued without it.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyIterator, PyList, PyString};

use crate::bindings::blocking::detached;
use crate::bindings::outgoing;
use crate::kafka::{self, Batch, Header, Sheaf};

use super::batch::DeliveryBatch;
use super::core::Core;
use super::handle::Handle;

/// A sheaf is sent when it has so many messages, or so many bytes: enough to make giving up the GIL cheap (0.1 us and
/// more each time), and little enough for the processor's cache.
const MESSAGES: usize = 128;
const BYTES: usize = 128 * 1024;

pub fn send_many(
    py: Python<'_>,
    producer: &Py<Handle>,
    topic: &Bound<'_, PyString>,
    values: &Bound<'_, PyAny>,
    key: Option<&Bound<'_, PyAny>>,
    headers: Option<&Bound<'_, PyAny>>,
    partition: Option<i32>,
) -> PyResult<DeliveryBatch> {
    let mut sender = Sender::new(&producer.get().core, topic, headers, partition)?;
    let items = values.try_iter()?;
    loop {
        let more = sender.fill(&items, key);
        let sent = sender.send(py);
        match (more, sent) {
            // What came before the bad one is sent all the same.
            (Err(error), Ok(())) | (_, Err(error)) => return Err(sender.note(py, error)),
            (Ok(false), Ok(())) => return Ok(DeliveryBatch { batch: sender.seal(), producer: producer.clone_ref(py) }),
            (Ok(true), Ok(())) => {}
        }
    }
}

/// A batch that is being sent. Let go, it takes no more messages.
pub struct Sender {
    pub core: Arc<Core>,
    pub batch: Arc<Batch>,
    partition: i32,
    headers: Vec<Header>,
    pub sheaf: Sheaf,
    /// How many of the iterable's items are in a sheaf or sent.
    taken: usize,
}

impl Sender {
    pub fn new(
        core: &Arc<Core>,
        topic: &Bound<'_, PyString>,
        headers: Option<&Bound<'_, PyAny>>,
        partition: Option<i32>,
    ) -> PyResult<Self> {
        core.usable()?;
        let headers = headers.map_or_else(|| Ok(Vec::new()), outgoing::headers)?;
        let partition = outgoing::partition(topic, partition)?;
        let batch = core.producer.start_batch(core.topic(topic)?);
        Ok(Sender { core: core.clone(), batch, partition, headers, sheaf: Sheaf::default(), taken: 0 })
    }

    /// Encodes what one sheaf takes. Returns whether there may be more.
    pub fn fill(&mut self, items: &Bound<'_, PyIterator>, key: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
        for item in items {
            let value = item?;
            let key = key.map(|key| key.call1((&value,))).transpose()?.filter(|key| !key.is_none());
            self.add(&value, key.as_ref())?;
            if self.sheaf.len() >= MESSAGES || self.sheaf.bytes.len() >= BYTES {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn add(&mut self, value: &Bound<'_, PyAny>, key: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let start = self.sheaf.bytes.len();
        match self.core.encode(value, key, &mut self.sheaf.bytes) {
            Ok((middle, has_value, has_key)) => {
                self.sheaf.push(start, middle, has_value, has_key);
                self.taken += 1;
                Ok(())
            }
            Err(error) => {
                self.sheaf.bytes.truncate(start);
                Err(error)
            }
        }
    }

    fn send(&mut self, py: Python<'_>) -> PyResult<()> {
        if self.sheaf.is_empty() {
            return Ok(());
        }
        let (batch, partition, headers, sheaf) = (&self.batch, self.partition, &self.headers, &self.sheaf);
        let producer = &self.core.producer;
        let sent = detached(py, |interrupt| producer.send_sheaf(batch, partition, headers, sheaf, interrupt));
        self.sheaf.clear();
        if sent.is_err() {
            self.stopped();
        }
        Ok(sent?)
    }

    /// Sends what there is room for, from the sheaf's message of that number on.
    pub fn try_send(&self, from: usize) -> Result<usize, kafka::Error> {
        self.core.producer.try_send_sheaf(&self.batch, self.partition, &self.headers, &self.sheaf, from)
    }

    /// The sheaf did not go out in full.
    pub fn stopped(&mut self) {
        self.sheaf.clear();
        self.taken = self.batch.len();
    }

    pub fn seal(self) -> Arc<Batch> {
        self.batch.clone()
    }

    /// Says in the exception how far it came. A note, as of Python 3.11, whose tracebacks print it; the attribute is there
    /// on every version.
    pub fn note(&self, py: Python<'_>, error: PyErr) -> PyErr {
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
        self.core.producer.seal_batch(&self.batch);
    }
}
