//! Sends messages and learns what became of each: reports are taken by a thread of ours, never by the caller.
//!
//! `reports` is that thread, `bulk` sends many messages at once, `transactions` binds them together.

pub mod accumulator;
pub mod batch;
mod bulk;
mod close;
pub mod delivery;
mod early_flush;
mod failures;
mod idle_flush;
mod progress;
mod refusal;
mod reports;
mod transaction_state;
mod transactions;

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{mpsc, Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use super::client::background;
use super::client::brokers::Brokers;
use super::client::config::Config;
use super::client::connect::{connect, request};
use super::client::error::Error;
use super::client::log::{LogSink, LogThrottle};
use super::client::wait::{check, Deadline, Interrupt, TICK};
use crate::librdkafka::client::{Client, Topic};
use crate::librdkafka::code::Code;
use crate::librdkafka::delivery_report::{Opaque, Payload};
use crate::librdkafka::producer::NativeProducer;
use crate::os::fork::forks;
use accumulator::Accumulators;
use batch::Batches;
use delivery::{Callbacks, DeliveryState, TopicId};
use early_flush::EarlyFlush;
use failures::Failures;
use progress::Progress;
use reports::{Reported, Sent, Shared, Tally};
use transaction_state::TransactionState;

pub use crate::librdkafka::delivery_report::Payload as Outgoing;

pub trait ProducerHooks: LogSink {
    type Callback: Send + Sync + 'static;
    /// Called on the report thread, once per batch, with the messages that somebody waits for by callback.
    fn completed(&self, name: &dyn Fn(TopicId) -> Arc<str>, batch: Vec<Completed<Self::Callback>>);
    /// Called on the report thread when so many messages have left the queue.
    fn moved(&self, count: usize);
    fn error(&self, code: Code, reason: &str);
    fn statistics(&self, json: &str);
}

pub type Completed<C> = (Arc<DeliveryState<C>>, Callbacks<C>);

pub struct ProducerSettings {
    pub connect_timeout: Option<Duration>,
    pub max_block: Duration,
}

/// The numbers of a producer since it was made.
pub struct Metrics {
    pub sent: usize,
    pub pending: usize,
    pub delivered: u64,
    pub delivered_bytes: u64,
    pub failed: u64,
    /// The newest trouble with a broker, until one answers again.
    pub last_error: Option<String>,
}

/// Why a message was not taken: no room, with the callback back for another try, or an error for good.
pub enum SendError<C> {
    Full(Option<C>),
    Failed(Error),
}

/// The same before it is an error.
enum Refused {
    Closed,
    Unknown,
    Code(Code),
}

/// Topics go before the client that they belong to. Where both are taken, `Shared::names` is locked before `topics`.
pub(super) struct Open<H: ProducerHooks> {
    /// By `TopicId`.
    topics: RwLock<Vec<Topic>>,
    native: NativeProducer<Reported<H>>,
}

pub struct Producer<H: ProducerHooks> {
    shared: Arc<Shared<H>>,
    open: RwLock<Option<Arc<Open<H>>>>,
    /// Heard when the report thread has ended and the client is destroyed.
    ended: Mutex<mpsc::Receiver<()>>,
    pub settings: ProducerSettings,
    transactional: bool,
    idempotent: bool,
    hurry: EarlyFlush,
    forks: u32,
}

impl<H: ProducerHooks> Producer<H> {
    /// A client that is not connected yet.
    pub fn new(config: &Config, settings: ProducerSettings, hooks: H) -> Result<Self, Error> {
        let conf = config.build()?;
        let shared = Arc::new(Shared {
            hooks,
            brokers: Arc::new(Brokers::new(config.bootstrap_addresses())),
            collapse: LogThrottle::default(),
            progress: Progress::default(),
            sent: Sent::default(),
            reported: AtomicUsize::new(0),
            rounds: AtomicU64::new(0),
            tally: Tally::default(),
            batches: Batches::default(),
            accumulators: Accumulators::default(),
            names: RwLock::default(),
            failures: Failures::default(),
            closing: AtomicBool::new(false),
            fatal: OnceLock::new(),
            stop: AtomicBool::new(false),
            transactions_ready: AtomicBool::new(false),
            transaction: TransactionState::new(config.transaction_timeout()),
            report_thread: Mutex::new(None),
            timeout_ms: config.delivery_timeout_ms().to_owned(),
        });
        let client = Client::producer(conf, shared.clone()).map_err(|why| Error::Config {
            message: format!("Producer: librdkafka refused the options: {}", config.redacted(&why)),
            option: String::new(),
            suggestion: None,
        })?;
        let open = Arc::new(Open { topics: RwLock::default(), native: NativeProducer::new(client) });
        let ended = background::start("cannot make a producer", "kjson-report", {
            let (shared, open) = (shared.clone(), open.clone());
            move || shared.take_reports(open)
        })?;
        Ok(Producer {
            shared,
            open: RwLock::new(Some(open)),
            ended: Mutex::new(ended),
            settings,
            transactional: config.get("transactional.id").is_some(),
            idempotent: config.idempotent(),
            hurry: EarlyFlush::default(),
            forks: forks(),
        })
    }

    /// Waits for a broker's answer, once, before anything is sent.
    pub fn connect(&self, interrupt: Interrupt<'_>) -> Result<(), Error> {
        if let Some(timeout) = self.settings.connect_timeout {
            let open = self.current().ok_or(Error::Closed { operation: "connect", object: "producer" })?;
            // The report thread serves the callbacks.
            connect(open.native.client(), &self.shared.brokers, timeout, || (), interrupt)?;
            if self.transactional {
                // Now, because it fences whoever had the id before: a program that starts takes over when it starts.
                self.init_transactions(Deadline::after(Some(timeout)), interrupt)?;
            } else if self.idempotent {
                open.native.client().request_producer_id();
            }
        }
        self.shared.collapse.connected();
        Ok(())
    }

    pub fn forked(&self) -> bool {
        self.forks != forks()
    }

    pub fn closing(&self) -> bool {
        self.shared.closing.load(Ordering::SeqCst)
    }

    pub fn closed(&self) -> bool {
        self.open.read().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// What librdkafka uses for a property.
    pub fn option(&self, name: &str) -> Option<String> {
        self.current()?.native.client().option(name)
    }

    pub fn servers(&self) -> &[String] {
        self.shared.brokers.servers()
    }

    pub fn pending(&self) -> usize {
        self.shared.pending()
    }

    pub fn metrics(&self) -> Metrics {
        let tally = &self.shared.tally;
        Metrics {
            sent: self.shared.accumulators.left() + self.shared.sent.0.load(Ordering::SeqCst),
            pending: self.pending(),
            delivered: tally.delivered.load(Ordering::Relaxed),
            delivered_bytes: tally.delivered_bytes.load(Ordering::Relaxed),
            failed: tally.failed.load(Ordering::Relaxed),
            last_error: self.shared.brokers.last_cause(),
        }
    }

    /// The number of a topic, with which messages are sent to it.
    pub fn topic(&self, name: &str) -> Result<TopicId, Error> {
        let closed = Error::Closed { operation: "send", object: "producer" };
        let open = self.current().ok_or(closed)?;
        if let Some(known) = self.shared.names.read().unwrap_or_else(PoisonError::into_inner).ids.get(name) {
            return Ok(*known);
        }
        let mut names = self.shared.names.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = names.ids.get(name) {
            return Ok(*known);
        }
        let handle = open.native.topic(name).map_err(|code| {
            let message = format!("cannot send to {name:?}: not a topic name: {} ({})", code.text(), code.name());
            Error::Failed { message, code, fatal: false }
        })?;
        let (id, name) = (TopicId(names.list.len() as u32), Arc::<str>::from(name));
        names.list.push(name.clone());
        names.ids.insert(name, id);
        open.topics.write().unwrap_or_else(PoisonError::into_inner).push(handle);
        Ok(id)
    }

    pub fn topic_name(&self, topic: TopicId) -> Arc<str> {
        self.shared.topic_name(topic)
    }

    /// Takes one message without waiting.
    pub fn try_send(
        &self,
        topic: TopicId,
        payload: &Payload<'_>,
        callback: Option<H::Callback>,
    ) -> Result<Arc<Reported<H>>, SendError<H::Callback>> {
        let report = Arc::new(DeliveryState::new(topic, callback));
        match self.produce(topic, payload, &report) {
            Ok(()) => Ok(report),
            Err(Refused::Closed) => Err(SendError::Failed(Error::Closed { operation: "send", object: "producer" })),
            Err(Refused::Unknown) => {
                Err(SendError::Failed(Error::Misuse("send: the topic is of another producer".to_owned())))
            }
            Err(Refused::Code(Code::QUEUE_FULL)) => Err(SendError::Full(report.take_callback())),
            Err(Refused::Code(code)) => Err(SendError::Failed(match self.current() {
                Some(open) => self.shared.refused(&open, &self.topic_name(topic), payload, code),
                None => Error::Closed { operation: "send", object: "producer" },
            })),
        }
    }

    /// The part of `try_send` under locks. It neither makes an error nor drops a callback: the one takes another lock, the
    /// other may run Python code.
    fn produce(&self, topic: TopicId, payload: &Payload<'_>, report: &Arc<Reported<H>>) -> Result<(), Refused> {
        let guard = self.open.read().unwrap_or_else(PoisonError::into_inner);
        let open = guard.as_ref().ok_or(Refused::Closed)?;
        if !self.shared.earlier_handed_over(open, None) {
            return Err(Refused::Code(Code::QUEUE_FULL));
        }
        let topics = open.topics.read().unwrap_or_else(PoisonError::into_inner);
        if self.closing() {
            return Err(Refused::Closed);
        }
        let handle = topics.get(topic.0 as usize).ok_or(Refused::Unknown)?;
        self.shared.sent.0.fetch_add(1, Ordering::SeqCst);
        open.native.produce(handle, payload, Opaque::Message(report.clone())).map_err(|(code, _ours)| {
            self.shared.sent.0.fetch_sub(1, Ordering::SeqCst);
            Refused::Code(code)
        })
    }

    /// Waits until some messages have left the queue.
    pub fn wait_for_room(&self, topic: TopicId, deadline: Deadline, interrupt: Interrupt<'_>) -> Result<(), Error> {
        let round = self.shared.rounds.load(Ordering::SeqCst);
        let moved = || self.shared.rounds.load(Ordering::SeqCst) != round || self.closing();
        if !self.on_report_thread() && self.shared.progress.wait(deadline, interrupt, moved)? {
            return Ok(());
        }
        let waited = if self.on_report_thread() { Duration::ZERO } else { self.settings.max_block };
        Err(self.queue_full(topic, waited))
    }

    /// The error of a message for which there was no room.
    pub fn queue_full(&self, topic: TopicId, waited: Duration) -> Error {
        let cause = self.shared.brokers.last_cause().map_or_else(String::new, |cause| format!("; {cause}"));
        Error::QueueFull {
            message: format!(
                "cannot send to '{}': the producer's queue stayed full for {} s, with {} messages unconfirmed{cause}. \
                 Send slower, raise queue_buffering_max_messages, or raise max_block_ms",
                self.topic_name(topic),
                waited.as_secs_f64(),
                self.pending(),
            ),
        }
    }

    /// Waits for one message; false when the deadline passed first.
    pub fn wait(&self, report: &Reported<H>, deadline: Deadline, interrupt: Interrupt<'_>) -> Result<bool, Error> {
        self.wait_until(deadline, interrupt, || report.completion().is_some())
    }

    /// Somebody waits, so linger_ms has no sense any more: a flush of 2 ms sends what is held back. It is repeated, since
    /// a message whose topic is not known yet is not there to be sent at the first one.
    fn wait_until(&self, deadline: Deadline, interrupt: Interrupt<'_>, done: impl Fn() -> bool) -> Result<bool, Error> {
        while !done() {
            if self.on_report_thread() {
                return Err(Error::Misuse(
                    "a delivery callback cannot wait for another delivery: it runs on the thread that reports them"
                        .to_owned(),
                ));
            }
            if let Some(open) = self.current() {
                open.native.flush(deadline.step(Duration::from_millis(2)));
            }
            let step = Deadline::after(Some(deadline.step(TICK)));
            if !self.shared.progress.wait(step, interrupt, &done)? && deadline.passed() {
                return Ok(done());
            }
            check(interrupt)?;
        }
        Ok(true)
    }

    /// Asks a broker whether it is there.
    pub fn ping(&self, timeout: Duration, interrupt: Interrupt<'_>) -> Result<(), Error> {
        let open = self.current().ok_or(Error::Closed { operation: "ping", object: "producer" })?;
        request(&self.shared.brokers, "ping", timeout, interrupt, move |step| open.native.client().ping(step))
    }

    /// How many partitions a topic has; a topic that does not exist is an error.
    pub fn partition_count(&self, topic: &str, timeout: Duration, interrupt: Interrupt<'_>) -> Result<usize, Error> {
        let open = self.current().ok_or(Error::Closed { operation: "partitions_for", object: "producer" })?;
        let operation = format!("cannot look up topic '{topic}'");
        let topic = topic.to_owned();
        let question = move |step| open.native.client().metadata(Some(&topic), step);
        request(&self.shared.brokers, &operation, timeout, interrupt, question)?
            .map_err(|code| Error::failed(&operation, code, ""))
    }

    fn current(&self) -> Option<Arc<Open<H>>> {
        self.open.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn on_report_thread(&self) -> bool {
        let id = self.shared.report_thread.lock().unwrap_or_else(PoisonError::into_inner);
        *id == Some(std::thread::current().id())
    }
}
