//! `async with producer.transaction():` and its parts: what the synchronous ones do, on a thread.

use std::sync::{Arc, PoisonError};

use pyo3::prelude::*;

use crate::bindings::aio::offload::offload;
use crate::bindings::aio::operation::Operation;
use crate::bindings::blocking::deadline;
use crate::bindings::notifier;
use crate::bindings::producer::events::ProducerEvents;
use crate::bindings::producer::transaction::TIMEOUT;
use crate::error::Error;
use crate::kafka::{self, Interrupt};

use super::connection::connect;
use super::Core;

/// A transaction as an `async with` block: see `AsyncProducer.transaction`.
#[pyclass(module = "kjson", frozen)]
pub struct AsyncTransaction {
    pub core: Arc<Core>,
}

#[pymethods]
impl AsyncTransaction {
    fn __aenter__(slf: &Bound<'_, Self>) -> Operation {
        let this = slf.clone().unbind();
        Operation::working("AsyncTransaction.__aenter__", async move {
            begin(&this.get().core).await?;
            Ok(this)
        })
    }

    fn __aexit__(
        &self,
        kind: &Bound<'_, PyAny>,
        _value: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> Operation {
        let (core, failed) = (self.core.clone(), !kind.is_none());
        Operation::working("AsyncTransaction.__aexit__", async move {
            if failed {
                return leave_aborted(&core).await;
            }
            match commit(&core, Some(TIMEOUT)).await {
                Err(Error::Kafka(error @ kafka::Error::Transaction { abortable: true, .. })) => {
                    leave_aborted(&core).await?;
                    Err(Error::Kafka(error).into())
                }
                other => Ok(other?),
            }
        })
    }
}

/// An exception is on its way already: an abort that fails as well is logged and does not replace it.
async fn leave_aborted(core: &Arc<Core>) -> PyResult<()> {
    match abort(core, Some(TIMEOUT)).await {
        Err(Error::Forked { .. }) => Ok(()),
        other => notifier::log_instead("producer", other),
    }
}

pub async fn begin(core: &Arc<Core>) -> Result<(), Error> {
    core.usable()?;
    connect(core).await?;
    step(core, |producer, interrupt| producer.begin_transaction(interrupt)).await
}

pub async fn commit(core: &Arc<Core>, timeout: Option<f64>) -> Result<(), Error> {
    core.usable()?;
    let deadline = deadline(timeout)?;
    step(core, move |producer, interrupt| producer.commit_transaction(deadline, interrupt)).await
}

pub async fn abort(core: &Arc<Core>, timeout: Option<f64>) -> Result<(), Error> {
    core.usable()?;
    let deadline = deadline(timeout)?;
    step(core, move |producer, interrupt| producer.abort_transaction(deadline, interrupt)).await
}

/// One after the other: a step whose wait was cancelled ends within a tick, and the next begins behind it.
pub async fn step(
    core: &Arc<Core>,
    work: impl FnOnce(&kafka::Producer<ProducerEvents>, Interrupt<'_>) -> Result<(), kafka::Error> + Send + 'static,
) -> Result<(), Error> {
    let core = core.clone();
    let result = offload(move |interrupt| {
        let _turn = core.aio.transacting.lock().unwrap_or_else(PoisonError::into_inner);
        work(&core.producer, interrupt)
    });
    Ok(result.await?)
}
