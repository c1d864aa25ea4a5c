//! `Producer.transaction()`: begin, commit, abort, and a consumer's offsets with it.

use std::sync::Arc;

use pyo3::prelude::*;

use crate::error::Error;
use crate::kafka;
use crate::python::blocking::{deadline, detached};
use crate::python::group_metadata::GroupMetadata;
use crate::python::notifier;
use crate::python::partitions::offsets_of;

use super::core::ProducerCore;

/// The default of the `timeout` arguments, and of `max_block_ms`.
pub const TIMEOUT: f64 = 60.0;

/// A transaction as a `with` block: see `Producer.transaction`.
#[pyclass(module = "kjson", frozen)]
pub struct Transaction {
    pub core: Arc<ProducerCore>,
}

#[pymethods]
impl Transaction {
    fn __enter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        begin(slf.py(), &slf.get().core)?;
        Ok(slf)
    }

    fn __exit__(
        &self,
        py: Python<'_>,
        kind: &Bound<'_, PyAny>,
        _value: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let core = &self.core;
        if !kind.is_none() {
            return leave_aborted(py, core);
        }
        match commit(py, core, Some(TIMEOUT)) {
            Err(Error::Kafka(error @ kafka::Error::Transaction { abortable: true, .. })) => {
                leave_aborted(py, core)?;
                Err(Error::Kafka(error).into())
            }
            other => Ok(other?),
        }
    }
}

/// An exception leaves the block: one of the abort is logged and does not replace it.
fn leave_aborted(py: Python<'_>, core: &ProducerCore) -> PyResult<()> {
    match abort(py, core, Some(TIMEOUT)) {
        Err(Error::Forked { .. }) => Ok(()),
        other => notifier::log_instead("producer", other),
    }
}

pub fn begin(py: Python<'_>, core: &ProducerCore) -> Result<(), Error> {
    core.usable()?;
    detached(py, |interrupt| core.producer.begin_transaction(interrupt))
}

pub fn commit(py: Python<'_>, core: &ProducerCore, timeout: Option<f64>) -> Result<(), Error> {
    core.usable()?;
    let deadline = deadline(timeout)?;
    detached(py, |interrupt| core.producer.commit_transaction(deadline, interrupt))
}

pub fn abort(py: Python<'_>, core: &ProducerCore, timeout: Option<f64>) -> Result<(), Error> {
    core.usable()?;
    let deadline = deadline(timeout)?;
    detached(py, |interrupt| core.producer.abort_transaction(deadline, interrupt))
}

pub fn send_offsets(
    py: Python<'_>,
    core: &ProducerCore,
    offsets: &Bound<'_, PyAny>,
    group: &GroupMetadata,
    timeout: Option<f64>,
) -> PyResult<()> {
    core.usable()?;
    let deadline = deadline(timeout)?;
    let offsets: Vec<_> = offsets_of("send_offsets_to_transaction", offsets)?.into_iter().collect();
    let group = group.0.clone();
    Ok(detached(py, |interrupt| core.producer.send_offsets(offsets, group, deadline, interrupt))?)
}
