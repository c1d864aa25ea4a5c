//! Whether a message has headers, read where librdkafka stores them unparsed.
//!
//! `rd_kafka_message_headers` makes a buffer object of some 600 bytes even for a message without headers: 0.09 us, an
//! eleventh of the cost of reading a small message. Most have none, which a single byte shows.
//!
//! The struct below is no part of librdkafka's interface. A test compares its fields with those that the interface
//! returns.

use std::ffi::{c_int, c_void};

use rdkafka::bindings as rd;

/// `rd_kafka_msg_t`, of which `rd_kafka_message_t` is the first field ("MUST be first field"), with the consumer's half
/// of its union.
#[repr(C)]
struct PrivateMessage {
    shown: rd::rd_kafka_message_t,
    link: [*mut c_void; 2],
    flags: c_int,
    timestamp_type: c_int,
    timestamp: i64,
    headers: *mut rd::rd_kafka_headers_t,
    status: c_int,
    broker_id: i32,
    unparsed: Bytes,
    leader_epoch: i32,
}

/// `rd_kafkap_bytes_t` of rdkafka_proto.h.
#[repr(C)]
struct Bytes {
    length: i32,
    data: *const u8,
    following: [u8; 1],
}

/// Whether `rd_kafka_message_headers` would return any.
///
/// # Safety
/// `raw` is a live message from a consumer, whose code is none.
pub(in crate::librdkafka) unsafe fn has_headers(raw: *const rd::rd_kafka_message_t) -> bool {
    // SAFETY: such a message is the first field of this struct, which owns `length` bytes. In the record format that
    // has headers they begin with their count (KIP-82); older records have no such bytes.
    unsafe {
        let message = &*raw.cast::<PrivateMessage>();
        let unparsed = &message.unparsed;
        !message.headers.is_null() || (unparsed.length > 0 && (unparsed.length > 1 || *unparsed.data != 0))
    }
}

/// The timestamp of a message.
///
/// # Safety
/// `raw` is a live message, from a consumer or a producer.
pub(in crate::librdkafka) unsafe fn timestamp<'a>(raw: *mut rd::rd_kafka_message_t) -> &'a mut i64 {
    // SAFETY: both kinds are the first field of this struct, which they share up to the union.
    unsafe { &mut (*raw.cast::<PrivateMessage>()).timestamp }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::librdkafka::callbacks::Silent;
    use crate::librdkafka::client::Client;
    use crate::librdkafka::code::Code;
    use crate::librdkafka::conf::Conf;
    use crate::librdkafka::consumer::NativeConsumer;
    use crate::librdkafka::delivery_report::{Opaque, Payload};
    use crate::librdkafka::fetched::Fetched;
    use crate::librdkafka::mock::Cluster;
    use crate::librdkafka::partitions::PartitionList;
    use crate::librdkafka::producer::NativeProducer;
    use crate::librdkafka::record::{Header, Partition};

    const TIMEOUT: Duration = Duration::from_secs(20);

    fn conf(cluster: &Cluster) -> Conf {
        let mut conf = Conf::new();
        let servers = cluster.bootstrap_servers();
        for (name, value) in [("bootstrap.servers", servers.as_str()), ("group.id", "g"), ("check.crcs", "true")] {
            assert!(conf.set(name, value).is_ok());
        }
        conf
    }

    /// Sends a message with each of these lists of headers through a mock cluster.
    fn round_trip(all: &[&[Header]], check: impl Fn(&[Fetched])) {
        let host = Client::producer(Conf::new(), Arc::new(Silent)).ok().unwrap();
        let cluster = Cluster::new(host, 1).unwrap();
        cluster.create_topic("t", 1, 1).unwrap();
        let producer = Client::producer(conf(&cluster), Arc::new(Silent)).unwrap();
        let native = NativeProducer::<u64>::new(producer);
        let topic = native.topic("t").ok().unwrap();
        for (at, headers) in (1..).zip(all) {
            let payload = Payload {
                partition: 0,
                key: None,
                value: Some(b"1"),
                timestamp_ms: Some(at),
                headers,
                forwarded: None,
            };
            assert!(native.produce(&topic, &payload, Opaque::Message(Arc::new(0))).is_ok());
        }
        let begun = Instant::now();
        let mut reports = 0;
        while reports < all.len() && begun.elapsed() < TIMEOUT {
            native.poll(Duration::from_millis(100), |_, outcome| {
                assert_eq!(outcome.code, Code::NONE);
                reports += 1;
            });
        }
        drop(topic);

        let native = NativeConsumer::new(Client::consumer(conf(&cluster), Arc::new(Silent)).unwrap()).ok().unwrap();
        let partition = Partition { topic: "t".into(), id: 0 };
        native.assign(&PartitionList::of([(&partition, 0)])).unwrap();
        let mut messages = VecDeque::new();
        while messages.len() < all.len() && begun.elapsed() < TIMEOUT {
            native.fetch(Duration::from_millis(100), all.len() - messages.len(), &mut messages);
        }
        check(messages.make_contiguous());
    }

    #[test]
    fn the_private_struct_has_librdkafkas_fields() {
        round_trip(&[&[], &[], &[]], |messages| {
            assert_eq!(messages.len(), 3);
            for (at, message) in (1..).zip(messages) {
                let raw = message.raw();
                // SAFETY: live messages from a consumer.
                unsafe {
                    let seen = &*raw.cast::<PrivateMessage>();
                    assert_eq!(seen.timestamp, at);
                    assert_eq!(seen.timestamp, rd::rd_kafka_message_timestamp(raw, std::ptr::null_mut()));
                    assert_eq!(seen.broker_id, 1);
                    assert_eq!(seen.broker_id, rd::rd_kafka_message_broker_id(raw));
                    assert_eq!(seen.leader_epoch, rd::rd_kafka_message_leader_epoch(raw));
                    assert_eq!(seen.status, rd::rd_kafka_message_status(raw) as c_int);
                    assert_eq!(std::slice::from_raw_parts(seen.unparsed.data, 1), [0]);
                    assert_eq!(seen.unparsed.length, 1);
                }
            }
        });
    }

    #[test]
    fn headers_are_seen_where_there_are_some() {
        let one: &[Header] = &[("a".to_owned(), Some(b"b".to_vec()))];
        let empty: &[Header] = &[(String::new(), None)];
        let many: Vec<Header> = (0..300).map(|n| (n.to_string(), Some(vec![0]))).collect();
        let all = [&[], one, &[], empty, &many];
        round_trip(&all, |messages| {
            assert_eq!(messages.len(), all.len());
            for (message, headers) in messages.iter().zip(all) {
                // The second time they are parsed.
                for _ in 0..2 {
                    // SAFETY: a live message from a consumer.
                    assert_eq!(unsafe { has_headers(message.raw()) }, !headers.is_empty());
                    assert_eq!(message.headers().as_deref(), Ok(headers));
                }
            }
        });
    }
}
