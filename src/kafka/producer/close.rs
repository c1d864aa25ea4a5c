//! The end of a producer's work: flush, close, and what happens to a producer that is dropped without `close`.

use std::sync::atomic::Ordering;
use std::sync::PoisonError;
use std::time::Duration;

use super::state::{OpenClient, ProducerHooks, ProducerState};
use super::Producer;
use crate::kafka::client::background;
use crate::kafka::client::error::Error;
use crate::kafka::client::log::{Level, LogRecord};
use crate::kafka::client::unfinished;
use crate::kafka::client::wait::{check, Deadline, Interrupt, TICK};

/// The flush timeout of a producer that is dropped without `close`; the default of `close`.
const DROPPED: Duration = Duration::from_secs(30);

impl<H: ProducerHooks> Producer<H> {
    /// Waits until every message is acknowledged or failed, and raises the failures that the program has not seen.
    pub fn flush(&self, deadline: Deadline, interrupt: Interrupt<'_>) -> Result<(), Error> {
        let Some(open) = self.current() else {
            return Err(Error::Closed { operation: "flush", object: "producer" });
        };
        self.drain(&open, deadline, interrupt, || self.pending() == 0)?;
        self.state.failures.raise()
    }

    /// As `flush`, for a process that ends: it purges what is unacknowledged, so that `close` does not wait for it
    /// again.
    pub fn flush_at_exit(&self, deadline: Deadline, interrupt: Interrupt<'_>) -> Result<(), Error> {
        let Some(open) = self.current() else { return Ok(()) };
        self.refuse_in_callback("flush or close its producer")?;
        let enqueued = self.enqueue_all(&open, deadline, interrupt);
        // Only what is sent by now, since threads may never stop sending. `close` waits for the rest.
        let sent = self.state.sent.0.load(Ordering::SeqCst);
        let done = || self.pending() == 0 || self.state.reported.load(Ordering::SeqCst) >= sent;
        if let Err(error) = enqueued.and_then(|()| self.drain(&open, deadline, interrupt, done)) {
            self.state.log_unseen_failures("producer at exit");
            self.state.purge(&open, "producer at exit");
            let reported = Deadline::after(Some(Duration::from_millis(500)));
            let _ = self.state.progress.wait(reported, &|| false, || self.pending() == 0);
            self.state.failures.forget();
            return Err(error);
        }
        self.state.failures.raise()
    }

    fn drain(
        &self,
        open: &OpenClient<H>,
        deadline: Deadline,
        interrupt: Interrupt<'_>,
        done: impl Fn() -> bool,
    ) -> Result<(), Error> {
        self.refuse_in_callback("flush or close its producer")?;
        self.enqueue_all(open, deadline, interrupt)?;
        loop {
            if open.native.flush(deadline.step(TICK)) || done() {
                // librdkafka is done; the callbacks of the last batch may still run.
                if self.state.progress.wait(Deadline::after(Some(deadline.step(TICK))), interrupt, &done)? {
                    return Ok(());
                }
            }
            check(interrupt)?;
            if deadline.passed() {
                let remaining = self.pending();
                let cause = self.state.brokers.last_cause().map_or_else(String::new, |cause| format!(": {cause}"));
                let message = format!("{remaining} messages were not acknowledged within the timeout of flush{cause}");
                return if remaining == 0 { Ok(()) } else { Err(Error::FlushTimeout { message, remaining }) };
            }
        }
    }

    /// Flushes, purges what is unacknowledged at the deadline, and ends the client. Closing again does nothing.
    pub fn close(&self, deadline: Deadline, interrupt: Interrupt<'_>) -> Result<(), Error> {
        let Some(open) = self.current() else { return Ok(()) };
        self.refuse_in_callback("flush or close its producer")?;
        let enqueued = self.enqueue_all(&open, deadline, interrupt);
        // No new messages: the flush might never end, and a message after it would be lost in silence. Sends hold a
        // read lock of `topics`, so once the write lock is acquired, none is in progress.
        self.state.closing.store(true, Ordering::SeqCst);
        drop(open.topics.write().unwrap_or_else(PoisonError::into_inner));
        let drained = enqueued.and_then(|()| self.drain(&open, deadline, interrupt, || self.pending() == 0));
        self.state.accumulators.end();
        self.open.write().unwrap_or_else(PoisonError::into_inner).take();
        if drained.is_err() {
            self.state.purge(&open, "producer closed");
        }
        self.state.stop.store(true, Ordering::SeqCst);
        open.native.wake();
        drop(open);
        // Destroying the client joins librdkafka's threads. Wait for it a moment, so that a closed producer is really
        // gone.
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let limit = Deadline::after(Some(deadline.step(Duration::from_secs(1))));
        if drained.is_ok() {
            background::wait(&ended, limit, interrupt)?;
        }
        match drained {
            Err(Error::FlushTimeout { remaining, message }) => {
                Err(Error::FlushTimeout { remaining, message: format!("{message}. close has given them up") })
            }
            Err(other) => Err(other),
            Ok(()) => self.state.failures.raise(),
        }
    }
}

impl<H: ProducerHooks> ProducerState<H> {
    /// For the log: how many messages are neither acknowledged nor failed; None if there are none.
    pub fn unacknowledged(&self, event: &str) -> Option<String> {
        let count = self.pending();
        let cause = self.brokers.last_cause().map_or_else(String::new, |cause| format!(": {cause}"));
        (count > 0).then(|| format!("{event} with {count} messages unacknowledged, which are given up{cause}"))
    }

    /// Fails the messages that are queued or in flight, and logs how many.
    pub fn purge(&self, open: &OpenClient<H>, event: &str) {
        let loss = self.unacknowledged(event);
        open.native.purge();
        if let Some(text) = loss {
            self.hooks.log(LogRecord { level: Level::Error, text });
        }
        // Takes their reports, which end every wait for them.
        open.native.flush(Duration::from_millis(500));
    }

    /// Where no call is left that could raise them.
    pub fn log_unseen_failures(&self, event: &str) {
        if let Err(error) = self.failures.raise() {
            let text = format!("{event}: {error}");
            self.hooks.log(LogRecord { level: Level::Error, text });
        }
    }
}

impl<H: ProducerHooks> Drop for Producer<H> {
    fn drop(&mut self) {
        let Some(open) = self.open.get_mut().unwrap_or_else(PoisonError::into_inner).take() else { return };
        if self.forked() {
            // The threads that use it exist only in the parent.
            std::mem::forget(open);
            return;
        }
        self.state.accumulators.end();
        let state = self.state.clone();
        if state.pending() == 0 {
            state.log_unseen_failures("producer dropped without close");
            state.stop.store(true, Ordering::SeqCst);
            return;
        }
        // A thread delivers what is queued; the end of the program waits for it.
        let deadline = Deadline::after(Some(DROPPED));
        let loss = {
            let state = state.clone();
            move || state.unacknowledged("producer dropped without close")
        };
        let guard = unfinished::register(DROPPED, loss);
        drop(background::run("kjson-close", move || {
            open.native.flush(deadline.step(DROPPED));
            // The report thread takes the last reports and runs their callbacks.
            let _ = state.progress.wait(deadline, &|| false, || state.pending() == 0);
            state.log_unseen_failures("producer dropped without close");
            state.purge(&open, "producer closed");
            state.stop.store(true, Ordering::SeqCst);
            drop(guard);
        }));
    }
}
