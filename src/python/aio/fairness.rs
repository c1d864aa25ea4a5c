//! Fairness, as tokio's `coop`: an operation that is ready at once never yields to the event loop, so it does now and
//! then.

use std::cell::Cell;
use std::future::poll_fn;
use std::task::Poll;
use std::time::{Duration, Instant};

/// How long a task may run before it yields to the loop's other tasks. Yielding costs about 10 us.
pub const TIME_SLICE: Duration = Duration::from_millis(1);

/// A program with rare operations does not yield: the loop has run between them.
const MIN_OPERATIONS: u32 = 4;

thread_local! {
    /// When the loop of this thread ran last, as far as we know, and how many operations were ready at once since.
    static LAST: Cell<(Option<Instant>, u32)> = const { Cell::new((None, 0)) };
    static YIELD_REQUESTED: Cell<bool> = const { Cell::new(false) };
}

/// Whether the task has used its time slice.
pub fn must_yield() -> bool {
    let (last, count) = LAST.get();
    if count < MIN_OPERATIONS || last.is_some_and(|last| last.elapsed() < TIME_SLICE) {
        LAST.set((last, count + 1));
        return false;
    }
    yielded();
    true
}

/// Starts a new time slice: the loop runs now.
pub fn yielded() {
    LAST.set((Some(Instant::now()), 0));
}

/// Lets the loop run once.
pub async fn yield_now() {
    let mut yielded = false;
    poll_fn(|_| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        YIELD_REQUESTED.set(true);
        Poll::Pending
    })
    .await;
}

/// Whether a pending operation only waits for the loop to run once.
pub fn take_yield_request() -> bool {
    YIELD_REQUESTED.take()
}
