//! Transactions on an event loop: the same steps as the synchronous ones, each on a thread.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use pyo3::prelude::*;

use crate::error::Error;
use crate::kafka::{self, Interrupt};
use crate::python::aio::connection::connect;
use crate::python::aio::operation::Operation;
use crate::python::aio::spawn_blocking::spawn_blocking;
use crate::python::blocking::deadline;
use crate::python::group_metadata::GroupMetadata;
use crate::python::notifier;
use crate::python::partitions::offsets_of;
use crate::python::producer::transaction::TIMEOUT;

use super::{AsyncProducer, ProducerCore};

/// A transaction as an `async with` block: see `AsyncProducer.transaction`.
#[pyclass(module = "kjson", frozen)]
pub struct AsyncTransaction {
    pub core: Arc<ProducerCore>,
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

/// An exception leaves the block: one of the abort is logged and does not replace it.
async fn leave_aborted(core: &Arc<ProducerCore>) -> PyResult<()> {
    match abort(core, Some(TIMEOUT)).await {
        Err(Error::Forked { .. }) => Ok(()),
        other => notifier::log_instead("producer", other),
    }
}

pub async fn begin(core: &Arc<ProducerCore>) -> Result<(), Error> {
    core.usable()?;
    connect(core).await?;
    core.aio.committed.store(false, Ordering::Release);
    step(core, |core, interrupt| core.producer.begin_transaction(interrupt)).await
}

/// A commit whose wait was cancelled may succeed; the next call returns its result.
pub async fn commit(core: &Arc<ProducerCore>, timeout: Option<f64>) -> Result<(), Error> {
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

pub async fn abort(core: &Arc<ProducerCore>, timeout: Option<f64>) -> Result<(), Error> {
    core.usable()?;
    let deadline = deadline(timeout)?;
    step(core, move |core, interrupt| core.producer.abort_transaction(deadline, interrupt)).await
}

/// Runs one step at a time. A step whose wait was cancelled runs to its end before the next begins.
pub async fn step(
    core: &Arc<ProducerCore>,
    work: impl FnOnce(&ProducerCore, Interrupt<'_>) -> Result<(), kafka::Error> + Send + 'static,
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

#[pymethods]
impl AsyncProducer {
    /// A transaction as an `async with` block: commits at its end, or aborts if an exception leaves it.
    fn transaction(&self) -> PyResult<AsyncTransaction> {
        Ok(AsyncTransaction { core: self.core()?.clone() })
    }

    /// Begin a transaction.
    fn begin_transaction(&self) -> PyResult<Operation> {
        let core = self.core()?.clone();
        Ok(Operation::from_future("AsyncProducer.begin_transaction", async move { Ok(begin(&core).await?) }))
    }

    /// Flush and commit: consumers with `isolation_level="read_committed"` see all of it from now on.
    #[pyo3(signature = (timeout=Some(TIMEOUT)), text_signature = "($self, timeout=60.0)")]
    fn commit_transaction(&self, timeout: Option<f64>) -> PyResult<Operation> {
        let core = self.core()?.clone();
        Ok(Operation::from_future("AsyncProducer.commit_transaction", async move { Ok(commit(&core, timeout).await?) }))
    }

    /// Abort the open transaction: `read_committed` consumers see none of its messages.
    #[pyo3(signature = (timeout=Some(TIMEOUT)), text_signature = "($self, timeout=60.0)")]
    fn abort_transaction(&self, timeout: Option<f64>) -> PyResult<Operation> {
        let core = self.core()?.clone();
        Ok(Operation::from_future("AsyncProducer.abort_transaction", async move { Ok(abort(&core, timeout).await?) }))
    }

    /// Commit a consumer's offsets with the transaction: exactly once from topic to topic (KIP-98, KIP-447).
    #[pyo3(
        signature = (offsets, group_metadata, *, timeout=Some(TIMEOUT)),
        text_signature = "($self, offsets, group_metadata, *, timeout=60.0)"
    )]
    fn send_offsets_to_transaction(
        &self,
        py: Python<'_>,
        offsets: &Bound<'_, PyAny>,
        group_metadata: &GroupMetadata,
        timeout: Option<f64>,
    ) -> PyResult<Operation> {
        const NAME: &str = "AsyncProducer.send_offsets_to_transaction";
        let offsets: Vec<_> = match offsets_of("send_offsets_to_transaction", offsets) {
            Ok(offsets) => offsets.into_iter().collect(),
            Err(error) => return Ok(Operation::ready::<()>(py, NAME, Err(error))),
        };
        let (core, group) = (self.core()?.clone(), group_metadata.0.clone());
        Ok(Operation::from_future(NAME, async move {
            core.usable()?;
            let deadline = deadline(timeout)?;
            let send = move |core: &ProducerCore, interrupt: Interrupt<'_>| {
                core.producer.send_offsets(offsets, group, deadline, interrupt)
            };
            Ok(step(&core, send).await?)
        }))
    }
}
