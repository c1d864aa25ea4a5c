//! Flushes from a thread for tasks that await a delivery on an event loop, so that `linger_ms` does not delay them.
//!
//! `Producer::wait_until` does the same for waits on threads. The thread starts with the first request.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{channel, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use super::state::{OpenClient, ProducerHooks, ProducerState};
use crate::kafka::client::wait::TICK;
use crate::os::thread::spawn;

/// Wakes the thread, once it runs.
#[derive(Default)]
pub(super) struct EarlyFlush(Mutex<Option<Sender<()>>>);

impl EarlyFlush {
    /// Returns at once. Requests that come before the thread takes one up count as one.
    pub fn request<H: ProducerHooks>(
        &self,
        state: &Arc<ProducerState<H>>,
        open: impl FnOnce() -> Option<Arc<OpenClient<H>>>,
    ) {
        if state.flush_requested.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut requests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if requests.as_ref().is_some_and(|requests| requests.send(()).is_ok()) {
            return;
        }
        let Some(open) = open() else { return };
        let (sender, receiver) = channel();
        let _ = sender.send(());
        let (state, open) = (state.clone(), Arc::downgrade(&open));
        // If no thread can be started, linger_ms delays the message.
        *requests = spawn("kjson-flush", move || flush(&state, &open, &receiver)).is_ok().then_some(sender);
    }
}

/// Ends with the producer, which owns the sender of `requests`.
fn flush<H: ProducerHooks>(state: &ProducerState<H>, open: &Weak<OpenClient<H>>, requests: &Receiver<()>) {
    while requests.recv().is_ok() {
        loop {
            state.flush_requested.store(false, Ordering::Release);
            let Some(open) = open.upgrade() else { return };
            let sent = state.sent.0.load(Ordering::SeqCst);
            if open.native.flush(Duration::from_millis(2)) {
                break;
            }
            drop(open);
            // Most messages are sent by now and not yet acknowledged. But one whose topic was unknown could not be
            // sent, so this repeats until all are reported.
            match requests.recv_timeout(TICK) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout) if state.reported.load(Ordering::SeqCst) < sent => {}
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }
}
