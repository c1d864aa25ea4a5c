//! Reads messages in batches and hands them out one by one, at least once, with every wait bounded.

mod commit;
mod events;
mod read;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, TryLockError};
use std::time::Duration;

use crate::kafka::brokers::Brokers;
use crate::kafka::code::Code;
use crate::kafka::config::Config;
use crate::kafka::error::Error;
use crate::kafka::log::{Collapse, LogSink};
use crate::kafka::native::client::Client;
use crate::kafka::native::consume::Inlet;
use crate::kafka::native::fork::forks;
use crate::kafka::reachable::{ask, connect, Watch};
use crate::kafka::reaper;
use crate::kafka::record::Partition;
use crate::kafka::wait::{check, Deadline, Interrupt, TICK};
use read::Reading;

pub trait ConsumerHooks: LogSink {
    fn error(&self, code: Code, reason: &str);
    fn statistics(&self, json: &str);
}

pub struct ConsumerSettings {
    pub connect_timeout: Option<Duration>,
    pub unreachable_timeout: Option<Duration>,
    /// With a group, partitions are shared and offsets kept; without, every partition is read and nothing committed.
    pub grouped: bool,
    pub auto_commit: bool,
    pub from_end: bool,
}

struct Shared<H> {
    hooks: H,
    brokers: Arc<Brokers>,
    collapse: Collapse,
    /// Set by the rebalance callback, which runs inside a fetch.
    revoked: Mutex<Vec<Revocation>>,
    quiet: AtomicBool,
}

/// A partition that was taken away; `stands` unless the same fetch saw it come back.
struct Revocation {
    partition: Partition,
    stands: bool,
}

pub struct Consumer<H: ConsumerHooks> {
    shared: Arc<Shared<H>>,
    inlet: RwLock<Option<Arc<Inlet>>>,
    reading: Mutex<Reading>,
    subscribed: Mutex<Vec<String>>,
    watch: Arc<Watch>,
    closing: AtomicBool,
    settings: ConsumerSettings,
    forks: u32,
}

impl<H: ConsumerHooks> Consumer<H> {
    pub fn new(
        mut config: Config,
        settings: ConsumerSettings,
        hooks: H,
        interrupt: Interrupt<'_>,
    ) -> Result<Self, Error> {
        if super::mock::is_mock(&config.bootstrap_addresses()) {
            // The mock waits for a session timeout less one second whenever a member comes or goes (rdkafka_mock_cgrp.c).
            config.set_default("session.timeout.ms", "2000");
            config.set_default("heartbeat.interval.ms", "200");
        }
        let conf = config.build()?;
        let brokers = Arc::new(Brokers::new(config.bootstrap_addresses()));
        let shared = Arc::new(Shared {
            hooks,
            brokers: brokers.clone(),
            collapse: Collapse::default(),
            revoked: Mutex::default(),
            quiet: AtomicBool::new(false),
        });
        let client = Client::consumer(conf, shared.clone()).map_err(|why| Error::Config {
            message: format!("Consumer: librdkafka refused the options: {}", config.redacted(&why)),
            option: String::new(),
            suggestion: None,
        })?;
        if let Some(timeout) = settings.connect_timeout {
            if let Err(error) = connect(&client, &brokers, timeout, || client.poll(Duration::ZERO), interrupt) {
                shared.quiet.store(true, Ordering::Relaxed);
                drop(reaper::run(move || drop(client)));
                return Err(error);
            }
        }
        shared.collapse.connected();
        let inlet = Inlet::new(client).map_err(|code| Error::failed("cannot make a consumer", code, ""))?;
        Ok(Consumer {
            shared,
            inlet: RwLock::new(Some(Arc::new(inlet))),
            reading: Mutex::default(),
            subscribed: Mutex::default(),
            watch: Watch::new(brokers),
            closing: AtomicBool::new(false),
            settings,
            forks: forks(),
        })
    }

    pub fn forked(&self) -> bool {
        self.forks != forks()
    }

    pub fn closed(&self) -> bool {
        self.current().is_none()
    }

    pub fn subscribe(&self, topics: Vec<String>, interrupt: Interrupt<'_>) -> Result<(), Error> {
        let inlet = self.open("subscribe")?;
        let mut reading = self.reading("subscribe")?;
        if self.settings.grouped {
            inlet
                .subscribe(&topics)
                .map_err(|code| Error::failed(&format!("cannot subscribe to {}", topics.join(", ")), code, ""))?;
        } else {
            let taken = self.lock(&self.subscribed).clone();
            reading.missing = topics.iter().filter(|topic| !taken.contains(topic)).cloned().collect();
            reading.looked_at = None;
            self.look_for_topics(&inlet, &mut reading, interrupt)?;
        }
        *self.lock(&self.subscribed) = topics;
        Ok(())
    }

    pub fn unsubscribe(&self) -> Result<(), Error> {
        let inlet = self.open("unsubscribe")?;
        let mut reading = self.reading("unsubscribe")?;
        self.settle(&mut reading)?;
        inlet.unsubscribe().map_err(|code| Error::failed("cannot unsubscribe", code, ""))?;
        reading.buffer.clear();
        reading.missing.clear();
        self.lock(&self.subscribed).clear();
        Ok(())
    }

    pub fn subscription(&self) -> Vec<String> {
        self.lock(&self.subscribed).clone()
    }

    pub fn assignment(&self) -> Result<Vec<Partition>, Error> {
        let entries = self
            .open("assignment")?
            .assignment()
            .map_err(|code| Error::failed("cannot read the assignment", code, ""))?;
        Ok(entries.into_iter().map(|entry| entry.partition).collect())
    }

    pub fn ping(&self, timeout: Duration, interrupt: Interrupt<'_>) -> Result<(), Error> {
        let inlet = self.open("ping")?;
        ask(&self.shared.brokers, "ping", timeout, interrupt, move |step| inlet.client().answers(step))
    }

    /// Commits what is done, leaves the group and ends the client. Closing again does nothing.
    pub fn close(&self, deadline: Deadline, interrupt: Interrupt<'_>) -> Result<(), Error> {
        // Whoever is reading on another thread stops within a tick.
        self.closing.store(true, Ordering::Relaxed);
        let mut reading = self.lock(&self.reading);
        let Some(inlet) = self.inlet.write().unwrap_or_else(PoisonError::into_inner).take() else { return Ok(()) };
        let mut result = Ok(());
        if self.settings.grouped && self.settings.auto_commit {
            self.settle_with(&inlet, &mut reading);
            result = self.commit_done(&inlet, &mut reading, deadline, interrupt);
        }
        reading.handed_out.clear();
        reading.buffer.clear();
        drop(reading);
        self.shared.quiet.store(true, Ordering::Relaxed);
        let interrupted = matches!(result, Err(Error::Interrupted));
        let left = if interrupted { Err(Error::Interrupted) } else { leave(&inlet, deadline, interrupt) };
        let ended = reaper::run(move || {
            let _ = leave(&inlet, Deadline::after(Some(Duration::from_millis(500))), &|| false);
            drop(inlet);
        });
        if left.is_ok() {
            reaper::wait(&ended, Deadline::after(Some(Duration::from_secs(1))), interrupt)?;
        }
        result.and(left)
    }

    fn open(&self, operation: &'static str) -> Result<Arc<Inlet>, Error> {
        self.current().ok_or(Error::Closed { operation, object: "consumer" })
    }

    fn current(&self) -> Option<Arc<Inlet>> {
        self.inlet.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn reading(&self, operation: &str) -> Result<MutexGuard<'_, Reading>, Error> {
        match self.reading.try_lock() {
            Ok(guard) => Ok(guard),
            Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => Err(Error::Misuse(format!(
                "cannot {operation}: another thread is using this consumer. Give each thread a consumer of its own"
            ))),
        }
    }

    fn lock<'a, T>(&self, mutex: &'a Mutex<T>) -> MutexGuard<'a, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Leaves the group: the rebalance callback gives the partitions back while this fetches. Bounded by the deadline.
fn leave(inlet: &Inlet, deadline: Deadline, interrupt: Interrupt<'_>) -> Result<(), Error> {
    if inlet.closed() || inlet.begin_close().is_err() {
        return Ok(());
    }
    let mut discarded = VecDeque::new();
    while !inlet.closed() && !deadline.passed() {
        inlet.fetch(deadline.step(TICK), 1, &mut discarded);
        discarded.clear();
        check(interrupt)?;
    }
    Ok(())
}

impl<H: ConsumerHooks> Drop for Consumer<H> {
    fn drop(&mut self) {
        let Some(inlet) = self.inlet.get_mut().unwrap_or_else(PoisonError::into_inner).take() else { return };
        // Messages go before the client that they belong to.
        let reading = std::mem::take(self.reading.get_mut().unwrap_or_else(PoisonError::into_inner));
        if self.forked() {
            std::mem::forget((inlet, reading));
            return;
        }
        drop(reading);
        // Leaves the group, or its partitions would lie idle until the session timeout. Nothing more is committed.
        self.shared.quiet.store(true, Ordering::Relaxed);
        drop(reaper::run(move || {
            let _ = leave(&inlet, Deadline::after(Some(Duration::from_secs(5))), &|| false);
        }));
    }
}
