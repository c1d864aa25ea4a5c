//! `Producer.send_many`: objects are encoded under the GIL into one buffer, and a sheaf of them is enqueued without it.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};

use crate::bindings::blocking::detached;
use crate::bindings::outgoing;
use crate::kafka::{Batch, Sheaf};

use super::batch::DeliveryBatch;
use super::core::Core;
use super::Producer;

/// A sheaf is sent when it has so many messages, or so many bytes: enough to make giving up the GIL cheap (0.1 us and
/// more each time), and little enough for the processor's cache.
const MESSAGES: usize = 128;
const BYTES: usize = 128 * 1024;

pub fn send_many(
    producer: &Bound<'_, Producer>,
    topic: &Bound<'_, PyString>,
    values: &Bound<'_, PyAny>,
    key: Option<&Bound<'_, PyAny>>,
    headers: Option<&Bound<'_, PyAny>>,
    partition: Option<i32>,
) -> PyResult<DeliveryBatch> {
    let core = producer.get().core();
    core.usable()?;
    let headers = headers.map_or_else(|| Ok(Vec::new()), outgoing::headers)?;
    let partition = outgoing::partition(topic, partition)?;
    let id = core.topic(topic)?;
    let items = values.try_iter()?;
    let batch = core.producer.start_batch(id);
    let mut sender = Sender { core, batch: &batch, partition, headers, sheaf: Sheaf::default(), taken: 0 };
    let sent = sender.send_all(items, key);
    core.producer.seal_batch(&batch);
    if let Err(error) = sent {
        let index = sender.taken;
        note(&error, producer.py(), index);
        return Err(error);
    }
    Ok(DeliveryBatch { batch, producer: producer.clone().unbind() })
}

struct Sender<'a> {
    core: &'a Core,
    batch: &'a Arc<Batch>,
    partition: i32,
    headers: Vec<crate::kafka::Header>,
    sheaf: Sheaf,
    /// How many of the iterable's items are in a sheaf or sent.
    taken: usize,
}

impl Sender<'_> {
    fn send_all<'py>(
        &mut self,
        items: impl Iterator<Item = PyResult<Bound<'py, PyAny>>>,
        key: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<()> {
        for item in items {
            let added = item.and_then(|value| {
                let key = key.map(|key| key.call1((&value,))).transpose()?.filter(|key| !key.is_none());
                let py = value.py();
                self.add(&value, key.as_ref()).map(|()| py)
            });
            match added {
                Ok(py) if self.sheaf.len() >= MESSAGES || self.sheaf.bytes.len() >= BYTES => self.send(py)?,
                Ok(_) => {}
                // What came before the bad one is sent all the same.
                Err(error) => {
                    Python::attach(|py| self.send(py))?;
                    return Err(error);
                }
            }
        }
        Python::attach(|py| self.send(py))
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
        let (batch, partition, headers, sheaf) = (self.batch, self.partition, &self.headers, &self.sheaf);
        let producer = &self.core.producer;
        let sent = detached(py, |interrupt| producer.send_sheaf(batch, partition, headers, sheaf, interrupt));
        self.sheaf.clear();
        if sent.is_err() {
            self.taken = self.batch.len();
        }
        Ok(sent?)
    }
}

/// Says in the exception how far it came. A note, as of Python 3.11, whose tracebacks print it; the attribute is there on
/// every version.
fn note(error: &PyErr, py: Python<'_>, index: usize) {
    let value = error.value(py);
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
}
