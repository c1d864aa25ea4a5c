//! One message after the other: `async for`, `poll` and `values`.

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
use crate::python::consumer::policy::Step;
use crate::python::consumer::retry_budget::GRACE;
use crate::python::message::Message;

use super::fetch::{fetch, job};
use super::{raised, AsyncConsumer, Core, Turn};

/// A message that was taken and not dealt with: it goes back if this is let go.
pub struct Held {
    core: Arc<Core>,
    incoming: Option<Fetched>,
}

impl Held {
    pub fn new(core: &Arc<Core>, incoming: Fetched) -> Self {
        Held { core: core.clone(), incoming: Some(incoming) }
    }

    /// Once it is dealt with it is done when the next one is asked for.
    async fn deal_with(mut self, step: Step) -> PyResult<Option<Message>> {
        let Some(incoming) = &self.incoming else { return Ok(None) };
        let outcome = carry_out(&self.core, incoming, step).await?;
        self.core.consumer.mark_returned(self.incoming.take());
        outcome
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(incoming) = self.incoming.take() {
            self.core.consumer.put_back([incoming]);
        }
    }
}

/// What `on_decode_error` comes to, with the waits that it takes: None for what is passed by. An error that is not the
/// program's own lets the message come again.
pub async fn carry_out(core: &Core, incoming: &Fetched, mut step: Step) -> PyResult<Result<Option<Message>, PyErr>> {
    let mut attempt = 0;
    loop {
        match step {
            Step::Message(message) => return Ok(Ok(Some(message))),
            Step::Passed => return Ok(Ok(None)),
            Step::Raise(error) => return Ok(Err(error)),
            Step::Interrupted(error) => return Err(error),
            Step::TryAgain(pause) => {
                let _: Option<()> = within(Some(pause), pending()).await?;
                attempt += 1;
                step = Python::attach(|py| core.step(py, incoming, attempt));
            }
            Step::DeadLetter(letter) => {
                let sent = core.faults.post.deliver(core.dead_letter()?, incoming, &letter).await;
                sent.map_err(|error| Python::attach(|py| letter.undelivered(py, error)))?;
                core.faults.tally.dead_lettered.fetch_add(1, Ordering::Relaxed);
                return Ok(Ok(None));
            }
        }
    }
}

/// What the caller gets of a message, or of none.
#[derive(Clone, Copy)]
pub enum Kind {
    /// The message; without one the iteration is over.
    Iterated,
    /// Its value; the same.
    Value,
    /// The message, or None.
    Polled,
}

impl Kind {
    fn of(self, py: Python<'_>, message: Option<Message>) -> PyResult<Py<PyAny>> {
        match (message, self) {
            (Some(message), Kind::Value) => Ok(message.into_value()),
            (Some(message), _) => message.into_py_any(py),
            (None, Kind::Polled) => Ok(py.None()),
            (None, _) => Err(PyStopAsyncIteration::new_err(())),
        }
    }
}

/// Where a message comes from.
pub trait Source: Clone + Send + Sync + 'static {
    fn consumer(&self) -> &Py<AsyncConsumer>;
    /// One that is at hand.
    fn take(&self) -> PyResult<Option<Fetched>>;
    /// Waits for one; false where there will be none.
    fn wait(&self, deadline: Deadline) -> impl std::future::Future<Output = PyResult<bool>> + Send;
}

/// The next message of the topics.
#[derive(Clone)]
pub struct Topics(pub Arc<Py<AsyncConsumer>>);

impl Source for Topics {
    fn consumer(&self) -> &Py<AsyncConsumer> {
        &self.0
    }

    fn take(&self) -> PyResult<Option<Fetched>> {
        raised(self.0.get().core()?.consumer.try_next())
    }

    async fn wait(&self, deadline: Deadline) -> PyResult<bool> {
        fetch(&self.0, || job(move |engine, interrupt| engine.ready(1, deadline, interrupt))).await
    }
}

/// One message: from the buffer if one is there, which costs nothing but the call.
pub struct Next<S: Source> {
    pub source: S,
    pub kind: Kind,
    pub timeout: Option<Duration>,
    /// One that needs more than the moment.
    pub slow: Option<(Held, Step)>,
}

impl<S: Source> Next<S> {
    pub fn new(source: S, kind: Kind, timeout: Option<Duration>) -> Self {
        Next { source, kind, timeout, slow: None }
    }
}

impl<S: Source> FastPath for Next<S> {
    fn try_now(&mut self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let core = self.source.consumer().get().core()?;
        core.usable()?;
        if !core.aio.connection.is_connected() {
            return Ok(None);
        }
        let Some(_turn) = Turn::try_take(core)? else { return Ok(None) };
        let Some(incoming) = self.source.take()? else { return Ok(None) };
        let message = match core.decoder.message(py, &incoming) {
            Ok(message) => message,
            Err(fault) => {
                let step = core.faults.step(py, &core.decoder, &incoming, fault, 0);
                self.slow = Some((Held::new(core, incoming), step));
                return Ok(None);
            }
        };
        core.consumer.mark_returned([incoming]);
        self.kind.of(py, Some(message)).map(Some)
    }

    fn into_future(self: Box<Self>) -> OperationFuture {
        let Next { source, kind, timeout, slow } = *self;
        Box::pin(async move {
            let message = next(&source, timeout, slow).await?;
            Python::attach(|py| kind.of(py, message))
        })
    }
}

pub async fn next<S: Source>(
    source: &S,
    timeout: Option<Duration>,
    mut slow: Option<(Held, Step)>,
) -> PyResult<Option<Message>> {
    let core = source.consumer().get().core()?;
    let deadline = Deadline::after(timeout);
    let Some(_turn) = Turn::take(core, deadline).await? else { return Ok(None) };
    raised(connect(core).await)?;
    let (mut grace, mut slice) = (None, Instant::now());
    loop {
        let (held, step) = match slow.take() {
            Some(slow) => slow,
            None => {
                let Some(incoming) = source.take()? else {
                    if !source.wait(deadline).await? {
                        return Ok(None);
                    }
                    continue;
                };
                let step = Python::attach(|py| core.step(py, &incoming, 0));
                (Held::new(core, incoming), step)
            }
        };
        if let Some(message) = held.deal_with(step).await? {
            return Ok(Some(message));
        }
        // As in the synchronous class: what is at hand behind bad messages is looked through for a moment.
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
