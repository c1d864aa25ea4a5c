//! From the arguments of the constructors to what a producer is made of.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::core::{Core, ProducerArgs};
use super::handle::Handle;

/// A function that is called as its class, for the errors about arguments.
macro_rules! constructor {
    ($function:ident, $class:literal, asynchronous: $asynchronous:literal) => {
        #[pyfunction]
        #[pyo3(name = $class, signature = (
            bootstrap_servers=None, *, connect_timeout=Some(10.0), max_block_ms=60_000.0, default=None, nan="error",
            value_serializer=None, key_serializer=None, on_delivery=None, on_error=None, on_stats=None, config=None,
            **options
        ))]
        #[allow(clippy::too_many_arguments)]
        pub fn $function(
            py: Python<'_>,
            bootstrap_servers: Option<&Bound<'_, PyAny>>,
            connect_timeout: Option<f64>,
            max_block_ms: f64,
            default: Option<Py<PyAny>>,
            nan: &str,
            value_serializer: Option<Py<PyAny>>,
            key_serializer: Option<Py<PyAny>>,
            on_delivery: Option<Py<PyAny>>,
            on_error: Option<Py<PyAny>>,
            on_stats: Option<Py<PyAny>>,
            config: Option<&Bound<'_, PyDict>>,
            options: Option<&Bound<'_, PyDict>>,
        ) -> PyResult<Py<Handle>> {
            let given = ProducerArgs {
                bootstrap_servers,
                connect_timeout,
                max_block_ms,
                default,
                nan,
                value_serializer,
                key_serializer,
                on_delivery,
                on_error,
                on_stats,
                config,
                options,
            };
            let core = Arc::new(Core::new(py, given, $asynchronous)?);
            if !$asynchronous {
                core.connected(py)?;
            }
            core.close_at_end(py)?;
            Handle::new(py, core)
        }
    };
}

constructor!(producer, "Producer", asynchronous: false);
constructor!(async_producer, "AsyncProducer", asynchronous: true);
