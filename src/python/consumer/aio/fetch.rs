//! Fetches messages on a thread of the consumer, which wakes the event loop when there are some.
//!
//! Fetched messages stay in the engine's buffer. When the wait is cancelled the thread stops within a tick; the next
//! wait waits for that first, and takes what was fetched.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{channel, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use pyo3::prelude::*;

use crate::kafka::{self, Interrupt};
use crate::python::consumer::rebalance::CallbackContext;
use crate::python::consumer::rebalance::KafkaConsumer;

use super::{raised, AsyncConsumer, ConsumerCore};

type FetchFn = Box<dyn FnOnce(&KafkaConsumer, Interrupt<'_>) -> Result<bool, kafka::Error> + Send>;

#[derive(Default)]
pub struct FetchThread {
    state: Mutex<FetchState>,
    /// A task waits.
    awaited: AtomicBool,
    jobs: Mutex<Option<Sender<FetchJob>>>,
}

#[derive(Default)]
enum FetchState {
    #[default]
    Idle,
    Running(Option<Waker>),
    Ended(Result<bool, kafka::Error>),
}

struct FetchJob {
    core: Arc<ConsumerCore>,
    work: FetchFn,
    acting: Option<CallbackContext>,
}

impl FetchThread {
    fn state(&self) -> MutexGuard<'_, FetchState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self, job: FetchJob) -> Result<(), kafka::Error> {
        *self.state() = FetchState::Running(None);
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let job = match &*jobs {
            None => job,
            Some(sender) => match sender.send(job) {
                Ok(()) => return Ok(()),
                Err(back) => back.0,
            },
        };
        let (sender, receiver) = channel();
        let started = kafka::spawn("kjson-fetch", move || serve(&receiver));
        if let Err(error) = started {
            *self.state() = FetchState::Idle;
            return Err(kafka::Error::Misuse(format!("no thread could be started to fetch: {error}")));
        }
        let _ = sender.send(job);
        *jobs = Some(sender);
        Ok(())
    }
}

/// The thread. It ends when its consumer, which owns the sender, is dropped.
fn serve(jobs: &Receiver<FetchJob>) {
    while let Ok(FetchJob { core, work, acting }) = jobs.recv() {
        let fetch_thread = &core.aio.fetch_thread;
        let interrupt = || !fetch_thread.awaited.load(Ordering::Acquire) || core.consumer.closing();
        let result = core.group.run_with(acting, || work(&core.consumer, &interrupt));
        let state = std::mem::replace(&mut *fetch_thread.state(), FetchState::Ended(result));
        if let FetchState::Running(Some(waker)) = state {
            waker.wake();
        }
    }
}

/// A task waits while this lives.
struct WaitGuard<'a>(&'a FetchThread);

impl Drop for WaitGuard<'_> {
    fn drop(&mut self) {
        self.0.awaited.store(false, Ordering::Release);
    }
}

/// Runs `work` on the fetch thread, and waits for its result. Runs it again if a cancelled wait interrupted the last
/// one.
pub async fn fetch(consumer: &Py<AsyncConsumer>, work: impl Fn() -> FetchFn) -> PyResult<bool> {
    let core = consumer.get().core()?;
    let fetch_thread = &core.aio.fetch_thread;
    Python::attach(|py| core.handled_exception.note(py))?;
    let mut own = false;
    loop {
        fetch_thread.awaited.store(true, Ordering::Release);
        let _guard = WaitGuard(fetch_thread);
        let ended = poll_fn(|context| {
            let mut state = fetch_thread.state();
            match &mut *state {
                FetchState::Running(waker) => {
                    *waker = Some(context.waker().clone());
                    Poll::Pending
                }
                FetchState::Idle => Poll::Ready(None),
                FetchState::Ended(_) => match std::mem::take(&mut *state) {
                    FetchState::Ended(result) => Poll::Ready(Some(result)),
                    _ => Poll::Ready(None),
                },
            }
        })
        .await;
        match ended {
            // The read raises what a callback raised.
            Some(Err(kafka::Error::Interrupted)) => {
                if let Some(error) = core.group.take_raised() {
                    return Err(error);
                }
                if core.consumer.closing() {
                    return raised(Err(kafka::Error::Closed { operation: "read", object: "consumer" }));
                }
            }
            Some(Err(error)) => return raised(Err(error)),
            Some(Ok(found)) if found || own => return Ok(found),
            _ => {}
        }
        own = true;
        let acting = Python::attach(|py| core.callback_context(py, || consumer.clone_ref(py).into_any()))?;
        raised(fetch_thread.start(FetchJob { core: core.clone(), work: work(), acting }))?;
    }
}

pub fn fetch_fn(
    work: impl FnOnce(&KafkaConsumer, Interrupt<'_>) -> Result<bool, kafka::Error> + Send + 'static,
) -> FetchFn {
    Box::new(work)
}
