//! Reads messages in batches and hands them out one by one, at least once, with every wait bounded.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, TryLockError};
use std::time::{Duration, Instant};

use super::brokers::Brokers;
use super::code::Code;
use super::config::Config;
use super::error::Error;
use super::log::{Collapse, Level, LogRecord, LogSink};
use super::native::client::{Callbacks, Client};
use super::native::consume::Inlet;
use super::native::fork::forks;
use super::native::partitions::{Entry, PartitionList};
use super::native::transact::GroupMetadata;
use super::offsets::Offsets;
use super::reachable::{ask, connect, Watch};
use super::reaper;
use super::record::{Fetched, Incoming, Notice, Partition};
use super::wait::{check, Deadline, Interrupt, TICK};

/// Messages taken from librdkafka in one go.
const BATCH: usize = 500;
/// librdkafka counts `max.poll.interval.ms` by its own polls, and a rebalance waits for one: while a batch is handed out
/// slowly, it is polled this often all the same.
const POLL_EVERY: Duration = Duration::from_secs(1);
/// How often a topic that does not exist is looked for again, by a consumer without a group.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// What `OFFSET_BEGINNING` and `OFFSET_END` are in librdkafka.
const BEGINNING: i64 = -2;
const END: i64 = -1;

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
    /// Set by the rebalance callback, which runs inside a fetch: partitions whose buffered messages are void.
    revoked: Mutex<Vec<Partition>>,
    quiet: AtomicBool,
}

#[derive(Default)]
struct Reading {
    buffer: VecDeque<Incoming>,
    scratch: Vec<Fetched>,
    offsets: Offsets,
    fetched_at: Option<Instant>,
    /// Topics of a groupless consumer that have not been found yet.
    missing: Vec<String>,
    looked_at: Option<Instant>,
    warned: HashSet<String>,
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
        self.store(&inlet, &mut reading);
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

    /// The next messages: waits for the first up to the deadline, and for no other. What was handed out before is done.
    pub fn next(&self, limit: usize, deadline: Deadline, interrupt: Interrupt<'_>) -> Result<Vec<Incoming>, Error> {
        let inlet = self.open("read")?;
        let mut reading = self.reading("read")?;
        reading.offsets.settle();
        loop {
            if reading.offsets.any_to_store() {
                self.store(&inlet, &mut reading);
            }
            let fresh = reading.fetched_at.is_some_and(|at| at.elapsed() < POLL_EVERY);
            if reading.buffer.is_empty() || !fresh {
                let patience = if reading.buffer.is_empty() { deadline.step(TICK) } else { Duration::ZERO };
                self.fetch(&inlet, &mut reading, patience, interrupt)?;
            }
            if !reading.buffer.is_empty() {
                return Ok(self.hand_out(&mut reading, limit));
            }
            check(interrupt)?;
            if self.closing.load(Ordering::Relaxed) {
                return Err(Error::Closed { operation: "read", object: "consumer" });
            }
            self.require_broker(&inlet)?;
            if deadline.passed() {
                return Ok(Vec::new());
            }
        }
    }

    /// Takes back messages that were handed out and not used, to hand them out next.
    pub fn give_back(&self, messages: Vec<Incoming>) {
        let Ok(mut reading) = self.reading("read") else { return };
        for message in messages.into_iter().rev() {
            reading.offsets.take_back(message.partition_key(), message.offset);
            reading.buffer.push_front(message);
        }
    }

    /// The user's code failed on what was handed out last: do not commit it.
    pub fn abandon(&self) {
        if let Ok(mut reading) = self.reading("read") {
            reading.offsets.abandon();
        }
    }

    fn hand_out(&self, reading: &mut Reading, limit: usize) -> Vec<Incoming> {
        let count = limit.min(reading.buffer.len());
        let messages: Vec<Incoming> = reading.buffer.drain(..count).collect();
        if self.settings.grouped {
            for message in &messages {
                reading.offsets.hand_out(message.partition_key(), message.offset);
            }
        }
        messages
    }

    fn fetch(
        &self,
        inlet: &Inlet,
        reading: &mut Reading,
        patience: Duration,
        interrupt: Interrupt<'_>,
    ) -> Result<(), Error> {
        if !reading.missing.is_empty() {
            self.look_for_topics(inlet, reading, interrupt)?;
        }
        // A rebalance may come with this fetch and commits what is stored: nothing done may be missing from it.
        self.store(inlet, reading);
        let mut scratch = std::mem::take(&mut reading.scratch);
        inlet.fetch(patience, BATCH, &mut scratch);
        reading.fetched_at = Some(Instant::now());
        let revoked = std::mem::take(&mut *self.lock(&self.shared.revoked));
        for partition in &revoked {
            reading.buffer.retain(|message| message.partition != partition.id || message.topic != partition.topic);
            reading.offsets.forget(partition);
        }
        let mut failed = Ok(());
        for fetched in scratch.drain(..) {
            match fetched {
                Fetched::Message(message) => reading.buffer.push_back(message),
                Fetched::Notice(notice) => failed = failed.and(self.heed(reading, notice)),
            }
        }
        reading.scratch = scratch;
        if !reading.buffer.is_empty() {
            self.watch.heard();
        }
        failed
    }

    /// Passes on what a fetch reported besides messages: an error to raise, a warning to log, or nothing.
    fn heed(&self, reading: &mut Reading, notice: Notice) -> Result<(), Error> {
        let Notice { code, text, topic, partition } = notice;
        let place = topic.as_ref().map_or_else(|| "the topic".to_owned(), |topic| format!("'{topic}' [{partition}]"));
        match code {
            Code::PARTITION_EOF => Ok(()),
            Code::UNKNOWN_TOPIC | Code::UNKNOWN_TOPIC_OR_PART | Code::UNKNOWN_PARTITION => {
                let topic = topic.as_deref().unwrap_or("").to_owned();
                self.warn_of_missing(reading, topic);
                Ok(())
            }
            Code::MAX_POLL_EXCEEDED => {
                self.warn(format!("{text}. The group has given this consumer's partitions away; it joins again now"));
                Ok(())
            }
            code if code.is_connection() => {
                self.shared.brokers.heard(code, &text);
                Ok(())
            }
            code if code.retriable() => {
                self.warn(format!("reading {place}: {text} ({}); trying again", code.name()));
                Ok(())
            }
            code => Err(Error::failed(&format!("cannot read {place}"), code, &text)),
        }
    }

    fn warn_of_missing(&self, reading: &mut Reading, topic: String) {
        if reading.warned.insert(topic.clone()) {
            self.warn(format!(
                "topic '{topic}' does not exist on the cluster. The consumer waits for it to be created"
            ));
        }
    }

    fn warn(&self, text: String) {
        self.shared.hooks.log(LogRecord { level: Level::Warning, text });
    }

    fn require_broker(&self, inlet: &Arc<Inlet>) -> Result<(), Error> {
        let Some(limit) = self.settings.unreachable_timeout else { return Ok(()) };
        let asked = inlet.clone();
        if self.watch.unreachable_for(move |timeout| asked.client().answers(timeout).is_ok()) < limit {
            return Ok(());
        }
        self.watch.begin_again();
        Err(self.shared.brokers.error(
            &format!("no Kafka broker could be reached for {} s", limit.as_secs_f64()),
            "no answer",
            "Read on to keep waiting: the consumer goes on where it was when a broker is back (unreachable_timeout)",
        ))
    }

    /// Without a group: finds the partitions of the topics that are still missing and begins to read them.
    fn look_for_topics(&self, inlet: &Inlet, reading: &mut Reading, interrupt: Interrupt<'_>) -> Result<(), Error> {
        if reading.looked_at.is_some_and(|at| at.elapsed() < LOOK_AGAIN) {
            return Ok(());
        }
        reading.looked_at = Some(Instant::now());
        let mut list = PartitionList::new();
        for topic in std::mem::take(&mut reading.missing) {
            check(interrupt)?;
            match inlet.client().metadata(Some(&topic), Duration::from_millis(150)) {
                Ok(Ok(count)) => {
                    let start = if self.settings.from_end { END } else { BEGINNING };
                    for id in 0..i32::try_from(count).unwrap_or(i32::MAX) {
                        list.add(&topic, id, start);
                    }
                }
                Ok(Err(code)) if !code.retriable() || code == Code::UNKNOWN_TOPIC_OR_PART => {
                    if code != Code::UNKNOWN_TOPIC_OR_PART {
                        return Err(Error::failed(&format!("cannot read '{topic}'"), code, ""));
                    }
                    self.warn_of_missing(reading, topic.clone());
                    reading.missing.push(topic);
                }
                _ => reading.missing.push(topic),
            }
        }
        inlet
            .assign_more(&list)
            .map_err(|problem| Error::failed("cannot take on partitions", problem.code, &problem.text))
    }

    fn store(&self, inlet: &Inlet, reading: &mut Reading) {
        let done = reading.offsets.take_to_store();
        if done.is_empty() || !self.settings.auto_commit {
            return;
        }
        // A partition that was taken away meanwhile cannot be stored, and its new owner reads the record again.
        let _ = inlet.store(&list_of(&done));
    }

    /// The membership that a transaction names beside its offsets.
    pub fn group_metadata(&self) -> Result<GroupMetadata, Error> {
        let inlet = self.open("group_metadata")?;
        if !self.settings.grouped {
            return Err(Error::Misuse(
                "the consumer has no group, so a transaction cannot keep its offsets. Give it a group_id".to_owned(),
            ));
        }
        let operation = "cannot read the group's metadata";
        let metadata = inlet.client().group_metadata();
        let metadata = metadata.ok_or_else(|| Error::failed(operation, Code::STATE, ""))?;
        metadata.map_err(|problem| Error::failed(operation, problem.code, &problem.text))
    }

    /// Commits what was handed out, or the offsets given, and waits for the broker's answer.
    pub fn commit(
        &self,
        offsets: Option<HashMap<Partition, i64>>,
        deadline: Deadline,
        interrupt: Interrupt<'_>,
    ) -> Result<(), Error> {
        let inlet = self.open("commit")?;
        if !self.settings.grouped {
            return Err(Error::Misuse(
                "cannot commit: the consumer has no group. Give it a group_id to keep offsets".to_owned(),
            ));
        }
        let mut reading = self.reading("commit")?;
        let offsets = offsets.unwrap_or_else(|| {
            reading.offsets.settle();
            reading.offsets.to_commit().clone()
        });
        self.commit_offsets(&inlet, &mut reading, &offsets, deadline, interrupt)
    }

    fn commit_offsets(
        &self,
        inlet: &Inlet,
        reading: &mut Reading,
        offsets: &HashMap<Partition, i64>,
        deadline: Deadline,
        interrupt: Interrupt<'_>,
    ) -> Result<(), Error> {
        if offsets.is_empty() {
            return Ok(());
        }
        let failed = |code: Code, detail: &str| Error::Commit {
            message: format!("cannot commit offsets of {}: {detail} ({})", names_of(offsets), code.name()),
            code,
        };
        let commit = inlet.commit(&list_of(offsets)).map_err(|code| failed(code, code.text()))?;
        loop {
            if let Some((code, entries)) = commit.answer(deadline.step(TICK)) {
                let worst = entries.iter().map(|entry| entry.code).find(|code| *code != Code::NONE).unwrap_or(code);
                for entry in entries.iter().filter(|entry| entry.code == Code::NONE && code == Code::NONE) {
                    reading.offsets.committed(&entry.partition, entry.offset);
                }
                return if worst == Code::NONE { Ok(()) } else { Err(failed(worst, worst.text())) };
            }
            check(interrupt)?;
            if deadline.passed() {
                let cause = self.shared.brokers.last_cause().unwrap_or_else(|| "no answer in time".to_owned());
                return Err(failed(Code::TIMED_OUT, &cause));
            }
        }
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
            reading.offsets.settle();
            self.store(&inlet, &mut reading);
            let offsets = reading.offsets.to_commit().clone();
            result = self.commit_offsets(&inlet, &mut reading, &offsets, deadline, interrupt);
            while matches!(&result, Err(Error::Commit { code, .. }) if code.is_rebalance()) && !deadline.passed() {
                // The group is being shared out anew. Take part in it, and commit what is still ours.
                let _ = self.fetch(&inlet, &mut reading, deadline.step(TICK), interrupt);
                let offsets = reading.offsets.to_commit().clone();
                result = check(interrupt)
                    .and_then(|()| self.commit_offsets(&inlet, &mut reading, &offsets, deadline, interrupt));
            }
        }
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
    let mut discarded = Vec::new();
    while !inlet.closed() && !deadline.passed() {
        inlet.fetch(deadline.step(TICK), BATCH, &mut discarded);
        discarded.clear();
        check(interrupt)?;
    }
    Ok(())
}

fn list_of(offsets: &HashMap<Partition, i64>) -> PartitionList {
    let mut list = PartitionList::new();
    for (partition, offset) in offsets {
        list.add(&partition.topic, partition.id, *offset);
    }
    list
}

fn names_of(offsets: &HashMap<Partition, i64>) -> String {
    let mut names: Vec<String> = offsets
        .iter()
        .map(|(partition, offset)| format!("'{}' [{}] @{offset}", partition.topic, partition.id))
        .collect();
    names.sort();
    names.join(", ")
}

impl<H: ConsumerHooks> Drop for Consumer<H> {
    fn drop(&mut self) {
        let Some(inlet) = self.inlet.get_mut().unwrap_or_else(PoisonError::into_inner).take() else { return };
        if self.forked() {
            std::mem::forget(inlet);
            return;
        }
        // Leaves the group, or its partitions would lie idle until the session timeout. Nothing more is committed.
        self.shared.quiet.store(true, Ordering::Relaxed);
        drop(reaper::run(move || {
            let _ = leave(&inlet, Deadline::after(Some(Duration::from_secs(5))), &|| false);
        }));
    }
}

impl<H: ConsumerHooks> Callbacks for Shared<H> {
    fn log(&self, level: i32, facility: &str, text: &str) {
        if !self.quiet.load(Ordering::Relaxed) {
            if let Some(record) = self.collapse.pass(level, facility, text) {
                self.hooks.log(record);
            }
        }
    }

    fn error(&self, code: Code, reason: &str) {
        self.brokers.heard(code, reason);
        self.hooks.error(code, reason);
    }

    fn statistics(&self, json: &str) {
        self.hooks.statistics(json);
    }

    fn rebalance(&self, client: &Client, code: Code, partitions: &[Entry]) {
        let assign = code == Code::ASSIGN_PARTITIONS;
        if !assign {
            let gone = partitions.iter().map(|entry| entry.partition.clone());
            self.revoked.lock().unwrap_or_else(PoisonError::into_inner).extend(gone);
        }
        if let Err(problem) = client.apply_rebalance(assign, partitions) {
            let text = format!("rebalance: cannot change the assignment: {} ({})", problem.text, problem.code.name());
            self.hooks.log(LogRecord { level: Level::Error, text });
        }
    }

    fn committed(&self, code: Code, offsets: &[Entry]) {
        if code != Code::NONE && code != Code::NO_OFFSET {
            let names: Vec<String> = offsets
                .iter()
                .map(|entry| format!("'{}' [{}] @{}", entry.partition.topic, entry.partition.id, entry.offset))
                .collect();
            let text = format!("automatic commit of {} failed: {} ({})", names.join(", "), code.text(), code.name());
            self.hooks.log(LogRecord { level: Level::Error, text });
        }
    }
}
