//! Sends messages and learns what became of each: reports are taken by a thread of ours, never by the caller.
//!
//! A failed message is told to its callback, to whoever asks its `Report`, and otherwise to the next `flush` or `close`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{mpsc, Arc, Mutex, PoisonError, RwLock};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use super::brokers::Brokers;
use super::code::Code;
use super::config::Config;
use super::delivery::{Delivered, Failure, Progress, Report};
use super::error::Error;
use super::log::{Collapse, Level, LogRecord, LogSink};
use super::native::client::{Callbacks, Client};
use super::native::fork::forks;
use super::native::produce::{Line, Outcome, Payload, Topic};
use super::reachable::{ask, connect};
use super::reaper;
use super::wait::{check, Deadline, Interrupt, TICK};

pub use super::native::produce::Payload as Outgoing;

/// How many failed messages are kept, content and all, for the next `flush` to raise; more are only counted.
const FAILURES_KEPT: usize = 10_000;

pub trait ProducerHooks: LogSink {
    type Callback: Send + Sync + 'static;
    /// Called on the report thread, once per batch, with the messages that somebody waits for by callback.
    fn completed(&self, batch: Vec<Completed<Self::Callback>>);
    fn error(&self, code: Code, reason: &str);
    fn statistics(&self, json: &str);
}

pub type Completed<C> = (Arc<Report<C>>, Vec<C>);

pub struct ProducerSettings {
    pub connect_timeout: Option<Duration>,
    pub max_block: Duration,
}

/// Why a message was not taken: no room, with the callback back for another try, or an error for good.
pub enum Refusal<C> {
    Full(Option<C>),
    Failed(Error),
}

struct Shared<H: ProducerHooks> {
    hooks: H,
    brokers: Arc<Brokers>,
    collapse: Collapse,
    progress: Progress,
    /// Messages taken and not yet reported, callbacks included.
    outstanding: AtomicUsize,
    batches: AtomicU64,
    failures: Mutex<Failures<H::Callback>>,
    stop: AtomicBool,
    report_thread: Mutex<Option<ThreadId>>,
    timeout_ms: String,
}

struct Failures<C> {
    kept: Vec<Arc<Report<C>>>,
    uncounted: usize,
}

type Reported<H> = Report<<H as ProducerHooks>::Callback>;

/// Topics go before the client that they belong to.
struct Open<H: ProducerHooks> {
    topics: Mutex<HashMap<Arc<str>, Arc<Topic>>>,
    line: Line<Reported<H>>,
}

pub struct Producer<H: ProducerHooks> {
    shared: Arc<Shared<H>>,
    open: RwLock<Option<Arc<Open<H>>>>,
    /// Heard when the report thread has ended and the client is destroyed.
    ended: Mutex<mpsc::Receiver<()>>,
    pub settings: ProducerSettings,
    forks: u32,
}

impl<H: ProducerHooks> Producer<H> {
    pub fn new(config: &Config, settings: ProducerSettings, hooks: H, interrupt: Interrupt<'_>) -> Result<Self, Error> {
        let conf = config.build()?;
        let shared = Arc::new(Shared {
            hooks,
            brokers: Arc::new(Brokers::new(config.bootstrap_addresses())),
            collapse: Collapse::default(),
            progress: Progress::default(),
            outstanding: AtomicUsize::new(0),
            batches: AtomicU64::new(0),
            failures: Mutex::new(Failures { kept: Vec::new(), uncounted: 0 }),
            stop: AtomicBool::new(false),
            report_thread: Mutex::new(None),
            timeout_ms: config.get("message.timeout.ms").unwrap_or("300000").to_owned(),
        });
        let client = Client::producer(conf, shared.clone()).map_err(|why| Error::Config {
            message: format!("Producer: librdkafka refused the options: {}", config.redacted(&why)),
            option: String::new(),
            suggestion: None,
        })?;
        let made = Instant::now();
        let open = Arc::new(Open { topics: Mutex::default(), line: Line::new(client) });
        let ended = reaper::run({
            let (shared, open) = (shared.clone(), open.clone());
            move || shared.take_reports(open)
        });
        let producer = Producer {
            shared,
            open: RwLock::new(Some(open.clone())),
            ended: Mutex::new(ended),
            settings,
            forks: forks(),
        };
        if let Some(timeout) = producer.settings.connect_timeout {
            let brokers = &producer.shared.brokers;
            // The report thread serves the callbacks. On failure the producer is dropped, which ends that thread.
            connect(open.line.client(), brokers, timeout, || (), interrupt)?;
            if config.idempotent() && config.get("transactional.id").is_none() {
                hasten_producer_id(open, made);
            }
        }
        producer.shared.collapse.connected();
        Ok(producer)
    }

    pub fn forked(&self) -> bool {
        self.forks != forks()
    }

    pub fn closed(&self) -> bool {
        self.open.read().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    pub fn servers(&self) -> &[String] {
        self.shared.brokers.servers()
    }

    pub fn pending(&self) -> usize {
        self.shared.outstanding.load(Ordering::SeqCst)
    }

    /// Takes one message without waiting.
    pub fn try_send(
        &self,
        topic: &str,
        payload: &Payload<'_>,
        callback: Option<H::Callback>,
    ) -> Result<Arc<Reported<H>>, Refusal<H::Callback>> {
        let guard = self.open.read().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = &*guard else {
            return Err(Refusal::Failed(Error::Closed { operation: "send", object: "producer" }));
        };
        let (name, handle) = open.topic(topic).map_err(|code| {
            let message = format!("cannot send to {topic:?}: not a topic name: {} ({})", code.text(), code.name());
            Refusal::Failed(Error::Failed { message, code, fatal: false })
        })?;
        let report = Arc::new(Report::new(name, callback));
        self.shared.outstanding.fetch_add(1, Ordering::SeqCst);
        open.line.produce(&handle, payload, report.clone()).map_err(|(code, ours)| {
            self.shared.outstanding.fetch_sub(1, Ordering::SeqCst);
            drop(ours);
            if code == Code::QUEUE_FULL {
                return Refusal::Full(report.take_callback());
            }
            Refusal::Failed(refused(open, topic, payload, code))
        })?;
        Ok(report)
    }

    /// Waits until some messages have left the queue.
    pub fn wait_for_room(&self, topic: &str, deadline: Deadline, interrupt: Interrupt<'_>) -> Result<(), Error> {
        let batch = self.shared.batches.load(Ordering::SeqCst);
        let moved = || self.shared.batches.load(Ordering::SeqCst) != batch || self.closed();
        if !self.on_report_thread() && self.shared.progress.wait(deadline, interrupt, moved)? {
            return Ok(());
        }
        let waited = if self.on_report_thread() { Duration::ZERO } else { self.settings.max_block };
        let cause = self.shared.brokers.last_cause().map_or_else(String::new, |cause| format!("; {cause}"));
        Err(Error::QueueFull {
            message: format!(
                "cannot send to '{topic}': the producer's queue stayed full for {} s, with {} messages unconfirmed{cause}. \
                 Send slower, raise queue_buffering_max_messages, or raise max_block_ms",
                waited.as_secs_f64(),
                self.pending(),
            ),
        })
    }

    /// Waits for one message; false when the deadline passed first.
    pub fn wait(&self, report: &Reported<H>, deadline: Deadline, interrupt: Interrupt<'_>) -> Result<bool, Error> {
        if report.completion().is_none() {
            if self.on_report_thread() {
                return Err(Error::Misuse(
                    "a delivery callback cannot wait for another delivery: it runs on the thread that reports them"
                        .to_owned(),
                ));
            }
            // Somebody waits, so linger_ms has no sense any more: a flush of 2 ms sends what is held back.
            if let Some(open) = self.current() {
                open.line.flush(deadline.step(Duration::from_millis(2)));
            }
        }
        self.shared.progress.wait(deadline, interrupt, || report.completion().is_some())
    }

    /// Waits until every message is confirmed or failed, and raises what failed and nobody saw.
    pub fn flush(&self, deadline: Deadline, interrupt: Interrupt<'_>) -> Result<(), Error> {
        let Some(open) = self.current() else {
            return Err(Error::Closed { operation: "flush", object: "producer" });
        };
        self.drain(&open, deadline, interrupt)?;
        self.unseen_failures()
    }

    fn drain(&self, open: &Open<H>, deadline: Deadline, interrupt: Interrupt<'_>) -> Result<(), Error> {
        if self.on_report_thread() {
            return Err(Error::Misuse(
                "a delivery callback cannot flush or close its producer: it runs on the thread that reports deliveries"
                    .to_owned(),
            ));
        }
        loop {
            if open.line.flush(deadline.step(TICK)) {
                // librdkafka is done; what is left is the callbacks of the last batch.
                let done = || self.pending() == 0;
                if self.shared.progress.wait(Deadline::after(Some(deadline.step(TICK))), interrupt, done)? {
                    return Ok(());
                }
            }
            check(interrupt)?;
            if deadline.passed() {
                let remaining = self.pending();
                let cause = self.shared.brokers.last_cause().map_or_else(String::new, |cause| format!(": {cause}"));
                let message = format!("{remaining} messages were not confirmed in the time given to flush{cause}");
                return if remaining == 0 { Ok(()) } else { Err(Error::FlushTimeout { message, remaining }) };
            }
        }
    }

    fn unseen_failures(&self) -> Result<(), Error> {
        let mut failures = self.shared.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let uncounted = std::mem::take(&mut failures.uncounted);
        let unseen: Vec<Failure> = std::mem::take(&mut failures.kept)
            .into_iter()
            .filter(|report| !report.seen())
            .filter_map(|report| {
                report.see();
                report.completion()?.err().cloned()
            })
            .collect();
        drop(failures);
        let Some(first) = unseen.first() else { return Ok(()) };
        let count = unseen.len() + uncounted;
        let more =
            if uncounted > 0 { format!(", of which the first {} are kept", unseen.len()) } else { String::new() };
        let message = if count == 1 {
            first.message.clone()
        } else {
            format!("{count} messages were not delivered{more}. The first: {}", first.message)
        };
        Err(Error::Delivery { message, failures: unseen })
    }

    /// Flushes, gives up what the deadline leaves, and ends the client. Closing again does nothing.
    pub fn close(&self, deadline: Deadline, interrupt: Interrupt<'_>) -> Result<(), Error> {
        let Some(open) = self.current() else { return Ok(()) };
        let drained = self.drain(&open, deadline, interrupt);
        if matches!(drained, Err(Error::Misuse(_))) {
            return drained;
        }
        self.open.write().unwrap_or_else(PoisonError::into_inner).take();
        if drained.is_err() {
            self.shared.give_up(&open);
        }
        self.shared.stop.store(true, Ordering::SeqCst);
        open.line.wake();
        drop(open);
        // The destroy joins librdkafka's threads. Let it have a moment, so that a closed producer is really gone.
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let patience = Deadline::after(Some(Duration::from_secs(1)));
        if drained.is_ok() {
            reaper::wait(&ended, patience, interrupt)?;
        }
        match drained {
            Err(Error::FlushTimeout { remaining, message }) => {
                Err(Error::FlushTimeout { remaining, message: format!("{message}. They are given up with the close") })
            }
            Err(other) => Err(other),
            Ok(()) => self.unseen_failures(),
        }
    }

    /// Asks a broker whether it is there.
    pub fn ping(&self, timeout: Duration, interrupt: Interrupt<'_>) -> Result<(), Error> {
        let open = self.current().ok_or(Error::Closed { operation: "ping", object: "producer" })?;
        ask(&self.shared.brokers, "ping", timeout, interrupt, move |step| open.line.client().answers(step))
    }

    /// How many partitions a topic has; a topic that does not exist is an error.
    pub fn partition_count(&self, topic: &str, timeout: Duration, interrupt: Interrupt<'_>) -> Result<usize, Error> {
        let open = self.current().ok_or(Error::Closed { operation: "partitions_for", object: "producer" })?;
        let operation = format!("cannot look up topic '{topic}'");
        let topic = topic.to_owned();
        let question = move |step| open.line.client().metadata(Some(&topic), step);
        ask(&self.shared.brokers, &operation, timeout, interrupt, question)?
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

/// Asks for the producer id as soon as a broker can give it: librdkafka drops the bootstrap connection when it knows the
/// cluster, and connects to its brokers 50 ms later.
fn hasten_producer_id<H: ProducerHooks>(open: Arc<Open<H>>, made: Instant) {
    const LIBRDKAFKA_ASKS_AFTER: Duration = Duration::from_millis(500);
    drop(reaper::run(move || {
        std::thread::sleep(Duration::from_millis(20));
        let client = open.line.client();
        let connected = client.answers(Duration::from_millis(400).saturating_sub(made.elapsed())).is_ok();
        if connected && made.elapsed() + Duration::from_millis(50) < LIBRDKAFKA_ASKS_AFTER {
            client.request_producer_id();
        }
    }));
}

impl<H: ProducerHooks> Drop for Producer<H> {
    fn drop(&mut self) {
        let Some(open) = self.open.get_mut().unwrap_or_else(PoisonError::into_inner).take() else { return };
        if self.forked() {
            // The threads that use it exist in the parent only.
            std::mem::forget(open);
            return;
        }
        let shared = self.shared.clone();
        if shared.outstanding.load(Ordering::SeqCst) == 0 {
            shared.stop.store(true, Ordering::SeqCst);
            return;
        }
        // Let go without a close: what is queued still gets its chance, behind the caller's back.
        drop(reaper::run(move || {
            open.line.flush(Duration::from_secs(30));
            shared.give_up(&open);
            shared.stop.store(true, Ordering::SeqCst);
        }));
    }
}

impl<H: ProducerHooks> Open<H> {
    fn topic(&self, name: &str) -> Result<(Arc<str>, Arc<Topic>), Code> {
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((name, handle)) = topics.get_key_value(name) {
            return Ok((name.clone(), handle.clone()));
        }
        let (name, handle) = (Arc::<str>::from(name), Arc::new(self.line.topic(name)?));
        topics.insert(name.clone(), handle.clone());
        Ok((name, handle))
    }
}

fn refused<H: ProducerHooks>(open: &Open<H>, topic: &str, payload: &Payload<'_>, code: Code) -> Error {
    let (detail, fatal) = match code {
        Code::MSG_SIZE_TOO_LARGE => {
            let size = payload.value.map_or(0, <[u8]>::len) + payload.key.map_or(0, <[u8]>::len);
            (
                format!(
                    "the message has {size} bytes, more than message.max.bytes. Raise max_request_size or send less"
                ),
                false,
            )
        }
        Code::UNKNOWN_PARTITION => (format!("the topic has no partition {}", payload.partition), false),
        Code::FATAL => {
            let why = open.line.client().fatal_error().map_or_else(String::new, |(_, text)| text);
            (format!("the producer failed for good: {why}. Make a new one"), true)
        }
        other => (other.text().to_owned(), false),
    };
    Error::Failed { message: format!("cannot send to '{topic}': {detail} ({})", code.name()), code, fatal }
}

impl<H: ProducerHooks> Shared<H> {
    /// The report thread: takes reports until the producer stops, and destroys the client if it is the last to hold it.
    fn take_reports(&self, open: Arc<Open<H>>) {
        *self.report_thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(std::thread::current().id());
        while !self.stop.load(Ordering::SeqCst) {
            let mut completed = Vec::new();
            let count = open.line.poll(TICK, |report, outcome| {
                let callbacks = self.report(&report, &outcome);
                if !callbacks.is_empty() {
                    completed.push((report, callbacks));
                }
            });
            if count == 0 {
                continue;
            }
            if !completed.is_empty() {
                self.progress.announce();
                self.hooks.completed(completed);
            }
            self.outstanding.fetch_sub(count, Ordering::SeqCst);
            self.batches.fetch_add(1, Ordering::SeqCst);
            self.progress.announce();
        }
    }

    fn report(&self, report: &Arc<Reported<H>>, outcome: &Outcome<'_>) -> Vec<H::Callback> {
        if outcome.code == Code::NONE {
            if self.brokers.suspect() {
                self.brokers.answered();
                self.collapse.reset();
            }
            return report.delivered(Delivered {
                partition: outcome.partition,
                offset: outcome.offset,
                timestamp_ms: outcome.timestamp_ms,
            });
        }
        let callbacks = report.failed(Failure {
            topic: outcome.topic(),
            partition: outcome.partition,
            key: outcome.key(),
            value: outcome.value(),
            code: outcome.code,
            message: self.failure_message(report, outcome),
        });
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.kept.len() >= FAILURES_KEPT {
            failures.kept.retain(|report| !report.seen());
        }
        if failures.kept.len() < FAILURES_KEPT {
            failures.kept.push(report.clone());
        } else if !report.seen() {
            failures.uncounted += 1;
        }
        callbacks
    }

    fn failure_message(&self, report: &Reported<H>, outcome: &Outcome<'_>) -> String {
        let place = if outcome.partition >= 0 { format!(" [{}]", outcome.partition) } else { String::new() };
        let detail = match outcome.code {
            Code::MSG_TIMED_OUT => {
                let cause = self.brokers.last_cause().map_or_else(
                    || "no broker reported an error; does the topic exist and is its leader up?".to_owned(),
                    |cause| format!("the connection failed: {cause}. Is the broker running?"),
                );
                format!("not confirmed within delivery_timeout_ms={}; {cause}", self.timeout_ms)
            }
            _ => outcome.reason(),
        };
        format!("cannot deliver to '{}'{place}: {detail} ({})", report.topic, outcome.code.name())
    }

    /// Fails what is still queued or unconfirmed, and says how much that was.
    fn give_up(&self, open: &Open<H>) {
        let lost = self.outstanding.load(Ordering::SeqCst);
        open.line.purge();
        if lost > 0 {
            let cause = self.brokers.last_cause().map_or_else(String::new, |cause| format!(": {cause}"));
            let text = format!("producer closed with {lost} messages unconfirmed, which are given up{cause}");
            self.hooks.log(LogRecord { level: Level::Error, text });
        }
        // Their reports end every wait for them.
        open.line.flush(Duration::from_millis(500));
    }
}

impl<H: ProducerHooks> Callbacks for Shared<H> {
    fn log(&self, level: i32, facility: &str, text: &str) {
        if !self.stop.load(Ordering::Relaxed) {
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
}
