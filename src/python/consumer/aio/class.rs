//! The `AsyncConsumer` class.

use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple, PyType};

use crate::error::Error;
use crate::kafka::Deadline;
use crate::python::aio::connection::connect;
use crate::python::aio::operation::Operation;
use crate::python::aio::spawn_blocking::spawn_blocking;
use crate::python::blocking::seconds;
use crate::python::construct::LateInit;
use crate::python::consumer::calls::Call;
use crate::python::consumer::close::CLOSE_TIMEOUT;
use crate::python::consumer::constructor;
use crate::python::consumer::core::ConsumerCore;
use crate::python::consumer::reading::at_least_one;
use crate::python::consumer::rebalance::list_of;
use crate::python::message::generic_alias;
use crate::python::notifier;

use super::many::consume;
use super::one::{NextMessage, ReturnAs, SubscribedMessages};
use super::until::{AsyncMessagesUntilEnd, AsyncValues};
use super::{no_hook, raised};

/// Reads JSON from Kafka as Python objects, at least once, on an event loop. For one task at a time.
#[pyclass(module = "kjson", frozen, subclass)]
pub struct AsyncConsumer {
    core: LateInit<Arc<ConsumerCore>>,
}

impl AsyncConsumer {
    /// Calls the constructor with the arguments of the class.
    fn make(arguments: &Bound<'_, PyTuple>, options: Option<&Bound<'_, PyDict>>) -> PyResult<Arc<ConsumerCore>> {
        constructor::make(arguments, options, true)
    }

    pub fn core(&self) -> Result<&Arc<ConsumerCore>, Error> {
        self.core.get()
    }

    /// Connects, then runs a call on a thread.
    pub fn spawn(&self, py: Python<'_>, name: &'static str, plan: PyResult<Call>) -> PyResult<Operation> {
        let plan = match plan {
            Ok(plan) => plan,
            Err(error) => return Ok(Operation::ready::<()>(py, name, Err(error))),
        };
        let core = self.core()?.clone();
        Ok(Operation::from_future(name, async move {
            raised(connect(&core).await)?;
            let finish = raised(spawn_blocking(move |interrupt| plan.run(&core.consumer, interrupt)).await)?;
            Python::attach(finish)
        }))
    }

    /// As `spawn`, for calls that may run the group's callbacks: on the event loop, with this consumer as their
    /// argument.
    pub fn spawn_with_callbacks(
        slf: &Bound<'_, Self>,
        name: &'static str,
        plan: PyResult<Call>,
    ) -> PyResult<Operation> {
        let plan = match plan {
            Ok(plan) => plan,
            Err(error) => return Ok(Operation::ready::<()>(slf.py(), name, Err(error))),
        };
        let consumer = slf.clone().unbind();
        let core = slf.get().core()?.clone();
        Ok(Operation::from_future(name, async move {
            raised(connect(&core).await)?;
            let acting = Python::attach(|py| core.callback_context(py, || consumer.into_any()))?;
            let working = core.clone();
            let done = spawn_blocking(move |interrupt| {
                working.group.run_with(acting, || plan.run(&working.consumer, interrupt))
            });
            let done = done.await;
            match core.group.take_raised() {
                Some(error) => Err(error),
                None => Python::attach(raised(done)?),
            }
        }))
    }

    /// Commits, leaves the group and closes the client, on a thread. The group's callbacks run on the event loop.
    pub async fn end(consumer: Py<Self>, timeout: Option<Duration>) -> Result<(), Error> {
        let core = consumer.get().core()?.clone();
        core.usable()?;
        let deadline = Deadline::after(timeout);
        no_hook(&core, "close", deadline).await.map_err(Error::Python)?;
        let acting = Python::attach(|py| core.callback_context(py, || consumer.into_any()))?;
        let closing = core.clone();
        let closed = spawn_blocking(move |interrupt| {
            closing.group.run_with(acting, || closing.consumer.close(deadline, interrupt))
        });
        let closed = closed.await;
        core.decode_errors.log_rest();
        // The dead letter producer is closed last, when every dead letter is acknowledged or has failed.
        if let Some(close) =
            core.decode_errors.dead_letters.take().and_then(|dead_letters| dead_letters.closing(deadline))
        {
            let _ = spawn_blocking(close).await;
        }
        match core.group.take_raised() {
            Some(error) => Err(Error::Python(error)),
            None => Ok(closed?),
        }
    }
}

#[pymethods]
impl AsyncConsumer {
    #[new]
    #[classmethod]
    #[pyo3(
        signature = (*arguments, **options),
        text_signature = "(*topics, bootstrap_servers='localhost:9092', group_id=None, consumer_timeout_ms=None, \
        connect_timeout=10.0, unreachable_timeout=60.0, on_decode_error='raise', value_type=None, \
        value_deserializer=None, key_type='auto', max_message_bytes=16777216, parse_float=None, on_assign=None, \
        on_revoke=None, on_lost=None, on_commit=None, on_error=None, on_stats=None, config=None, **options)"
    )]
    fn py_new(
        class: &Bound<'_, PyType>,
        arguments: &Bound<'_, PyTuple>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let make = || Self::make(arguments, options);
        Ok(AsyncConsumer { core: LateInit::in_new::<Self>(class, "AsyncConsumer", make)? })
    }

    #[pyo3(signature = (*arguments, **options))]
    fn __init__(&self, arguments: &Bound<'_, PyTuple>, options: Option<&Bound<'_, PyDict>>) -> PyResult<()> {
        self.core.in_init(|| Self::make(arguments, options))
    }

    /// Connect and subscribe. `async with` and the first read do it, too.
    fn start(&self) -> PyResult<Operation> {
        let core = self.core()?.clone();
        Ok(Operation::from_future("AsyncConsumer.start", async move {
            core.usable()?;
            raised(connect(&core).await)
        }))
    }

    /// The topics, or the pattern, that were subscribed to. Does not block.
    fn subscription(&self) -> PyResult<Vec<String>> {
        let core = self.core()?;
        let subscribed = core.consumer.subscription();
        if subscribed.is_empty() && !core.aio.connection.is_connected() {
            return Ok(core.topics.clone());
        }
        Ok(subscribed)
    }

    /// The partitions that are assigned to this consumer now. Does not block. `rd_kafka_assignment`.
    fn assignment<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.core()?.usable()?;
        list_of(py, &self.core()?.consumer.assignment().map_err(Error::from)?)
    }

    /// Return the next message, or None if there is none within `timeout` seconds.
    #[pyo3(signature = (timeout=Some(1.0)), text_signature = "($self, timeout=1.0)")]
    fn poll(slf: &Bound<'_, Self>, timeout: Option<f64>) -> Operation {
        const NAME: &str = "AsyncConsumer.poll";
        match seconds("timeout", timeout) {
            Ok(timeout) => Operation::from_fast_path(
                NAME,
                NextMessage::new(SubscribedMessages::of(slf), ReturnAs::MessageOrNone, timeout),
            ),
            Err(error) => Operation::ready::<()>(slf.py(), NAME, Err(error)),
        }
    }

    /// Return up to `max_messages`: wait for the first, and take those that are fetched already.
    #[pyo3(
        signature = (max_messages=500, timeout=Some(1.0)),
        text_signature = "($self, max_messages=500, timeout=1.0)"
    )]
    fn consume(slf: &Bound<'_, Self>, max_messages: isize, timeout: Option<f64>) -> Operation {
        let consumer = slf.clone().unbind();
        Operation::from_future("AsyncConsumer.consume", async move {
            consume(consumer, at_least_one(max_messages)?, seconds("timeout", timeout)?).await
        })
    }

    fn __aiter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        slf.get().core()?.handled_exception.note(slf.py())?;
        Ok(slf)
    }

    fn __anext__(slf: &Bound<'_, Self>) -> PyResult<Operation> {
        let next = NextMessage::new(SubscribedMessages::of(slf), ReturnAs::Message, slf.get().core()?.idle_timeout);
        Ok(Operation::from_fast_path("AsyncConsumer.__anext__", next))
    }

    /// Iterate over the messages up to the end that each partition has at the first read, and stop.
    #[pyo3(signature = (*, timeout=30.0))]
    fn until_end(slf: &Bound<'_, Self>, timeout: f64) -> PyResult<AsyncMessagesUntilEnd> {
        let timeout = seconds("timeout", Some(timeout))?.unwrap_or(Duration::MAX);
        Ok(AsyncMessagesUntilEnd::new(slf.clone().unbind(), timeout))
    }

    /// Iterate over the values alone. Raises what `poll` raises.
    fn values(slf: &Bound<'_, Self>) -> AsyncValues {
        AsyncValues::new(slf.clone().unbind())
    }

    /// Counts since the consumer was created, without asking a broker.
    fn metrics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.core()?.metrics(py)
    }

    /// Commit processed messages, leave the group, and close the client. Closing again does nothing.
    #[pyo3(signature = (timeout=Some(CLOSE_TIMEOUT)), text_signature = "($self, timeout=10.0)")]
    fn close(slf: &Bound<'_, Self>, timeout: Option<f64>) -> PyResult<Operation> {
        // Read here, where a `finally` block still handles its exception.
        let core = slf.get().core()?;
        let handled = core.handled_exception.is_new(slf.py())?;
        core.handled_exception.forget();
        let consumer = slf.clone().unbind();
        Ok(Operation::from_future("AsyncConsumer.close", async move {
            let timeout = seconds("timeout", timeout)?;
            if handled {
                consumer.get().core()?.consumer.mark_unprocessed();
            }
            Ok(Self::end(consumer, timeout).await?)
        }))
    }

    #[classmethod]
    fn __class_getitem__<'py>(class: &Bound<'py, PyType>, item: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        generic_alias(class, item)
    }

    fn __aenter__(slf: &Bound<'_, Self>) -> Operation {
        let this = slf.clone().unbind();
        Operation::from_future("AsyncConsumer.__aenter__", async move {
            let core = this.get().core()?;
            core.open()?;
            raised(connect(core).await)?;
            Ok(this)
        })
    }

    /// An exception that leaves the block is not replaced by one of the close, which is logged instead.
    fn __aexit__(
        slf: &Bound<'_, Self>,
        kind: &Bound<'_, PyAny>,
        _value: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> Operation {
        let (consumer, failed) = (slf.clone().unbind(), !kind.is_none());
        Operation::from_future("AsyncConsumer.__aexit__", async move {
            let core = consumer.get().core()?.clone();
            if failed {
                if core.consumer.forked() {
                    return Ok(());
                }
                core.consumer.mark_unprocessed();
            }
            let closed = Self::end(consumer, Some(Duration::from_secs_f64(CLOSE_TIMEOUT))).await;
            if failed {
                return notifier::log_instead("consumer", closed);
            }
            Ok(closed?)
        })
    }

    fn __repr__(&self) -> String {
        self.core.repr(|core| core.repr())
    }
}

impl SubscribedMessages {
    fn of(consumer: &Bound<'_, AsyncConsumer>) -> Self {
        SubscribedMessages(Arc::new(consumer.clone().unbind()))
    }
}
