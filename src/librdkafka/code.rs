//! Error codes of librdkafka and of the Kafka protocol: their names, texts and kinds.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::code_text::own_text;

/// A `rd_kafka_resp_err_t` as a number, since brokers send codes that this librdkafka has no name for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Code(pub i32);

impl Code {
    pub const NONE: Code = Code(0);
    pub const BAD_MSG: Code = Code(-199);
    pub const BAD_COMPRESSION: Code = Code(-198);
    pub const TRANSPORT: Code = Code(-195);
    pub const RESOLVE: Code = Code(-193);
    pub const MSG_TIMED_OUT: Code = Code(-192);
    pub const PARTITION_EOF: Code = Code(-191);
    pub const UNKNOWN_PARTITION: Code = Code(-190);
    pub const UNKNOWN_TOPIC: Code = Code(-188);
    pub const ALL_BROKERS_DOWN: Code = Code(-187);
    pub const INVALID_ARG: Code = Code(-186);
    pub const TIMED_OUT: Code = Code(-185);
    pub const QUEUE_FULL: Code = Code(-184);
    pub const SSL: Code = Code(-181);
    pub const ASSIGN_PARTITIONS: Code = Code(-175);
    pub const REVOKE_PARTITIONS: Code = Code(-174);
    pub const PREV_IN_PROGRESS: Code = Code(-177);
    pub const OUTDATED: Code = Code(-167);
    pub const FAIL: Code = Code(-196);
    pub const STATE: Code = Code(-172);
    pub const AUTHENTICATION: Code = Code(-169);
    pub const AUTO_OFFSET_RESET: Code = Code(-140);
    pub const NO_OFFSET: Code = Code(-168);
    /// "No such entry": the topic or partition of an admin request does not exist.
    pub const NO_ENTRY: Code = Code(-156);
    /// Purged before it was sent, and after that without an answer.
    pub const PURGE_QUEUE: Code = Code(-152);
    pub const PURGE_INFLIGHT: Code = Code(-151);
    pub const FATAL: Code = Code(-150);
    pub const FENCED: Code = Code(-144);
    /// Another message of the same batch was rejected.
    pub const INVALID_DIFFERENT_RECORD: Code = Code(-138);
    pub const INVALID_PRODUCER_EPOCH: Code = Code(47);
    pub const FENCED_INSTANCE_ID: Code = Code(82);
    pub const PRODUCER_FENCED: Code = Code(90);
    pub const MAX_POLL_EXCEEDED: Code = Code(-147);
    pub const UNKNOWN_TOPIC_OR_PART: Code = Code(3);
    pub const MSG_SIZE_TOO_LARGE: Code = Code(10);
    pub const ILLEGAL_GENERATION: Code = Code(22);
    pub const UNKNOWN_MEMBER_ID: Code = Code(25);
    pub const REBALANCE_IN_PROGRESS: Code = Code(27);
    /// An older generation, under KIP-848.
    pub const STALE_MEMBER_EPOCH: Code = Code(113);
    pub const TOPIC_AUTHORIZATION_FAILED: Code = Code(29);
    pub const GROUP_AUTHORIZATION_FAILED: Code = Code(30);
    pub const CLUSTER_AUTHORIZATION_FAILED: Code = Code(31);
    pub const TRANSACTIONAL_ID_AUTHORIZATION_FAILED: Code = Code(53);

    /// Whether another producer with the same transactional id has fenced this one.
    pub fn is_fenced(self) -> bool {
        matches!(self, Code::FENCED | Code::PRODUCER_FENCED | Code::INVALID_PRODUCER_EPOCH)
    }

    /// The name, such as `MSG_SIZE_TOO_LARGE`; those of librdkafka itself start with `_`.
    pub fn name(self) -> &'static str {
        described(self).map_or("UNKNOWN", |(name, _)| name)
    }

    /// The code of this name, if there is one.
    pub fn named(name: &str) -> Option<Code> {
        table().iter().find(|(_, (known, _))| *known == name).map(|(code, _)| Code(*code))
    }

    /// A sentence for the code: librdkafka's, or ours where that names no cause.
    pub fn text(self) -> &'static str {
        const UNKNOWN: &str = "an error code of a newer broker, which this version of librdkafka does not know";
        own_text(self.0).or_else(|| described(self).map(|(_, text)| text)).unwrap_or(UNKNOWN)
    }

    /// Whether the same call may succeed when repeated: the protocol's "retriable" column
    /// (https://kafka.apache.org/protocol#protocol_error_codes) and the codes of librdkafka that may not last.
    pub fn retriable(self) -> bool {
        const CLIENT: &[i32] = &[-195, -193, -192, -187, -185, -184, -180, -168, -167, -166, -138];
        const BROKER: &[i32] =
            &[2, 3, 5, 6, 7, 8, 9, 13, 14, 15, 16, 19, 20, 27, 51, 56, 70, 71, 74, 75, 77, 78, 80, 89, 91, 92, 95, 103];
        if self.0 < 0 { CLIENT } else { BROKER }.contains(&self.0)
    }

    /// Whether the group rebalances, after which the same commit may succeed.
    pub fn is_rebalance(self) -> bool {
        matches!(
            self,
            Code::ILLEGAL_GENERATION | Code::UNKNOWN_MEMBER_ID | Code::REBALANCE_IN_PROGRESS | Code::STALE_MEMBER_EPOCH
        )
    }

    /// Whether there was no connection, rather than a broker that refused the request.
    pub fn is_connection(self) -> bool {
        [Code::TRANSPORT, Code::RESOLVE, Code::ALL_BROKERS_DOWN, Code::SSL, Code::AUTHENTICATION].contains(&self)
    }
}

fn described(code: Code) -> Option<(&'static str, &'static str)> {
    table().get(&code.0).copied()
}

fn table() -> &'static HashMap<i32, (&'static str, &'static str)> {
    static TABLE: OnceLock<HashMap<i32, (&'static str, &'static str)>> = OnceLock::new();
    TABLE.get_or_init(super::error_descriptions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_match_librdkafkas_names() {
        for (code, name) in [
            (Code::BAD_MSG, "_BAD_MSG"),
            (Code::BAD_COMPRESSION, "_BAD_COMPRESSION"),
            (Code::TRANSPORT, "_TRANSPORT"),
            (Code::RESOLVE, "_RESOLVE"),
            (Code::MSG_TIMED_OUT, "_MSG_TIMED_OUT"),
            (Code::UNKNOWN_PARTITION, "_UNKNOWN_PARTITION"),
            (Code::UNKNOWN_TOPIC, "_UNKNOWN_TOPIC"),
            (Code::ALL_BROKERS_DOWN, "_ALL_BROKERS_DOWN"),
            (Code::INVALID_ARG, "_INVALID_ARG"),
            (Code::TIMED_OUT, "_TIMED_OUT"),
            (Code::QUEUE_FULL, "_QUEUE_FULL"),
            (Code::SSL, "_SSL"),
            (Code::ASSIGN_PARTITIONS, "_ASSIGN_PARTITIONS"),
            (Code::REVOKE_PARTITIONS, "_REVOKE_PARTITIONS"),
            (Code::STATE, "_STATE"),
            (Code::AUTHENTICATION, "_AUTHENTICATION"),
            (Code::NO_OFFSET, "_NO_OFFSET"),
            (Code::PURGE_QUEUE, "_PURGE_QUEUE"),
            (Code::PURGE_INFLIGHT, "_PURGE_INFLIGHT"),
            (Code::FATAL, "_FATAL"),
            (Code::MAX_POLL_EXCEEDED, "_MAX_POLL_EXCEEDED"),
            (Code::INVALID_DIFFERENT_RECORD, "_INVALID_DIFFERENT_RECORD"),
            (Code::UNKNOWN_TOPIC_OR_PART, "UNKNOWN_TOPIC_OR_PART"),
            (Code::MSG_SIZE_TOO_LARGE, "MSG_SIZE_TOO_LARGE"),
            (Code::ILLEGAL_GENERATION, "ILLEGAL_GENERATION"),
            (Code::UNKNOWN_MEMBER_ID, "UNKNOWN_MEMBER_ID"),
            (Code::REBALANCE_IN_PROGRESS, "REBALANCE_IN_PROGRESS"),
            (Code::TOPIC_AUTHORIZATION_FAILED, "TOPIC_AUTHORIZATION_FAILED"),
            (Code::GROUP_AUTHORIZATION_FAILED, "GROUP_AUTHORIZATION_FAILED"),
            (Code::CLUSTER_AUTHORIZATION_FAILED, "CLUSTER_AUTHORIZATION_FAILED"),
            (Code::TRANSACTIONAL_ID_AUTHORIZATION_FAILED, "TRANSACTIONAL_ID_AUTHORIZATION_FAILED"),
        ] {
            assert_eq!(code.name(), name, "{code:?}");
        }
        assert_eq!(Code(9_999).name(), "UNKNOWN");
    }
}
