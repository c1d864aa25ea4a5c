//! `async with producer.transaction():` and its parts: what the synchronous ones do, on a thread.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use pyo3::prelude::*;

use crate::error::Error;
use crate::kafka::{self, Interrupt};
use crate::python::aio::connection::connect;
use crate::python::aio::operation::Operation;
use crate::python::aio::spawn_blocking::spawn_blocking;
use crate::python::blocking::deadline;
use crate::python::notifier;
use crate::python::producer::transaction::TIMEOUT;

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
        Operation::from_future("AsyncTransaction.__aenter__", async move {
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
        Operation::from_future("AsyncTransaction.__aexit__", async move {
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
    core.aio.committed.store(false, Ordering::Release);
    step(core, |core, interrupt| core.producer.begin_transaction(interrupt)).await
}

/// One that was cancelled and went through all the same is answered when it is asked for again.
pub async fn commit(core: &Arc<Core>, timeout: Option<f64>) -> Result<(), Error> {
    core.usable()?;
    let deadline = deadline(timeout)?;
    let committed = step(core, move |core, interrupt| {
        if !core.aio.committed.load(Ordering::Acquire) {
            core.producer.commit_transaction(deadline, interrupt)?;
            core.aio.committed.store(true, Ordering::Release);
        }
        Ok(())
    });
    committed.await?;
    core.aio.committed.store(false, Ordering::Release);
    Ok(())
}

pub async fn abort(core: &Arc<Core>, timeout: Option<f64>) -> Result<(), Error> {
    core.usable()?;
    let deadline = deadline(timeout)?;
    step(core, move |core, interrupt| core.producer.abort_transaction(deadline, interrupt)).await
}

/// One after the other. A step whose wait was cancelled goes on, and the next begins behind it.
pub async fn step(
    core: &Arc<Core>,
    work: impl FnOnce(&Core, Interrupt<'_>) -> Result<(), kafka::Error> + Send + 'static,
) -> Result<(), Error> {
    let core = core.clone();
    let result = spawn_blocking(move |_| {
        let _turn = core.aio.transacting.lock().unwrap_or_else(PoisonError::into_inner);
        work(&core, &|| core.producer.closing())
    });
    match result.await {
        Err(kafka::Error::Interrupted) => {
            Err(kafka::Error::Closed { operation: "transaction", object: "producer" }.into())
        }
        result => Ok(result?),
    }
}
