//! Connecting without blocking: begun by the first who needs it, waited for by all.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use crate::kafka::Error;

use super::Core;

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

impl Connection {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn connected(&self) -> bool {
        matches!(*self.state(), State::Connected)
    }
}

impl Attempt {
    fn outcome(&self) -> MutexGuard<'_, Outcome> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until the producer is connected, which happens once. Cancelled, the attempt goes on: the next call waits for it.
/// One that failed is made anew by the next call.
pub async fn connect(core: &Arc<Core>) -> Result<(), Error> {
    let attempt = {
        let mut state = core.aio.connection.state();
        match &*state {
            State::Connected => return Ok(()),
            State::Connecting(attempt) => attempt.clone(),
            State::Idle => {
                let attempt = Arc::<Attempt>::default();
                let (theirs, core) = (attempt.clone(), core.clone());
                std::thread::Builder::new()
                    .name("kjson-connect".into())
                    .spawn(move || run(&core, &theirs))
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

fn run(core: &Arc<Core>, attempt: &Attempt) {
    // Nobody is left to use it, or it was closed meanwhile.
    let result = core.producer.connect(&|| Arc::strong_count(core) == 1 || core.producer.closing());
    let result = result.map_err(|error| match error {
        Error::Interrupted => Error::Closed { operation: "connect", object: "producer" },
        other => other,
    });
    *core.aio.connection.state() = if result.is_ok() { State::Connected } else { State::Idle };
    let mut outcome = attempt.outcome();
    outcome.0 = Some(result);
    let wakers = std::mem::take(&mut outcome.1);
    drop(outcome);
    crate::bindings::aio::port::batched(|| wakers.into_iter().for_each(Waker::wake));
}
