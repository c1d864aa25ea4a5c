//! Is a broker there? Asked once when a client is made, and again while a consumer waits after a connection was lost.
//!
//! The question is a metadata request. ALL_BROKERS_DOWN alone does not do: it never comes from a host that accepts and
//! says nothing, nor from CMake builds of librdkafka 2.11.1 to 2.14 (https://github.com/confluentinc/librdkafka/issues/5282).

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

const ASK: Duration = Duration::from_millis(100);

/// Connects, or says why not. `serve` runs the callbacks that carry the reasons, where no thread does that already.
pub fn connect(
    client: &Client,
    brokers: &Brokers,
    timeout: Duration,
    serve: impl Fn(),
    interrupt: Interrupt<'_>,
) -> Result<(), Error> {
    let deadline = Deadline::after(Some(timeout));
    loop {
        // The request repeats each round, which also keeps librdkafka connecting; an answer that took longer than one
        // round still counts, since the cluster's id is known after it.
        if client.answers(deadline.step(ASK)).is_ok() || client.knows_cluster() {
            settle(client, deadline, interrupt)?;
            brokers.answered();
            return Ok(());
        }
        serve();
        check(interrupt)?;
        if deadline.passed() || brokers.hopeless() {
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

/// The first answer tells librdkafka the cluster's own brokers; it then drops the bootstrap connection and makes another
/// one, 25 ms later. Connected means connected, so that one has to answer as well. A cluster slower than a round is taken
/// at its first word.
fn settle(client: &Client, deadline: Deadline, interrupt: Interrupt<'_>) -> Result<(), Error> {
    const ROUNDS: usize = 4;
    const ROUND: Duration = Duration::from_millis(150);
    for _ in 0..ROUNDS {
        if client.answers(deadline.step(ROUND)).is_ok() {
            break;
        }
        check(interrupt)?;
    }
    Ok(())
}

/// Asks `question` until it is answered or `timeout` is over, on a thread of its own: librdkafka's calls cannot be broken
/// off, and shorter ones would never see the answer of a slow cluster.
pub fn ask<T: Send + 'static>(
    brokers: &Arc<Brokers>,
    operation: &str,
    timeout: Duration,
    interrupt: Interrupt<'_>,
    question: impl Fn(Duration) -> Result<T, Code> + Send + 'static,
) -> Result<T, Error> {
    let deadline = Deadline::after(Some(timeout));
    let abandoned = Arc::new(AtomicBool::new(false));
    let (answer, heard) = mpsc::channel();
    background::start(operation, "kjson-request", {
        let abandoned = abandoned.clone();
        move || loop {
            let result = question(deadline.step(timeout));
            let last = result.is_ok() || deadline.passed() || abandoned.load(Ordering::Relaxed);
            if last || !matches!(&result, Err(code) if code.retriable()) {
                let _ = answer.send(result);
                return;
            }
            // A refused connection answers at once: no spinning.
            std::thread::sleep(Duration::from_millis(20));
        }
    })?;
    loop {
        match heard.recv_timeout(TICK) {
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

/// Watches a connection that was there: how long has no broker answered?
pub struct Watch {
    brokers: Arc<Brokers>,
    lost_since: Mutex<Option<Instant>>,
    asking: AtomicBool,
}

impl Watch {
    pub fn new(brokers: Arc<Brokers>) -> Arc<Self> {
        Arc::new(Watch { brokers, lost_since: Mutex::default(), asking: AtomicBool::new(false) })
    }

    /// A message came: all is well.
    pub fn heard(&self) {
        if self.brokers.suspect() {
            self.found();
        }
    }

    /// How long no broker has been reachable, as far as is known. While a loss is suspected, a question is kept under way
    /// on a thread of its own, since a slow answer must not hold up the caller.
    pub fn unreachable_for(self: &Arc<Self>, ask: impl FnOnce(Duration) -> bool + Send + 'static) -> Duration {
        if !self.brokers.suspect() {
            return Duration::ZERO;
        }
        let since = *self.lock().get_or_insert_with(Instant::now);
        if !self.asking.swap(true, Ordering::AcqRel) {
            let watch = self.clone();
            let asked = spawn("kjson-probe", move || {
                const PATIENCE: Duration = Duration::from_secs(1);
                let begun = Instant::now();
                if ask(PATIENCE) {
                    watch.found();
                } else {
                    // A refused connection answers at once: do not ask again in a tight loop.
                    std::thread::sleep(Duration::from_millis(100).saturating_sub(begun.elapsed()));
                }
                watch.asking.store(false, Ordering::Release);
            });
            if asked.is_err() {
                self.asking.store(false, Ordering::Release);
            }
        }
        since.elapsed()
    }

    /// The loss has been told: the clock starts anew.
    pub fn begin_again(&self) {
        *self.lock() = None;
    }

    fn found(&self) {
        self.brokers.answered();
        *self.lock() = None;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.lost_since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
