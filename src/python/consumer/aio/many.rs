//! `consume`: many messages at once.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pyo3::exceptions::PyException;
use pyo3::prelude::*;

use crate::kafka::{Deadline, Fetched};
use crate::python::aio::connection::connect;
use crate::python::aio::fairness;
use crate::python::consumer::decode_session::DecodeSession;
use crate::python::consumer::policy::Action;
use crate::python::consumer::retry_budget::GRACE;
use crate::python::message::Message;

use super::fetch::{fetch, fetch_fn};
use super::one::perform;
use super::{raised, AsyncConsumer, ConsumerCore, ReaderGuard};

/// The messages of one call. Dropping it before the call ends returns all of them to the buffer, in order.
struct PendingBatch {
    core: Arc<ConsumerCore>,
    handled: Vec<Fetched>,
    current: Option<Fetched>,
    rest: VecDeque<Fetched>,
}

impl PendingBatch {
    fn next(&mut self) -> Option<&Fetched> {
        self.current = self.rest.pop_front();
        self.current.as_ref()
    }

    /// Decodes good messages until the loop must run again, counted from `begun`. Returns what to do with the first bad
    /// one, which is `current` then, or None.
    fn decode_good(
        &mut self,
        py: Python<'_>,
        messages: &mut Vec<Py<Message>>,
        begun: Instant,
    ) -> PyResult<Option<Action>> {
        /// Reading the clock costs a third of a short message.
        const SOME: usize = 16;
        let core = self.core.clone();
        let mut session = DecodeSession::begin(py, &core.decoder, self.rest.len())?;
        let mut bad = None;
        while let Some(incoming) = self.next() {
            match session.message(incoming) {
                Ok(message) => messages.push(Py::new(py, message)?),
                Err(error) => {
                    bad = Some(error);
                    break;
                }
            }
            self.handle();
            if messages.len() % SOME == 0 && begun.elapsed() > fairness::TIME_SLICE {
                break;
            }
        }
        session.end();
        let current = self.current.as_ref();
        Ok(bad.zip(current).map(|(error, incoming)| core.decode_errors.action(py, &core.decoder, incoming, error, 0)))
    }

    fn handle(&mut self) {
        self.handled.extend(self.current.take());
    }

    /// Marks the handled messages as returned. The rest goes back to the buffer.
    fn hand_out(mut self) {
        self.core.consumer.mark_returned(std::mem::take(&mut self.handled));
    }
}

impl Drop for PendingBatch {
    fn drop(&mut self) {
        let handled = std::mem::take(&mut self.handled).into_iter();
        let back = handled.chain(self.current.take()).chain(std::mem::take(&mut self.rest));
        self.core.consumer.put_back(back);
    }
}

pub async fn consume(
    consumer: Py<AsyncConsumer>,
    limit: usize,
    timeout: Option<Duration>,
) -> PyResult<Vec<Py<Message>>> {
    let core = consumer.get().core()?;
    core.usable()?;
    let deadline = Deadline::after(timeout);
    let Some(_guard) = ReaderGuard::take(core, deadline).await? else { return Ok(Vec::new()) };
    raised(connect(core).await)?;
    let mut grace = None;
    loop {
        let rest = VecDeque::from(core.consumer.try_take(limit));
        if rest.is_empty() {
            let ready = || fetch_fn(move |engine, interrupt| engine.ready(limit, deadline, interrupt));
            if !fetch(&consumer, ready).await? {
                return Ok(Vec::new());
            }
            continue;
        }
        let messages = decode(core, rest).await?;
        let grace = *grace.get_or_insert_with(|| Deadline::after(Some(GRACE)));
        if !messages.is_empty() || (deadline.passed() && grace.passed()) {
            return Ok(messages);
        }
    }
}

/// Decodes messages that can be returned together. An error after good messages is deferred and raised by the next
/// call.
async fn decode(core: &Arc<ConsumerCore>, rest: VecDeque<Fetched>) -> PyResult<Vec<Py<Message>>> {
    let mut messages = Vec::with_capacity(rest.len());
    let mut taken = PendingBatch { core: core.clone(), handled: Vec::with_capacity(rest.len()), current: None, rest };
    let mut begun = Instant::now();
    while !taken.rest.is_empty() {
        if begun.elapsed() > fairness::TIME_SLICE {
            fairness::yield_now().await;
            begun = Instant::now();
        }
        let found = Python::attach(|py| taken.decode_good(py, &mut messages, begun))?;
        let (Some(step), Some(incoming)) = (found, &taken.current) else { continue };
        match perform(core, incoming, step).await {
            Ok(Ok(message)) => {
                taken.handle();
                if let Some(message) = message {
                    messages.push(Python::attach(|py| Py::new(py, message))?);
                }
            }
            Ok(Err(error)) if messages.is_empty() => {
                taken.handle();
                taken.hand_out();
                return Err(error);
            }
            Ok(Err(error)) => {
                core.decode_errors.defer(incoming, error);
                break;
            }
            Err(error) if Python::attach(|py| !error.is_instance_of::<PyException>(py)) => return Err(error),
            Err(error) if messages.is_empty() => {
                taken.hand_out();
                return Err(error);
            }
            Err(_) => break,
        }
    }
    taken.hand_out();
    Ok(messages)
}
