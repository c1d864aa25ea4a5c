//! Connecting without blocking: the first call that needs a connection starts it, and all calls wait for it.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use super::loop_waker::batched;
use crate::kafka::{self, Error};

#[derive(Default)]
pub struct Connection {
    state: Mutex<ConnectionState>,
}

#[derive(Default)]
enum ConnectionState {
    #[default]
    Idle,
    Connecting(Arc<ConnectAttempt>),
    Connected,
}

/// The result, once there is one, and the tasks that wait for it.
type AttemptState = (Option<Result<(), Error>>, Vec<Waker>);

#[derive(Default)]
struct ConnectAttempt {
    state: Mutex<AttemptState>,
}

/// A client that connects.
pub trait Connect: Send + Sync + 'static {
    fn connection(&self) -> &Connection;
    /// Blocks until it is connected. Ends early if `abandoned` returns true: the client was dropped.
    fn connect(&self, abandoned: &(dyn Fn() -> bool + Sync)) -> Result<(), Error>;
}

impl Connection {
    fn state(&self) -> MutexGuard<'_, ConnectionState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn is_connected(&self) -> bool {
        matches!(*self.state(), ConnectionState::Connected)
    }

    /// For a client that connected in a blocking call.
    pub fn mark_connected(&self) {
        *self.state() = ConnectionState::Connected;
    }
}

impl ConnectAttempt {
    fn state(&self) -> MutexGuard<'_, AttemptState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until the client is connected, which happens once. A failed attempt is repeated by the next call.
///
/// # Cancel safety
/// The attempt continues, and the next call waits for it.
pub async fn connect<T: Connect>(core: &Arc<T>) -> Result<(), Error> {
    let attempt = {
        let mut state = core.connection().state();
        match &*state {
            ConnectionState::Connected => return Ok(()),
            ConnectionState::Connecting(attempt) => attempt.clone(),
            ConnectionState::Idle => {
                let attempt = Arc::<ConnectAttempt>::default();
                let (started, core) = (attempt.clone(), core.clone());
                kafka::spawn("kjson-connect", move || run(&core, &started))
                    .map_err(|error| Error::Misuse(format!("no thread could be started to connect: {error}")))?;
                *state = ConnectionState::Connecting(attempt.clone());
                attempt
            }
        }
    };
    poll_fn(|context| {
        let mut state = attempt.state();
        match &state.0 {
            Some(result) => Poll::Ready(result.clone()),
            None => {
                state.1.push(context.waker().clone());
                Poll::Pending
            }
        }
    })
    .await
}

fn run<T: Connect>(core: &Arc<T>, attempt: &ConnectAttempt) {
    let result = core.connect(&|| Arc::strong_count(core) == 1);
    *core.connection().state() = if result.is_ok() { ConnectionState::Connected } else { ConnectionState::Idle };
    let mut state = attempt.state();
    state.0 = Some(result);
    let wakers = std::mem::take(&mut state.1);
    drop(state);
    batched(|| wakers.into_iter().for_each(Waker::wake));
}
