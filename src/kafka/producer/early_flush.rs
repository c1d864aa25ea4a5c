//! Has what waits for `linger_ms` sent now, because somebody waits who has no thread to wait on: what `wait_until` does
//! for those who have, done by a thread of the producer's own, which starts with the first wish.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{channel, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use super::reports::Shared;
use super::{Open, Producer, ProducerHooks};
use crate::kafka::client::wait::TICK;
use crate::os::thread::spawn;

#[derive(Default)]
pub(super) struct EarlyFlush {
    bell: Mutex<Option<Sender<()>>>,
    wished: Arc<AtomicBool>,
}

impl<H: ProducerHooks> Producer<H> {
    /// Returns at once. Wishes that come while one is not taken up yet are one.
    pub fn hurry(&self) {
        if self.hurry.wished.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut bell = self.hurry.bell.lock().unwrap_or_else(PoisonError::into_inner);
        if bell.as_ref().is_some_and(|bell| bell.send(()).is_ok()) {
            return;
        }
        let Some(open) = self.current() else { return };
        let (sender, heard) = channel();
        let _ = sender.send(());
        let (shared, open, wished) = (self.shared.clone(), Arc::downgrade(&open), self.hurry.wished.clone());
        let run = move || push(&shared, &open, &wished, &heard);
        // Without a thread to be had, linger_ms is sat out.
        *bell = spawn("kjson-flush", run).is_ok().then_some(sender);
    }
}

/// Ends with the producer: it holds the other end of `heard`.
fn push<H: ProducerHooks>(shared: &Shared<H>, open: &Weak<Open<H>>, wished: &AtomicBool, heard: &Receiver<()>) {
    while heard.recv().is_ok() {
        loop {
            wished.store(false, Ordering::Release);
            let Some(open) = open.upgrade() else { return };
            let sent = shared.sent.0.load(Ordering::SeqCst);
            if open.native.flush(Duration::from_millis(2)) {
                break;
            }
            drop(open);
            // Sent, most of the time, and not confirmed yet; but a message whose topic was not known was not there to be
            // sent, so it is done again until all are through.
            match heard.recv_timeout(TICK) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout) if shared.reported.load(Ordering::SeqCst) < sent => {}
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }
}
