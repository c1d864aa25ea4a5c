//! librdkafka's callbacks: logs and errors are passed on, rebalances and commits are queued for the reading thread.
//!
//! A rebalance is not handled inside its callback: librdkafka waits for the call that assigns or revokes, as it does
//! for programs that take rebalances as events (INTRODUCTION.md, "Rebalance callbacks"). So the program's own callback
//! runs outside librdkafka, with no lock held, and may commit and seek.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::ConsumerHooks;
use crate::kafka::client::brokers::Brokers;
use crate::kafka::client::log::{Level, LogRecord, LogThrottle};
use crate::librdkafka::callbacks::ClientEvents;
use crate::librdkafka::code::Code;
use crate::librdkafka::partitions::Entry;

/// What librdkafka's callbacks use.
pub(super) struct ConsumerContext<H> {
    pub(super) hooks: H,
    pub(super) brokers: Arc<Brokers>,
    pub(super) log_throttle: LogThrottle,
    /// Reported during a fetch, and handled after it.
    pub(super) events: Mutex<VecDeque<QueuedEvent>>,
    pub(super) muted: AtomicBool,
    pub(super) received: AtomicU64,
    pub(super) received_bytes: AtomicU64,
    pub(super) rebalances: AtomicU64,
    /// A request to join the group is under way.
    pub(super) joining: AtomicBool,
    /// A member without partitions unsubscribes before it leaves, see `unsubscribe_first`.
    pub(super) unsubscribes_first: bool,
}

pub(super) enum QueuedEvent {
    Rebalance { assign: bool, partitions: Vec<Entry> },
    Committed { code: Code, offsets: Vec<Entry> },
}

impl<H: ConsumerHooks> ConsumerContext<H> {
    pub(super) fn warn(&self, text: String) {
        self.hooks.log(LogRecord { level: Level::Warning, text });
    }

    pub(super) fn next_event(&self) -> Option<QueuedEvent> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    fn queue(&self, event: QueuedEvent) {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push_back(event);
    }

    /// Whether a queued rebalance revokes a partition.
    pub(super) fn is_revoked(&self, matches: impl Fn(&Entry) -> bool) -> bool {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|event| match event {
            QueuedEvent::Rebalance { assign: false, partitions } => partitions.iter().any(&matches),
            _ => false,
        })
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
