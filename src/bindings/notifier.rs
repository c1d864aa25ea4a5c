//! Carries what happens on librdkafka's threads to Python: log records to `logging.getLogger("kjson")`, and the callbacks
//! `on_error` and `on_stats`. librdkafka's threads never take the GIL; one thread of ours does, for all clients.

use std::sync::mpsc::{channel, Receiver, Sender};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pyo3::prelude::*;

use crate::error::Error;
use crate::kafka::{forks, Level, LogRecord};

pub type Note = Box<dyn FnOnce(Python<'_>) -> PyResult<()> + Send>;

struct Notifier {
    notes: Sender<Note>,
    ended: Receiver<()>,
    forks: u32,
}

#[derive(Default)]
struct State {
    current: Option<Notifier>,
    stopped: bool,
}

static STATE: Mutex<State> = Mutex::new(State { current: None, stopped: false });

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has `note` run on the notifier's thread, which starts with the first one and anew in a forked child.
pub fn notify(note: Note) {
    let mut state = state();
    if state.stopped {
        return;
    }
    if state.current.as_ref().is_none_or(|notifier| notifier.forks != forks()) {
        let (notes, received) = channel();
        let (done, ended) = channel();
        let started = std::thread::Builder::new().name("kjson-notify".into()).spawn(move || {
            run(&received);
            let _ = done.send(());
        });
        if started.is_err() {
            return;
        }
        // The one that a fork left behind has no thread; its channel is of no use in this process.
        std::mem::forget(state.current.replace(Notifier { notes, ended, forks: forks() }));
    }
    if let Some(notifier) = &state.current {
        let _ = notifier.notes.send(note);
    }
}

fn run(notes: &Receiver<Note>) {
    while let Ok(note) = notes.recv() {
        // try_attach, not attach: an interpreter that is ending must not be entered from here (PyO3 issue 4874).
        let delivered = Python::try_attach(|py| {
            if let Err(error) = note(py) {
                error.write_unraisable(py, None);
            }
        });
        if delivered.is_none() {
            return;
        }
    }
}

pub fn log(record: LogRecord) {
    notify(Box::new(move |py| write(py, &record)));
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

/// Delivers what is queued, within two seconds, and ends the thread: none of ours may meet an ending interpreter.
pub fn stop(py: Python<'_>) {
    py.detach(|| {
        let mut state = state();
        state.stopped = true;
        let notifier = state.current.take();
        drop(state);
        if let Some(Notifier { notes, ended, forks: made }) = notifier {
            if made != forks() {
                return;
            }
            drop(notes);
            let _ = ended.recv_timeout(Duration::from_secs(2));
        }
    });
}
