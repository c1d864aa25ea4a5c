//! Threads for calls that may block for longer than the caller waits, such as `rd_kafka_destroy`.

use std::sync::{mpsc, Arc, Mutex, PoisonError};
use std::time::Duration;

use super::error::Error;
use super::wait::{check, Deadline, Interrupt, TICK};
use crate::librdkafka::code::Code;
use crate::os::thread::spawn;

/// Runs `work` on a new thread; an error if none can be started. The receiver is disconnected when the work has ended.
pub fn start(operation: &str, name: &str, work: impl FnOnce() + Send + 'static) -> Result<mpsc::Receiver<()>, Error> {
    let (running, ended) = mpsc::channel();
    let started = spawn(name, move || {
        work();
        drop(running);
    });
    started.map(|()| ended).map_err(|cause| {
        let text = format!("no thread can be started: {cause}. Raise this process's limits of threads and memory");
        Error::failed(operation, Code::FAIL, &text)
    })
}

/// Runs `work`, which must not be left out and must end, on a new thread, or on this one if none can be started.
pub fn run(name: &str, work: impl FnOnce() + Send + 'static) -> mpsc::Receiver<()> {
    // Whichever thread takes it runs it.
    let work = Arc::new(Mutex::new(Some(work)));
    let take = |work: &Mutex<Option<_>>| work.lock().unwrap_or_else(PoisonError::into_inner).take();
    let theirs = work.clone();
    let started = start("", name, move || {
        if let Some(work) = take(&theirs) {
            work();
        }
    });
    started.unwrap_or_else(|_| {
        if let Some(work) = take(&work) {
            work();
        }
        mpsc::channel().1
    })
}

/// Waits for the end of `work` up to the deadline. Not an error if it takes longer: the thread continues.
pub fn wait(ended: &mpsc::Receiver<()>, deadline: Deadline, interrupt: Interrupt<'_>) -> Result<(), Error> {
    while let Err(mpsc::RecvTimeoutError::Timeout) =
        ended.recv_timeout(deadline.step(TICK).max(Duration::from_millis(1)))
    {
        check(interrupt)?;
        if deadline.passed() {
            break;
        }
    }
    Ok(())
}
