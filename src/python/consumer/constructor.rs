//! From the arguments of the constructors to a consumer that is not connected yet.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::error::Error;
use crate::json::DecodeOptions;
use crate::kafka::{self, ConsumerSettings, Role};
use crate::python::blocking::detached;
use crate::python::client_callbacks::ClientCallbacks;
use crate::python::message::KeyType;
use crate::python::options::{refuse_dict, Arguments};

use super::aio::AsyncConsumerState;
use super::arena_pins::ArenaPins;
use super::calls::topic_names;
use super::core::ConsumerCore;
use super::decode::{Decoder, ValueFormat};
use super::handled_exception::HandledException;
use super::policy::{DecodeErrorPolicy, DecodeErrors};
use super::rebalance::{ConsumerEvents, GroupCallbacks};

/// librdkafka wants a group id even from a consumer that joins none and commits nothing.
const NO_GROUP: &str = "kjson-no-group";

/// What both classes are made of: connected, unless it is for the asynchronous one.
pub fn make(
    topics: &Bound<'_, PyTuple>,
    options: Option<&Bound<'_, PyDict>>,
    asynchronous: bool,
) -> PyResult<Arc<ConsumerCore>> {
    let py = topics.py();
    let client = if asynchronous { "AsyncConsumer" } else { "Consumer" };
    topics.iter().next().iter().try_for_each(|first| refuse_dict(client, first))?;
    let given = Arguments::new(Role::Consumer, client, None, options)?;
    let core = Arc::new(core(py, topics, given, asynchronous)?);
    if !asynchronous {
        detached(py, |interrupt| core.begin(interrupt))?;
    }
    core.close_at_end(py)?;
    Ok(core)
}

fn core(
    py: Python<'_>,
    topics: &Bound<'_, PyTuple>,
    mut given: Arguments<'_>,
    asynchronous: bool,
) -> PyResult<ConsumerCore> {
    let called = ["on_decode_error", "value_deserializer", "parse_float", "on_error", "on_stats"];
    given.refuse_async(py, &called, "Give a plain function")?;
    if !asynchronous {
        let awaited = ["on_assign", "on_revoke", "on_lost", "on_commit"];
        given.refuse_async(py, &awaited, "Give a plain function, or use AsyncConsumer, which awaits it")?;
    }
    let topics = topic_names("Consumer", topics.as_any())?;
    let group_id = given.config.get("group.id").map(str::to_owned);
    if group_id.is_none() {
        given.config.set_default("group.id", NO_GROUP);
        given.config.set_default("enable.auto.commit", "false");
    }
    let config = &given.config;
    let settings = ConsumerSettings {
        // 0 does not check the connection, either.
        connect_timeout: given.time("connect_timeout")?.filter(|timeout| !timeout.is_zero()),
        unreachable_timeout: given.time("unreachable_timeout")?,
        grouped: group_id.is_some(),
        auto_commit: config.get("enable.auto.commit") != Some("false"),
        from_end: config.get("auto.offset.reset") == Some("largest"),
        reset_fails: config.get("auto.offset.reset") == Some("error"),
        committed_only: config.get("isolation.level") != Some("read_uncommitted"),
    };
    let group = Arc::new(GroupCallbacks {
        on_assign: given.callable("on_assign")?,
        on_revoke: given.callable("on_revoke")?,
        on_lost: given.callable("on_lost")?,
        on_commit: given.callable("on_commit")?,
        ..Default::default()
    });
    let events = ClientCallbacks::new(given.callable("on_error")?, given.callable("on_stats")?);
    let hooks = ConsumerEvents { events, group: group.clone() };
    let decode = DecodeOptions { parse_float: given.callable("parse_float")? };
    let format = ValueFormat::new(py, given.get("value_type"), given.callable("value_deserializer")?, &decode)?;
    let key_type = given.word("key_type", "\"auto\", \"str\", \"bytes\" or \"json\"", key_of)?;
    Ok(ConsumerCore {
        decoder: Decoder::new(key_type, decode, format, given.bytes("max_message_bytes")?),
        decode_errors: DecodeErrors::new(
            DecodeErrorPolicy::new(given.get("on_decode_error"))?,
            config,
            group_id.as_deref(),
        ),
        idle_timeout: given.time("consumer_timeout_ms")?,
        servers: config.bootstrap_addresses().join(","),
        group_id,
        group,
        topics,
        arena_pins: ArenaPins::default(),
        handled_exception: HandledException::default(),
        aio: AsyncConsumerState::new(asynchronous),
        consumer: kafka::Consumer::new(given.config, settings, hooks).map_err(Error::from)?,
    })
}

fn key_of(name: &str) -> Option<KeyType> {
    match name {
        "auto" => Some(KeyType::Auto),
        "str" => Some(KeyType::Text),
        "bytes" => Some(KeyType::Bytes),
        "json" => Some(KeyType::Json),
        _ => None,
    }
}
