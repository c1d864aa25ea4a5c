//! What the parts of a producer share: the native client, the program's hooks, and the state that every thread reaches.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::thread::ThreadId;

use super::accumulator::Accumulators;
use super::delivery::{Callbacks, DeliveryState, TopicId};
use super::delivery_batch::Batches;
use super::failures::Failures;
use super::progress::Progress;
use super::transaction_state::TransactionState;
use crate::kafka::client::brokers::Brokers;
use crate::kafka::client::config::Config;
use crate::kafka::client::log::{LogSink, LogThrottle};
use crate::librdkafka::client::Topic;
use crate::librdkafka::code::Code;
use crate::librdkafka::producer::NativeProducer;

pub trait ProducerHooks: LogSink {
    type Callback: Send + Sync + 'static;
    /// Called on the report thread, once per batch of reports, with the messages that have callbacks.
    fn completed(&self, name: &dyn Fn(TopicId) -> Arc<str>, batch: Vec<Completed<Self::Callback>>);
    /// Called on the report thread after `count` messages have left the queue.
    fn moved(&self, count: usize);
    fn error(&self, code: Code, reason: &str);
    fn statistics(&self, json: &str);
}

pub type Completed<C> = (Arc<DeliveryState<C>>, Callbacks<C>);

pub(super) type DeliveryOf<H> = DeliveryState<<H as ProducerHooks>::Callback>;

/// The topics are dropped before the client that they belong to. `ProducerState::topic_names` is locked before
/// `topics`.
pub(super) struct OpenClient<H: ProducerHooks> {
    /// By `TopicId`.
    pub topics: RwLock<Vec<Topic>>,
    pub native: NativeProducer<DeliveryOf<H>>,
}

pub(super) struct ProducerState<H: ProducerHooks> {
    pub hooks: H,
    pub brokers: Arc<Brokers>,
    pub collapse: LogThrottle,
    pub progress: Progress,
    /// Messages enqueued. Less `reported`, which counts them after their callbacks: the messages in flight.
    pub sent: SentCounter,
    pub reported: AtomicUsize,
    /// How many batches of reports were taken; a change means that the queue may have space.
    pub polls: AtomicU64,
    pub counters: Counters,
    pub batches: Batches,
    pub accumulators: Accumulators,
    pub topic_names: RwLock<TopicNames>,
    pub failures: Failures<H::Callback>,
    /// `close` has begun: no new messages.
    pub closing: AtomicBool,
    /// An early flush that its thread has not taken up.
    pub flush_requested: AtomicBool,
    /// The fatal error of the producer.
    pub fatal: OnceLock<String>,
    pub stop: AtomicBool,
    pub transactions_ready: AtomicBool,
    pub transaction: TransactionState,
    pub report_thread: Mutex<Option<ThreadId>>,
    pub timeout_ms: String,
}

/// On its own cache lines: sending threads write it for every message, the report thread writes most of the rest.
#[repr(align(128))]
#[derive(Default)]
pub(super) struct SentCounter(pub AtomicUsize);

/// The names of the topics that were sent to, by `TopicId` and back.
#[derive(Default)]
pub(super) struct TopicNames {
    pub list: Vec<Arc<str>>,
    pub ids: HashMap<Arc<str>, TopicId>,
}

/// What `metrics` counts.
#[derive(Default)]
pub(super) struct Counters {
    pub delivered: AtomicU64,
    pub delivered_bytes: AtomicU64,
    pub failed: AtomicU64,
}

impl Counters {
    /// Called before any notification, so that a program that waited for a message finds it counted. Only the report
    /// thread calls it, so no atomic addition is needed.
    pub fn count_delivered(&self, bytes: usize) {
        let add = |count: &AtomicU64, more| count.store(count.load(Ordering::Relaxed) + more, Ordering::Relaxed);
        add(&self.delivered, 1);
        add(&self.delivered_bytes, bytes as u64);
    }
}

impl<H: ProducerHooks> ProducerState<H> {
    pub fn new(config: &Config, hooks: H) -> Self {
        ProducerState {
            hooks,
            brokers: Arc::new(Brokers::new(config.bootstrap_addresses())),
            collapse: LogThrottle::default(),
            progress: Progress::default(),
            sent: SentCounter::default(),
            reported: AtomicUsize::new(0),
            polls: AtomicU64::new(0),
            counters: Counters::default(),
            batches: Batches::default(),
            accumulators: Accumulators::default(),
            topic_names: RwLock::default(),
            failures: Failures::default(),
            closing: AtomicBool::new(false),
            flush_requested: AtomicBool::new(false),
            fatal: OnceLock::new(),
            stop: AtomicBool::new(false),
            transactions_ready: AtomicBool::new(false),
            transaction: TransactionState::new(config.transaction_timeout()),
            report_thread: Mutex::new(None),
            timeout_ms: config.delivery_timeout_ms().to_owned(),
        }
    }

    pub fn pending(&self) -> usize {
        // The order matters: accumulated messages become sent ones, and `reported` grows after `sent`. So the result
        // may be too large for a moment, but is never too small.
        let accumulated = self.accumulators.left();
        let reported = self.reported.load(Ordering::SeqCst);
        self.sent.0.load(Ordering::SeqCst).saturating_sub(reported) + accumulated
    }

    pub fn topic_name(&self, topic: TopicId) -> Arc<str> {
        let names = self.topic_names.read().unwrap_or_else(PoisonError::into_inner);
        names.list.get(topic.0 as usize).cloned().unwrap_or_else(|| "?".into())
    }
}
