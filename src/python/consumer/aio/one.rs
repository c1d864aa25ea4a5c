//! One message at a time: `async for`, `poll` and `values`.

use std::future::pending;
use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pyo3::exceptions::PyStopAsyncIteration;
use pyo3::prelude::*;
use pyo3::IntoPyObjectExt;

use crate::kafka::{Deadline, Fetched};
use crate::python::aio::connection::connect;
use crate::python::aio::fairness;
use crate::python::aio::operation::{FastPath, OperationFuture};
use crate::python::aio::timer::within;
use crate::python::consumer::policy::Action;
use crate::python::consumer::retry_budget::GRACE;
use crate::python::message::Message;

use super::fetch::{fetch, fetch_fn};
use super::{raised, AsyncConsumer, ConsumerCore, ReaderGuard};

/// A message that was taken from the buffer. Dropping it before it is handled puts it back.
pub struct PendingMessage {
    core: Arc<ConsumerCore>,
    incoming: Option<Fetched>,
}

impl PendingMessage {
    pub fn new(core: &Arc<ConsumerCore>, incoming: Fetched) -> Self {
        PendingMessage { core: core.clone(), incoming: Some(incoming) }
    }

    /// Performs the action. Afterwards the message counts as returned.
    async fn handle(mut self, step: Action) -> PyResult<Option<Message>> {
        let Some(incoming) = &self.incoming else { return Ok(None) };
        let outcome = perform(&self.core, incoming, step).await?;
        self.core.consumer.mark_returned(self.incoming.take());
        outcome
    }
}

impl Drop for PendingMessage {
    fn drop(&mut self) {
        if let Some(incoming) = self.incoming.take() {
            self.core.consumer.put_back([incoming]);
        }
    }
}

/// Performs an action of `on_decode_error`, with its waits: None if the message is skipped. The outer error is one
/// after which the message is read again.
pub async fn perform(
    core: &ConsumerCore,
    incoming: &Fetched,
    mut step: Action,
) -> PyResult<Result<Option<Message>, PyErr>> {
    let mut attempt = 0;
    loop {
        match step {
            Action::Return(message) => return Ok(Ok(Some(message))),
            Action::Skipped => return Ok(Ok(None)),
            Action::Raise(error) => return Ok(Err(error)),
            Action::Interrupted(error) => return Err(error),
            Action::Retry(pause) => {
                let _: Option<()> = within(Some(pause), pending()).await?;
                attempt += 1;
                step = Python::attach(|py| core.action(py, incoming, attempt));
            }
            Action::DeadLetter(record) => {
                let sent = core.decode_errors.dead_letters.deliver(core.dead_letter()?, incoming, &record).await;
                sent.map_err(|error| Python::attach(|py| record.undelivered(py, error)))?;
                core.decode_errors.counts.dead_lettered.fetch_add(1, Ordering::Relaxed);
                return Ok(Ok(None));
            }
        }
    }
}

/// What a call returns.
#[derive(Clone, Copy)]
pub enum ReturnAs {
    /// The message; without one, StopAsyncIteration.
    Message,
    /// Its value; without one, StopAsyncIteration.
    Value,
    /// The message, or None.
    MessageOrNone,
}

impl ReturnAs {
    fn of(self, py: Python<'_>, message: Option<Message>) -> PyResult<Py<PyAny>> {
        match (message, self) {
            (Some(message), ReturnAs::Value) => Ok(message.into_value()),
            (Some(message), _) => message.into_py_any(py),
            (None, ReturnAs::MessageOrNone) => Ok(py.None()),
            (None, _) => Err(PyStopAsyncIteration::new_err(())),
        }
    }
}

/// A source of messages.
pub trait MessageSource: Clone + Send + Sync + 'static {
    fn consumer(&self) -> &Py<AsyncConsumer>;
    /// A message that is buffered.
    fn take(&self) -> PyResult<Option<Fetched>>;
    /// Waits for a message; false if there will be none.
    fn wait(&self, deadline: Deadline) -> impl std::future::Future<Output = PyResult<bool>> + Send;
}

/// The messages of the subscription or assignment.
#[derive(Clone)]
pub struct SubscribedMessages(pub Arc<Py<AsyncConsumer>>);

impl MessageSource for SubscribedMessages {
    fn consumer(&self) -> &Py<AsyncConsumer> {
        &self.0
    }

    fn take(&self) -> PyResult<Option<Fetched>> {
        raised(self.0.get().core()?.consumer.try_next())
    }

    async fn wait(&self, deadline: Deadline) -> PyResult<bool> {
        fetch(&self.0, || fetch_fn(move |engine, interrupt| engine.ready(1, deadline, interrupt))).await
    }
}

/// Reads one message. A buffered one costs no future.
pub struct NextMessage<S: MessageSource> {
    pub source: S,
    pub return_as: ReturnAs,
    pub timeout: Option<Duration>,
    /// A bad message whose handling may wait.
    pub slow: Option<(PendingMessage, Action)>,
}

impl<S: MessageSource> NextMessage<S> {
    pub fn new(source: S, return_as: ReturnAs, timeout: Option<Duration>) -> Self {
        NextMessage { source, return_as, timeout, slow: None }
    }
}

impl<S: MessageSource> FastPath for NextMessage<S> {
    fn try_now(&mut self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let core = self.source.consumer().get().core()?;
        core.usable()?;
        if !core.aio.connection.is_connected() {
            return Ok(None);
        }
        let Some(_guard) = ReaderGuard::try_take(core)? else { return Ok(None) };
        let Some(incoming) = self.source.take()? else { return Ok(None) };
        let message = match core.decoder.message(py, &incoming) {
            Ok(message) => message,
            Err(error) => {
                let step = core.decode_errors.action(py, &core.decoder, &incoming, error, 0);
                self.slow = Some((PendingMessage::new(core, incoming), step));
                return Ok(None);
            }
        };
        core.consumer.mark_returned([incoming]);
        self.return_as.of(py, Some(message)).map(Some)
    }

    fn into_future(self: Box<Self>) -> OperationFuture {
        let NextMessage { source, return_as, timeout, slow } = *self;
        Box::pin(async move {
            let message = next(&source, timeout, slow).await?;
            Python::attach(|py| return_as.of(py, message))
        })
    }
}

pub async fn next<S: MessageSource>(
    source: &S,
    timeout: Option<Duration>,
    mut slow: Option<(PendingMessage, Action)>,
) -> PyResult<Option<Message>> {
    let core = source.consumer().get().core()?;
    let deadline = Deadline::after(timeout);
    let Some(_guard) = ReaderGuard::take(core, deadline).await? else { return Ok(None) };
    raised(connect(core).await)?;
    let (mut grace, mut slice) = (None, Instant::now());
    loop {
        let (pending, step) = match slow.take() {
            Some(slow) => slow,
            None => {
                let Some(incoming) = source.take()? else {
                    if !source.wait(deadline).await? {
                        return Ok(None);
                    }
                    continue;
                };
                let step = Python::attach(|py| core.action(py, &incoming, 0));
                (PendingMessage::new(core, incoming), step)
            }
        };
        if let Some(message) = pending.handle(step).await? {
            return Ok(Some(message));
        }
        // As in `Consumer`: searches the buffer for a good message after bad ones for a moment.
        let grace = *grace.get_or_insert_with(|| Deadline::after(Some(GRACE)));
        if deadline.passed() && grace.passed() {
            return Ok(None);
        }
        if slice.elapsed() > fairness::TIME_SLICE {
            fairness::yield_now().await;
            slice = Instant::now();
        }
    }
}
