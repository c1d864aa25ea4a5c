//! What a producer is made of on this side, shared by the two classes, their deliveries and the end of the interpreter.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::error::Error;
use crate::json::{EncodeOptions, NanPolicy};
use crate::kafka::{self, Config, Deadline, Interrupt, ProducerSettings, Role, TopicId};
use crate::python::blocking::{detached, seconds};
use crate::python::callables::{refuse_async, PlainFunctionCache};
use crate::python::client_callbacks::ClientCallbacks;
use crate::python::codec::nan_policy;
use crate::python::shutdown::{self, CloseAtExit};
use crate::python::{notifier, options};

use super::aio::{Aio, Rounds};
use super::events::ProducerEvents;

/// At exit and where the user gives no time.
pub const CLOSE_TIMEOUT: f64 = 30.0;

pub struct Core {
    pub producer: kafka::Producer<ProducerEvents>,
    pub encode: EncodeOptions,
    pub value_serializer: Option<Py<PyAny>>,
    pub key_serializer: Option<Py<PyAny>>,
    pub has_on_delivery: bool,
    /// Of the messages' own `on_delivery`.
    pub callbacks: PlainFunctionCache,
    /// The topic of the last message. Programs send to the same `str` object again and again, and knowing it by its
    /// address saves reading its text and looking that up.
    pub last_topic: Mutex<Option<(Py<PyString>, TopicId)>>,
    pub aio: Aio,
}

/// The arguments of both constructors.
pub struct ProducerArgs<'a, 'py> {
    pub bootstrap_servers: Option<&'a Bound<'py, PyAny>>,
    pub connect_timeout: Option<f64>,
    pub max_block_ms: f64,
    pub default: Option<Py<PyAny>>,
    pub nan: &'a str,
    pub value_serializer: Option<Py<PyAny>>,
    pub key_serializer: Option<Py<PyAny>>,
    pub on_delivery: Option<Py<PyAny>>,
    pub on_error: Option<Py<PyAny>>,
    pub on_stats: Option<Py<PyAny>>,
    pub config: Option<&'a Bound<'py, PyDict>>,
    pub options: Option<&'a Bound<'py, PyDict>>,
}

impl Core {
    /// A producer that is not connected yet.
    pub fn new(py: Python<'_>, given: ProducerArgs<'_, '_>, asynchronous: bool) -> PyResult<Self> {
        let called = [
            ("default", given.default.as_ref()),
            ("value_serializer", given.value_serializer.as_ref()),
            ("key_serializer", given.key_serializer.as_ref()),
            ("on_delivery", given.on_delivery.as_ref()),
            ("on_error", given.on_error.as_ref()),
            ("on_stats", given.on_stats.as_ref()),
        ];
        let client = if asynchronous { "AsyncProducer" } else { "Producer" };
        refuse_async(py, client, &called, "Give a plain function")?;
        let config = options::config(Role::Producer, given.bootstrap_servers, given.config, given.options)?;
        let encode = EncodeOptions { default: given.default, nan: nan_policy(given.nan)? };
        let max_block = seconds("max_block_ms / 1000", Some(given.max_block_ms / 1000.0))?;
        let settings = ProducerSettings {
            connect_timeout: options::connect_timeout(given.connect_timeout)?,
            max_block: max_block.unwrap_or(Duration::MAX),
        };
        let events = ClientCallbacks::new(given.on_error, given.on_stats);
        let core = Core::of(&config, settings, events, given.on_delivery, asynchronous)?;
        Ok(Core { encode, value_serializer: given.value_serializer, key_serializer: given.key_serializer, ..core })
    }

    /// For bytes that are ready.
    pub fn internal(config: &Config, connect_timeout: Duration) -> PyResult<Self> {
        let settings = ProducerSettings { connect_timeout: Some(connect_timeout), max_block: connect_timeout };
        Core::of(config, settings, ClientCallbacks::new(None, None), None, false)
    }

    fn of(
        config: &Config,
        settings: ProducerSettings,
        events: ClientCallbacks,
        on_delivery: Option<Py<PyAny>>,
        asynchronous: bool,
    ) -> PyResult<Self> {
        let has_on_delivery = on_delivery.is_some();
        let rounds = Arc::<Rounds>::default();
        let hooks = ProducerEvents { events, on_delivery, rounds: rounds.clone() };
        Ok(Core {
            producer: kafka::Producer::new(config, settings, hooks).map_err(Error::from)?,
            encode: EncodeOptions { default: None, nan: NanPolicy::Error },
            value_serializer: None,
            key_serializer: None,
            has_on_delivery,
            callbacks: PlainFunctionCache::empty(),
            last_topic: Mutex::default(),
            aio: Aio::new(asynchronous, rounds),
        })
    }

    /// Returns when a broker has answered.
    pub fn connected(&self, py: Python<'_>) -> PyResult<()> {
        detached(py, |interrupt| self.producer.connect(interrupt))?;
        self.aio.connection.mark_connected();
        Ok(())
    }

    /// Has it closed at the end of the interpreter, if nobody does before.
    pub fn close_at_end(self: &Arc<Self>, py: Python<'_>) -> PyResult<()> {
        let core: Arc<dyn CloseAtExit> = self.clone();
        shutdown::register(py, Arc::downgrade(&core))
    }

    /// Whether encoding a message runs code of the program's.
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

    /// For entering a `with` block.
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
            (true, _) => "of another process".to_owned(),
            (_, true) => "closed".to_owned(),
            _ => format!("{} pending", self.producer.pending()),
        };
        format!("<kjson.{class} to {}: {state}>", self.producer.servers().join(","))
    }
}

impl Core {
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

impl CloseAtExit for Core {
    fn flush_at_exit(&self, py: Python<'_>, limit: Deadline) -> PyResult<()> {
        self.at_exit(py, limit, |deadline, interrupt| self.producer.settle(deadline, interrupt))
    }

    fn close_at_exit(&self, py: Python<'_>, limit: Deadline) -> PyResult<()> {
        self.at_exit(py, limit, |deadline, interrupt| self.producer.close(deadline, interrupt))
    }
}
