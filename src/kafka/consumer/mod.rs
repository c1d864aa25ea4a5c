//! The consumer: fetches batches and returns messages one by one, at least once, with every wait bounded.
//!
//! | file | owns |
//! | --- | --- |
//! | `poll` | returns fetched messages to the program, and marks them as processed at the next call |
//! | `fetch` | sorts what one fetch returned: messages, errors, messages to skip |
//! | `events`, `rebalance` | librdkafka's callbacks, which queue events; handling these after the fetch |
//! | `subscription_state` | what the program wants to read, and what the group has assigned |
//! | `subscribe`, `assign` | change that. `topic_lookup` finds partitions without a group, `pattern` parses patterns |
//! | `seek`, `expected_position` | positions, pause and resume; messages that are not from the expected position |
//! | `read_errors` | errors that end reading, raised at every read |
//! | `processed_offsets`, `transaction_markers`, `commit` | what may be committed, and commits |
//! | `offset_queries` | committed, first, last and looked-up offsets, positions and lag |
//! | `until_end`, `eof_probe` | reads up to the ends of now; finds the end of a partition from which nothing comes |
//! | `close` | commits, leaves the group and destroys the client |

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
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, TryLockError};
use std::thread::ThreadId;
use std::time::Duration;

use super::client::brokers::Brokers;
use super::client::config::Config;
use super::client::connect::{connect, request, OutageTimer};
use super::client::error::Error;
use super::client::log::{LogSink, LogThrottle};
use super::client::wait::Interrupt;
use crate::librdkafka::client::Client;
use crate::librdkafka::code::Code;
use crate::librdkafka::consumer::NativeConsumer;
use crate::os::fork::forks;
use eof_probe::EofProbe;
use events::ConsumerContext;
use poll::{DeferredUpdates, ReadState};

pub use rebalance::GroupEvent;
pub use until_end::UntilEnd;

pub trait ConsumerHooks: LogSink {
    fn error(&self, code: Code, reason: &str);
    fn statistics(&self, json: &str);
    /// Called on the reading thread with no lock held: it may block, and call the consumer. The read raises its error
    /// after the event has been handled.
    fn group_event(&self, event: GroupEvent) -> Result<(), Error>;
    /// Whether to report commits to `group_event`. If not, failed ones are logged.
    fn wants_commits(&self) -> bool;
}

#[derive(Clone)]
pub struct ConsumerSettings {
    pub connect_timeout: Option<Duration>,
    pub unreachable_timeout: Option<Duration>,
    /// With a group, members share partitions and commit offsets; without, all are read and none committed.
    pub grouped: bool,
    pub auto_commit: bool,
    pub from_end: bool,
    /// `auto_offset_reset="error"`: a partition without an offset to start at is an error.
    pub reset_fails: bool,
    pub committed_only: bool,
}

/// Counted since the consumer was made.
pub struct ConsumerMetrics {
    pub received: u64,
    pub received_bytes: u64,
    pub buffered: usize,
    pub rebalances: u64,
    pub last_error: Option<String>,
}

pub struct Consumer<H: ConsumerHooks> {
    context: Arc<ConsumerContext<H>>,
    native: RwLock<Option<Arc<NativeConsumer>>>,
    state: Mutex<ReadState>,
    subscribed: Mutex<Vec<String>>,
    outage: Arc<OutageTimer>,
    closing: AtomicBool,
    /// One close at a time; a second one does nothing.
    close: Mutex<()>,
    deferred: Mutex<DeferredUpdates>,
    has_deferred: AtomicBool,
    /// One read at a time.
    reader: Mutex<()>,
    /// The thread that runs `group_event`, which may not read.
    hook_thread: Mutex<Option<ThreadId>>,
    /// How many calls wait in `lock_state` for a pause between two fetches.
    lock_waiters: AtomicUsize,
    settings: ConsumerSettings,
    group: String,
    /// Connects to a `MockCluster`.
    on_mock: bool,
    /// The options of an `EofProbe`.
    probe_config: Config,
    forks: u32,
}

impl<H: ConsumerHooks> Consumer<H> {
    /// A client that is not connected yet.
    pub fn new(mut config: Config, settings: ConsumerSettings, hooks: H) -> Result<Self, Error> {
        let on_mock = super::mock::is_mock(&config.bootstrap_addresses());
        // With KIP-848 the broker sets these, and librdkafka refuses them.
        if on_mock && config.get("group.protocol") != Some("consumer") {
            // When members join or leave, the mock waits for the session timeout less 1 s (rdkafka_mock_cgrp.c).
            config.set_default("session.timeout.ms", "2000");
            config.set_default("heartbeat.interval.ms", "200");
        }
        // A static member does not leave (KIP-345), and KIP-848 has neither JoinGroup nor LeaveGroup.
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
            received: Default::default(),
            received_bytes: Default::default(),
            rebalances: Default::default(),
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

    /// Waits for a broker's answer, in the constructor.
    pub fn connect(&self, interrupt: Interrupt<'_>) -> Result<(), Error> {
        if let Some(timeout) = self.settings.connect_timeout {
            let native = self.open("connect")?;
            // Without a subscription this returns no messages, but runs the callbacks that report errors.
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

    /// Allows one read at a time, and none from a group callback.
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

    /// None while another thread has the lock.
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

    /// For calls that do not read: locks the state before the next fetch on another thread.
    fn lock_state(&self) -> MutexGuard<'_, ReadState> {
        self.lock_waiters.fetch_add(1, Ordering::SeqCst);
        let guard = self.lock(&self.state);
        self.lock_waiters.fetch_sub(1, Ordering::SeqCst);
        guard
    }

    /// Lets `lock_state` go first. A mutex usually goes to the thread that has just unlocked it.
    fn yield_lock(&self) {
        let mut rounds = 100;
        while self.lock_waiters.load(Ordering::SeqCst) > 0 && rounds > 0 {
            std::thread::sleep(Duration::from_micros(50));
            rounds -= 1;
        }
    }

    /// Whether a group callback is running.
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
        "cannot {operation} while on_assign, on_revoke, on_lost or on_commit runs: a read of this consumer called it"
    ))
}
