//! Connecting without blocking: begun by the first who needs it, waited for by all.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use super::loop_waker::batched;
use crate::kafka::{self, Error};

#[derive(Default)]
pub struct Connection {
    state: Mutex<State>,
}

#[derive(Default)]
enum State {
    #[default]
    Idle,
    Connecting(Arc<Attempt>),
    Connected,
}

/// How it ended, once it has, and who waits for that.
type Outcome = (Option<Result<(), Error>>, Vec<Waker>);

#[derive(Default)]
struct Attempt {
    outcome: Mutex<Outcome>,
}

/// What has a connection.
pub trait Connects: Send + Sync + 'static {
    fn connection(&self) -> &Connection;
    /// Blocks until it is connected. `alone` says that nobody else holds it any more.
    fn connect(&self, alone: &(dyn Fn() -> bool + Sync)) -> Result<(), Error>;
}

impl Connection {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn connected(&self) -> bool {
        matches!(*self.state(), State::Connected)
    }

    /// It was connected by somebody who blocked.
    pub fn made(&self) {
        *self.state() = State::Connected;
    }
}

impl Attempt {
    fn outcome(&self) -> MutexGuard<'_, Outcome> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until it is connected, which happens once. Cancelled, the attempt goes on: the next call waits for it. One that
/// failed is made anew by the next call.
pub async fn connect<T: Connects>(core: &Arc<T>) -> Result<(), Error> {
    let attempt = {
        let mut state = core.connection().state();
        match &*state {
            State::Connected => return Ok(()),
            State::Connecting(attempt) => attempt.clone(),
            State::Idle => {
                let attempt = Arc::<Attempt>::default();
                let (theirs, core) = (attempt.clone(), core.clone());
                kafka::spawn("kjson-connect", move || run(&core, &theirs))
                    .map_err(|error| Error::Misuse(format!("no thread could be started to connect: {error}")))?;
                *state = State::Connecting(attempt.clone());
                attempt
            }
        }
    };
    poll_fn(|context| {
        let mut outcome = attempt.outcome();
        match &outcome.0 {
            Some(result) => Poll::Ready(result.clone()),
            None => {
                outcome.1.push(context.waker().clone());
                Poll::Pending
            }
        }
    })
    .await
}

fn run<T: Connects>(core: &Arc<T>, attempt: &Attempt) {
    let result = core.connect(&|| Arc::strong_count(core) == 1);
    *core.connection().state() = if result.is_ok() { State::Connected } else { State::Idle };
    let mut outcome = attempt.outcome();
    outcome.0 = Some(result);
    let wakers = std::mem::take(&mut outcome.1);
    drop(outcome);
    batched(|| wakers.into_iter().for_each(Waker::wake));
}
