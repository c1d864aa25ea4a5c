//! Fairness: an operation that is ready at once never gives the loop its turn, so now and then it does.

use std::cell::Cell;
use std::future::poll_fn;
use std::task::Poll;
use std::time::{Duration, Instant};

/// How long a task may go on before the loop's other tasks have their turn. One costs about 10 us.
pub const SLICE: Duration = Duration::from_millis(1);

/// A program that does one thing now and then is not made to wait for a turn that the loop had in between.
const AT_LEAST: u32 = 4;

thread_local! {
    /// When the loop of this thread had its last turn, as far as we know, and how much was ready at once since.
    static LAST: Cell<(Option<Instant>, u32)> = const { Cell::new((None, 0)) };
    static ASKED: Cell<bool> = const { Cell::new(false) };
}

/// Whether it is time for the loop's turn.
pub fn due() -> bool {
    let (last, count) = LAST.get();
    if count < AT_LEAST || last.is_some_and(|last| last.elapsed() < SLICE) {
        LAST.set((last, count + 1));
        return false;
    }
    had();
    true
}

/// The loop has its turn now.
pub fn had() {
    LAST.set((Some(Instant::now()), 0));
}

/// Lets the loop run once.
pub async fn give() {
    let mut given = false;
    poll_fn(|_| {
        if std::mem::replace(&mut given, true) {
            return Poll::Ready(());
        }
        ASKED.set(true);
        Poll::Pending
    })
    .await;
}

/// Whether a pending operation only wants the loop to run once.
pub fn asked() -> bool {
    ASKED.take()
}
