//! The report thread of a producer: takes delivery reports in batches and notifies what waits for them.
//!
//! A failure goes to the message's callback, to the program if it asks the `DeliveryState` or `BatchState`, and
//! otherwise to the next `flush` or `close`.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use super::delivery::Delivered;
use super::delivery_batch::BatchState;
use super::state::{Completed, DeliveryOf, OpenClient, ProducerHooks, ProducerState};
use crate::kafka::client::error::Failure;
use crate::kafka::client::wait::TICK;
use crate::librdkafka::callbacks::ClientEvents;
use crate::librdkafka::code::Code;
use crate::librdkafka::delivery_report::{DeliveryReport, Opaque};

/// The reports of one poll, for notifications that are made once at its end.
struct Polled<C> {
    completed: Vec<Completed<C>>,
    /// Consecutive delivered messages of `batch`.
    run: Vec<(u32, Delivered)>,
    batch: Option<Arc<BatchState>>,
}

impl<H: ProducerHooks> ProducerState<H> {
    /// The report thread: takes reports until the producer stops, and destroys the client if it is the last owner.
    pub fn take_reports(&self, open: Arc<OpenClient<H>>) {
        *self.report_thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(std::thread::current().id());
        let mut polled = Polled { completed: Vec::new(), run: Vec::new(), batch: None };
        while !self.stop.load(Ordering::SeqCst) {
            let count = open.native.poll(TICK, |carried, report| {
                self.note_fatal(&open, report.code);
                self.record(&mut polled, carried, &report);
            });
            if count > 0 {
                self.finish_poll(&mut polled, count);
            }
        }
    }

    fn finish_poll(&self, polled: &mut Polled<H::Callback>, count: usize) {
        self.record_run(polled);
        if let Some(batch) = polled.batch.take() {
            self.forget_if_done(&batch);
        }
        if !polled.completed.is_empty() {
            self.progress.notify();
            self.hooks.completed(&|topic| self.topic_name(topic), std::mem::take(&mut polled.completed));
        }
        self.reported.fetch_add(count, Ordering::SeqCst);
        self.polls.fetch_add(1, Ordering::SeqCst);
        self.progress.notify();
        self.hooks.moved(count);
    }

    fn record(&self, polled: &mut Polled<H::Callback>, carried: Opaque<DeliveryOf<H>>, report: &DeliveryReport<'_>) {
        let delivered = report.code == Code::NONE;
        if delivered {
            self.counters.count_delivered(report.size());
            if self.brokers.suspect() {
                self.brokers.answered();
                self.collapse.reset();
            }
        } else {
            self.counters.failed.fetch_add(1, Ordering::Relaxed);
        }
        match carried {
            Opaque::Message(delivery) => {
                let callbacks = if delivered {
                    delivery.delivered(position(report))
                } else {
                    let callbacks = delivery.failed(self.failure(report));
                    self.failures.keep(&delivery);
                    callbacks
                };
                if !callbacks.as_slice().is_empty() {
                    polled.completed.push((delivery, callbacks));
                }
            }
            Opaque::InBatch { batch, index } => {
                if polled.batch.as_ref().is_none_or(|current| current.number != batch) {
                    self.record_run(polled);
                    if let Some(previous) = std::mem::replace(&mut polled.batch, self.batches.find(batch)) {
                        self.forget_if_done(&previous);
                    }
                }
                if delivered {
                    polled.run.push((index, position(report)));
                } else if let Some(batch) = &polled.batch {
                    self.failures.fail(batch, index, self.failure(report));
                }
            }
        }
    }

    fn record_run(&self, polled: &mut Polled<H::Callback>) {
        if let Some(batch) = &polled.batch {
            batch.delivered(&polled.run);
        }
        polled.run.clear();
    }

    pub fn forget_if_done(&self, batch: &BatchState) {
        if batch.done() {
            self.batches.forget(batch);
        }
    }

    fn failure(&self, report: &DeliveryReport<'_>) -> Failure {
        let topic = report.topic();
        let message = self.failure_message(&topic, report);
        self.transaction.failed(&message, report.code.0 > 0);
        Failure {
            topic,
            partition: report.partition,
            key: report.key(),
            value: report.value(),
            code: report.code,
            message,
        }
    }

    fn failure_message(&self, topic: &str, report: &DeliveryReport<'_>) -> String {
        let partition = if report.partition >= 0 { format!(" [{}]", report.partition) } else { String::new() };
        let detail = match report.code {
            Code::MSG_TIMED_OUT => {
                let cause = self.brokers.last_cause().map_or_else(
                    || "no broker reported an error; does the topic exist and is its leader up?".to_owned(),
                    |cause| format!("the connection failed: {cause}. Is the broker running?"),
                );
                format!("not acknowledged within delivery_timeout_ms={}; {cause}", self.timeout_ms)
            }
            Code::PURGE_QUEUE | Code::PURGE_INFLIGHT => self.purged(report),
            code if code.is_fenced() => self.transaction.outdated().unwrap_or_else(|| report.reason()),
            _ => report.reason(),
        };
        format!("cannot deliver to '{topic}'{partition}: {detail} ({})", report.code.name())
    }

    /// A fatal error purges the producer's messages before librdkafka reports it.
    fn note_fatal(&self, open: &OpenClient<H>, code: Code) {
        if matches!(code, Code::PURGE_QUEUE | Code::PURGE_INFLIGHT) && self.fatal.get().is_none() {
            if let Some((code, why)) = open.native.client().fatal_error() {
                let _ = self.fatal.set(format!("{why} ({})", code.name()));
            }
        }
    }

    /// Why a message was purged, if that is known.
    fn purged(&self, report: &DeliveryReport<'_>) -> String {
        let when = match report.code {
            Code::PURGE_QUEUE => "given up before it was sent",
            _ => "given up before it was acknowledged, so it may have arrived",
        };
        if let Some(why) = self.fatal.get() {
            return format!("{when}, since the producer failed for good: {why}");
        }
        if self.closing.load(Ordering::SeqCst) {
            let cause =
                self.brokers.last_cause().map_or_else(String::new, |cause| format!(". The connection failed: {cause}"));
            return format!("{when}, since the producer was closed{cause}");
        }
        report.reason()
    }
}

impl<H: ProducerHooks> ClientEvents for ProducerState<H> {
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

fn position(report: &DeliveryReport<'_>) -> Delivered {
    Delivered { partition: report.partition, offset: report.offset, timestamp_ms: report.timestamp_ms }
}
