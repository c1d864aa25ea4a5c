//! Calls Python for events on librdkafka's threads: log records go to `logging.getLogger("kjson")`, errors and
//! statistics to `on_error` and `on_stats`. librdkafka's threads never take the GIL; the notifier's thread does, for
//! all clients.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{channel, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pyo3::prelude::*;

use crate::error::Error;
use crate::kafka::{self, Level, LogRecord, PerProcess};

pub type Notification = Box<dyn FnOnce(Python<'_>) -> PyResult<()> + Send>;

/// Records at DEBUG and statistics are dropped while this many notifications are queued: with `debug="all"` a busy
/// client logs thousands of records a second, more than many handlers write. Everything else is always delivered.
const QUEUE_LIMIT: usize = 5_000;
/// How many notifications are delivered per attach to the interpreter.
const BATCH_SIZE: usize = 100;
/// How long the end of the process waits for all notifications, and then again for the one that is being delivered.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

struct Notifier {
    notifications: Sender<Notification>,
    ended: Receiver<()>,
    queue: Arc<QueueState>,
}

/// What both ends of the channel share.
#[derive(Default)]
struct QueueState {
    waiting: AtomicUsize,
    /// Notifications that were not queued, and are not yet reported by a log record.
    dropped: AtomicUsize,
    /// The handlers were too slow at the end of the process: the remaining notifications are not delivered.
    abandoned: AtomicBool,
}

#[derive(Default)]
struct NotifierState {
    current: Option<Notifier>,
    stopped: bool,
}

/// Locked on librdkafka's threads, which a fork may interrupt, so a forked child has its own.
static STATE: PerProcess<Mutex<NotifierState>> = PerProcess::new();

fn state() -> MutexGuard<'static, NotifierState> {
    STATE.get().lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a notification on the notifier's thread, which starts with the first one, and again in a forked child.
pub fn notify(notification: Notification) {
    queue(notification, false);
}

/// As `notify`, but drops the notification while the queue is full.
pub fn notify_or_drop(notification: Notification) {
    queue(notification, true);
}

fn queue(notification: Notification, droppable: bool) {
    let mut state = state();
    if state.stopped {
        return;
    }
    if state.current.is_none() {
        let (notifications, receiver) = channel();
        let (done, ended) = channel();
        let queue = Arc::<QueueState>::default();
        let shared = queue.clone();
        let started = kafka::spawn("kjson-notify", move || {
            run(&receiver, &shared);
            let _ = done.send(());
        });
        if started.is_err() {
            return;
        }
        state.current = Some(Notifier { notifications, ended, queue });
    }
    let Some(notifier) = &state.current else { return };
    if droppable && notifier.queue.waiting.load(Ordering::Relaxed) >= QUEUE_LIMIT {
        notifier.queue.dropped.fetch_add(1, Ordering::Relaxed);
        return;
    }
    notifier.queue.waiting.fetch_add(1, Ordering::Relaxed);
    let _ = notifier.notifications.send(notification);
}

fn run(notifications: &Receiver<Notification>, queue: &QueueState) {
    while let Ok(first) = notifications.recv() {
        let deliver_batch = |py: Python<'_>| {
            for notification in std::iter::once(first).chain(notifications.try_iter()).take(BATCH_SIZE) {
                if queue.abandoned.load(Ordering::Relaxed) {
                    return;
                }
                queue.waiting.fetch_sub(1, Ordering::Relaxed);
                deliver(py, notification);
            }
            let dropped = queue.dropped.swap(0, Ordering::Relaxed);
            if dropped > 0 {
                deliver(py, Box::new(move |py| write(py, &dropped_record(dropped))));
            }
        };
        // try_attach, not attach: this thread must not enter an interpreter that finalizes (PyO3 issue 4874).
        let delivered = kafka::with_signals(|| Python::try_attach(deliver_batch));
        if delivered.is_none() || queue.abandoned.load(Ordering::Relaxed) {
            return;
        }
    }
}

fn deliver(py: Python<'_>, notification: Notification) {
    if let Err(error) = notification(py) {
        error.write_unraisable(py, None);
    }
}

fn dropped_record(count: usize) -> LogRecord {
    let text = format!(
        "{count} DEBUG records or statistics were dropped: they arrive faster than the handlers of the logger \
         \"kjson\" and on_stats process them. Set fewer contexts in the option debug, or raise statistics_interval_ms"
    );
    LogRecord { level: Level::Warning, text }
}

pub fn log(record: LogRecord) {
    let droppable = record.level == Level::Debug;
    queue(Box::new(move |py| write(py, &record)), droppable);
}

/// Logs a Kafka error where another exception is being raised, which it must not replace.
pub fn log_instead(object: &str, result: Result<(), Error>) -> PyResult<()> {
    match result {
        Err(Error::Kafka(error)) => {
            log(LogRecord { level: Level::Error, text: format!("{object}: {error}") });
            Ok(())
        }
        other => Ok(other?),
    }
}

fn write(py: Python<'_>, record: &LogRecord) -> PyResult<()> {
    let level = match record.level {
        Level::Error => 40,
        Level::Warning => 30,
        Level::Info => 20,
        Level::Debug => 10,
    };
    let logger = py.import("logging")?.call_method1("getLogger", ("kjson",))?;
    logger.call_method1("log", (level, "%s", &record.text))?;
    Ok(())
}

/// Delivers what is queued, up to `DRAIN_TIMEOUT`, and ends the thread. The next notification starts it again.
pub fn drain(py: Python<'_>) {
    end(py, false);
}

/// As `drain`, and accepts no more notifications: no thread of kjson may run while the interpreter finalizes.
pub fn stop(py: Python<'_>) {
    end(py, true);
}

fn end(py: Python<'_>, stopped: bool) {
    py.detach(|| {
        let mut state = state();
        state.stopped = stopped;
        let notifier = state.current.take();
        drop(state);
        if let Some(Notifier { notifications, ended, queue }) = notifier {
            drop(notifications);
            if let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(DRAIN_TIMEOUT) {
                queue.abandoned.store(true, Ordering::Relaxed);
                let _ = ended.recv_timeout(DRAIN_TIMEOUT);
            }
        }
    });
}
