//! A producer's hooks: run delivery callbacks, wake tasks, and pass on errors, statistics and log records.

use std::sync::Arc;
use std::task::Wake;

use pyo3::prelude::*;

use crate::kafka::{self, Code, Completed, LogRecord, LogSink, ProducerHooks, TopicId};
use crate::python::aio::loop_waker::batched;
use crate::python::client_callbacks::ClientCallbacks;

use super::aio::Wakers;
use super::delivery::DeliveryCallback;

pub type KafkaProducer = kafka::Producer<ProducerEvents>;

pub struct ProducerEvents {
    pub events: ClientCallbacks,
    pub on_delivery: Option<Py<PyAny>>,
    pub wakers: Arc<Wakers>,
}

impl LogSink for ProducerEvents {
    fn log(&self, record: LogRecord) {
        self.events.log(record);
    }
}

impl ProducerHooks for ProducerEvents {
    type Callback = DeliveryCallback;

    fn completed(&self, name: &dyn Fn(TopicId) -> Arc<str>, batch: Vec<Completed<DeliveryCallback>>) {
        let mut python = false;
        batched(|| {
            for callback in batch.iter().flat_map(|(_, callbacks)| callbacks.as_slice()) {
                match callback {
                    DeliveryCallback::Wake(waker) => waker.wake_by_ref(),
                    DeliveryCallback::OnLoop(call) => call.wake_by_ref(),
                    _ => python = true,
                }
            }
        });
        if !python {
            return;
        }
        // One attach for the whole batch. An interpreter that is finalizing runs no more callbacks.
        let call = |py: Python<'_>| {
            let Some((first, _)) = batch.first() else { return };
            let (mut topic, mut topic_name) = (first.topic, name(first.topic));
            for (state, callbacks) in batch {
                if state.topic != topic {
                    (topic, topic_name) = (state.topic, name(state.topic));
                }
                for callback in callbacks.as_slice() {
                    callback.call(py, &state, &topic_name, self.on_delivery.as_ref());
                }
            }
        };
        kafka::with_signals(|| Python::try_attach(call));
    }

    fn moved(&self, count: usize) {
        self.wakers.moved(count);
    }

    fn error(&self, code: Code, reason: &str) {
        self.events.error(code, reason);
    }

    fn statistics(&self, json: &str) {
        self.events.statistics(json);
    }
}
