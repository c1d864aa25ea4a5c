//! `peek`: the newest messages of a topic, without a group or a commit. Both consumer classes take these steps.

use std::collections::HashMap;
use std::time::Duration;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};

use crate::kafka::{self, Interrupt, OffsetSpec, Partition};
use crate::python::blocking::{deadline, detached, seconds};
use crate::python::message::Message;
use crate::python::partitions::refuse_impossible_topic;

use super::rebalance::KafkaConsumer;
use super::Consumer;

/// The arguments of `peek`, parsed before a client is created.
pub struct PeekArgs {
    pub topic: String,
    pub n: usize,
    /// Of each step.
    pub timeout: Duration,
    /// Keyword arguments of the consumer.
    pub options: Py<PyDict>,
}

impl PeekArgs {
    pub fn new(
        py: Python<'_>,
        topic: &str,
        n: usize,
        bootstrap_servers: Option<&Bound<'_, PyAny>>,
        timeout: f64,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let given = match options {
            Some(options) => options.copy()?,
            None => PyDict::new(py),
        };
        if n == 0 {
            return Err(PyValueError::new_err("peek: n must be at least 1"));
        }
        refuse_impossible_topic("peek", topic)?;
        let limit = seconds("timeout", Some(timeout))?.unwrap_or(Duration::MAX);
        if given.contains("group_id")? || given.contains("group.id")? {
            return Err(PyTypeError::new_err("peek reads without a group: leave out group_id"));
        }
        if let Some(servers) = bootstrap_servers {
            given.set_item("bootstrap_servers", servers)?;
        }
        for (name, value) in [("connect_timeout", timeout), ("unreachable_timeout", timeout)] {
            if !given.contains(name)? {
                given.set_item(name, value)?;
            }
        }
        if !given.contains("on_decode_error")? {
            given.set_item("on_decode_error", "yield")?;
        }
        Ok(PeekArgs { topic: topic.to_owned(), n, timeout: limit, options: given.unbind() })
    }
}

/// The state of a search backwards from the ends.
pub struct Search {
    topic: String,
    n: usize,
    /// Number, beginning and end of each partition that is not empty.
    bounds: Vec<(i32, i64, i64)>,
    found: HashMap<i32, Vec<Message>>,
    /// How far back from the ends the last round read; 0 before the first.
    window: i64,
}

impl Search {
    /// Asks the broker for the beginning and end of each partition.
    pub fn begin(
        engine: &KafkaConsumer,
        topic: String,
        n: usize,
        timeout: Duration,
        interrupt: Interrupt<'_>,
    ) -> Result<Self, kafka::Error> {
        let count = i32::try_from(engine.partition_count(&topic, timeout, interrupt)?).unwrap_or(i32::MAX);
        let ask = |watermark| {
            let wanted: Vec<_> =
                (0..count).map(|id| (Partition { topic: topic.as_str().into(), id }, watermark)).collect();
            engine.offsets("peek", &wanted, timeout, interrupt)
        };
        let (firsts, ends) = (ask(OffsetSpec::Beginning)?, ask(OffsetSpec::End)?);
        let bounds = ends
            .into_iter()
            .map(|(partition, (end, _))| (partition.id, firsts.get(&partition).map_or(0, |first| first.0), end))
            .filter(|(_, first, end)| first < end)
            .collect();
        Ok(Search { topic, n, bounds, found: HashMap::new(), window: 0 })
    }

    /// The assignment of the next round, which reads up to the ends; empty when all is found. Offsets may have gaps
    /// (transactions, compaction): if n offsets had fewer messages, the next round starts further back.
    pub fn round(&mut self) -> Vec<(Partition, Option<i64>)> {
        let last = self.window;
        self.window = if last == 0 { i64::try_from(self.n).unwrap_or(i64::MAX) } else { last.saturating_mul(8) };
        let (found, n, window) = (&mut self.found, self.n, self.window);
        let short = self.bounds.iter().filter(|(id, first, end)| match found.get(id) {
            None => true,
            Some(messages) => messages.len() < n && end.saturating_sub(last) > *first,
        });
        let from = |(id, first, end): &(i32, i64, i64)| (*id, end.saturating_sub(window).max(*first));
        let round: Vec<(i32, i64)> = short.map(from).collect();
        for (id, _) in &round {
            found.insert(*id, Vec::new());
        }
        round
            .into_iter()
            .map(|(id, offset)| (Partition { topic: self.topic.as_str().into(), id }, Some(offset)))
            .collect()
    }

    pub fn found(&mut self, message: Message) {
        self.found.entry(message.position().1).or_default().push(message);
    }

    /// The newest n messages, ordered by timestamp.
    pub fn newest(self) -> Vec<Message> {
        let mut messages: Vec<Message> = self.found.into_values().flatten().collect();
        messages.sort_by_key(|message| (message.moment_ms(), message.position().1, message.position().2));
        messages.split_off(messages.len().saturating_sub(self.n))
    }
}

#[pymethods]
impl Consumer {
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
    ) -> PyResult<Vec<Message>> {
        let wanted = PeekArgs::new(class.py(), topic, n, bootstrap_servers, timeout, options)?;
        let py = class.py();
        // Not a subclass, whose `__init__` may take other arguments.
        let consumer = py.get_type::<Self>().call((), Some(wanted.options.bind(py)))?.cast_into::<Self>()?;
        let found = look(&consumer, wanted);
        let closed = consumer.get().core()?.close_for(&consumer, deadline(Some(timeout))?);
        let messages = found?;
        closed?;
        Ok(messages)
    }
}

fn look(consumer: &Bound<'_, Consumer>, wanted: PeekArgs) -> PyResult<Vec<Message>> {
    let (py, engine) = (consumer.py(), &consumer.get().core()?.consumer);
    let PeekArgs { topic, n, timeout, .. } = wanted;
    let mut search = detached(py, |interrupt| Search::begin(engine, topic, n, timeout, interrupt))?;
    loop {
        let round = search.round();
        if round.is_empty() {
            return Ok(search.newest());
        }
        detached(py, |interrupt| engine.assign(round, interrupt))?;
        let mut messages = Consumer::until_end_within(consumer, timeout)?;
        while let Some(message) = messages.next(py, |_, message| Ok(message))? {
            search.found(message);
        }
    }
}
