//! What kjson sets otherwise than librdkafka, and what it keeps to itself.

use super::role::Role;

pub const BOOTSTRAP_DEFAULT: &str = "localhost:9092";

/// Set by kjson and by nobody else, each with the reason.
pub(in crate::kafka) const KEPT: &[(&str, &str)] = &[
    ("enable.auto.offset.store", "kjson stores an offset when the next message is asked for, so that none is lost"),
    (
        "enable.partition.eof",
        "librdkafka's batches count an end as a message, and skip the next one after a rebalance. There is until_end()",
    ),
    ("enable.gapless.guarantee", "it is experimental in librdkafka"),
    ("delivery.report.only.error", "kjson counts the confirmed messages too, or flush would never know that all are"),
    ("enabled_events", "kjson takes librdkafka's events itself"),
    ("log.queue", "kjson hands librdkafka's log to logging.getLogger(\"kjson\")"),
];

pub(in crate::kafka) fn defaults(role: Role) -> Vec<(&'static str, &'static str)> {
    let mut defaults: Vec<(&str, &str)> = vec![
        ("metadata.broker.list", BOOTSTRAP_DEFAULT),
        // As the Java client. librdkafka waits up to 10 s, and meanwhile neither sees that the broker is back nor
        // reports a message that timed out (measured: 6 s late).
        ("reconnect.backoff.max.ms", "1000"),
        // As the Java client too. Half of it passes between two connections that librdkafka makes of its own accord.
        ("reconnect.backoff.ms", "50"),
    ];
    match role {
        Role::Producer => defaults.extend([
            // The partition that the Java client picks for the same key; librdkafka's default is CRC32.
            ("partitioner", "murmur2_random"),
            ("enable.idempotence", "true"),
            ("message.timeout.ms", "120000"),
        ]),
        Role::Consumer => defaults.extend([
            ("auto.offset.reset", "earliest"),
            // librdkafka pauses for 1,000 ms when 100,000 messages or 64 MB are queued; measured, that halves the rate.
            ("fetch.queue.backoff.ms", "10"),
        ]),
    }
    defaults
}

#[cfg(test)]
mod tests {
    use super::super::properties::table;
    use super::*;

    #[test]
    fn what_is_kept_exists() {
        for (name, _) in KEPT {
            assert!(table().by_name.contains_key(*name), "{name}");
        }
    }
}
