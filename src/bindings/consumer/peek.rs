//! A look at the newest messages of a topic, without a group and without leaving a trace.

use std::collections::HashMap;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};

use crate::bindings::blocking::{deadline, detached, seconds};
use crate::bindings::message::Message;
use crate::bindings::partitions::TopicPartition;
use crate::kafka::{Partition, Watermark};

use super::Consumer;

type Found = HashMap<i32, Vec<Py<Message>>>;

#[pymethods]
impl Consumer {
    /// The newest `n` messages of a topic, in the order of their timestamps. Joins no group, commits nothing, and ends.
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
    ) -> PyResult<Vec<Py<Message>>> {
        let py = class.py();
        let given = match options {
            Some(options) => options.copy()?,
            None => PyDict::new(py),
        };
        if n == 0 {
            return Err(PyValueError::new_err("peek: n must be at least 1"));
        }
        seconds("timeout", Some(timeout))?;
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
        let consumer = class.call((), Some(&given))?.cast_into::<Consumer>()?;
        let found = newest(&consumer, topic, n, timeout);
        let closed = consumer.get().core.close_for(&consumer, deadline(Some(timeout))?);
        let messages = found?;
        closed?;
        Ok(messages)
    }
}

fn newest(consumer: &Bound<'_, Consumer>, topic: &str, n: usize, timeout: f64) -> PyResult<Vec<Py<Message>>> {
    let (py, engine) = (consumer.py(), &consumer.get().core.consumer);
    let patience = seconds("timeout", Some(timeout))?.unwrap_or(std::time::Duration::MAX);
    let (firsts, ends) = detached(py, |interrupt| {
        let count = i32::try_from(engine.partition_count(topic, patience, interrupt)?).unwrap_or(i32::MAX);
        let ask = |watermark| {
            let wanted: Vec<_> = (0..count).map(|id| (Partition { topic: topic.into(), id }, watermark)).collect();
            engine.offsets("peek", &wanted, patience, interrupt)
        };
        Ok((ask(Watermark::Beginning)?, ask(Watermark::End)?))
    })?;
    let bounds: Vec<(i32, i64, i64)> = ends
        .into_iter()
        .map(|(partition, (end, _))| (partition.id, firsts.get(&partition).map_or(0, |first| first.0), end))
        .filter(|(_, first, end)| first < end)
        .collect();
    let mut found: Found = HashMap::new();
    let mut window = i64::try_from(n).unwrap_or(i64::MAX);
    loop {
        // Offsets may have gaps (transactions, compaction): where n of them held fewer messages, look further back.
        let short: Vec<TopicPartition> = bounds
            .iter()
            .filter(|(id, first, end)| match found.get(id) {
                None => true,
                Some(messages) => messages.len() < n && end.saturating_sub(window / 8).max(*first) > *first,
            })
            .map(|(id, first, end)| TopicPartition {
                topic: topic.to_owned(),
                partition: *id,
                offset: Some(end.saturating_sub(window).max(*first)),
            })
            .collect();
        if short.is_empty() {
            break;
        }
        for partition in &short {
            found.insert(partition.partition, Vec::new());
        }
        consumer.call_method1("assign", (short,))?;
        let options = PyDict::new(py);
        options.set_item("timeout", timeout)?;
        for message in consumer.call_method("until_end", (), Some(&options))?.try_iter()? {
            let message = message?.cast_into::<Message>()?;
            found.entry(message.get().position().1).or_default().push(message.unbind());
        }
        window = window.saturating_mul(8);
    }
    let mut messages: Vec<Py<Message>> = found.into_values().flatten().collect();
    messages.sort_by_key(|message| {
        let message = message.get();
        (message.moment_ms(), message.position().1, message.position().2)
    });
    Ok(messages.split_off(messages.len().saturating_sub(n)))
}
