//! Carries what happens on librdkafka's threads to Python: log records to `logging.getLogger("kjson")`, and the callbacks
//! `on_error` and `on_stats`. librdkafka's threads never take the GIL; one thread of ours does, for all clients.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{channel, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pyo3::prelude::*;

use crate::error::Error;
use crate::kafka::{self, Level, LogRecord, PerProcess};

pub type Note = Box<dyn FnOnce(Python<'_>) -> PyResult<()> + Send>;

/// So many notes wait at most before records at DEBUG and statistics are dropped: with `debug="all"` a busy client has
/// thousands of lines a second, more than many a handler writes. Everything else is always delivered.
const WAITING: usize = 5_000;
/// So many notes are delivered for one attach to the interpreter.
const AT_ONCE: usize = 100;
/// How long the end of the process waits for all notes, and once more for the one that is being delivered then.
const PATIENCE: Duration = Duration::from_secs(2);

struct Notifier {
    notes: Sender<Note>,
    ended: Receiver<()>,
    queue: Arc<Queue>,
}

/// What the two ends of the channel know of it.
#[derive(Default)]
struct Queue {
    waiting: AtomicUsize,
    /// Notes that were not queued and that no record has told of.
    dropped: AtomicUsize,
    /// The handlers were too slow at the end of the process: what still waits is not delivered.
    abandoned: AtomicBool,
}

#[derive(Default)]
struct State {
    current: Option<Notifier>,
    stopped: bool,
}

/// Locked on librdkafka's threads, which a fork does not wait for: a child has one of its own.
static STATE: PerProcess<Mutex<State>> = PerProcess::new();

fn state() -> MutexGuard<'static, State> {
    STATE.get().lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has `note` run on the notifier's thread, which starts with the first one and anew in a forked child.
pub fn notify(note: Note) {
    queue(note, false);
}

/// As `notify`, for what may be dropped while too much waits.
pub fn notify_if_room(note: Note) {
    queue(note, true);
}

fn queue(note: Note, droppable: bool) {
    let mut state = state();
    if state.stopped {
        return;
    }
    if state.current.is_none() {
        let (notes, received) = channel();
        let (done, ended) = channel();
        let queue = Arc::<Queue>::default();
        let theirs = queue.clone();
        let started = kafka::spawn("kjson-notify", move || {
            run(&received, &theirs);
            let _ = done.send(());
        });
        if started.is_err() {
            return;
        }
        state.current = Some(Notifier { notes, ended, queue });
    }
    let Some(notifier) = &state.current else { return };
    if droppable && notifier.queue.waiting.load(Ordering::Relaxed) >= WAITING {
        notifier.queue.dropped.fetch_add(1, Ordering::Relaxed);
        return;
    }
    notifier.queue.waiting.fetch_add(1, Ordering::Relaxed);
    let _ = notifier.notes.send(note);
}

fn run(notes: &Receiver<Note>, queue: &Queue) {
    while let Ok(first) = notes.recv() {
        let deliver_some = |py: Python<'_>| {
            for note in std::iter::once(first).chain(notes.try_iter()).take(AT_ONCE) {
                if queue.abandoned.load(Ordering::Relaxed) {
                    return;
                }
                queue.waiting.fetch_sub(1, Ordering::Relaxed);
                deliver(py, note);
            }
            let dropped = queue.dropped.swap(0, Ordering::Relaxed);
            if dropped > 0 {
                deliver(py, Box::new(move |py| write(py, &drops(dropped))));
            }
        };
        // try_attach, not attach: an interpreter that is ending must not be entered from here (PyO3 issue 4874).
        let delivered = kafka::with_signals(|| Python::try_attach(deliver_some));
        if delivered.is_none() || queue.abandoned.load(Ordering::Relaxed) {
            return;
        }
    }
}

fn deliver(py: Python<'_>, note: Note) {
    if let Err(error) = note(py) {
        error.write_unraisable(py, None);
    }
}

fn drops(count: usize) -> LogRecord {
    let text = format!(
        "{count} DEBUG records or statistics were dropped: they come faster than the handlers of the logger \"kjson\" and \
         on_stats take them. Name fewer contexts in the option debug, or raise statistics_interval_ms"
    );
    LogRecord { level: Level::Warning, text }
}

pub fn log(record: LogRecord) {
    let droppable = record.level == Level::Debug;
    queue(Box::new(move |py| write(py, &record)), droppable);
}

/// For where another exception is on its way already and must not be replaced: what the engine says is logged instead.
pub fn log_instead(who: &str, result: Result<(), Error>) -> PyResult<()> {
    match result {
        Err(Error::Kafka(error)) => {
            log(LogRecord { level: Level::Error, text: format!("{who}: {error}") });
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

/// Delivers what is queued, as far as there is time, and ends the thread. The next note starts it anew.
pub fn drain(py: Python<'_>) {
    end(py, false);
}

/// As `drain`, and takes no more notes: no thread of ours may meet an ending interpreter.
pub fn stop(py: Python<'_>) {
    end(py, true);
}

fn end(py: Python<'_>, stopped: bool) {
    py.detach(|| {
        let mut state = state();
        state.stopped = stopped;
        let notifier = state.current.take();
        drop(state);
        if let Some(Notifier { notes, ended, queue }) = notifier {
            drop(notes);
            if let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(PATIENCE) {
                queue.abandoned.store(true, Ordering::Relaxed);
                let _ = ended.recv_timeout(PATIENCE);
            }
        }
    });
}
