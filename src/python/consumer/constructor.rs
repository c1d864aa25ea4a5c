//! From the arguments of the constructors to a consumer that is not connected yet.

use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::error::Error;
use crate::json::DecodeOptions;
use crate::kafka::{self, ConsumerSettings, Role};
use crate::python::blocking::{detached, seconds};
use crate::python::callables::refuse_async;
use crate::python::client_callbacks::ClientCallbacks;
use crate::python::message::KeyType;
use crate::python::options;

use super::aio::{AsyncConsumer, AsyncConsumerState};
use super::batch::ArenaPins;
use super::calls::topic_names;
use super::core::ConsumerCore;
use super::decode::{Decoder, ValueFormat};
use super::handled_exception::HandledException;
use super::policy::{DecodeErrorPolicy, DecodeErrors};
use super::rebalance::{ConsumerEvents, GroupCallbacks};
use super::Consumer;

/// librdkafka wants a group id even from a consumer that joins none and commits nothing.
const NO_GROUP: &str = "kjson-no-group";

/// Where the user gives no limit: 16 times what brokers take by default, compressed.
pub const MAX_MESSAGE_BYTES: i64 = 16 << 20;

pub struct ConsumerArgs<'a, 'py> {
    pub topics: &'a Bound<'py, PyTuple>,
    pub bootstrap_servers: Option<&'a Bound<'py, PyAny>>,
    pub group_id: Option<&'a str>,
    pub consumer_timeout_ms: Option<f64>,
    pub connect_timeout: Option<f64>,
    pub unreachable_timeout: Option<f64>,
    pub on_decode_error: Option<&'a Bound<'py, PyAny>>,
    pub value_type: Option<&'a Bound<'py, PyAny>>,
    pub value_deserializer: Option<Py<PyAny>>,
    pub key_type: &'a str,
    pub max_message_bytes: Option<i64>,
    pub parse_float: Option<Py<PyAny>>,
    pub on_assign: Option<Py<PyAny>>,
    pub on_revoke: Option<Py<PyAny>>,
    pub on_lost: Option<Py<PyAny>>,
    pub on_commit: Option<Py<PyAny>>,
    pub on_error: Option<Py<PyAny>>,
    pub on_stats: Option<Py<PyAny>>,
    pub config: Option<&'a Bound<'py, PyDict>>,
    pub options: Option<&'a Bound<'py, PyDict>>,
}

impl ConsumerArgs<'_, '_> {
    pub fn make(self, py: Python<'_>, asynchronous: bool) -> PyResult<ConsumerCore> {
        self.refuse_async(py, asynchronous)?;
        let topics = topic_names("Consumer", self.topics.as_any())?;
        let mut config = options::config(Role::Consumer, self.bootstrap_servers, self.config, self.options)?;
        if let Some(group_id) = self.group_id {
            options::refuse_empty(Role::Consumer, "group_id", group_id)?;
            let property = config.property("group_id", &[]).map_err(Error::from)?;
            config.set(property, "group_id", group_id.to_owned()).map_err(Error::from)?;
        }
        let group_id = config.get("group.id").map(str::to_owned);
        if group_id.is_none() {
            config.set_default("group.id", NO_GROUP);
            config.set_default("enable.auto.commit", "false");
        }
        let settings = ConsumerSettings {
            connect_timeout: options::connect_timeout(self.connect_timeout)?,
            unreachable_timeout: seconds("unreachable_timeout", self.unreachable_timeout)?,
            grouped: group_id.is_some(),
            auto_commit: config.get("enable.auto.commit") != Some("false"),
            from_end: matches!(config.get("auto.offset.reset"), Some("latest" | "largest" | "end")),
            reset_fails: config.get("auto.offset.reset") == Some("error"),
            committed_only: config.get("isolation.level") != Some("read_uncommitted"),
        };
        let (on_assign, on_revoke, on_lost, on_commit) = (self.on_assign, self.on_revoke, self.on_lost, self.on_commit);
        let group = Arc::new(GroupCallbacks { on_assign, on_revoke, on_lost, on_commit, ..Default::default() });
        let hooks = ConsumerEvents { events: ClientCallbacks::new(self.on_error, self.on_stats), group: group.clone() };
        let decode = DecodeOptions { parse_float: self.parse_float };
        let format = ValueFormat::new(py, self.value_type, self.value_deserializer, &decode)?;
        let limit = self.max_message_bytes.map(|bytes| limit_of(asynchronous, bytes)).transpose()?;
        let idle_timeout = self.consumer_timeout_ms.map(|millis| millis / 1000.0);
        Ok(ConsumerCore {
            decoder: Decoder::new(key_of(self.key_type)?, decode, format, limit),
            decode_errors: DecodeErrors::new(
                DecodeErrorPolicy::new(self.on_decode_error)?,
                &config,
                group_id.as_deref(),
            ),
            idle_timeout: seconds("consumer_timeout_ms / 1000", idle_timeout)?,
            servers: config.bootstrap_addresses().join(","),
            group_id,
            group,
            topics,
            arena_pins: ArenaPins::default(),
            handled_exception: HandledException::default(),
            aio: AsyncConsumerState::new(asynchronous),
            consumer: kafka::Consumer::new(config, settings, hooks).map_err(Error::from)?,
        })
    }
}

impl ConsumerArgs<'_, '_> {
    fn refuse_async(&self, py: Python<'_>, asynchronous: bool) -> PyResult<()> {
        let client = if asynchronous { "AsyncConsumer" } else { "Consumer" };
        let called = [
            ("on_decode_error", self.on_decode_error.map(Bound::as_unbound)),
            ("value_deserializer", self.value_deserializer.as_ref()),
            ("parse_float", self.parse_float.as_ref()),
            ("on_error", self.on_error.as_ref()),
            ("on_stats", self.on_stats.as_ref()),
        ];
        refuse_async(py, client, &called, "Give a plain function")?;
        if asynchronous {
            return Ok(());
        }
        let awaited = [
            ("on_assign", self.on_assign.as_ref()),
            ("on_revoke", self.on_revoke.as_ref()),
            ("on_lost", self.on_lost.as_ref()),
            ("on_commit", self.on_commit.as_ref()),
        ];
        refuse_async(py, client, &awaited, "Give a plain function, or use AsyncConsumer, which awaits it")
    }
}

fn limit_of(asynchronous: bool, bytes: i64) -> PyResult<usize> {
    match usize::try_from(bytes) {
        Ok(limit @ 1..) => Ok(limit),
        _ => {
            let client = if asynchronous { "AsyncConsumer" } else { "Consumer" };
            let message =
                format!("{client}: max_message_bytes must be a number of bytes from 1 up, or None; got {bytes}");
            Err(Error::Config { message, option: "max_message_bytes".to_owned() }.into())
        }
    }
}

fn key_of(name: &str) -> PyResult<KeyType> {
    match name {
        "auto" => Ok(KeyType::Auto),
        "str" => Ok(KeyType::Text),
        "bytes" => Ok(KeyType::Bytes),
        "json" => Ok(KeyType::Json),
        _ => Err(PyValueError::new_err(format!(
            "key_type must be \"auto\", \"str\", \"bytes\" or \"json\", not {name:?}"
        ))),
    }
}

/// A function that is called as its class, for the errors about arguments.
macro_rules! constructor {
    ($function:ident, $class:ident, $name:literal, $asynchronous:literal) => {
        #[pyfunction]
        #[pyo3(name = $name, signature = (
            *topics, bootstrap_servers=None, group_id=None, consumer_timeout_ms=None, connect_timeout=Some(10.0),
            unreachable_timeout=Some(60.0), on_decode_error=None, value_type=None, value_deserializer=None, key_type="auto",
            max_message_bytes=Some(MAX_MESSAGE_BYTES), parse_float=None, on_assign=None, on_revoke=None, on_lost=None,
            on_commit=None, on_error=None, on_stats=None, config=None, **options
        ))]
        #[allow(clippy::too_many_arguments)]
        pub fn $function(
            py: Python<'_>,
            topics: &Bound<'_, PyTuple>,
            bootstrap_servers: Option<&Bound<'_, PyAny>>,
            group_id: Option<&str>,
            consumer_timeout_ms: Option<f64>,
            connect_timeout: Option<f64>,
            unreachable_timeout: Option<f64>,
            on_decode_error: Option<&Bound<'_, PyAny>>,
            value_type: Option<&Bound<'_, PyAny>>,
            value_deserializer: Option<Py<PyAny>>,
            key_type: &str,
            max_message_bytes: Option<i64>,
            parse_float: Option<Py<PyAny>>,
            on_assign: Option<Py<PyAny>>,
            on_revoke: Option<Py<PyAny>>,
            on_lost: Option<Py<PyAny>>,
            on_commit: Option<Py<PyAny>>,
            on_error: Option<Py<PyAny>>,
            on_stats: Option<Py<PyAny>>,
            config: Option<&Bound<'_, PyDict>>,
            options: Option<&Bound<'_, PyDict>>,
        ) -> PyResult<$class> {
            let given = ConsumerArgs {
                topics,
                bootstrap_servers,
                group_id,
                consumer_timeout_ms,
                connect_timeout,
                unreachable_timeout,
                on_decode_error,
                value_type,
                value_deserializer,
                key_type,
                max_message_bytes,
                parse_float,
                on_assign,
                on_revoke,
                on_lost,
                on_commit,
                on_error,
                on_stats,
                config,
                options,
            };
            let core = Arc::new(given.make(py, $asynchronous)?);
            if !$asynchronous {
                detached(py, |interrupt| core.begin(interrupt))?;
            }
            core.close_at_end(py)?;
            Ok($class::of(core))
        }
    };
}

constructor!(consumer, Consumer, "Consumer", false);
constructor!(async_consumer, AsyncConsumer, "AsyncConsumer", true);
