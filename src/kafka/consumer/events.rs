//! What librdkafka reports to a consumer: logs and errors are passed on, rebalances and commits kept for the reading thread.
//!
//! A rebalance is not acted on inside its callback: librdkafka waits for the call that assigns or gives up, as it does for
//! those who take rebalances as events (INTRODUCTION.md, "Rebalance callbacks"). So the program's own callback runs with no
//! lock held, outside librdkafka, and may commit and seek.

use std::sync::atomic::Ordering;
use std::sync::PoisonError;

use super::{ConsumerContext, ConsumerHooks};
use crate::librdkafka::callbacks::ClientEvents;
use crate::librdkafka::code::Code;
use crate::librdkafka::partitions::Entry;

pub(super) enum QueuedEvent {
    Rebalance { assign: bool, partitions: Vec<Entry> },
    Committed { code: Code, offsets: Vec<Entry> },
}

impl<H: ConsumerHooks> ConsumerContext<H> {
    pub(super) fn next_event(&self) -> Option<QueuedEvent> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    fn queue(&self, event: QueuedEvent) {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push_back(event);
    }

    /// Whether a partition was taken away in a rebalance that has not been acted on.
    pub(super) fn is_revoked(&self, is_of: impl Fn(&Entry) -> bool) -> bool {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).iter().any(
            |event| matches!(event, QueuedEvent::Rebalance { assign: false, partitions } if partitions.iter().any(&is_of)),
        )
    }

    pub(super) fn has_revocation(&self) -> bool {
        self.is_revoked(|_| true)
    }
}

impl<H: ConsumerHooks> ClientEvents for ConsumerContext<H> {
    fn log(&self, level: i32, facility: &str, text: &str) {
        if !self.muted.load(Ordering::Relaxed) {
            if let Some(record) = self.log_throttle.filter(level, facility, text) {
                self.hooks.log(record);
            }
        }
    }

    fn error(&self, code: Code, reason: &str) {
        self.brokers.record_error(code, reason);
        self.hooks.error(code, reason);
    }

    fn statistics(&self, json: &str) {
        self.hooks.statistics(json);
    }

    fn rebalance(&self, code: Code, partitions: &[Entry]) {
        self.queue(QueuedEvent::Rebalance { assign: code == Code::ASSIGN_PARTITIONS, partitions: partitions.to_vec() });
    }

    fn committed(&self, code: Code, offsets: &[Entry]) {
        if code != Code::NO_OFFSET {
            self.queue(QueuedEvent::Committed { code, offsets: offsets.to_vec() });
        }
    }

    fn joining(&self, under_way: bool) {
        self.joining.store(under_way, Ordering::SeqCst);
    }
}
