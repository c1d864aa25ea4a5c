//! Reads messages in batches and hands them out one by one, at least once, with every wait bounded.
//!
//! `read` hands out what `fetch` took from librdkafka, `rebalance` acts on what came besides messages, `seek` is where to read,
//! `assignment` what is wanted and what the group has assigned, `replace` changes that, `stopped` is what ended reading,
//! `stray` what comes from another place,
//! `until_end` an end to it, `eof_probe` looks for one, `lookup` for partitions, `commit` and `queries` talk to the group and the
//! brokers, `events` is called by librdkafka, `close` leaves.

mod assign;
mod close;
mod commit;
mod eof_probe;
mod events;
mod expected_position;
mod fetch;
mod offset_queries;
pub mod pattern;
mod poll;
mod processed_offsets;
mod read_errors;
mod rebalance;
mod seek;
mod subscribe;
mod subscription_state;
mod topic_lookup;
mod transaction_markers;
mod until_end;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, TryLockError};
use std::thread::ThreadId;
use std::time::Duration;

use super::client::brokers::Brokers;
use super::client::config::Config;
use super::client::connect::{connect, request, OutageTimer};
use super::client::error::Error;
use super::client::log::{Level, LogRecord, LogSink, LogThrottle};
use super::client::wait::Interrupt;
use crate::librdkafka::client::Client;
use crate::librdkafka::code::Code;
use crate::librdkafka::consumer::NativeConsumer;
use crate::os::fork::forks;
use eof_probe::EofProbe;
use events::QueuedEvent;
use poll::{DeferredUpdates, ReadState};

pub use rebalance::GroupEvent;
pub use until_end::UntilEnd;

pub trait ConsumerHooks: LogSink {
    fn error(&self, code: Code, reason: &str);
    fn statistics(&self, json: &str);
    /// Called on the thread that reads, with no lock held: it may wait, and call the consumer. An error is raised from the
    /// read when the event has been acted on.
    fn group_event(&self, event: GroupEvent) -> Result<(), Error>;
    /// Whether `group_event` wants to know of commits. If not, those that fail are logged.
    fn wants_commits(&self) -> bool;
}

#[derive(Clone)]
pub struct ConsumerSettings {
    pub connect_timeout: Option<Duration>,
    pub unreachable_timeout: Option<Duration>,
    /// With a group, partitions are shared and offsets kept; without, every partition is read and nothing committed.
    pub grouped: bool,
    pub auto_commit: bool,
    pub from_end: bool,
    /// `auto_offset_reset="error"`: where there is no offset to begin at, that is an error.
    pub reset_fails: bool,
    pub committed_only: bool,
}

/// The numbers of a consumer since it was made.
pub struct ConsumerMetrics {
    pub received: u64,
    pub received_bytes: u64,
    pub buffered: usize,
    pub rebalances: u64,
    pub last_error: Option<String>,
}

struct ConsumerContext<H> {
    hooks: H,
    brokers: Arc<Brokers>,
    log_throttle: LogThrottle,
    /// What librdkafka told while a fetch ran.
    events: Mutex<VecDeque<QueuedEvent>>,
    muted: AtomicBool,
    received: AtomicU64,
    received_bytes: AtomicU64,
    rebalances: AtomicU64,
    /// A request to join the group is under way.
    joining: AtomicBool,
    /// Has to be unsubscribed to leave its group without partitions (`Shared::resign`).
    unsubscribes_first: bool,
}

impl<H: ConsumerHooks> ConsumerContext<H> {
    fn warn(&self, text: String) {
        self.hooks.log(LogRecord { level: Level::Warning, text });
    }
}

pub struct Consumer<H: ConsumerHooks> {
    context: Arc<ConsumerContext<H>>,
    native: RwLock<Option<Arc<NativeConsumer>>>,
    state: Mutex<ReadState>,
    subscribed: Mutex<Vec<String>>,
    outage: Arc<OutageTimer>,
    closing: AtomicBool,
    /// One close at a time; the second finds nothing left to do.
    close: Mutex<()>,
    deferred: Mutex<DeferredUpdates>,
    has_deferred: AtomicBool,
    /// One who reads at a time.
    reader: Mutex<()>,
    /// The thread that runs a hook: what that calls may not read.
    hook_thread: Mutex<Option<ThreadId>>,
    /// How many wait to have a word between two fetches.
    lock_waiters: AtomicUsize,
    settings: ConsumerSettings,
    group: String,
    /// Its brokers are a mock's.
    on_mock: bool,
    /// What `EofProbe`s are made with.
    probe_config: Config,
    forks: u32,
}

impl<H: ConsumerHooks> Consumer<H> {
    /// A client that is not connected yet.
    pub fn new(mut config: Config, settings: ConsumerSettings, hooks: H) -> Result<Self, Error> {
        let on_mock = super::mock::is_mock(&config.bootstrap_addresses());
        // KIP-848 leaves these to the broker, and librdkafka refuses them then.
        if on_mock && config.get("group.protocol") != Some("consumer") {
            // The mock waits for a session timeout less one second whenever a member comes or goes (rdkafka_mock_cgrp.c).
            config.set_default("session.timeout.ms", "2000");
            config.set_default("heartbeat.interval.ms", "200");
        }
        // A static member is expected back (KIP-345); with KIP-848 there is neither JoinGroup nor LeaveGroup.
        let classic = config.get("group.protocol") != Some("consumer");
        let unsubscribes_first = settings.grouped && classic && config.get("group.instance.id").is_none();
        let conf = config.build()?;
        let brokers = Arc::new(Brokers::new(config.bootstrap_addresses()));
        let context = Arc::new(ConsumerContext {
            hooks,
            brokers: brokers.clone(),
            log_throttle: LogThrottle::default(),
            events: Mutex::default(),
            muted: AtomicBool::new(false),
            received: AtomicU64::new(0),
            received_bytes: AtomicU64::new(0),
            rebalances: AtomicU64::new(0),
            joining: AtomicBool::new(false),
            unsubscribes_first,
        });
        let client = Client::consumer(conf, context.clone()).map_err(|why| Error::Config {
            message: format!("Consumer: librdkafka refused the options: {}", config.redacted(&why)),
            option: String::new(),
            suggestion: None,
        })?;
        let native = NativeConsumer::new(client).map_err(|code| Error::failed("cannot make a consumer", code, ""))?;
        Ok(Consumer {
            context,
            native: RwLock::new(Some(Arc::new(native))),
            state: Mutex::default(),
            subscribed: Mutex::default(),
            outage: OutageTimer::new(brokers),
            closing: AtomicBool::new(false),
            close: Mutex::default(),
            deferred: Mutex::default(),
            has_deferred: AtomicBool::new(false),
            reader: Mutex::default(),
            hook_thread: Mutex::default(),
            lock_waiters: AtomicUsize::new(0),
            settings,
            group: config.get("group.id").unwrap_or_default().to_owned(),
            on_mock,
            probe_config: EofProbe::options(&config),
            forks: forks(),
        })
    }

    /// Waits for a broker's answer, once, before anything is read.
    pub fn connect(&self, interrupt: Interrupt<'_>) -> Result<(), Error> {
        if let Some(timeout) = self.settings.connect_timeout {
            let native = self.open("connect")?;
            // Nothing is subscribed to, so there are no messages yet: only callbacks, which carry the reasons.
            let serve = || native.fetch(Duration::ZERO, 1, &mut VecDeque::new());
            connect(native.client(), &self.context.brokers, timeout, serve, interrupt)?;
        }
        self.context.log_throttle.connected();
        Ok(())
    }

    /// What librdkafka uses for a property.
    pub fn option(&self, name: &str) -> Option<String> {
        self.open("option").ok()?.client().option(name)
    }

    pub fn forked(&self) -> bool {
        self.forks != forks()
    }

    pub fn closed(&self) -> bool {
        self.current().is_none()
    }

    pub fn ping(&self, timeout: Duration, interrupt: Interrupt<'_>) -> Result<(), Error> {
        let native = self.open("ping")?;
        request(&self.context.brokers, "ping", timeout, interrupt, move |step| native.client().ping(step))
    }

    pub fn metrics(&self) -> ConsumerMetrics {
        ConsumerMetrics {
            received: self.context.received.load(Ordering::Relaxed),
            received_bytes: self.context.received_bytes.load(Ordering::Relaxed),
            buffered: self.state.try_lock().map_or(0, |state| state.buffer.len() + state.held.len()),
            rebalances: self.context.rebalances.load(Ordering::Relaxed),
            last_error: self.context.brokers.last_cause(),
        }
    }

    fn open(&self, operation: &'static str) -> Result<Arc<NativeConsumer>, Error> {
        self.current().ok_or(Error::Closed { operation, object: "consumer" })
    }

    fn current(&self) -> Option<Arc<NativeConsumer>> {
        self.native.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reading is for one at a time, and not for the callbacks that it makes.
    fn lock_reader(&self) -> Result<MutexGuard<'_, ()>, Error> {
        if *self.lock(&self.hook_thread) == Some(std::thread::current().id()) {
            return Err(in_hook("read"));
        }
        match self.reader.try_lock() {
            Ok(guard) => Ok(guard),
            Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => Err(Error::Misuse(
                "cannot read: another thread is using this consumer. Give each thread a consumer of its own".to_owned(),
            )),
        }
    }

    /// None while another thread has a word with the client.
    fn try_lock_state(&self) -> Option<MutexGuard<'_, ReadState>> {
        match self.state.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    pub fn closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }

    /// For what is no reading: waits until a fetch on another thread pauses, which lets those who wait go first.
    fn lock_state(&self) -> MutexGuard<'_, ReadState> {
        self.lock_waiters.fetch_add(1, Ordering::SeqCst);
        let guard = self.lock(&self.state);
        self.lock_waiters.fetch_sub(1, Ordering::SeqCst);
        guard
    }

    /// Between two fetches. A mutex would as a rule be had again by the one who gave it up.
    fn yield_lock(&self) {
        let mut timeout = 100;
        while self.lock_waiters.load(Ordering::SeqCst) > 0 && timeout > 0 {
            std::thread::sleep(Duration::from_micros(50));
            timeout -= 1;
        }
    }

    /// Whether a callback of the group runs now.
    pub fn in_hook(&self) -> bool {
        self.lock(&self.hook_thread).is_some()
    }

    pub fn refuse_in_hook(&self, operation: &str) -> Result<(), Error> {
        match *self.lock(&self.hook_thread) {
            Some(_) => Err(in_hook(operation)),
            None => Ok(()),
        }
    }

    fn lock<'a, T>(&self, mutex: &'a Mutex<T>) -> MutexGuard<'a, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn in_hook(operation: &str) -> Error {
    Error::Misuse(format!(
        "cannot {operation} while on_assign, on_revoke, on_lost or on_commit runs: it is called by the read that is going on"
    ))
}
