//! Texts for the error codes whose text in librdkafka only repeats their name: the cause, and what the caller can do.

/// kjson's own sentence for a code.
pub(super) fn own_text(code: i32) -> Option<&'static str> {
    OWN.binary_search_by_key(&code, |(known, _)| *known).ok().map(|at| OWN[at].1)
}

/// In the order of the codes.
const OWN: &[(i32, &str)] = &[
    (-199, "bad message format: the bytes that a broker sent are no valid record batch"),
    (-198, "invalid compressed data: a record batch could not be compressed or decompressed"),
    (-195, "broker transport failure: the connection to a broker broke or could not be made"),
    (-193, "host resolution failure: a host name has no address. Check bootstrap_servers and advertised.listeners"),
    (-192, "message timed out: it was not acknowledged within delivery_timeout_ms"),
    (-191, "no more messages: the end of the partition is reached"),
    (-190, "unknown partition: the topic has no partition of that number"),
    (-188, "unknown topic: it does not exist on the cluster, or this client may not see it"),
    (-185, "timed out: no broker answered within the timeout"),
    (-184, "queue full: queue_buffering_max_messages or queue_buffering_max_kbytes is reached"),
    (-183, "ISR count insufficient: too few replicas of the partition are in sync"),
    (-182, "broker node update: the cluster's list of brokers has changed"),
    (-181, "SSL error: the TLS connection to a broker failed. Check security_protocol and the ssl_ options"),
    (-180, "waiting for coordinator: no broker has been found yet that coordinates this group or transactional_id"),
    (-179, "unknown group: this client has no group of that name"),
    (-178, "operation in progress: the same call is still under way"),
    (-176, "existing subscription: the consumer is subscribed already"),
    (-175, "assign partitions: the group has given this member partitions"),
    (-174, "revoke partitions: the group takes partitions from this member"),
    (-173, "conflicting use: two calls or options exclude each other"),
    (-172, "erroneous state: the client's state forbids this call, for instance without a transaction or assignment"),
    (-171, "unknown protocol: the broker's answer names a protocol that this client does not speak"),
    (-170, "not implemented: this version of librdkafka cannot do that"),
    (-169, "authentication failure: a broker did not accept the credentials. Check sasl_mechanism, user and password"),
    (-168, "no offset stored: no position of the partition is known that could be committed"),
    (-167, "outdated: the partition was assigned or sought again meanwhile"),
    (-164, "awaiting cache update: the metadata of the cluster is being requested again"),
    (-163, "operation interrupted: a signal came before it ended"),
    (-162, "key serialization error: the key could not be serialized"),
    (-161, "value serialization error: the value could not be serialized"),
    (-160, "key deserialization error: the key could not be deserialized"),
    (-159, "value deserialization error: the value could not be deserialized"),
    (-158, "partial response: a broker's answer ended early"),
    (-157, "read-only object: it cannot be changed"),
    (-156, "no such entry: the topic, partition or group does not exist"),
    (-155, "read underflow: a broker's answer is shorter than its length field"),
    (-154, "invalid type: a value of another type is expected"),
    (-153, "retry operation: the call must be repeated"),
    (-152, "purged before it was sent: its producer was closed or failed for good, or its transaction aborted"),
    (
        -151,
        "purged before it was acknowledged, so it may have arrived: its producer was closed or failed \
            for good, or its transaction aborted",
    ),
    (-150, "fatal error: the client failed for good. Make a new one"),
    (-149, "inconsistent state: what the broker answered does not fit what the client sent"),
    (-146, "unknown broker: the cluster has no broker of that number"),
    (-145, "functionality not configured: this call needs another option, such as group_id or transactional_id"),
    (-143, "application generated error: the program itself reported it"),
    (-141, "no operation performed: there was nothing to do"),
    (-1, "unknown broker error: the broker failed without naming a cause. Its log may"),
    (0, "success: there was no error"),
    (2, "invalid message: the broker received a record that is damaged, or larger than its limit"),
    (4, "invalid message size: the broker was asked for records of an invalid size"),
    (5, "leader not available: the partition has no leader at present. It is being elected, or its broker is down"),
    (7, "request timed out: the broker did not get the answers of its replicas in time"),
    (8, "broker not available: the broker that is needed is down or starting"),
    (9, "replica not available: the broker has no copy of the partition that it could read from"),
    (11, "stale controller epoch: the cluster has a newer controller than the request names"),
    (15, "coordinator not available: no broker coordinates this group or transactional_id at present"),
    (16, "not coordinator: another broker coordinates this group or transactional_id now"),
    (
        17,
        "invalid topic: its name is not allowed, or it is one of Kafka's own. A name has at most 249 characters: \
         letters, digits, '.', '_' and '-'",
    ),
    (23, "inconsistent group protocol: the group's other members share no partition_assignment_strategy with this one"),
    (24, "invalid group.id: the broker does not accept this group_id, which may be empty"),
    (25, "unknown member: the group has removed this consumer, which was away for its session_timeout_ms"),
    (
        26,
        "invalid session timeout: session_timeout_ms is outside of the broker's group.min.session.timeout.ms and \
         group.max.session.timeout.ms",
    ),
    (29, "topic authorization failed: this client's user may not do that with the topic. Its ACLs have to allow it"),
    (30, "group authorization failed: this client's user may not use the group. Its ACLs have to allow it"),
    (31, "cluster authorization failed: this client's user may not do that on the cluster. Its ACLs have to allow it"),
    (32, "invalid timestamp: the record's timestamp is further from the broker's clock than the topic allows"),
    (33, "unsupported SASL mechanism: the broker does not offer this sasl_mechanism"),
    (36, "topic already exists: there is one of this name"),
    (38, "invalid replication factor: it is below 1, or there are fewer brokers"),
    (39, "invalid replica assignment: the brokers named for the replicas do not fit the topic"),
    (40, "configuration is invalid: the broker does not accept the value of one of the options"),
    (42, "invalid request: the broker cannot read it, or its parts contradict each other. Its log may say more"),
    (44, "policy violation: the request is against a policy that the cluster's operators have set"),
    (55, "operation not attempted: another part of the same request failed"),
    (58, "SASL authentication failed: the broker rejected the credentials. Check sasl_mechanism and password"),
    (59, "unknown producer id: the broker has forgotten this producer, whose last records were deleted or expired"),
    (72, "no matching listener: the partition's leader has no listener of the kind that this client connected to"),
    (76, "unsupported compression type: the broker does not accept this compression_type"),
    (95, "invalid update version: the cluster's metadata was changed by another request meanwhile"),
    (100, "unknown topic id: the topic was deleted, or deleted and created again"),
];

#[cfg(test)]
mod tests {
    use super::super::code::Code;

    use super::OWN;

    #[test]
    fn the_codes_are_in_order() {
        assert!(OWN.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    /// A text of few words only repeats the name.
    #[test]
    fn every_code_of_librdkafka_has_a_sentence() {
        let known = super::super::error_descriptions();
        assert!(known.len() > 150);
        let short: Vec<_> = known
            .keys()
            .map(|code| Code(*code))
            .filter(|code| {
                let text = code.text();
                let text = text.strip_prefix("Local: ").or_else(|| text.strip_prefix("Broker: ")).unwrap_or(text);
                text.split_whitespace().count() < 4
            })
            .map(|code| format!("{} {}: {:?}", code.0, code.name(), code.text()))
            .collect();
        assert!(short.is_empty(), "{short:#?}");
    }

    #[test]
    fn a_code_that_librdkafka_does_not_know_has_one_too() {
        assert!(Code(12_345).text().split_whitespace().count() > 4);
    }
}
