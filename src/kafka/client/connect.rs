//! Checks that a broker answers: in the constructor, and while a consumer waits after its connection was lost.
//!
//! The check is a metadata request. ALL_BROKERS_DOWN does not suffice: librdkafka does not report it for a host that
//! accepts and never answers, nor at all in CMake builds of 2.11.1 to 2.14
//! (https://github.com/confluentinc/librdkafka/issues/5282).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{mpsc, Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::background;
use super::brokers::Brokers;
use super::error::Error;
use super::wait::{check, Deadline, Interrupt, TICK};
use crate::librdkafka::client::Client;
use crate::librdkafka::code::Code;
use crate::os::thread::spawn;

const ROUND: Duration = Duration::from_millis(100);

/// Waits until a broker answers. `serve` runs the callbacks that report errors, if no thread does.
pub fn connect(
    client: &Client,
    brokers: &Brokers,
    timeout: Duration,
    serve: impl Fn(),
    interrupt: Interrupt<'_>,
) -> Result<(), Error> {
    let deadline = Deadline::after(Some(timeout));
    loop {
        // Each round repeats the request, which also keeps librdkafka connecting. An answer that takes longer than a
        // round counts, too: the cluster's id is known after it.
        if client.ping(deadline.step(ROUND)).is_ok() || client.knows_cluster() {
            await_reconnect(client, deadline, interrupt)?;
            brokers.answered();
            return Ok(());
        }
        serve();
        check(interrupt)?;
        if deadline.passed() || brokers.all_failed() {
            let silent = format!("no answer within {} s", timeout.as_secs_f64());
            return Err(brokers.error(
                "cannot reach any Kafka broker",
                &silent,
                "Is the broker running, is bootstrap_servers right, and does security_protocol match the listener? \
                 (connect_timeout=None skips this check)",
            ));
        }
    }
}

/// With the first answer librdkafka learns the cluster's brokers. It then drops the bootstrap connection and opens
/// another one 25 ms later, which has to answer as well. For a cluster slower than a round the first answer suffices.
fn await_reconnect(client: &Client, deadline: Deadline, interrupt: Interrupt<'_>) -> Result<(), Error> {
    const ROUNDS: usize = 4;
    const ROUND: Duration = Duration::from_millis(150);
    for _ in 0..ROUNDS {
        if client.ping(deadline.step(ROUND)).is_ok() {
            break;
        }
        check(interrupt)?;
    }
    Ok(())
}

/// Repeats `question` until it is answered or `timeout` is over, on a background thread: librdkafka's calls cannot be
/// interrupted, and shorter ones would miss the answer of a slow cluster.
pub fn request<T: Send + 'static>(
    brokers: &Arc<Brokers>,
    operation: &str,
    timeout: Duration,
    interrupt: Interrupt<'_>,
    question: impl Fn(Duration) -> Result<T, Code> + Send + 'static,
) -> Result<T, Error> {
    let deadline = Deadline::after(Some(timeout));
    let abandoned = Arc::new(AtomicBool::new(false));
    let (sender, answers) = mpsc::channel();
    background::start(operation, "kjson-request", {
        let abandoned = abandoned.clone();
        move || loop {
            let result = question(deadline.step(timeout));
            let last = result.is_ok() || deadline.passed() || abandoned.load(Ordering::Relaxed);
            if last || !matches!(&result, Err(code) if code.retriable()) {
                let _ = sender.send(result);
                return;
            }
            // A refused connection fails at once: do not spin.
            std::thread::sleep(Duration::from_millis(20));
        }
    })?;
    loop {
        match answers.recv_timeout(TICK) {
            Ok(Ok(answer)) => {
                brokers.answered();
                return Ok(answer);
            }
            Ok(Err(code)) if !code.is_connection() && code != Code::TIMED_OUT => {
                return Err(Error::failed(operation, code, ""));
            }
            Err(mpsc::RecvTimeoutError::Timeout) if !deadline.passed() => {}
            _ => {
                abandoned.store(true, Ordering::Relaxed);
                let silent = format!("no answer within {} s", timeout.as_secs_f64());
                return Err(brokers.error(operation, &silent, "Is the broker running?"));
            }
        }
        if let Err(interrupted) = check(interrupt) {
            abandoned.store(true, Ordering::Relaxed);
            return Err(interrupted);
        }
    }
}

/// Measures for how long no broker has answered, after a connection was lost.
pub struct OutageTimer {
    brokers: Arc<Brokers>,
    lost_since: Mutex<Option<Instant>>,
    asking: AtomicBool,
}

impl OutageTimer {
    pub fn new(brokers: Arc<Brokers>) -> Arc<Self> {
        Arc::new(OutageTimer { brokers, lost_since: Mutex::default(), asking: AtomicBool::new(false) })
    }

    /// A message came, so a broker is reachable.
    pub fn message_received(&self) {
        if self.brokers.suspect() {
            self.end();
        }
    }

    /// For how long no broker has been reachable. After a connection error, `question` is repeated on a background
    /// thread, since a slow answer must not block the caller.
    pub fn unreachable_for(self: &Arc<Self>, question: impl FnOnce(Duration) -> bool + Send + 'static) -> Duration {
        if !self.brokers.suspect() {
            return Duration::ZERO;
        }
        let since = *self.lock().get_or_insert_with(Instant::now);
        if !self.asking.swap(true, Ordering::AcqRel) {
            let timer = self.clone();
            let started = spawn("kjson-probe", move || {
                const TIMEOUT: Duration = Duration::from_secs(1);
                let asked = Instant::now();
                if question(TIMEOUT) {
                    timer.end();
                } else {
                    // A refused connection fails at once: do not spin.
                    std::thread::sleep(Duration::from_millis(100).saturating_sub(asked.elapsed()));
                }
                timer.asking.store(false, Ordering::Release);
            });
            if started.is_err() {
                self.asking.store(false, Ordering::Release);
            }
        }
        since.elapsed()
    }

    /// Measures from now on, after an outage was raised.
    pub fn restart(&self) {
        *self.lock() = None;
    }

    fn end(&self) {
        self.brokers.answered();
        *self.lock() = None;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.lost_since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
