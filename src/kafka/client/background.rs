//! Destroys clients away from the thread that let them go: `rd_kafka_destroy` waits for broker threads without a bound.

use std::sync::mpsc;
use std::time::Duration;

use super::wait::{check, Deadline, Interrupt, TICK};
use crate::os::thread::spawn;

/// Runs `work` on a thread of its own; the receiver hears when it is done. Without a thread to be had it runs here.
pub fn run(work: impl FnOnce() + Send + 'static) -> mpsc::Receiver<()> {
    let (done, heard) = mpsc::channel();
    let shared = std::sync::Arc::new(std::sync::Mutex::new(Some(work)));
    let theirs = shared.clone();
    let take =
        |shared: &std::sync::Mutex<Option<_>>| shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
    let started = spawn("kjson-close", {
        let done = done.clone();
        move || {
            if let Some(work) = take(&theirs) {
                work();
            }
            let _ = done.send(());
        }
    });
    if started.is_err() {
        if let Some(work) = take(&shared) {
            work();
        }
        let _ = done.send(());
    }
    heard
}

/// Waits for `run` up to the deadline. Not an error if it takes longer: the thread goes on by itself.
pub fn wait(
    done: &mpsc::Receiver<()>,
    deadline: Deadline,
    interrupt: Interrupt<'_>,
) -> Result<(), crate::kafka::Error> {
    while let Err(mpsc::RecvTimeoutError::Timeout) =
        done.recv_timeout(deadline.step(TICK).max(Duration::from_millis(1)))
    {
        check(interrupt)?;
        if deadline.passed() {
            break;
        }
    }
    Ok(())
}
