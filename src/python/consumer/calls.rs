//! Consumer calls that may block: a part that runs without Python, and the conversion of its result. Both consumer
//! classes use them and wait in their own ways.

use std::collections::HashMap;
use std::time::Duration;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};
use pyo3::IntoPyObjectExt;

use crate::error::Error;
use crate::kafka::{self, Deadline, Interrupt, OffsetSpec, Partition};
use crate::python::blocking::{deadline, detached, seconds};
use crate::python::message_parts;
use crate::python::partitions::{offsets_of, partition_of, partitions_of, refuse_impossible_topic, TopicPartition};

use super::core::ConsumerCore;
use super::rebalance::{list_of, KafkaConsumer};

/// The default `timeout` in seconds.
pub const TIMEOUT: f64 = 10.0;

type ConvertFn = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send>;
type CallFn = Box<dyn FnOnce(&KafkaConsumer, Interrupt<'_>) -> Result<ConvertFn, kafka::Error> + Send>;

pub struct Call(CallFn);

impl Call {
    fn new<T: Send + 'static>(
        work: impl FnOnce(&KafkaConsumer, Interrupt<'_>) -> Result<T, kafka::Error> + Send + 'static,
        finish: impl FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
    ) -> Self {
        Call(Box::new(|engine, interrupt| {
            let made = work(engine, interrupt)?;
            Ok(Box::new(|py| finish(py, made)))
        }))
    }

    fn nothing(work: impl FnOnce(&KafkaConsumer, Interrupt<'_>) -> Result<(), kafka::Error> + Send + 'static) -> Self {
        Call::new(work, |py, ()| Ok(py.None()))
    }

    pub fn run(self, engine: &KafkaConsumer, interrupt: Interrupt<'_>) -> Result<ConvertFn, kafka::Error> {
        (self.0)(engine, interrupt)
    }

    /// As `run_blocking`, for calls that may run the group's callbacks, with `owner` as their argument.
    pub fn run_with_callbacks(self, owner: &Bound<'_, PyAny>, core: &ConsumerCore) -> PyResult<Py<PyAny>> {
        core.with_callbacks(owner, |interrupt| self.run(&core.consumer, interrupt))?(owner.py())
    }

    /// Runs on this thread, without the GIL.
    pub fn run_blocking(self, py: Python<'_>, core: &ConsumerCore) -> PyResult<Py<PyAny>> {
        detached(py, |interrupt| self.run(&core.consumer, interrupt))?(py)
    }
}

fn duration(timeout: f64) -> PyResult<Duration> {
    Ok(seconds("timeout", Some(timeout))?.unwrap_or(Duration::MAX))
}

/// The given partitions, or all assigned ones.
fn chosen(core: &ConsumerCore, operation: &str, given: Option<&Bound<'_, PyAny>>) -> PyResult<Vec<Partition>> {
    core.usable()?;
    match given {
        Some(given) => partitions_of(operation, given),
        None => Ok(core.consumer.assignment().map_err(Error::from)?),
    }
}

fn some<'a, 'py>(partitions: &'a Bound<'py, PyTuple>) -> Option<&'a Bound<'py, PyAny>> {
    (!partitions.is_empty()).then_some(partitions.as_any())
}

/// One topic name or several.
pub fn topic_names(operation: &str, topics: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    if let Ok(topic) = topics.cast::<PyString>() {
        return Ok(vec![topic_name(operation, topic)?]);
    }
    topics
        .try_iter()?
        .map(|topic| match topic?.cast::<PyString>() {
            Ok(topic) => topic_name(operation, topic),
            Err(_) => {
                Err(PyTypeError::new_err("topics are str: Consumer(\"orders\", bootstrap_servers=\"localhost:9092\")"))
            }
        })
        .collect()
}

fn topic_name(operation: &str, topic: &Bound<'_, PyString>) -> PyResult<String> {
    // A lone surrogate becomes a character that no topic name may have.
    let topic = topic.to_string_lossy().into_owned();
    refuse_impossible_topic(operation, &topic)?;
    Ok(topic)
}

pub fn subscribe(core: &ConsumerCore, topics: Option<&Bound<'_, PyAny>>, pattern: Option<&str>) -> PyResult<Call> {
    core.usable()?;
    let topics = match (topics, pattern) {
        (Some(topics), None) => topic_names("subscribe", topics)?,
        (None, Some(pattern)) if core.group_id.is_some() => {
            let refused = |why| Error::Config {
                message: format!(
                    "subscribe: {:?} cannot be a pattern: {why}",
                    pattern.chars().take(200).collect::<String>()
                ),
                option: "pattern".to_owned(),
            };
            vec![kafka::translate_pattern(pattern).map_err(refused)?]
        }
        (None, Some(_)) => {
            return Err(PyValueError::new_err("subscribe: a pattern needs a consumer with a group_id"));
        }
        _ => return Err(PyTypeError::new_err("subscribe takes either topics or pattern=")),
    };
    Ok(Call::nothing(|engine, interrupt| engine.subscribe(topics, interrupt)))
}

pub fn unsubscribe(core: &ConsumerCore) -> PyResult<Call> {
    core.usable()?;
    Ok(Call::nothing(|engine, interrupt| engine.unsubscribe(interrupt)))
}

pub fn assign(core: &ConsumerCore, partitions: &Bound<'_, PyAny>) -> PyResult<Call> {
    core.usable()?;
    let partitions: Vec<_> = if partitions.cast::<TopicPartition>().is_ok() {
        vec![partition_of("assign", partitions)?]
    } else {
        partitions.try_iter()?.map(|item| partition_of("assign", &item?)).collect::<PyResult<_>>()?
    };
    if let Some((_, offset)) = partitions.iter().find(|(_, offset)| offset.is_some_and(|offset| offset < 0)) {
        return Err(PyValueError::new_err(format!("assign: offsets begin at 0; got {}", offset.unwrap_or_default())));
    }
    Ok(Call::nothing(|engine, interrupt| engine.assign(partitions, interrupt)))
}

pub fn ping(core: &ConsumerCore, timeout: f64) -> PyResult<Call> {
    core.usable()?;
    let timeout = duration(timeout)?;
    Ok(Call::nothing(move |engine, interrupt| engine.ping(timeout, interrupt)))
}

pub fn commit(
    core: &ConsumerCore,
    what: Option<&Bound<'_, PyAny>>,
    asynchronous: bool,
    timeout: Option<f64>,
) -> PyResult<Call> {
    core.usable()?;
    let deadline = deadline(timeout)?;
    let offsets = what.map(|what| offsets_of("commit", what)).transpose()?;
    Ok(Call::nothing(move |engine, interrupt| {
        if asynchronous {
            return engine.commit_async(offsets);
        }
        engine.commit(offsets, deadline, interrupt)
    }))
}

pub fn committed(core: &ConsumerCore, partitions: Option<&Bound<'_, PyAny>>, timeout: f64) -> PyResult<Call> {
    let chosen = chosen(core, "committed", partitions)?;
    let (timeout, one) = (duration(timeout)?, is_one(partitions));
    let ask = move |engine: &KafkaConsumer, interrupt: Interrupt<'_>| engine.committed(chosen, timeout, interrupt);
    Ok(Call::new(ask, move |py, offsets| one_or_dict(py, one, offsets)))
}

pub fn position(core: &ConsumerCore, partitions: Option<&Bound<'_, PyAny>>, timeout: f64) -> PyResult<Call> {
    let chosen = chosen(core, "position", partitions)?;
    let (timeout, one) = (duration(timeout)?, is_one(partitions));
    let ask = move |engine: &KafkaConsumer, interrupt: Interrupt<'_>| engine.positions(&chosen, timeout, interrupt);
    Ok(Call::new(ask, move |py, offsets| one_or_dict(py, one, offsets)))
}

pub fn seek(core: &ConsumerCore, partition: &Bound<'_, PyAny>, offset: Option<i64>, timeout: f64) -> PyResult<Call> {
    core.usable()?;
    let (partition, own) = partition_of("seek", partition)?;
    let offset = offset.or(own).ok_or_else(|| {
        PyTypeError::new_err(
            "seek takes an offset: seek(partition, 42), seek(TopicPartition(topic, 0, 42)), seek(message)",
        )
    })?;
    if offset < 0 {
        return Err(PyValueError::new_err(format!(
            "seek: offsets begin at 0; got {offset}. For the ends there are seek_to_beginning and seek_to_end"
        )));
    }
    let deadline = deadline(Some(timeout))?;
    Ok(Call::nothing(move |engine, interrupt| engine.seek(&[(partition, offset)], deadline, interrupt)))
}

pub fn seek_all(core: &ConsumerCore, given: &Bound<'_, PyTuple>, spec: OffsetSpec, timeout: f64) -> PyResult<Call> {
    let partitions = chosen(core, "seek", some(given))?;
    let wanted: Vec<_> = partitions.into_iter().map(|partition| (partition, spec)).collect();
    let timeout = duration(timeout)?;
    Ok(Call::nothing(move |engine, interrupt| {
        let offsets = engine.offsets("seek", &wanted, timeout, interrupt)?;
        let targets: Vec<_> = offsets.into_iter().map(|(partition, (offset, _))| (partition, offset)).collect();
        engine.seek(&targets, Deadline::after(Some(timeout)), interrupt)
    }))
}

pub fn pause(core: &ConsumerCore, partitions: &Bound<'_, PyTuple>) -> PyResult<Call> {
    let chosen = chosen(core, "pause", some(partitions))?;
    Ok(Call::nothing(move |engine, _| engine.pause(&chosen)))
}

pub fn resume(core: &ConsumerCore, partitions: &Bound<'_, PyTuple>) -> PyResult<Call> {
    core.usable()?;
    let given = some(partitions).map(|given| partitions_of("resume", given)).transpose()?;
    Ok(Call::nothing(move |engine, _| engine.resume(&given.unwrap_or_else(|| engine.paused()))))
}

pub fn paused(core: &ConsumerCore) -> PyResult<Call> {
    core.usable()?;
    Ok(Call::new(
        |engine, _| {
            let mut paused = engine.paused();
            paused.sort();
            Ok(paused)
        },
        |py, paused| Ok(list_of(py, &paused)?.into_any().unbind()),
    ))
}

pub fn watermarks(
    core: &ConsumerCore,
    operation: &'static str,
    given: Option<&Bound<'_, PyAny>>,
    spec: OffsetSpec,
    timeout: f64,
) -> PyResult<Call> {
    let wanted: Vec<_> = chosen(core, operation, given)?.into_iter().map(|partition| (partition, spec)).collect();
    let timeout = duration(timeout)?;
    let ask =
        move |engine: &KafkaConsumer, interrupt: Interrupt<'_>| engine.offsets(operation, &wanted, timeout, interrupt);
    let finish = |py: Python<'_>, offsets: HashMap<Partition, (i64, i64)>| {
        dict(py, offsets.into_iter().map(|(partition, (offset, _))| (partition, offset)))
    };
    Ok(Call::new(ask, finish))
}

pub fn offsets_for_times(core: &ConsumerCore, times: &Bound<'_, PyDict>, timeout: f64) -> PyResult<Call> {
    core.usable()?;
    let mut wanted = Vec::with_capacity(times.len());
    for (partition, time) in times {
        let (partition, _) = partition_of("offsets_for_times", &partition)?;
        wanted.push((partition, OffsetSpec::At(message_parts::timestamp_ms(&time)?)));
    }
    let timeout = duration(timeout)?;
    let ask = move |engine: &KafkaConsumer, interrupt: Interrupt<'_>| {
        engine.offsets("offsets_for_times", &wanted, timeout, interrupt)
    };
    let found = |(partition, (offset, _)): (Partition, (i64, i64))| (partition, Some(offset).filter(|at| *at >= 0));
    Ok(Call::new(ask, move |py, offsets| dict(py, offsets.into_iter().map(found))))
}

pub fn lag(core: &ConsumerCore, timeout: f64) -> PyResult<Call> {
    core.usable()?;
    let timeout = duration(timeout)?;
    Ok(Call::new(
        move |engine, interrupt| engine.lag(timeout, interrupt),
        |py, lag: HashMap<Partition, i64>| dict(py, lag.into_iter()),
    ))
}

fn dict<'py, T: IntoPyObject<'py>>(
    py: Python<'py>,
    pairs: impl Iterator<Item = (Partition, T)>,
) -> PyResult<Py<PyAny>> {
    let mut pairs: Vec<_> = pairs.collect();
    pairs.sort_by(|(one, _), (other, _)| one.cmp(other));
    let dict = PyDict::new(py);
    for (partition, value) in pairs {
        dict.set_item(TopicPartition::new(&partition, None), value)?;
    }
    Ok(dict.into_any().unbind())
}

fn is_one(asked: Option<&Bound<'_, PyAny>>) -> bool {
    asked.is_some_and(|asked| asked.cast::<TopicPartition>().is_ok())
}

fn one_or_dict<'py, T: IntoPyObject<'py>>(
    py: Python<'py>,
    one: bool,
    offsets: HashMap<Partition, T>,
) -> PyResult<Py<PyAny>> {
    if one {
        return match offsets.into_values().next() {
            Some(offset) => offset.into_py_any(py),
            None => Ok(py.None()),
        };
    }
    dict(py, offsets.into_iter())
}
