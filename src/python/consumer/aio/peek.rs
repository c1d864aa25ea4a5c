//! `AsyncConsumer.peek`: the steps of `Consumer.peek`, each awaited.

use std::sync::Arc;
use std::time::Instant;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};

use crate::kafka;
use crate::python::aio::connection::connect;
use crate::python::aio::fairness;
use crate::python::aio::operation::Operation;
use crate::python::aio::spawn_blocking::spawn_blocking;
use crate::python::consumer::peek::{PeekArgs, Search};
use crate::python::message::Message;

use super::one::next;
use super::until::BoundedMessages;
use super::{raised, AsyncConsumer};

#[pymethods]
impl AsyncConsumer {
    /// Return the newest `n` messages of a topic, ordered by timestamp. Joins no group and commits nothing.
    #[classmethod]
    #[pyo3(
        signature = (topic, n=5, *, bootstrap_servers=None, timeout=10.0, **options),
        text_signature = "($cls, topic, n=5, *, bootstrap_servers='localhost:9092', timeout=10.0, **options)"
    )]
    fn peek(
        class: &Bound<'_, PyType>,
        topic: &str,
        n: usize,
        bootstrap_servers: Option<&Bound<'_, PyAny>>,
        timeout: f64,
        options: Option<&Bound<'_, PyDict>>,
    ) -> Operation {
        const NAME: &str = "AsyncConsumer.peek";
        let wanted = match PeekArgs::new(class.py(), topic, n, bootstrap_servers, timeout, options) {
            Ok(wanted) => wanted,
            Err(error) => return Operation::ready::<()>(class.py(), NAME, Err(error)),
        };
        Operation::from_future(NAME, async move {
            let consumer = Python::attach(|py| -> PyResult<Py<AsyncConsumer>> {
                // Not a subclass, whose `__init__` may take other arguments.
                let made = py.get_type::<Self>().call((), Some(wanted.options.bind(py)))?;
                Ok(made.cast_into::<Self>()?.unbind())
            })?;
            let timeout = wanted.timeout;
            let shared = Arc::new(Python::attach(|py| consumer.clone_ref(py)));
            let found = look(&shared, wanted).await;
            let closed = AsyncConsumer::end(consumer, Some(timeout)).await;
            let messages = found?;
            closed?;
            Ok(messages)
        })
    }
}

async fn look(consumer: &Arc<Py<AsyncConsumer>>, wanted: PeekArgs) -> PyResult<Vec<Message>> {
    let core = consumer.get().core()?;
    let PeekArgs { topic, n, timeout, .. } = wanted;
    raised(connect(core).await)?;
    let asking = core.clone();
    let begin = move |interrupt: kafka::Interrupt<'_>| Search::begin(&asking.consumer, topic, n, timeout, interrupt);
    let mut search = raised(spawn_blocking(begin).await)?;
    let mut slice = Instant::now();
    loop {
        let round = search.round();
        if round.is_empty() {
            return Ok(search.newest());
        }
        let assigning = core.clone();
        raised(spawn_blocking(move |interrupt| assigning.consumer.assign(round, interrupt)).await)?;
        let messages = BoundedMessages::new(consumer.clone(), timeout);
        while let Some(message) = next(&messages, None, None).await? {
            search.found(message);
            if slice.elapsed() > fairness::TIME_SLICE {
                fairness::yield_now().await;
                slice = Instant::now();
            }
        }
    }
}
