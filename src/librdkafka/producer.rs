//! A producing client: messages to librdkafka, and its delivery reports back.

use std::ffi::{c_int, c_void};
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::bindings as rd;

use super::chunk::{Bounds, Chunk};
use super::client::{Client, Topic};
use super::code::Code;
use super::delivery_report::{raw_parts, DeliveryReport, NativeHeaders, Opaque, Payload};
use super::pinned::timestamp_zero;
use super::rejected_batch::explain;
use super::{code, millis, text};

/// How many messages go to librdkafka in one call.
const AT_ONCE: usize = 128;

/// A producing client, whose messages each carry an `Opaque<R>` from `produce` to the delivery report.
pub struct NativeProducer<R> {
    client: Client,
    reports: *mut rd::rd_kafka_queue_t,
    opaque: PhantomData<Arc<R>>,
}

// SAFETY: the queue is locked inside librdkafka, and `R` may move between threads.
unsafe impl<R: Send + Sync> Send for NativeProducer<R> {}
// SAFETY: as above.
unsafe impl<R: Send + Sync> Sync for NativeProducer<R> {}

impl<R: Send + Sync + 'static> NativeProducer<R> {
    pub fn new(client: Client) -> Self {
        // SAFETY: the client is live; the reference to its queue is released on drop.
        let reports = unsafe { rd::rd_kafka_queue_get_main(client.raw()) };
        NativeProducer { client, reports, opaque: PhantomData }
    }

    pub fn client(&self) -> &Client {
        &self.client
    }

    pub fn topic(&self, name: &str) -> Result<Topic, Code> {
        Topic::new(&self.client, name)
    }

    /// Enqueues a copy of one message. `poll` returns its opaque, or this function does if librdkafka refuses the
    /// message.
    pub fn produce(&self, topic: &Topic, payload: &Payload<'_>, opaque: Opaque<R>) -> Result<(), (Code, Opaque<R>)> {
        let opaque = opaque.into_opaque();
        let result = if payload.headers.is_empty() && payload.timestamp_ms.is_none() && payload.forwarded.is_none() {
            self.produce_plain(topic, payload, opaque)
        } else {
            self.produce_full(topic, payload, opaque)
        };
        // SAFETY: librdkafka refused the message, so it does not keep the pointer that was made above.
        result.map_err(|code| (code, unsafe { Opaque::from_opaque(opaque) }))
    }

    /// Enqueues the messages of `chunk` from number `from` on. `first` is the number of their batch and the index in it
    /// of the first one. Reports those that librdkafka refuses to `refused`. Returns how many were processed, and the
    /// error that ended it early.
    pub fn produce_chunk(
        &self,
        topic: &Topic,
        partition: i32,
        chunk: &Chunk,
        from: usize,
        first: (u32, u32),
        mut refused: impl FnMut(u32, &Bounds, Code),
    ) -> (usize, Option<Code>) {
        let (batch, first) = first;
        let mut done = 0;
        for bounds in chunk.messages.get(from..).unwrap_or_default().chunks(AT_ONCE) {
            let mut raw = [const { MaybeUninit::<rd::rd_kafka_message_t>::zeroed() }; AT_ONCE];
            for (number, (message, bounds)) in raw.iter_mut().zip(bounds).enumerate() {
                let (payload, len) = raw_parts(chunk.part(&bounds.value));
                let (key, key_len) = raw_parts(chunk.part(&bounds.key));
                let index = first + (done + number) as u32;
                // SAFETY: zeroed, every field is valid: null pointers, zero, and RD_KAFKA_RESP_ERR_NO_ERROR.
                let message = unsafe { message.assume_init_mut() };
                message.payload = payload.cast_mut();
                message.len = len;
                message.key = key.cast_mut();
                message.key_len = key_len;
                message._private = Opaque::<R>::InBatch { batch, index }.into_opaque();
            }
            // SAFETY: the first `bounds.len()` of `raw` are filled, and the bytes they point to live for the call;
            // F_COPY has librdkafka copy them. The topic belongs to this live client.
            unsafe {
                rd::rd_kafka_produce_batch(
                    topic.raw(),
                    partition,
                    rd::RD_KAFKA_MSG_F_COPY,
                    raw.as_mut_ptr().cast(),
                    bounds.len() as c_int,
                );
            }
            for (message, bounds) in raw.iter().zip(bounds) {
                // SAFETY: as above. Read as a number: librdkafka may write codes that the bindings' enum does not list.
                let code = Code(unsafe { std::ptr::addr_of!((*message.as_ptr()).err).cast::<i32>().read() });
                match code {
                    Code::NONE => {}
                    // All that follow would fail alike.
                    Code::QUEUE_FULL | Code::FATAL | Code::STATE => return (done, Some(code)),
                    other => refused(first + done as u32, bounds, other),
                }
                done += 1;
            }
        }
        (done, None)
    }

    fn produce_plain(&self, topic: &Topic, payload: &Payload<'_>, opaque: *mut c_void) -> Result<(), Code> {
        let (value, value_length) = raw_parts(payload.value);
        let (key, key_length) = raw_parts(payload.key);
        // SAFETY: the topic belongs to this live client; F_COPY makes librdkafka copy the value, and it always copies
        // the key.
        let status = unsafe {
            rd::rd_kafka_produce(
                topic.raw(),
                payload.partition,
                rd::RD_KAFKA_MSG_F_COPY,
                value.cast_mut(),
                value_length,
                key,
                key_length,
                opaque,
            )
        };
        if status == 0 {
            return Ok(());
        }
        // SAFETY: reads the calling thread's last error.
        Err(code(unsafe { rd::rd_kafka_last_error() }))
    }

    fn produce_full(&self, topic: &Topic, payload: &Payload<'_>, opaque: *mut c_void) -> Result<(), Code> {
        let (value, value_length) = raw_parts(payload.value);
        let (key, key_length) = raw_parts(payload.key);
        let headers = NativeHeaders::new(payload.headers, payload.forwarded)?;
        let timestamp_ms = timestamp_zero::stand_in(payload.timestamp_ms)?;
        // SAFETY: the tags and argument types are those of rdkafka.h's RD_KAFKA_V_* macros; all pointers live for the
        // call. librdkafka owns the headers only if the call succeeds.
        unsafe {
            use rd::rd_kafka_vtype_t as v;
            let result = code(rd::rd_kafka_producev(
                self.client.raw(),
                v::RD_KAFKA_VTYPE_RKT,
                topic.raw(),
                v::RD_KAFKA_VTYPE_PARTITION,
                payload.partition,
                v::RD_KAFKA_VTYPE_MSGFLAGS,
                rd::RD_KAFKA_MSG_F_COPY,
                v::RD_KAFKA_VTYPE_VALUE,
                value,
                value_length,
                v::RD_KAFKA_VTYPE_KEY,
                key,
                key_length,
                v::RD_KAFKA_VTYPE_TIMESTAMP,
                timestamp_ms,
                v::RD_KAFKA_VTYPE_OPAQUE,
                opaque,
                v::RD_KAFKA_VTYPE_HEADERS,
                headers.raw,
                v::RD_KAFKA_VTYPE_END,
            ));
            if result != Code::NONE {
                return Err(result);
            }
        }
        std::mem::forget(headers);
        Ok(())
    }

    /// Waits for delivery reports, and returns how many it passed to `take`. Errors and statistics are events of the
    /// same queue, instead of callbacks, and go to the client's `ClientEvents`.
    pub fn poll(&self, timeout: Duration, mut take: impl FnMut(Opaque<R>, DeliveryReport<'_>)) -> usize {
        // SAFETY: the queue is live. The event is ours until its destroy, and its messages live as long. Each message's
        // opaque pointer is from `into_opaque`, and librdkafka reports each message once.
        unsafe {
            let event = rd::rd_kafka_queue_poll(self.reports, millis(timeout));
            if event.is_null() {
                return 0;
            }
            let mut count = 0;
            let kind = rd::rd_kafka_event_type(event);
            if kind == rd::RD_KAFKA_EVENT_ERROR {
                let error = code(rd::rd_kafka_event_error(event));
                self.client.notify(|events| events.error(error, &text(rd::rd_kafka_event_error_string(event))));
            } else if kind == rd::RD_KAFKA_EVENT_STATS {
                self.client.notify(|events| events.statistics(&text(rd::rd_kafka_event_stats(event))));
            } else if kind == rd::RD_KAFKA_EVENT_DR {
                // An event has the messages of one batch, which were all delivered or all failed.
                let mut failed = Vec::new();
                loop {
                    let message = rd::rd_kafka_event_message_next(event);
                    if message.is_null() {
                        break;
                    }
                    let message = &*message;
                    let opaque = Opaque::from_opaque(message._private);
                    let report = DeliveryReport {
                        code: Code(std::ptr::addr_of!(message.err).cast::<i32>().read()),
                        partition: message.partition,
                        offset: message.offset,
                        timestamp_ms: rd::rd_kafka_message_timestamp(message, std::ptr::null_mut()),
                        cause: None,
                        message,
                    };
                    count += 1;
                    if report.code == Code::NONE {
                        take(opaque, report);
                    } else {
                        failed.push((opaque, report));
                    }
                }
                explain(&mut failed);
                failed.into_iter().for_each(|(opaque, report)| take(opaque, report));
            }
            rd::rd_kafka_event_destroy(event);
            count
        }
    }

    /// Wakes a `poll` on another thread.
    pub fn wake(&self) {
        // SAFETY: the queue is live.
        unsafe { rd::rd_kafka_queue_yield(self.reports) };
    }

    /// Sends all messages without waiting for `linger_ms`, and waits until they are confirmed. False after `timeout`.
    pub fn flush(&self, timeout: Duration) -> bool {
        // SAFETY: the client is live. With EVENT_DR set this waits until another thread has taken the reports.
        code(unsafe { rd::rd_kafka_flush(self.client.raw(), millis(timeout)) }) == Code::NONE
    }

    /// Drops all messages that are unsent or unconfirmed; each one gets its report.
    pub fn purge(&self) {
        let what = rd::RD_KAFKA_PURGE_F_QUEUE | rd::RD_KAFKA_PURGE_F_INFLIGHT;
        // SAFETY: the client is live.
        unsafe { rd::rd_kafka_purge(self.client.raw(), what) };
    }
}

impl<R> Drop for NativeProducer<R> {
    fn drop(&mut self) {
        // SAFETY: the reference from `new`, released once, before the client is dropped.
        unsafe { rd::rd_kafka_queue_destroy(self.reports) }
    }
}
