//! Fetching away from the loop: a thread of the consumer's own waits for messages, and wakes the loop when there are some.
//!
//! What it fetches stays in the engine's buffer. When nobody waits any more it stops within a tick; whoever waits next
//! waits for that first, and takes what there is.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{channel, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use pyo3::prelude::*;

use crate::kafka::{self, Interrupt};
use crate::python::consumer::calls::Engine;
use crate::python::consumer::rebalance::Acting;

use super::{raised, AsyncConsumer, Core};

type Work = Box<dyn FnOnce(&Engine, Interrupt<'_>) -> Result<bool, kafka::Error> + Send>;

#[derive(Default)]
pub struct Fetcher {
    state: Mutex<State>,
    /// Somebody waits.
    wanted: AtomicBool,
    jobs: Mutex<Option<Sender<Job>>>,
}

#[derive(Default)]
enum State {
    #[default]
    Idle,
    Running(Option<Waker>),
    Ended(Result<bool, kafka::Error>),
}

struct Job {
    core: Arc<Core>,
    work: Work,
    acting: Option<Acting>,
}

impl Fetcher {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self, job: Job) -> Result<(), kafka::Error> {
        *self.state() = State::Running(None);
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let job = match &*jobs {
            None => job,
            Some(sender) => match sender.send(job) {
                Ok(()) => return Ok(()),
                Err(back) => back.0,
            },
        };
        let (sender, heard) = channel();
        let started = kafka::spawn("kjson-fetch", move || serve(&heard));
        if let Err(error) = started {
            *self.state() = State::Idle;
            return Err(kafka::Error::Misuse(format!("no thread could be started to fetch: {error}")));
        }
        let _ = sender.send(job);
        *jobs = Some(sender);
        Ok(())
    }
}

/// The thread, which ends with its consumer: that holds the other end.
fn serve(jobs: &Receiver<Job>) {
    while let Ok(Job { core, work, acting }) = jobs.recv() {
        let fetcher = &core.aio.fetcher;
        let interrupt = || !fetcher.wanted.load(Ordering::Acquire) || core.consumer.closing();
        let result = core.group.act(acting, || work(&core.consumer, &interrupt));
        let state = std::mem::replace(&mut *fetcher.state(), State::Ended(result));
        if let State::Running(Some(waker)) = state {
            waker.wake();
        }
    }
}

/// Somebody waits as long as this lives.
struct Wish<'a>(&'a Fetcher);

impl Drop for Wish<'_> {
    fn drop(&mut self) {
        self.0.wanted.store(false, Ordering::Release);
    }
}

/// Runs `work` on the fetching thread, and waits for what it returns. It is asked for anew where a wait that was cancelled
/// broke the last one off.
pub async fn fetch(consumer: &Py<AsyncConsumer>, work: impl Fn() -> Work) -> PyResult<bool> {
    let core = consumer.get().core()?;
    let fetcher = &core.aio.fetcher;
    Python::attach(|py| core.handled.note(py))?;
    let mut own = false;
    loop {
        fetcher.wanted.store(true, Ordering::Release);
        let _wish = Wish(fetcher);
        let ended = poll_fn(|context| {
            let mut state = fetcher.state();
            match &mut *state {
                State::Running(waker) => {
                    *waker = Some(context.waker().clone());
                    Poll::Pending
                }
                State::Idle => Poll::Ready(None),
                State::Ended(_) => match std::mem::take(&mut *state) {
                    State::Ended(result) => Poll::Ready(Some(result)),
                    _ => Poll::Ready(None),
                },
            }
        })
        .await;
        match ended {
            // What a callback raised comes out of the read.
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
        let acting = Python::attach(|py| core.acting_on_loop(py, || consumer.clone_ref(py).into_any()))?;
        raised(fetcher.start(Job { core: core.clone(), work: work(), acting }))?;
    }
}

pub fn job(work: impl FnOnce(&Engine, Interrupt<'_>) -> Result<bool, kafka::Error> + Send + 'static) -> Work {
    Box::new(work)
}
