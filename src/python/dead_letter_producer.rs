//! Sends fetched messages to another topic unchanged. The only place where a consumer uses a producer, so that neither
//! imports the other.

use std::time::Duration;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

use crate::error::{delivery_error, raise, Error};
use crate::kafka::{self, Config, Deadline, Fetched, Header, Interrupt, Payload};

use super::aio::connection::connect;
use super::aio::timer::within;
use super::blocking::detached;
use super::producer::aio::{done, when_space, AsyncProducer};
use super::producer::delivery::SharedDelivery;
use super::producer::handle::ProducerHandle;
use super::producer::Producer;

pub struct DeadLetterProducer {
    producer: Py<ProducerHandle>,
    /// Made here, so closed here.
    own: bool,
}

/// A dead letter in flight.
pub struct DeadLetterDelivery {
    pub report: SharedDelivery,
}

impl DeadLetterProducer {
    /// A producer of its own, not connected yet.
    pub fn new(py: Python<'_>, config: &Config, timeout: Duration) -> PyResult<Self> {
        Ok(DeadLetterProducer { producer: ProducerHandle::internal(py, config, timeout)?, own: true })
    }

    /// Returns when a broker has answered, at once if one has before.
    pub fn connected(&self, py: Python<'_>) -> PyResult<()> {
        let core = &self.producer.get().core;
        if core.aio.connection.is_connected() {
            return Ok(());
        }
        core.connected(py)
    }

    pub fn over(producer: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = producer.py();
        let producer = if let Ok(producer) = producer.cast::<Producer>() {
            producer.get().handle()?.clone_ref(py)
        } else if let Ok(producer) = producer.cast::<AsyncProducer>() {
            producer.get().handle()?.clone_ref(py)
        } else {
            let kind = producer.get_type().name().map_or_else(|_| String::new(), |name| name.to_string());
            return Err(PyTypeError::new_err(format!(
                "producer must be a kjson.Producer or a kjson.AsyncProducer, not {kind}"
            )));
        };
        Ok(DeadLetterProducer { producer, own: false })
    }

    /// `send` and `wait` on an event loop.
    pub async fn deliver(&self, topic: &str, record: &Fetched, headers: &[Header], timeout: Duration) -> PyResult<()> {
        let core = &self.producer.get().core;
        core.usable()?;
        connect(core).await.map_err(Error::from)?;
        let topic = core.producer.topic(topic).map_err(Error::from)?;
        let payload = as_it_is(record, headers);
        let report = when_space(core, topic, || core.try_send_bytes(topic, &payload, &mut None)).await?;
        report.see();
        within(Some(timeout), done(core, &report)).await?.transpose()?;
        self.outcome(&report)
    }

    /// Closes a producer that was created here, on a thread.
    pub fn closing(self, deadline: Deadline) -> Option<impl FnOnce(Interrupt<'_>) -> Result<(), kafka::Error>> {
        let core = self.producer.get().core.clone();
        self.own.then_some(move |interrupt: Interrupt<'_>| core.producer.close(deadline, interrupt))
    }

    pub fn clone_ref(&self, py: Python<'_>) -> Self {
        DeadLetterProducer { producer: self.producer.clone_ref(py), own: self.own }
    }

    /// Enqueues the message, with `headers` after its own; blocks only while the queue is full.
    pub fn send(
        &self,
        py: Python<'_>,
        topic: &str,
        record: &Fetched,
        headers: &[Header],
    ) -> PyResult<DeadLetterDelivery> {
        let producer = self.producer.get();
        producer.core.usable()?;
        let topic = producer.core.producer.topic(topic).map_err(Error::from)?;
        let payload = as_it_is(record, headers);
        let report = producer.send_bytes(py, topic, &payload, None)?;
        // Who forwards looks at the outcome: a failure is not the producer's to raise again when it is flushed.
        report.see();
        Ok(DeadLetterDelivery { report })
    }

    /// Waits for the acknowledgement.
    pub fn wait(&self, py: Python<'_>, sent: &DeadLetterDelivery, deadline: Deadline) -> PyResult<()> {
        let producer = &self.producer.get().core.producer;
        if sent.report.completion().is_none() {
            let done = || sent.report.completion().is_some();
            detached(py, |interrupt| producer.wait_until(deadline, interrupt, done))?;
        }
        self.outcome(&sent.report)
    }

    fn outcome(&self, report: &SharedDelivery) -> PyResult<()> {
        match report.completion() {
            Some(Ok(_)) => Ok(()),
            Some(Err(failure)) => Err(delivery_error(&failure.message, std::slice::from_ref(failure))),
            None => {
                let producer = &self.producer.get().core.producer;
                let cause = producer.metrics().last_error.map_or_else(String::new, |cause| format!(": {cause}"));
                let topic = producer.topic_name(report.topic);
                let message = format!("the message to '{topic}' was not confirmed in time{cause}");
                Err(raise("KafkaTimeoutError", &message, |attributes| attributes.set_item("retriable", true)))
            }
        }
    }

    /// Closes a producer that was created here. The consumer has timed out for what is still in flight.
    pub fn close(self, py: Python<'_>, deadline: Deadline) -> Result<(), Error> {
        if !self.own {
            return Ok(());
        }
        match self.producer.get().core.close(py, deadline) {
            Err(Error::Python(error)) => Err(error.into()),
            _ => Ok(()),
        }
    }
}

/// The record's own bytes, with `headers` after its own. The partitioner chooses by its key.
fn as_it_is<'a>(record: &'a Fetched, headers: &'a [Header]) -> Payload<'a> {
    Payload {
        partition: -1,
        key: record.key(),
        value: record.value(),
        timestamp_ms: None,
        headers,
        forwarded: Some(record),
    }
}
