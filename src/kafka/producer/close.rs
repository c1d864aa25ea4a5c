//! The end of a producer's work: flush, close, and what happens to one that is let go without.

use std::sync::atomic::Ordering;
use std::sync::PoisonError;
use std::time::Duration;

use super::reports::Shared;
use super::{Open, Producer, ProducerHooks};
use crate::kafka::client::background;
use crate::kafka::client::error::Error;
use crate::kafka::client::log::{Level, LogRecord};
use crate::kafka::client::unfinished;
use crate::kafka::client::wait::{check, Deadline, Interrupt, TICK};

/// How long the messages of a producer that was dropped without `close` have, as those of one that is closed.
const DROPPED: Duration = Duration::from_secs(30);

impl<H: ProducerHooks> Producer<H> {
    /// Waits until every message is confirmed or failed, and raises what failed and nobody saw.
    pub fn flush(&self, deadline: Deadline, interrupt: Interrupt<'_>) -> Result<(), Error> {
        let Some(open) = self.current() else {
            return Err(Error::Closed { operation: "flush", object: "producer" });
        };
        self.drain(&open, deadline, interrupt, || self.pending() == 0)?;
        self.shared.failures.raise()
    }

    /// As `flush`, for a process that ends: what is not confirmed then is given up, and does not wait for `close` once more.
    pub fn settle(&self, deadline: Deadline, interrupt: Interrupt<'_>) -> Result<(), Error> {
        let Some(open) = self.current() else { return Ok(()) };
        self.refuse_in_callback("flush or close its producer")?;
        let handed_over = self.hand_over_all(&open, deadline, interrupt);
        // Threads may go on sending, which has no end. `close` waits for the rest.
        let sent = self.shared.sent.0.load(Ordering::SeqCst);
        let settled = || self.pending() == 0 || self.shared.reported.load(Ordering::SeqCst) >= sent;
        if let Err(error) = handed_over.and_then(|()| self.drain(&open, deadline, interrupt, settled)) {
            self.shared.log_unseen_failures("producer at exit");
            self.shared.give_up(&open, "producer at exit");
            let reported = Deadline::after(Some(Duration::from_millis(500)));
            let _ = self.shared.progress.wait(reported, &|| false, || self.pending() == 0);
            self.shared.failures.forget();
            return Err(error);
        }
        self.shared.failures.raise()
    }

    fn drain(
        &self,
        open: &Open<H>,
        deadline: Deadline,
        interrupt: Interrupt<'_>,
        done: impl Fn() -> bool,
    ) -> Result<(), Error> {
        self.refuse_in_callback("flush or close its producer")?;
        self.hand_over_all(open, deadline, interrupt)?;
        loop {
            if open.native.flush(deadline.step(TICK)) || done() {
                // librdkafka is done; what is left is the callbacks of the last batch.
                if self.shared.progress.wait(Deadline::after(Some(deadline.step(TICK))), interrupt, &done)? {
                    return Ok(());
                }
            }
            check(interrupt)?;
            if deadline.passed() {
                let remaining = self.pending();
                let cause = self.shared.brokers.last_cause().map_or_else(String::new, |cause| format!(": {cause}"));
                let message = format!("{remaining} messages were not confirmed in the time given to flush{cause}");
                return if remaining == 0 { Ok(()) } else { Err(Error::FlushTimeout { message, remaining }) };
            }
        }
    }

    /// A delivery callback runs on the thread that reports deliveries: it cannot wait for more of them.
    pub(super) fn refuse_in_callback(&self, operation: &str) -> Result<(), Error> {
        if self.on_report_thread() {
            return Err(Error::Misuse(format!(
                "a delivery callback cannot {operation}: it runs on the thread that reports deliveries"
            )));
        }
        Ok(())
    }

    /// Flushes, gives up what the deadline leaves, and ends the client. Closing again does nothing.
    pub fn close(&self, deadline: Deadline, interrupt: Interrupt<'_>) -> Result<(), Error> {
        let Some(open) = self.current() else { return Ok(()) };
        self.refuse_in_callback("flush or close its producer")?;
        let handed_over = self.hand_over_all(&open, deadline, interrupt);
        // No new messages, or the flush would never end, and one that comes after it would be lost without a word. Sends
        // hold the read side of this lock: when the write side was to be had, those under way are through.
        self.shared.closing.store(true, Ordering::SeqCst);
        drop(open.topics.write().unwrap_or_else(PoisonError::into_inner));
        let drained = handed_over.and_then(|()| self.drain(&open, deadline, interrupt, || self.pending() == 0));
        self.shared.accumulators.end();
        self.open.write().unwrap_or_else(PoisonError::into_inner).take();
        if drained.is_err() {
            self.shared.give_up(&open, "producer closed");
        }
        self.shared.stop.store(true, Ordering::SeqCst);
        open.native.wake();
        drop(open);
        // The destroy joins librdkafka's threads. Let it have a moment, so that a closed producer is really gone.
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let patience = Deadline::after(Some(deadline.step(Duration::from_secs(1))));
        if drained.is_ok() {
            background::wait(&ended, patience, interrupt)?;
        }
        match drained {
            Err(Error::FlushTimeout { remaining, message }) => {
                Err(Error::FlushTimeout { remaining, message: format!("{message}. They are given up with the close") })
            }
            Err(other) => Err(other),
            Ok(()) => self.shared.failures.raise(),
        }
    }
}

impl<H: ProducerHooks> Shared<H> {
    /// How many messages are neither confirmed nor failed, for the log; None where all are.
    pub fn unconfirmed(&self, whose: &str) -> Option<String> {
        let count = self.pending();
        let cause = self.brokers.last_cause().map_or_else(String::new, |cause| format!(": {cause}"));
        (count > 0).then(|| format!("{whose} with {count} messages unconfirmed, which are given up{cause}"))
    }

    /// Fails what is still queued or unconfirmed, and says how much that was.
    pub fn give_up(&self, open: &Open<H>, whose: &str) {
        let loss = self.unconfirmed(whose);
        open.native.purge();
        if let Some(text) = loss {
            self.hooks.log(LogRecord { level: Level::Error, text });
        }
        // Their reports end every wait for them.
        open.native.flush(Duration::from_millis(500));
    }

    /// For where nobody is left to raise them to.
    pub fn log_unseen_failures(&self, whose: &str) {
        if let Err(error) = self.failures.raise() {
            let text = format!("{whose}: {error}");
            self.hooks.log(LogRecord { level: Level::Error, text });
        }
    }
}

impl<H: ProducerHooks> Drop for Producer<H> {
    fn drop(&mut self) {
        let Some(open) = self.open.get_mut().unwrap_or_else(PoisonError::into_inner).take() else { return };
        if self.forked() {
            // The threads that use it exist in the parent only.
            std::mem::forget(open);
            return;
        }
        self.shared.accumulators.end();
        let shared = self.shared.clone();
        if shared.pending() == 0 {
            shared.log_unseen_failures("producer dropped without close");
            shared.stop.store(true, Ordering::SeqCst);
            return;
        }
        // Dropped without a close: what is queued is delivered by a thread, which the end of the program waits for.
        let deadline = Deadline::after(Some(DROPPED));
        let loss = {
            let shared = shared.clone();
            move || shared.unconfirmed("producer dropped without close")
        };
        let under_way = unfinished::register(DROPPED, loss);
        drop(background::run("kjson-close", move || {
            open.native.flush(deadline.step(DROPPED));
            // The report thread takes the last reports and runs their callbacks.
            let _ = shared.progress.wait(deadline, &|| false, || shared.pending() == 0);
            shared.log_unseen_failures("producer dropped without close");
            shared.give_up(&open, "producer closed");
            shared.stop.store(true, Ordering::SeqCst);
            drop(under_way);
        }));
    }
}
