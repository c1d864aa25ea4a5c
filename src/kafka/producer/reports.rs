//! The report thread of a producer: takes delivery reports in batches and tells whoever has to know.
//!
//! A failed message is told to its callback, to whoever asks its `DeliveryState` or `Batch`, and otherwise to the next `flush` or
//! `close`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::thread::ThreadId;

use super::accumulator::Accumulators;
use super::batch::{Batch, Batches};
use super::delivery::{Callbacks, Delivered, DeliveryState, TopicId};
use super::failures::Failures;
use super::progress::Progress;
use super::transaction_state::TransactionState;
use super::{Open, ProducerHooks};
use crate::kafka::client::brokers::Brokers;
use crate::kafka::client::error::Failure;
use crate::kafka::client::log::LogThrottle;
use crate::kafka::client::wait::TICK;
use crate::librdkafka::callbacks::ClientEvents;
use crate::librdkafka::code::Code;
use crate::librdkafka::delivery_report::{DeliveryReport, Opaque};

pub(super) type Reported<H> = DeliveryState<<H as ProducerHooks>::Callback>;

/// On cache lines of its own: the sending threads write here, and the report thread writes everything else.
#[repr(align(128))]
#[derive(Default)]
pub(super) struct Sent(pub AtomicUsize);

pub(super) struct Shared<H: ProducerHooks> {
    pub hooks: H,
    pub brokers: Arc<Brokers>,
    pub collapse: LogThrottle,
    pub progress: Progress,
    /// Messages taken. Less `reported`, with which the callbacks are over: what is under way.
    pub sent: Sent,
    pub reported: AtomicUsize,
    pub rounds: AtomicU64,
    pub tally: Tally,
    pub batches: Batches,
    pub accumulators: Accumulators,
    pub names: RwLock<Names>,
    pub failures: Failures<H::Callback>,
    /// `close` has begun: no new messages.
    pub closing: AtomicBool,
    /// Why the producer failed for good.
    pub fatal: OnceLock<String>,
    pub stop: AtomicBool,
    pub transactions_ready: AtomicBool,
    pub transaction: TransactionState,
    pub report_thread: Mutex<Option<ThreadId>>,
    pub timeout_ms: String,
}

/// The names of the topics that were sent to, by `TopicId` and back.
#[derive(Default)]
pub(super) struct Names {
    pub list: Vec<Arc<str>>,
    pub ids: HashMap<Arc<str>, TopicId>,
}

/// What `metrics` counts.
#[derive(Default)]
pub(super) struct Tally {
    pub delivered: AtomicU64,
    pub delivered_bytes: AtomicU64,
    pub failed: AtomicU64,
}

impl Tally {
    /// Before anybody is told: who has waited for a message finds it counted. On the report thread alone, which needs no atomic
    /// addition for that.
    fn count_delivered(&self, bytes: usize) {
        let add = |count: &AtomicU64, more| count.store(count.load(Ordering::Relaxed) + more, Ordering::Relaxed);
        add(&self.delivered, 1);
        add(&self.delivered_bytes, bytes as u64);
    }
}

/// What one round of reports comes to, told once at its end.
struct Round<C> {
    completed: Vec<(Arc<DeliveryState<C>>, Callbacks<C>)>,
    /// Delivered messages of one batch, one after the other.
    run: Vec<(u32, Delivered)>,
    batch: Option<Arc<Batch>>,
}

impl<H: ProducerHooks> Shared<H> {
    pub fn pending(&self) -> usize {
        // What is accumulated before all: it becomes part of what is sent. Then reported: the difference may be too large for
        // a moment, but never below zero.
        let accumulated = self.accumulators.left();
        let reported = self.reported.load(Ordering::SeqCst);
        self.sent.0.load(Ordering::SeqCst).saturating_sub(reported) + accumulated
    }

    pub fn topic_name(&self, topic: TopicId) -> Arc<str> {
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        names.list.get(topic.0 as usize).cloned().unwrap_or_else(|| "?".into())
    }

    /// The report thread: takes reports until the producer stops, and destroys the client if it is the last to hold it.
    pub fn take_reports(&self, open: Arc<Open<H>>) {
        *self.report_thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(std::thread::current().id());
        let mut round = Round { completed: Vec::new(), run: Vec::new(), batch: None };
        while !self.stop.load(Ordering::SeqCst) {
            let count = open.native.poll(TICK, |carried, outcome| {
                self.note_fatal(&open, outcome.code);
                self.report(&mut round, carried, &outcome);
            });
            if count > 0 {
                self.end_round(&mut round, count);
            }
        }
    }

    fn end_round(&self, round: &mut Round<H::Callback>, count: usize) {
        self.end_run(round);
        if let Some(batch) = round.batch.take() {
            self.forget_if_done(&batch);
        }
        if !round.completed.is_empty() {
            self.progress.announce();
            self.hooks.completed(&|topic| self.topic_name(topic), std::mem::take(&mut round.completed));
        }
        self.reported.fetch_add(count, Ordering::SeqCst);
        self.rounds.fetch_add(1, Ordering::SeqCst);
        self.progress.announce();
        self.hooks.moved(count);
    }

    fn report(&self, round: &mut Round<H::Callback>, carried: Opaque<Reported<H>>, outcome: &DeliveryReport<'_>) {
        let delivered = outcome.code == Code::NONE;
        if delivered {
            self.tally.count_delivered(outcome.size());
            if self.brokers.suspect() {
                self.brokers.answered();
                self.collapse.reset();
            }
        } else {
            self.tally.failed.fetch_add(1, Ordering::Relaxed);
        }
        match carried {
            Opaque::Message(report) => {
                let callbacks = if delivered {
                    report.delivered(place(outcome))
                } else {
                    let callbacks = report.failed(self.failure(outcome));
                    self.failures.keep(&report);
                    callbacks
                };
                if !callbacks.as_slice().is_empty() {
                    round.completed.push((report, callbacks));
                }
            }
            Opaque::InBatch { batch, index } => {
                if round.batch.as_ref().is_none_or(|current| current.number != batch) {
                    self.end_run(round);
                    if let Some(previous) = std::mem::replace(&mut round.batch, self.batches.find(batch)) {
                        self.forget_if_done(&previous);
                    }
                }
                if delivered {
                    round.run.push((index, place(outcome)));
                } else if let Some(batch) = &round.batch {
                    self.failures.fail(batch, index, self.failure(outcome));
                }
            }
        }
    }

    fn end_run(&self, round: &mut Round<H::Callback>) {
        if let Some(batch) = &round.batch {
            batch.delivered(&round.run);
        }
        round.run.clear();
    }

    pub fn forget_if_done(&self, batch: &Batch) {
        if batch.done() {
            self.batches.forget(batch);
        }
    }

    fn failure(&self, outcome: &DeliveryReport<'_>) -> Failure {
        let topic = outcome.topic();
        let message = self.failure_message(&topic, outcome);
        self.transaction.failed(&message, outcome.code.0 > 0);
        Failure {
            topic,
            partition: outcome.partition,
            key: outcome.key(),
            value: outcome.value(),
            code: outcome.code,
            message,
        }
    }

    fn failure_message(&self, topic: &str, outcome: &DeliveryReport<'_>) -> String {
        let place = if outcome.partition >= 0 { format!(" [{}]", outcome.partition) } else { String::new() };
        let detail = match outcome.code {
            Code::MSG_TIMED_OUT => {
                let cause = self.brokers.last_cause().map_or_else(
                    || "no broker reported an error; does the topic exist and is its leader up?".to_owned(),
                    |cause| format!("the connection failed: {cause}. Is the broker running?"),
                );
                format!("not confirmed within delivery_timeout_ms={}; {cause}", self.timeout_ms)
            }
            Code::PURGE_QUEUE | Code::PURGE_INFLIGHT => self.given_up(outcome),
            code if code.is_fenced() => self.transaction.outdated().unwrap_or_else(|| outcome.reason()),
            _ => outcome.reason(),
        };
        format!("cannot deliver to '{topic}'{place}: {detail} ({})", outcome.code.name())
    }

    /// A producer that fails for good has its messages purged, before it says so itself.
    fn note_fatal(&self, open: &Open<H>, code: Code) {
        if matches!(code, Code::PURGE_QUEUE | Code::PURGE_INFLIGHT) && self.fatal.get().is_none() {
            if let Some((code, why)) = open.native.client().fatal_error() {
                let _ = self.fatal.set(format!("{why} ({})", code.name()));
            }
        }
    }

    /// Why a message was purged, as far as that is known.
    fn given_up(&self, outcome: &DeliveryReport<'_>) -> String {
        let when = match outcome.code {
            Code::PURGE_QUEUE => "given up before it was sent",
            _ => "given up before it was confirmed, so it may have arrived",
        };
        if let Some(why) = self.fatal.get() {
            return format!("{when}, since the producer failed for good: {why}");
        }
        if self.closing.load(Ordering::SeqCst) {
            let cause =
                self.brokers.last_cause().map_or_else(String::new, |cause| format!(". The connection failed: {cause}"));
            return format!("{when}, since the producer was closed{cause}");
        }
        outcome.reason()
    }
}

impl<H: ProducerHooks> ClientEvents for Shared<H> {
    fn log(&self, level: i32, facility: &str, text: &str) {
        if !self.stop.load(Ordering::Relaxed) {
            if let Some(record) = self.collapse.filter(level, facility, text) {
                self.hooks.log(record);
            }
        }
    }

    fn error(&self, code: Code, reason: &str) {
        self.brokers.record_error(code, reason);
        self.hooks.error(code, reason);
    }

    fn statistics(&self, json: &str) {
        self.hooks.statistics(json);
    }
}

fn place(outcome: &DeliveryReport<'_>) -> Delivered {
    Delivered { partition: outcome.partition, offset: outcome.offset, timestamp_ms: outcome.timestamp_ms }
}
