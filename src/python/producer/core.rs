//! The producer below the two classes; their deliveries and the end of the interpreter hold it, too.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::error::Error;
use crate::json::{EncodeOptions, NanPolicy};
use crate::kafka::{self, Config, Deadline, Interrupt, ProducerSettings, TopicId};
use crate::python::blocking::detached;
use crate::python::callables::PlainFunctionCache;
use crate::python::client_callbacks::ClientCallbacks;
use crate::python::notifier;
use crate::python::shutdown::{self, CloseAtExit};

use super::aio::{ProducerAio, Wakers};
use super::events::{KafkaProducer, ProducerEvents};

/// The default timeout of `close`, also at exit.
pub const CLOSE_TIMEOUT: f64 = 30.0;

pub struct ProducerCore {
    pub producer: KafkaProducer,
    pub encode: EncodeOptions,
    pub value_serializer: Option<Py<PyAny>>,
    pub key_serializer: Option<Py<PyAny>>,
    pub has_on_delivery: bool,
    /// The `on_delivery` functions that messages had.
    pub callbacks: PlainFunctionCache,
    /// The topic of the last message. Programs send to the same `str` object repeatedly; comparing its address saves
    /// the lookup by its text.
    pub last_topic: Mutex<Option<(Py<PyString>, TopicId)>>,
    pub aio: ProducerAio,
}

impl ProducerCore {
    /// A producer without serializers, used for dead letters.
    pub fn internal(config: &Config, connect_timeout: Duration) -> PyResult<Self> {
        let settings = ProducerSettings { connect_timeout: Some(connect_timeout), max_block: connect_timeout };
        ProducerCore::with_hooks(config, settings, ClientCallbacks::new(None, None), None, false)
    }

    pub fn with_hooks(
        config: &Config,
        settings: ProducerSettings,
        events: ClientCallbacks,
        on_delivery: Option<Py<PyAny>>,
        asynchronous: bool,
    ) -> PyResult<Self> {
        let has_on_delivery = on_delivery.is_some();
        let wakers = Arc::<Wakers>::default();
        let hooks = ProducerEvents { events, on_delivery, wakers: wakers.clone() };
        Ok(ProducerCore {
            producer: KafkaProducer::new(config, settings, hooks).map_err(Error::from)?,
            encode: EncodeOptions { default: None, nan: NanPolicy::Error },
            value_serializer: None,
            key_serializer: None,
            has_on_delivery,
            callbacks: PlainFunctionCache::empty(),
            last_topic: Mutex::default(),
            aio: ProducerAio::new(asynchronous, wakers),
        })
    }

    /// Waits for a broker's answer.
    pub fn connected(&self, py: Python<'_>) -> PyResult<()> {
        detached(py, |interrupt| self.producer.connect(interrupt))?;
        self.aio.connection.mark_connected();
        Ok(())
    }

    /// Closes it at the end of the interpreter, unless the program has.
    pub fn close_at_end(self: &Arc<Self>, py: Python<'_>) -> PyResult<()> {
        let core: Arc<dyn CloseAtExit> = self.clone();
        shutdown::register(py, Arc::downgrade(&core))
    }

    /// Whether encoding a message may run the program's code.
    pub fn calls_python(&self) -> bool {
        self.encode.default.is_some() || self.value_serializer.is_some() || self.key_serializer.is_some()
    }

    pub fn usable(&self) -> Result<(), Error> {
        if self.producer.forked() {
            let object = if self.aio.asynchronous { "AsyncProducer" } else { "Producer" };
            return Err(Error::Forked { object });
        }
        Ok(())
    }

    pub fn close(&self, py: Python<'_>, deadline: Deadline) -> Result<(), Error> {
        self.usable()?;
        detached(py, |interrupt| self.producer.close(deadline, interrupt))
    }

    /// At the start of a `with` block.
    pub fn open(&self) -> Result<(), Error> {
        self.usable()?;
        if self.producer.closed() {
            return Err(Error::from(kafka::Error::Closed { operation: "with", object: "producer" }));
        }
        Ok(())
    }

    pub fn metrics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.usable()?;
        let metrics = self.producer.metrics();
        let dict = PyDict::new(py);
        dict.set_item("sent", metrics.sent)?;
        dict.set_item("delivered", metrics.delivered)?;
        dict.set_item("failed", metrics.failed)?;
        dict.set_item("pending", metrics.pending)?;
        dict.set_item("delivered_bytes", metrics.delivered_bytes)?;
        dict.set_item("last_error", metrics.last_error)?;
        Ok(dict)
    }

    pub fn repr(&self, class: &str) -> String {
        let state = match (self.producer.forked(), self.producer.closed()) {
            (true, _) => "made by another process".to_owned(),
            (_, true) => "closed".to_owned(),
            _ => format!("{} pending", self.producer.pending()),
        };
        format!("<kjson.{class} to {}: {state}>", self.producer.servers().join(","))
    }
}

impl ProducerCore {
    fn at_exit(
        &self,
        py: Python<'_>,
        limit: Deadline,
        end: impl FnOnce(Deadline, Interrupt<'_>) -> Result<(), kafka::Error> + Send,
    ) -> PyResult<()> {
        if self.producer.forked() {
            return Ok(());
        }
        let deadline = Deadline::after(Some(limit.step(Duration::from_secs_f64(CLOSE_TIMEOUT))));
        notifier::log_instead("producer, at exit", detached(py, |interrupt| end(deadline, interrupt)))
    }
}

impl CloseAtExit for ProducerCore {
    fn flush_at_exit(&self, py: Python<'_>, limit: Deadline) -> PyResult<()> {
        self.at_exit(py, limit, |deadline, interrupt| self.producer.flush_at_exit(deadline, interrupt))
    }

    fn close_at_exit(&self, py: Python<'_>, limit: Deadline) -> PyResult<()> {
        self.at_exit(py, limit, |deadline, interrupt| self.producer.close(deadline, interrupt))
    }
}
