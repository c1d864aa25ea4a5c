//! From the arguments of the constructors to a producer.

use std::sync::Arc;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::json::EncodeOptions;
use crate::kafka::{ProducerSettings, Role};
use crate::python::client_callbacks::ClientCallbacks;
use crate::python::codec::nan_policy;
use crate::python::options::{refuse_dict, Arguments};

use super::core::ProducerCore;
use super::handle::ProducerHandle;

/// What both classes are made of: connected, unless it is for the asynchronous one.
pub fn make(
    arguments: &Bound<'_, PyTuple>,
    options: Option<&Bound<'_, PyDict>>,
    asynchronous: bool,
) -> PyResult<Py<ProducerHandle>> {
    let py = arguments.py();
    let client = if asynchronous { "AsyncProducer" } else { "Producer" };
    if arguments.len() > 1 {
        let message = format!("{client}() takes one positional argument, bootstrap_servers; got {}", arguments.len());
        return Err(PyTypeError::new_err(message));
    }
    let servers = arguments.iter().next();
    servers.iter().try_for_each(|servers| refuse_dict(client, servers))?;
    let core = Arc::new(core(py, &Arguments::new(Role::Producer, client, servers.as_ref(), options)?, asynchronous)?);
    if !asynchronous {
        core.connected(py)?;
    }
    core.close_at_end(py)?;
    ProducerHandle::new(py, core)
}

fn core(py: Python<'_>, given: &Arguments<'_>, asynchronous: bool) -> PyResult<ProducerCore> {
    let functions = ["default", "value_serializer", "key_serializer", "on_delivery", "on_error", "on_stats"];
    given.refuse_async(py, &functions, "Give a plain function")?;
    let nan = given.word("nan", "\"error\", \"null\" or \"allow\"", |name| nan_policy(name).ok())?;
    let encode = EncodeOptions { default: given.callable("default")?, nan };
    let settings = ProducerSettings {
        // 0 does not check the connection, either.
        connect_timeout: given.time("connect_timeout")?.filter(|timeout| !timeout.is_zero()),
        max_block: given.time("max_block_ms")?.unwrap_or(std::time::Duration::MAX),
    };
    let events = ClientCallbacks::new(given.callable("on_error")?, given.callable("on_stats")?);
    let (value_serializer, key_serializer) = (given.callable("value_serializer")?, given.callable("key_serializer")?);
    let core = ProducerCore::with_hooks(&given.config, settings, events, given.callable("on_delivery")?, asynchronous)?;
    Ok(ProducerCore { encode, value_serializer, key_serializer, ..core })
}
