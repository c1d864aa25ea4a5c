//! The producer: enqueues messages in librdkafka and reports their delivery, on its own thread.
//!
//! `send` and `send_many` enqueue, `reports` takes the delivery reports, `close` flushes and ends the client,
//! `transactions` adds transactions. `state` is what these files share.

pub mod accumulator;
mod close;
pub mod delivery;
pub mod delivery_batch;
mod early_flush;
mod enqueue;
mod failures;
mod idle_flush;
mod progress;
mod refusal;
mod reports;
mod send;
mod send_many;
mod state;
mod transaction_state;
mod transactions;

use std::sync::atomic::Ordering;
use std::sync::{mpsc, Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use super::client::background;
use super::client::config::Config;
use super::client::connect::{connect, request};
use super::client::error::Error;
use super::client::wait::{Deadline, Interrupt};
use crate::librdkafka::client::Client;
use crate::librdkafka::producer::NativeProducer;
use crate::os::fork::forks;
use early_flush::EarlyFlush;
use state::{OpenClient, ProducerState};

pub use send::SendError;
pub use state::{Completed, ProducerHooks};

pub struct ProducerSettings {
    pub connect_timeout: Option<Duration>,
    pub max_block: Duration,
}

/// Counts since the producer was created.
pub struct Metrics {
    pub sent: usize,
    pub pending: usize,
    pub delivered: u64,
    pub delivered_bytes: u64,
    pub failed: u64,
    /// The last broker error, until a broker answers again.
    pub last_error: Option<String>,
}

pub struct Producer<H: ProducerHooks> {
    state: Arc<ProducerState<H>>,
    open: RwLock<Option<Arc<OpenClient<H>>>>,
    /// Disconnected when the report thread has ended and the client is destroyed.
    ended: Mutex<mpsc::Receiver<()>>,
    pub settings: ProducerSettings,
    transactional: bool,
    idempotent: bool,
    early_flush: EarlyFlush,
    forks: u32,
}

impl<H: ProducerHooks> Producer<H> {
    /// A client that is not connected yet.
    pub fn new(config: &Config, settings: ProducerSettings, hooks: H) -> Result<Self, Error> {
        let conf = config.build()?;
        let state = Arc::new(ProducerState::new(config, hooks));
        let client = Client::producer(conf, state.clone()).map_err(|why| Error::Config {
            message: format!("Producer: librdkafka refused the options: {}", config.redacted(&why)),
            option: String::new(),
            suggestion: None,
        })?;
        let open = Arc::new(OpenClient { topics: RwLock::default(), native: NativeProducer::new(client) });
        let ended = background::start("cannot make a producer", "kjson-report", {
            let (state, open) = (state.clone(), open.clone());
            move || state.take_reports(open)
        })?;
        Ok(Producer {
            state,
            open: RwLock::new(Some(open)),
            ended: Mutex::new(ended),
            settings,
            transactional: config.get("transactional.id").is_some(),
            idempotent: config.idempotent(),
            early_flush: EarlyFlush::default(),
            forks: forks(),
        })
    }

    /// Waits for a broker's answer, once, before the first send.
    pub fn connect(&self, interrupt: Interrupt<'_>) -> Result<(), Error> {
        if let Some(timeout) = self.settings.connect_timeout {
            let open = self.current().ok_or(Error::Closed { operation: "connect", object: "producer" })?;
            // The report thread serves the callbacks.
            connect(open.native.client(), &self.state.brokers, timeout, || (), interrupt)?;
            if self.transactional {
                // Now, because it fences the previous producer with this id: a program takes over when it starts.
                self.init_transactions(Deadline::after(Some(timeout)), interrupt)?;
            } else if self.idempotent {
                open.native.client().request_producer_id();
            }
        }
        self.state.collapse.connected();
        Ok(())
    }

    pub fn forked(&self) -> bool {
        self.forks != forks()
    }

    pub fn closing(&self) -> bool {
        self.state.closing.load(Ordering::SeqCst)
    }

    pub fn closed(&self) -> bool {
        self.open.read().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// What librdkafka uses for a property.
    pub fn option(&self, name: &str) -> Option<String> {
        self.current()?.native.client().option(name)
    }

    pub fn servers(&self) -> &[String] {
        self.state.brokers.servers()
    }

    pub fn pending(&self) -> usize {
        self.state.pending()
    }

    pub fn metrics(&self) -> Metrics {
        let counters = &self.state.counters;
        Metrics {
            sent: self.state.accumulators.left() + self.state.sent.0.load(Ordering::SeqCst),
            pending: self.pending(),
            delivered: counters.delivered.load(Ordering::Relaxed),
            delivered_bytes: counters.delivered_bytes.load(Ordering::Relaxed),
            failed: counters.failed.load(Ordering::Relaxed),
            last_error: self.state.brokers.last_cause(),
        }
    }

    /// Flushes from a thread and returns at once: what awaits a delivery on an event loop is not delayed by
    /// `linger_ms`.
    pub fn flush_early(&self) {
        self.early_flush.request(&self.state, || self.current());
    }

    /// Asks a broker for an answer.
    pub fn ping(&self, timeout: Duration, interrupt: Interrupt<'_>) -> Result<(), Error> {
        let open = self.current().ok_or(Error::Closed { operation: "ping", object: "producer" })?;
        request(&self.state.brokers, "ping", timeout, interrupt, move |step| open.native.client().ping(step))
    }

    /// How many partitions a topic has; a topic that does not exist is an error.
    pub fn partition_count(&self, topic: &str, timeout: Duration, interrupt: Interrupt<'_>) -> Result<usize, Error> {
        let open = self.current().ok_or(Error::Closed { operation: "partitions_for", object: "producer" })?;
        let operation = format!("cannot look up topic '{topic}'");
        let topic = topic.to_owned();
        let question = move |step| open.native.client().metadata(Some(&topic), step);
        request(&self.state.brokers, &operation, timeout, interrupt, question)?
            .map_err(|code| Error::failed(&operation, code, ""))
    }

    fn current(&self) -> Option<Arc<OpenClient<H>>> {
        self.open.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
